# SPDX-License-Identifier: MIT
"""Row 3b, after "An introduction to Asyncio": countdown by for, by next to its end and past it.

Patches: constants (both counts come from the command line); ending (StopIteration is printed,
where the notebook shows the error).
"""
from constants import constants

by_for, by_next = constants(5, 3)


def countdown(n):
    while n > 0:
        yield n
        n -= 1


for i in countdown(by_for):
    print(i)

x = countdown(by_next)
print(x)
try:
    while True:
        print(next(x))
except StopIteration:
    print('StopIteration')
