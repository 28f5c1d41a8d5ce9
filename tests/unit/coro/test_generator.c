/* SPDX-License-Identifier: MIT */
/*
 * test_generator.c: each sentence of weft/generator.h that needs no task
 *
 * Values are small numbers in pointers. What misuse does differs by build: debug builds abort with
 * a sentence, which is looked for in a child of its own; the others return the code, and the rest
 * of the test goes on from there. Generators inside tasks are in test_generator_task.c, delegation
 * in test_delegate.c.
 */
#include "generator_test.h"

#include <pthread.h>
#include <string.h>

/* --- next ---------------------------------------------------------------------------- */

static int mark(struct weft_gen *gen, void *arg)
{
    (void)gen;
    ++*(int *)arg;
    return 0;
}

TEST(nothing_runs_before_the_first_next)
{
    int runs = 0;
    struct weft_gen *gen = make(mark, &runs);
    CHECK_EQ(runs, 0);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(runs, 1);
    CHECK_OK(weft_gen_close(gen));
}

TEST(next_gives_each_value_and_then_zero_for_ever)
{
    struct weft_gen *gen = make(countdown, number(3));
    void *value = NULL;
    for (int i = 3; i > 0; i--) {
        CHECK_EQ(weft_gen_next(gen, &value), 1);
        CHECK_EQ((intptr_t)value, i);
    }
    value = number(77);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_gen_next(gen, &value), 0);
    CHECK_EQ((intptr_t)value, 77);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_value_may_be_null_and_may_be_dropped)
{
    struct weft_gen *gen = make(yield_once, NULL);
    void *value = number(77);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK(value == NULL);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_OK(weft_gen_close(gen));
    gen = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ((intptr_t)value, 2);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ((intptr_t)value, 2);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_failure_is_given_once)
{
    struct weft_gen *gen = make(fail_after_one, number(-ENOENT));
    void *value = number(77);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_next(gen, &value), -ENOENT);
    CHECK_EQ((intptr_t)value, 77);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(weft_gen_send(gen, number(1), NULL), 0);
    CHECK_EQ(weft_gen_throw(gen, -EIO, NULL), 0);
    CHECK_ERR(weft_gen_close(gen), -ENOENT);
}

TEST(the_result_is_what_the_body_returned)
{
    struct weft_gen *gen = make(fail_after_one, number(42));
    CHECK_ERR(weft_gen_result(gen), -EAGAIN);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_result(gen), -EAGAIN);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(weft_gen_result(gen), 42);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(weft_gen_result(gen), 42);
    CHECK_EQ(weft_gen_close(gen), 0);
}

/** Yields from a depth of calls, so that there is much to be kept. */
static int descend(struct weft_gen *gen, intptr_t depth)
{
    volatile char local[200];
    memset((char *)(uintptr_t)local, (int)depth, sizeof local);
    int rc = weft_gen_yield(gen, number(depth), NULL);
    if (rc == 0 && depth > 0)
        rc = descend(gen, depth - 1);
    for (size_t i = 0; i < sizeof local; i++)
        CHECK_EQ(local[i], (char)depth);
    return rc;
}

static int deep(struct weft_gen *gen, void *arg)
{
    return descend(gen, (intptr_t)arg);
}

TEST(a_generator_rests_at_any_depth_of_calls)
{
    struct weft_gen *gen = make(deep, number(100));
    int expected = 100;
    weft_gen_each(gen, value) CHECK_EQ((intptr_t)value, expected--);
    CHECK_EQ(expected, -1);
    CHECK_OK(weft_gen_close(gen));
}

TEST(many_generators_interleave)
{
    enum { COUNT = 200 };
    struct weft_gen *gens[COUNT];
    for (int i = 0; i < COUNT; i++)
        gens[i] = make(countdown, number(i));
    for (int round = 0; round < COUNT; round++) {
        for (int i = 0; i < COUNT; i++) {
            void *value = NULL;
            CHECK_EQ(weft_gen_next(gens[i], &value), i > round);
            CHECK_EQ((intptr_t)value, i > round ? i - round : 0);
        }
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(weft_gen_close(gens[i]));
}

/* --- send, throw, prime -------------------------------------------------------------- */

TEST(send_is_what_the_pending_yield_gives)
{
    struct weft_gen *gen = make(echo, NULL);
    void *value = NULL;
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ(weft_gen_send(gen, number(5), &value), 1);
    CHECK_EQ((intptr_t)value, 5);
    CHECK_EQ(weft_gen_send(gen, number(6), &value), 1);
    CHECK_EQ((intptr_t)value, 6);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK(value == NULL);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_value_cannot_be_sent_to_a_generator_just_made)
{
    int runs = 0;
    struct weft_gen *gen = make(mark, &runs);
    CHECK_ERR(weft_gen_send(gen, number(1), NULL), -EINVAL);
    CHECK_EQ(runs, 0);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_CREATED);
    CHECK_EQ(weft_gen_send(gen, NULL, NULL), 0);
    CHECK_EQ(runs, 1);
    CHECK_OK(weft_gen_close(gen));
}

