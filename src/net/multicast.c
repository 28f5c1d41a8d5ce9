/* SPDX-License-Identifier: MIT */
/*
 * multicast.c: groups of receivers
 *
 * Joining and leaving go through the options that name the interface by its number and the group by
 * an address of either family (RFC 3678), so that IPv4 and IPv6 differ in the level alone. What a
 * sender sets is an option of its socket's family, which the socket is asked for. Nothing here is
 * remembered: memberships end with the socket. Simulated sockets belong to no group.
 */
#define _GNU_SOURCE 1

#include "net/internal.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <weft/datagram.h>

int weft_interface_number(const char *name)
{
    const struct weft_sys *sys = weft__sys_current();
    struct ifreq request = {.ifr_ifindex = 0};
    size_t len = strlen(name);
    if (len >= sizeof request.ifr_name)
        return -ENODEV;
    memcpy(request.ifr_name, name, len + 1);
    /* Any socket does for this question. */
    int fd = sys->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int rc = sys->ioctl(sys, fd, SIOCGIFINDEX, &request);
    (void)sys->close(sys, fd);
    return rc < 0 ? rc : request.ifr_ifindex;
}

/** IPPROTO_IP or IPPROTO_IPV6; -EAFNOSUPPORT for what has no groups. */
static int level_of(int family)
{
    return family == AF_INET ? IPPROTO_IP : family == AF_INET6 ? IPPROTO_IPV6 : -EAFNOSUPPORT;
}

/** Sets an option that takes a group. */
static int set_group(int fd, int option, const struct weft_address *group, int interface)
{
    const struct weft_sys *sys = weft__sys_current();
    struct group_req request;
    memset(&request, 0, sizeof request);
    request.gr_interface = (uint32_t)interface;
    memcpy(&request.gr_group, &group->of, group->len);
    return sys->setsockopt(sys, fd, level_of(group->of.any.sa_family), option, &request,
                           sizeof request);
}

/** Sets an option that takes a group and a source. */
static int set_source(int fd, int option, const struct weft_address *group, int interface,
                      const struct weft_address *source)
{
    const struct weft_sys *sys = weft__sys_current();
    struct group_source_req request;
    memset(&request, 0, sizeof request);
    request.gsr_interface = (uint32_t)interface;
    memcpy(&request.gsr_group, &group->of, group->len);
    memcpy(&request.gsr_source, &source->of, source->len);
    return sys->setsockopt(sys, fd, level_of(group->of.any.sa_family), option, &request,
                           sizeof request);
}

static int refuse_group(const struct weft_address *group, const struct weft_address *source)
{
    if (level_of(group->of.any.sa_family) < 0)
        return -EAFNOSUPPORT;
    return source && source->of.any.sa_family != group->of.any.sa_family ? -EINVAL : 0;
}

int weft_multicast_join(int fd, const struct weft_address *group, int interface,
                        const struct weft_address *source)
{
    int rc = refuse_group(group, source);
    if (rc < 0)
        return rc;
    return source ? set_source(fd, MCAST_JOIN_SOURCE_GROUP, group, interface, source)
                  : set_group(fd, MCAST_JOIN_GROUP, group, interface);
}

int weft_multicast_leave(int fd, const struct weft_address *group, int interface,
                         const struct weft_address *source)
{
    int rc = refuse_group(group, source);
    if (rc < 0)
        return rc;
    return source ? set_source(fd, MCAST_LEAVE_SOURCE_GROUP, group, interface, source)
                  : set_group(fd, MCAST_LEAVE_GROUP, group, interface);
}

/** The level of a socket's own family, or an error. */
static int own_level(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    int family = 0;
    socklen_t len = sizeof family;
    int rc = sys->getsockopt(sys, fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
    return rc < 0 ? rc : level_of(family);
}

int weft_multicast_set_interface(int fd, int interface)
{
    const struct weft_sys *sys = weft__sys_current();
    struct ip_mreqn choice = {.imr_ifindex = interface};
    int level = own_level(fd);
    if (level < 0)
        return level;
    if (level == IPPROTO_IPV6)
        return weft_set_option(fd, level, IPV6_MULTICAST_IF, interface);
    return sys->setsockopt(sys, fd, level, IP_MULTICAST_IF, &choice, sizeof choice);
}

int weft_multicast_set_hops(int fd, int hops)
{
    int level = own_level(fd);
    if (level < 0)
        return level;
    /* -1 would be the default of the system. */
    if (hops < 0 || hops > 255)
        return -EINVAL;
    return weft_set_option(fd, level, level == IPPROTO_IP ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS,
                           hops);
}

int weft_multicast_set_loop(int fd, int on)
{
    int level = own_level(fd);
    if (level < 0)
        return level;
    return weft_set_option(fd, level, level == IPPROTO_IP ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP,
                           on != 0);
}
