#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""poor_host.py: runs a command on a machine with less.

    tools/poor_host.py [--no-io-uring] [--no-ipv6] [--files N] COMMAND...

--no-io-uring refuses the three system calls of io_uring with EPERM, as container runtimes do, by
a seccomp filter that the command and its children cannot take off. --no-ipv6 gives the command a
network namespace of its own (as root) where only 127.0.0.1 exists. --files N is the soft and hard
limit of descriptors.
"""

import argparse
import ctypes
import errno
import fcntl
import os
import resource
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
# io_uring_setup, _enter and _register: the same numbers on every architecture but Alpha.
IO_URING = (425, 426, 427)
LOAD_NUMBER = (0x20, 0, 0, 0)  # the system call's number is the first word of seccomp_data
RETURN_ALLOW = (0x06, 0, 0, 0x7FFF0000)
RETURN_EPERM = (0x06, 0, 0, 0x00050000 | errno.EPERM)

libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        number = ctypes.get_errno()
        sys.exit(f"poor_host: {what}: {os.strerror(number)}")


def refuse_io_uring():
    """Classic BPF: load the number, compare with each of ours, refuse or allow."""
    steps = [LOAD_NUMBER]
    for index, number in enumerate(IO_URING):
        # Equal: jump over the comparisons left and over the allowing return.
        steps.append((0x15, len(IO_URING) - index, 0, number))
    steps += [RETURN_ALLOW, RETURN_EPERM]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    must(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0), "prctl(PR_SET_SECCOMP)")


def leave_ipv6():
    """A new network namespace has one interface, which is down; only IPv4 is switched on."""
    must(libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")
    for name in ("all", "default", "lo"):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(handle, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def main():
    parser = argparse.ArgumentParser(description="runs a command on a machine with less")
    parser.add_argument("--no-io-uring", action="store_true")
    parser.add_argument("--no-ipv6", action="store_true")
    parser.add_argument("--files", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    if options.no_ipv6:
        leave_ipv6()
    if options.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.files, options.files))
    if options.no_io_uring:
        refuse_io_uring()
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main()
