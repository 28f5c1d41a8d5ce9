/* SPDX-License-Identifier: MIT */
/*
 * operation.c: the waiting calls
 *
 *     weft_recv ──▶ weft_wait_begin        refused? -ECANCELED, nothing happened
 *               ──▶ engine submit          over at once? that is the result
 *               ──▶ weft_park              done() wakes it; cancellation withdraws the operation,
 *                                          or, when the kernel has it, waits for what it says
 *
 * The operation, its buffer and the wait lie on the calling task's stack, which cannot vanish while
 * it waits: that is why a cancelled call does not return before the kernel has let go.
 */
#include "net/internal.h"

#include <stdio.h>
#include <string.h>

/** An operation and the task that waits for it. */
struct pending {
    /** The operation. */
    struct weft__op *op;
    /** The wait. */
    struct weft_wait wait;
    /** The loop; it need not be running when a cancellation comes. */
    struct weft_loop *loop;
};

static void operation_done(struct weft__op *op)
{
    struct pending *pending = op->owner;
    (void)weft_wake(&pending->wait, op->result);
}

static enum weft_abort operation_abort(struct weft_wait *wait)
{
    struct pending *pending = weft__container(wait, struct pending, wait);
    int withdrawn = weft__loop_withdraw(pending->loop, pending->op);
#ifdef WEFT_MUTANT_freed_early
    return WEFT_ABORT_DONE;
#endif
    return withdrawn ? WEFT_ABORT_DONE : WEFT_ABORT_LATER;
}

static void operation_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    static const char *const words[] = {"be ready", "read",   "write",   "receive",
                                        "send",     "accept", "connect", "receive",
                                        "send",     "write",  "receive", "send"};
    const struct pending *pending = weft__container(wait, struct pending, wait);
    bool leaving = wait->state == WEFT_WAIT_ABORTING;
    snprintf(buf, size, "to %s on descriptor %d%s", words[pending->op->code], pending->op->fd,
             leaving ? " (cancelled, the kernel still has it)" : "");
}

ssize_t weft__operation_run(struct weft__op *op)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (op->fd < 0)
        return -EBADF;
    struct pending pending = {.op = op, .loop = weft_loop_current()};
    weft_wait_init(&pending.wait, operation_describe, NULL);
    op->done = operation_done;
    op->owner = &pending;
    rc = weft__loop_submit(pending.loop, op);
    if (rc < 0)
        return rc;
    return rc > 0 ? op->result : weft_park(&pending.wait, operation_abort);
}

ssize_t weft_read(int fd, void *buf, size_t len)
{
    struct weft__op op = {.code = WEFT__OP_READ, .fd = fd, .buf = buf, .len = len};
    return weft__operation_run(&op);
}

/* The engine never writes through op.buf of a write; C has no way to say so in one field. */
static void *readable(const void *buf)
{
    union {
        const void *in;
        void *out;
    } pointer = {buf};
    return pointer.out;
}

ssize_t weft_write(int fd, const void *buf, size_t len)
{
    struct weft__op op = {.code = WEFT__OP_WRITE,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .buf = readable(buf),
                          .len = len};
    return weft__operation_run(&op);
}

int weft_write_all(int fd, const void *buf, size_t len)
{
    const char *next = buf;
    /* Not a write of nothing, which a datagram socket would send. */
    if (len == 0)
        return weft_wait_begin();
    while (len > 0) {
        ssize_t n = weft_write(fd, next, len);
        if (n < 0)
            return (int)n;
        next += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t weft_recv(int fd, void *buf, size_t len, int flags)
{
    return weft_recvfrom(fd, buf, len, flags, NULL);
}

ssize_t weft_recvfrom(int fd, void *buf, size_t len, int flags, struct weft_address *from)
{
    struct weft_address address;
    address.len = sizeof address.of;
    struct weft__op op = {.code = WEFT__OP_RECV, .fd = fd, .flags = flags, .buf = buf, .len = len};
    if (from) {
        op.address = &address.of.any;
        op.address_len = &address.len;
    }
    ssize_t n = weft__operation_run(&op);
    if (n >= 0 && from)
        *from = address;
    return n;
}

ssize_t weft_send(int fd, const void *buf, size_t len, int flags)
{
    return weft_sendto(fd, buf, len, flags, NULL);
}

ssize_t weft_sendto(int fd, const void *buf, size_t len, int flags, const struct weft_address *to)
{
    struct weft_address address;
    struct weft__op op = {.code = WEFT__OP_SEND,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .flags = flags,
                          .buf = readable(buf),
                          .len = len};
    if (to) {
        address = *to;
        op.address = &address.of.any;
        op.address_len = &address.len;
    }
    return weft__operation_run(&op);
}

int weft_accept(int fd, struct weft_address *peer)
{
    struct weft_address address;
    address.len = sizeof address.of;
    struct weft__op op = {.code = WEFT__OP_ACCEPT,
                          .fd = fd,
                          .flags = SOCK_CLOEXEC | SOCK_NONBLOCK,
                          .address = &address.of.any,
                          .address_len = &address.len};
    int accepted = (int)weft__operation_run(&op);
    if (accepted < 0)
        return accepted;
    int rc = weft__loop_own(weft_loop_current(), accepted, 1);
    if (rc < 0) {
        const struct weft_sys *sys = weft__sys_current();
        (void)sys->close(sys, accepted);
        return rc;
    }
    if (peer)
        *peer = address;
    return accepted;
}

int weft_connect(int fd, const struct weft_address *address)
{
    struct weft_address copy = *address;
    struct weft__op op = {.code = WEFT__OP_CONNECT,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .address = &copy.of.any,
                          .address_len = &copy.len};
    return (int)weft__operation_run(&op);
}

int weft_poll(int fd, int events)
{
    struct weft__op op = {.code = WEFT__OP_POLL,
                          .direction = events & POLLOUT && !(events & POLLIN) ? WEFT__DIRECTION_OUT
                                                                              : WEFT__DIRECTION_IN,
                          .fd = fd,
                          .events = (unsigned)events};
    return (int)weft__operation_run(&op);
}
