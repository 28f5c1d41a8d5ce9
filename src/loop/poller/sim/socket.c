/* SPDX-License-Identifier: MIT */
/*
 * socket.c: simulated sockets: names, options, listening and connecting
 *
 * Names live in a list of the world; a socket is found by its name and a connection is two files
 * that point at each other, of which the server's waits in the listener's backlog until it is
 * accepted.
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
#include <netinet/tcp.h>
#include <stdio.h>
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

/* --- Names ----------------------------------------------------------------------------------- */

static in_port_t *port_of(struct weft__sim_name *name)
{
    return name->of.any.sa_family == AF_INET ? &name->of.in.sin_port : &name->of.in6.sin6_port;
}

static bool is_any(const struct weft__sim_name *name)
{
    if (name->of.any.sa_family == AF_INET)
        return name->of.in.sin_addr.s_addr == htonl(INADDR_ANY);
    return name->of.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&name->of.in6.sin6_addr);
}

static bool same_host(const struct weft__sim_name *a, const struct weft__sim_name *b)
{
    if (a->of.any.sa_family == AF_INET)
        return a->of.in.sin_addr.s_addr == b->of.in.sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&a->of.in6.sin6_addr, &b->of.in6.sin6_addr);
}

static bool same_port(const struct weft__sim_name *a, const struct weft__sim_name *b)
{
    if (a->of.any.sa_family == AF_INET)
        return a->of.in.sin_port == b->of.in.sin_port;
    return a->of.in6.sin6_port == b->of.in6.sin6_port;
}

static size_t path_offset(void)
{
    return offsetof(struct sockaddr_un, sun_path);
}

bool weft__sim_same_name(const struct weft__sim_name *a, const struct weft__sim_name *b)
{
    if (a->len == 0 || b->len == 0 || a->of.any.sa_family != b->of.any.sa_family)
        return false;
    if (a->of.any.sa_family == AF_UNIX)
        return a->len == b->len &&
               memcmp(a->of.un.sun_path, b->of.un.sun_path, a->len - path_offset()) == 0;
    return same_port(a, b) && same_host(a, b);
}

/** A Unix path ends at its first zero, an abstract name (first byte zero) where its length says. */
static socklen_t unix_length(const struct sockaddr_un *address, socklen_t len)
{
    if (len <= path_offset() || address->sun_path[0] == '\0')
        return len;
    return (socklen_t)(path_offset() + strnlen(address->sun_path, len - path_offset()) + 1);
}

static int parse_name(const struct weft__sim_file *file, const struct sockaddr *address,
                      socklen_t len, struct weft__sim_name *ret)
{
    socklen_t least = file->domain == AF_INET    ? sizeof(struct sockaddr_in)
                      : file->domain == AF_INET6 ? 24 /* without the scope, as old programs */
                                                 : sizeof(sa_family_t);
    socklen_t most = file->domain == AF_UNIX ? sizeof(struct sockaddr_un) : sizeof ret->of;
    if (!address || len < least || len > most)
        return -EINVAL;
    if (address->sa_family != file->domain)
        return -EAFNOSUPPORT;
    memset(ret, 0, sizeof *ret);
    memcpy(&ret->of, address, len);
    if (file->domain == AF_UNIX)
        ret->len = unix_length(&ret->of.un, len);
    else
        ret->len = file->domain == AF_INET ? sizeof ret->of.in : sizeof ret->of.in6;
    return 0;
}

int weft__sim_target(const struct weft__sim_file *file, const struct sockaddr *address,
                     socklen_t len, struct weft__sim_name *ret)
{
    int rc = parse_name(file, address, len, ret);
    if (rc < 0)
        return rc;
    if (file->domain == AF_UNIX)
        return ret->len <= path_offset() ? -EINVAL : 0;
    if (is_any(ret) && file->domain == AF_INET)
        ret->of.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (is_any(ret))
        ret->of.in6.sin6_addr = in6addr_loopback;
    return 0;
}

