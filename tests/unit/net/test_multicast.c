/* SPDX-License-Identifier: MIT */
/*
 * test_multicast.c: groups of receivers, IPv4 and IPv6
 *
 * Nothing leaves this host: IPv4 goes over the loopback interface, and IPv6, for which that one has
 * no route to groups, over the first interface that has, to a group of the interface alone. Where
 * there is none, the test moves into a network of its own and makes one. A simulated world has no
 * groups.
 */
#define _GNU_SOURCE 1
#include "net_test.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <weft/testing.h>

/** A family and a group of it. */
struct family {
    /** Any address and no port. */
    const char *any;
    /** The group, with a port to be replaced. */
    const char *group;
    /** Another host, as a source. */
    const char *elsewhere;
};

static const struct family four = {"0.0.0.0:0", "239.255.17.23:1", "192.0.2.77:0"};
static const struct family six = {"[::]:0", "[ff01::1723]:1", "[2001:db8::77]:0"};

/** Whether an interface takes datagrams to the group. */
static bool leads_to(const struct family *family, int interface)
{
    struct weft_address any = address_of(family->any), group = address_of(family->group);
    int fd = weft_datagram_open(&any, NULL, NULL);
    if (fd < 0)
        return false;
    bool leads =
        weft_multicast_set_interface(fd, interface) == 0 && weft_sendto(fd, "", 0, 0, &group) == 0;
    CHECK_EQ(weft_close(fd), 0);
    return leads;
}

/** The first interface that does; 0: none. */
static int interface_of(const struct family *family)
{
    for (int interface = 1; interface < 32; interface++)
        if (leads_to(family, interface))
            return interface;
    return 0;
}

static int bring_up(int fd, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_UP};
    strcpy(request.ifr_name, name);
    return ioctl(fd, SIOCSIFFLAGS, &request);
}

/** Moves into a network that has a loopback and a bridge without ports, which is as good as a
 *  network card here. */
static bool make_network(void)
{
    int fd = unshare(CLONE_NEWNET) < 0 ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool made = bring_up(fd, "lo") == 0 && ioctl(fd, SIOCBRADDBR, "weft0") == 0 &&
                bring_up(fd, "weft0") == 0;
    CHECK_EQ(close(fd), 0);
    return made;
}

/** The interface that the test uses. */
static int interface_for(const struct family *family)
{
    if (test_engine_is("sim"))
        SKIP("simulated sockets belong to no group");
    int interface = interface_of(family);
    bool made = interface == 0 && make_network();
    /* An address needs a moment before it can be used. */
    for (int tries = 0; made && interface == 0 && tries < 500; tries++) {
        CHECK_EQ(weft_sleep(10 * WEFT_MS), 0);
        interface = interface_of(family);
    }
    if (interface == 0)
        SKIP("no groups of %s here", family == &six ? "IPv6" : "IPv4");
    return interface;
}

