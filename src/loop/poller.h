/* SPDX-License-Identifier: MIT */
/*
 * poller.h: operations on descriptors (for the layers above; implementers: loop/poller_backend.h)
 *
 * net fills a `struct weft__op`, submits it to the loop, and parks until done() wakes it. The same
 * three calls serve every engine. Receivers of signals stand here too: they are the other thing
 * that the world brings.
 */
#ifndef WEFT_LOOP_POLLER_H
#define WEFT_LOOP_POLLER_H

#include "loop/poller_backend.h"

#include <weft/loop.h>

/** Starts an operation; see weft__poller_ops.submit. */
int weft__loop_submit(struct weft_loop *loop, struct weft__op *op);
/** Takes it back; see weft__poller_ops.cancel. */
int weft__loop_withdraw(struct weft_loop *loop, struct weft__op *op);
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
/** The calling thread's running loop's table, or weft_sys_default. */
const struct weft_sys *weft__sys_current(void);

#endif
