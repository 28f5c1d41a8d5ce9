/* SPDX-License-Identifier: MIT */
/*
 * coverage.c: counts are written however a process ends (preset coverage alone)
 *
 * gcc's counters are written when a process calls exit(3). Tests end by _exit, and those of misuse,
 * of signals and of overflows by a signal. So test programs are linked with `--wrap` for the calls
 * that come before such an end; each writes what was counted up to there.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>

#ifdef WEFT_COVERAGE

void __gcov_dump(void);
void __gcov_reset(void);
void __real__exit(int status) __attribute__((noreturn));
void __real_abort(void) __attribute__((noreturn));
int __real_raise(int number);
int __real_sigaction(int number, const struct sigaction *action, struct sigaction *old);
void __wrap__exit(int status) __attribute__((noreturn));
void __wrap_abort(void) __attribute__((noreturn));
int __wrap_raise(int number);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);

/* Written counts are added to those in the files, so they start again at 0. */
static void write_counts(void)
{
    __gcov_dump();
    __gcov_reset();
}

void __wrap__exit(int status)
{
    write_counts();
    __real__exit(status);
}

void __wrap_abort(void)
{
    write_counts();
    __real_abort();
}

int __wrap_raise(int number)
{
    write_counts();
    return __real_raise(number);
}

/* A handler that takes itself back lets the signal end the process when it returns. */
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    if (action && action->sa_handler == SIG_DFL && number == SIGSEGV)
        write_counts();
    return __real_sigaction(number, action, old);
}

#endif
