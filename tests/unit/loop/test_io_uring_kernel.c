/* SPDX-License-Identifier: MIT */
/*
 * test_io_uring_kernel.c: what the kernel really does, and what the engine makes of it
 *
 * One test for each behaviour of io_uring that a program has to know and that manual pages are
 * brief about. Where it matters the bare ring shows the behaviour first, so that a kernel that acts
 * otherwise is noticed here, by name, and then the engine shows that its users never meet it. How
 * the engine fares where io_uring is refused is test_io_uring_refused.c.
 */
#define _GNU_SOURCE
#include "loop/poller/io_uring/engine.h"
#include "test.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct weft_sys *const sys = &weft_sys_default;

/* --- The bare ring --------------------------------------------------------------------------- */

static void open_ring(struct weft__ring *ring, unsigned entries)
{
    int rc = weft__ring_open(ring, sys, entries, 2 * entries);
    if (rc == -ENOSYS || rc == -EPERM)
        SKIP("the kernel refuses io_uring");
    CHECK_OK(rc);
}

static void put(struct weft__ring *ring, struct weft__uring_sqe request)
{
    struct weft__uring_sqe *sqe = weft__ring_next(ring);
    CHECK(sqe);
    *sqe = request;
}

static struct weft__uring_sqe receive(int fd, void *buf, unsigned len, uint64_t name)
{
    return (struct weft__uring_sqe){.opcode = WEFT__URING_OP_RECV,
                                    .fd = fd,
                                    .address = (uint64_t)(uintptr_t)buf,
                                    .len = len,
                                    .user_data = name};
}

static struct weft__uring_sqe cancel(uint64_t target, uint64_t name)
{
    return (struct weft__uring_sqe){
        .opcode = WEFT__URING_OP_ASYNC_CANCEL, .fd = -1, .address = target, .user_data = name};
}

/** Hands over what was put and collects what is there, without waiting. */
static void turn(struct weft__ring *ring)
{
    for (int i = 0; i < 4; i++)
        CHECK_OK(weft__ring_enter(ring, 0, 0));
}

/** Waits for `count` results and puts each into results[name]. */
static void collect(struct weft__ring *ring, int count, int results[])
{
    struct weft__uring_cqe cqe;
    while (count > 0) {
        int rc = weft__ring_enter(ring, 1, 5 * WEFT_SEC);
        CHECK(rc == 0 || rc == -EINTR);
        while (weft__ring_take(ring, &cqe)) {
            results[cqe.user_data] = cqe.result;
            count--;
        }
    }
}

/* --- The engine ------------------------------------------------------------------------------ */

static struct weft__poller *open_engine(const struct weft_sys *table)
{
    struct weft__poller *poller;
    int rc = weft__poller_io_uring.open(table, &poller);
    if (rc == -ENOSYS || rc == -EPERM)
        SKIP("the kernel refuses io_uring");
    CHECK_OK(rc);
    return poller;
}

static void note_done(struct weft__op *op)
{
    (*(int *)op->owner)++;
}

static struct weft__op operation(enum weft__op_code code, int fd, void *buf, size_t len, int *over)
{
    return (struct weft__op){.code = (unsigned char)code,
                             .fd = fd,
                             .buf = buf,
                             .len = len,
                             .done = note_done,
                             .owner = over};
}

static void settle(struct weft__poller *poller)
{
    for (int i = 0; i < 8; i++)
        CHECK_OK(poller->ops->wait(poller, 0));
}

static void wait_until(struct weft__poller *poller, const int *over, int count)
{
    for (int i = 0; i < 1000 && *over < count; i++)
        CHECK_OK(poller->ops->wait(poller, 10 * WEFT_MS));
    CHECK_EQ(*over, count);
}

static void note_closed(struct weft__descriptor *descriptor, void *arg)
{
    (void)descriptor;
    (*(int *)arg)++;
}

/** Forgets a descriptor as the loop does; 1 when nothing was in the kernel, else *closed counts. */
static int forget(struct weft__poller *poller, int fd, int *closed)
{
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, fd);
    descriptor->flags |= WEFT__DESCRIPTOR_CLOSING;
    descriptor->closed = note_closed;
    descriptor->closed_arg = closed;
    return poller->ops->forget(poller, descriptor);
}