/** Yields 1; then the error that arrives, as a positive number; then returns. */
static int catch_one(struct weft_gen *gen, void *arg)
{
    void *sent = number(77);
    (void)arg;
    int rc = weft_gen_yield(gen, number(1), &sent);
    CHECK_EQ((intptr_t)sent, 77);
    return rc < 0 ? weft_gen_yield(gen, number(-rc), NULL) : -ENODATA;
}

TEST(an_error_thrown_comes_out_of_the_pending_yield)
{
    struct weft_gen *gen = make(catch_one, NULL);
    void *value = NULL;
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ(weft_gen_throw(gen, -EDOM, &value), 1);
    CHECK_EQ((intptr_t)value, EDOM);
    CHECK_EQ(weft_gen_next(gen, &value), 0);
    CHECK_OK(weft_gen_close(gen));
}

TEST(an_error_that_the_body_passes_on_comes_back)
{
    struct weft_gen *gen = make(echo, NULL);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_throw(gen, -EDOM, NULL), -EDOM);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_ERR(weft_gen_close(gen), -EDOM);
}

TEST(throwing_closed_is_an_error_like_others)
{
    struct weft_gen *gen = make(catch_one, NULL);
    void *value = NULL;
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ(weft_gen_throw(gen, -WEFT_ECLOSED, &value), 1);
    CHECK_EQ((intptr_t)value, WEFT_ECLOSED);
    CHECK_OK(weft_gen_close(gen));
}

TEST(an_error_thrown_before_the_start_ends_a_generator_unrun)
{
    int runs = 0;
    struct weft_gen *gen = make(mark, &runs);
    CHECK_ERR(weft_gen_throw(gen, -EDOM, NULL), -EDOM);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_FINISHED);
    CHECK_ERR(weft_gen_result(gen), -EDOM);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(runs, 0);
    CHECK_ERR(weft_gen_close(gen), -EDOM);
}

static void throw_no_error(void)
{
    struct weft_gen *gen = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_throw(gen, 0, NULL), -EINVAL);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
}

TEST(only_a_negative_code_can_be_thrown)
{
    misuse(throw_no_error, "weft_gen_throw(countdown, 0)");
}

TEST(prime_runs_to_the_first_yield_so_that_send_works)
{
    struct weft_gen *gen = make(echo, NULL);
    void *value = NULL;
    CHECK_EQ(weft_gen_prime(gen), 0);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_SUSPENDED);
    CHECK_EQ(weft_gen_send(gen, number(9), &value), 1);
    CHECK_EQ((intptr_t)value, 9);
    CHECK_ERR(weft_gen_prime(gen), -EINVAL);
    CHECK_EQ(weft_gen_send(gen, number(8), &value), 1);
    CHECK_EQ((intptr_t)value, 8);
    CHECK_OK(weft_gen_close(gen));
}

TEST(prime_tells_of_an_end_without_a_yield)
{
    int runs = 0;
    struct weft_gen *gen = make(mark, &runs);
    CHECK_EQ(weft_gen_prime(gen), 0);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_FINISHED);
    CHECK_ERR(weft_gen_prime(gen), -EINVAL);
    CHECK_OK(weft_gen_close(gen));
    gen = make(fail_at_once, number(-ENOENT));
    CHECK_ERR(weft_gen_prime(gen), -ENOENT);
    CHECK_ERR(weft_gen_close(gen), -ENOENT);
}

/* --- close --------------------------------------------------------------------------- */

TEST(closing_nothing_is_fine)
{
    CHECK_EQ(weft_gen_close(NULL), 0);
}

TEST(closing_a_generator_just_made_runs_nothing)
{
    int runs = 0;
    CHECK_EQ(weft_gen_close(make(mark, &runs)), 0);
    CHECK_EQ(runs, 0);
}

/** Yields once; then leaves what the yield returned and its own code to the test. */
struct farewell {
    /** What the yield returned. */
    int seen;
    /** What the body returns. */
    int code;
};

static int say_farewell(struct weft_gen *gen, void *arg)
{
    struct farewell *farewell = arg;
    farewell->seen = weft_gen_yield(gen, NULL, NULL);
    return farewell->code;
}

static int close_with(struct farewell *farewell)
{
    struct weft_gen *gen = make(say_farewell, farewell);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    return weft_gen_close(gen);
}

