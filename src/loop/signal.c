/* SPDX-License-Identifier: MIT */
/*
 * signal.c: signals as callbacks of a loop
 *
 * The handler does two things that are safe in a handler: it sets the signal's bit in its loop and
 * wakes that loop. Who asked for the signal is called in a turn, between the engine and the ready
 * entries, so that no signal ever interrupts the loop's own work. A process has one disposition for
 * a signal, so a signal belongs to one loop at a time; what was there before is put back when the
 * last one who asked for it is gone.
 *
 * Within its loop a signal goes to all who asked for it: to every receiver (weft/signal.h) and to
 * the one callback of weft_loop_add_signal. The fallback of a run (weft_run) is called only where
 * there is neither, so that a program takes SIGTERM over by asking for it.
 *
 *     NONE ──fallback──▶ ONCE (resets itself)
 *       └──callback, receiver──▶ ALWAYS ──the last one is gone──▶ ONCE with a fallback, else NONE
 */
#include "base/assert.h"
#include "loop/internal.h"
#include "loop/poller.h"

#include <signal.h>
#include <string.h>

/** Highest signal number plus one; real-time signals included. */
#define SIGNAL_COUNT 65

/** Which loop a signal belongs to; read by the handler. */
static _Atomic(struct weft_loop *) owners[SIGNAL_COUNT];
/** What was there before. */
static struct sigaction before[SIGNAL_COUNT];

static uint64_t bit_of(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

static void handler(int signal)
{
    struct weft_loop *loop = atomic_load(&owners[signal]);
    int code = weft__errno_take();
    if (!loop)
        return;
    atomic_fetch_or(&loop->signals, bit_of(signal));
    weft_loop_wake(loop);
    /* It may have reset itself just now. */
    weft__last_arm(&weft_sys_default, signal);
    weft__errno_put_back(code);
}

/* What a signal meets. */

static bool is_plain(const struct sigaction *action, void (*fn)(int))
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == fn;
}

bool weft__signal_meets(const struct weft_sys *sys, int signal, void (*fn)(int))
{
    struct sigaction now;
    memset(&now, 0, sizeof now);
    if (sys->sigaction(sys, signal, NULL, &now) < 0)
        return false;
    weft__last_see_through(&now);
    return is_plain(&now, fn);
}

static struct sigaction make_plain(void (*fn)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = fn;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    return action;
}

int weft__signal_handle(const struct weft_sys *sys, int signal, void (*fn)(int), int let_in)
{
    struct sigaction action = make_plain(fn);
    if (let_in)
        sigdelset(&action.sa_mask, let_in);
    return sys->sigaction(sys, signal, &action, NULL);
}

static int install(const struct weft_sys *sys, int signal, enum weft__signal_level level)
{
    struct sigaction action = make_plain(handler), old;
    if (level == WEFT__SIGNAL_ONCE)
        action.sa_flags |= (int)SA_RESETHAND;
    int rc = sys->sigaction(sys, signal, &action, &old);
    if (rc == 0)
        weft__last_see_through(&old);
    if (rc == 0 && !is_plain(&old, handler))
        before[signal] = old;
    return rc;
}

/* Who asked for what. */

static bool is_wanted(const struct weft__signal_entry *entry)
{
    return entry->watch.fn || !weft__list_empty(&entry->receivers);
}

static int make_entries(struct weft_loop *loop)
{
    if (loop->signal_entries)
        return 0;
    size_t size = SIGNAL_COUNT * sizeof *loop->signal_entries;
    loop->signal_entries = loop->sys->realloc(loop->sys, NULL, size);
    if (!loop->signal_entries)
        return -ENOMEM;
    memset(loop->signal_entries, 0, size);
    for (int signal = 0; signal < SIGNAL_COUNT; signal++)
        weft__list_init(&loop->signal_entries[signal].receivers);
    return 0;
}

/** The loop's entry of a signal that is to be caught at `level` at least. 0 or an error. */
static int claim(struct weft_loop *loop, int signal, enum weft__signal_level level,
                 struct weft__signal_entry **ret)
{
    int rc = weft__loop_check(loop);
    if (rc < 0)
        return rc;
    if (signal <= 0 || signal >= SIGNAL_COUNT)
        return -EINVAL;
    rc = make_entries(loop);
    if (rc < 0)
        return rc;
    struct weft__signal_entry *entry = &loop->signal_entries[signal];
    struct weft_loop *nobody = NULL;
    bool first = atomic_compare_exchange_strong(&owners[signal], &nobody, loop);
    if (!first && nobody != loop)
        return -EBUSY;
    if (entry->level < level) {
        rc = install(loop->sys, signal, level);
        if (rc < 0 && first)
            atomic_store(&owners[signal], NULL);
        if (rc < 0)
            return rc;
        entry->level = (unsigned char)level;
    }
    *ret = entry;
    return 0;
}

/** Somebody is gone: puts back what was there before, unless others are left or the program has put
 *  something else there meanwhile. */
