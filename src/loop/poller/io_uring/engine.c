/* SPDX-License-Identifier: MIT */
/*
 * engine.c: the engine over io_uring
 *
 * An operation is given to the kernel whole, and its result comes back. Nothing is handed over
 * before the next wait: descriptors with something to say stand in a list, `dirty`, and wait turns
 * what their queues and watches want into requests and makes one system call for all of it,
 * submitting, waiting and timeout included. What was cancelled before that never reached the
 * kernel.
 *
 *     submit ─▶ queue ─▶ dirty ─ wait ─▶ request ─▶ kernel ─▶ result ─▶ done()
 *                                           ▲                   │ "not now", unasked -ECANCELED
 *                                           └──── POLL_ADD ◀────┘ then as an engine of readiness
 *
 * Of a descriptor and direction only the first transfer is in the kernel, so that order is ours. An
 * operation ends with its own result and nothing else: to cancel and to close is to ask. Requests
 * are cancelled by the name under which they went in, never by descriptor number, which may be
 * another file's by now. A watch is a POLL_ADD that is made anew after each callback, and thus
 * level-triggered.
 *
 * A result carries a name: the slot and generation of an operation, or the number and generation of
 * a watched descriptor. A name that nobody has any more is ignored; no pointer ever goes to the
 * kernel but those of buffers, which stay in place until the result has come.
 */
#include "loop/poller/io_uring/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

/** Room in the submission queue; a full one is handed over in between. */
#define SQ_ENTRIES 256u
/** Room in the completion queue; more results than that wait in the kernel. */
#define CQ_ENTRIES 2048u

/* --- Life ---------------------------------------------------------------------------------- */

static void limit_workers(struct weft__ring *ring)
{
    /* For files and for devices that block; the kernel's own limits are many times the processors.
     */
    unsigned limits[2] = {8, 256};
    (void)weft__sys_call(ring->sys, io_uring_register, ring->fd, WEFT__URING_REGISTER_MAX_WORKERS,
                         limits, 2);
}

static int engine_open(const struct weft_sys *sys, struct weft__poller **ret)
{
    struct weft__uring *engine = sys->realloc(sys, NULL, sizeof *engine);
    if (!engine)
        return -ENOMEM;
    int rc = weft__ring_open(&engine->ring, sys, SQ_ENTRIES, CQ_ENTRIES);
    if (rc == 0) {
        rc = weft__ring_probe(&engine->ring);
        if (rc < 0)
            weft__ring_close(&engine->ring);
    }
    if (rc < 0) {
        sys->realloc(sys, engine, 0);
        return rc;
    }
    limit_workers(&engine->ring);
    weft__poller_init(&engine->poller, &weft__poller_io_uring, sys);
    engine->event_fd = -1;
    weft__list_init(&engine->dirty);
    weft__uring_slots_init(engine);
    *ret = &engine->poller;
    return 0;
}

static void close_event(struct weft__uring *engine)
{
    if (engine->event_fd >= 0)
        (void)weft__sys_call(engine->poller.sys, close, engine->event_fd);
    engine->event_fd = -1;
}

static void engine_abandon(struct weft__poller *poller)
{
    close_event(weft__uring_of(poller));
    weft__ring_abandon(&weft__uring_of(poller)->ring);
}

static void engine_close(struct weft__poller *poller)
{
    struct weft__uring *engine = weft__uring_of(poller);
    const struct weft_sys *sys = poller->sys;
    weft__ring_close(&engine->ring);
    close_event(engine);
    weft__uring_slots_fini(engine);
    weft__poller_fini(poller);
    sys->realloc(sys, engine, 0);
}

/* --- Submit, cancel, arm, forget: all of them only mark ------------------------------------ */

/** The entry of a number; 0, -ENOMEM, or -EBADF: a wild number must not make room for millions. */
static int entry_of(struct weft__poller *poller, int fd, struct weft__descriptor **ret)
{
    *ret = weft__descriptor_find(poller, fd);
    if (!*ret && weft__sys_call(poller->sys, fcntl, fd, F_GETFD, 0) == -EBADF)
        return -EBADF;
    if (!*ret)
        *ret = weft__descriptor_get(poller, fd);
    return *ret ? 0 : -ENOMEM;
}