/** A test for each family, "name" and "name_over_ipv6". */
#define GROUP_TEST(name)                                                                           \
    static void name##_of(const struct family *family, int interface);                             \
    TASK_TEST(name)                                                                                \
    {                                                                                              \
        name##_of(&four, interface_for(&four));                                                    \
    }                                                                                              \
    TASK_TEST(name##_over_ipv6)                                                                    \
    {                                                                                              \
        name##_of(&six, interface_for(&six));                                                      \
    }                                                                                              \
    static void name##_of(const struct family *family, int interface)

/** A receiver, and the address of the group with its port. */
static int open_receiver(const struct family *family, struct weft_address *group)
{
    struct weft_datagram_options share = {.flags = WEFT_DATAGRAM_REUSE_ADDRESS};
    struct weft_address any = address_of(family->any);
    int fd = weft_datagram_open(&any, NULL, &share);
    CHECK_OK(fd);
    *group = address_of(family->group);
    group->of.in.sin_port = local_address(fd).of.in.sin_port;
    return fd;
}

static int open_sender(const struct family *family, int interface)
{
    struct weft_address any = address_of(family->any);
    int fd = weft_datagram_open(&any, NULL, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_multicast_set_interface(fd, interface), 0);
    return fd;
}

static void send_to(int fd, const struct weft_address *group)
{
    struct weft_datagram d = {.buf = "news", .len = 4, .address = *group};
    CHECK_EQ(weft_datagram_send(fd, &d), 0);
}

/** Whether something came: a mark is sent behind it, straight to the receiver, and read up to. */
static bool hears(int fd)
{
    struct weft_address mark = local_address(fd);
    struct weft_scope s;
    char room[8];
    bool heard = false;
    const char *here = mark.of.any.sa_family == AF_INET ? "127.0.0.1:0" : "[::1]:0";
    struct weft_address to = address_of(here);
    to.of.in.sin_port = mark.of.in.sin_port;
    int sender = weft_datagram_open(NULL, &to, NULL);
    CHECK_OK(sender);
    CHECK_EQ(weft_send(sender, "mark", 4, 0), 4);
    weft_scope_enter(&s, 10 * WEFT_SEC);
    while (weft_recv(fd, room, sizeof room, 0) == 4 && memcmp(room, "mark", 4) != 0)
        heard = true;
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(sender), 0);
    return heard;
}

GROUP_TEST(a_member_hears_its_group_until_it_leaves)
{
    struct weft_address group;
    int receiver = open_receiver(family, &group), sender = open_sender(family, interface);
    send_to(sender, &group);
    CHECK(!hears(receiver));
    CHECK_EQ(weft_multicast_join(receiver, &group, interface, NULL), 0);
    CHECK_ERR(weft_multicast_join(receiver, &group, interface, NULL), -EADDRINUSE);
    send_to(sender, &group);
    CHECK(hears(receiver));
    CHECK_EQ(weft_multicast_leave(receiver, &group, interface, NULL), 0);
    CHECK_ERR(weft_multicast_leave(receiver, &group, interface, NULL), -EADDRNOTAVAIL);
    send_to(sender, &group);
    CHECK(!hears(receiver));
    CHECK_EQ(weft_close(receiver), 0);
    CHECK_EQ(weft_close(sender), 0);
}

GROUP_TEST(each_member_that_shares_the_address_hears_the_group)
{
    struct weft_datagram_options share = {.flags = WEFT_DATAGRAM_REUSE_ADDRESS};
    struct weft_address group;
    struct weft_scope s;
    char room[8];
    int fds[2] = {open_receiver(family, &group), -1}, sender = open_sender(family, interface);
    struct weft_address address = local_address(fds[0]);
    fds[1] = weft_datagram_open(&address, NULL, &share);
    CHECK_OK(fds[1]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_multicast_join(fds[i], &group, interface, NULL), 0);
    send_to(sender, &group);
    weft_scope_enter(&s, 10 * WEFT_SEC);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_recv(fds[i], room, sizeof room, 0), 4);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close_ends(fds);
    CHECK_EQ(weft_close(sender), 0);
}

GROUP_TEST(a_member_may_choose_whom_it_hears)
{
    char room[8];
    struct weft_address group, here, elsewhere = address_of(family->elsewhere);
    int receiver = open_receiver(family, &group), sender = open_sender(family, interface);
    CHECK_EQ(weft_multicast_join(receiver, &group, interface, NULL), 0);
    send_to(sender, &group);
    CHECK_EQ(weft_recvfrom(receiver, room, sizeof room, 0, &here), 4);
    CHECK_EQ(weft_multicast_leave(receiver, &group, interface, NULL), 0);
    CHECK_EQ(weft_multicast_join(receiver, &group, interface, &elsewhere), 0);
    send_to(sender, &group);
    CHECK(!hears(receiver));
    CHECK_EQ(weft_multicast_join(receiver, &group, interface, &here), 0);
    send_to(sender, &group);
    CHECK(hears(receiver));
    CHECK_EQ(weft_multicast_leave(receiver, &group, interface, &here), 0);
    send_to(sender, &group);
    CHECK(!hears(receiver));
    CHECK_EQ(weft_close(receiver), 0);
    CHECK_EQ(weft_close(sender), 0);
}

