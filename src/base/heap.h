/* SPDX-License-Identifier: MIT */
/*
 * heap.h: which deadline is next
 *
 * A min-heap of nodes ordered by deadline, then by sequence, so that equal deadlines come out in
 * the order in which they were set. A node is intrusive and knows its index, so that a timer is
 * removed without a search:
 *
 *     struct timer { struct weft__timer_node node; ... };
 *     weft__timer_node_init(&timer->node);
 *     rc = weft__heap_push(&heap, &timer->node, deadline, sequence++);
 *     if (weft__timer_node_armed(&timer->node))
 *         weft__heap_remove(&heap, &timer->node);
 *
 * Every node has four children: half the depth of a binary heap, and the four lie side by side.
 * Push, remove and pop are O(log n). Only the array is allocated; where a push must not fail,
 * reserve room first. One thread.
 */
#ifndef WEFT_BASE_HEAP_H
#define WEFT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/sys.h>

/** Membership of a timer in a heap. */
struct weft__timer_node {
    /** Its place in the heap's array; SIZE_MAX while it is in no heap. */
    size_t index;
};

/** One place of the heap's array. The keys are here, so that comparing touches no node. */
struct weft__heap_entry {
    /** When, in nanoseconds of the loop's clock. */
    int64_t deadline;
    /** Decides between equal deadlines; the smaller one is first. */
    uint64_t sequence;
    /** Who. */
    struct weft__timer_node *node;
};

/** A heap. */
struct weft__heap {
    /** The array; entry i has the children 4i+1 to 4i+4. */
    struct weft__heap_entry *entries;
    /** How many entries are in use. */
    size_t count;
    /** How many fit. */
    size_t capacity;
    /** Where the array comes from. */
    const struct weft_sys *sys;
};

/** An empty heap; nothing is allocated yet. */
void weft__heap_init(struct weft__heap *heap, const struct weft_sys *sys);

/** Gives the array back. Nodes that are still in it are marked as out of it. */
void weft__heap_fini(struct weft__heap *heap);

/** Makes pushes succeed until the heap has `count` nodes: 0 or -ENOMEM. */
int weft__heap_reserve(struct weft__heap *heap, size_t count);

/** Adds a node that is in no heap: 0, or -ENOMEM and nothing has changed. */
int weft__heap_push(struct weft__heap *heap, struct weft__timer_node *node, int64_t deadline,
                    uint64_t sequence);

/** Takes a node out; it must be in this heap. */
void weft__heap_remove(struct weft__heap *heap, struct weft__timer_node *node);

/** Takes the first node out and returns it; NULL when the heap is empty. */
struct weft__timer_node *weft__heap_pop(struct weft__heap *heap);

/** A node that is in no heap. */
static inline void weft__timer_node_init(struct weft__timer_node *node)
{
    node->index = SIZE_MAX;
}

/** Whether the node is in a heap. */
static inline bool weft__timer_node_armed(const struct weft__timer_node *node)
{
    return node->index != SIZE_MAX;
}

/** The first entry, NULL when the heap is empty. Valid until the next change. */
static inline const struct weft__heap_entry *weft__heap_first(const struct weft__heap *heap)
{
    return heap->count ? &heap->entries[0] : NULL;
}

/** The entry of a node that is in this heap. Valid until the next change. */
static inline const struct weft__heap_entry *weft__heap_entry(const struct weft__heap *heap,
                                                              const struct weft__timer_node *node)
{
    return &heap->entries[node->index];
}

/** How many nodes are in the heap. */
static inline size_t weft__heap_count(const struct weft__heap *heap)
{
    return heap->count;
}

#endif
