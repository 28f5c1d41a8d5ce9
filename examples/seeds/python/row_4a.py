# SPDX-License-Identifier: MIT
"""Row 4a, after "Async IO from Ground Up": the bakery and the coffee shop, two programs.

`bakery` serves its customers one after the other: each waits until the order is ready. `coffee`
takes all orders at once and calls the name when one is ready. The tutorial tells both stories in
words; the programs are ours, with the same customers: a name and the seconds that the order takes.
Patches: clock (virtual_time stands for the clock).
"""
import sys

import virtual_time as time

place, *orders = sys.argv[1:] or ['bakery', 'X', '3', 'Y', '1', 'Z', '2']
customers = [(name, int(seconds)) for name, seconds in zip(orders[::2], orders[1::2])]


def bakery():
    for name, seconds in customers:
        print(f'{name} orders a veg puff')
        print(f'{name} waits until it is ready')
        time.sleep(seconds)
        print(f'{name} takes it and walks away')


def coffee():
    loop = time.new_event_loop()
    served = []

    def ready(name):
        print(f'the barista calls {name} and gives the coffee')
        served.append(name)
        if len(served) == len(customers):
            loop.stop()

    for name, seconds in customers:
        print(f'{name} orders black coffee')
        loop.call_later(seconds, ready, name)
        print(f'{name} sits and reads about asyncio')
    loop.run_forever()
    loop.close()


start_time = time.time()
{'bakery': bakery, 'coffee': coffee}[place]()
print(time.time() - start_time)
