/* SPDX-License-Identifier: MIT */
/*
 * poller.h: operations on descriptors (for the layers above; implementers: loop/poller_backend.h)
 *
 * net fills a `struct weft__op`, submits it to the loop, and parks until done() wakes it. The same
 * three calls serve every engine. The callback tier, which has no task to park, watches descriptors
 * that it holds, and schedules what it has to tell. Receivers of signals stand here too: they are
 * the other thing that the world brings.
 */
#ifndef WEFT_LOOP_POLLER_H
#define WEFT_LOOP_POLLER_H

#include "loop/poller_backend.h"

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/wait.h>

/** Starts an operation; see weft__poller_ops.submit. */
int weft__loop_submit(struct weft_loop *loop, struct weft__op *op);
/** Takes it back; see weft__poller_ops.cancel. */
int weft__loop_withdraw(struct weft_loop *loop, struct weft__op *op);
/** Whether weft__loop_file can do anything here. */
int weft__loop_takes_files(const struct weft_loop *loop);
/** Starts an operation on a file; see weft__poller_ops.file. -EOPNOTSUPP: no such engine. */
int weft__loop_file(struct weft_loop *loop, struct weft__file_op *file);
/** Marks a descriptor as owned (1) or not (0); 0 or -ENOMEM, -EBADF. */
int weft__loop_own(struct weft_loop *loop, int fd, int owned);

/** A close that waits for the kernel to give operations back, in place where its owner waits. */
struct weft__closing {
    /** Called once, with the result of close(2). */
    void (*closed)(struct weft__closing *closing, int rc);
    /** The loop. */
    struct weft_loop *loop;
};

/**
 * Closes a descriptor: everyone on it gets -EBADF, the engine lets go, close(2). Returns 1 closed
 * now, 0 closing->closed will be called, or negative (-EBADF). Takes no memory, so that a close
 * always closes.
 */
int weft__loop_close_op(struct weft_loop *loop, int fd, struct weft__closing *closing);
/** close(2), and 0 for one that was interrupted: the kernel has let the number go all the same. */
int weft__close_now(const struct weft_sys *sys, int fd);
/** Counts what the kernel has yet to give back although no task waits for it (1), and what it gave
 *  back (-1): the loop is not freed before. */
void weft__loop_owe(struct weft_loop *loop, int change);
/** Whether `fn` (SIG_DFL too) is what a signal of this process meets; the handler of base/last.c
 *  counts as the default action in whose place it stands. */
bool weft__signal_meets(const struct weft_sys *sys, int signal, void (*fn)(int));
/** Makes a signal meet `fn` (SIG_DFL too). While it runs all signals are blocked but `let_in` (0:
 *  none). 0 or an error. */
int weft__signal_handle(const struct weft_sys *sys, int signal, void (*fn)(int), int let_in);
/** One of those who hear of a signal; in place in its owner. */
struct weft__signal_receiver {
    /** Membership among the receivers of the signal. */
    struct weft_link link;
    /** The loop. */
    struct weft_loop *loop;
    /** The signal. */
    int signal;
    /** Called in a turn after the signal arrived; must not leave. */
    void (*fn)(struct weft__signal_receiver *receiver);
};

/** Adds a receiver: every one gets every arrival. 0, or as weft_loop_add_signal. */
int weft__signal_join(struct weft_loop *loop, int signal, struct weft__signal_receiver *receiver);
/** Somebody has taken the last arrival of the signal. */
void weft__signal_taken(struct weft_loop *loop, int signal);
/** Takes a receiver off. With the last one the former disposition comes back, and a signal that
 *  nobody has taken is raised again. */
void weft__signal_leave(struct weft__signal_receiver *receiver);

/**
 * Something that comes to a loop from any thread, in place in its owner. One that is on its way
 * must not move, and is not posted again before it has arrived.
 */
struct weft__post {
    /** The one posted before it. */
    struct weft__post *next;
    /** Called once on the loop's stack, between two batches; negative: it could not be taken for
     *  want of memory, and comes again in the next turn. */
    int (*run)(struct weft__post *post);
    /** Called instead when the loop is freed first. */
    void (*drop)(struct weft__post *post);
};

/** Posts. Takes no memory and cannot fail. Any thread, as long as the loop is not freed before
 *  this call has begun. */
void weft__loop_post(struct weft_loop *loop, struct weft__post *post);

/** Somebody who has lines to add to a dump; in place in its owner. */
struct weft__reporter {
    /** Membership in the loop's list. */
    struct weft_link link;
    /** Gives the `number`-th line, from 0, without its end; false: there is none. */
    bool (*line)(const struct weft__reporter *reporter, unsigned number, char *buf, size_t size);
};

/** Adds one; taken back by weft__list_remove. */
void weft__reporter_add(struct weft_loop *loop, struct weft__reporter *reporter);

/** -EOWNERDEAD in a forked child, else 0. Any thread. */
int weft__loop_inert(const struct weft_loop *loop);
/** The loop's table. */
const struct weft_sys *weft__loop_sys(const struct weft_loop *loop);
/** Misuse with -EPERM by a thread that does not run the loop, -EOWNERDEAD in a forked child, or 0.
 */
int weft__loop_check_thread(const struct weft_loop *loop);

/** The calling thread's running loop's table, or weft_sys_default. */
const struct weft_sys *weft__sys_current(void);

/* For the callback tier. */

/** Something that goes with its loop: freed unrun when the loop is freed first. */
struct weft__errand {
    /** Membership in loop->errands. */
    struct weft_link link;
    /** Takes it off the list and frees it. */
    void (*drop)(struct weft__errand *errand);
};

/** Notes a thing that goes with the loop and reserves a place in the ready ring for it: 0 or
 *  -ENOMEM. */
int weft__loop_enter(struct weft_loop *loop, struct weft__errand *errand,
                     void (*drop)(struct weft__errand *errand));
/** Takes it off; it does not stand in the ring. */
void weft__loop_leave(struct weft_loop *loop, struct weft__errand *errand);
/** Schedules fn(arg); who entered may stand in the ring once. */
void weft__loop_schedule(struct weft_loop *loop, weft_callback_fn *fn, void *arg);

/**
 * Holds a descriptor for one user: watches and raw waits of others get -EBUSY from now on, until it
 * is closed. 0; -EBUSY it is held, watched or waited on already; -EBADF, -ENOMEM.
 */
int weft__loop_hold(struct weft_loop *loop, int fd);
/** Whether somebody holds it. */
bool weft__loop_held(const struct weft_loop *loop, int fd);
/** Lets it go without closing it. */
void weft__loop_unhold(struct weft_loop *loop, int fd);
/** weft_loop_add_reader and add_writer, or with fn NULL their removal, for who holds it. */
int weft__loop_watch(struct weft_loop *loop, int fd, enum weft__direction direction,
                     weft_callback_fn *fn, void *arg);
/** Makes an operation's system call, without blocking whatever the file's mode is: 1, with
 *  op->result; 0: not now. */
int weft__loop_try(struct weft_loop *loop, struct weft__op *op);

/** Bytes of weft__loop_scratch. */
#define WEFT__SCRATCH_SIZE 262144
/** Room that a callback may read into; the next one that asks has the same. NULL out of memory. */
void *weft__loop_scratch(struct weft_loop *loop);

#endif
