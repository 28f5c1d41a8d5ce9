/* SPDX-License-Identifier: MIT */
/*
 * sweep.c: a scenario once for each of its fault points
 *
 *     calm run: N fault points ──▶ k = 1..N ──┬─ the k-th fails ────────┐
 *                                             └─ all from the k-th fail ┴▶ outcome, leaks, calm run
 *
 * All runs are in one process, on purpose: what a failure leaves behind in thread-locals or caches
 * shows in the next calm run. Each has a new world, or the kernel, whose descriptors are then
 * counted before and after.
 */
#include "base/assert.h"
#include "loop/internal.h"
#include "testing/internal.h"

#include <stdio.h>

/** A sweep in progress. */
struct sweep {
    /** What was asked for. */
    struct weft_testing_sweep_options options;
    /** The work. */
    weft_testing_scenario_fn *scenario;
    /** Its argument. */
    void *arg;
    /** What it did so far. */
    struct weft_testing_sweep_result done;
};

/** One run: what fails. */
struct plan {
    /** Of which calls. */
    weft_testing_set set;
    /** Which one, from 1; 0: none. */
    uint64_t nth;
    /** Alone, or with all after it. */
    enum weft_testing_mode mode;
    /** With which errno value. */
    int code;
};

/** What one run did. */
struct outcome {
    /** What the scenario returned. */
    int rc;
    /** What it left behind, by kind. */
    int leaks;
    /** Fault points of the set. */
    uint64_t points;
    /** Calls. */
    uint64_t calls[WEFT_TESTING_CALLS];
};

/** "spawn: call 7 of realloc and all after it give -ENOMEM", into `buf`. */
static const char *describe(const struct sweep *sweep, const struct plan *plan, char *buf,
                            size_t size)
{
    const char *name = sweep->options.name ? sweep->options.name : "sweep";
    const char *of = "", *call = "";
    for (int i = 0; i < WEFT_TESTING_CALLS; i++)
        if (plan->set == (weft_testing_set)1 << i) {
            of = " of ";
            call = weft_testing_call_name((enum weft_testing_call)i);
        }
    if (plan->nth == 0)
        snprintf(buf, size, "%s: a calm run", name);
    else
        snprintf(buf, size, "%s: call %llu%s%s%s -%s", name, (unsigned long long)plan->nth, of,
                 call, plan->mode == WEFT_TESTING_FROM ? " and all after it give" : " gives",
                 weft_strerrorname(plan->code));
    return buf;
}

static int run_over(struct sweep *sweep, const struct plan *plan, const struct weft_sys *sys,
                    struct outcome *ret)
{
    struct weft_testing_faults faults;
    int before = weft__testing_open(sys);
    weft_testing_faults_init(&faults, sys);
    weft_testing_faults_fail(&faults, plan->set, plan->nth, plan->mode, plan->code);
    sweep->done.runs++;
    ret->rc = sweep->scenario(&faults.sys, sweep->arg);
    ret->points = faults.points;
    for (int i = 0; i < WEFT_TESTING_CALLS; i++)
        ret->calls[i] = faults.calls[i];
    ret->leaks = weft_testing_faults_report(&faults);
    int left = weft__testing_open(sys) - before;
    if (left != 0)
        weft__report("leak: %d descriptors", left);
    ret->leaks += left != 0;
    return 0;
}

/** One run. 0 with *ret filled, or an error of making a world. */
static int run_once(struct sweep *sweep, const struct plan *plan, struct outcome *ret)
{
    const struct weft_sys *world;
    char text[256];
    weft__last_words_set("weft: the signal came in %s\n", describe(sweep, plan, text, sizeof text));
    if (sweep->options.flags & WEFT_TESTING_REAL)
        return run_over(sweep, plan, &weft_sys_default, ret);
    int rc = weft_testing_world_new(NULL, &world);
    if (rc < 0)
        return rc;
    rc = run_over(sweep, plan, world, ret);
    weft_testing_world_free(world);
    return rc;
}

