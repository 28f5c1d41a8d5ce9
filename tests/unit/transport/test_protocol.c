/* SPDX-License-Identifier: MIT */
/*
 * test_protocol.c: protocols that lack callbacks, and calls that come too late or ask too much
 *
 * A protocol may be of a program that was compiled when there were fewer callbacks, may leave out
 * those it has no use for, and may be taken away. Whatever a transport has to tell then, it tells
 * nobody, and goes on as the header says for a callback that is NULL.
 */
#include "transport_test.h"

#include <weft/stream.h>

/** Protocols that have nothing: an old one, of whose members none may be looked at; one that
 *  leaves all out; none at all. */
static const struct weft_protocol *silent[3];

static void make_silent(void)
{
    static struct weft_protocol old, empty = {.size = sizeof empty};
    old = witnessing;
    old.size = sizeof old.size;
    silent[0] = &old;
    silent[1] = &empty;
    silent[2] = NULL;
}

/** A factory: `arg` points to the protocol's place in `silent`. */
static int be_silent(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = *(const struct weft_protocol **)arg;
    *ret_self = NULL;
    return 0;
}

/** Gives back a transport that is closed or will soon be. */
static void let_go(struct weft_transport *transport)
{
    while (weft_transport_fd(transport) >= 0)
        CHECK_EQ(weft_sleep(WEFT_US), 0);
    weft_transport_unref(transport);
}

/** Whether a transport over fd that has nobody to tell sends, receives and ends. */
static void be_silent_over(int fd, int peer, int i)
{
    static char zeros[400000];
    const struct weft_transport_limits limits = {100, 10, sizeof zeros};
    struct weft_transport *transport;
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fd, NULL, be_silent, &silent[i],
                                               &transport));
    weft_transport_ref(transport);
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &limits), 0);
    CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
    CHECK(weft_transport_get_write_buffer_size(transport) > 100);
    send_now(peer, "hello");
    take(peer, sizeof zeros);
    turn();
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 0);
    CHECK_EQ(weft_close(peer), 0);
    let_go(transport);
}

TASK_TEST(a_protocol_without_callbacks_is_told_nothing)
{
    make_silent();
    for (int i = 0; i < 3; i++) {
        int fds[2];
        CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        be_silent_over(fds[0], fds[1], i);
    }
    CHECK_STORY("");
}

TASK_TEST(an_endpoint_without_callbacks_is_told_nothing)
{
    struct weft_address any = address_of("127.0.0.1:0"), here, there;
    int peer = bind_anywhere(&there);
    make_silent();
    for (int i = 0; i < 3; i++) {
        struct weft_transport *transport;
        CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &any, &there, NULL,
                                                    be_silent, &silent[i], &transport));
        weft_transport_ref(transport);
        CHECK_EQ(weft_transport_local_address(transport, &here), 0);
        CHECK_EQ(weft_sendto(peer, "hello", 5, 0, &here), 5);
        turn();
        CHECK_EQ(weft_transport_is_closing(transport), 0);
        weft_transport_close(transport);
        let_go(transport);
    }
    CHECK_EQ(weft_close(peer), 0);
    CHECK_STORY("");
}

TASK_TEST(a_refusal_that_nobody_hears_of_ends_nothing)
{
    struct weft_address any = address_of("127.0.0.1:0"), there;
    if (test_engine_is("sim"))
        SKIP("a simulated datagram is refused by nobody");
    make_silent();
    for (int i = 0; i < 3; i++) {
        struct weft_transport *transport;
        int peer = bind_anywhere(&there);
        CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &any, &there, NULL,
                                                    be_silent, &silent[i], &transport));
        weft_transport_ref(transport);
        CHECK_EQ(weft_close(peer), 0);
        turn();
        CHECK_EQ(weft_transport_sendto(transport, "x", 1, NULL), 0);
        turn();
        CHECK_EQ(weft_transport_is_closing(transport), 0);
        weft_transport_abort(transport);
        let_go(transport);
    }
    CHECK_STORY("");
}

