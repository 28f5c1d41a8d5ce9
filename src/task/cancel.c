/* SPDX-License-Identifier: MIT */
/*
 * cancel.c: how cancellation spreads
 *
 * Cancelling a scope turns on `effective` for it and for everything inside that no shield protects:
 * the inner scopes of its own task, its children, their scopes, and so on down. The walk has a list
 * of its own and does not recurse, so that a tree of any depth is fine. A scope is visited when its
 * `effective` turns on, which happens once in its life, so all walks together are linear.
 *
 *     weft__scope_cancel(s)
 *        └▶ spread(owner of s): recompute its scopes outermost to innermost
 *              ├▶ those that turned on: put on the list, later: spread(each child)
 *              └▶ the task's next wait is refused; if it is parked, its abort is asked, once
 *
 * Nothing is posted and nothing is thrown: a task that is not parked finds out at its next wait, as
 * often as it waits, until it leaves the scope.
 *
 * Who is to blame is settled when a wait is really refused (weft__refuse): of a scope's own
 * cancellation and one from outside, the earlier one.
 */
#include "task/internal.h"

/** After so many refusals a task is reported, once. */
#define REFUSALS_REPORTED 1000

/** Entered by its task before any other that is open. */
static bool is_outermost(const struct weft__scope *scope)
{
    return scope->owner && scope->parent == scope->owner->home;
}

static bool cancelled_from_outside(const struct weft__scope *scope)
{
    if (scope->shield || !scope->parent)
        return false;
    return scope->parent->effective || (is_outermost(scope) && scope->owner->cancelled);
}

void weft__task_update_refuse(struct weft_task *task)
{
    bool base = weft__list_empty(&task->scopes);
    task->refuse = task->scope->effective || (base && task->cancelled) || task->out_of_memory;
}

/** Recomputes one scope; true when it turned on. */
static bool turn_on(struct weft__scope *scope)
{
    if (!scope->outer_order && cancelled_from_outside(scope))
        scope->outer_order = ++scope->runtime->order;
    bool effective = scope->own_order || scope->outer_order;
    bool changed = effective && !scope->effective;
    scope->effective = effective;
    return changed;
}

/** Brings a task and its scopes up to date; those that turned on go on the list. */
static void spread(struct weft_task *task, struct weft__scope **list)
{
    weft__list_each(link, &task->scopes)
    {
        struct weft__scope *scope = weft__container(link, struct weft__scope, own);
        if (turn_on(scope)) {
            scope->next_visit = *list;
            *list = scope;
        }
    }
    weft__task_update_refuse(task);
    if (task->refuse && task->state == WEFT__TASK_PARKED)
        weft__wait_cancel(task->wait);
}

static void visit(struct weft__scope *list)
{
    while (list) {
        struct weft__scope *scope = list;
        list = scope->next_visit;
        weft__list_each(link, &scope->children)
            spread(weft__container(link, struct weft_task, sibling), &list);
    }
}

void weft__task_spread(struct weft_task *task)
{
    struct weft__scope *list = NULL;
    spread(task, &list);
    visit(list);
}

void weft__scope_settle(struct weft__scope *scope)
{
    (void)turn_on(scope);
    weft__task_update_refuse(scope->owner);
}

void weft__scope_cancel(struct weft__scope *scope, enum weft__cause cause, int code)
{
    if (scope->own_order)
        return;
    scope->own_order = ++scope->runtime->order;
    scope->by_deadline = cause == WEFT__CAUSE_DEADLINE;
    if (cause == WEFT__CAUSE_CANCEL && scope->cause == WEFT__CAUSE_NONE) {
        scope->cause = WEFT__CAUSE_CANCEL;
        scope->code = code;
    }
    if (scope->owner) {
        weft__task_spread(scope->owner);
    } else if (turn_on(scope)) {
        scope->next_visit = NULL;
        visit(scope);
    }
}

/** A wait inside `scope` was refused. True: for a cause further out. */
static bool blame(struct weft__scope *scope)
{
    bool outer = scope->outer_order && (!scope->own_order || scope->outer_order < scope->own_order);
    scope->refused = true;
    if (scope->cause == WEFT__CAUSE_NONE && (outer || scope->by_deadline)) {
        scope->cause = outer ? WEFT__CAUSE_OUTER : WEFT__CAUSE_DEADLINE;
        scope->code = outer ? -ECANCELED : -ETIMEDOUT;
    }
    return outer;
}

static void report_refusals(const struct weft_task *task)
{
    weft__report("task %llu %s (spawned at %s) ignores its cancellation: %d waits refused in the "
                 "scope entered at %s",
                 (unsigned long long)task->id, weft__task_name(task), task->site, REFUSALS_REPORTED,
                 task->scope->site);
}

int weft__refuse(struct weft_task *task)
{
#ifdef WEFT_MUTANT_cancellation_is_an_event
    task->refuse = false;
#endif
    task->was_refused = true;
    if (++task->refusals == REFUSALS_REPORTED)
        report_refusals(task);
    struct weft__scope *scope = task->scope;
    /* A task cancelled alone is itself the origin: nothing outside it is to blame. */
    if (weft__list_empty(&task->scopes) && task->cancelled && !scope->effective)
        return -ECANCELED;
    while (scope && (scope->own_order || scope->outer_order) && blame(scope)) {
        if (is_outermost(scope) && scope->owner->cancelled && !scope->parent->effective)
            break;
        scope = scope->parent;
    }
    return -ECANCELED;
}

static void deadline_due(void *arg)
{
    weft__scope_cancel(arg, WEFT__CAUSE_DEADLINE, -ETIMEDOUT);
}

void weft__scope_arm(struct weft__scope *scope)
{
    for (; scope && scope->unarmed; scope = scope->parent) {
        scope->unarmed = false;
        if (scope->deadline == WEFT_FOREVER || scope->own_order)
            continue;
        weft__timer_init(&scope->timer, deadline_due, scope);
        if (weft__timer_set(scope->runtime->loop, &scope->timer, scope->deadline) < 0)
            weft__scope_cancel(scope, WEFT__CAUSE_CANCEL, -ENOMEM);
    }
}
