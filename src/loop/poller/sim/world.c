/* SPDX-License-Identifier: MIT */
/*
 * world.c: a simulated world as a table of system calls
 *
 * The world's life, its clock and randomness, and the table itself: each entry finds out whether
 * the descriptor is simulated, and hands over to the file that knows how such a thing behaves.
 * Calls on real descriptors, and everything about memory, go to weft_sys_default. Epoll and
 * io_uring are -ENOSYS: only the engine `sim` can wait here.
 *
 * Nothing here sleeps. The clock moves when the engine moves it, and poll answers only about now.
 */
#include "loop/poller/sim/world.h"
#include "base/random.h"

#include <errno.h>
#include <string.h>

/** The first instant of every world: not zero, so that a zero that is no instant shows. */
#define FIRST_INSTANT (1000 * WEFT_SEC)
/** Where ephemeral ports begin. */
#define FIRST_PORT 49152u

static const struct weft_sys *const real = &weft_sys_default;

static bool is_real(int fd)
{
    return fd < WEFT__SIM_FD_BASE;
}

struct weft__sim *weft__sim_world(const struct weft_sys *sys)
{
    return (struct weft__sim *)(uintptr_t)sys;
}

void *weft__sim_realloc(void *p, size_t size)
{
    return real->realloc(real, p, size);
}

/* --- Clock, randomness, memory --------------------------------------------------------------- */

static weft_ns sim_clock(const struct weft_sys *sys)
{
    return atomic_load(&weft__sim_world(sys)->now);
}

void weft__sim_advance(struct weft__sim *world, weft_ns duration)
{
    weft_ns now = atomic_load(&world->now), then;
    do {
        then = duration < WEFT_FOREVER - now ? now + duration : WEFT_FOREVER - 1;
    } while (!atomic_compare_exchange_weak(&world->now, &now, then));
}

uint64_t weft__sim_random(struct weft__sim *world, enum weft__sim_stream stream)
{
    return weft__random_next(&world->random[stream]);
}

static int sim_random(const struct weft_sys *sys, void *buf, size_t len)
{
    unsigned char *bytes = buf;
    for (size_t done = 0; done < len;) {
        uint64_t word = weft__sim_random(weft__sim_world(sys), WEFT__SIM_RANDOM_PROGRAM);
        size_t n = len - done < sizeof word ? len - done : sizeof word;
        memcpy(bytes + done, &word, n);
        done += n;
    }
    return 0;
}

static void *sim_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    (void)sys;
    return real->realloc(real, p, size);
}

static int sim_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                    int64_t offset, void **ret)
{
    (void)sys;
    return real->mmap(real, len, prot, flags, fd, offset, ret);
}

static int sim_munmap(const struct weft_sys *sys, void *p, size_t len)
{
    (void)sys;
    return real->munmap(real, p, len);
}

static int sim_mprotect(const struct weft_sys *sys, void *p, size_t len, int prot)
{
    (void)sys;
    return real->mprotect(real, p, len, prot);
}

