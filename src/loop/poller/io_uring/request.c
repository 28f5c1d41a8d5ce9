/* SPDX-License-Identifier: MIT */
/*
 * request.c: queues and watches into requests
 *
 * Requests are made once in each wait, for the descriptors that are marked. What a descriptor wants
 * is read off its queues and watches as they are then, so that it does not matter in which order
 * they were changed, and that a request for which the queue had no room is simply made the next
 * time.
 *
 * A number that weft does not own is compared with the file it was when the wait began, right
 * before its request is made: the kernel looks the number up only then.
 */
#include "loop/poller/io_uring/engine.h"

#include <errno.h>

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

int weft__uring_look(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    int type = weft__descriptor_identify(poller, descriptor);
    descriptor->engine_data &= ~(WEFT__URING_SOCKET | WEFT__URING_LOOKED);
    if (type < 0)
        return type;
    if (S_ISSOCK((unsigned)type))
        descriptor->engine_data |= WEFT__URING_SOCKET;
    /* Only what weft owns stays the same file; others are looked at for each wait. */
    if (descriptor->flags & WEFT__DESCRIPTOR_OWNED)
        descriptor->engine_data |= WEFT__URING_LOOKED;
    return 0;
}

int weft__uring_changed(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    if (descriptor->flags & WEFT__DESCRIPTOR_OWNED || !weft__descriptor_busy(descriptor))
        return 0;
    return weft__descriptor_changed(poller, descriptor);
}

void weft__uring_evict(struct weft__uring *engine, struct weft__descriptor *descriptor, int code)
{
    for (int direction = 0; direction < 2; direction++) {
        weft__list_each(link, &descriptor->queue[direction])
        {
            struct weft__op *op = op_of(link);
            if (op->state == WEFT__OP_QUEUED) {
                weft__op_complete_later(&engine->poller, op, code);
                continue;
            }
            op->engine_flags |= WEFT__URING_EVICTED;
            op->result = code;
            if (op->state == WEFT__OP_KERNEL)
                weft__op_set_state(op, WEFT__OP_CANCELLING);
        }
    }
    weft__uring_mark(engine, descriptor);
}

/* --- Requests ------------------------------------------------------------------------------ */

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

/** The caller's own message. */
static void prepare_own_message(struct weft__uring_sqe *sqe, struct weft__op *op)
{
    int receives = op->code == WEFT__OP_RECVMSG;
    sqe->opcode = receives ? WEFT__URING_OP_RECVMSG : WEFT__URING_OP_SENDMSG;
    sqe->address = address_of(op->buf);
    sqe->len = 1;
    sqe->op_flags = (uint32_t)op->flags & ~(uint32_t)MSG_WAITALL;
    if (!receives)
        sqe->op_flags |= MSG_NOSIGNAL;
}

/** Vectors; to a socket as a message, since a plain write to a socket whose peer is gone would
 * raise SIGPIPE. */
static void prepare_vectors(struct weft__uring_sqe *sqe, struct weft__op *op, int socket)
{
    if (socket) {
        op->message = (struct msghdr){.msg_iov = op->buf, .msg_iovlen = op->len};
        sqe->opcode = WEFT__URING_OP_SENDMSG;
        sqe->address = address_of(&op->message);
        sqe->len = 1;
        sqe->op_flags = MSG_NOSIGNAL;
        return;
    }
    sqe->opcode = WEFT__URING_OP_WRITEV;
    sqe->address = address_of(op->buf);
    sqe->len = (uint32_t)op->len;
    sqe->offset = UINT64_MAX;
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
    case WEFT__OP_RECVMSG:
    case WEFT__OP_SENDMSG:
        prepare_own_message(sqe, op);
        break;
    case WEFT__OP_WRITEV:
        prepare_vectors(sqe, op, socket);
        break;
    case WEFT__OP_RECVMMSG:
    case WEFT__OP_SENDMMSG:
        /* The kernel has no request for a batch: these are POLLING from the start. */
        break;
    }
}

static int start(struct weft__uring *engine, struct weft__descriptor *descriptor,
                 struct weft__op *op)
{
    struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
    if (!sqe)
        return -EAGAIN;
    int writes = op->code == WEFT__OP_WRITE || op->code == WEFT__OP_WRITEV;
    if (writes && descriptor->flags & WEFT__DESCRIPTOR_OWNED &&
        !(descriptor->engine_data & WEFT__URING_LOOKED))
        (void)weft__uring_look(&engine->poller, descriptor);
    prepare(sqe, op, (descriptor->engine_data & WEFT__URING_SOCKET) != 0);
    sqe->user_data = WEFT__URING_KIND_OPERATION | weft__uring_slot_take(engine, op);
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
    int rc = ask_back(engine, WEFT__URING_KIND_OPERATION | name, WEFT__URING_KIND_CANCEL | name);
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

uint64_t weft__uring_watch_name(const struct weft__descriptor *descriptor, int direction)
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
    uint64_t name = weft__uring_watch_name(descriptor, direction);
    if (wanted && !inside) {
        struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
        if (!sqe)
            return -EAGAIN;
        sqe->fd = descriptor->fd;
        prepare_poll(sqe, direction == WEFT__DIRECTION_IN ? POLLIN : POLLOUT);
        sqe->user_data = WEFT__URING_KIND_WATCH | name;
        descriptor->engine_data = (data | WEFT__URING_WATCH_IN(direction)) + 1;
    }
    if (!wanted && inside && !(data & WEFT__URING_WATCH_CANCELLED(direction))) {
        if (ask_back(engine, WEFT__URING_KIND_WATCH | name, WEFT__URING_KIND_CANCEL_WATCH | name) <
            0)
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
    int changed = 0;
    if (starts_something(descriptor))
        changed = weft__uring_changed(&engine->poller, descriptor);
    if (changed < 0)
        weft__uring_evict(engine, descriptor, changed);
    for (int direction = 0; direction < 2; direction++)
        if (push_queue(engine, descriptor, direction) < 0 ||
            push_watch(engine, descriptor, direction) < 0)
            return -EAGAIN;
    return 0;
}
