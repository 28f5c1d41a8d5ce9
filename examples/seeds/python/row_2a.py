# SPDX-License-Identifier: MIT
"""Row 2a, after "AsyncIO Study Note": the fib generator.

Calling it executes nothing; next gives the first value; then as many values as asked for.
Patches: constants (the number of values and the first two come from the command line); lines
(a value a line, where the notebook shows a list).
"""
from itertools import islice

from constants import constants
from study_note import fib

count, a, b = constants(20, 2, 1)

f = fib(a, b)
print(f)
print(next(f))
for value in islice(fib(a, b), count):
    print(value)
