# SPDX-License-Identifier: MIT
"""Row 1a, after "asyncio": one server, four clients.

The sequential client takes one second for each request, the one that sends all requests first,
the threaded one and the asynchronous one take one second in all. Real processes, threads and
time.
Patches: constants (the number of requests and the work in milliseconds come from the command
line); port (see udp_server.py); lines (each client prints an answer a line under its own name,
where the tutorial prints a list).
"""
import asyncio
import socket
import threading
import time

from constants import constants
from udp_server import server

count, work_ms = constants(2, 1000)
requests = [b"request%d" % number for number in range(count)]


def new_socket():
    return socket.socket(family=socket.AF_INET, type=socket.SOCK_DGRAM)


def execute_api_call(request, address):
    with new_socket() as sock:
        sock.sendto(request, address)
        return sock.recvfrom(1024)[0]


def sequential(address):
    return [execute_api_call(request, address) for request in requests]


def send_first(address):
    with new_socket() as sock:
        for request in requests:
            sock.sendto(request, address)
        return [sock.recvfrom(1024)[0] for _ in requests]


def threaded(address):
    responses = []
    threads = [threading.Thread(
        target=lambda request=request: responses.append(execute_api_call(request, address)))
        for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return responses


async def async_api_call(request, address):
    with new_socket() as sock:
        sock.sendto(request, address)
        sock.setblocking(False)
        return (await asyncio.get_running_loop().sock_recvfrom(sock, 1024))[0]


async def async_client(address):
    tasks = [asyncio.create_task(async_api_call(request, address)) for request in requests]
    return [await task for task in tasks]


def asynchronous(address):
    return asyncio.run(async_client(address))


for client in (sequential, send_first, threaded, asynchronous):
    with server(count, work_ms / 1000) as address:
        start_time = time.time()
        responses = client(address)
        duration = time.time() - start_time
    for response in responses:
        print(f'{client.__name__}: {response.decode()}')
    print(f'{client.__name__}:', duration)
