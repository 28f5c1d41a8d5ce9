# SPDX-License-Identifier: MIT
"""Row 1f, after "asyncio": waiting on sockets and on sleepers together, on its own scheduler.

First a sleeper ticks while a receiver waits on a socket; then several tasks wait on one socket
and are served in order; then the asynchronous UDP client of row 1a runs against a server of
several tasks.
Patches: see my_asyncio.py ("fifo" above all: the tutorial serves the last waiter first);
constants (requests and seconds of work come from the command line); tasks (the server's
processes are tasks here, so that virtual time covers them too).
"""
import socket

import my_asyncio
import virtual_time as time
from constants import constants

count, work = constants(2, 1)
my_asyncio.use(my_asyncio.SocketScheduler())


def new_socket():
    sock = socket.socket(family=socket.AF_INET, type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def ticker(ticks):
    for tick in range(1, ticks + 1):
        yield from my_asyncio.sleep(2)
        print(f'tick {tick}')


def receiver(sock):
    data, _ = yield from my_asyncio.sock_recvfrom(sock, 1024)
    print(f'received {data.decode()}')


def together(sock):
    tick = my_asyncio.create_task(ticker(3))
    receive = my_asyncio.create_task(receiver(sock))
    yield from my_asyncio.sleep(3)
    sock.sendto(b'news', sock.getsockname())
    yield from receive
    yield from tick


def handle_client_request(number, sock):
    request, address = yield from my_asyncio.sock_recvfrom(sock, 1024)
    print(f'server {number} got {request.decode()}')
    yield from my_asyncio.sleep(work)
    sock.sendto(b"response for " + request, address)


def execute_api_call(request, address):
    with new_socket() as sock:
        sock.sendto(request, address)
        response, _ = yield from my_asyncio.sock_recvfrom(sock, 1024)
        return response


def client(address):
    start_time = time.time()
    tasks = [my_asyncio.create_task(execute_api_call(b"request%d" % number, address))
             for number in range(count)]
    for task in tasks:
        print((yield from task).decode())
    print(time.time() - start_time)


def main():
    with new_socket() as sock:
        yield from together(sock)
        servers = [my_asyncio.create_task(handle_client_request(number, sock))
                   for number in range(count)]
        yield from my_asyncio.sleep(1)              # every server waits on the socket, in order
        yield from client(sock.getsockname())
        for server in servers:
            yield from server


my_asyncio.run(main())
