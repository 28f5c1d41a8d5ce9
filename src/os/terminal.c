/* SPDX-License-Identifier: MIT */
/*
 * terminal.c: terminals whose modes are put back
 *
 * The open terminals of the process stand in a table, because those who put them back have no other
 * way to find them: a signal handler, and the end of the process. What stands there changes under a
 * lock that no handler of this thread can interrupt (signals are blocked while it is held), and
 * that a handler of another thread waits for; it is held for a few system calls at most.
 *
 *     open ──▶ modes remembered
 *     set_mode ──▶ set ──┬── close, end of the scope ──────▶ put back
 *                        ├── exit(3): put_back_at_exit ────▶ put back
 *                        ├── a signal that ends the process ▶ put back, default action
 *                        └── SIGTSTP ─▶ put back ─▶ stopped ─▶ set again
 *
 * Which signals end the process, and how our handler stands in for their default action, is
 * base/last.c. A forked child has the table as well, but not the terminal: entries carry the number
 * of their process.
 */
#include "base/assert.h"
#include "base/list.h"
#include "loop/poller.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <weft/scope.h>
#include <weft/terminal.h>
#include <weft/wait.h>

struct weft_terminal {
    /** Its place in the scope that it was opened into. */
    struct weft_deferred deferred;
    /** Those who wait for another size: struct size_wait. */
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

/** The open terminals of the process. */
static struct weft_terminal terminals[WEFT_TERMINAL_MAX];
/** Held while the table is looked at or changed. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
/** How many terminals need the signal handlers. */
static unsigned handlers_needed;

/* --- The lock -------------------------------------------------------------------------------- */

static void mask_signals(int how, const sigset_t *set, sigset_t *ret)
{
    (void)weft__sys_call(&weft_sys_default, thread_sigmask, how, set, ret);
}

/** Without blocking signals: for handlers, which run with all of them blocked. */
static void lock_in_handler(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
    }
}

static void unlock_in_handler(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

/** `stoppable`: SIGTTOU is left alone, because it shall stop us in the background. */
static void lock_terminals(sigset_t *ret_mask, bool stoppable)
{
    sigset_t all;
    sigfillset(&all);
    if (stoppable)
        sigdelset(&all, SIGTTOU);
    mask_signals(SIG_BLOCK, &all, ret_mask);
    lock_in_handler();
}

static void unlock_terminals(const sigset_t *mask)
{
    unlock_in_handler();
    mask_signals(SIG_SETMASK, mask, NULL);
}

/* --- Putting back, and setting again --------------------------------------------------------- */

static bool is_of(const struct weft_terminal *terminal, int process)
{
    return terminal->owner != 0 && terminal->owner == process;
}

static int this_process(void)
{
    return weft_sys_default.getpid(&weft_sys_default);
}

/** tcsetattr(3) at once, again when it was interrupted. */
static int set_modes(const struct weft_sys *sys, int fd, const struct termios *modes)
{
    int rc;
    do
        rc = weft__sys_call(sys, tcsetattr, fd, TCSANOW, modes);
    while (rc == -EINTR);
    return rc;
}

/** Puts one back, also from the background: the caller has SIGTTOU blocked. */
static int put_back(const struct weft_sys *sys, struct weft_terminal *terminal)
{
    if (!terminal->set)
        return 0;
    terminal->set = false;
    return set_modes(sys, terminal->fd, &terminal->found);
}

static void put_all_back(void)
{
    int process = this_process();
    lock_in_handler();
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++)
        if (is_of(&terminals[i], process))
            (void)put_back(&weft_sys_default, &terminals[i]);
    unlock_in_handler();
}

/** After a stop. In the background the kernel stops us again here, until the foreground is ours. */
static void set_all_again(void)
{
    int process = this_process();
    lock_in_handler();
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++) {
        struct weft_terminal *terminal = &terminals[i];
        if (is_of(terminal, process) && terminal->mode != WEFT_TERMINAL_NORMAL)
            terminal->set = set_modes(&weft_sys_default, terminal->fd, &terminal->wanted) == 0;
    }
    unlock_in_handler();
}

/** At exit(3), and when a shared library is unloaded. */
__attribute__((destructor)) static void put_back_at_exit(void)
{
    sigset_t all, before;
    sigfillset(&all);
    mask_signals(SIG_BLOCK, &all, &before);
    put_all_back();
    mask_signals(SIG_SETMASK, &before, NULL);
}

/* --- Signals --------------------------------------------------------------------------------- */

/** While the handler runs all is blocked but SIGTTOU, see set_all_again. */
static void set_stop_action(const struct weft_sys *sys, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGTTOU);
    (void)weft__sys_call(sys, sigaction, SIGTSTP, &action, NULL);
}

