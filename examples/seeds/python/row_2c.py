# SPDX-License-Identifier: MIT
"""Row 2c, after "AsyncIO Study Note": Task and Scheduler, results and errors by id.

Ids run on across schedulers (0, then 1 and 2). Results can be taken out by id. A failing task
stops nobody else, and its error is found by its id.
Patches: see study_note.py; constants (the digits of the two searches and the length of the
search that fails come from the command line).
"""
from itertools import islice

from constants import constants
from study_note import Scheduler, async_search, fib, has_digits

digits, more_digits, few = constants(3, 2, 4)

scheduler = Scheduler()
print('added', scheduler.add(async_search(fib(), has_digits(digits))))
scheduler.run_to_completion()
print('result of 0:', scheduler.completed_task_result.pop(0))
print('results left:', len(scheduler.completed_task_result))

scheduler = Scheduler()
print('added', scheduler.add(async_search(islice(fib(), few), has_digits(digits))))
print('added', scheduler.add(async_search(fib(), has_digits(more_digits))))
scheduler.run_to_completion()
print('error of 1:', scheduler.failed_task_errors.pop(1))
print('result of 2:', scheduler.completed_task_result.pop(2))
