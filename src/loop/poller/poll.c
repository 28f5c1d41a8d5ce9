/* SPDX-License-Identifier: MIT */
/*
 * poll.c: the engine over poll(2), for systems that have nothing else
 *
 * The descriptors that somebody waits on stand in one dense array, which each wait hands to the
 * kernel whole; the entry's engine_data is its place in it, plus one. The cost of a wait grows with
 * the number of descriptors watched; nothing else is wrong with it. The kernel keeps nothing
 * between two waits, so there is nothing to forget either.
 */
#include "loop/poller_backend.h"

#include <errno.h>
#include <fcntl.h>

/** The engine. */
struct poll_engine {
    /** The common part. */
    struct weft__poller poller;
    /** What is watched. */
    struct pollfd *watched;
    /** How many are. */
    size_t count;
    /** Room for so many. */
    size_t room;
};

static struct poll_engine *engine_of(struct weft__poller *poller)
{
    return weft__container(poller, struct poll_engine, poller);
}

static int engine_open(const struct weft_sys *sys, struct weft__poller **ret)
{
    struct poll_engine *engine = sys->realloc(sys, NULL, sizeof *engine);
    if (!engine)
        return -ENOMEM;
    weft__poller_init(&engine->poller, &weft__poller_poll, sys);
    engine->watched = NULL;
    engine->count = engine->room = 0;
    *ret = &engine->poller;
    return 0;
}

static void engine_close(struct weft__poller *poller)
{
    struct poll_engine *engine = engine_of(poller);
    const struct weft_sys *sys = poller->sys;
    weft__poller_fini(poller);
    if (engine->watched)
        sys->realloc(sys, engine->watched, 0);
    sys->realloc(sys, engine, 0);
}

static int add(struct poll_engine *engine, struct weft__descriptor *descriptor)
{
    /* poll(2) itself complains only later, and then about every number that it is given. */
    if (weft__sys_call(engine->poller.sys, fcntl, descriptor->fd, F_GETFD, 0) == -EBADF)
        return -EBADF;
    if (engine->count == engine->room) {
        const struct weft_sys *sys = engine->poller.sys;
        size_t room = engine->room ? 2 * engine->room : 16;
        struct pollfd *watched = sys->realloc(sys, engine->watched, room * sizeof *engine->watched);
        if (!watched)
            return -ENOMEM;
        engine->watched = watched;
        engine->room = room;
    }
    engine->watched[engine->count++] = (struct pollfd){.fd = descriptor->fd};
    descriptor->engine_data = (unsigned)engine->count;
    return 0;
}

static void take_out(struct poll_engine *engine, struct weft__descriptor *descriptor)
{
    size_t place = descriptor->engine_data - 1;
    struct pollfd last = engine->watched[--engine->count];
    descriptor->engine_data = 0;
    descriptor->armed = 0;
    if (place == engine->count)
        return;
    engine->watched[place] = last;
    weft__descriptor_find(&engine->poller, last.fd)->engine_data = (unsigned)place + 1;
}

static int engine_arm(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    struct poll_engine *engine = engine_of(poller);
    unsigned wants = weft__descriptor_wants(descriptor);
    if (wants == descriptor->armed)
        return 0;
    if (wants == 0) {
        take_out(engine, descriptor);
        return 0;
    }
    int rc = descriptor->engine_data ? 0 : add(engine, descriptor);
    if (rc < 0)
        return rc;
    engine->watched[descriptor->engine_data - 1].events = (short)wants;
    descriptor->armed = wants;
    return 0;
}

static int engine_forget(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    if (descriptor->engine_data)
        take_out(engine_of(poller), descriptor);
    return 1;
}

static int engine_wait(struct weft__poller *poller, weft_ns timeout)
{
    struct poll_engine *engine = engine_of(poller);
    int count = weft__poller_settle(poller);
    poller->calls++;
    int rc =
        weft__sys_call(poller->sys, poll, engine->watched, engine->count, count > 0 ? 0 : timeout);
    if (rc <= 0)
        return rc == 0 || rc == -EINTR ? count : rc;
    /* From the end: what leaves is replaced by the last, which was served already or is new. */
    for (size_t i = engine->count; i-- > 0;) {
        if (i >= engine->count || engine->watched[i].revents == 0)
            continue;
        unsigned events = (unsigned)engine->watched[i].revents;
        engine->watched[i].revents = 0;
        count += weft__readiness_event(poller, weft__descriptor_find(poller, engine->watched[i].fd),
                                       events);
    }
    return count;
}

static int engine_fd(struct weft__poller *poller)
{
    (void)poller;
    return -ENOTSUP;
}

const struct weft__poller_ops weft__poller_poll = {
    .name = "poll",
    .open = engine_open,
    .close = engine_close,
    .submit = weft__readiness_submit,
    .cancel = weft__readiness_cancel,
    .arm = engine_arm,
    .forget = engine_forget,
    .wait = engine_wait,
    .fd = engine_fd,
};
