/* SPDX-License-Identifier: MIT */
/*
 * test_poller_calls.c: how many system calls the engines make, and what happens when one fails
 *
 * A table over weft_sys_default counts, and fails the n-th call of the opening. What an engine may
 * cost is part of its design: epoll makes no call of its own for an owned descriptor once it is
 * registered, io_uring one for all that a turn submits.
 *
 * Costs are counted on this kernel, not timed, so that a busy machine changes nothing.
 */
#define _GNU_SOURCE
#include "loop/poller_backend.h"
#include "test.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct weft_sys *const sys = &weft_sys_default;

/** The table. */
static struct {
    /** The first member. */
    struct weft_sys table;
    /** Calls of epoll_ctl, io_uring_enter, fcntl(F_SETFL). */
    int controls, enters, flag_changes;
    /** How many descriptors the last poll of several was given. */
    size_t polled;
    /** The largest memory asked for. */
    size_t largest;
    /** Calls that may fail, so far. */
    int calls;
    /** Which of them fails; 0: none. */
    int failing;
} counted;

/** Whether this call is to fail. */
static bool fails(void)
{
    return ++counted.calls == counted.failing;
}

static int counted_epoll_create1(const struct weft_sys *table, int flags)
{
    (void)table;
    return fails() ? -EMFILE : sys->epoll_create1(sys, flags);
}

static int counted_epoll_ctl(const struct weft_sys *table, int epoll_fd, int op, int fd,
                             struct epoll_event *event)
{
    (void)table;
    counted.controls++;
    return fails() ? -ENOMEM : sys->epoll_ctl(sys, epoll_fd, op, fd, event);
}

static int counted_enter(const struct weft_sys *table, int fd, unsigned to_submit,
                         unsigned min_complete, unsigned flags, const void *arg, size_t arg_len)
{
    (void)table;
    counted.enters++;
    return fails() ? -EAGAIN
                   : sys->io_uring_enter(sys, fd, to_submit, min_complete, flags, arg, arg_len);
}

static int counted_setup(const struct weft_sys *table, unsigned entries, void *params)
{
    (void)table;
    return fails() ? -ENOMEM : sys->io_uring_setup(sys, entries, params);
}

static int counted_register(const struct weft_sys *table, int fd, unsigned opcode, void *arg,
                            unsigned count)
{
    (void)table;
    return fails() ? -EINVAL : sys->io_uring_register(sys, fd, opcode, arg, count);
}

static int counted_mmap(const struct weft_sys *table, size_t len, int prot, int flags, int fd,
                        int64_t offset, void **ret)
{
    (void)table;
    return fails() ? -ENOMEM : sys->mmap(sys, len, prot, flags, fd, offset, ret);
}

static int counted_socketpair(const struct weft_sys *table, int domain, int type, int protocol,
                              int fds[2])
{
    (void)table;
    return fails() ? -EMFILE : sys->socketpair(sys, domain, type, protocol, fds);
}

static void *counted_realloc(const struct weft_sys *table, void *p, size_t size)
{
    (void)table;
    if (size > counted.largest)
        counted.largest = size;
    return size > 0 && fails() ? NULL : sys->realloc(sys, p, size);
}

/* The engine's own call may wait; a look at one descriptor never does. */
static int counted_poll(const struct weft_sys *table, struct pollfd *fds, size_t count,
                        weft_ns timeout)
{
    (void)table;
    counted.polled = count;
    return sys->poll(sys, fds, count, timeout);
}

static int counted_fcntl(const struct weft_sys *table, int fd, int command, long arg)
{
    (void)table;
    counted.flag_changes += command == F_SETFL;
    return sys->fcntl(sys, fd, command, arg);
}

static const struct weft_sys *counting(void)
{
    memset(&counted, 0, sizeof counted);
    counted.table = weft_sys_default;
    counted.table.realloc = counted_realloc;
    counted.table.mmap = counted_mmap;
    counted.table.fcntl = counted_fcntl;
    counted.table.poll = counted_poll;
    counted.table.socketpair = counted_socketpair;
    counted.table.epoll_create1 = counted_epoll_create1;
    counted.table.epoll_ctl = counted_epoll_ctl;
    counted.table.io_uring_setup = counted_setup;
    counted.table.io_uring_enter = counted_enter;
    counted.table.io_uring_register = counted_register;
    return &counted.table;
}

