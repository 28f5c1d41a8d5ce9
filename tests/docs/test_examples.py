#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The small examples print what they promise, and stay small.

Those that only sleep run under virtual time; all run under a real engine where time allows it. The
echo server is talked to over a real socket, and ends by the signal that it gets.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time

import pages

RACE = ("weft: two_clerks: seed 3: examples/09_race.c:57: expected: account->balance >= 0\n"
        "replay: WEFT_SEED=3 examples/09_race\n")
EXPECTED = {
    "01_hello": "hello\nworld\n",
    "02_timeout": "nothing to read within a second\nread 'x'\n",
    "03_gather": "3, 2 after 3 s\n"
                 "EDOM: one second is too short after 1 s; the other: ECANCELED\n",
    "04_pipeline": "".join(f"{name} has done job {job}\n" for name, job in (
        ("first", 1), ("second", 2), ("first", 3), ("second", 4), ("first", 5))),
    "05_generator": "1\n4\n9\n16\n25\nclosed: WEFT_ECLOSED\n",
    "06_dump": None,  # compared with the README by test_pages.py
    "07_overflow": None,  # the same
    "08_select": "quiet here\nstopped at 10\n",
    "09_race": "first come, first served: balance 30\n" + RACE +
               "3 seeds, 3 schedules: overdrawn\n" + 2 * RACE +  # the first seed is run twice
               "1 seeds, 1 schedules: overdrawn\nagain: the same\n"
               "1000 seeds, 11 schedules: all is well\n",
}
MOST_LINES = 60
ECHO_LINES = 15
PROXY_LINES = 199  # with its comments


def program(name):
    return pages.ROOT / pages.BUILD / "examples" / name


def check_outputs(tap):
    found = sorted(path.stem for path in (pages.ROOT / "examples").glob("[0-9]*.c"))
    tap.same("examples/all_are_tested", found, sorted(EXPECTED))
    for name, expected in sorted(EXPECTED.items()):
        if expected is not None:
            status, text = pages.run([program(name)], "sim")
            tap.same(f"examples/{name}", f"{text}exit status {status}", f"{expected}exit status 0")


def check_overflow(tap):
    if pages.PRESET in pages.SANITIZERS:
        tap.skip("examples/07_overflow", "the sanitizer reports overflows in its own way")
        return
    status, text = pages.run([program("07_overflow")])
    tap.check("examples/07_overflow", status == -signal.SIGSEGV and "task descend" in text,
              f"exit status {status}: {text}")


def check_replay(tap):
    """The line that 09_race prints for the seed that fails makes the same schedule again."""
    os.environ["WEFT_SEED"] = "3"
    runs = [pages.run([program("09_race")]) for _ in range(2)]
    os.environ["WEFT_SEED"] = "1"
    calm = pages.run([program("09_race")])
    del os.environ["WEFT_SEED"]
    tap.same("examples/09_race_replayed_is_the_same", runs[0], runs[1])
    tap.check("examples/09_race_replayed_fails", "seed 3: trace " in runs[0][1] and
              ", fails\n" in runs[0][1], runs[0][1])
    tap.check("examples/09_race_of_another_seed_holds", ", fails\n" not in calm[1], calm[1])


def check_sizes(tap):
    for path in sorted((pages.ROOT / "examples").glob("*.c")):
        most = ECHO_LINES if path.stem == "echo" else MOST_LINES
        lines = len(pages.without_comments(path.read_text(encoding="utf-8")))
        if path.stem == "weft-proxy":
            lines, most = len(path.read_text(encoding="utf-8").splitlines()), PROXY_LINES
        if path.stem != "demo":
            tap.check(f"examples/{path.stem}_of_{most}_lines", lines <= most, f"{lines} lines")


def connect(address, process):
    """A connection to the server that is just starting; None when it never listens."""
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(address, timeout=30)
        if process.poll() is not None:
            return None
        time.sleep(0.01)
    return None


def receive(connection, count):
    """So many bytes, or what came until the end or the timeout."""
    data = b""
    with contextlib.suppress(TimeoutError):
        while len(data) < count and (piece := connection.recv(65536)):
            data += piece
    return data


def talk(address, process):
    """Sends to a first connection while a second is open, then ends the first; what came back."""
    with connect(address, process) as one, connect(address, process) as two:
        one.sendall(b"first")
        two.sendall(b"second")
        got = [receive(two, 6), receive(one, 5)]
        two.shutdown(socket.SHUT_WR)
        return got + [receive(two, 1)]


def check_echo(tap):
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))  # not listening: the server may, nobody else is given it
        address = reserved.getsockname()
        process = subprocess.Popen([program("echo"), "%s:%d" % address], env=pages.environment(),
                                   stdin=subprocess.DEVNULL)
        try:
            tap.same("examples/echo", talk(address, process), [b"second", b"first", b""])
            pages.send_signal(process, signal.SIGTERM)
            tap.same("examples/echo_ends_by_signal", process.wait(timeout=30), -signal.SIGTERM)
        finally:
            process.kill()


def check_echo_argument(tap):
    status, text = pages.run([program("echo"), "no address"])
    tap.check("examples/echo_bad_argument", status == 1 and '"no address"' in text, text)


def main():
    os.chdir(pages.ROOT)
    tap = pages.Tap("docs")
    check_outputs(tap)
    check_overflow(tap)
    check_replay(tap)
    check_sizes(tap)
    check_echo(tap)
    check_echo_argument(tap)
    tap.end()


if __name__ == "__main__":
    main()
