/* SPDX-License-Identifier: MIT */
/*
 * weft/queue.h: a queue between tasks
 *
 * Items are pointers. Putting waits while the queue is full, getting while it is empty; an item
 * goes straight to a getter who waits. All in the thread of one loop.
 *
 *     struct weft_queue_options options = { .capacity = 10, .drop = free };
 *     rc = weft_queue_new(loop, &options, &queue);
 *
 *     rc = weft_queue_put(queue, item);
 *     while ((rc = weft_queue_get(queue, &item)) == 0)
 *         ...
 *     // Getters take what is left, then get -WEFT_ECLOSED.
 *     weft_queue_close(queue, WEFT_CLOSE_DRAIN);
 *     weft_queue_free(queue);
 *
 *       putters who wait ──▶ │ stored, up to capacity │ ──▶ getters who wait
 *
 * Rules
 *   - Putters and getters are served in the order in which they came; nobody overtakes one who
 *     waits, try_put and try_get included. The kind orders what is stored, and only that.
 *   - A put that returned 0 is done: the item is stored or a getter has it. Any other result: the
 *     item is not in, and still the caller's. A get that did not return 0 took nothing.
 *   - An item that was handed to a getter is that getter's, also when its task is cancelled before
 *     it runs: its get returns 0, and its next wait reports the cancellation.
 *   - Capacity 0 is a rendezvous: a put returns when a getter has taken the item.
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_queue;

/** A capacity: puts never wait, and may fail with -ENOMEM. */
#define WEFT_QUEUE_UNBOUNDED SIZE_MAX

/** Which of the stored items a get takes. */
enum weft_queue_kind {
    /** The one stored first. The default. */
    WEFT_QUEUE_FIFO = 0,
    /** The one stored last. */
    WEFT_QUEUE_LIFO = 1,
    /** The smallest by `compare`; among equals the one stored first. */
    WEFT_QUEUE_PRIORITY = 2
};

/** Orders two items as qsort(3) does: negative when `a` comes first. Must not wait. */
typedef int weft_compare_fn(const void *a, const void *b);

/** How to make a queue; NULL, or zero everywhere, is a rendezvous. */
struct weft_queue_options {
    /** sizeof(struct weft_queue_options), or 0 for that of this header. */
    size_t size;
    /** How many items it stores; 0: none, each put meets a get; WEFT_QUEUE_UNBOUNDED. */
    size_t capacity;
    /** Which item a get takes. */
    enum weft_queue_kind kind;
    /** The order of WEFT_QUEUE_PRIORITY; unused for other kinds. */
    weft_compare_fn *compare;
    /** Gets the items that are dropped by a close at once; NULL: they are forgotten. */
    weft_drop_fn *drop;
    /** Name for dumps ("to get from queue jobs"); not copied. NULL: none. */
    const char *name;
};

/**
 * Makes a queue in *ret, for the tasks and callbacks of `loop`; `options` NULL: a rendezvous. A
 * bounded one takes its memory now, so that no later put can fail for want of it. Plain. -ENOMEM;
 * -EINVAL an unknown kind, or WEFT_QUEUE_PRIORITY without `compare`.
 */
WEFT_API int weft_queue_new(struct weft_loop *loop, const struct weft_queue_options *options,
                            struct weft_queue **ret);

/** Closes at once (see weft_queue_close), sends those away who wait, join included, with
 *  -WEFT_ECLOSED, and frees. Before the loop is freed. Releasing, and it never waits. NULL is
 *  fine. */
WEFT_API void weft_queue_free(struct weft_queue *queue);

/** Puts an item. Waiting: 0; -ECANCELED; -WEFT_ECLOSED it is or was closed meanwhile; -ENOMEM (only
 *  unbounded ones). */
WEFT_API WEFT_MUST_CHECK int weft_queue_put(struct weft_queue *queue, void *item);

/** Gets an item into *item, which is untouched otherwise. Waiting: 0; -ECANCELED; -WEFT_ECLOSED it
 *  is closed and nothing is left. */
WEFT_API WEFT_MUST_CHECK int weft_queue_get(struct weft_queue *queue, void **item);

/** Puts an item if it need not wait. Plain: 0; -EAGAIN it would; else as weft_queue_put. */
WEFT_API WEFT_MUST_CHECK int weft_queue_try_put(struct weft_queue *queue, void *item);

/** Gets an item if it need not wait. Plain: 0; -EAGAIN it would; else as weft_queue_get. */
WEFT_API WEFT_MUST_CHECK int weft_queue_try_get(struct weft_queue *queue, void **item);

/** What becomes of the stored items when a queue is closed. */
enum weft_close_how {
    /** They can still be got. */
    WEFT_CLOSE_DRAIN,
    /** They are dropped. */
    WEFT_CLOSE_NOW
};

/**
 * Closes the queue: puts give -WEFT_ECLOSED, also those that wait (their items are not in); gets
 * take what is left, then give -WEFT_ECLOSED, also those that wait. WEFT_CLOSE_NOW gives what is
 * stored to `drop`, in the order in which gets would have taken it, and counts it as done (see
 * weft_queue_done). Releasing, and it never waits. Closing twice is fine, also DRAIN and then NOW.
 */
WEFT_API void weft_queue_close(struct weft_queue *queue, enum weft_close_how how);

/** Nonzero after weft_queue_close. Plain. */
WEFT_API int weft_queue_closed(const struct weft_queue *queue);

/** How many items are stored; items of putters who wait do not count. Plain. */
WEFT_API size_t weft_queue_count(const struct weft_queue *queue);

/** How many items it stores at most. Plain. */
WEFT_API size_t weft_queue_capacity(const struct weft_queue *queue);

/**
 * Says that one item that was got is dealt with. Every put that returns 0 adds an item to be done,
 * every done takes one away, and weft_queue_join waits until none is left. Who does not use join
 * need not call it. Plain. 0; -EINVAL there were more of these calls than items.
 */
WEFT_API int weft_queue_done(struct weft_queue *queue);

/** Waits until all items that were put are done. Waiting: 0; -ECANCELED; -WEFT_ECLOSED the queue
 *  was freed. */
WEFT_API WEFT_MUST_CHECK int weft_queue_join(struct weft_queue *queue);

WEFT_END

#endif