/* --- Rooms of the protocol's own ------------------------------------------------------------- */

static char room[16];

static void *give_room(void *self, struct weft_transport *transport, size_t *ret_len)
{
    (void)self;
    (void)transport;
    *ret_len = sizeof room;
    return room;
}

TASK_TEST(bytes_come_to_the_protocols_room_also_when_it_does_not_ask_how_many)
{
    static const struct weft_protocol roomy = {.get_buffer = give_room};
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    weft_transport_set_protocol(transport, &roomy, NULL);
    send_now(peer, "hello");
    while (!room[4])
        turn();
    CHECK(memcmp(room, "hello", 5) == 0);
    weft_transport_set_protocol(transport, &witnessing, &a);
    finish(&a, peer);
    CHECK_STORY("a:made a:lost");
}

/* --- Too late -------------------------------------------------------------------------------- */

TASK_TEST(what_comes_after_a_close_changes_nothing)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address address;
    void *self = &a;
    int peer = watch_one(&a, &transport);
    weft_transport_ref(transport);
    turn();
    weft_transport_close(transport);
    weft_transport_close(transport);
    weft_transport_pause_reading(transport);
    weft_transport_resume_reading(transport);
    CHECK_EQ(weft_transport_is_reading(transport), 0);
    CHECK_EQ(weft_transport_write_eof(transport), 0);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -WEFT_ECLOSED);
    weft_transport_abort(transport);
    until_lost(&a);
    turn();
    weft_transport_set_protocol(transport, &witnessing, &a);
    CHECK(weft_transport_get_protocol(transport, &self) == NULL);
    CHECK(self == NULL);
    CHECK(weft_transport_get_protocol(transport, NULL) == NULL);
    CHECK(weft_transport_loop(transport) == weft_loop_current());
    CHECK_ERR(weft_transport_local_address(transport, &address), -EBADF);
    weft_transport_abort(transport);
    let_go(transport);
    weft_transport_unref(NULL);
    CHECK_STORY("a:made a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(a_pause_and_an_end_may_be_asked_for_twice)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    char byte;
    int peer = watch_one(&a, &transport);
    turn();
    for (int i = 0; i < 2; i++)
        weft_transport_pause_reading(transport);
    CHECK_EQ(weft_transport_is_reading(transport), 0);
    for (int i = 0; i < 2; i++)
        weft_transport_resume_reading(transport);
    CHECK_EQ(weft_transport_is_reading(transport), 1);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_transport_write_eof(transport), 0);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -EPIPE);
    CHECK_EQ(weft_read(peer, &byte, 1), 0);
    finish(&a, peer);
    CHECK_STORY("a:made a:lost");
}

/* --- Too much, or of the wrong kind ---------------------------------------------------------- */

TASK_TEST(more_bytes_than_there_can_be_are_over_the_limit)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    char byte = 0;
    const struct iovec vectors[2] = {{&byte, SIZE_MAX}, {&byte, SIZE_MAX}};
    const struct weft_transport_limits bad[2] = {{1, 2, 3}, {2, 1, 1}};
    int peer = watch_one(&a, &transport);
    CHECK_ERR(weft_transport_writelines(transport, vectors, 2), -ENOBUFS);
    CHECK_EQ(weft_transport_writelines(transport, vectors, 0), 0);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(weft_transport_set_write_buffer_limits(transport, &bad[i]), -EINVAL);
    CHECK_ERR(weft_transport_sendto(transport, "x", 1, NULL), -ENOTSUP);
    finish(&a, peer);
}

TASK_TEST(a_limit_below_what_is_kept_refuses_all_writes)
{
    static char zeros[400000];
    const struct weft_transport_limits none = {0, 0, 0};
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &none), 0);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -ENOBUFS);
    take(peer, sizeof zeros);
    turn();
    CHECK_ERR(weft_transport_write(transport, "x", 1), -ENOBUFS);
    finish(&a, peer);
}

static int refuse(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    (void)arg;
    (void)ret_protocol;
    (void)ret_self;
    return -EPERM;
}

