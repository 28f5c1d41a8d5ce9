# SPDX-License-Identifier: MIT
"""The server of "asyncio" (row 1a): one process for each request, a fixed time of work each.

Patches:
  constants  the number of processes and the work (seconds) are arguments.
  port       the kernel chooses it; the socket is bound before the processes start, so that the
             client need not sleep until the server is up.
"""
import contextlib
import multiprocessing
import socket
import time


def handle_client_request(sock, work):
    request, address = sock.recvfrom(1024)
    time.sleep(work)
    sock.sendto(b"response for " + request, address)


@contextlib.contextmanager
def server(count, work):
    """Start the server; the value is its address. At the end its processes are waited for."""
    fork = multiprocessing.get_context('fork')
    sock = socket.socket(family=socket.AF_INET, type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    processes = [fork.Process(target=handle_client_request, args=(sock, work))
                 for _ in range(count)]
    for process in processes:
        process.start()
    yield sock.getsockname()
    for process in processes:
        process.join()
    sock.close()
