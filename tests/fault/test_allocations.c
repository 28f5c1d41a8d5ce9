/* SPDX-License-Identifier: MIT */
/*
 * test_allocations.c: memory runs out, at each place in turn
 *
 * Each scenario is run once for each allocation and mapping that it makes, with that one failing
 * alone and with all from there on. What it gives then must be -ENOMEM or, where a failure is
 * covered up by a lesser way, 0; nothing may leak; and the next run must work. The reserves of the
 * library (slabs, rings, stacks kept warm) belong to the loop, so that every run begins with none.
 */
#include "programs.h"
#include <errno.h>
#include <string.h>

static void sweep_allocations(const struct fault_sweep *sweep)
{
    fault_floor("allocations", sweep, fault_sweep(sweep, WEFT_TESTING_MEMORY, ENOMEM));
}

/* --- Loops ----------------------------------------------------------------------------------- */

static int make_loop(const struct weft_sys *sys)
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    return rc < 0 ? rc : weft_loop_free(loop);
}

TEST_EACH_ENGINE(a_loop_is_made_or_it_is_not)
{
    static const struct fault_sweep sweep = {"loop", make_loop, NULL};

    sweep_allocations(&sweep);
}

static unsigned called;

static void count_call(void *arg)
{
    (void)arg;
    called++;
}

/* Callbacks now, later and from another thread; more than the first ring has room for. */
static int callbacks_of(struct weft_loop *loop)
{
    struct weft_handle *handle;
    int rc = 0, scheduled = 0;

    called = 0;
    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = weft_loop_call_soon(loop, count_call, NULL, NULL);
        scheduled += rc == 0;
    }
    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = weft_loop_call_later(loop, WEFT_US, count_call, NULL, NULL);
        scheduled += rc == 0;
    }
    if (rc == 0 && (rc = weft_loop_call_soon(loop, count_call, NULL, &handle)) == 0)
        weft_handle_cancel(handle);
    if (rc == 0) {
        rc = weft_loop_call_soon_threadsafe(loop, count_call, NULL);
        scheduled += rc == 0;
    }
    int ran = weft_loop_run(loop);
    CHECK_EQ(called, scheduled);
    return first_of(rc, ran);
}

static int use_callbacks(const struct weft_sys *sys)
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    if (rc < 0)
        return rc;
    rc = callbacks_of(loop);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

TEST_EACH_ENGINE(every_callback_that_was_accepted_is_called)
{
    static const struct fault_sweep sweep = {"callbacks", use_callbacks, NULL};

    sweep_allocations(&sweep);
}

static void stop_watching(void *arg)
{
    int *fds = arg;
    struct weft_loop *loop = weft_loop_current();

    CHECK_EQ(weft_loop_remove_reader(loop, fds[0]), 1);
    weft_loop_remove_writer(loop, fds[1]);
}

static int watch_pair(struct weft_loop *loop, const struct weft_sys *sys)
{
    int fds[2];
    int rc = sys->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);

    if (rc < 0)
        return rc;
    rc = weft_loop_add_reader(loop, fds[0], stop_watching, fds);
    if (rc == 0)
        rc = first_of(weft_loop_add_writer(loop, fds[1], count_call, NULL),
                      (int)sys->sendto(sys, fds[1], "x", 1, MSG_NOSIGNAL, NULL, 0));
    if (rc < 0) {
        weft_loop_remove_reader(loop, fds[0]);
        weft_loop_remove_writer(loop, fds[1]);
    } else {
        rc = weft_loop_run(loop);
    }
    for (int i = 0; i < 2; i++)
        if (weft_loop_close_fd(loop, fds[i], NULL, NULL) < 0)
            (void)sys->close(sys, fds[i]);
    return first_of(rc, weft_loop_run(loop));
}

static int use_watches(const struct weft_sys *sys)
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    if (rc < 0)
        return rc;
    rc = watch_pair(loop, sys);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

TEST_EACH_ENGINE(readers_and_writers_are_there_or_they_are_not)
{
    static const struct fault_sweep sweep = {"watches", use_watches, NULL};

    sweep_allocations(&sweep);
}

/* --- Tasks and scopes ------------------------------------------------------------------------ */

static int entered;

static int child(int turns)
{
    int rc = 0;

    entered++;
    while (rc == 0 && turns-- > 0)
        rc = weft_yield();
    return rc;
}
WEFT_TASK(child, int);

