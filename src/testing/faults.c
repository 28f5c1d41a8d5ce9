/* SPDX-License-Identifier: MIT */
/*
 * faults.c: the table that counts, and fails what it is told to
 *
 * Every entry does the same four things: it counts, asks `decide` whether to fail, passes the call
 * on to the wrapped table, and keeps the account. The account knows blocks of memory by number
 * alone, not by address: a block freed twice would show as one too few, and libc would stop the
 * process first.
 *
 * The clock and write may be called by other threads; what these two touch is atomic.
 */
#include "base/assert.h"
#include "loop/internal.h"
#include "testing/internal.h"
#include "testing/ring.h"

#include <string.h>
#include <sys/epoll.h>

static struct weft_testing_faults *self(const struct weft_sys *sys)
{
    return (struct weft_testing_faults *)(uintptr_t)sys;
}

/** The ring's state, in the room that the public struct has for it. */
static struct weft__fault_ring *ring_of(const struct weft_sys *sys)
{
    _Static_assert(sizeof(struct weft__fault_ring) <= sizeof self(sys)->ring, "room for the ring");
    return (void *)self(sys)->ring;
}

static uint64_t random_of(struct weft_testing_faults *fault)
{
    /* An LCG with the constants of Knuth's MMIX; the high bits are good enough here. */
    fault->random = fault->random * 6364136223846793005u + 1442695040888963407u;
    return fault->random >> 33;
}

static bool chance(struct weft_testing_faults *fault, unsigned percent)
{
    return percent > 0 && random_of(fault) % 100 < percent;
}

#ifdef WEFT_COVERAGE
/** Notes who called the table; in tests/support/coverage.c. */
void weft__coverage_injected(void);
#else
#define weft__coverage_injected() ((void)0)
#endif

static void count_injected(struct weft_testing_faults *fault)
{
    weft__coverage_injected();
    __atomic_fetch_add(&fault->injected, 1, __ATOMIC_RELAXED);
}

/** Counts a call that can fail; the negative code that the plan has for it, or 0. */
static int planned(const struct weft_sys *sys, enum weft_testing_call call)
{
    struct weft_testing_faults *fault = self(sys);

    __atomic_fetch_add(&fault->calls[call], 1, __ATOMIC_RELAXED);
    if (!(fault->set & (uint64_t)1 << call))
        return 0;
    uint64_t point = __atomic_fetch_add(&fault->points, 1, __ATOMIC_RELAXED) + 1;
    bool chosen =
        fault->mode == WEFT_TESTING_ONCE ? point == fault->nth : fault->nth && point >= fault->nth;
    if (!chosen)
        return 0;
    count_injected(fault);
    return -fault->code;
}

/** One of the errors of a call, at random. */
static int any_error(struct weft_testing_faults *fault, enum weft_testing_call call)
{
    const int *errors = weft_testing_call_errors(call);
    size_t count = 0;

    while (errors[count])
        count++;
    return count ? -errors[random_of(fault) % count] : 0;
}

/** As planned, with the failures of a storm. */
static int decide(const struct weft_sys *sys, enum weft_testing_call call)
{
    struct weft_testing_faults *fault = self(sys);
    int rc = planned(sys, call);

    if (rc == 0 && fault->storm.fail_set & (uint64_t)1 << call &&
        chance(fault, fault->storm.fail_percent)) {
        count_injected(fault);
        rc = any_error(fault, call);
    }
    return rc;
}

/** As decide, for calls that wait for something: storms interrupt them. */
static int decide_slow(const struct weft_sys *sys, enum weft_testing_call call)
{
    int rc = decide(sys, call);

    if (rc == 0 && chance(self(sys), self(sys)->storm.interrupt_percent)) {
        count_injected(self(sys));
        rc = -EINTR;
    }
    return rc;
}

