/* SPDX-License-Identifier: MIT */
/*
 * test_generator_task.c: generators inside tasks
 *
 * A body that waits makes its driver wait, under the driver's scopes; a generator belongs to its
 * task. On every engine; nothing here depends on how long something takes.
 */
#include "generator_test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

static int run_program(int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    int rc = weft_loop_run_task(loop, program, NULL);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

/** A test whose body runs as a task, once on each engine. */
#define TASK_TEST(name)                                                                            \
    static int name##_program(void *arg);                                                          \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        CHECK_OK(run_program(name##_program));                                                     \
    }                                                                                              \
    static int name##_program(void *arg __attribute__((unused)))

/** What happened, in order. */
static char trail[64];

static void note(char letter)
{
    size_t len = strlen(trail);
    CHECK(len + 1 < sizeof trail);
    trail[len] = letter;
}

/** Yields arg, arg - 1, ... 1, and sleeps before each. */
static int slow_countdown(struct weft_gen *gen, void *arg)
{
    int rc = 0;
    for (intptr_t n = (intptr_t)arg; rc == 0 && n > 0; n--) {
        rc = weft_sleep(WEFT_MS);
        if (rc == 0)
            rc = weft_gen_yield(gen, number(n), NULL);
    }
    return rc;
}

/** Waits for ever, then gives what that returned. */
static int wait_for_ever(struct weft_gen *gen, void *arg)
{
    (void)gen;
    (void)arg;
    return weft_sleep(WEFT_FOREVER);
}

/** Yields once, and waits while it cleans up. */
static int slow_farewell(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(gen, NULL, NULL);
    (void)arg;
    CHECK_ERR(rc, -WEFT_ECLOSED);
    note('<');
    rc = weft_sleep(WEFT_MS);
    note('>');
    return rc;
}

/* --- Waiting ------------------------------------------------------------------------- */

/** Lets others run, again and again; by sleeping, for virtual time stands still while one is ready.
 */
static int count_turns(int *turns, int *stop)
{
    int rc = 0;
    while (rc == 0 && !*stop) {
        ++*turns;
        rc = weft_sleep(10 * WEFT_US);
    }
    return rc;
}
WEFT_TASK(count_turns, __typeof__(int *), __typeof__(int *));

TASK_TEST(other_tasks_run_while_a_body_waits)
{
    int turns = 0, stop = 0, expected = 3;
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, count_turns, &turns, &stop);
    struct weft_gen *gen = make(slow_countdown, number(3));
    weft_gen_each(gen, value)
    {
        CHECK_EQ((intptr_t)value, expected--);
        CHECK(turns > 0);
        turns = 0;
    }
    CHECK_EQ(expected, 0);
    CHECK_OK(weft_gen_close(gen));
    stop = 1;
    return weft_scope_exit(&s, 0);
}

/** Delegates to a generator of its own that waits. */
static int delegate_slowly(struct weft_gen *gen, void *arg)
{
    struct weft_gen *inner = make(slow_countdown, arg);
    int rc = weft_gen_delegate(gen, inner);
    int close_rc = weft_gen_close(inner);
    return rc < 0 ? rc : close_rc;
}

static int sum_up(weft_gen_fn *fn, intptr_t n)
{
    intptr_t sum = 0;
    struct weft_gen *gen = make(fn, number(n));
    weft_gen_each(gen, value) sum += (intptr_t)value;
    CHECK_EQ(sum, n * (n + 1) / 2);
    return weft_gen_close(gen);
}
WEFT_TASK(sum_up, __typeof__(weft_gen_fn *), intptr_t);

TASK_TEST(many_tasks_drive_generators_that_wait)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    for (intptr_t n = 1; n < 20; n++)
        weft_go(&s, sum_up, n % 2 ? slow_countdown : delegate_slowly, n);
    return weft_scope_exit(&s, 0);
}

static int closes_slowly(int *done)
{
    struct weft_gen *gen = make(slow_farewell, NULL);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
    *done = 1;
    return 0;
}
WEFT_TASK(closes_slowly, __typeof__(int *));

