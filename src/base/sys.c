/* SPDX-License-Identifier: MIT */
/*
 * sys.c: libc and the kernel, as a table
 *
 * weft_sys_default is the only door of the library to the outside: each entry is one system call
 * with its error as a negative errno value. `errno` is read here and nowhere else, right behind the
 * call, because its address belongs to a thread and must not be kept across a switch of stacks.
 *
 * Calls that glibc 2.31 or musl do not wrap are made by number. Durations are nanoseconds; a call
 * that counts milliseconds gets them rounded up, so that no timer fires early. There is no policy
 * here: nothing is retried (except random bytes, which come whole), nothing is logged, and nothing
 * is kept but one bit, that the kernel lacks epoll_pwait2.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weft/sys.h>

/* Numbers that are the same on every architecture of ours, for older headers. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/** The first parameter of every entry; the default table keeps no state in it. */
#define TABLE const struct weft_sys *sys __attribute__((unused))

/** A call's result, with -1 replaced by the error. */
static ssize_t checked(ssize_t rc)
{
    return rc < 0 ? -errno : rc;
}

static int checked_int(int rc)
{
    return rc < 0 ? -errno : rc;
}

/* --- Clock, randomness, memory ------------------------------------------------------- */

static weft_ns sys_clock(TABLE)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (weft_ns)now.tv_sec * WEFT_SEC + now.tv_nsec;
}

