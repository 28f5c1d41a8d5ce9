/* SPDX-License-Identifier: MIT */
/*
 * engine.c: the engine over a simulated world
 *
 * A readiness engine: the common part tries the world's calls, which answer from memory, and this
 * part looks through what somebody waits for. Its wait never sleeps:
 *
 *     something is ready ──▶ served, in the order of descriptors, or as the seed says
 *     nothing is ready   ──▶ the clock jumps by the timeout
 *     ... without limit  ──▶ -WEFT_EDEADLOCK: no call of this thread can ever wake anybody
 *     ... and a job runs ──▶ nothing: the real world has to move first
 *
 * So no virtual time passes while a byte is undelivered. One exception keeps time from standing
 * still: a watch that is called again and again and leaves its bytes where they are, as its kind
 * does in a real loop, holds the clock only for so many turns.
 *
 * With a seed, what is ready together is served in any order, and sometimes only a part of it, the
 * rest at the next wait: orders that a network could have produced too.
 */
#include "loop/poller/sim/world.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/error.h>

/** After so many waits in which nothing moved although something was ready, time goes on. */
#define PATIENCE 100u

/** One armed descriptor that was found ready. */
struct found {
    /** Its entry. */
    struct weft__descriptor *descriptor;
    /** Which life of it. */
    uint32_t generation;
};

/** The engine. */
struct sim_engine {
    /** The common part. */
    struct weft__poller poller;
    /** The world. */
    struct weft__sim *world;
    /** Descriptors that somebody waits for. */
    struct weft_link armed;
    /** How many. */
    size_t armed_count;
    /** Room for all of them when they are ready. */
    struct found *found;
    /** How many have room. */
    size_t room;
    /** What the world's count of moves was at the end of the last wait. */
    uint64_t moves;
    /** Waits since something moved. */
    unsigned stale;
};

static struct sim_engine *engine_of(struct weft__poller *poller)
{
    return weft__container(poller, struct sim_engine, poller);
}

static int engine_open(const struct weft_sys *sys, struct weft__poller **ret)
{
    struct weft__sim *world = weft__sim_find(sys);
    if (!world)
        return -ENOSYS;
    struct sim_engine *engine = sys->realloc(sys, NULL, sizeof *engine);
    if (!engine)
        return -ENOMEM;
    *engine = (struct sim_engine){.world = world};
    weft__poller_init(&engine->poller, &weft__poller_sim, sys);
    weft__list_init(&engine->armed);
    *ret = &engine->poller;
    return 0;
}

static void engine_close(struct weft__poller *poller)
{
    struct sim_engine *engine = engine_of(poller);
    const struct weft_sys *sys = poller->sys;
    weft__poller_fini(poller);
    if (engine->found)
        sys->realloc(sys, engine->found, 0);
    sys->realloc(sys, engine, 0);
}

/* --- Interest -------------------------------------------------------------------------------- */

static void leave(struct sim_engine *engine, struct weft__descriptor *descriptor)
{
    if (descriptor->armed)
        engine->armed_count--;
    descriptor->armed = 0;
    descriptor->flags &= ~WEFT__DESCRIPTOR_ALWAYS;
    weft__list_remove(&descriptor->link);
}

/** A real file is always ready: its watches are served in each wait, operations on it never wait.
 */
static int arm_real(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    weft__list_remove(&descriptor->link);
    if (!descriptor->watch[WEFT__DIRECTION_IN].fn && !descriptor->watch[WEFT__DIRECTION_OUT].fn)
        return -EPERM;
    descriptor->flags |= WEFT__DESCRIPTOR_ALWAYS;
    weft__list_append(&poller->always, &descriptor->link);
    return 0;
}

static int make_room(struct sim_engine *engine)
{
    const struct weft_sys *sys = engine->poller.sys;
    if (engine->armed_count < engine->room)
        return 0;
    size_t room = engine->room ? 2 * engine->room : 16;
    struct found *found = sys->realloc(sys, engine->found, room * sizeof *found);
    if (!found)
        return -ENOMEM;
    engine->found = found;
    engine->room = room;
    return 0;
}

