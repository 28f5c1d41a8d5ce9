/* SPDX-License-Identifier: MIT */
/*
 * test_bad_luck.c: what must never hang, leak or corrupt
 *
 * Where each kind of bad luck is tested:
 *
 *     out of memory                    tests/fault/test_allocations.c, sync/test_memory.c; here:
 *                                      weft_within and scopes inside scopes that have none
 *     no more descriptors              net/test_socket.c; here: making a loop
 *     a stack that overflows           run/test_run.c
 *     too many stacks                  here: the limit of mappings, by name
 *     a scope left open, or exited by  task/test_misuse.c; here: exited out of order
 *     another task
 *     a generator left open            coro/test_generator_task.c
 *     joining oneself, joining a       task/test_task.c; here: a task that was cancelled and joined
 *     cancelled task                   in the same turn, or whose scope ends
 *     closing what others wait on,     net/test_close.c
 *     a number used again
 *     negative and overflowing times   here
 *     a task that ignores all refusals task/test_task.c; here: several of them
 *     a million children at once       here
 *     a callback that stops the loop   here; without tasks: loop/test_loop.c
 *     a wait inside a callback, fork   task/test_misuse.c
 *     foreign control words            here
 */
#include "task_test.h"

#include "fault.h"
#include "loop/poller_backend.h"
#include "rounding.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_FOREVER);
}
WEFT_TASK(wait_for_ever);

static int nothing(void)
{
    return 0;
}
WEFT_TASK(nothing);

/* Out of memory. */

/** The table of a test that runs out of memory. */
static struct weft_testing_faults fault;

static void no_memory(void)
{
    weft_testing_faults_fail(&fault, WEFT_TESTING_MEMORY, 1, WEFT_TESTING_FROM, ENOMEM);
}

static void memory_again(void)
{
    weft_testing_faults_fail(&fault, WEFT_TESTING_MEMORY, 0, WEFT_TESTING_FROM, ENOMEM);
}

/** Runs `program` on a loop whose memory it can turn off. */
static void run_over_fault(int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .sys = &fault.sys};
    const struct weft_sys *inner = &weft_sys_default;
    struct weft_loop *loop;
    options.backend = test_engine();
    if (test_engine_is("sim"))
        CHECK_OK(weft__sim_new(0, &inner));
    weft_testing_faults_init(&fault, inner);
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
    if (test_engine_is("sim"))
        weft__sim_free(inner);
}

/** Scopes until one has no memory; how many had. The last is open, too. */
static int enter_until_refused(struct weft_scope *scopes, int count)
{
    int entered = 0;
    while (!weft_cancelled()) {
        CHECK(entered < count);
        weft_scope_enter(&scopes[entered++], WEFT_FOREVER);
    }
    return entered - 1;
}

enum { SCOPES = 1000 };

static int run_out_in_scopes(void *arg)
{
    static struct weft_scope scopes[SCOPES];
    struct weft_scope inner;
    (void)arg;
    no_memory();
    int entered = enter_until_refused(scopes, SCOPES);
    CHECK_ERR(weft_sleep(WEFT_MS), -ECANCELED);
    CHECK(weft_scope_cancelled(&scopes[entered]));
    CHECK_ERR(weft_go(&scopes[entered], nothing), -ENOMEM);
    /* Those inside it have none either, and leave it as it is. */
    weft_scope_enter(&inner, WEFT_MS);
    CHECK_ERR(weft_within(WEFT_SEC, weft_sleep(WEFT_MS)), -ENOMEM);
    CHECK_ERR(weft_scope_exit(&inner, 0), -ENOMEM);
    CHECK_ERR(weft_sleep(WEFT_MS), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scopes[entered], 0), -ENOMEM);
    CHECK_EQ(weft_cancelled(), 0);
    memory_again();
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    while (entered-- > 0)
        CHECK_EQ(weft_scope_exit(&scopes[entered], 0), 0);
    return 0;
}

TEST_EACH_ENGINE(a_scope_without_memory_takes_nothing_from_those_around_it)
{
    run_over_fault(run_out_in_scopes);
}

