/* SPDX-License-Identifier: MIT */
/*
 * scope.c: entering and leaving scopes, and what they come to
 *
 * A token on the user's stack names a record in the loop by address and generation. Records come
 * from a slab that is given back only with the loop, so that a stale token (its function returned,
 * its scope was exited before) can always be asked, and says so.
 *
 *     enter    a record becomes the innermost of its task
 *     exit     settle the body ─▶ wait for the children ─▶ outcome ─▶ the record is free
 *
 * A function that returned past an exit leaves its record in the task's chain. The next exit below
 * it, or the end of the task, finds it there, cancels and drains it, and reports the line that
 * entered it; in debug builds that is an abort.
 *
 * Where there is no memory for a record, the scope exists only as a depth (`task->out_of_memory`):
 * everything entered at that depth or deeper is refused, until the exit of that depth gives
 * -ENOMEM.
 *
 * How cancellation spreads: cancel.c. What failed: failure.c. Tests: tests/unit/task/test_scope.c.
 */
#include "task/internal.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/** One piece of a scope's memory. */
struct weft__scope_memory {
    /** The piece taken before it. */
    struct weft__scope_memory *next;
    /** What the user got. */
    max_align_t bytes[];
};

/** Marks the token of a scope that had no memory; `record` is NULL then. */
#define TOKEN_NO_MEMORY 1u
/** Marks the token of a scope entered outside a task. */
#define TOKEN_NO_TASK 2u

struct weft__scope *weft__scope_new(struct weft__runtime *runtime, struct weft_task *owner,
                                    enum weft_policy policy, const char *site)
{
    struct weft__scope *scope = weft__slab_alloc(&runtime->scopes);
    if (!scope)
        return NULL;
    uint64_t generation = scope->generation;
    memset(scope, 0, sizeof *scope);
    scope->generation = generation + 1;
    scope->runtime = runtime;
    scope->owner = owner;
    scope->policy = (unsigned char)policy;
    scope->site = site;
    scope->deadline = WEFT_FOREVER;
    weft__list_init(&scope->own);
    weft__list_init(&scope->children);
    weft__list_init(&scope->ended);
    weft__list_init(&scope->deferred);
    weft__timer_init(&scope->timer, NULL, NULL);
    if (owner) {
        scope->parent = owner->scope;
        scope->unarmed = owner->scope->unarmed;
        weft__list_append(&owner->scopes, &scope->own);
        owner->scope = scope;
    }
    return scope;
}

struct weft__scope *weft__scope_of(const struct weft_scope *token)
{
    struct weft__scope *scope = token->record;
#ifdef WEFT_MUTANT_stale_token
    return scope;
#endif
    return scope && scope->generation == token->generation ? scope : NULL;
}

static void set_deadline(struct weft__scope *scope, weft_ns deadline)
{
    struct weft_loop *loop = scope->runtime->loop;
    weft__timer_clear(loop, &scope->timer);
    scope->deadline = deadline;
    if (deadline == WEFT_FOREVER)
        return;
    scope->unarmed = true;
    if (deadline <= loop->now)
        weft__scope_cancel(scope, WEFT__CAUSE_DEADLINE, -ETIMEDOUT);
}

/** Enters a scope in the calling task; NULL when there was no memory. */
static struct weft__scope *enter(struct weft_task *task, weft_ns timeout, enum weft_policy policy,
                                 bool shield, const char *site)
{
    struct weft__scope *scope = NULL;
    task->driver.scope_depth++;
    if (!task->out_of_memory)
        scope = weft__scope_new(task->runtime, task, policy, site);
    if (!scope) {
        if (!task->out_of_memory)
            task->out_of_memory = task->driver.scope_depth;
        task->refuse = true;
        return NULL;
    }
    scope->shield = shield;
    if (timeout != WEFT_FOREVER) {
        weft_ns now = weft__loop_clock(task->runtime->loop);
        set_deadline(scope, weft__deadline_after(now, timeout));
    }
    weft__scope_settle(scope);
    return scope;
}