static struct weft__poller *open_engine(const struct weft__poller_ops *engine)
{
    struct weft__poller *poller;
    int rc = engine->open(counting(), &poller);
    if (engine == &weft__poller_io_uring && (rc == -ENOSYS || rc == -EPERM))
        SKIP("the kernel refuses io_uring");
    CHECK_OK(rc);
    return poller;
}

static void note_done(struct weft__op *op)
{
    (*(int *)op->owner)++;
}

static struct weft__op read_op(int fd, void *buf, int *over)
{
    return (struct weft__op){
        .code = WEFT__OP_READ, .fd = fd, .buf = buf, .len = 1, .done = note_done, .owner = over};
}

static void settle(struct weft__poller *poller)
{
    for (int i = 0; i < 4; i++)
        CHECK_OK(poller->ops->wait(poller, 0));
}

static void wait_until(struct weft__poller *poller, const int *over, int count)
{
    for (int i = 0; i < 1000 && *over < count; i++)
        CHECK_OK(poller->ops->wait(poller, 10 * WEFT_MS));
    CHECK_EQ(*over, count);
}

/* --- Costs ----------------------------------------------------------------------------------- */

/** Reads a byte that comes later, so many times. */
static void ping(struct weft__poller *poller, const int fds[2], int times)
{
    int over = 0;
    for (int i = 1; i <= times; i++) {
        char byte;
        struct weft__op read = read_op(fds[0], &byte, &over);
        CHECK_EQ(poller->ops->submit(poller, &read), 0);
        settle(poller);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        wait_until(poller, &over, i);
        CHECK_EQ(read.result, 1);
    }
}

static void make_pipe(struct weft__poller *poller, bool owned, int fds[2])
{
    CHECK_OK(pipe2(fds, O_CLOEXEC | (owned ? O_NONBLOCK : 0)));
    if (owned)
        weft__descriptor_get(poller, fds[0])->flags |= WEFT__DESCRIPTOR_OWNED;
}

static void close_pipe(struct weft__poller *poller, const int fds[2])
{
    CHECK_EQ(poller->ops->forget(poller, weft__descriptor_get(poller, fds[0])), 1);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

TEST(epoll_is_told_of_an_owned_descriptor_once_and_at_its_end)
{
    int fds[2];
    struct weft__poller *poller = open_engine(&weft__poller_epoll);
    make_pipe(poller, true, fds);
    ping(poller, fds, 100);
    CHECK_EQ(counted.controls, 1);
    close_pipe(poller, fds);
    CHECK_EQ(counted.controls, 2);
    poller->ops->close(poller);
}

TEST(epoll_is_told_of_a_foreign_descriptor_for_each_wait)
{
    int fds[2];
    struct weft__poller *poller = open_engine(&weft__poller_epoll);
    make_pipe(poller, false, fds);
    ping(poller, fds, 100);
    CHECK_EQ(counted.controls, 100);
    close_pipe(poller, fds);
    poller->ops->close(poller);
}

TEST(io_uring_is_entered_once_for_all_that_is_submitted)
{
    enum { COUNT = 50 };
    struct weft__poller *poller = open_engine(&weft__poller_io_uring);
    struct weft__op reads[COUNT];
    char bytes[COUNT];
    int fds[COUNT][2], over = 0;
    for (int i = 0; i < COUNT; i++) {
        make_pipe(poller, true, fds[i]);
        reads[i] = read_op(fds[i][0], &bytes[i], &over);
        CHECK_EQ(write(fds[i][1], "x", 1), 1);
        CHECK_EQ(poller->ops->submit(poller, &reads[i]), 0);
    }
    int before = counted.enters;
    CHECK_EQ(poller->due, COUNT);
    CHECK_EQ(poller->ops->wait(poller, WEFT_SEC), COUNT);
    CHECK_EQ(counted.enters, before + 1);
    CHECK_EQ(over, COUNT);
    CHECK_EQ(poller->due, 0);
    for (int i = 0; i < COUNT; i++)
        close_pipe(poller, fds[i]);
    poller->ops->close(poller);
}

TEST(io_uring_looks_without_a_system_call_when_there_is_nothing_to_do)
{
    int fds[2], over = 0;
    char byte;
    struct weft__poller *poller = open_engine(&weft__poller_io_uring);
    make_pipe(poller, true, fds);
    struct weft__op read = read_op(fds[0], &byte, &over);
    CHECK_EQ(poller->ops->submit(poller, &read), 0);
    settle(poller);
    int before = counted.enters;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(poller->ops->wait(poller, 0), 0);
    CHECK_EQ(counted.enters, before);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 1000 && !over; i++)
        CHECK_OK(poller->ops->wait(poller, 0));
    CHECK_EQ(over, 1);
    close_pipe(poller, fds);
    poller->ops->close(poller);
}

