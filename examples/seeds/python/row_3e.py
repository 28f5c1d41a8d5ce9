# SPDX-License-Identifier: MIT
"""Row 3e, after "An introduction to Asyncio": a generator that takes and gives.

Patches: constants (the count and the value that is sent come from the command line).
"""
from constants import constants

start, sent = constants(5, 3)


def countdown(n):
    while n >= 0:
        new_value = (yield n)
        if new_value is not None:
            n = new_value
        else:
            n -= 1


c = countdown(start)
for n in c:
    print(n)
    if n == start:
        c.send(sent)
