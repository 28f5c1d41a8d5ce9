/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c: pools of threads
 *
 * Each test states one sentence of weft/offload.h about a pool: its limits, its threads, what a
 * dump says of it, and how it ends while jobs are slow or stuck.
 */
#define _GNU_SOURCE 1

#include "thread_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

/** A pool with so many threads. */
static struct weft_pool *pool_of(unsigned threads)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.name = "tested", .max_threads = threads};
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    return pool;
}

/** A task that offloads a job to the gate. */
struct visit {
    /** The gate. */
    struct gate *gate;
    /** How. */
    struct weft_offload_options options;
    /** The call's return. */
    int rc;
};

static int visit(void *arg)
{
    struct visit *v = arg;
    v->rc = weft_offload_with(&v->options, wait_at_gate, v->gate, NULL);
    return 0;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

THREAD_TEST(a_pool_starts_no_thread_before_a_job_comes)
{
    struct weft_pool *pool = pool_of(4);
    CHECK_EQ(stats_of(pool).started, 0);
    weft_pool_free(pool);
}

THREAD_TEST(a_thread_is_used_again)
{
    struct weft_pool *pool = pool_of(4);
    struct weft_offload_options options = {.pool = pool};
    test_needs_another_thread();
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(weft_offload_with(&options, do_nothing, NULL, NULL), 0);
        WAIT_FOR(stats_of(pool).idle == 1);
    }
    CHECK_EQ(stats_of(pool).started, 1);
    CHECK_EQ(stats_of(pool).ended, 10);
    weft_pool_free(pool);
}

THREAD_TEST(no_more_jobs_run_at_once_than_the_pool_has_threads)
{
    enum { THREADS = 3, JOBS = 8 };
    struct gate gate = GATE_INIT;
    struct visit visits[JOBS];
    struct weft_pool *pool = pool_of(THREADS);
    struct weft_scope scope;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < JOBS; i++) {
        visits[i] = (struct visit){.gate = &gate, .options = {.pool = pool}};
        CHECK_OK(weft_go_fn(&scope, visit, &visits[i]));
    }
    WAIT_UNTIL_COME(&gate, THREADS);
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    CHECK_EQ(gate.come, THREADS);
    CHECK_EQ(stats_of(pool).threads, THREADS);
    CHECK_EQ(stats_of(pool).running, THREADS);
    CHECK_EQ(stats_of(pool).queued, JOBS - THREADS);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(gate.come, JOBS);
    weft_pool_free(pool);
}

/** Two tasks at a pool with one thread and room for one job, and what a third one meets. */
static void fill(struct weft_pool *pool, struct gate *gate, struct visit visits[3],
                 struct weft_scope *scope)
{
    for (int i = 0; i < 3; i++) {
        visits[i] = (struct visit){gate, {.pool = pool}, NOT_RETURNED};
        CHECK_OK(weft_go_fn(scope, visit, &visits[i]));
    }
    WAIT_UNTIL_COME(gate, 1);
}

THREAD_TEST(when_the_queue_is_full_tasks_wait_for_a_place)
{
    struct gate gate = GATE_INIT;
    struct visit visits[3];
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.max_threads = 1, .queue_limit = 1};
    struct weft_scope scope;
    test_needs_another_thread();
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    struct weft_offload_options try = {.pool = pool, .flags = WEFT_OFFLOAD_TRY};
    weft_scope_enter(&scope, WEFT_FOREVER);
    fill(pool, &gate, visits, &scope);
    CHECK_EQ(stats_of(pool).queued, 1);
    CHECK_EQ(stats_of(pool).waiting, 1);
    CHECK_ERR(weft_offload_with(&try, do_nothing, NULL, NULL), -EAGAIN);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(visits[i].rc, 0);
    CHECK_EQ(stats_of(pool).waiting, 0);
    CHECK_EQ(weft_offload_with(&try, do_nothing, NULL, NULL), 0);
    weft_pool_free(pool);
}

