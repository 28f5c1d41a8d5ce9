# SPDX-License-Identifier: MIT
"""The scheduler on generators of "asyncio" and its small library (rows 1d, 1e and 1f).

Scheduler knows tasks and sleepers, SocketScheduler also sockets; the two are the tutorial's two
versions. `use(scheduler)` chooses which one the functions below drive.

Patches:
  clock     virtual_time stands for time and select.
  parking   whoever waits for a task sleeps until that is done; the tutorial asks again and
            again, and on a virtual clock no time would ever pass.
  due       a sleeper is due at its deadline, not only after it; on a virtual clock the
            tutorial's version would find nothing to run at the deadline itself.
  fifo      the first waiter on a socket is served first; the tutorial pops the last one.
"""
import collections
import heapq

import virtual_time as time


class Scheduler:
    def __init__(self):
        self._current = None
        self._ready = collections.deque()
        self._sleeping = []
        self._seq_no = 0

    def add_iterator(self, iterator):
        self._ready.append(iterator)

    def park(self):
        current, self._current = self._current, None
        return current

    def sleep(self, delay):
        deadline = time.time() + delay
        heapq.heappush(self._sleeping, (deadline, self._seq_no, self.park()))
        self._seq_no += 1
        yield

    def step(self):
        self._current = self._ready.popleft()
        try:
            next(self._current)
            if self._current:
                self._ready.append(self._current)
        except StopIteration:
            pass

    def run(self):
        while self._ready or self._sleeping:
            if not self._ready:
                deadline, _, iterator = heapq.heappop(self._sleeping)
                delta = deadline - time.time()
                if delta > 0:
                    time.sleep(delta)
                self._ready.append(iterator)
            self.step()


class SocketScheduler(Scheduler):
    def __init__(self):
        super().__init__()
        self._waiting = collections.defaultdict(collections.deque)

    def sock_recvfrom(self, sock, bufsize):
        self._waiting[sock].append(self.park())
        yield
        return sock.recvfrom(bufsize)

    def wait_for_something(self):
        timeout = None
        if self._sleeping:
            timeout = max(0, self._sleeping[0][0] - time.time())
        can_read, _, _ = time.select(list(self._waiting), [], [], timeout)
        for sock in can_read:
            self._ready.append(self._waiting[sock].popleft())      # patch "fifo"
            if not self._waiting[sock]:
                self._waiting.pop(sock)
        while self._sleeping and time.time() >= self._sleeping[0][0]:   # patch "due"
            self._ready.append(heapq.heappop(self._sleeping)[-1])

    def run(self):
        while self._ready or self._waiting or self._sleeping:
            if not self._ready:
                self.wait_for_something()
            else:
                self.step()


class Task:
    def __init__(self):
        self._result = None
        self._done = False
        self._waiter = None

    def done(self, result):
        self._result = result
        self._done = True
        if self._waiter:
            the_scheduler.add_iterator(self._waiter)

    def wait(self):
        if not self._done:
            self._waiter = the_scheduler.park()                    # patch "parking"
            yield
        return self._result


def use(scheduler):
    global the_scheduler
    the_scheduler = scheduler


def run(iterator):
    the_scheduler.add_iterator(iterator)
    the_scheduler.run()


def sleep(delay):
    return the_scheduler.sleep(delay)


def sock_recvfrom(sock, bufsize):
    return the_scheduler.sock_recvfrom(sock, bufsize)


def create_task(iterator):
    task = Task()

    def wrapped():
        task.done((yield from iterator))

    the_scheduler.add_iterator(wrapped())
    return task.wait()


use(Scheduler())
