/* SPDX-License-Identifier: MIT */
/*
 * weft/group.h: several calls at once, and their results
 *
 * Conveniences built on scopes. A `struct weft_call` is a call to be made, and afterwards its
 * result; calls lie in plain arrays of the caller and stay in place until they are done.
 *
 *     struct weft_call calls[] = {
 *         { .fn = fetch, .arg = "a" },
 *         { .fn = fetch, .arg = "b" },
 *     };
 *
 *     rc = weft_gather(calls, 2);                 all of them; results in calls[i].result
 *     rc = weft_first_of(calls, 2, &winner);      the first success; the others are cancelled
 *
 *     weft_as_completed(&group, &scope, calls, 2);
 *     while ((rc = weft_group_next(&group, &call)) == 0)
 *         ... call->result, in the order in which they end
 *
 * Which one?
 *                      a failing call           returns
 *     weft_gather      cancels the others       when all have ended
 *     weft_first_of    is left out              when one succeeded and the others have ended
 *     weft_stagger     brings on the next one   when one succeeded and the others have ended
 *     weft_group       touches no other call    each as it ends, or by its id
 *     weft_wait_...    touches nothing          for handles and futures that exist already
 */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/error.h>
#include <weft/scope.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

struct weft_group;

/** A call to be made, and its result. Set fn, arg and perhaps name, and nothing else. */
struct weft_call {
    /** The function. */
    int (*fn)(void *arg);
    /** Its argument; not copied. */
    void *arg;
    /** The task's name; NULL: "call". */
    const char *name;
    /** What fn returned; -ECANCELED while it has not, or was never called. */
    int result;
    /** Zero; room to grow. */
    unsigned spare;
    /** The id that weft_group_add gave. */
    uint64_t id;
    /** The task while it runs, for weft_task_cancel; else NULL. Only for calls in a group. */
    struct weft_task *task;
    /** The group; private. */
    struct weft_group *group;
    /** Membership in the group's list; private. */
    struct weft_link link;
};

/**
 * Makes all calls at once, each in a task of its own, and waits until all have ended. The first
 * failure cancels the rest. Waiting: 0 all succeeded, each calls[i].result is 0 or more; else the
 * code of the first failure in time, -ECANCELED when the caller was cancelled. Refused on entry, no
 * call was made. count 0 gives 0.
 */
#define weft_gather(calls, count) weft_gather_at((calls), (count), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_gather_at(struct weft_call *calls, size_t count,
                                            const char *site);

/**
 * Makes all calls at once, each in a task of its own, until one succeeds; cancels the others, and
 * waits until they have ended. Waiting: 0, with the index of the first that succeeded in *winner;
 * else the code of the first failure in time, when all have failed, or -ECANCELED; -EINVAL count 0.
 */
#define weft_first_of(calls, count, winner) weft_first_of_at((calls), (count), (winner), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_first_of_at(struct weft_call *calls, size_t count, size_t *winner,
                                              const char *site);

/**
 * As weft_first_of, but the calls are started one after another, in their order: the next one
 * `delay` after the one before it, or at once when one that runs fails. Calls that were not started
 * when one succeeded never are; their result stays -ECANCELED. `delay` 0 starts all at once,
 * WEFT_FOREVER each when one before it has failed. Waiting, and returns as weft_first_of: what two
 * calls won in the same turn is for the caller to let go of, in calls[i].result.
 */
#define weft_stagger(calls, count, delay, winner)                                                  \
    weft_stagger_at((calls), (count), (delay), (winner), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_stagger_at(struct weft_call *calls, size_t count, weft_ns delay,
                                             size_t *winner, const char *site);

/*
 * Group: calls that run in a scope, whose results are taken as they end, or by id.
 *
 * A failing call is a result and no failure of the scope: it touches no other call. The scope's
 * exit waits for all calls; what was not taken by then can still be taken. The group and its calls
 * must outlive that exit.
 *
 *       add ──▶ runs in the scope ──▶ ended ──next, take──▶ the caller's again
 */

/** A set of calls, in place. Its fields are private. */
struct weft_group {
    /** Where the calls run. */
    struct weft_scope *scope;
    /** Calls that ended and were not taken, in the order in which they ended. */
    struct weft_link ended;
    /** Who waits in weft_group_next. */
    struct weft_waitq takers;
    /** Who waits in weft_group_wait. */
    struct weft_waitq waiters;
    /** How many calls run. */
    size_t running;
    /** Zero; room to grow. */
    void *spare;
};

/** Makes an empty group whose calls will run in `scope`. Plain. */
WEFT_API void weft_group_init(struct weft_group *group, struct weft_scope *scope);

/** Starts a call. Its id, call->id, is that of its task: ids run on, across groups too. Returns as
 *  weft_start; after a failure the call is not in the group. Plain. */
#define weft_group_add(group, call) weft_group_add_at((group), (call), WEFT_SITE)
WEFT_API int weft_group_add_at(struct weft_group *group, struct weft_call *call, const char *site);

/**
 * Takes the call that ended first of those not taken, waiting until one has ended. Several tasks
 * may wait and are served in order. Waiting: 0 with *call; -WEFT_EDONE none is left, running or
 * ended; -ECANCELED, none was taken.
 */
WEFT_API WEFT_MUST_CHECK int weft_group_next(struct weft_group *group, struct weft_call **call);

/** Takes the ended call with this id. Plain: 0 with *call; -ENOENT there is none: still running,
 *  taken already, or never added. */
WEFT_API int weft_group_take(struct weft_group *group, uint64_t id, struct weft_call **call);

/** Waits until no call runs; takes none. Waiting: 0, or -ECANCELED. */
WEFT_API WEFT_MUST_CHECK int weft_group_wait(struct weft_group *group);

/** How many calls run. Plain. */
WEFT_API size_t weft_group_running(const struct weft_group *group);

/** weft_group_init, then weft_group_add for each call in turn, up to the first that fails to start,
 *  whose code is returned. Plain. */
#define weft_as_completed(group, scope, calls, count)                                              \
    weft_as_completed_at((group), (scope), (calls), (count), WEFT_SITE)
WEFT_API int weft_as_completed_at(struct weft_group *group, struct weft_scope *scope,
                                  struct weft_call *calls, size_t count, const char *site);

/* Waiting for what exists already. Nothing is cancelled, joined or released. */

/** What weft_wait_tasks and weft_wait_futures wait for. */
enum weft_until {
    /** One of them has ended. */
    WEFT_FIRST_COMPLETED,
    /** One of them has failed, or all have ended. -ECANCELED is no failure. */
    WEFT_FIRST_FAILURE,
    /** All of them have ended. */
    WEFT_ALL_COMPLETED
};

/**
 * Waits for tasks, at most `timeout`. Returns how many of them have ended, whether the time was up
 * or not; weft_task_ended tells which. Waiting: also -ECANCELED; -ENOMEM; -EINVAL count 0. The
 * handles stay, and must not be joined or released by others meanwhile. One handle may be there
 * twice. WEFT_FIRST_FAILURE is for scopes that a failure does not cancel (WEFT_COLLECT,
 * WEFT_SUPERVISE).
 */
WEFT_API WEFT_MUST_CHECK int weft_wait_tasks(struct weft_task *const *tasks, size_t count,
                                             enum weft_until until, weft_ns timeout);

/** As weft_wait_tasks for futures: weft_future_done tells which are finished. */
WEFT_API WEFT_MUST_CHECK int weft_wait_futures(struct weft_future *const *futures, size_t count,
                                               enum weft_until until, weft_ns timeout);

WEFT_END

#endif
