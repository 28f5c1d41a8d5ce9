/* SPDX-License-Identifier: MIT */
/*
 * handlers.c: who puts terminals back when nobody closes them
 *
 * The end of the process, by exit(3) or by a signal, and SIGTSTP, which stops it for a while. Which
 * signals end the process, and how our handler stands in for their default action, is base/last.c.
 * The handlers are there while a terminal that asked for them is in a mode of its own, and only in
 * the place of a default action: what the program has put there stays.
 */
#include "base/assert.h"
#include "os/terminal/terminal.h"

/** How many terminals need the handlers. */
static unsigned handlers_needed;

/** At exit(3), and when a shared library is unloaded. */
__attribute__((destructor)) static void put_back_at_exit(void)
{
    sigset_t all, before;
    sigfillset(&all);
    weft__terminal_mask_signals(SIG_BLOCK, &all, &before);
    weft__terminals_put_back();
    weft__terminal_mask_signals(SIG_SETMASK, &before, NULL);
}

/** While the handler runs all is blocked but SIGTTOU, see weft__terminals_set_again. */
static void set_stop_action(const struct weft_sys *sys, void (*handler)(int))
{
    (void)weft__signal_handle(sys, SIGTSTP, handler, SIGTTOU);
}

static void on_stop(int signal)
{
    sigset_t one, before;
    int code = weft__errno_take();
    sigemptyset(&one);
    sigaddset(&one, SIGTTOU);
    weft__terminal_mask_signals(SIG_BLOCK, &one, &before);
    weft__terminals_put_back();
    weft__terminal_mask_signals(SIG_SETMASK, &before, NULL);
    set_stop_action(&weft_sys_default, SIG_DFL);
    (void)weft_sys_default.raise(&weft_sys_default, signal);
    sigemptyset(&one);
    sigaddset(&one, signal);
    /* Inside this call we are stopped. */
    weft__terminal_mask_signals(SIG_UNBLOCK, &one, &before);
    weft__terminal_mask_signals(SIG_SETMASK, &before, NULL);
    set_stop_action(&weft_sys_default, on_stop);
    weft__terminals_set_again();
    weft__errno_put_back(code);
}

void weft__terminal_need_handlers(const struct weft_sys *sys)
{
    if (handlers_needed++ > 0)
        return;
    weft__last_begin(sys, weft__terminals_put_back);
    if (weft__signal_meets(sys, SIGTSTP, SIG_DFL))
        set_stop_action(sys, on_stop);
}

void weft__terminal_drop_handlers(const struct weft_sys *sys)
{
    if (--handlers_needed > 0)
        return;
    weft__last_end(sys);
    if (weft__signal_meets(sys, SIGTSTP, on_stop))
        set_stop_action(sys, SIG_DFL);
}
