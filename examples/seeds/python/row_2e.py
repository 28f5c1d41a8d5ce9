# SPDX-License-Identifier: MIT
"""Row 2e, after "AsyncIO Study Note": prime numbers of the sequence beside a repeated message.

The tutorial leaves the run as a comment, because it never ends.
Patches:
  clock      virtual_time stands for time; each round of steps costs a millisecond.
  quiet      the scheduler does not print "Running task" at each of its thousands of steps.
  due        async_sleep is over at its deadline, not after it.
  ending     the search fails after a number of finds, or at the first number beyond 64 bits; the
             scheduler prints that and closes the message task.
  constants  finds, interval in milliseconds and the sequence's first two values come from the
             command line.
"""
from math import sqrt

import study_note
import virtual_time as time
from constants import constants

finds, interval_ms, first, second = constants(13, 2000, 2, 1)
STEP = 0.001


class Scheduler(study_note.Scheduler):
    def run_to_completion(self):
        while not self.failed_task_errors:
            for _ in range(len(self.runnable_tasks)):
                self.run_step(self.runnable_tasks.popleft())
            time.sleep(STEP)
        for task in self.runnable_tasks:
            task.routine.close()


def async_sleep(interval_secs):
    expiry = time.time() + interval_secs
    while True:
        yield
        if time.time() >= expiry:
            break


def async_is_prime(x):
    if x < 2:
        return False
    for i in range(2, int(sqrt(x)) + 1):
        if x % i == 0:
            return False
        yield from async_sleep(0)
    return True


def async_print_matches(iterable, async_predicate):
    found = 0
    for item in iterable:
        if item >= 2**63:
            raise ValueError("number beyond 64 bits")
        matches = yield from async_predicate(item)
        if matches:
            print(f"Found: {item}")
            found += 1
            if found == finds:
                raise ValueError(f"enough: {found} found")


def async_repetitive_message(msg, interval_secs):
    try:
        while True:
            print(msg)
            yield from async_sleep(interval_secs)
    finally:
        print('message cancelled')


sched = Scheduler()
sched.add(async_repetitive_message('This is an async message', interval_ms / 1000))
sched.add(async_print_matches(study_note.fib(first, second), async_is_prime))
sched.run_to_completion()
