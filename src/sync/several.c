/* SPDX-License-Identifier: MIT */
/*
 * several.c: all of several calls, the first of them, or several tasks and futures that exist
 *
 * weft_gather and weft_first_of are a scope and a task for each call; the scope's policy does the
 * rest. For all: a failure cancels the others. For the first: failures are kept, and a success
 * cancels the scope with "done"; staggered starts are made by the scope's body, which a failure
 * wakes early. None returns while something that it started runs.
 *
 * weft_wait_tasks and weft_wait_futures put a listener into the queue of each that has not ended.
 * It counts, and the one that makes it enough wakes the task; the listeners leave their queues
 * before the call returns. The timeout is a scope's deadline. Tasks and futures differ in how one
 * looks at them, and in nothing else; neither is cancelled, joined or released here.
 */
#include "sync/internal.h"

#include <limits.h>
#include <stdio.h>
#include <weft/error.h>
#include <weft/future.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/sync.h>
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

/* --- All of several calls ------------------------------------------------------------------- */

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

/* --- The first of several calls ------------------------------------------------------------- */

/** Calls of which one is to succeed. */
struct race {
    /** Where they run. */
    struct weft_scope scope;
    /** Counts failures that have not brought on a start. */
    struct weft_semaphore failures;
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
    if (call->result < 0) {
        (void)weft_semaphore_release(&racer->race->failures);
    } else if (!racer->race->winner) {
        racer->race->winner = call;
        weft_scope_cancel(&racer->race->scope, 0);
    }
    return call->result;
}

static int start_racer(struct race *race, struct weft_call *call, const char *site)
{
    struct racer racer = {race, call};
    int rc = weft_start_flags(&race->scope, NULL, 0, name_of(call), site, run_racer, &racer,
                              sizeof racer);
    call->result = rc < 0 ? rc : -ECANCELED;
    return rc;
}

/** Waits until the next call is to be started: `delay`, or a failure. Negative: the race is over.
 */
static int wait_for_start(struct race *race, weft_ns delay)
{
    if (delay <= 0)
        return 0;
    int rc = (int)weft_within(delay, weft_semaphore_acquire(&race->failures));
    return rc == -ETIMEDOUT ? 0 : rc;
}

int weft_stagger_at(struct weft_call *calls, size_t count, weft_ns delay, size_t *winner,
                    const char *site)
{
    int rc = weft_wait_begin();
    not_called(calls, count);
    if (rc < 0)
        return rc;
    if (count == 0)
        return -EINVAL;
    struct race race = {.winner = NULL};
    weft_semaphore_init(&race.failures, 0);
    weft_scope_enter_at(&race.scope, WEFT_FOREVER, WEFT_COLLECT, site);
    /* A start that fails is a failure as others are: the next one is not kept waiting by it. */
    for (size_t i = 0; i < count && rc == 0; i++)
        if (start_racer(&race, &calls[i], site) == 0 && i + 1 < count)
            rc = wait_for_start(&race, delay);
    rc = weft_scope_exit(&race.scope, rc == -ECANCELED ? 0 : rc);
    if (!race.winner)
        return rc < 0 ? rc : -ECANCELED;
    *winner = (size_t)(race.winner - calls);
    return 0;
}

int weft_first_of_at(struct weft_call *calls, size_t count, size_t *winner, const char *site)
{
    return weft_stagger_at(calls, count, 0, winner, site);
}

/* --- Waiting for several tasks or futures ----------------------------------------------------- */

/** How to look at the objects of a list: tasks or futures. */
struct kind {
    /** Nonzero when the object at `index` has ended. */
    int (*ended)(const void *list, size_t index);
    /** Its code, once it has ended. */
    int (*code)(const void *list, size_t index);
    /** Who waits for its end. */
    struct weft_waitq *(*waiters)(const void *list, size_t index);
};

/** A wait for several. */
struct several {
    /** The task's wait. */
    struct weft_wait wait;
    /** What they are. */
    const struct kind *kind;
    /** They: an array of pointers. */
    const void *list;
    /** How many. */
    size_t count;
    /** What is waited for. */
    enum weft_until until;
    /** How many have ended. */
    size_t ended;
    /** How many of those have failed. */
    size_t failed;
    /** A listener for each. */
    struct listener *listeners;
};

/** A listener for the end of one of several. */
struct listener {
    /** The wait that is woken. */
    struct weft_wait wait;
    /** Who counts. */
    struct several *several;
};

