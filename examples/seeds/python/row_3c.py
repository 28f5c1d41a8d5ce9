# SPDX-License-Identifier: MIT
"""Row 3c, after "An introduction to Asyncio": a pipeline that pulls and one that pushes.

Patches: constants (the range and the factor come from the command line).
"""
from constants import constants

stop, factor = constants(10, 2)


def odd(prev):
    for el in prev:
        if el % 2 == 1:
            yield el


def mul(prev, factor):
    for el in prev:
        yield el * factor


def push_odd(nextcoro):
    while True:
        num = (yield)
        if num % 2 == 1:
            nextcoro.send(num)


def push_mul(factor, nextcoro):
    while True:
        num = (yield)
        nextcoro.send(num * factor)


def printer():
    while True:
        num = (yield)
        print(num)


print('pull')
for line in mul(odd(range(stop)), factor):
    print(line)

print('push')
p = printer()
m = push_mul(factor, p)
o = push_odd(m)
p.send(None)
m.send(None)
o.send(None)
for i in range(stop):
    o.send(i)