TASK_TEST(a_factory_that_refuses_leaves_the_descriptor_to_its_owner)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_address any = address_of("127.0.0.1:0");
    struct weft_stream *stream;
    int fds[2], pair[2];
    CHECK_OK(weft_pipe(fds));
    CHECK_ERR(weft_loop_connect_read_pipe(loop, fds[0], refuse, NULL, NULL), -EPERM);
    CHECK_ERR(weft_loop_connect_write_pipe(loop, fds[1], refuse, NULL, NULL), -EPERM);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    close_ends(fds);
    CHECK_ERR(weft_loop_create_datagram_endpoint(loop, &any, NULL, NULL, refuse, NULL, NULL),
              -EPERM);
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_ERR(weft_loop_connect_accepted_socket(loop, pair[0], NULL, refuse, NULL, NULL), -EPERM);
    CHECK_OK(weft_stream_from_fd(pair[0], NULL, &stream));
    CHECK_ERR(weft_transport_from_stream(stream, NULL, refuse, NULL, NULL), -EPERM);
    CHECK_EQ(weft_stream_write_all(stream, "x", 1), 0);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(pair[1]), 0);
}

TASK_TEST(a_datagram_socket_is_no_connection)
{
    struct weft_address there;
    int fd = bind_anywhere(&there);
    CHECK_ERR(weft_loop_connect_accepted_socket(weft_loop_current(), fd, NULL, refuse, NULL, NULL),
              -EPROTOTYPE);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_connected_endpoint_may_name_its_peer)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address there, any = address_of("127.0.0.1:0");
    char byte;
    int peer = bind_anywhere(&there);
    CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &any, &there, NULL,
                                                bear_witness, &a, &transport));
    CHECK_EQ(weft_transport_sendto(transport, "x", 1, &there), 0);
    CHECK_EQ(weft_recv(peer, &byte, 1, 0), 1);
    finish(&a, peer);
}

TASK_TEST(datagrams_that_are_kept_go_where_each_was_to_go)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address ours = own_name("protocol-ours"), theirs = own_name("protocol-theirs");
    const struct weft_transport_limits none = {0, 0, 0};
    char buf[1000] = "";
    size_t count = 0;
    if (test_engine_is("sim"))
        SKIP("a simulated socket that is not connected keeps nothing back");
    int peer = weft_udp_bind(&theirs);
    CHECK_OK(peer);
    CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &ours, NULL, NULL,
                                                bear_witness, &a, &transport));
    for (; weft_transport_get_write_buffer_size(transport) == 0; count++)
        CHECK_EQ(weft_transport_sendto(transport, buf, sizeof buf, &theirs), 0);
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &none), 0);
    CHECK_ERR(weft_transport_sendto(transport, "x", 1, &theirs), -ENOBUFS);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(weft_recv(peer, buf, sizeof buf, 0), sizeof buf);
    CHECK_ERR(weft_transport_sendto(transport, "x", 1, &theirs), -ENOBUFS);
    finish(&a, peer);
}

/* --- Bridges --------------------------------------------------------------------------------- */

static struct weft_stream *bridged(int fds[2], struct weft_transport **ret)
{
    struct weft_stream *stream;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    make_silent();
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, be_silent,
                                               &silent[1], ret));
    CHECK_OK(weft_stream_from_transport(*ret, NULL, &stream));
    return stream;
}

