/* SPDX-License-Identifier: MIT */
/*
 * terminal.c: terminals whose modes are put back
 *
 * What was found when a terminal was opened is remembered, and a mode is made from that, never from
 * the mode before. Modes change under the lock of the table, because a signal handler may put them
 * back at any time. The handlers are there before the first mode is set, and as long as one is. A
 * terminal that was opened into a scope is closed by its end; one that a forked child finds open is
 * its parent's, and every call on it says so.
 */
#include "base/assert.h"
#include "os/terminal/terminal.h"

#include <sys/stat.h>

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
        weft__terminal_need_handlers(terminal->sys);
    int rc = weft__terminal_set_modes(terminal->sys, terminal->fd, &wanted);
    if (rc < 0 && first)
        weft__terminal_drop_handlers(terminal->sys);
    if (rc < 0)
        return rc;
    terminal->wanted = wanted;
    terminal->mode = mode;
    terminal->set = true;
    return 0;
}

static int set_normal(struct weft_terminal *terminal)
{
    int rc = weft__terminal_put_back(terminal->sys, terminal);
    if (terminal->mode != WEFT_TERMINAL_NORMAL && wants_handlers(terminal))
        weft__terminal_drop_handlers(terminal->sys);
    terminal->mode = WEFT_TERMINAL_NORMAL;
    return rc;
}

int weft_terminal_set_mode(struct weft_terminal *terminal, enum weft_terminal_mode mode)
{
    sigset_t mask;
    if ((int)mode < WEFT_TERMINAL_NORMAL || mode > WEFT_TERMINAL_RAW)
        return -EINVAL;
    if (!weft__terminal_is_ours(terminal))
        return -EOWNERDEAD;
    weft__terminals_lock(&mask, mode != WEFT_TERMINAL_NORMAL);
    int rc = mode == WEFT_TERMINAL_NORMAL ? set_normal(terminal) : set_wanted(terminal, mode);
    weft__terminals_unlock(&mask);
    return rc;
}

enum weft_terminal_mode weft_terminal_get_mode(const struct weft_terminal *terminal)
{
    return terminal->mode;
}

/* --- Opening and closing --------------------------------------------------------------------- */

static void close_with_scope(struct weft_deferred *deferred)
{
    (void)weft_terminal_close(weft__container(deferred, struct weft_terminal, deferred));
}

int weft_terminal_open(struct weft_scope *scope, int fd, unsigned flags, struct weft_terminal **ret)
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_terminal template = {.sys = sys, .fd = fd, .flags = flags};
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
    rc = weft__terminals_take(&template, &terminal);
    if (rc < 0)
        return rc;
    rc = scope ? weft_scope_defer(scope, &terminal->deferred, close_with_scope) : 0;
    if (rc < 0)
        terminal->owner = 0;
    else
        *ret = terminal;
    return rc;
}

int weft_terminal_close(struct weft_terminal *terminal)
{
    if (!terminal || !weft__terminal_is_ours(terminal))
        return terminal ? -EOWNERDEAD : 0;
    weft_scope_undefer(&terminal->deferred);
    weft__terminal_end_waits(terminal);
    int rc = weft_terminal_set_mode(terminal, WEFT_TERMINAL_NORMAL);
    terminal->owner = 0;
    return rc;
}