static int sim_madvise(const struct weft_sys *sys, void *p, size_t len, int advice)
{
    (void)sys;
    return real->madvise(real, p, len, advice);
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static int sim_close(const struct weft_sys *sys, int fd)
{
    return is_real(fd) ? real->close(real, fd) : weft__sim_close(weft__sim_world(sys), fd);
}

static ssize_t sim_read(const struct weft_sys *sys, int fd, void *buf, size_t len)
{
    if (is_real(fd))
        return real->read(real, fd, buf, len);
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    return file ? weft__sim_read(weft__sim_world(sys), file, buf, len) : -EBADF;
}

static ssize_t sim_write(const struct weft_sys *sys, int fd, const void *buf, size_t len)
{
    if (is_real(fd))
        return real->write(real, fd, buf, len);
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    return file ? weft__sim_write(weft__sim_world(sys), file, buf, len) : -EBADF;
}

/* RWF_NOWAIT changes nothing where nothing ever blocks. */
static ssize_t sim_read_flags(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags)
{
    return is_real(fd) ? real->read_flags(real, fd, buf, len, flags) : sim_read(sys, fd, buf, len);
}

static ssize_t sim_write_flags(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                               int flags)
{
    return is_real(fd) ? real->write_flags(real, fd, buf, len, flags)
                       : sim_write(sys, fd, buf, len);
}

static int sim_fcntl(const struct weft_sys *sys, int fd, int command, long arg)
{
    if (is_real(fd))
        return real->fcntl(real, fd, command, arg);
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    return file ? weft__sim_fcntl(file, command, arg) : -EBADF;
}

static int sim_fstat(const struct weft_sys *sys, int fd, struct stat *ret)
{
    if (is_real(fd))
        return real->fstat(real, fd, ret);
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    return file ? weft__sim_fstat(file, ret) : -EBADF;
}

static int sim_pipe2(const struct weft_sys *sys, int fds[2], int flags)
{
    return weft__sim_pipe2(weft__sim_world(sys), fds, flags);
}

static int sim_eventfd(const struct weft_sys *sys, unsigned value, int flags)
{
    return weft__sim_eventfd(weft__sim_world(sys), value, flags);
}

static short poll_one(const struct weft_sys *sys, const struct pollfd *entry)
{
    if (entry->fd < 0)
        return 0;
    if (is_real(entry->fd)) {
        struct pollfd now = *entry;
        return weft_sys_default.poll(&weft_sys_default, &now, 1, 0) > 0 ? now.revents : 0;
    }
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), entry->fd);
    if (!file)
        return POLLNVAL;
    unsigned wanted = (unsigned)entry->events | POLLERR | POLLHUP;
    return (short)(weft__sim_ready(weft__sim_world(sys), file) & wanted);
}

/* Who waits here would stop the world for good, so only a look is allowed. */
static int sim_poll(const struct weft_sys *sys, struct pollfd *fds, size_t count, weft_ns timeout)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = poll_one(sys, &fds[i]);
        ready += fds[i].revents != 0;
    }
    return ready > 0 || timeout == 0 ? ready : -EINVAL;
}

/* --- Sockets --------------------------------------------------------------------------------- */

static int sim_socket(const struct weft_sys *sys, int domain, int type, int protocol)
{
    return weft__sim_socket(weft__sim_world(sys), domain, type, protocol);
}

static int sim_socketpair(const struct weft_sys *sys, int domain, int type, int protocol,
                          int fds[2])
{
    return weft__sim_socketpair(weft__sim_world(sys), domain, type, protocol, fds);
}

/** The socket of a simulated number: 0, -EBADF, -ENOTSOCK. */
static int find_socket(const struct weft_sys *sys, int fd, struct weft__sim_file **ret)
{
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    if (!file)
        return -EBADF;
    if (file->kind != WEFT__SIM_STREAM && file->kind != WEFT__SIM_DATAGRAM)
        return -ENOTSOCK;
    *ret = file;
    return 0;
}

