# SPDX-License-Identifier: MIT
"""Row 4f, after "Async IO from Ground Up": run, send, nested await.

Patches: constants (the numbers of the two sums come from the command line).
"""
from collections import deque
import types

from constants import constants

a, b, c, d = constants(3, 4, 30, 40)


@types.coroutine
def square(x):
    yield
    print("square", x)
    return x * x


async def sum_of_squares(x, y):
    return await square(x) + await square(y)


async def print_sum_of_squares(x, y):
    print(await sum_of_squares(x, y))


def run(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as e:
        return e.value


def interweave(coroutines):
    q = deque(coroutines)
    while q:
        coro = q.popleft()
        try:
            coro.send(None)
        except StopIteration:
            pass
        else:
            q.append(coro)


print(run(square(a)))
print(run(sum_of_squares(a, b)))
interweave([print_sum_of_squares(a, b), print_sum_of_squares(c, d)])