static int run_out_within(void *arg)
{
    static struct weft_scope scopes[SCOPES];
    (void)arg;
    no_memory();
    int entered = enter_until_refused(scopes, SCOPES);
    CHECK_ERR(weft_scope_exit(&scopes[entered], 0), -ENOMEM);
    CHECK_ERR(weft_within(WEFT_SEC, weft_sleep(WEFT_MS)), -ENOMEM);
    CHECK_EQ(weft_within(WEFT_SEC, 7), 7);
    CHECK_ERR(weft_within(WEFT_SEC, weft_within(WEFT_SEC, weft_yield())), -ENOMEM);
    CHECK_EQ(weft_yield(), 0);
    memory_again();
    CHECK_ERR(weft_within(WEFT_MS, weft_sleep(WEFT_SEC)), -ETIMEDOUT);
    while (entered-- > 0)
        CHECK_EQ(weft_scope_exit(&scopes[entered], 0), 0);
    return 0;
}

TEST_EACH_ENGINE(within_without_memory_gives_enomem_in_place_of_a_wait)
{
    run_over_fault(run_out_within);
}

static int run_out_in_spawn(void *arg)
{
    struct weft_scope s;
    struct weft_task *const untouched = (void *)&s;
    struct weft_task *task;
    int rc = 0, started = 0;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    no_memory();
    while (rc == 0) {
        task = untouched;
        rc = weft_spawn(&s, &task, wait_for_ever);
        started += rc == 0;
    }
    memory_again();
    CHECK_ERR(rc, -ENOMEM);
    CHECK(task == untouched);
    CHECK_EQ(weft_scope_children(&s), (size_t)started);
    /* It counts as a failing child: the others are cancelled, and the exit says why. */
    CHECK_ERR(weft_yield(), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ENOMEM);
    return 0;
}

TEST_EACH_ENGINE(a_spawn_without_memory_fails_the_scope)
{
    run_over_fault(run_out_in_spawn);
}

/* Limits of the process. */

TEST_EACH_ENGINE(a_loop_without_descriptors_is_not_made)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    struct rlimit before, none;
    int next = dup(0);
    if (test_engine_is("sim"))
        SKIP("a simulated world needs no descriptor");
#ifdef WEFT_VALGRIND
    if (test_engine_is("io_uring"))
        SKIP("Valgrind keeps descriptors of its own below the limit");
#endif
    CHECK(next >= 0);
    close(next);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_ERR(weft_loop_create(&options, &loop), -EMFILE);
    CHECK(loop == NULL);
    none.rlim_cur++;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = weft_loop_create(&options, &loop);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (rc < 0)
        CHECK_ERR(rc, -EMFILE);
    else
        CHECK_OK(weft_loop_free(loop));
}

/** How many mappings a process may have; 0 when there is no telling. */
static long limit_of_mappings(void)
{
    long limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (file && fscanf(file, "%ld", &limit) != 1)
        limit = 0;
    if (file)
        fclose(file);
    return limit;
}

static int crowd_to_the_limit(void *arg)
{
    struct weft_scope s;
    int rc = 0;
    long started = 0;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    while (rc == 0 && started < 200000) {
        rc = weft_go(&s, wait_for_ever);
        started += rc == 0;
    }
    CHECK_ERR(rc, -ENOMEM);
    CHECK_CONTAINS(weft_note(), "vm.max_map_count");
    CHECK(started > 1000);
    CHECK_ERR(weft_scope_exit(&s, 0), -ENOMEM);
    CHECK_CONTAINS(weft_scope_failure(&s)->text, "vm.max_map_count");
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, nothing), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    return 0;
}

TEST_EACH_ENGINE(too_many_stacks_are_an_error_that_names_the_limit)
{
    long limit = limit_of_mappings();
    if (limit == 0 || limit > 200000)
        SKIP("the limit of mappings is not the usual one");
    if (test_slowness() > 1)
        SKIP("a sanitizer has mappings of its own");
    CHECK_EQ(setenv("WEFT_GUARD", "mprotect", 1), 0);
    CHECK_EQ(run_program(crowd_to_the_limit), 0);
}

/* Crowds. */

static int count_up(int *count)
{
    ++*count;
    return 0;
}
WEFT_TASK(count_up, int *);

CROWD_TEST(a_million_children_may_live_in_one_scope_at_once)
{
    struct weft_scope s;
    int count = 0, total = 1000000 / (int)(test_slowness() * test_slowness());
    test_limit(120);
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < total; i++)
        if (weft_go(&s, count_up, &count) < 0)
            FAIL("child %d: %s", i, weft_note());
    CHECK_EQ(weft_scope_children(&s), (size_t)total);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(count, total);
}

static int park_small(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER);
}

TASK_TEST(a_crowd_of_parked_children_is_cancelled_as_one)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .flags = WEFT_SMALL_STACK};
    int total = 20000 / (int)(test_slowness() * test_slowness());
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < total; i++)
        CHECK_EQ(weft_spawn_with(&s, NULL, &options, park_small, NULL), 0);
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_scope_children(&s), (size_t)total);
    weft_scope_cancel(&s, -EIO);
    CHECK_ERR(weft_scope_exit(&s, 0), -EIO);
}

