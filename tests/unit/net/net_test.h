/* SPDX-License-Identifier: MIT */
/*
 * net_test.h: what the tests of sockets and descriptors share
 *
 * Every descriptor is made through the table of the running loop, so that the same test runs over
 * the kernel and in a simulated world. A `kind` is a pair of connected ends of which what is sent
 * into one comes out of the other; properties that hold for any descriptor are tested for each kind
 * in turn, those that weft made and those that it did not.
 */
#ifndef NET_TEST_H
#define NET_TEST_H

#include "../task/task_test.h"
#include "loop/poller.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))

/** Lets the others run until they wait, and the engine hear of what they wait for. */
MAYBE_UNUSED static void turn(void)
{
    settle();
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_sleep(1), 0);
}

/** The address of a text. */
MAYBE_UNUSED static struct weft_address address_of(const char *text)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    CHECK_EQ(weft_address_parse(text, &address), 0);
    return address;
}

/** A name of a Unix socket without a path, which nobody else has on this machine. */
MAYBE_UNUSED static struct weft_address own_name(const char *name)
{
    char text[60];
    snprintf(text, sizeof text, "unix:@weft-%s-%d", name, (int)getpid());
    return address_of(text);
}

/** The address that a socket was given. */
MAYBE_UNUSED static struct weft_address local_address(int fd)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    CHECK_EQ(weft_local_address(fd, &address), 0);
    return address;
}

/** A listener on a port that nobody had, and its address. */
MAYBE_UNUSED static int listen_anywhere(struct weft_address *ret)
{
    struct weft_address any = address_of("127.0.0.1:0");
    int listener = weft_tcp_listen(&any, 0);
    CHECK_OK(listener);
    *ret = local_address(listener);
    return listener;
}

/** A UDP socket on a port that nobody had, and its address. */
MAYBE_UNUSED static int bind_anywhere(struct weft_address *ret)
{
    struct weft_address any = address_of("127.0.0.1:0");
    int fd = weft_udp_bind(&any);
    CHECK_OK(fd);
    *ret = local_address(fd);
    return fd;
}

MAYBE_UNUSED static int connect_to(struct weft_address *address)
{
    return weft_tcp_connect(address);
}
WEFT_TASK(connect_to, struct weft_address *);

/** Two ends of a TCP connection: fds[0] was accepted, fds[1] connected. */
MAYBE_UNUSED static void tcp_pair(int fds[2])
{
    struct weft_address address;
    struct weft_scope s;
    struct weft_task *task;
    int listener = listen_anywhere(&address);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, connect_to, &address), 0);
    fds[0] = weft_accept(listener, NULL);
    CHECK_OK(fds[0]);
    CHECK_EQ(weft_join(task, &fds[1]), 0);
    CHECK_OK(fds[1]);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/** Two UDP sockets that are connected to each other. */
MAYBE_UNUSED static void udp_pair(int fds[2])
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_address addresses[2];
    for (int i = 0; i < 2; i++)
        fds[i] = bind_anywhere(&addresses[i]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sys->connect(sys, fds[i], &addresses[!i].of.any, addresses[!i].len), 0);
}

/** Two ends that weft does not own, in blocking or non-blocking mode. */
MAYBE_UNUSED static void foreign_pipe(int fds[2], int flags)
{
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->pipe2(sys, fds, flags), 0);
}

MAYBE_UNUSED static void foreign_sockets(int fds[2], int flags)
{
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->socketpair(sys, AF_UNIX, SOCK_STREAM | flags, 0, fds), 0);
}

/** Closes a descriptor behind weft's back. */
MAYBE_UNUSED static void close_foreign(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->close(sys, fd), 0);
}

MAYBE_UNUSED static void owned_pipe(int fds[2], int flags)
{
    (void)flags;
    CHECK_EQ(weft_pipe(fds), 0);
}

MAYBE_UNUSED static void owned_sockets(int fds[2], int flags)
{
    (void)flags;
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

MAYBE_UNUSED static void owned_tcp(int fds[2], int flags)
{
    (void)flags;
    tcp_pair(fds);
}

MAYBE_UNUSED static void owned_udp(int fds[2], int flags)
{
    (void)flags;
    udp_pair(fds);
}

/** A pair of ends: what is written to fds[1] comes out of fds[0]. */
struct kind {
    /** For messages. */
    const char *name;
    /** Makes the ends. */
    void (*make)(int fds[2], int flags);
    /** O_NONBLOCK, SOCK_NONBLOCK or 0, where weft does not make it. */
    int flags;
    /** It is a socket. */
    bool socket;
    /** It is a stream: has an end, and can be full. */
    bool stream;
};

MAYBE_UNUSED static const struct kind kinds[] = {
    {"owned pipe", owned_pipe, 0, false, true},
    {"owned socket pair", owned_sockets, 0, true, true},
    {"owned TCP connection", owned_tcp, 0, true, true},
    {"owned UDP sockets", owned_udp, 0, true, false},
    {"blocking pipe", foreign_pipe, 0, false, true},
    {"non-blocking pipe", foreign_pipe, O_NONBLOCK, false, true},
    {"blocking socket pair", foreign_sockets, 0, true, true},
    {"non-blocking socket pair", foreign_sockets, SOCK_NONBLOCK, true, true},
};

/** Runs the body for each kind, with fresh `fds` that are closed afterwards. */
#define EACH_KIND(kind, fds)                                                                       \
    for (const struct kind *kind = kinds; kind < kinds + sizeof kinds / sizeof *kinds; kind++)     \
        for (int fds[2] = {-1, -1}; fds[0] < 0 && (kind->make(fds, kind->flags), 1);               \
             close_ends(fds), fds[0] = 0)

/** Closes both ends, those that are not closed already. */
MAYBE_UNUSED static void close_ends(int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            CHECK_EQ(weft_close(fds[i]), 0);
}

/** Writes a few bytes that have room. */
MAYBE_UNUSED static void put(int fd, const char *text)
{
    CHECK_EQ(weft_write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/** Fills a stream until not one byte more fits; how much that was. */
MAYBE_UNUSED static size_t fill(int fd)
{
    static const char zeros[4096];
    size_t total = 0;
    /* TCP of the kernel frees bytes up to 40 ms later, when their acknowledgement comes. */
    int domain = 0;
    socklen_t size = sizeof domain;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    int enough = domain == AF_INET || domain == AF_INET6 ? 60 : 2;
    for (int quiet = 0; quiet < enough;) {
        ssize_t n = weft_within(WEFT_MS, weft_write(fd, zeros, quiet ? 1 : sizeof zeros));
        if (n < 0)
            CHECK_ERR(n, -ETIMEDOUT);
        else
            total += (size_t)n;
        quiet = n < 0 ? quiet + 1 : 0;
    }
    return total;
}

/** Reads so many bytes. */
MAYBE_UNUSED static void take(int fd, size_t total)
{
    char bytes[4096];
    while (total > 0) {
        ssize_t n = weft_read(fd, bytes, total < sizeof bytes ? total : sizeof bytes);
        CHECK(n > 0);
        total -= (size_t)n;
    }
}

/** The flags of a descriptor's file, F_GETFL, or of the descriptor, F_GETFD. */
MAYBE_UNUSED static int flags_of(int fd, int command)
{
    const struct weft_sys *sys = weft__sys_current();
    int flags = sys->fcntl(sys, fd, command, 0);
    CHECK_OK(flags);
    return flags;
}

#endif
