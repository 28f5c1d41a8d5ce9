/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c: cancellation and deadlines under many schedules
 *
 * A wait that is cancelled did not happen, and one that happened is not taken back: whichever of
 * the two comes first in a turn, what the waiter is told and what its waker is told must agree, and
 * no byte may be lost or come twice. Time is virtual, so that deadlines are compared exactly;
 * a quarter of the seeds delays calls, cuts them short and interrupts them.
 */
#include "seeds.h"
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

enum { TASKS = 5, ROUNDS = 6 };

static int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(4) * WEFT_MS);
}

/* --- Waking and cancelling ------------------------------------------------------------------- */

/** One wait that is woken and cancelled at random moments. */
struct race {
    /** The wait. */
    struct weft_wait wait;
    /** Whether it is published. */
    bool waiting;
    /** How many wakes said that they were the first. */
    int woken;
    /** What the park returned; 1 while it has not. */
    ssize_t result;
};

static struct race races[TASKS];

static void describe_race(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    if (size > 0)
        buf[0] = '\0';
}

static enum weft_abort abort_race(struct weft_wait *wait)
{
    struct race *race = wait->object;

    race->waiting = false;
    return WEFT_ABORT_DONE;
}

static int racer(unsigned number)
{
    struct race *race = &races[number];
    int rc = weft_wait_begin();

    if (rc < 0) {
        race->result = rc;
        return rc;
    }
    weft_wait_init(&race->wait, describe_race, race);
    race->waiting = true;
    race->result = weft_park(&race->wait, abort_race);
    race->waiting = false;
    return race->result < 0 ? (int)race->result : 0;
}
WEFT_TASK(racer, unsigned);

/* Wakes every wait that is published, in a random order, twice. */
static int waker(void)
{
    int rc = 0;

    for (int i = 0; i < 4 * TASKS && rc == 0; i++) {
        struct race *race = &races[seeds_dice(TASKS)];
        if (race->waiting && race->result == 1)
            race->woken += weft_wake(&race->wait, 42);
        if (seeds_dice(2))
            rc = wait_a_little();
    }
    return rc;
}
WEFT_TASK(waker);

SCENARIO(a_wait_is_woken_or_cancelled_and_both_sides_agree)
{
    struct weft_scope scope, inner;
    struct weft_task *tasks[TASKS];

    memset(races, 0, sizeof races);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_enter(&inner, WEFT_FOREVER);
    for (unsigned i = 0; i < TASKS; i++) {
        races[i].result = 1;
        EXPECT_EQ(weft_spawn(&inner, &tasks[i], racer, i), 0);
    }
    EXPECT_EQ(weft_go(&scope, waker), 0);
    for (unsigned i = 0; i < TASKS; i++) {
        EXPECT_EQ(wait_a_little(), 0);
        weft_task_cancel(tasks[i]);
    }
    EXPECT_EQ(weft_scope_exit(&inner, 0), 0);
    for (unsigned i = 0; i < TASKS; i++) {
        EXPECT(races[i].result == 42 || races[i].result == -ECANCELED);
        EXPECT_EQ(races[i].woken, races[i].result == 42);
    }
    return weft_scope_exit(&scope, 0);
}

/* --- Levels ---------------------------------------------------------------------------------- */

static struct weft_scope *levels[3];
/** When each level was cancelled, in the order of cancellations from 1; 0: it was not. */
static int cancelled_as[3];
static int cancellations;

static int canceller(void)
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        unsigned level = seeds_dice(3);
        rc = wait_a_little();
        if (rc == 0 && levels[level] && !cancelled_as[level]) {
            cancelled_as[level] = ++cancellations;
            weft_scope_cancel(levels[level], -4000 - (int)level);
        }
    }
    return rc;
}
WEFT_TASK(canceller);

/* What a level's exit may give: its own reason when that came first, nothing when nobody was
 * cancelled, and -ECANCELED only when a level above was. */
