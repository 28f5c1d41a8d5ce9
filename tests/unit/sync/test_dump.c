/* SPDX-License-Identifier: MIT */
/*
 * test_dump.c: what a dump says of tasks that wait in sync
 *
 * Each task's line says in words what it waits for. One task waits on each primitive, on futures
 * and on tasks; the dump goes through a real pipe, on the simulated engine, too.
 */
#include "sync_test.h"

#include <stdio.h>
#include <unistd.h>

/** One object of each kind, in a state in which it is waited for. */
static struct {
    /** Not set. */
    struct weft_event event;
    /** Locked by the test's own task. */
    struct weft_mutex mutex;
    /** Free, but for who waits for the condition. */
    struct weft_mutex free_mutex;
    /** Not notified. */
    struct weft_condition condition;
    /** Without units. */
    struct weft_semaphore semaphore;
    /** Of three parties. */
    struct weft_barrier barrier;
    /** Empty, with an item that is not done. */
    struct weft_queue *empty;
    /** Full, and without a name. */
    struct weft_queue *full;
    /** With a call that does not end. */
    struct weft_group group;
} all;

static int wait_for_event(void *arg)
{
    (void)arg;
    return weft_event_wait(&all.event);
}

static int wait_for_mutex(void *arg)
{
    (void)arg;
    return weft_mutex_lock(&all.mutex);
}

static int wait_for_condition(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_mutex_lock(&all.free_mutex), 0);
    int rc = weft_condition_wait(&all.condition, &all.free_mutex);
    CHECK_EQ(weft_mutex_unlock(&all.free_mutex), 0);
    return rc;
}

static int wait_for_semaphore(void *arg)
{
    (void)arg;
    return weft_semaphore_acquire(&all.semaphore);
}

static int wait_at_barrier(void *arg)
{
    int rc = weft_barrier_wait(&all.barrier);

    (void)arg;
    return rc < 0 ? rc : 0;
}

static int wait_to_get(void *arg)
{
    void *got;

    (void)arg;
    return weft_queue_get(all.empty, &got);
}

static int wait_to_put(void *arg)
{
    (void)arg;
    return weft_queue_put(all.full, NULL);
}

static int wait_to_join(void *arg)
{
    (void)arg;
    return weft_queue_join(all.empty);
}

static int wait_for_group(void *arg)
{
    (void)arg;
    return weft_group_wait(&all.group);
}

static int wait_for_next(void *arg)
{
    struct weft_call *call;

    (void)arg;
    return weft_group_next(&all.group, &call);
}

static void make_objects(void)
{
    struct weft_queue_options options = {.capacity = 1, .name = "jobs"};
    void *got;

    weft_event_init(&all.event);
    weft_mutex_init(&all.mutex);
    weft_mutex_init(&all.free_mutex);
    weft_condition_init(&all.condition);
    weft_semaphore_init(&all.semaphore, 0);
    weft_barrier_init(&all.barrier, 3);
    CHECK_EQ(weft_mutex_lock(&all.mutex), 0);
    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &all.empty), 0);
    CHECK_EQ(weft_queue_put(all.empty, NULL), 0);
    CHECK_EQ(weft_queue_get(all.empty, &got), 0);
    /* As a program would give it that knows no names. */
    options.size = offsetof(struct weft_queue_options, name);
    CHECK_EQ(weft_queue_new(weft_loop_current(), &options, &all.full), 0);
    CHECK_EQ(weft_queue_put(all.full, NULL), 0);
}

/** The dump of the running loop, as text. */
static const char *dump(void)
{
    static char text[8192];
    int fds[2];
    size_t len = 0;
    ssize_t n;

    CHECK_EQ(pipe(fds), 0);
    weft_dump(weft_loop_current(), fds[1]);
    CHECK_EQ(close(fds[1]), 0);
    while ((n = read(fds[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    CHECK_EQ(close(fds[0]), 0);
    return text;
}

SYNC_TEST(each_waiting_task_says_what_it_waits_for)
{
    static int (*const fns[])(void *) = {
        wait_for_event, wait_for_mutex, wait_for_condition, wait_for_semaphore, wait_at_barrier,
        wait_to_get,    wait_to_put,    wait_to_join,       wait_for_group,     wait_for_next};
    static const char *const words[] = {"for an event to be set",
                                        "to lock a mutex that task 1 holds",
                                        "for a condition to be notified",
                                        "for a unit of a semaphore",
                                        "at a barrier, where 1 of 3 have come",
                                        "to get from queue jobs",
                                        "to put into a queue ",
                                        "for all items to be done of queue jobs",
                                        "for 1 calls to end",
                                        "for the next of 1 calls to end"};
    struct weft_call call = {.fn = wait_for_event};
    struct weft_scope scope;

    make_objects();
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_as_completed(&all.group, &scope, &call, 1), 0);
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        CHECK_EQ(weft_go_fn(&scope, fns[i], NULL), 0);
    settle();
    const char *text = dump();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CHECK_CONTAINS(text, words[i]);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_queue_free(all.empty);
    weft_queue_free(all.full);
}

/** Nobody sets it. */
static struct weft_future *unset;
/** Waits for it. */
static struct weft_task *endless;

static int wait_for_future(void *arg)
{
    (void)arg;
    return weft_future_wait(unset, NULL, NULL);
}
WEFT_TASK(wait_for_future, void *);

static int wait_for_several(void *arg)
{
    int rc = weft_wait_futures(&unset, 1, WEFT_ALL_COMPLETED, WEFT_FOREVER);

    (void)arg;
    return rc < 0 ? rc : 0;
}

static int wait_for_the_endless(void *arg)
{
    (void)arg;
    return weft_join(endless, NULL);
}

static int wait_for_a_child_to_be_ready(void *arg)
{
    struct weft_scope scope;

    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    return weft_scope_exit(&scope, weft_go_ready(&scope, wait_for_future, NULL));
}

SYNC_TEST(who_waits_for_futures_or_tasks_says_for_which)
{
    static int (*const fns[])(void *) = {wait_for_several, wait_for_the_endless,
                                         wait_for_a_child_to_be_ready};
    static const char *const words[] = {"for a future", "for the end of several, 0 of 1 have ended",
                                        " endless", "for task wait_for_future to be ready"};
    struct weft_scope scope;
    char join[40];

    CHECK_EQ(weft_future_new(weft_loop_current(), &unset), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_fn(&scope, &endless, wait_for_future, NULL), 0);
    weft_task_set_name(endless, "endless");
    snprintf(join, sizeof join, "to join task %llu endless",
             (unsigned long long)weft_task_id(endless));
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        CHECK_EQ(weft_go_fn(&scope, fns[i], NULL), 0);
    settle();
    const char *text = dump();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CHECK_CONTAINS(text, words[i]);
    CHECK_CONTAINS(text, join);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_future_unref(unset);
}

SYNC_TEST(who_was_notified_waits_for_the_mutex)
{
    struct weft_scope scope;

    weft_condition_init(&all.condition);
    weft_mutex_init(&all.free_mutex);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, wait_for_condition, NULL), 0);
    settle();
    CHECK_EQ(weft_mutex_lock(&all.free_mutex), 0);
    weft_condition_notify(&all.condition);
    CHECK_CONTAINS(dump(), "to lock a mutex that task 1 holds");
    CHECK_EQ(weft_mutex_unlock(&all.free_mutex), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}
