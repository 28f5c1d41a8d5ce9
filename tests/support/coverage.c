/* SPDX-License-Identifier: MIT */
/*
 * coverage.c: counts are written however a process ends (preset coverage alone)
 *
 * gcc's counters are written when a process calls exit(3). Tests end by _exit, and those of misuse,
 * of signals and of overflows by a signal. So test programs are linked with `--wrap` for the calls
 * that come before such an end; each writes what was counted up to there.
 *
 * The table that injects faults tells us of each. Who called it is found by frame pointers, which
 * this build has, and noted in build/coverage/faults once for each process, as the last return
 * addresses, innermost first; tools/coverage.py makes places in the source of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* --- Faults ---------------------------------------------------------------------------------- */

enum { DEPTH = 7, PLACES = 1024 };

extern const char __executable_start[];
void weft__coverage_injected(void);

/** The places seen, as hashes of their addresses. */
static _Atomic uint64_t places[PLACES];

static bool is_new(uint64_t place)
{
    for (size_t i = 0; i < PLACES; i++) {
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&places[i], &found, place))
            return true;
        if (found == place)
            return false;
    }
    return true;
}

void weft__coverage_injected(void)
{
    void **frame = __builtin_frame_address(0);
    uintptr_t addresses[DEPTH];
    uint64_t place = 1;
    char line[512];
    int len = snprintf(line, sizeof line, "%s", program_invocation_name);

    for (int i = 0; i < DEPTH; i++, frame = *frame) {
        addresses[i] = (uintptr_t)frame[1] - (uintptr_t)__executable_start;
        place = (place ^ addresses[i]) * UINT64_C(0x9e3779b97f4a7c15);
        len += snprintf(line + len, sizeof line - (size_t)len, " %#lx", (long)addresses[i] - 1);
    }
    line[len++] = '\n';
    if (!is_new(place))
        return;
    int fd = open("build/coverage/faults", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        return;
    close(fd);
}

#endif
