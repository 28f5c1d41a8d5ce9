/* SPDX-License-Identifier: MIT */
/*
 * test_run_on.c: functions on other loops
 *
 * Each test states one sentence of weft/thread.h about weft_run_on and weft_spawn_on: between loops
 * on two threads, from a thread without a loop, from a job into its loop, and what becomes of a
 * call that is cancelled or whose loop ends.
 */
#include "thread_test.h"

#include <sys/wait.h>

/** Another loop, on a thread of its own, until it is told to end. */
struct other {
    /** Its thread. */
    pthread_t thread;
    /** The loop. */
    struct weft_loop *loop;
    /** Where its end is told. */
    struct weft_channel *end;
    /** Where it says that it runs. */
    struct gate running;
};

static int stay(void *arg)
{
    struct other *other = arg;
    void *item;
    open_gate(&other->running);
    CHECK_EQ(weft_channel_receive(other->end, &item), 0);
    return 0;
}

/** A loop is made by the thread that runs it: io_uring takes no other. */
static struct weft_loop *new_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    return loop;
}

static void *run_other(void *arg)
{
    struct other *other = arg;
    other->loop = new_loop();
    CHECK_EQ(weft_loop_run_task(other->loop, stay, other), 0);
    CHECK_EQ(weft_loop_free(other->loop), 0);
    return NULL;
}

static void start_other(struct other *other)
{
    struct weft_channel_options one = {.capacity = 1};
    test_needs_another_thread();
    *other = (struct other){.running = GATE_INIT};
    CHECK_OK(weft_channel_new(&one, &other->end));
    CHECK_EQ(pthread_create(&other->thread, NULL, run_other, other), 0);
    wait_at_gate(&other->running);
}

static void end_other(struct other *other)
{
    CHECK_EQ(weft_channel_try_send(other->end, NULL), 0);
    CHECK_EQ(pthread_join(other->thread, NULL), 0);
    weft_channel_unref(other->end);
}

/** What a function saw. */
struct seen {
    /** Its thread. */
    pthread_t thread;
    /** Its loop. */
    struct weft_loop *loop;
    /** What it is to return. */
    int result;
};

static int look(void *arg)
{
    struct seen *seen = arg;
    seen->thread = pthread_self();
    seen->loop = weft_loop_current();
    int rc = weft_sleep(WEFT_MS); /* a task there: it may wait */
    return rc < 0 ? rc : seen->result;
}

THREAD_TEST(a_function_runs_as_a_task_of_the_other_loop)
{
    struct other other;
    struct seen seen = {.result = 5};
    int result = NOT_RETURNED;
    start_other(&other);
    CHECK_EQ(weft_run_on(other.loop, look, &seen, &result), 0);
    CHECK_EQ(result, 5);
    CHECK(pthread_equal(seen.thread, other.thread));
    CHECK(seen.loop == other.loop);
    seen.result = -EIO;
    /* A failure is the caller's, and does not end the other loop's run. */
    CHECK_EQ(weft_run_on(other.loop, look, &seen, &result), 0);
    CHECK_ERR(result, -EIO);
    CHECK_EQ(weft_run_on(other.loop, look, &seen, NULL), 0);
    end_other(&other);
}

THREAD_TEST(a_loop_may_call_itself)
{
    struct seen seen = {.result = 6};
    int result = NOT_RETURNED;
    CHECK_EQ(weft_run_on(weft_loop_current(), look, &seen, &result), 0);
    CHECK_EQ(result, 6);
}

TEST_EACH_ENGINE(a_thread_without_a_loop_is_blocked_until_the_result_is_there)
{
    struct other other;
    struct seen seen = {.result = 8};
    int result = NOT_RETURNED;
    start_other(&other);
    CHECK_EQ(weft_run_on(other.loop, look, &seen, &result), 0);
    CHECK_EQ(result, 8);
    CHECK(seen.loop == other.loop);
    end_other(&other);
}

static atomic_int begun;

static int sleep_long(void *arg)
{
    (void)arg;
    atomic_fetch_add(&begun, 1);
    return weft_sleep(WEFT_HOUR);
}

static int absorb_cancel(void *arg)
{
    CHECK_ERR(sleep_long(arg), -ECANCELED);
    return 9;
}