THREAD_TEST(an_idle_thread_ends_after_a_while)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.max_threads = 1, .idle = WEFT_MS};
    test_needs_another_thread();
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    struct weft_offload_options with = {.pool = pool};
    CHECK_EQ(weft_offload_with(&with, do_nothing, NULL, NULL), 0);
    WAIT_FOR(stats_of(pool).threads == 0);
    CHECK_EQ(weft_offload_with(&with, do_nothing, NULL, NULL), 0);
    CHECK_EQ(stats_of(pool).started, 2);
    weft_pool_free(pool);
}

THREAD_TEST(the_stated_limits_hold)
{
    enum { JOBS = (int)WEFT_POOL_THREADS + 4 };
    struct gate gate = GATE_INIT;
    struct visit visits[JOBS];
    struct weft_scope scope;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < JOBS; i++) {
        visits[i] = (struct visit){.gate = &gate};
        CHECK_OK(weft_go_fn(&scope, visit, &visits[i]));
    }
    WAIT_UNTIL_COME(&gate, (int)WEFT_POOL_THREADS);
    CHECK_EQ(stats_of(default_pool()).threads, 16);
    CHECK_EQ(stats_of(default_pool()).queued, 4);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static int size_of_stack(void *arg)
{
    pthread_attr_t attributes;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attributes, arg), 0);
    CHECK_EQ(pthread_attr_destroy(&attributes), 0);
    return 0;
}

THREAD_TEST(threads_have_the_stack_that_was_asked_for)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.stack_size = 3 << 20};
    size_t size = 0;
    test_needs_another_thread();
    CHECK_OK(weft_pool_new(weft_loop_current(), &options, &pool));
    struct weft_offload_options with = {.pool = pool};
    CHECK_EQ(weft_offload_with(&with, size_of_stack, &size, NULL), 0);
    CHECK(size >= 3 << 20 && size < 4 << 20);
    weft_pool_free(pool);
}

static int offload_in_each(unsigned index, void *arg)
{
    (void)index;
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_offload(do_nothing, NULL, NULL), 0);
    atomic_fetch_add((atomic_int *)arg, (int)stats_of(default_pool()).ended);
    return 0;
}

TEST_EACH_ENGINE(loops_on_several_threads_offload_side_by_side)
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    atomic_int ended = 0;
    test_uses_threads_where_there_are_any();
    options.loop.backend = test_engine();
    CHECK_EQ(weft_run_loops(3, &options, offload_in_each, &ended), 0);
    CHECK_EQ(ended, 150);
}

THREAD_TEST(each_loop_has_one_default_pool)
{
    struct weft_pool *pool = default_pool();
    CHECK(pool == default_pool());
    CHECK_EQ(weft_offload(do_nothing, NULL, NULL), 0);
    CHECK_EQ(stats_of(pool).ended, 1);
}

THREAD_TEST(a_loop_takes_over_the_pool_that_is_made_its_default)
{
    struct weft_pool *pool = pool_of(2), *other = pool_of(1);
    CHECK_OK(weft_pool_set_default(pool));
    CHECK(default_pool() == pool);
    CHECK_ERR(weft_pool_set_default(other), -EBUSY);
    weft_pool_free(other);
}

THREAD_TEST(limits_that_make_no_sense_are_refused)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.max_threads = 1000000};
    CHECK_ERR(weft_pool_new(weft_loop_current(), &options, &pool), -EINVAL);
    options = (struct weft_pool_options){.idle = -1};
    CHECK_ERR(weft_pool_new(weft_loop_current(), &options, &pool), -EINVAL);
    CHECK(pool == NULL);
}

THREAD_TEST(each_limit_has_its_bounds)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options options = {.max_abandoned = 1000000};
    CHECK_ERR(weft_pool_new(weft_loop_current(), &options, &pool), -EINVAL);
    options = (struct weft_pool_options){.linger = -1};
    CHECK_ERR(weft_pool_new(weft_loop_current(), &options, &pool), -EINVAL);
    CHECK(pool == NULL);
}

THREAD_TEST(a_pool_without_memory_is_not_made)
{
    struct weft_pool *pool = NULL;
    test_out_of_memory(true);
    int rc = weft_pool_new(weft_loop_current(), NULL, &pool);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
    CHECK(pool == NULL);
}

