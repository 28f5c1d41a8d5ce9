/* SPDX-License-Identifier: MIT */
/*
 * test_delegate.c: weft_gen_delegate, "yield from"
 *
 * Most tests drive an outer generator that delegates to an inner one which the test made, and look
 * at both ends. The last one compares chains of random depth with a plain list of what they should
 * give, under random values, errors and closes.
 */
#include "generator_test.h"

#include <stdio.h>
#include <string.h>

/** An outer generator and what it saw. */
struct outer {
    /** To whom it delegates. */
    struct weft_gen *inner;
    /** What the first delegate returned; 12345 before. */
    int seen;
    /** What is yielded afterwards; 0: nothing. */
    intptr_t after;
    /** What that yield returned. */
    int after_seen;
};

static int delegate(struct weft_gen *gen, void *arg)
{
    struct outer *outer = arg;
    outer->seen = weft_gen_delegate(gen, outer->inner);
    if (outer->after)
        outer->after_seen = weft_gen_yield(gen, number(outer->after), NULL);
    return outer->seen;
}

static struct weft_gen *make_pair(struct outer *outer, weft_gen_fn *fn, void *arg)
{
    *outer = (struct outer){.inner = make(fn, arg), .seen = 12345};
    return make(delegate, outer);
}

static void check_next(struct weft_gen *gen, intptr_t expected)
{
    void *value = number(-1);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ((intptr_t)value, expected);
}

TEST(values_pass_through)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, countdown, number(3));
    outer.after = 77;
    for (int i = 3; i > 0; i--)
        check_next(gen, i);
    CHECK_EQ(outer.seen, 12345);
    check_next(gen, 77);
    CHECK_EQ(outer.seen, 0);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(what_is_sent_passes_through)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, echo, number(1));
    void *value = NULL;
    check_next(gen, 1);
    CHECK_EQ(weft_gen_send(gen, number(8), &value), 1);
    CHECK_EQ((intptr_t)value, 8);
    check_next(gen, 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

/** Yields 1; then each error thrown in, as a positive number. */
static int catch_all(struct weft_gen *gen, void *arg)
{
    int rc = -1;
    (void)arg;
    while (rc != 0 && rc != -WEFT_ECLOSED)
        rc = weft_gen_yield(gen, number(-rc), NULL);
    return rc == 0 ? 0 : -ESTALE;
}

TEST(errors_pass_through)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, catch_all, NULL);
    void *value = NULL;
    check_next(gen, 1);
    CHECK_EQ(weft_gen_throw(gen, -EDOM, &value), 1);
    CHECK_EQ((intptr_t)value, EDOM);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(outer.seen, 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(an_error_that_the_inner_body_passes_on_is_the_outer_ones_to_handle)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, echo, number(1));
    void *value = NULL;
    outer.after = 77;
    check_next(gen, 1);
    CHECK_EQ(weft_gen_throw(gen, -EDOM, &value), 1);
    CHECK_EQ((intptr_t)value, 77);
    CHECK_ERR(outer.seen, -EDOM);
    CHECK_OK(weft_gen_close(outer.inner) == -EDOM ? 0 : -1);
    CHECK_ERR(weft_gen_close(gen), -EDOM);
}

TEST(the_return_value_passes_through)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, fail_after_one, number(42));
    check_next(gen, 0);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(outer.seen, 42);
    CHECK_EQ(weft_gen_result(gen), 42);
    CHECK_EQ(weft_gen_result(outer.inner), 42);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(a_failure_passes_through)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, fail_after_one, number(-EIO));
    check_next(gen, 0);
    CHECK_ERR(weft_gen_next(gen, NULL), -EIO);
    CHECK_ERR(outer.seen, -EIO);
    CHECK_ERR(weft_gen_close(gen), -EIO);
    CHECK_ERR(weft_gen_close(outer.inner), -EIO);
}

TEST(an_inner_body_without_a_yield_gives_its_result_at_once)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, fail_at_once, number(9));
    outer.after = 77;
    check_next(gen, 77);
    CHECK_EQ(outer.seen, 9);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(close_passes_through_from_the_inside_out)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, countdown, number(3));
    check_next(gen, 3);
    CHECK_OK(weft_gen_close(gen));
    CHECK_ERR(outer.seen, -WEFT_ECLOSED);
    CHECK_EQ(weft_gen_state(outer.inner), WEFT_GEN_FINISHED);
    CHECK_OK(weft_gen_close(outer.inner));
}

