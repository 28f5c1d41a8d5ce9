# SPDX-License-Identifier: MIT
"""Row 4e, after "Async IO from Ground Up": sum_of_squares over nested coroutines, interleaved.

Patches: constants (the two lists come from the command line).
"""
from collections import deque

from constants import constants, numbers

first, second = map(numbers, constants('1,2,3,4,5', '10,20,30,40,50'))


def square(x):
    yield
    print("Computing square of ", x)
    return x * x


def sum_of_squares(numbers):
    result = 0
    for n in numbers:
        n2 = yield from square(n)
        result += n2
    yield
    print("sum_of_squares", numbers, result)
    return result


def run_all(generators):
    generators = deque(generators)
    while generators:
        g = generators.popleft()
        try:
            next(g)
        except StopIteration:
            pass
        else:
            generators.append(g)


run_all([sum_of_squares(first), sum_of_squares(second)])
