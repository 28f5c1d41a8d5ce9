# SPDX-License-Identifier: MIT
"""Row 0a, after "Build Your Own Async": countdown and countup with threads, for comparison.

Patches:
  constants    the two counts and the period (milliseconds) come from the command line.
  whole lines  a line is written in one piece, so that two threads cannot break it.
"""
import threading
import time

from constants import constants

down, up, period_ms = constants(5, 5, 1000)


def countdown(n):
    while n > 0:
        print(f'Down {n}\n', end='')
        time.sleep(period_ms / 1000)
        n -= 1


def countup(stop):
    x = 0
    while x < stop:
        print(f'Up {x}\n', end='')
        time.sleep(period_ms / 1000)
        x += 1


lanes = [threading.Thread(target=countdown, args=(down,)),
         threading.Thread(target=countup, args=(up,))]
start_time = time.time()
for lane in lanes:
    lane.start()
for lane in lanes:
    lane.join()
print('both lanes:', time.time() - start_time)