TEST(no_engine_ever_sets_the_flags_of_a_file)
{
    const struct weft__poller_ops *const engines[] = {&weft__poller_poll, &weft__poller_epoll,
                                                      &weft__poller_io_uring};
    for (int i = 0; i < 6; i++) {
        int fds[2];
        struct weft__poller *poller = open_engine(engines[i / 2]);
        make_pipe(poller, i % 2, fds);
        ping(poller, fds, 3);
        CHECK_EQ(counted.flag_changes, 0);
        close_pipe(poller, fds);
        poller->ops->close(poller);
    }
}

TEST(a_wild_number_makes_no_room_for_millions)
{
    const struct weft__poller_ops *const engines[] = {&weft__poller_poll, &weft__poller_epoll,
                                                      &weft__poller_io_uring};
    for (int i = 0; i < 3; i++) {
        char byte;
        int over = 0;
        struct weft__poller *poller = open_engine(engines[i]);
        struct weft__op read = read_op(INT32_MAX, &byte, &over);
        int rc = poller->ops->submit(poller, &read);
        CHECK_ERR(rc == 1 ? read.result : rc, -EBADF);
        CHECK(counted.largest < 1 << 20);
        poller->ops->close(poller);
    }
}

/** How many files an epoll descriptor watches. */
static int watched_by(struct weft__poller *poller)
{
    char path[64], line[256];
    int count = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", poller->ops->fd(poller));
    FILE *info = fopen(path, "re");
    CHECK(info);
    while (fgets(line, sizeof line, info))
        count += strncmp(line, "tfd:", 4) == 0;
    CHECK_EQ(fclose(info), 0);
    return count;
}

TEST(epoll_keeps_nothing_of_a_foreign_descriptor_whose_last_waiter_left)
{
    int fds[2], over = 0;
    char byte;
    struct weft__poller *poller = open_engine(&weft__poller_epoll);
    make_pipe(poller, false, fds);
    struct weft__op read = read_op(fds[0], &byte, &over);
    CHECK_EQ(poller->ops->submit(poller, &read), 0);
    CHECK_EQ(watched_by(poller), 1);
    CHECK_EQ(poller->ops->cancel(poller, &read), 1);
    CHECK_EQ(watched_by(poller), 0);
    close_pipe(poller, fds);
    poller->ops->close(poller);
}

TEST(poll_is_not_given_what_nobody_waits_for)
{
    int fds[2], over = 0;
    char byte;
    struct weft__poller *poller = open_engine(&weft__poller_poll);
    make_pipe(poller, false, fds);
    struct weft__op read = read_op(fds[0], &byte, &over);
    CHECK_EQ(poller->ops->submit(poller, &read), 0);
    settle(poller);
    CHECK_EQ(counted.polled, 1);
    CHECK_EQ(poller->ops->cancel(poller, &read), 1);
    settle(poller);
    CHECK_EQ(counted.polled, 0);
    close_pipe(poller, fds);
    poller->ops->close(poller);
}

static void never_called(void *arg)
{
    (void)arg;
    FAIL("a watch on a closed number was called");
}

TEST(poll_drops_a_watch_whose_number_was_closed_behind_it)
{
    int fds[2];
    struct weft__poller *poller = open_engine(&weft__poller_poll);
    make_pipe(poller, false, fds);
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, fds[0]);
    descriptor->watch[WEFT__DIRECTION_IN].fn = never_called;
    CHECK_OK(poller->ops->arm(poller, descriptor));
    CHECK_OK(close(fds[0]));
    settle(poller);
    /* It would be "ready" in every wait, and no wait would ever sleep. */
    CHECK_EQ(counted.polled, 0);
    CHECK_OK(close(fds[1]));
    poller->ops->close(poller);
}