/** As decide, for transfers: storms interrupt them or say -EAGAIN. */
static int decide_transfer(const struct weft_sys *sys, enum weft_testing_call call)
{
    int rc = decide_slow(sys, call);

    if (rc == 0 && chance(self(sys), self(sys)->storm.again_percent)) {
        count_injected(self(sys));
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
    struct weft_testing_faults *fault = self(sys);

    if (len <= sizeof(uint64_t) || !chance(fault, fault->storm.short_percent))
        return len;
    int type = socket_type(sys, fd);
    if (type != 0 && type != SOCK_STREAM)
        return len;
    count_injected(fault);
    return 1 + (size_t)random_of(fault) % (len - 1);
}

/* --- Clock, randomness, memory --------------------------------------------------------------- */

static weft_ns fault_clock(const struct weft_sys *sys)
{
    __atomic_fetch_add(&self(sys)->calls[WEFT_TESTING_CALL_CLOCK], 1, __ATOMIC_RELAXED);
    return sys->inner->clock(sys->inner);
}

static int fault_random(const struct weft_sys *sys, void *buf, size_t len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_RANDOM);
    return rc < 0 ? rc : sys->inner->random(sys->inner, buf, len);
}

static void *fault_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    struct weft_testing_faults *fault = self(sys);

    if (size == 0) {
        fault->blocks -= p != NULL;
        return sys->inner->realloc(sys->inner, p, 0);
    }
    if (decide(sys, WEFT_TESTING_CALL_REALLOC) < 0)
        return NULL;
    void *moved = sys->inner->realloc(sys->inner, p, size);
    fault->blocks += moved && !p;
    return moved;
}

static int fault_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                      int64_t offset, void **ret)
{
    int rc = decide(sys, WEFT_TESTING_CALL_MMAP);

    if (rc == 0)
        rc = sys->inner->mmap(sys->inner, len, prot, flags, fd, offset, ret);
    if (rc == 0) {
        self(sys)->mapped += (int64_t)len;
        weft__fault_ring_mapped(ring_of(sys), fd, offset, *ret);
    }
    return rc;
}

static int fault_munmap(const struct weft_sys *sys, void *p, size_t len)
{
    int chosen = decide(sys, WEFT_TESTING_CALL_MUNMAP);
    int rc = sys->inner->munmap(sys->inner, p, len);

    if (rc == 0)
        self(sys)->mapped -= (int64_t)len;
    return chosen < 0 ? chosen : rc;
}

static int fault_mprotect(const struct weft_sys *sys, void *p, size_t len, int prot)
{
    int rc = decide(sys, WEFT_TESTING_CALL_MPROTECT);
    return rc < 0 ? rc : sys->inner->mprotect(sys->inner, p, len, prot);
}

static int fault_madvise(const struct weft_sys *sys, void *p, size_t len, int advice)
{
    int rc = decide(sys, WEFT_TESTING_CALL_MADVISE);
    return rc < 0 ? rc : sys->inner->madvise(sys->inner, p, len, advice);
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static int fault_close(const struct weft_sys *sys, int fd)
{
    int chosen = decide(sys, WEFT_TESTING_CALL_CLOSE);
    int rc = sys->inner->close(sys->inner, fd);

    weft__fault_ring_closed(ring_of(sys), fd);
    return chosen < 0 ? chosen : rc;
}

static ssize_t fault_read(const struct weft_sys *sys, int fd, void *buf, size_t len)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_READ);
    return rc < 0 ? rc : sys->inner->read(sys->inner, fd, buf, cut(sys, fd, len));
}

/* Other threads write to wake the loop: only the plan, whose state is atomic, concerns them. */
static ssize_t fault_write(const struct weft_sys *sys, int fd, const void *buf, size_t len)
{
    bool wakes = len == sizeof(uint64_t);
    int rc = wakes ? planned(sys, WEFT_TESTING_CALL_WRITE)
                   : decide_transfer(sys, WEFT_TESTING_CALL_WRITE);
    return rc < 0 ? rc : sys->inner->write(sys->inner, fd, buf, cut(sys, fd, len));
}

static ssize_t fault_read_flags(const struct weft_sys *sys, int fd, void *buf, size_t len,
                                int flags)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_READ_FLAGS);
    return rc < 0 ? rc : sys->inner->read_flags(sys->inner, fd, buf, cut(sys, fd, len), flags);
}

static ssize_t fault_write_flags(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                                 int flags)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_WRITE_FLAGS);
    return rc < 0 ? rc : sys->inner->write_flags(sys->inner, fd, buf, cut(sys, fd, len), flags);
}

