/* SPDX-License-Identifier: MIT */
/*
 * internal.h: the loop's own struct
 *
 * For the files of this folder, and through ready.h for the task layer, which hangs its runtime on
 * the loop (`runtime`) without the loop knowing what a task is.
 *
 * Files
 *   loop.c         making, running, ending; the turn
 *   ready.h        the ready ring                       timer.c     timers
 *   handle.c       call_soon, call_later, call_at       wakeup.c    other threads
 *   watch.c        readers, writers, closing            signal.c    signals as callbacks
 *   backend.c      choosing the engine                  descriptor.c, poller/   engines
 */
#ifndef WEFT_LOOP_INTERNAL_H
#define WEFT_LOOP_INTERNAL_H

#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/options.h"
#include "base/slab.h"
#include "loop/poller.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <weft/loop.h>
#include <weft/sys.h>

/** How many entries one turn runs in WEFT_BATCH_BUDGET before the engine is looked at again. */
#define WEFT__BATCH 128u

/** One thing that is ready to run. */
struct weft__ready_entry {
    /** What to call. */
    weft_callback_fn *fn;
    /** Its argument. */
    void *arg;
};

/** The ready ring; see ready.h. */
struct weft__ready {
    /** The slots; a power of two of them. */
    struct weft__ready_entry *ring;
    /** Number of slots minus one. */
    uint64_t mask;
    /** The next entry to run; also how many have run. */
    uint64_t head;
    /** Where the next one is put. */
    uint64_t tail;
    /** Where the running batch ends. */
    uint64_t limit;
    /** Places promised; never more than there are slots. */
    uint64_t reserved;
};

/** A timer, in place in its owner. */
struct weft__timer {
    /** Its place in the heap. */
    struct weft__timer_node node;
    /** Called when it is due, on the loop's stack. */
    weft_callback_fn *fn;
    /** Its argument. */
    void *arg;
};

/** A value that somebody keeps in the loop; see weft_loop_set_local. */
struct weft__loop_local {
    /** Membership in loop->locals, the one set first at the start. */
    struct weft_link link;
    /** Under which key. */
    const void *key;
    /** The value. */
    void *value;
    /** Lets go of it; NULL for nothing. */
    weft_drop_fn *drop;
};

/** Somebody who waits until nothing in the loop can go on. */
struct weft__quiet {
    /** Membership in loop->quiet, the smallest cushion first. */
    struct weft_link link;
    /** For how long the engine must have had nothing to report. */
    weft_ns cushion;
    /** Called once, off the list. */
    void (*fn)(struct weft__quiet *quiet);
};

/** How our handler is installed for a signal. */
enum weft__signal_level {
    /** Not at all. Next: ONCE, ALWAYS. */
    WEFT__SIGNAL_NONE,
    /** It resets itself when it runs. Next: NONE, ALWAYS. */
    WEFT__SIGNAL_ONCE,
    /** It stays. Next: NONE, ONCE. */
    WEFT__SIGNAL_ALWAYS
};

/** Who gets a signal of a loop. */
struct weft__signal_entry {
    /** The callback of weft_loop_add_signal. */
    struct weft__watch watch;
    /** Called, once, while there is neither watch nor receiver. */
    struct weft__watch fallback;
    /** The receivers: struct weft__signal_receiver. */
    struct weft_link receivers;
    /** enum weft__signal_level. */
    unsigned char level;
};

/** What the layer above hangs on a loop. */
struct weft__runtime_hooks {
    /** The function of its ready entries: those may be permuted by a seed, callbacks may not. */
    weft_callback_fn *run;
    /** Ends everything of the layer; false: it is in use. */
    int (*free)(struct weft_loop *loop);
    /** How many of its things keep a run alive. */
    size_t (*alive)(const struct weft_loop *loop);
    /** Called when a turn is about to wait: gives back memory. Returns nothing. */
    void (*idle)(struct weft_loop *loop);
};