static ssize_t no_read_flags(const struct weft_sys *self, int fd, void *buf, size_t len, int flags)
{
    (void)self, (void)fd, (void)buf, (void)len, (void)flags;
    return -EOPNOTSUPP;
}

static ssize_t no_write_flags(const struct weft_sys *self, int fd, const void *buf, size_t len,
                              int flags)
{
    (void)self, (void)fd, (void)buf, (void)len, (void)flags;
    return -ENOSYS;
}

/* On such a kernel, and on terminals everywhere, a pipe in blocking mode is asked first and then
 * given at most what it surely takes. A call that blocked would hang this test. */
TEST(a_kernel_without_RWF_NOWAIT_blocks_no_read_and_no_write)
{
    static char bytes[1 << 20];
    const struct weft__poller_ops *const engines[] = {&weft__poller_poll, &weft__poller_epoll};
    for (int i = 0; i < 2; i++) {
        int fds[2], over = 0;
        char byte;
        struct weft__poller *poller = open_engine(engines[i]);
        counted.table.read_flags = no_read_flags;
        counted.table.write_flags = no_write_flags;
        make_pipe(poller, false, fds);
        struct weft__op read = read_op(fds[0], &byte, &over);
        CHECK_EQ(poller->ops->submit(poller, &read), 0);
        settle(poller);
        CHECK_EQ(poller->ops->cancel(poller, &read), 1);
        for (int written = 0; written < 1000; written++) {
            struct weft__op write = read_op(fds[1], bytes, &over);
            write.code = WEFT__OP_WRITE;
            write.direction = WEFT__DIRECTION_OUT;
            write.len = sizeof bytes;
            if (poller->ops->submit(poller, &write) == 0) {
                CHECK(written > 0);
                CHECK_EQ(poller->ops->cancel(poller, &write), 1);
                break;
            }
            CHECK(write.result > 0 && write.result < (ssize_t)sizeof bytes);
        }
        close_pipe(poller, fds);
        poller->ops->close(poller);
    }
}

/* --- Failures -------------------------------------------------------------------------------- */

/** Fails each call of an engine's opening in turn; what is left over is the runner's to find. */
static void open_with_failures(const struct weft__poller_ops *engine, int at_least)
{
    struct weft__poller *poller = open_engine(engine);
    poller->ops->close(poller);
    int calls = counted.calls;
    CHECK(calls >= at_least);
    for (int failing = 1; failing <= calls; failing++) {
        const struct weft_sys *table = counting();
        counted.failing = failing;
        int rc = engine->open(table, &poller);
        if (rc == 0)
            poller->ops->close(poller); /* It could do without that call. */
        else
            CHECK(rc == -ENOMEM || rc == -EMFILE || rc == -ENOSYS);
    }
}

TEST(an_engine_that_cannot_be_opened_leaves_nothing_behind)
{
    open_with_failures(&weft__poller_poll, 1);
    open_with_failures(&weft__poller_epoll, 2);
    open_with_failures(&weft__poller_io_uring, 8);
}

/** Fails each call from submitting an operation on. */
static void submit_with_failures(const struct weft__poller_ops *engine)
{
    for (int failing = 1; failing < 8; failing++) {
        int fds[2], over = 0;
        char byte;
        struct weft__poller *poller = open_engine(engine);
        CHECK_OK(pipe2(fds, O_CLOEXEC));
        counted.calls = 0;
        counted.failing = failing;
        struct weft__op read = read_op(fds[0], &byte, &over);
        int rc = poller->ops->submit(poller, &read);
        if (rc < 0) {
            CHECK_ERR(rc, -ENOMEM);
            CHECK_EQ(poller->pending, 0);
        } else {
            CHECK_EQ(write(fds[1], "x", 1), 1);
            wait_until(poller, &over, 1);
            CHECK(read.result == 1 || read.result == -ENOMEM);
        }
        close_pipe(poller, fds);
        poller->ops->close(poller);
    }
}

TEST(an_operation_that_cannot_be_started_leaves_the_engine_as_it_was)
{
    submit_with_failures(&weft__poller_poll);
    submit_with_failures(&weft__poller_epoll);
    submit_with_failures(&weft__poller_io_uring);
}