static void expect_outcome(unsigned level, int outcome, int body)
{
    int reason = -4000 - (int)level, above = 0;

    for (unsigned i = 0; i < level; i++)
        if (cancelled_as[i] && (!above || cancelled_as[i] < above))
            above = cancelled_as[i];
    if (cancelled_as[level] && (!above || cancelled_as[level] < above))
        EXPECT_EQ(outcome, reason);
    else if (above)
        EXPECT(outcome == -ECANCELED || outcome == 0 || outcome == reason);
    else
        EXPECT_EQ(outcome, body);
}

/* Enters a level and those below it, and waits there; every refused wait has a cancelled level. */
static int descend(unsigned level)
{
    struct weft_scope scope;
    int rc = 0;

    weft_scope_enter(&scope, WEFT_FOREVER);
    levels[level] = &scope;
    if (level < 2)
        rc = descend(level + 1);
    for (unsigned i = 0; i < 4; i++) {
        int refused = weft_cancelled();
        int waited = wait_a_little();
        EXPECT(waited == 0 ? !refused : waited == -ECANCELED && weft_cancelled());
        rc = rc ? rc : waited;
    }
    levels[level] = NULL;
    int outcome = weft_scope_exit(&scope, rc);
    expect_outcome(level, outcome, rc);
    return outcome == -4000 - (int)level ? 0 : outcome;
}

SCENARIO(each_level_absorbs_its_own_cancellation)
{
    struct weft_scope scope;

    memset(cancelled_as, 0, sizeof cancelled_as);
    cancellations = 0;
    memset(levels, 0, sizeof levels);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, canceller), 0);
    int rc = descend(0);
    EXPECT_EQ(rc, 0);
    EXPECT(!weft_cancelled());
    return weft_scope_exit(&scope, rc);
}

static int cleaned;

/* Waits until it is cancelled, then cleans up behind a shield, which takes several waits. */
static int cleans_up(void)
{
    struct weft_scope shield;
    int rc = 0, inside = 0;

    for (int i = 0; i < 20 && rc == 0; i++)
        rc = wait_a_little();
    weft_shield_enter(&shield, WEFT_HOUR);
    for (int i = 0; i < 3; i++)
        inside = inside ? inside : wait_a_little();
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(weft_scope_exit(&shield, inside), 0);
    cleaned++;
    if (rc < 0)
        EXPECT_EQ(weft_yield(), -ECANCELED);
    return rc;
}
WEFT_TASK(cleans_up);

SCENARIO(what_is_shielded_runs_to_its_end)
{
    struct weft_scope scope;

    cleaned = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < TASKS; i++)
        EXPECT_EQ(weft_go(&scope, cleans_up), 0);
    int rc = 0;
    for (unsigned i = seeds_dice(8); i > 0 && rc == 0; i--)
        rc = wait_a_little();
    weft_scope_cancel(&scope, 0);
    EXPECT_EQ(weft_scope_exit(&scope, rc), 0);
    EXPECT_EQ(cleaned, TASKS);
    return 0;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

static size_t received;

/* Receives with deadlines that often come first. */
static int impatient_reader(int fd)
{
    char byte;

    for (int i = 0; i < ROUNDS; i++) {
        weft_ns patience = (weft_ns)seeds_dice(3) * WEFT_MS;
        ssize_t n = weft_within(patience, weft_recv(fd, &byte, 1, 0));
        EXPECT(n == 1 || n == -ETIMEDOUT);
        received += n == 1;
    }
    return 0;
}
WEFT_TASK(impatient_reader, int);

static int slow_writer(int fd, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = weft_write_all(fd, "x", 1);
        if (rc == 0 && seeds_dice(2))
            rc = wait_a_little();
    }
    return rc;
}
WEFT_TASK(slow_writer, int, size_t);

SCENARIO(no_byte_is_lost_between_readers_whose_deadlines_come_first)
{
    struct weft_scope scope;
    enum { BYTES = TASKS * ROUNDS };
    char rest[BYTES];
    int fds[2];

    received = 0;
    EXPECT_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < TASKS; i++)
        EXPECT_EQ(weft_go(&scope, impatient_reader, fds[0]), 0);
    EXPECT_EQ(weft_go(&scope, slow_writer, fds[1], (size_t)BYTES), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_close(fds[1]), 0);
    while (received < BYTES) {
        ssize_t n = weft_read(fds[0], rest, sizeof rest);
        if (n <= 0)
            break;
        received += (size_t)n;
    }
    EXPECT_EQ(received, BYTES);
    EXPECT_EQ(weft_close(fds[0]), 0);
    return rc;
}

