/* SPDX-License-Identifier: MIT */
/*
 * report.c: what the demo prints, and the line that moves while it waits
 *
 * A row is announced by row_begin and printed by row_end with the time between. In between, on a
 * terminal, a thread redraws the row ten times a second with the answers so far: a thread, because
 * two of the clients block the whole process, which is the point of showing them. Where the output
 * is no terminal, only the finished rows are printed.
 */
#include "demo.h"
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/** The row in progress. Shared with the drawing thread: `answers` and `done` only atomically. */
static struct {
    /** The first column. */
    const char *name;
    /** When it began. */
    weft_ns start;
    /** How many answers there will be. */
    int expected;
    /** How many there are. */
    int answers;
    /** Nonzero when the thread must end. */
    int done;
    /** Nonzero while there is a thread. */
    int drawing;
    /** The thread. */
    pthread_t thread;
} row;

weft_ns clock_now(void)
{
    return weft_sys_default.clock(&weft_sys_default);
}

double seconds_since(weft_ns start)
{
    return (double)(clock_now() - start) / 1e9;
}

void row_answer(void)
{
    __atomic_fetch_add(&row.answers, 1, __ATOMIC_RELAXED);
}

int row_answers(void)
{
    return __atomic_load_n(&row.answers, __ATOMIC_RELAXED);
}

static void *row_draw(void *unused)
{
    while (!__atomic_load_n(&row.done, __ATOMIC_ACQUIRE)) {
        printf("\r  %-12s %d of %d answers, %.1f s ", row.name, row_answers(), row.expected,
               seconds_since(row.start));
        fflush(stdout);
        usleep(100 * 1000);
    }
    return unused;
}

void row_begin(const char *name, int expected)
{
    sigset_t all, before;

    row.name = name;
    row.start = clock_now();
    row.expected = expected;
    row.answers = row.done = 0;
    sigfillset(&all); /* signals are for the thread that runs the loop */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    row.drawing = isatty(STDOUT_FILENO) && pthread_create(&row.thread, NULL, row_draw, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void row_end(const char *format, ...)
{
    double seconds = seconds_since(row.start);
    char text[160];
    va_list list;

    __atomic_store_n(&row.done, 1, __ATOMIC_RELEASE);
    if (row.drawing && pthread_join(row.thread, NULL) == 0)
        printf("\r");
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    printf("  %-12s %-58s %5.2f s\n", row.name, text, seconds);
    fflush(stdout);
}
