/* SPDX-License-Identifier: MIT */
/*
 * weft/signal.h: signals as a queue of a scope
 *
 * A task opens a set of signals and waits for the next one; nothing runs in a signal handler but a
 * bit and a wake. The set belongs to a scope: when that ends, it is closed, and the dispositions
 * are what they were before.
 *
 *     static const int wanted[] = {SIGHUP, SIGUSR1};
 *     rc = weft_signals_open(&scope, wanted, 2, &signals);
 *     while ((signal = weft_signals_next(signals)) > 0)
 *         signal == SIGHUP ? reload() : print_statistics();
 *
 *       kernel ──handler: a bit, a wake──▶ loop ──next turn──▶ every set that has the signal open
 *                                                              └─▶ its first waiter, else pending
 *
 * Rules
 *   - Several sets of one loop may have the same signal open: each gets it. Of several tasks that
 *     wait on one set, one gets each arrival, the one that came first.
 *   - A signal that is pending in a set and arrives again is one signal, as in the kernel; also
 *     real-time signals. Which process sent it is not told.
 *   - A signal that weft_run takes care of (SIGINT, SIGTERM, SIGQUIT) is the program's own as long
 *     as a set has it open: it does not cancel the program then.
 *   - A close loses nothing: what arrived and was taken by nobody is raised again once the former
 *     disposition is back, and takes the action that it would have taken without us. So a SIGTERM
 *     at the last moment still ends the program.
 *   - A signal belongs to one loop at a time: -EBUSY while another one has it. Hand it on with a
 *     weft_channel or weft_loop_call_soon_threadsafe.
 *   - A signal that is blocked in every thread does not arrive. Nothing here changes masks.
 *   - Do not ask for SIGCHLD to learn of processes: weft/process.h needs no handler, and a program
 *     has other children than its own (libraries start some). SIGSEGV, SIGBUS, SIGFPE and SIGILL
 *     of a fault cannot be put off to a turn; opened here, such a fault repeats for ever.
 */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <weft/error.h>
#include <weft/select.h>
#include <weft/types.h>

WEFT_BEGIN

/** An open set of signals. */
struct weft_signals;

/**
 * Opens `count` signals for the tasks of the scope's loop, the calling thread's, until the scope
 * ends or weft_signals_close; from here on none of them takes its old action. Touches the process:
 * installs handlers. Plain. The set goes to *ret, untouched on failure, when nothing is open.
 * -EINVAL none, or one that cannot be caught (SIGKILL, SIGSTOP; the note names it), or the scope
 * has ended; -EBUSY another loop has one; -EPERM outside a loop; -ENOMEM.
 */
WEFT_API int weft_signals_open(struct weft_scope *scope, const int *signals, size_t count,
                               struct weft_signals **ret);

/**
 * Waits for the next signal of the set and returns its number; of several pending ones the lowest.
 * Waiting: -ECANCELED, nothing was taken; -WEFT_ECLOSED the set was closed meanwhile.
 */
WEFT_API WEFT_MUST_CHECK int weft_signals_next(struct weft_signals *signals);

/** Takes a signal that is pending. Plain: its number, or -EAGAIN. */
WEFT_API int weft_signals_try_next(struct weft_signals *signals);

/** The next signal of the set as a case of a select. Result: its number, or -WEFT_ECLOSED. Plain.
 */
WEFT_API struct weft_case weft_case_signal(struct weft_signals *signals);

/**
 * Closes the set before its scope ends: who waits gets -WEFT_ECLOSED, dispositions that nobody else
 * needs come back, and signals that nobody took are raised again (see above). Frees it. NULL is
 * fine. Releasing, and it never waits.
 */
WEFT_API void weft_signals_close(struct weft_signals *signals);

/**
 * Waits for one signal: opens it, waits, closes. Returns its number. What arrives between two such
 * calls takes its old action; open a set where that matters. Waiting: -ECANCELED; -EINVAL, -EBUSY,
 * -ENOMEM as weft_signals_open.
 */
WEFT_API WEFT_MUST_CHECK int weft_signal_wait(int signal);

WEFT_END

#endif
