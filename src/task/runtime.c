/* SPDX-License-Identifier: MIT */
/*
 * runtime.c: what a loop gets when its first task is started
 *
 * The loop knows nothing of tasks. It has a place for a runtime and calls its hooks: to run a task,
 * to ask whether any is alive, to give memory back when idle, to end. A runtime is made at first
 * need, has the root scope, and goes with its loop: the root scope is cancelled and drained, then
 * everything is freed.
 *
 * All runtimes of the process are in one list, for a debugger that reads a core file and for the
 * count of what was left behind.
 */
#include "task/internal.h"

#include <string.h>

/* Runtimes of the process. */

struct weft_link weft__runtimes = {&weft__runtimes, &weft__runtimes};
/** Held while the list changes. */
static atomic_flag runtimes_locked = ATOMIC_FLAG_INIT;

static void lock_runtimes(void)
{
    while (atomic_flag_test_and_set(&runtimes_locked)) {
    }
}

static void enlist_runtime(struct weft__runtime *runtime)
{
    lock_runtimes();
    weft__list_append(&weft__runtimes, &runtime->link);
    atomic_flag_clear(&runtimes_locked);
}

static void delist_runtime(struct weft__runtime *runtime)
{
    lock_runtimes();
    weft__list_remove(&runtime->link);
    atomic_flag_clear(&runtimes_locked);
}

/* One loop's. */

static int runtime_free(struct weft_loop *loop);

static size_t runtime_alive(const struct weft_loop *loop)
{
    const struct weft__runtime *runtime = loop->runtime;
    return runtime->alive;
}

static void runtime_idle(struct weft_loop *loop)
{
    struct weft__runtime *runtime = loop->runtime;
    (void)weft__stack_trim(&runtime->stacks, 16);
}

static const struct weft__runtime_hooks hooks = {
    .run = weft__task_run,
    .free = runtime_free,
    .alive = runtime_alive,
    .idle = runtime_idle,
};

static bool runtime_open(struct weft__runtime *runtime, struct weft_loop *loop)
{
    runtime->loop = loop;
    weft__slab_init(&runtime->tasks, loop->sys, sizeof(struct weft_task), 0);
    weft__slab_init(&runtime->scopes, loop->sys, sizeof(struct weft__scope),
                    offsetof(struct weft__scope, parent));
    weft__stack_pool_init(&runtime->stacks, loop->sys, WEFT__GUARD_AUTO);
    weft__coro_adopt(&runtime->base, WEFT_KIND_PLAIN);
    weft__list_init(&runtime->detached);
    runtime->root = weft__scope_new(runtime, NULL, WEFT_FAIL_FAST, "root");
    if (!runtime->root)
        return false;
    runtime->root_token.record = runtime->root;
    runtime->root_token.generation = runtime->root->generation;
    return true;
}

struct weft__runtime *weft__runtime_get(struct weft_loop *loop)
{
    if (loop->runtime)
        return loop->runtime;
    if (weft__context_check() < 0) {
        weft__report("shadow stacks are forced on: build weft with -DWEFT_UCONTEXT=1");
        return NULL;
    }
    struct weft__runtime *runtime = loop->sys->realloc(loop->sys, NULL, sizeof *runtime);
    if (!runtime)
        return NULL;
    memset(runtime, 0, sizeof *runtime);
    if (!runtime_open(runtime, loop)) {
        loop->sys->realloc(loop->sys, runtime, 0);
        return NULL;
    }
    loop->runtime = runtime;
    loop->hooks = &hooks;
    enlist_runtime(runtime);
    return runtime;
}

/** Runs turns until the tasks of a cancelled root scope have ended. */
static int runtime_drain(struct weft__runtime *runtime)
{
    if (runtime->alive == 0)
        return 0;
    weft__scope_cancel(runtime->root, WEFT__CAUSE_CANCEL, 0);
    struct weft_loop *loop = runtime->loop;
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    bool hopeless = false;
    while (!hopeless && runtime->alive > 0) {
        uint64_t head = loop->ready.head;
        rc = weft__loop_go_on(loop);
        /* An engine that fails stops nobody who was cancelled; only one who waits for it alone. */
        hopeless = rc < 0 && loop->ready.head == head && weft__timers_first(loop) == WEFT_FOREVER;
    }
    weft__loop_end(loop);
    return hopeless ? rc : 0;
}

static int runtime_free(struct weft_loop *loop)
{
    struct weft__runtime *runtime = loop->runtime;
    const struct weft_sys *sys = loop->sys;
    if (weft__task_current || weft__loop_current)
        return weft__misuse(-EBUSY, "weft_loop_free inside a task or a running loop");
    bool forked = weft__loop_check_fork(loop) < 0;
    int rc = forked ? 0 : runtime_drain(runtime);
    if (rc < 0)
        return rc;
    /* In a forked child nothing of the parent's may run, the bodies of generators included. */
    if (!forked) {
        weft__generators_end_detached(&runtime->detached);
        weft__scope_let_go(runtime->root);
    }
    weft__scope_release(runtime->root);
    weft__failure_free(runtime, runtime->root->failure);
    delist_runtime(runtime);
    weft__stack_pool_fini(&runtime->stacks);
    weft__slab_fini(&runtime->scopes);
    weft__slab_fini(&runtime->tasks);
    weft__context_free(&runtime->base.ctx);
    loop->runtime = NULL;
    loop->hooks = NULL;
    sys->realloc(sys, runtime, 0);
    return 0;
}

struct weft_scope *weft_root(struct weft_loop *loop)
{
    struct weft__runtime *runtime;
    if (!loop)
        loop = weft__loop_current;
    runtime = loop ? weft__runtime_get(loop) : NULL;
    return runtime ? &runtime->root_token : NULL;
}