static int engine_arm(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    struct sim_engine *engine = engine_of(poller);
    unsigned wants = weft__descriptor_wants(descriptor);
    if (wants == 0) {
        leave(engine, descriptor);
        return 0;
    }
    if (descriptor->fd < WEFT__SIM_FD_BASE)
        return arm_real(poller, descriptor);
    if (!weft__sim_file(engine->world, descriptor->fd))
        return -EBADF;
    if (!descriptor->armed) {
        int rc = make_room(engine);
        if (rc < 0)
            return rc;
        engine->armed_count++;
        weft__list_append(&engine->armed, &descriptor->link);
    }
    descriptor->armed = wants;
    return 0;
}

static int engine_forget(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    leave(engine_of(poller), descriptor);
    return 1;
}

/* --- Waiting --------------------------------------------------------------------------------- */

/** What of a descriptor's interest holds now. A number that is closed is silent, as with epoll. */
static unsigned ready_of(struct sim_engine *engine, const struct weft__descriptor *descriptor)
{
    struct weft__sim_file *file = weft__sim_file(engine->world, descriptor->fd);
    if (!file || !descriptor->armed)
        return 0;
    return weft__sim_ready(engine->world, file) & (descriptor->armed | POLLERR | POLLHUP);
}

static int by_number(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    return a->descriptor->fd < b->descriptor->fd ? -1 : 1;
}

/** Notes what is ready, in the order in which it is to be served; returns how many now. */
static size_t find_ready(struct sim_engine *engine)
{
    struct weft__sim *world = engine->world;
    size_t count = 0;
    weft__list_each(link, &engine->armed)
    {
        struct weft__descriptor *descriptor = weft__container(link, struct weft__descriptor, link);
        if (ready_of(engine, descriptor))
            engine->found[count++] = (struct found){descriptor, descriptor->generation};
    }
    if (count > 1)
        qsort(engine->found, count, sizeof *engine->found, by_number);
    if (count < 2 || world->seed == 0)
        return count;
    for (size_t i = count; i > 1; i--) {
        size_t other = weft__sim_random(world, WEFT__SIM_RANDOM_ORDER) % i;
        struct found kept = engine->found[i - 1];
        engine->found[i - 1] = engine->found[other];
        engine->found[other] = kept;
    }
    if (weft__sim_random(world, WEFT__SIM_RANDOM_ORDER) % 4 == 0)
        count = 1 + weft__sim_random(world, WEFT__SIM_RANDOM_ORDER) % count;
    return count;
}

/** Serves what is ready; `*ready` is how many descriptors that were, served or not. */
static int serve_ready(struct sim_engine *engine, size_t *ready)
{
    int served = 0;
    *ready = find_ready(engine);
    for (size_t i = 0; i < *ready; i++) {
        struct weft__descriptor *descriptor = engine->found[i].descriptor;
        /* Those served before may have closed this one, or taken what it had. */
        if (descriptor->generation != engine->found[i].generation)
            continue;
        unsigned events = ready_of(engine, descriptor);
        if (events)
            served += weft__readiness_event(&engine->poller, descriptor, events);
    }
    return served;
}

/** Whether what is ready has been offered often enough, with nobody else having anything to do. */
static bool is_stale(struct sim_engine *engine, weft_ns timeout)
{
    bool moved = engine->world->moves != engine->moves;
    engine->moves = engine->world->moves;
    if (moved || timeout == 0)
        engine->stale = 0;
    else
        engine->stale++;
    return engine->stale >= PATIENCE;
}

static int engine_wait(struct weft__poller *poller, weft_ns timeout)
{
    struct sim_engine *engine = engine_of(poller);
    weft_ns limit = timeout < 0 ? 0 : timeout;
    size_t ready;
    int count = weft__poller_settle(poller);
    poller->calls++;
    count += serve_ready(engine, &ready);
    count += weft__readiness_always(poller);
    bool active = (count > 0 || ready > 0) && !is_stale(engine, limit);
    if (active || engine->world->held > 0)
        return count;
    bool stuck = limit == WEFT_FOREVER || (limit > 0 && atomic_load(&engine->world->manual));
    if (stuck)
        return count > 0 ? count : -WEFT_EDEADLOCK;
    engine->stale = 0;
    weft__sim_advance(engine->world, limit);
    return count;
}

static int engine_fd(struct weft__poller *poller)
{
    (void)poller;
    return -ENOTSUP;
}

const struct weft__poller_ops weft__poller_sim = {
    .name = "sim",
    .open = engine_open,
    .close = engine_close,
    .submit = weft__readiness_submit,
    .cancel = weft__readiness_cancel,
    .arm = engine_arm,
    .forget = engine_forget,
    .wait = engine_wait,
    .fd = engine_fd,
};
