# SPDX-License-Identifier: MIT
"""Row 0f, after "Build Your Own Async": "a step further", one loop for both styles.

The tutorial names a file, yproducer4.py, without its text: a scheduler on callbacks with sockets
and a compatible async/await interface. Here asyncio stands for that scheduler: an echo server on
callbacks, coroutine clients, and queues between a producer and the clients, all in one program on
one loop. An item goes from the producer through a queue to a client, from there over TCP to the
server and back, and the echo through a second queue to the producer, who then makes the next.
Patches: none; the program is ours. Each step waits for the one before, so the order is certain.
"""
import asyncio
import socket

from constants import constants

count, clients = constants(5, 2)


class EchoServer:
    """Callbacks only: no coroutine in here."""

    def __init__(self, loop):
        self.loop = loop
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.setblocking(False)
        self.open = 0
        self.done = loop.create_future()
        loop.add_reader(self.listener, self.accept)

    def accept(self):
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        self.open += 1
        self.loop.add_reader(connection, self.echo, connection)

    def echo(self, connection):
        data = connection.recv(1024)
        if data:
            connection.sendall(b'echo of ' + data)
            return
        self.loop.remove_reader(connection)
        connection.close()
        self.open -= 1
        if self.open == 0:
            self.loop.remove_reader(self.listener)
            self.listener.close()
            self.done.set_result(None)


async def producer(items, echoes):
    for n in range(count):
        print(f'producing item {n}')
        await items.put(f'item {n}')
        print(await echoes.get())
    print('producer done')
    for _ in range(clients):
        await items.put(None)


async def client(name, address, items, echoes, ready):
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, address)
    ready.set()
    while (item := await items.get()) is not None:
        await loop.sock_sendall(sock, item.encode())
        echo = await loop.sock_recv(sock, 1024)
        await echoes.put(f'client {name}: {echo.decode()}')
    print(f'client {name} done')
    sock.close()


async def main():
    items, echoes = asyncio.Queue(), asyncio.Queue()
    server = EchoServer(asyncio.get_running_loop())
    address = server.listener.getsockname()
    async with asyncio.TaskGroup() as group:
        for name in range(clients):
            ready = asyncio.Event()
            group.create_task(client(name, address, items, echoes, ready))
            await ready.wait()                  # so that the clients queue up in order
        group.create_task(producer(items, echoes))
    await server.done
    print('server done')


asyncio.run(main())
