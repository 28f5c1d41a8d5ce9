/* SPDX-License-Identifier: MIT */
/*
 * schedule.c: who runs next
 *
 * A task that waits or ends looks at the ready ring itself: is the next entry a task, and is the
 * batch not used up, it switches straight to it; else it goes back to the loop's stack. Order and
 * counting stay those of the ring (loop/ready.h), the hand-over only saves a switch.
 *
 *      loop ──▶ A ──parks──▶ B ──ends──▶ C ──parks, batch used up──▶ loop
 *                            └─ its stack, still warm, starts C: no switch at all
 *
 * A task that starts gets its stack here, from a reservation made at its spawn. When a task ends
 * and the next one starts with the same size of stack, it takes over the stack in place, so that a
 * burst of short tasks runs on one hot stack.
 *
 * A switch carries a value: what the call that suspended the other task returns. The result of a
 * wait travels that way, so that weft_yield and weft_park have nothing left to do when they come
 * back, and can leave by a jump instead of a call: each `ret` behind a switch would be
 * mispredicted, because the processor remembers the calls of the task that ran before (about 5 ns
 * each on a Zen 4).
 */
#include "task/internal.h"

WEFT__TLS struct weft_task *weft__task_current;

static void stack_entry(void *arg);

/** Where a switch goes, and what the switch that comes back there returns. */
struct target {
    /** The context. */
    struct weft__context *ctx;
    /** The result of the wait that ended, 0 for a yield. */
    ssize_t value;
};

/** Gives a starting task a stack of its own. */
__attribute__((noinline, cold)) static void bind_stack(struct weft_task *task)
{
    struct weft__runtime *runtime = task->runtime;
    struct weft__stack *stack = weft__stack_take(&runtime->stacks, task->stack_class);
    weft__coro_bind(&task->coro, WEFT_KIND_TASK, stack, stack_entry, task);
}

__attribute__((noinline, cold)) static void trace(const struct weft_task *task)
{
    weft__loop_trace(task->runtime->loop, task->id);
}

/** Makes `task` the running one, before the switch to it. */
static inline struct target become(struct weft_task *task)
{
    struct weft__runtime *runtime = task->runtime;
    if (weft__unlikely(!task->coro.stack))
        bind_stack(task);
    weft__task_set_state(task, WEFT__TASK_RUNNING);
    if (weft__unlikely(runtime->loop->seed != 0))
        trace(task);
    runtime->share = WEFT__SHARE;
#ifdef WEFT_MUTANT_cancellation_beats_completion
    if (task->refuse && task->wake_value >= 0)
        task->wake_value = -ECANCELED;
#endif
    weft__task_current = task;
    weft__driver_current = &task->driver;
    return (struct target){&task->driver.leaf->ctx, task->wake_value};
}

/** Makes the loop the running one, before the switch to it. */
static inline struct target become_loop(struct weft__runtime *runtime)
{
    weft__task_current = NULL;
    weft__driver_current = runtime->outside;
    return (struct target){&runtime->base.ctx, 0};
}

/** Where to go from here: the next ready task, made the running one, or the loop. */
static inline struct target next(struct weft__runtime *runtime)
{
    void *arg;
    if (!weft__ready_take(runtime->loop, weft__task_run, &arg))
        return become_loop(runtime);
    return become(arg);
}

static ssize_t switch_full(struct weft__runtime *runtime, struct weft__context *from,
                           struct target to)
{
    return weft__context_switch_full(from, to.ctx, &runtime->shared_state, to.value);
}

void weft__task_run(void *arg)
{
    struct weft_task *task = arg;
    task->runtime->outside = weft__driver_current;
    struct target to = become(task);
    weft__context_switch_with(&task->runtime->base.ctx, to.ctx, to.value);
}

/*
 * The last acts of a wait: nothing may follow the switch in these two functions, and in those that
 * end with them, so that the compiler leaves by a jump and the switch comes back to their caller
 * directly.
 */

