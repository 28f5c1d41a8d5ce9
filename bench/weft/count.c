/* SPDX-License-Identifier: MIT */
/*
 * Runs one path of the library exactly N times, for counting instructions.
 *
 *     count PATH N
 *
 * Nothing is measured here: bench/instructions.py runs the program under callgrind with two values
 * of N and divides the difference, so that what happens once (starting the loop, the first stacks)
 * falls out. Each path warms up by itself: slabs and rings that grow at first have grown long
 * before the smaller N. Timers stand among a thousand others, for their price depends on how many
 * there are; that which fires does so in the virtual time of the engine `sim`, where no wait of the
 * kernel can change the count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/queue.h>
#include <weft/sync.h>
#include <weft/weft.h>

/* Timers that stand while others come and go. */
enum { STANDING = 1000 };

/* ---- Switches. ---- */

static int yield_times(long count)
{
    int rc = 0;

    while (count-- > 0 && !rc)
        rc = weft_yield();
    return rc;
}
WEFT_TASK(yield_times, long);

/* A round trip: a switch there and one back. */
static int count_switch(long count)
{
    struct weft_scope scope;
    int rc;

    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = weft_go(&scope, yield_times, count);
    if (!rc)
        rc = yield_times(count);
    return weft_scope_exit(&scope, rc);
}

/* ---- Starting. ---- */

static int answer(void)
{
    return 42;
}
WEFT_TASK(answer);

static int spawn_and_join(struct weft_scope *scope)
{
    struct weft_task *task;
    int result, rc = weft_spawn(scope, &task, answer);

    return rc ? rc : weft_join(task, &result);
}

static int count_spawn_join(long count)
{
    struct weft_scope scope;
    int rc = 0;

    weft_scope_enter(&scope, WEFT_FOREVER);
    while (count-- > 0 && !rc)
        rc = spawn_and_join(&scope);
    return weft_scope_exit(&scope, rc);
}

/* A scope of its own with one task in it. */
static int count_scope_go(long count)
{
    int rc = 0;

    while (count-- > 0 && !rc) {
        struct weft_scope scope;

        weft_scope_enter(&scope, WEFT_FOREVER);
        weft_go(&scope, yield_times, 0);
        rc = weft_scope_exit(&scope, 0);
    }
    return rc;
}

/* ---- Queues. ---- */

/* A put and a get of one task, which never wait. */
static int count_queue_put_get(long count)
{
    struct weft_queue *queue;
    struct weft_queue_options ten_places = {.size = sizeof(ten_places), .capacity = 10};
    int rc = weft_queue_new(weft_loop_current(), &ten_places, &queue);

    if (rc)
        return rc;
    while (count-- > 0 && !rc) {
        void *item;

        rc = weft_queue_put(queue, &count);
        if (!rc)
            rc = weft_queue_get(queue, &item);
    }
    weft_queue_free(queue);
    return rc;
}

