/* SPDX-License-Identifier: MIT */
/*
 * task.c: tasks from spawn to end, and their handles
 *
 *     weft_start ──▶ record, a place in the ring, a promise of a stack      (all that can fail)
 *        │
 *        ▼ STARTING, in the ring, a child of its scope
 *     first run ──▶ a stack (schedule.c), fn(args)
 *        │
 *        ▼
 *     finish ──▶ generators closed, scopes that were left open drained, result to the joiner, a
 *                failure to the scope, the scope counts one child less, the record is free unless
 *                somebody holds a handle
 *
 * A handle is the record itself: it stays after the end, in its scope's list `ended`, until it is
 * joined, released, or the scope exits.
 */
#include "task/internal.h"

#include <stdio.h>
#include <string.h>

/* Starting. */

const char *weft__task_name(const struct weft_task *task)
{
    return task->name[0] ? task->name : task->function;
}

/** Copies the arguments: inline, or into an allocation. */
static bool copy_args(struct weft_task *task, const void *args, size_t size)
{
    task->args = task->inline_args.bytes;
    if (size > sizeof task->inline_args) {
        const struct weft_sys *sys = task->runtime->loop->sys;
        task->args = sys->realloc(sys, NULL, size);
        if (!task->args)
            return false;
    }
    if (size > 0)
        memcpy(task->args, args, size);
    return true;
}

static void free_args(struct weft_task *task)
{
    const struct weft_sys *sys = task->runtime->loop->sys;
    if (task->args != task->inline_args.bytes)
        sys->realloc(sys, task->args, 0);
    task->args = task->inline_args.bytes;
}

static int choose_stack_class(const struct weft_task_options *options)
{
    if (options->stack_size)
        return weft__stack_class(options->stack_size);
    return options->flags & WEFT_SMALL_STACK ? WEFT__STACK_SMALL : WEFT__STACK_DEFAULT;
}

/** Reserves what a task needs to run without fail; 0 or an error with nothing reserved. */
static int reserve(struct weft__runtime *runtime, int stack_class)
{
    int rc = weft__ready_reserve(runtime->loop);
    if (rc < 0)
        return rc;
    rc = weft__stack_reserve(&runtime->stacks, (unsigned)stack_class);
    if (rc < 0) {
        weft__ready_unreserve(runtime->loop);
        return weft_fail_at(rc, "", "%s",
                            runtime->stacks.note ? runtime->stacks.note : "no memory for a stack");
    }
    return 0;
}

static void task_init(struct weft_task *task, struct weft__scope *home)
{
    struct weft__runtime *runtime = home->runtime;
    /* Short ranges instead of the whole record: that one would be a `rep stos`, which takes longer
     * to start than all the rest of a spawn. What is not cleared is set here or next. */
    memset(&task->wake_value, 0,
           offsetof(struct weft_task, coro) - offsetof(struct weft_task, wake_value));
    memset(&task->wait, 0, offsetof(struct weft_task, home) - offsetof(struct weft_task, wait));
    memset(&task->since, 0, offsetof(struct weft_task, id) - offsetof(struct weft_task, since));
    task->coro.stack = NULL;
    task->name[0] = '\0';
    task->runtime = runtime;
    task->scope = task->home = home;
    task->id = ++runtime->last_id;
    weft__list_init(&task->scopes);
    weft_waitq_init(&task->enders);
    weft__driver_init(&task->driver, &task->coro, &runtime->stacks, &runtime->detached, true);
    task->state = WEFT__TASK_STARTING;
    task->refuse = home->effective;
}

/** A record in its scope and ready to be run; NULL with everything given back. */
static struct weft_task *make(struct weft__scope *home, int stack_class, const void *args,
                              size_t size, int *ret_error)
{
    struct weft__runtime *runtime = home->runtime;
    *ret_error = reserve(runtime, stack_class);
    if (*ret_error < 0)
        return NULL;
    struct weft_task *task = weft__slab_alloc(&runtime->tasks);
    if (task) {
        task_init(task, home);
        task->stack_class = (unsigned char)stack_class;
        if (copy_args(task, args, size))
            return task;
        weft__slab_free(&runtime->tasks, task);
    }
    weft__stack_unreserve(&runtime->stacks, (unsigned)stack_class);
    weft__ready_unreserve(runtime->loop);
    *ret_error = -ENOMEM;
    return NULL;
}

static void link_in(struct weft_task *task)
{
    struct weft__scope *home = task->home;
    weft__list_append(&home->children, &task->sibling);
    home->alive++;
    home->background += task->background;
    home->runtime->alive++;
    if (weft__task_current)
        task->locals = weft__locals_ref(weft__task_current->locals);
}

static void describe_ready(const struct weft_wait *wait, char *buf, size_t size)
{
    snprintf(buf, size, "for task %s to be ready", weft__task_name(wait->object));
}

static enum weft_abort abort_ready(struct weft_wait *wait)
{
    struct weft_task *child = wait->object;
    child->starter = NULL;
    return WEFT_ABORT_DONE;
}

