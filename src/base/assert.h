/* SPDX-License-Identifier: MIT */
/*
 * assert.h: checks of our own code, and of our callers
 *
 * weft__assert    an internal invariant; off in release builds
 * weft__assert_transition    the same of a step of a state machine, by a table of the steps allowed
 * weft__last_...  what is put right before a signal ends the process
 * weft__errno_... what a signal handler leaves as it was
 * weft__misuse    a caller broke a rule of the public interface: debug builds print a sentence that
 *                 names both sides and abort; release builds return the given code
 *
 *     if (!task)
 *         return weft__misuse(-EPERM, "weft_sleep was called outside a task");
 */
#ifndef WEFT_BASE_ASSERT_H
#define WEFT_BASE_ASSERT_H

#include <weft/types.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

/**
 * Thread-local variables of ours: at a fixed distance from the thread pointer, also in the shared
 * library, so that reading one is a single instruction and no call.
 */
#define WEFT__TLS __attribute__((tls_model("initial-exec"))) _Thread_local

struct sigaction;

#define weft__likely(x) __builtin_expect(!!(x), 1)
#define weft__unlikely(x) __builtin_expect(!!(x), 0)

/** Prints "weft: <file:line>: invariant broken: <text>" and aborts. */
WEFT_NORETURN void weft__assert_failed(const char *text, const char *site);

/** Ends the process with SIGABRT. */
WEFT_NORETURN void weft__abort(void);

/*
 * What is put right before a signal ends the process: base/last.c
 *
 *     weft__last_begin ──▶ every fatal signal with its default action gets our handler
 *                             signal ──▶ fn(), then the default action
 *     weft__last_end   ──▶ the default action again
 */

/** Puts something right; called in a signal handler. */
typedef void weft__last_fn(void);
/** From now on `fn` is called before a signal ends the process. One at a time; the caller locks. */
void weft__last_begin(const struct weft_sys *sys, weft__last_fn *fn);
/** No more. */
void weft__last_end(const struct weft_sys *sys);
/** Makes an action that the kernel told of the default one when it stands in its place. */
void weft__last_see_through(struct sigaction *action);
/** A signal may have got its default action: puts ours in its place where needed. Signal-safe. */
void weft__last_arm(const struct weft_sys *sys, int signal);
/** In a handler: puts things right, and has the default action end the process. `info` is a
 *  siginfo_t. */
void weft__last_default(int signal, const void *info);

/** The thread's errno: a signal handler takes it first and puts it back last, because the code that
 *  it interrupted may be about to read its own. Signal-safe. */
int weft__errno_take(void);
/** Puts it back. Signal-safe. */
void weft__errno_put_back(int code);

/** Prints "weft: misuse: <sentence>" and aborts in debug builds; else returns `code`. */
int weft__misuse(int code, const char *format, ...) WEFT_PRINTF(2, 3);

/** Prints "weft: <sentence>" to stderr. Async-signal-safe only as far as vsnprintf is. */
void weft__report(const char *format, ...) WEFT_PRINTF(1, 2);

#if WEFT_DEBUG
#define weft__assert(x)                                                                            \
    (weft__likely(x) ? (void)0 : weft__assert_failed(#x, __FILE__ ":" WEFT__LINE(__LINE__)))
#else
#define weft__assert(x) ((void)sizeof(!!(x)))
#endif

/**
 * One transition of a state machine with at most eight states, as a bit: a table of those that may
 * happen is one word. Tests look at `seen`, which debug builds alone have.
 */
#define WEFT__TRANSITION(from, to) (UINT64_C(1) << (8 * (from) + (to)))
#if WEFT_DEBUG
#define weft__assert_transition(allowed, seen, from, to)                                           \
    ((seen) |= WEFT__TRANSITION(from, to),                                                         \
     weft__likely((allowed)&WEFT__TRANSITION(from, to))                                            \
         ? (void)0                                                                                 \
         : weft__assert_failed("no transition from " #from " to " #to,                             \
                               __FILE__ ":" WEFT__LINE(__LINE__)))
#else
#define weft__assert_transition(allowed, seen, from, to)                                           \
    ((void)sizeof((allowed)&WEFT__TRANSITION(from, to)))
#endif

#define WEFT__LINE(line) WEFT__LINE_TEXT(line)
#define WEFT__LINE_TEXT(line) #line

#endif