static int offload_to(void *arg)
{
    struct weft_offload_options options = {.pool = arg};
    CHECK_ERR(weft_offload_with(&options, do_nothing, NULL, NULL), -EPERM);
    return 0;
}

TEST_EACH_ENGINE(a_pool_is_for_the_tasks_of_its_loop)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    struct weft_pool *pool = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_pool_new(loop, NULL, &pool));
    CHECK_EQ(run_program(offload_to, pool), 0);
    weft_pool_free(pool);
    CHECK_OK(weft_loop_free(loop));
}

/* Abandoned jobs. */

static struct gate stuck_gate = GATE_INIT;
static atomic_int drops;

static int wait_stuck(void *arg)
{
    (void)arg;
    return wait_at_gate(&stuck_gate);
}

static void count_drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&drops, 1);
}

/** Offloads a job that owns its data, in the pool at `arg`. */
static int offload_stuck(void *arg)
{
    struct weft_offload_options options = {
        .pool = arg, .flags = WEFT_ABANDON, .drop = count_drop, .name = "stuck"};
    return weft_offload_with(&options, wait_stuck, NULL, NULL);
}

/** Leaves a job behind that runs in the pool. */
static void abandon_one(struct weft_pool *pool)
{
    struct weft_scope scope;
    int come = stuck_gate.come;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_stuck, pool));
    WAIT_UNTIL_COME(&stuck_gate, come + 1);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

THREAD_TEST(another_thread_takes_the_place_of_one_with_an_abandoned_job)
{
    struct weft_pool *pool = pool_of(1);
    struct weft_offload_options options = {.pool = pool};
    test_needs_another_thread();
    abandon_one(pool);
    CHECK_EQ(weft_offload_with(&options, do_nothing, NULL, NULL), 0);
    CHECK_EQ(stats_of(pool).abandoned, 1);
    CHECK_EQ(stats_of(pool).threads, 2);
    open_gate(&stuck_gate);
    weft_pool_free(pool);
    CHECK_EQ(drops, 1);
}

/** A task whose job must not be abandoned, because too many are. */
static int offload_unwelcome(void *arg)
{
    CHECK_EQ(offload_stuck(arg), 0);
    return 0;
}

static int open_stuck_gate(void *arg)
{
    (void)arg;
    open_gate(&stuck_gate);
    return 0;
}

THREAD_TEST(when_enough_jobs_are_abandoned_a_waiter_stays_with_its_own)
{
    struct weft_pool *pool = NULL;
    struct weft_pool_options limits = {.max_threads = 2, .max_abandoned = 1};
    struct weft_scope scope;
    test_needs_another_thread();
    CHECK_OK(weft_pool_new(weft_loop_current(), &limits, &pool));
    abandon_one(pool);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, offload_unwelcome, pool));
    WAIT_UNTIL_COME(&stuck_gate, 2);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(stats_of(pool).abandoned, 1);
    CHECK_EQ(stats_of(pool).running, 1);
    CHECK_EQ(open_stuck_gate(NULL), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_pool_free(pool);
    CHECK_EQ(drops, 1); /* the other one was the caller's again */
}

static int abandon_and_leave(void *arg)
{
    (void)arg;
    abandon_one(default_pool());
    return 0;
}

static void *open_later(void *arg)
{
    usleep(20000);
    open_gate(arg);
    return NULL;
}

static void *open_in_seven_seconds(void *arg)
{
    sleep(7);
    open_gate(arg);
    return NULL;
}

TEST_EACH_ENGINE(the_end_of_a_loop_waits_for_abandoned_jobs)
{
    pthread_t opener;
    test_needs_another_thread();
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, abandon_and_leave, NULL), 0);
    CHECK_EQ(drops, 0);
    CHECK_EQ(pthread_create(&opener, NULL, open_later, &stuck_gate), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(drops, 1);
    CHECK_EQ(pthread_join(opener, NULL), 0);
}

/** Reads what was written to standard error while `fn` ran. */
static void capture(void (*fn)(void), char *said, size_t size)
{
    int fds[2], kept = dup(2);
    CHECK_EQ(pipe(fds), 0);
    CHECK(dup2(fds[1], 2) == 2);
    fn();
    CHECK(dup2(kept, 2) == 2);
    close(fds[1]);
    close(kept);
    ssize_t n = read(fds[0], said, size - 1);
    CHECK(n >= 0);
    said[n] = '\0';
    close(fds[0]);
}