/* Scopes in the wrong order. */

static int exit_outer_first(void *arg)
{
    struct weft_scope outer, inner;
    (void)arg;
    weft_scope_enter(&outer, WEFT_FOREVER);
    weft_scope_enter(&inner, WEFT_FOREVER);
    weft_go(&inner, wait_for_ever);
    /* Drains the inner one as well: its children end before the outer scope does. */
    CHECK_EQ(weft_scope_exit(&outer, 0), 0);
    CHECK_ERR(weft_scope_exit(&inner, 0), -EINVAL);
    CHECK_EQ(weft_yield(), 0);
    return 0;
}

static void exit_out_of_order(void)
{
    CHECK_EQ(run_program(exit_outer_first), 0);
}

TEST_EACH_ENGINE(an_outer_scope_exited_first_drains_the_inner_one)
{
#if WEFT_DEBUG
    test_fork_expect_signal(exit_out_of_order, SIGABRT, "was never exited");
#else
    exit_out_of_order();
#endif
}

/** A scope that its owner leaves as soon as it runs again. */
struct short_scope {
    /** The scope. */
    struct weft_scope scope;
    /** It has been left. */
    bool left;
};

static int leave_soon(struct short_scope *s)
{
    weft_scope_enter(&s->scope, WEFT_FOREVER);
    int rc = weft_yield();
    s->left = true;
    return weft_scope_exit(&s->scope, rc);
}
WEFT_TASK(leave_soon, struct short_scope *);

/** Starts a child at once into a scope of another task, as the call after so many others. */
static int start_after(int calls)
{
    struct weft_scope s;
    struct short_scope other = {.left = false};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, leave_soon, &other), 0);
    CHECK_EQ(weft_yield(), 0);
    for (int i = 0; i < calls; i++)
        CHECK_EQ(weft_wait_begin(), 0);
    CHECK(!other.left);
    int rc = weft_go_now(&other.scope, nothing);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    return rc;
}

/** One of these calls is the one before which others get their turn. */
static int start_after_more_and_more(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int calls = 0; rc == 0; calls++)
        rc = start_after(calls);
    CHECK_ERR(rc, -EINVAL);
    return 0;
}

static void start_into_the_past(void)
{
    CHECK_EQ(run_program(start_after_more_and_more), 0);
}

TEST_EACH_ENGINE(a_start_before_which_others_end_the_scope_is_refused)
{
#if WEFT_DEBUG
    test_fork_expect_signal(start_into_the_past, SIGABRT, "into a scope that is not open");
#else
    start_into_the_past();
#endif
}

/* Times. */

TASK_TEST(negative_times_are_now)
{
    struct weft_scope s;
    static const weft_ns negative[] = {-1, -WEFT_HOUR, INT64_MIN, INT64_MIN + 1};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(weft_sleep(negative[i]), 0);
        CHECK_EQ(weft_sleep_until((struct weft_time){negative[i]}), 0);
        CHECK_ERR(weft_within(negative[i], weft_yield()), -ETIMEDOUT);
        weft_ns before = weft_clock();
        weft_ns after = weft_after(negative[i]).ns;
        CHECK(after >= before && after <= weft_clock());
        weft_scope_enter(&s, negative[i]);
        CHECK_ERR(weft_yield(), -ECANCELED);
        CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
        weft_shield_enter(&s, negative[i]);
        CHECK_ERR(weft_yield(), -ECANCELED);
        CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_EQ(weft_scope_set_deadline(&s, (struct weft_time){negative[i]}), 0);
        CHECK_ERR(weft_yield(), -ECANCELED);
        CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
    }
}

TASK_TEST(times_beyond_the_clock_are_never)
{
    struct weft_scope s;
    static const weft_ns beyond[] = {WEFT_FOREVER, WEFT_FOREVER - 1, WEFT_FOREVER - WEFT_SEC};
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_within(beyond[i], weft_yield()), 0);
        CHECK(weft_after(beyond[i]).ns >= beyond[i]);
        CHECK_ERR(weft_within(WEFT_MS, weft_sleep(beyond[i])), -ETIMEDOUT);
        CHECK_ERR(weft_within(WEFT_MS, weft_sleep_until((struct weft_time){beyond[i]})),
                  -ETIMEDOUT);
        weft_scope_enter(&s, beyond[i]);
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        weft_scope_enter(&s, WEFT_MS);
        CHECK_EQ(weft_scope_set_deadline(&s, (struct weft_time){beyond[i]}), 0);
        CHECK_EQ(weft_sleep(2 * WEFT_MS), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
    CHECK_EQ(weft_after(WEFT_FOREVER).ns, WEFT_FOREVER);
}

