/* SPDX-License-Identifier: MIT */
/*
 * weft/thread.h: several loops, each on a thread of its own
 *
 * A task never changes its thread, and what belongs to a loop is for that loop's thread alone. More
 * processors are used by more loops: weft_run_loops runs one function on several. Between loops,
 * and between a loop and threads that run none, there are three ways:
 *
 *     weft_channel_send, _receive    items through a channel, from any thread to any other
 *     weft_spawn_on                  starts a task on another loop
 *     weft_run_on                    calls a function on another loop and waits for its result
 *
 *     loop A                     │                         loop B
 *     rc = weft_run_on(B, fn, arg, &result);
 *        └── the task parks ─────┼──▶ a task of B runs fn(arg)
 *            ... cancelled? ─────┼──▶ that task is cancelled
 *        ┌── goes on ◀───────────┼── its result
 *
 * A loop that is named in a call must not be freed before that call has begun; whoever shares loops
 * ends those that call before those that are called. (An answer that comes later than the end of
 * the loop that was asked is -WEFT_ECLOSED.)
 */
#ifndef WEFT_THREAD_H
#define WEFT_THREAD_H

#include <weft/error.h>
#include <weft/queue.h>
#include <weft/run.h>
#include <weft/types.h>

WEFT_BEGIN

/*
 * Channels. As queues (weft/queue.h), but between any threads: items are pointers, first-in
 * first-out, at most `capacity` stored.
 *
 *   - Senders and receivers are served in the order in which they came; nobody overtakes one who
 *     waits, try_send and try_receive included.
 *   - A send that returned 0 is done: the item is stored or a receiver has it. Any other result:
 *     the item is not in, and still the caller's. A receive that did not return 0 took nothing. So
 *     cancellation loses nothing: who was served before it came has been served.
 *   - Capacity 0 is a rendezvous: a send returns when a receiver has taken the item.
 *   - A channel is no case of weft_select: who listens to several has a task for each.
 */

struct weft_channel;

/** How to make a channel; NULL, or zero everywhere, is a rendezvous. */
struct weft_channel_options {
    /** sizeof(struct weft_channel_options), also when 0. */
    size_t size;
    /** How many items it stores; 0: none, each send meets a receive. */
    size_t capacity;
    /** Gets the items that nobody will receive, in the thread that closes or lets go last; NULL:
     *  they are forgotten. */
    weft_drop_fn *drop;
    /** Name for dumps; not copied. NULL: none. */
    const char *name;
};

/** Makes a channel in *ret, held once. `options` NULL: a rendezvous. Takes all its memory now.
 *  Plain. Any thread. -ENOMEM. */
WEFT_API int weft_channel_new(const struct weft_channel_options *options,
                              struct weft_channel **ret);

/** Holds the channel once more: one for each party that will let go of it. Returns it. Plain. Any
 *  thread. */
WEFT_API struct weft_channel *weft_channel_ref(struct weft_channel *channel);

/** Lets go of it. The last one closes it at once (see weft_channel_close) and frees it. Plain. Any
 *  thread. NULL is fine. */
WEFT_API void weft_channel_unref(struct weft_channel *channel);

/** Sends an item. Waiting: 0; -ECANCELED; -WEFT_ECLOSED it is or was closed meanwhile. */
WEFT_API WEFT_MUST_CHECK int weft_channel_send(struct weft_channel *channel, void *item);

/** Receives an item into *item, which is untouched otherwise. Waiting: 0; -ECANCELED; -WEFT_ECLOSED
 *  it is closed and nothing is left. */
WEFT_API WEFT_MUST_CHECK int weft_channel_receive(struct weft_channel *channel, void **item);

/** Sends an item if that needs no wait. Plain: 0; -EAGAIN it would; -WEFT_ECLOSED. Any thread. */
WEFT_API WEFT_MUST_CHECK int weft_channel_try_send(struct weft_channel *channel, void *item);

