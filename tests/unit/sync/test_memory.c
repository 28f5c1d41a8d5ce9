/* SPDX-License-Identifier: MIT */
/*
 * test_memory.c: each allocation of queues, selects, calls and groups fails in turn
 *
 * Every scenario runs once for each allocation, with that one failing and with all from it on. Out
 * of memory is an ordinary error: it is returned, nothing leaks, nothing is half done.
 */
#include "fault.h"
#include "sync_test.h"

#include <poll.h>
#include <string.h>

/** Runs `program` on a loop over `sys`, on the engine of this test; what went wrong first. */
static int run_over(const struct weft_sys *sys, int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct weft_loop *loop = NULL;
    int rc;

    options.backend = test_engine();
    rc = weft_loop_create(&options, &loop);
    if (rc < 0)
        return rc;
    rc = weft_loop_run_task(loop, program, NULL);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

static int out_of_memory_or_done(int rc, int code)
{
    (void)code;
    return rc == 0 || rc == -ENOMEM;
}

static void fail_each_allocation(const char *name, fault_scenario_fn *run)
{
    struct fault_sweep sweep = {name, run, out_of_memory_or_done};

    test_limit(120);
    CHECK(fault_sweep(&sweep, WEFT_TESTING_MEMORY, ENOMEM) > 0);
}

/* Queues. */

/** Fills an unbounded queue until it has grown three times, and empties it. */
static int fill_and_empty(struct weft_queue *queue)
{
    int rc = 0;
    intptr_t put = 0, next = 0;
    void *got = NULL;

    for (; put < 40 && rc == 0; put += rc == 0)
        rc = weft_queue_put(queue, (void *)put);
    CHECK_EQ(weft_queue_count(queue), (size_t)put);
    while (weft_queue_try_get(queue, &got) == 0)
        CHECK_EQ((intptr_t)got, next++);
    CHECK_EQ(next, put);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    return (intptr_t)a < (intptr_t)b ? -1 : (intptr_t)a > (intptr_t)b;
}

static int use_queues(void *arg)
{
    struct weft_queue_options options = {.capacity = 5};
    struct weft_queue *bounded = NULL, *growing = NULL, *heap = NULL;
    int rc = weft_queue_new(weft_loop_current(), &options, &bounded);

    (void)arg;
    CHECK_EQ(bounded != NULL, rc == 0);
    options.capacity = WEFT_QUEUE_UNBOUNDED;
    if (rc == 0)
        rc = weft_queue_new(weft_loop_current(), &options, &growing);
    options.kind = WEFT_QUEUE_PRIORITY;
    options.compare = by_number;
    if (rc == 0)
        rc = weft_queue_new(weft_loop_current(), &options, &heap);
    for (int i = 0; rc == 0 && i < 5; i++)
        CHECK_EQ(weft_queue_put(bounded, NULL), 0);
    if (rc == 0)
        rc = fill_and_empty(growing);
    if (rc == 0)
        rc = fill_and_empty(heap);
    weft_queue_free(bounded);
    weft_queue_free(growing);
    weft_queue_free(heap);
    return rc;
}

static int queues_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_queues);
}

TEST_EACH_ENGINE(queues_survive_each_failing_allocation)
{
    fail_each_allocation("sync-queues", queues_scenario);
}

/* Calls. */

/** So many that the records of tasks need memory of their own. */
enum { CALLS = 100 };

/** How many calls have succeeded. */
static int succeeded;

static int sleep_and_succeed(void *arg)
{
    int rc = weft_sleep(WEFT_MS);

    (void)arg;
    succeeded += rc == 0;
    return rc;
}

static void prepare(struct weft_call *calls, size_t count)
{
    memset(calls, 0, count * sizeof *calls);
    for (size_t i = 0; i < count; i++)
        calls[i].fn = sleep_and_succeed;
}

static int use_gather(void *arg)
{
    struct weft_call calls[CALLS];

    (void)arg;
    prepare(calls, CALLS);
    succeeded = 0;
    int rc = weft_gather(calls, CALLS), results = 0;
    for (int i = 0; i < CALLS; i++)
        results += calls[i].result == 0;
    CHECK_EQ(results, succeeded);
    CHECK_EQ(rc == 0, succeeded == CALLS);
    return rc;
}

