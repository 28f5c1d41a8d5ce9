/* SPDX-License-Identifier: MIT */
/*
 * thread.c: threads and names of the default table
 *
 * What takes libc more than a system call: starting a thread, and looking a name up. A thread
 * starts with signals blocked, so that the program's handlers stay with the threads that the
 * program made; the mask is set around pthread_create, because the new thread inherits it and
 * nothing runs in it before. The look-ups keep two kinds of error apart, see sys.h.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>

_Static_assert(sizeof(pthread_t) <= sizeof(uintptr_t), "a thread's name fits a word");

/** pthread_create with the mask of the caller, and a stack of that size, 0: libc's own. */
static int create(size_t stack_size, void *(*fn)(void *arg), void *arg, pthread_t *ret)
{
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0)
        return -rc;
    if (stack_size > 0)
        rc = pthread_attr_setstacksize(&attributes, stack_size);
    if (rc == 0)
        rc = pthread_create(ret, &attributes, fn, arg);
    (void)pthread_attr_destroy(&attributes);
    return -rc;
}

/** All signals but those that a thread brings upon itself: blocked, these would kill the process
 *  without a word from a handler that reports crashes. */
static void fill_with_others(sigset_t *set)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        (void)sigdelset(set, own[i]);
}

int weft__sys_thread_create(TABLE, size_t stack_size, void *(*fn)(void *arg), void *arg,
                            uintptr_t *ret)
{
    sigset_t others, before;
    pthread_t thread;
    fill_with_others(&others);
    int rc = -pthread_sigmask(SIG_SETMASK, &others, &before);
    if (rc < 0)
        return rc;
    rc = create(stack_size, fn, arg, &thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        *ret = (uintptr_t)thread;
    return rc;
}

int weft__sys_thread_join(TABLE, uintptr_t thread)
{
    return -pthread_join((pthread_t)thread, NULL);
}

/** The error of a look-up: libc's code made positive, or the negative errno where it says so. */
static int lookup_error(int rc)
{
    return rc == EAI_SYSTEM ? -errno : -rc;
}

int weft__sys_getaddrinfo(TABLE, const char *host, const char *service,
                          const struct addrinfo *hints, struct addrinfo **ret)
{
    return lookup_error(getaddrinfo(host, service, hints, ret));
}

void weft__sys_freeaddrinfo(TABLE, struct addrinfo *list)
{
    freeaddrinfo(list);
}

int weft__sys_getnameinfo(TABLE, const struct sockaddr *address, socklen_t len, char *host,
                          size_t host_size, char *service, size_t service_size, int flags)
{
    return lookup_error(getnameinfo(address, len, host, (socklen_t)host_size, service,
                                    (socklen_t)service_size, flags));
}
