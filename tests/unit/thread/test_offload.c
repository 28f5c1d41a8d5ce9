/* SPDX-License-Identifier: MIT */
/*
 * test_offload.c: jobs on threads
 *
 * Each test states one sentence of weft/offload.h about a job: what its waiter gets, what becomes
 * of it when the waiter is cancelled while it is queued, runs, or has ended, and what it may do.
 * Those of the pool's own limits are in test_pool.c.
 */
#include "thread_test.h"

#include <signal.h>
#include <sys/wait.h>

/** What a job saw. */
struct seen {
    /** Its thread. */
    pthread_t thread;
    /** What it is to return. */
    int result;
};

static int look(void *arg)
{
    struct seen *seen = arg;
    seen->thread = pthread_self();
    return seen->result;
}

THREAD_TEST(the_result_of_the_job_is_delivered)
{
    struct seen seen = {.result = 42};
    int result = NOT_RETURNED;
    CHECK_EQ(weft_offload(look, &seen, &result), 0);
    CHECK_EQ(result, 42);
    seen.result = -EIO;
    CHECK_EQ(weft_offload(look, &seen, &result), 0);
    CHECK_ERR(result, -EIO);
    CHECK_EQ(weft_offload(look, &seen, NULL), 0);
}

THREAD_TEST(a_job_runs_on_another_thread)
{
    struct seen seen = {.result = 0};
    test_needs_another_thread();
    CHECK_EQ(weft_offload(look, &seen, NULL), 0);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
}

static int tick(void *arg)
{
    int *count = arg;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        ++*count;
    }
    return 0;
}

/** A job that waits at a gate, in a task of its own; notes what the call gave. */
struct visit {
    /** The gate. */
    struct gate *gate;
    /** How to offload. */
    struct weft_offload_options options;
    /** The call's return. */
    int rc;
    /** The job's. */
    int result;
    /** What the task's next wait gave. */
    int next;
};

static int visit(void *arg)
{
    struct visit *v = arg;
    v->result = NOT_RETURNED;
    v->rc = weft_offload_with(&v->options, wait_at_gate, v->gate, &v->result);
    v->next = weft_yield();
    return 0;
}

THREAD_TEST(other_tasks_run_while_a_job_does)
{
    struct gate gate = GATE_INIT;
    struct visit v = {.gate = &gate};
    struct weft_scope scope;
    int count = 0;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, visit, &v));
    CHECK_EQ(tick(&count), 0);
    CHECK_EQ(v.result, NOT_RETURNED);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(count, 5);
    CHECK_EQ(v.rc, 0);
    CHECK_EQ(v.result, 7);
    CHECK_EQ(v.next, 0);
}

static atomic_int ran;

static int count_run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

THREAD_TEST(a_cancelled_task_starts_no_job)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_offload(count_run, NULL, NULL), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(ran, 0);
    CHECK_EQ(stats_of(default_pool()).ended, 0);
}

/** A pool with one thread. */
static struct weft_pool *narrow_pool(const char *name)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.name = name, .max_threads = 1};
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    return pool;
}

/** A task whose job is to be withdrawn. */
struct withdrawn {
    /** The pool. */
    struct weft_pool *pool;
    /** The call's return. */
    int rc;
};

static int offload_count(void *arg)
{
    struct withdrawn *w = arg;
    struct weft_offload_options options = {.pool = w->pool};
    w->rc = weft_offload_with(&options, count_run, NULL, NULL);
    return 0;
}

THREAD_TEST(a_queued_job_is_withdrawn_on_cancellation)
{
    struct gate gate = GATE_INIT;
    struct weft_pool *pool = narrow_pool("narrow");
    struct visit v = {.gate = &gate, .options = {.pool = pool}};
    struct withdrawn w = {.pool = pool, .rc = NOT_RETURNED};
    struct weft_scope scope, inner;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, visit, &v));
    WAIT_UNTIL_COME(&gate, 1);
    weft_scope_enter(&inner, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&inner, offload_count, &w));
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(stats_of(pool).queued, 1);
    weft_scope_cancel(&inner, 0);
    CHECK_EQ(weft_scope_exit(&inner, 0), 0); /* although the gate is shut */
    CHECK_ERR(w.rc, -ECANCELED);
    CHECK_EQ(stats_of(pool).queued, 0);
    CHECK_EQ(stats_of(pool).withdrawn, 1);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(ran, 0);
    weft_pool_free(pool);
}

