/* SPDX-License-Identifier: MIT */
/*
 * sleep.c: sleeping
 *
 * The plainest wait there is, and so the one to read first: an operation, an abort, a description.
 *
 * A sleep is a timer and a wait, both on the sleeper's stack. Deadlines count from a fresh look at
 * the clock, so that a sleep is never early however long the turn has lasted. The timer only wakes;
 * a cancelled sleep takes its timer back at once, so that a server full of cancelled timeouts keeps
 * none of them. Yielding is in schedule.c, next to the switch.
 */
#include "task/internal.h"

#include <stdio.h>

/** A sleeping task. */
struct sleep {
    /** Wakes it. */
    struct weft__timer timer;
    /** The task's wait. */
    struct weft_wait wait;
};

static void sleep_due(void *arg)
{
    struct sleep *sleep = arg;
    (void)weft_wake(&sleep->wait, 0);
}

static enum weft_abort sleep_abort(struct weft_wait *wait)
{
    struct sleep *sleep = weft__container(wait, struct sleep, wait);
    weft__timer_clear(wait->task->runtime->loop, &sleep->timer);
    return WEFT_ABORT_DONE;
}

static void sleep_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    snprintf(buf, size, "to sleep %.6g s", (double)*(const weft_ns *)wait->object / 1e9);
}

static int sleep_until(struct weft_task *task, weft_ns deadline, weft_ns delay)
{
    struct sleep sleep;
    weft__timer_init(&sleep.timer, sleep_due, &sleep);
    weft_wait_init(&sleep.wait, sleep_describe, &delay);
    int rc = weft__timer_set(task->runtime->loop, &sleep.timer, deadline);
    return rc < 0 ? rc : (int)weft_park(&sleep.wait, sleep_abort);
}

int weft_sleep(weft_ns delay)
{
    if (delay <= 0)
        return weft_yield();
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct weft_task *task = weft__task_current;
    weft_ns now = weft__loop_clock(task->runtime->loop);
    return sleep_until(task, weft__deadline_after(now, delay), delay);
}

int weft_sleep_until(struct weft_time instant)
{
    struct weft_task *task = weft__task_current;
    if (!task)
        return weft_wait_begin();
    weft_ns now = weft__loop_clock(task->runtime->loop);
    if (instant.ns <= now)
        return weft_yield();
    int rc = weft_wait_begin();
    return rc < 0 ? rc : sleep_until(task, instant.ns, instant.ns - now);
}