TEST(close_lets_the_body_clean_up_and_gives_its_failure)
{
    struct farewell farewell = {0, 0};
    CHECK_EQ(close_with(&farewell), 0);
    CHECK_ERR(farewell.seen, -WEFT_ECLOSED);
    farewell.code = 5;
    CHECK_EQ(close_with(&farewell), 0);
    farewell.code = -WEFT_ECLOSED;
    CHECK_EQ(close_with(&farewell), 0);
    farewell.code = -EIO;
    CHECK_ERR(close_with(&farewell), -EIO);
}

/** What a careless body does: it looks at no result. */
static int yield_for_ever(struct weft_gen *gen, void *arg)
{
    int rc;
    do {
        rc = weft_gen_yield(gen, NULL, NULL);
        ++*(int *)arg;
    } while (rc <= 0);
    return rc;
}

static void close_a_deaf_one(void)
{
    int turns = 0;
    struct weft_gen *gen = make(yield_for_ever, &turns);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_close(gen), -EPROTO);
    CHECK_EQ(turns, 2);
}

TEST(a_body_that_yields_after_close_is_given_up)
{
    misuse(close_a_deaf_one, "generator yield_for_ever (made at ");
}

static void close_many_deaf_ones(void)
{
    for (int i = 0; i < 100; i++)
        close_a_deaf_one();
}

TEST(the_stack_of_a_body_given_up_is_used_again)
{
    misuse(close_many_deaf_ones, "once a yield has failed");
}

TEST(closing_leaves_no_stack_behind)
{
    /* The runner counts mappings; the others stay usable meanwhile. */
    struct weft_gen *first = make(countdown, number(3)), *second = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(first, NULL), 1);
    CHECK_EQ(weft_gen_next(second, NULL), 1);
    CHECK_OK(weft_gen_close(first));
    CHECK_EQ(weft_gen_next(second, NULL), 1);
    first = make(countdown, number(1));
    CHECK_OK(weft_gen_close(second));
    CHECK_EQ(weft_gen_next(first, NULL), 1);
    CHECK_OK(weft_gen_close(first));
}

/* --- Who may do what ----------------------------------------------------------------- */

/** A body with a place to find itself. */
struct self {
    /** The generator. */
    struct weft_gen *gen;
    /** What the calls on itself returned. */
    int next, send, throw, prime, close, delegate;
};

static int drive_self(struct weft_gen *gen, void *arg)
{
    struct self *self = arg;
    self->next = weft_gen_next(self->gen, NULL);
    self->send = weft_gen_send(self->gen, number(1), NULL);
    self->throw = weft_gen_throw(self->gen, -EIO, NULL);
    self->prime = weft_gen_prime(self->gen);
    self->close = weft_gen_close(self->gen);
    self->delegate = weft_gen_delegate(gen, self->gen);
    return weft_gen_yield(gen, number(4), NULL);
}

TEST(a_generator_that_runs_is_busy)
{
    struct self self = {0};
    void *value = NULL;
    self.gen = make(drive_self, &self);
    CHECK_EQ(weft_gen_next(self.gen, &value), 1);
    CHECK_EQ((intptr_t)value, 4);
    CHECK_ERR(self.next, -EBUSY);
    CHECK_ERR(self.send, -EBUSY);
    CHECK_ERR(self.throw, -EBUSY);
    CHECK_ERR(self.prime, -EBUSY);
    CHECK_ERR(self.close, -EBUSY);
    CHECK_ERR(self.delegate, -EBUSY);
    CHECK_OK(weft_gen_close(self.gen));
}

/** Drives the generator `arg` once, and passes its values on. */
static int relay(struct weft_gen *gen, void *arg)
{
    void *value;
    int rc;
    while ((rc = weft_gen_next(arg, &value)) > 0)
        if ((rc = weft_gen_yield(gen, value, NULL)) < 0)
            break;
    return rc;
}

TEST(a_body_may_drive_other_generators)
{
    struct weft_gen *inner = make(countdown, number(3)), *middle = make(relay, inner);
    struct weft_gen *outer = make(relay, middle);
    int expected = 3;
    weft_gen_each(outer, value) CHECK_EQ((intptr_t)value, expected--);
    CHECK_EQ(expected, 0);
    CHECK_OK(weft_gen_close(outer));
    CHECK_OK(weft_gen_close(middle));
    CHECK_OK(weft_gen_close(inner));
}

/** Calls next on the generator that drives it, from inside. */
static int drive_driver(struct weft_gen *gen, void *arg)
{
    (void)gen;
    return weft_gen_next(*(struct weft_gen **)arg, NULL);
}

TEST(a_generator_is_busy_while_it_drives_another)
{
    struct weft_gen *outer = NULL, *inner = make(drive_driver, &outer);
    outer = make(relay, inner);
    CHECK_ERR(weft_gen_next(outer, NULL), -EBUSY);
    CHECK_ERR(weft_gen_close(outer), -EBUSY);
    CHECK_ERR(weft_gen_close(inner), -EBUSY);
}

