/* SPDX-License-Identifier: MIT */
/*
 * name.c: the names of simulated sockets
 *
 * A name is an address with its port, or a Unix path. Names live in a list of the world, in which a
 * socket is found: by its very name, or else by the port of one that is bound to any address. Two
 * sockets of a kind may not have the same port of one address, and "any" is every address. Ports
 * and abstract names that nobody asked for are given out in order, so that a program has the same
 * ones each time.
 */
#include "loop/poller/sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

int weft__sim_give_name(struct weft__sim *world, struct weft__sim_file *file,
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
    return file->name.len > 0 ? -EINVAL : weft__sim_give_name(world, file, &name);
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
    return weft__sim_give_name(world, file, &name);
}

void weft__sim_fix_source(struct weft__sim_file *file, const struct weft__sim_name *target)
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