static void leave_one_behind(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_pool_options limits = {.name = "patient", .max_threads = 1, .linger = WEFT_MS};
    struct weft_loop *loop = NULL;
    struct weft_pool *pool = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_pool_new(loop, &limits, &pool));
    CHECK_OK(weft_pool_set_default(pool));
    CHECK_EQ(weft_loop_run_task(loop, abandon_and_leave, NULL), 0);
    CHECK_OK(weft_loop_free(loop));
}

/** How many threads the process has. */
static int count_threads(void)
{
    int count = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads);
    while (readdir(threads))
        count++;
    closedir(threads);
    return count;
}

TEST_EACH_ENGINE(a_stuck_abandoned_job_is_named_and_left_behind)
{
    char said[1024];
    test_needs_another_thread();
    int before = count_threads();
    capture(leave_one_behind, said, sizeof said);
    CHECK_CONTAINS(said, "job stuck of pool patient was abandoned and still runs");
    CHECK_CONTAINS(said, "left behind");
    CHECK_EQ(drops, 0);
    /* It ends alone, lets go of what it owned, and then of the pool. */
    open_gate(&stuck_gate);
    while (drops == 0)
        usleep(1000);
    /* Bounded, because a sanitizer may have brought a thread of its own. */
    for (int i = 0; i < 2000 && count_threads() > before; i++)
        usleep(1000);
}

static void wait_long_for_one(void)
{
    struct weft_pool_options limits = {.name = "patient", .linger = WEFT_FOREVER};
    struct weft_loop *loop = NULL;
    struct weft_pool *pool = NULL;
    pthread_t opener;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_OK(weft_pool_new(loop, &limits, &pool));
    CHECK_OK(weft_pool_set_default(pool));
    CHECK_EQ(weft_loop_run_task(loop, abandon_and_leave, NULL), 0);
    CHECK_EQ(pthread_create(&opener, NULL, open_in_seven_seconds, &stuck_gate), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(drops, 1);
    CHECK_EQ(pthread_join(opener, NULL), 0);
}

TEST(a_pool_with_much_patience_says_what_it_waits_for)
{
    char said[1024];
    test_takes(7);
    capture(wait_long_for_one, said, sizeof said);
    CHECK_CONTAINS(said, "job stuck of pool patient was abandoned and still runs");
    CHECK_CONTAINS(said, "waited for");
}

THREAD_TEST(a_task_that_frees_a_pool_lets_others_run_meanwhile)
{
    struct weft_pool *pool = pool_of(1);
    struct weft_scope scope;
    test_needs_another_thread();
    abandon_one(pool);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, open_stuck_gate, NULL));
    weft_pool_free(pool);
    CHECK_EQ(drops, 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/* Trouble. */

/** A table whose kernel refuses threads from the n-th on; -1: all. */
static struct weft_sys refusing;
static int allowed;

static int refuse_thread(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                         void *arg, uintptr_t *ret)
{
    (void)sys;
    if (allowed-- <= 0)
        return -EAGAIN;
    return weft_sys_default.thread_create(&weft_sys_default, stack_size, fn, arg, ret);
}

static int run_refusing(int (*program)(void *arg), int threads)
{
    refusing = weft_sys_default;
    refusing.thread_create = refuse_thread;
    allowed = threads;
    return weft_testing_run_on(&refusing, 0, program, NULL);
}

static int offload_without_threads(void *arg)
{
    (void)arg;
    int rc = weft_offload(do_nothing, NULL, NULL);
    CHECK_ERR(rc, -EAGAIN);
    CHECK_CONTAINS(weft_note(), "pool default has no thread");
    CHECK_EQ(stats_of(default_pool()).queued, 0);
    allowed = 1;
    CHECK_EQ(weft_offload(do_nothing, NULL, NULL), 0);
    return 0;
}

TEST_EACH_ENGINE(without_any_thread_a_job_is_refused_and_says_why)
{
    test_needs_another_thread();
    CHECK_EQ(run_refusing(offload_without_threads, 0), 0);
}

static int offload_many(void *arg)
{
    struct gate gate = GATE_INIT;
    struct visit visits[5];
    struct weft_scope scope;
    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 5; i++) {
        visits[i] = (struct visit){.gate = &gate, .rc = NOT_RETURNED};
        CHECK_OK(weft_go_fn(&scope, visit, &visits[i]));
    }
    WAIT_UNTIL_COME(&gate, 2);
    CHECK_EQ(stats_of(default_pool()).threads, 2);
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(visits[i].rc, 0);
    return 0;
}