static int gather_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_gather);
}

TEST_EACH_ENGINE(a_gather_survives_each_failing_allocation)
{
    fail_each_allocation("sync-gather", gather_scenario);
}

static int use_first_of(void *arg)
{
    struct weft_call calls[CALLS];
    size_t winner = 99;

    (void)arg;
    prepare(calls, CALLS);
    int rc = weft_first_of(calls, CALLS, &winner);
    CHECK_EQ(rc == 0, winner < CALLS && calls[winner].result == 0);
    return rc;
}

static int first_of_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_first_of);
}

TEST_EACH_ENGINE(a_first_of_survives_each_failing_allocation)
{
    fail_each_allocation("sync-first-of", first_of_scenario);
}

static int use_stagger(void *arg)
{
    struct weft_call calls[CALLS];
    size_t winner = 99;

    (void)arg;
    prepare(calls, CALLS);
    int rc = weft_stagger(calls, CALLS, WEFT_NS, &winner);
    CHECK_EQ(rc == 0, winner < CALLS && calls[winner].result == 0);
    return rc;
}

static int stagger_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_stagger);
}

TEST_EACH_ENGINE(a_stagger_survives_each_failing_allocation)
{
    fail_each_allocation("sync-stagger", stagger_scenario);
}

static int use_group(void *arg)
{
    struct weft_call calls[CALLS], *call = NULL;
    struct weft_group group;
    struct weft_scope scope;
    int taken = 0, started = 0, next = 0;

    (void)arg;
    prepare(calls, CALLS);
    /* A call that cannot start is a failing child, which is not to cancel the others here. */
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    int rc = weft_as_completed(&group, &scope, calls, CALLS);
    for (int i = 0; i < CALLS; i++)
        started += calls[i].task != NULL;
    while (next == 0) {
        next = weft_group_next(&group, &call);
        taken += next == 0;
    }
    CHECK(next == -ECANCELED || taken == started);
    CHECK(next == -ECANCELED || next == -WEFT_EDONE);
    return weft_scope_exit(&scope, rc);
}

static int group_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_group);
}

TEST_EACH_ENGINE(a_group_survives_each_failing_allocation)
{
    fail_each_allocation("sync-group", group_scenario);
}

/* Select, and waiting for several. */

/** A select over a queue, an instant and a descriptor, which ends by the instant. */
static int use_select(void *arg)
{
    struct weft_queue_options options = {.capacity = 0};
    struct weft_queue *queue = NULL;
    void *got = NULL;
    int fds[2], rc;

    (void)arg;
    rc = weft_pipe(fds);
    if (rc < 0)
        return rc;
    rc = weft_queue_new(weft_loop_current(), &options, &queue);
    if (rc == 0) {
        struct weft_case cases[] = {weft_case_get(queue, &got), weft_case_ready(fds[0], POLLIN),
                                    weft_case_at(weft_after(WEFT_MS))};
        rc = weft_select(cases, 3);
        CHECK(rc == 1 || rc == 2 || rc < 0);
        if (rc == 1)
            rc = cases[1].result;
        else if (rc == 2)
            rc = 0;
        CHECK_ERR(weft_queue_try_put(queue, NULL), -EAGAIN);
    }
    weft_queue_free(queue);
    (void)!weft_close(fds[0]);
    (void)!weft_close(fds[1]);
    return rc;
}

static int select_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_select);
}

TEST_EACH_ENGINE(a_select_survives_each_failing_allocation)
{
    fail_each_allocation("sync-select", select_scenario);
}

static int use_wait_tasks(void *arg)
{
    struct weft_task *tasks[3] = {NULL};
    struct weft_scope scope;
    int rc = 0;

    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weft_spawn_fn(&scope, &tasks[i], sleep_and_succeed, NULL);
    if (rc == 0)
        rc = weft_wait_tasks(tasks, 3, WEFT_ALL_COMPLETED, WEFT_SEC);
    return weft_scope_exit(&scope, rc > 0 ? 0 : rc);
}

static int wait_tasks_scenario(const struct weft_sys *sys)
{
    return run_over(sys, use_wait_tasks);
}

TEST_EACH_ENGINE(a_wait_for_tasks_survives_each_failing_allocation)
{
    fail_each_allocation("sync-wait-tasks", wait_tasks_scenario);
}
