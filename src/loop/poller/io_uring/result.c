/* SPDX-License-Identifier: MIT */
/*
 * result.c: results into completions
 *
 * What a result means depends on what was asked meanwhile:
 *
 *     nothing              it is the outcome; but "not now" (O_NONBLOCK files say so), -EINTR, and
 *                          a -ECANCELED that nobody asked for (the thread that submitted is gone)
 *                          move the operation on: POLL_ADD, then the system call, as the engines
 *                          of readiness do it
 *     to cancel            a success is delivered, whoever waits: an accepted descriptor must find
 *                          its taker; a real error too; else -ECANCELED
 *     to close, or the number was given to another file
 *                          the same, with -EBADF in the place of -ECANCELED
 *
 * Cancelling is a request of its own with a result of its own. -EALREADY there means that a worker
 * of the kernel was interrupted and will answer; -ENOENT that the result is on its way, or that the
 * operation was just between two of its steps: then it is asked again.
 */
#include "base/poison.h"
#include "loop/poller/io_uring/engine.h"

#include <errno.h>

/** What a watch met says nothing about its descriptor: it is asked for again. */
static int passes(int result)
{
    return result == -ECANCELED || result == -EINTR || result == -ENOMEM;
}

/** The kernel did nothing, and that is no outcome. */
static int unserved(const struct weft__op *op, int result)
{
    switch (result) {
    case -EAGAIN:
        return !(op->flags & MSG_DONTWAIT) ||
               (op->code != WEFT__OP_RECV && op->code != WEFT__OP_SEND &&
                op->code != WEFT__OP_RECVMSG && op->code != WEFT__OP_SENDMSG);
    case -EINTR:
    case -ECANCELED:
        return 1;
    case -ECONNABORTED:
        return op->code == WEFT__OP_ACCEPT;
    case -EINPROGRESS:
    case -EALREADY:
        return op->code == WEFT__OP_CONNECT;
    default:
        return 0;
    }
}

/** As take_written, for the caller's own message. */
static void take_message(const struct msghdr *message, size_t len)
{
    weft__annotate_written(message, sizeof *message);
    for (size_t i = 0; i < (size_t)message->msg_iovlen && len > 0; i++) {
        size_t n = message->msg_iov[i].iov_len < len ? message->msg_iov[i].iov_len : len;
        weft__annotate_written(message->msg_iov[i].iov_base, n);
        len -= n;
    }
    if (message->msg_name)
        weft__annotate_written(message->msg_name, message->msg_namelen);
    if (message->msg_control)
        weft__annotate_written(message->msg_control, message->msg_controllen);
}

/** What the kernel wrote beside the result. */
static void take_written(struct weft__op *op, ssize_t result)
{
    if (op->code == WEFT__OP_READ || op->code == WEFT__OP_RECV)
        weft__annotate_written(op->buf, (size_t)result < op->len ? (size_t)result : op->len);
    if (op->code == WEFT__OP_RECVMSG)
        take_message(op->buf, (size_t)result);
    if (!op->address || !op->address_len)
        return;
    if (op->code == WEFT__OP_RECV) {
        weft__annotate_written(&op->message, sizeof op->message);
        *op->address_len = op->message.msg_namelen;
    }
    if (op->code == WEFT__OP_RECV || op->code == WEFT__OP_ACCEPT) {
        weft__annotate_written(op->address_len, sizeof *op->address_len);
        weft__annotate_written(op->address, *op->address_len);
    }
}

static int finish(struct weft__uring *engine, struct weft__op *op, ssize_t result)
{
    if (result == -ECANCELED && op->engine_flags & WEFT__URING_EVICTED)
        result = op->result;
    else if (result == -ECANCELED && op->descriptor->flags & WEFT__DESCRIPTOR_CLOSING)
        result = -EBADF;
    weft__op_complete(&engine->poller, op, result);
    return 1;
}

/** It goes back to its place in the queue: for readiness first, or as it is. */
static int give_again(struct weft__op *op, int polling)
{
    if (polling)
        op->engine_flags |= WEFT__URING_POLLING;
    weft__op_set_state(op, WEFT__OP_QUEUED);
    return 0;
}

/** The descriptor of a transfer that could not be done at once is ready, or so it seems. That was
 * said of the file that the number had then: if it has another one now, nothing may touch that. */
static int after_polling(struct weft__uring *engine, struct weft__op *op, int result)
{
    int changed = weft__uring_changed(&engine->poller, op->descriptor);
    if (changed < 0)
        weft__uring_evict(engine, op->descriptor, changed);
    if (op->state == WEFT__OP_CANCELLING)
        return finish(engine, op, -ECANCELED);
    if (unserved(op, result) || !weft__readiness_try(&engine->poller, op))
        return give_again(op, 1);
    return finish(engine, op, op->result);
}

