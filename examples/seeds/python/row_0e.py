# SPDX-License-Identifier: MIT
"""Row 0e, after "Build Your Own Async": the coroutine scheduler; the same counts as plain loops.

Patches: clock (virtual_time stands for time); constants (counts and periods in seconds come from
the command line).
"""
from coroutine_scheduler import Scheduler
from constants import constants

down, down_period, up, up_period = constants(5, 4, 20, 1)
sched = Scheduler()


async def countdown(n):
    while n > 0:
        print(f'Down {n}')
        await sched.sleep(down_period)
        n -= 1


async def countup(stop):
    x = 0
    while x < stop:
        print(f'Up {x}')
        await sched.sleep(up_period)
        x += 1


sched.new_task(countdown(down))
sched.new_task(countup(up))
sched.run()
