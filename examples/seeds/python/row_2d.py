# SPDX-License-Identifier: MIT
"""Row 2d, after "AsyncIO Study Note": one search, then two searches, under the scheduler.

Patches: see study_note.py; constants (the digits of each search come from the command line: the
first has a scheduler of its own, the others share one).
"""
from constants import words
from study_note import Scheduler, async_search, fib, has_digits

first, *others = [int(text) for text in words('3', '3', '4')]

for searches in ([first], others):
    scheduler = Scheduler()
    for digits in searches:
        scheduler.add(async_search(fib(), has_digits(digits)))
    scheduler.run_to_completion()
