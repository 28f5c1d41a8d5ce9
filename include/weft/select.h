/* SPDX-License-Identifier: MIT */
/*
 * weft/select.h: waiting for the first of several things
 *
 *     struct weft_case cases[] = {
 *         weft_case_get(jobs, &job),
 *         weft_case_event(&stop),
 *         weft_case_at(weft_after(5 * WEFT_SEC)),
 *     };
 *     switch (rc = weft_select(cases, 3)) {
 *     case 0: ... cases[0].result is 0 and job was got, or it is -WEFT_ECLOSED
 *     case 1: ... the event is set
 *     case 2: ... five seconds have passed
 *     default: return rc;                      cancelled: none of them happened
 *     }
 *
 * Exactly one case happens. Only what can be withdrawn without loss can be a case: queue put and
 * get, the end of a task, a future, an event, an instant, the readiness of a descriptor. Transfers
 * (read, accept) are none: select readiness, then try.
 *
 *       attempt each, from a random one on ──one could──▶ its index
 *            │none
 *            ▼
 *       enlist each: its listener stands where a waiting task would stand, first come first served
 *            │
 *            ├─ a listener is woken: all others are withdrawn in that instant ──▶ its index
 *            └─ cancelled: all are withdrawn ──▶ -ECANCELED
 *
 * Whoever wakes a listener cannot tell it from a waiting task, and hands over as to one. As the
 * others are withdrawn within that wake, no queue ever holds the listener of a select that is
 * decided, and nothing is offered in vain.
 *
 * The cases must stay in place until the call returns; they can be used again and again.
 */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <weft/error.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

struct weft_case;
struct weft_event;
struct weft_queue;

/** What a kind of case must do; for those who add kinds. None of them may wait. */
struct weft_case_ops {
    /** The kind in words, for dumps: "to get from a queue". */
    const char *name;
    /** Does it at once if it can: 1, with `result` set. 0: it would have to wait, and nothing was
     *  changed. */
    int (*attempt)(struct weft_case *c);
    /** After an attempt that gave 0: puts c->wait where a weft_wake(&c->wait, result) will come
     *  when the case has happened; at once is fine, too. 0, or a failure, which ends the select. */
    int (*enlist)(struct weft_case *c);
    /** Takes c->wait back, if it was not woken, and frees what enlist made. Called once for each
     *  enlisted case; what was waited for may be gone by then if it was woken. */
    void (*withdraw)(struct weft_case *c);
};

/** One thing to wait for. Made by weft_case_...; only `result` is for reading. */
struct weft_case {
    /** The kind; NULL: this case never happens. */
    const struct weft_case_ops *ops;
    /** What the case came to, valid for the one whose index was returned: see weft_case_.... */
    int result;
    /** Which events of a descriptor. */
    int events;
    /** The listener. */
    struct weft_wait wait;
    /** The queue, event, task or future. */
    void *object;
    /** What to put. */
    void *item;
    /** Where to put what was got. */
    void **out;
    /** When. */
    struct weft_time instant;
    /** The descriptor. */
    int fd;
    /** Nonzero while enlisted. */
    int enlisted;
    /** What was made for the wait: a timer, an operation. */
    void *resource;
    /** The choice that the case is part of; valid while enlisted. */
    struct weft_choice *choice;
};

/** Gets an item from the queue into *item. Result: 0, or -WEFT_ECLOSED. Plain. */
WEFT_API struct weft_case weft_case_get(struct weft_queue *queue, void **item);

/** Puts the item into the queue. Result: 0; -WEFT_ECLOSED or -ENOMEM, it is not in. Plain. */
WEFT_API struct weft_case weft_case_put(struct weft_queue *queue, void *item);

/** The event is set. Result: 0. Plain. */
WEFT_API struct weft_case weft_case_event(struct weft_event *event);

/** The future is finished. Result: 0; weft_future_code tells more. Plain. The caller holds a
 *  reference meanwhile. */
WEFT_API struct weft_case weft_case_future(struct weft_future *future);

/** The task has ended. Result: 0; weft_join then does not wait. The handle is not consumed, and
 *  must not be joined or released by others meanwhile. Plain. */
WEFT_API struct weft_case weft_case_task(struct weft_task *task);

/** The instant has come; never early. Result: 0. Plain. */
WEFT_API struct weft_case weft_case_at(struct weft_time instant);

/**
 * One of the POLLIN, POLLOUT ... `events` holds on the descriptor. Result: those that do (POLLERR
 * and POLLHUP also unasked); -EBADF it was closed; else as weft_poll. It stands in line with the
 * raw waits on the descriptor. Plain.
 */
WEFT_API struct weft_case weft_case_ready(int fd, int events);

/** Never happens; a place in the array that is not in use now. Plain. */
WEFT_API struct weft_case weft_case_never(void);

/**
 * Waits for the first of the cases to happen and returns its index; of those that could happen at
 * once, a random one (from the loop's table). Waiting: 0 to count - 1; -ECANCELED, none happened;
 * -ENOMEM no memory for a timer or an operation, none happened. With no cases, or none that can
 * happen, it waits for its cancellation.
 */
WEFT_API WEFT_MUST_CHECK int weft_select(struct weft_case *cases, size_t count);

/** As weft_select; of those that could happen at once, the first in the array. */
WEFT_API WEFT_MUST_CHECK int weft_select_ordered(struct weft_case *cases, size_t count);

/** Does a random one of the cases that can happen at once. Plain: its index, or -EAGAIN. */
WEFT_API WEFT_MUST_CHECK int weft_try_select(struct weft_case *cases, size_t count);

WEFT_END

#endif
