/* SPDX-License-Identifier: MIT */
/*
 * consumer.c: what a program in C asks of an installed weft
 *
 * Two tasks and a queue: one puts numbers and sleeps between them, the other adds them up. The
 * program prints the version it was compiled with and ends with 0 only when the sum is right. It is
 * compiled by test_install.py, never by our own build.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

#define COUNT 10

static int produce(struct weft_queue *queue)
{
    int rc = 0;

    for (intptr_t i = 1; i <= COUNT && rc == 0; i++) {
        rc = weft_sleep(WEFT_MS);
        if (rc == 0)
            rc = weft_queue_put(queue, (void *)i);
    }
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    return rc;
}
WEFT_TASK(produce, struct weft_queue *);

static int consume(struct weft_queue *queue, intptr_t *sum)
{
    void *item;
    int rc;

    while ((rc = weft_queue_get(queue, &item)) == 0)
        *sum += (intptr_t)item;
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(consume, struct weft_queue *, intptr_t *);

static int program(void *arg)
{
    struct weft_queue_options options = {.capacity = 2};
    struct weft_queue *queue;
    struct weft_scope scope;
    int rc = weft_queue_new(weft_loop_current(), &options, &queue);

    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, 30 * WEFT_SEC);
    weft_go(&scope, produce, queue);
    weft_go(&scope, consume, queue, (intptr_t *)arg);
    rc = weft_scope_exit(&scope, 0);
    weft_queue_free(queue);
    return rc;
}

int main(void)
{
    intptr_t sum = 0;
    int rc = weft_main(program, &sum);

    printf("weft %d.%d.%d: %d\n", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR, WEFT_VERSION_PATCH,
           (int)sum);
    return rc != 0 || sum != COUNT * (COUNT + 1) / 2;
}