/* Tasks, and futures. */

static int task_ended(const void *list, size_t index)
{
    struct weft_task *const *tasks = list;
    return weft_task_ended(tasks[index]);
}

static int task_code(const void *list, size_t index)
{
    struct weft_task *const *tasks = list;
    return weft_task_result(tasks[index]);
}

static struct weft_waitq *task_waiters(const void *list, size_t index)
{
    struct weft_task *const *tasks = list;
    return weft_task_enders(tasks[index]);
}

static int future_ended(const void *list, size_t index)
{
    struct weft_future *const *futures = list;
    return weft_future_done(futures[index]);
}

static int future_code(const void *list, size_t index)
{
    struct weft_future *const *futures = list;
    return weft_future_code(futures[index]);
}

static struct weft_waitq *future_waiters(const void *list, size_t index)
{
    struct weft_future *const *futures = list;
    return weft_future_waiters(futures[index]);
}

static const struct kind tasks_kind = {task_ended, task_code, task_waiters};
static const struct kind futures_kind = {future_ended, future_code, future_waiters};

/* Counting. */

static int is_enough(const struct several *several)
{
    if (several->ended == several->count)
        return 1;
    if (several->until == WEFT_FIRST_FAILURE)
        return several->failed > 0;
    return several->until == WEFT_FIRST_COMPLETED && several->ended > 0;
}

static void count_ended(struct several *several, size_t index)
{
    int code = several->kind->code(several->list, index);
    several->ended++;
    if (code < 0 && code != -ECANCELED)
        several->failed++;
}

static void count_all(struct several *several)
{
    several->ended = several->failed = 0;
    for (size_t i = 0; i < several->count; i++)
        if (several->kind->ended(several->list, i))
            count_ended(several, i);
}

static int one_has_ended(struct weft_wait *wait, ssize_t result)
{
    struct listener *listener = weft__container(wait, struct listener, wait);
    struct several *several = listener->several;
    (void)result;
    count_ended(several, (size_t)(listener - several->listeners));
    return is_enough(several) ? weft_wake(&several->wait, 0) : 1;
}

/* Waiting. */

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct several *several = weft__container(wait, const struct several, wait);
    snprintf(buf, size, "for the end of several, %zu of %zu have ended", several->ended,
             several->count);
}

/** Nothing to do: the listeners leave when the task runs, and may count until then. */
static enum weft_abort withdraw(struct weft_wait *wait)
{
    (void)wait;
    return WEFT_ABORT_DONE;
}

/** Parks until enough have ended; at least one has not. */
static int park_among(struct several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        struct listener *listener = &several->listeners[i];
        listener->several = several;
        weft_wait_init_listener(&listener->wait, one_has_ended, NULL);
        if (!several->kind->ended(several->list, i))
            weft__sync_enlist(several->kind->waiters(several->list, i), &listener->wait);
    }
    weft_wait_init(&several->wait, describe, NULL);
    int rc = (int)weft_park(&several->wait, withdraw);
    for (size_t i = 0; i < several->count; i++)
        weft__list_remove(&several->listeners[i].wait.link);
    return rc;
}

static int wait_for_enough(struct several *several)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    count_all(several);
    if (is_enough(several))
        return 0;
    struct weft_loop *loop = weft_loop_current();
    size_t size = several->count * sizeof *several->listeners;
    several->listeners = weft_loop_realloc(loop, NULL, size);
    if (!several->listeners)
        return -ENOMEM;
    rc = park_among(several);
    (void)weft_loop_realloc(loop, several->listeners, 0);
    return rc;
}

static int wait_for_several(const struct kind *kind, const void *list, size_t count,
                            enum weft_until until, weft_ns timeout)
{
    struct several several = {.kind = kind, .list = list, .count = count, .until = until};
    if (count == 0 || count > INT_MAX)
        return -EINVAL;
    int rc = (int)weft_within(timeout, wait_for_enough(&several));
    if (rc < 0 && rc != -ETIMEDOUT)
        return rc;
    count_all(&several);
    return (int)several.ended;
}

int weft_wait_tasks(struct weft_task *const *tasks, size_t count, enum weft_until until,
                    weft_ns timeout)
{
    return wait_for_several(&tasks_kind, tasks, count, until, timeout);
}

int weft_wait_futures(struct weft_future *const *futures, size_t count, enum weft_until until,
                      weft_ns timeout)
{
    return wait_for_several(&futures_kind, futures, count, until, timeout);
}
