/* SPDX-License-Identifier: MIT */
/*
 * socket.c: making descriptors, and closing them
 *
 * What weft makes is close-on-exec and non-blocking, and given to the loop that runs in this
 * thread: it is registered with the engine once, until weft_close. Outside a loop the calls work,
 * too; nobody owns the result then until weft_fd_own. A call of several steps (a listener, a
 * connection) closes what it made when one of them fails, and the note says which step it was.
 */
#include "net/internal.h"

#include <netinet/tcp.h>
#include <fcntl.h>
#include <stdio.h>

/** Gives a fresh descriptor to the loop; closes it when that fails. */
static int adopt(int fd)
{
    struct weft_loop *loop = weft_loop_current();
    int rc = fd >= 0 && loop ? weft__loop_own(loop, fd, 1) : 0;
    if (rc == 0)
        return fd;
    const struct weft_sys *sys = weft__sys_current();
    (void)sys->close(sys, fd);
    return rc;
}

/** adopt for two, into fds; both are closed when one fails. */
static int adopt_pair(const int made[2], int fds[2])
{
    int rc = adopt(made[0]);
    if (rc < 0) {
        const struct weft_sys *sys = weft__sys_current();
        (void)sys->close(sys, made[1]);
        return rc;
    }
    rc = adopt(made[1]);
    if (rc < 0) {
        (void)weft_close(made[0]);
        return rc;
    }
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

int weft_socket(int domain, int type, int protocol)
{
    const struct weft_sys *sys = weft__sys_current();
    return adopt(sys->socket(sys, domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

int weft_socketpair(int domain, int type, int protocol, int fds[2])
{
    const struct weft_sys *sys = weft__sys_current();
    int made[2];
    int rc = sys->socketpair(sys, domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, made);
    return rc < 0 ? rc : adopt_pair(made, fds);
}

int weft_pipe(int fds[2])
{
    const struct weft_sys *sys = weft__sys_current();
    int made[2];
    int rc = sys->pipe2(sys, made, O_CLOEXEC | O_NONBLOCK);
    return rc < 0 ? rc : adopt_pair(made, fds);
}

int weft_bind(int fd, const struct weft_address *address)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->bind(sys, fd, &address->of.any, address->len);
}

int weft_listen(int fd, int backlog)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->listen(sys, fd, backlog);
}

/** getsockname(2) and getpeername(2) have the same form. */
typedef int address_fn(const struct weft_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *len);

static int ask_address(address_fn *ask, int fd, struct weft_address *ret)
{
    struct weft_address address;
    address.len = sizeof address.of;
    int rc = ask(weft__sys_current(), fd, &address.of.any, &address.len);
    if (rc == 0)
        *ret = address;
    return rc;
}

int weft_local_address(int fd, struct weft_address *ret)
{
    return ask_address(weft__sys_current()->getsockname, fd, ret);
}

int weft_peer_address(int fd, struct weft_address *ret)
{
    return ask_address(weft__sys_current()->getpeername, fd, ret);
}

int weft_set_option(int fd, int level, int option, int value)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->setsockopt(sys, fd, level, option, &value, sizeof value);
}

int weft_shutdown(int fd, int how)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->shutdown(sys, fd, how);
}

/** Closes a descriptor that a failing call made, and says which step failed. */
static int give_up(int fd, int rc, const char *step, const struct weft_address *address)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    (void)weft_close(fd);
    if (rc == -ECANCELED)
        return rc;
    return weft_fail_at(rc, "", "%s %s: %s", step, weft_address_format(address, text, sizeof text),
                        weft_strerror(rc));
}

int weft_udp_bind(const struct weft_address *address)
{
    int fd = weft_socket(address->of.any.sa_family, SOCK_DGRAM, 0);
    int rc = fd < 0 ? fd : weft_bind(fd, address);
    return fd >= 0 && rc < 0 ? give_up(fd, rc, "bind", address) : rc < 0 ? rc : fd;
}

int weft_udp_connect(const struct weft_address *address)
{
    const struct weft_sys *sys = weft__sys_current();
    int fd = weft_socket(address->of.any.sa_family, SOCK_DGRAM, 0);
    /* For a datagram socket connect(2) only notes the address: it never waits. */
    int rc = fd < 0 ? fd : sys->connect(sys, fd, &address->of.any, address->len);
    return fd >= 0 && rc < 0 ? give_up(fd, rc, "connect", address) : rc < 0 ? rc : fd;
}

int weft_tcp_listen(const struct weft_address *address, int backlog)
{
    int fd = weft_socket(address->of.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc =
        address->of.any.sa_family == AF_UNIX ? 0 : weft_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0)
        rc = weft_bind(fd, address);
    if (rc == 0)
        rc = weft_listen(fd, backlog > 0 ? backlog : 1024);
    return rc < 0 ? give_up(fd, rc, "listen on", address) : fd;
}

int weft_tcp_connect(const struct weft_address *address)
{
    int fd = weft_socket(address->of.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc = weft_connect(fd, address);
    if (rc == 0 && address->of.any.sa_family != AF_UNIX)
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return rc < 0 ? give_up(fd, rc, "connect to", address) : fd;
}

int weft_fd_own(int fd)
{
    struct weft_loop *loop = weft_loop_current();
    const struct weft_sys *sys = weft__sys_current();
    struct stat file;
    if (!loop)
        return -EPERM;
    int rc = sys->fstat(sys, fd, &file);
    if (rc < 0)
        return rc;
    if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
        return -EPERM;
    return weft__loop_own(loop, fd, 1);
}

/* Closing. */

/** A close that waits for the kernel. */
struct close_wait {
    /** The close. */
    struct weft__closing closing;
    /** The task's wait. */
    struct weft_wait wait;
    /** The descriptor. */
    int fd;
};

static void close_done(struct weft__closing *closing, int rc)
{
    struct close_wait *close = weft__container(closing, struct close_wait, closing);
    (void)weft_wake(&close->wait, rc);
}

static void close_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct close_wait *close = weft__container(wait, struct close_wait, wait);
    snprintf(buf, size, "for the kernel to let go of descriptor %d", close->fd);
}

/** Outside a running loop, or in a callback: nobody can wait for it there. */
static int close_plain(struct weft_loop *loop, int fd)
{
    return loop ? weft_loop_close_fd(loop, fd, NULL, NULL)
                : weft__close_now(weft__sys_current(), fd);
}

int weft_close(int fd)
{
    struct weft_loop *loop = weft_loop_current();
    if (!loop || !weft_current())
        return close_plain(loop, fd);
    if (weft__loop_held(loop, fd))
        return -EBUSY;
    struct close_wait close = {.closing.closed = close_done, .fd = fd};
    weft_wait_init(&close.wait, close_describe, NULL);
    int rc = weft__loop_close_op(loop, fd, &close.closing);
    if (rc == 0)
        return (int)weft_park(&close.wait, NULL);
    return rc < 0 ? rc : 0;
}