/** Makes nothing of being closed. */
static int shrug(struct weft_gen *gen, void *arg)
{
    (void)arg;
    return weft_gen_yield(gen, NULL, NULL) < 0 ? 5 : 6;
}

TEST(after_a_close_delegate_says_so_whatever_the_inner_body_returned)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, shrug, NULL);
    check_next(gen, 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_ERR(outer.seen, -WEFT_ECLOSED);
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(after_a_close_a_failure_to_clean_up_inside_is_seen_outside)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, catch_all, NULL);
    check_next(gen, 1);
    CHECK_ERR(weft_gen_close(gen), -ESTALE);
    CHECK_ERR(outer.seen, -ESTALE);
    CHECK_ERR(weft_gen_close(outer.inner), -ESTALE);
}

/** Yields on, whatever happens. */
static int deaf(struct weft_gen *gen, void *arg)
{
    int rc;
    (void)arg;
    do {
        rc = weft_gen_yield(gen, NULL, NULL);
    } while (rc <= 0);
    return rc;
}

static void close_with_a_deaf_inner(void)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, deaf, NULL);
    check_next(gen, 0);
    CHECK_ERR(weft_gen_close(gen), -EPROTO);
    CHECK_ERR(outer.seen, -EPROTO);
    CHECK_EQ(weft_gen_state(outer.inner), WEFT_GEN_FINISHED);
    CHECK_ERR(weft_gen_close(outer.inner), -EPROTO);
}

TEST(an_inner_body_that_ignores_close_is_given_up_and_the_outer_one_cleans_up)
{
    misuse(close_with_a_deaf_inner, "was told to end by weft_gen_close and yields again");
}

/** Delegates once more after it was closed. */
static int delegate_twice(struct weft_gen *gen, void *arg)
{
    struct weft_gen **inner = arg;
    int rc = weft_gen_delegate(gen, inner[0]);
    CHECK_ERR(rc, -WEFT_ECLOSED);
    rc = weft_gen_delegate(gen, inner[1]);
    FAIL("the second delegate returned %d", rc);
}

static void delegate_after_close(void)
{
    struct weft_gen *inner[] = {make(countdown, number(3)), make(countdown, number(3))};
    struct weft_gen *gen = make(delegate_twice, inner);
    check_next(gen, 3);
    CHECK_ERR(weft_gen_close(gen), -EPROTO);
    CHECK_EQ(weft_gen_state(inner[1]), WEFT_GEN_CREATED);
    CHECK_OK(weft_gen_close(inner[0]));
    CHECK_OK(weft_gen_close(inner[1]));
}

TEST(to_delegate_after_close_counts_as_a_yield)
{
    misuse(delegate_after_close, "generator delegate_twice");
}

