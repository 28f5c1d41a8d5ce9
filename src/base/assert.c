/* SPDX-License-Identifier: MIT */
/*
 * assert.c: saying what went wrong on stderr
 *
 * One line, made in a buffer on the stack and written by one write(2), so that lines of several
 * processes do not mix and nothing is allocated. Misuse is the caller's error and aborts in debug
 * builds only; a broken invariant is ours and always aborts where it is checked. Nothing here
 * waits, takes a lock, or depends on a loop: it works in a program that is in any state.
 */
#include "base/assert.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weft/sys.h>

static void print_line(const char *prefix, const char *format, va_list args)
{
    char line[512];
    int used = snprintf(line, sizeof line, "weft: %s", prefix);
    int added = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    size_t len = strlen(line);
    (void)added;
    line[len++] = '\n';
    (void)weft_sys_default.write(&weft_sys_default, 2, line, len);
}

void weft__abort(void)
{
    (void)weft_sys_default.raise(&weft_sys_default, SIGABRT);
    __builtin_trap();
}

void weft__assert_failed(const char *text, const char *site)
{
    weft__report("%s: invariant broken: %s", site, text);
    weft__abort();
}

int weft__misuse(int code, const char *format, ...)
{
#if WEFT_DEBUG
    va_list args;
    va_start(args, format);
    print_line("misuse: ", format, args);
    va_end(args);
    weft__abort();
#else
    (void)format;
#endif
    return code;
}

void weft__report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("", format, args);
    va_end(args);
}
