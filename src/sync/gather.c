/* SPDX-License-Identifier: MIT */
/*
 * gather.c: all of several calls, or the first of them
 *
 * A scope, and a task for each call; the scope's policy does the rest. For all: a failure cancels
 * the others. For the first: failures are kept, and a success cancels the scope with "done".
 * Neither returns while something that it started runs.
 *
 * Results stay in the caller's array; nothing is allocated here but by the starts.
 */
#include "sync/internal.h"

#include <weft/error.h>
#include <weft/group.h>
#include <weft/task.h>

static const char *name_of(const struct weft_call *call)
{
    return call->name ? call->name : "call";
}

static void not_called(struct weft_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        calls[i].result = -ECANCELED;
}

/* All. */

static int run_gathered(void *arg)
{
    struct weft_call *call = arg;
    call->result = call->fn(call->arg);
    return call->result;
}

int weft_gather_at(struct weft_call *calls, size_t count, const char *site)
{
    int rc = weft_wait_begin();
    not_called(calls, count);
    if (rc < 0)
        return rc;
    struct weft_scope scope;
    weft_scope_enter_at(&scope, WEFT_FOREVER, WEFT_FAIL_FAST, site);
    /* A start that fails counts as a failing child: the exit returns it. */
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = weft_go_fn_at(&scope, run_gathered, &calls[i], name_of(&calls[i]), site);
        calls[i].result = rc < 0 ? rc : -ECANCELED;
    }
    return weft_scope_exit(&scope, 0);
}

/* The first. */

/** Calls of which one is to succeed. */
struct race {
    /** Where they run. */
    struct weft_scope scope;
    /** The first that succeeded, or NULL. */
    struct weft_call *winner;
};

/** What the task of such a call gets. */
struct racer {
    /** The race. */
    struct race *race;
    /** The call. */
    struct weft_call *call;
};

static int run_racer(void *arg)
{
    struct racer *racer = arg;
    struct weft_call *call = racer->call;
    call->result = call->fn(call->arg);
    if (call->result >= 0 && !racer->race->winner) {
        racer->race->winner = call;
        weft_scope_cancel(&racer->race->scope, 0);
    }
    return call->result;
}

int weft_first_of_at(struct weft_call *calls, size_t count, size_t *winner, const char *site)
{
    int rc = weft_wait_begin();
    not_called(calls, count);
    if (rc < 0)
        return rc;
    if (count == 0)
        return -EINVAL;
    struct race race = {.winner = NULL};
    weft_scope_enter_at(&race.scope, WEFT_FOREVER, WEFT_COLLECT, site);
    for (size_t i = 0; i < count; i++) {
        struct racer racer = {&race, &calls[i]};
        rc = weft_start_flags(&race.scope, NULL, 0, name_of(&calls[i]), site, run_racer, &racer,
                              sizeof racer);
        calls[i].result = rc < 0 ? rc : -ECANCELED;
    }
    rc = weft_scope_exit(&race.scope, 0);
    if (!race.winner)
        return rc < 0 ? rc : -ECANCELED;
    *winner = (size_t)(race.winner - calls);
    return 0;
}
