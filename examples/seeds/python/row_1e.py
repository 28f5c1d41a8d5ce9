# SPDX-License-Identifier: MIT
"""Row 1e, after "asyncio": tasks return results to whoever awaits them.

Once the awaiting side comes before the task is done, once long after. The tutorial's classes;
the program is ours.
Patches: see my_asyncio.py; constants (the delay and the result of two tasks and the pause before
the second is awaited come from the command line).
"""
import my_asyncio
import virtual_time as time
from constants import constants

delay_a, result_a, delay_b, result_b, pause = constants(2, 42, 1, 7, 3)


def compute(name, delay, result):
    yield from my_asyncio.sleep(delay)
    print(f'task {name} is done')
    return result


def main():
    start_time = time.time()
    a = my_asyncio.create_task(compute('a', delay_a, result_a))
    b = my_asyncio.create_task(compute('b', delay_b, result_b))
    print('awaiting a, which still works')
    print(f'a gave {(yield from a)}')
    yield from my_asyncio.sleep(pause)
    print('awaiting b, which is done by now')
    print(f'b gave {(yield from b)}')
    print(time.time() - start_time)


my_asyncio.run(main())
