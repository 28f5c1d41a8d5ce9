/* SPDX-License-Identifier: MIT */
/*
 * world.c: worlds, their clocks, and programs run in them
 *
 * A world of the test kit is the simulator's (src/loop/poller/sim/world.c); here it gets its public
 * face. Everything takes a table and looks for the world at its bottom, so that a table that wraps
 * a world (faults.h) can be given wherever a world can. Who moves the clock is a property of the
 * world, because the engine that would move it knows nothing else.
 */
#include "loop/internal.h"
#include "loop/poller/sim/world.h"
#include "testing/internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <weft/run.h>

/* Not in POSIX; both libraries answer with it all the same. */
#ifndef EAI_NODATA
#define EAI_NODATA -5
#endif

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

/* Names. */

static bool read_figures(const char *text, struct weft__sim_name *ret)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &ret->of.in.sin_addr) == 1) {
        ret->of.in.sin_family = AF_INET;
        ret->len = sizeof ret->of.in;
        return true;
    }
    ret->of.in6.sin6_family = AF_INET6;
    ret->len = sizeof ret->of.in6;
    return inet_pton(AF_INET6, text, &ret->of.in6.sin6_addr) == 1;
}

int weft_testing_name_add(const struct weft_sys *sys, const char *name, const char *address)
{
    struct weft__sim *world = find_world(sys);
    struct weft__sim_name figures;
    if (!world)
        return -ENOTSUP;
    return read_figures(address, &figures) ? weft__sim_add_name(world, name, &figures, 0) : -EINVAL;
}

/** A code of weft's as the table's getaddrinfo gives it: positive for those of libc. 0: none. */
static int lookup_error(int code)
{
    switch (code) {
    case -WEFT_EDNS_NONAME:
        return -EAI_NONAME;
    case -WEFT_EDNS_NODATA:
        return -EAI_NODATA;
    case -WEFT_EDNS_AGAIN:
        return -EAI_AGAIN;
    case -WEFT_EDNS_FAIL:
        return -EAI_FAIL;
    default:
        return code < 0 && code > -WEFT_ERROR_BASE ? code : 0;
    }
}

int weft_testing_name_fail(const struct weft_sys *sys, const char *name, int code)
{
    struct weft__sim *world = find_world(sys);
    int error = lookup_error(code);
    if (!world)
        return -ENOTSUP;
    return error == 0 ? -EINVAL : weft__sim_add_name(world, name, NULL, error);
}

void weft_testing_names_clear(const struct weft_sys *sys)
{
    struct weft__sim *world = find_world(sys);
    if (world)
        weft__sim_forget_names(world);
}
