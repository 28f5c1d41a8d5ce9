/* SPDX-License-Identifier: MIT */
/*
 * store.c: the items in a queue
 *
 * FIFO and LIFO share a ring and differ in the end that they take from. A priority store is a
 * binary heap whose entries carry a rank that grows with every item, so that equals leave in the
 * order in which they came. Room is made once for bounded queues and doubled as needed for others;
 * it is not given back before the end. Nothing here knows of waiting.
 */
#include "sync/internal.h"

#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>

static size_t entry_size(const struct weft__store *store)
{
    return store->kind == WEFT_QUEUE_PRIORITY ? sizeof *store->heap : sizeof *store->ring;
}

/** After the memory of a full ring grew: brings what had wrapped to the start behind the rest. */
static void unwrap(struct weft__store *store, size_t old_room)
{
    if (store->head > 0)
        memcpy(store->ring + old_room, store->ring, store->head * sizeof *store->ring);
}

int weft__store_reserve(struct weft__store *store, size_t room)
{
    int is_heap = store->kind == WEFT_QUEUE_PRIORITY;
    void *memory = is_heap ? (void *)store->heap : (void *)store->ring;
    if (room > SIZE_MAX / entry_size(store))
        return -ENOMEM;
    memory = weft_loop_realloc(store->loop, memory, room * entry_size(store));
    if (!memory)
        return -ENOMEM;
    if (is_heap) {
        store->heap = memory;
    } else {
        store->ring = memory;
        unwrap(store, store->room);
    }
    store->room = room;
    return 0;
}

/** The place of the item `index` behind the first of a ring. */
static size_t place(const struct weft__store *store, size_t index)
{
    size_t at = store->head + index;
    return at < store->room ? at : at - store->room;
}

static int before(const struct weft__store *store, const struct weft__ranked *a,
                  const struct weft__ranked *b)
{
    int order = store->compare(a->item, b->item);
    return order < 0 || (order == 0 && a->rank < b->rank);
}

/** Moves up from the end of the heap until `entry` fits in. */
static void heap_put(struct weft__store *store, struct weft__ranked entry)
{
    size_t at = store->count;
    while (at > 0 && before(store, &entry, &store->heap[(at - 1) / 2])) {
        store->heap[at] = store->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    store->heap[at] = entry;
}

/** Takes the top; the last entry moves down from there until it fits in. `count` is the new one. */
static void *heap_get(struct weft__store *store)
{
    struct weft__ranked *heap = store->heap, last = heap[store->count];
    void *top = heap[0].item;
    size_t at = 0, child;
    while ((child = 2 * at + 1) < store->count) {
        if (child + 1 < store->count && before(store, &heap[child + 1], &heap[child]))
            child++;
        if (!before(store, &heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

int weft__store_put(struct weft__store *store, void *item)
{
    if (store->count == store->room) {
        int rc = weft__store_reserve(store, store->room ? 2 * store->room : 8);
        if (rc < 0)
            return rc;
    }
    if (store->kind == WEFT_QUEUE_PRIORITY)
        heap_put(store, (struct weft__ranked){item, store->rank++});
    else
        store->ring[place(store, store->count)] = item;
    store->count++;
    return 0;
}

void *weft__store_get(struct weft__store *store)
{
    store->count--;
    if (store->kind == WEFT_QUEUE_PRIORITY)
        return heap_get(store);
    if (store->kind == WEFT_QUEUE_LIFO)
        return store->ring[place(store, store->count)];
    void *item = store->ring[store->head];
    store->head = place(store, 1);
    return item;
}

void weft__store_fini(struct weft__store *store)
{
    (void)weft_loop_realloc(store->loop, store->ring, 0);
    (void)weft_loop_realloc(store->loop, store->heap, 0);
}
