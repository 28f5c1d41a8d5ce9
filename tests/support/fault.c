/* SPDX-License-Identifier: MIT */
/*
 * fault.c: the table that counts, and fails what it is told to
 *
 * Every entry does the same four things: it counts, asks `decide` whether to fail, passes the call
 * on to the wrapped table, and keeps the account. The account knows blocks of memory by number
 * alone, not by address: a block freed twice would show as one too few, and libc would stop the
 * process first.
 *
 * The clock and write may be called by other threads; what these two touch is atomic. Missing
 * entries of the wrapped table stay missing.
 */
#define _GNU_SOURCE
#include "fault.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fault_table *self(const struct weft_sys *sys)
{
    return (struct fault_table *)(uintptr_t)sys;
}

static bool chance(struct fault_table *fault, unsigned percent)
{
    if (percent == 0)
        return false;
    /* An LCG with the constants of Knuth's MMIX; the high bits are good enough here. */
    fault->random = fault->random * 6364136223846793005u + 1442695040888963407u;
    return (fault->random >> 33) % 100 < percent;
}

/** Counts a call that can fail; the negative code that it is to give, or 0. */
static int decide(const struct weft_sys *sys, enum fault_entry entry)
{
    struct fault_table *fault = self(sys);

    atomic_fetch_add(&fault->calls[entry], 1);
    if (!(fault->set & FAULT_SET(entry)))
        return 0;
    uint64_t point = atomic_fetch_add(&fault->points, 1) + 1;
    bool chosen =
        fault->mode == FAULT_ONCE ? point == fault->nth : fault->nth && point >= fault->nth;
    if (!chosen)
        return 0;
    atomic_fetch_add(&fault->injected, 1);
    return -fault->code;
}

/** As decide, for calls that wait for something: storms interrupt them. */
static int decide_slow(const struct weft_sys *sys, enum fault_entry entry)
{
    int rc = decide(sys, entry);

    if (rc == 0 && chance(self(sys), self(sys)->interrupt_percent)) {
        atomic_fetch_add(&self(sys)->injected, 1);
        rc = -EINTR;
    }
    return rc;
}

/** As decide, for transfers: storms interrupt them or say -EAGAIN. */
static int decide_transfer(const struct weft_sys *sys, enum fault_entry entry)
{
    int rc = decide_slow(sys, entry);

    if (rc == 0 && chance(self(sys), self(sys)->again_percent)) {
        atomic_fetch_add(&self(sys)->injected, 1);
        rc = -EAGAIN;
    }
    return rc;
}

/** SOCK_STREAM ...; 0 for what is no socket. */
static int socket_type(const struct weft_sys *sys, int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    int rc = sys->inner->getsockopt(sys->inner, fd, SOL_SOCKET, SO_TYPE, &type, &size);

    return rc == 0 ? type : 0;
}

/** A shorter length for a stream, if the storm says so. What has bounds of its own is left whole.
 */
static size_t cut(const struct weft_sys *sys, int fd, size_t len)
{
    struct fault_table *fault = self(sys);

    if (len <= sizeof(uint64_t) || !chance(fault, fault->short_percent))
        return len;
    int type = socket_type(sys, fd);
    if (type != 0 && type != SOCK_STREAM)
        return len;
    atomic_fetch_add(&fault->injected, 1);
    return 1 + (size_t)(fault->random >> 33) % (len - 1);
}

/* --- Clock, randomness, memory --------------------------------------------------------------- */

static weft_ns fault_clock(const struct weft_sys *sys)
{
    atomic_fetch_add(&self(sys)->calls[FAULT_CLOCK], 1);
    return sys->inner->clock(sys->inner);
}

static int fault_random(const struct weft_sys *sys, void *buf, size_t len)
{
    int rc = decide(sys, FAULT_RANDOM);
    return rc < 0 ? rc : sys->inner->random(sys->inner, buf, len);
}

static void *fault_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    struct fault_table *fault = self(sys);

    if (size == 0) {
        fault->blocks -= p != NULL;
        return sys->inner->realloc(sys->inner, p, 0);
    }
    if (decide(sys, FAULT_REALLOC) < 0)
        return NULL;
    void *moved = sys->inner->realloc(sys->inner, p, size);
    fault->blocks += moved && !p;
    return moved;
}