TASK_TEST(close_waits_while_the_body_cleans_up)
{
    int done = 0, turns = 0;
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, closes_slowly, &done);
    int rc = count_turns(&turns, &done);
    CHECK(turns > 1);
    CHECK_STR(trail, "<>");
    return weft_scope_exit(&s, rc);
}

TASK_TEST(a_body_waits_under_the_deadline_of_its_driver)
{
    struct weft_gen *gen = make(wait_for_ever, NULL);
    CHECK_ERR(weft_within(WEFT_MS, weft_gen_next(gen, NULL)), -ETIMEDOUT);
    CHECK_ERR(weft_gen_result(gen), -ECANCELED);
    CHECK_ERR(weft_gen_close(gen), -ECANCELED);
    return 0;
}

/** Yields what each sleep returned, as a positive number. */
static int report_sleeps(struct weft_gen *gen, void *arg)
{
    int rc = 0;
    (void)arg;
    while (rc == 0)
        rc = weft_gen_yield(gen, number(-weft_sleep(WEFT_US)), NULL);
    return rc;
}

static int next_number(struct weft_gen *gen)
{
    void *value = number(-1);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    return (int)(intptr_t)value;
}

TASK_TEST(a_body_obeys_the_scopes_of_whoever_drives_it_now)
{
    struct weft_scope s;
    struct weft_gen *gen = make(report_sleeps, NULL);
    CHECK_EQ(next_number(gen), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(next_number(gen), 0);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(next_number(gen), ECANCELED);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_EQ(next_number(gen), 0);
    CHECK_OK(weft_gen_close(gen));
    return 0;
}

static int drive_cancelled(struct weft_gen *gen)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(next_number(gen), ECANCELED);
    return weft_scope_exit(&s, 0);
}
WEFT_TASK(drive_cancelled, __typeof__(struct weft_gen *));

TASK_TEST(a_generator_goes_from_task_to_task)
{
    struct weft_scope s;
    struct weft_gen *gen = make(report_sleeps, NULL);
    CHECK_EQ(next_number(gen), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, drive_cancelled, gen);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_EQ(next_number(gen), 0);
    CHECK_OK(weft_gen_close(gen));
    return 0;
}

static struct weft_gen *of_the_thread;

static int drive_of_the_thread(void *arg)
{
    (void)arg;
    for (int i = 5; i > 3; i--)
        CHECK_EQ(next_number(of_the_thread), i);
    return 0;
}

TEST_EACH_ENGINE(a_generator_of_the_thread_may_wait_when_a_task_drives_it)
{
    of_the_thread = make(slow_countdown, number(5));
    CHECK_OK(run_program(drive_of_the_thread));
    CHECK_EQ(weft_gen_state(of_the_thread), WEFT_GEN_SUSPENDED);
    CHECK_OK(weft_gen_close(of_the_thread));
}

/* --- Whose it is while somebody is inside -------------------------------------------- */

static int drive_until_cancelled(struct weft_gen *gen)
{
    int rc = weft_gen_next(gen, NULL);
    CHECK_ERR(rc, -ECANCELED);
    return rc;
}
WEFT_TASK(drive_until_cancelled, __typeof__(struct weft_gen *));

TASK_TEST(a_generator_with_a_task_parked_inside_is_busy)
{
    struct weft_scope s;
    struct weft_gen *gen = make(wait_for_ever, NULL);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, drive_until_cancelled, gen);
    CHECK_OK(weft_yield());
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_RUNNING);
    CHECK_ERR(weft_gen_next(gen, NULL), -EBUSY);
    CHECK_ERR(weft_gen_send(gen, number(1), NULL), -EBUSY);
    CHECK_ERR(weft_gen_throw(gen, -EIO, NULL), -EBUSY);
    CHECK_ERR(weft_gen_close(gen), -EBUSY);
    weft_scope_cancel(&s, 0);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_FINISHED);
    CHECK_ERR(weft_gen_close(gen), -ECANCELED);
    return 0;
}

static int close_of_the_thread(struct weft_gen *gen)
{
    return weft_gen_close(gen);
}
WEFT_TASK(close_of_the_thread, __typeof__(struct weft_gen *));

