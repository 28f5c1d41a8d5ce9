/* SPDX-License-Identifier: MIT */
/*
 * weft/task.h: tasks
 *
 * A task is a C function on its own stack. A plain call is "await"; weft_go starts a function
 * beside us, weft_spawn does and gives a handle to join, name or cancel it. There is no third form.
 *
 *     static int client(int fd, const char *name) { ... return 0; }
 *     WEFT_TASK(client, int, const char *);
 *
 *     weft_go(&scope, client, fd, "first");
 *     weft_spawn(&scope, &task, client, fd, "second");
 *     rc = weft_join(task, &result);
 *
 *       STARTING ──first turn──▶ READY ⇄ RUNNING ⇄ PARKED
 *                                          └──returns──▶ ENDED
 *
 * Rules
 *   - Every task belongs to the scope it was spawned into and ends before that scope's exit
 *     returns.
 *   - A child never runs before its creator next waits, and always enters its function, even when
 *     it was cancelled before: it owns what it was given and must be able to let it go.
 *   - Arguments are copied, what they point to is not (weft_scope_strdup, weft_scope_alloc).
 *   - A task runs on the thread of its loop and never changes it.
 *   - The result is an int: 0 or more is success, negative a failure that goes to the scope.
 *   - A failed go or spawn never runs the function, leaves ownership with the caller, and counts as
 *     a failing child, so that ignoring its result loses nothing.
 */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/error.h>
#include <weft/scope.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/** Room for a task's name, with the final zero. */
#define WEFT_NAME_SIZE 24

/** How to start a task; NULL, or zero everywhere, is the default. */
struct weft_task_options {
    /** sizeof(struct weft_task_options). */
    size_t size;
    /** Name for dumps; copied, cut at WEFT_NAME_SIZE - 1. NULL: the function's name. */
    const char *name;
    /** Bytes of stack, rounded up; 0: the default of 256 KiB. */
    size_t stack_size;
    /** WEFT_START_... */
    unsigned flags;
};

/** The child runs at once, before the call returns; the caller goes on when it first waits. */
#define WEFT_START_NOW 1u
/** The call returns when the child calls weft_ready or ends. */
#define WEFT_START_READY 2u
/** The task keeps its own floating-point control words (MXCSR, x87) across switches. */
#define WEFT_FULL_STATE 4u
/** A stack of 16 KiB, for crowds of tiny tasks. */
#define WEFT_SMALL_STACK 8u
/** The scope does not wait for it to end by itself: when the body and all other children have
 *  ended, it is cancelled, and then waited for. For tasks that look after something of the scope.
 */
#define WEFT_BACKGROUND 16u

/**
 * The base of all starts: spawns `fn(args)` into `scope` with a copy of the `size` bytes at `args`
 * (up to 64 inline, more in one allocation). `ret` NULL: no handle. Plain, except with
 * WEFT_START_NOW and WEFT_START_READY (waiting).
 *
 * Returns 0, or with the function not run and ownership still the caller's: -ENOMEM (memory, or
 * stacks: the note names the limit), -EINVAL the scope has ended or was never entered; with
 * WEFT_START_READY also -ECANCELED, or the child's own code when it ended before weft_ready. All
 * but -ECANCELED and -EINVAL count as a failing child of the scope.
 */
WEFT_API int weft_start(struct weft_scope *scope, struct weft_task **ret,
                        const struct weft_task_options *options, const char *name, const char *site,
                        int (*fn)(void *args), const void *args, size_t size);

/** weft_start with plain flags instead of options; what the typed macros call. */
WEFT_API int weft_start_flags(struct weft_scope *scope, struct weft_task **ret, unsigned flags,
                              const char *name, const char *site, int (*fn)(void *args),
                              const void *args, size_t size);

/** Starts fn(arg), untyped and without a handle. See weft_start. Plain. */
#define weft_go_fn(scope, fn, arg) weft_go_fn_at((scope), (fn), (arg), #fn, WEFT_SITE)
WEFT_API int weft_go_fn_at(struct weft_scope *scope, int (*fn)(void *arg), void *arg,
                           const char *name, const char *site);