static int fault_fcntl(const struct weft_sys *sys, int fd, int command, long arg)
{
    int rc = decide(sys, WEFT_TESTING_CALL_FCNTL);
    return rc < 0 ? rc : sys->inner->fcntl(sys->inner, fd, command, arg);
}

static int fault_fstat(const struct weft_sys *sys, int fd, struct stat *ret)
{
    int rc = decide(sys, WEFT_TESTING_CALL_FSTAT);
    return rc < 0 ? rc : sys->inner->fstat(sys->inner, fd, ret);
}

static int fault_pipe2(const struct weft_sys *sys, int fds[2], int flags)
{
    int rc = decide(sys, WEFT_TESTING_CALL_PIPE2);
    return rc < 0 ? rc : sys->inner->pipe2(sys->inner, fds, flags);
}

static int fault_eventfd(const struct weft_sys *sys, unsigned value, int flags)
{
    int rc = decide(sys, WEFT_TESTING_CALL_EVENTFD);
    return rc < 0 ? rc : sys->inner->eventfd(sys->inner, value, flags);
}

/* --- Sockets --------------------------------------------------------------------------------- */

static int fault_socket(const struct weft_sys *sys, int domain, int type, int protocol)
{
    int rc = decide(sys, WEFT_TESTING_CALL_SOCKET);
    return rc < 0 ? rc : sys->inner->socket(sys->inner, domain, type, protocol);
}

static int fault_socketpair(const struct weft_sys *sys, int domain, int type, int protocol,
                            int fds[2])
{
    int rc = decide(sys, WEFT_TESTING_CALL_SOCKETPAIR);

    if (rc < 0)
        return rc;
    return sys->inner->socketpair(sys->inner, domain, type, protocol, fds);
}

static int fault_bind(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                      socklen_t len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_BIND);
    return rc < 0 ? rc : sys->inner->bind(sys->inner, fd, address, len);
}

static int fault_listen(const struct weft_sys *sys, int fd, int backlog)
{
    int rc = decide(sys, WEFT_TESTING_CALL_LISTEN);
    return rc < 0 ? rc : sys->inner->listen(sys->inner, fd, backlog);
}

static int fault_accept4(const struct weft_sys *sys, int fd, struct sockaddr *address,
                         socklen_t *len, int flags)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_ACCEPT4);
    return rc < 0 ? rc : sys->inner->accept4(sys->inner, fd, address, len, flags);
}

/* A connect that is interrupted goes on by itself; any other failure of the plan happens instead.
 * That of a datagram socket waits for nothing, so that nothing interrupts it. */
static int fault_connect(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                         socklen_t len)
{
    bool waits = socket_type(sys, fd) == SOCK_STREAM;
    int chosen = waits ? decide_slow(sys, WEFT_TESTING_CALL_CONNECT)
                       : decide(sys, WEFT_TESTING_CALL_CONNECT);

    if (chosen < 0 && chosen != -EINTR)
        return chosen;
    int rc = sys->inner->connect(sys->inner, fd, address, len);
    bool goes_on = waits && (rc == 0 || rc == -EINPROGRESS);
    return chosen < 0 && goes_on ? chosen : rc;
}

static ssize_t fault_recvfrom(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags,
                              struct sockaddr *address, socklen_t *address_len)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_RECVFROM);

    if (rc < 0)
        return rc;
    return sys->inner->recvfrom(sys->inner, fd, buf, cut(sys, fd, len), flags, address,
                                address_len);
}

static ssize_t fault_sendto(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                            int flags, const struct sockaddr *address, socklen_t address_len)
{
    int rc = decide_transfer(sys, WEFT_TESTING_CALL_SENDTO);

    if (rc < 0)
        return rc;
    return sys->inner->sendto(sys->inner, fd, buf, cut(sys, fd, len), flags, address, address_len);
}

static int fault_shutdown(const struct weft_sys *sys, int fd, int how)
{
    int rc = decide(sys, WEFT_TESTING_CALL_SHUTDOWN);
    return rc < 0 ? rc : sys->inner->shutdown(sys->inner, fd, how);
}