static int sim_bind(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                    socklen_t len)
{
    if (is_real(fd))
        return real->bind(real, fd, address, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_bind(weft__sim_world(sys), file, address, len);
}

static int sim_listen(const struct weft_sys *sys, int fd, int backlog)
{
    if (is_real(fd))
        return real->listen(real, fd, backlog);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_listen(weft__sim_world(sys), file, backlog);
}

static int sim_accept4(const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len,
                       int flags)
{
    if (is_real(fd))
        return real->accept4(real, fd, address, len, flags);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_accept(weft__sim_world(sys), file, address, len, flags);
}

static int sim_connect(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                       socklen_t len)
{
    if (is_real(fd))
        return real->connect(real, fd, address, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_connect(weft__sim_world(sys), file, address, len);
}

static ssize_t sim_recvfrom(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags,
                            struct sockaddr *address, socklen_t *address_len)
{
    if (is_real(fd))
        return real->recvfrom(real, fd, buf, len, flags, address, address_len);
    struct weft__sim *world = weft__sim_world(sys);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    if (rc < 0)
        return rc;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (file->kind == WEFT__SIM_DATAGRAM)
        return weft__sim_datagram_get(world, file, buf, len, flags, address, address_len);
    ssize_t n = weft__sim_stream_get(world, file, buf, len, flags);
    if (n >= 0 && address)
        *address_len = 0;
    return n;
}

static ssize_t sim_sendto(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                          int flags, const struct sockaddr *address, socklen_t address_len)
{
    if (is_real(fd))
        return real->sendto(real, fd, buf, len, flags, address, address_len);
    struct weft__sim *world = weft__sim_world(sys);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    if (rc < 0)
        return rc;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (file->kind == WEFT__SIM_DATAGRAM)
        return weft__sim_datagram_put(world, file, buf, len, address, address_len);
    if (address && file->domain == AF_UNIX)
        return file->state == WEFT__SIM_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    return weft__sim_stream_put(world, file, buf, len);
}

static int sim_shutdown(const struct weft_sys *sys, int fd, int how)
{
    if (is_real(fd))
        return real->shutdown(real, fd, how);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_shutdown(weft__sim_world(sys), file, how);
}

static int sim_getsockname(const struct weft_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *len)
{
    if (is_real(fd))
        return real->getsockname(real, fd, address, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    if (rc == 0)
        weft__sim_copy_name(file, &file->name, address, len);
    return rc;
}

static int sim_getpeername(const struct weft_sys *sys, int fd, struct sockaddr *address,
                           socklen_t *len)
{
    if (is_real(fd))
        return real->getpeername(real, fd, address, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    if (rc < 0)
        return rc;
    if (file->state != WEFT__SIM_CONNECTED)
        return -ENOTCONN;
    weft__sim_copy_name(file, &file->peer_name, address, len);
    return 0;
}

static int sim_getsockopt(const struct weft_sys *sys, int fd, int level, int option, void *value,
                          socklen_t *len)
{
    if (is_real(fd))
        return real->getsockopt(real, fd, level, option, value, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_getsockopt(file, level, option, value, len);
}

static int sim_setsockopt(const struct weft_sys *sys, int fd, int level, int option,
                          const void *value, socklen_t len)
{
    if (is_real(fd))
        return real->setsockopt(real, fd, level, option, value, len);
    struct weft__sim_file *file;
    int rc = find_socket(sys, fd, &file);
    return rc < 0 ? rc : weft__sim_setsockopt(file, level, option, value, len);
}

/* --- What is not there ----------------------------------------------------------------------- */

static int sim_epoll_create1(const struct weft_sys *sys, int flags)
{
    (void)sys, (void)flags;
    return -ENOSYS;
}

static int sim_epoll_ctl(const struct weft_sys *sys, int epoll_fd, int op, int fd,
                         struct epoll_event *event)
{
    (void)sys, (void)epoll_fd, (void)op, (void)fd, (void)event;
    return -ENOSYS;
}

static int sim_epoll_wait(const struct weft_sys *sys, int epoll_fd, struct epoll_event *events,
                          int count, weft_ns timeout)
{
    (void)sys, (void)epoll_fd, (void)events, (void)count, (void)timeout;
    return -ENOSYS;
}

static int sim_io_uring_setup(const struct weft_sys *sys, unsigned entries, void *params)
{
    (void)sys, (void)entries, (void)params;
    return -ENOSYS;
}

static int sim_io_uring_enter(const struct weft_sys *sys, int fd, unsigned to_submit,
                              unsigned min_complete, unsigned flags, const void *arg, size_t size)
{
    (void)sys, (void)fd, (void)to_submit, (void)min_complete, (void)flags, (void)arg, (void)size;
    return -ENOSYS;
}

static int sim_io_uring_register(const struct weft_sys *sys, int fd, unsigned opcode, void *arg,
                                 unsigned count)
{
    (void)sys, (void)fd, (void)opcode, (void)arg, (void)count;
    return -ENOSYS;
}

/* --- A world's life -------------------------------------------------------------------------- */

static const struct weft_sys table = {
    .size = sizeof(struct weft_sys),
    .flags = WEFT_SYS_VIRTUAL_CLOCK,
    .clock = sim_clock,
    .random = sim_random,
    .realloc = sim_realloc,
    .mmap = sim_mmap,
    .munmap = sim_munmap,
    .mprotect = sim_mprotect,
    .madvise = sim_madvise,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .read_flags = sim_read_flags,
    .write_flags = sim_write_flags,
    .fcntl = sim_fcntl,
    .fstat = sim_fstat,
    .pipe2 = sim_pipe2,
    .eventfd = sim_eventfd,
    .socket = sim_socket,
    .socketpair = sim_socketpair,
    .bind = sim_bind,
    .listen = sim_listen,
    .accept4 = sim_accept4,
    .connect = sim_connect,
    .recvfrom = sim_recvfrom,
    .sendto = sim_sendto,
    .shutdown = sim_shutdown,
    .getsockname = sim_getsockname,
    .getpeername = sim_getpeername,
    .getsockopt = sim_getsockopt,
    .setsockopt = sim_setsockopt,
    .poll = sim_poll,
    .epoll_create1 = sim_epoll_create1,
    .epoll_ctl = sim_epoll_ctl,
    .epoll_wait = sim_epoll_wait,
    .io_uring_setup = sim_io_uring_setup,
    .io_uring_enter = sim_io_uring_enter,
    .io_uring_register = sim_io_uring_register,
};

/** What concerns the whole process is not simulated; these functions look at no table. */
static void share_process(struct weft_sys *sys)
{
    sys->sigaction = real->sigaction;
    sys->sigaltstack = real->sigaltstack;
    sys->atfork = real->atfork;
    sys->thread_sigmask = real->thread_sigmask;
    sys->raise = real->raise;
    sys->getpid = real->getpid;
    sys->getenv = real->getenv;
    sys->readlink = real->readlink;
}

struct weft__sim *weft__sim_find(const struct weft_sys *sys)
{
    /* A wrapping table has its own functions: the first one that is ours is the world's. */
    while (sys && sys->recvfrom != sim_recvfrom)
        sys = sys->inner;
    return sys ? weft__sim_world(sys) : NULL;
}

int weft__sim_new(uint64_t seed, const struct weft_sys **ret)
{
    struct weft__sim *world = weft__sim_realloc(NULL, sizeof *world);
    if (!world)
        return -ENOMEM;
    memset(world, 0, sizeof *world);
    world->sys = table;
    share_process(&world->sys);
    weft__sim_add_messages(&world->sys);
    weft__sim_add_host(&world->sys);
    world->seed = seed;
    world->now = FIRST_INSTANT;
    world->next_port = FIRST_PORT;
    for (size_t i = 0; i < WEFT__SIM_RANDOM_STREAMS; i++)
        world->random[i] = seed ^ (i * 0xa0761d6478bd642fu);
    weft__list_init(&world->bound);
    weft__list_init(&world->hosts);
    *ret = &world->sys;
    return 0;
}

void weft__sim_free(const struct weft_sys *sys)
{
    struct weft__sim *world = weft__sim_find(sys);
    for (size_t i = 0; i < WEFT__SIM_CHUNKS * (size_t)WEFT__SIM_CHUNK && world->open > 0; i++)
        (void)weft__sim_close(world, WEFT__SIM_FD_BASE + (int)i);
    for (size_t i = 0; i < WEFT__SIM_CHUNKS; i++)
        weft__sim_realloc(world->chunks[i], 0);
    weft__sim_forget_names(world);
    weft__sim_realloc(world, 0);
}

size_t weft__sim_open(const struct weft_sys *sys)
{
    return weft__sim_find(sys)->open;
}

void weft__sim_hold(struct weft__sim *world, int jobs)
{
    world->held += (size_t)jobs;
}
