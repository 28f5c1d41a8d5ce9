/* SPDX-License-Identifier: MIT */
/*
 * assert.h: checks of our own code, and of our callers
 *
 * weft__assert    an internal invariant; off in release builds
 * weft__assert_transition    the same of a step of a state machine, by a table of the steps allowed
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

#define weft__likely(x) __builtin_expect(!!(x), 1)
#define weft__unlikely(x) __builtin_expect(!!(x), 0)

/** Prints "weft: <file:line>: invariant broken: <text>" and aborts. */
WEFT_NORETURN void weft__assert_failed(const char *text, const char *site);

/** Ends the process with SIGABRT. */
WEFT_NORETURN void weft__abort(void);

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