THREAD_TEST(a_job_without_a_thread_is_withdrawn_before_its_turn)
{
    struct withdrawn w = {.rc = NOT_RETURNED};
    struct weft_scope scope;
    if (!test_engine_is("sim"))
        SKIP("there are threads");
    w.pool = narrow_pool("narrow");
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_count, &w));
    CHECK_OK(weft_go_fn(&scope, offload_count, &w));
    while (stats_of(w.pool).queued < 2)
        CHECK_EQ(weft_yield(), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(w.rc, -ECANCELED);
    CHECK_EQ(stats_of(w.pool).withdrawn, 2);
    CHECK_EQ(stats_of(w.pool).threads, 0);
    CHECK_EQ(ran, 0);
    weft_pool_free(w.pool);
}

/** A job that runs until it is told to stop, which may be at once. */
static int run_until_told(void *arg)
{
    struct gate *gate = arg;
    atomic_fetch_add(&gate->come, 1);
    while (!weft_offload_cancelled())
        usleep(100);
    return 3;
}

/** The same, where nobody tells it before it has come. */
static int come_and_run_until_told(void *arg)
{
    CHECK(!weft_offload_cancelled());
    return run_until_told(arg);
}

static int offload_until_told(void *arg)
{
    struct visit *v = arg;
    v->rc = weft_offload_with(&v->options, come_and_run_until_told, v->gate, &v->result);
    v->next = weft_yield();
    return 0;
}

THREAD_TEST(a_running_job_sees_the_cancellation_and_is_waited_for)
{
    struct gate gate = GATE_INIT;
    struct visit v = {.gate = &gate};
    struct weft_scope scope;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_until_told, &v));
    WAIT_UNTIL_COME(&gate, 1);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(v.rc, 0); /* it did happen */
    CHECK_EQ(v.result, 3);
    CHECK_ERR(v.next, -ECANCELED);
}

THREAD_TEST(a_deadline_does_not_cut_a_running_job_short)
{
    struct gate gate = GATE_INIT;
    int result = NOT_RETURNED, rc = -ETIMEDOUT;
    test_needs_another_thread();
    /* A slow machine may need more than one attempt until the job begins in time. */
    for (weft_ns limit = 10 * WEFT_MS; rc == -ETIMEDOUT; limit *= 2) {
        CHECK_EQ(gate.come, 0);
        rc = (int)weft_within(limit, weft_offload(run_until_told, &gate, &result));
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(result, 3);
}

THREAD_TEST(outside_a_job_nothing_is_cancelled_and_there_is_no_loop)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_offload_cancelled(), 0);
    CHECK(weft_offload_loop() == NULL);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static int see_loop(void *arg)
{
    *(struct weft_loop **)arg = weft_offload_loop();
    return 0;
}

THREAD_TEST(a_job_knows_its_loop_unless_it_may_outlive_it)
{
    struct weft_loop *loop = NULL;
    struct weft_offload_options options = {.flags = WEFT_ABANDON};
    CHECK_EQ(weft_offload(see_loop, &loop, NULL), 0);
    CHECK(loop == weft_loop_current());
    CHECK_EQ(weft_offload_with(&options, see_loop, &loop, NULL), 0);
    CHECK(loop == NULL);
}

/* Abandoned jobs. */

/** What a job with WEFT_ABANDON owns. */
struct owned {
    /** Where it waits. */
    struct gate *gate;
    /** How often it was dropped. */
    atomic_int *drops;
};

static int wait_with_owned(void *arg)
{
    struct owned *owned = arg;
    return wait_at_gate(owned->gate);
}

