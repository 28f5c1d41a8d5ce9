# SPDX-License-Identifier: MIT
"""The constants of a seed program, taken from the command line.

Each row_XX.py names the tutorial's values as defaults; whatever the command line gives replaces
them from the left. The C program of the same row takes the same arguments in the same order.
"""
import sys


def constants(*defaults):
    """The defaults, replaced by the arguments that were given, each of its default's type."""
    given = sys.argv[1:len(defaults) + 1]
    values = [type(default)(text) for text, default in zip(given, defaults)]
    return (*values, *defaults[len(given):])


def words(*defaults):
    """All arguments as they are, any number of them, or the defaults if there are none."""
    return sys.argv[1:] or list(defaults)


def numbers(text):
    """The list written as "1,2,3"."""
    return [int(item) for item in text.split(',')]
