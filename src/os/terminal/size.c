/* SPDX-License-Identifier: MIT */
/*
 * size.c: the size of a terminal, and waiting for another
 *
 * The kernel sends SIGWINCH when the size changes, and says nothing else; so a wait receives that
 * signal from its loop and looks at the size whenever it comes, and before it parks. A terminal
 * that is closed ends the waits for it with -WEFT_ECLOSED. Neither wake carries anything: who was
 * woken looks for itself.
 */
#include "base/assert.h"
#include "os/terminal/terminal.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <weft/wait.h>

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

void weft__terminal_end_waits(struct weft_terminal *terminal)
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
