/* SPDX-License-Identifier: MIT */
/*
 * epoll.c: the engine over epoll(7)
 *
 * Three ways to be registered, because three parties have different rights:
 *
 *     owned, no watch   EPOLL_CTL_ADD once, edge-triggered, for everything; then no call any more:
 *                       an operation is tried before it queues, so that an edge that came while
 *                       nobody waited is not missed
 *     owned, watched    level-triggered, for exactly what is wanted; EPOLL_CTL_MOD at each change
 *     not owned         EPOLLONESHOT, armed anew for each wait (level-triggered when watched), and
 *                       taken out when the last waiter was cancelled
 *
 * epoll watches open files, not numbers, and libraries close behind our back. So an event carries
 * the number and the low bits of the entry's generation, and an event of an older life is dropped;
 * and a MOD that finds nothing (-ENOENT) although the account says armed proves that the number has
 * another file now. Whoever closes calls forget first, because a file that lives on through a dup
 * can not be taken out after close(2).
 *
 * Regular files cannot be registered (-EPERM). Operations on them never wait; their watches are
 * served in each wait from a list.
 */
#include "base/assert.h"
#include "loop/poller_backend.h"

#include <errno.h>
#include <sys/epoll.h>

/** Events taken from the kernel in one call. */
#define BATCH 128

/** What engine_data says: the kernel has an entry for the number, as far as we know. */
#define REGISTERED 1u

/** The registration of an owned descriptor that nobody watches. */
#define EVERYTHING_ONCE (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/** The engine. */
struct epoll_engine {
    /** The common part. */
    struct weft__poller poller;
    /** The epoll descriptor; -1 in a forked child. */
    int fd;
};

static struct epoll_engine *engine_of(struct weft__poller *poller)
{
    return weft__container(poller, struct epoll_engine, poller);
}

static int engine_open(const struct weft_sys *sys, struct weft__poller **ret)
{
    int fd = weft__sys_call(sys, epoll_create1, EPOLL_CLOEXEC);
    if (fd < 0)
        return fd;
    struct epoll_engine *engine = sys->realloc(sys, NULL, sizeof *engine);
    if (!engine) {
        (void)weft__sys_call(sys, close, fd);
        return -ENOMEM;
    }
    weft__poller_init(&engine->poller, &weft__poller_epoll, sys);
    engine->fd = fd;
    *ret = &engine->poller;
    return 0;
}

static void engine_abandon(struct weft__poller *poller)
{
    struct epoll_engine *engine = engine_of(poller);
    if (engine->fd >= 0)
        (void)weft__sys_call(poller->sys, close, engine->fd);
    engine->fd = -1;
}

static void engine_close(struct weft__poller *poller)
{
    struct epoll_engine *engine = engine_of(poller);
    const struct weft_sys *sys = poller->sys;
    engine_abandon(poller);
    weft__poller_fini(poller);
    sys->realloc(sys, engine, 0);
}

/* --- Interest ------------------------------------------------------------------------------ */

static int control(struct weft__poller *poller, int op, struct weft__descriptor *descriptor,
                   uint32_t events)
{
    uint64_t key = (uint64_t)descriptor->generation << 32 | (uint32_t)descriptor->fd;
    struct epoll_event event = {.events = events, .data.u64 = key};
    poller->calls++;
    return weft__sys_call(poller->sys, epoll_ctl, engine_of(poller)->fd, op, descriptor->fd,
                          &event);
}

static int watched(const struct weft__descriptor *descriptor)
{
    return descriptor->watch[WEFT__DIRECTION_IN].fn || descriptor->watch[WEFT__DIRECTION_OUT].fn;
}

/** The registration that a descriptor should have; 0: none. */
static uint32_t registration(const struct weft__descriptor *descriptor)
{
    uint32_t wants = weft__descriptor_wants(descriptor);
    if (watched(descriptor))
        return wants;
    if (descriptor->flags & WEFT__DESCRIPTOR_OWNED)
        return EVERYTHING_ONCE;
    return wants ? wants | EPOLLONESHOT : 0;
}

/** A file that is always ready: its watches are served from a list, in each wait. */
static int arm_always(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    weft__list_remove(&descriptor->link);
    if (!watched(descriptor))
        return -EPERM;
    descriptor->flags |= WEFT__DESCRIPTOR_ALWAYS;
    weft__list_append(&poller->always, &descriptor->link);
    return 0;
}

