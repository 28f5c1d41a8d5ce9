/* SPDX-License-Identifier: MIT */
/*
 * overflow.h: a stack that overflows is reported by name before the process dies
 *
 *     weft__overflow_install(sys, describe);         the process: a SIGSEGV handler
 *     weft__overflow_thread_enter(sys, &t);          each thread that runs tasks: a stack for it
 *     ...
 *     weft__overflow_thread_leave(&t);
 *     weft__overflow_restore(sys);
 *
 * A fault in the guard page of a stack is described by the layer above, which knows whose it is.
 * Then, as for every other fault, whoever handled SIGSEGV before has his turn; at last the default
 * action ends the process at the faulting instruction, so that a core file shows it.
 */
#ifndef WEFT_MACHINE_OVERFLOW_H
#define WEFT_MACHINE_OVERFLOW_H

#include <signal.h>
#include <stdbool.h>
#include <weft/sys.h>

#include "machine/stack_slab.h"

/** Writes to `fd` who has overflowed. Runs in the signal handler; only signal-safe calls. */
typedef void weft__overflow_describe(const struct weft__stack_hit *hit, int fd);

/** What a thread is given. */
struct weft__overflow_thread {
    /** Where the memory is from. */
    const struct weft_sys *sys;
    /** The alternate stack; NULL when the thread had one of its own. */
    void *stack;
};

/**
 * Installs the handler for the process. Calls are counted, the first one's `describe` is used. 0,
 * or a negative code of sigaction(2). Any thread.
 */
int weft__overflow_install(const struct weft_sys *sys, weft__overflow_describe *describe);

/** Takes the last install back: SIGSEGV is handled as before, unless somebody changed it since. */
void weft__overflow_restore(const struct weft_sys *sys);

/**
 * Gives the calling thread an alternate stack for signals, unless it has one. 0, -ENOMEM, or a code
 * of sigaltstack(2). Not on a task's stack.
 */
int weft__overflow_thread_enter(const struct weft_sys *sys, struct weft__overflow_thread *ret);

/** Takes it back; by the same thread. */
void weft__overflow_thread_leave(struct weft__overflow_thread *thread);

#endif