/** More than the room in a start record. */
struct large {
    /** Bytes that are copied. */
    char bytes[200];
};

static int large_child(struct large large)
{
    entered++;
    CHECK_EQ(large.bytes[199], 'x');
    return weft_yield();
}
WEFT_TASK(large_child, __typeof__(struct large));

/* Every task that was started enters its function; a start that failed is the scope's failure too.
 */
FAULT_PROGRAM(start_tasks)
{
    struct weft_scope scope;
    struct weft_task *task = NULL;
    struct large large;
    int started = 0, failed = 0, rc, result = 0;

    entered = 0;
    memset(&large, 'x', sizeof large);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 20; i++) {
        rc = weft_go(&scope, child, i % 3);
        started += rc == 0;
        failed = first_of(failed, rc);
    }
    rc = weft_go(&scope, large_child, large);
    started += rc == 0;
    failed = first_of(failed, rc);
    rc = weft_spawn(&scope, &task, child, 1);
    started += rc == 0;
    failed = first_of(failed, rc);
    if (rc == 0)
        rc = weft_join(task, &result);
    rc = weft_scope_exit(&scope, 0);
    CHECK(failed == 0 || rc == failed);
    CHECK_EQ(entered, started);
    return rc;
}

TEST_EACH_ENGINE(tasks_are_started_or_their_scope_fails)
{
    static const struct fault_sweep sweep = {"tasks", run_start_tasks, NULL};

    sweep_allocations(&sweep);
}

/* Scopes in scopes with deadlines and memory of their own. One that could not be entered, or whose
 * deadline could not be set at the first wait, refuses all waits inside it, and says -ENOMEM at its
 * exit, whatever the body says. */
static int scopes_in_scopes(int depth)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, depth % 2 ? WEFT_HOUR : WEFT_FOREVER);
    int born_cancelled = weft_cancelled();
    CHECK_EQ(weft_scope_cancelled(&scope), born_cancelled);
    void *memory = weft_scope_alloc(&scope, 1000);
    char *text = weft_scope_strdup(&scope, "a text that lives as long as its scope");
    int rc = weft_yield();
    bool refused = rc == -ECANCELED;
    CHECK(refused ? weft_cancelled() : rc == 0 && !born_cancelled);
    if (rc == 0)
        rc = depth > 0 ? scopes_in_scopes(depth - 1) : weft_sleep(WEFT_US);
    if (rc == 0 && (!memory || !text))
        rc = -ENOMEM;
    rc = weft_scope_exit(&scope, refused ? 0 : rc);
    CHECK(!refused || rc == -ENOMEM);
    return rc;
}

FAULT_PROGRAM(enter_scopes)
{
    return scopes_in_scopes(80);
}

TEST_EACH_ENGINE(a_scope_without_memory_is_born_cancelled)
{
    static const struct fault_sweep sweep = {"scopes", run_enter_scopes, NULL};

    sweep_allocations(&sweep);
}

static int sleeper(weft_ns delay)
{
    return (int)weft_within(WEFT_HOUR, weft_sleep(delay));
}
WEFT_TASK(sleeper, weft_ns);

FAULT_PROGRAM(sleep_with_deadlines)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_HOUR);
    for (int i = 0; i < 40; i++)
        (void)weft_go(&scope, sleeper, i * WEFT_US);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(timers_and_deadlines_are_set_or_the_wait_fails)
{
    static const struct fault_sweep sweep = {"timers", run_sleep_with_deadlines, NULL};

    sweep_allocations(&sweep);
}

static const struct weft_local key = {"key"};

static int inherits(void)
{
    CHECK(weft_local_get(&key) == &key);
    return weft_local_set(&key, NULL);
}
WEFT_TASK(inherits);

FAULT_PROGRAM(use_locals)
{
    struct weft_scope scope;
    int rc = weft_local_set(&key, (void *)(uintptr_t)&key);

    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)weft_go(&scope, inherits);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(task_locals_are_set_and_inherited_or_the_call_fails)
{
    static const struct fault_sweep sweep = {"locals", run_use_locals, NULL};

    sweep_allocations(&sweep);
}

/* --- Futures, generators, queues ------------------------------------------------------------- */

static unsigned told;

static void hear(struct weft_future *future, void *arg)
{
    (void)arg;
    CHECK_EQ(weft_future_code(future), 7);
    told++;
}

