/* SPDX-License-Identifier: MIT */
/*
 * test_scope.c: scopes and joins under many schedules
 *
 * What a scope promises must hold whatever order its tasks run in: no child outlives it, its
 * outcome is the first cause in time, each policy treats failures its own way, and every handle is
 * joined once with the child's own result. Each scenario keeps a log in plain variables, since a
 * loop has one thread, and compares it with what the calls returned.
 */
#include "seeds.h"
#include <errno.h>
#include <weft/weft.h>

enum { CHILDREN = 6 };

/* Waits a little, in one of two ways: 0, or a code when it is refused. */
static int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(4) * WEFT_MS);
}

static int wait_often(unsigned times)
{
    int rc = 0;

    while (rc == 0 && times-- > 0)
        rc = wait_a_little();
    return rc;
}

/* --- Lifetime -------------------------------------------------------------------------------- */

static int alive;

static int branch(unsigned level);
WEFT_TASK(branch, unsigned);

/* A scope with up to three branches of its own, a level lower; all of them must be gone at its
 * exit. */
static int branch(unsigned level)
{
    struct weft_scope scope;
    unsigned children = level ? seeds_dice(4) : 0;

    alive++;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (unsigned i = 0; i < children; i++)
        EXPECT_EQ(weft_go(&scope, branch, level - 1), 0);
    EXPECT_EQ(weft_scope_children(&scope), children);
    int rc = weft_scope_exit(&scope, wait_often(seeds_dice(4)));
    EXPECT_EQ(rc, 0);
    alive--;
    return rc;
}

SCENARIO(no_child_outlives_its_scope)
{
    alive = 0;
    int rc = branch(3);
    EXPECT_EQ(alive, 0);
    return rc;
}

static int descendant(struct weft_scope *into, unsigned generations);
WEFT_TASK(descendant, __typeof__(struct weft_scope *), unsigned);

/* Puts the next generation into the scope that it came into, and ends before or after it. */
static int descendant(struct weft_scope *into, unsigned generations)
{
    int rc = wait_a_little();

    alive++;
    for (unsigned i = 0; generations > 0 && i < 2; i++)
        EXPECT_EQ(weft_go(into, descendant, into, generations - 1), 0);
    if (rc == 0)
        rc = wait_often(seeds_dice(3));
    alive--;
    return rc;
}

SCENARIO(a_scope_waits_for_children_that_its_children_put_into_it)
{
    struct weft_scope scope;

    alive = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, descendant, &scope, 3), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(alive, 0);
    return rc;
}

/* --- Failures -------------------------------------------------------------------------------- */

/** Failures in the order in which they happened, and the children that were only cancelled. */
static struct {
    /** The codes. */
    int codes[CHILDREN];
    /** How many. */
    unsigned count;
    /** Children that ended without a failure of their own. */
    unsigned others;
} log_of;

/* Fails with its own code after a while, or ends well, or is cancelled on the way. */
static int may_fail(int code)
{
    int rc = wait_often(1 + seeds_dice(4));

    if (rc == 0 && seeds_dice(3) > 0) {
        log_of.codes[log_of.count++] = code;
        return code;
    }
    log_of.others++;
    return rc;
}
WEFT_TASK(may_fail, int);

static void start_failing_children(struct weft_scope *scope)
{
    log_of.count = log_of.others = 0;
    for (int i = 0; i < CHILDREN; i++)
        EXPECT_EQ(weft_go(scope, may_fail, -1000 - i), 0);
}

/* The outcome is the first failure of the log, and the note counts those after it. */
static void expect_first_failure(const struct weft_scope *scope, int rc)
{
    const struct weft_failure *failure = weft_scope_failure(scope);

    EXPECT_EQ(log_of.count + log_of.others, CHILDREN);
    EXPECT_EQ(rc, log_of.count ? log_of.codes[0] : 0);
    EXPECT((failure != NULL) == (log_of.count > 0));
    if (!failure || log_of.count == 0)
        return;
    EXPECT_EQ(failure->code, log_of.codes[0]);
    EXPECT_EQ(failure->more, log_of.count - 1);
}

SCENARIO(the_outcome_of_a_scope_is_its_first_failure_in_time)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_failing_children(&scope);
    expect_first_failure(&scope, weft_scope_exit(&scope, 0));
    return 0;
}

SCENARIO(a_collecting_scope_lets_all_children_run_to_their_end)
{
    struct weft_scope scope;

    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    start_failing_children(&scope);
    int refused = wait_often(seeds_dice(4));
    EXPECT_EQ(refused, 0);
    expect_first_failure(&scope, weft_scope_exit(&scope, 0));
    EXPECT(!weft_cancelled());
    return 0;
}

static unsigned heard;

static void hear(const struct weft_failure *failure, void *arg)
{
    (void)arg;
    EXPECT_EQ(failure->code, log_of.codes[heard]);
    heard++;
}

SCENARIO(a_supervising_scope_tells_of_each_failure_and_goes_on)
{
    struct weft_scope scope;

    heard = 0;
    weft_loop_set_failure_handler(weft_loop_current(), hear, NULL);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_SUPERVISE);
    start_failing_children(&scope);
    EXPECT_EQ(weft_scope_exit(&scope, wait_often(seeds_dice(4))), 0);
    EXPECT_EQ(heard, log_of.count);
    EXPECT_EQ(log_of.count + log_of.others, CHILDREN);
    return 0;
}