static int complain(const struct sweep *sweep, const struct plan *plan,
                    const struct outcome *outcome)
{
    char text[256];
    weft__report("%s: the scenario gives %s%s%s", describe(sweep, plan, text, sizeof text),
                 outcome->rc < 0 ? "-" : "", outcome->rc ? weft_strerrorname(outcome->rc) : "0",
                 outcome->leaks ? " and leaks" : "");
    return -EPROTO;
}

static int run_calmly(struct sweep *sweep, weft_testing_set set, struct outcome *ret)
{
    const struct plan plan = {.set = set};
    int rc = run_once(sweep, &plan, ret);
    if (rc < 0)
        return rc;
    if (ret->rc < 0 || ret->leaks)
        rc = complain(sweep, &plan, ret);
    return ret->rc < 0 ? ret->rc : rc;
}

static bool is_documented(const struct sweep *sweep, int rc, int code)
{
    if (sweep->options.documented)
        return sweep->options.documented(rc, code);
    return rc == 0 || rc == -code;
}

static int run_failing(struct sweep *sweep, const struct plan *plan)
{
    struct outcome outcome;
    int rc = run_once(sweep, plan, &outcome);
    if (rc < 0)
        return rc;
    if (outcome.leaks || !is_documented(sweep, outcome.rc, plan->code))
        return complain(sweep, plan, &outcome);
    rc = run_calmly(sweep, plan->set, &outcome);
    if (rc < 0) {
        char text[256];
        weft__report("that calm run came after %s", describe(sweep, plan, text, sizeof text));
    }
    return rc;
}

/** Codes after which a call is repeated: a kernel that gave them for ever would hang us for ever.
 */
static bool is_transient(int code)
{
    return code == EINTR || code == EAGAIN || code == EBUSY || code == ECONNABORTED;
}

static int sweep_set(struct sweep *sweep, weft_testing_set set, int code)
{
    struct outcome calm;
    int rc = run_calmly(sweep, set, &calm);
    for (uint64_t k = 1; rc == 0 && k <= calm.points; k++) {
        struct plan plan = {set, k, WEFT_TESTING_ONCE, code};
        rc = run_failing(sweep, &plan);
        plan.mode = WEFT_TESTING_FROM;
        if (rc == 0 && !is_transient(code))
            rc = run_failing(sweep, &plan);
        sweep->done.points += rc == 0;
    }
    return rc;
}

/** Each call that the scenario makes with each of its errors. */
static int sweep_errors(struct sweep *sweep, weft_testing_set set)
{
    struct outcome calm;
    int rc = run_calmly(sweep, set, &calm);
    for (int call = 0; rc == 0 && call < WEFT_TESTING_CALLS; call++) {
        if (!(set & (weft_testing_set)1 << call) || calm.calls[call] == 0)
            continue;
        const int *code = weft_testing_call_errors((enum weft_testing_call)call);
        for (; rc == 0 && *code; code++)
            rc = sweep_set(sweep, (weft_testing_set)1 << call, *code);
    }
    return rc;
}

int weft_testing_sweep(const struct weft_testing_sweep_options *options,
                       weft_testing_scenario_fn *scenario, void *arg,
                       struct weft_testing_sweep_result *ret)
{
    struct sweep sweep = {.scenario = scenario, .arg = arg};
    struct weft__last_words last;
    weft__options_read(&sweep.options, sizeof sweep.options, options);
    weft_testing_set set = sweep.options.set ? sweep.options.set : WEFT_TESTING_ANY;
    weft__last_words_begin(&last);
    int rc =
        sweep.options.code ? sweep_set(&sweep, set, sweep.options.code) : sweep_errors(&sweep, set);
    weft__last_words_end(&last);
    if (rc == 0 && ret)
        *ret = sweep.done;
    return rc;
}
