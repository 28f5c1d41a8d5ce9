# SPDX-License-Identifier: MIT
"""Row 1d, after "asyncio": the three examples of its own little library.

hello and world with a second between them; two say_after in a row; two say_after as tasks.
Patches: see my_asyncio.py; constants (two delays and three words come from the command line).
"""
import my_asyncio
import virtual_time as time
from constants import constants

first, second, hello, world, goodbye = constants(1, 2, 'hello', 'world', 'goodbye')


def say_after(delay, what):
    yield from my_asyncio.sleep(delay)
    print(what)


def example_1():
    print(hello)
    yield from my_asyncio.sleep(first)
    print(world)


def example_2():
    start_time = time.time()
    yield from say_after(first, hello)
    yield from say_after(second, world)
    print(time.time() - start_time)


def example_3():
    start_time = time.time()
    t0 = my_asyncio.create_task(say_after(first, hello))
    t1 = my_asyncio.create_task(say_after(second, goodbye))
    yield from t0
    yield from t1
    print(time.time() - start_time)


for example in (example_1, example_2, example_3):
    my_asyncio.run(example())
