/* SPDX-License-Identifier: MIT */
/*
 * select.c: waiting for the first of several things
 *
 * One wait for the task, and a listener in each case that stands where a task's wait would stand.
 * The first listener to be woken withdraws all others before it wakes the task, still within that
 * wake: nobody can ever hand something to a select that has got something already, so there is
 * nothing to give back, whoever is cancelled when. What the cases are is not known here, see
 * queue.c and case.c.
 */
#include "sync/internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>
#include <weft/select.h>

/** A select that waits, on the stack of its task. */
struct weft_choice {
    /** The task's wait. */
    struct weft_wait wait;
    /** The cases. */
    struct weft_case *cases;
    /** How many. */
    size_t count;
    /** Nonzero when one has happened. */
    int decided;
};

/** The first case from `start` on, and round, that can happen at once; -EAGAIN if none can. */
static int attempt_each(struct weft_case *cases, size_t count, size_t start)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = start + i < count ? start + i : start + i - count;
        if (cases[at].ops && cases[at].ops->attempt(&cases[at]))
            return (int)at;
    }
    return -EAGAIN;
}

static size_t random_start(size_t count)
{
    struct weft_loop *loop = weft_loop_current();
    return loop && count > 1 ? (size_t)(weft_loop_random(loop) % count) : 0;
}

/** Takes back what was enlisted, but for `keep`. */
static void withdraw_all(struct weft_choice *choice, const struct weft_case *keep)
{
    for (size_t i = 0; i < choice->count; i++) {
        struct weft_case *c = &choice->cases[i];
        if (!c->enlisted || c == keep)
            continue;
        c->enlisted = 0;
        c->ops->withdraw(c);
    }
}

/** The listener of a case is woken. Its own withdrawal comes later: it may be enlisting still. */
static int case_happened(struct weft_wait *wait, ssize_t result)
{
    struct weft_case *c = weft__container(wait, struct weft_case, wait);
    struct weft_choice *choice = c->choice;
    c->result = (int)result;
    choice->decided = 1;
    withdraw_all(choice, c);
    return weft_wake(&choice->wait, c - choice->cases);
}

static int enlist(struct weft_choice *choice, struct weft_case *c)
{
    c->choice = choice;
    c->resource = NULL;
    weft_wait_init_listener(&c->wait, case_happened, c->object);
    int rc = c->ops->enlist(c);
    c->enlisted = rc == 0;
    return rc;
}

/** Enlists the cases in turn, until one happens with that. */
static int enlist_all(struct weft_choice *choice)
{
    int rc = 0;
    for (size_t i = 0; i < choice->count; i++)
        choice->cases[i].enlisted = 0;
    for (size_t i = 0; i < choice->count && rc == 0 && !choice->decided; i++)
        if (choice->cases[i].ops)
            rc = enlist(choice, &choice->cases[i]);
    return rc;
}

static enum weft_abort abort_select(struct weft_wait *wait)
{
    withdraw_all(weft__container(wait, struct weft_choice, wait), NULL);
    return WEFT_ABORT_DONE;
}

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_choice *choice = weft__container(wait, const struct weft_choice, wait);
    int len = snprintf(buf, size, "for one of %zu cases", choice->count);
    for (size_t i = 0; i < choice->count && len >= 0 && (size_t)len < size; i++)
        len += snprintf(buf + len, size - (size_t)len, "%s%s", i ? ", " : ": ",
                        choice->cases[i].ops ? choice->cases[i].ops->name : "never");
}

static int wait_for_one(struct weft_case *cases, size_t count)
{
    struct weft_choice choice = {.cases = cases, .count = count};
    weft_wait_init(&choice.wait, describe, NULL);
    int rc = enlist_all(&choice);
    if (rc == 0)
        rc = (int)weft_park(&choice.wait, abort_select);
    withdraw_all(&choice, NULL);
    return rc;
}

static int select_from(struct weft_case *cases, size_t count, int ordered)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (count > INT_MAX)
        return -EINVAL;
    rc = attempt_each(cases, count, ordered ? 0 : random_start(count));
    return rc != -EAGAIN ? rc : wait_for_one(cases, count);
}

int weft_select(struct weft_case *cases, size_t count)
{
    return select_from(cases, count, 0);
}

int weft_select_ordered(struct weft_case *cases, size_t count)
{
    return select_from(cases, count, 1);
}

int weft_try_select(struct weft_case *cases, size_t count)
{
    if (count > INT_MAX)
        return -EINVAL;
    return attempt_each(cases, count, random_start(count));
}