FAULT_PROGRAM(use_future)
{
    struct weft_future *future;
    unsigned added = 0;
    int code = 0;
    int rc = weft_future_new(weft_loop_current(), &future);

    if (rc < 0)
        return rc;
    told = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        rc = weft_future_add_callback(future, hear, NULL);
        added += rc == 0;
    }
    CHECK_EQ(weft_future_set(future, 7, NULL), 0);
    int waited = weft_future_wait(future, &code, NULL);
    rc = first_of(rc, waited);
    waited = weft_yield();
    CHECK(waited < 0 || told == added);
    weft_future_unref(future);
    return first_of(rc, waited);
}

TEST_EACH_ENGINE(every_callback_that_a_future_took_is_called)
{
    static const struct fault_sweep sweep = {"future", run_use_future, NULL};

    sweep_allocations(&sweep);
}

static int count_to_three(struct weft_gen *gen, void *arg)
{
    int rc = 0;

    for (uintptr_t i = 1; i <= 3 && rc == 0; i++)
        rc = weft_gen_yield(gen, (void *)i, NULL);
    (void)arg;
    return rc;
}

FAULT_PROGRAM(use_generator)
{
    struct weft_gen *gen;
    void *value;
    uintptr_t sum = 0;
    int rc = weft_gen_new(count_to_three, NULL, &gen);

    if (rc < 0)
        return rc;
    while ((rc = weft_gen_next(gen, &value)) == 1)
        sum += (uintptr_t)value;
    CHECK(rc < 0 || sum == 6);
    return first_of(rc, weft_gen_close(gen));
}

TEST_EACH_ENGINE(a_generator_is_made_or_it_is_not)
{
    static const struct fault_sweep sweep = {"generator", run_use_generator, NULL};

    sweep_allocations(&sweep);
}

static int compare(const void *a, const void *b)
{
    return (uintptr_t)a < (uintptr_t)b ? -1 : a != b;
}

/* Puts until a put fails, and gets as many as were put. */
static int fill_and_empty(enum weft_queue_kind kind, size_t capacity)
{
    const struct weft_queue_options options = {
        .size = sizeof options, .capacity = capacity, .kind = kind, .compare = compare};
    struct weft_queue *queue;
    void *item;
    size_t put = 0, got = 0;
    int rc = weft_queue_new(weft_loop_current(), &options, &queue);

    if (rc < 0)
        return rc;
    while (put < 100 && (rc = weft_queue_try_put(queue, &put)) == 0)
        put++;
    CHECK(rc == 0 || rc == -ENOMEM || (rc == -EAGAIN && put == capacity));
    while (weft_queue_try_get(queue, &item) == 0)
        got++;
    CHECK_EQ(got, put);
    weft_queue_free(queue);
    return rc == -EAGAIN ? 0 : rc;
}

FAULT_PROGRAM(use_queues)
{
    static const enum weft_queue_kind kinds[] = {WEFT_QUEUE_FIFO, WEFT_QUEUE_LIFO,
                                                 WEFT_QUEUE_PRIORITY};
    int rc = 0;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == 0; i++)
        rc = first_of(fill_and_empty(kinds[i], 20), fill_and_empty(kinds[i], WEFT_QUEUE_UNBOUNDED));
    return rc;
}

TEST_EACH_ENGINE(a_queue_keeps_every_item_that_it_took)
{
    static const struct fault_sweep sweep = {"queue", run_use_queues, NULL};

    sweep_allocations(&sweep);
}

static int returns_after_a_turn(void *arg)
{
    int rc = weft_yield();
    return rc < 0 ? rc : *(int *)arg;
}

FAULT_PROGRAM(use_gather)
{
    int values[3] = {1, 2, 3};
    struct weft_call calls[3];

    memset(calls, 0, sizeof calls);
    for (int i = 0; i < 3; i++) {
        calls[i].fn = returns_after_a_turn;
        calls[i].arg = &values[i];
    }
    int rc = weft_gather(calls, 3);
    CHECK(rc < 0 || (calls[0].result == 1 && calls[2].result == 3));
    return rc;
}

TEST_EACH_ENGINE(a_gather_has_all_results_or_fails)
{
    static const struct fault_sweep sweep = {"gather", run_use_gather, NULL};

    sweep_allocations(&sweep);
}
