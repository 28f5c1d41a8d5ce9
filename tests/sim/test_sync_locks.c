/* SPDX-License-Identifier: MIT */
/*
 * test_sync_locks.c: mutex, condition, semaphore and barrier under many schedules
 *
 * Workers use one object while their calls are cut at any moment (flaky.h). Whatever the order: one
 * owner at a time, units neither lost nor made, first come first served, no notification lost, each
 * number of a barrier's round given once.
 */
#include "flaky.h"

enum { ROUNDS = 6 };

/* Mutex. */

static struct weft_mutex mutex;
/** How many workers are where only the owner may be. */
static int inside;
/** Numbers the calls in the order in which they were made. */
static int last_ticket;
/** The number of the call that was served last. */
static int last_served;

/** Notes that the call with this number was served; nobody who called earlier may come later. */
static void serve(int ticket)
{
    EXPECT(ticket > last_served);
    last_served = ticket;
}

static int lock_for_a_while(struct worker *worker)
{
    flaky_enter(worker);
    int ticket = ++last_ticket;
    int rc = weft_mutex_lock(&mutex);
    EXPECT(rc == 0 || rc == -ECANCELED);
    EXPECT_EQ(rc == 0, weft_mutex_owner(&mutex) == weft_task_id(NULL));
    if (rc == 0) {
        serve(ticket);
        EXPECT_EQ(inside++, 0);
        (void)!wait_a_little();
        inside--;
        EXPECT_EQ(weft_mutex_unlock(&mutex), 0);
    }
    flaky_exit(worker);
    return rc;
}

static int lock_often(void *worker)
{
    for (int i = 0; i < ROUNDS; i++) {
        (void)lock_for_a_while(worker);
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    }
    return worker_ends();
}

SCENARIO(a_mutex_has_one_owner_and_serves_in_order)
{
    struct weft_scope scope;

    weft_mutex_init(&mutex);
    inside = last_ticket = last_served = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, lock_often);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_mutex_owner(&mutex), 0);
    EXPECT_EQ(weft_mutex_try_lock(&mutex), 0);
    return rc;
}

/* Condition. */

static struct weft_condition changed;
/** What the mutex guards: tokens made and not taken. */
static int tokens;
/** Workers inside a wait for a token. */
static int waiting_for_token;
/** No more tokens will be made. */
static int closed;

/** Takes a token under the mutex, waiting for one. */
static int take_token(void)
{
    int rc = 0;

    waiting_for_token++;
    while (rc == 0 && tokens == 0 && !closed) {
        rc = weft_condition_wait(&changed, &mutex);
        EXPECT(rc == 0 || rc == -ECANCELED);
        EXPECT_EQ(weft_mutex_owner(&mutex), weft_task_id(NULL));
        EXPECT_EQ(inside, 0);
    }
    waiting_for_token--;
    if (rc == 0 && tokens > 0)
        tokens--;
    return rc;
}

static int take_tokens(void *arg)
{
    struct worker *worker = arg;

    worker->steady = worker->number % 2;
    while (!closed) {
        flaky_enter(worker);
        int rc = weft_mutex_lock(&mutex);
        if (rc == 0) {
            rc = take_token();
            inside++;
            (void)!wait_a_little();
            EXPECT_EQ(inside--, 1);
            EXPECT_EQ(weft_mutex_unlock(&mutex), 0);
        }
        flaky_exit(worker);
        EXPECT(rc == 0 || !worker->steady);
        EXPECT_EQ(wait_a_little(), 0);
    }
    return worker_ends();
}

/** Makes a token, with one notification for it. */
static void make_token(void)
{
    EXPECT_EQ(weft_mutex_lock(&mutex), 0);
    tokens++;
    int notified = weft_condition_notify(&changed);
    EXPECT(notified == 0 || notified == 1);
    EXPECT_EQ(weft_mutex_unlock(&mutex), 0);
}

SCENARIO(no_notification_of_a_condition_is_lost)
{
    struct weft_scope scope;

    weft_mutex_init(&mutex);
    weft_condition_init(&changed);
    inside = tokens = waiting_for_token = closed = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, take_tokens);
    for (int i = 0; i < 4 * ROUNDS; i++) {
        make_token();
        EXPECT_EQ(seeds_dice(3) ? wait_a_little() : 0, 0);
    }
    /* Long after the last token: whoever was told of one has taken it, or told the next. */
    EXPECT_EQ(weft_sleep(WEFT_SEC), 0);
    EXPECT_EQ(weft_mutex_lock(&mutex), 0);
    EXPECT_EQ(tokens, 0);
    closed = 1;
    (void)weft_condition_notify_all(&changed);
    EXPECT_EQ(weft_mutex_unlock(&mutex), 0);
    return weft_scope_exit(&scope, 0);
}

/* Semaphore. */

static struct weft_semaphore semaphore;
/** How many units there are. */
static int units;

static void hold_unit(struct worker *worker)
{
    flaky_enter(worker);
    int ticket = ++last_ticket;
    int rc =
        seeds_dice(4) ? weft_semaphore_acquire(&semaphore) : weft_semaphore_try_acquire(&semaphore);
    EXPECT(rc == 0 || rc == -ECANCELED || rc == -EAGAIN);
    if (rc == 0) {
        if (units == 1)
            serve(ticket);
        EXPECT(inside++ < units);
        (void)!wait_a_little();
        inside--;
        EXPECT_EQ(weft_semaphore_release(&semaphore), 0);
    }
    flaky_exit(worker);
}

static int hold_units(void *worker)
{
    for (int i = 0; i < ROUNDS; i++) {
        hold_unit(worker);
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    }
    return worker_ends();
}

SCENARIO(units_of_a_semaphore_are_neither_lost_nor_made)
{
    struct weft_scope scope;

    units = 1 + (int)seeds_dice(3);
    weft_semaphore_init_bounded(&semaphore, (size_t)units, (size_t)units);
    inside = last_ticket = last_served = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, hold_units);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_semaphore_count(&semaphore), (size_t)units);
    EXPECT_EQ(weft_semaphore_release(&semaphore), -EOVERFLOW);
    return rc;
}

/* Barrier. */

static struct weft_barrier barrier;
/** How often each number was given. */
static int numbers[WORKERS];

static int come_often(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < 2 * ROUNDS; i++) {
        flaky_enter(worker);
        /* Others may all have ended: nobody waits for ever. */
        EXPECT_EQ(weft_scope_set_deadline(&worker->scope, weft_after(5 * WEFT_MS)), 0);
        int rc = weft_barrier_wait(&barrier);
        flaky_exit(worker);
        EXPECT(rc >= 0 || rc == -ECANCELED || rc == -WEFT_EBROKEN);
        EXPECT(rc < (int)weft_barrier_parties(&barrier));
        if (rc >= 0)
            numbers[rc]++;
        EXPECT_EQ(wait_a_little(), 0);
        if (seeds_dice(10) == 0)
            weft_barrier_reset(&barrier);
    }
    return worker_ends();
}

SCENARIO(each_number_of_a_barriers_round_is_given_once)
{
    struct weft_scope scope;
    int parties = 1 + (int)seeds_dice(WORKERS);

    weft_barrier_init(&barrier, (size_t)parties);
    for (int i = 0; i < WORKERS; i++)
        numbers[i] = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, come_often);
    int rc = weft_scope_exit(&scope, 0);
    for (int i = 0; i < parties; i++)
        EXPECT_EQ(numbers[i], numbers[0]);
    EXPECT_EQ(weft_barrier_waiting(&barrier), 0);
    return rc;
}