static void settle(struct weft_loop *loop, int signal)
{
    struct weft__signal_entry *entry = &loop->signal_entries[signal];
    if (is_wanted(entry))
        return;
    bool ours = weft__signal_meets(loop->sys, signal, handler);
    if (entry->fallback.fn) {
        if (ours && entry->level != WEFT__SIGNAL_ONCE)
            (void)install(loop->sys, signal, WEFT__SIGNAL_ONCE);
        entry->level = WEFT__SIGNAL_ONCE;
        return;
    }
    if (ours)
        (void)loop->sys->sigaction(loop->sys, signal, &before[signal], NULL);
    weft__last_arm(loop->sys, signal);
    entry->level = WEFT__SIGNAL_NONE;
    atomic_store(&owners[signal], NULL);
}

int weft_loop_add_signal(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg)
{
    struct weft__signal_entry *entry;
    if (!fn)
        return -EINVAL;
    int rc = claim(loop, signal, WEFT__SIGNAL_ALWAYS, &entry);
    if (rc == 0)
        entry->watch = (struct weft__watch){fn, arg};
    return rc;
}

int weft_loop_remove_signal(struct weft_loop *loop, int signal)
{
    if (signal <= 0 || signal >= SIGNAL_COUNT || !loop->signal_entries)
        return 0;
    struct weft__signal_entry *entry = &loop->signal_entries[signal];
    if (!entry->watch.fn)
        return 0;
    entry->watch = (struct weft__watch){NULL, NULL};
    settle(loop, signal);
    if (!is_wanted(entry))
        atomic_fetch_and(&loop->signals, ~bit_of(signal));
    return 1;
}

int weft__signal_add_once(struct weft_loop *loop, int signal, weft_callback_fn *fn, void *arg)
{
    struct weft__signal_entry *entry;
    int rc = claim(loop, signal, WEFT__SIGNAL_ONCE, &entry);
    if (rc == 0)
        entry->fallback = (struct weft__watch){fn, arg};
    return rc;
}

int weft__signal_join(struct weft_loop *loop, int signal, struct weft__signal_receiver *receiver)
{
    struct weft__signal_entry *entry;
    int rc = claim(loop, signal, WEFT__SIGNAL_ALWAYS, &entry);
    if (rc < 0)
        return rc;
    receiver->loop = loop;
    receiver->signal = signal;
    weft__list_append(&entry->receivers, &receiver->link);
    return 0;
}

void weft__signal_taken(struct weft_loop *loop, int signal)
{
    loop->signals_untaken &= ~bit_of(signal);
}

void weft__signal_leave(struct weft__signal_receiver *receiver)
{
    struct weft_loop *loop = receiver->loop;
    int signal = receiver->signal;
    weft__list_remove(&receiver->link);
    if (is_wanted(&loop->signal_entries[signal]))
        return;
    settle(loop, signal);
    /* Also what has arrived since the last turn; nobody but us would hear of it. */
    uint64_t arrived = atomic_fetch_and(&loop->signals, ~bit_of(signal)) | loop->signals_untaken;
    weft__signal_taken(loop, signal);
    if (arrived & bit_of(signal))
        (void)weft_sys_default.raise(&weft_sys_default, signal);
}

/* Delivering. */

static void deliver(struct weft_loop *loop, int signal)
{
    struct weft__signal_entry *entry = &loop->signal_entries[signal];
    if (!is_wanted(entry)) {
        struct weft__watch fallback = entry->fallback;
        entry->fallback = (struct weft__watch){NULL, NULL};
        settle(loop, signal);
        if (fallback.fn)
            fallback.fn(fallback.arg);
        return;
    }
    if (!entry->watch.fn)
        loop->signals_untaken |= bit_of(signal);
    weft__list_each(link, &entry->receivers)
    {
        struct weft__signal_receiver *receiver =
            weft__container(link, struct weft__signal_receiver, link);
        receiver->fn(receiver);
    }
    /* Last, because it may do anything. */
    if (entry->watch.fn)
        entry->watch.fn(entry->watch.arg);
}

void weft__signals_deliver(struct weft_loop *loop)
{
    uint64_t arrived = atomic_exchange(&loop->signals, 0);
    for (int signal = 1; arrived; signal++, arrived >>= 1)
        if (arrived & 1 && loop->signal_entries)
            deliver(loop, signal);
}

void weft__signals_close(struct weft_loop *loop)
{
    if (!loop->signal_entries)
        return;
    for (int signal = 1; signal < SIGNAL_COUNT; signal++) {
        struct weft__signal_entry *entry = &loop->signal_entries[signal];
        bool asked = entry->fallback.fn || is_wanted(entry);
        entry->watch.fn = entry->fallback.fn = NULL;
        /* Only in a forked child, where the parent's scopes do not end. */
        weft__list_init(&entry->receivers);
        if (asked)
            settle(loop, signal);
    }
    loop->sys->realloc(loop->sys, loop->signal_entries, 0);
    loop->signal_entries = NULL;
}