/** Waits until the child says that it is ready, or ends. */
static int wait_ready(struct weft_task *child)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_ready, child);
    child->starter = &wait;
    return (int)weft_park(&wait, abort_ready);
}

/** Puts a task that is complete into the ring, or on the processor, as `flags` say. */
static int run_first(struct weft_task *task, struct weft_task **ret, unsigned flags)
{
    if (ret && !(flags & WEFT_START_READY))
        *ret = task;
    if (flags & WEFT_START_NOW) {
        weft__task_switch_to(weft__task_current, task);
        return 0;
    }
    weft__ready_push(task->runtime->loop, weft__task_run, task);
    if (!(flags & WEFT_START_READY))
        return 0;
    /* The handle of one that fails first stays with the scope, whose exit frees it. */
    int rc = wait_ready(task);
    if (rc == 0 && ret)
        *ret = task;
    return rc;
}

int weft__task_start(struct weft__scope *home, struct weft_task **ret,
                     const struct weft_task_options *options, const char *name, const char *site,
                     int (*fn)(void *), const void *args, size_t size)
{
    int rc = 0, stack_class = choose_stack_class(options);
    if (stack_class < 0)
        return stack_class;
    struct weft_task *task = make(home, stack_class, args, size, &rc);
    if (!task) {
        weft__scope_fail(home, rc, NULL, false, site);
        return rc;
    }
    task->fn = fn;
    task->function = name;
    task->site = site;
    task->handle = ret != NULL;
    task->full_state = options->flags & WEFT_FULL_STATE;
    task->background = options->flags & WEFT_BACKGROUND;
    if (options->name)
        weft_task_set_name(task, options->name);
    link_in(task);
    return run_first(task, ret, options->flags);
}

/** The record behind a token, or NULL and why not. A start that waits begins its wait here, before
 *  the token is looked at: others may run meanwhile, and end the scope. */
static struct weft__scope *home_of(const struct weft_scope *token, unsigned flags, const char *site,
                                   int *ret_error)
{
    if (flags & (WEFT_START_NOW | WEFT_START_READY) && (*ret_error = weft_wait_begin()) < 0)
        return NULL;
    struct weft__scope *home = token ? weft__scope_of(token) : NULL;
    if (weft__likely(home && !home->within)) {
        *ret_error = weft__loop_check(home->runtime->loop);
        return *ret_error < 0 ? NULL : home;
    }
    bool no_memory = token && !token->record && token->spare;
    *ret_error = no_memory ? -ENOMEM
                           : weft__misuse(-EINVAL,
                                          "%s: a task was spawned into a scope that is "
                                          "not open",
                                          site);
    return NULL;
}

int weft_start(struct weft_scope *scope, struct weft_task **ret,
               const struct weft_task_options *options, const char *name, const char *site,
               int (*fn)(void *args), const void *args, size_t size)
{
    int rc = 0;
    /* What a caller compiled with older headers does not know of reads as zero. */
    struct weft_task_options known;
    weft__options_read(&known, sizeof known, options);
    struct weft__scope *home = home_of(scope, known.flags, site, &rc);
    return home ? weft__task_start(home, ret, &known, name, site, fn, args, size) : rc;
}

int weft_start_flags(struct weft_scope *scope, struct weft_task **ret, unsigned flags,
                     const char *name, const char *site, int (*fn)(void *args), const void *args,
                     size_t size)
{
    const struct weft_task_options options = {.size = sizeof options, .flags = flags};
    int rc = 0;
    struct weft__scope *home = home_of(scope, flags, site, &rc);
    return home ? weft__task_start(home, ret, &options, name, site, fn, args, size) : rc;
}

/** The arguments of an untyped start. */
struct untyped {
    /** The function. */
    int (*fn)(void *arg);
    /** Its argument. */
    void *arg;
};

static int run_untyped(void *args)
{
    const struct untyped *untyped = args;
    return untyped->fn(untyped->arg);
}

int weft_go_fn_at(struct weft_scope *scope, int (*fn)(void *arg), void *arg, const char *name,
                  const char *site)
{
    struct untyped args = {fn, arg};
    return weft_start_flags(scope, NULL, 0, name, site, run_untyped, &args, sizeof args);
}

int weft_spawn_fn_at(struct weft_scope *scope, struct weft_task **ret, int (*fn)(void *arg),
                     void *arg, const char *name, const char *site)
{
    struct untyped args = {fn, arg};
    return weft_start_flags(scope, ret, 0, name, site, run_untyped, &args, sizeof args);
}

int weft_spawn_with_at(struct weft_scope *scope, struct weft_task **ret,
                       const struct weft_task_options *options, int (*fn)(void *arg), void *arg,
                       const char *name, const char *site)
{
    struct untyped args = {fn, arg};
    return weft_start(scope, ret, options, name, site, run_untyped, &args, sizeof args);
}

void weft_ready(void)
{
    struct weft_task *task = weft__task_current;
    if (!task || task->ready_told)
        return;
    task->ready_told = true;
    if (task->starter)
        (void)weft_wake(task->starter, 0);
    task->starter = NULL;
}

/* Ending. */

static bool is_failure(const struct weft_task *task, int result)
{
    return result < 0 && !(result == -ECANCELED && task->was_refused);
}