static void yield_from_outside(void)
{
    struct weft_gen *gen = make(countdown, number(3)), *other = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_ERR(weft_gen_yield(gen, NULL, NULL), -EPERM);
    CHECK_ERR(weft_gen_delegate(gen, other), -EPERM);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(other));
}

TEST(a_yield_outside_every_body_is_misuse)
{
    misuse(yield_from_outside, "weft_gen_yield was called outside the body of its generator");
}

/** Yields for another generator. */
static int yield_for(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(arg, NULL, NULL);
    CHECK_ERR(rc, -EPERM);
    return weft_gen_yield(gen, number(1), NULL);
}

static void yield_from_another_body(void)
{
    struct weft_gen *gen = make(countdown, number(3)), *other = make(yield_for, gen);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(weft_gen_next(other, NULL), 1);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(other));
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_yield_in_another_body_is_misuse)
{
    misuse(yield_from_another_body, "outside the body of its generator");
}

static void *drive_elsewhere(void *arg)
{
    CHECK_ERR(weft_gen_next(arg, NULL), -EPERM);
    CHECK_ERR(weft_gen_close(arg), -EPERM);
    return NULL;
}

static void drive_on_another_thread(void)
{
    pthread_t thread;
    struct weft_gen *gen = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(pthread_create(&thread, NULL, drive_elsewhere, gen), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_generator_stays_on_its_thread)
{
    misuse(drive_on_another_thread, "by another thread");
}

static void *count_on_a_thread(void *arg)
{
    struct weft_gen *gen = make(countdown, arg);
    intptr_t sum = 0;
    weft_gen_each(gen, value) sum += (intptr_t)value;
    CHECK_OK(weft_gen_close(gen));
    CHECK_EQ(weft_running_kind(), WEFT_KIND_PLAIN);
    return number(sum);
}

TEST(every_thread_can_have_generators)
{
    pthread_t threads[4];
    struct weft_gen *gen = make(countdown, number(2));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, count_on_a_thread, number(1000 + i)), 0);
    for (intptr_t i = 0, n = 1000; i < 4; i++, n++) {
        void *sum;
        CHECK_EQ(pthread_join(threads[i], &sum), 0);
        CHECK_EQ((intptr_t)sum, n * (n + 1) / 2);
    }
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
}

/* --- Looking ------------------------------------------------------------------------- */

static int look_at_self(struct weft_gen *gen, void *arg)
{
    *(enum weft_gen_state *)arg = weft_gen_state(gen);
    return weft_gen_yield(gen, number(weft_running_kind()), NULL);
}

TEST(the_state_follows_the_picture)
{
    enum weft_gen_state inside = WEFT_GEN_CREATED;
    struct weft_gen *gen = make(look_at_self, &inside);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_CREATED);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(inside, WEFT_GEN_RUNNING);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_SUSPENDED);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_FINISHED);
    CHECK_OK(weft_gen_close(gen));
}

TEST(the_kind_tells_on_whose_stack_we_are)
{
    enum weft_gen_state inside;
    void *value = NULL;
    CHECK_EQ(weft_running_kind(), WEFT_KIND_PLAIN);
    struct weft_gen *gen = make(look_at_self, &inside), *outer = make(relay, gen);
    CHECK_EQ(weft_gen_next(outer, &value), 1);
    CHECK_EQ((intptr_t)value, WEFT_KIND_GENERATOR);
    CHECK_EQ(weft_running_kind(), WEFT_KIND_PLAIN);
    CHECK_OK(weft_gen_close(outer));
    CHECK_OK(weft_gen_close(gen));
}

TEST(each_gives_every_value_and_break_leaves_it_suspended)
{
    struct weft_gen *gen = make(countdown, number(5));
    int count = 0;
    weft_gen_each(gen, value)
    {
        count++;
        if ((intptr_t)value == 4)
            break;
    }
    CHECK_EQ(count, 2);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_SUSPENDED);
    weft_gen_each(gen, value) count++;
    CHECK_EQ(count, 5);
    CHECK_OK(weft_gen_close(gen));
}

TEST(each_ends_at_a_failure_which_result_and_close_give)
{
    struct weft_gen *gen = make(fail_after_one, number(-EIO));
    int count = 0;
    weft_gen_each(gen, value) count++;
    CHECK_EQ(count, 1);
    CHECK_ERR(weft_gen_result(gen), -EIO);
    CHECK_ERR(weft_gen_close(gen), -EIO);
}

TEST(a_detached_generator_works_as_before)
{
    struct weft_gen *gen = make(countdown, number(3)), *other = make(countdown, number(3));
    weft_gen_detach(gen);
    CHECK_OK(weft_gen_close(other));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    weft_gen_detach(gen);
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
}
