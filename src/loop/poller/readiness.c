/* SPDX-License-Identifier: MIT */
/*
 * readiness.c: the common part of engines that tell when a descriptor is ready
 *
 * An operation is tried at once; only when it would block does it queue, and the engine is asked to
 * tell. When it tells, the queue is served first-in first-out until the kernel says "not now"
 * again. So every system call of an operation is made here, in one of two places:
 *
 *     submit ─▶ try ─▶ over                       the common case: no engine involved
 *                └─ not now ─▶ queue ─▶ arm ─▶ event ─▶ try ─▶ over
 *                                               ▲─ not now ─┘
 *
 * The first try is left out where it would be in vain for certain: on epoll, after a read that got
 * less than it had room for.
 *
 * A try never blocks, whatever the file's flags are, and never changes O_NONBLOCK, which belongs to
 * the open file and is shared with other processes (above all on 0, 1 and 2). How, is poller/try.c.
 *
 * A descriptor that weft does not own may be closed and its number used again while operations wait
 * on it. Device and inode, taken when the first of them queues and compared before any is tried
 * again, tell: then the old ones end with -EBADF. Files that all have one inode (eventfd, timerfd)
 * cannot be told apart by it; epoll tells those (-ENOENT from arm), poll cannot.
 */
#include "base/assert.h"
#include "loop/poller_backend.h"

#include <errno.h>

static int owned(const struct weft__descriptor *descriptor)
{
    return (descriptor->flags & WEFT__DESCRIPTOR_OWNED) != 0;
}

static struct weft__op *first_op(struct weft__descriptor *descriptor, int direction)
{
    struct weft_link *link = weft__list_first(&descriptor->queue[direction]);
    return link ? weft__container(link, struct weft__op, link) : NULL;
}

/** The first op of a direction that moves data; NULL when none queues. */
static struct weft__op *first_transfer(struct weft__descriptor *descriptor, int direction)
{
    weft__list_each(link, &descriptor->queue[direction])
    {
        struct weft__op *op = weft__container(link, struct weft__op, link);
        if (op->code != WEFT__OP_POLL)
            return op;
    }
    return NULL;
}

/** The number has another file now, or there is no telling: those who waited for the old one get
 * `code`, from the next wait. */
static void evict(struct weft__poller *poller, struct weft__descriptor *descriptor, int code)
{
    struct weft__op *op;
    for (int direction = 0; direction < 2; direction++)
        while ((op = first_op(descriptor, direction)) != NULL)
            weft__op_complete_later(poller, op, code);
    (void)poller->ops->forget(poller, descriptor);
    descriptor->generation++;
}

/** Why the waiters of a descriptor must not be served with what its number stands for now; 0. */
static int changed(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
#ifdef WEFT_MUTANT_number_reused
    return 0;
#endif
    if (owned(descriptor) || !weft__descriptor_busy(descriptor))
        return 0;
    return weft__descriptor_changed(poller, descriptor);
}

/* --- Submit and cancel --------------------------------------------------------------------- */

/** Takes back an op that could not be armed. */
static int not_started(struct weft__poller *poller, struct weft__op *op, int rc)
{
    weft__descriptor_dequeue(poller, op);
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = rc;
    if (rc != -EPERM)
        return rc;
    /* It says "not now" and yet cannot be waited for: the caller gets just that. */
    op->result = -EAGAIN;
    return 1;
}

/** For the first who waits on a descriptor of others. */
static int identify_and_arm(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    int rc = weft__descriptor_identify(poller, descriptor);
    return rc < 0 ? rc : poller->ops->arm(poller, descriptor);
}

static int queue_and_arm(struct weft__poller *poller, struct weft__op *op)
{
    struct weft__descriptor *descriptor = weft__descriptor_find(poller, op->fd);
    int first = !descriptor || !weft__descriptor_busy(descriptor);
    int rc = weft__descriptor_enqueue(poller, op);
    if (rc < 0)
        return rc;
    descriptor = op->descriptor;
    if (!owned(descriptor) && first)
        rc = identify_and_arm(poller, descriptor);
    else
        rc = poller->ops->arm(poller, descriptor);
    if (rc == -ENOENT) {
        weft__list_remove(&op->link);
        evict(poller, descriptor, -EBADF);
        weft__list_append(&descriptor->queue[op->direction], &op->link);
        rc = identify_and_arm(poller, descriptor);
    }
    return rc < 0 ? not_started(poller, op, rc) : 0;
}

int weft__readiness_submit(struct weft__poller *poller, struct weft__op *op)
{
    struct weft__descriptor *descriptor = weft__descriptor_find(poller, op->fd);
    if (descriptor) {
        int rc = weft__descriptor_refusal(descriptor, op);
        if (rc < 0)
            return rc;
        rc = changed(poller, descriptor);
        if (rc < 0)
            evict(poller, descriptor, rc);
    }
    /* Nobody overtakes: the first try is only for whom nobody stands before. */
    int first =
        !descriptor || op->code == WEFT__OP_POLL || !first_transfer(descriptor, op->direction);
    if (first && !weft__readiness_dry(descriptor, op) && weft__readiness_try(poller, op)) {
        weft__op_set_state(op, WEFT__OP_DONE);
        return 1;
    }
    return queue_and_arm(poller, op);
}