static void make_pair(int fds[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

static void close_pair(const int fds[2])
{
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

static bool readable(int fd)
{
    struct pollfd now = {.fd = fd, .events = POLLIN};
    return poll(&now, 1, 0) == 1;
}

/* --- Closing with an operation pending ------------------------------------------------------- */

TEST(a_bare_close_ends_no_pending_request_and_tells_the_peer_nothing)
{
    struct weft__ring ring;
    char buf[8];
    int fds[2], results[4] = {0};
    open_ring(&ring, 8);
    make_pair(fds);
    put(&ring, receive(fds[0], buf, sizeof buf, 1));
    turn(&ring);
    CHECK_OK(close(fds[0]));
    turn(&ring);
    CHECK_EQ(weft__ring_ready(&ring), 0);
    CHECK(!readable(fds[1]));
    put(&ring, cancel(1, 2));
    collect(&ring, 2, results);
    CHECK_ERR(results[1], -ECANCELED);
    CHECK(readable(fds[1]));
    CHECK_OK(close(fds[1]));
    weft__ring_close(&ring);
}

TEST(the_engine_cancels_and_waits_before_it_lets_a_descriptor_go)
{
    struct weft__poller *poller = open_engine(sys);
    char buf[8];
    int fds[2], over = 0, closed = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    settle(poller);
    CHECK_EQ(forget(poller, fds[0], &closed), 0);
    CHECK_EQ(over + closed, 0);
    wait_until(poller, &closed, 1);
    CHECK_EQ(over, 1);
    CHECK_ERR(recv.result, -EBADF);
    CHECK_OK(close(fds[0]));
    CHECK(readable(fds[1]));
    CHECK_OK(close(fds[1]));
    poller->ops->close(poller);
}

TEST(a_shutdown_ends_a_pending_receive_at_once)
{
    struct weft__ring ring;
    char buf[8];
    int fds[2], results[4] = {0, -1};
    open_ring(&ring, 8);
    make_pair(fds);
    put(&ring, receive(fds[0], buf, sizeof buf, 1));
    turn(&ring);
    CHECK_OK(shutdown(fds[0], SHUT_RD));
    collect(&ring, 1, results);
    CHECK_EQ(results[1], 0);
    close_pair(fds);
    weft__ring_close(&ring);
}

/** A TCP listener on 127.0.0.1; its address goes to *ret. */
static int make_listener(struct sockaddr_in *ret)
{
    socklen_t len = sizeof *ret;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_OK(bind(fd, (struct sockaddr *)ret, sizeof *ret));
    CHECK_OK(listen(fd, 8));
    CHECK_OK(getsockname(fd, (struct sockaddr *)ret, &len));
    return fd;
}

TEST(a_listener_that_was_closed_barely_still_accepts)
{
    struct weft__ring ring;
    struct sockaddr_in address;
    int results[4] = {0};
    open_ring(&ring, 8);
    int listener = make_listener(&address);
    put(&ring,
        (struct weft__uring_sqe){.opcode = WEFT__URING_OP_ACCEPT, .fd = listener, .user_data = 1});
    turn(&ring);
    CHECK_OK(close(listener));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(connect(client, (struct sockaddr *)&address, sizeof address));
    collect(&ring, 1, results);
    CHECK_OK(results[1]);
    CHECK_OK(close(results[1]));
    CHECK_OK(close(client));
    weft__ring_close(&ring);
}

/* The connection comes between the request to cancel and its result: whichever the kernel chooses,
 * the descriptor has an owner. */
TEST(a_connection_that_meets_the_close_of_its_listener_is_delivered_or_refused)
{
    struct weft__poller *poller = open_engine(sys);
    struct sockaddr_in address;
    int over = 0, closed = 0, listener = make_listener(&address);
    struct weft__op accept = operation(WEFT__OP_ACCEPT, listener, NULL, 0, &over);
    accept.flags = SOCK_CLOEXEC;
    CHECK_EQ(poller->ops->submit(poller, &accept), 0);
    settle(poller);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(connect(client, (struct sockaddr *)&address, sizeof address));
    if (forget(poller, listener, &closed) == 0)
        wait_until(poller, &closed, 1);
    CHECK_EQ(over, 1);
    if (accept.result >= 0)
        CHECK_OK(close((int)accept.result));
    else
        CHECK_ERR(accept.result, -EBADF);
    CHECK_OK(close(listener));
    CHECK_OK(close(client));
    poller->ops->close(poller);
}

/* --- Numbers used again ---------------------------------------------------------------------- */

TEST(a_request_keeps_its_old_file_when_the_number_gets_a_new_one)
{
    struct weft__ring ring;
    char buf[8] = "";
    int old[2], fresh[2], results[4] = {0};
    open_ring(&ring, 8);
    make_pair(old);
    put(&ring, receive(old[0], buf, sizeof buf, 1));
    turn(&ring);
    CHECK_OK(close(old[0]));
    make_pair(fresh);
    CHECK_EQ(fresh[0], old[0]);
    CHECK_EQ(write(fresh[1], "new", 3), 3);
    turn(&ring);
    CHECK_EQ(weft__ring_ready(&ring), 0);
    CHECK_EQ(write(old[1], "old!", 4), 4);
    collect(&ring, 1, results);
    CHECK_EQ(results[1], 4);
    CHECK_STR(buf, "old!");
    close_pair(fresh);
    CHECK_OK(close(old[1]));
    weft__ring_close(&ring);
}

TEST(a_request_is_cancelled_by_name_when_its_number_is_gone)
{
    /* IORING_ASYNC_CANCEL_FD: by descriptor. */
    enum { BY_DESCRIPTOR = 1 << 1 };
    struct weft__ring ring;
    char buf[8];
    int old[2], fresh[2], results[4] = {0};
    open_ring(&ring, 8);
    make_pair(old);
    put(&ring, receive(old[0], buf, sizeof buf, 1));
    turn(&ring);
    CHECK_OK(close(old[0]));
    make_pair(fresh);
    struct weft__uring_sqe by_number = cancel(0, 2);
    by_number.fd = fresh[0];
    by_number.op_flags = BY_DESCRIPTOR;
    put(&ring, by_number);
    collect(&ring, 1, results);
    /* -EINVAL: a kernel before 5.19, which has no such way. */
    CHECK(results[2] == -ENOENT || results[2] == -EINVAL);
    put(&ring, cancel(1, 3));
    collect(&ring, 2, results);
    CHECK_EQ(results[3], 0);
    CHECK_ERR(results[1], -ECANCELED);
    close_pair(fresh);
    CHECK_OK(close(old[1]));
    weft__ring_close(&ring);
}

TEST(a_stale_result_finds_nobody)
{
    struct weft__poller *poller = open_engine(sys);
    struct weft__uring *engine = weft__uring_of(poller);
    char buf[8];
    int fds[2], over = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    settle(poller);
    struct weft__uring_cqe twice = {
        WEFT__URING_KIND_OPERATION | weft__uring_slot_name(engine, &recv), 1, 0};
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(weft__uring_result(engine, &twice), 0);
    struct weft__op next = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &next), 0);
    settle(poller);
    CHECK_EQ(next.engine_slot, recv.engine_slot);
    CHECK_EQ(weft__uring_result(engine, &twice), 0);
    CHECK_EQ(over, 1);
    CHECK_EQ(write(fds[1], "y", 1), 1);
    wait_until(poller, &over, 2);
    close_pair(fds);
    poller->ops->close(poller);
}

/* --- Cancelling ------------------------------------------------------------------------------ */

TEST(a_cancel_that_comes_too_late_finds_nothing_and_the_result_stands)
{
    struct weft__ring ring;
    char buf[8];
    int fds[2], results[4] = {0};
    open_ring(&ring, 8);
    make_pair(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    put(&ring, receive(fds[0], buf, sizeof buf, 1));
    put(&ring, cancel(1, 2));
    collect(&ring, 2, results);
    CHECK_EQ(results[1], 1);
    CHECK_ERR(results[2], -ENOENT);
    close_pair(fds);
    weft__ring_close(&ring);
}

/* Every other time the result is in the queue when the cancel is asked for. Else the kernel
 * decides; one that defers completions to our own calls cancels first and leaves the byte in the
 * socket. */
TEST(the_engine_delivers_what_a_cancel_came_too_late_for)
{
    struct weft__poller *poller = open_engine(sys);
    for (int i = 0; i < 200; i++) {
        char buf[8];
        int fds[2], over = 0, completed = i % 2;
        make_pair(fds);
        struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
        CHECK_EQ(poller->ops->submit(poller, &recv), 0);
        settle(poller);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        if (completed)
            CHECK_OK(weft__ring_flush(&weft__uring_of(poller)->ring));
        CHECK_EQ(poller->ops->cancel(poller, &recv), 0);
        CHECK_EQ(poller->ops->cancel(poller, &recv), 0);
        wait_until(poller, &over, 1);
        if (completed || recv.result != -ECANCELED)
            CHECK_EQ(recv.result, 1);
        CHECK_EQ(readable(fds[0]), recv.result != 1);
        settle(poller);
        CHECK_EQ(over, 1);
        close_pair(fds);
    }
    CHECK_EQ(poller->due, 0);
    poller->ops->close(poller);
}

TEST(a_read_in_a_worker_of_the_kernel_is_given_back_too)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        SKIP("no pseudo-terminals here");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct weft__poller *poller = open_engine(sys);
    char buf[8];
    int over = 0;
    struct weft__op read = operation(WEFT__OP_READ, slave, buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &read), 0);
    settle(poller);
    CHECK_EQ(poller->ops->cancel(poller, &read), 0);
    wait_until(poller, &over, 1);
    CHECK_ERR(read.result, -ECANCELED);
    CHECK_OK(close(slave));
    CHECK_OK(close(master));
    poller->ops->close(poller);
}

