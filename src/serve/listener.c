/* SPDX-License-Identifier: MIT */
/*
 * listener.c: from an address to a listening socket
 *
 * Options name addresses as text, inherited sockets, and descriptors; each becomes one listener or,
 * "*", one for each family that the machine has. All are opened before anything is served, and when
 * one cannot be, those before it are closed again. A descriptor that was given is looked at before
 * it is taken, and made non-blocking, because another process may accept from it as well.
 *
 * IPv6 sockets take IPv6 alone: so a peer has the address that it is known by in the other family,
 * and "*" is two sockets. With port 0 the second one needs the port that the first was given, which
 * somebody else may have; then both are tried again.
 */
#include "serve/internal.h"

#include <fcntl.h>
#include <string.h>

/** How often "*:0" is tried before it gives up. */
#define PORT_TRIES 16

/** The given ones are all that a failing open does not close. */
static struct weft__listener *next_listener(struct weft_server *server)
{
    struct weft__listener *listener = &server->listeners[server->listener_count];
    *listener = (struct weft__listener){.server = server, .fd = -1};
    return listener;
}

static int set_options(int fd, int family, unsigned flags)
{
    if (family == AF_UNIX)
        return 0;
    int rc = weft_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && flags & WEFT_SERVE_REUSE_PORT)
        rc = weft_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && family == AF_INET6)
        rc = weft_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return rc;
}

static int bind_and_listen_locked(struct weft__listener *listener,
                                  const struct weft_address *address)
{
    const struct weft_serve_options *options = &listener->server->options;
    int family = address->of.any.sa_family;
    int rc = set_options(listener->fd, family, options->flags);
    if (rc == 0)
        rc = family == AF_UNIX ? weft__path_bind(listener->fd, address, options, &listener->path)
                               : weft_bind(listener->fd, address);
    if (rc == 0)
        rc = weft_listen(listener->fd, options->backlog);
    return rc < 0 ? rc : weft_local_address(listener->fd, &listener->address);
}

static int bind_and_listen(struct weft__listener *listener, const struct weft_address *address)
{
    int lock;
    int rc = weft__path_lock(address, &lock);
    if (rc == 0)
        rc = bind_and_listen_locked(listener, address);
    weft__path_unlock(lock);
    return rc;
}

static int open_address(struct weft_server *server, const struct weft_address *address)
{
    struct weft__listener *listener = next_listener(server);
    char text[WEFT_ADDRESS_TEXT_SIZE];
    int rc = listener->fd = weft_socket(address->of.any.sa_family, SOCK_STREAM, 0);
    listener->address = *address;
    if (rc >= 0)
        rc = bind_and_listen(listener, address);
    if (rc == 0) {
        server->listener_count++;
        return 0;
    }
    if (listener->fd >= 0)
        (void)weft__listener_close(listener);
    return weft_fail_at(rc, "", "listen on %s: %s", weft_address_format(address, text, sizeof text),
                        weft_strerror(rc));
}

/** Takes the last listener back. */
static void close_last(struct weft_server *server)
{
    (void)weft__listener_close(&server->listeners[--server->listener_count]);
}

/** One socket for each family. */
static int open_any_once(struct weft_server *server, const struct weft_address *any)
{
    struct weft_address other;
    memset(&other, 0, sizeof other);
    int rc = open_address(server, any);
    if (rc < 0)
        return rc;
    unsigned port = weft_address_port(&server->listeners[server->listener_count - 1].address);
    other.len = sizeof other.of.in6;
    other.of.in6.sin6_family = AF_INET6;
    other.of.in6.sin6_port = htons((uint16_t)port);
    rc = open_address(server, &other);
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        return 0; /* a machine without IPv6 */
    if (rc < 0)
        close_last(server);
    return rc;
}

static int open_any(struct weft_server *server, const struct weft_address *any)
{
    int rc = -EADDRINUSE;
    int tries = weft_address_port(any) ? 1 : PORT_TRIES;
    while (rc == -EADDRINUSE && tries-- > 0)
        rc = open_any_once(server, any);
    return rc;
}

/* Descriptors that were given. */

static int option_of(int fd, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = 0;
    socklen_t len = sizeof value;
    int rc = sys->getsockopt(sys, fd, SOL_SOCKET, option, &value, &len);
    return rc < 0 ? rc : value;
}