static void enter_token(struct weft_scope *token, weft_ns timeout, enum weft_policy policy,
                        bool shield, const char *site)
{
    struct weft_task *task = weft__task_current;
    memset(token, 0, sizeof *token);
    if (!task) {
        token->spare = TOKEN_NO_TASK;
        (void)weft__misuse(-EPERM, "%s: a scope was entered outside a task", site);
        return;
    }
    struct weft__scope *scope = enter(task, timeout, policy, shield, site);
    token->record = scope;
    token->generation = scope ? scope->generation : task->driver.scope_depth;
    token->spare = scope ? 0 : TOKEN_NO_MEMORY;
}

void weft_scope_enter_at(struct weft_scope *token, weft_ns timeout, enum weft_policy policy,
                         const char *site)
{
    enter_token(token, timeout, policy, false, site);
}

void weft_shield_enter_at(struct weft_scope *token, weft_ns timeout, const char *site)
{
    if (timeout == WEFT_FOREVER)
        (void)weft__misuse(-EINVAL, "%s: a shield needs a deadline", site);
    enter_token(token, timeout, WEFT_FAIL_FAST, true, site);
    if (timeout == WEFT_FOREVER)
        weft_scope_cancel(token, -EINVAL);
}

/* Leaving. */

static void free_memory(struct weft__scope *scope)
{
    const struct weft_sys *sys = scope->runtime->loop->sys;
    while (scope->memory) {
        struct weft__scope_memory *next = scope->memory->next;
        sys->realloc(sys, scope->memory, 0);
        scope->memory = next;
    }
}

int weft_scope_defer(struct weft_scope *token, struct weft_deferred *deferred,
                     void (*fn)(struct weft_deferred *deferred))
{
    struct weft__scope *scope = weft__scope_of(token);
    if (!scope)
        return -EINVAL;
    int rc = weft__loop_check(scope->runtime->loop);
    if (rc < 0)
        return rc;
    deferred->fn = fn;
    weft__list_prepend(&scope->deferred, &deferred->link);
    return 0;
}

void weft_scope_undefer(struct weft_deferred *deferred)
{
    weft__list_remove(&deferred->link);
}

/* One may take another back, or defer a new one: therefore always the first. */
void weft__scope_let_go(struct weft__scope *scope)
{
    struct weft_link *link;
    while ((link = weft__list_take(&scope->deferred)) != NULL) {
        struct weft_deferred *deferred = weft__container(link, struct weft_deferred, link);
        deferred->fn(deferred);
    }
}

void weft__scope_release(struct weft__scope *scope)
{
    weft__timer_clear(scope->runtime->loop, &scope->timer);
    weft__list_each(link, &scope->ended)
    {
        struct weft_task *task = weft__container(link, struct weft_task, sibling);
        weft__list_remove(link);
        weft__task_free(task);
    }
    free_memory(scope);
}

/** Hands the failure over to the task, which keeps it until its next exit. */
static void keep_failure(struct weft_task *task, struct weft__scope *scope)
{
    weft__failure_free(task->runtime, task->last_failure);
    task->last_failure = scope->failure;
    task->last_failure_generation = scope->generation;
    scope->failure = NULL;
}

/** Takes the innermost scope off its task and frees it. */
static void leave(struct weft_task *task, struct weft__scope *scope)
{
    weft__scope_let_go(scope);
    weft__scope_release(scope);
    weft__list_remove(&scope->own);
    task->scope = scope->parent;
    if (scope->failure || task->last_failure)
        keep_failure(task, scope);
    scope->generation++;
    weft__slab_free(&task->runtime->scopes, scope);
    task->driver.scope_depth--;
    weft__task_update_refuse(task);
}

static void describe_exit(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft__scope *scope = wait->object;
    snprintf(buf, size, "for %zu child%s to leave the scope entered at %s", scope->alive,
             scope->alive == 1 ? "" : "ren", scope->site);
}

/** Only those are left who would not end by themselves. */
static void end_background(struct weft__scope *scope)
{
    weft__list_each(link, &scope->children)
        weft_task_cancel(weft__container(link, struct weft_task, sibling));
}