void weft__sim_copy_name(const struct weft__sim_file *file, const struct weft__sim_name *name,
                         struct sockaddr *address, socklen_t *len)
{
    /* A socket without a name still has a family, and an internet one the address of zeros. */
    struct weft__sim_name whole = *name;
    if (whole.len == 0) {
        memset(&whole, 0, sizeof whole);
        whole.of.any.sa_family = (sa_family_t)file->domain;
        whole.len = file->domain == AF_INET    ? sizeof whole.of.in
                    : file->domain == AF_INET6 ? sizeof whole.of.in6
                                               : sizeof(sa_family_t);
    }
    if (!address || !len)
        return;
    memcpy(address, &whole.of, whole.len < *len ? whole.len : *len);
    *len = whole.len;
}

static bool conflicts(const struct weft__sim_name *a, const struct weft__sim_name *b)
{
    if (a->of.any.sa_family == AF_UNIX)
        return weft__sim_same_name(a, b);
    return same_port(a, b) && (is_any(a) || is_any(b) || same_host(a, b));
}

static bool is_taken(struct weft__sim *world, const struct weft__sim_file *file,
                     const struct weft__sim_name *name)
{
    weft__list_each(link, &world->bound)
    {
        const struct weft__sim_file *other = weft__container(link, struct weft__sim_file, bound);
        /* Unix sockets of both kinds share their names; TCP and UDP ports are separate. */
        bool same_space = other->domain == file->domain &&
                          (other->domain == AF_UNIX || other->kind == file->kind);
        if (same_space && conflicts(&other->name, name))
            return true;
    }
    return false;
}

static int take_port(struct weft__sim *world, const struct weft__sim_file *file,
                     struct weft__sim_name *name)
{
    for (unsigned tries = 0; tries < 65536 - 49152; tries++) {
        *port_of(name) = htons((in_port_t)world->next_port);
        world->next_port = world->next_port == 65535 ? 49152 : world->next_port + 1;
        if (!is_taken(world, file, name))
            return 0;
    }
    return -EADDRINUSE;
}

static void take_unix_name(struct weft__sim *world, struct weft__sim_name *name)
{
    int digits = snprintf(name->of.un.sun_path + 1, 8, "%05x", ++world->next_name & 0xfffff);
    name->len = (socklen_t)(path_offset() + 1 + (size_t)digits);
}

static int give_name(struct weft__sim *world, struct weft__sim_file *file,
                     struct weft__sim_name *name)
{
    if (file->domain == AF_UNIX && name->len <= path_offset())
        take_unix_name(world, name);
    if (file->domain != AF_UNIX && *port_of(name) == 0) {
        int rc = take_port(world, file, name);
        if (rc < 0)
            return rc;
    } else if (is_taken(world, file, name)) {
        return -EADDRINUSE;
    }
    file->name = *name;
    weft__list_append(&world->bound, &file->bound);
    return 0;
}

int weft__sim_bind(struct weft__sim *world, struct weft__sim_file *file,
                   const struct sockaddr *address, socklen_t len)
{
    struct weft__sim_name name;
    int rc = parse_name(file, address, len, &name);
    if (rc < 0)
        return rc;
    return file->name.len > 0 ? -EINVAL : give_name(world, file, &name);
}

