/* SPDX-License-Identifier: MIT */
/*
 * weft/generator.h: generators, functions that give one value after the other
 *
 *     static int countdown(struct weft_gen *g, void *arg)
 *     {
 *         for (intptr_t n = (intptr_t)arg; n > 0; n--)
 *             if (weft_gen_yield(g, (void *)n, NULL) < 0) return 0;      // closed: clean up, leave
 *         return 0;
 *     }
 *
 *     weft_gen_new(countdown, (void *)5, &g);
 *     weft_gen_each(g, value)
 *         printf("%d\n", (int)(intptr_t)value);
 *     rc = weft_gen_close(g);
 *
 *       CREATED ──next──▶ RUNNING ⇄ SUSPENDED
 *          │                 └──returns──▶ FINISHED
 *          └─────────close──────────────────┘
 *
 * A generator runs only while somebody drives it (next, send, throw), on its own stack. It needs no
 * loop. Inside a task its body may wait: then the driving task waits, under the driver's scopes.
 *
 * Rules
 *   - Nothing runs before the first next.
 *   - A scope that the body enters must be left before it yields (checked: the yield is misuse).
 *   - A generator belongs to the task that made it and is closed, with a report, when that ends;
 *     weft_gen_detach hands it on.
 *   - Driving or closing it from inside itself, or while another task is parked inside it: -EBUSY.
 */
#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_gen;

/** A generator's body. Its return is the generator's return value: 0 or more, or a failure. */
typedef int weft_gen_fn(struct weft_gen *gen, void *arg);

/**
 * Makes a generator; nothing runs yet. Plain. It goes to *ret and is ended by weft_gen_close.
 * -ENOMEM. The body's arg is not copied.
 */
#define weft_gen_new(fn, arg, ret) weft_gen_new_at((fn), (arg), #fn, WEFT_SITE, (ret))
WEFT_API int weft_gen_new_at(weft_gen_fn *fn, void *arg, const char *name, const char *site,
                             struct weft_gen **ret);

/**
 * Runs to the next yield. 1: *value (may be NULL) has what was yielded. 0: the body returned 0 or
 * more, see weft_gen_result, and every later call gives 0 again. Negative: the body's failure,
 * given once; -EBUSY it is running. Waits if the body does.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_next(struct weft_gen *gen, void **value);

/** As next; `sent` is what the pending yield gives to the body. The first one of a generator just
 * made must be NULL (-EINVAL), unless it was primed. */
WEFT_API WEFT_MUST_CHECK int weft_gen_send(struct weft_gen *gen, void *sent, void **value);

/** As next; the pending yield returns `error` (negative) to the body. Not started: the body does
 * not run, the generator is finished and `error` comes back. */
WEFT_API WEFT_MUST_CHECK int weft_gen_throw(struct weft_gen *gen, int error, void **value);

/** Runs a generator just made to its first yield and drops the value, so that send works: 0,
 * -EBUSY, or the body's failure. */
WEFT_API WEFT_MUST_CHECK int weft_gen_prime(struct weft_gen *gen);

/**
 * Ends and frees it; NULL is fine. The pending yield returns -WEFT_ECLOSED, the body cleans up and
 * returns. Releasing. 0 or what the body returned if that is a failure other than -WEFT_ECLOSED;
 * -EPROTO the body yielded again (that yield does not return, its stack is abandoned as it is;
 * abort in debug builds); -EBUSY it is running or a task is parked inside it (it stays).
 */
WEFT_API int weft_gen_close(struct weft_gen *gen);

/**
 * Inside a body: gives `value` to the driver and rests until driven again. 0: *sent (may be NULL)
 * has the value of send, NULL for next. Negative: an error thrown in, or -WEFT_ECLOSED: clean up
 * and return. -EPERM outside the body's own stack.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_yield(struct weft_gen *gen, void *value, void **sent);

/**
 * Inside a body: hands the driver over to `inner` until that is at its end ("yield from"): values,
 * sends, throws and close pass through. Returns the inner body's return value, or its failure;
 * after a close -WEFT_ECLOSED. `inner` stays the caller's and is closed by it.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_delegate(struct weft_gen *gen, struct weft_gen *inner);

/** What the body returned; -EAGAIN before it has. Plain. */
WEFT_API int weft_gen_result(const struct weft_gen *gen);

/** Where a generator stands. */
enum weft_gen_state {
    /** Nothing ran. Next: RUNNING, FINISHED. */
    WEFT_GEN_CREATED,
    /** Being driven. Next: SUSPENDED, FINISHED. */
    WEFT_GEN_RUNNING,
    /** Rests at a yield. Next: RUNNING. */
    WEFT_GEN_SUSPENDED,
    /** The body has returned, or never will run. The end. */
    WEFT_GEN_FINISHED
};

/** Its state. Plain. */
WEFT_API enum weft_gen_state weft_gen_state(const struct weft_gen *gen);

/** Makes it nobody's, so that it outlives its task; whoever has it closes it. Plain. */
WEFT_API void weft_gen_detach(struct weft_gen *gen);

/**
 * Runs the statement once for each value; `value` is a void * that the macro declares. `break`
 * leaves the generator suspended. A failure of the body ends the loop: ask weft_gen_result.
 */
#define weft_gen_each(gen, value) for (void *value = NULL; weft_gen_next((gen), &value) > 0;)

/** What runs here: for introspection. */
enum weft_kind {
    /** A plain call, outside tasks and generators: a thread, or a callback of a loop. */
    WEFT_KIND_PLAIN,
    /** A task. */
    WEFT_KIND_TASK,
    /** The body of a generator, whoever drives it. */
    WEFT_KIND_GENERATOR
};

/** On whose stack the caller runs. Plain. Any thread. */
WEFT_API enum weft_kind weft_running_kind(void);

WEFT_END

#endif