/** A task that joins another one. */
struct join {
    /** Its wait. */
    struct weft_wait wait;
    /** The result, once the other has ended. */
    int result;
};

/**
 * Gives the result to the joiner and consumes the handle for it: when the joiner runs, the scope of
 * the ended task may be gone already, and the record with it.
 */
static void hand_over(struct weft_task *task)
{
    struct join *join = weft__container(task->joiner, struct join, wait);
    join->result = task->result;
    task->handle = false;
    (void)weft_wake(&join->wait, 0);
}

/** Tells everybody who waits for the end. */
static void tell_end(struct weft_task *task)
{
    if (task->starter)
        (void)weft_wake(task->starter, task->result < 0 ? task->result : 0);
    task->starter = NULL;
    if (task->joiner)
        hand_over(task);
    (void)weft_waitq_wake_all(&task->enders, 0);
}

static void free_extras(struct weft_task *task)
{
    const struct weft_sys *sys = task->runtime->loop->sys;
    free_args(task);
    weft__locals_unref(task->runtime, task->locals);
    weft__failure_free(task->runtime, task->last_failure);
    if (task->note)
        sys->realloc(sys, task->note, 0);
    task->locals = NULL;
    task->last_failure = NULL;
    task->note = NULL;
}

void weft__task_free(struct weft_task *task)
{
    weft__slab_free(&task->runtime->tasks, task);
}

void weft__task_finish(struct weft_task *task, int result, struct weft__coro *ret_coro)
{
    struct weft__scope *home = task->home;
    if (weft__unlikely(!weft__list_empty(&task->scopes) || task->out_of_memory))
        weft__scope_abandon(task, NULL);
    if (weft__unlikely(!weft__list_empty(&task->driver.generators)))
        weft__generators_end(&task->driver);
    task->result = result;
    if (weft__unlikely(is_failure(task, result)))
        weft__scope_fail(home, result, task, false, task->site);
    weft__task_set_state(task, WEFT__TASK_ENDED);
    tell_end(task);
    free_extras(task);
    weft__list_remove(&task->sibling);
    weft__ready_unreserve(home->runtime->loop);
    home->runtime->alive--;
    bool background = task->background;
    *ret_coro = task->coro;
    weft__task_current = NULL;
    if (task->handle)
        weft__list_append(&home->ended, &task->sibling);
    else
        weft__task_free(task);
    weft__scope_child_ended(home, background);
}

/* Handles. */

static void describe_join(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_task *task = wait->object;
    snprintf(buf, size, "to join task %llu %s", (unsigned long long)task->id,
             weft__task_name(task));
}

static enum weft_abort abort_join(struct weft_wait *wait)
{
    struct weft_task *task = wait->object;
    task->joiner = NULL;
    return WEFT_ABORT_DONE;
}

int weft_join(struct weft_task *task, int *result)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if ((rc = weft__loop_check(task->runtime->loop)) < 0)
        return rc;
    if (task == weft__task_current)
        return weft_fail(-EDEADLK, "task %s joins itself", weft__task_name(task));
    if (task->joiner)
        return weft_fail(-EBUSY, "another task joins %s already", weft__task_name(task));
    struct join join = {.result = task->result};
    if (task->state == WEFT__TASK_ENDED) {
        weft_task_release(task);
    } else {
        weft_wait_init(&join.wait, describe_join, task);
        task->joiner = &join.wait;
        rc = (int)weft_park(&join.wait, abort_join);
    }
    if (rc == 0 && result)
        *result = join.result;
    return rc;
}

void weft_task_release(struct weft_task *task)
{
    if (!task || weft__loop_check(task->runtime->loop) == -EPERM)
        return;
    task->handle = false;
    if (task->state != WEFT__TASK_ENDED)
        return;
    weft__list_remove(&task->sibling);
    weft__task_free(task);
}

void weft_task_cancel(struct weft_task *task)
{
    if (task->state == WEFT__TASK_ENDED || task->cancelled)
        return;
    if (weft__loop_check(task->runtime->loop) < 0)
        return;
    task->cancelled = true;
    weft__task_spread(task);
}

int weft_task_ended(const struct weft_task *task)
{
    return task->state == WEFT__TASK_ENDED;
}

int weft_task_result(const struct weft_task *task)
{
    return task->state == WEFT__TASK_ENDED ? task->result : -EAGAIN;
}

struct weft_waitq *weft_task_enders(struct weft_task *task)
{
    return &task->enders;
}

void weft_task_set_name(struct weft_task *task, const char *name)
{
    if (!task)
        task = weft__task_current;
    if (task)
        snprintf(task->name, sizeof task->name, "%.*s", WEFT_NAME_SIZE - 1, name);
}

const char *weft_task_name(const struct weft_task *task)
{
    if (!task)
        task = weft__task_current;
    return task ? weft__task_name(task) : "";
}

struct weft_task *weft_current(void)
{
    return weft__task_current;
}

uint64_t weft_task_id(const struct weft_task *task)
{
    if (!task)
        task = weft__task_current;
    return task ? task->id : 0;
}