/* --- More results than fit ------------------------------------------------------------------- */

TEST(results_that_have_no_room_are_kept_by_the_kernel)
{
    enum { COUNT = 64 };
    struct weft__ring ring;
    struct weft__uring_cqe cqe;
    int seen[COUNT] = {0}, total = 0;
    open_ring(&ring, 8);
    for (int i = 0; i < COUNT; i++)
        put(&ring, (struct weft__uring_sqe){
                       .opcode = WEFT__URING_OP_NOP, .fd = -1, .user_data = (uint64_t)i});
    turn(&ring);
    CHECK_EQ(weft__ring_ready(&ring), 16);
    CHECK(weft__ring_flags(&ring) & WEFT__URING_SQ_CQ_OVERFLOW);
    for (int i = 0; i < COUNT && total < COUNT; i++) {
        for (; weft__ring_take(&ring, &cqe); total++)
            seen[cqe.user_data]++;
        CHECK_OK(weft__ring_flush(&ring));
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(seen[i], 1);
    CHECK(!(weft__ring_flags(&ring) & WEFT__URING_SQ_CQ_OVERFLOW));
    weft__ring_close(&ring);
}

TEST(the_engine_gets_every_result_of_a_crowd_that_overflows_its_queue)
{
    enum { COUNT = 10000 };
    static struct weft__op polls[COUNT];
    struct weft__poller *poller = open_engine(sys);
    int fds[2], over = 0;
    make_pair(fds);
    for (int i = 0; i < COUNT; i++) {
        polls[i] = operation(WEFT__OP_POLL, fds[0], NULL, 0, &over);
        polls[i].events = POLLIN;
        CHECK_EQ(poller->ops->submit(poller, &polls[i]), 0);
    }
    settle(poller);
    CHECK_EQ(over, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(polls[i].result, POLLIN);
    close_pair(fds);
    poller->ops->close(poller);
}

TEST(results_that_have_no_room_are_served_in_the_same_wait)
{
    enum { COUNT = 3000 };
    static struct weft__op polls[COUNT];
    struct weft__poller *poller = open_engine(sys);
    int fds[2], over = 0;
    make_pair(fds);
    for (int i = 0; i < COUNT; i++) {
        polls[i] = operation(WEFT__OP_POLL, fds[0], NULL, 0, &over);
        polls[i].events = POLLOUT;
        CHECK_EQ(poller->ops->submit(poller, &polls[i]), 0);
    }
    CHECK_EQ(poller->ops->wait(poller, 5 * WEFT_SEC), COUNT);
    CHECK_EQ(over, COUNT);
    close_pair(fds);
    poller->ops->close(poller);
}

/* --- Signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void note_signal(int number)
{
    (void)number;
    signals++;
}

static void start_signals(void)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind holds signals back while it is in io_uring_enter");
#endif
    struct sigaction action = {.sa_handler = note_signal};
    struct itimerval often = {{0, 2000}, {0, 2000}};
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
}

static void stop_signals(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
}

TEST(a_signal_interrupts_the_wait_and_loses_no_request)
{
    struct weft__ring ring;
    struct weft__uring_cqe cqe;
    char buf[8];
    int fds[2];
    open_ring(&ring, 8);
    make_pair(fds);
    put(&ring, receive(fds[0], buf, sizeof buf, 1));
    CHECK_OK(weft__ring_enter(&ring, 0, 0));
    start_signals();
    CHECK_ERR(weft__ring_enter(&ring, 1, 20 * WEFT_SEC), -EINTR);
    stop_signals();
    CHECK(signals > 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    int rc = weft__ring_enter(&ring, 1, 5 * WEFT_SEC);
    CHECK(rc == 0 || rc == -EINTR);
    turn(&ring);
    CHECK(weft__ring_take(&ring, &cqe));
    CHECK_EQ(cqe.result, 1);
    close_pair(fds);
    weft__ring_close(&ring);
}

TEST(a_signal_makes_the_engine_come_back_early_with_nothing)
{
    struct weft__poller *poller = open_engine(sys);
    char buf[8];
    int fds[2], over = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    /* A call that submits something tells of that and not of the signal. */
    settle(poller);
    start_signals();
    CHECK_EQ(poller->ops->wait(poller, WEFT_FOREVER), 0);
    stop_signals();
    CHECK_EQ(over, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(recv.result, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

/* --- Files in non-blocking mode -------------------------------------------------------------- */

TEST(a_file_in_non_blocking_mode_is_waited_for_all_the_same)
{
    /* Kernels differ: the request waits, or its result is -EAGAIN; users see the first. */
    struct weft__poller *poller = open_engine(sys);
    char buf[8];
    int fds[2], over = 0;
    CHECK_OK(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    struct weft__op read = operation(WEFT__OP_READ, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &read), 0);
    settle(poller);
    CHECK_EQ(over, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(read.result, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

/** Serves a made-up result for the operation that is in the kernel, as if it had come back. */
static void pretend(struct weft__poller *poller, struct weft__op *op, int result)
{
    struct weft__uring *engine = weft__uring_of(poller);
    struct weft__uring_cqe cqe = {WEFT__URING_KIND_OPERATION | weft__uring_slot_name(engine, op),
                                  result, 0};
    (void)weft__uring_result(engine, &cqe);
}

/* The engine makes its request for the operation, which is not handed over: no kernel here would
 * answer it with `result`. Then it waits for readiness. */
static void meet_not_now(struct weft__poller *poller, struct weft__op *op, int result)
{
    struct weft__uring *engine = weft__uring_of(poller);
    struct weft__descriptor *descriptor = weft__descriptor_find(poller, op->fd);
    CHECK_EQ(weft__uring_push(engine, descriptor), 0);
    weft__uring_unmark(engine, descriptor);
    engine->ring.sq_local_tail--;
    pretend(poller, op, result);
    settle(poller);
    CHECK(op->engine_flags & WEFT__URING_POLLING);
}

TEST(results_that_mean_not_now_lead_to_readiness_and_a_second_try)
{
    const int not_now[] = {-EAGAIN, -EINTR, -ECANCELED};
    for (size_t i = 0; i < sizeof not_now / sizeof *not_now; i++) {
        struct weft__poller *poller = open_engine(sys);
        char buf[8];
        int fds[2], over = 0;
        make_pair(fds);
        struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
        CHECK_EQ(poller->ops->submit(poller, &recv), 0);
        meet_not_now(poller, &recv, not_now[i]);
        CHECK_EQ(over, 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        wait_until(poller, &over, 1);
        CHECK_EQ(recv.result, 1);
        close_pair(fds);
        poller->ops->close(poller);
    }
}

TEST(readiness_of_a_file_that_lost_its_number_touches_nothing_of_the_next_one)
{
    struct weft__poller *poller = open_engine(sys);
    char buf[8] = "";
    int old[2], fresh[2], over = 0;
    make_pair(old);
    make_pair(fresh);
    struct weft__op recv = operation(WEFT__OP_RECV, old[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    meet_not_now(poller, &recv, -EAGAIN);
    CHECK_EQ(write(old[1], "old", 3), 3);
    CHECK_EQ(dup2(fresh[0], old[0]), old[0]);
    CHECK_EQ(write(fresh[1], "new", 3), 3);
    wait_until(poller, &over, 1);
    CHECK_EQ(recv.result, -EBADF);
    CHECK_STR(buf, "");
    CHECK(readable(fresh[0]));
    close_pair(old);
    close_pair(fresh);
    poller->ops->close(poller);
}

/* --- Fork ------------------------------------------------------------------------------------ */

/** Runs `body` in a forked child; it must return 0. */
static void in_child(int (*body)(void *arg), void *arg)
{
    int status;
    pid_t child = fork();
    CHECK_OK(child);
    if (child == 0)
        _exit(body(arg));
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static int mappings_are_absent(void *arg)
{
    struct weft__ring *ring = arg;
    unsigned char resident[64];
    return mincore(ring->map, 1, resident) == -1 && errno == ENOMEM &&
                   mincore(ring->sqes, 1, resident) == -1 && errno == ENOMEM
               ? 0
               : 1;
}

TEST(a_forked_child_has_no_queues)
{
    struct weft__ring ring;
    open_ring(&ring, 8);
    in_child(mappings_are_absent, &ring);
    weft__ring_close(&ring);
}

static int submit_in_parents_name(void *arg)
{
    struct weft__ring *ring = arg;
    int rc = sys->io_uring_enter(sys, ring->fd, 1, 0, 0, NULL, 0);
    return rc == -EEXIST ? 0 : rc == 1 ? 2 : 1;
}

TEST(a_forked_child_cannot_submit_in_its_parents_name)
{
    /* The descriptor is inherited; a ring with a single issuer refuses every other process. Older
     * kernels took the request and gave its result to the parent. */
    struct weft__ring ring;
    open_ring(&ring, 8);
    if (!(ring.setup & WEFT__URING_SETUP_SINGLE_ISSUER))
        SKIP("this kernel knows no single issuer");
    put(&ring, (struct weft__uring_sqe){.opcode = WEFT__URING_OP_NOP, .fd = -1, .user_data = 1});
    __atomic_store_n(ring.sq_tail, ring.sq_local_tail, __ATOMIC_RELEASE);
    in_child(submit_in_parents_name, &ring);
    CHECK_EQ(weft__ring_unsubmitted(&ring), 1);
    weft__ring_close(&ring);
}

static int abandon_and_close(void *arg)
{
    struct weft__poller *poller = arg;
    int fd = weft__uring_of(poller)->ring.fd;
    poller->ops->abandon(poller);
    int gone = fcntl(fd, F_GETFD) == -1;
    poller->ops->close(poller);
    return gone ? 0 : 1;
}

TEST(a_child_that_abandons_the_engine_leaves_the_parents_operations_alone)
{
    struct weft__poller *poller = open_engine(sys);
    char buf[8];
    int fds[2], over = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    settle(poller);
    in_child(abandon_and_close, poller);
    settle(poller);
    CHECK_EQ(over, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(recv.result, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

/* --- Threads --------------------------------------------------------------------------------- */

static void *wait_elsewhere(void *arg)
{
    struct weft__poller *poller = arg;
    return (void *)(intptr_t)poller->ops->wait(poller, 0);
}

static intptr_t wait_in_thread(struct weft__poller *poller)
{
    pthread_t thread;
    void *result;
    CHECK_EQ(pthread_create(&thread, NULL, wait_elsewhere, poller), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    return (intptr_t)result;
}

TEST(a_ring_that_another_thread_touches_says_EEXIST)
{
    struct weft__poller *poller = open_engine(sys);
    if (!(weft__uring_of(poller)->ring.setup & WEFT__URING_SETUP_SINGLE_ISSUER))
        SKIP("this kernel knows no single issuer");
    char buf[8];
    int fds[2], over = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    CHECK_ERR(wait_in_thread(poller), -EEXIST);
    CHECK_EQ(over, 0);
    /* Nothing was taken: in its own thread it goes on. */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(recv.result, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

/** The default table on a kernel that knows none of the newer flags of setup. */
static struct weft_sys old_kernel;

static int setup_without_flags(const struct weft_sys *table, unsigned entries, void *params)
{
    const struct weft__uring_params *wanted = params;
    unsigned known = WEFT__URING_SETUP_CQSIZE | WEFT__URING_SETUP_CLAMP;
    (void)table;
    return wanted->flags & ~known ? -EINVAL : sys->io_uring_setup(sys, entries, params);
}

TEST(a_request_whose_thread_has_ended_is_made_again)
{
    old_kernel = weft_sys_default;
    old_kernel.io_uring_setup = setup_without_flags;
    struct weft__poller *poller = open_engine(&old_kernel);
    char buf[8];
    int fds[2], over = 0;
    make_pair(fds);
    struct weft__op recv = operation(WEFT__OP_RECV, fds[0], buf, sizeof buf, &over);
    CHECK_EQ(poller->ops->submit(poller, &recv), 0);
    CHECK_OK(wait_in_thread(poller));
    CHECK_EQ(recv.state, WEFT__OP_KERNEL);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_until(poller, &over, 1);
    CHECK_EQ(recv.result, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

static void count_call(void *arg)
{
    (*(int *)arg)++;
}

/** Serves a made-up result for the reader of a descriptor. */
static void give_watch_back(struct weft__poller *poller, const struct weft__descriptor *descriptor,
                            int result)
{
    struct weft__uring_cqe back = {
        WEFT__URING_KIND_WATCH | weft__uring_watch_name(descriptor, WEFT__DIRECTION_IN), result, 0};
    CHECK_EQ(weft__uring_result(weft__uring_of(poller), &back), 0);
}

TEST(a_watch_for_which_the_kernel_had_no_memory_goes_on)
{
    struct weft__poller *poller = open_engine(sys);
    int fds[2], calls = 0;
    make_pair(fds);
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, fds[0]);
    descriptor->watch[WEFT__DIRECTION_IN] = (struct weft__watch){count_call, &calls};
    CHECK_OK(poller->ops->arm(poller, descriptor));
    /* Marked as pushed, and never handed over. */
    CHECK_EQ(weft__uring_push(weft__uring_of(poller), descriptor), 0);
    weft__uring_unmark(weft__uring_of(poller), descriptor);
    weft__uring_of(poller)->ring.sq_local_tail--;
    give_watch_back(poller, descriptor, -ENOMEM);
    CHECK_EQ(calls, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 10 && calls == 0; i++)
        CHECK_OK(poller->ops->wait(poller, 10 * WEFT_MS));
    CHECK_EQ(calls, 1);
    close_pair(fds);
    poller->ops->close(poller);
}

TEST(a_watch_whose_thread_has_ended_goes_on)
{
    old_kernel = weft_sys_default;
    old_kernel.io_uring_setup = setup_without_flags;
    struct weft__poller *poller = open_engine(&old_kernel);
    int fds[2], calls = 0;
    make_pair(fds);
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, fds[0]);
    descriptor->watch[WEFT__DIRECTION_IN] = (struct weft__watch){count_call, &calls};
    CHECK_OK(poller->ops->arm(poller, descriptor));
    CHECK_OK(wait_in_thread(poller));
    /* The kernel gives the request back, which tells nothing about the descriptor. */
    give_watch_back(poller, descriptor, -ECANCELED);
    CHECK_EQ(calls, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 1000 && calls < 2; i++)
        CHECK_OK(poller->ops->wait(poller, 10 * WEFT_MS));
    CHECK(calls >= 2);
    close_pair(fds);
    poller->ops->close(poller);
}

/* --- Rights ---------------------------------------------------------------------------------- */

static int connect_as_nobody(void *arg)
{
    struct sockaddr_un *address = arg;
    socklen_t len = sizeof *address;
    int over = 0, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct weft__poller *poller = open_engine(sys);
    struct weft__op connect = operation(WEFT__OP_CONNECT, fd, NULL, 0, &over);
    connect.direction = WEFT__DIRECTION_OUT;
    connect.address = (struct sockaddr *)address;
    connect.address_len = &len;
    if (setresuid(65534, 65534, 65534) < 0)
        return 1;
    if (poller->ops->submit(poller, &connect) == 0)
        wait_until(poller, &over, 1);
    poller->ops->close(poller);
    close(fd);
    return connect.result == -EACCES ? 0 : 2;
}

/* Rings whose requests a kernel thread fetches use the rights that were in force at set-up; ours
 * have none such. */
TEST(a_request_has_the_rights_of_who_submits_it_and_not_of_who_made_the_ring)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/weft-rights-XXXXXX";
    if (geteuid() != 0)
        SKIP("gives up the rights of the superuser");
    struct weft__poller *poller = open_engine(sys);
    poller->ops->close(poller);
    CHECK(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(listener, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(listener, 8));
    in_child(connect_as_nobody, &address);
    CHECK_OK(close(listener));
    CHECK_OK(unlink(address.sun_path));
    CHECK_OK(rmdir(folder));
}
