# SPDX-License-Identifier: MIT
"""Row 0c, after "Build Your Own Async": countdown and countup rewritten as callbacks.

Patches: clock (virtual_time stands for time); constants (counts and periods in seconds come from
the command line).
"""
from callback_scheduler import Scheduler
from constants import constants

down, down_period, up, up_period = constants(5, 4, 20, 1)
sched = Scheduler()


def countdown(n):
    if n > 0:
        print(f'Down {n}')
        sched.call_later(down_period, lambda: countdown(n - 1))


def countup(stop):
    def _run(x):
        if x < stop:
            print(f'Up {x}')
            sched.call_later(up_period, lambda: _run(x + 1))
    _run(0)


sched.call_soon(lambda: countdown(down))
sched.call_soon(lambda: countup(up))
sched.run()
