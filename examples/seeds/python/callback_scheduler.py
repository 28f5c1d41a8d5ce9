# SPDX-License-Identifier: MIT
"""The callback scheduler of "Build Your Own Async" (rows 0b and 0c).

Patches: clock (virtual_time stands for time). The rest behaves as the tutorial's class, its
weakness included: sleepers are looked at only when no callback is ready.
"""
from collections import deque
import heapq

import virtual_time as time


class Scheduler:
    def __init__(self):
        self.ready = deque()
        self.sleeping = []
        self.sequence = 0

    def call_soon(self, func):
        self.ready.append(func)

    def call_later(self, delay, func):
        self.sequence += 1
        heapq.heappush(self.sleeping, (time.time() + delay, self.sequence, func))

    def run(self):
        while self.ready or self.sleeping:
            if not self.ready:
                deadline, _, func = heapq.heappop(self.sleeping)
                delta = deadline - time.time()
                if delta > 0:
                    time.sleep(delta)
                self.ready.append(func)
            while self.ready:
                func = self.ready.popleft()
                func()
