# SPDX-License-Identifier: MIT
"""Row 3h, after "An introduction to Asyncio": readiness of files, sockets and pipes.

The tutorial describes the select function in four sentences; the program is ours: each kind of
channel is asked at once, for a fixed time, and, when a byte is there, without limit. Real time.
A regular file is always ready.
Patches: constants (the fixed time in milliseconds and the message come from the command line).
"""
import os
import select
import socket
import tempfile

from constants import constants

wait_ms, message = constants(50, 'hello')


def ask(name, reader, how, timeout):
    ready, _, _ = select.select([reader], [], [], timeout)
    print(f'{name}: {"ready" if ready else "not ready"} {how}')


def use(name, reader, writer):
    ask(name, reader, 'at once', 0)
    ask(name, reader, f'within {wait_ms} ms', wait_ms / 1000)
    os.write(writer, message.encode())
    ask(name, reader, 'at last', None)
    print(f'{name}: {os.read(reader, 1024).decode()}')
    os.close(reader)
    os.close(writer)


with tempfile.NamedTemporaryFile() as file:
    use('file', os.open(file.name, os.O_RDONLY), os.open(file.name, os.O_WRONLY))
here, there = socket.socketpair()
use('socket', here.detach(), there.detach())
use('pipe', *os.pipe())
