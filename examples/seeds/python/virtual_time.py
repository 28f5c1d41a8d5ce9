# SPDX-License-Identifier: MIT
"""A clock that jumps: programs that only sleep run at once and always alike.

It stands where the tutorials use the modules time, select and asyncio: `import virtual_time as
time` gives time() and sleep(), select() waits for real sockets and otherwise lets virtual time
pass, run() and new_event_loop() give asyncio a loop on this clock. Time passes only where a
program would have slept, never while it computes.
"""
import asyncio
import select as real_select
import selectors

# How long (in real seconds) sockets are listened to before the clock may jump past a timeout:
# a byte that is on its way over loopback must not be overtaken by virtual time.
GRACE = 0.05

now_ns = 0


def time():
    """Seconds since the program began."""
    return now_ns / 1e9


def sleep(seconds):
    """Let virtual time pass; nothing waits for real."""
    global now_ns
    now_ns += max(0, round(seconds * 1e9))


def select(readers, writers, errors, timeout=None):
    """select.select on this clock: what is ready, or nothing and the time has passed."""
    if timeout is None:
        return real_select.select(readers, writers, errors)
    grace = GRACE if timeout > 0 and (readers or writers) else 0
    ready = real_select.select(readers, writers, errors, grace)
    if not any(ready):
        sleep(timeout)
    return ready


class JumpingSelector(selectors.DefaultSelector):
    """The event loop's selector: where it would block until a timeout, the clock jumps to it."""

    def select(self, timeout=None):
        if timeout is None:
            return super().select(None)
        has_sockets = len(self.get_map()) > 1        # more than the loop's own wake-up pipe
        ready = super().select(GRACE if timeout > 0 and has_sockets else 0)
        if not ready:
            sleep(timeout)
        return ready


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with this module's clock."""

    def __init__(self):
        super().__init__(JumpingSelector())

    def time(self):
        return time()


def new_event_loop():
    """A fresh event loop, set as the current one."""
    loop = EventLoop()
    asyncio.set_event_loop(loop)
    return loop


def run(coroutine):
    """asyncio.run on this clock."""
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(coroutine)