static void note_call(void *letter)
{
    note(*(char *)letter);
}

TASK_TEST(callbacks_of_the_past_run_and_those_beyond_the_clock_never_do)
{
    static char past[] = "p", never[] = "n";
    struct weft_loop *loop = weft_loop_current();
    CHECK_OK(weft_loop_call_later(loop, INT64_MIN, note_call, past, NULL));
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){INT64_MIN}, note_call, past, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_FOREVER, note_call, never, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_FOREVER - 1, note_call, never, NULL));
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_STR(trail, "pp");
}

/* Those who do not listen. */

/** Goes on being refused until somebody else has come to his end. */
static int ignore_refusals(const int *ticks)
{
    int refused = 0;
    while (*ticks < 10) {
        CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
        CHECK(refused++ < 10000000);
    }
    return 0;
}
WEFT_TASK(ignore_refusals, __typeof__(const int *));

static int tick(int *ticks)
{
    struct weft_scope shield;
    weft_shield_enter(&shield, WEFT_MIN);
    for (int i = 0; i < 10; i++, ++*ticks)
        CHECK_EQ(weft_yield(), 0);
    return weft_scope_exit(&shield, 0);
}
WEFT_TASK(tick, int *);

TASK_TEST(tasks_that_ignore_every_refusal_hold_up_nobody_else)
{
    struct weft_scope s;
    int ticks = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        weft_go(&s, ignore_refusals, &ticks);
    weft_go(&s, tick, &ticks);
    weft_scope_cancel(&s, -EIO);
    CHECK_ERR(weft_scope_exit(&s, 0), -EIO);
    CHECK_EQ(ticks, 10);
}

/* Joining. */

static int join_and_note(struct weft_task *task)
{
    int result = 1;
    int rc = weft_join(task, &result);
    note(rc == 0 && result == -ECANCELED ? 'j' : '?');
    return 0;
}
WEFT_TASK(join_and_note, struct weft_task *);

TASK_TEST(a_task_cancelled_in_the_turn_of_its_join_is_joined)
{
    struct weft_scope s;
    struct weft_task *task;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, wait_for_ever), 0);
    weft_go(&s, join_and_note, task);
    settle();
    weft_task_cancel(task);
    weft_task_cancel(task);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "j");
}

TASK_TEST(a_task_and_its_joiner_are_cancelled_together)
{
    struct weft_scope s, children;
    struct weft_task *task;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_enter(&children, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&children, &task, wait_for_ever), 0);
    weft_go(&s, join_and_note, task);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_scope_exit(&children, 0), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "?");
}

static int return_later(int code)
{
    int rc = weft_sleep(WEFT_MS);
    return rc < 0 ? rc : code;
}
WEFT_TASK(return_later, int);

TASK_TEST(a_result_can_be_seen_without_joining)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, return_later, 42), 0);
    CHECK_ERR(weft_task_result(task), -EAGAIN);
    while (!weft_task_ended(task))
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_task_result(task), 42);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int fail_or_get_ready(int code)
{
    if (code == 0)
        weft_ready();
    return code;
}
WEFT_TASK(fail_or_get_ready, int);

TASK_TEST(a_start_that_fails_before_it_is_ready_leaves_the_handle_untouched)
{
    struct weft_scope s;
    struct weft_task *const untouched = (void *)&s;
    struct weft_task *task = untouched;
    weft_scope_enter_policy(&s, WEFT_FOREVER, WEFT_COLLECT);
    CHECK_ERR(weft_spawn_ready(&s, &task, fail_or_get_ready, -EADDRINUSE), -EADDRINUSE);
    CHECK(task == untouched);
    CHECK_ERR(weft_within(0, weft_spawn_ready(&s, &task, return_later, 0)), -ETIMEDOUT);
    CHECK_ERR(weft_within(WEFT_US, weft_spawn_ready(&s, &task, return_later, 0)), -ETIMEDOUT);
    CHECK(task == untouched);
    CHECK_EQ(weft_spawn_ready(&s, &task, fail_or_get_ready, 0), 0);
    CHECK_EQ(weft_join(task, NULL), 0);
    CHECK_ERR(weft_scope_exit(&s, 0), -EADDRINUSE);
}

