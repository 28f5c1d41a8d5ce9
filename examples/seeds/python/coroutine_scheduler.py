# SPDX-License-Identifier: MIT
"""The coroutine scheduler of "Build Your Own Async" (rows 0d and 0e).

Patches: clock (virtual_time stands for time).
"""
from collections import deque
import heapq

import virtual_time as time


class Awaitable:
    def __await__(self):
        yield


def switch():
    return Awaitable()


class Scheduler:
    def __init__(self):
        self.ready = deque()
        self.sleeping = []
        self.current = None
        self.sequence = 0

    async def sleep(self, delay):
        self.sequence += 1
        heapq.heappush(self.sleeping, (time.time() + delay, self.sequence, self.current))
        self.current = None
        await switch()

    def new_task(self, coro):
        self.ready.append(coro)

    def run(self):
        while self.ready or self.sleeping:
            if not self.ready:
                deadline, _, coro = heapq.heappop(self.sleeping)
                delta = deadline - time.time()
                if delta > 0:
                    time.sleep(delta)
                self.ready.append(coro)
            self.current = self.ready.popleft()
            try:
                self.current.send(None)
                if self.current:
                    self.ready.append(self.current)
            except StopIteration:
                pass
