/* SPDX-License-Identifier: MIT */
/*
 * terminal.h: an open terminal, as the files of this folder share it
 *
 *     terminal.c    opening, closing, modes
 *     table.c       the open terminals of the process, putting all of them back
 *     handlers.c    who puts them back when nobody closes them: signals, the end of the process
 *     size.c        the size, and waiting for another
 *
 *     open ──▶ modes remembered
 *     set_mode ──▶ set ──┬── close, end of the scope ──────▶ put back
 *                        ├── exit(3): put_back_at_exit ────▶ put back
 *                        ├── a signal that ends the process ▶ put back, default action
 *                        └── SIGTSTP ─▶ put back ─▶ stopped ─▶ set again
 */
#ifndef WEFT_OS_TERMINAL_TERMINAL_H
#define WEFT_OS_TERMINAL_TERMINAL_H

#include "base/list.h"
#include "loop/poller.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>
#include <weft/scope.h>
#include <weft/sys.h>
#include <weft/terminal.h>

struct weft_terminal {
    /** Its place in the scope that it was opened into. */
    struct weft_deferred deferred;
    /** Those who wait for another size, see size.c. */
    struct weft_link waiters;
    /** The world that it was opened in. */
    const struct weft_sys *sys;
    /** Which terminal it is, whatever the descriptor. */
    dev_t device;
    /** The descriptor. */
    int fd;
    /** WEFT_TERMINAL_... */
    unsigned flags;
    /** The process that opened it; 0: this place is free. */
    int owner;
    /** The mode that was set last. */
    enum weft_terminal_mode mode;
    /** `wanted` is in force. */
    bool set;
    /** What was found. */
    struct termios found;
    /** What the mode asks for. */
    struct termios wanted;
};

/* table.c */

/** Changes which signals the thread has blocked; as pthread_sigmask(3). */
static inline void weft__terminal_mask_signals(int how, const sigset_t *set, sigset_t *ret)
{
    (void)weft__sys_call(&weft_sys_default, thread_sigmask, how, set, ret);
}
/** Blocks signals, `stoppable`: but for SIGTTOU, because it shall stop us in the background. */
void weft__terminals_lock(sigset_t *ret_mask, bool stoppable);
/** Puts back the mask that was found. */
void weft__terminals_unlock(const sigset_t *mask);
/** Whether a terminal is open, and opened by this process. */
bool weft__terminal_is_ours(const struct weft_terminal *terminal);
/** Fills in a free place of the table from `template`. 0; -EBUSY the terminal is open already;
 *  -EMFILE. */
int weft__terminals_take(const struct weft_terminal *template, struct weft_terminal **ret);
/** tcsetattr(3) at once, again when it was interrupted. */
int weft__terminal_set_modes(const struct weft_sys *sys, int fd, const struct termios *modes);
/** Puts one back, also from the background: the caller has SIGTTOU blocked, and the lock. */
int weft__terminal_put_back(const struct weft_sys *sys, struct weft_terminal *terminal);
/** Puts all back. Signal-safe, with all signals blocked. */
void weft__terminals_put_back(void);
/** After a stop. In the background the kernel stops us again here, until the foreground is ours.
 *  Signal-safe, with all signals but SIGTTOU blocked. */
void weft__terminals_set_again(void);

/* handlers.c; both with the lock */

/** The first terminal that needs them brings the handlers. */
void weft__terminal_need_handlers(const struct weft_sys *sys);
/** The last one takes them away. */
void weft__terminal_drop_handlers(const struct weft_sys *sys);

/* size.c */

/** The terminal is closed: ends the waits for another size. */
void weft__terminal_end_waits(struct weft_terminal *terminal);

#endif