static void drop_owned(void *arg)
{
    struct owned *owned = arg;
    atomic_fetch_add(owned->drops, 1);
    free(owned);
}

static struct owned *own(struct gate *gate, atomic_int *drops)
{
    struct owned *owned = malloc(sizeof *owned);
    CHECK(owned != NULL);
    *owned = (struct owned){gate, drops};
    return owned;
}

/** A task that offloads with WEFT_ABANDON. */
struct abandoner {
    /** What the job owns. */
    struct owned *owned;
    /** The pool. */
    struct weft_pool *pool;
    /** The call's return. */
    int rc;
};

static int offload_owned(void *arg)
{
    struct abandoner *a = arg;
    struct weft_offload_options options = {
        .pool = a->pool, .flags = WEFT_ABANDON, .drop = drop_owned, .name = "stuck"};
    a->rc = weft_offload_with(&options, wait_with_owned, a->owned, NULL);
    if (a->rc == 0)
        free(a->owned);
    return 0;
}

THREAD_TEST(an_abandoned_job_lets_its_waiter_go_at_once)
{
    static struct gate gate = GATE_INIT;
    static atomic_int drops;
    struct abandoner a = {own(&gate, &drops), default_pool(), NOT_RETURNED};
    struct weft_scope scope;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_owned, &a));
    WAIT_UNTIL_COME(&gate, 1);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0); /* although the gate is shut */
    CHECK_ERR(a.rc, -ECANCELED);
    CHECK_EQ(stats_of(a.pool).abandoned, 1);
    CHECK_EQ(stats_of(a.pool).running, 0);
    CHECK_EQ(drops, 0);
    open_gate(&gate);
    WAIT_FOR(stats_of(a.pool).abandoned == 0);
    CHECK_EQ(drops, 1);
}

THREAD_TEST(who_gets_the_result_has_the_argument_back)
{
    struct gate gate = GATE_INIT;
    atomic_int drops = 0;
    struct abandoner a = {own(&gate, &drops), NULL, NOT_RETURNED};
    gate.open = true;
    CHECK_EQ(offload_owned(&a), 0);
    CHECK_EQ(a.rc, 0);
    CHECK_EQ(drops, 0);
}

THREAD_TEST(a_job_that_never_ran_is_dropped_once)
{
    struct gate gate = GATE_INIT;
    atomic_int drops = 0;
    struct abandoner refused = {own(&gate, &drops), NULL, NOT_RETURNED};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(offload_owned(&refused), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(refused.rc, -ECANCELED);
    CHECK_EQ(drops, 1);
    CHECK_EQ(gate.come, 0);
}

THREAD_TEST(a_queued_job_that_owns_its_data_is_dropped_when_it_is_withdrawn)
{
    struct gate gate = GATE_INIT;
    atomic_int drops = 0;
    struct weft_pool *pool = narrow_pool("narrow");
    struct visit v = {.gate = &gate, .options = {.pool = pool}};
    struct abandoner a = {own(&gate, &drops), pool, NOT_RETURNED};
    struct weft_scope scope, inner;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, visit, &v));
    WAIT_UNTIL_COME(&gate, 1);
    weft_scope_enter(&inner, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&inner, offload_owned, &a));
    CHECK_EQ(weft_yield(), 0);
    weft_scope_cancel(&inner, 0);
    CHECK_EQ(weft_scope_exit(&inner, 0), 0);
    CHECK_ERR(a.rc, -ECANCELED);
    CHECK_EQ(drops, 1);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(gate.come, 1);
    weft_pool_free(pool);
}

/* Where jobs run. */

static int see_signals(void *arg)
{
    sigset_t *blocked = arg;
    return pthread_sigmask(SIG_SETMASK, NULL, blocked);
}