/** A task that calls another loop. */
struct caller {
    /** The loop. */
    struct weft_loop *loop;
    /** What it calls. */
    int (*fn)(void *arg);
    /** What the call gave. */
    int rc;
    /** And the function. */
    int result;
};

static int call(void *arg)
{
    struct caller *caller = arg;
    caller->result = NOT_RETURNED;
    caller->rc = weft_run_on(caller->loop, caller->fn, NULL, &caller->result);
    return 0;
}

/** Calls, and cancels when the function has begun. */
static void call_and_cancel(struct caller *caller)
{
    struct weft_scope scope;
    int before = begun;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, call, caller));
    WAIT_FOR(begun > before);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

THREAD_TEST(cancellation_is_forwarded)
{
    struct other other;
    start_other(&other);
    struct caller caller = {.loop = other.loop, .fn = sleep_long};
    call_and_cancel(&caller);
    CHECK_ERR(caller.rc, -ECANCELED);
    CHECK_EQ(caller.result, NOT_RETURNED);
    end_other(&other);
}

THREAD_TEST(who_finishes_in_spite_of_the_cancellation_has_finished)
{
    struct other other;
    start_other(&other);
    struct caller caller = {.loop = other.loop, .fn = absorb_cancel};
    call_and_cancel(&caller);
    CHECK_EQ(caller.rc, 0);
    CHECK_EQ(caller.result, 9);
    end_other(&other);
}

THREAD_TEST(a_cancellation_that_is_faster_than_the_call_withdraws_it)
{
    struct caller caller = {.loop = weft_loop_current(), .fn = sleep_long};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, call, &caller));
    CHECK_EQ(weft_yield(), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(caller.rc, -ECANCELED);
    CHECK_EQ(begun, 0);
}

THREAD_TEST(many_calls_at_once_each_get_their_own_result)
{
    enum { COUNT = 50 };
    struct other other;
    struct seen seen[COUNT];
    struct weft_scope scope;
    start_other(&other);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < COUNT; i++) {
        int result = NOT_RETURNED;
        seen[i].result = i;
        CHECK_EQ(weft_run_on(other.loop, look, &seen[i], &result), 0);
        CHECK_EQ(result, i);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    end_other(&other);
}

/* The end of the other loop. */

TEST_EACH_ENGINE(a_loop_that_is_freed_first_refuses_the_call)
{
    struct weft_loop *loop = new_loop(), *home = new_loop();
    struct caller caller = {.fn = sleep_long, .rc = NOT_RETURNED};
    caller.loop = loop;
    CHECK_OK(weft_go_fn(weft_root(home), call, &caller));
    CHECK(weft_loop_step(home, 0) >= 0);
    CHECK_EQ(caller.rc, NOT_RETURNED);
    CHECK_OK(weft_loop_free(loop)); /* it never ran */
    while (caller.rc == NOT_RETURNED)
        CHECK(weft_loop_step(home, WEFT_MS) >= 0);
    CHECK_ERR(caller.rc, -WEFT_ECLOSED);
    CHECK_EQ(begun, 0);
    CHECK_OK(weft_loop_free(home));
}

static void *call_from_thread(void *loop)
{
    CHECK_ERR(weft_run_on(loop, sleep_long, NULL, NULL), -WEFT_ECLOSED);
    return NULL;
}

static void join_thread(void *thread)
{
    CHECK_EQ(pthread_join(*(pthread_t *)thread, NULL), 0);
}

TEST_EACH_ENGINE(values_of_a_loop_may_wait_for_threads_that_call_it)
{
    static const char key;
    test_uses_threads_where_there_are_any();
    struct weft_loop *loop = new_loop();
    pthread_t thread;
    CHECK_OK(weft_loop_set_local(loop, &key, &thread, join_thread));
    CHECK(weft_loop_step(loop, 0) >= 0); /* from now on nothing but a call shortens the wait */
    CHECK(weft_loop_timeout(loop) != 0);
    CHECK_EQ(pthread_create(&thread, NULL, call_from_thread, loop), 0);
    while (weft_loop_timeout(loop) != 0)
        usleep(1000);
    CHECK_OK(weft_loop_free(loop));
}

