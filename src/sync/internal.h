/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of sync share
 *
 * This folder is built on the public headers and on lists; what its files share beside them stands
 * here: one who waits for a mutex (mutex.c and condition.c), and the store of a queue (store.c and
 * queue.c).
 */
#ifndef WEFT_SYNC_INTERNAL_H
#define WEFT_SYNC_INTERNAL_H

#include "base/list.h"

#include <weft/queue.h>
#include <weft/sync.h>
#include <weft/wait.h>

/** Puts a wait at the end of a queue, for parks with an abort function of their own. */
static inline void weft__sync_enlist(struct weft_waitq *queue, struct weft_wait *wait)
{
    weft__list_append(&queue->waits, &wait->link);
}

/* mutex.c */

/** One who waits for a mutex; or for a condition, and then for the mutex. */
struct weft__locker {
    /** The wait; its object is the mutex. */
    struct weft_wait wait;
    /** Id of the waiting task, the next owner. */
    uint64_t task;
    /** What the wait gives when the mutex is handed over: 0, or -ECANCELED for one who was
     * cancelled in a condition and gets the mutex back. */
    ssize_t result;
    /** The condition; NULL for one who only locks. */
    struct weft_condition *condition;
    /** Left the condition by a notification, and stands in the mutex's queue. */
    int notified;
    /** If it is cancelled now, that notification is for the next. */
    int passes_on;
};

/** Frees the mutex or hands it to the first who waits. */
void weft__mutex_pass(struct weft_mutex *mutex);

/** Says who holds the mutex that `wait` waits for. */
void weft__mutex_describe(const struct weft_wait *wait, char *buf, size_t size);

/* store.c */

/** An item with its place among equals. */
struct weft__ranked {
    /** The item. */
    void *item;
    /** Grows with every item stored. */
    uint64_t rank;
};

/** The items in a queue: a ring, or a heap for WEFT_QUEUE_PRIORITY. */
struct weft__store {
    /** Where memory comes from. */
    struct weft_loop *loop;
    /** Which item is taken next. */
    enum weft_queue_kind kind;
    /** The order of a heap. */
    weft_compare_fn *compare;
    /** The memory: of a ring. */
    void **ring;
    /** The memory: of a heap. */
    struct weft__ranked *heap;
    /** How many items fit into the memory. */
    size_t room;
    /** How many there are. */
    size_t count;
    /** The first of a ring. */
    size_t head;
    /** The rank of the next item. */
    uint64_t rank;
};

/** Makes room for `room` items in all. 0 or -ENOMEM. */
int weft__store_reserve(struct weft__store *store, size_t room);
/** Stores an item; 0, or -ENOMEM when there was no room and none could be made. */
int weft__store_put(struct weft__store *store, void *item);
/** Takes the next item; there is one. */
void *weft__store_get(struct weft__store *store);
/** Frees the memory. */
void weft__store_fini(struct weft__store *store);

#endif