static bool has_stop_action(const struct weft_sys *sys, void (*handler)(int))
{
    struct sigaction now;
    return weft__sys_call(sys, sigaction, SIGTSTP, NULL, &now) == 0 &&
           !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler;
}

static void on_stop(int signal)
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGTTOU);
    mask_signals(SIG_BLOCK, &one, &before);
    put_all_back();
    mask_signals(SIG_SETMASK, &before, NULL);
    set_stop_action(&weft_sys_default, SIG_DFL);
    (void)weft_sys_default.raise(&weft_sys_default, signal);
    sigemptyset(&one);
    sigaddset(&one, signal);
    /* Inside this call we are stopped. */
    mask_signals(SIG_UNBLOCK, &one, &before);
    mask_signals(SIG_SETMASK, &before, NULL);
    set_stop_action(&weft_sys_default, on_stop);
    set_all_again();
}

/** The first terminal that needs them brings the handlers, the last one takes them away. */
static void need_handlers(const struct weft_sys *sys)
{
    if (handlers_needed++ > 0)
        return;
    weft__last_begin(sys, put_all_back);
    if (has_stop_action(sys, SIG_DFL))
        set_stop_action(sys, on_stop);
}

static void drop_handlers(const struct weft_sys *sys)
{
    if (--handlers_needed > 0)
        return;
    weft__last_end(sys);
    if (has_stop_action(sys, on_stop))
        set_stop_action(sys, SIG_DFL);
}

/* --- Modes ----------------------------------------------------------------------------------- */

static void want_cbreak(struct termios *modes)
{
    modes->c_lflag &= ~(tcflag_t)(ICANON | ECHO);
}

static void want_raw(struct termios *modes)
{
    modes->c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    modes->c_oflag &= ~(tcflag_t)OPOST;
    modes->c_cflag = (modes->c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    modes->c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN | ISIG);
}

static struct termios wanted_for(const struct weft_terminal *terminal, enum weft_terminal_mode mode)
{
    struct termios wanted = terminal->found;
    if (mode == WEFT_TERMINAL_CBREAK)
        want_cbreak(&wanted);
    else
        want_raw(&wanted);
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
    return wanted;
}

static bool wants_handlers(const struct weft_terminal *terminal)
{
    return !(terminal->flags & WEFT_TERMINAL_NO_HANDLERS);
}

/** The handlers are there before the mode is set, and as long as it is. */
static int set_wanted(struct weft_terminal *terminal, enum weft_terminal_mode mode)
{
    bool first = terminal->mode == WEFT_TERMINAL_NORMAL && wants_handlers(terminal);
    struct termios wanted = wanted_for(terminal, mode);
    if (first)
        need_handlers(terminal->sys);
    int rc = set_modes(terminal->sys, terminal->fd, &wanted);
    if (rc < 0 && first)
        drop_handlers(terminal->sys);
    if (rc < 0)
        return rc;
    terminal->wanted = wanted;
    terminal->mode = mode;
    terminal->set = true;
    return 0;
}

static int set_normal(struct weft_terminal *terminal)
{
    int rc = put_back(terminal->sys, terminal);
    if (terminal->mode != WEFT_TERMINAL_NORMAL && wants_handlers(terminal))
        drop_handlers(terminal->sys);
    terminal->mode = WEFT_TERMINAL_NORMAL;
    return rc;
}

int weft_terminal_set_mode(struct weft_terminal *terminal, enum weft_terminal_mode mode)
{
    sigset_t mask;
    if ((int)mode < WEFT_TERMINAL_NORMAL || mode > WEFT_TERMINAL_RAW)
        return -EINVAL;
    if (!is_of(terminal, this_process()))
        return -EOWNERDEAD;
    lock_terminals(&mask, mode != WEFT_TERMINAL_NORMAL);
    int rc = mode == WEFT_TERMINAL_NORMAL ? set_normal(terminal) : set_wanted(terminal, mode);
    unlock_terminals(&mask);
    return rc;
}

enum weft_terminal_mode weft_terminal_get_mode(const struct weft_terminal *terminal)
{
    return terminal->mode;
}

/* --- Opening and closing --------------------------------------------------------------------- */

/** A free place: 0; -EBUSY the terminal is open already; -EMFILE. */
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

/** Fills in a place from `template`. */
static int take_place(const struct weft_terminal *template, struct weft_terminal **ret)
{
    sigset_t mask;
    lock_terminals(&mask, false);
    int rc = find_place(template->device, template->owner, ret);
    if (rc == 0) {
        **ret = *template;
        weft__list_init(&(*ret)->waiters);
        weft__list_init(&(*ret)->deferred.link);
    }
    unlock_terminals(&mask);
    return rc;
}