/** The address from which a target is reached: as Linux chooses it for its own addresses. */
static void source_of(const struct weft__sim_name *target, struct weft__sim_name *name)
{
    in_port_t port = *port_of(name);
    *name = *target;
    *port_of(name) = port;
    if (target->of.any.sa_family == AF_INET && ntohl(target->of.in.sin_addr.s_addr) >> 24 == 127)
        name->of.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int weft__sim_bind_any(struct weft__sim *world, struct weft__sim_file *file,
                       const struct weft__sim_name *target)
{
    if (file->name.len > 0 || file->domain == AF_UNIX)
        return 0;
    struct weft__sim_name name = *target;
    *port_of(&name) = 0;
    source_of(target, &name);
    return give_name(world, file, &name);
}

/** Once connected, a socket bound to any address knows the one it is reached at. */
static void fix_source(struct weft__sim_file *file, const struct weft__sim_name *target)
{
    if (file->domain != AF_UNIX && is_any(&file->name))
        source_of(target, &file->name);
}

struct weft__sim_file *weft__sim_lookup(struct weft__sim *world, const struct weft__sim_file *like,
                                        const struct weft__sim_name *name)
{
    struct weft__sim_file *found = NULL;
    weft__list_each(link, &world->bound)
    {
        struct weft__sim_file *file = weft__container(link, struct weft__sim_file, bound);
        if (file->kind != like->kind || file->domain != like->domain)
            continue;
        if (weft__sim_same_name(&file->name, name))
            return file;
        if (file->domain != AF_UNIX && is_any(&file->name) && same_port(&file->name, name))
            found = file;
    }
    return found;
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
        int rc = give_name(world, file, &any);
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
    fix_source(file, target);
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
    fix_source(file, target);
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

/* --- Options --------------------------------------------------------------------------------- */

/** The options that follow from what the socket is: 1 with *ret set, or 0. */
static int known_option(struct weft__sim_file *file, int option, int *ret)
{
    bool stream = file->kind == WEFT__SIM_STREAM;
    switch (option) {
    case SO_ERROR:
        *ret = -weft__sim_take_error(file);
        return 1;
    case SO_TYPE:
        *ret = stream ? SOCK_STREAM : SOCK_DGRAM;
        return 1;
    case SO_DOMAIN:
        *ret = file->domain;
        return 1;
    case SO_PROTOCOL:
        *ret = file->domain == AF_UNIX ? 0 : stream ? IPPROTO_TCP : IPPROTO_UDP;
        return 1;
    case SO_ACCEPTCONN:
        *ret = file->state == WEFT__SIM_LISTENING;
        return 1;
    case SO_SNDBUF:
    case SO_RCVBUF:
        *ret = WEFT__SIM_BUFFER;
        return 1;
    default:
        return 0;
    }
}

static struct weft__sim_option *find_option(struct weft__sim_file *file, int level, int option)
{
    for (size_t i = 0; i < file->option_count; i++)
        if (file->options[i].level == level && file->options[i].option == option)
            return &file->options[i];
    return NULL;
}

/** Copies a value of `len` bytes out, cut at what the caller has room for. */
static void copy_option(void *value, socklen_t *value_len, const void *from, socklen_t len)
{
    *value_len = len < *value_len ? len : *value_len;
    memcpy(value, from, *value_len);
}

int weft__sim_getsockopt(struct weft__sim_file *file, int level, int option, void *value,
                         socklen_t *len)
{
    int answer = 0;
    const struct weft__sim_option *found = find_option(file, level, option);
    if (level == IPPROTO_UDP)
        return -ENOPROTOOPT; /* no segments are joined or split here */
    if (level == SOL_SOCKET && known_option(file, option, &answer))
        found = NULL;
    if (found)
        copy_option(value, len, found->value, found->len);
    else
        copy_option(value, len, &answer, sizeof answer);
    return 0;
}

/** Remembers an option that changes nothing here. */
static int keep_option(struct weft__sim_file *file, int level, int option, const void *value,
                       socklen_t len)
{
    struct weft__sim_option *place = find_option(file, level, option);
    if (len < sizeof(int) || len > sizeof place->value)
        return -EINVAL;
    if (!place) {
        if (file->option_count == WEFT__SIM_OPTIONS)
            return -ENOPROTOOPT;
        place = &file->options[file->option_count++];
    }
    place->level = level;
    place->option = option;
    place->len = len;
    memcpy(place->value, value, len);
    return 0;
}

int weft__sim_setsockopt(struct weft__sim_file *file, int level, int option, const void *value,
                         socklen_t len)
{
    if (level == SOL_SOCKET && option == SO_LINGER) {
        struct linger linger;
        if (len < sizeof linger)
            return -EINVAL;
        memcpy(&linger, value, sizeof linger);
        file->reset_on_close = linger.l_onoff && linger.l_linger == 0;
    }
    if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF))
        return 0; /* accepted; a stream holds what it holds */
    if (level == IPPROTO_UDP)
        return -ENOPROTOOPT;
    return keep_option(file, level, option, value, len);
}
