/* SPDX-License-Identifier: MIT */
/*
 * table.c: the open terminals of the process
 *
 * They stand in a table, because those who put them back have no other way to find them: a signal
 * handler, and the end of the process. What stands there changes under a lock that no handler of
 * this thread can interrupt (signals are blocked while it is held), and that a handler of another
 * thread waits for; it is held for a few system calls at most.
 *
 * A forked child has the table as well, but not the terminal: entries carry the number of their
 * process.
 */
#include "base/assert.h"
#include "os/terminal/terminal.h"

#include <errno.h>
#include <stdatomic.h>

/** The open terminals of the process. */
static struct weft_terminal terminals[WEFT_TERMINAL_MAX];
/** Held while the table is looked at or changed. */
static atomic_flag busy = ATOMIC_FLAG_INIT;

/* --- The lock -------------------------------------------------------------------------------- */

/** Without blocking signals: for handlers, which run with them blocked. */
static void lock_in_handler(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
    }
}

static void unlock_in_handler(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

void weft__terminals_lock(sigset_t *ret_mask, bool stoppable)
{
    sigset_t all;
    sigfillset(&all);
    if (stoppable)
        sigdelset(&all, SIGTTOU);
    weft__terminal_mask_signals(SIG_BLOCK, &all, ret_mask);
    lock_in_handler();
}

void weft__terminals_unlock(const sigset_t *mask)
{
    unlock_in_handler();
    weft__terminal_mask_signals(SIG_SETMASK, mask, NULL);
}

/* --- Places ---------------------------------------------------------------------------------- */

static int this_process(void)
{
    return weft_sys_default.getpid(&weft_sys_default);
}

static bool is_of(const struct weft_terminal *terminal, int process)
{
    return terminal->owner != 0 && terminal->owner == process;
}

bool weft__terminal_is_ours(const struct weft_terminal *terminal)
{
    return is_of(terminal, this_process());
}

static int find_place(dev_t device, int process, struct weft_terminal **ret)
{
    *ret = NULL;
    for (int i = WEFT_TERMINAL_MAX - 1; i >= 0; i--) {
        /* What another process opened, before we were forked off it, is nothing of ours. */
        if (!is_of(&terminals[i], process))
            *ret = &terminals[i];
        else if (terminals[i].device == device)
            return -EBUSY;
    }
    return *ret ? 0 : -EMFILE;
}

int weft__terminals_take(const struct weft_terminal *template, struct weft_terminal **ret)
{
    int process = this_process();
    sigset_t mask;
    weft__terminals_lock(&mask, false);
    int rc = find_place(template->device, process, ret);
    if (rc == 0) {
        **ret = *template;
        (*ret)->owner = process;
        weft__list_init(&(*ret)->waiters);
        weft__list_init(&(*ret)->deferred.link);
    }
    weft__terminals_unlock(&mask);
    return rc;
}

/* --- Putting back, and setting again --------------------------------------------------------- */

int weft__terminal_set_modes(const struct weft_sys *sys, int fd, const struct termios *modes)
{
    int rc;
    do
        rc = weft__sys_call(sys, tcsetattr, fd, TCSANOW, modes);
    while (rc == -EINTR);
    return rc;
}

int weft__terminal_put_back(const struct weft_sys *sys, struct weft_terminal *terminal)
{
    if (!terminal->set)
        return 0;
    terminal->set = false;
    return weft__terminal_set_modes(sys, terminal->fd, &terminal->found);
}

void weft__terminals_put_back(void)
{
    int process = this_process();
    lock_in_handler();
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++)
        if (is_of(&terminals[i], process))
            (void)weft__terminal_put_back(&weft_sys_default, &terminals[i]);
    unlock_in_handler();
}

void weft__terminals_set_again(void)
{
    int process = this_process();
    lock_in_handler();
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++) {
        struct weft_terminal *terminal = &terminals[i];
        if (is_of(terminal, process) && terminal->mode != WEFT_TERMINAL_NORMAL)
            terminal->set =
                weft__terminal_set_modes(&weft_sys_default, terminal->fd, &terminal->wanted) == 0;
    }
    unlock_in_handler();
}
