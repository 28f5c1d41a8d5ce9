/* SPDX-License-Identifier: MIT */
/*
 * heap.c: sifting
 *
 * The tree lies in one array, four children side by side, and the keys lie in it, too.
 *
 * An entry that has to move is held aside while the hole where it will go travels: one copy for
 * each level instead of the three of a swap. A node's index is written together with its entry, in
 * put(), and nowhere else, so that the two cannot disagree. The array grows by doubling and never
 * shrinks: a program that once had a million timers is likely to have them again.
 */
#include "base/heap.h"

#include "base/assert.h"

#include <errno.h>

#define CHILDREN 4
#define CAPACITY_FIRST 32

void weft__heap_init(struct weft__heap *heap, const struct weft_sys *sys)
{
    *heap = (struct weft__heap){.sys = sys};
}

void weft__heap_fini(struct weft__heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        weft__timer_node_init(heap->entries[i].node);
    if (heap->entries)
        (void)heap->sys->realloc(heap->sys, heap->entries, 0);
    weft__heap_init(heap, heap->sys);
}

int weft__heap_reserve(struct weft__heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return 0;
    size_t capacity = heap->capacity ? heap->capacity : CAPACITY_FIRST;
    while (capacity < count && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    if (capacity < count || capacity > SIZE_MAX / 2 / sizeof *heap->entries)
        return -ENOMEM;
    struct weft__heap_entry *entries =
        heap->sys->realloc(heap->sys, heap->entries, capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

static bool before(const struct weft__heap_entry *left, const struct weft__heap_entry *right)
{
    return left->deadline < right->deadline ||
           (left->deadline == right->deadline && left->sequence < right->sequence);
}

/** Fills the hole at `index`. */
static void put(struct weft__heap *heap, size_t index, struct weft__heap_entry entry)
{
    heap->entries[index] = entry;
    entry.node->index = index;
}

/** Fills the hole at `hole` with `entry`, after moving it up past all that come later. */
static void sift_up(struct weft__heap *heap, size_t hole, struct weft__heap_entry entry)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / CHILDREN;
        if (!before(&entry, &heap->entries[parent]))
            break;
        put(heap, hole, heap->entries[parent]);
        hole = parent;
    }
    put(heap, hole, entry);
}

/** The earliest child of the entry at `index`, 0 when it has none. */
static size_t first_child(const struct weft__heap *heap, size_t index)
{
    size_t child = index * CHILDREN + 1;
    if (child >= heap->count)
        return 0;
    size_t end = child + CHILDREN < heap->count ? child + CHILDREN : heap->count;
    size_t best = child;
    while (++child < end)
        if (before(&heap->entries[child], &heap->entries[best]))
            best = child;
    return best;
}

/** Fills the hole at `hole` with `entry`, after moving it down past all that come earlier. */
static void sift_down(struct weft__heap *heap, size_t hole, struct weft__heap_entry entry)
{
    size_t child;
    while ((child = first_child(heap, hole)) && before(&heap->entries[child], &entry)) {
        put(heap, hole, heap->entries[child]);
        hole = child;
    }
    put(heap, hole, entry);
}

int weft__heap_push(struct weft__heap *heap, struct weft__timer_node *node, int64_t deadline,
                    uint64_t sequence)
{
    weft__assert(!weft__timer_node_armed(node));
    if (weft__unlikely(heap->count == heap->capacity)) {
        int rc = weft__heap_reserve(heap, heap->count + 1);
        if (rc < 0)
            return rc;
    }
    struct weft__heap_entry entry = {.deadline = deadline, .sequence = sequence, .node = node};
    sift_up(heap, heap->count++, entry);
    return 0;
}

void weft__heap_remove(struct weft__heap *heap, struct weft__timer_node *node)
{
    size_t hole = node->index;
    weft__assert(hole < heap->count && heap->entries[hole].node == node);
    struct weft__heap_entry last = heap->entries[--heap->count];
    weft__timer_node_init(node);
    if (last.node == node)
        return;
    /* The last entry comes from another branch, so it may belong above the hole or below. */
    if (hole > 0 && before(&last, &heap->entries[(hole - 1) / CHILDREN]))
        sift_up(heap, hole, last);
    else
        sift_down(heap, hole, last);
}

struct weft__timer_node *weft__heap_pop(struct weft__heap *heap)
{
    const struct weft__heap_entry *first = weft__heap_first(heap);
    struct weft__timer_node *node = first ? first->node : NULL;
    if (node)
        weft__heap_remove(heap, node);
    return node;
}