TEST_EACH_ENGINE(a_pool_works_with_the_threads_that_it_could_get)
{
    test_needs_another_thread();
    CHECK_EQ(run_refusing(offload_many, 2), 0);
}

static int no_threads_here(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                           void *arg, uintptr_t *ret)
{
    (void)sys, (void)stack_size, (void)fn, (void)arg, (void)ret;
    return -ENOSYS;
}

static int offload_twice(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_offload(do_nothing, NULL, NULL), 0);
    CHECK_EQ(weft_offload(do_nothing, NULL, NULL), 0);
    CHECK_EQ(stats_of(default_pool()).ended, 2);
    CHECK_EQ(stats_of(default_pool()).started, 0);
    return 0;
}

TEST(where_threads_do_not_exist_jobs_run_all_the_same)
{
    refusing = weft_sys_default;
    refusing.thread_create = no_threads_here;
    CHECK_EQ(weft_testing_run_on(&refusing, 0, offload_twice, NULL), 0);
}

/* What one can see. */

static void dump_now(void)
{
    weft_dump(weft_loop_current(), 2);
}

THREAD_TEST(a_dump_names_pools_and_what_they_run)
{
    char said[4096];
    struct gate gate = GATE_INIT;
    struct weft_pool *pool = pool_of(2);
    struct visit visits[2];
    struct weft_scope scope;
    test_needs_another_thread();
    abandon_one(pool);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++) {
        visits[i] = (struct visit){&gate, {.pool = pool}, NOT_RETURNED};
        CHECK_OK(weft_go_fn(&scope, visit, &visits[i]));
    }
    WAIT_UNTIL_COME(&gate, 2);
    capture(dump_now, said, sizeof said);
    CHECK_CONTAINS(said, "pool tested: 3 threads (0 idle), 2 jobs running, 0 queued, 1 abandoned");
    CHECK_CONTAINS(said, "job wait_at_gate running");
    CHECK_CONTAINS(said, "job stuck running");
    CHECK_CONTAINS(said, ", abandoned");
    CHECK_CONTAINS(said, "for job wait_at_gate, which runs in pool tested");
    open_gate(&gate);
    open_gate(&stuck_gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_pool_free(pool);
}

THREAD_TEST(a_dump_says_nothing_of_a_pool_that_does_nothing)
{
    char said[4096];
    struct weft_pool *pool = pool_of(2);
    capture(dump_now, said, sizeof said);
    CHECK(!strstr(said, "pool"));
    weft_pool_free(pool);
}

static int hold_pool(void *arg)
{
    return visit(arg);
}

static void free_while_in_use(void)
{
    struct gate gate = GATE_INIT;
    struct visit v = {.gate = &gate, .options = {.pool = pool_of(1)}};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, hold_pool, &v));
    CHECK_EQ(weft_yield(), 0);
    weft_pool_free(v.options.pool);
#ifdef WEFT_DEBUG
    FAIL("a pool in use was freed");
#else
    open_gate(&gate);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_pool_free(v.options.pool);
#endif
}

static int run_free_while_in_use(void *arg)
{
    (void)arg;
    free_while_in_use();
    return 0;
}

static void misuse(void)
{
    CHECK_EQ(weft_testing_run_on(NULL, 0, run_free_while_in_use, NULL), 0);
}

TEST(a_pool_is_not_freed_while_a_task_waits_for_its_job)
{
#ifdef WEFT_DEBUG
    test_fork_expect_signal(misuse, SIGABRT, "pool tested was freed while tasks wait");
#else
    misuse();
#endif
}
