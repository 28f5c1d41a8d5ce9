#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The part of asyncio and uvloop in the benches: bench.py asyncio|uvloop BENCH [PARAM [SECONDS]].

It does what bench/weft/core.c does, in the way a Python programmer would write it, and prints the
same result lines (bench/common/bench.h). The counts are smaller, for a step takes ten to a hundred
times as long. uvloop replaces the loop only: tasks and queues are asyncio's own in both columns.
"""
import asyncio
import socket
import sys
import threading
import time

cpu_ns = time.process_time_ns
CALLBACKS = 1000


def report(bench, param, metric, value):
    print(f"R\t{bench}\t{param}\t{metric}\t{value:.4f}", flush=True)


def status_bytes(key):
    """A figure of /proc/self/status: "VmRSS" (resident), "VmPTE" (page tables)."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key + ":"))


async def bench_switch():
    count = 200_000

    async def other():
        while True:
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    begun = cpu_ns()
    for _ in range(count):
        await asyncio.sleep(0)
    report("switch", "", "round_trip", (cpu_ns() - begun) / count)
    task.cancel()


async def answer():
    return 42


async def bench_spawn_join():
    count, total = 200_000, 0
    begun = cpu_ns()
    for _ in range(count):
        total += await asyncio.create_task(answer())
    report("spawn_join", "seq", "per_task", (cpu_ns() - begun) / count)
    begun = cpu_ns()
    for _ in range(count // 1000):
        for task in [asyncio.create_task(answer()) for _ in range(1000)]:
            total += await task
    report("spawn_join", "batch1000", "per_task", (cpu_ns() - begun) / count)
    assert total == 2 * 42 * count


async def bench_yield_ring(param):
    tasks = int(param)
    rounds = max(2, 1_000_000 // tasks)

    async def yield_in_turn():
        for _ in range(rounds):
            await asyncio.sleep(0)

    ring = [asyncio.create_task(yield_in_turn()) for _ in range(tasks)]
    await asyncio.sleep(0)
    begun = cpu_ns()
    for task in ring:
        await task
    report("yield_ring", param, "per_yield", (cpu_ns() - begun) / (tasks * rounds))


async def bench_queue():
    count = 100_000
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def send_back():
        while True:
            await back.put(await there.get())

    task = asyncio.create_task(send_back())
    begun = cpu_ns()
    for i in range(count):
        await there.put(i)
        assert await back.get() == i
    report("queue", "pingpong", "per_message", (cpu_ns() - begun) / (2 * count))
    task.cancel()


async def bench_socket():
    count = 50_000
    near, far = socket.socketpair()
    near_reader, near_writer = await asyncio.open_unix_connection(sock=near)
    far_reader, far_writer = await asyncio.open_unix_connection(sock=far)

    async def echo_bytes():
        while True:
            far_writer.write(await far_reader.readexactly(1))

    task = asyncio.create_task(echo_bytes())
    begun = cpu_ns()
    for _ in range(count):
        near_writer.write(b"x")
        await near_reader.readexactly(1)
    report("socket", "pingpong", "per_message", (cpu_ns() - begun) / (2 * count))
    task.cancel()


async def callbacks_soon(loop):
    left = count = 1_000_000
    done = loop.create_future()

    def again():
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)
        elif left > 0:
            loop.call_soon(again)

    begun = cpu_ns()
    for _ in range(CALLBACKS):
        loop.call_soon(again)
    await done
    report("callbacks", "soon", "per_callback", (cpu_ns() - begun) / count)


async def callbacks_thread(loop):
    count = left = 20_000
    done = loop.create_future()
    ran = threading.Semaphore(0)

    def run():
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)
        ran.release()

    def post():
        for _ in range(count):
            loop.call_soon_threadsafe(run)
            ran.acquire()

    begun = cpu_ns()
    thread = threading.Thread(target=post)
    thread.start()
    await done
    thread.join()
    report("callbacks", "thread", "per_callback", (cpu_ns() - begun) / count)


async def bench_callbacks():
    await callbacks_soon(asyncio.get_running_loop())
    await callbacks_thread(asyncio.get_running_loop())


def random_delays(count):
    """Seconds, by the generator of bench.h; drawn beforehand, for that takes long here."""
    state, delays = 88172645463325252, []
    for _ in range(count):
        state ^= state << 13 & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 7
        state ^= state << 17 & 0xFFFFFFFFFFFFFFFF
        delays.append(1000 + state % 1_000_000 / 1000)
    return delays


async def bench_timers():
    count = 1_000_000
    call_later = asyncio.get_running_loop().call_later
    delays = random_delays(count)
    begun = cpu_ns()
    timers = [call_later(delay, print) for delay in delays]
    armed = cpu_ns()
    for i in range(count):
        timers[i * 611953 % count].cancel()
    await asyncio.sleep(0)  # asyncio lets go of cancelled timers in its next turn
    report("timers", "", "arm", (armed - begun) / count)
    report("timers", "", "cancel", (cpu_ns() - armed) / count)


async def bench_sleepers(param, seconds):
    count, armed, woken, wall_woken, cpu_woken = int(param), 0, 0, 0, 0
    resident, page_tables = status_bytes("VmRSS"), status_bytes("VmPTE")
    wall_begun, cpu_begun = time.monotonic(), cpu_ns()
    deadline = wall_begun + float(seconds)

    async def sleeper():
        nonlocal armed, woken, wall_woken, cpu_woken
        armed += 1
        await asyncio.sleep(deadline - time.monotonic())
        woken += 1
        if woken == count:
            wall_woken, cpu_woken = time.monotonic(), cpu_ns()

    crowd = [asyncio.create_task(sleeper()) for _ in range(count)]
    while armed < count:
        await asyncio.sleep(0)
    wall_armed, cpu_start = time.monotonic(), cpu_ns() - cpu_begun
    resident, page_tables = status_bytes("VmRSS") - resident, status_bytes("VmPTE") - page_tables
    cpu_armed = cpu_ns()
    for task in crowd:
        await task
    # A turn of these loops may end a millisecond early: their clocks have that resolution.
    if wall_armed > deadline or wall_woken < deadline - 0.002:
        sys.exit(f"# sleepers {param}: not all asleep at the deadline, or woken early")
    report("sleepers", param, "resident", resident / count)
    report("sleepers", param, "page_tables", page_tables / count)
    report("sleepers", param, "start", (wall_armed - wall_begun) * 1e3)
    report("sleepers", param, "wake", (wall_woken - deadline) * 1e3)
    report("sleepers", param, "start_cpu", cpu_start / count)
    report("sleepers", param, "wake_cpu", (cpu_woken - cpu_armed) / count)


class Echo(asyncio.Protocol):
    """A connection of the server: what comes goes back."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Answer(asyncio.DatagramProtocol):
    """The server's datagram socket."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def bench_tcp_echo():
    """Serves until it is killed; see bench/load/load.c."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print("PORT", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bench_udp_echo():
    """The same with datagrams."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Answer, local_addr=("127.0.0.1", 0))
    print("PORT", transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


def main():
    kind, bench, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    if kind == "uvloop":
        import uvloop  # pylint: disable=import-outside-toplevel
        uvloop.install()
    asyncio.run(globals()["bench_" + bench](*arguments))


main()
