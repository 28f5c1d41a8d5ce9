/* SPDX-License-Identifier: MIT */
/*
 * backend.c: choosing the engine
 *
 * Asked for by the options: that one or an error. Asked for by $WEFT_BACKEND: that one, and where
 * the machine refuses it (io_uring in many containers) the default, with the reason kept for
 * weft_loop_backend_reason. Otherwise epoll, then poll. A loop over a virtual clock always runs on
 * the simulator, and a loop that asks for "sim" without a world gets one of its own.
 */
#include "loop/internal.h"

#include <stdio.h>
#include <string.h>

static const struct weft__poller_ops *const engines[] = {
    &weft__poller_epoll,
    &weft__poller_poll,
    &weft__poller_io_uring,
    &weft__poller_sim,
};

static const struct weft__poller_ops *find(const char *name)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    return NULL;
}

static int open_world(struct weft_loop *loop)
{
    if (loop->sys->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return 0;
    const struct weft_sys *world;
    int rc = weft__sim_new(loop->seed, &world);
    if (rc < 0)
        return rc;
    loop->sys = world;
    loop->owns_sys = true;
    return 0;
}

/** Gives the loop's own world back, if it has one. */
static void close_world(struct weft_loop *loop)
{
    if (loop->owns_sys)
        weft__sim_free(loop->sys);
    loop->owns_sys = false;
    loop->sys = loop->creator;
}

static int open_engine(struct weft_loop *loop, const struct weft__poller_ops *engine,
                       const char *why)
{
    int rc = engine == &weft__poller_sim ? open_world(loop) : 0;
    if (rc == 0)
        rc = engine->open(loop->sys, &loop->poller);
    if (rc == 0)
        snprintf(loop->reason, sizeof loop->reason, "%s", why);
    else
        close_world(loop);
    return rc;
}

static int open_default(struct weft_loop *loop, const char *why)
{
    int rc = open_engine(loop, &weft__poller_epoll, why);
    if (rc == -ENOSYS || rc == -EPERM)
        rc = open_engine(loop, &weft__poller_poll, "epoll is refused here");
    return rc;
}

static int open_from_environment(struct weft_loop *loop, const char *name)
{
    char why[96];
    const struct weft__poller_ops *engine = find(name);
    if (!engine)
        return weft_fail(-EINVAL, "WEFT_BACKEND=%s: no such engine", name);
    int rc = open_engine(loop, engine, "asked for by WEFT_BACKEND");
    if (rc == 0 || rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE)
        return rc;
    snprintf(why, sizeof why, "WEFT_BACKEND=%s is refused here: %s", name, weft_strerrorname(rc));
    return open_default(loop, why);
}

int weft__backend_open(struct weft_loop *loop, const struct weft_loop_options *options)
{
    const char *asked = options ? options->backend : NULL;
    if (loop->sys->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return open_engine(loop, &weft__poller_sim, "the clock is virtual");
    if (asked) {
        const struct weft__poller_ops *engine = find(asked);
        return engine ? open_engine(loop, engine, "asked for by options") : -EINVAL;
    }
    const char *named = weft_sys_default.getenv(&weft_sys_default, "WEFT_BACKEND");
    if (named && *named)
        return open_from_environment(loop, named);
    return open_default(loop, "default");
}

void weft__backend_close(struct weft_loop *loop)
{
    if (weft__loop_check_fork(loop) < 0 && loop->poller->ops->abandon)
        loop->poller->ops->abandon(loop->poller);
    loop->poller->ops->close(loop->poller);
    close_world(loop);
}

const char *weft_loop_backend(const struct weft_loop *loop)
{
    return loop->poller->ops->name;
}

const char *weft_loop_backend_reason(const struct weft_loop *loop)
{
    return loop->reason;
}
