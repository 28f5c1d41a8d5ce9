/* SPDX-License-Identifier: MIT */
/*
 * watch.c: readers and writers, operations on descriptors, and closing them
 *
 * The loop's side of `loop/poller.h`. Closing is the one thing with an order that matters:
 *
 *     1. mark the entry as closing: new operations are refused with -EBADF
 *     2. complete what only queues with -EBADF, remove the watches
 *     3. forget: the engine lets go; operations that the kernel has come back first
 *     4. a new generation for the entry, then close(2): only now can the number be used again
 *
 * so that a number that the kernel reuses never meets an old waiter.
 */
#include "base/assert.h"
#include "loop/internal.h"
#include "loop/poller.h"
#include "loop/ready.h"

#include <errno.h>

int weft__loop_submit(struct weft_loop *loop, struct weft__op *op)
{
    return loop->poller->ops->submit(loop->poller, op);
}

int weft__loop_withdraw(struct weft_loop *loop, struct weft__op *op)
{
    return loop->poller->ops->cancel(loop->poller, op);
}

int weft__loop_takes_files(const struct weft_loop *loop)
{
    return loop->poller->ops->file != NULL;
}

int weft__loop_file(struct weft_loop *loop, struct weft__file_op *file)
{
    if (!weft__loop_takes_files(loop))
        return -EOPNOTSUPP;
    return loop->poller->ops->file(loop->poller, file);
}

const struct weft_sys *weft__sys_current(void)
{
    return weft__loop_current ? weft__loop_current->sys : &weft_sys_default;
}

void weft__loop_owe(struct weft_loop *loop, int change)
{
    weft__assert(change > 0 || loop->owed > 0);
    loop->owed += (size_t)change;
}

int weft__loop_own(struct weft_loop *loop, int fd, int owned)
{
    if (fd < 0)
        return -EBADF;
    struct weft__descriptor *entry = weft__descriptor_get(loop->poller, fd);
    if (!entry)
        return -ENOMEM;
    if (owned)
        entry->flags |= WEFT__DESCRIPTOR_OWNED;
    else
        entry->flags &= ~WEFT__DESCRIPTOR_OWNED;
    return 0;
}

/** Sets or removes (fn NULL) the watch of a direction. 1 when there was one before, else 0. */
static int set_watch(struct weft_loop *loop, int fd, enum weft__direction direction,
                     weft_callback_fn *fn, void *arg)
{
    struct weft__descriptor *entry =
        fn ? weft__descriptor_get(loop->poller, fd) : weft__descriptor_find(loop->poller, fd);
    if (!entry)
        return fn ? (fd < 0 ? -EBADF : -ENOMEM) : 0;
    if (fn && entry->flags & WEFT__DESCRIPTOR_CLOSING)
        return -EBADF;
    if (fn && !weft__list_empty(&entry->queue[direction]))
        return -EBUSY;
    struct weft__watch before = entry->watch[direction];
    entry->watch[direction] = (struct weft__watch){fn, arg};
    int rc = loop->poller->ops->arm(loop->poller, entry);
    if (rc < 0 && fn) {
        entry->watch[direction] = before;
        return rc;
    }
    if (!(entry->flags & WEFT__DESCRIPTOR_QUIET))
        loop->poller->watches += (size_t)(fn != NULL) - (size_t)(before.fn != NULL);
    return before.fn != NULL;
}

int weft__watch_quiet(struct weft_loop *loop, int fd, void (*fn)(void *), void *arg)
{
    struct weft__descriptor *entry = weft__descriptor_get(loop->poller, fd);
    if (!entry)
        return -ENOMEM;
    entry->flags |= WEFT__DESCRIPTOR_QUIET;
    int rc = set_watch(loop, fd, WEFT__DIRECTION_IN, fn, arg);
    if (!fn)
        (void)loop->poller->ops->forget(loop->poller, entry);
    return rc < 0 ? rc : 0;
}

/** Why a program may not touch the watches of a descriptor, or 0. */
static int watch_refusal(const struct weft_loop *loop, int fd)
{
    int rc = weft__loop_check(loop);
    if (rc < 0)
        return rc;
    return weft__loop_held(loop, fd) ? -EBUSY : 0;
}

