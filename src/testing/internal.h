/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of the test kit share
 *
 *     world.c       worlds, clocks, programs run in them
 *     blocked.c     waiting until nobody can go on; wait points
 *     fault/        the table that fails calls      sweep.c       a scenario for each fault point
 *     last_words.c  what a signal interrupted       leaks.c       what is left behind
 *     seeds.c       a program under many seeds
 *     run.c         one program over one table
 *     sequencer.c   steps in a fixed order
 *
 * The kit is the topmost layer: it may look into all others, and nothing includes it.
 */
#ifndef WEFT_TESTING_INTERNAL_H
#define WEFT_TESTING_INTERNAL_H

#include <stdbool.h>
#include <weft/testing.h>

/** Every entry that a loop calls, in the order of the table: X(its name in capitals, its name). */
#define WEFT__TESTING_CALLS(X)                                                                     \
    X(CLOCK, clock)                                                                                \
    X(RANDOM, random)                                                                              \
    X(REALLOC, realloc)                                                                            \
    X(MMAP, mmap)                                                                                  \
    X(MUNMAP, munmap)                                                                              \
    X(MPROTECT, mprotect)                                                                          \
    X(MADVISE, madvise)                                                                            \
    X(CLOSE, close)                                                                                \
    X(READ, read)                                                                                  \
    X(WRITE, write)                                                                                \
    X(READ_FLAGS, read_flags)                                                                      \
    X(WRITE_FLAGS, write_flags)                                                                    \
    X(FCNTL, fcntl)                                                                                \
    X(FSTAT, fstat)                                                                                \
    X(PIPE2, pipe2)                                                                                \
    X(EVENTFD, eventfd)                                                                            \
    X(SOCKET, socket)                                                                              \
    X(SOCKETPAIR, socketpair)                                                                      \
    X(BIND, bind)                                                                                  \
    X(LISTEN, listen)                                                                              \
    X(ACCEPT4, accept4)                                                                            \
    X(CONNECT, connect)                                                                            \
    X(RECVFROM, recvfrom)                                                                          \
    X(SENDTO, sendto)                                                                              \
    X(SHUTDOWN, shutdown)                                                                          \
    X(GETSOCKNAME, getsockname)                                                                    \
    X(GETPEERNAME, getpeername)                                                                    \
    X(GETSOCKOPT, getsockopt)                                                                      \
    X(SETSOCKOPT, setsockopt)                                                                      \
    X(POLL, poll)                                                                                  \
    X(EPOLL_CREATE1, epoll_create1)                                                                \
    X(EPOLL_CTL, epoll_ctl)                                                                        \
    X(EPOLL_WAIT, epoll_wait)                                                                      \
    X(IO_URING_SETUP, io_uring_setup)                                                              \
    X(IO_URING_ENTER, io_uring_enter)                                                              \
    X(IO_URING_REGISTER, io_uring_register)                                                        \
    X(WRITEV, writev)                                                                              \
    X(WRITEV_FLAGS, writev_flags)                                                                  \
    X(RECVMSG, recvmsg)                                                                            \
    X(SENDMSG, sendmsg)                                                                            \
    X(RECVMMSG, recvmmsg)                                                                          \
    X(SENDMMSG, sendmmsg)                                                                          \
    X(SPLICE, splice)                                                                              \
    X(SENDFILE, sendfile)                                                                          \
    X(IOCTL, ioctl)                                                                                \
    X(TCGETATTR, tcgetattr)                                                                        \
    X(TCSETATTR, tcsetattr)                                                                        \
    X(OPENAT, openat)                                                                              \
    X(FSTATAT, fstatat)                                                                            \
    X(PREAD, pread)                                                                                \
    X(PWRITE, pwrite)                                                                              \
    X(LSEEK, lseek)                                                                                \
    X(FTRUNCATE, ftruncate)                                                                        \
    X(FSYNC, fsync)                                                                                \
    X(GETDENTS64, getdents64)                                                                      \
    X(MKDIRAT, mkdirat)                                                                            \
    X(UNLINKAT, unlinkat)                                                                          \
    X(RENAMEAT2, renameat2)                                                                        \
    X(LINKAT, linkat)                                                                              \
    X(SYMLINKAT, symlinkat)                                                                        \
    X(FCHMODAT, fchmodat)                                                                          \
    X(INOTIFY_INIT1, inotify_init1)                                                                \
    X(INOTIFY_ADD_WATCH, inotify_add_watch)                                                        \
    X(INOTIFY_RM_WATCH, inotify_rm_watch)                                                          \
    X(THREAD_CREATE, thread_create)                                                                \
    X(GETADDRINFO, getaddrinfo)                                                                    \
    X(GETNAMEINFO, getnameinfo)                                                                    \
    X(PIDFD_OPEN, pidfd_open)                                                                      \
    X(PIDFD_SEND_SIGNAL, pidfd_send_signal)                                                        \
    X(WAITID, waitid)                                                                              \
    X(KILL, kill)                                                                                  \
    X(SPAWN, spawn)

/** How many signals last words are said for. */
#define WEFT__LAST_SIGNALS 5

/** Which handlers one user of last words has installed. */
struct weft__last_words {
    /** By their place in the list of signals. */
    bool installed[WEFT__LAST_SIGNALS];
};

/* last_words.c */

/** From here on a signal that ends the process writes the words first. */
void weft__last_words_begin(struct weft__last_words *last);
/** Puts the dispositions back. */
void weft__last_words_end(const struct weft__last_words *last);
/** Chooses the words, with their newline. */
void weft__last_words_set(const char *format, ...) WEFT_PRINTF(1, 2);

/* run.c */

/** weft_testing_run_on; the trace of the schedule goes to *ret_trace. */
int weft__testing_run_on(const struct weft_sys *sys, uint64_t seed, int (*program)(void *arg),
                         void *arg, uint64_t *ret_trace);

/* leaks.c */

/** How many descriptors are open in the world below `sys`, or in the process. */
int weft__testing_open(const struct weft_sys *sys);

#endif
