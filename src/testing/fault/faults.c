/* SPDX-License-Identifier: MIT */
/*
 * faults.c: making a table that fails calls, and asking it
 *
 * Every entry does the same four things: it counts, asks whether to fail (decide.c), passes the
 * call on to the wrapped table, and keeps the account. The entries stand beside this file by
 * subject, and fault.h lists them. A table is made in place and needs no end; what it counted can
 * be read at any time. Other threads may call it as well: all that an entry touches is atomic.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"
#include "base/assert.h"
#include "loop/internal.h"

#include <string.h>

void weft_testing_faults_init(struct weft_testing_faults *faults, const struct weft_sys *inner)
{
    if (!inner)
        inner = &weft_sys_default;
    memset(faults, 0, sizeof *faults);
    faults->sys.size = sizeof faults->sys;
    faults->sys.flags = inner->flags;
    faults->sys.inner = inner;
    faults->set = WEFT_TESTING_ANY;
    weft__fault_ring_init(weft__fault_ring_of(&faults->sys));
    weft__fault_pass_process(&faults->sys);
#define TAKE(upper, lower) faults->sys.lower = weft__fault_##lower;
    WEFT__TESTING_CALLS(TAKE)
#undef TAKE
}

void weft_testing_faults_fail(struct weft_testing_faults *faults, weft_testing_set set,
                              uint64_t nth, enum weft_testing_mode mode, int code)
{
    faults->set = set & WEFT_TESTING_ANY;
    faults->nth = nth;
    faults->mode = mode;
    faults->code = code;
    __atomic_store_n(&faults->points, 0, __ATOMIC_RELAXED);
}

void weft_testing_faults_storm(struct weft_testing_faults *faults,
                               const struct weft_testing_storm *storm)
{
    weft__options_read(&faults->storm, sizeof faults->storm, storm);
    faults->random = faults->storm.seed;
}

int weft_testing_faults_report(const struct weft_testing_faults *faults)
{
    if (faults->blocks)
        weft__report("leak: %lld blocks of memory", (long long)faults->blocks);
    if (faults->mapped)
        weft__report("leak: %lld mapped bytes", (long long)faults->mapped);
    return (faults->blocks != 0) + (faults->mapped != 0);
}

static const char *const call_names[] = {
#define NAME(upper, lower) [WEFT_TESTING_CALL_##upper] = #lower,
    WEFT__TESTING_CALLS(NAME)
#undef NAME
};

const char *weft_testing_call_name(enum weft_testing_call call)
{
    return call_names[call];
}

int weft_testing_call_find(const char *name)
{
    for (int call = 0; call < WEFT_TESTING_CALLS; call++)
        if (strcmp(call_names[call], name) == 0)
            return call;
    return -ENOENT;
}
