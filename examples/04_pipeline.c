/* SPDX-License-Identifier: MIT */
/*
 * 04_pipeline.c: a producer and two workers with a queue between
 *
 * The queue holds two items. A put waits while it is full, a get while it is empty, so nobody runs
 * away. Closing it with WEFT_CLOSE_DRAIN lets the workers take what is left and then tells each of
 * them to go home. No locks are needed: tasks of one loop switch only where they wait. If a worker
 * fails, the scope cancels the producer, and the other way round.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

static int work(struct weft_queue *jobs, const char *name)
{
    void *job;
    int rc;

    while ((rc = weft_queue_get(jobs, &job)) == 0) {
        rc = weft_sleep(1 * WEFT_SEC);
        if (rc < 0)
            return rc;
        printf("%s has done job %d\n", name, (int)(intptr_t)job);
    }
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(work, struct weft_queue *, const char *);

static int produce(struct weft_queue *jobs, int count)
{
    int rc = 0;

    for (int i = 1; i <= count && rc == 0; i++)
        rc = weft_queue_put(jobs, (void *)(intptr_t)i);
    weft_queue_close(jobs, WEFT_CLOSE_DRAIN);
    return rc;
}

static int program(void *unused)
{
    struct weft_queue_options options = {.capacity = 2, .name = "jobs"};
    struct weft_queue *jobs;
    struct weft_scope scope;
    int rc = weft_queue_new(weft_loop_current(), &options, &jobs);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, work, jobs, "first");
    weft_go(&scope, work, jobs, "second");
    rc = weft_scope_exit(&scope, produce(jobs, 5));
    weft_queue_free(jobs);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
