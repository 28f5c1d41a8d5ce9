/* SPDX-License-Identifier: MIT */
/*
 * signal.c: sets of signals that tasks wait on
 *
 * A set is a receiver of the loop (loop/signal.c) for each of its signals, a bit for each that is
 * pending, and a queue of those who wait. An arrival is handed to the first who waits, or becomes a
 * bit; so a bit is set only while nobody waits, and nobody is overtaken. The loop keeps the rest:
 * handlers, dispositions, and raising again what nobody took.
 *
 * A set belongs to a scope through weft_scope_defer, which needs no task and no memory.
 */
#include "base/list.h"
#include "loop/poller.h"

#include <stdio.h>
#include <string.h>
#include <weft/scope.h>
#include <weft/signal.h>
#include <weft/wait.h>

/** An open set of signals. */
struct weft_signals {
    /** Its place in the scope. */
    struct weft_deferred deferred;
    /** The loop. */
    struct weft_loop *loop;
    /** Who waits for the next. */
    struct weft_waitq waiters;
    /** Bits of those that arrived and were not taken: signal 1 is bit 0. */
    uint64_t pending;
    /** How many receivers there are. */
    size_t count;
    /** One for each signal. */
    struct receiver {
        /** The loop's part. */
        struct weft__signal_receiver receiver;
        /** The set. */
        struct weft_signals *signals;
    } receivers[];
};

/** A signal arrived. */
static void receive(struct weft__signal_receiver *link)
{
    struct receiver *receiver = weft__container(link, struct receiver, receiver);
    struct weft_signals *signals = receiver->signals;
    if (weft_waitq_wake(&signals->waiters, link->signal))
        weft__signal_taken(signals->loop, link->signal);
    else
        signals->pending |= UINT64_C(1) << (link->signal - 1);
}

/** Takes the lowest that is pending; 0 when none is. */
static int take(struct weft_signals *signals)
{
    int signal = 1;
    if (!signals->pending)
        return 0;
    while (!(signals->pending >> (signal - 1) & 1))
        signal++;
    signals->pending &= ~(UINT64_C(1) << (signal - 1));
    weft__signal_taken(signals->loop, signal);
    return signal;
}

/* Opening and closing. */

static void free_signals(struct weft_signals *signals)
{
    while (signals->count > 0)
        weft__signal_leave(&signals->receivers[--signals->count].receiver);
    (void)weft_loop_realloc(signals->loop, signals, 0);
}

void weft_signals_close(struct weft_signals *signals)
{
    if (!signals)
        return;
    weft_scope_undefer(&signals->deferred);
    (void)weft_waitq_wake_all(&signals->waiters, -WEFT_ECLOSED);
    free_signals(signals);
}

static void scope_ended(struct weft_deferred *deferred)
{
    weft_signals_close(weft__container(deferred, struct weft_signals, deferred));
}

static bool has(const struct weft_signals *signals, int signal)
{
    for (size_t i = 0; i < signals->count; i++)
        if (signals->receivers[i].receiver.signal == signal)
            return true;
    return false;
}

/** Joins the receivers of one signal more; one that is named twice is in the set once. */
static int add_signal(struct weft_signals *signals, int signal)
{
    if (has(signals, signal))
        return 0;
    struct receiver *receiver = &signals->receivers[signals->count];
    receiver->signals = signals;
    receiver->receiver.fn = receive;
    int rc = weft__signal_join(signals->loop, signal, &receiver->receiver);
    if (rc < 0)
        return weft_fail(
            rc, rc == -EBUSY ? "signal %d belongs to another loop" : "signal %d cannot be opened",
            signal);
    signals->count++;
    return 0;
}

int weft_signals_open(struct weft_scope *scope, const int *wanted, size_t count,
                      struct weft_signals **ret)
{
    struct weft_loop *loop = weft_loop_current();
    if (!loop)
        return -EPERM;
    if (count == 0 || count > SIZE_MAX / sizeof(struct receiver) / 2)
        return weft_fail(-EINVAL, "a set of no signals, or of too many");
    struct weft_signals *signals =
        weft_loop_realloc(loop, NULL, sizeof *signals + count * sizeof signals->receivers[0]);
    if (!signals)
        return -ENOMEM;
    memset(signals, 0, sizeof *signals);
    signals->loop = loop;
    weft_waitq_init(&signals->waiters);
    int rc = weft_scope_defer(scope, &signals->deferred, scope_ended);
    if (rc < 0) {
        (void)weft_loop_realloc(loop, signals, 0);
        return weft_fail(rc, "the scope that signals were to belong to has ended");
    }
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_signal(signals, wanted[i]);
    if (rc < 0) {
        weft_signals_close(signals);
        return rc;
    }
    *ret = signals;
    return 0;
}

/* Waiting. */

static void describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_signals *signals = wait->object;
    size_t used = (size_t)snprintf(buf, size, "for signal");
    for (size_t i = 0; i < signals->count && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s %d", i == 0 ? "" : " or",
                                 signals->receivers[i].receiver.signal);
}

int weft_signals_try_next(struct weft_signals *signals)
{
    int signal = take(signals);
    return signal > 0 ? signal : -EAGAIN;
}

int weft_signals_next(struct weft_signals *signals)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    int signal = take(signals);
    if (signal > 0)
        return signal;
    struct weft_wait wait;
    weft_wait_init(&wait, describe, signals);
    return (int)weft_waitq_park(&signals->waiters, &wait);
}

int weft_signal_wait(int signal)
{
    struct weft_scope scope;
    struct weft_signals *signals;
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = weft_signals_open(&scope, &signal, 1, &signals);
    if (rc == 0)
        rc = weft_signals_next(signals);
    return weft_scope_exit(&scope, rc);
}

/* A case of a select. */

static int attempt(struct weft_case *c)
{
    c->result = take(c->object);
    return c->result > 0;
}

static int enlist(struct weft_case *c)
{
    struct weft_signals *signals = c->object;
    weft__list_append(&signals->waiters.waits, &c->wait.link);
    return 0;
}

static void withdraw(struct weft_case *c)
{
    weft__list_remove(&c->wait.link);
}

static const struct weft_case_ops signal_ops = {"for a signal", attempt, enlist, withdraw};

struct weft_case weft_case_signal(struct weft_signals *signals)
{
    return (struct weft_case){.ops = &signal_ops, .object = signals};
}