static int fault_getsockname(const struct weft_sys *sys, int fd, struct sockaddr *address,
                             socklen_t *len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_GETSOCKNAME);
    return rc < 0 ? rc : sys->inner->getsockname(sys->inner, fd, address, len);
}

static int fault_getpeername(const struct weft_sys *sys, int fd, struct sockaddr *address,
                             socklen_t *len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_GETPEERNAME);
    return rc < 0 ? rc : sys->inner->getpeername(sys->inner, fd, address, len);
}

static int fault_getsockopt(const struct weft_sys *sys, int fd, int level, int option, void *value,
                            socklen_t *len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_GETSOCKOPT);
    return rc < 0 ? rc : sys->inner->getsockopt(sys->inner, fd, level, option, value, len);
}

static int fault_setsockopt(const struct weft_sys *sys, int fd, int level, int option,
                            const void *value, socklen_t len)
{
    int rc = decide(sys, WEFT_TESTING_CALL_SETSOCKOPT);
    return rc < 0 ? rc : sys->inner->setsockopt(sys->inner, fd, level, option, value, len);
}

/* --- Engines --------------------------------------------------------------------------------- */

static int fault_poll(const struct weft_sys *sys, struct pollfd *fds, size_t count, weft_ns timeout)
{
    int rc = decide_slow(sys, WEFT_TESTING_CALL_POLL);
    return rc < 0 ? rc : sys->inner->poll(sys->inner, fds, count, timeout);
}

static int fault_epoll_create1(const struct weft_sys *sys, int flags)
{
    int rc = decide(sys, WEFT_TESTING_CALL_EPOLL_CREATE1);
    return rc < 0 ? rc : sys->inner->epoll_create1(sys->inner, flags);
}

static int fault_epoll_ctl(const struct weft_sys *sys, int epoll_fd, int op, int fd,
                           struct epoll_event *event)
{
    int rc = op == EPOLL_CTL_DEL ? 0 : decide(sys, WEFT_TESTING_CALL_EPOLL_CTL);
    return rc < 0 ? rc : sys->inner->epoll_ctl(sys->inner, epoll_fd, op, fd, event);
}

static int fault_epoll_wait(const struct weft_sys *sys, int epoll_fd, struct epoll_event *events,
                            int count, weft_ns timeout)
{
    int rc = decide_slow(sys, WEFT_TESTING_CALL_EPOLL_WAIT);
    return rc < 0 ? rc : sys->inner->epoll_wait(sys->inner, epoll_fd, events, count, timeout);
}

static int fault_io_uring_setup(const struct weft_sys *sys, unsigned entries, void *params)
{
    int rc = decide(sys, WEFT_TESTING_CALL_IO_URING_SETUP);

    if (rc == 0)
        rc = sys->inner->io_uring_setup(sys->inner, entries, params);
    if (rc >= 0)
        weft__fault_ring_made(ring_of(sys), rc, params);
    return rc;
}

/** The call that a request stands for; WEFT_TESTING_CALLS: none that can fail. */
static enum weft_testing_call call_of_request(const struct weft__uring_sqe *request)
{
    switch (request->opcode) {
    case WEFT__URING_OP_POLL_ADD:
        return WEFT_TESTING_CALL_POLL;
    case WEFT__URING_OP_READ:
        return WEFT_TESTING_CALL_READ;
    case WEFT__URING_OP_WRITE:
        return WEFT_TESTING_CALL_WRITE;
    case WEFT__URING_OP_RECV:
    case WEFT__URING_OP_RECVMSG:
        return WEFT_TESTING_CALL_RECVFROM;
    case WEFT__URING_OP_SEND:
    case WEFT__URING_OP_SENDMSG:
        return WEFT_TESTING_CALL_SENDTO;
    case WEFT__URING_OP_ACCEPT:
        return WEFT_TESTING_CALL_ACCEPT4;
    case WEFT__URING_OP_CONNECT:
        return WEFT_TESTING_CALL_CONNECT;
    default:
        return WEFT_TESTING_CALLS;
    }
}