TASK_TEST(a_stream_whose_transport_is_lost_has_no_name_and_no_descriptor)
{
    struct weft_transport *transport;
    struct weft_address address;
    char byte;
    int fds[2];
    struct weft_stream *stream = bridged(fds, &transport);
    weft_transport_ref(transport);
    weft_transport_abort(transport);
    let_go(transport);
    CHECK_ERR(weft_stream_fd(stream), -EBADF);
    CHECK_ERR(weft_stream_local_address(stream, &address), -ENOTCONN);
    CHECK_EQ(weft_stream_read(stream, &byte, 1), 0);
    CHECK_ERR(weft_stream_write(stream, "x", 1), -EPIPE);
    CHECK_EQ(weft_stream_shutdown(stream), 0);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

static int close_full(void *arg)
{
    return weft_stream_close(arg);
}

TASK_TEST(a_close_that_is_cancelled_while_bytes_are_kept_resets)
{
    static char zeros[400000];
    struct weft_transport *transport;
    struct weft_scope s;
    int fds[2];
    struct weft_stream *stream = bridged(fds, &transport);
    CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
    weft_transport_ref(transport);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&s, close_full, stream), 0);
    turn();
    CHECK_EQ(weft_transport_is_closing(transport), 1);
    CHECK(weft_transport_get_write_buffer_size(transport) > 0);
    weft_scope_cancel(&s, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ECANCELED);
    let_go(transport);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/** Outside of a task. */
static void close_at_once(void *arg)
{
    CHECK_EQ(weft_stream_close(arg), 0);
}

TASK_TEST(a_callback_closes_a_stream_without_waiting)
{
    struct weft_transport *transport;
    int fds[2];
    char byte;
    struct weft_stream *stream = bridged(fds, &transport);
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), close_at_once, stream, NULL));
    CHECK_EQ(weft_read(fds[1], &byte, 1), 0);
    turn();
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(a_stream_of_a_pipe_becomes_no_transport)
{
    struct weft_stream *stream;
    int fds[2];
    CHECK_OK(weft_pipe(fds));
    CHECK_OK(weft_stream_from_fd(fds[0], NULL, &stream));
    CHECK_ERR(weft_transport_from_stream(stream, NULL, be_silent, &silent[1], NULL), -ENOTSUP);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(a_stream_becomes_a_transport_for_nobody_to_hold)
{
    struct weft_stream *stream;
    char byte;
    int fds[2];
    make_silent();
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_stream_from_fd(fds[0], NULL, &stream));
    CHECK_OK(weft_transport_from_stream(stream, NULL, be_silent, &silent[1], NULL));
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->shutdown(sys, fds[1], SHUT_WR), 0);
    CHECK_EQ(weft_read(fds[1], &byte, 1), 0);
    turn();
    CHECK_EQ(weft_close(fds[1]), 0);
}

/** What is left behind by leave_a_stream. */
static struct weft_stream *left;

static int leave_a_stream(void *arg)
{
    struct weft_transport *transport;
    int fds[2];
    (void)arg;
    left = bridged(fds, &transport);
    return weft_close(fds[1]);
}

TEST_EACH_ENGINE(a_stream_outlives_the_transport_that_goes_with_its_loop)
{
    const struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, leave_a_stream, NULL), 0);
    CHECK_ERR(weft_transport_from_stream(left, NULL, be_silent, &silent[1], NULL), -EPERM);
    CHECK_EQ(weft_stream_fd(left) >= 0, 1);
    CHECK_EQ(weft_stream_close(left), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

/* --- Servers --------------------------------------------------------------------------------- */

TASK_TEST(a_server_of_the_other_family_shares_its_port)
{
    const struct weft_transport_options options = {.reuse_port = 1};
    struct weft_address address = address_of("[::1]:0");
    struct weft_protocol_server *servers[2];
    struct weft_loop *loop = weft_loop_current();
    make_silent();
    int rc = weft_loop_create_server(loop, &address, &options, be_silent, &silent[1], &servers[0]);
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        SKIP("no IPv6 here");
    CHECK_OK(rc);
    CHECK_EQ(weft_protocol_server_address(servers[0], &address), 0);
    rc = weft_loop_create_server(loop, &address, &options, be_silent, &silent[1], &servers[1]);
    if (test_engine_is("sim")) {
        /* A simulated port has one listener. */
        CHECK_ERR(rc, -EADDRINUSE);
        servers[1] = weft_protocol_server_ref(servers[0]);
    } else
        CHECK_OK(rc);
    for (int i = 0; i < 2; i++) {
        weft_protocol_server_close(servers[i]);
        weft_protocol_server_unref(servers[i]);
    }
    turn();
}
