/* SPDX-License-Identifier: MIT */
/*
 * check.c: assertions for tests
 *
 * A failed check writes one sentence to standard error and ends the process with `_exit`, so that
 * it works on a task's stack, in a callback and in a forked child alike: nothing is unwound, no
 * handler runs. Integers are compared as intmax_t; errors are printed by their names, because
 * "-125" tells a reader nothing. Nothing here knows the runner; exit status 1 means failed, 77
 * skipped.
 */
#define _GNU_SOURCE
#include "test.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_SKIPPED = 77,
};

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    dprintf(STDERR_FILENO, "%s:%d: ", file, line);
    va_start(args, format);
    vdprintf(STDERR_FILENO, format, args);
    va_end(args);
    dprintf(STDERR_FILENO, "\n");
    _exit(EXIT_FAILED);
}

/* The reason goes out on a line of its own, which the runner finds by its first word. */
void test_skip(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    dprintf(STDERR_FILENO, "\nSKIP ");
    va_start(args, format);
    vdprintf(STDERR_FILENO, format, args);
    va_end(args);
    dprintf(STDERR_FILENO, "\n");
    _exit(EXIT_SKIPPED);
}

void test_need_program(const char *name)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        size_t len = strcspn(path, ":");
        char candidate[4096];

        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)len, path, name);
        if (access(candidate, X_OK) == 0)
            return;
        path += len + (path[len] == ':');
    }
    test_skip("absent peer program: %s", name);
}

/* "-ECANCELED", "-9999", "3": what a result of our calls means. */
static const char *result_name(intmax_t result, char *buf, size_t size)
{
    const char *name = NULL;

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
    if (result < 0 && result > -4096)
        name = strerrorname_np((int)-result);
#endif
    if (name)
        snprintf(buf, size, "-%s (%jd)", name, result);
    else
        snprintf(buf, size, "%jd", result);
    return buf;
}

void test_check_eq(const char *file, int line, const char *left_text, const char *right_text,
                   intmax_t left, intmax_t right)
{
    if (left != right)
        test_fail(file, line, "CHECK_EQ(%s, %s): %jd is not %jd", left_text, right_text, left,
                  right);
}

void test_check_err(const char *file, int line, const char *result_text, const char *error_text,
                    intmax_t result, intmax_t error)
{
    char got[64], wanted[64];

    if (result != error)
        test_fail(file, line, "CHECK_ERR(%s, %s): %s is not %s", result_text, error_text,
                  result_name(result, got, sizeof got), result_name(error, wanted, sizeof wanted));
}

void test_check_ok(const char *file, int line, const char *result_text, intmax_t result)
{
    char got[64];

    if (result < 0)
        test_fail(file, line, "CHECK_OK(%s): it is %s", result_text,
                  result_name(result, got, sizeof got));
}

void test_check_str(const char *file, int line, const char *left_text, const char *right_text,
                    const char *left, const char *right)
{
    if (left == right || (left && right && strcmp(left, right) == 0))
        return;
    test_fail(file, line, "CHECK_STR(%s, %s): \"%s\" is not \"%s\"", left_text, right_text,
              left ? left : "(null)", right ? right : "(null)");
}

void test_check_contains(const char *file, int line, const char *text_text, const char *text,
                         const char *part)
{
    if (!text || !strstr(text, part))
        test_fail(file, line, "CHECK_CONTAINS(%s): \"%s\" is not in \"%s\"", text_text, part,
                  text ? text : "(null)");
}

void test_check_mem(const char *file, int line, const char *left_text, const char *right_text,
                    const void *left, const void *right, size_t len)
{
    const unsigned char *a = left, *b = right;

    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i])
            test_fail(file, line, "CHECK_MEM(%s, %s): byte %zu of %zu is 0x%02x, not 0x%02x",
                      left_text, right_text, i, len, a[i], b[i]);
    }
}

void test_check_signal(const char *file, int line, const char *function_text,
                       void (*function)(void), int signal, const char *sentence_part)
{
    struct test_outcome outcome;

    test_run_isolated(function, &outcome);
    if (outcome.signal != signal || outcome.result == TEST_HUNG)
        test_fail(file, line, "%s() ended with signal %d, status %d%s, not with signal %d:\n%s",
                  function_text, outcome.signal, outcome.status,
                  outcome.result == TEST_HUNG ? ", hung" : "", signal, outcome.output);
    if (!strstr(outcome.output, sentence_part))
        test_fail(file, line, "%s() did not say \"%s\" but:\n%s", function_text, sentence_part,
                  outcome.output);
}
