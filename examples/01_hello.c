/* SPDX-License-Identifier: MIT */
/*
 * 01_hello.c: two functions that wait, side by side
 *
 * A plain call waits for its callee, weft_go does not. The scope does not end before the two tasks
 * that were started into it have ended; it has a deadline, and so has everything inside. "hello"
 * comes after one second, "world" after two, and then the program ends. Each result is looked at:
 * a sleep that was cancelled says so, and the function leaves. This is the program of the README.
 */
#include <stdio.h>
#include <weft/weft.h>

static int say_after(weft_ns delay, const char *what)
{
    int rc = weft_sleep(delay); /* lets the other tasks run */
    return rc < 0 ? rc : puts(what);
}
WEFT_TASK(say_after, weft_ns, const char *); /* may be started as a task, arguments checked */

static int program(void *what)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, 5 * WEFT_SEC); /* a deadline for everything inside */
    weft_go(&scope, say_after, 2 * WEFT_SEC, what);
    weft_go(&scope, say_after, 1 * WEFT_SEC, "hello");
    return weft_scope_exit(&scope, 0); /* waits for both; the first failure, or 0 */
}

int main(void)
{
    return weft_main(program, "world");
}
