/* SPDX-License-Identifier: MIT */
/*
 * step_6.c: queues
 *
 * A task for each request is simple, but under load it promises more than it can keep. Here two
 * workers share a queue that holds three requests. The front asks whether there is room and says
 * "busy" at once where there is none, so nobody waits for an answer that would come too late. At
 * the end the queue is closed for draining: what was accepted is still done, then the workers go.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

static int work(struct weft_queue *requests, int worker)
{
    void *request;
    int rc;

    while ((rc = weft_queue_get(requests, &request)) == 0) {
        rc = weft_sleep(1 * WEFT_SEC);
        if (rc < 0)
            return rc;
        printf("worker %d has done request %d\n", worker, (int)(intptr_t)request);
    }
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(work, struct weft_queue *, int);

/** A request every 300 ms; each is taken or turned away at once. */
static int take_requests(struct weft_queue *requests, int count)
{
    int rc = 0;

    for (intptr_t request = 1; request <= count && rc == 0; request++) {
        rc = weft_queue_try_put(requests, (void *)request);
        if (rc == -EAGAIN)
            printf("request %d: busy\n", (int)request);
        if (rc == 0 || rc == -EAGAIN)
            rc = weft_sleep(300 * WEFT_MS);
    }
    weft_queue_close(requests, WEFT_CLOSE_DRAIN);
    return rc;
}

static int program(void *unused)
{
    struct weft_queue_options options = {.capacity = 3, .name = "requests"};
    struct weft_queue *requests;
    struct weft_scope scope;
    int rc = weft_queue_new(weft_loop_current(), &options, &requests);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, work, requests, 1);
    weft_go(&scope, work, requests, 2);
    rc = weft_scope_exit(&scope, take_requests(requests, 12));
    weft_queue_free(requests);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
