# SPDX-License-Identifier: MIT
"""Row 0d, after "Build Your Own Async": nothing runs until somebody asks.

A generator does nothing until next, a coroutine nothing until send(None).
Patches: constants (the count and the number of steps come from the command line); the coroutine
prints where it is, since the tutorial's prints nothing at all.
"""
from coroutine_scheduler import switch
from constants import constants

n, steps = constants(10, 2)


def countdown(n):
    while n > 0:
        print(f'Down {n}')
        yield
        n -= 1


async def foo(steps):
    for step in range(steps):
        print(f'foo: step {step}')
        await switch()


generator = countdown(n)
print(generator)
for _ in range(steps):
    next(generator)
print('the generator rests')
generator.close()

coroutine = foo(steps)
print(coroutine)
for _ in range(steps):
    coroutine.send(None)
print('the coroutine rests')
try:
    coroutine.send(None)
except StopIteration:
    print('the coroutine has ended')
