/* SPDX-License-Identifier: MIT */
/*
 * group.c: calls whose results are taken as they end
 *
 * The calls run in the caller's scope as tasks that never fail: what they return is kept in the
 * call, so that the scope's policy has nothing to say about it. A call that ends goes to the first
 * taker who waits, else to a list. The call lets go of its own handle at its end, because the
 * scope's exit frees handles, and results may be taken after it.
 */
#include "sync/internal.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/group.h>
#include <weft/task.h>

/** One who waits for the next call to end. */
struct taker {
    /** The wait. */
    struct weft_wait wait;
    /** Where the call goes. */
    struct weft_call **out;
};

void weft_group_init(struct weft_group *group, struct weft_scope *scope)
{
    *group = (struct weft_group){.scope = scope};
    weft__list_init(&group->ended);
    weft_waitq_init(&group->takers);
    weft_waitq_init(&group->waiters);
}

/** Gives the call to the first taker, or puts it in the list. */
static void deliver(struct weft_group *group, struct weft_call *call)
{
    struct weft_wait *first = weft_waitq_first(&group->takers);
    if (!first) {
        weft__list_append(&group->ended, &call->link);
        return;
    }
    *weft__container(first, struct taker, wait)->out = call;
    (void)weft_waitq_wake(&group->takers, 0);
}

/** The task of a call. */
static int run_call(void *arg)
{
    struct weft_call *call = arg;
    struct weft_group *group = call->group;
    call->result = call->fn(call->arg);
    weft_task_release(call->task);
    call->task = NULL;
    group->running--;
    deliver(group, call);
    if (group->running == 0) {
        (void)weft_waitq_wake_all(&group->takers, -WEFT_EDONE);
        (void)weft_waitq_wake_all(&group->waiters, 0);
    }
    return 0;
}

int weft_group_add_at(struct weft_group *group, struct weft_call *call, const char *site)
{
    struct weft_task *task = NULL;
    call->result = -ECANCELED;
    call->group = group;
    int rc = weft_spawn_fn_at(group->scope, &task, run_call, call, call->name ? call->name : "call",
                              site);
    if (rc < 0) {
        call->result = rc;
        return rc;
    }
    call->task = task;
    call->id = weft_task_id(task);
    group->running++;
    return 0;
}

static void describe_next(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_group *group = wait->object;
    snprintf(buf, size, "for the next of %zu calls to end", group->running);
}

static void describe_wait(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_group *group = wait->object;
    snprintf(buf, size, "for %zu calls to end", group->running);
}

int weft_group_next(struct weft_group *group, struct weft_call **call)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct weft_link *first = weft__list_take(&group->ended);
    if (first) {
        *call = weft__container(first, struct weft_call, link);
        return 0;
    }
    if (group->running == 0)
        return -WEFT_EDONE;
    struct taker taker = {.out = call};
    weft_wait_init(&taker.wait, describe_next, group);
    return (int)weft_waitq_park(&group->takers, &taker.wait);
}

int weft_group_take(struct weft_group *group, uint64_t id, struct weft_call **call)
{
    weft__list_each(link, &group->ended)
    {
        struct weft_call *ended = weft__container(link, struct weft_call, link);
        if (ended->id == id) {
            weft__list_remove(link);
            *call = ended;
            return 0;
        }
    }
    return -ENOENT;
}

int weft_group_wait(struct weft_group *group)
{
    int rc = weft_wait_begin();
    if (rc < 0 || group->running == 0)
        return rc;
    struct weft_wait wait;
    weft_wait_init(&wait, describe_wait, group);
    return (int)weft_waitq_park(&group->waiters, &wait);
}

size_t weft_group_running(const struct weft_group *group)
{
    return group->running;
}

int weft_as_completed_at(struct weft_group *group, struct weft_scope *scope,
                         struct weft_call *calls, size_t count, const char *site)
{
    weft_group_init(group, scope);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = weft_group_add_at(group, &calls[i], site);
    return rc;
}
