/* SPDX-License-Identifier: MIT */
/*
 * signal.c: signals as callbacks of a loop
 *
 * The handler does two things that are safe in a handler: it sets the signal's bit in its loop and
 * wakes that loop. The callback runs in a turn, between the engine and the ready entries, so that
 * no signal ever interrupts the loop's own work. A process has one disposition for a signal, so a
 * signal belongs to one loop at a time; what was there before is put back when it is removed.
 */
#include "loop/internal.h"

#include <signal.h>
#include <string.h>

/** Highest signal number plus one; real-time signals included. */
#define SIGNAL_COUNT 64

/** Which loop a signal belongs to; read by the handler. */
static _Atomic(struct weft_loop *) owners[SIGNAL_COUNT];
/** What was there before. */
static struct sigaction before[SIGNAL_COUNT];

static void handler(int signal)
{
    struct weft_loop *loop = atomic_load(&owners[signal]);
    if (!loop)
        return;
    atomic_fetch_or(&loop->signals, (uint64_t)1 << signal);
    weft_loop_wake(loop);
}

static int install(const struct weft_sys *sys, int signal, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | SA_ONSTACK | flags;
    sigfillset(&action.sa_mask);
    return sys->sigaction(sys, signal, &action, &before[signal]);
}

/** Puts back what was there before, unless the program has put something else there meanwhile. */
static void restore(const struct weft_sys *sys, int signal)
{
    struct sigaction now;
    int rc = sys->sigaction(sys, signal, NULL, &now);
    if (rc == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler)
        (void)sys->sigaction(sys, signal, &before[signal], NULL);
}

static int add(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg, int flags)
{
    int rc = weft__loop_check(loop);
    if (rc < 0)
        return rc;
    if (signal <= 0 || signal >= SIGNAL_COUNT || !fn)
        return -EINVAL;
    if (!loop->signal_watches) {
        size_t size = SIGNAL_COUNT * sizeof *loop->signal_watches;
        loop->signal_watches = loop->sys->realloc(loop->sys, NULL, size);
        if (!loop->signal_watches)
            return -ENOMEM;
        memset(loop->signal_watches, 0, size);
    }
    struct weft_loop *nobody = NULL;
    if (!atomic_compare_exchange_strong(&owners[signal], &nobody, loop)) {
        if (nobody != loop)
            return -EBUSY;
    } else {
        rc = install(loop->sys, signal, flags);
        if (rc < 0) {
            atomic_store(&owners[signal], NULL);
            return rc;
        }
    }
    loop->signal_watches[signal] = (struct weft__watch){fn, arg};
    return 0;
}

int weft_loop_add_signal(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg)
{
    return add(loop, signal, fn, arg, 0);
}

int weft__signal_add_once(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg)
{
    (void)weft_loop_remove_signal(loop, signal);
    return add(loop, signal, fn, arg, (int)SA_RESETHAND);
}

int weft_loop_remove_signal(struct weft_loop *loop, int signal)
{
    if (signal <= 0 || signal >= SIGNAL_COUNT || !loop->signal_watches ||
        !loop->signal_watches[signal].fn)
        return 0;
    restore(loop->sys, signal);
    atomic_store(&owners[signal], NULL);
    atomic_fetch_and(&loop->signals, ~((uint64_t)1 << signal));
    loop->signal_watches[signal] = (struct weft__watch){NULL, NULL};
    return 1;
}

void weft__signals_deliver(struct weft_loop *loop)
{
    uint64_t arrived = atomic_exchange(&loop->signals, 0);
    for (int signal = 1; signal < SIGNAL_COUNT; signal++)
        if (arrived & ((uint64_t)1 << signal) && loop->signal_watches[signal].fn)
            loop->signal_watches[signal].fn(loop->signal_watches[signal].arg);
}

void weft__signals_close(struct weft_loop *loop)
{
    if (!loop->signal_watches)
        return;
    for (int signal = 1; signal < SIGNAL_COUNT; signal++)
        (void)weft_loop_remove_signal(loop, signal);
    loop->sys->realloc(loop->sys, loop->signal_watches, 0);
    loop->signal_watches = NULL;
}