static int leave_while_called(void *arg)
{
    (void)arg;
    while (begun == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

/** A loop that ends while something runs on it for another one. */
struct short_lived {
    /** Its thread. */
    pthread_t thread;
    /** The loop. */
    struct weft_loop *loop;
    /** Where it says that it is there. */
    struct gate made;
};

static void *run_and_free(void *arg)
{
    struct short_lived *other = arg;
    other->loop = new_loop();
    open_gate(&other->made);
    CHECK_EQ(weft_loop_run_task(other->loop, leave_while_called, NULL), 0);
    CHECK_OK(weft_loop_free(other->loop));
    return NULL;
}

THREAD_TEST(what_runs_on_a_loop_that_ends_is_cancelled_and_answers)
{
    struct short_lived other = {.made = GATE_INIT};
    struct caller caller = {.fn = sleep_long};
    test_needs_another_thread();
    CHECK_EQ(pthread_create(&other.thread, NULL, run_and_free, &other), 0);
    wait_at_gate(&other.made);
    caller.loop = other.loop;
    CHECK_EQ(call(&caller), 0);
    CHECK_EQ(caller.rc, 0);
    CHECK_ERR(caller.result, -ECANCELED); /* it did run, and that is what it returned */
    CHECK_EQ(pthread_join(other.thread, NULL), 0);
}

/* From a job into its loop. */

static int add_one(void *arg)
{
    int *number = arg;
    CHECK(weft_current() != NULL);
    CHECK_EQ(weft_yield(), 0);
    return *number + 1;
}

/** A job that has its loop count, three times. */
static int count_in_loop(void *arg)
{
    int number = *(int *)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_run_on(weft_offload_loop(), add_one, &number, &number), 0);
    CHECK(weft_offload_loop() != NULL);
    return number;
}

THREAD_TEST(a_job_calls_back_into_its_loop_and_gets_the_value)
{
    int start = 4, result = 0;
    CHECK_EQ(weft_offload(count_in_loop, &start, &result), 0);
    CHECK_EQ(result, 7);
}

static int return_three(void *arg)
{
    (void)arg;
    return 3;
}

static int offload_from_task(void *arg)
{
    int result = NOT_RETURNED;
    CHECK(!weft_offload_loop()); /* this is a task, whoever asked for it */
    CHECK_EQ(weft_offload(return_three, arg, &result), 0);
    return result;
}

static int offload_through_loop(void *arg)
{
    int result = NOT_RETURNED;
    CHECK_EQ(weft_run_on(weft_offload_loop(), offload_from_task, arg, &result), 0);
    return result;
}

THREAD_TEST(what_a_job_has_its_loop_do_is_a_task_like_any_other)
{
    int result = NOT_RETURNED;
    CHECK_EQ(weft_offload(offload_through_loop, NULL, &result), 0);
    CHECK_EQ(result, 3);
}

/** What runs at once in a pool with one thread, and at most did. */
static int at_once, most_at_once;

static int pause_in_loop(void *arg)
{
    int zero = 0;
    (void)arg;
    at_once++;
    if (at_once > most_at_once)
        most_at_once = at_once;
    CHECK_EQ(weft_run_on(weft_offload_loop(), add_one, &zero, NULL), 0);
    at_once--;
    return 0;
}

static int offload_pause(void *arg)
{
    struct weft_offload_options options = {.pool = arg};
    return weft_offload_with(&options, pause_in_loop, NULL, NULL);
}

THREAD_TEST(a_job_that_waits_for_its_loop_keeps_its_place_in_the_pool)
{
    struct weft_pool_options options = {.max_threads = 1};
    struct weft_pool *pool = NULL;
    struct weft_scope scope;
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 5; i++)
        CHECK_OK(weft_go_fn(&scope, offload_pause, pool));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(most_at_once, 1);
    CHECK_EQ(stats_of(pool).ended, 5);
    weft_pool_free(pool);
}

/** A job that has its loop sleep for long. */
static int sleep_in_loop(void *arg)
{
    (void)arg;
    int rc = weft_run_on(weft_offload_loop(), sleep_long, NULL, NULL);
    CHECK_ERR(rc, -ECANCELED);
    /* It was told, and nothing is run for it any more. */
    CHECK(weft_offload_cancelled());
    CHECK_ERR(weft_run_on(weft_offload_loop(), sleep_long, NULL, NULL), -ECANCELED);
    return 11;
}

