/* SPDX-License-Identifier: MIT */
/*
 * process.c: acts of the whole process, in the default table
 *
 * Signals and their masks, fork hooks, the environment, and other processes by number or by pidfd;
 * and errno for signal handlers, which is nothing that a call gave and so no entry of the table.
 * The pthread_ calls return their error and leave errno alone. The calls on pidfds are made by
 * number: glibc wraps them only since 2.36. There is no fork here, and no wait for "any child",
 * because what a library takes so from its program, the program misses.
 */
#define _GNU_SOURCE 1

#include "base/assert.h"
#include "base/sys/entries.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Numbers that are the same on every architecture of ours, for older headers. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int weft__sys_sigaction(TABLE, int signal, const struct sigaction *action,
                        struct sigaction *ret_old)
{
    return weft__sys_checked_int(sigaction(signal, action, ret_old));
}

int weft__errno_take(void)
{
    return errno;
}

void weft__errno_put_back(int code)
{
    errno = code;
}

int weft__sys_sigaltstack(TABLE, const void *stack, void *ret_old)
{
    return weft__sys_checked_int(sigaltstack(stack, ret_old));
}

int weft__sys_thread_sigmask(TABLE, int how, const void *set, void *ret_old)
{
    return -pthread_sigmask(how, set, ret_old);
}

int weft__sys_raise(TABLE, int signal)
{
    return raise(signal) == 0 ? 0 : -EINVAL;
}

int weft__sys_atfork(TABLE, void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
}

int weft__sys_getpid(TABLE)
{
    return (int)getpid();
}

const char *weft__sys_getenv(TABLE, const char *name)
{
    return getenv(name);
}

ssize_t weft__sys_readlink(TABLE, const char *path, char *buf, size_t len)
{
    return weft__sys_checked(readlink(path, buf, len));
}

int weft__sys_pidfd_open(TABLE, pid_t pid, unsigned flags)
{
    return weft__sys_checked_int((int)syscall(SYS_pidfd_open, pid, flags));
}

int weft__sys_pidfd_send_signal(TABLE, int pidfd, int signal, unsigned flags)
{
    return weft__sys_checked_int((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags));
}

int weft__sys_waitid(TABLE, int id_type, int id, void *ret, int options)
{
    return weft__sys_checked_int(waitid((idtype_t)id_type, (id_t)id, ret, options));
}

int weft__sys_kill(TABLE, pid_t pid, int signal)
{
    return weft__sys_checked_int(kill(pid, signal));
}
