/* SPDX-License-Identifier: MIT */
/*
 * weft/loop.h: the event loop and its callbacks
 *
 * A loop belongs to one thread. It runs callbacks that are ready, waits for descriptors and timers,
 * and knows nothing of tasks: those are built on it. Both styles mix freely in one program, and
 * they meet in futures (weft/future.h).
 *
 * One turn
 *   1. poll: wait for descriptors until the next timer, not at all when something is ready
 *   2. timers that are due become ready, in the order of their deadlines, ties as they were set
 *   3. run what is ready, first-in first-out, up to a batch
 *
 * A callback runs on the loop's own stack, exactly once, never inside the call that scheduled it. A
 * waiting call inside a callback is misuse (abort in debug builds, else -EPERM).
 *
 * weft_loop_create installs no handler and touches no disposition of the process. After fork the
 * loops of the parent are inert in the child: every call gives -EOWNERDEAD.
 */
#ifndef WEFT_LOOP_H
#define WEFT_LOOP_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

/** How to make a loop; NULL, or zero everywhere, is the default. */
struct weft_loop_options {
    /** sizeof(struct weft_loop_options), also when 0: what a smaller one lacks reads as zero. */
    size_t size;
    /** The world; NULL: weft_sys_default. Must outlive the loop. */
    const struct weft_sys *sys;
    /** Engine: "epoll", "poll", "io_uring", "sim"; NULL: $WEFT_BACKEND, else epoll, then poll. */
    const char *backend;
    /** Seed of the choice among ready tasks; 0: first-in first-out. Honoured by every engine. */
    uint64_t seed;
};

/** A function that the loop calls. */
typedef void weft_callback_fn(void *arg);

/**
 * Makes a loop. Plain. The loop goes to *ret and belongs to the calling thread. `options` NULL:
 * defaults. -ENOMEM, -EMFILE, -ENFILE; -EINVAL unknown engine; -ENOSYS, -EPERM the engine that was
 * asked for by `backend` is refused here ($WEFT_BACKEND falls back to epoll instead, and
 * weft_loop_backend_reason says why).
 */
WEFT_API int weft_loop_create(const struct weft_loop_options *options, struct weft_loop **ret);

/**
 * Ends a loop: cancels its root scope and drains it, drops pending callbacks and timers unrun,
 * closes the engine, and frees everything. NULL is fine. Releasing; not inside a callback or task
 * of this loop (-EBUSY). 0, or with the loop left as it was -EBUSY, or the engine's error (under
 * sim -WEFT_EDEADLOCK) when tasks are left that wait for what cannot be cut short and the engine
 * does not bring.
 */
WEFT_API int weft_loop_free(struct weft_loop *loop);

/** The loop that runs in this thread, NULL when none does. Plain. Any thread. */
WEFT_API struct weft_loop *weft_loop_current(void);

/** The engine in force: "epoll", "poll", "io_uring" or "sim". Plain. Static. */
WEFT_API const char *weft_loop_backend(const struct weft_loop *loop);

/** Why this engine: "default", "asked for by options", "io_uring_setup: EPERM, ...". Plain. */
WEFT_API const char *weft_loop_backend_reason(const struct weft_loop *loop);

/* Running. */

/**
 * Runs turns until weft_loop_stop. 0; -EBUSY it runs already or another loop runs in this thread;
 * -EOWNERDEAD after fork; an engine's error, of which -WEFT_EDEADLOCK is one: under "sim", nothing
 * can ever happen again.
 */
WEFT_API int weft_loop_run_forever(struct weft_loop *loop);

/**
 * Runs turns until nothing is left: no ready callback, no timer, no reader or writer, no task.
 * Signals and what other threads may yet schedule do not count: weft_loop_run_forever waits for
 * those. weft_loop_stop ends it early. Returns as weft_loop_run_forever.
 */
WEFT_API int weft_loop_run(struct weft_loop *loop);

/**
 * Runs turns until the future is done, and waits for other threads (call_soon_threadsafe) and
 * signals when nothing else is left. 0; -ECANCELED weft_loop_stop came first; -WEFT_EDEADLOCK
 * nothing is left that could finish it, which only the engine "sim" can know; else as
 * weft_loop_run_forever.
 */
WEFT_API int weft_loop_run_until(struct weft_loop *loop, struct weft_future *future);