/* Stopping. */

static void stop_loop(void *loop)
{
    weft_loop_stop(loop);
}

static int be_stopped(void *arg)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_loop_stats before, after;
    (void)arg;
    CHECK_OK(weft_loop_call_soon(loop, stop_loop, loop, NULL));
    CHECK_EQ(weft_yield(), 0);
    weft_loop_get_stats(loop, &before);
    CHECK_EQ(weft_sleep(20 * WEFT_MS), 0);
    weft_loop_get_stats(loop, &after);
    /* It slept, and did not turn and turn. */
    CHECK(after.turns - before.turns < 100);
    return 7;
}

TEST_EACH_ENGINE(a_stop_does_not_end_the_run_of_a_program)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, be_stopped, NULL), 7);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(weft_run(be_stopped, NULL), 7);
}

static int stop_and_clean_up(void *cleaned)
{
    struct weft_scope shield;
    int rc = weft_sleep(WEFT_HOUR);
    weft_loop_stop(weft_loop_current());
    weft_shield_enter(&shield, WEFT_MIN);
    *(int *)cleaned = weft_sleep(5 * WEFT_MS) == 0;
    return weft_scope_exit(&shield, rc);
}

static int leave_cleaner(void *cleaned)
{
    CHECK_EQ(weft_go_fn(weft_root(NULL), stop_and_clean_up, cleaned), 0);
    return weft_sleep(WEFT_MS);
}

TEST_EACH_ENGINE(a_stop_does_not_keep_those_who_clean_up_from_it)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    int cleaned = 0;
    CHECK_EQ(weft_run(leave_cleaner, &cleaned), 0);
    CHECK_EQ(cleaned, 1);
    cleaned = 0;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, leave_cleaner, &cleaned), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(cleaned, 1);
}

static void stop_with_tasks(void *loop)
{
    CHECK_EQ(weft_scope_children(weft_root(loop)), 1);
    weft_loop_stop(loop);
}

TEST_EACH_ENGINE(a_loop_stopped_by_a_callback_keeps_its_tasks_for_the_next_run)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_go(weft_root(loop), wait_for_ever));
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, stop_with_tasks, loop, NULL));
    CHECK_OK(weft_loop_run_forever(loop));
    CHECK_EQ(weft_scope_children(weft_root(loop)), 1);
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, stop_with_tasks, loop, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_OK(weft_loop_free(loop));
}

/* Control words. */

static void set_rounding(enum rounding mode)
{
    rounding_force(mode);
    CHECK_EQ(rounding(), mode);
}

static int round_upwards(void *arg)
{
    (void)arg;
    CHECK_EQ(rounding(), NEAREST);
    set_rounding(UPWARD);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_yield(), 0);
        CHECK_EQ(rounding(), UPWARD);
    }
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(rounding(), UPWARD);
    return 0;
}

static int see_nearest(void)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(rounding(), NEAREST);
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}
WEFT_TASK(see_nearest);

static void see_nearest_in_callback(void *arg)
{
    CHECK_EQ(rounding(), NEAREST);
    *(int *)arg = 1;
}

TASK_TEST(a_task_with_full_state_keeps_its_rounding_to_itself)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .flags = WEFT_FULL_STATE};
    int called = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, see_nearest);
    CHECK_EQ(weft_spawn_with(&s, NULL, &options, round_upwards, NULL), 0);
    CHECK_EQ(weft_spawn_with(&s, NULL, &options, round_upwards, NULL), 0);
    weft_go(&s, see_nearest);
    settle();
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), see_nearest_in_callback, &called, NULL));
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(called, 1);
    CHECK_EQ(rounding(), NEAREST);
}

static int round_and_start(void *arg)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .flags = WEFT_FULL_STATE};
    (void)arg;
    set_rounding(DOWNWARD);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_now(&s, see_nearest), 0);
    CHECK_EQ(rounding(), DOWNWARD);
    options.flags |= WEFT_START_NOW;
    CHECK_EQ(weft_spawn_with(&s, NULL, &options, round_upwards, NULL), 0);
    CHECK_EQ(rounding(), DOWNWARD);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(rounding(), DOWNWARD);
    return 0;
}

TASK_TEST(children_that_a_full_state_task_starts_at_once_do_not_see_its_rounding)
{
    struct weft_scope s;
    struct weft_task_options options = {.size = sizeof options, .flags = WEFT_FULL_STATE};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_with(&s, NULL, &options, round_and_start, NULL), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(rounding(), NEAREST);
}
