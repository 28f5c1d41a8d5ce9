# SPDX-License-Identifier: MIT
"""Row 2f, after "AsyncIO Study Note": the same with asyncio: gather, run until complete, close.

Patches:
  clock      virtual_time stands for the loop's clock; a step of the search costs a millisecond.
  ending     the search fails after a number of finds, or at the first number beyond 64 bits; then
             the message task is cancelled, which asyncio's gather leaves to its caller.
  search     the coroutine `search`, which the tutorial defines and does not use, runs first.
  constants  finds, interval in milliseconds and the sequence's first two values come from the
             command line.
"""
import asyncio
from math import sqrt

import virtual_time
from constants import constants
from study_note import fib

finds, interval_ms, first, second = constants(13, 2000, 2, 1)
STEP = 0.001


async def is_prime(x):
    if x < 2:
        return False
    for i in range(2, int(sqrt(x)) + 1):
        if x % i == 0:
            return False
        await asyncio.sleep(STEP)
    return True


async def search(iterable, predicate):
    print('search')
    for item in iterable:
        if await predicate(item):
            print('predicate returned True')
            return item
        await asyncio.sleep(STEP)
    raise ValueError("Not found")


async def print_matches(iterable, async_predicate):
    found = 0
    for item in iterable:
        if item >= 2**63:
            raise ValueError("number beyond 64 bits")
        if await async_predicate(item):
            print(f"Found: {item}")
            found += 1
            if found == finds:
                raise ValueError(f"enough: {found} found")


async def repetitive_message(msg, interval_secs):
    try:
        while True:
            print(msg)
            await asyncio.sleep(interval_secs)
    finally:
        print('message cancelled')


loop = virtual_time.new_event_loop()
print(loop.run_until_complete(search(fib(first, second), is_prime)))
search_task = asyncio.ensure_future(print_matches(fib(first, second), is_prime), loop=loop)
repetitive_task = asyncio.ensure_future(
    repetitive_message('This is an async message!', interval_ms / 1000), loop=loop)
all_future = asyncio.gather(search_task, repetitive_task)
try:
    loop.run_until_complete(all_future)
except ValueError as error:
    repetitive_task.cancel()
    loop.run_until_complete(asyncio.wait([repetitive_task]))
    print('Failed with exception:', error)
loop.close()
