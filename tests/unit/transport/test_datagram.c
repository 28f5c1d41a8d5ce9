/* SPDX-License-Identifier: MIT */
/*
 * test_datagram.c: datagram endpoints
 *
 * The peer is a plain socket. Datagrams keep their bounds, also those of no bytes, and an error of
 * one does not end the endpoint.
 */
#include "transport_test.h"

/** An endpoint connected to a plain socket, which is returned; or, unconnected, bound. */
static int watch_udp(struct witness *witness, bool connected, struct weft_transport **ret)
{
    struct weft_address there, any = address_of("127.0.0.1:0");
    int peer = bind_anywhere(&there);
    CHECK_OK(weft_loop_create_datagram_endpoint(
        weft_loop_current(), &any, connected ? &there : NULL, NULL, bear_witness, witness, ret));
    while (!witness->transport)
        turn();
    return peer;
}

/** A pair of Unix datagram sockets: the endpoint's name is `ours`, the peer's `theirs`. */
static int watch_unix(struct witness *witness, struct weft_transport **ret)
{
    struct weft_address ours = own_name("datagram-ours"), theirs = own_name("datagram-theirs");
    int peer = weft_udp_bind(&theirs);
    CHECK_OK(peer);
    CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &ours, &theirs, NULL,
                                                bear_witness, witness, ret));
    while (!witness->transport)
        turn();
    return peer;
}

TASK_TEST(a_datagram_comes_whole_with_its_sender)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address here, from;
    char buf[16];
    int peer = watch_udp(&a, false, &transport);
    CHECK_EQ(weft_transport_local_address(transport, &here), 0);
    CHECK_EQ(weft_sendto(peer, "one", 3, 0, &here), 3);
    CHECK_EQ(weft_sendto(peer, "three", 5, 0, &here), 5);
    until_bytes(&a, 8);
    CHECK_STORY("a:made a:3 a:5");
    from = local_address(peer);
    CHECK_EQ(weft_transport_sendto(transport, "back", 4, &from), 0);
    CHECK_EQ(weft_recvfrom(peer, buf, sizeof buf, 0, &from), 4);
    CHECK(weft_address_equal(&from, &here));
    CHECK_ERR(weft_transport_peer_address(transport, &from), -ENOTCONN);
    finish(&a, peer);
}

TASK_TEST(empty_datagrams_are_sent_and_received)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address here;
    char byte;
    int peer = watch_udp(&a, true, &transport);
    CHECK_EQ(weft_transport_local_address(transport, &here), 0);
    CHECK_EQ(weft_transport_sendto(transport, NULL, 0, NULL), 0);
    CHECK_EQ(weft_recv(peer, &byte, 1, 0), 0);
    CHECK_EQ(weft_sendto(peer, "", 0, 0, &here), 0);
    while (a.pieces == 0)
        turn();
    CHECK_STORY("a:made a:0");
    finish(&a, peer);
}

/** Sends datagrams of `len` bytes until one is kept; how many were sent in all. */
static size_t send_until_kept(struct weft_transport *transport, size_t len)
{
    static const char zeros[1000];
    size_t count = 0;
    for (; weft_transport_get_write_buffer_size(transport) == 0; count++)
        CHECK_EQ(weft_transport_sendto(transport, zeros, len, NULL), 0);
    return count;
}

TASK_TEST(datagrams_that_are_kept_count_also_the_empty_ones)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    char buf[1000];
    int peer = watch_unix(&a, &transport);
    size_t count = send_until_kept(transport, 1000);
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 1008);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_transport_sendto(transport, "", 0, NULL), 0);
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 1008 + 3 * 8);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(weft_recv(peer, buf, sizeof buf, 0), 1000);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_recv(peer, buf, sizeof buf, 0), 0);
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 0);
    finish(&a, peer);
}

TASK_TEST(flow_control_and_the_hard_limit_hold_for_datagrams)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_transport_limits limits = {3 * 108, 108, 4 * 108};
    char buf[100] = "";
    int peer = watch_unix(&a, &transport), kept = 1;
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &limits), 0);
    size_t count = send_until_kept(transport, sizeof buf);
    CHECK_STORY("a:made");
    while (weft_transport_sendto(transport, buf, sizeof buf, NULL) == 0)
        kept++;
    CHECK_EQ(kept, 4);
    CHECK_STORY("a:pause");
    CHECK_ERR(weft_transport_sendto(transport, buf, sizeof buf, NULL), -ENOBUFS);
    for (size_t i = 0; i < count + 3; i++)
        CHECK_EQ(weft_recv(peer, buf, sizeof buf, 0), sizeof buf);
    turn();
    CHECK_STORY("a:resume");
    finish(&a, peer);
}