TEST(a_generator_that_was_started_is_taken_over_where_it_rests)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, countdown, number(5));
    check_next(outer.inner, 5);
    check_next(outer.inner, 4);
    check_next(gen, 3);
    check_next(gen, 2);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(taking_over_gives_the_pending_yield_nothing)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, echo, number(4));
    void *value = NULL;
    check_next(outer.inner, 4);
    CHECK_EQ(weft_gen_send(outer.inner, number(6), &value), 1);
    check_next(gen, 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(a_generator_at_its_end_gives_its_result_again)
{
    struct outer outer;
    struct weft_gen *gen = make_pair(&outer, fail_at_once, number(7));
    CHECK_EQ(weft_gen_next(outer.inner, NULL), 0);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(outer.seen, 7);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(a_generator_delegated_to_is_busy_for_all_others)
{
    struct outer outer, rival;
    struct weft_gen *gen = make_pair(&outer, countdown, number(2));
    check_next(gen, 2);
    CHECK_EQ(weft_gen_state(gen), WEFT_GEN_SUSPENDED);
    CHECK_EQ(weft_gen_state(outer.inner), WEFT_GEN_RUNNING);
    CHECK_ERR(weft_gen_next(outer.inner, NULL), -EBUSY);
    CHECK_ERR(weft_gen_send(outer.inner, number(1), NULL), -EBUSY);
    CHECK_ERR(weft_gen_throw(outer.inner, -EIO, NULL), -EBUSY);
    CHECK_ERR(weft_gen_close(outer.inner), -EBUSY);
    rival = outer;
    struct weft_gen *other = make(delegate, &rival);
    CHECK_ERR(weft_gen_next(other, NULL), -EBUSY);
    CHECK_ERR(rival.seen, -EBUSY);
    check_next(gen, 1);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_EQ(weft_gen_next(outer.inner, NULL), 0);
    CHECK_OK(weft_gen_close(outer.inner));
    CHECK_ERR(weft_gen_close(other), -EBUSY);
    CHECK_OK(weft_gen_close(gen));
}

/** Yields for the generator that delegates to it. */
static int yield_for_outer(struct weft_gen *gen, void *arg)
{
    struct weft_gen **outer = arg;
    int rc = weft_gen_yield(*outer, NULL, NULL);
    CHECK_ERR(rc, -EPERM);
    return weft_gen_yield(gen, number(1), NULL);
}

static void yield_for_the_outer_one(void)
{
    struct outer outer;
    struct weft_gen *gen = NULL;
    gen = make_pair(&outer, yield_for_outer, &gen);
    check_next(gen, 1);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(outer.inner));
}

TEST(an_inner_body_cannot_yield_for_the_outer_one)
{
    misuse(yield_for_the_outer_one, "outside the body of its generator");
}

/** Delegates to a generator that it makes and closes itself, `arg` deep; the last one counts. */
static int descend(struct weft_gen *gen, void *arg)
{
    intptr_t depth = (intptr_t)arg;
    struct weft_gen *inner;
    int rc = depth > 0 ? weft_gen_new(descend, number(depth - 1), &inner)
                       : weft_gen_new(countdown, number(3), &inner);
    if (rc < 0)
        return rc;
    rc = weft_gen_delegate(gen, inner);
    int close_rc = weft_gen_close(inner);
    if (rc < 0 || close_rc < 0)
        return rc < 0 ? rc : close_rc;
    return weft_gen_yield(gen, number(100 + depth), NULL);
}

TEST(a_chain_of_hundreds_works_and_unwinds_one_by_one)
{
    enum { DEPTH = 300 };
    struct weft_gen *gen = make(descend, number(DEPTH));
    for (int i = 3; i > 0; i--)
        check_next(gen, i);
    for (int i = 0; i <= DEPTH; i++)
        check_next(gen, 100 + i);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_chain_of_hundreds_can_be_closed)
{
    struct weft_gen *gen = make(descend, number(300));
    check_next(gen, 3);
    CHECK_OK(weft_gen_close(gen));
}

TEST(a_chain_can_be_extended_at_its_head_while_it_rests)
{
    struct outer inner, outer = {.seen = 12345};
    struct weft_gen *middle = make_pair(&inner, echo, number(1));
    void *value = NULL;
    check_next(middle, 1);
    outer.inner = middle;
    struct weft_gen *gen = make(delegate, &outer);
    check_next(gen, 0);
    CHECK_ERR(weft_gen_next(middle, NULL), -EBUSY);
    CHECK_EQ(weft_gen_send(gen, number(6), &value), 1);
    CHECK_EQ((intptr_t)value, 6);
    CHECK_OK(weft_gen_close(gen));
    CHECK_ERR(inner.seen, -WEFT_ECLOSED);
    CHECK_ERR(outer.seen, -WEFT_ECLOSED);
    CHECK_OK(weft_gen_close(middle));
    CHECK_OK(weft_gen_close(inner.inner));
}

TEST(a_member_of_a_chain_extended_at_its_head_yields_to_the_new_head)
{
    struct outer inner, outer = {.seen = 12345};
    struct weft_gen *middle = make_pair(&inner, countdown, number(2));
    inner.after = 55;
    check_next(middle, 2);
    outer.inner = middle;
    outer.after = 66;
    struct weft_gen *gen = make(delegate, &outer);
    check_next(gen, 1);
    check_next(gen, 55);
    check_next(gen, 66);
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_OK(weft_gen_close(gen));
    CHECK_OK(weft_gen_close(middle));
    CHECK_OK(weft_gen_close(inner.inner));
}

/** Delegates to several, one after the other. */
static int concatenate(struct weft_gen *gen, void *arg)
{
    struct weft_gen **part = arg;
    int rc = 0;
    for (; *part && rc >= 0; part++)
        rc = weft_gen_delegate(gen, *part);
    return rc;
}

TEST(a_body_may_delegate_again_and_again)
{
    struct weft_gen *parts[] = {make(countdown, number(2)), make(countdown, NULL),
                                make(countdown, number(3)), NULL};
    struct weft_gen *gen = make(concatenate, parts);
    static const int expected[] = {2, 1, 3, 2, 1};
    int count = 0;
    weft_gen_each(gen, value) CHECK_EQ((intptr_t)value, expected[count++]);
    CHECK_EQ(count, 5);
    CHECK_OK(weft_gen_close(gen));
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_gen_close(parts[i]));
}

