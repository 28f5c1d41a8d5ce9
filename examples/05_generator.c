/* SPDX-License-Identifier: MIT */
/*
 * 05_generator.c: a function that gives one value after the other
 *
 * The body of a generator runs on its own stack and rests at each yield until the next value is
 * wanted, so loops stay loops on both sides. This one waits between two values, and the task that
 * drives it waits with it. weft_gen_close makes the pending yield return -WEFT_ECLOSED: the body
 * cleans up and leaves.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

static int squares(struct weft_gen *gen, void *unused)
{
    int rc = 0;

    (void)unused;
    for (intptr_t n = 1; rc == 0; n++) {
        rc = weft_sleep(10 * WEFT_MS);
        if (rc == 0)
            rc = weft_gen_yield(gen, (void *)(n * n), NULL);
    }
    printf("closed: %s\n", weft_strerrorname(rc));
    return rc;
}

static int program(void *unused)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(squares, NULL, &gen);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_gen_each(gen, value)
    {
        printf("%d\n", (int)(intptr_t)value);
        if ((intptr_t)value > 20)
            break;
    }
    return weft_gen_close(gen);
}

int main(void)
{
    return weft_main(program, NULL);
}