static int add_watch(struct weft_loop *loop, int fd, enum weft__direction direction,
                     weft_callback_fn *fn, void *arg)
{
    int rc = watch_refusal(loop, fd);
    if (rc < 0)
        return rc;
    rc = set_watch(loop, fd, direction, fn, arg);
    return rc < 0 ? rc : 0;
}

static int remove_watch(struct weft_loop *loop, int fd, enum weft__direction direction)
{
    int rc = watch_refusal(loop, fd);
    return rc < 0 ? rc : set_watch(loop, fd, direction, NULL, NULL);
}

int weft_loop_add_reader(struct weft_loop *loop, int fd, weft_callback_fn *fn, void *arg)
{
    return add_watch(loop, fd, WEFT__DIRECTION_IN, fn, arg);
}

int weft_loop_add_writer(struct weft_loop *loop, int fd, weft_callback_fn *fn, void *arg)
{
    return add_watch(loop, fd, WEFT__DIRECTION_OUT, fn, arg);
}

int weft_loop_remove_reader(struct weft_loop *loop, int fd)
{
    return remove_watch(loop, fd, WEFT__DIRECTION_IN);
}

int weft_loop_remove_writer(struct weft_loop *loop, int fd)
{
    return remove_watch(loop, fd, WEFT__DIRECTION_OUT);
}

/* --- For the callback tier ----------------------------------------------------------------- */

int weft__loop_enter(struct weft_loop *loop, struct weft__errand *errand,
                     void (*drop)(struct weft__errand *errand))
{
    int rc = weft__ready_reserve(loop);
    if (rc == 0)
        weft__errand_add(loop, errand, drop);
    return rc;
}

void weft__loop_leave(struct weft_loop *loop, struct weft__errand *errand)
{
    weft__list_remove(&errand->link);
    weft__ready_unreserve(loop);
}

void weft__loop_schedule(struct weft_loop *loop, weft_callback_fn *fn, void *arg)
{
    weft__ready_push(loop, fn, arg);
}

int weft__loop_hold(struct weft_loop *loop, int fd)
{
    struct weft__descriptor *entry = weft__descriptor_get(loop->poller, fd);
    if (!entry)
        return fd < 0 ? -EBADF : -ENOMEM;
    if (entry->flags & WEFT__DESCRIPTOR_CLOSING)
        return -EBADF;
    if (entry->flags & WEFT__DESCRIPTOR_HELD || weft__descriptor_busy(entry) ||
        entry->watch[WEFT__DIRECTION_IN].fn || entry->watch[WEFT__DIRECTION_OUT].fn)
        return -EBUSY;
    entry->flags |= WEFT__DESCRIPTOR_HELD;
    return 0;
}

bool weft__loop_held(const struct weft_loop *loop, int fd)
{
    const struct weft__descriptor *entry = weft__descriptor_find(loop->poller, fd);
    return entry && entry->flags & WEFT__DESCRIPTOR_HELD;
}

void weft__loop_unhold(struct weft_loop *loop, int fd)
{
    struct weft__descriptor *entry = weft__descriptor_find(loop->poller, fd);
    if (entry)
        entry->flags &= ~WEFT__DESCRIPTOR_HELD;
}

int weft__loop_watch(struct weft_loop *loop, int fd, enum weft__direction direction,
                     weft_callback_fn *fn, void *arg)
{
    int rc = set_watch(loop, fd, direction, fn, arg);
    return rc < 0 ? rc : 0;
}

int weft__loop_try(struct weft_loop *loop, struct weft__op *op)
{
    return weft__readiness_try(loop->poller, op);
}

void *weft__loop_scratch(struct weft_loop *loop)
{
    if (!loop->scratch)
        loop->scratch = loop->sys->realloc(loop->sys, NULL, WEFT__SCRATCH_SIZE);
    return loop->scratch;
}

/* --- Closing ------------------------------------------------------------------------------- */

int weft__close_now(const struct weft_sys *sys, int fd)
{
    int rc = sys->close(sys, fd);
    /* Linux frees the number before anything that can be interrupted, so that to report -EINTR
     * would only invite a second close, of whatever got the number meanwhile (close(2), "Dealing
     * with error returns from close()"). */
    return rc == -EINTR ? 0 : rc;
}