/* --- Random chains ------------------------------------------------------------------- */

static uint64_t random_state;

/** xorshift64: the same numbers everywhere. */
static unsigned next_random(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

/** What the bodies did, in order: yields, what yields gave back, returns. */
static char history[65536];
static size_t history_len;

static void record(char what, int number_of)
{
    CHECK(history_len + 16 < sizeof history);
    history_len += (size_t)sprintf(history + history_len, "%c%d ", what, number_of);
}

/**
 * A body that follows the random numbers. `via` says how it passes on what an inner generator
 * gives: by delegate, or by a loop around next, send and throw that must amount to the same.
 */
struct walker {
    /** How many levels may follow. */
    int depth;
    /** Whether to delegate. */
    bool delegates;
};

static int pass_on(struct weft_gen *gen, struct weft_gen *inner)
{
    void *value = NULL, *sent = NULL;
    int error = 0, rc;
    for (;;) {
        rc = error ? weft_gen_throw(inner, error, &value) : weft_gen_send(inner, sent, &value);
        if (rc <= 0)
            return rc < 0 ? rc : weft_gen_result(inner);
        sent = NULL;
        error = weft_gen_yield(gen, value, &sent);
    }
}

static int walk(struct weft_gen *gen, void *arg)
{
    const struct walker *walker = arg;
    struct walker below = {walker->depth - 1, walker->delegates};
    unsigned steps = next_random(5);
    int rc = 0;
    for (unsigned i = 0; i < steps && rc >= 0; i++) {
        void *sent = NULL;
        struct weft_gen *inner;
        if (below.depth >= 0 && next_random(2)) {
            CHECK_OK(weft_gen_new(walk, &below, &inner));
            rc = walker->delegates ? weft_gen_delegate(gen, inner) : pass_on(gen, inner);
            record('d', rc);
            int close_rc = weft_gen_close(inner);
            CHECK_EQ(close_rc, rc < 0 && rc != -WEFT_ECLOSED ? rc : 0);
        } else {
            rc = weft_gen_yield(gen, number((intptr_t)next_random(1000)), &sent);
            record(rc < 0 ? 'e' : 's', rc < 0 ? rc : (int)(intptr_t)sent);
        }
        /* Half of the errors are handled, but no close. */
        if (rc < 0 && rc != -WEFT_ECLOSED && next_random(2))
            rc = 0;
    }
    rc = rc < 0 ? rc : (int)next_random(100);
    record('r', rc);
    return rc;
}

static void drive_walk(uint64_t seed, bool delegates)
{
    struct walker walker = {5, delegates};
    random_state = seed;
    history_len = 0;
    struct weft_gen *gen = make(walk, &walker);
    int rc = 1;
    for (int i = 0; rc > 0 && i < 200; i++) {
        void *value = NULL;
        unsigned choice = next_random(8);
        if (choice == 0 && i > 0)
            rc = weft_gen_throw(gen, -EDOM, &value);
        else
            rc = weft_gen_send(gen, i > 0 ? number((intptr_t)choice) : NULL, &value);
        record('v', rc > 0 ? (int)(intptr_t)value : rc);
        if (next_random(20) == 0)
            break;
    }
    if (rc > 0)
        record('t', weft_gen_throw(gen, -WEFT_ECLOSED, NULL));
    rc = weft_gen_close(gen);
    record('c', rc);
}

TEST(delegation_amounts_to_passing_on_by_hand)
{
    static char by_hand[sizeof history];
    size_t longest = 0;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        drive_walk(seed * 7919, false);
        memcpy(by_hand, history, history_len + 1);
        drive_walk(seed * 7919, true);
        CHECK_STR(history, by_hand);
        longest = history_len > longest ? history_len : longest;
    }
    CHECK(longest > 200);
}
