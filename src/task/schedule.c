/* SPDX-License-Identifier: MIT */
/*
 * schedule.c: who runs next
 *
 * A task that waits or ends looks at the ready ring itself: is the next entry a task, and is the batch
 * not used up, it switches straight to it; else it goes back to the loop's stack. Order and counting
 * stay those of the ring (loop/ready.h), the hand-over only saves a switch.
 *
 *      loop ──▶ A ──parks──▶ B ──ends──▶ C ──parks, batch used up──▶ loop
 *                            └─ its stack, still warm, starts C: no switch at all
 *
 * A task that starts gets its stack here, from a reservation made at its spawn. When a task ends and
 * the next one starts with the same size of stack, it takes over the stack in place, so that a burst of
 * short tasks runs on one hot stack.
 */
#include "task/internal.h"

_Thread_local struct weft_task *weft__task_current;

static void stack_entry(void *arg);

/** Gives a starting task a stack of its own. */
static void bind_stack(struct weft_task *task)
{
    struct weft__runtime *runtime = task->runtime;
    struct weft__stack *stack = weft__stack_take(&runtime->stacks, task->stack_class);
    weft__coro_bind(&task->coro, WEFT_KIND_TASK, stack, stack_entry, task);
}

/** Makes `task` the running one, before the switch to it. */
static void become(struct weft_task *task)
{
    struct weft__runtime *runtime = task->runtime;
    if (weft__unlikely(!task->coro.stack))
        bind_stack(task);
    weft__task_set_state(task, WEFT__TASK_RUNNING);
    if (weft__unlikely(runtime->loop->seed != 0))
        weft__loop_trace(runtime->loop, task->id);
    runtime->share = WEFT__SHARE;
    weft__task_current = task;
    weft__driver_current = &task->driver;
}

/** Makes the loop the running one, before the switch to it. */
static struct weft__coro *become_loop(struct weft__runtime *runtime)
{
    weft__task_current = NULL;
    weft__driver_current = runtime->outside;
    return &runtime->base;
}

static void switch_full(struct weft__coro *from, struct weft__coro *to)
{
    struct weft__full_state shared;
    weft__full_state_read(&shared);
    weft__context_switch_full(&from->ctx, &to->ctx, &shared);
}

/** Where to go from here: the next ready task, made the running one, or the loop. */
static struct weft__coro *next(struct weft__runtime *runtime)
{
    void *arg;
    if (!weft__ready_take(runtime->loop, weft__task_run, &arg))
        return become_loop(runtime);
    struct weft_task *task = arg;
    become(task);
    return task->driver.leaf;
}

void weft__task_run(void *arg)
{
    struct weft_task *task = arg;
    task->runtime->outside = weft__driver_current;
    become(task);
    weft__context_switch(&task->runtime->base.ctx, &task->driver.leaf->ctx);
}

void weft__task_switch_away(struct weft_task *task)
{
    struct weft__coro *from = task->driver.leaf;
    struct weft__coro *to = next(task->runtime);
    if (to == from)
        return;
    if (weft__unlikely(task->full_state))
        switch_full(from, to);
    else
        weft__context_switch(&from->ctx, &to->ctx);
}

void weft__task_make_ready(struct weft_task *task)
{
    weft__task_set_state(task, WEFT__TASK_READY);
    weft__ready_push(task->runtime->loop, weft__task_run, task);
}

void weft__task_yield(struct weft_task *task, bool turn)
{
    weft__task_make_ready(task);
    if (turn)
        task->runtime->loop->ready.budget = 0;
    weft__task_switch_away(task);
}

void weft__task_switch_to(struct weft_task *task, struct weft_task *child)
{
    struct weft__coro *from = task->driver.leaf;
    weft__task_make_ready(task);
    become(child);
    weft__context_switch(&from->ctx, &child->driver.leaf->ctx);
}

/** A starting task continues on the stack, and in the place, of one that has ended. */
static void inherit(struct weft_task *task, const struct weft__coro *ended)
{
    weft__stack_unreserve(&task->runtime->stacks, task->stack_class);
    task->coro = *ended;
    task->coro.stack->owner = &task->coro;
}

/**
 * After the end of a task: the next one if it can take over this stack, already made the running one;
 * otherwise does not return.
 */
static struct weft_task *take_over(struct weft__runtime *runtime, struct weft__coro *ended,
                                   unsigned char stack_class)
{
    void *arg;
    struct weft_task *task = NULL;
    if (weft__ready_take(runtime->loop, weft__task_run, &arg))
        task = arg;
    if (task && task->state == WEFT__TASK_STARTING && task->stack_class == stack_class) {
        inherit(task, ended);
        become(task);
        return task;
    }
    /* Nothing runs between here and the switch, so the stack may already be anybody's. */
    weft__coro_release(ended, &runtime->stacks);
    if (!task)
        weft__context_switch_final(&ended->ctx, &become_loop(runtime)->ctx);
    become(task);
    weft__context_switch_final(&ended->ctx, &task->driver.leaf->ctx);
}

/** The first frame of every task's stack: runs one task after the other until none can take over. */
static void stack_entry(void *arg)
{
    struct weft_task *task = arg;
    for (;;) {
        struct weft__runtime *runtime = task->runtime;
        unsigned char stack_class = task->stack_class;
        struct weft__coro ended;
        weft__task_finish(task, task->fn(task->args), &ended);
        task = take_over(runtime, &ended, stack_class);
    }
}
