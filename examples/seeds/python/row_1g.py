# SPDX-License-Identifier: MIT
"""Row 1g, after "asyncio": its table of thread concepts beside task concepts, one line each.

| concept                         | threads           | tasks                    |
| create and start                | Thread(), start() | asyncio.create_task      |
| block on the end of a child     | join()            | await task               |
| block self until a message came | select.select     | await loop.sock_recv     |
| scheduling                      | by the kernel     | by asyncio.run, in order |

Patches: constants (the word that is sent and the number of steps come from the command line).
"""
import asyncio
import select
import socket
import threading

from constants import constants

message, steps = constants('hello', 3)


def with_threads():
    def step(name):
        for _ in range(steps):
            done[name] += 1

    done = {'a': 0, 'b': 0}
    thread = threading.Thread(target=lambda: print('start: a thread runs'))
    thread.start()
    thread.join()
    print('join: the thread has ended')
    here, there = socket.socketpair()
    sender = threading.Thread(target=lambda: there.sendall(message.encode()))
    sender.start()
    select.select([here], [], [])
    print('message: the thread received', here.recv(1024).decode())
    sender.join()
    here.close()
    there.close()
    threads = [threading.Thread(target=step, args=(name,)) for name in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print('scheduling: the threads took', sum(done.values()), 'steps, in an order of the kernel')


async def with_tasks():
    async def say():
        print('start: a task runs')

    async def step(name):
        for number in range(steps):
            print(f'scheduling: task {name} step {number}')
            await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(say())
    await task
    print('join: the task has ended')
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    sender = asyncio.create_task(loop.sock_sendall(there, message.encode()))
    print('message: the task received', (await loop.sock_recv(here, 1024)).decode())
    await sender
    here.close()
    there.close()
    await asyncio.gather(step('a'), step('b'))


with_threads()
asyncio.run(with_tasks())