static int offload_sleeper(void *arg)
{
    int result = NOT_RETURNED;
    CHECK_EQ(weft_offload(sleep_in_loop, arg, &result), 0);
    CHECK_EQ(result, 11);
    return 0;
}

THREAD_TEST(the_cancellation_of_a_job_reaches_what_it_has_its_loop_do)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_sleeper, NULL));
    WAIT_FOR(begun == 1);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(begun, 1);
}

/* Spawning. */

static int note_arrival(void *arg)
{
    CHECK(weft_current() != NULL);
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

THREAD_TEST(a_task_is_started_on_another_loop)
{
    struct other other;
    atomic_int arrived = 0;
    start_other(&other);
    CHECK_OK(weft_spawn_on(other.loop, note_arrival, &arrived));
    CHECK_OK(weft_spawn_on(other.loop, note_arrival, &arrived));
    WAIT_FOR(arrived == 2);
    end_other(&other);
}

TEST_EACH_ENGINE(a_task_can_be_started_on_a_loop_that_does_not_run_yet)
{
    struct weft_loop *loop = new_loop();
    atomic_int arrived = 0;
    CHECK_OK(weft_spawn_on(loop, note_arrival, &arrived));
    CHECK_EQ(arrived, 0);
    CHECK_OK(weft_loop_run(loop));
    CHECK_EQ(arrived, 1);
    CHECK_OK(weft_spawn_on(loop, note_arrival, &arrived));
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(arrived, 1);
}

static int fail(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static int spawn_a_failure(void *arg)
{
    (void)arg;
    CHECK_OK(weft_spawn_on(weft_loop_current(), fail, NULL));
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    return 0;
}

TEST_EACH_ENGINE(the_failure_of_a_spawned_task_ends_the_other_run)
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    options.loop.size = sizeof options.loop;
    options.loop.backend = test_engine();
    CHECK_ERR(weft_run_with(&options, spawn_a_failure, NULL), -EPROTO);
}

/* Misuse. */

static void run_on_in_callback(void *arg)
{
    CHECK_ERR(weft_run_on(arg, fail, NULL, NULL), -EPERM);
}

static void callback_misuse(void)
{
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_OK(weft_loop_call_soon(loop, run_on_in_callback, loop, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_OK(weft_loop_free(loop));
}

TEST(a_callback_cannot_wait_for_another_loop)
{
#ifdef WEFT_DEBUG
    test_fork_expect_signal(callback_misuse, SIGABRT, "outside a task");
#else
    callback_misuse();
#endif
}

THREAD_TEST(a_forked_child_can_call_no_loop)
{
    struct weft_loop *loop = weft_loop_current();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(weft_spawn_on(loop, fail, NULL) == -EOWNERDEAD &&
                      weft_run_on(loop, fail, NULL, NULL) == -EOWNERDEAD
                  ? 5
                  : 6);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static int never_run(void *arg)
{
    (void)arg;
    FAIL("it was called without memory for the call");
    return 0;
}

THREAD_TEST(without_memory_nothing_is_called_on_a_loop)
{
    int result = NOT_RETURNED;
    test_out_of_memory(true);
    int called = weft_run_on(weft_loop_current(), never_run, NULL, &result);
    int started = weft_spawn_on(weft_loop_current(), never_run, NULL);
    test_out_of_memory(false);
    CHECK_ERR(called, -ENOMEM);
    CHECK_ERR(started, -ENOMEM);
    CHECK_EQ(result, NOT_RETURNED);
}

static int dump_into(void *arg)
{
    const int *fd = arg;
    weft_dump(weft_loop_current(), *fd);
    return 7;
}

THREAD_TEST(a_dump_says_what_a_task_has_another_loop_do)
{
    char text[4096] = "";
    int ends[2], result = NOT_RETURNED;
    CHECK_EQ(pipe(ends), 0);
    CHECK_OK(weft_run_on(weft_loop_current(), dump_into, &ends[1], &result));
    CHECK_EQ(result, 7);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK_CONTAINS(text, "for dump_into, which runs on another loop");
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
}
