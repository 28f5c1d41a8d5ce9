/* SPDX-License-Identifier: MIT */
/*
 * 07_overflow.c: a task that calls itself for ever
 *
 * Below each stack lies a guard page. The task that runs into it is named, with the line that
 * spawned it and the size of its stack, and then the program dies as it would have without weft: by
 * SIGSEGV. Whoever had a handler for that signal before still gets it. This program is meant to
 * crash, and a test watches it do so.
 */
#include <stdio.h>
#include <weft/weft.h>

static int descend(volatile int *depth)
{
    volatile char room[1000];

    room[0] = (char)++*depth;
    return *depth < 0 ? room[0] : descend(depth) + room[0];
}
typedef volatile int *depth_ref;
WEFT_TASK(descend, depth_ref);

static int program(void *unused)
{
    struct weft_scope scope;
    volatile int depth = 0;

    (void)unused;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, descend, &depth);
    return weft_scope_exit(&scope, 0);
}

int main(void)
{
    return weft_main(program, NULL);
}
