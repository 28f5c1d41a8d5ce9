/* SPDX-License-Identifier: MIT */
/*
 * file.c: operations on files
 *
 * A file is never "not ready": its operations stand in no descriptor's queue, run beside each
 * other, and go to the kernel at once, so that the number is looked up before anybody can close it
 * and have it used again. What would block, the kernel's own workers do.
 *
 * Taken back is what a worker has not begun, or what a signal may interrupt (opening a FIFO); a
 * worker that is in the middle of a disk's work finishes it. Whichever it is, the result decides.
 */
#include "base/poison.h"
#include "loop/poller/io_uring/engine.h"

#include <errno.h>
#include <fcntl.h>

/** What the kernel takes in one read or write. */
#define FILE_LEN_MAX ((size_t)0x7ffff000)

/** An open that a signal interrupts comes back with one of the kernel's own codes, of which no
 * program should hear (seen on Linux 6.18): -ERESTARTSYS and its kin. */
static int is_interruption(int result)
{
    return result <= -512 && result >= -516;
}

/** fsync's flag for data alone. */
#define DATA_ONLY 1u

static void prepare_transfer(struct weft__uring_sqe *sqe, unsigned opcode,
                             const struct weft__file_op *file)
{
    size_t len = file->op.len;
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = file->op.fd;
    sqe->address = (uint64_t)(uintptr_t)file->op.buf;
    sqe->len = (uint32_t)(len < FILE_LEN_MAX ? len : FILE_LEN_MAX);
    sqe->offset = (uint64_t)file->offset;
}

static void prepare_file_op(struct weft__uring_sqe *sqe, const struct weft__file_op *file)
{
    switch (file->what) {
    case WEFT__FILE_OP_OPEN:
        sqe->opcode = WEFT__URING_OP_OPENAT;
        /* Tried in place first, the kernel would open a FIFO without waiting for its other end. */
        sqe->flags = WEFT__URING_SQE_ASYNC;
        sqe->fd = AT_FDCWD;
        sqe->address = (uint64_t)(uintptr_t)file->op.buf;
        sqe->len = file->mode;
        sqe->op_flags = (uint32_t)file->op.flags;
        break;
    case WEFT__FILE_OP_READ:
        prepare_transfer(sqe, WEFT__URING_OP_READ, file);
        break;
    case WEFT__FILE_OP_WRITE:
        prepare_transfer(sqe, WEFT__URING_OP_WRITE, file);
        break;
    case WEFT__FILE_OP_SYNC:
        sqe->opcode = WEFT__URING_OP_FSYNC;
        sqe->fd = file->op.fd;
        sqe->op_flags = file->op.flags ? DATA_ONLY : 0;
        break;
    }
}

int weft__uring_file(struct weft__poller *poller, struct weft__file_op *file)
{
    struct weft__uring *engine = weft__uring_of(poller);
    int rc = weft__uring_slots_reserve(engine, poller->pending + 1);
    if (rc < 0)
        return rc;
    struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
    if (!sqe)
        return -EAGAIN;
    prepare_file_op(sqe, file);
    sqe->user_data = WEFT__URING_KIND_FILE | weft__uring_slot_take(engine, &file->op);
    weft__list_init(&file->op.link);
    weft__op_set_state(&file->op, WEFT__OP_QUEUED);
    weft__op_set_state(&file->op, WEFT__OP_KERNEL);
    poller->pending++;
    /* What the kernel does not take now, the next wait hands over. */
    (void)weft__ring_enter(&engine->ring, 0, 0);
    return 0;
}

void weft__uring_file_cancel(struct weft__uring *engine, struct weft__op *op)
{
    weft__op_set_state(op, WEFT__OP_CANCELLING);
    /* Without room for the request it is simply waited for. */
    struct weft__uring_sqe *sqe = weft__ring_next(&engine->ring);
    if (!sqe)
        return;
    sqe->opcode = WEFT__URING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->address = WEFT__URING_KIND_FILE | weft__uring_slot_name(engine, op);
    sqe->user_data = WEFT__URING_KIND_CANCEL_FILE;
    (void)weft__ring_enter(&engine->ring, 0, 0);
}

int weft__uring_file_result(struct weft__uring *engine, uint64_t name, int result)
{
    struct weft__op *op = weft__uring_slot_find(engine, name);
    if (!op)
        return 0;
    const struct weft__file_op *file = weft__container(op, struct weft__file_op, op);
    weft__uring_slot_free(engine, op);
    if (file->what == WEFT__FILE_OP_READ && result > 0)
        weft__annotate_written(op->buf, (size_t)result);
    engine->poller.pending--;
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = is_interruption(result) ? -EINTR : result;
    op->done(op);
    return 1;
}
