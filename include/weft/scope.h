/* SPDX-License-Identifier: MIT */
/*
 * weft/scope.h: scopes, the one idea for lifetime, cancellation and deadlines
 *
 * A scope is a stretch of one task's code. Tasks are spawned into scopes; a scope does not end
 * before its tasks do. Cancelling a scope, its deadline, or a failing child cancels everything
 * inside: the body, the children, and the scopes that they entered.
 *
 *     struct weft_scope s;
 *     weft_scope_enter(&s, 5 * WEFT_SEC);
 *     weft_go(&s, client, fd);
 *     return weft_scope_exit(&s, server(fd));
 *
 *        root ── scope s ──┬── body: server(fd)
 *                          └── task client ── scope of its own ── ...
 *
 * Cancellation is a level, not an event: as long as a scope is cancelled, every waiting call inside
 * it is refused with -ECANCELED before it has any effect, again and again, until the scope is left.
 * The scope that was cancelled absorbs it at its exit and turns it into its own outcome. A task
 * that ignores every refusal burns its own turns and nobody else's: refused calls use up its share
 * of a go like others, and then the rest of the program has its turn. At its 1,000th refusal it is
 * reported, once.
 *
 * The outcome of a scope is the first cause in time: a failure of the body or of a child, its own
 * deadline (-ETIMEDOUT), weft_scope_cancel (the reason), a cancellation from outside (-ECANCELED).
 * The deadline and a cancellation from outside count only if some wait inside was really refused
 * for them: work that finished stays finished. A reason of 0 and a cancellation from outside give
 * way to a later real failure. -ECANCELED from a task that was refused is no failure; from a task
 * that was never refused it is an ordinary one.
 *
 * The struct is a token: what children, timers and cancellation reach lives in a record of the
 * loop. A plain `return` past an exit therefore corrupts nothing: the next exit below, or the end
 * of the task, cancels and drains what was left open and reports the line that entered it (debug
 * builds abort). All calls here are for the thread of the scope's loop.
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/error.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/** What a scope does when a child fails. */
enum weft_policy {
    /** The first failure cancels the rest; exit returns it. The default. */
    WEFT_FAIL_FAST = 0,
    /** Failures cancel nothing: all run to their end; exit returns the first failure. */
    WEFT_COLLECT = 1,
    /** A child's failure goes to the loop's failure handler and changes nothing else. */
    WEFT_SUPERVISE = 2
};

/** The token of a scope, on the stack of the task that enters it. Its fields are private. */
struct weft_scope {
    /** The record in the loop; NULL when there was no memory for one. */
    void *record;
    /** Which life of the record this token means. */
    uint64_t generation;
    /** The outcome, once the scope was exited. */
    int outcome;
    /** Zero; room to grow. */
    unsigned spare;
};

/**
 * Enters a scope with a deadline `timeout` from now, or WEFT_FOREVER for none. Plain.
 *
 * The token must stay in place until weft_scope_exit. Children inherit deadline and cancellation
 * from the scope that they are spawned into. The deadline costs nothing until the first wait under
 * it. Out of memory gives a scope that is born cancelled: its waits are refused and its exit
 * returns -ENOMEM. Outside a task: misuse (abort in debug builds; else the exit gives -EPERM).
 */
#define weft_scope_enter(scope, timeout)                                                           \
    weft_scope_enter_at((scope), (timeout), WEFT_FAIL_FAST, WEFT_SITE)

/** As weft_scope_enter with a policy (enum weft_policy). Plain. */
#define weft_scope_enter_policy(scope, timeout, policy)                                            \
    weft_scope_enter_at((scope), (timeout), (policy), WEFT_SITE)
WEFT_API void weft_scope_enter_at(struct weft_scope *scope, weft_ns timeout,
                                  enum weft_policy policy, const char *site);

/**
 * Enters a shield: a scope that cancellation from outside does not reach, for cleaning up. Its own
 * deadline and weft_scope_cancel work. A shield always has a deadline: WEFT_FOREVER is misuse
 * (abort in debug builds; else it is born cancelled and exits with -EINVAL). Left by
 * weft_scope_exit. Plain.
 */
#define weft_shield_enter(scope, timeout) weft_shield_enter_at((scope), (timeout), WEFT_SITE)
WEFT_API void weft_shield_enter_at(struct weft_scope *scope, weft_ns timeout, const char *site);