void weft__scope_drain(struct weft__scope *scope)
{
#ifdef WEFT_MUTANT_orphan
    return;
#endif
    while (scope->alive > 0) {
        if (scope->alive == scope->background)
            end_background(scope);
        struct weft_wait wait;
        weft_wait_init(&wait, describe_exit, scope);
        scope->exit_wait = &wait;
        (void)!weft_park(&wait, NULL);
        scope->exit_wait = NULL;
    }
}

void weft__scope_child_ended(struct weft__scope *scope, bool background)
{
    weft__assert(scope->alive > 0);
    scope->alive--;
    scope->background -= background;
    if (scope->alive == scope->background && scope->exit_wait)
        (void)weft_wake(scope->exit_wait, 0);
}

int weft__scope_outcome(const struct weft__scope *scope, int rc)
{
    switch ((enum weft__cause)scope->cause) {
    case WEFT__CAUSE_NONE:
        return rc;
    case WEFT__CAUSE_CANCEL:
        return scope->code == 0 && rc > 0 ? rc : scope->code;
    case WEFT__CAUSE_FAILURE:
    case WEFT__CAUSE_DEADLINE:
    case WEFT__CAUSE_OUTER:
        break;
    }
    return scope->code;
}

static int finish(struct weft_task *task, struct weft__scope *scope, int rc)
{
    if (rc < 0 && !(rc == -ECANCELED && scope->refused))
        weft__scope_fail(scope, rc, task, true, scope->site);
    if (scope->alive > 0 && scope->unarmed)
        weft__scope_arm(scope);
    weft__scope_drain(scope);
    rc = weft__scope_outcome(scope, rc);
    if (scope->cause == WEFT__CAUSE_FAILURE && scope->failure)
        weft__failure_note(task, scope->failure);
    /* A cancellation from outside that reached only the children has reached the task with this. */
    if (scope->cause == WEFT__CAUSE_OUTER)
        task->was_refused = true;
    leave(task, scope);
    return rc;
}

void weft__scope_abandon(struct weft_task *task, const struct weft__scope *keep)
{
    while (!weft__list_empty(&task->scopes) && task->scope != keep) {
        struct weft__scope *scope = task->scope;
        (void)weft__misuse(0, "the scope entered at %s by task %s was never exited", scope->site,
                           weft__task_name(task));
        weft__report("the scope entered at %s by task %s was never exited: cancelled and drained",
                     scope->site, weft__task_name(task));
        weft__scope_cancel(scope, WEFT__CAUSE_CANCEL, 0);
        (void)finish(task, scope, 0);
    }
}

/** Leaves a scope that had no memory: there is only its depth. */
static void leave_without_record(struct weft_task *task)
{
    if (task->out_of_memory == task->driver.scope_depth)
        task->out_of_memory = 0;
    task->driver.scope_depth--;
    weft__task_update_refuse(task);
}

/** The exit of a scope that had no memory. */
static int exit_without_record(struct weft_task *task, const struct weft_scope *token)
{
    if (token->generation != task->driver.scope_depth)
        return weft__misuse(-EINVAL, "weft_scope_exit out of order");
    leave_without_record(task);
    return -ENOMEM;
}

static bool has_open(const struct weft_task *task, const struct weft__scope *scope)
{
    const struct weft__scope *open = task->scope;
    while (open != task->home && open != scope)
        open = open->parent;
    return open == scope && open != task->home;
}

int weft_scope_exit(struct weft_scope *token, int rc)
{
    struct weft_task *task = weft__task_current;
    if (!task)
        return token->spare == TOKEN_NO_TASK
                   ? -EPERM
                   : weft__misuse(-EPERM, "weft_scope_exit outside the task that entered");
    if (token->spare == TOKEN_NO_MEMORY)
        return token->outcome = exit_without_record(task, token);
    struct weft__scope *scope = weft__scope_of(token);
    if (!scope || scope->within)
        return weft__misuse(-EINVAL, "weft_scope_exit of a scope that is not open");
    if (scope->owner != task)
        return weft__misuse(-EPERM,
                            "weft_scope_exit by task %s of the scope that another task "
                            "entered at %s",
                            weft__task_name(task), scope->site);
    if (!has_open(task, scope))
        return weft__misuse(-EINVAL, "weft_scope_exit of a scope that is not open");
    if (task->scope != scope)
        weft__scope_abandon(task, scope);
    return token->outcome = finish(task, scope, rc);
}