GROUP_TEST(a_sender_may_keep_its_datagrams_from_its_own_host)
{
    struct weft_address group;
    int receiver = open_receiver(family, &group), sender = open_sender(family, interface);
    CHECK_EQ(weft_multicast_join(receiver, &group, interface, NULL), 0);
    CHECK_EQ(weft_multicast_set_loop(sender, 0), 0);
    send_to(sender, &group);
    /* What goes over the loopback interface comes back over it all the same. */
    CHECK_EQ(hears(receiver), interface == 1);
    CHECK_EQ(weft_multicast_set_loop(sender, 1), 0);
    send_to(sender, &group);
    CHECK(hears(receiver));
    CHECK_EQ(weft_close(receiver), 0);
    CHECK_EQ(weft_close(sender), 0);
}

GROUP_TEST(what_a_sender_sets_is_an_option_of_its_family)
{
    bool ipv4 = family == &four;
    int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6, value = -1;
    int names[2] = {ipv4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS,
                    ipv4 ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP};
    socklen_t len = sizeof value;
    int fd = open_sender(family, interface);
    CHECK_EQ(weft_multicast_set_hops(fd, 17), 0);
    CHECK_EQ(getsockopt(fd, level, names[0], &value, &len), 0);
    CHECK_EQ(value, 17);
    CHECK_EQ(weft_multicast_set_loop(fd, 0), 0);
    len = sizeof value;
    CHECK_EQ(getsockopt(fd, level, names[1], &value, &len), 0);
    CHECK_EQ(value, 0);
    CHECK_ERR(weft_multicast_set_hops(fd, 256), -EINVAL);
    CHECK_ERR(weft_multicast_set_hops(fd, -1), -EINVAL);
    CHECK_EQ(weft_multicast_set_interface(fd, 0), 0);
    CHECK(weft_multicast_set_interface(fd, 1 << 20) < 0);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(what_is_no_group_is_refused)
{
    if (test_engine_is("sim"))
        SKIP("simulated sockets belong to no group");
    struct weft_address here = address_of("127.0.0.1:0"), group = address_of("[ff02::1]:0");
    struct weft_address name = address_of("unix:/nowhere");
    int fds[2];
    int fd = weft_datagram_open(&here, NULL, NULL);
    CHECK_OK(fd);
    CHECK_ERR(weft_multicast_join(fd, &here, 0, NULL), -EINVAL);
    CHECK_ERR(weft_multicast_join(fd, &name, 0, NULL), -EAFNOSUPPORT);
    CHECK_ERR(weft_multicast_leave(fd, &name, 0, NULL), -EAFNOSUPPORT);
    CHECK_ERR(weft_multicast_join(fd, &group, 0, &here), -EINVAL);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    CHECK_ERR(weft_multicast_set_hops(fds[0], 1), -EAFNOSUPPORT);
    CHECK_ERR(weft_multicast_set_loop(fds[0], 1), -EAFNOSUPPORT);
    CHECK_ERR(weft_multicast_set_interface(fds[0], 1), -EAFNOSUPPORT);
    close_ends(fds);
}

TASK_TEST(an_interface_has_a_number)
{
    if (test_engine_is("sim"))
        SKIP("a simulated socket knows no interfaces");
    CHECK_EQ(weft_interface_number("lo"), 1);
    CHECK_ERR(weft_interface_number("no-such-one"), -ENODEV);
    CHECK_ERR(weft_interface_number("a-name-that-is-too-long-for-any"), -ENODEV);
}
