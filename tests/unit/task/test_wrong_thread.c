/* SPDX-License-Identifier: MIT */
/*
 * test_wrong_thread.c: calls from a thread that does not run the loop
 *
 * Tasks, scopes, queues, futures and callbacks belong to one loop, and while it runs, to the thread
 * that runs it. Calling from another thread is misuse: debug builds abort with a sentence, release
 * builds return -EPERM and change nothing. What has no loop of its own (an event, a mutex) is found
 * in debug builds when it wakes a task. One test makes each such call; another makes the one that
 * any thread may make.
 */
#include "task_test.h"

#include <pthread.h>
#include <unistd.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

/** What the loop's own thread has made, for the other thread to misuse. */
static struct {
    /** The loop. */
    struct weft_loop *loop;
    /** A scope with one task. */
    struct weft_scope scope;
    /** The task, which waits for the event. */
    struct weft_task *task;
    /** What it waits for. */
    struct weft_event event;
    /** A queue with one item in it. */
    struct weft_queue *queue;
    /** A pending future. */
    struct weft_future *future;
    /** A callback that is not due. */
    struct weft_handle *handle;
    /** A pipe. */
    int fds[2];
    /** What the other thread does; gives what it got. */
    int (*act)(void);
    /** What it got. */
    int got;
} shared;

static int nothing(void)
{
    return 0;
}
WEFT_TASK(nothing);

static void call_nothing(void *arg)
{
    (void)arg;
}

