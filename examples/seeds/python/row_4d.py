# SPDX-License-Identifier: MIT
"""Row 4d, after "Async IO from Ground Up": interweave, twice.

The first version has a defect, which the tutorial names: it expects generators of one length, and
ends with the first of them. The second takes any lengths.
Patches: ending (the first version returns at StopIteration; newer Pythons make an error of it);
constants (four lists of numbers come from the command line, two for each version).
"""
from collections import deque

from constants import constants, numbers

a, b, c, d = map(numbers, constants('1,2,3,4', '10,20,30,40', '1,2,3,4,5,6', '10,20,30,40'))


def interweave_equal(generators):
    while True:
        for g in generators:
            try:
                yield next(g)
            except StopIteration:
                return


def interweave(generators):
    generators = deque(generators)
    while generators:
        g = generators.popleft()
        try:
            yield next(g)
        except StopIteration:
            pass
        else:
            generators.append(g)


def squares(numbers):
    for n in numbers:
        print("Computing square of", n)
        yield n * n


for _ in interweave_equal([squares(a), squares(b)]):
    pass
print('of any length')
for _ in interweave([squares(c), squares(d)]):
    pass
