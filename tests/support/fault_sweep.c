/* SPDX-License-Identifier: MIT */
/*
 * fault_sweep.c: a scenario once for each of its fault points
 *
 *     calm run: N fault points ──▶ k = 1..N ──┬─ the k-th fails ────────┐
 *                                             └─ all from the k-th fail ┴▶ outcome, leaks, calm run
 *
 * All runs are in one process, on purpose: what a failure leaves behind in thread-locals or caches
 * shows in the next calm run. When a run hangs, the watchdog's signal makes us say which one it
 * was.
 */
#define _GNU_SOURCE
#include "fault.h"
#include "floors.h"
#include "loop/poller_backend.h"
#include "test.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** The run in progress, for the signal handler. */
static struct {
    /** What is run. */
    const char *name;
    /** Which entries, which call, which code; see fault_fail. */
    uint64_t set, nth;
    /** See there. */
    enum fault_mode mode;
    /** See there. */
    int code;
} progress;

static void tell_progress(int signal)
{
    (void)signal;
    dprintf(STDERR_FILENO, "fault sweep %s: set %#llx, call %llu%s gives -%d\n", progress.name,
            (unsigned long long)progress.set, (unsigned long long)progress.nth,
            progress.mode == FAULT_FROM ? " and all after it" : "", progress.code);
}

/** What one run did. */
struct outcome {
    /** What the scenario returned. */
    int rc;
    /** Fault points of the set. */
    uint64_t points;
    /** Calls by entry. */
    uint64_t calls[FAULT_ENTRY_COUNT];
    /** What it left behind, by kind. */
    int leaks;
};

/* How many descriptors are open, in the world or in the process. The one that looks is counted too.
 */
static int open_descriptors(const struct weft_sys *inner)
{
    int count = 0;
    DIR *folder;

    if (inner != &weft_sys_default)
        return (int)weft__sim_open(inner);
    folder = opendir("/proc/self/fd");
    CHECK(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* One run; on the engine sim in a world of its own. */
static void run_once(const struct fault_sweep *sweep, struct outcome *ret)
{
    const struct weft_sys *inner = &weft_sys_default;
    struct fault_table fault;

    if (test_engine_is("sim"))
        CHECK_OK(weft__sim_new(0, &inner));
    int before = open_descriptors(inner);
    fault_wrap(&fault, inner);
    fault_fail(&fault, progress.set, progress.nth, progress.mode, progress.code);
    ret->rc = sweep->run(&fault.sys);
    ret->points = fault.points;
    for (int i = 0; i < FAULT_ENTRY_COUNT; i++)
        ret->calls[i] = fault.calls[i];
    ret->leaks = fault_report_leaks(&fault);
    int left = open_descriptors(inner) - before;
    if (left != 0)
        dprintf(STDERR_FILENO, "leak: %d descriptors\n", left);
    ret->leaks += left != 0;
    if (inner != &weft_sys_default)
        weft__sim_free(inner);
}

static void run_calmly(const struct fault_sweep *sweep, uint64_t set, struct outcome *ret)
{
    progress.nth = 0;
    progress.set = set;
    run_once(sweep, ret);
    CHECK_OK(ret->rc);
    CHECK_EQ(ret->leaks, 0);
}

static bool is_documented(const struct fault_sweep *sweep, int rc, int code)
{
    return sweep->documented ? sweep->documented(rc, code) : rc == 0 || rc == -code;
}

static void run_failing(const struct fault_sweep *sweep, uint64_t set, uint64_t nth,
                        enum fault_mode mode, int code)
{
    struct outcome outcome;

    progress.set = set;
    progress.nth = nth;
    progress.mode = mode;
    progress.code = code;
    run_once(sweep, &outcome);
    if (outcome.leaks || !is_documented(sweep, outcome.rc, code)) {
        tell_progress(0);
        FAIL("the scenario gives %d%s", outcome.rc, outcome.leaks ? " and leaks" : "");
    }
    run_calmly(sweep, set, &outcome);
}

/** Codes after which a call is repeated: a kernel that gave them for ever would hang us for ever.
 */
static bool is_transient(int code)
{
    return code == EINTR || code == EAGAIN || code == EBUSY || code == ECONNABORTED;
}

static uint64_t sweep_set(const struct fault_sweep *sweep, uint64_t set, int code)
{
    struct outcome calm;

    progress.name = sweep->name;
    run_calmly(sweep, set, &calm);
    for (uint64_t k = 1; k <= calm.points; k++) {
        run_failing(sweep, set, k, FAULT_ONCE, code);
        if (!is_transient(code))
            run_failing(sweep, set, k, FAULT_FROM, code);
    }
    return calm.points;
}

uint64_t fault_sweep(const struct fault_sweep *sweep, uint64_t set, int code)
{
    signal(SIGQUIT, tell_progress);
    return sweep_set(sweep, set, code);
}

uint64_t fault_sweep_errors(const struct fault_sweep *sweep, uint64_t set)
{
    struct outcome calm;
    uint64_t points = 0;

    signal(SIGQUIT, tell_progress);
    progress.name = sweep->name;
    run_calmly(sweep, set, &calm);
    for (int entry = 0; entry < FAULT_ENTRY_COUNT; entry++) {
        if (!(set & FAULT_SET(entry)) || calm.calls[entry] == 0)
            continue;
        for (const int *code = fault_errors((enum fault_entry)entry); *code; code++)
            points += sweep_set(sweep, FAULT_SET(entry), *code);
    }
    return points;
}

void fault_floor(const char *kind, const struct fault_sweep *sweep, uint64_t points)
{
    char name[128];

    snprintf(name, sizeof name, "%s/%s%s%s", kind, sweep->name, test_engine() ? "/" : "",
             test_engine() ? test_engine() : "");
    test_figure("%s: %llu fault points", name, (unsigned long long)points);
    test_floor("tests/fault/floors.txt", name, points);
}