static void call_future(struct weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

/* Calls on the loop. */

static int call_soon(void)
{
    return weft_loop_call_soon(shared.loop, call_nothing, NULL, NULL);
}

static int call_later(void)
{
    return weft_loop_call_later(shared.loop, WEFT_SEC, call_nothing, NULL, NULL);
}

static int add_reader(void)
{
    return weft_loop_add_reader(shared.loop, shared.fds[0], call_nothing, NULL);
}

static int remove_reader(void)
{
    return weft_loop_remove_reader(shared.loop, shared.fds[0]);
}

static int add_signal(void)
{
    return weft_loop_add_signal(shared.loop, SIGUSR1, call_nothing, NULL);
}

static int cancel_handle(void)
{
    weft_handle_cancel(shared.handle);
    return -EPERM;
}

/* Calls on tasks and scopes. */

static int start_child(void)
{
    return weft_go(&shared.scope, nothing);
}

static int cancel_scope(void)
{
    weft_scope_cancel(&shared.scope, -EIO);
    return weft_scope_cancelled(&shared.scope) ? 0 : -EPERM;
}

static int move_deadline(void)
{
    return weft_scope_set_deadline(&shared.scope, (struct weft_time){0});
}

static int cancel_task(void)
{
    weft_task_cancel(shared.task);
    return -EPERM;
}

/* Calls on queues and futures. */

static int put(void)
{
    return weft_queue_try_put(shared.queue, NULL);
}

static int get(void)
{
    void *item;
    return weft_queue_try_get(shared.queue, &item);
}

static int count_done(void)
{
    return weft_queue_done(shared.queue);
}

static int set_future(void)
{
    return weft_future_set(shared.future, 0, NULL);
}

static int add_callback(void)
{
    return weft_future_add_callback(shared.future, call_future, NULL);
}

/* Calls from a task of another loop. */

static int join_there(void *arg)
{
    (void)arg;
    return weft_join(shared.task, NULL);
}

static int put_there(void *arg)
{
    (void)arg;
    return weft_queue_put(shared.queue, NULL);
}

static int get_there(void *arg)
{
    void *item;
    (void)arg;
    return weft_queue_get(shared.queue, &item);
}

static int wait_for_future_there(void *arg)
{
    (void)arg;
    return weft_future_wait(shared.future, NULL, NULL);
}

static int join_from_a_task(void)
{
    return run_program(join_there);
}

static int put_from_a_task(void)
{
    return run_program(put_there);
}

static int get_from_a_task(void)
{
    return run_program(get_there);
}

static int wait_for_future_from_a_task(void)
{
    return run_program(wait_for_future_there);
}

/* What only debug builds find. */

#if WEFT_DEBUG
static int set_event(void)
{
    weft_event_set(&shared.event);
    return -EPERM;
}

static int stop(void)
{
    weft_loop_stop(shared.loop);
    return -EPERM;
}
#endif

static int (*const acts[])(void) = {
    call_soon,
    call_later,
    add_reader,
    remove_reader,
    add_signal,
    cancel_handle,
    start_child,
    cancel_scope,
    move_deadline,
    cancel_task,
    put,
    get,
    count_done,
    set_future,
    add_callback,
    join_from_a_task,
    put_from_a_task,
    get_from_a_task,
    wait_for_future_from_a_task,
#if WEFT_DEBUG
    set_event,
    stop,
#endif
};

/* The two threads. */

static int wait_for_event(void *arg)
{
    (void)arg;
    return weft_event_wait(&shared.event);
}

static void make_objects(void)
{
    struct weft_queue_options options = {.capacity = 2};
    shared.loop = weft_loop_current();
    weft_event_init(&shared.event);
    CHECK_EQ(weft_queue_new(shared.loop, &options, &shared.queue), 0);
    CHECK_EQ(weft_queue_try_put(shared.queue, NULL), 0);
    CHECK_EQ(weft_future_new(shared.loop, &shared.future), 0);
    CHECK_EQ(weft_loop_call_later(shared.loop, WEFT_HOUR, call_nothing, NULL, &shared.handle), 0);
    CHECK_EQ(weft_pipe(shared.fds), 0);
    CHECK_EQ(weft_spawn_fn(&shared.scope, &shared.task, wait_for_event, NULL), 0);
    settle();
}

/** Gives everything back, all of it as it was. */
static void free_objects(void)
{
    CHECK_EQ(weft_queue_count(shared.queue), 1);
    CHECK(!weft_future_done(shared.future));
    CHECK(!weft_task_ended(shared.task));
    CHECK_EQ(weft_scope_children(&shared.scope), 1);
    weft_event_set(&shared.event);
    CHECK_EQ(weft_close(shared.fds[0]), 0);
    CHECK_EQ(weft_close(shared.fds[1]), 0);
    weft_handle_cancel(shared.handle);
    weft_future_unref(shared.future);
    weft_queue_free(shared.queue);
}

static void *act_there(void *arg)
{
    shared.got = shared.act();
    return arg;
}

static void let_another_thread_act(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, act_there, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int hold_the_loop_meanwhile(void *arg)
{
    (void)arg;
    weft_scope_enter(&shared.scope, WEFT_FOREVER);
    make_objects();
    let_another_thread_act();
    free_objects();
    return weft_scope_exit(&shared.scope, 0);
}

static void misuse(void)
{
    CHECK_EQ(run_program(hold_the_loop_meanwhile), 0);
    CHECK_ERR(shared.got, -EPERM);
}

TEST_EACH_ENGINE(calls_from_a_thread_that_does_not_run_the_loop_are_misuse)
{
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        shared.act = acts[i];
#if WEFT_DEBUG
        test_fork_expect_signal(misuse, SIGABRT, "a thread that does not run its loop");
#else
        misuse();
#endif
    }
}

/* What any thread may do. */

static void set_event_in_loop(void *arg)
{
    (void)arg;
    weft_event_set(&shared.event);
}

static int post(void)
{
    return weft_loop_call_soon_threadsafe(shared.loop, set_event_in_loop, NULL);
}

static int be_posted_to(void *arg)
{
    shared.loop = weft_loop_current();
    weft_event_init(&shared.event);
    let_another_thread_act();
    return wait_for_event(arg);
}

TEST_EACH_ENGINE(posting_is_for_any_thread)
{
    shared.act = post;
    CHECK_EQ(run_program(be_posted_to), 0);
    CHECK_EQ(shared.got, 0);
}
