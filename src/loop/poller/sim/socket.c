/* SPDX-License-Identifier: MIT */
/*
 * socket.c: simulated sockets: making, listening and connecting
 *
 * A connection is two files that point at each other, of which the server's waits in the listener's
 * backlog until it is accepted.
 *
 *     connect ─┬─ listener has room ──▶ CONNECTED          (or, if the seed says so, in progress)
 *              ├─ backlog full ───────▶ CONNECTING ──look──▶ tried again      (Unix: -EAGAIN)
 *              └─ nobody listens ─────▶ ECONNREFUSED
 *
 * A connection in progress is tried again whenever somebody looks at the socket: when it is polled,
 * when it is armed and the engine waits, when connect is called once more. All of a world's TCP
 * connections are therefore made by whoever waits for them, in the order in which they are looked
 * at.
 */
#include "base/assert.h"
#include "loop/poller/sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/** The one way to change a socket's state. */
static void set_state(struct weft__sim_file *file, enum weft__sim_state state)
{
    static const unsigned char next[] = {
        [WEFT__SIM_IDLE] =
            1u << WEFT__SIM_LISTENING | 1u << WEFT__SIM_CONNECTING | 1u << WEFT__SIM_CONNECTED,
        [WEFT__SIM_LISTENING] = 1u << WEFT__SIM_IDLE,
        [WEFT__SIM_CONNECTING] = 1u << WEFT__SIM_CONNECTED | 1u << WEFT__SIM_FAILED,
        [WEFT__SIM_CONNECTED] = 1u << WEFT__SIM_IDLE,
        [WEFT__SIM_FAILED] = 1u << WEFT__SIM_IDLE,
    };
    weft__assert(file->state == state || next[file->state] & 1u << state);
    (void)next;
    file->state = state;
}

/* --- Making sockets -------------------------------------------------------------------------- */

static int check_socket(int domain, int kind, int protocol)
{
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (kind < 0 || kind > SOCK_PACKET)
        return -EINVAL;
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    int usual = domain == AF_UNIX ? 0 : kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    return protocol == 0 || protocol == usual ? 0 : -EPROTONOSUPPORT;
}

static struct weft__sim_file *new_socket(struct weft__sim *world, int domain, int type)
{
    bool stream = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM;
    return weft__sim_file_new(world, stream ? WEFT__SIM_STREAM : WEFT__SIM_DATAGRAM, domain);
}

int weft__sim_socket(struct weft__sim *world, int domain, int type, int protocol)
{
    int rc = check_socket(domain, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol);
    if (rc < 0)
        return rc;
    /* SOCK_NONBLOCK and SOCK_CLOEXEC are O_NONBLOCK and O_CLOEXEC on Linux. */
    return weft__sim_install(world, new_socket(world, domain, type), type);
}

int weft__sim_socketpair(struct weft__sim *world, int domain, int type, int protocol, int fds[2])
{
    int rc = check_socket(domain, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol);
    if (rc < 0)
        return rc;
    if (domain != AF_UNIX)
        return -EOPNOTSUPP;
    struct weft__sim_file *first = new_socket(world, domain, type);
    struct weft__sim_file *second = new_socket(world, domain, type);
    rc = weft__sim_install_pair(world, first, second, type, fds);
    if (rc < 0)
        return rc;
    set_state(first, WEFT__SIM_CONNECTED);
    set_state(second, WEFT__SIM_CONNECTED);
    return 0;
}

/* --- Listening ------------------------------------------------------------------------------- */

int weft__sim_listen(struct weft__sim *world, struct weft__sim_file *file, int backlog)
{
    if (file->kind != WEFT__SIM_STREAM)
        return -EOPNOTSUPP;
    if (file->state != WEFT__SIM_IDLE && file->state != WEFT__SIM_LISTENING)
        return -EINVAL;
    if (file->name.len == 0) {
        struct weft__sim_name any = {0};
        if (file->domain == AF_UNIX)
            return -EINVAL;
        any.len = file->domain == AF_INET ? sizeof any.of.in : sizeof any.of.in6;
        any.of.any.sa_family = (sa_family_t)file->domain;
        int rc = weft__sim_give_name(world, file, &any);
        if (rc < 0)
            return rc;
    }
    set_state(file, WEFT__SIM_LISTENING);
    file->backlog_limit = backlog < 0 ? 4096 : (size_t)backlog + 1; /* Linux counts one more */
    return 0;
}

int weft__sim_accept(struct weft__sim *world, struct weft__sim_file *file, struct sockaddr *address,
                     socklen_t *len, int flags)
{
    if (file->kind != WEFT__SIM_STREAM)
        return -EOPNOTSUPP;
    if (file->state != WEFT__SIM_LISTENING)
        return -EINVAL;
    int fd = weft__sim_number(world);
    if (fd < 0 || file->backlog_len == 0)
        return fd < 0 ? fd : -EAGAIN;
    struct weft__sim_file *accepted =
        weft__container(weft__list_take(&file->backlog), struct weft__sim_file, waiting);
    file->backlog_len--;
    weft__sim_place(world, fd, accepted, flags);
    weft__sim_copy_name(accepted, &accepted->peer_name, address, len);
    world->moves++;
    return fd;
}

void weft__sim_drop_backlog(struct weft__sim *world, struct weft__sim_file *file)
{
    struct weft_link *link;
    while ((link = weft__list_take(&file->backlog))) {
        struct weft__sim_file *dropped = weft__container(link, struct weft__sim_file, waiting);
        dropped->reset_on_close = true;
        weft__sim_file_end(world, dropped);
    }
    file->backlog_len = 0;
}

