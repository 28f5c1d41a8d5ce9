/* SPDX-License-Identifier: MIT */
/*
 * wakeup.c: waking the loop from other threads and signal handlers
 *
 * Two parts. A flag, `wake`, says that somebody wants a turn; whoever sets it first also writes to
 * the wake-up descriptor, which the engine watches, so that a loop that waits comes back, and a
 * crowd of wakers makes one system call. And a stack of posts that other threads pushed with one
 * compare-and-swap each, which the loop takes whole and turns around: callbacks that were
 * scheduled, and what the layers above send from thread to thread, in place in its owner.
 *
 * The order matters: a pusher puts its post in before it sets the flag, and the loop clears the
 * flag before it takes the stack, so that what is pushed in between leaves the flag set for the
 * next turn.
 *
 * A world with a virtual clock has one thread: the flag alone is enough there.
 */
#include "loop/internal.h"
#include "loop/poller.h"
#include "loop/ready.h"

#include <fcntl.h>
#include <sys/eventfd.h>

static void drain(void *arg)
{
    struct weft_loop *loop = arg;
    char bytes[64];
    /* One read empties an eventfd; a pipe holds at most one byte for each turn. */
    (void)loop->sys->read(loop->sys, loop->wake_fds[0], bytes, sizeof bytes);
}

static int open_descriptor(struct weft_loop *loop)
{
    const struct weft_sys *sys = loop->sys;
    int fd = sys->eventfd(sys, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd != -ENOSYS) {
        loop->wake_fds[0] = loop->wake_fds[1] = fd;
        return fd < 0 ? fd : 0;
    }
    return sys->pipe2(sys, loop->wake_fds, O_CLOEXEC | O_NONBLOCK);
}

static void close_descriptor(struct weft_loop *loop)
{
    const struct weft_sys *sys = loop->sys;
    if (loop->wake_fds[1] >= 0 && loop->wake_fds[1] != loop->wake_fds[0])
        (void)sys->close(sys, loop->wake_fds[1]);
    if (loop->wake_fds[0] >= 0)
        (void)sys->close(sys, loop->wake_fds[0]);
    loop->wake_fds[0] = loop->wake_fds[1] = -1;
}

int weft__wakeup_open(struct weft_loop *loop)
{
    loop->wake_fds[0] = loop->wake_fds[1] = -1;
    if (loop->sys->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return 0;
    int rc = open_descriptor(loop);
    if (rc == 0)
        rc = weft__watch_quiet(loop, loop->wake_fds[0], drain, loop);
    if (rc < 0)
        close_descriptor(loop);
    return rc;
}

static struct weft__post *reversed(struct weft__post *newest)
{
    struct weft__post *oldest = NULL;
    while (newest) {
        struct weft__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/** Waits until no thread is about to wake this loop; each has only an instant left to go. */
static void wait_for_posters(struct weft_loop *loop)
{
    while (atomic_load(&loop->posting) > 0)
        (void)weft_sys_default.poll(&weft_sys_default, NULL, 0, WEFT_US);
}

void weft__wakeup_drop(struct weft_loop *loop)
{
    if (weft__loop_check_fork(loop) == 0)
        wait_for_posters(loop);
    struct weft__post *next, *post = reversed(atomic_exchange(&loop->incoming, NULL));
    for (; post; post = next) {
        next = post->next;
        post->drop(post);
    }
}

void weft__wakeup_close(struct weft_loop *loop)
{
    weft__wakeup_drop(loop);
    if (loop->wake_fds[0] >= 0 && weft__loop_check_fork(loop) == 0)
        (void)weft__watch_quiet(loop, loop->wake_fds[0], NULL, NULL);
    close_descriptor(loop);
}

void weft_loop_wake(struct weft_loop *loop)
{
    if (atomic_exchange(&loop->wake, 1) || loop->wake_fds[1] < 0)
        return;
    static const uint64_t one = 1;
    /* The one refusal of a descriptor that is ours and does not block is -EAGAIN: a pipe that is
     * full, or an eventfd that cannot count on. The loop wakes of what is in it. */
    (void)loop->sys->write(loop->sys, loop->wake_fds[1], &one, sizeof one);
}

static void push(struct weft_loop *loop, struct weft__post *post)
{
    post->next = atomic_load(&loop->incoming);
    while (!atomic_compare_exchange_weak(&loop->incoming, &post->next, post)) {
    }
}

void weft__loop_post(struct weft_loop *loop, struct weft__post *post)
{
    /* From the push on the loop may run what was posted, end, and be freed: not before the wake. */
    atomic_fetch_add(&loop->posting, 1);
    push(loop, post);
    weft_loop_wake(loop);
    atomic_fetch_sub(&loop->posting, 1);
}

/** Puts back what could not be taken for want of memory; the next turn tries again. */
static void put_back(struct weft_loop *loop, struct weft__post *oldest)
{
    while (oldest) {
        struct weft__post *next = oldest->next;
        push(loop, oldest);
        oldest = next;
    }
    atomic_store(&loop->wake, 1);
}

void weft__wakeup_collect(struct weft_loop *loop)
{
    atomic_store(&loop->wake, 0);
    struct weft__post *post = reversed(atomic_exchange(&loop->incoming, NULL));
    while (post) {
        struct weft__post *next = post->next;
        if (post->run(post) < 0) {
            post->next = next;
            put_back(loop, post);
            return;
        }
        post = next;
    }
}

/* Callbacks. */

/** A callback that another thread scheduled. */
struct incoming {
    /** Its way here. */
    struct weft__post post;
    /** The loop. */
    struct weft_loop *loop;
    /** What to call. */
    weft_callback_fn *fn;
    /** Its argument. */
    void *arg;
};

/** These come from weft_sys_default: a loop's own table is for its own thread. */
static void drop_incoming(struct weft__post *post)
{
    struct incoming *incoming = weft__container(post, struct incoming, post);
    (void)weft_sys_default.realloc(&weft_sys_default, incoming, 0);
}

static int schedule_incoming(struct weft__post *post)
{
    struct incoming *incoming = weft__container(post, struct incoming, post);
    int rc = weft_loop_call_soon(incoming->loop, incoming->fn, incoming->arg, NULL);
    if (rc == 0)
        drop_incoming(post);
    return rc;
}

int weft_loop_call_soon_threadsafe(struct weft_loop *loop, weft_callback_fn *fn, void *arg)
{
    int rc = weft__loop_check_fork(loop);
    if (rc < 0)
        return rc;
    struct incoming *incoming = weft_sys_default.realloc(&weft_sys_default, NULL, sizeof *incoming);
    if (!incoming)
        return -ENOMEM;
    *incoming = (struct incoming){{.run = schedule_incoming, .drop = drop_incoming}, loop, fn, arg};
    weft__loop_post(loop, &incoming->post);
    return 0;
}