TASK_TEST(a_generator_that_is_being_closed_is_busy)
{
    struct weft_scope s;
    struct weft_gen *gen = make(slow_farewell, NULL);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, close_of_the_thread, gen);
    CHECK_OK(weft_yield());
    CHECK_STR(trail, "<");
    CHECK_ERR(weft_gen_close(gen), -EBUSY);
    CHECK_ERR(weft_gen_next(gen, NULL), -EBUSY);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_STR(trail, "<>");
    return 0;
}

/** Leaves a generator behind that rests at a yield. */
static int forget_one(int yields)
{
    struct weft_gen *gen = make(slow_farewell, NULL);
    for (int i = 0; i < yields; i++)
        CHECK_EQ(weft_gen_next(gen, NULL), 1);
    return 0;
}
WEFT_TASK(forget_one, int);

/** Sends standard error into a pipe from here on. */
static int catch_errors(int *saved)
{
    int fds[2];
    CHECK_OK(pipe(fds));
    *saved = dup(2);
    CHECK_OK(*saved);
    CHECK_OK(dup2(fds[1], 2));
    CHECK_OK(close(fds[1]));
    return fds[0];
}

/** Ends that; gives what was written. */
static const char *caught_errors(int fd, int saved)
{
    static char text[2048];
    CHECK_OK(dup2(saved, 2));
    CHECK_OK(close(saved));
    ssize_t len = read(fd, text, sizeof text - 1);
    CHECK_OK(len);
    text[len] = '\0';
    CHECK_OK(close(fd));
    return text;
}

TASK_TEST(a_generator_left_open_is_closed_when_its_task_ends)
{
    struct weft_scope s;
    int saved, fd = catch_errors(&saved);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, forget_one, 1);
    CHECK_OK(weft_scope_exit(&s, 0));
    const char *text = caught_errors(fd, saved);
    CHECK_CONTAINS(text, "generator slow_farewell (made at ");
    CHECK_CONTAINS(text, "was left open by the task that made it");
    CHECK_STR(trail, "<>");
    return 0;
}

TASK_TEST(one_that_never_ran_is_reported_too)
{
    struct weft_scope s;
    int saved, fd = catch_errors(&saved);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, forget_one, 0);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_CONTAINS(caught_errors(fd, saved), "was left open by the task that made it");
    CHECK_STR(trail, "");
    return 0;
}

static int make_and_detach(struct weft_gen **ret)
{
    struct weft_gen *gen = make(slow_countdown, number(3));
    CHECK_EQ(next_number(gen), 3);
    weft_gen_detach(gen);
    *ret = gen;
    return 0;
}
WEFT_TASK(make_and_detach, __typeof__(struct weft_gen **));

TASK_TEST(a_detached_generator_outlives_its_task)
{
    struct weft_scope s;
    struct weft_gen *gen = NULL;
    int saved, fd = catch_errors(&saved);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, make_and_detach, &gen);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_EQ(next_number(gen), 2);
    CHECK_OK(weft_gen_close(gen));
    CHECK_STR(caught_errors(fd, saved), "");
    return 0;
}

static int quick_farewell(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(gen, arg, NULL);
    note(rc == -WEFT_ECLOSED ? 'x' : '?');
    return rc;
}

static int detach_and_forget(void *arg)
{
    struct weft_gen *gen = make(quick_farewell, arg);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    weft_gen_detach(gen);
    return 0;
}

TEST_EACH_ENGINE(a_detached_generator_ends_with_its_loop)
{
    int saved, fd = catch_errors(&saved);
    CHECK_OK(run_program(detach_and_forget));
    CHECK_CONTAINS(caught_errors(fd, saved),
                   "was detached and left open until the end of its loop");
    CHECK_STR(trail, "x");
}

/** Makes a generator, hands it to another task, and ends while that one is parked inside. */
static int lend(struct weft_scope *s, struct weft_gen **ret)
{
    struct weft_gen *gen = make(wait_for_ever, NULL);
    *ret = gen;
    weft_go(s, drive_until_cancelled, gen);
    int rc = weft_yield();
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_RUNNING);
    return rc;
}
WEFT_TASK(lend, __typeof__(struct weft_scope *), __typeof__(struct weft_gen **));

