# SPDX-License-Identifier: MIT
"""Row 2b, after "AsyncIO Study Note": a linear search, and the cooperative one driven by hand.

Patches: constants (the number of digits, and how many steps are made before each time of other
stuff, come from the command line); ending (the last steps are made until the result comes, and
the errors that a notebook shows are printed).
"""
from itertools import islice

from constants import constants, numbers
from study_note import async_search, fib, has_digits, search

digits, batches, few = constants(3, '3,4,2', 5)

print(search(fib(), has_digits(digits)))

g = async_search(fib(), has_digits(digits))
print('made')
for number, steps in enumerate(numbers(batches), 1):
    for _ in range(steps):
        next(g)
    print(f'Do other stuff {number}')
try:
    while True:
        next(g)
except StopIteration as stopped:
    print('StopIteration:', stopped.value)

try:
    search(islice(fib(), few), has_digits(digits))
except ValueError as error:
    print('search:', error)
try:
    for _ in async_search(islice(fib(), few), has_digits(digits)):
        pass
except ValueError as error:
    print('async_search:', error)
