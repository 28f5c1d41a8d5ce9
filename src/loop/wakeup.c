/* SPDX-License-Identifier: MIT */
/*
 * wakeup.c: waking the loop from other threads and signal handlers
 *
 * Two parts. A flag, `wake`, says that somebody wants a turn; whoever sets it first also writes to
 * the wake-up descriptor, which the engine watches, so that a loop that waits comes back, and a
 * crowd of wakers makes one system call. And a stack of callbacks that other threads pushed with
 * one compare-and-swap each, which the loop takes whole and turns around.
 *
 * The order matters: a pusher puts its callback in before it sets the flag, and the loop clears the
 * flag before it takes the stack, so that a callback pushed in between leaves the flag set for the
 * next turn.
 *
 * A world with a virtual clock has one thread: the flag alone is enough there.
 */
#include "loop/internal.h"
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

/** These come from weft_sys_default: a loop's own table is for its own thread. */
static void incoming_free(struct weft__incoming *incoming)
{
    (void)weft_sys_default.realloc(&weft_sys_default, incoming, 0);
}

void weft__wakeup_close(struct weft_loop *loop)
{
    struct weft__incoming *next, *incoming = atomic_exchange(&loop->incoming, NULL);
    for (; incoming; incoming = next) {
        next = incoming->next;
        incoming_free(incoming);
    }
    if (loop->wake_fds[0] >= 0 && weft__loop_check_fork(loop) == 0)
        (void)weft__watch_quiet(loop, loop->wake_fds[0], NULL, NULL);
    close_descriptor(loop);
}

void weft_loop_wake(struct weft_loop *loop)
{
    if (atomic_exchange(&loop->wake, 1) || loop->wake_fds[1] < 0)
        return;
    static const uint64_t one = 1;
    (void)loop->sys->write(loop->sys, loop->wake_fds[1], &one, sizeof one);
}

static void push_incoming(struct weft_loop *loop, struct weft__incoming *incoming)
{
    incoming->next = atomic_load(&loop->incoming);
    while (!atomic_compare_exchange_weak(&loop->incoming, &incoming->next, incoming)) {
    }
}

int weft_loop_call_soon_threadsafe(struct weft_loop *loop, weft_callback_fn *fn, void *arg)
{
    int rc = weft__loop_check_fork(loop);
    if (rc < 0)
        return rc;
    struct weft__incoming *incoming =
        weft_sys_default.realloc(&weft_sys_default, NULL, sizeof *incoming);
    if (!incoming)
        return -ENOMEM;
    incoming->fn = fn;
    incoming->arg = arg;
    push_incoming(loop, incoming);
    weft_loop_wake(loop);
    return 0;
}

static struct weft__incoming *reversed(struct weft__incoming *newest)
{
    struct weft__incoming *oldest = NULL;
    while (newest) {
        struct weft__incoming *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/** Puts back what could not be scheduled for want of memory; the next turn tries again. */
static void put_back(struct weft_loop *loop, struct weft__incoming *oldest)
{
    while (oldest) {
        struct weft__incoming *next = oldest->next;
        push_incoming(loop, oldest);
        oldest = next;
    }
    atomic_store(&loop->wake, 1);
}

void weft__wakeup_collect(struct weft_loop *loop)
{
    atomic_store(&loop->wake, 0);
    struct weft__incoming *incoming = reversed(atomic_exchange(&loop->incoming, NULL));
    while (incoming) {
        struct weft__incoming *next = incoming->next;
        if (weft_loop_call_soon(loop, incoming->fn, incoming->arg, NULL) < 0) {
            put_back(loop, incoming);
            return;
        }
        incoming_free(incoming);
        incoming = next;
    }
}