/** The loop. */
struct weft_loop {
    /** The world. */
    const struct weft_sys *sys;
    /** The engine. */
    struct weft__poller *poller;
    /** What is ready. */
    struct weft__ready ready;
    /** Timers by deadline. */
    struct weft__heap timers;
    /** Numbers timers in the order in which they were set. */
    uint64_t timer_sequence;
    /** Time as of the last look at the clock. */
    weft_ns now;
    /** Seed of the choice among the ready; 0: first-in first-out. */
    uint64_t seed;
    /** State of the generator of random numbers. */
    uint64_t random;
    /** Hash of the order of task runs. */
    uint64_t trace;
    /** The layer above. */
    void *runtime;
    /** Its functions; NULL while there is no runtime. */
    const struct weft__runtime_hooks *hooks;
    /** Handles of callbacks. */
    struct weft__slab handles;
    /** All that was scheduled and has not run: struct weft__errand. */
    struct weft_link errands;
    /** Who waits until nothing can go on: struct weft__quiet. */
    struct weft_link quiet;
    /** What callbacks read into; NULL until the first; see weft__loop_scratch. */
    void *scratch;
    /** What the kernel has yet to give back although no task waits for it; see weft__loop_owe. */
    size_t owed;
    /** What other threads posted, newest first. */
    _Atomic(struct weft__post *) incoming;
    /** How many threads are posting at this moment: the loop is not freed under their hands. */
    atomic_uint posting;
    /** Values of extensions: struct weft__loop_local. */
    struct weft_link locals;
    /** Who adds lines to a dump: struct weft__reporter. */
    struct weft_link reporters;
    /** Nonzero from a wake until the turn that saw it. */
    atomic_int wake;
    /** Bits of signals that arrived: signal 1 is bit 0. */
    _Atomic uint64_t signals;
    /** Bits of signals that went to receivers, none of which has taken them yet. */
    uint64_t signals_untaken;
    /** The wake-up's read end and write end (the same for an eventfd); -1 none. */
    int wake_fds[2];
    /** A run is in progress. */
    bool running;
    /** weft_loop_stop was called. */
    bool stopping;
    /** The table that the loop was made with; the world, unless that is the loop's own. */
    const struct weft_sys *creator;
    /** The world belongs to this loop and is freed with it. */
    bool owns_sys;
    /** enum weft_batch. */
    enum weft_batch batch;
    /** Which process made it: changes with each fork. */
    unsigned fork_generation;
    /** Called before the engine waits. */
    weft_callback_fn *before_poll;
    /** Called after it. */
    weft_callback_fn *after_poll;
    /** Argument of both. */
    void *poll_arg;
    /** Who gets the signals of this loop, by number; NULL until the first. */
    struct weft__signal_entry *signal_entries;
    /** Why this engine. */
    char reason[96];
    /** Turns made. */
    uint64_t turns;
    /** Looks at the engine. */
    uint64_t polls;
};

/** The loop that runs in this thread. */
extern WEFT__TLS struct weft_loop *weft__loop_current;

/** Changes in a forked child. */
extern unsigned weft__fork_generation;

/** 0, or -EOWNERDEAD when the process forked since the loop was made. */
static inline int weft__loop_check_fork(const struct weft_loop *loop)
{
    return loop->fork_generation == weft__fork_generation ? 0 : -EOWNERDEAD;
}

/** Misuse, -EPERM: by another thread. */
int weft__loop_misused(void);

/**
 * The entry of calls that are for the loop's thread: 0; -EOWNERDEAD in a forked child; misuse, with
 * -EPERM, while another thread runs the loop. One that rests may be prepared by any thread.
 */
static inline int weft__loop_check(const struct weft_loop *loop)
{
    if (weft__unlikely(loop->fork_generation != weft__fork_generation))
        return -EOWNERDEAD;
    if (weft__unlikely(loop->running && loop != weft__loop_current))
        return weft__loop_misused();
    return 0;
}

/* loop.c */