SCENARIO(a_failing_body_cancels_the_children_unless_one_failed_before)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    start_failing_children(&scope);
    int refused = wait_often(seeds_dice(6));
    bool was_first = log_of.count == 0;
    int rc = weft_scope_exit(&scope, refused < 0 ? refused : -2000);
    EXPECT_EQ(rc, was_first ? -2000 : log_of.codes[0]);
    EXPECT_EQ(log_of.count + log_of.others, CHILDREN);
    return 0;
}

/* --- Joining --------------------------------------------------------------------------------- */

static int returns(int value)
{
    int rc = wait_often(seeds_dice(5));
    return rc < 0 ? rc : value;
}
WEFT_TASK(returns, int);

static int join_one(struct weft_task *task, int expected)
{
    int result = -1;
    int rc = wait_often(seeds_dice(5));

    EXPECT_EQ(rc, 0);
    rc = weft_join(task, &result);
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(result, expected);
    return rc;
}
WEFT_TASK(join_one, __typeof__(struct weft_task *), int);

SCENARIO(every_join_gets_the_result_of_its_own_task)
{
    struct weft_scope scope;
    struct weft_task *task = NULL;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CHILDREN; i++) {
        EXPECT_EQ(weft_spawn(&scope, &task, returns, 100 + i), 0);
        EXPECT_EQ(weft_go(&scope, join_one, task, 100 + i), 0);
    }
    return weft_scope_exit(&scope, 0);
}

SCENARIO(a_cancelled_task_is_joined_with_what_its_function_returned)
{
    struct weft_scope scope;
    struct weft_task *tasks[CHILDREN];

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CHILDREN; i++)
        EXPECT_EQ(weft_spawn(&scope, &tasks[i], returns, 100 + i), 0);
    for (int i = 0; i < CHILDREN; i++) {
        int result = -1;
        bool cancel = seeds_dice(2);
        EXPECT_EQ(wait_often(seeds_dice(3)), 0);
        bool ended = weft_task_ended(tasks[i]);
        if (cancel)
            weft_task_cancel(tasks[i]);
        EXPECT_EQ(weft_join(tasks[i], &result), 0);
        EXPECT(result == 100 + i || (cancel && !ended && result == -ECANCELED));
    }
    return weft_scope_exit(&scope, 0);
}

/* Joins with deadlines that often come first; the handle stays good then. */
static int joins_in_the_end(int expected)
{
    struct weft_scope scope;
    struct weft_task *task;
    int result = -1, cuts = 0;
    ssize_t rc;

    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_spawn(&scope, &task, returns, expected), 0);
    do {
        rc = weft_within((weft_ns)seeds_dice(3) * WEFT_MS, weft_join(task, &result));
        EXPECT(rc == 0 || rc == -ETIMEDOUT);
    } while (rc < 0 && ++cuts < 1000);
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(result, expected);
    return weft_scope_exit(&scope, 0);
}
WEFT_TASK(joins_in_the_end, int);

SCENARIO(a_join_that_is_cut_off_can_be_repeated)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CHILDREN; i++)
        EXPECT_EQ(weft_go(&scope, joins_in_the_end, i), 0);
    return weft_scope_exit(&scope, 0);
}

/* --- Starting -------------------------------------------------------------------------------- */

/** What a child of a ready start does. */
enum how {
    /** Says that it is ready, and goes on. */
    SAYS_SO,
    /** Ends well without a word. */
    ENDS,
    /** Fails without a word. */
    FAILS
};

static int says_ready(int how, int *said)
{
    int rc = wait_often(seeds_dice(4));

    if (rc == 0 && how == SAYS_SO) {
        *said = 1;
        weft_ready();
        rc = wait_often(seeds_dice(4));
    }
    return how == FAILS && rc == 0 ? -3000 : rc;
}
WEFT_TASK(says_ready, int, __typeof__(int *));

static int starts_ready(void)
{
    struct weft_scope scope;
    int how = (int)seeds_dice(3), said = 0, outcome = how == FAILS ? -3000 : 0;

    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    int rc = weft_go_ready(&scope, says_ready, how, &said);
    EXPECT_EQ(rc, outcome);
    EXPECT_EQ(said, how == SAYS_SO);
    EXPECT_EQ(weft_scope_exit(&scope, 0), outcome);
    return 0;
}
WEFT_TASK(starts_ready);

SCENARIO(a_ready_start_returns_when_the_child_said_so_or_ended)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CHILDREN; i++)
        EXPECT_EQ(weft_go(&scope, starts_ready), 0);
    return weft_scope_exit(&scope, 0);
}

static int order[CHILDREN + 1];
static int started;

static int notes_its_start(int number)
{
    order[started++] = number;
    return weft_yield();
}
WEFT_TASK(notes_its_start, int);

SCENARIO(no_child_runs_before_its_creator_waits)
{
    struct weft_scope scope;

    started = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CHILDREN; i++) {
        EXPECT_EQ(weft_go(&scope, notes_its_start, i), 0);
        EXPECT_EQ(started, 0);
    }
    int before = started;
    EXPECT_EQ(weft_go_now(&scope, notes_its_start, CHILDREN - 1), 0);
    EXPECT(started > before);
    return weft_scope_exit(&scope, 0);
}