/* weft_within. */

void weft_within_enter(weft_ns timeout, const char *site)
{
    struct weft_task *task = weft__task_current;
    if (!task)
        return;
    struct weft__scope *scope = enter(task, timeout, WEFT_FAIL_FAST, false, site);
    if (scope)
        scope->within = true;
}

ssize_t weft_within_exit(ssize_t result)
{
    struct weft_task *task = weft__task_current;
    if (!task)
        return result;
    if (task->out_of_memory) {
        leave_without_record(task);
        return result < 0 ? -ENOMEM : result;
    }
    struct weft__scope *scope = task->scope;
    if (!scope->within) {
        struct weft__scope *open = scope;
        while (open != task->home && !open->within)
            open = open->parent;
        weft__scope_abandon(task, open);
        scope = open;
    }
    bool late = result == -ECANCELED && scope->cause == WEFT__CAUSE_DEADLINE;
    int no_memory = result == -ECANCELED && scope->cause == WEFT__CAUSE_CANCEL ? scope->code : 0;
    leave(task, scope);
    return late ? -ETIMEDOUT : no_memory ? no_memory : result;
}

/* Asking and changing. */

void weft_scope_cancel(struct weft_scope *token, int reason)
{
    struct weft__scope *scope = weft__scope_of(token);
    if (scope && weft__loop_check(scope->runtime->loop) == 0)
        weft__scope_cancel(scope, WEFT__CAUSE_CANCEL, reason > 0 ? -reason : reason);
}

int weft_scope_set_deadline(struct weft_scope *token, struct weft_time deadline)
{
    struct weft__scope *scope = weft__scope_of(token);
    if (!scope)
        return -EINVAL;
    int rc = weft__loop_check(scope->runtime->loop);
    if (rc < 0)
        return rc;
    weft__loop_clock(scope->runtime->loop);
    set_deadline(scope, deadline.ns);
    /* Waits that have begun do not come back to arm it. */
    weft__scope_arm(scope);
    return 0;
}

struct weft_time weft_scope_deadline(const struct weft_scope *token)
{
    const struct weft__scope *scope = weft__scope_of(token);
    return (struct weft_time){scope ? scope->deadline : WEFT_FOREVER};
}

int weft_scope_cancelled(const struct weft_scope *token)
{
    const struct weft__scope *scope = weft__scope_of(token);
    return scope ? scope->effective : token->spare == TOKEN_NO_MEMORY;
}

size_t weft_scope_children(const struct weft_scope *token)
{
    const struct weft__scope *scope = weft__scope_of(token);
    return scope ? scope->alive : 0;
}

void *weft_scope_alloc(struct weft_scope *token, size_t size)
{
    struct weft__scope *scope = weft__scope_of(token);
    if (!scope || size > SIZE_MAX - sizeof(struct weft__scope_memory))
        return NULL;
    const struct weft_sys *sys = scope->runtime->loop->sys;
    struct weft__scope_memory *memory = sys->realloc(sys, NULL, sizeof *memory + size);
    if (!memory)
        return NULL;
    memory->next = scope->memory;
    scope->memory = memory;
    return memory->bytes;
}

char *weft_scope_strdup(struct weft_scope *token, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = weft_scope_alloc(token, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

struct weft_time weft_deadline(void)
{
    const struct weft_task *task = weft__task_current;
    struct weft_time nearest = {WEFT_FOREVER};
    for (const struct weft__scope *s = task ? task->scope : NULL; s;
         s = s->shield ? NULL : s->parent)
        if (s->deadline < nearest.ns)
            nearest.ns = s->deadline;
    return nearest;
}

int weft_cancelled(void)
{
    return weft__task_current && weft__task_current->refuse;
}
