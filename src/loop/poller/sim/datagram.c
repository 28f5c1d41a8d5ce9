/* SPDX-License-Identifier: MIT */
/*
 * datagram.c: simulated datagrams
 *
 * Each datagram goes at once into the queue of the socket that its address leads to, whole, in
 * order, and never lost: the queue of an internet socket grows as far as memory goes, where a
 * kernel would drop. Connected Unix sockets wait instead when their peer has a buffer full, as on
 * Linux. A datagram for a port where nobody is costs its sender an ECONNREFUSED at a later call if
 * the sender is connected, and nothing otherwise.
 */
#include "loop/poller/sim/world.h"

#include <errno.h>
#include <string.h>

/** The longest datagram over IPv4; also used for IPv6. */
#define INTERNET_MAX ((size_t)65507)
/** The longest one between Unix sockets, which Linux limits by the send buffer. */
#define UNIX_MAX ((size_t)212960)

/** Copies one out: how many bytes the call returns. */
static ssize_t copy_out(const struct weft__sim_file *file,
                        const struct weft__sim_datagram *datagram, void *buf, size_t len, int flags,
                        struct sockaddr *address, socklen_t *address_len)
{
    size_t n = datagram->len < len ? datagram->len : len;
    if (n > 0)
        memcpy(buf, datagram->bytes, n);
    if (address && file->domain == AF_UNIX && datagram->from.len == 0)
        *address_len = 0; /* an unnamed sender has no address at all */
    else
        weft__sim_copy_name(file, &datagram->from, address, address_len);
    return (ssize_t)(flags & MSG_TRUNC ? datagram->len : n);
}

ssize_t weft__sim_datagram_get(struct weft__sim *world, struct weft__sim_file *file, void *buf,
                               size_t len, int flags, struct sockaddr *address,
                               socklen_t *address_len)
{
    if (file->error)
        return weft__sim_take_error(file);
    struct weft_link *link = weft__list_first(&file->datagrams);
    if (!link)
        return -EAGAIN; /* shut down or not: only a blocking call would return 0 then */
    struct weft__sim_datagram *datagram = weft__container(link, struct weft__sim_datagram, link);
    ssize_t n = copy_out(file, datagram, buf, len, flags, address, address_len);
    if (flags & MSG_PEEK)
        return n;
    weft__list_remove(link);
    file->datagram_bytes -= datagram->len;
    weft__sim_realloc(datagram, 0);
    world->moves++;
    return n;
}

void weft__sim_datagram_drop(struct weft__sim_file *file)
{
    struct weft_link *link;
    while ((link = weft__list_take(&file->datagrams)))
        weft__sim_realloc(weft__container(link, struct weft__sim_datagram, link), 0);
    file->datagram_bytes = 0;
}

static int deliver(struct weft__sim *world, const struct weft__sim_file *from,
                   struct weft__sim_file *to, const void *buf, size_t len)
{
    struct weft__sim_datagram *datagram = weft__sim_realloc(NULL, sizeof *datagram + len);
    if (!datagram)
        return -ENOBUFS;
    weft__list_init(&datagram->link);
    datagram->from = from->name;
    datagram->len = len;
    if (len > 0)
        memcpy(datagram->bytes, buf, len);
    weft__list_append(&to->datagrams, &datagram->link);
    to->datagram_bytes += len;
    world->moves++;
    return 0;
}

/** Whom a connected socket sends to, NULL when nobody is there. */
static struct weft__sim_file *connected_peer(struct weft__sim *world, struct weft__sim_file *file)
{
    return file->peer_name.len > 0 ? weft__sim_lookup(world, file, &file->peer_name) : file->peer;
}

/** Where a datagram goes: 0 with *ret set (NULL: nowhere), or why it cannot be sent. */
static int find_receiver(struct weft__sim *world, struct weft__sim_file *file,
                         const struct sockaddr *address, socklen_t address_len,
                         struct weft__sim_file **ret)
{
    struct weft__sim_name target;
    if (!address) {
        if (file->state != WEFT__SIM_CONNECTED)
            return file->domain == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
        *ret = connected_peer(world, file);
        return 0;
    }
    int rc = weft__sim_target(file, address, address_len, &target);
    if (rc == 0)
        rc = weft__sim_bind_any(world, file, &target);
    if (rc < 0)
        return rc;
    *ret = weft__sim_lookup(world, file, &target);
    if (!*ret && file->domain == AF_UNIX)
        return target.of.un.sun_path[0] ? -ENOENT : -ECONNREFUSED;
    return 0;
}

/** Whether `to` hears `from`: a connected socket hears its peer alone. */
static bool hears(const struct weft__sim_file *to, const struct weft__sim_file *from)
{
    return to->state != WEFT__SIM_CONNECTED || to->peer == from ||
           weft__sim_same_name(&to->peer_name, &from->name);
}

/** Nobody takes it: the error of the call, or the pending one that an ICMP message would cause. */
static ssize_t unheard(struct weft__sim_file *file, bool connected, size_t len)
{
    if (connected && file->domain == AF_UNIX) {
        /* Linux takes the pair apart: what had come from the lost end is lost with it. */
        weft__sim_datagram_drop(file);
        weft__sim_disconnect(file);
    }
    if (file->domain == AF_UNIX)
        return -ECONNREFUSED;
    if (connected)
        file->error = ECONNREFUSED;
    return (ssize_t)len;
}

ssize_t weft__sim_datagram_put(struct weft__sim *world, struct weft__sim_file *file,
                               const void *buf, size_t len, const struct sockaddr *address,
                               socklen_t address_len)
{
    struct weft__sim_file *to = NULL;
    if (file->error)
        return weft__sim_take_error(file);
    if (file->shut & WEFT__SIM_SHUT_OUT)
        return -EPIPE;
    int rc = find_receiver(world, file, address, address_len, &to);
    if (rc < 0)
        return rc;
    if (len > (file->domain == AF_UNIX ? UNIX_MAX : INTERNET_MAX))
        return -EMSGSIZE;
    if (!to)
        return unheard(file, !address, len);
    if (!hears(to, file))
        return file->domain == AF_UNIX ? -EPERM : unheard(file, !address, len);
    if (file->domain == AF_UNIX && to->shut & WEFT__SIM_SHUT_IN)
        return -EPIPE;
    if (!address && !weft__sim_datagram_room(world, file))
        return -EAGAIN;
    rc = deliver(world, file, to, buf, len);
    return rc < 0 ? rc : (ssize_t)len;
}

bool weft__sim_datagram_room(struct weft__sim *world, struct weft__sim_file *file)
{
    if (file->domain != AF_UNIX || file->state != WEFT__SIM_CONNECTED)
        return true;
    const struct weft__sim_file *to = connected_peer(world, file);
    return !to || to->datagram_bytes < WEFT__SIM_BUFFER;
}
