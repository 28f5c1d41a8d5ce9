/* SPDX-License-Identifier: MIT */
/*
 * request.c: queues and watches into requests, results into completions
 *
 * What a result means depends on what was asked meanwhile:
 *
 *     nothing              it is the outcome; but "not now" (O_NONBLOCK files say so), -EINTR, and
 *                          a -ECANCELED that nobody asked for (the thread that submitted is gone)
 * move the operation on: POLL_ADD, then the system call, as the engines of readiness do it to
 * cancel            a success is delivered, whoever waits: an accepted descriptor must find its
 *                          taker; a real error too; else -ECANCELED
 *     to close, or the number was given to another file
 *                          the same, with -EBADF in the place of -ECANCELED
 *
 * Cancelling is a request of its own with a result of its own. -EALREADY there means that a worker
 * of the kernel was interrupted and will answer; -ENOENT that the result is on its way, or that the
 * operation was just between two of its steps: then it is asked again.
 */
#include "base/annotate.h"
#include "base/assert.h"
#include "loop/poller/io_uring/engine.h"

#include <errno.h>

/* Kinds of names, in the top byte of user_data. */
#define KIND_OPERATION ((uint64_t)1 << 56)
#define KIND_WATCH ((uint64_t)2 << 56)
#define KIND_CANCEL ((uint64_t)3 << 56)
#define KIND_CANCEL_WATCH ((uint64_t)4 << 56)
#define KIND_MASK ((uint64_t)0xff << 56)

/** What the kernel takes in one read or write. */
#define LEN_MAX 0x7ffff000u

static struct weft__op *op_of(struct weft_link *link)
{
    return weft__container(link, struct weft__op, link);
}