THREAD_TEST(a_job_has_signals_blocked_but_those_of_its_own_faults)
{
    sigset_t blocked;
    static const int signals[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGCHLD, SIGUSR1, SIGALRM};
    test_needs_another_thread();
    CHECK_EQ(weft_offload(see_signals, &blocked, NULL), 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        CHECK(sigismember(&blocked, signals[i]) == 1);
    CHECK(sigismember(&blocked, SIGSEGV) == 0);
    CHECK(sigismember(&blocked, SIGABRT) == 0);
}

THREAD_TEST(jobs_run_in_the_order_in_which_they_came)
{
    enum { COUNT = 20 };
    struct seen seen[COUNT];
    struct weft_pool *pool = narrow_pool("narrow");
    struct weft_offload_options options = {.pool = pool};
    for (int i = 0; i < COUNT; i++) {
        int result;
        seen[i].result = i;
        CHECK_EQ(weft_offload_with(&options, look, &seen[i], &result), 0);
        CHECK_EQ(result, i);
    }
    CHECK_EQ(stats_of(pool).ended, COUNT);
    weft_pool_free(pool);
}

static void fork_and_offload(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(weft_offload(count_run, NULL, NULL) == -EOWNERDEAD ? 5 : 6);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 5);
}

THREAD_TEST(a_forked_child_has_no_pools)
{
    CHECK_EQ(weft_offload(count_run, NULL, NULL), 0);
    fork_and_offload();
    CHECK_EQ(weft_offload(count_run, NULL, NULL), 0);
}

static int offload_one(void *arg)
{
    return weft_offload(count_run, arg, NULL);
}

TEST_EACH_ENGINE(a_loop_with_a_pool_can_be_freed_in_a_forked_child)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    test_uses_threads_where_there_are_any();
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_loop_run_task(loop, offload_one, NULL)); /* its thread is not in the child */
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(weft_loop_free(loop) == 0 ? 5 : 6);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
    CHECK_OK(weft_loop_free(loop));
}

static atomic_int in_flight_done;

static int slow(void *arg)
{
    (void)arg;
    usleep(5000);
    atomic_store(&in_flight_done, 1);
    return 0;
}

static int offload_slow(void *arg)
{
    return weft_offload(slow, arg, NULL);
}

TEST_EACH_ENGINE(a_job_in_flight_keeps_a_run_alive)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    test_uses_threads_where_there_are_any();
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_go_fn(weft_root(loop), offload_slow, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_EQ(in_flight_done, 1);
    CHECK_OK(weft_loop_free(loop));
}

static int offload_nested(void *arg)
{
    CHECK_ERR(weft_offload(slow, arg, NULL), -EPERM);
    return 0;
}

static int run_nested(void *arg)
{
    return weft_offload(offload_nested, arg, NULL);
}

static void misuse(void)
{
    CHECK_EQ(weft_testing_run_on(NULL, 0, run_nested, NULL), 0);
}

TEST(a_job_offloads_no_job)
{
#ifdef WEFT_DEBUG
    test_fork_expect_signal(misuse, SIGABRT, "weft_offload inside a job");
#else
    misuse();
#endif
}

/* The end of a program. */

static struct gate late_gate = GATE_INIT;

static int offload_late(void *arg)
{
    return weft_offload(wait_at_gate, arg, NULL);
}

static int leave_job_behind(void *arg)
{
    CHECK_OK(weft_go_fn(weft_root(NULL), offload_late, arg));
    WAIT_UNTIL_COME(&late_gate, 1);
    return 0;
}

static void *open_late(void *arg)
{
    sleep(6);
    open_gate(arg);
    return NULL;
}

static void run_with_a_stuck_job(void)
{
    pthread_t opener;
    CHECK_EQ(pthread_create(&opener, NULL, open_late, &late_gate), 0);
    CHECK_EQ(weft_run(leave_job_behind, &late_gate), 0);
    CHECK_EQ(pthread_join(opener, NULL), 0);
}

TEST(a_program_whose_job_is_stuck_says_which_after_five_seconds)
{
    test_takes(6);
    test_fork_expect_signal(run_with_a_stuck_job, 0, "job wait_at_gate running");
}

/* Out of memory, and worlds of their own. */

