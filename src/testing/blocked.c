/* SPDX-License-Identifier: MIT */
/*
 * blocked.c: waiting until nobody can go on
 *
 * The loop knows best when that is: right before its engine would wait. So a task that wants to
 * know stands in the loop's list of those, and the loop tells it instead of waiting (loop.c,
 * look_while_quiet). Timers do not count, because a sleeper is blocked; on a virtual clock this
 * comes before the clock jumps, which is what makes it useful: a test sees the state that holds now
 * and can still decide what happens next.
 */
#include "task/internal.h"
#include "testing/internal.h"

#include <stdio.h>

/** A task that waits until all others are blocked. */
struct blocked_wait {
    /** Its place in the loop's list. */
    struct weft__quiet quiet;
    /** The task's wait. */
    struct weft_wait wait;
};

static void all_blocked(struct weft__quiet *quiet)
{
    (void)weft_wake(&weft__container(quiet, struct blocked_wait, quiet)->wait, 0);
}

static enum weft_abort blocked_abort(struct weft_wait *wait)
{
    weft__list_remove(&weft__container(wait, struct blocked_wait, wait)->quiet.link);
    return WEFT_ABORT_DONE;
}

static void blocked_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "until all are blocked");
}

int weft_testing_wait_all_blocked(weft_ns cushion)
{
    struct blocked_wait blocked = {
        .quiet = {.cushion = cushion < 0 ? 0 : cushion, .fn = all_blocked},
    };
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft__quiet_add(weft_loop_current(), &blocked.quiet);
    weft_wait_init(&blocked.wait, blocked_describe, NULL);
    return (int)weft_park(&blocked.wait, blocked_abort);
}

/* Wait points. */

/** What a task has done is read off two counts that the scheduler keeps anyway: its share of the
 *  turn shrinks with each look for cancellation, and starts anew when it has let others run. */
static struct weft_testing_look look_now(void)
{
    const struct weft_task *task = weft__task_current;
    if (!task)
        return (struct weft_testing_look){NULL, 0, 0};
    const struct weft__runtime *runtime = task->runtime;
    return (struct weft_testing_look){task, runtime->loop->ready.head, runtime->share};
}

void weft_testing_look_begin(struct weft_testing_look *look)
{
    *look = look_now();
}

int weft_testing_looked(const struct weft_testing_look *look)
{
    struct weft_testing_look now = look_now();
    return now.runs != look->runs || now.share != look->share;
}