int weft__readiness_cancel(struct weft__poller *poller, struct weft__op *op)
{
    if (op->state != WEFT__OP_QUEUED)
        return 0;
    struct weft__descriptor *descriptor = op->descriptor;
    weft__descriptor_dequeue(poller, op);
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = -ECANCELED;
    /* Drops the interest that nobody has any more; a file that is gone has none either. */
    (void)poller->ops->arm(poller, descriptor);
    return 1;
}

/* --- Events -------------------------------------------------------------------------------- */

/** What of `wanted` holds now: 1, 0, or an error. The engine tells of an owned descriptor once
 * only, so a look that was interrupted is repeated. */
static int look(struct weft__poller *poller, int fd, unsigned wanted, unsigned *ret)
{
    struct pollfd now = {.fd = fd, .events = (short)wanted};
    int rc = 0;
    do
        rc = wanted ? weft__sys_call(poller->sys, poll, &now, 1, 0) : 0;
    while (rc == -EINTR);
    *ret = (unsigned)now.revents;
    return rc;
}

/** Serves those who wait for readiness, in both queues, with one look at the descriptor. */
static int serve_polls(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    int count = 0;
    unsigned wanted = 0, ready = 0;
    for (int direction = 0; direction < 2; direction++) {
        struct weft__op *op = first_op(descriptor, direction);
        if (op && op->code == WEFT__OP_POLL)
            wanted |= weft__descriptor_wants(descriptor);
    }
    int rc = look(poller, descriptor->fd, wanted, &ready);
    if (rc == 0)
        return 0;
    for (int direction = 0; direction < 2; direction++) {
        struct weft_link *queue = &descriptor->queue[direction];
        for (struct weft_link *link = queue->next; link != queue;) {
            struct weft__op *op = weft__container(link, struct weft__op, link);
            unsigned got = ready & (op->events | POLLERR | POLLHUP | POLLNVAL);
            link = link->next;
            if (op->code != WEFT__OP_POLL)
                break;
            if (rc > 0 && got == 0)
                continue;
            weft__op_complete(poller, op, rc < 0 ? rc : got & POLLNVAL ? -EBADF : (ssize_t)got);
            count++;
            /* done() may have changed the queue; whom we pass again is only looked at. */
            link = queue->next;
        }
    }
    return count;
}

static int serve_transfers(struct weft__poller *poller, struct weft__descriptor *descriptor,
                           int direction)
{
    int count = 0;
    struct weft__op *op;
    while ((op = first_transfer(descriptor, direction)) != NULL) {
        if (!weft__readiness_try(poller, op))
            break;
        weft__op_complete(poller, op, op->result);
        count++;
    }
    return count;
}

/** Arms again what still waits; when that cannot be, nobody is left to wait in vain. */
static void arm_again(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    int rc = poller->ops->arm(poller, descriptor);
    if (rc == -ENOENT || rc == -EBADF)
        evict(poller, descriptor, -EBADF);
    else if (rc < 0)
        for (int direction = 0; direction < 2; direction++)
            while (first_op(descriptor, direction))
                weft__op_complete_later(poller, first_op(descriptor, direction), rc);
}

int weft__readiness_event(struct weft__poller *poller, struct weft__descriptor *descriptor,
                          unsigned events)
{
    int gone = events & POLLNVAL ? -EBADF : changed(poller, descriptor);
    if (gone < 0) {
        evict(poller, descriptor, gone);
        if (!(events & POLLNVAL))
            arm_again(poller, descriptor);
        return weft__poller_settle(poller);
    }
    uint32_t generation = descriptor->generation;
    int count = serve_polls(poller, descriptor);
    for (int direction = 0; direction < 2; direction++)
        if (events & weft__direction_events(direction))
            count += serve_transfers(poller, descriptor, direction);
    if (descriptor->generation == generation)
        count += weft__descriptor_notify(poller, descriptor, events);
    if (descriptor->generation == generation)
        arm_again(poller, descriptor);
    return count + weft__poller_settle(poller);
}

int weft__readiness_always(struct weft__poller *poller)
{
    int count = 0;
    struct weft_link todo, *link;
    weft__list_init(&todo);
    while ((link = weft__list_take(&poller->always)) != NULL)
        weft__list_append(&todo, link);
    /* One by one: a callback may remove any watch, and its link from whichever list it is in. */
    while ((link = weft__list_take(&todo)) != NULL) {
        struct weft__descriptor *descriptor = weft__container(link, struct weft__descriptor, link);
        weft__list_append(&poller->always, link);
        count += weft__descriptor_notify(poller, descriptor, POLLIN | POLLOUT);
    }
    return count;
}
