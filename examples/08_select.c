/* SPDX-License-Identifier: MIT */
/*
 * 08_select.c: the first of several things
 *
 * Exactly one case happens, the others are withdrawn as if they had never been tried. Here a
 * counter takes numbers from a queue until it is told to stop, and remarks every second without a
 * number. Only what can be withdrawn without loss can be a case: for a socket that is its being
 * readable, not a read. When several cases could happen at once, one is chosen at random, so that
 * none of them starves.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

static int count(struct weft_queue *numbers, struct weft_event *stop)
{
    intptr_t sum = 0;

    for (;;) {
        void *number;
        struct weft_case cases[] = {weft_case_get(numbers, &number), weft_case_event(stop),
                                    weft_case_at(weft_after(1 * WEFT_SEC))};

        switch (weft_select(cases, 3)) {
        case 0:
            sum += (intptr_t)number;
            break;
        case 1:
            return printf("stopped at %d\n", (int)sum);
        case 2:
            puts("quiet here");
            break;
        default:
            return -ECANCELED;
        }
    }
}
WEFT_TASK(count, struct weft_queue *, struct weft_event *);

static int program(void *unused)
{
    struct weft_queue_options options = {.capacity = 0}; /* each put meets a get */
    struct weft_event stop = WEFT_EVENT_INIT(stop);
    struct weft_queue *numbers;
    struct weft_scope scope;
    int rc = weft_queue_new(weft_loop_current(), &options, &numbers);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, count, numbers, &stop);
    for (intptr_t i = 1; i <= 4 && rc == 0; i++)
        rc = weft_queue_put(numbers, (void *)i);
    rc = rc < 0 ? rc : weft_sleep(1500 * WEFT_MS);
    weft_event_set(&stop);
    rc = weft_scope_exit(&scope, rc);
    weft_queue_free(numbers);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