/** Receives an item if that needs no wait. Plain: 0; -EAGAIN it would; -WEFT_ECLOSED. Any thread.
 */
WEFT_API WEFT_MUST_CHECK int weft_channel_try_receive(struct weft_channel *channel, void **item);

/**
 * Closes the channel: sends give -WEFT_ECLOSED, also those that wait (their items are not in);
 * receives take what is left, then give -WEFT_ECLOSED, also those that wait. WEFT_CLOSE_NOW gives
 * what is stored to `drop`. Plain. Any thread. Closing twice is fine, also DRAIN and then NOW.
 */
WEFT_API void weft_channel_close(struct weft_channel *channel, enum weft_close_how how);

/** Nonzero after weft_channel_close. Plain. Any thread. */
WEFT_API int weft_channel_closed(struct weft_channel *channel);

/** How many items are stored at this moment. Plain. Any thread. */
WEFT_API size_t weft_channel_count(struct weft_channel *channel);

/* Other loops. */

/**
 * Starts fn(arg) as a task in the root scope of `loop`, which runs on another thread or will run.
 * Plain. Any thread. 0; -ENOMEM, -EOWNERDEAD and fn will not run. A loop that is freed before its
 * next turn does not run it either. A failure of the task, or of its start over there, is one of
 * that root scope, and ends that loop's run.
 */
#define weft_spawn_on(loop, fn, arg) weft_spawn_on_at((loop), (fn), (arg), #fn, WEFT_SITE)
WEFT_API int weft_spawn_on_at(struct weft_loop *loop, int (*fn)(void *arg), void *arg,
                              const char *name, const char *site);

/**
 * Runs fn(arg) as a task of `loop` and waits for its end; what it returned goes to *result (may be
 * NULL), and is no failure over there. The return speaks only of the wait:
 *
 *     0               fn has returned
 *     -ECANCELED      fn did not run, or was cancelled with us and returned -ECANCELED
 *     -WEFT_ECLOSED   the loop was freed before fn ran
 *     -ENOMEM, -EOWNERDEAD (a forked child): fn did not run
 *
 * Cancellation is forwarded: the task over there is cancelled, and waited for.
 *
 * Waiting, in a task. In a thread that runs no loop, a job (weft/offload.h) for instance, it blocks
 * that thread instead: then `loop` must be run by another one. The cancellation of a job is
 * forwarded, too. In a callback it is misuse (-EPERM). Any thread.
 */
#define weft_run_on(loop, fn, arg, result)                                                         \
    weft_run_on_at((loop), (fn), (arg), (result), #fn, WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_run_on_at(struct weft_loop *loop, int (*fn)(void *arg), void *arg,
                                            int *result, const char *name, const char *site);

/** A program for several loops; `index` is 0 on the calling thread, 1, 2 ... on others. */
typedef int weft_loops_fn(unsigned index, void *arg);

/**
 * Runs program(index, arg) on `count` loops, each with weft_run_with on a thread of its own, the
 * first on the calling thread, and returns when all have ended. That first one takes `options`
 * (NULL: defaults) as they are; the others touch nothing of the process (WEFT_RUN_BARE), and their
 * threads have signals blocked. They begin when the first one has its handlers of signals, so that
 * whoever heard of any of them may send SIGTERM.
 *
 * The first failure of one cancels the root scopes of all others, and so does a cancellation of the
 * first loop's root scope while its program runs (SIGINT, SIGTERM). One that returns 0 or more ends
 * alone. A table of system calls in `options` must be one that several threads may use.
 *
 * Returns the first failure, else the code of the first loop; -EINVAL no loop at all; -ENOMEM;
 * -EAGAIN, -ENOSYS a thread could not be made: then those that ran were cancelled; -EDEADLK,
 * -EBUSY as weft_run. It blocks its thread. Plain.
 */
WEFT_API int weft_run_loops(unsigned count, const struct weft_run_options *options,
                            weft_loops_fn *program, void *arg);

WEFT_END

#endif