/** Starts fn(arg), untyped, with a handle in *ret. See weft_start. Plain. */
#define weft_spawn_fn(scope, ret, fn, arg)                                                         \
    weft_spawn_fn_at((scope), (ret), (fn), (arg), #fn, WEFT_SITE)
WEFT_API int weft_spawn_fn_at(struct weft_scope *scope, struct weft_task **ret,
                              int (*fn)(void *arg), void *arg, const char *name, const char *site);

/** Starts fn(arg) with options; `ret` may be NULL. See weft_start. */
#define weft_spawn_with(scope, ret, options, fn, arg)                                              \
    weft_spawn_with_at((scope), (ret), (options), (fn), (arg), #fn, WEFT_SITE)
WEFT_API int weft_spawn_with_at(struct weft_scope *scope, struct weft_task **ret,
                                const struct weft_task_options *options, int (*fn)(void *arg),
                                void *arg, const char *name, const char *site);

#if WEFT_VARIADIC

/**
 * WEFT_TASK(fn, types...); makes the plain function `int fn(types...)` spawnable with checked
 * arguments: 0 to 8 parameters, each type an identifier or wrapped as __typeof__(type) where a
 * declarator would not follow it (function pointers, arrays). weft_go and weft_spawn, with the
 * suffixes _now and _ready, then take `fn, arguments...`.
 */
#define WEFT_TASK(...)                                                                             \
    WEFT_PASTE(WEFT_TASK_, WEFT_PICK(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0))(__VA_ARGS__)

/** Starts fn beside us, no handle. Returns as weft_start. Plain. */
#define weft_go(scope, ...) WEFT_START(scope, NULL, 0u, __VA_ARGS__)
/** As weft_go, and the child runs at once, until it first waits. Waiting. */
#define weft_go_now(scope, ...) WEFT_START(scope, NULL, WEFT_START_NOW, __VA_ARGS__)
/** As weft_go, and returns when the child calls weft_ready() (a server that listens). Waiting. */
#define weft_go_ready(scope, ...) WEFT_START(scope, NULL, WEFT_START_READY, __VA_ARGS__)
/** Starts fn beside us with a handle in *ret. Returns as weft_start. Plain. */
#define weft_spawn(scope, ret, ...) WEFT_START(scope, ret, 0u, __VA_ARGS__)
/** As weft_spawn, and the child runs at once, until it first waits. Waiting. */
#define weft_spawn_now(scope, ret, ...) WEFT_START(scope, ret, WEFT_START_NOW, __VA_ARGS__)
/** As weft_spawn, and returns when the child calls weft_ready(). Waiting. */
#define weft_spawn_ready(scope, ret, ...) WEFT_START(scope, ret, WEFT_START_READY, __VA_ARGS__)

#endif /* WEFT_VARIADIC */

/**
 * Tells the task that started this one with _ready that it may go on. Plain. Only the first call
 * does something; in a task started otherwise it does nothing.
 */
WEFT_API void weft_ready(void);

/**
 * Waits until the task has ended and delivers its result through `*result` (may be NULL). Consumes
 * the handle when it returns 0. The return speaks only of the wait: 0; -ECANCELED (the task and the
 * handle stay); -EDEADLK joining oneself; -EBUSY another task joins it already (use a future for
 * more than one). Waiting. A task that was cancelled delivers what its function returned.
 */
WEFT_API WEFT_MUST_CHECK int weft_join(struct weft_task *task, int *result);

/** Gives the handle up; the task goes on. NULL is fine. Plain. */
WEFT_API void weft_task_release(struct weft_task *task);

/**
 * Cancels one task: its waits are refused, as if a scope around its whole function were cancelled.
 * Its -ECANCELED is then no failure. Plain. Ended tasks are left alone.
 */
WEFT_API void weft_task_cancel(struct weft_task *task);

/** Nonzero when the task has ended: a join would not wait. Plain. */
WEFT_API int weft_task_ended(const struct weft_task *task);

/**
 * The queue of those who wait for the task's end, for primitives that wait for several things;
 * woken with 0. Plain. Valid until the task has ended or its handle is gone.
 */
WEFT_API struct weft_waitq *weft_task_enders(struct weft_task *task);

/** What the task's function returned, without joining; -EAGAIN while it has not ended. Plain. */
WEFT_API int weft_task_result(const struct weft_task *task);

/** Names a task for dumps; copied, cut at WEFT_NAME_SIZE - 1. NULL task: the calling one. Plain. */
WEFT_API void weft_task_set_name(struct weft_task *task, const char *name);

/** The task's name. Plain. Valid until it is renamed or ends. NULL task: the calling one. */
WEFT_API const char *weft_task_name(const struct weft_task *task);

/**
 * The calling task, NULL outside a task. Plain. The pointer is good for comparing and for calls
 * that say so; it is no handle and must not be joined or released.
 */
WEFT_API struct weft_task *weft_current(void);

/** The id of a task: 1, 2, 3 ... in the order of spawning in its loop. NULL task: the calling one,
 *  0 outside a task. Plain. */
WEFT_API uint64_t weft_task_id(const struct weft_task *task);

/**
 * Lets the other ready tasks run, once each. Waiting: 0, or -ECANCELED.
 */
WEFT_API WEFT_MUST_CHECK int weft_yield(void);

/**
 * Sleeps. Never wakes early. 0 and less yields once. Waiting: 0, or -ECANCELED.
 */
WEFT_API WEFT_MUST_CHECK int weft_sleep(weft_ns delay);

/** Sleeps until an instant; see weft_sleep. */
WEFT_API WEFT_MUST_CHECK int weft_sleep_until(struct weft_time instant);

/*
 * Task-locals: a value for each task under a key. A child inherits a copy of its creator's values
 * at the moment of the spawn (wherever the scope is that it goes into).
 */

/** A key; one static variable for each use. The address is the identity. */
struct weft_local {
    /** Name for dumps. */
    const char *name;
};

/** Sets the calling task's value. Plain. -ENOMEM; -EPERM outside a task. The value is not owned. */
WEFT_API int weft_local_set(const struct weft_local *key, void *value);

/** The calling task's value, NULL when none was set or outside a task. Plain. */
WEFT_API void *weft_local_get(const struct weft_local *key);

#if WEFT_VARIADIC

/*
 * The typed starts. WEFT_TASK(fn, int, char *); makes, with the members weft_1, weft_2 ...:
 *
 *     struct weft_args_fn { int weft_1; char *weft_2; };       the copy of the arguments
 *     static int weft_enter_fn(void *)                         calls fn with them, in the task
 *     static inline int weft_start_fn(..., int, char *)        fills them in; types are checked
 *
 * and weft_go(scope, fn, 1, "x") is a call of weft_start_fn. All names begin with weft_, so that
 * they shadow nothing of the program's.
 */
#define WEFT_UNUSED __attribute__((unused))
#define WEFT_PASTE(a, b) WEFT_PASTE_AGAIN(a, b)
#define WEFT_PASTE_AGAIN(a, b) a##b
#define WEFT_PICK(a, b, c, d, e, f, g, h, i, n, ...) n

/* A function alone, or with arguments: without a trailing comma in either case. */
#define WEFT_START(scope, ret, flags, ...)                                                         \
    WEFT_PASTE(WEFT_START_, WEFT_PICK(__VA_ARGS__, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0))                  \
    (scope, ret, flags, __VA_ARGS__)
#define WEFT_START_1(scope, ret, flags, fn) weft_start_##fn((scope), (ret), (flags), WEFT_SITE)
#define WEFT_START_2(scope, ret, flags, fn, ...)                                                   \
    weft_start_##fn((scope), (ret), (flags), WEFT_SITE, __VA_ARGS__)

/* The members, how fn is called with them, the parameters, and their names as an initializer. */
#define WEFT_TASK_MAKE(fn, members, call, parameters, names)                                       \
    struct weft_args_##fn {                                                                        \
        members                                                                                    \
    };                                                                                             \
    static int weft_enter_##fn(void *weft_p)                                                       \
    {                                                                                              \
        struct weft_args_##fn *weft_a = (struct weft_args_##fn *)weft_p;                           \
        (void)weft_a;                                                                              \
        return fn call;                                                                            \
    }                                                                                              \
    WEFT_UNUSED static inline int weft_start_##fn parameters                                       \
    {                                                                                              \
        struct weft_args_##fn weft_a = names;                                                      \
        return weft_start_flags(weft_scope_p, weft_ret_p, weft_flags, #fn, weft_site,              \
                                weft_enter_##fn, &weft_a, sizeof weft_a);                          \
    }                                                                                              \
    struct weft_args_##fn

/* clang-format off */
#define WEFT_HEAD                                                                                  \
    struct weft_scope *weft_scope_p, struct weft_task **weft_ret_p, unsigned weft_flags,           \
    const char *weft_site
#define WEFT_BRACES(...) { __VA_ARGS__ }

/* Each list is the one before it and one more. */
#define WEFT_MEMBERS_1(A)                      A weft_1;
#define WEFT_MEMBERS_2(A, B)                   WEFT_MEMBERS_1(A) B weft_2;
#define WEFT_MEMBERS_3(A, B, C)                WEFT_MEMBERS_2(A, B) C weft_3;
#define WEFT_MEMBERS_4(A, B, C, D)             WEFT_MEMBERS_3(A, B, C) D weft_4;
#define WEFT_MEMBERS_5(A, B, C, D, E)          WEFT_MEMBERS_4(A, B, C, D) E weft_5;
#define WEFT_MEMBERS_6(A, B, C, D, E, F)       WEFT_MEMBERS_5(A, B, C, D, E) F weft_6;
#define WEFT_MEMBERS_7(A, B, C, D, E, F, G)    WEFT_MEMBERS_6(A, B, C, D, E, F) G weft_7;
#define WEFT_MEMBERS_8(A, B, C, D, E, F, G, H) WEFT_MEMBERS_7(A, B, C, D, E, F, G) H weft_8;

#define WEFT_PARAMETERS_1(A)                      WEFT_HEAD, A weft_1
#define WEFT_PARAMETERS_2(A, B)                   WEFT_PARAMETERS_1(A), B weft_2
#define WEFT_PARAMETERS_3(A, B, C)                WEFT_PARAMETERS_2(A, B), C weft_3
#define WEFT_PARAMETERS_4(A, B, C, D)             WEFT_PARAMETERS_3(A, B, C), D weft_4
#define WEFT_PARAMETERS_5(A, B, C, D, E)          WEFT_PARAMETERS_4(A, B, C, D), E weft_5
#define WEFT_PARAMETERS_6(A, B, C, D, E, F)       WEFT_PARAMETERS_5(A, B, C, D, E), F weft_6
#define WEFT_PARAMETERS_7(A, B, C, D, E, F, G)    WEFT_PARAMETERS_6(A, B, C, D, E, F), G weft_7
#define WEFT_PARAMETERS_8(A, B, C, D, E, F, G, H) WEFT_PARAMETERS_7(A, B, C, D, E, F, G), H weft_8

#define WEFT_NAMES_1(from) from weft_1
#define WEFT_NAMES_2(from) WEFT_NAMES_1(from), from weft_2
#define WEFT_NAMES_3(from) WEFT_NAMES_2(from), from weft_3
#define WEFT_NAMES_4(from) WEFT_NAMES_3(from), from weft_4
#define WEFT_NAMES_5(from) WEFT_NAMES_4(from), from weft_5
#define WEFT_NAMES_6(from) WEFT_NAMES_5(from), from weft_6
#define WEFT_NAMES_7(from) WEFT_NAMES_6(from), from weft_7
#define WEFT_NAMES_8(from) WEFT_NAMES_7(from), from weft_8

#define WEFT_TASK_N(n, fn, ...)                                                                    \
    WEFT_TASK_MAKE(fn, WEFT_MEMBERS_##n(__VA_ARGS__), (WEFT_NAMES_##n(weft_a->)),                  \
                   (WEFT_PARAMETERS_##n(__VA_ARGS__)), WEFT_BRACES(WEFT_NAMES_##n()))
#define WEFT_TASK_0(fn)                                                                            \
    WEFT_TASK_MAKE(fn, char weft_none;, (), (WEFT_HEAD), WEFT_BRACES(0))
#define WEFT_TASK_1(fn, ...) WEFT_TASK_N(1, fn, __VA_ARGS__)
#define WEFT_TASK_2(fn, ...) WEFT_TASK_N(2, fn, __VA_ARGS__)
#define WEFT_TASK_3(fn, ...) WEFT_TASK_N(3, fn, __VA_ARGS__)
#define WEFT_TASK_4(fn, ...) WEFT_TASK_N(4, fn, __VA_ARGS__)
#define WEFT_TASK_5(fn, ...) WEFT_TASK_N(5, fn, __VA_ARGS__)
#define WEFT_TASK_6(fn, ...) WEFT_TASK_N(6, fn, __VA_ARGS__)
#define WEFT_TASK_7(fn, ...) WEFT_TASK_N(7, fn, __VA_ARGS__)
#define WEFT_TASK_8(fn, ...) WEFT_TASK_N(8, fn, __VA_ARGS__)
/* clang-format on */

#endif /* WEFT_VARIADIC */

WEFT_END

#endif