static int make_ours(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    int flags = sys->fcntl(sys, fd, F_GETFL, 0);
    int rc = flags < 0 ? flags : sys->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    if (rc >= 0)
        rc = sys->fcntl(sys, fd, F_SETFD, FD_CLOEXEC);
    /* Without a loop the sockets are opened for several, each of which takes its own. */
    return rc < 0 || !weft_loop_current() ? (rc < 0 ? rc : 0) : weft_fd_own(fd);
}

static int open_given(struct weft_server *server, int fd)
{
    struct weft__listener *listener = next_listener(server);
    if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1)
        return weft_fail_at(-EINVAL, "", "descriptor %d is no listening stream socket", fd);
    int rc = make_ours(fd);
    if (rc == 0)
        rc = weft_local_address(fd, &listener->address);
    if (rc < 0)
        return rc;
    listener->fd = fd;
    listener->given = true;
    server->listener_count++;
    return 0;
}

static int open_inherited(struct weft_server *server, const char *name)
{
    int fds[WEFT__INHERITED_MOST];
    int count = weft_inherited(name, fds, WEFT__INHERITED_MOST);
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++)
        rc = open_given(server, fds[i]);
    return rc;
}

/* All of them. */

static int open_text(struct weft_server *server, const char *text)
{
    const char *name;
    struct weft_address address;
    if (weft__inherited_named(text, &name))
        return open_inherited(server, name);
    int rc = weft_address_parse(text, &address);
    if (rc < 0)
        return rc;
    return text[0] == '*' ? open_any(server, &address) : open_address(server, &address);
}

static ssize_t count_text(const char *text)
{
    const char *name;
    if (!weft__inherited_named(text, &name))
        return text[0] == '*' ? 2 : 1;
    int count = weft_inherited(name, NULL, 0);
    if (count > WEFT__INHERITED_MOST)
        return weft_fail_at(-EINVAL, "", "%d inherited sockets are too many", count);
    return count ? count : weft_fail_at(-ENOENT, "", "\"%.60s\": no such socket was passed", text);
}

ssize_t weft__listeners_count(const struct weft_serve_options *options)
{
    ssize_t count = options->address ? count_text(options->address) : 0;
    for (size_t i = 0; count >= 0 && i < options->address_count; i++) {
        ssize_t more = count_text(options->addresses[i]);
        count = more < 0 ? more : count + more;
    }
    return count < 0 ? count : count + (ssize_t)options->fd_count;
}

int weft__listeners_open(struct weft_server *server, const struct weft_serve_options *options)
{
    int rc = options->address ? open_text(server, options->address) : 0;
    for (size_t i = 0; rc == 0 && i < options->address_count; i++)
        rc = open_text(server, options->addresses[i]);
    for (size_t i = 0; rc == 0 && i < options->fd_count; i++)
        rc = open_given(server, options->fds[i]);
    if (rc < 0)
        weft__listeners_give_back(server);
    return rc;
}

static int open_same(struct weft_server *server, const struct weft__listener *like)
{
    const struct weft_sys *sys = weft__sys_current();
    if (like->address.of.any.sa_family != AF_UNIX && !like->given)
        return open_address(server, &like->address);
    struct weft__listener *listener = next_listener(server);
    int fd = sys->fcntl(sys, like->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    listener->fd = fd;
    listener->address = like->address;
    server->listener_count++;
    return 0;
}

int weft__listeners_open_beside(struct weft_server *server, const struct weft_server *like)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < like->listener_count; i++)
        rc = open_same(server, &like->listeners[i]);
    if (rc < 0)
        weft__listeners_give_back(server);
    return rc;
}

int weft__listener_close(struct weft__listener *listener)
{
    int fd = listener->fd;
    if (fd < 0)
        return 0;
    listener->fd = -1;
    weft__path_remove(&listener->address, &listener->path);
    return weft_close(fd);
}

void weft__listeners_give_back(struct weft_server *server)
{
    while (server->listener_count > 0) {
        struct weft__listener *last = &server->listeners[server->listener_count - 1];
        struct weft_loop *loop = weft_loop_current();
        if (last->given && loop)
            (void)weft__loop_own(loop, last->fd, 0);
        else if (!last->given)
            (void)weft__listener_close(last);
        server->listener_count--;
    }
}
