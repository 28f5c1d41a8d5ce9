/* SPDX-License-Identifier: MIT */
/*
 * loops.c: one program on several loops
 *
 * Each loop is a weft_run of its own on its own thread; the first one has the calling thread, and
 * with it the signals. What they share is one table of who runs, behind a lock: a loop stands in it
 * while its program runs, and only then may be posted to. The first failure posts a cancellation to
 * all that stand there, and those who come later find that it was called off.
 *
 * The others are started by the first one when it runs, and so has its handlers of signals: whoever
 * was served by any of them can end them all with SIGTERM.
 *
 * The first loop is also watched for a cancellation from outside: a task in its root scope that
 * sleeps for ever and is refused when that scope is cancelled.
 */
#include "thread/internal.h"

#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>
#include <weft/run.h>
#include <weft/scope.h>
#include <weft/thread.h>

/** One of the loops. */
struct one_loop {
    /** All of them. */
    struct all_loops *all;
    /** Which this is. */
    unsigned index;
    /** Its thread; unused for the first. */
    uintptr_t thread;
    /** The loop while its program runs, else NULL; under the lock. */
    struct weft_loop *loop;
    /** The cancellation on its way. */
    struct weft__post cancel;
    /** What its run came to. */
    int rc;
};

/** All loops of a call. */
struct all_loops {
    /** The program. */
    weft_loops_fn *program;
    /** Its argument. */
    void *arg;
    /** How to run. */
    struct weft_run_options options;
    /** Guards what follows, and who stands in the table. */
    pthread_mutex_t lock;
    /** The first failure. */
    int failure;
    /** All are to end. */
    bool called_off;
    /** How many there are. */
    unsigned count;
    /** How many of them have a thread, the first one's counted. */
    unsigned started;
    /** How threads are made. */
    const struct weft_sys *sys;
    /** They. */
    struct one_loop loops[];
};

/** Cancels the root scope of the loop that it came to. */
static int take_cancel(struct weft__post *post)
{
    (void)post;
    weft_scope_cancel(weft_root(NULL), 0);
    return 0;
}

/** The loop has ended without it. */
static void drop_cancel(struct weft__post *post)
{
    (void)post;
}

/** Cancels all that run, but `except`, and all that are yet to come. */
static void call_off(struct all_loops *all, const struct one_loop *except)
{
    pthread_mutex_lock(&all->lock);
    if (!all->called_off)
        for (unsigned i = 0; i < all->count; i++)
            if (all->loops[i].loop && &all->loops[i] != except)
                weft__loop_post(all->loops[i].loop, &all->loops[i].cancel);
    all->called_off = true;
    pthread_mutex_unlock(&all->lock);
}

/** Enters the loop into the table, or takes it out (NULL); whether all was called off. */
static bool set_loop(struct one_loop *one, struct weft_loop *loop)
{
    struct all_loops *all = one->all;
    pthread_mutex_lock(&all->lock);
    one->loop = loop;
    bool called_off = all->called_off;
    pthread_mutex_unlock(&all->lock);
    return called_off;
}

/** Is refused when the root scope is cancelled; its program's end does that, too. */
static int watch_root(void *arg)
{
    struct one_loop *one = arg;
    (void)!weft_sleep(WEFT_FOREVER);
    pthread_mutex_lock(&one->all->lock);
    bool runs = one->loop != NULL;
    pthread_mutex_unlock(&one->all->lock);
    if (runs)
        call_off(one->all, one);
    return 0;
}

/** Notes what a run came to. To have been cancelled with the others is no failure. */
static void note_end(struct one_loop *one, int rc)
{
    struct all_loops *all = one->all;
    one->rc = rc;
    pthread_mutex_lock(&all->lock);
    bool failed = rc < 0 && !(rc == -ECANCELED && all->called_off);
    if (failed && all->failure == 0)
        all->failure = rc;
    pthread_mutex_unlock(&all->lock);
    if (failed)
        call_off(all, NULL);
}

static void *run_thread(void *arg);

/** Starts threads for all but the first: 0, or why one could not be made. */
static int start_threads(struct all_loops *all)
{
    const struct weft_sys *sys = all->sys;
    for (; all->started < all->count; all->started++) {
        struct one_loop *one = &all->loops[all->started];
        int rc = sys->thread_create(sys, 0, run_thread, one, &one->thread);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_program(void *arg)
{
    struct one_loop *one = arg;
    int rc = 0;
    if (set_loop(one, weft_loop_current()))
        weft_scope_cancel(weft_root(NULL), 0);
    if (one->index == 0)
        rc = weft_go_fn(weft_root(NULL), watch_root, one);
    if (rc == 0 && one->index == 0)
        rc = start_threads(one->all);
    if (rc == 0)
        rc = one->all->program(one->index, one->all->arg);
    /* A program that leaves at once may be back before the watcher has run. */
    if (one->index == 0 && weft_scope_cancelled(weft_root(NULL)))
        call_off(one->all, one);
    (void)set_loop(one, NULL);
    return rc;
}

static void run_one(struct one_loop *one)
{
    struct weft_run_options options = one->all->options;
    if (one->index > 0)
        options.flags |= WEFT_RUN_BARE;
    note_end(one, weft_run_with(&options, run_program, one));
}

static void *run_thread(void *arg)
{
    run_one(arg);
    return NULL;
}

static struct all_loops *all_new(const struct weft_sys *sys, unsigned count)
{
    size_t size = sizeof(struct all_loops) + count * sizeof(struct one_loop);
    struct all_loops *all = sys->realloc(sys, NULL, size);
    if (!all)
        return NULL;
    memset(all, 0, size);
    (void)pthread_mutex_init(&all->lock, NULL);
    all->sys = sys;
    all->count = count;
    all->started = 1;
    for (unsigned i = 0; i < count; i++) {
        all->loops[i].all = all;
        all->loops[i].index = i;
        all->loops[i].cancel.run = take_cancel;
        all->loops[i].cancel.drop = drop_cancel;
    }
    return all;
}

int weft_run_loops(unsigned count, const struct weft_run_options *asked, weft_loops_fn *program,
                   void *arg)
{
    struct weft_run_options options;
    weft__options_read(&options, sizeof options, asked);
    const struct weft_sys *sys = options.loop.sys ? options.loop.sys : &weft_sys_default;
    if (count == 0)
        return -EINVAL;
    if (weft_current() || weft_loop_current())
        return weft_current() ? -EDEADLK : -EBUSY;
    struct all_loops *all = all_new(sys, count);
    if (!all)
        return -ENOMEM;
    all->options = options;
    all->program = program;
    all->arg = arg;
    run_one(&all->loops[0]);
    for (unsigned i = 1; i < all->started; i++)
        (void)sys->thread_join(sys, all->loops[i].thread);
    int rc = all->failure < 0 ? all->failure : all->loops[0].rc;
    (void)pthread_mutex_destroy(&all->lock);
    (void)sys->realloc(sys, all, 0);
    return rc;
}