/**
 * Ends the running weft_loop_run... after the batch in progress. Before a run: that run makes
 * exactly one turn without waiting. What was scheduled stays for the next run. The runs of a
 * program (weft_run, weft_loop_run_task) do not end by it. Plain; from a callback too.
 */
WEFT_API void weft_loop_stop(struct weft_loop *loop);

/** Nonzero while a run is in progress. Plain. */
WEFT_API int weft_loop_running(const struct weft_loop *loop);

/* For a foreign loop that drives ours. */

/** One turn that waits at most `timeout`. Returns 1 when there is more to do, 0 when nothing is
 * left, or an error as weft_loop_run_forever. */
WEFT_API int weft_loop_step(struct weft_loop *loop, weft_ns timeout);

/** A descriptor that becomes readable when a step would find something; -ENOTSUP for an engine that
 *  has none (poll, sim); -EMFILE, -ENFILE, -ENOMEM. Plain. It stays the loop's. */
WEFT_API int weft_loop_fd(const struct weft_loop *loop);

/** How long a step may wait: 0 when something is ready, WEFT_FOREVER when only a descriptor can
 *  wake it. Plain. */
WEFT_API weft_ns weft_loop_timeout(struct weft_loop *loop);

/** Called before and after the engine waits; NULL for none. Must not wait; what the first one
 *  schedules runs without a sleep in between. Plain. */
WEFT_API void weft_loop_set_poll_hooks(struct weft_loop *loop, weft_callback_fn *before,
                                       weft_callback_fn *after, void *arg);

/** How many ready entries one turn runs. */
enum weft_batch {
    /** Up to a fixed number, with what becomes ready meanwhile. The default. */
    WEFT_BATCH_BUDGET = 0,
    /** Exactly the entries that were ready when the batch began, as asyncio does. */
    WEFT_BATCH_SNAPSHOT = 1
};

/** Chooses how a turn's batch is cut. Plain. */
WEFT_API void weft_loop_set_batch(struct weft_loop *loop, enum weft_batch batch);

/* Time. */

/** The loop's time as of its last look at the clock: once a turn, and with each
 *  weft_loop_now_fresh. Plain. */
WEFT_API struct weft_time weft_loop_now(const struct weft_loop *loop);

/** Reads the clock afresh. Plain. */
WEFT_API struct weft_time weft_loop_now_fresh(struct weft_loop *loop);

/** The instant `delay` from a fresh look at the calling thread's loop's clock; saturates at
 *  WEFT_FOREVER. Plain. */
WEFT_API struct weft_time weft_after(weft_ns delay);

/** Nanoseconds of the calling thread's loop's clock, fresh. Plain. For measuring. */
WEFT_API weft_ns weft_clock(void);

/* Callbacks. */

/** A scheduled callback. Valid until it has run or was cancelled. */
struct weft_handle;

/**
 * Schedules fn(arg) at the end of the ready ones. `ret` may be NULL. Plain. -ENOMEM, -EOWNERDEAD.
 * The handle in *ret is valid until the callback starts or is cancelled.
 */
WEFT_API int weft_loop_call_soon(struct weft_loop *loop, weft_callback_fn *fn, void *arg,
                                 struct weft_handle **ret);

/** Schedules fn(arg) after a delay; never early; a delay of 0 or less: next turn. See call_soon. */
WEFT_API int weft_loop_call_later(struct weft_loop *loop, weft_ns delay, weft_callback_fn *fn,
                                  void *arg, struct weft_handle **ret);

/** Schedules fn(arg) at an instant. Equal instants run in the order of these calls. See call_soon.
 */
WEFT_API int weft_loop_call_at(struct weft_loop *loop, struct weft_time instant,
                               weft_callback_fn *fn, void *arg, struct weft_handle **ret);

/** Takes a callback back; it will not run. Plain. The handle is gone. NULL is fine. */
WEFT_API void weft_handle_cancel(struct weft_handle *handle);

/** When a timed callback is due; for others the zero instant. Plain. */
WEFT_API struct weft_time weft_handle_when(const struct weft_handle *handle);

/**
 * As weft_loop_call_soon from any thread; wakes the loop. -ENOMEM, -EOWNERDEAD. Any thread, as long
 * as nobody frees the loop at the same time.
 */
WEFT_API int weft_loop_call_soon_threadsafe(struct weft_loop *loop, weft_callback_fn *fn,
                                            void *arg);

