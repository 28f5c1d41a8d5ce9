/* SPDX-License-Identifier: MIT */
/*
 * host.c: threads, names and processes that fail
 *
 * Starting a thread, looking a name up, and other processes. What only gives back, joining a thread
 * and freeing an answer, is passed on and no fault point; so is what concerns the whole process,
 * its signal handlers and fork hooks. A look-up that fails here has the error of a system call that
 * libc made for it, a negative errno value, and not a code of its own.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

#include <netdb.h>

WEFT__FAULT_ENTRY(weft__fault_decide, int, THREAD_CREATE, thread_create,
                  (const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg), void *arg,
                   uintptr_t *ret),
                  (sys->inner, stack_size, fn, arg, ret));

/* The answer counts as a block of memory until it is given back. */
int weft__fault_getaddrinfo(const struct weft_sys *sys, const char *host, const char *service,
                            const struct addrinfo *hints, struct addrinfo **ret)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_GETADDRINFO);
    if (rc == 0)
        rc = sys->inner->getaddrinfo(sys->inner, host, service, hints, ret);
    if (rc == 0)
        __atomic_fetch_add(&weft__fault_self(sys)->blocks, 1, __ATOMIC_RELAXED);
    return rc;
}

static void pass_freeaddrinfo(const struct weft_sys *sys, struct addrinfo *list)
{
    __atomic_fetch_sub(&weft__fault_self(sys)->blocks, 1, __ATOMIC_RELAXED);
    sys->inner->freeaddrinfo(sys->inner, list);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, GETNAMEINFO, getnameinfo,
                  (const struct weft_sys *sys, const struct sockaddr *address, socklen_t len,
                   char *host, size_t host_size, char *service, size_t service_size, int flags),
                  (sys->inner, address, len, host, host_size, service, service_size, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, PIDFD_OPEN, pidfd_open,
                  (const struct weft_sys *sys, pid_t pid, unsigned flags),
                  (sys->inner, pid, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, PIDFD_SEND_SIGNAL, pidfd_send_signal,
                  (const struct weft_sys *sys, int pidfd, int signal, unsigned flags),
                  (sys->inner, pidfd, signal, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, WAITID, waitid,
                  (const struct weft_sys *sys, int id_type, int id, void *ret, int options),
                  (sys->inner, id_type, id, ret, options));

WEFT__FAULT_ENTRY(weft__fault_decide, int, KILL, kill,
                  (const struct weft_sys *sys, pid_t pid, int signal), (sys->inner, pid, signal));

/* What fails is the making of the process. */
int weft__fault_spawn(const struct weft_sys *sys, const struct weft_sys_spawn *how, pid_t *ret_pid,
                      int *ret_pidfd, int *ret_step)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_SPAWN);
    *ret_step = WEFT_SYS_SPAWN_AT_CLONE;
    return rc < 0 ? rc : sys->inner->spawn(sys->inner, how, ret_pid, ret_pidfd, ret_step);
}

static int pass_thread_join(const struct weft_sys *sys, uintptr_t thread)
{
    return sys->inner->thread_join(sys->inner, thread);
}

static int pass_sigaction(const struct weft_sys *sys, int signal, const struct sigaction *action,
                          struct sigaction *ret_old)
{
    return sys->inner->sigaction(sys->inner, signal, action, ret_old);
}

static int pass_sigaltstack(const struct weft_sys *sys, const void *stack, void *ret_old)
{
    return sys->inner->sigaltstack(sys->inner, stack, ret_old);
}

static int pass_atfork(const struct weft_sys *sys, void (*prepare)(void), void (*parent)(void),
                       void (*child)(void))
{
    return sys->inner->atfork(sys->inner, prepare, parent, child);
}

void weft__fault_pass_process(struct weft_sys *sys)
{
    sys->freeaddrinfo = pass_freeaddrinfo;
    sys->thread_join = pass_thread_join;
    sys->sigaction = pass_sigaction;
    sys->sigaltstack = pass_sigaltstack;
    sys->atfork = pass_atfork;
    /* These look at no table. */
    sys->thread_sigmask = weft_sys_default.thread_sigmask;
    sys->raise = weft_sys_default.raise;
    sys->getpid = weft_sys_default.getpid;
    sys->getenv = weft_sys_default.getenv;
    sys->readlink = weft_sys_default.readlink;
}
