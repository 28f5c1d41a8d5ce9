/* SPDX-License-Identifier: MIT */
/*
 * weft/types.h: the few words that every other header uses
 *
 * Durations and instants are different types, so that the two cannot be confused: a duration is a
 * plain count of nanoseconds (weft_ns), an instant is a struct (struct weft_time), and only calls
 * that set or read a deadline take one.
 *
 * Marks on declarations:
 *
 *   WEFT_MUST_CHECK   the call waits; its result says whether it was cancelled: look at it
 *   WEFT_API          the symbol is exported
 *
 * Options. A call that takes a pointer to a struct of options takes NULL as well, which is zero
 * everywhere. The first field is the size that the caller's header gives the struct, or 0 for all
 * of it, so that later versions may append fields.
 *
 * Thread rules, one word per call in these headers:
 *   loop thread       only the thread that runs the loop (the default, where nothing is said)
 *   any thread        any thread of the process
 *   signal-safe       any thread, also inside a signal handler
 * A call for the loop thread that another thread makes while the loop runs is misuse: debug builds
 * abort; release builds return -EPERM, or do nothing where there is no code to return, wherever the
 * object knows its loop (tasks, scopes, queues, futures, handles, streams; events, locks and other
 * wait queues do not, and only debug builds find it, when they wake a task). After fork the calls
 * of the parent's loops, tasks, scopes and futures give the child -EOWNERDEAD.
 */
#ifndef WEFT_TYPES_H
#define WEFT_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#define WEFT_MUST_CHECK __attribute__((warn_unused_result))
#define WEFT_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define WEFT_NORETURN __attribute__((noreturn))
#else
#define WEFT_API
#define WEFT_MUST_CHECK
#define WEFT_PRINTF(format_index, first)
#define WEFT_NORETURN
#endif

/* Macros with `...` came with C99 and C++11. C++98 has the functions behind them. */
#if !defined(__cplusplus) || __cplusplus >= 201103L
#define WEFT_VARIADIC 1
#else
#define WEFT_VARIADIC 0
#endif

#ifdef __cplusplus
#define WEFT_BEGIN extern "C" {
#define WEFT_END }
#else
#define WEFT_BEGIN
#define WEFT_END
#endif

/** Version of the headers. */
#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

/**
 * A duration in nanoseconds. Where a call takes a `timeout`, a negative value counts as 0 and
 * WEFT_FOREVER (also every sum that would pass it) means no limit.
 */
typedef int64_t weft_ns;

#define WEFT_NS ((weft_ns)1)
#define WEFT_US ((weft_ns)1000)
#define WEFT_MS ((weft_ns)1000000)
#define WEFT_SEC ((weft_ns)1000000000)
#define WEFT_MIN (60 * WEFT_SEC)
#define WEFT_HOUR (60 * WEFT_MIN)
#define WEFT_FOREVER INT64_MAX

/** An instant of the loop's monotonic clock. `ns` = WEFT_FOREVER is never reached. */
struct weft_time {
    /** Nanoseconds since the clock's own zero; only differences mean something. */
    weft_ns ns;
};

/** Lets go of a thing that nobody will take any more; free(3) fits. Must not wait. */
typedef void weft_drop_fn(void *item);

struct weft_loop;
struct weft_scope;
struct weft_task;
struct weft_wait;
struct weft_future;
struct weft_sys;

#endif
