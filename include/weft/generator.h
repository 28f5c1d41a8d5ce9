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
 *   - A scope that the body enters must be left before it yields or delegates: otherwise that is
 *     misuse (abort in debug builds; else the call gives -EPROTO and the body goes on).
 *   - A generator belongs to the task that made it and is closed, with a report, when that ends;
 *     weft_gen_detach hands it on.
 *   - Driving or closing it from inside itself, while another task is parked inside it, or while
 *     another generator delegates to it: -EBUSY, and nothing has happened.
 *   - It stays on the thread that made it: driving or closing it elsewhere is misuse (-EPERM).
 *   - Outside tasks it belongs to the thread, which must close it before it ends.
 *     The thread's stacks are mapped with its first generator and unmapped with its last, which
 * costs some 30 us: where many come and go outside tasks, keep one open meanwhile.
 */
#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_gen;

/** A generator's body. What it returns is the generator's result: 0 or more, or a failure. */
typedef int weft_gen_fn(struct weft_gen *gen, void *arg);

/**
 * Makes a generator; nothing runs yet. Plain. It goes to *ret and is ended by weft_gen_close. What
 * `arg` points to is not copied. -ENOMEM, of memory or of stacks; *ret is untouched.
 */
#define weft_gen_new(fn, arg, ret) weft_gen_new_at((fn), (arg), #fn, WEFT_SITE, (ret))
WEFT_API int weft_gen_new_at(weft_gen_fn *fn, void *arg, const char *name, const char *site,
                             struct weft_gen **ret);

/**
 * Runs to the next yield. 1: *value has what was yielded (which may be NULL). 0: the body returned
 * 0 or more, see weft_gen_result. Negative: the body failed, or -EBUSY, see above. The failure is
 * given once: every call after the end gives 0. *value is touched only with 1; `value` may be NULL
 * to drop it. Waits if the body does.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_next(struct weft_gen *gen, void **value);

/**
 * As next, and the pending yield gives `sent` to the body. A generator that was not started has no
 * pending yield: then `sent` must be NULL (-EINVAL, nothing runs); see weft_gen_prime.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_send(struct weft_gen *gen, void *sent, void **value);

/**
 * As next, and the pending yield returns `error` to the body. Not started: the body never runs, the
 * generator is finished with `error` as its result, and `error` comes back. `error` must be
 * negative (else misuse, -EINVAL).
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_throw(struct weft_gen *gen, int error, void **value);

/**
 * Runs a generator just made to its first yield and drops the value, so that send works. 0: it is
 * at a yield, or its end. Negative: the body's failure; -EINVAL it was started before; -EBUSY.
 * Waits if the body does.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_prime(struct weft_gen *gen);

/**
 * Ends and frees it; NULL is fine. The pending yield returns -WEFT_ECLOSED, the body cleans up and
 * returns; a body that was not started never runs. Releasing; waits if the body does. Returns 0, or
 * what the body returned if that is a failure other than -WEFT_ECLOSED, also when it was given
 * before. -EPROTO: the body yielded or delegated again; that call does not return, and the body's
 * stack is given up as it stands (abort in debug builds). -EBUSY, see above: it stays.
 */
WEFT_API int weft_gen_close(struct weft_gen *gen);

/**
 * Inside a body: gives `value` to the driver and rests until driven again. 0: *sent has the value
 * of send, NULL for next; `sent` may be NULL to drop it. Negative, *sent untouched: an error thrown
 * in, or -WEFT_ECLOSED: clean up and return. Plain: only the driver goes on meanwhile, and
 * cancellation is not looked at. -EPERM anywhere but in the body of `gen` itself (misuse).
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_yield(struct weft_gen *gen, void *value, void **sent);

/**
 * Inside a body: hands the driver over to `inner` until that is at its end ("yield from"): values,
 * sends, throws and close pass through, at the same cost however deep the chain. Returns what the
 * body of `inner` returned. After a close it returns -WEFT_ECLOSED, or the failure of cleaning up
 * inside; -EPROTO if `inner` yielded again. `inner` may have been started, or be at its end
 * already; it stays the caller's and is closed by it. -EBUSY `inner` is running; -EPERM as for
 * yield. Waits if the body of `inner` does.
 */
WEFT_API WEFT_MUST_CHECK int weft_gen_delegate(struct weft_gen *gen, struct weft_gen *inner);

/** What the body returned, or the error thrown before it ran; -EAGAIN before the end. Plain. */
WEFT_API int weft_gen_result(const struct weft_gen *gen);

/** Where a generator stands. */
enum weft_gen_state {
    /** Not started. Next: RUNNING, FINISHED. */
    WEFT_GEN_CREATED,
    /** Being driven, parked inside included, or delegated to. Next: SUSPENDED, FINISHED. */
    WEFT_GEN_RUNNING,
    /** Rests at a yield. Next: RUNNING. */
    WEFT_GEN_SUSPENDED,
    /** The body has returned, or will never run. The end. */
    WEFT_GEN_FINISHED
};

/** Its state. Plain. */
WEFT_API enum weft_gen_state weft_gen_state(const struct weft_gen *gen);

/**
 * Makes it nobody's, so that it outlives its task; whoever has it closes it. Plain. What is left
 * when its loop is freed is closed then, with a report.
 */
WEFT_API void weft_gen_detach(struct weft_gen *gen);

/**
 * Runs the statement once for each value; `value` is a void * that the macro declares. `break`
 * leaves the generator suspended. A failure of the body ends the loop: ask weft_gen_result, or look
 * at what weft_gen_close returns. Waits if the body does.
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
