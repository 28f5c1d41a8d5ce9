# SPDX-License-Identifier: MIT
"""Row 3d, after "An introduction to Asyncio": close, throw, broadcast.

The tutorial says in three sentences that a coroutine can catch its close, that exceptions can be
thrown into it, and that results can be broadcast to several; the program is ours. A printer for
each name on the command line gets every number below the first argument; then an error is thrown
into each, one more number follows, and all are closed.
"""
import sys

stop = int(sys.argv[1]) if len(sys.argv) > 1 else 3
names = sys.argv[2:] or ['left', 'right']


def printer(name):
    try:
        while True:
            try:
                num = (yield)
                print(f'{name}: {num}')
            except ValueError as error:
                print(f'{name}: caught {error}')
    except GeneratorExit:
        print(f'{name}: closing')
        raise


def broadcast(targets):
    while True:
        num = (yield)
        for target in targets:
            target.send(num)


printers = [printer(name) for name in names]
everyone = broadcast(printers)
for target in [*printers, everyone]:
    target.send(None)
for number in range(stop):
    everyone.send(number)
for target in printers:
    target.throw(ValueError('bad value'))
everyone.send(stop)
everyone.close()
for target in printers:
    target.close()
try:
    everyone.send(0)
except StopIteration:
    print('nobody listens any more')