/* --- Deadlines ------------------------------------------------------------------------------- */

static int sleeper(weft_ns delay)
{
    weft_ns start = weft_clock();
    int rc = weft_sleep(delay);

    EXPECT_EQ(rc, 0);
    EXPECT_EQ(weft_clock() - start, delay);
    return rc;
}
WEFT_TASK(sleeper, weft_ns);

SCENARIO(every_sleep_lasts_exactly_as_long_as_it_should)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 4 * TASKS; i++)
        EXPECT_EQ(weft_go(&scope, sleeper, 1 + (weft_ns)seeds_dice(50) * WEFT_MS), 0);
    return weft_scope_exit(&scope, 0);
}

/* Sleeps behind a shield, past all deadlines, then waits once more: what that says. */
static int sleep_shielded(weft_ns delay)
{
    struct weft_scope shield;

    weft_shield_enter(&shield, WEFT_HOUR);
    int rc = weft_sleep(delay);
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(weft_scope_exit(&shield, rc), 0);
    return weft_yield();
}

/* Three deadlines, one in the other, and a sleep, all of different lengths: the first in time
 * decides, also when others passed before a wait was refused. */
static int nested_deadlines(void)
{
    struct weft_scope scopes[3];
    weft_ns limits[3], start = weft_clock(), sleep = (weft_ns)(4 + 4 * seeds_dice(10)) * WEFT_MS;
    weft_ns shortest = sleep;
    bool shielded = seeds_dice(2);
    int first = 3;

    for (unsigned i = 0; i < 3; i++) {
        limits[i] = (weft_ns)(4 * seeds_dice(10) + i + 1) * WEFT_MS;
        weft_scope_enter(&scopes[i], limits[i]);
        if (limits[i] < shortest) {
            shortest = limits[i];
            first = (int)i;
        }
    }
    int rc = shielded ? sleep_shielded(sleep) : weft_sleep(sleep);
    EXPECT_EQ(weft_clock() - start, shielded ? sleep : shortest);
    EXPECT_EQ(rc, first < 3 ? -ECANCELED : 0);
    for (int i = 2; i >= 0; i--) {
        rc = weft_scope_exit(&scopes[i], seeds_dice(2) ? rc : 0);
        EXPECT_EQ(rc, first == 3 || i < first ? 0 : i == first ? -ETIMEDOUT : -ECANCELED);
        if (i == first)
            rc = 0;
    }
    return rc;
}
WEFT_TASK(nested_deadlines);

SCENARIO(of_nested_deadlines_the_first_one_alone_is_the_cause)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < TASKS; i++)
        EXPECT_EQ(weft_go(&scope, nested_deadlines), 0);
    return weft_scope_exit(&scope, 0);
}

static int moves_its_deadline(void)
{
    struct weft_scope scope;
    weft_ns start = weft_clock();
    weft_ns late = (weft_ns)(5 + seeds_dice(20)) * WEFT_MS;

    weft_scope_enter(&scope, (weft_ns)(1 + seeds_dice(4)) * WEFT_MS);
    EXPECT_EQ(weft_sleep((weft_ns)seeds_dice(4) * WEFT_US), 0);
    EXPECT_EQ(weft_scope_set_deadline(&scope, (struct weft_time){start + late}), 0);
    int rc = weft_sleep(WEFT_SEC);
    EXPECT_EQ(rc, -ECANCELED);
    EXPECT_EQ(weft_clock() - start, late);
    EXPECT_EQ(weft_scope_exit(&scope, rc), -ETIMEDOUT);
    return 0;
}
WEFT_TASK(moves_its_deadline);

SCENARIO(a_deadline_that_is_moved_counts_from_its_new_instant)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < TASKS; i++)
        EXPECT_EQ(weft_go(&scope, moves_its_deadline), 0);
    return weft_scope_exit(&scope, 0);
}
