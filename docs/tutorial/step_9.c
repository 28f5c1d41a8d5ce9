/* SPDX-License-Identifier: MIT */
/*
 * step_9.c: tests that own time and order
 *
 * A test makes its own loop, on the engine "sim": the clock jumps to the next timer when nothing is
 * ready, so a day of sleeping costs nothing. A seed decides which of the ready tasks runs next, so
 * that a hundred seeds are a hundred schedules, and a seed that finds a mistake finds it again. The
 * mistake here: a balance is read, something else may run, and the old balance is written back.
 */
#include <stdio.h>
#include <weft/weft.h>

/** An account, and how it is used. */
struct account {
    /** Guards the balance, if it is used. */
    struct weft_mutex lock;
    /** The money. */
    int balance;
    /** Nonzero: lock. */
    int locked;
};

static int deposit(struct account *account)
{
    int rc = account->locked ? weft_mutex_lock(&account->lock) : 0;

    if (rc < 0)
        return rc;
    int balance = account->balance;
    rc = weft_yield(); /* a wait: others may run */
    account->balance = balance + 1;
    if (account->locked)
        (void)weft_mutex_unlock(&account->lock);
    return rc;
}
WEFT_TASK(deposit, struct account *);

static int deposit_twice(void *account)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, deposit, account);
    weft_go(&scope, deposit, account);
    return weft_scope_exit(&scope, 0);
}

static int sleep_a_day(void *unused)
{
    weft_ns start = weft_clock();
    int rc = 0;

    (void)unused;
    for (int minute = 0; minute < 24 * 60 && rc == 0; minute++)
        rc = weft_sleep(1 * WEFT_MIN);
    printf("slept for %.0f s\n", (double)(weft_clock() - start) / 1e9);
    return rc;
}

/** Runs a program in a world of its own, on the schedule of that seed. */
static int simulate(uint64_t seed, int (*program)(void *), void *arg)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = "sim", .seed = seed};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    if (rc < 0)
        return rc;
    rc = weft_loop_run_task(loop, program, arg);
    int free_rc = weft_loop_free(loop);
    return rc < 0 ? rc : free_rc;
}

/** The balance after two deposits on the schedule of a seed, or an error. */
static int balance_with(uint64_t seed, int locked)
{
    struct account account = {WEFT_MUTEX_INIT(account.lock), 0, locked};
    int rc = simulate(seed, deposit_twice, &account);

    return rc < 0 ? rc : account.balance;
}

/** The first of a hundred seeds whose schedule loses a deposit; 0 when none does. */
static uint64_t find_loss(int locked)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        if (balance_with(seed, locked) != 2)
            return seed;
    return 0;
}

int main(void)
{
    int rc = simulate(0, sleep_a_day, NULL);
    uint64_t seed = find_loss(0);

    printf("without the lock: %s\n", seed ? "a schedule loses a deposit" : "nothing found");
    printf("the same seed again: %d\n", balance_with(seed, 0));
    printf("with the lock: %s\n", find_loss(1) ? "a schedule loses a deposit" : "nothing found");
    return rc < 0;
}
