/* SPDX-License-Identifier: MIT */
/*
 * readiness.c: waiting for readiness beside something else
 *
 * weft_poll parks; a select must wait for a descriptor and for other things at once, so here the
 * operation lives on the heap and wakes a wait of the caller's. Readiness carries nothing, so a
 * waiter that lost interest loses nothing: the object is let go at once, and frees itself later
 * when the kernel still has the operation.
 */
#include "net/internal.h"

#include <string.h>

struct weft_poll {
    /** The operation. */
    struct weft__op op;
    /** Whom to wake; NULL: nobody any more. */
    struct weft_wait *wait;
    /** Its loop. */
    struct weft_loop *loop;
    /** The operation is with the engine. */
    bool pending;
};

int weft_poll_now(int fd, int events)
{
    const struct weft_sys *sys = weft__sys_current();
    struct pollfd one = {.fd = fd, .events = (short)events};
    int rc;
    /* poll(2) passes over negative numbers. A signal can interrupt it although it does not wait. */
    do
        rc = fd < 0 ? -EBADF : sys->poll(sys, &one, 1, 0);
    while (rc == -EINTR);
    if (rc < 0)
        return rc;
    return one.revents & POLLNVAL ? -EBADF : one.revents;
}

static void poll_done(struct weft__op *op)
{
    struct weft_poll *poll = op->owner;
    poll->pending = false;
    if (poll->wait) {
        (void)weft_wake(poll->wait, op->result);
        return;
    }
    weft__loop_owe(poll->loop, -1);
    (void)weft_loop_realloc(poll->loop, poll, 0);
}

static unsigned char direction_of(int events)
{
    return events & POLLOUT && !(events & POLLIN) ? WEFT__DIRECTION_OUT : WEFT__DIRECTION_IN;
}

int weft_poll_start(int fd, int events, struct weft_wait *wait, struct weft_poll **ret)
{
    struct weft_loop *loop = weft_loop_current();
    if (fd < 0 || !loop)
        return fd < 0 ? -EBADF : -EPERM;
    struct weft_poll *poll = weft_loop_realloc(loop, NULL, sizeof *poll);
    if (!poll)
        return -ENOMEM;
    memset(poll, 0, sizeof *poll);
    poll->wait = wait;
    poll->loop = loop;
    poll->op.code = WEFT__OP_POLL;
    poll->op.direction = direction_of(events);
    poll->op.fd = fd;
    poll->op.events = (unsigned)events;
    poll->op.done = poll_done;
    poll->op.owner = poll;
    int rc = weft__loop_submit(loop, &poll->op);
    if (rc > 0 && poll->op.result < 0)
        rc = (int)poll->op.result;
    if (rc < 0) {
        (void)weft_loop_realloc(loop, poll, 0);
        return rc;
    }
    poll->pending = rc == 0;
    if (rc > 0)
        (void)weft_wake(wait, poll->op.result);
    *ret = poll;
    return 0;
}

void weft_poll_stop(struct weft_poll *poll)
{
    if (!poll)
        return;
    poll->wait = NULL;
    if (!poll->pending || weft__loop_withdraw(poll->loop, &poll->op))
        (void)weft_loop_realloc(poll->loop, poll, 0);
    else
        weft__loop_owe(poll->loop, 1);
}
