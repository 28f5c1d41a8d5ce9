/* SPDX-License-Identifier: MIT */
/*
 * step_1.c: a function that waits
 *
 * The first step of the tutorial; step_1.md is the text beside it. A program is a function that
 * weft_main runs as its first task. Whatever it calls may wait, and a plain call waits for what it
 * calls: the two lines below take one second and two seconds, three in all. Every waiting call
 * returns 0 or more, or a negative error, and -ECANCELED means: leave.
 */
#include <stdio.h>
#include <weft/weft.h>

static int say_after(weft_ns delay, const char *what)
{
    int rc = weft_sleep(delay);

    if (rc < 0)
        return rc;
    puts(what);
    return 0;
}

static int program(void *unused)
{
    weft_ns start = weft_clock();
    int rc = say_after(1 * WEFT_SEC, "hello");

    (void)unused;
    if (rc == 0)
        rc = say_after(2 * WEFT_SEC, "world");
    if (rc == 0)
        printf("%.0f s\n", (double)(weft_clock() - start) / 1e9);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
