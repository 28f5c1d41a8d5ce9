/* SPDX-License-Identifier: MIT */
/*
 * poller_world.h: an engine by itself, for the contract suite
 *
 * Each TEST_EACH_ENGINE opens the engine of its name over the table that goes with it, makes its
 * descriptors through that table (simulated ones where the world is), and drives operations by
 * hand: there is no loop here, and no task. What the loop does around the engine when it closes a
 * descriptor or sets a watch is done here the same way.
 *
 *     struct world w = world_open();
 *     struct call read = call_read(fd, buf, sizeof buf);
 *     CHECK_EQ(call_submit(&w, &read), 0);      it waits
 *     ...
 *     CHECK_EQ(call_result(&w, &read), 5);      turns until it is over
 *     world_close(&w);
 */
#ifndef TEST_CONTRACT_POLLER_WORLD_H
#define TEST_CONTRACT_POLLER_WORLD_H

#include "loop/poller_backend.h"
#include "test.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))

/** An engine and its table. */
struct world {
    /** What is tested. */
    struct weft__poller *poller;
    /** Where descriptors come from. */
    const struct weft_sys *sys;
    /** Descriptors are simulated. */
    bool simulated;
};

/** One operation, and what became of it. */
struct call {
    /** The operation. */
    struct weft__op op;
    /** How often done() was called, or submit said that it was over. */
    int over;
    /** The how manieth it was to end, of all. */
    int turn;
    /** Room for a peer's address. */
    struct sockaddr_storage address;
    /** Its size. */
    socklen_t address_len;
};

/** How many operations have ended in this test. */
MAYBE_UNUSED static int calls_over;

/** The ways a descriptor may be: every property of plain transfers must hold in each. */
struct mode {
    /** O_NONBLOCK or 0. */
    int flags;
    /** weft owns it. */
    bool owned;
};

MAYBE_UNUSED static const struct mode modes[] = {
    {0, false},
    {0, true},
    {O_NONBLOCK, false},
    {O_NONBLOCK, true},
};

#define EACH_MODE(mode)                                                                            \
    for (const struct mode *mode = modes; mode < modes + sizeof modes / sizeof *modes; mode++)

MAYBE_UNUSED static const struct weft__poller_ops *engine_of_name(const char *name)
{
    static const struct weft__poller_ops *const engines[] = {
        &weft__poller_epoll, &weft__poller_poll, &weft__poller_io_uring, &weft__poller_sim};
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    FAIL("no engine %s", name);
}

MAYBE_UNUSED static struct world world_open(void)
{
    struct world w = {.sys = &weft_sys_default, .simulated = test_engine_is("sim")};
    if (w.simulated)
        CHECK_OK(weft__sim_new(0, &w.sys));
    CHECK_OK(engine_of_name(test_engine())->open(w.sys, &w.poller));
    CHECK_STR(w.poller->ops->name, test_engine());
    calls_over = 0;
    return w;
}

MAYBE_UNUSED static void world_close(struct world *w)
{
    CHECK_EQ(w->poller->pending, 0);
    w->poller->ops->close(w->poller);
    if (!w->simulated)
        return;
    CHECK_EQ(weft__sim_open(w->sys), 0);
    weft__sim_free(w->sys);
}

/** One wait of at most so many nanoseconds. */
MAYBE_UNUSED static int world_wait(struct world *w, weft_ns timeout)
{
    int rc = w->poller->ops->wait(w->poller, timeout);
    CHECK_OK(rc);
    return rc;
}

/** Enough turns for all that can happen by itself. */
MAYBE_UNUSED static void world_settle(struct world *w)
{
    for (int i = 0; i < 8; i++)
        (void)world_wait(w, 0);
}

/* --- Operations ------------------------------------------------------------------------------ */

MAYBE_UNUSED static void call_done(struct weft__op *op)
{
    struct call *call = op->owner;
    call->over++;
    call->turn = ++calls_over;
}

/** A call lives where it is submitted from; its owner is set there. */
MAYBE_UNUSED static int call_submit(struct world *w, struct call *call)
{
    call->op.owner = call;
    call->op.done = call_done;
    if (call->op.code == WEFT__OP_ACCEPT || call->address_len) {
        call->op.address = (struct sockaddr *)&call->address;
        call->op.address_len = &call->address_len;
    }
    int rc = w->poller->ops->submit(w->poller, &call->op);
    CHECK(rc <= 1);
    CHECK_EQ(call->over, 0);
    if (rc == 1)
        call_done(&call->op);
    return rc;
}

/** Turns until an operation is over; its result. */
MAYBE_UNUSED static ssize_t call_result(struct world *w, const struct call *call)
{
    for (int i = 0; i < 1000 && !call->over; i++)
        (void)world_wait(w, 10 * WEFT_MS);
    CHECK_EQ(call->over, 1);
    return call->op.result;
}

