/* SPDX-License-Identifier: MIT */
/*
 * test_heap.c: the earliest deadline first, and equal ones in the order they were set
 *
 * The reference is an unordered array that is searched from end to end. Random sequences of pushes,
 * removals and pops must come out of both alike.
 */
#include "test.h"

#include "base/heap.h"

#include <string.h>

/** A table whose realloc refuses while `refuse` is set. */
static struct weft_sys table;
static bool refuse;
static long allocations;

static void *counting_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    (void)sys;
    allocations += size > 0;
    return refuse && size > 0 ? NULL : weft_sys_default.realloc(&weft_sys_default, p, size);
}

static const struct weft_sys *new_world(void)
{
    table = weft_sys_default;
    table.realloc = counting_realloc;
    refuse = false;
    allocations = 0;
    return &table;
}

/** xorshift64: the same numbers everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/** A timer of the reference. */
struct timer {
    /** Its membership in the heap. */
    struct weft__timer_node node;
    /** What it was pushed with. */
    int64_t deadline;
    uint64_t sequence;
};

static bool earlier(const struct timer *left, const struct timer *right)
{
    if (left->deadline != right->deadline)
        return left->deadline < right->deadline;
    return left->sequence < right->sequence;
}

enum { TIMERS = 300 };
static struct timer timers[TIMERS];

static const struct timer *reference_first(void)
{
    const struct timer *first = NULL;
    for (int i = 0; i < TIMERS; i++)
        if (weft__timer_node_armed(&timers[i].node) && (!first || earlier(&timers[i], first)))
            first = &timers[i];
    return first;
}

static void check_against_reference(const struct weft__heap *heap, size_t count)
{
    const struct timer *first = reference_first();
    CHECK_EQ(weft__heap_count(heap), count);
    CHECK((weft__heap_first(heap) == NULL) == (first == NULL));
    if (first)
        CHECK(weft__heap_first(heap)->node == &first->node);
    for (int i = 0; i < TIMERS; i++) {
        if (!weft__timer_node_armed(&timers[i].node))
            continue;
        const struct weft__heap_entry *entry = weft__heap_entry(heap, &timers[i].node);
        CHECK(entry->node == &timers[i].node && entry->deadline == timers[i].deadline &&
              entry->sequence == timers[i].sequence);
    }
}

/** Pushes, removals and pops in random order; deadlines from `spread` values, so that many tie. */
static void check_random_operations(uint64_t seed, int64_t spread)
{
    struct weft__heap heap;
    uint64_t sequence = 0;
    size_t count = 0;
    weft__heap_init(&heap, new_world());
    for (int i = 0; i < TIMERS; i++)
        weft__timer_node_init(&timers[i].node);
    for (int step = 0; step < 5000; step++) {
        struct timer *timer = &timers[next_random(&seed) % TIMERS];
        if (next_random(&seed) % 8 == 0) {
            const struct timer *first = reference_first();
            CHECK(weft__heap_pop(&heap) == (first ? &first->node : NULL));
            count -= first != NULL;
        } else if (weft__timer_node_armed(&timer->node)) {
            weft__heap_remove(&heap, &timer->node);
            CHECK(!weft__timer_node_armed(&timer->node));
            count--;
        } else {
            timer->deadline = (int64_t)(next_random(&seed) % (uint64_t)spread) - spread / 2;
            timer->sequence = sequence++;
            CHECK_OK(weft__heap_push(&heap, &timer->node, timer->deadline, timer->sequence));
            count++;
        }
        check_against_reference(&heap, count);
    }
    weft__heap_fini(&heap);
}

TEST(random_operations_agree_with_a_plain_search)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        check_random_operations(seed, 4);
        check_random_operations(seed, 100);
        check_random_operations(seed, INT64_MAX);
    }
}

TEST(a_hundred_thousand_timers_come_out_in_order)
{
    enum { COUNT = 100000 };
    static struct weft__timer_node nodes[COUNT];
    struct weft__heap heap;
    uint64_t seed = 99;
    weft__heap_init(&heap, new_world());
    for (uint64_t i = 0; i < COUNT; i++) {
        weft__timer_node_init(&nodes[i]);
        CHECK_OK(weft__heap_push(&heap, &nodes[i], (int64_t)(next_random(&seed) % 1000), i));
    }
    struct weft__heap_entry last = {.deadline = -1};
    for (size_t i = 0; i < COUNT; i++) {
        struct weft__heap_entry entry = *weft__heap_first(&heap);
        CHECK(entry.deadline > last.deadline ||
              (entry.deadline == last.deadline && entry.sequence > last.sequence));
        CHECK(weft__heap_pop(&heap) == entry.node);
        last = entry;
    }
    CHECK(weft__heap_pop(&heap) == NULL);
    weft__heap_fini(&heap);
}