TASK_TEST(a_generator_with_another_task_inside_outlives_its_own)
{
    struct weft_scope s, owner;
    struct weft_gen *gen = NULL;
    int saved, fd = catch_errors(&saved);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_enter(&owner, WEFT_FOREVER);
    weft_go(&owner, lend, &s, &gen);
    CHECK_OK(weft_scope_exit(&owner, 0));
    CHECK_CONTAINS(caught_errors(fd, saved), "was left open by the task that made it");
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_RUNNING);
    weft_scope_cancel(&s, 0);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_ERR(weft_gen_close(gen), -ECANCELED);
    return 0;
}

TASK_TEST(one_that_nobody_closes_afterwards_ends_with_its_loop)
{
    struct weft_scope s, owner;
    struct weft_gen *gen = NULL;
    int saved, fd = catch_errors(&saved);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_enter(&owner, WEFT_FOREVER);
    weft_go(&owner, lend, &s, &gen);
    CHECK_OK(weft_scope_exit(&owner, 0));
    CHECK_CONTAINS(caught_errors(fd, saved), "was left open by the task that made it");
    weft_scope_cancel(&s, 0);
    /* The runner finds what is not freed. */
    return weft_scope_exit(&s, 0);
}

/* --- Scopes and kinds ---------------------------------------------------------------- */

/** Opens a scope, works in it, leaves it; then yields its outcome. */
static int scopes_inside(struct weft_gen *gen, void *arg)
{
    int rc = 0;
    (void)arg;
    while (rc == 0) {
        struct weft_scope s;
        int turns = 0, stop = 1;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, count_turns, &turns, &stop);
        rc = weft_scope_exit(&s, weft_sleep(WEFT_US));
        rc = weft_gen_yield(gen, number(rc), NULL);
    }
    return rc;
}

TASK_TEST(a_body_may_use_scopes_between_its_yields)
{
    struct weft_gen *gen = make(scopes_inside, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(next_number(gen), 0);
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(next_number(gen), 0);
    CHECK_OK(weft_scope_exit(&s, 0));
    CHECK_EQ(next_number(gen), 0);
    return weft_gen_close(gen);
}

static int yield_in_scope(struct weft_gen *gen, void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    int rc = weft_gen_yield(gen, number(1), NULL);
    CHECK_ERR(rc, -EPROTO);
    rc = weft_scope_exit(&s, 0);
    CHECK_EQ(rc, 0);
    return weft_gen_yield(gen, number(2), NULL);
}

static int drive_yield_in_scope(void *arg)
{
    (void)arg;
    struct weft_gen *gen = make(yield_in_scope, NULL);
    CHECK_EQ(next_number(gen), 2);
    return weft_gen_close(gen);
}

static void run_yield_in_scope(void)
{
    CHECK_OK(run_program(drive_yield_in_scope));
}

TEST_EACH_ENGINE(a_yield_inside_a_scope_of_the_body_is_misuse)
{
    misuse(run_yield_in_scope, "generator yield_in_scope (made at ");
}

static int tell_kind(struct weft_gen *gen, void *arg)
{
    (void)arg;
    return weft_gen_yield(gen, number(weft_running_kind()), NULL);
}

TASK_TEST(the_kind_tells_tasks_from_bodies)
{
    CHECK_EQ(weft_running_kind(), WEFT_KIND_TASK);
    struct weft_gen *gen = make(tell_kind, NULL);
    CHECK_EQ(next_number(gen), WEFT_KIND_GENERATOR);
    CHECK_EQ(weft_running_kind(), WEFT_KIND_TASK);
    return weft_gen_close(gen);
}

static enum weft_kind kind_of_callback;

static void look_from_a_callback(void *arg)
{
    (void)arg;
    kind_of_callback = weft_running_kind();
    struct weft_gen *gen = make(countdown, number(1));
    CHECK_EQ(next_number(gen), 1);
    CHECK_OK(weft_gen_close(gen));
}

TASK_TEST(a_callback_is_plain_and_may_drive_generators_that_do_not_wait)
{
    kind_of_callback = WEFT_KIND_TASK;
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), look_from_a_callback, NULL, NULL));
    while (kind_of_callback == WEFT_KIND_TASK)
        CHECK_OK(weft_yield());
    CHECK_EQ(kind_of_callback, WEFT_KIND_PLAIN);
    return 0;
}
