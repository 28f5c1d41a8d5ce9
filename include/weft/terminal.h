/* SPDX-License-Identifier: MIT */
/*
 * weft/terminal.h: terminals: modes that are put back, size, and its changes
 *
 * A terminal belongs to the user and to the shell, not to the program: whoever leaves it in raw
 * mode leaves an unusable window behind. So its modes are remembered when it is opened here, and
 * put back however the program goes:
 *
 *   weft_terminal_close, or the end of the scope it was opened into; so also the return of weft_run
 *   exit(3), in the process that opened it (not in one that it forked)
 *   a signal whose default action ends the process, where that action is in force: SIGTERM, SIGHUP,
 *       SIGABRT of an assertion, SIGSEGV of a stack overflow that weft reported, and the second
 *       Ctrl-C of weft_run; the signal then takes its default action
 *   SIGTSTP (Ctrl-Z, kill -TSTP), where its default action is in force: put back before the process
 *       stops, and set again when it goes on in the foreground
 *
 * Not by _exit(2), SIGKILL and the exec of another program; and SIGSTOP stops without a word, so
 * that only a shell that keeps modes for each job helps there. For the signals handlers are
 * installed, only while a mode other than the normal one is set, only over the default action, and
 * not at all with WEFT_TERMINAL_NO_HANDLERS.
 *
 *     rc = weft_terminal_open(&scope, 0, 0, &terminal);
 *     rc = weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW);
 *     while ((n = weft_read(0, &key, 1)) > 0)
 *         ...
 *     weft_terminal_close(terminal);
 *
 * Reading and writing are those of every descriptor (weft_read, streams). A terminal is opened once
 * in a process, and is that process's (in a forked child the calls give -EOWNERDEAD); at most
 * WEFT_TERMINAL_MAX are open at once. Calls are for the thread that opened it.
 */
#ifndef WEFT_TERMINAL_H
#define WEFT_TERMINAL_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

/** So many terminals can be open in a process at once. */
#define WEFT_TERMINAL_MAX 8

/** An open terminal. */
struct weft_terminal;

/** How a terminal treats what is typed and written. */
enum weft_terminal_mode {
    /** As it was found when it was opened. */
    WEFT_TERMINAL_NORMAL = 0,
    /** Each key at once and without echo; Ctrl-C and Ctrl-Z still send signals, Return gives a
     *  newline, and output is as in the normal mode. */
    WEFT_TERMINAL_CBREAK = 1,
    /** Each byte as it is, in both directions: no echo, no signals, no flow control, a newline is
     *  no carriage return. */
    WEFT_TERMINAL_RAW = 2
};

/** weft_terminal_open: installs no signal handler. Signals then end the process with the terminal
 *  in the mode that it has. */
#define WEFT_TERMINAL_NO_HANDLERS 1u

/**
 * Opens the terminal that `fd` is (0, 1, 2, or one side of a pseudo-terminal) and remembers its
 * modes; changes nothing. The end of `scope` closes it; NULL: only weft_terminal_close does. The
 * descriptor stays the caller's and must stay open. Plain. *ret is untouched on failure. -ENOTTY it
 * is no terminal; -EBUSY that terminal is open already; -EMFILE too many are; -EINVAL unknown
 * flags, or the scope has ended; -EBADF.
 */
WEFT_API int weft_terminal_open(struct weft_scope *scope, int fd, unsigned flags,
                                struct weft_terminal **ret);

/**
 * Sets a mode, at once: what was typed and not read stays. A process in the background is stopped
 * by the kernel until it is in the foreground. Plain. -EINVAL unknown mode; -EIO the terminal is
 * gone.
 */
WEFT_API int weft_terminal_set_mode(struct weft_terminal *terminal, enum weft_terminal_mode mode);

/** The mode that was set last. Plain. */
WEFT_API enum weft_terminal_mode weft_terminal_get_mode(const struct weft_terminal *terminal);

/**
 * Puts back what was found at open, and what signals did. Who waits for a size gets -WEFT_ECLOSED.
 * Releasing, and it never waits. NULL is fine. 0; -EIO the terminal is gone.
 */
WEFT_API int weft_terminal_close(struct weft_terminal *terminal);

/** The size of a terminal. */
struct weft_terminal_size {
    /** Lines. */
    unsigned short rows;
    /** Characters in a line. */
    unsigned short columns;
    /** Pixels; 0 where the terminal does not tell. */
    unsigned short width_pixels;
    /** Pixels; 0 where the terminal does not tell. */
    unsigned short height_pixels;
};

/** Nonzero when `fd` is a terminal. Plain. */
WEFT_API int weft_terminal_is(int fd);

/** The size of the terminal that `fd` is; 0 × 0 when nobody has set one. Plain. *ret is untouched
 *  on failure. -ENOTTY, -EBADF. */
WEFT_API int weft_terminal_get_size(int fd, struct weft_terminal_size *ret);

/**
 * Waits until the terminal's size is another than *size, and writes it there: a change between two
 * calls is not missed. Any number of tasks may wait. The kernel tells of changes by SIGWINCH, to
 * the processes in the foreground whose controlling terminal it is; the signal is caught while a
 * task waits. Waiting: 0; -ECANCELED, *size is untouched; -WEFT_ECLOSED it was closed meanwhile;
 * -EBUSY another loop has SIGWINCH; -EIO the terminal is gone; -ENOMEM.
 */
WEFT_API WEFT_MUST_CHECK int weft_terminal_wait_size(struct weft_terminal *terminal,
                                                     struct weft_terminal_size *size);

WEFT_END

#endif