TASK_TEST(closing_sends_what_is_kept_and_aborting_drops_it)
{
    for (int aborts = 0; aborts < 2; aborts++) {
        struct witness a = {.letter = 'a'};
        struct weft_transport *transport;
        char buf[1000];
        int peer = watch_unix(&a, &transport);
        size_t count = send_until_kept(transport, 1000);
        if (aborts)
            weft_transport_abort(transport);
        else
            weft_transport_close(transport);
        CHECK_ERR(weft_transport_sendto(transport, "x", 1, NULL), -WEFT_ECLOSED);
        for (size_t i = 0; i < count - (size_t)aborts; i++)
            CHECK_EQ(weft_recv(peer, buf, sizeof buf, 0), 1000);
        until_lost(&a);
        CHECK_ERR(weft_within(20 * WEFT_MS, weft_recv(peer, buf, sizeof buf, 0)), -ETIMEDOUT);
        CHECK_STORY("a:made a:lost");
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(a_refusal_is_told_and_the_endpoint_goes_on)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address there;
    const struct weft_sys *sys = weft__sys_current();
    int peer = watch_udp(&a, true, &transport);
    if (test_engine_is("sim"))
        SKIP("a simulated datagram is refused by nobody");
    CHECK_EQ(weft_transport_peer_address(transport, &there), 0);
    CHECK_EQ(weft_close(peer), 0);
    CHECK_STORY("a:made");
    CHECK_EQ(weft_transport_sendto(transport, "x", 1, NULL), 0);
    while (!story[0])
        turn();
    CHECK_STORY("a:error(ECONNREFUSED)");
    peer = sys->socket(sys, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(sys->bind(sys, peer, &there.of.any, there.len), 0);
    CHECK_EQ(weft_transport_sendto(transport, "y", 1, NULL), 0);
    char byte;
    CHECK_EQ(weft_recv(peer, &byte, 1, 0), 1);
    finish(&a, peer);
}

TASK_TEST(a_datagram_that_cannot_be_sent_is_its_senders_business)
{
    static char large[100000];
    struct witness a = {.letter = 'a'}, b = {.letter = 'b'};
    struct weft_transport *transport, *bound;
    struct weft_address elsewhere = address_of("127.0.0.1:9");
    int peer = watch_udp(&a, true, &transport), other = watch_udp(&b, false, &bound);
    CHECK_ERR(weft_transport_sendto(transport, large, sizeof large, NULL), -EMSGSIZE);
    CHECK_ERR(weft_transport_sendto(transport, "x", 1, &elsewhere), -EINVAL);
    CHECK_ERR(weft_transport_sendto(bound, "x", 1, NULL), -EDESTADDRREQ);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -ENOTSUP);
    CHECK_ERR(weft_transport_write_eof(transport), -ENOTSUP);
    CHECK_EQ(weft_transport_can_write_eof(transport), 0);
    turn();
    CHECK_STORY("a:made b:made");
    finish(&a, peer);
    finish(&b, other);
}

TASK_TEST(a_paused_endpoint_leaves_datagrams_in_the_kernel)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address here;
    int peer = watch_udp(&a, true, &transport);
    CHECK_EQ(weft_transport_local_address(transport, &here), 0);
    weft_transport_pause_reading(transport);
    CHECK_EQ(weft_sendto(peer, "x", 1, 0, &here), 1);
    turn();
    CHECK_STORY("a:made");
    weft_transport_resume_reading(transport);
    until_bytes(&a, 1);
    CHECK_STORY("a:1");
    finish(&a, peer);
}

TASK_TEST(a_failing_datagram_received_ends_the_endpoint)
{
    struct witness a = {.letter = 'a', .data_code = -EPROTO};
    struct weft_transport *transport;
    struct weft_address here;
    int peer = watch_udp(&a, true, &transport);
    CHECK_EQ(weft_transport_local_address(transport, &here), 0);
    CHECK_EQ(weft_sendto(peer, "x", 1, 0, &here), 1);
    until_lost(&a);
    CHECK_STORY("a:made a:1 a:lost(EPROTO)");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(an_endpoint_needs_an_address_that_is_free)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport = NULL;
    struct weft_address taken;
    int peer = bind_anywhere(&taken);
    struct weft_loop *loop = weft_loop_current();
    CHECK_ERR(weft_loop_create_datagram_endpoint(loop, NULL, NULL, NULL, bear_witness, &a, NULL),
              -EINVAL);
    CHECK_ERR(
        weft_loop_create_datagram_endpoint(loop, &taken, NULL, NULL, bear_witness, &a, &transport),
        -EADDRINUSE);
    CHECK(transport == NULL);
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(a_broadcasting_endpoint_is_not_connected)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport_options options = {.broadcast = 1};
    struct weft_transport *transport;
    struct weft_address there, any = address_of("255.255.255.255:0");
    char byte;
    int peer = bind_anywhere(&there);
    if (test_engine_is("sim"))
        SKIP("a simulated socket knows no broadcasts");
    CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), NULL, &any, &options,
                                                bear_witness, &a, &transport));
    CHECK_EQ(weft_transport_sendto(transport, "x", 1, &there), 0);
    CHECK_EQ(weft_recv(peer, &byte, 1, 0), 1);
    finish(&a, peer);
}
