#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo does what the README shows, and notices when an answer is missing or wrong.

It runs as it is, compared with the README's block; with requests that the server loses on purpose,
which must be sent again; on a terminal, where a line must move while it waits; and against servers
that do not echo. Nothing is said about times, and where answers must come they have half a minute
instead of the demo's own three seconds: the machine may be busy.
"""

import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile

import pages

DEMO = pages.ROOT / pages.BUILD / "examples" / "demo"
PEERS = ("nc", "socat")
PATIENT = ("--deadline", "30")

# A server that is started as examples/echo is and changes one byte.
WRONG_ECHO = """#!/usr/bin/env python3
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(bytes([data[0] ^ 1]) + data[1:])
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 512
host, port = sys.argv[1].split(":")
Server((host, int(port)), Handler).serve_forever()
"""


def check_whole(tap):
    """All parts. Where a peer is absent its line differs, and a test of its own is skipped."""
    shown = next(block.text for block in pages.blocks("README.md")
                 if "requests at once" in block.text)
    status, text = pages.run([DEMO, *PATIENT])
    for peer in PEERS:
        if shutil.which(peer):
            tap.check(f"demo/{peer}", f'"hello from {peer}" came back' in text, text)
        else:
            tap.skip(f"demo/{peer}", f"absent peer program: {peer}")
            shown = re.sub(rf'^(  {peer} +).*$', r"\1is not installed", shown, flags=re.M)
    tap.same("demo/as_in_the_readme", pages.masked(text), pages.masked(shown))
    tap.check("demo/exit_status", status == 0, f"exit status {status}")


def check_losses(tap):
    """At least the requests that the server leaves unread are lost, sent again and answered."""
    status, text = pages.run([DEMO, *PATIENT, "--lose", "25", "crowd"])
    counts = re.search(r"(\d+) answers, (\d+) lost, (\d+) sent again", text)
    good = counts and int(counts[1]) == 1000 and 25 <= int(counts[2]) <= int(counts[3])
    tap.check("demo/losses_are_sent_again", status == 0 and good, text)


def check_missing(tap):
    status, text = pages.run([DEMO, "--lose", "1000000", "crowd"])
    tap.check("demo/missing_answers", status == 1 and "1000 answers are missing" in text, text)


def check_progress(tap):
    """On a terminal the row is redrawn while it waits."""
    master, slave = pty.openpty()
    process = subprocess.Popen([DEMO, *PATIENT, "crowd"], stdout=slave, stderr=slave,
                               stdin=subprocess.DEVNULL, env=pages.environment(), cwd=pages.ROOT)
    os.close(slave)
    data = b""
    try:
        while piece := os.read(master, 65536):
            data += piece
    except OSError:
        pass  # how a terminal ends
    os.close(master)
    drawn = re.findall(rb"\r  weft +\d+ of 1000 answers", data)
    status = process.wait(timeout=60)
    tap.check("demo/progress_line", status == 0 and len(drawn) >= 3, data)


def check_wrong_echo(tap):
    with tempfile.TemporaryDirectory(prefix="weft demo ") as folder:
        shutil.copy(DEMO, folder)
        echo = pathlib.Path(folder) / "echo"
        echo.write_text(WRONG_ECHO)
        echo.chmod(0o755)
        status, text = pages.run([pathlib.Path(folder) / "demo", "echo"])
        tap.check("demo/wrong_bytes", status == 1 and "did not get back" in text, text)


def check_two_at_once(tap):
    command = [DEMO, *PATIENT, "crowd", "echo"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             stdin=subprocess.DEVNULL, env=pages.environment()) for _ in range(2)]
    texts = [process.communicate(timeout=120)[0] for process in both]
    tap.check("demo/two_at_once", all(process.returncode == 0 for process in both),
              "\n".join(texts))


def main():
    tap = pages.Tap("docs")
    if pages.PRESET == "tsan":
        # Its servers end by SIGTERM. ThreadSanitizer defers a signal until the fiber in which it
        # came is inside libc again; a server that waits in another fiber never hears of it.
        tap.skip("demo", "ThreadSanitizer keeps a signal for the fiber in which it came")
        tap.end()
    check_whole(tap)
    check_losses(tap)
    check_missing(tap)
    check_progress(tap)
    check_wrong_echo(tap)
    check_two_at_once(tap)
    tap.end()


if __name__ == "__main__":
    main()