ssize_t weft__task_switch_away(struct weft_task *task)
{
    struct weft__context *from = &task->driver.leaf->ctx;
    bool full = task->full_state;
    struct target to = next(task->runtime);
    if (weft__unlikely(to.ctx == from))
        return to.value;
    if (weft__unlikely(full))
        return switch_full(task->runtime, from, to);
    return weft__context_switch_with(from, to.ctx, to.value);
}

ssize_t weft__task_yield(struct weft_task *task, bool turn)
{
    weft__task_make_ready(task, 0);
    if (turn)
        weft__ready_end_batch(task->runtime->loop);
    return weft__task_switch_away(task);
}

/** A yield of a task that must look up first: it is refused, or a deadline must be armed. */
__attribute__((noinline, cold)) static int yield_slowly(void)
{
    int rc = weft_wait_begin();
    return rc < 0 ? rc : (int)weft__task_yield(weft__task_current, false);
}

/*
 * The common yield, to a task that has a stack, without a call: anything that calls would make the
 * compiler save and restore registers around it on this path, too.
 */
int weft_yield(void)
{
    struct weft_task *task = weft__task_current;
    if (weft__unlikely(!task || task->refuse || task->scope->unarmed || task->full_state))
        return yield_slowly();
    struct weft__runtime *runtime = task->runtime;
    struct weft_task *other = weft__ready_first(runtime->loop, weft__task_run);
    if (weft__unlikely(!other || !other->coro.stack))
        return yield_slowly();
    weft__task_make_ready(task, 0);
    runtime->loop->ready.head++;
    weft__task_set_state(other, WEFT__TASK_RUNNING);
    runtime->share = WEFT__SHARE;
    weft__task_current = other;
    weft__driver_current = &other->driver;
    return weft__context_switch_int(&task->driver.leaf->ctx, &other->driver.leaf->ctx,
                                    other->wake_value);
}

void weft__task_switch_to(struct weft_task *task, struct weft_task *child)
{
    struct weft__context *from = &task->driver.leaf->ctx;
    weft__task_make_ready(task, 0);
    bool full = task->full_state;
    struct target to = become(child);
    if (weft__unlikely(full))
        (void)switch_full(task->runtime, from, to);
    else
        (void)weft__context_switch_with(from, to.ctx, to.value);
}

/** A starting task continues on the stack, and in the place, of one that has ended. */
static void inherit(struct weft_task *task, const struct weft__coro *ended)
{
    weft__stack_unreserve(&task->runtime->stacks, task->stack_class);
    task->coro = *ended;
    task->coro.stack->owner = &task->coro;
}

/**
 * After the end of a task: the next one if it can take over this stack, already made the running
 * one; otherwise does not return.
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
        (void)become(task);
        return task;
    }
    /* Nothing runs between here and the switch, so the stack may already be anybody's. */
    weft__stack_put(&runtime->stacks, ended->stack);
    struct target to = task ? become(task) : become_loop(runtime);
    weft__context_switch_final_with(&ended->ctx, to.ctx, to.value);
}

/** Runs the task's function; one that asked for it has floating-point control words of its own. */
static int run_function(struct weft_task *task)
{
    if (weft__likely(!task->full_state))
        return task->fn(task->args);
    weft__full_state_read(&task->runtime->shared_state);
    int result = task->fn(task->args);
    weft__full_state_load(&task->runtime->shared_state);
    return result;
}

/** The first frame of every task's stack: runs one task after the other until none can take over.
 */
static void stack_entry(void *arg)
{
    struct weft_task *task = arg;
    for (;;) {
        struct weft__runtime *runtime = task->runtime;
        unsigned char stack_class = task->stack_class;
        struct weft__coro ended;
        weft__task_finish(task, run_function(task), &ended);
        task = take_over(runtime, &ended, stack_class);
    }
}
