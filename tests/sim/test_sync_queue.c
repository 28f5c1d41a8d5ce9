/* SPDX-License-Identifier: MIT */
/*
 * test_sync_queue.c: queues and select under many schedules
 *
 * Every item has a number of its own and an account: put or not, got or dropped. Producers,
 * consumers and tasks that select are cut at any moment (flaky.h); at the end each item that a put
 * took is accounted for once, and none that it did not take. In a queue of the first kind, what one
 * consumer gets of one producer keeps its order.
 */
#include "flaky.h"

#include <string.h>

enum { QUEUES = 3, ITEMS = 10, MOST_ITEMS = WORKERS * ITEMS };

/** An item's account. */
struct account {
    /** A put, or a put case, said that it is in. */
    int put;
    /** How often it was got. */
    int got;
    /** How often it was dropped. */
    int dropped;
};

static struct account accounts[MOST_ITEMS];
static struct weft_queue *queues[QUEUES];
/** What kind all queues are. */
static enum weft_queue_kind kind;
/** Sums over the accounts. */
static int all_put, all_got, all_dropped;

/** An item is a pointer to its account. */
static void drop_item(void *item)
{
    struct account *account = item;

    account->dropped++;
    all_dropped++;
}

static int by_address(const void *a, const void *b)
{
    return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

static void open_queues(void)
{
    static const size_t capacities[] = {0, 1, 3, WEFT_QUEUE_UNBOUNDED};

    memset(accounts, 0, sizeof accounts);
    all_put = all_got = all_dropped = 0;
    kind = (enum weft_queue_kind)seeds_dice(3);
    for (int i = 0; i < QUEUES; i++) {
        struct weft_queue_options options = {.capacity = capacities[seeds_dice(4)],
                                             .kind = kind,
                                             .compare = by_address,
                                             .drop = drop_item};
        EXPECT_EQ(weft_queue_new(weft_loop_current(), &options, &queues[i]), 0);
    }
}

static void note_put(struct account *account, int rc)
{
    EXPECT(rc == 0 || rc == -ECANCELED || rc == -WEFT_ECLOSED || rc == -EAGAIN);
    account->put += rc == 0;
    all_put += rc == 0;
}

/** Notes an item that was got by a worker which got `*last` before from the same producer. */
static void note_got(struct account *account, struct account **last)
{
    long producer = (account - accounts) / ITEMS;

    EXPECT_EQ(account->got++, 0);
    all_got++;
    EXPECT(kind != WEFT_QUEUE_FIFO || !last[producer] || last[producer] < account);
    last[producer] = account;
}

/** Closes and frees the queues, then settles all accounts. */
static void close_queues(void)
{
    for (int i = 0; i < QUEUES; i++)
        weft_queue_free(queues[i]);
    for (int i = 0; i < MOST_ITEMS; i++) {
        EXPECT(accounts[i].put <= 1);
        EXPECT_EQ(accounts[i].got + accounts[i].dropped, accounts[i].put);
    }
    EXPECT_EQ(all_got + all_dropped, all_put);
}

/* Put and get. */

static void produce(struct worker *worker)
{
    for (int i = 0; i < ITEMS; i++) {
        struct account *account = &accounts[worker->number * ITEMS + i];
        int rc;

        flaky_enter(worker);
        if (seeds_dice(5))
            rc = weft_queue_put(queues[0], account);
        else
            rc = weft_queue_try_put(queues[0], account);
        note_put(account, rc);
        flaky_exit(worker);
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    }
}

static void consume(struct worker *worker)
{
    struct account *last[WORKERS] = {NULL};
    int rc;

    do {
        void *item = NULL;

        flaky_enter(worker);
        if (seeds_dice(5))
            rc = weft_queue_get(queues[0], &item);
        else
            rc = weft_queue_try_get(queues[0], &item);
        EXPECT_EQ(rc == 0, item != NULL);
        EXPECT(rc == 0 || rc == -ECANCELED || rc == -WEFT_ECLOSED || rc == -EAGAIN);
        if (rc == 0) {
            note_got(item, last);
            EXPECT_EQ(weft_queue_done(queues[0]), 0);
        }
        flaky_exit(worker);
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    } while (rc != -WEFT_ECLOSED);
}

/** Producers that have not ended. */
static int producing;

/** The even ones produce, the odd ones consume. The last producer closes the queue. */
static int produce_or_consume(void *arg)
{
    struct worker *worker = arg;

    if (worker->number % 2) {
        consume(worker);
    } else {
        produce(worker);
        if (--producing == 0)
            weft_queue_close(queues[0], seeds_dice(2) ? WEFT_CLOSE_DRAIN : WEFT_CLOSE_NOW);
    }
    return worker_ends();
}

/** Comes back when everything that was put is done; if it never does, that is a deadlock. */
static int join_queue(void *arg)
{
    (void)arg;
    for (unsigned i = seeds_dice(4); i > 0; i--) {
        EXPECT_EQ(wait_a_little(), 0);
        EXPECT_EQ(weft_queue_join(queues[0]), 0);
    }
    return 0;
}

SCENARIO(a_queue_neither_loses_nor_doubles_an_item)
{
    struct weft_scope scope;

    open_queues();
    producing = (WORKERS + 1) / 2;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, produce_or_consume);
    EXPECT_EQ(weft_go_fn(&scope, join_queue, NULL), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_queue_count(queues[0]), 0);
    EXPECT_EQ(weft_queue_join(queues[0]), 0);
    close_queues();
    return rc;
}