/** Before the first who waits on a number of others: looks which file it is. 0 or an error. */
static int meet(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    if (weft__descriptor_busy(descriptor)) {
        int changed = weft__uring_changed(&engine->poller, descriptor);
        if (changed == 0)
            return 0;
        weft__uring_evict(engine, descriptor, changed);
    }
    if (descriptor->flags & WEFT__DESCRIPTOR_OWNED)
        return 0;
    return weft__uring_look(&engine->poller, descriptor);
}

/**
 * Batches of messages have no request: they are tried at once, as the engines of readiness do, and
 * wait for readiness in the kernel. 1: over.
 */
static int try_batch(struct weft__poller *poller, struct weft__descriptor *descriptor,
                     struct weft__op *op)
{
    if (op->code != WEFT__OP_RECVMMSG && op->code != WEFT__OP_SENDMMSG)
        return 0;
    op->engine_flags |= WEFT__URING_POLLING;
    if (!weft__list_empty(&descriptor->queue[op->direction]) || !weft__readiness_try(poller, op))
        return 0;
    weft__op_set_state(op, WEFT__OP_DONE);
    return 1;
}

static int submit(struct weft__poller *poller, struct weft__op *op)
{
    struct weft__uring *engine = weft__uring_of(poller);
    struct weft__descriptor *descriptor;
    if (op->fd < 0)
        return -EBADF;
    int rc = entry_of(poller, op->fd, &descriptor);
    if (rc == 0)
        rc = weft__uring_slots_reserve(engine, poller->pending + 1);
    if (rc == 0)
        rc = weft__descriptor_refusal(descriptor, op);
    if (rc == 0)
        rc = meet(engine, descriptor);
    if (rc == 0)
        rc = try_batch(poller, descriptor, op);
    if (rc == 0)
        rc = weft__descriptor_enqueue(poller, op);
    if (rc == 0)
        weft__uring_mark(engine, descriptor);
    return rc;
}

static int cancel(struct weft__poller *poller, struct weft__op *op)
{
    if (op->state == WEFT__OP_KERNEL && !op->descriptor) {
        weft__uring_file_cancel(weft__uring_of(poller), op);
        return 0;
    }
    if (op->state == WEFT__OP_KERNEL) {
        weft__op_set_state(op, WEFT__OP_CANCELLING);
        weft__uring_mark(weft__uring_of(poller), op->descriptor);
    }
    if (op->state != WEFT__OP_QUEUED)
        return 0;
    weft__descriptor_dequeue(poller, op);
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = -ECANCELED;
    return 1;
}

static int arm(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    int watched = descriptor->watch[0].fn || descriptor->watch[1].fn;
    if (watched && weft__sys_call(poller->sys, fcntl, descriptor->fd, F_GETFD, 0) == -EBADF)
        return -EBADF;
    descriptor->engine_data &= ~(WEFT__URING_WATCH_DEAD(0) | WEFT__URING_WATCH_DEAD(1));
    weft__uring_mark(weft__uring_of(poller), descriptor);
    return 0;
}

static int forget(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    struct weft__uring *engine = weft__uring_of(poller);
    for (int direction = 0; direction < 2; direction++) {
        weft__list_each(link, &descriptor->queue[direction])
        {
            struct weft__op *op = weft__container(link, struct weft__op, link);
            if (op->state == WEFT__OP_KERNEL)
                weft__op_set_state(op, WEFT__OP_CANCELLING);
        }
    }
    if (descriptor->engine_data & WEFT__URING_IN_KERNEL) {
        weft__uring_mark(engine, descriptor);
        return 0;
    }
    weft__uring_unmark(engine, descriptor);
    descriptor->engine_data = 0;
    return 1;
}

/* --- Wait ---------------------------------------------------------------------------------- */

