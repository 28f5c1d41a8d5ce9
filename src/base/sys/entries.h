/* SPDX-License-Identifier: MIT */
/*
 * entries.h: the entries of the default table, as its files share them
 *
 *     memory.c        clock, randomness, memory          engine.c     poll, epoll, io_uring
 *     descriptor.c    descriptors of any kind            process.c    signals, other processes
 *     socket.c        sockets                            thread.c     threads, looking names up
 *     file.c          files and directories              spawn.c      new processes
 *     table.c         the table
 *
 * An entry is a function weft__sys_NAME of the type that its field in struct weft_sys has. A new
 * one needs its field at the end of sys.h, a line in the list below and its function. `errno` is
 * read in this folder and nowhere else, right behind the call, because its address belongs to a
 * thread and must not be kept across a switch of stacks.
 */
#ifndef WEFT_BASE_SYS_ENTRIES_H
#define WEFT_BASE_SYS_ENTRIES_H

#include <errno.h>
#include <weft/sys.h>

/** Every entry, in the order of the table. */
#define WEFT__SYS_ENTRIES(X)                                                                       \
    X(clock)                                                                                       \
    X(random)                                                                                      \
    X(realloc)                                                                                     \
    X(mmap)                                                                                        \
    X(munmap)                                                                                      \
    X(mprotect)                                                                                    \
    X(madvise)                                                                                     \
    X(close)                                                                                       \
    X(read)                                                                                        \
    X(write)                                                                                       \
    X(read_flags)                                                                                  \
    X(write_flags)                                                                                 \
    X(fcntl)                                                                                       \
    X(fstat)                                                                                       \
    X(pipe2)                                                                                       \
    X(eventfd)                                                                                     \
    X(socket)                                                                                      \
    X(socketpair)                                                                                  \
    X(bind)                                                                                        \
    X(listen)                                                                                      \
    X(accept4)                                                                                     \
    X(connect)                                                                                     \
    X(recvfrom)                                                                                    \
    X(sendto)                                                                                      \
    X(shutdown)                                                                                    \
    X(getsockname)                                                                                 \
    X(getpeername)                                                                                 \
    X(getsockopt)                                                                                  \
    X(setsockopt)                                                                                  \
    X(poll)                                                                                        \
    X(epoll_create1)                                                                               \
    X(epoll_ctl)                                                                                   \
    X(epoll_wait)                                                                                  \
    X(io_uring_setup)                                                                              \
    X(io_uring_enter)                                                                              \
    X(io_uring_register)                                                                           \
    X(sigaction)                                                                                   \
    X(sigaltstack)                                                                                 \
    X(thread_sigmask)                                                                              \
    X(raise)                                                                                       \
    X(atfork)                                                                                      \
    X(getpid)                                                                                      \
    X(getenv)                                                                                      \
    X(readlink)                                                                                    \
    X(writev)                                                                                      \
    X(writev_flags)                                                                                \
    X(recvmsg)                                                                                     \
    X(sendmsg)                                                                                     \
    X(recvmmsg)                                                                                    \
    X(sendmmsg)                                                                                    \
    X(splice)                                                                                      \
    X(sendfile)                                                                                    \
    X(ioctl)                                                                                       \
    X(tcgetattr)                                                                                   \
    X(tcsetattr)                                                                                   \
    X(openat)                                                                                      \
    X(fstatat)                                                                                     \
    X(pread)                                                                                       \
    X(pwrite)                                                                                      \
    X(lseek)                                                                                       \
    X(ftruncate)                                                                                   \
    X(fsync)                                                                                       \
    X(getdents64)                                                                                  \
    X(mkdirat)                                                                                     \
    X(unlinkat)                                                                                    \
    X(renameat2)                                                                                   \
    X(linkat)                                                                                      \
    X(symlinkat)                                                                                   \
    X(fchmodat)                                                                                    \
    X(inotify_init1)                                                                               \
    X(inotify_add_watch)                                                                           \
    X(inotify_rm_watch)                                                                            \
    X(thread_create)                                                                               \
    X(thread_join)                                                                                 \
    X(getaddrinfo)                                                                                 \
    X(freeaddrinfo)                                                                                \
    X(getnameinfo)                                                                                 \
    X(pidfd_open)                                                                                  \
    X(pidfd_send_signal)                                                                           \
    X(waitid)                                                                                      \
    X(kill)                                                                                        \
    X(spawn)

#define DECLARE(name) __typeof__(*((struct weft_sys *)0)->name) weft__sys_##name;
WEFT__SYS_ENTRIES(DECLARE)
#undef DECLARE

/** The first parameter of every entry; the default table keeps no state in it. */
#define TABLE const struct weft_sys *sys __attribute__((unused))

/** A call's result, with -1 replaced by the error. */
static inline ssize_t weft__sys_checked(ssize_t rc)
{
    return rc < 0 ? -errno : rc;
}

/** As weft__sys_checked, for calls that give an int. */
static inline int weft__sys_checked_int(int rc)
{
    return rc < 0 ? -errno : rc;
}

#endif