static int offload_or_fail(void *arg)
{
    int result = NOT_RETURNED;
    (void)arg;
    int rc = weft_offload(count_run, NULL, &result);
    CHECK(rc == 0 || result == NOT_RETURNED);
    return rc;
}

static int scenario(const struct weft_sys *sys, void *arg)
{
    return weft_testing_run_on(sys, 0, offload_or_fail, arg);
}

/** What a mapping could not get is memory, whatever the reason. */
static int is_documented(int rc, int code)
{
    return rc == 0 || rc == -code || rc == -ENOMEM;
}

TEST(every_call_may_fail_while_a_job_runs)
{
    struct weft_testing_sweep_options options = {.name = "offload", .documented = is_documented};
    CHECK_OK(weft_testing_sweep(&options, scenario, NULL, NULL));
    options.flags = WEFT_TESTING_REAL;
    options.set = WEFT_TESTING_MEMORY | WEFT_TESTING_SET(THREAD_CREATE);
    CHECK_OK(weft_testing_sweep(&options, scenario, NULL, NULL));
}

static int offload_in_order(void *arg)
{
    char *trail = arg;
    CHECK_EQ(weft_offload(count_run, NULL, NULL), 0);
    strcat(trail, "x");
    return 0;
}

static int two_and_a_sleep(void *arg)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_in_order, arg));
    CHECK_OK(weft_go_fn(&scope, offload_in_order, arg));
    CHECK_EQ(weft_sleep(WEFT_HOUR), 0);
    CHECK_STR(arg, "xx");
    return weft_scope_exit(&scope, 0);
}

TEST(in_a_simulated_world_jobs_take_no_time)
{
    char trail[8] = "";
    CHECK_EQ(weft_testing_run(NULL, two_and_a_sleep, trail), 0);
}

static int count_drops;

static void count_drop(void *arg)
{
    (void)arg;
    count_drops++;
}

THREAD_TEST(without_memory_for_it_a_job_that_owns_its_data_is_dropped)
{
    struct weft_offload_options options = {.flags = WEFT_ABANDON, .drop = count_drop};
    struct seen seen = {.result = 7};
    int result = NOT_RETURNED;
    /* The pool is there. */
    CHECK_OK(weft_offload(look, &seen, &result));
    CHECK_EQ(result, 7);
    count_drops = 0;
    test_out_of_memory(true);
    int rc = weft_offload_with(&options, look, &seen, &result);
    options.drop = NULL;
    int second = weft_offload_with(&options, look, &seen, &result);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
    CHECK_ERR(second, -ENOMEM);
    CHECK_EQ(count_drops, 1);
}

/** A pool with one place to run and one to wait. */
struct narrow {
    /** The pool. */
    struct weft_pool *pool;
    /** What each of three tasks got. */
    int rc[3];
    /** Which task is next. */
    int next;
};

static int try_job(void *arg)
{
    struct narrow *narrow = arg;
    struct weft_offload_options options = {.pool = narrow->pool, .flags = WEFT_OFFLOAD_TRY};
    struct seen seen = {.result = 0};
    int at = narrow->next++;
    narrow->rc[at] = weft_offload_with(&options, look, &seen, NULL);
    return 0;
}

static int three_at_once(void *arg)
{
    struct weft_pool_options limits = {.max_threads = 1, .queue_limit = 1};
    struct narrow *narrow = arg;
    struct weft_scope scope;
    CHECK_OK(weft_pool_new(weft_loop_current(), &limits, &narrow->pool));
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_go_fn(&scope, try_job, narrow));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_pool_free(narrow->pool);
    return 0;
}

TEST(in_a_simulated_world_the_limits_of_a_pool_hold)
{
    struct narrow narrow = {.rc = {1, 1, 1}};
    int refused = 0;
    CHECK_EQ(weft_testing_run(NULL, three_at_once, &narrow), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(narrow.rc[i] == 0 || narrow.rc[i] == -EAGAIN);
        refused += narrow.rc[i] == -EAGAIN;
    }
    CHECK(refused > 0 && refused < 3);
}
