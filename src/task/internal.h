/* SPDX-License-Identifier: MIT */
/*
 * internal.h: tasks and scopes, as the runtime keeps them
 *
 * Files
 *   task.c       records: starting, ending, handles, joining     schedule.c   switching
 *   wait.c       park and wake, the wait queue                   sleep.c      timers as waits
 *   scope.c      entering, leaving, outcome                      cancel.c     how it spreads
 *   failure.c    notes and failures                              local.c      task-locals
 *   future.c     results that come later                         runtime.c    what a loop gets
 *
 * The tree. A scope's record points outward at its parent: the next outer scope of the same task,
 * or, for a task's outermost, the scope that the task was spawned into (its home).
 *
 *      root ◀── scope s (owner: program)
 *       │ children      ▲            │ children
 *       ▼               │ scopes     ▼
 *     program ──────────┘          client ── scopes ──▶ scope t (parent: s, owner: client)
 *
 * Invariants
 *   1. task->scope is the innermost scope of the task, its home when it has none of its own open.
 *   2. scope->effective = cancelled itself, or (no shield and (its parent effective, or, for the
 *      outermost of a task, that task cancelled alone)). Kept up to date by cancel.c, never
 *      searched for: a wait looks at one flag, task->refuse.
 *   3. A task is in the ready ring at most once, and its place there was reserved when it was made.
 *   4. A record is freed when its scope was exited; its generation tells a stale token.
 */
#ifndef WEFT_TASK_INTERNAL_H
#define WEFT_TASK_INTERNAL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/slab.h"
#include "coro/coroutine.h"
#include "coro/generator.h"
#include "loop/internal.h"
#include "loop/ready.h"

#include <weft/future.h>
#include <weft/run.h>
#include <weft/scope.h>
#include <weft/task.h>
#include <weft/wait.h>

/** Bytes of arguments that a task keeps inline. */
#define WEFT__ARGS_INLINE 64
/** How many calls a task may make in one go before others get their turn. */
#define WEFT__SHARE 128

struct weft__runtime;
struct weft__scope;
struct weft__locals;

/** Where a task stands. */
enum weft__task_state {
    /** Spawned, in the ready ring, without a stack. Next: RUNNING. */
    WEFT__TASK_STARTING,
    /** In the ready ring. Next: RUNNING. */
    WEFT__TASK_READY,
    /** On the processor. Next: READY, PARKED, ENDED. */
    WEFT__TASK_RUNNING,
    /** Waits to be woken. Next: READY, RUNNING. */
    WEFT__TASK_PARKED,
    /** Its function has returned. The end. */
    WEFT__TASK_ENDED
};

/** A task's own error note. */
struct weft__note {
    /** The code that it belongs to. */
    int code;
    /** "file:line" that wrote it. */
    const char *site;
    /** The sentence. */
    char text[WEFT_NOTE_SIZE];
};

/** A failure that a scope keeps. */
struct weft__failure {
    /** What users see; its strings point into this struct or are constants. */
    struct weft_failure public;
    /** The sentence. */
    char text[WEFT_NOTE_SIZE];
    /** The task's name. */
    char task[WEFT_NAME_SIZE];
};

/**
 * A task, from its spawn until it has ended and nobody holds a handle. All that a yield and a
 * switch touch comes first, in one cache line: with many tasks each line is a miss.
 */
struct weft_task {
    /** Its runtime. */
    struct weft__runtime *runtime;
    /** Innermost scope. */
    struct weft__scope *scope;
    /** What the call that suspended it will return. */
    ssize_t wake_value;
    /** enum weft__task_state. */
    unsigned char state;
    /** Which class of stacks. */
    unsigned char stack_class;
    /** The next wait is refused. */
    bool refuse;
    /** Cancelled alone. */
    bool cancelled;
    /** Some wait was refused. */
    bool was_refused;
    /** Somebody holds a handle. */
    bool handle;
    /** weft_ready was called, or nobody waits for it. */
    bool ready_told;
    /** Keeps its own floating-point control words. */
    bool full_state;
    /** The task's own coroutine. */
    struct weft__coro coro;
    /** Who drives generators here; its leaf, where the task was parked, comes first and is the last
     *  that a switch needs. */
    struct weft__driver driver;
    /** What it waits for while PARKED. */
    struct weft_wait *wait;
    /** The depth of the outermost scope that had no memory; 0: none. */
    unsigned out_of_memory;
    /** How many of its waits were refused. */
    unsigned refusals;
    /** The scope that it was spawned into. */
    struct weft__scope *home;
    /** Membership in home->children, or home->ended. */
    struct weft_link sibling;
    /** Its own open scopes, outermost first. */
    struct weft_link scopes;
    /** Since when it is parked: the loop's time. */
    weft_ns since;
    /** What its function returned. */
    int result;
    /** Cancelled when the others of its scope have ended. */
    bool background;
    /** Who joins it. */
    struct weft_wait *joiner;
    /** Who waits for weft_ready. */
    struct weft_wait *starter;
    /** Waits of select and others for its end. */
    struct weft_waitq enders;
    /** Its values under keys; shared until changed. */
    struct weft__locals *locals;
    /** Its error note; NULL: never had one. */
    struct weft__note *note;
    /** The failure of the scope that it left last; see weft_scope_failure. */
    struct weft__failure *last_failure;
    /** Which scope that was. */
    uint64_t last_failure_generation;
    /** 1, 2, 3 ... in its loop. */
    uint64_t id;
    /** "file:line" that spawned it. */
    const char *site;
    /** The function's name, until it is named otherwise. */
    const char *function;
    /** The function. */
    int (*fn)(void *args);
    /** Its arguments: inline_args, or an allocation. */
    void *args;
    /** Small arguments. */
    union {
        char bytes[WEFT__ARGS_INLINE];
        long double align;
        void *align_pointer;
    } inline_args;
    /** Its name, when it was named. */
    char name[WEFT_NAME_SIZE];
};