/** Fails, or cuts short, what is about to be handed over. */
static void decide_requests(const struct weft_sys *sys, int fd)
{
    struct weft__fault_ring *ring = ring_of(sys);
    struct weft__uring_sqe *request;

    while ((request = weft__fault_ring_next(ring, fd)) != NULL) {
        enum weft_testing_call call = call_of_request(request);
        int code = call < WEFT_TESTING_CALLS ? decide_transfer(sys, call) : 0;
        bool bytes = call == WEFT_TESTING_CALL_READ || call == WEFT_TESTING_CALL_WRITE ||
                     request->opcode == WEFT__URING_OP_RECV ||
                     request->opcode == WEFT__URING_OP_SEND;
        if (code < 0)
            (void)weft__fault_ring_fail(ring, request, code);
        else if (bytes)
            request->len = (uint32_t)cut(sys, request->fd, request->len);
    }
}

static int fault_io_uring_enter(const struct weft_sys *sys, int fd, unsigned to_submit,
                                unsigned min_complete, unsigned flags, const void *arg,
                                size_t arg_len)
{
    int rc = decide_slow(sys, WEFT_TESTING_CALL_IO_URING_ENTER);

    if (rc < 0)
        return rc;
    decide_requests(sys, fd);
    rc = sys->inner->io_uring_enter(sys->inner, fd, to_submit, min_complete, flags, arg, arg_len);
    weft__fault_ring_answer(ring_of(sys), fd);
    return rc;
}

static int fault_io_uring_register(const struct weft_sys *sys, int fd, unsigned opcode, void *arg,
                                   unsigned count)
{
    int rc = decide(sys, WEFT_TESTING_CALL_IO_URING_REGISTER);
    return rc < 0 ? rc : sys->inner->io_uring_register(sys->inner, fd, opcode, arg, count);
}

/* --- What concerns the process: passed on, and no fault point --------------------------------- */

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

static void pass_process(struct weft_sys *sys)
{
    sys->sigaction = pass_sigaction;
    sys->sigaltstack = pass_sigaltstack;
    sys->atfork = pass_atfork;
}

/* --- Making and asking ----------------------------------------------------------------------- */

void weft_testing_faults_init(struct weft_testing_faults *faults, const struct weft_sys *inner)
{
    if (!inner)
        inner = &weft_sys_default;
    memset(faults, 0, sizeof *faults);
    faults->sys.size = sizeof faults->sys;
    faults->sys.flags = inner->flags;
    faults->sys.inner = inner;
    faults->set = WEFT_TESTING_ANY;
    weft__fault_ring_init(ring_of(&faults->sys));
    pass_process(&faults->sys);
#define TAKE(upper, lower) faults->sys.lower = fault_##lower;
    WEFT__TESTING_CALLS(TAKE)
#undef TAKE
}

void weft_testing_faults_fail(struct weft_testing_faults *faults, uint64_t set, uint64_t nth,
                              enum weft_testing_mode mode, int code)
{
    faults->set = set & WEFT_TESTING_ANY;
    faults->nth = nth;
    faults->mode = mode;
    faults->code = code;
    __atomic_store_n(&faults->points, 0, __ATOMIC_RELAXED);
}

void weft_testing_faults_storm(struct weft_testing_faults *faults,
                               const struct weft_testing_storm *storm)
{
    weft__options_read(&faults->storm, sizeof faults->storm, storm);
    faults->random = faults->storm.seed;
}

int weft_testing_faults_report(const struct weft_testing_faults *faults)
{
    if (faults->blocks)
        weft__report("leak: %lld blocks of memory", (long long)faults->blocks);
    if (faults->mapped)
        weft__report("leak: %lld mapped bytes", (long long)faults->mapped);
    return (faults->blocks != 0) + (faults->mapped != 0);
}

static const char *const call_names[] = {
#define NAME(upper, lower) [WEFT_TESTING_CALL_##upper] = #lower,
    WEFT__TESTING_CALLS(NAME)
#undef NAME
};

const char *weft_testing_call_name(enum weft_testing_call call)
{
    return call_names[call];
}

int weft_testing_call_find(const char *name)
{
    for (int call = 0; call < WEFT_TESTING_CALLS; call++)
        if (strcmp(call_names[call], name) == 0)
            return call;
    return -ENOENT;
}