/**
 * Leaves a scope: takes `rc` as the result of the body (negative = failure), waits for every child,
 * and returns the outcome (see above), or `rc` when nothing went wrong.
 *
 * Releasing: never refused; the cancellation that it may report has already reached the children.
 * Frees everything that weft_scope_alloc gave, and every handle of a child not joined. Errors
 * beside the outcome: -EINVAL it is not open (never entered, or exited before), -EPERM another
 * task entered it (both abort in debug builds). Scopes inside it that were left open are cancelled
 * and drained first, and reported (which aborts in debug builds); to exit one of those later is
 * -EINVAL.
 */
WEFT_API WEFT_MUST_CHECK int weft_scope_exit(struct weft_scope *scope, int rc);

/**
 * Cancels the scope with a reason: 0 for "done, not an error", or a negative code that becomes the
 * outcome. The first reason stays. Plain; what runs inside sees it at its next wait. A scope that
 * has ended is left alone. Calling it from inside the scope, from another task or from a callback
 * of the loop is fine.
 */
WEFT_API void weft_scope_cancel(struct weft_scope *scope, int reason);

/** Sets or moves the scope's deadline; WEFT_FOREVER removes it. Plain. -EINVAL: the scope ended. */
WEFT_API int weft_scope_set_deadline(struct weft_scope *scope, struct weft_time deadline);

/** The scope's own deadline; .ns = WEFT_FOREVER for none. Plain. */
WEFT_API struct weft_time weft_scope_deadline(const struct weft_scope *scope);

/** Nonzero when waits inside the scope are refused now. Plain. */
WEFT_API int weft_scope_cancelled(const struct weft_scope *scope);

/** How many children have not ended. Plain. */
WEFT_API size_t weft_scope_children(const struct weft_scope *scope);

/**
 * The first failure of a scope, of which exit returned a negative code: which task, where spawned,
 * code, text, and how many more. Plain. Before exit: the failure so far. After exit: valid until
 * the same task exits another scope. NULL when nothing failed.
 */
WEFT_API const struct weft_failure *weft_scope_failure(const struct weft_scope *scope);

/**
 * Memory that lives until the scope's exit; for arguments that children only borrow. Aligned for
 * any object, not cleared. Plain. NULL when out of memory.
 */
WEFT_API void *weft_scope_alloc(struct weft_scope *scope, size_t size);

/** A copy of a string that lives until the scope's exit. Plain. NULL when out of memory. */
WEFT_API char *weft_scope_strdup(struct weft_scope *scope, const char *text);

/** Something that a scope lets go of when it ends; in place, in the thing itself. */
struct weft_deferred {
    /** Its place among the others of the scope; private. */
    struct weft_link link;
    /** Lets go; set by weft_scope_defer. */
    void (*fn)(struct weft_deferred *deferred);
};

/**
 * Has fn(deferred) called when the scope ends: after its last child, before its memory goes, the
 * last one deferred first. For things that belong to a scope and need no task (open signals). `fn`
 * must not wait. Plain; never fails for want of memory. -EINVAL the scope has ended; -EPERM by
 * another thread. The struct must stay in place until `fn` was called or it was taken back.
 */
WEFT_API int weft_scope_defer(struct weft_scope *scope, struct weft_deferred *deferred,
                              void (*fn)(struct weft_deferred *deferred));

/** Takes it back: the scope does not call it any more. Again, and after it was called, nothing
 *  happens. Plain. */
WEFT_API void weft_scope_undefer(struct weft_deferred *deferred);

/**
 * The one-line timeout: evaluates `expression`, a call that returns an int or ssize_t result, with
 * a deadline `timeout` from now, and gives its value; -ETIMEDOUT when the expression came back with
 * -ECANCELED because this deadline refused it. What arrived in time wins over the
 * deadline. Nests. Waits as the expression does.
 *
 *     ssize_t n = weft_within(5 * WEFT_SEC, weft_read(fd, buf, len));
 */
#define weft_within(timeout, expression)                                                           \
    (weft_within_enter((timeout), WEFT_SITE), weft_within_exit((expression)))
/** First half of weft_within; use the macro. Plain. */
WEFT_API void weft_within_enter(weft_ns timeout, const char *site);
/** Second half of weft_within; use the macro. Releasing. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_within_exit(ssize_t result);

/** The nearest deadline over the calling task; .ns = WEFT_FOREVER for none. Plain. */
WEFT_API struct weft_time weft_deadline(void);

/** Nonzero when the calling task's next wait would be refused. Plain. */
WEFT_API int weft_cancelled(void);

WEFT_END

#endif