#if !WEFT__SANITIZED
_Static_assert(offsetof(struct weft_task, driver.leaf) + sizeof(void *) <= 64,
               "what a switch touches is one cache line");
_Static_assert(sizeof(struct weft_task) % 64 == 0, "the slab aligns whole lines only");
#endif

/** Why a scope came to its outcome. */
enum weft__cause {
    /** Nothing happened. */
    WEFT__CAUSE_NONE,
    /** weft_scope_cancel. */
    WEFT__CAUSE_CANCEL,
    /** A failure of body or child. */
    WEFT__CAUSE_FAILURE,
    /** Its own deadline. */
    WEFT__CAUSE_DEADLINE,
    /** A cancellation from outside. */
    WEFT__CAUSE_OUTER
};

/** A scope in the loop. */
struct weft__scope {
    /** Which life of this record; survives being freed. */
    uint64_t generation;
    /** Its runtime; survives, too, so that a stale token finds its way. */
    struct weft__runtime *runtime;
    /** The next outer scope; NULL for the root. */
    struct weft__scope *parent;
    /** The task that entered it; NULL for the root. */
    struct weft_task *owner;
    /** Membership in owner->scopes. */
    struct weft_link own;
    /** Children that have not ended. */
    struct weft_link children;
    /** Children that have ended, with a handle that nobody joined. */
    struct weft_link ended;
    /** How many have not ended. */
    size_t alive;
    /** How many of those are in the background. */
    size_t background;
    /** The exit that waits for the children. */
    struct weft_wait *exit_wait;
    /** Its deadline's timer, armed at the first wait under it. */
    struct weft__timer timer;
    /** Its deadline; WEFT_FOREVER: none. */
    weft_ns deadline;
    /** When it was cancelled itself, as a number of the runtime's order; 0: not. */
    uint64_t own_order;
    /** When it became cancelled from outside; 0: not. */
    uint64_t outer_order;
    /** enum weft_policy. */
    unsigned char policy;
    /** enum weft__cause. */
    unsigned char cause;
    /** Cancelled by its deadline rather than by a call. */
    bool by_deadline;
    /** Cancellation from outside does not reach it. */
    bool shield;
    /** Waits inside are refused. */
    bool effective;
    /** Its deadline or one outside it is not armed yet. */
    bool unarmed;
    /** Entered by weft_within: no token, no children. */
    bool within;
    /** Some wait inside was refused. */
    bool refused;
    /** The outcome that belongs to the cause. */
    int code;
    /** The first failure, and how many more. */
    struct weft__failure *failure;
    /** What is let go of at its end: struct weft_deferred. */
    struct weft_link deferred;
    /** Memory of weft_scope_alloc. */
    struct weft__scope_memory *memory;
    /** "file:line" that entered it. */
    const char *site;
    /** Next in a list of scopes that cancel.c has yet to visit. */
    struct weft__scope *next_visit;
};

/** What the task layer hangs on a loop. */
struct weft__runtime {
    /** The loop. */
    struct weft_loop *loop;
    /** The loop's own stack. */
    struct weft__coro base;
    /** Who drove generators on it before a task did. */
    struct weft__driver *outside;
    /** What all tasks share that did not ask for WEFT_FULL_STATE. */
    struct weft__full_state shared_state;
    /** Generators that tasks handed on. */
    struct weft_link detached;
    /** Calls that the running task may still make in this go. */
    unsigned share;
    /** Records of tasks. */
    struct weft__slab tasks;
    /** Records of scopes. */
    struct weft__slab scopes;
    /** Stacks. */
    struct weft__stack_pool stacks;
    /** The root scope. */
    struct weft__scope *root;
    /** Its token. */
    struct weft_scope root_token;
    /** Tasks that have not ended. */
    size_t alive;
    /** The last task id. */
    uint64_t last_id;
    /** Numbers cancellations in time. */
    uint64_t order;
    /** Who hears of failures in WEFT_SUPERVISE scopes. */
    weft_failure_fn *failure_fn;
    /** Its argument. */
    void *failure_arg;
    /** Runtimes of this process, for the overflow report and debuggers. */
    struct weft_link link;
};

/** The running task of this thread. */
extern WEFT__TLS struct weft_task *weft__task_current;

/* task.c */