/* From the man pages of section 2, without those that only a wrong argument brings about. */
const int *weft_testing_call_errors(enum weft_testing_call call)
{
    static const int errors[WEFT_TESTING_CALLS][9] = {
        [WEFT_TESTING_CALL_RANDOM] = {ENOSYS, EIO},
        [WEFT_TESTING_CALL_REALLOC] = {ENOMEM},
        [WEFT_TESTING_CALL_MMAP] = {ENOMEM, EAGAIN, EPERM},
        [WEFT_TESTING_CALL_MUNMAP] = {ENOMEM},
        [WEFT_TESTING_CALL_MPROTECT] = {ENOMEM, EACCES},
        [WEFT_TESTING_CALL_MADVISE] = {ENOMEM, EINVAL, EAGAIN},
        [WEFT_TESTING_CALL_CLOSE] = {EINTR, EIO, ENOSPC, EDQUOT},
        [WEFT_TESTING_CALL_READ] = {EINTR, EIO, ENOMEM},
        [WEFT_TESTING_CALL_WRITE] = {EINTR, EIO, ENOSPC, EDQUOT, EFBIG, EPIPE},
        [WEFT_TESTING_CALL_READ_FLAGS] = {EINTR, EIO, EOPNOTSUPP, ENOSYS},
        [WEFT_TESTING_CALL_WRITE_FLAGS] = {EINTR, EIO, ENOSPC, EPIPE, EOPNOTSUPP, ENOSYS},
        [WEFT_TESTING_CALL_FCNTL] = {EINTR},
        [WEFT_TESTING_CALL_FSTAT] = {ENOMEM, EOVERFLOW, EACCES},
        [WEFT_TESTING_CALL_PIPE2] = {EMFILE, ENFILE},
        [WEFT_TESTING_CALL_EVENTFD] = {EMFILE, ENFILE, ENOMEM, ENODEV},
        [WEFT_TESTING_CALL_SOCKET] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES},
        [WEFT_TESTING_CALL_SOCKETPAIR] = {EMFILE, ENFILE, ENOMEM},
        [WEFT_TESTING_CALL_BIND] = {EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM},
        [WEFT_TESTING_CALL_LISTEN] = {EADDRINUSE},
        [WEFT_TESTING_CALL_ACCEPT4] = {EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM,
                                       EPROTO},
        [WEFT_TESTING_CALL_CONNECT] = {EINTR, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL,
                                       EPERM},
        [WEFT_TESTING_CALL_RECVFROM] = {EINTR, ECONNREFUSED, ECONNRESET, ENOMEM, ETIMEDOUT},
        [WEFT_TESTING_CALL_SENDTO] = {EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EPERM,
                                      EHOSTUNREACH},
        [WEFT_TESTING_CALL_SHUTDOWN] = {ENOTCONN},
        [WEFT_TESTING_CALL_GETSOCKNAME] = {ENOBUFS},
        [WEFT_TESTING_CALL_GETPEERNAME] = {ENOBUFS, ENOTCONN},
        [WEFT_TESTING_CALL_GETSOCKOPT] = {ENOPROTOOPT},
        [WEFT_TESTING_CALL_SETSOCKOPT] = {ENOPROTOOPT, ENOMEM},
        [WEFT_TESTING_CALL_POLL] = {EINTR, ENOMEM},
        [WEFT_TESTING_CALL_EPOLL_CREATE1] = {EMFILE, ENFILE, ENOMEM, ENOSYS},
        [WEFT_TESTING_CALL_EPOLL_CTL] = {ENOMEM, ENOSPC},
        [WEFT_TESTING_CALL_EPOLL_WAIT] = {EINTR},
        [WEFT_TESTING_CALL_IO_URING_SETUP] = {EPERM, ENOSYS, ENOMEM, EMFILE, ENFILE},
        [WEFT_TESTING_CALL_IO_URING_ENTER] = {EINTR, EAGAIN, EBUSY},
        [WEFT_TESTING_CALL_IO_URING_REGISTER] = {EINVAL, ENOMEM, EOPNOTSUPP},
    };
    return errors[call];
}