static int close_entry(struct weft_loop *loop, struct weft__descriptor *entry)
{
    int fd = entry->fd;
    entry->generation++;
    entry->flags = 0;
    entry->closed = NULL;
    return weft__close_now(loop->sys, fd);
}

static void close_later(struct weft__descriptor *entry, void *arg)
{
    struct weft__closing *closing = arg;
    closing->loop->poller->pending--;
    weft__loop_owe(closing->loop, -1);
    closing->closed(closing, close_entry(closing->loop, entry));
}

static void refuse_queued(struct weft_loop *loop, struct weft__descriptor *entry)
{
    for (int direction = 0; direction < 2; direction++) {
        (void)set_watch(loop, entry->fd, direction, NULL, NULL);
        weft__list_each(link, &entry->queue[direction])
        {
            struct weft__op *op = weft__container(link, struct weft__op, link);
            if (op->state == WEFT__OP_QUEUED)
                weft__op_complete(loop->poller, op, -EBADF);
        }
    }
}

int weft__loop_close_op(struct weft_loop *loop, int fd, struct weft__closing *closing)
{
    if (fd < 0)
        return -EBADF;
    struct weft__descriptor *entry = weft__descriptor_find(loop->poller, fd);
    if (!entry) {
        int rc = weft__close_now(loop->sys, fd);
        return rc < 0 ? rc : 1;
    }
    if (entry->flags & WEFT__DESCRIPTOR_CLOSING)
        return -EBADF;
    closing->loop = loop;
    entry->flags |= WEFT__DESCRIPTOR_CLOSING;
    refuse_queued(loop, entry);
    entry->closed = close_later;
    entry->closed_arg = closing;
    if (loop->poller->ops->forget(loop->poller, entry) == 0) {
        loop->poller->pending++;
        weft__loop_owe(loop, 1);
        return 0;
    }
    int rc = close_entry(loop, entry);
    return rc < 0 ? rc : 1;
}

void weft__watches_close(struct weft_loop *loop)
{
    if (loop->owed == 0 || weft__loop_check_fork(loop) < 0)
        return;
    weft__poller_mute(loop->poller);
    while (loop->owed > 0 && loop->poller->ops->wait(loop->poller, WEFT_FOREVER) >= 0) {
    }
}

/** What weft_loop_close_fd schedules at the end. */
struct close_callback {
    /** The close; its loop is ours. */
    struct weft__closing closing;
    /** What frees it with the loop. */
    struct weft__errand errand;
    /** What to call; NULL for nothing. */
    weft_callback_fn *fn;
    /** Its argument. */
    void *arg;
};

static void drop_close_callback(struct weft__errand *errand)
{
    struct close_callback *callback = weft__container(errand, struct close_callback, errand);
    struct weft_loop *loop = callback->closing.loop;
    weft__list_remove(&errand->link);
    weft__ready_unreserve(loop);
    loop->sys->realloc(loop->sys, callback, 0);
}

static void run_close_callback(void *arg)
{
    struct close_callback *callback = arg;
    weft_callback_fn *fn = callback->fn;
    void *fn_arg = callback->arg;
    drop_close_callback(&callback->errand);
    if (fn)
        fn(fn_arg);
}

static void fd_closed(struct weft__closing *closing, int rc)
{
    (void)rc;
    weft__ready_push(closing->loop, run_close_callback,
                     weft__container(closing, struct close_callback, closing));
}

int weft_loop_close_fd(struct weft_loop *loop, int fd, weft_callback_fn *done, void *arg)
{
    int rc = watch_refusal(loop, fd);
    if (rc == 0)
        rc = weft__ready_reserve(loop);
    if (rc < 0)
        return rc;
    struct close_callback *callback = loop->sys->realloc(loop->sys, NULL, sizeof *callback);
    if (!callback) {
        weft__ready_unreserve(loop);
        return -ENOMEM;
    }
    *callback = (struct close_callback){.closing = {fd_closed, loop}, .fn = done, .arg = arg};
    weft__errand_add(loop, &callback->errand, drop_close_callback);
    rc = weft__loop_close_op(loop, fd, &callback->closing);
    if (rc < 0)
        drop_close_callback(&callback->errand);
    if (rc > 0)
        fd_closed(&callback->closing, 0);
    return rc < 0 ? rc : 0;
}