/* Select. */

/** Set and cleared at random, so that some selects end by it. */
static struct weft_event event;

/** A worker's select: which of its cases are what. */
struct choice {
    /** The cases. */
    struct weft_case cases[5];
    /** How many. */
    size_t count;
    /** The item that a put case of this index puts; NULL: it is none. */
    struct account *puts[5];
    /** What a get case of this index gets. */
    void *gets[5];
};

/** Adds a put or a get case on a random queue. */
static void add_queue_case(struct choice *choice, struct account *account)
{
    size_t at = choice->count++;
    struct weft_queue *queue = queues[seeds_dice(QUEUES)];

    choice->puts[at] = account;
    choice->gets[at] = NULL;
    if (account)
        choice->cases[at] = weft_case_put(queue, account);
    else
        choice->cases[at] = weft_case_get(queue, &choice->gets[at]);
}

static void add_other_case(struct choice *choice, struct weft_case other)
{
    size_t at = choice->count++;

    choice->puts[at] = NULL;
    choice->gets[at] = NULL;
    choice->cases[at] = other;
}

/** Up to two puts of items from `*next` on, up to two gets, and perhaps something else. */
static void make_choice(struct choice *choice, struct account **next, struct account *end)
{
    choice->count = 0;
    for (unsigned i = seeds_dice(3); i > 0 && *next < end; i--)
        add_queue_case(choice, (*next)++);
    for (unsigned i = seeds_dice(3); i > 0; i--)
        add_queue_case(choice, NULL);
    /* Never without an end: there may be nobody left to meet. */
    if (seeds_dice(4) == 0)
        add_other_case(choice, weft_case_event(&event));
    else
        add_other_case(choice, weft_case_at(weft_after((weft_ns)seeds_dice(6) * WEFT_MS)));
}

/** Exactly the case that was returned has happened. */
static void settle_choice(struct choice *choice, int index, struct account **last)
{
    EXPECT(index < (int)choice->count);
    for (int i = 0; i < (int)choice->count; i++) {
        int happened = i == index && choice->cases[i].result == 0;

        EXPECT(i == index || !choice->gets[i]);
        if (happened && choice->puts[i])
            note_put(choice->puts[i], 0);
        if (choice->gets[i])
            note_got(choice->gets[i], last);
        if (happened && choice->cases[i].out)
            EXPECT(choice->gets[i] != NULL);
    }
}

static int select_often(void *arg)
{
    struct worker *worker = arg;
    struct account *last[WORKERS] = {NULL};
    struct account *next = &accounts[worker->number * ITEMS], *end = next + ITEMS;

    for (int i = 0; i < ITEMS; i++) {
        struct choice choice;
        int index;

        make_choice(&choice, &next, end);
        flaky_enter(worker);
        if (seeds_dice(6))
            index = weft_select(choice.cases, choice.count);
        else
            index = weft_try_select(choice.cases, choice.count);
        EXPECT(index >= 0 || index == -ECANCELED || index == -EAGAIN);
        settle_choice(&choice, index, last);
        flaky_exit(worker);
        EXPECT_EQ(seeds_dice(2) ? wait_a_little() : 0, 0);
    }
    return worker_ends();
}

/** Sets the event now and then; perhaps closes a queue. */
static int disturb(void *arg)
{
    (void)arg;
    while (working > 0) {
        EXPECT_EQ(wait_a_little(), 0);
        weft_event_set(&event);
        if (seeds_dice(2))
            weft_event_clear(&event);
        if (seeds_dice(40) == 0)
            weft_queue_close(queues[seeds_dice(QUEUES)],
                             seeds_dice(2) ? WEFT_CLOSE_DRAIN : WEFT_CLOSE_NOW);
    }
    return 0;
}

SCENARIO(exactly_one_case_of_a_select_happens)
{
    struct weft_scope scope;

    open_queues();
    weft_event_init(&event);
    /* Selects put into one queue after the other, so no order is kept between queues. */
    kind = WEFT_QUEUE_LIFO;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, select_often);
    EXPECT_EQ(weft_go_fn(&scope, disturb, NULL), 0);
    int rc = weft_scope_exit(&scope, 0);
    close_queues();
    return rc;
}

/** A worker that selects beside workers that put and get plainly, on one queue. */
static int mixed(void *arg)
{
    struct worker *worker = arg;

    if (worker->number % 3 != 2)
        return produce_or_consume(arg);
    return select_often(arg);
}

SCENARIO(selects_and_plain_calls_share_a_queue)
{
    struct weft_scope scope;

    open_queues();
    weft_event_init(&event);
    kind = WEFT_QUEUE_LIFO;
    producing = 0;
    for (int i = 0; i < WORKERS; i++)
        producing += i % 3 != 2 && i % 2 == 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start_workers(&scope, mixed);
    EXPECT_EQ(weft_go_fn(&scope, disturb, NULL), 0);
    int rc = weft_scope_exit(&scope, 0);
    close_queues();
    return rc;
}