static int send_back(struct weft_queue *there, struct weft_queue *back)
{
    void *item;
    int rc;

    while (!(rc = weft_queue_get(there, &item)) && !(rc = weft_queue_put(back, item)))
        ;
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(send_back, struct weft_queue *, struct weft_queue *);

/* A message there and one back, over two queues of one place each: two waits on either side. */
static int exchange(struct weft_queue *there, struct weft_queue *back, long count)
{
    struct weft_scope scope;
    int rc;

    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = weft_go(&scope, send_back, there, back);
    while (count-- > 0 && !rc) {
        void *item;

        rc = weft_queue_put(there, &count);
        if (!rc)
            rc = weft_queue_get(back, &item);
    }
    weft_queue_close(there, WEFT_CLOSE_NOW);
    return weft_scope_exit(&scope, rc);
}

static int count_queue_exchange(long count)
{
    struct weft_queue_options one_place = {.size = sizeof(one_place), .capacity = 1};
    struct weft_queue *there = NULL, *back = NULL;
    int rc = weft_queue_new(weft_loop_current(), &one_place, &there);

    if (!rc)
        rc = weft_queue_new(weft_loop_current(), &one_place, &back);
    if (!rc)
        rc = exchange(there, back, count);
    weft_queue_free(there);
    weft_queue_free(back);
    return rc;
}

/* ---- Callbacks and timers. ---- */

/* What the callbacks share. */
struct calls {
    /* Calls still to come. */
    long left;
    /* Set by the last one. */
    struct weft_event done;
    /* Nanoseconds until the next one; 0: a callback of the next turn. */
    weft_ns delay;
};

static void call_again(void *arg)
{
    struct calls *calls = arg;
    struct weft_loop *loop = weft_loop_current();
    int rc = 0;

    if (calls->left-- <= 0)
        weft_event_set(&calls->done);
    else if (calls->delay)
        rc = weft_loop_call_later(loop, calls->delay, call_again, calls, NULL);
    else
        rc = weft_loop_call_soon(loop, call_again, calls, NULL);
    if (rc)
        abort();
}

static int run_calls(long count, weft_ns delay)
{
    struct calls calls = {.left = count, .delay = delay};

    weft_event_init(&calls.done);
    call_again(&calls);
    return weft_event_wait(&calls.done);
}

static int count_callback(long count)
{
    return run_calls(count, 0);
}

static void never(void *arg)
{
    (void)arg;
}

/* The n-th of a series of delays that are all different and in no order: 1,000 to 2,000 seconds. */
static weft_ns delay_of(long n)
{
    return 1000 * WEFT_SEC + (weft_ns)(n * 611953 % 1000000) * WEFT_MS;
}

/* Sets the standing timers; nobody cancels them, the loop drops them at its end. */
static int stand(void)
{
    int rc = 0;

    for (long i = 0; i < STANDING && !rc; i++)
        rc = weft_loop_call_later(weft_loop_current(), delay_of(i), never, NULL, NULL);
    return rc;
}

static int count_timer_arm_cancel(long count)
{
    int rc = stand();

    for (long i = 0; i < count && !rc; i++) {
        struct weft_handle *timer;

        rc = weft_loop_call_later(weft_loop_current(), delay_of(i), never, NULL, &timer);
        if (!rc)
            weft_handle_cancel(timer);
    }
    return rc;
}

/* One is set and fires, a turn of the loop each. */
static int count_timer_fire(long count)
{
    int rc = stand();

    return rc ? rc : run_calls(count, 1);
}

/* A deadline that is armed by a wait under it, and taken back when the wait is over. */
static int count_deadline(long count)
{
    struct weft_scope scope;
    int rc = stand();

    weft_scope_enter(&scope, WEFT_FOREVER);
    if (!rc)
        rc = weft_go(&scope, yield_times, count);
    while (count-- > 0 && !rc)
        rc = (int)weft_within(WEFT_SEC, weft_yield());
    return weft_scope_exit(&scope, rc);
}

/* ---- Which path, how often. ---- */

static const struct {
    /* The first argument of the program. */
    const char *name;
    /* Runs the path `count` times in a task. */
    int (*run)(long count);
} paths[] = {
    {"switch", count_switch},
    {"spawn_join", count_spawn_join},
    {"scope_go", count_scope_go},
    {"queue_put_get", count_queue_put_get},
    {"queue_exchange", count_queue_exchange},
    {"callback", count_callback},
    {"timer_arm_cancel", count_timer_arm_cancel},
    {"timer_fire", count_timer_fire},
    {"deadline", count_deadline},
};

static int program(void *arg)
{
    char **argv = arg;

    for (size_t i = 0; argv[1] && argv[2] && i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (!strcmp(paths[i].name, argv[1]))
            return paths[i].run(atol(argv[2]));
    }
    return weft_fail(-EINVAL, "usage: count PATH N");
}

int main(int argc, char **argv)
{
    (void)argc;
    return weft_main(program, argv);
}
