# SPDX-License-Identifier: MIT
"""Row 3f, after "An introduction to Asyncio": a future with a callback.

Patches: await (the notebook awaits at top level, here run_until_complete does); constants (the
three sentences come from the command line).
"""
import virtual_time
from constants import constants

question, greeting, answer = constants("Hi, who are you?", "Hi, I am Pluto", "Nice to meet you.")


def pippo(when_pluto_is_done):
    print(question)

    def nice_to_meet_you(ret):
        print(answer)

    when_pluto_is_done.add_done_callback(nice_to_meet_you)


def pluto(when_pippo_is_done):
    print(greeting)
    when_pippo_is_done.set_result(None)


loop = virtual_time.new_event_loop()
future = loop.create_future()
pippo(future)
pluto(future)
loop.run_until_complete(future)
loop.close()
