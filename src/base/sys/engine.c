/* SPDX-License-Identifier: MIT */
/*
 * engine.c: what engines wait with, in the default table
 *
 * poll, epoll and io_uring. Durations are nanoseconds; a call that counts milliseconds gets them
 * rounded up, so that no timer fires early, and the newer epoll_pwait2(2), which counts exactly, is
 * used where the kernel has it. That it lacks it is the one bit that the table keeps: it is the
 * same for the whole process, and asking again would cost a failed call at each wait.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers that are the same on every architecture of ours, for older headers. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

int weft__sys_poll(TABLE, struct pollfd *fds, size_t count, weft_ns timeout)
{
    weft_ns wait = timeout > 0 ? timeout : 0;
    struct timespec limit = {.tv_sec = (time_t)(wait / WEFT_SEC), .tv_nsec = wait % WEFT_SEC};
    return weft__sys_checked_int(
        ppoll(fds, (nfds_t)count, timeout == WEFT_FOREVER ? NULL : &limit, NULL));
}

int weft__sys_epoll_create1(TABLE, int flags)
{
    return weft__sys_checked_int(epoll_create1(flags));
}

int weft__sys_epoll_ctl(TABLE, int epoll_fd, int op, int fd, struct epoll_event *event)
{
    return weft__sys_checked_int(epoll_ctl(epoll_fd, op, fd, event));
}

/** epoll_wait(2)'s timeout: -1 is no limit, and a part of a millisecond counts as a whole one. */
static int milliseconds(weft_ns timeout)
{
    if (timeout == WEFT_FOREVER)
        return -1;
    if (timeout <= 0)
        return 0;
    weft_ns ms = timeout / WEFT_MS + (timeout % WEFT_MS != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/** The kernel is older than 5.11, or a filter does not know the call (those answer with EPERM). */
static atomic_bool epoll_pwait2_missing;

int weft__sys_epoll_wait(TABLE, int epoll_fd, struct epoll_event *events, int count,
                         weft_ns timeout)
{
    /* Whole milliseconds need nothing newer, and a look without waiting is the common case. */
    bool exact = timeout <= 0 || timeout % WEFT_MS == 0 || timeout == WEFT_FOREVER;
    if (!exact && !atomic_load_explicit(&epoll_pwait2_missing, memory_order_relaxed)) {
        /* The kernel's own timespec has two 64-bit members everywhere. */
        int64_t limit[2] = {timeout / WEFT_SEC, timeout % WEFT_SEC};
        int rc = weft__sys_checked_int(
            (int)syscall(SYS_epoll_pwait2, epoll_fd, events, count, limit, NULL, (size_t)0));
        if (rc != -ENOSYS && rc != -EPERM)
            return rc;
        atomic_store_explicit(&epoll_pwait2_missing, true, memory_order_relaxed);
    }
    return weft__sys_checked_int(epoll_wait(epoll_fd, events, count, milliseconds(timeout)));
}

int weft__sys_io_uring_setup(TABLE, unsigned entries, void *params)
{
    return weft__sys_checked_int((int)syscall(SYS_io_uring_setup, entries, params));
}

int weft__sys_io_uring_enter(TABLE, int fd, unsigned to_submit, unsigned min_complete,
                             unsigned flags, const void *arg, size_t arg_len)
{
    return weft__sys_checked_int(
        (int)syscall(SYS_io_uring_enter, fd, to_submit, min_complete, flags, arg, arg_len));
}

int weft__sys_io_uring_register(TABLE, int fd, unsigned opcode, void *arg, unsigned count)
{
    return weft__sys_checked_int((int)syscall(SYS_io_uring_register, fd, opcode, arg, count));
}