/** Makes the loop turn once more if it waits. Signal-safe. */
WEFT_API void weft_loop_wake(struct weft_loop *loop);

/* Descriptors. */

/**
 * Calls fn(arg) in each turn in which `fd` is readable (level-triggered), until removed; replaces
 * an earlier reader. A regular file is always readable. Plain. -EBADF; -EBUSY a raw wait of a task
 * is on this descriptor and direction, or a transport has it (weft/transport.h); -ENOMEM.
 */
WEFT_API int weft_loop_add_reader(struct weft_loop *loop, int fd, weft_callback_fn *fn, void *arg);

/** As weft_loop_add_reader for writability. */
WEFT_API int weft_loop_add_writer(struct weft_loop *loop, int fd, weft_callback_fn *fn, void *arg);

/** Removes a reader; its callback does not run any more. 1, or 0 when there was none; -EBUSY a
 *  transport has the descriptor. Plain. */
WEFT_API int weft_loop_remove_reader(struct weft_loop *loop, int fd);

/** Removes a writer; see weft_loop_remove_reader. */
WEFT_API int weft_loop_remove_writer(struct weft_loop *loop, int fd);

/**
 * Closes a descriptor from the callback tier: everyone who waits on it gets -EBADF, readers and
 * writers are removed, the engine lets go of it, then it is closed and done(arg) is scheduled
 * (NULL: none). Plain. -EBADF; -ENOMEM, -EBUSY a transport has it, and it stays open; what
 * close(2) tells of bytes that could not be written (-EIO ...): then it is closed and done is not
 * called.
 */
WEFT_API int weft_loop_close_fd(struct weft_loop *loop, int fd, weft_callback_fn *done, void *arg);

/* Signals. */

/**
 * Calls fn(arg) in the loop after the signal arrived (several arrivals may be one call), until
 * removed; replaces an earlier one. Receivers of weft/signal.h hear of it as well; what weft_run
 * does about it rests meanwhile. Touches the process: installs a handler. Any signal up to
 * SIGRTMAX. Plain. -EINVAL not a signal that can be caught; -EBUSY another loop has it; -ENOMEM.
 */
WEFT_API int weft_loop_add_signal(struct weft_loop *loop, int signal, weft_callback_fn *fn,
                                  void *arg);

/**
 * Removes a signal's callback and puts the former disposition back. Plain. 1, or 0 when there was
 * none.
 */
WEFT_API int weft_loop_remove_signal(struct weft_loop *loop, int signal);

/* For extensions. */

/** Memory through the loop's table, as realloc(3): size 0 frees. NULL when out of memory. Plain. */
WEFT_API void *weft_loop_realloc(struct weft_loop *loop, void *p, size_t size);

/** A random number through the loop's table; from the seed when the loop has one. Plain. */
WEFT_API uint64_t weft_loop_random(struct weft_loop *loop);

/**
 * Keeps `value` under `key` for this loop: what a part of a program or an extension has once in
 * each loop. The address of the key is its identity. The older value under it is dropped, and a
 * `value` of NULL only does that. `drop` (NULL: none) gets the value when it is replaced and when
 * the loop is freed: after its tasks have ended and while its other calls still work, the value
 * set last first. Plain. -ENOMEM, and nothing changed; -EOWNERDEAD.
 */
WEFT_API int weft_loop_set_local(struct weft_loop *loop, const void *key, void *value,
                                 weft_drop_fn *drop);

/** The value under `key`, NULL when there is none. Plain. */
WEFT_API void *weft_loop_get_local(const struct weft_loop *loop, const void *key);

/* Looking inside. */

/** Counts of a loop. */
struct weft_loop_stats {
    /** Turns made. */
    uint64_t turns;
    /** Callbacks and task runs. */
    uint64_t runs;
    /** Times the engine waited or looked. */
    uint64_t polls;
    /** System calls of the engine itself: epoll_ctl, io_uring_enter, ... */
    uint64_t engine_calls;
    /** Tasks that have not ended. */
    uint64_t tasks;
    /** Timers armed. */
    uint64_t timers;
    /** Operations that the engine has not finished. */
    uint64_t operations;
    /** Hash of the order of everything that ran: equal for equal schedules. */
    uint64_t trace;
};

/** Fills *ret. Plain. */
WEFT_API void weft_loop_get_stats(const struct weft_loop *loop, struct weft_loop_stats *ret);

WEFT_END

#endif
