# SPDX-License-Identifier: MIT
"""Row 3a, after "An introduction to Asyncio": two generators that converse; the same with send.

Patches: constants (what the two say comes from the command line, one argument each, sentences
parted by bars).
"""
from constants import constants

first, second = constants("Hi, who are you?|Nice to meet you.|I am Pippo",
                          "Hi, I am Pluto|What's your name?")


def says(lines):
    for line in lines.split('|'):
        yield line


def converse(step):
    loop = [says(first), says(second)]
    while loop:
        el = loop.pop(0)
        try:
            print(step(el))
            loop.append(el)
        except StopIteration:
            pass


converse(next)
converse(lambda el: el.send(None))
