# SPDX-License-Identifier: MIT
"""Row 3g, after "An introduction to Asyncio": the ways to run a coroutine.

One entry point that runs the loop, awaiting, and tasks: say_after in a row, then beside each
other.
Patches: clock (virtual_time stands for the loop's clock; the printed time of day is the real one
and masked, so the time that passed is printed too); constants (two delays and two words come from
the command line).
"""
import asyncio
import time

import virtual_time
from constants import constants

first, second, hello, world = constants(1, 2, 'hello', 'world')


async def say_after(delay, what):
    await asyncio.sleep(delay)
    print(what)


async def in_a_row():
    await say_after(first, hello)
    await say_after(second, world)


async def as_tasks():
    task1 = asyncio.create_task(say_after(first, hello))
    task2 = asyncio.create_task(say_after(second, world))
    await task1
    await task2


async def main(way):
    start_time = virtual_time.time()
    print(f"started at {time.strftime('%X')}")
    await way()
    print(f"finished at {time.strftime('%X')}")
    print(virtual_time.time() - start_time)


virtual_time.run(main(in_a_row))
virtual_time.run(main(as_tasks))