TEST(equal_deadlines_come_out_in_the_order_of_their_sequence)
{
    struct weft__timer_node nodes[50];
    struct weft__heap heap;
    weft__heap_init(&heap, new_world());
    /* Pushed out of order, so that the order of pushing does not help. */
    for (uint64_t i = 0; i < 50; i++) {
        uint64_t sequence = i * 17 % 50;
        weft__timer_node_init(&nodes[sequence]);
        CHECK_OK(weft__heap_push(&heap, &nodes[sequence], 7, sequence));
    }
    for (int i = 0; i < 50; i++)
        CHECK(weft__heap_pop(&heap) == &nodes[i]);
    weft__heap_fini(&heap);
}

TEST(the_last_entry_may_belong_above_the_hole_that_it_fills)
{
    /* Entry 5 is below entry 1 (100); the last one is below entry 2 (2) and earlier than 100. */
    static const int64_t deadlines[] = {1, 100, 2, 3, 4, 101, 102, 103, 104, 5};
    struct weft__timer_node nodes[10];
    struct weft__heap heap;
    weft__heap_init(&heap, new_world());
    for (uint64_t i = 0; i < 10; i++) {
        weft__timer_node_init(&nodes[i]);
        CHECK_OK(weft__heap_push(&heap, &nodes[i], deadlines[i], i));
    }
    weft__heap_remove(&heap, &nodes[5]);
    int64_t last = 0;
    while (weft__heap_first(&heap)) {
        CHECK(weft__heap_first(&heap)->deadline >= last);
        last = weft__heap_first(&heap)->deadline;
        CHECK(weft__heap_pop(&heap) != NULL);
    }
    weft__heap_fini(&heap);
}

TEST(a_push_without_memory_changes_nothing)
{
    struct weft__timer_node first, second[100];
    struct weft__heap heap;
    weft__heap_init(&heap, new_world());
    weft__timer_node_init(&first);
    refuse = true;
    CHECK_ERR(weft__heap_push(&heap, &first, 1, 1), -ENOMEM);
    CHECK(!weft__timer_node_armed(&first));
    CHECK_EQ(weft__heap_count(&heap), 0);
    refuse = false;
    CHECK_OK(weft__heap_push(&heap, &first, 1, 1));
    refuse = true;
    int pushed = 0;
    for (; pushed < 100; pushed++) {
        weft__timer_node_init(&second[pushed]);
        if (weft__heap_push(&heap, &second[pushed], 2, (uint64_t)pushed) < 0)
            break;
    }
    CHECK(pushed < 100);
    CHECK(!weft__timer_node_armed(&second[pushed]));
    CHECK_EQ(weft__heap_count(&heap), pushed + 1);
    CHECK(weft__heap_pop(&heap) == &first);
    weft__heap_fini(&heap);
}

TEST(after_a_reserve_pushes_cannot_fail)
{
    enum { COUNT = 1000 };
    static struct weft__timer_node nodes[COUNT];
    struct weft__heap heap;
    weft__heap_init(&heap, new_world());
    CHECK_OK(weft__heap_reserve(&heap, COUNT));
    refuse = true;
    for (uint64_t i = 0; i < COUNT; i++) {
        weft__timer_node_init(&nodes[i]);
        CHECK_OK(weft__heap_push(&heap, &nodes[i], 1000 - (int64_t)i, i));
    }
    CHECK_EQ(allocations, 1);
    CHECK_ERR(weft__heap_reserve(&heap, SIZE_MAX), -ENOMEM);
    CHECK_ERR(weft__heap_reserve(&heap, SIZE_MAX / 24), -ENOMEM);
    CHECK_OK(weft__heap_reserve(&heap, 10));
    CHECK(weft__heap_pop(&heap) == &nodes[COUNT - 1]);
    weft__heap_fini(&heap);
}

TEST(the_end_of_a_heap_lets_its_nodes_go)
{
    struct weft__timer_node node;
    struct weft__heap heap;
    weft__heap_init(&heap, new_world());
    weft__timer_node_init(&node);
    CHECK_OK(weft__heap_push(&heap, &node, 1, 1));
    weft__heap_fini(&heap);
    CHECK(!weft__timer_node_armed(&node));
    CHECK_OK(weft__heap_push(&heap, &node, 1, 1));
    weft__heap_fini(&heap);
}