/** Makes `loop` the thread's; 0, -EBUSY, -EOWNERDEAD. */
int weft__loop_begin(struct weft_loop *loop);
/** Ends what weft__loop_begin began. */
void weft__loop_end(struct weft_loop *loop);
/** One turn that waits at most `timeout`. 0 or an error. */
int weft__loop_turn(struct weft_loop *loop, weft_ns timeout);
/** One turn of a run that lasts until its own end comes: a weft_loop_stop meanwhile means nothing,
 *  and must not keep the engine from waiting. 0 or an error. */
static inline int weft__loop_go_on(struct weft_loop *loop)
{
    loop->stopping = false;
    return weft__loop_turn(loop, WEFT_FOREVER);
}
/** Notes somebody who waits until nothing can go on. Taken back by weft__list_remove. */
void weft__quiet_add(struct weft_loop *loop, struct weft__quiet *quiet);
/** Whether anything is left that could run or come. */
bool weft__loop_alive(const struct weft_loop *loop);
/** Mixes a number into the trace hash. */
static inline void weft__loop_trace(struct weft_loop *loop, uint64_t id)
{
    loop->trace = (loop->trace ^ id) * 0x9e3779b97f4a7c15u;
    loop->trace ^= loop->trace >> 29;
}
/** Notes what was scheduled. */
static inline void weft__errand_add(struct weft_loop *loop, struct weft__errand *errand,
                                    void (*drop)(struct weft__errand *errand))
{
    errand->drop = drop;
    weft__list_append(&loop->errands, &errand->link);
}

/* timer.c */

/** Prepares a timer. */
void weft__timer_init(struct weft__timer *timer, weft_callback_fn *fn, void *arg);
/** Arms it for an instant, also when it is armed: 0 or -ENOMEM. */
int weft__timer_set(struct weft_loop *loop, struct weft__timer *timer, weft_ns deadline);
/** Takes it back; harmless when it is not armed. */
void weft__timer_clear(struct weft_loop *loop, struct weft__timer *timer);
/** Whether it is armed. */
bool weft__timer_armed(const struct weft__timer *timer);
/** Calls all that are due at loop->now, in order. */
void weft__timers_expire(struct weft_loop *loop);
/** The first deadline, WEFT_FOREVER when there is none. */
weft_ns weft__timers_first(const struct weft_loop *loop);
/** The sum, kept below WEFT_FOREVER; a negative delay counts as 0. */
weft_ns weft__deadline_after(weft_ns now, weft_ns delay);
/** A fresh look at the clock; loop->now follows. */
weft_ns weft__loop_clock(struct weft_loop *loop);

/* handle.c */

/** Size of a handle, for the slab. */
extern const size_t weft__handle_size;

/* wakeup.c */

/** Makes the wake-up descriptor and watches it. */
int weft__wakeup_open(struct weft_loop *loop);
/** Drops what other threads left, when none of them is about it any more. */
void weft__wakeup_drop(struct weft_loop *loop);
/** Closes it, and drops what other threads left. */
void weft__wakeup_close(struct weft_loop *loop);
/** Takes over what other threads scheduled. */
void weft__wakeup_collect(struct weft_loop *loop);

/* watch.c */

/** Sets a watch without its counting for weft__loop_alive. */
int weft__watch_quiet(struct weft_loop *loop, int fd, void (*fn)(void *), void *arg);

/** Removes all watches uncalled and waits for what the kernel owes; the engine is about to be
 *  closed. */
void weft__watches_close(struct weft_loop *loop);

/* signal.c */

/**
 * Sets what is called once, when the signal arrives and nobody else has asked for it; the second
 * arrival then takes the action that was there before, at once.
 */
int weft__signal_add_once(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg);
/** Calls the callbacks of signals that arrived. */
void weft__signals_deliver(struct weft_loop *loop);
/** Puts all dispositions of this loop back. */
void weft__signals_close(struct weft_loop *loop);

/* backend.c */

/** Chooses and opens the engine; sets sys, poller and reason. */
int weft__backend_open(struct weft_loop *loop, const struct weft_loop_options *options);
/** Closes it, and the world if it is the loop's. */
void weft__backend_close(struct weft_loop *loop);

#endif
