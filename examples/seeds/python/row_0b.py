# SPDX-License-Identifier: MIT
"""Row 0b, after "Build Your Own Async": the callback scheduler.

Shows call_soon, call_later, the queue of the ready, the heap of deadlines with its sequence
number for ties, and a run that ends when nothing is left. The tutorial gives the class; the
calls below are ours: one late callback for each delay on the command line.
"""
from callback_scheduler import Scheduler
import virtual_time as time
from constants import words

delays = [int(text) for text in words('2', '1', '2', '3', '1')]
sched = Scheduler()


def first():
    print('soon: first')
    sched.call_soon(lambda: print('soon: called by the first'))


def late(number, delay):
    print(f'{time.time():.0f} s: late {number} (after {delay} s)')


sched.call_soon(first)
for number, delay in enumerate(delays):
    sched.call_later(delay, lambda number=number, delay=delay: late(number, delay))
sched.call_soon(lambda: print('soon: second'))
print('nothing has run yet')
sched.run()
print('nothing is left')
