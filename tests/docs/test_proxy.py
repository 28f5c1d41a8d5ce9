#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/weft-proxy forwards, keeps its limits, and is restarted without losing anything.

Real peers talk through it: nc, socat, curl, openssl, iperf3, sockets of Python; behind it stands
examples/echo, or the server that belongs to the peer. Under load it is restarted by a second
process that takes its listening sockets over, several times; every exchange must come back whole,
those that began before included. Nothing is said about times.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pages

EXAMPLES = pages.ROOT / pages.BUILD / "examples"
PATIENCE = 30


class World:
    """A folder with sockets, and the processes of one check; all ended when it is left."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weft-proxy-")
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def start(self, program, *arguments, **options):
        log = open(self.path(f"log{len(self.processes)}"), "w+b")
        process = subprocess.Popen([EXAMPLES / program, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env=pages.environment(), **options)
        process.log = log
        self.processes.append(process)
        return process

    def echo(self):
        """A server that echoes, and its address for the proxy."""
        self.start("echo", f"unix:{self.path('echo')}")
        return f"unix:{self.path('echo')}"

    def proxy(self, *arguments):
        return self.start("weft-proxy", *arguments)


def said(process):
    with open(process.log.name, errors="replace") as log:
        return log.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port, patience=PATIENCE):
    """A connection; whoever is to listen may not do so yet."""
    end = time.monotonic() + patience
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if time.monotonic() > end:
            raise TimeoutError(f"nobody listens on port {port}")
        time.sleep(0.01)


def exchange(connection, data):
    """Sends and reads back as much."""
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection, count):
    got = b""
    while len(got) < count and (piece := connection.recv(65536)):
        got += piece
    return got


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def listens(port):
    """Whether a socket listens there; asked of the kernel, for a server with room for one client
    (iperf3) would take a connection that only looks for its client."""
    with open("/proc/net/tcp", encoding="ascii") as sockets:
        return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
                   for row in list(sockets)[1:])


def started(world, *arguments):
    """A proxy before an echo server, on a port, that forwards already."""
    port = free_port()
    process = world.proxy(*arguments, f"127.0.0.1:{port}", world.echo())
    until(lambda: os.path.exists(world.path("echo")))
    with connect(port) as connection:
        exchange(connection, b"x")
    return process, port


def check_forwarding(tap):
    with World() as world:
        process, port = started(world)
        with connect(port) as one, connect(port) as two:
            data = bytes(range(256)) * 4000
            sender = threading.Thread(target=one.sendall, args=(data,))
            sender.start()
            tap.check("proxy/small_beside_large", exchange(two, b"hello") == b"hello")
            tap.check("proxy/large", receive(one, len(data)) == data)
            sender.join()
            one.shutdown(socket.SHUT_WR)
            tap.check("proxy/half_close", one.recv(1) == b"")
        for peer, command in (("nc", f"echo hello from nc | timeout 10 nc -N 127.0.0.1 {port}"),
                              ("socat", f"echo hello from socat | timeout 10 socat -t 5 - "
                                        f"TCP:127.0.0.1:{port}")):
            if shutil.which(peer):
                done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True)
                tap.same(f"proxy/{peer}", done.stdout, f"hello from {peer}\n")
            else:
                tap.skip(f"proxy/{peer}", f"absent peer program: {peer}")
        process.send_signal(signal.SIGUSR1)
        tap.check("proxy/statistics", until(lambda: " bytes in, " in said(process)), said(process))
        process.send_signal(signal.SIGTERM)
        tap.same("proxy/ends_by_signal", process.wait(PATIENCE), -signal.SIGTERM)


def through(world, behind, server, client):
    """Runs a server behind a proxy, and a client that talks to the proxy; how that ended."""
    port = free_port()
    world.processes.append(subprocess.Popen(server, stdin=subprocess.DEVNULL, cwd=world.folder.name,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    until(lambda: listens(behind))
    world.proxy(f"127.0.0.1:{port}", f"127.0.0.1:{behind}")
    until(lambda: listens(port))
    return subprocess.run([word.replace("PORT", str(port)) for word in client], timeout=PATIENCE,
                          cwd=world.folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def check_peers(tap):
    """Programs that have a server and a client of their own; what they transfer must be whole."""
    data = os.urandom(3_000_000)
    for peer in ("curl", "openssl", "iperf3"):
        if not shutil.which(peer):
            tap.skip(f"proxy/{peer}", f"absent peer program: {peer}")
            continue
        with World() as world:
            behind = free_port()
            pathlib.Path(world.path("data")).write_bytes(data)
            if peer == "curl":
                done = through(world, behind, ["python3", "-m", "http.server", "-b", "127.0.0.1",
                                               str(behind)],
                               ["curl", "-s", "-o", "got", "http://127.0.0.1:PORT/data"])
                good = pathlib.Path(world.path("got")).read_bytes() == data
            elif peer == "openssl":
                subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                                "/CN=localhost", "-keyout", "key", "-out", "certificate"],
                               cwd=world.folder.name, check=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                done = through(world, behind,
                               ["openssl", "s_server", "-quiet", "-WWW", "-accept",
                                f"127.0.0.1:{behind}", "-key", "key", "-cert", "certificate"],
                               ["sh", "-c", "printf 'GET /data HTTP/1.0\\r\\n\\r\\n' | openssl "
                                "s_client -quiet -connect 127.0.0.1:PORT -CAfile certificate "
                                "-verify_return_error 2>/dev/null"])
                good = done.stdout.endswith(data)
            else:
                done = through(world, behind, ["iperf3", "-s", "-B", "127.0.0.1", "-p",
                                               str(behind)],
                               ["iperf3", "-c", "127.0.0.1", "-p", "PORT", "-n", "30M", "-P", "4"])
                good = b"iperf Done" in done.stdout
            tap.check(f"proxy/{peer}", done.returncode == 0 and good,
                      f"exit status {done.returncode}: {done.stdout[-300:]}")


def check_unix(tap):
    with World() as world:
        address = world.echo()
        path = world.path("front")
        process = world.proxy(f"unix:{path}", address)
        tap.check("proxy/unix_path", until(lambda: os.path.exists(path)))
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            tap.check("proxy/unix", exchange(connection, b"hello") == b"hello")
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        tap.check("proxy/unix_path_goes", not os.path.exists(path))


def check_limits(tap):
    with World() as world:
        process, port = started(world, "-n", "2", "-i", "1")
        with connect(port) as one, connect(port) as two, connect(port) as three:
            three.sendall(b"three")
            whole = exchange(one, b"one") == b"one" and exchange(two, b"two") == b"two"
            tap.check("proxy/limit_serves_two", whole)
            one.shutdown(socket.SHUT_WR)
            tap.check("proxy/limit_serves_the_third_later", receive(three, 5) == b"three")
            try:
                end = two.recv(1)
            except ConnectionResetError:
                end = b"reset"
            tap.check("proxy/idle_is_cut", end == b"reset", end)
            tap.check("proxy/idle_is_said", until(lambda: "nothing moved" in said(process)),
                      said(process))


def check_backend_down(tap):
    with World() as world:
        port, behind = free_port(), free_port()
        process = world.proxy(f"127.0.0.1:{port}", f"127.0.0.1:{behind}")
        with connect(port) as connection:
            try:
                end = connection.recv(1)
            except ConnectionResetError:
                end = b"reset"
        tap.check("proxy/no_backend_is_a_reset", end == b"reset", end)
        world.start("echo", f"127.0.0.1:{behind}")
        connect(behind).close()
        with connect(port) as connection:
            tap.check("proxy/backend_is_back", exchange(connection, b"hello") == b"hello")
        tap.check("proxy/no_backend_is_said", "refused" in said(process), said(process))


class Load:
    """Threads that connect, exchange and close without a pause; what went wrong."""

    def __init__(self, port):
        self.port, self.errors, self.count, self.stop = port, [], 0, False
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(6)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        data = bytes([number]) * 3000
        while not self.stop:
            try:
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
                    if exchange(connection, data) != data:
                        self.errors.append("cut short")
            except OSError as error:
                self.errors.append(repr(error))
            self.count += 1

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join()
        return self.errors


def check_restart(tap):
    with World() as world:
        control = f"unix:{world.path('control')}"
        process, port = started(world, "-c", control, "-g", str(PATIENCE))
        load = Load(port)
        for restart in range(3):
            with connect(port) as old:
                exchange(old, b"before")
                seen = load.count
                following = world.proxy("-c", control, "-g", str(PATIENCE), f"127.0.0.1:{port}",
                                        f"unix:{world.path('echo')}")
                until(lambda: load.count > seen + 50)
                whole = exchange(old, b"still") == b"still"
                tap.check(f"proxy/restart_{restart}_leaves_connections", whole)
            tap.check(f"proxy/restart_{restart}_ends_the_old_one", process.wait(PATIENCE) == 0,
                      said(process))
            tap.check(f"proxy/restart_{restart}_of_the_next_one", following.poll() is None,
                      said(following))
            process = following
        tap.check("proxy/restarts_lose_nothing", load.end() == [], load.errors[:5])
        process.send_signal(signal.SIGTERM)
        tap.same("proxy/the_last_ends", process.wait(PATIENCE), -signal.SIGTERM)
        tap.check("proxy/control_path_goes", not os.path.exists(world.path("control")))


def check_failed_restart(tap):
    """Who asks for the sockets and then says nothing is not a successor."""
    with World() as world:
        process, port = started(world, "-c", f"unix:{world.path('control')}")
        until(lambda: os.path.exists(world.path("control")))
        with socket.socket(socket.AF_UNIX) as taker:
            taker.connect(world.path("control"))
            data, fds, _, _ = socket.recv_fds(taker, 1, 8)
            tap.check("proxy/passes_its_sockets", (data, len(fds)) == (b"\x02", 2), (data, fds))
            for fd in fds:
                os.close(fd)
        with connect(port) as connection:
            tap.check("proxy/goes_on", exchange(connection, b"hello") == b"hello")
        tap.check("proxy/still_runs", process.poll() is None, said(process))


def check_inherited(tap):
    """As a service manager starts it: the socket is there before the program."""
    with World() as world, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = world.echo()
        until(lambda: os.path.exists(world.path("echo")))
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE) as connection:
            shell = ("exec 3<&%d; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web exec \"$@\""
                     % listener.fileno())
            log = open(world.path("log"), "w+b")
            process = subprocess.Popen(
                ["sh", "-c", shell, "sh", EXAMPLES / "weft-proxy", "inherited:web", address],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=pages.environment(),
                pass_fds=[listener.fileno()])
            world.processes.append(process)
            tap.check("proxy/inherited", exchange(connection, b"hello") == b"hello")


def check_usage(tap):
    status, text = pages.run([EXAMPLES / "weft-proxy", "one"])
    tap.check("proxy/usage", status == 1 and text.startswith("usage: "), text)


def main():
    os.chdir(pages.ROOT)
    tap = pages.Tap("docs")
    if pages.PRESET == "tsan":
        tap.skip("proxy", "ThreadSanitizer keeps a signal for the fiber in which it came")
        tap.end()
    check_forwarding(tap)
    check_peers(tap)
    check_unix(tap)
    check_limits(tap)
    check_backend_down(tap)
    check_restart(tap)
    check_failed_restart(tap)
    check_inherited(tap)
    check_usage(tap)
    tap.end()


if __name__ == "__main__":
    main()
