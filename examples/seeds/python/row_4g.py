# SPDX-License-Identifier: MIT
"""Row 4g, after "Async IO from Ground Up": display in a row and interleaved.

Patches: constants (the two words come from the command line).
"""
from collections import deque
import types

from constants import constants

first, second = constants('ABC', '123')


@types.coroutine
def display(values):
    for v in values:
        print(v)
        yield


async def display2(values1, values2):
    await display(values1)
    await display(values2)


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


run(display2(first, second))
interweave([display(first), display(second)])
