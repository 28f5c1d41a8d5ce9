# SPDX-License-Identifier: MIT
"""Row 3j, after "An introduction to Asyncio": protocols.

The tutorial says that create_connection and create_server take a protocol factory, and that a
protocol interprets data and asks its transport to send. The program is ours: an echo server and a
client for each message, both as protocols that note what they are told; a connection's notes are
printed when it is lost, so that the order of lines is certain.
Patches: constants (the messages come from the command line).
"""
import asyncio

from constants import words

messages = words('hello', 'goodbye')


class Noted(asyncio.Protocol):
    """Notes its callbacks."""

    def __init__(self, name):
        self.name = name
        self.notes = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.notes.append('made')

    def data_received(self, data):
        self.notes.append(f'received {data.decode()}')

    def eof_received(self):
        self.notes.append('end')

    def connection_lost(self, exc):
        self.notes.append('lost')
        print(f'{self.name}: {", ".join(self.notes)}')
        self.lost.set_result(None)


class Echo(Noted):
    """The server's side: sends back what it gets."""

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(b'echo of ' + data)


class Client(Noted):
    """The other side: sends a message and closes when it has an answer."""

    def __init__(self, name, message):
        super().__init__(name)
        self.message = message

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.write(self.message.encode())

    def data_received(self, data):
        super().data_received(data)
        self.transport.close()


async def main():
    loop = asyncio.get_running_loop()
    echoes = []

    def make_echo():
        echoes.append(Echo(f'server {len(echoes)}'))
        return echoes[-1]

    server = await loop.create_server(make_echo, '127.0.0.1', 0)
    address = server.sockets[0].getsockname()
    for n, message in enumerate(messages):
        _, client = await loop.create_connection(lambda: Client(f'client {n}', message), *address)
        await client.lost
        await echoes[n].lost
    server.close()
    await server.wait_closed()
    print(f'server closed after {len(echoes)} connections')


asyncio.run(main())
