# SPDX-License-Identifier: MIT
"""Row 1h, after the essay on structured concurrency that "asyncio" links: scopes.

A scope does not end before its tasks; the first failure cancels the others and is reported; a
deadline holds for everything inside. The essay has no program; this one uses asyncio's TaskGroup
and timeout, which were made after it.
Patches: clock (virtual_time stands for the loop's clock); each scope has a task of its own, because
CPython 3.11.2 leaves a task that was cancelled by its group counted as cancelled.
"""
import asyncio

import virtual_time as time
from constants import constants

first, second, deadline = constants(1, 2, 3)
LONG = 100


async def worker(name, delay, fails=False):
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        print(f'{name} is cancelled')
        raise
    if fails:
        print(f'{name} fails')
        raise ValueError(f'{name} gave up')
    print(f'{name} is done')


async def all_is_well():
    async with asyncio.TaskGroup() as group:
        group.create_task(worker('a', first))
        group.create_task(worker('b', second))
        print('the body has ended, the scope has not')


async def one_fails():
    async with asyncio.TaskGroup() as group:
        group.create_task(worker('c', first, fails=True))
        group.create_task(worker('d', LONG))


async def too_late():
    async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
        group.create_task(worker('e', first))
        group.create_task(worker('f', LONG))


async def main():
    for scope in (all_is_well, one_fails, too_late):
        start_time = time.time()
        try:
            await asyncio.create_task(scope())
            print('scope: all done')
        except* ValueError as group:
            print('scope:', group.exceptions[0])
        except* TimeoutError:
            print('scope: out of time')
        print(time.time() - start_time)


time.run(main())