/** Turns what the dirty descriptors want into requests, as far as the kernel takes them. */
static void push_all(struct weft__uring *engine)
{
    struct weft_link *link;
    while ((link = weft__list_first(&engine->dirty)) != NULL) {
        struct weft__descriptor *descriptor = weft__container(link, struct weft__descriptor, link);
        if (weft__uring_push(engine, descriptor) < 0)
            break;
        weft__uring_unmark(engine, descriptor);
    }
}

/** Serves the results that are there now; those that come meanwhile wait for the next turn. */
static int reap(struct weft__uring *engine)
{
    int count = 0;
    struct weft__uring_cqe cqe;
    for (unsigned left = weft__ring_ready(&engine->ring); left > 0; left--)
        if (weft__ring_take(&engine->ring, &cqe))
            count += weft__uring_result(engine, &cqe);
    return count;
}

/** Whether the kernel has to be entered although nothing is submitted and nobody waits. */
static int kernel_has_work(const struct weft__uring *engine)
{
    return (weft__ring_flags(&engine->ring) &
            (WEFT__URING_SQ_TASKRUN | WEFT__URING_SQ_CQ_OVERFLOW)) != 0;
}

/** One system call for everything: 0 also when it came back early. */
static int enter(struct weft__uring *engine, int hurry, weft_ns timeout)
{
    struct weft__ring *ring = &engine->ring;
    hurry = hurry || timeout <= 0 || weft__ring_ready(ring) > 0;
    if (hurry && weft__ring_unsubmitted(ring) == 0 && !kernel_has_work(engine))
        return 0;
    int rc = weft__ring_enter(ring, hurry ? 0 : 1, timeout);
    switch (rc) {
    case -ETIME:
    case -EINTR:
    case -EBUSY:
    case -EAGAIN:
        return 0;
    default:
        return rc;
    }
}

/** Before the look at the results: what comes after it is told again. */
static void drain_event(const struct weft__uring *engine)
{
    uint64_t count;
    if (engine->event_fd >= 0)
        (void)weft__sys_call(engine->poller.sys, read, engine->event_fd, &count, sizeof count);
}

static int engine_wait(struct weft__poller *poller, weft_ns timeout)
{
    struct weft__uring *engine = weft__uring_of(poller);
    drain_event(engine);
    push_all(engine);
    int count = weft__poller_settle(poller);
    int rc = enter(engine, count > 0 || !weft__list_empty(&engine->dirty), timeout);
    count += reap(engine);
    if (weft__ring_flags(&engine->ring) & WEFT__URING_SQ_CQ_OVERFLOW) {
        (void)weft__ring_flush(&engine->ring);
        count += reap(engine);
    }
    poller->calls = engine->ring.calls;
    return rc < 0 ? rc : count;
}

/** The ring's own descriptor is not enough: who sleeps on it is not woken (seen on Linux 6.18) by a
 *  completion that waits for us to enter the kernel, as it does with DEFER_TASKRUN. */
static int engine_fd(struct weft__poller *poller)
{
    struct weft__uring *engine = weft__uring_of(poller);
    if (engine->event_fd >= 0)
        return engine->event_fd;
    int fd = weft__sys_call(poller->sys, eventfd, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return fd;
    int rc = weft__sys_call(poller->sys, io_uring_register, engine->ring.fd,
                            WEFT__URING_REGISTER_EVENTFD, &fd, 1);
    if (rc < 0) {
        (void)weft__sys_call(poller->sys, close, fd);
        return rc;
    }
    engine->event_fd = fd;
    /* What has come before is not told by it: the first look finds it readable. */
    uint64_t one = 1;
    (void)weft__sys_call(poller->sys, write, fd, &one, sizeof one);
    return fd;
}

const struct weft__poller_ops weft__poller_io_uring = {
    .name = "io_uring",
    .open = engine_open,
    .close = engine_close,
    .submit = submit,
    .cancel = cancel,
    .arm = arm,
    .forget = forget,
    .wait = engine_wait,
    .fd = engine_fd,
    .file = weft__uring_file,
    .abandon = engine_abandon,
};