/* --- Connecting ------------------------------------------------------------------------------ */

/** Makes the server's side of a connection: 0, or why not. Without room a TCP connection goes on
 *  trying, -EINPROGRESS, and a Unix one says -EAGAIN, as on Linux. */
static int join_listener(struct weft__sim *world, struct weft__sim_file *file)
{
    struct weft__sim_file *listener = weft__sim_lookup(world, file, &file->peer_name);
    if (!listener) {
        bool no_file = file->domain == AF_UNIX && file->peer_name.of.un.sun_path[0] != '\0';
        return no_file ? -ENOENT : -ECONNREFUSED;
    }
    if (listener->state != WEFT__SIM_LISTENING)
        return -ECONNREFUSED;
    if (listener->backlog_len >= listener->backlog_limit)
        return file->domain == AF_UNIX ? -EAGAIN : -EINPROGRESS;
    struct weft__sim_file *server = weft__sim_file_new(world, WEFT__SIM_STREAM, file->domain);
    if (!server)
        return -ENOBUFS;
    set_state(server, WEFT__SIM_CONNECTED);
    server->name = file->peer_name;
    server->peer_name = file->name;
    server->peer = file;
    file->peer = server;
    weft__list_append(&listener->backlog, &server->waiting);
    listener->backlog_len++;
    world->moves++;
    return 0;
}

void weft__sim_settle(struct weft__sim *world, struct weft__sim_file *file)
{
    if (file->state != WEFT__SIM_CONNECTING)
        return;
    int rc = join_listener(world, file);
    if (rc == -EINPROGRESS)
        return;
    set_state(file, rc < 0 ? WEFT__SIM_FAILED : WEFT__SIM_CONNECTED);
    file->error = -rc;
    file->announce = true;
}

/** connect on a stream that was connecting, or is connected. */
static int connect_again(struct weft__sim *world, struct weft__sim_file *file)
{
    weft__sim_settle(world, file);
    bool announce = file->announce;
    switch (file->state) {
    case WEFT__SIM_CONNECTING:
        return -EALREADY;
    case WEFT__SIM_FAILED:
        set_state(file, WEFT__SIM_IDLE);
        return file->error ? weft__sim_take_error(file) : -ECONNABORTED;
    case WEFT__SIM_LISTENING:
        return file->domain == AF_UNIX ? -EINVAL : -EISCONN;
    default:
        file->announce = false;
        return announce ? 0 : -EISCONN;
    }
}

static int connect_stream(struct weft__sim *world, struct weft__sim_file *file,
                          const struct weft__sim_name *target)
{
    int rc = weft__sim_bind_any(world, file, target);
    if (rc < 0)
        return rc;
    weft__sim_fix_source(file, target);
    file->peer_name = *target;
    bool slow = world->seed != 0 && file->domain != AF_UNIX &&
                weft__sim_random(world, WEFT__SIM_RANDOM_CONNECT) % 2 == 0;
    rc = slow ? -EINPROGRESS : join_listener(world, file);
    if (rc == -EINPROGRESS)
        set_state(file, WEFT__SIM_CONNECTING);
    else if (rc == 0)
        set_state(file, WEFT__SIM_CONNECTED);
    return rc;
}

static int connect_datagram(struct weft__sim *world, struct weft__sim_file *file,
                            const struct weft__sim_name *target)
{
    if (file->domain == AF_UNIX && !weft__sim_lookup(world, file, target))
        return target->of.un.sun_path[0] ? -ENOENT : -ECONNREFUSED;
    int rc = weft__sim_bind_any(world, file, target);
    if (rc < 0)
        return rc;
    weft__sim_fix_source(file, target);
    file->peer_name = *target;
    set_state(file, WEFT__SIM_CONNECTED);
    return 0;
}

void weft__sim_disconnect(struct weft__sim_file *file)
{
    set_state(file, WEFT__SIM_IDLE);
    file->peer_name.len = 0;
    file->peer = NULL;
}

int weft__sim_connect(struct weft__sim *world, struct weft__sim_file *file,
                      const struct sockaddr *address, socklen_t len)
{
    struct weft__sim_name target;
    bool stream = file->kind == WEFT__SIM_STREAM;
    if (!stream && len >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) {
        weft__sim_disconnect(file);
        return 0;
    }
    int rc = weft__sim_target(file, address, len, &target);
    if (rc < 0)
        return rc;
    if (!stream)
        return connect_datagram(world, file, &target);
    if (file->state != WEFT__SIM_IDLE)
        return connect_again(world, file);
    return connect_stream(world, file, &target);
}

int weft__sim_shutdown(struct weft__sim *world, struct weft__sim_file *file, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    unsigned ends = (unsigned)how + 1; /* SHUT_RD, SHUT_WR, SHUT_RDWR as bits */
    if (file->state == WEFT__SIM_LISTENING && ends & WEFT__SIM_SHUT_IN) {
        set_state(file, WEFT__SIM_IDLE);
        weft__sim_drop_backlog(world, file);
        return 0;
    }
    if (file->state != WEFT__SIM_CONNECTED && file->domain != AF_UNIX)
        return -ENOTCONN;
    file->shut |= ends;
    world->moves++;
    if (!file->peer || file->kind == WEFT__SIM_DATAGRAM)
        return 0;
    if (ends & WEFT__SIM_SHUT_OUT)
        file->peer->shut |= WEFT__SIM_SHUT_IN;
    if (ends & WEFT__SIM_SHUT_IN && file->domain == AF_UNIX)
        file->peer->shut |= WEFT__SIM_SHUT_OUT;
    return 0;
}
