/* SPDX-License-Identifier: MIT */
/*
 * weft/wait.h: the one way to wait
 *
 * Everything that waits in weft, and every extension that adds something to wait for, is built on
 * two calls: a task parks on a `struct weft_wait` that lies on its own stack, and someone wakes it
 * with a result. Locks, queues, timers, sockets, joins: nothing else blocks.
 *
 *     task                                     someone else (task, callback, engine)
 *     ----                                     ---------------------------------------
 *     rc = weft_wait_begin();   refused? out
 *     weft_wait_init(&w, ...);
 *     publish &w somewhere
 *     result = weft_park(&w, abort);           weft_wake(&w, result);
 *
 * Cancellation of a parked task calls `abort` at most once, and it answers
 *
 *   WEFT_ABORT_DONE    nobody else will wake this wait (it was taken off its list): the park gives
 *                      -ECANCELED
 *   WEFT_ABORT_LATER   the operation's own completion decides: the task stays parked until
 *                      weft_wake, and its result is what the park returns, a success as well as
 *                      -ECANCELED (io_uring needs this: the kernel still has the buffer)
 *
 *       INIT ──park──▶ PARKED ──wake──▶ WOKEN ──▶ park returns the result
 *         │               └─cancel, LATER─▶ ABORTING ──wake──▶ WOKEN
 *         └──wake──▶ WOKEN (park returns at once)
 *
 * A wait that was woken has happened: a cancellation that comes after the wake, in the same turn
 * or later, changes nothing about it and meets the task at its next wait.
 *
 * All calls are for the thread of the task's loop.
 */
#ifndef WEFT_WAIT_H
#define WEFT_WAIT_H

#include <weft/types.h>

WEFT_BEGIN

/** What an abort function answers. */
enum weft_abort {
    /** The wait was withdrawn; nobody will wake it. */
    WEFT_ABORT_DONE,
    /** The completion will come and decides. */
    WEFT_ABORT_LATER
};

/** Where a wait stands; see the picture above. */
enum weft_wait_state {
    /** Not parked yet. Next: PARKED, WOKEN. */
    WEFT_WAIT_INIT,
    /** The task is parked. Next: WOKEN, ABORTING. */
    WEFT_WAIT_PARKED,
    /** Cancelled; the completion decides. Next: WOKEN. */
    WEFT_WAIT_ABORTING,
    /** Has its result. The end. */
    WEFT_WAIT_WOKEN
};

/** A link of a doubly linked list. */
struct weft_link {
    /** The next link, the list's own at the end. */
    struct weft_link *next;
    /** The previous link, the list's own at the start. */
    struct weft_link *prev;
};

/** Withdraws a wait, see above. Runs while the task is parked, on somebody else's stack. */
typedef enum weft_abort weft_abort_fn(struct weft_wait *wait);

/**
 * Says in words what a wait waits for ("to read on descriptor 7"), for dumps. Writes at most
 * `size` bytes with the final zero. May run at any time while the wait is parked; must not wait.
 */
typedef void weft_describe_fn(const struct weft_wait *wait, char *buf, size_t size);

/** What the wake of a listener calls, inside weft_wake; its return is what weft_wake returns. */
typedef int weft_listen_fn(struct weft_wait *wait, ssize_t result);

/** One wait, on the waiting task's stack. Fields are private except `object` and `link`. */
struct weft_wait {
    /** Membership in a list of the primitive's own; valid while it is published. */
    struct weft_link link;
    /** What is waited for; free for the primitive that made the wait. */
    void *object;
    /** The waiting task. */
    struct weft_task *task;
    /** Says in words what this waits for. */
    weft_describe_fn *describe;
    /** Withdraws the wait; NULL: not abortable. */
    weft_abort_fn *abort;
    /** What a wake calls; NULL for the wait of a task. */
    weft_listen_fn *listen;
    /** The result given to weft_wake, or -ECANCELED. */
    ssize_t result;
    /** enum weft_wait_state. */
    unsigned char state;
};

/**
 * The entry of every waiting call: looks for cancellation and counts the call against the task's
 * share of the turn. Returns 0, or -ECANCELED: the call must return it and have no effect.
 *
 * May let other tasks run (when the share is spent), so look at shared state after it, not before.
 * Outside a task: misuse (abort in debug builds, else -EPERM).
 */
WEFT_API WEFT_MUST_CHECK int weft_wait_begin(void);

/** Prepares a wait of the calling task. `object` is what describe and abort want. Plain. */
WEFT_API void weft_wait_init(struct weft_wait *wait, weft_describe_fn *describe, void *object);

/**
 * Prepares a listener: a wait that stands in a queue as a task's would, and whose wake calls a
 * function instead, so that one task can wait for several things. Nobody parks on it; who published
 * it takes it back. `fn` must not wait. Plain.
 */
WEFT_API void weft_wait_init_listener(struct weft_wait *wait, weft_listen_fn *fn, void *object);

/**
 * Parks the calling task until the wait is woken, or withdrawn by `abort`. Returns the result.
 * `abort` NULL makes a wait that cancellation does not touch (releasing calls only). A cancellation
 * that is already in force counts as one that arrives during the park.
 */
WEFT_API WEFT_MUST_CHECK ssize_t weft_park(struct weft_wait *wait, weft_abort_fn *abort);

/**
 * Wakes a wait with a result. Plain: the task is put at the end of the ready tasks, nothing runs
 * inside this call. Returns 1, or 0 when the wait was already woken (nothing changes then).
 */
WEFT_API int weft_wake(struct weft_wait *wait, ssize_t result);

/**
 * A FIFO queue of waits, in place, never failing. All of sync is built on it. A task that is
 * cancelled leaves the queue; one that was woken has what it was woken with.
 */
struct weft_waitq {
    /** First and last wait; both point at the list itself when it is empty. */
    struct weft_link waits;
};

/** An empty queue, also by assignment: struct weft_waitq q = WEFT_WAITQ_INIT(q); */
#define WEFT_WAITQ_INIT(q)                                                                         \
    {                                                                                              \
        {                                                                                          \
            &(q).waits, &(q).waits                                                                 \
        }                                                                                          \
    }
/** Empties a queue's memory before first use. Plain. */
WEFT_API void weft_waitq_init(struct weft_waitq *queue);

/** Nonzero when nobody waits. Plain. */
WEFT_API int weft_waitq_empty(const struct weft_waitq *queue);

/**
 * Parks the calling task at the end of the queue; `wait` was prepared by weft_wait_init. Returns
 * what the waker gave, or -ECANCELED when it was withdrawn: then it held no place any more.
 */
WEFT_API WEFT_MUST_CHECK ssize_t weft_waitq_park(struct weft_waitq *queue, struct weft_wait *wait);

/** Wakes the first waiter with `result`; returns its wait (still valid until that task runs), or
 *  NULL when nobody waits. Plain. */
WEFT_API struct weft_wait *weft_waitq_wake(struct weft_waitq *queue, ssize_t result);

/** Wakes all with `result`; returns how many. Plain. */
WEFT_API size_t weft_waitq_wake_all(struct weft_waitq *queue, ssize_t result);

/** The first wait in the queue, not woken; NULL when nobody waits. Plain. */
WEFT_API struct weft_wait *weft_waitq_first(struct weft_waitq *queue);

/** Moves the first waiter to the end of `target` without waking it; 0 when nobody waits. Plain. */
WEFT_API int weft_waitq_repark(struct weft_waitq *queue, struct weft_waitq *target);

WEFT_END

#endif