static void leave(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    if (descriptor->engine_data & REGISTERED)
        (void)control(poller, EPOLL_CTL_DEL, descriptor, 0);
    descriptor->engine_data = 0;
    descriptor->armed = 0;
    descriptor->flags &= ~(WEFT__DESCRIPTOR_ALWAYS | WEFT__DESCRIPTOR_TOLD | WEFT__DESCRIPTOR_DRY);
    weft__list_remove(&descriptor->link);
}

/** Registers, or changes the registration. -ENOENT: it was armed, and for another file. */
static int enter(struct weft__poller *poller, struct weft__descriptor *descriptor, uint32_t events)
{
    if (descriptor->engine_data & REGISTERED) {
        int rc = control(poller, EPOLL_CTL_MOD, descriptor, events);
        if (rc != -ENOENT)
            return rc;
        unsigned armed = descriptor->armed;
        descriptor->engine_data = 0;
        descriptor->armed = 0;
        if (armed)
            return rc;
    }
    int rc = control(poller, EPOLL_CTL_ADD, descriptor, events);
    return rc == -EEXIST ? control(poller, EPOLL_CTL_MOD, descriptor, events) : rc;
}

static int engine_arm(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    uint32_t events = registration(descriptor);
    if (events == 0) {
        if (descriptor->armed || descriptor->flags & WEFT__DESCRIPTOR_ALWAYS)
            leave(poller, descriptor);
        return 0;
    }
    /* A one-shot is armed again even when it is armed: that proves that the file is still the same.
     */
    if (events == descriptor->armed && !(events & EPOLLONESHOT))
        return 0;
    int rc = enter(poller, descriptor, events);
    if (rc == -EPERM)
        return arm_always(poller, descriptor);
    if (rc < 0)
        return rc;
    descriptor->engine_data = REGISTERED;
    descriptor->armed = events;
    descriptor->flags &= ~(WEFT__DESCRIPTOR_TOLD | WEFT__DESCRIPTOR_DRY);
    if (events == EVERYTHING_ONCE)
        descriptor->flags |= WEFT__DESCRIPTOR_TOLD;
    return 0;
}

static int engine_forget(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    leave(poller, descriptor);
    return 1;
}

/* --- Events -------------------------------------------------------------------------------- */

static int serve(struct weft__poller *poller, const struct epoll_event *event)
{
    struct weft__descriptor *descriptor =
        weft__descriptor_find(poller, (int)(uint32_t)event->data.u64);
    if (!descriptor || descriptor->generation != (uint32_t)(event->data.u64 >> 32))
        return 0;
    if (descriptor->armed & EPOLLONESHOT)
        descriptor->armed = 0;
    descriptor->flags &= ~(WEFT__DESCRIPTOR_DRY | WEFT__DESCRIPTOR_ALARMED);
    if (event->events & ~(uint32_t)(EPOLLIN | EPOLLOUT))
        descriptor->flags |= WEFT__DESCRIPTOR_ALARMED;
    return weft__readiness_event(poller, descriptor, event->events);
}

static int engine_wait(struct weft__poller *poller, weft_ns timeout)
{
    struct epoll_event events[BATCH];
    int count = weft__poller_settle(poller);
    int hurry = count > 0 || !weft__list_empty(&poller->always);
    poller->calls++;
    int rc = weft__sys_call(poller->sys, epoll_wait, engine_of(poller)->fd, events, BATCH,
                            hurry ? 0 : timeout);
    if (rc < 0 && rc != -EINTR)
        return rc;
    for (int i = 0; i < rc; i++)
        count += serve(poller, &events[i]);
    return count + weft__readiness_always(poller);
}

static int engine_fd(struct weft__poller *poller)
{
    return ((const struct epoll_engine *)(const void *)poller)->fd;
}

const struct weft__poller_ops weft__poller_epoll = {
    .name = "epoll",
    .open = engine_open,
    .close = engine_close,
    .submit = weft__readiness_submit,
    .cancel = weft__readiness_cancel,
    .arm = engine_arm,
    .forget = engine_forget,
    .wait = engine_wait,
    .fd = engine_fd,
    .abandon = engine_abandon,
};