static uint64_t address_of(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

void weft__uring_mark(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    if (!weft__list_empty(&descriptor->link))
        return;
    weft__list_append(&engine->dirty, &descriptor->link);
    engine->poller.due++;
}

void weft__uring_unmark(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    if (weft__list_empty(&descriptor->link))
        return;
    weft__list_remove(&descriptor->link);
    engine->poller.due--;
}

void weft__uring_look(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    unsigned type = weft__descriptor_identify(poller, descriptor);
    descriptor->engine_data &= ~(WEFT__URING_SOCKET | WEFT__URING_LOOKED);
    if (S_ISSOCK(type))
        descriptor->engine_data |= WEFT__URING_SOCKET;
    /* Only what weft owns stays the same file; others are looked at for each wait. */
    if (descriptor->flags & WEFT__DESCRIPTOR_OWNED)
        descriptor->engine_data |= WEFT__URING_LOOKED;
}

int weft__uring_changed(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    return !(descriptor->flags & WEFT__DESCRIPTOR_OWNED) && weft__descriptor_busy(descriptor) &&
           !weft__descriptor_same(poller, descriptor);
}

void weft__uring_evict(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    for (int direction = 0; direction < 2; direction++) {
        weft__list_each(link, &descriptor->queue[direction])
        {
            struct weft__op *op = op_of(link);
            if (op->state == WEFT__OP_QUEUED) {
                weft__op_complete_later(&engine->poller, op, -EBADF);
                continue;
            }
            op->engine_flags |= WEFT__URING_EVICTED;
            if (op->state == WEFT__OP_KERNEL)
                weft__op_set_state(op, WEFT__OP_CANCELLING);
        }
    }
    weft__uring_mark(engine, descriptor);
}

/* --- Requests
 * ---------------------------------------------------------------------------------------- */

/** A transfer of plain bytes. */
static void prepare_bytes(struct weft__uring_sqe *sqe, unsigned opcode, const struct weft__op *op)
{
    sqe->opcode = (uint8_t)opcode;
    sqe->address = address_of(op->buf);
    sqe->len = op->len < LEN_MAX ? (uint32_t)op->len : LEN_MAX;
}

/** A transfer with an address: as a message of one piece, kept in the operation. */
static void prepare_message(struct weft__uring_sqe *sqe, unsigned opcode, struct weft__op *op)
{
    op->vector = (struct iovec){.iov_base = op->buf, .iov_len = op->len};
    op->message = (struct msghdr){
        .msg_name = op->address,
        .msg_namelen = op->address_len ? *op->address_len : 0,
        .msg_iov = &op->vector,
        .msg_iovlen = 1,
    };
    sqe->opcode = (uint8_t)opcode;
    sqe->address = address_of(&op->message);
    sqe->len = 1;
}

static void prepare_socket(struct weft__uring_sqe *sqe, struct weft__op *op)
{
    int receives = op->code == WEFT__OP_RECV;
    if (op->address)
        prepare_message(sqe, receives ? WEFT__URING_OP_RECVMSG : WEFT__URING_OP_SENDMSG, op);
    else
        prepare_bytes(sqe, receives ? WEFT__URING_OP_RECV : WEFT__URING_OP_SEND, op);
    /* With MSG_WAITALL a cancelled operation could have moved a part: as the other engines, never.
     */
    sqe->op_flags = (uint32_t)op->flags & ~(uint32_t)MSG_WAITALL;
    if (!receives)
        sqe->op_flags |= MSG_NOSIGNAL;
}

static void prepare_file(struct weft__uring_sqe *sqe, struct weft__op *op, int socket)
{
    if (op->code == WEFT__OP_WRITE && socket) {
        /* A plain write to a socket whose peer is gone would raise SIGPIPE. */
        prepare_bytes(sqe, WEFT__URING_OP_SEND, op);
        sqe->op_flags = MSG_NOSIGNAL;
        return;
    }
    prepare_bytes(sqe, op->code == WEFT__OP_READ ? WEFT__URING_OP_READ : WEFT__URING_OP_WRITE, op);
    sqe->offset = UINT64_MAX;
}

static void prepare_poll(struct weft__uring_sqe *sqe, unsigned events)
{
    /* Big-endian kernels expect the halves swapped. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    events = events << 16 | events >> 16;
#endif
    sqe->opcode = WEFT__URING_OP_POLL_ADD;
    sqe->op_flags = events;
}

static void prepare(struct weft__uring_sqe *sqe, struct weft__op *op, int socket)
{
    sqe->fd = op->fd;
    if (op->engine_flags & WEFT__URING_POLLING) {
        prepare_poll(sqe, op->direction == WEFT__DIRECTION_IN ? POLLIN : POLLOUT);
        return;
    }
    switch ((enum weft__op_code)op->code) {
    case WEFT__OP_POLL:
        prepare_poll(sqe, op->events);
        break;
    case WEFT__OP_READ:
    case WEFT__OP_WRITE:
        prepare_file(sqe, op, socket);
        break;
    case WEFT__OP_RECV:
    case WEFT__OP_SEND:
        prepare_socket(sqe, op);
        break;
    case WEFT__OP_ACCEPT:
        sqe->opcode = WEFT__URING_OP_ACCEPT;
        sqe->address = address_of(op->address);
        sqe->offset = address_of(op->address_len);
        sqe->op_flags = (uint32_t)op->flags;
        break;
    case WEFT__OP_CONNECT:
        sqe->opcode = WEFT__URING_OP_CONNECT;
        sqe->address = address_of(op->address);
        sqe->offset = op->address_len ? *op->address_len : 0;
        break;
    }
}

static int start(struct weft__uring *engine, struct weft__descriptor *descriptor,
                 struct weft__op *op)
{
    struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
    if (!sqe)
        return -EAGAIN;
    if (op->code == WEFT__OP_WRITE && descriptor->flags & WEFT__DESCRIPTOR_OWNED &&
        !(descriptor->engine_data & WEFT__URING_LOOKED))
        weft__uring_look(&engine->poller, descriptor);
    prepare(sqe, op, (descriptor->engine_data & WEFT__URING_SOCKET) != 0);
    sqe->user_data = KIND_OPERATION | weft__uring_slot_take(engine, op);
    weft__op_set_state(op, WEFT__OP_KERNEL);
    descriptor->engine_data++;
    return 0;
}

/** Asks for the request `target` to be given back; the answer comes under `name`. */
static int ask_back(struct weft__uring *engine, uint64_t target, uint64_t name)
{
    struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
    if (!sqe)
        return -EAGAIN;
    sqe->opcode = WEFT__URING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->address = target;
    sqe->user_data = name;
    return 0;
}

static int cancel(struct weft__uring *engine, struct weft__op *op)
{
    uint64_t name = weft__uring_slot_name(engine, op);
    int rc = ask_back(engine, KIND_OPERATION | name, KIND_CANCEL | name);
    if (rc == 0)
        op->engine_flags |= WEFT__URING_CANCEL_SENT;
    return rc;
}

/** The operations of a direction that belong into the kernel: readiness, and the first transfer. */
static int push_queue(struct weft__uring *engine, struct weft__descriptor *descriptor,
                      int direction)
{
    weft__list_each(link, &descriptor->queue[direction])
    {
        struct weft__op *op = op_of(link);
        int rc = 0;
        if (op->state == WEFT__OP_QUEUED)
            rc = start(engine, descriptor, op);
        else if (op->state == WEFT__OP_CANCELLING && !(op->engine_flags & WEFT__URING_CANCEL_SENT))
            rc = cancel(engine, op);
        if (rc < 0)
            return rc;
        if (op->code != WEFT__OP_POLL)
            break;
    }
    return 0;
}

/** kind, direction, generation, descriptor: 8, 1, 23, 32 bits. */
static uint64_t watch_name(const struct weft__descriptor *descriptor, int direction)
{
    return (uint64_t)direction << 55 | (uint64_t)(descriptor->generation & 0x7fffffu) << 32 |
           (uint32_t)descriptor->fd;
}

static int push_watch(struct weft__uring *engine, struct weft__descriptor *descriptor,
                      int direction)
{
    unsigned data = descriptor->engine_data;
    int inside = (data & WEFT__URING_WATCH_IN(direction)) != 0;
    int wanted = descriptor->watch[direction].fn && !(data & WEFT__URING_WATCH_DEAD(direction));
    uint64_t name = watch_name(descriptor, direction);
    if (wanted && !inside) {
        struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
        if (!sqe)
            return -EAGAIN;
        sqe->fd = descriptor->fd;
        prepare_poll(sqe, direction == WEFT__DIRECTION_IN ? POLLIN : POLLOUT);
        sqe->user_data = KIND_WATCH | name;
        descriptor->engine_data = (data | WEFT__URING_WATCH_IN(direction)) + 1;
    }
    if (!wanted && inside && !(data & WEFT__URING_WATCH_CANCELLED(direction))) {
        if (ask_back(engine, KIND_WATCH | name, KIND_CANCEL_WATCH | name) < 0)
            return -EAGAIN;
        descriptor->engine_data |= WEFT__URING_WATCH_CANCELLED(direction);
    }
    return 0;
}

/** Whether a request would be made for an operation, under a number that may have changed its file.
 */
static int starts_something(const struct weft__descriptor *descriptor)
{
    for (int direction = 0; direction < 2; direction++) {
        weft__list_each(link, &descriptor->queue[direction])
        {
            const struct weft__op *op = op_of(link);
            if (op->state == WEFT__OP_QUEUED)
                return 1;
            if (op->code != WEFT__OP_POLL)
                break;
        }
    }
    return 0;
}

int weft__uring_push(struct weft__uring *engine, struct weft__descriptor *descriptor)
{
    if (starts_something(descriptor) && weft__uring_changed(&engine->poller, descriptor))
        weft__uring_evict(engine, descriptor);
    for (int direction = 0; direction < 2; direction++)
        if (push_queue(engine, descriptor, direction) < 0 ||
            push_watch(engine, descriptor, direction) < 0)
            return -EAGAIN;
    return 0;
}

/* --- Results
 * ----------------------------------------------------------------------------------------- */

/** The kernel did nothing, and that is no outcome. */
static int unserved(const struct weft__op *op, int result)
{
    switch (result) {
    case -EAGAIN:
        return !(op->flags & MSG_DONTWAIT) ||
               (op->code != WEFT__OP_RECV && op->code != WEFT__OP_SEND);
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

/** What the kernel wrote beside the result. */
static void take_written(struct weft__op *op, ssize_t result)
{
    if (op->code == WEFT__OP_READ || op->code == WEFT__OP_RECV)
        weft__annotate_written(op->buf, (size_t)result < op->len ? (size_t)result : op->len);
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
    int gone =
        op->engine_flags & WEFT__URING_EVICTED || op->descriptor->flags & WEFT__DESCRIPTOR_CLOSING;
    weft__op_complete(&engine->poller, op, result == -ECANCELED && gone ? -EBADF : result);
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

/** The descriptor of a transfer that could not be done at once is ready, or so it seems. */
static int after_polling(struct weft__uring *engine, struct weft__op *op, int result)
{
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
    if (!descriptor || watch_name(descriptor, *direction) != (name & ~KIND_MASK))
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
    } else if (result != -ECANCELED && result != -EINTR)
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
    uint64_t name = cqe->user_data & ~KIND_MASK;
    switch (cqe->user_data & KIND_MASK) {
    case KIND_OPERATION:
        return operation_result(engine, name, cqe->result);
    case KIND_WATCH:
        return watch_result(engine, name, cqe->result);
    case KIND_CANCEL:
        if (cqe->result == -ENOENT)
            cancel_missed(engine, name);
        return 0;
    case KIND_CANCEL_WATCH:
        if (cqe->result == -ENOENT)
            cancel_watch_missed(engine, name);
        return 0;
    default:
        return 0;
    }
}
