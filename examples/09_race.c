/* SPDX-License-Identifier: MIT */
/*
 * 09_race.c: a mistake that needs a certain schedule, found by its seed and run again
 *
 * Two clerks pay from one account. Each looks whether there is enough, waits for an answer, and
 * then takes the money: the look is old by then. First come, first served, nothing happens, because
 * the second clerk is slower. A search through the seeds finds a schedule in which it is not, and
 * prints the line that makes just that schedule again, in a debugger if need be:
 *
 *     WEFT_SEED=n build/dev/examples/09_race
 */
#include <stdio.h>
#include <weft/testing.h>
#include <weft/weft.h>

/** An account, and whether its clerks lock it. */
struct account {
    /** Guards the balance. */
    struct weft_mutex lock;
    /** The money. */
    int balance;
    /** Nonzero: lock. */
    int locked;
};

static int pay(struct account *account, int lookups)
{
    int rc = 0;

    while (rc == 0 && lookups-- > 0)
        rc = weft_yield(); /* finds the account */
    if (rc == 0 && account->locked)
        rc = weft_mutex_lock(&account->lock);
    if (rc < 0)
        return rc;
    if (account->balance >= 70) {
        rc = weft_yield(); /* asks somebody: a wait, others may run */
        account->balance -= 70;
    }
    if (account->locked)
        weft_mutex_unlock(&account->lock);
    return rc;
}
WEFT_TASK(pay, struct account *, int);

static int two_clerks(void *arg)
{
    struct account *account = arg;
    struct weft_scope scope;

    weft_mutex_init(&account->lock);
    account->balance = 100;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, pay, account, 0);
    weft_go(&scope, pay, account, 2);
    int rc = weft_scope_exit(&scope, 0);
    weft_testing_expect(account->balance >= 0);
    return rc;
}

/** Runs seeds until one fails; prints what was seen, and returns it. */
static struct weft_testing_seeds_result search(struct account *account, uint64_t first)
{
    const struct weft_testing_seeds_options options = {
        .name = "two_clerks", .first = first, .command = "examples/09_race"};
    struct weft_testing_seeds_result seen = {0};
    (void)weft_testing_seeds(&options, two_clerks, account, &seen);
    printf("%d seeds, %d schedules: %s\n", (int)seen.seeds, (int)seen.distinct,
           seen.failing ? "overdrawn" : "all is well");
    return seen;
}

int main(void)
{
    struct account account = {.locked = 0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    weft_testing_run(NULL, two_clerks, &account);
    printf("first come, first served: balance %d\n", account.balance);
    struct weft_testing_seeds_result found = search(&account, 1);
    printf("again: %s\n", search(&account, found.seed).trace == found.trace ? "the same" : "other");
    account.locked = 1;
    return search(&account, 1).failing > 0;
}