MAYBE_UNUSED static ssize_t call_run(struct world *w, struct call *call)
{
    CHECK_OK(call_submit(w, call));
    return call_result(w, call);
}

/** Takes an operation back and turns until it is over; its result. */
MAYBE_UNUSED static ssize_t call_cancel(struct world *w, struct call *call)
{
    int rc = w->poller->ops->cancel(w->poller, &call->op);
    CHECK(rc == 0 || rc == 1);
    if (rc == 0)
        return call_result(w, call);
    CHECK_EQ(call->over, 0);
    call_done(&call->op);
    return call->op.result;
}

MAYBE_UNUSED static struct call call_read(int fd, void *buf, size_t len)
{
    return (struct call){.op = {.code = WEFT__OP_READ, .fd = fd, .buf = buf, .len = len}};
}

/* The contract says that the buffer of a write is not written through. */
MAYBE_UNUSED static struct call call_write(int fd, const void *buf, size_t len)
{
    return (struct call){.op = {.code = WEFT__OP_WRITE,
                                .direction = WEFT__DIRECTION_OUT,
                                .fd = fd,
                                .buf = (void *)(uintptr_t)buf,
                                .len = len}};
}

MAYBE_UNUSED static struct call call_recv(int fd, void *buf, size_t len, int flags)
{
    struct call call = call_read(fd, buf, len);
    call.op.code = WEFT__OP_RECV;
    call.op.flags = flags;
    return call;
}

MAYBE_UNUSED static struct call call_recvfrom(int fd, void *buf, size_t len)
{
    struct call call = call_recv(fd, buf, len, 0);
    call.address_len = sizeof call.address;
    return call;
}

MAYBE_UNUSED static struct call call_send(int fd, const void *buf, size_t len, int flags)
{
    struct call call = call_write(fd, buf, len);
    call.op.code = WEFT__OP_SEND;
    call.op.flags = flags;
    return call;
}

MAYBE_UNUSED static struct call call_poll(int fd, unsigned events)
{
    int out = (events & (POLLIN | POLLOUT)) == POLLOUT;
    return (struct call){.op = {.code = WEFT__OP_POLL,
                                .direction = out ? WEFT__DIRECTION_OUT : WEFT__DIRECTION_IN,
                                .fd = fd,
                                .events = events}};
}

MAYBE_UNUSED static struct call call_accept(int fd)
{
    return (struct call){
        .op = {.code = WEFT__OP_ACCEPT, .fd = fd, .flags = SOCK_CLOEXEC | SOCK_NONBLOCK},
        .address_len = sizeof(struct sockaddr_storage)};
}

/** connect, or sendto when `call` is a send. */
MAYBE_UNUSED static struct call call_to(struct call call, const struct sockaddr_in *address)
{
    memcpy(&call.address, address, sizeof *address);
    call.address_len = sizeof *address;
    return call;
}

MAYBE_UNUSED static struct call call_connect(int fd, const struct sockaddr_in *address)
{
    struct call call = call_write(fd, NULL, 0);
    call.op.code = WEFT__OP_CONNECT;
    return call_to(call, address);
}

/* --- Descriptors ----------------------------------------------------------------------------- */

MAYBE_UNUSED static struct weft__descriptor *entry(struct world *w, int fd)
{
    struct weft__descriptor *descriptor = weft__descriptor_get(w->poller, fd);
    CHECK(descriptor);
    return descriptor;
}

/** As weft__loop_own. */
MAYBE_UNUSED static int as_mode(struct world *w, const struct mode *mode, int fd)
{
    CHECK_OK(fd);
    if (mode->flags)
        CHECK_OK(w->sys->fcntl(w->sys, fd, F_SETFL,
                               w->sys->fcntl(w->sys, fd, F_GETFL, 0) | mode->flags));
    if (mode->owned)
        entry(w, fd)->flags |= WEFT__DESCRIPTOR_OWNED;
    return fd;
}

static const struct mode owned_nonblocking MAYBE_UNUSED = {O_NONBLOCK, true};
static const struct mode foreign_blocking MAYBE_UNUSED = {0, false};

MAYBE_UNUSED static void make_pipe(struct world *w, const struct mode *mode, int fds[2])
{
    CHECK_OK(w->sys->pipe2(w->sys, fds, O_CLOEXEC));
    as_mode(w, mode, fds[0]);
    as_mode(w, mode, fds[1]);
}