/** Ends the calling task: settles result, handle, scope; its coroutine moves to *ret_coro. Nothing
 * of `task` may be used afterwards. */
void weft__task_finish(struct weft_task *task, int result, struct weft__coro *ret_coro);
/** Frees a record that nobody needs. */
void weft__task_free(struct weft_task *task);
#if WEFT_DEBUG
/** The transitions that waits of this thread have taken, for tests. */
extern WEFT__TLS uint64_t weft__wait_transitions_seen;
#endif

/** The one way to change task->state. */
static inline void weft__task_set_state(struct weft_task *task, enum weft__task_state state)
{
    weft__assert(task->state != WEFT__TASK_ENDED);
    weft__assert(state != WEFT__TASK_STARTING);
    task->state = (unsigned char)state;
}
/** The name for people. */
const char *weft__task_name(const struct weft_task *task);
/** Starts a task into a record. See weft_start. */
int weft__task_start(struct weft__scope *home, struct weft_task **ret,
                     const struct weft_task_options *options, const char *name, const char *site,
                     int (*fn)(void *), const void *args, size_t size);

/* schedule.c */

/** The ready ring's entry of tasks: runs `task` from the loop's stack. */
void weft__task_run(void *task);
/** Lets others run until somebody makes the calling task, which is PARKED, ready; returns the value
 *  given then. */
ssize_t weft__task_switch_away(struct weft_task *task);
/** Puts the calling task at the end of the ready ones and lets others run; `turn`: and the loop. 0.
 */
ssize_t weft__task_yield(struct weft_task *task, bool turn);
/** Makes a task ready; the call that suspended it will return `value`. */
static inline void weft__task_make_ready(struct weft_task *task, ssize_t value)
{
    weft__task_set_state(task, WEFT__TASK_READY);
    task->wake_value = value;
    weft__ready_push(task->runtime->loop, weft__task_run, task);
}
/** Runs `child`, which starts, at once; the calling task goes to the end of the ready ones. */
void weft__task_switch_to(struct weft_task *task, struct weft_task *child);

/* wait.c */

/** Writes one line about a wait: what it is for. */
void weft__wait_describe(const struct weft_wait *wait, char *buf, size_t size);
/** Cancellation meets a parked wait: asks its abort function, once. */
void weft__wait_cancel(struct weft_wait *wait);

/* cancel.c */

/** Cancels a scope for a cause; `code` of WEFT__CAUSE_CANCEL. */
void weft__scope_cancel(struct weft__scope *scope, enum weft__cause cause, int code);
/** A scope was just entered: takes over what holds outside it. */
void weft__scope_settle(struct weft__scope *scope);
/** Brings a task that was cancelled alone, and all inside, up to date. */
void weft__task_spread(struct weft_task *task);
/** Sets task->refuse from its innermost scope. */
void weft__task_update_refuse(struct weft_task *task);
/** A wait of the task is refused: settles for which scope. Returns -ECANCELED. */
int weft__refuse(struct weft_task *task);
/** Arms the deadlines over the task. */
void weft__scope_arm(struct weft__scope *scope);

/* scope.c */

/** A record for a new innermost scope of `owner`, NULL out of memory. */
struct weft__scope *weft__scope_new(struct weft__runtime *runtime, struct weft_task *owner,
                                    enum weft_policy policy, const char *site);
/** The record of a token; NULL when it is stale. */
struct weft__scope *weft__scope_of(const struct weft_scope *token);
/** A child has ended, one in the background or not: counts it off and wakes the exit. */
void weft__scope_child_ended(struct weft__scope *scope, bool background);
/** Cancels and drains scopes that a task left open, down to `keep` (NULL: all). */
void weft__scope_abandon(struct weft_task *task, const struct weft__scope *keep);
/** Waits for the children, on the calling task. */
void weft__scope_drain(struct weft__scope *scope);
/** Calls what was deferred to the scope's end. */
void weft__scope_let_go(struct weft__scope *scope);
/** Frees everything but the record of the root. */
void weft__scope_release(struct weft__scope *scope);
/** What the scope comes to when its body gave `rc`. */
int weft__scope_outcome(const struct weft__scope *scope, int rc);

/* failure.c */

/** A failure inside a scope; `task` NULL: of a start that failed. */
void weft__scope_fail(struct weft__scope *scope, int code, const struct weft_task *task, bool body,
                      const char *site);
/** A child's sentence becomes the note of the task that leaves the scope with its code. */
void weft__failure_note(struct weft_task *task, const struct weft__failure *failure);
/** Frees a failure; NULL is fine. */
void weft__failure_free(struct weft__runtime *runtime, struct weft__failure *failure);

/* local.c */

/** One more user of the values; returns them. NULL is fine. */
struct weft__locals *weft__locals_ref(struct weft__locals *locals);
/** One user less. */
void weft__locals_unref(struct weft__runtime *runtime, struct weft__locals *locals);

/* runtime.c */

/** The loop's runtime, made when it has none; NULL out of memory. */
struct weft__runtime *weft__runtime_get(struct weft_loop *loop);
/** All runtimes of the process. */
extern struct weft_link weft__runtimes;

#endif
