/* SPDX-License-Identifier: MIT */
/*
 * world.c: worlds, their clocks, and programs run in them
 *
 * A world of the test kit is the simulator's (src/loop/poller/sim_world.c); here it gets its public
 * face. Everything takes a table and looks for the world at its bottom, so that a table that wraps
 * a world (faults.h) can be given wherever a world can. Who moves the clock is a property of the
 * world, because the engine that would move it knows nothing else.
 */
#include "loop/internal.h"
#include "loop/poller/sim.h"
#include "testing/internal.h"

#include <weft/run.h>

int weft_testing_world_new(const struct weft_testing_options *asked, const struct weft_sys **ret)
{
    struct weft_testing_options options;
    weft__options_read(&options, sizeof options, asked);
    const struct weft_sys *world;
    int rc = weft__sim_new(options.seed, &world);
    if (rc < 0)
        return rc;
    weft__sim_world(world)->manual = options.flags & WEFT_TESTING_MANUAL_CLOCK;
    *ret = world;
    return 0;
}

void weft_testing_world_free(const struct weft_sys *world)
{
    if (world)
        weft__sim_free(world);
}

size_t weft_testing_world_open(const struct weft_sys *sys)
{
    return weft__sim_find(sys) ? weft__sim_open(sys) : 0;
}

/** The world below `sys`, or of the running loop; NULL when there is none. */
static struct weft__sim *find_world(const struct weft_sys *sys)
{
    struct weft_loop *loop = weft_loop_current();
    if (!sys && loop)
        sys = loop->sys;
    return weft__sim_find(sys);
}

int weft_testing_clock_advance(const struct weft_sys *sys, weft_ns duration)
{
    struct weft__sim *world = find_world(sys);
    if (!world)
        return -ENOTSUP;
    if (duration < 0)
        return -EINVAL;
    weft__sim_advance(world, duration);
    return 0;
}

int weft_testing_clock_set_manual(const struct weft_sys *sys, int manual)
{
    struct weft__sim *world = find_world(sys);
    if (!world)
        return -ENOTSUP;
    atomic_store(&world->manual, manual != 0);
    return 0;
}