MAYBE_UNUSED static void make_pair(struct world *w, const struct mode *mode, int fds[2])
{
    CHECK_OK(w->sys->socketpair(w->sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    as_mode(w, mode, fds[0]);
    as_mode(w, mode, fds[1]);
}

/** A socket bound to a free port of 127.0.0.1, whose address goes to *ret. */
MAYBE_UNUSED static int make_bound(struct world *w, const struct mode *mode, int type,
                                   struct sockaddr_in *ret)
{
    socklen_t len = sizeof *ret;
    int fd = as_mode(w, mode, w->sys->socket(w->sys, AF_INET, type | SOCK_CLOEXEC, 0));
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_OK(w->sys->bind(w->sys, fd, (struct sockaddr *)ret, sizeof *ret));
    CHECK_OK(w->sys->getsockname(w->sys, fd, (struct sockaddr *)ret, &len));
    return fd;
}

MAYBE_UNUSED static int make_listener(struct world *w, const struct mode *mode, int backlog,
                                      struct sockaddr_in *ret)
{
    int fd = make_bound(w, mode, SOCK_STREAM, ret);
    CHECK_OK(w->sys->listen(w->sys, fd, backlog));
    return fd;
}

MAYBE_UNUSED static int status_flags(struct world *w, int fd)
{
    return w->sys->fcntl(w->sys, fd, F_GETFL, 0);
}

/** close(2) without telling the engine: what a foreign library does. */
MAYBE_UNUSED static void close_behind(struct world *w, int fd)
{
    CHECK_OK(w->sys->close(w->sys, fd));
}

MAYBE_UNUSED static void note_closed(struct weft__descriptor *descriptor, void *arg)
{
    CHECK(!weft__descriptor_busy(descriptor));
    *(bool *)arg = true;
}

/** As weft__loop_close_op, and waits for the end. */
MAYBE_UNUSED static void close_fd(struct world *w, int fd)
{
    bool closed = false;
    struct weft__descriptor *descriptor = entry(w, fd);
    descriptor->flags |= WEFT__DESCRIPTOR_CLOSING;
    for (int direction = 0; direction < 2; direction++) {
        descriptor->watch[direction].fn = NULL;
        CHECK_OK(w->poller->ops->arm(w->poller, descriptor));
        weft__list_each(link, &descriptor->queue[direction])
        {
            struct weft__op *op = weft__container(link, struct weft__op, link);
            if (op->state == WEFT__OP_QUEUED)
                weft__op_complete(w->poller, op, -EBADF);
        }
    }
    descriptor->closed = note_closed;
    descriptor->closed_arg = &closed;
    if (w->poller->ops->forget(w->poller, descriptor) == 0)
        for (int i = 0; i < 1000 && !closed; i++)
            (void)world_wait(w, 10 * WEFT_MS);
    else
        closed = true;
    CHECK(closed);
    descriptor->closed = NULL;
    descriptor->generation++;
    descriptor->flags = 0;
    CHECK_OK(w->sys->close(w->sys, fd));
}

MAYBE_UNUSED static void close_both(struct world *w, const int fds[2])
{
    close_fd(w, fds[0]);
    close_fd(w, fds[1]);
}

/** Bytes into a descriptor that has room, past the engine. */
MAYBE_UNUSED static void feed(struct world *w, int fd, const char *text)
{
    CHECK_EQ(w->sys->write(w->sys, fd, text, strlen(text)), strlen(text));
}

/** Whether poll(2) sees one of `events`. */
MAYBE_UNUSED static bool is_ready(struct world *w, int fd, int events)
{
    struct pollfd now = {.fd = fd, .events = (short)events};
    return w->sys->poll(w->sys, &now, 1, 0) == 1;
}

/** As many bytes as fit, past the engine; how many. Blocking pipes and sockets too. */
MAYBE_UNUSED static size_t fill(struct world *w, int fd)
{
    static const char bytes[4096];
    int flags = status_flags(w, fd);
    size_t total = 0;
    ssize_t n;
    CHECK_OK(w->sys->fcntl(w->sys, fd, F_SETFL, flags | O_NONBLOCK));
    while ((n = w->sys->write(w->sys, fd, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    while ((n = w->sys->write(w->sys, fd, bytes, 1)) > 0)
        total += (size_t)n;
    CHECK_ERR(n, -EAGAIN);
    CHECK_OK(w->sys->fcntl(w->sys, fd, F_SETFL, flags));
    return total;
}

/** Takes so many bytes out, past the engine. */
MAYBE_UNUSED static void drain(struct world *w, int fd, size_t count)
{
    char bytes[4096];
    while (count > 0) {
        ssize_t n = w->sys->read(w->sys, fd, bytes, count < sizeof bytes ? count : sizeof bytes);
        CHECK(n > 0);
        count -= (size_t)n;
    }
}

/* --- Watches --------------------------------------------------------------------------------- */

/** As weft_loop_add_reader and its three companions (fn NULL). */
MAYBE_UNUSED static int set_watch(struct world *w, int fd, int direction, void (*fn)(void *),
                                  void *arg)
{
    struct weft__descriptor *descriptor = entry(w, fd);
    struct weft__watch before = descriptor->watch[direction];
    if (fn && !weft__list_empty(&descriptor->queue[direction]))
        return -EBUSY;
    descriptor->watch[direction] = (struct weft__watch){fn, arg};
    int rc = w->poller->ops->arm(w->poller, descriptor);
    if (rc < 0 && fn)
        descriptor->watch[direction] = before;
    return rc;
}

#endif