static int sys_random(TABLE, void *buf, size_t len)
{
    char *at = buf;
    while (len > 0) {
        ssize_t got = checked(getrandom(at, len, 0));
        if (got < 0 && got != -EINTR)
            return (int)got;
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
    return 0;
}

static void *sys_realloc(TABLE, void *p, size_t size)
{
    if (size > 0)
        return realloc(p, size);
    free(p);
    return NULL;
}

static int sys_mmap(TABLE, size_t len, int prot, int flags, int fd, int64_t offset, void **ret)
{
    void *p = mmap(NULL, len, prot, flags, fd, (off_t)offset);
    if (p == MAP_FAILED)
        return -errno;
    *ret = p;
    return 0;
}

static int sys_munmap(TABLE, void *p, size_t len)
{
    return checked_int(munmap(p, len));
}

static int sys_mprotect(TABLE, void *p, size_t len, int prot)
{
    return checked_int(mprotect(p, len, prot));
}

static int sys_madvise(TABLE, void *p, size_t len, int advice)
{
    return checked_int(madvise(p, len, advice));
}

/* --- Descriptors --------------------------------------------------------------------- */

static int sys_close(TABLE, int fd)
{
    return checked_int(close(fd));
}

static ssize_t sys_read(TABLE, int fd, void *buf, size_t len)
{
    return checked(read(fd, buf, len));
}

static ssize_t sys_write(TABLE, int fd, const void *buf, size_t len)
{
    return checked(write(fd, buf, len));
}

/* An offset of -1, in both halves of the argument, is the file's own position. */
static ssize_t sys_read_flags(TABLE, int fd, void *buf, size_t len, int flags)
{
    struct iovec vector = {.iov_base = buf, .iov_len = len};
    return checked(syscall(SYS_preadv2, fd, &vector, 1L, -1L, -1L, flags));
}

static ssize_t sys_write_flags(TABLE, int fd, const void *buf, size_t len, int flags)
{
    struct iovec vector = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    return checked(syscall(SYS_pwritev2, fd, &vector, 1L, -1L, -1L, flags));
}

static int sys_fcntl(TABLE, int fd, int command, long arg)
{
    return checked_int(fcntl(fd, command, arg));
}

static int sys_fstat(TABLE, int fd, struct stat *ret)
{
    return checked_int(fstat(fd, ret));
}

static int sys_pipe2(TABLE, int fds[2], int flags)
{
    return checked_int(pipe2(fds, flags));
}

static int sys_eventfd(TABLE, unsigned value, int flags)
{
    return checked_int(eventfd(value, flags));
}

/* --- Sockets ------------------------------------------------------------------------- */

static int sys_socket(TABLE, int domain, int type, int protocol)
{
    return checked_int(socket(domain, type, protocol));
}

static int sys_socketpair(TABLE, int domain, int type, int protocol, int fds[2])
{
    return checked_int(socketpair(domain, type, protocol, fds));
}

static int sys_bind(TABLE, int fd, const struct sockaddr *address, socklen_t len)
{
    return checked_int(bind(fd, address, len));
}

static int sys_listen(TABLE, int fd, int backlog)
{
    return checked_int(listen(fd, backlog));
}

static int sys_accept4(TABLE, int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return checked_int(accept4(fd, address, len, flags));
}

static int sys_connect(TABLE, int fd, const struct sockaddr *address, socklen_t len)
{
    return checked_int(connect(fd, address, len));
}

static ssize_t sys_recvfrom(TABLE, int fd, void *buf, size_t len, int flags,
                            struct sockaddr *address, socklen_t *address_len)
{
    return checked(recvfrom(fd, buf, len, flags, address, address_len));
}

static ssize_t sys_sendto(TABLE, int fd, const void *buf, size_t len, int flags,
                          const struct sockaddr *address, socklen_t address_len)
{
    return checked(sendto(fd, buf, len, flags, address, address_len));
}

static int sys_shutdown(TABLE, int fd, int how)
{
    return checked_int(shutdown(fd, how));
}

static int sys_getsockname(TABLE, int fd, struct sockaddr *address, socklen_t *len)
{
    return checked_int(getsockname(fd, address, len));
}

static int sys_getpeername(TABLE, int fd, struct sockaddr *address, socklen_t *len)
{
    return checked_int(getpeername(fd, address, len));
}

static int sys_getsockopt(TABLE, int fd, int level, int option, void *value, socklen_t *len)
{
    return checked_int(getsockopt(fd, level, option, value, len));
}

static int sys_setsockopt(TABLE, int fd, int level, int option, const void *value, socklen_t len)
{
    return checked_int(setsockopt(fd, level, option, value, len));
}

/* --- Waiting ------------------------------------------------------------------------- */

static int sys_poll(TABLE, struct pollfd *fds, size_t count, weft_ns timeout)
{
    weft_ns wait = timeout > 0 ? timeout : 0;
    struct timespec limit = {.tv_sec = (time_t)(wait / WEFT_SEC), .tv_nsec = wait % WEFT_SEC};
    return checked_int(ppoll(fds, (nfds_t)count, timeout == WEFT_FOREVER ? NULL : &limit, NULL));
}

static int sys_epoll_create1(TABLE, int flags)
{
    return checked_int(epoll_create1(flags));
}

static int sys_epoll_ctl(TABLE, int epoll_fd, int op, int fd, struct epoll_event *event)
{
    return checked_int(epoll_ctl(epoll_fd, op, fd, event));
}

/** epoll_wait(2)'s timeout: -1 is no limit, and a part of a millisecond counts as a whole one. */
static int milliseconds(weft_ns timeout)
{
    if (timeout == WEFT_FOREVER)
        return -1;
    if (timeout <= 0)
        return 0;
    weft_ns ms = timeout / WEFT_MS + (timeout % WEFT_MS != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/** The kernel is older than 5.11, or a filter does not know the call (those answer with EPERM). */
static atomic_bool epoll_pwait2_missing;

static int sys_epoll_wait(TABLE, int epoll_fd, struct epoll_event *events, int count,
                          weft_ns timeout)
{
    /* Whole milliseconds need nothing newer, and a look without waiting is the common case. */
    bool exact = timeout <= 0 || timeout % WEFT_MS == 0 || timeout == WEFT_FOREVER;
    if (!exact && !atomic_load_explicit(&epoll_pwait2_missing, memory_order_relaxed)) {
        /* The kernel's own timespec has two 64-bit members everywhere. */
        int64_t limit[2] = {timeout / WEFT_SEC, timeout % WEFT_SEC};
        int rc = checked_int(
            (int)syscall(SYS_epoll_pwait2, epoll_fd, events, count, limit, NULL, (size_t)0));
        if (rc != -ENOSYS && rc != -EPERM)
            return rc;
        atomic_store_explicit(&epoll_pwait2_missing, true, memory_order_relaxed);
    }
    return checked_int(epoll_wait(epoll_fd, events, count, milliseconds(timeout)));
}

static int sys_io_uring_setup(TABLE, unsigned entries, void *params)
{
    return checked_int((int)syscall(SYS_io_uring_setup, entries, params));
}

static int sys_io_uring_enter(TABLE, int fd, unsigned to_submit, unsigned min_complete,
                              unsigned flags, const void *arg, size_t arg_len)
{
    return checked_int(
        (int)syscall(SYS_io_uring_enter, fd, to_submit, min_complete, flags, arg, arg_len));
}

static int sys_io_uring_register(TABLE, int fd, unsigned opcode, void *arg, unsigned count)
{
    return checked_int((int)syscall(SYS_io_uring_register, fd, opcode, arg, count));
}

/* --- The process. The pthread_ calls return their error and leave errno alone. ------- */

static int sys_sigaction(TABLE, int signal, const struct sigaction *action,
                         struct sigaction *ret_old)
{
    return checked_int(sigaction(signal, action, ret_old));
}

static int sys_sigaltstack(TABLE, const void *stack, void *ret_old)
{
    return checked_int(sigaltstack(stack, ret_old));
}

static int sys_sigmask(TABLE, int how, const void *set, void *ret_old)
{
    return -pthread_sigmask(how, set, ret_old);
}

static int sys_raise(TABLE, int signal)
{
    return raise(signal) == 0 ? 0 : -EINVAL;
}

static int sys_atfork(TABLE, void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
}

static int sys_getpid(TABLE)
{
    return (int)getpid();
}

static const char *sys_getenv(TABLE, const char *name)
{
    return getenv(name);
}

static ssize_t sys_readlink(TABLE, const char *path, char *buf, size_t len)
{
    return checked(readlink(path, buf, len));
}

const struct weft_sys weft_sys_default = {
    .size = sizeof(struct weft_sys),
    .clock = sys_clock,
    .random = sys_random,
    .realloc = sys_realloc,
    .mmap = sys_mmap,
    .munmap = sys_munmap,
    .mprotect = sys_mprotect,
    .madvise = sys_madvise,
    .close = sys_close,
    .read = sys_read,
    .write = sys_write,
    .read_flags = sys_read_flags,
    .write_flags = sys_write_flags,
    .fcntl = sys_fcntl,
    .fstat = sys_fstat,
    .pipe2 = sys_pipe2,
    .eventfd = sys_eventfd,
    .socket = sys_socket,
    .socketpair = sys_socketpair,
    .bind = sys_bind,
    .listen = sys_listen,
    .accept4 = sys_accept4,
    .connect = sys_connect,
    .recvfrom = sys_recvfrom,
    .sendto = sys_sendto,
    .shutdown = sys_shutdown,
    .getsockname = sys_getsockname,
    .getpeername = sys_getpeername,
    .getsockopt = sys_getsockopt,
    .setsockopt = sys_setsockopt,
    .poll = sys_poll,
    .epoll_create1 = sys_epoll_create1,
    .epoll_ctl = sys_epoll_ctl,
    .epoll_wait = sys_epoll_wait,
    .io_uring_setup = sys_io_uring_setup,
    .io_uring_enter = sys_io_uring_enter,
    .io_uring_register = sys_io_uring_register,
    .sigaction = sys_sigaction,
    .sigaltstack = sys_sigaltstack,
    .thread_sigmask = sys_sigmask,
    .raise = sys_raise,
    .atfork = sys_atfork,
    .getpid = sys_getpid,
    .getenv = sys_getenv,
    .readlink = sys_readlink,
};
