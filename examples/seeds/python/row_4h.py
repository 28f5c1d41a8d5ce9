# SPDX-License-Identifier: MIT
"""Row 4h, after "Async IO from Ground Up": generator-based coroutines, and what am I.

A plain generator is used where one waits (types.coroutine), it delegates to a range, and a
function asks who runs it: plain call, generator or task.
Patches: constants (the length of the range and the number come from the command line); what am I
(the tutorial prints code flags and the answers of inspect, which say what Python made of a
function; here the flag and the task say it at the place that runs).
"""
import asyncio
import sys
import types

from constants import constants

length, number = constants(10, 3)
CO_GENERATOR = 0x20


@types.coroutine
def square(x):
    yield from range(length)
    return x * x


async def sum_of_squares(x, y):
    return await square(x) + await square(y)


def run(coroutine):
    steps = 0
    try:
        while True:
            coroutine.send(None)
            steps += 1
    except StopIteration as e:
        print(f'{steps} steps, result {e.value}')


def what_am_i():
    if sys._getframe(1).f_code.co_flags & CO_GENERATOR:
        return 'generator'
    try:
        return 'task' if asyncio.current_task() else 'plain call'
    except RuntimeError:                        # no loop runs
        return 'plain call'


def in_generator():
    yield what_am_i()


async def in_task():
    return what_am_i()


async def generator_in_task():
    return next(in_generator())


run(square(number))
run(sum_of_squares(number, number + 1))
print('plainly called:', what_am_i())
print('from a generator:', next(in_generator()))
print('from a task:', asyncio.run(in_task()))
print('from a generator in a task:', asyncio.run(generator_in_task()))
