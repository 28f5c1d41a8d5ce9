/* SPDX-License-Identifier: MIT */
/*
 * row_3f.c: "An introduction to Asyncio", a future with a callback
 *
 * One side waits for an answer without a task: it leaves a callback on the future. The callback
 * runs from the loop, never inside the call that sets the result, so neither side is surprised by
 * the other in the middle of its work. Tasks may wait for the same future with weft_future_wait,
 * any number of them.
 *
 *     row_3f [question [greeting [answer]]]
 */
#include "seed.h"

static void nice_to_meet_you(struct weft_future *future, void *arg)
{
    (void)future;
    printf("%s\n", argument_text(arg, 3, "Nice to meet you."));
}

static int pippo(struct weft_future *when_pluto_is_done, struct arguments *arguments)
{
    puts(argument_text(arguments, 1, "Hi, who are you?"));
    return weft_future_add_callback(when_pluto_is_done, nice_to_meet_you, arguments);
}

static int pluto(struct weft_future *when_pippo_is_done, const struct arguments *arguments)
{
    puts(argument_text(arguments, 2, "Hi, I am Pluto"));
    return weft_future_set(when_pippo_is_done, 0, NULL);
}

static int meet(struct weft_loop *loop, struct arguments *arguments)
{
    struct weft_future *future;
    int rc = weft_future_new(loop, &future);

    if (rc < 0)
        return rc;
    rc = pippo(future, arguments);
    rc = rc < 0 ? rc : pluto(future, arguments);
    rc = rc < 0 ? rc : weft_loop_run(loop); /* until nothing is left: the callback too */
    weft_future_unref(future);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return exit_status(rc);
    rc = meet(loop, &arguments);
    int free_rc = weft_loop_free(loop);
    return exit_status(rc < 0 ? rc : free_rc);
}