static int fault_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                      int64_t offset, void **ret)
{
    int rc = decide(sys, FAULT_MMAP);

    if (rc == 0)
        rc = sys->inner->mmap(sys->inner, len, prot, flags, fd, offset, ret);
    if (rc == 0) {
        self(sys)->mapped += (int64_t)len;
        fault_ring_mapped(&self(sys)->ring, fd, offset, *ret);
    }
    return rc;
}

static int fault_munmap(const struct weft_sys *sys, void *p, size_t len)
{
    int planned = decide(sys, FAULT_MUNMAP);
    int rc = sys->inner->munmap(sys->inner, p, len);

    if (rc == 0)
        self(sys)->mapped -= (int64_t)len;
    return planned < 0 ? planned : rc;
}

static int fault_mprotect(const struct weft_sys *sys, void *p, size_t len, int prot)
{
    int rc = decide(sys, FAULT_MPROTECT);
    return rc < 0 ? rc : sys->inner->mprotect(sys->inner, p, len, prot);
}

static int fault_madvise(const struct weft_sys *sys, void *p, size_t len, int advice)
{
    int rc = decide(sys, FAULT_MADVISE);
    return rc < 0 ? rc : sys->inner->madvise(sys->inner, p, len, advice);
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static int fault_close(const struct weft_sys *sys, int fd)
{
    int planned = decide(sys, FAULT_CLOSE);
    int rc = sys->inner->close(sys->inner, fd);

    fault_ring_closed(&self(sys)->ring, fd);
    return planned < 0 ? planned : rc;
}

static ssize_t fault_read(const struct weft_sys *sys, int fd, void *buf, size_t len)
{
    int rc = decide_transfer(sys, FAULT_READ);
    return rc < 0 ? rc : sys->inner->read(sys->inner, fd, buf, cut(sys, fd, len));
}

/* Other threads write to wake the loop: only the plan, whose state is atomic, concerns them. */
static ssize_t fault_write(const struct weft_sys *sys, int fd, const void *buf, size_t len)
{
    bool wakes = len == sizeof(uint64_t);
    int rc = wakes ? decide(sys, FAULT_WRITE) : decide_transfer(sys, FAULT_WRITE);
    return rc < 0 ? rc : sys->inner->write(sys->inner, fd, buf, cut(sys, fd, len));
}

static ssize_t fault_read_flags(const struct weft_sys *sys, int fd, void *buf, size_t len,
                                int flags)
{
    int rc = decide_transfer(sys, FAULT_READ_FLAGS);
    return rc < 0 ? rc : sys->inner->read_flags(sys->inner, fd, buf, cut(sys, fd, len), flags);
}

static ssize_t fault_write_flags(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                                 int flags)
{
    int rc = decide_transfer(sys, FAULT_WRITE_FLAGS);
    return rc < 0 ? rc : sys->inner->write_flags(sys->inner, fd, buf, cut(sys, fd, len), flags);
}

static int fault_fcntl(const struct weft_sys *sys, int fd, int command, long arg)
{
    int rc = decide(sys, FAULT_FCNTL);
    return rc < 0 ? rc : sys->inner->fcntl(sys->inner, fd, command, arg);
}

static int fault_fstat(const struct weft_sys *sys, int fd, struct stat *ret)
{
    int rc = decide(sys, FAULT_FSTAT);
    return rc < 0 ? rc : sys->inner->fstat(sys->inner, fd, ret);
}

static int fault_pipe2(const struct weft_sys *sys, int fds[2], int flags)
{
    int rc = decide(sys, FAULT_PIPE2);
    return rc < 0 ? rc : sys->inner->pipe2(sys->inner, fds, flags);
}

static int fault_eventfd(const struct weft_sys *sys, unsigned value, int flags)
{
    int rc = decide(sys, FAULT_EVENTFD);
    return rc < 0 ? rc : sys->inner->eventfd(sys->inner, value, flags);
}

/* --- Sockets --------------------------------------------------------------------------------- */

static int fault_socket(const struct weft_sys *sys, int domain, int type, int protocol)
{
    int rc = decide(sys, FAULT_SOCKET);
    return rc < 0 ? rc : sys->inner->socket(sys->inner, domain, type, protocol);
}

static int fault_socketpair(const struct weft_sys *sys, int domain, int type, int protocol,
                            int fds[2])
{
    int rc = decide(sys, FAULT_SOCKETPAIR);

    if (rc < 0)
        return rc;
    return sys->inner->socketpair(sys->inner, domain, type, protocol, fds);
}

static int fault_bind(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                      socklen_t len)
{
    int rc = decide(sys, FAULT_BIND);
    return rc < 0 ? rc : sys->inner->bind(sys->inner, fd, address, len);
}

static int fault_listen(const struct weft_sys *sys, int fd, int backlog)
{
    int rc = decide(sys, FAULT_LISTEN);
    return rc < 0 ? rc : sys->inner->listen(sys->inner, fd, backlog);
}

static int fault_accept4(const struct weft_sys *sys, int fd, struct sockaddr *address,
                         socklen_t *len, int flags)
{
    int rc = decide_transfer(sys, FAULT_ACCEPT4);
    return rc < 0 ? rc : sys->inner->accept4(sys->inner, fd, address, len, flags);
}

/* A connect that is interrupted goes on by itself; any other failure of the plan happens instead.
 * That of a datagram socket waits for nothing, so that nothing interrupts it. */
static int fault_connect(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                         socklen_t len)
{
    bool waits = socket_type(sys, fd) == SOCK_STREAM;
    int planned = waits ? decide_slow(sys, FAULT_CONNECT) : decide(sys, FAULT_CONNECT);

    if (planned < 0 && planned != -EINTR)
        return planned;
    int rc = sys->inner->connect(sys->inner, fd, address, len);
    bool goes_on = waits && (rc == 0 || rc == -EINPROGRESS);
    return planned < 0 && goes_on ? planned : rc;
}

static ssize_t fault_recvfrom(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags,
                              struct sockaddr *address, socklen_t *address_len)
{
    int rc = decide_transfer(sys, FAULT_RECVFROM);

    if (rc < 0)
        return rc;
    return sys->inner->recvfrom(sys->inner, fd, buf, cut(sys, fd, len), flags, address,
                                address_len);
}

static ssize_t fault_sendto(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                            int flags, const struct sockaddr *address, socklen_t address_len)
{
    int rc = decide_transfer(sys, FAULT_SENDTO);

    if (rc < 0)
        return rc;
    return sys->inner->sendto(sys->inner, fd, buf, cut(sys, fd, len), flags, address, address_len);
}

static int fault_shutdown(const struct weft_sys *sys, int fd, int how)
{
    int rc = decide(sys, FAULT_SHUTDOWN);
    return rc < 0 ? rc : sys->inner->shutdown(sys->inner, fd, how);
}

static int fault_getsockname(const struct weft_sys *sys, int fd, struct sockaddr *address,
                             socklen_t *len)
{
    int rc = decide(sys, FAULT_GETSOCKNAME);
    return rc < 0 ? rc : sys->inner->getsockname(sys->inner, fd, address, len);
}

static int fault_getpeername(const struct weft_sys *sys, int fd, struct sockaddr *address,
                             socklen_t *len)
{
    int rc = decide(sys, FAULT_GETPEERNAME);
    return rc < 0 ? rc : sys->inner->getpeername(sys->inner, fd, address, len);
}

static int fault_getsockopt(const struct weft_sys *sys, int fd, int level, int option, void *value,
                            socklen_t *len)
{
    int rc = decide(sys, FAULT_GETSOCKOPT);
    return rc < 0 ? rc : sys->inner->getsockopt(sys->inner, fd, level, option, value, len);
}

static int fault_setsockopt(const struct weft_sys *sys, int fd, int level, int option,
                            const void *value, socklen_t len)
{
    int rc = decide(sys, FAULT_SETSOCKOPT);
    return rc < 0 ? rc : sys->inner->setsockopt(sys->inner, fd, level, option, value, len);
}

/* --- Engines --------------------------------------------------------------------------------- */

static int fault_poll(const struct weft_sys *sys, struct pollfd *fds, size_t count, weft_ns timeout)
{
    int rc = decide_slow(sys, FAULT_POLL);
    return rc < 0 ? rc : sys->inner->poll(sys->inner, fds, count, timeout);
}

static int fault_epoll_create1(const struct weft_sys *sys, int flags)
{
    int rc = decide(sys, FAULT_EPOLL_CREATE1);
    return rc < 0 ? rc : sys->inner->epoll_create1(sys->inner, flags);
}

static int fault_epoll_ctl(const struct weft_sys *sys, int epoll_fd, int op, int fd,
                           struct epoll_event *event)
{
    int rc = op == EPOLL_CTL_DEL ? 0 : decide(sys, FAULT_EPOLL_CTL);
    return rc < 0 ? rc : sys->inner->epoll_ctl(sys->inner, epoll_fd, op, fd, event);
}

static int fault_epoll_wait(const struct weft_sys *sys, int epoll_fd, struct epoll_event *events,
                            int count, weft_ns timeout)
{
    int rc = decide_slow(sys, FAULT_EPOLL_WAIT);
    return rc < 0 ? rc : sys->inner->epoll_wait(sys->inner, epoll_fd, events, count, timeout);
}

static int fault_io_uring_setup(const struct weft_sys *sys, unsigned entries, void *params)
{
    int rc = decide(sys, FAULT_IO_URING_SETUP);

    if (rc == 0)
        rc = sys->inner->io_uring_setup(sys->inner, entries, params);
    if (rc >= 0)
        fault_ring_made(&self(sys)->ring, rc, params);
    return rc;
}

/** The call that a request stands for; FAULT_ENTRY_COUNT: none that can fail. */
static enum fault_entry entry_of_request(const struct weft__uring_sqe *request)
{
    switch (request->opcode) {
    case WEFT__URING_OP_POLL_ADD:
        return FAULT_POLL;
    case WEFT__URING_OP_READ:
        return FAULT_READ;
    case WEFT__URING_OP_WRITE:
        return FAULT_WRITE;
    case WEFT__URING_OP_RECV:
    case WEFT__URING_OP_RECVMSG:
        return FAULT_RECVFROM;
    case WEFT__URING_OP_SEND:
    case WEFT__URING_OP_SENDMSG:
        return FAULT_SENDTO;
    case WEFT__URING_OP_ACCEPT:
        return FAULT_ACCEPT4;
    case WEFT__URING_OP_CONNECT:
        return FAULT_CONNECT;
    default:
        return FAULT_ENTRY_COUNT;
    }
}

/** Fails, or cuts short, what is about to be handed over. */
static void decide_requests(const struct weft_sys *sys, int fd)
{
    struct fault_ring *ring = &self(sys)->ring;
    struct weft__uring_sqe *request;

    while ((request = fault_ring_next(ring, fd)) != NULL) {
        enum fault_entry entry = entry_of_request(request);
        int code = entry < FAULT_ENTRY_COUNT ? decide_transfer(sys, entry) : 0;
        bool bytes = entry == FAULT_READ || entry == FAULT_WRITE ||
                     request->opcode == WEFT__URING_OP_RECV ||
                     request->opcode == WEFT__URING_OP_SEND;
        if (code < 0)
            fault_ring_fail(ring, request, code);
        else if (bytes)
            request->len = (uint32_t)cut(sys, request->fd, request->len);
    }
}

static int fault_io_uring_enter(const struct weft_sys *sys, int fd, unsigned to_submit,
                                unsigned min_complete, unsigned flags, const void *arg,
                                size_t arg_len)
{
    int rc = decide_slow(sys, FAULT_IO_URING_ENTER);

    if (rc < 0)
        return rc;
    decide_requests(sys, fd);
    rc = sys->inner->io_uring_enter(sys->inner, fd, to_submit, min_complete, flags, arg, arg_len);
    fault_ring_answer(&self(sys)->ring, fd);
    return rc;
}

static int fault_io_uring_register(const struct weft_sys *sys, int fd, unsigned opcode, void *arg,
                                   unsigned count)
{
    int rc = decide(sys, FAULT_IO_URING_REGISTER);
    return rc < 0 ? rc : sys->inner->io_uring_register(sys->inner, fd, opcode, arg, count);
}

/* --- Making and asking ----------------------------------------------------------------------- */

void fault_wrap(struct fault_table *fault, const struct weft_sys *inner)
{
    memset(fault, 0, sizeof *fault);
    fault->sys.size = sizeof fault->sys;
    fault->sys.flags = inner->flags;
    fault->sys.inner = inner;
    fault->set = FAULT_ALL;
    fault_ring_init(&fault->ring);
#define FAULT_TAKE(upper, lower)                                                                   \
    if (inner->lower)                                                                              \
        fault->sys.lower = fault_##lower;
    FAULT_ENTRIES(FAULT_TAKE)
#undef FAULT_TAKE
}

void fault_fail(struct fault_table *fault, uint64_t set, uint64_t nth, enum fault_mode mode,
                int code)
{
    fault->set = set & FAULT_ALL;
    fault->nth = nth;
    fault->mode = mode;
    fault->code = code;
    atomic_store(&fault->points, 0);
}

void fault_storm(struct fault_table *fault, uint64_t seed, unsigned interrupt_percent,
                 unsigned again_percent, unsigned short_percent)
{
    fault->random = seed;
    fault->interrupt_percent = interrupt_percent;
    fault->again_percent = again_percent;
    fault->short_percent = short_percent;
}

int fault_report_leaks(const struct fault_table *fault)
{
    if (fault->blocks)
        dprintf(STDERR_FILENO, "leak: %lld blocks of memory\n", (long long)fault->blocks);
    if (fault->mapped)
        dprintf(STDERR_FILENO, "leak: %lld mapped bytes\n", (long long)fault->mapped);
    return (fault->blocks != 0) + (fault->mapped != 0);
}

const char *fault_entry_name(enum fault_entry entry)
{
    static const char *const names[] = {
#define FAULT_NAME(upper, lower) #lower,
        FAULT_ENTRIES(FAULT_NAME)
#undef FAULT_NAME
    };
    return names[entry];
}

/* From the man pages of section 2, without those that only a wrong argument brings about. */
const int *fault_errors(enum fault_entry entry)
{
    static const int errors[FAULT_ENTRY_COUNT][9] = {
        [FAULT_RANDOM] = {ENOSYS, EIO},
        [FAULT_REALLOC] = {ENOMEM},
        [FAULT_MMAP] = {ENOMEM, EAGAIN, EPERM},
        [FAULT_MUNMAP] = {ENOMEM},
        [FAULT_MPROTECT] = {ENOMEM, EACCES},
        [FAULT_MADVISE] = {ENOMEM, EINVAL, EAGAIN},
        [FAULT_CLOSE] = {EINTR, EIO, ENOSPC, EDQUOT},
        [FAULT_READ] = {EINTR, EIO, ENOMEM},
        [FAULT_WRITE] = {EINTR, EIO, ENOSPC, EDQUOT, EFBIG, EPIPE},
        [FAULT_READ_FLAGS] = {EINTR, EIO, EOPNOTSUPP, ENOSYS},
        [FAULT_WRITE_FLAGS] = {EINTR, EIO, ENOSPC, EPIPE, EOPNOTSUPP, ENOSYS},
        [FAULT_FCNTL] = {EINTR},
        [FAULT_FSTAT] = {ENOMEM, EOVERFLOW, EACCES},
        [FAULT_PIPE2] = {EMFILE, ENFILE},
        [FAULT_EVENTFD] = {EMFILE, ENFILE, ENOMEM, ENODEV},
        [FAULT_SOCKET] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES},
        [FAULT_SOCKETPAIR] = {EMFILE, ENFILE, ENOMEM},
        [FAULT_BIND] = {EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM},
        [FAULT_LISTEN] = {EADDRINUSE},
        [FAULT_ACCEPT4] = {EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO},
        [FAULT_CONNECT] = {EINTR, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EPERM},
        [FAULT_RECVFROM] = {EINTR, ECONNREFUSED, ECONNRESET, ENOMEM, ETIMEDOUT},
        [FAULT_SENDTO] = {EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EPERM, EHOSTUNREACH},
        [FAULT_SHUTDOWN] = {ENOTCONN},
        [FAULT_GETSOCKNAME] = {ENOBUFS},
        [FAULT_GETPEERNAME] = {ENOBUFS, ENOTCONN},
        [FAULT_GETSOCKOPT] = {ENOPROTOOPT},
        [FAULT_SETSOCKOPT] = {ENOPROTOOPT, ENOMEM},
        [FAULT_POLL] = {EINTR, ENOMEM},
        [FAULT_EPOLL_CREATE1] = {EMFILE, ENFILE, ENOMEM, ENOSYS},
        [FAULT_EPOLL_CTL] = {ENOMEM, ENOSPC},
        [FAULT_EPOLL_WAIT] = {EINTR},
        [FAULT_IO_URING_SETUP] = {EPERM, ENOSYS, ENOMEM, EMFILE, ENFILE},
        [FAULT_IO_URING_ENTER] = {EINTR, EAGAIN, EBUSY},
        [FAULT_IO_URING_REGISTER] = {EINVAL, ENOMEM, EOPNOTSUPP},
    };
    return errors[entry];
}
