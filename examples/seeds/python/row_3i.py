# SPDX-License-Identifier: MIT
"""Row 3i, after "An introduction to Asyncio": transports.

The tutorial describes them in a few sentences: channels of several types that write, close, pause
and resume reading, and have no read method, because data comes by callback. The program is ours:
a transport over TCP, UDP and pipes each, whose other end is a plain descriptor. Without TLS.
Patches: constants (how long reading pauses, in milliseconds, and the message).
"""
import asyncio
import os
import socket

from constants import constants

pause_ms, message = constants(50, 'hello')


class Listener(asyncio.Protocol, asyncio.DatagramProtocol):
    """Prints what it is told."""

    def __init__(self, name):
        self.name = name
        self.heard = asyncio.Event()

    def connection_made(self, transport):
        print(f'{self.name}: connection made')

    def data_received(self, data):
        print(f'{self.name}: received {data.decode()}')
        self.heard.set()

    def datagram_received(self, data, addr):
        self.data_received(data)

    def connection_lost(self, exc):
        print(f'{self.name}: connection lost')
        self.heard.set()

    async def hears(self):
        await self.heard.wait()
        self.heard.clear()


async def read_what_comes(transport, listener, send):
    send(message)
    await listener.hears()
    transport.pause_reading()
    send(message + ' again')
    await asyncio.sleep(pause_ms / 1000)
    what = 'something' if listener.heard.is_set() else 'nothing'
    print(f'{listener.name}: {what} came in a pause')
    transport.resume_reading()
    await listener.hears()


async def close(transport, listener):
    transport.close()
    print(f'{listener.name}: closing')
    await listener.hears()


async def use_tcp(loop):
    server = socket.create_server(('127.0.0.1', 0))
    transport, listener = await loop.create_connection(lambda: Listener('TCP'),
                                                       *server.getsockname())
    peer, _ = server.accept()
    await read_what_comes(transport, listener, lambda text: peer.send(text.encode()))
    transport.write(message.encode())
    print(f'TCP: the other end got {peer.recv(1024).decode()}')
    await close(transport, listener)
    print(f'TCP: the other end got {len(peer.recv(1024))} bytes')
    peer.close()
    server.close()


async def use_udp(loop):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(('127.0.0.1', 0))
    transport, listener = await loop.create_datagram_endpoint(lambda: Listener('UDP'),
                                                              remote_addr=peer.getsockname())
    transport.sendto(message.encode())
    data, sender = peer.recvfrom(1024)
    print(f'UDP: the other end got {data.decode()}')
    peer.sendto(data + b' back', sender)
    await listener.hears()
    await close(transport, listener)
    peer.close()


async def use_pipes(loop):
    reader, peer = os.pipe()
    transport, listener = await loop.connect_read_pipe(lambda: Listener('pipe'),
                                                       os.fdopen(reader, 'rb'))
    await read_what_comes(transport, listener, lambda text: os.write(peer, text.encode()))
    os.close(peer)
    await listener.hears()
    peer, writer = os.pipe()
    transport, listener = await loop.connect_write_pipe(lambda: Listener('pipe'),
                                                        os.fdopen(writer, 'wb'))
    transport.writelines([message.encode(), b' to the pipe'])
    print(f'pipe: the other end got {os.read(peer, 1024).decode()}')
    await close(transport, listener)
    os.close(peer)


async def main():
    loop = asyncio.get_running_loop()
    await use_tcp(loop)
    await use_udp(loop)
    await use_pipes(loop)


asyncio.run(main())