static void close_with_scope(struct weft_deferred *deferred)
{
    (void)weft_terminal_close(weft__container(deferred, struct weft_terminal, deferred));
}

int weft_terminal_open(struct weft_scope *scope, int fd, unsigned flags, struct weft_terminal **ret)
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_terminal template = {.sys = sys, .fd = fd, .flags = flags, .owner = this_process()};
    struct weft_terminal *terminal;
    struct stat file;
    if (flags & ~WEFT_TERMINAL_NO_HANDLERS)
        return -EINVAL;
    int rc = weft__sys_call(sys, tcgetattr, fd, &template.found);
    if (rc == 0)
        rc = weft__sys_call(sys, fstat, fd, &file);
    if (rc < 0)
        return rc;
    template.device = file.st_rdev;
    rc = take_place(&template, &terminal);
    if (rc < 0)
        return rc;
    rc = scope ? weft_scope_defer(scope, &terminal->deferred, close_with_scope) : 0;
    if (rc < 0)
        terminal->owner = 0;
    else
        *ret = terminal;
    return rc;
}

static void end_waits(struct weft_terminal *terminal);

int weft_terminal_close(struct weft_terminal *terminal)
{
    if (!terminal || !is_of(terminal, this_process()))
        return terminal ? -EOWNERDEAD : 0;
    weft_scope_undefer(&terminal->deferred);
    end_waits(terminal);
    int rc = weft_terminal_set_mode(terminal, WEFT_TERMINAL_NORMAL);
    terminal->owner = 0;
    return rc;
}

/* --- Size ------------------------------------------------------------------------------------ */

/** A task that waits for another size. */
struct size_wait {
    /** Its place among those of the terminal. */
    struct weft_link link;
    /** Hears of SIGWINCH. */
    struct weft__signal_receiver receiver;
    /** The wait; made anew for each signal. */
    struct weft_wait wait;
    /** The terminal was closed. */
    bool closed;
};

int weft_terminal_is(int fd)
{
    struct termios modes;
    return weft__sys_call(weft__sys_current(), tcgetattr, fd, &modes) == 0;
}

int weft_terminal_get_size(int fd, struct weft_terminal_size *ret)
{
    struct winsize size;
    int rc = weft__sys_call(weft__sys_current(), ioctl, fd, TIOCGWINSZ, &size);
    if (rc < 0)
        return rc;
    *ret = (struct weft_terminal_size){size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel};
    return 0;
}

static void size_receive(struct weft__signal_receiver *receiver)
{
    struct size_wait *wait = weft__container(receiver, struct size_wait, receiver);
    weft__signal_taken(receiver->loop, receiver->signal);
    (void)weft_wake(&wait->wait, 0);
}

static void end_waits(struct weft_terminal *terminal)
{
    struct weft_link *link;
    while ((link = weft__list_take(&terminal->waiters)) != NULL) {
        struct size_wait *wait = weft__container(link, struct size_wait, link);
        wait->closed = true;
        (void)weft_wake(&wait->wait, 0);
    }
}

static enum weft_abort size_abort(struct weft_wait *wait)
{
    (void)wait;
    return WEFT_ABORT_DONE;
}

static void size_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_terminal *terminal = wait->object;
    snprintf(buf, size, "for another size of the terminal on descriptor %d", terminal->fd);
}

static bool same_size(const struct weft_terminal_size *a, const struct weft_terminal_size *b)
{
    return a->rows == b->rows && a->columns == b->columns && a->width_pixels == b->width_pixels &&
           a->height_pixels == b->height_pixels;
}

/** The size is looked at before each park, so that a change before the handler is seen, too. */
static int wait_for_other(struct weft_terminal *terminal, struct size_wait *wait,
                          struct weft_terminal_size *size)
{
    for (;;) {
        struct weft_terminal_size now;
        weft_wait_init(&wait->wait, size_describe, terminal);
        int rc = wait->closed ? -WEFT_ECLOSED : weft_terminal_get_size(terminal->fd, &now);
        if (rc == 0 && !same_size(&now, size)) {
            *size = now;
            return 0;
        }
        if (rc == 0)
            rc = (int)weft_park(&wait->wait, size_abort);
        if (rc < 0)
            return rc;
    }
}

int weft_terminal_wait_size(struct weft_terminal *terminal, struct weft_terminal_size *size)
{
    struct size_wait wait = {.receiver.fn = size_receive};
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft_wait_init(&wait.wait, size_describe, terminal);
    rc = weft__signal_join(weft_loop_current(), SIGWINCH, &wait.receiver);
    if (rc < 0)
        return rc;
    weft__list_append(&terminal->waiters, &wait.link);
    rc = wait_for_other(terminal, &wait, size);
    weft__list_remove(&wait.link);
    weft__signal_leave(&wait.receiver);
    return rc;
}