static int after_request(struct weft__uring *engine, struct weft__op *op, int result)
{
    int not_served = unserved(op, result);
    if (op->state == WEFT__OP_CANCELLING)
        result = not_served ? -ECANCELED : result;
    else if (not_served)
        return give_again(op, op->code != WEFT__OP_POLL);
    /* Some kernels refuse to poll what poll(2) calls ready. */
    if (op->code == WEFT__OP_POLL && (result == -EPERM || result == -EOPNOTSUPP))
        result = weft__readiness_try(&engine->poller, op) ? (int)op->result : POLLERR;
    if (result >= 0)
        take_written(op, result);
    return finish(engine, op, result);
}

/** The last request of a descriptor that is being closed has come back. */
static void close_if_last(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    void (*closed)(struct weft__descriptor *, void *) = descriptor->closed;
    if (!closed || descriptor->engine_data & WEFT__URING_IN_KERNEL)
        return;
    weft__uring_unmark(engine, descriptor);
    descriptor->engine_data = 0;
    descriptor->closed = NULL;
    closed(descriptor, descriptor->closed_arg);
}

static int operation_result(struct weft__uring *engine, uint64_t name, int result)
{
    struct weft__op *op = weft__uring_slot_find(engine, name);
    if (!op)
        return 0;
    struct weft__descriptor *descriptor = op->descriptor;
    int polling = op->engine_flags & WEFT__URING_POLLING;
    weft__uring_slot_free(engine, op);
    descriptor->engine_data--;
    op->engine_flags &= (unsigned char)~(WEFT__URING_POLLING | WEFT__URING_CANCEL_SENT);
    int count = polling ? after_polling(engine, op, result) : after_request(engine, op, result);
    if (weft__descriptor_busy(descriptor))
        weft__uring_mark(engine, descriptor);
    close_if_last(engine, descriptor);
    return count;
}

static struct weft__descriptor *watched(struct weft__uring *engine, uint64_t name, int *direction)
{
    struct weft__descriptor *descriptor =
        weft__descriptor_find(&engine->poller, (int)(uint32_t)name);
    *direction = (int)(name >> 55 & 1);
    if (!descriptor ||
        weft__uring_watch_name(descriptor, *direction) != (name & ~WEFT__URING_KIND_MASK))
        return NULL;
    return descriptor->engine_data & WEFT__URING_WATCH_IN(*direction) ? descriptor : NULL;
}

static int watch_result(struct weft__uring *engine, uint64_t name, int result)
{
    int direction, count = 0;
    struct weft__descriptor *descriptor = watched(engine, name, &direction);
    if (!descriptor)
        return 0;
    descriptor->engine_data -= 1;
    descriptor->engine_data &=
        ~(WEFT__URING_WATCH_IN(direction) | WEFT__URING_WATCH_CANCELLED(direction));
    struct weft__watch watch = descriptor->watch[direction];
    if (result > 0 || result == -EPERM || result == -EOPNOTSUPP) {
        if (watch.fn) {
            watch.fn(watch.arg);
            count = 1;
        }
    } else if (!passes(result))
        descriptor->engine_data |= WEFT__URING_WATCH_DEAD(direction);
    if (descriptor->watch[direction].fn)
        weft__uring_mark(engine, descriptor);
    close_if_last(engine, descriptor);
    return count;
}

/** A request to cancel found nothing, yet what it looked for is still there: once more. */
static void cancel_missed(struct weft__uring *engine, uint64_t name)
{
    struct weft__op *op = weft__uring_slot_find(engine, name);
    if (!op || op->state != WEFT__OP_CANCELLING)
        return;
    op->engine_flags &= (unsigned char)~WEFT__URING_CANCEL_SENT;
    weft__uring_mark(engine, op->descriptor);
}

static void cancel_watch_missed(struct weft__uring *engine, uint64_t name)
{
    int direction;
    struct weft__descriptor *descriptor = watched(engine, name, &direction);
    if (!descriptor)
        return;
    descriptor->engine_data &= ~WEFT__URING_WATCH_CANCELLED(direction);
    weft__uring_mark(engine, descriptor);
}

int weft__uring_result(struct weft__uring *engine, const struct weft__uring_cqe *cqe)
{
    uint64_t name = cqe->user_data & ~WEFT__URING_KIND_MASK;
    switch (cqe->user_data & WEFT__URING_KIND_MASK) {
    case WEFT__URING_KIND_OPERATION:
        return operation_result(engine, name, cqe->result);
    case WEFT__URING_KIND_WATCH:
        return watch_result(engine, name, cqe->result);
    case WEFT__URING_KIND_FILE:
        return weft__uring_file_result(engine, name, cqe->result);
    case WEFT__URING_KIND_CANCEL:
        if (cqe->result == -ENOENT)
            cancel_missed(engine, name);
        return 0;
    case WEFT__URING_KIND_CANCEL_WATCH:
        if (cqe->result == -ENOENT)
            cancel_watch_missed(engine, name);
        return 0;
    default:
        return 0;
    }
}
