/* SPDX-License-Identifier: MIT */
/*
 * last.c: what is put right before a signal ends the process
 *
 * A layer above has changed something outside the process (a terminal's modes) and must change it
 * back although the default action of a signal leaves no time. While there is such a thing, a
 * handler stands in the place of the default action of every signal that would end the process: it
 * has the thing put right, and then the default action does its work. For everybody else, weft_run
 * above all, that handler *is* the default action; who puts a real default action back calls
 * weft__last_arm behind it.
 *
 * It acts through weft_sys_default, as handlers do, and calls nothing that is not safe in one.
 */
#include "base/assert.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <weft/sys.h>

/** What puts it right; NULL: nothing is to be. */
static weft__last_fn *_Atomic put_right;

/** Those whose default action ends the process and that can be caught. */
static const int fatal[] = {
    SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,   SIGBUS,  SIGFPE,  SIGUSR1, SIGSEGV,
    SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM, SIGPROF, SIGXFSZ, SIGSYS,
};

enum { FATAL_COUNT = sizeof fatal / sizeof *fatal };

static void call(void)
{
    weft__last_fn *fn = atomic_load(&put_right);
    if (fn)
        fn();
}

static void make_default(struct sigaction *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->sa_handler = SIG_DFL;
}

/** Whether the instruction is made again when the handler returns, and meets the default action. */
static int comes_again(int signal, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE);
}

void weft__last_default(int signal, const void *info)
{
    struct sigaction action;
    make_default(&action);
    call();
    (void)weft_sys_default.sigaction(&weft_sys_default, signal, &action, NULL);
    if (!comes_again(signal, info))
        (void)weft_sys_default.raise(&weft_sys_default, signal);
}

static void on_last(int signal, siginfo_t *info, void *context)
{
    (void)context;
    weft__last_default(signal, info);
}

static int is_ours(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_last;
}

void weft__last_see_through(struct sigaction *action)
{
    if (is_ours(action))
        make_default(action);
}

static int is_fatal(int signal)
{
    for (int i = 0; i < FATAL_COUNT; i++)
        if (fatal[i] == signal)
            return 1;
    return 0;
}

void weft__last_arm(const struct weft_sys *sys, int signal)
{
    struct sigaction action;
    if (!atomic_load(&put_right) || !is_fatal(signal) ||
        sys->sigaction(sys, signal, NULL, &action) < 0 || action.sa_flags & SA_SIGINFO ||
        action.sa_handler != SIG_DFL)
        return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_last;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    (void)sys->sigaction(sys, signal, &action, NULL);
}

static void disarm(const struct weft_sys *sys, int signal)
{
    struct sigaction action;
    if (sys->sigaction(sys, signal, NULL, &action) < 0 || !is_ours(&action))
        return;
    make_default(&action);
    (void)sys->sigaction(sys, signal, &action, NULL);
}

void weft__last_begin(const struct weft_sys *sys, weft__last_fn *fn)
{
    atomic_store(&put_right, fn);
    for (int i = 0; i < FATAL_COUNT; i++)
        weft__last_arm(sys, fatal[i]);
}

void weft__last_end(const struct weft_sys *sys)
{
    atomic_store(&put_right, NULL);
    for (int i = 0; i < FATAL_COUNT; i++)
        disarm(sys, fatal[i]);
}
