# SPDX-License-Identifier: MIT
"""Row 1b, after "asyncio": several tasks share one socket, with a lock, without hanging.

The tutorial says so in a sentence; the program is ours. Without the lock asyncio would keep only
the last waiter of the socket and the others would hang.
Patches: clock (virtual_time stands for the loop's clock).
"""
import asyncio
import socket

import virtual_time as time
from constants import constants

count, work = constants(3, 1)


def new_socket(address):
    sock = socket.socket(family=socket.AF_INET, type=socket.SOCK_DGRAM)
    sock.bind(address)
    sock.setblocking(False)
    return sock


async def server(loop, sock):
    for _ in range(count):
        request, address = await loop.sock_recvfrom(sock, 1024)
        await asyncio.sleep(work)
        await loop.sock_sendto(sock, b"response for " + request, address)


async def client(number, loop, sock, lock, address):
    async with lock:
        await loop.sock_sendto(sock, b"request%d" % number, address)
        response, _ = await loop.sock_recvfrom(sock, 1024)
    print(f'task {number}: {response.decode()}')


async def main():
    loop = asyncio.get_running_loop()
    lock = asyncio.Lock()
    with new_socket(("127.0.0.1", 0)) as listening, new_socket(("127.0.0.1", 0)) as shared:
        start_time = time.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(server(loop, listening))
            for number in range(count):
                group.create_task(client(number, loop, shared, lock, listening.getsockname()))
        print(time.time() - start_time)


time.run(main())
