/* SPDX-License-Identifier: MIT */
/*
 * row_0b.c: "Build Your Own Async", the callback scheduler
 *
 * The tutorial's class is weft's loop: call_soon, call_later, first-in first-out among the ready,
 * equal deadlines in the order they were set, and a run that ends when nothing is left. Better
 * here: timers and descriptors are looked at in every turn; the tutorial's sleepers starve as long
 * as callbacks keep the ready queue filled. (With a delay of 0 on the command line the two differ.)
 *
 *     row_0b [delay in s]...
 */
#include "seed.h"

#define MOST 32

/** A late callback. */
struct late {
    /** Where it runs. */
    struct weft_loop *loop;
    /** When the program began. */
    struct weft_time start;
    /** Its place on the command line. */
    int number;
    /** In seconds. */
    long delay;
};

static void say(void *arg)
{
    puts(arg);
}

static void first(void *arg)
{
    static char text[] = "soon: called by the first";

    puts("soon: first");
    check(weft_loop_call_soon(arg, say, text, NULL));
}

static void come_late(void *arg)
{
    struct late *late = arg;
    weft_ns passed = weft_loop_now(late->loop).ns - late->start.ns;

    printf("%d s: late %d (after %ld s)\n", (int)(passed / WEFT_SEC), late->number, late->delay);
}

static int schedule(struct weft_loop *loop, struct late *lates, const struct arguments *arguments)
{
    static const long tutorial[] = {2, 1, 2, 3, 1};
    static char second[] = "soon: second";
    int count = arguments->count > 1 ? arguments->count - 1 : 5;
    int rc = weft_loop_call_soon(loop, first, loop, NULL);

    for (int i = 0; i < count && i < MOST && rc == 0; i++) {
        long delay = arguments->count > 1 ? argument_number(arguments, i + 1, 0) : tutorial[i];

        lates[i] = (struct late){loop, weft_loop_now_fresh(loop), i, delay};
        rc = weft_loop_call_later(loop, delay * WEFT_SEC, come_late, &lates[i], NULL);
    }
    return rc < 0 ? rc : weft_loop_call_soon(loop, say, second, NULL);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct late lates[MOST];
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return exit_status(rc);
    rc = schedule(loop, lates, &arguments);
    puts("nothing has run yet");
    if (rc == 0)
        rc = weft_loop_run(loop);
    puts("nothing is left");
    int free_rc = weft_loop_free(loop);
    return exit_status(rc < 0 ? rc : free_rc);
}
