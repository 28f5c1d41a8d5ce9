/* SPDX-License-Identifier: MIT */
/*
 * test_server.c: create_server and create_connection
 *
 * Servers listen at a port that the kernel chooses; a witness for each side notes what it is told.
 * Futures tell what became of an attempt to connect, and of a server that was closed.
 */
#include "transport_test.h"

#include "task_body.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <weft/resolve.h>

/** What a factory gives out, in order. */
static struct {
    /** The witnesses. */
    struct witness each[40];
    /** How many were given out. */
    int count;
    /** Refuse with this code. */
    int refusal;
} guests;

static int welcome_guest(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    (void)arg;
    if (guests.refusal < 0)
        return guests.refusal;
    struct witness *witness = &guests.each[guests.count];
    witness->letter = (char)('A' + guests.count++);
    return bear_witness(witness, ret_protocol, ret_self);
}

/** A server on a port that nobody had, and its address. */
static struct weft_protocol_server *serve(const struct weft_transport_options *options,
                                          struct weft_address *ret)
{
    struct weft_protocol_server *server;
    struct weft_address any = address_of("127.0.0.1:0");
    CHECK_OK(
        weft_loop_create_server(weft_loop_current(), &any, options, welcome_guest, NULL, &server));
    CHECK_EQ(weft_protocol_server_address(server, ret), 0);
    return server;
}

/** The future of a connection by the callback tier. */
static struct weft_future *dial(const struct weft_address *address, struct witness *witness)
{
    struct weft_future *future;
    CHECK_OK(weft_loop_create_connection(weft_loop_current(), address, NULL, bear_witness, witness,
                                         &future));
    return future;
}

/** Waits for it; its code. */
static int answer_of(struct weft_future *future, struct weft_transport **ret)
{
    int code = 1;
    void *value = NULL;
    CHECK_EQ(weft_future_wait(future, &code, &value), 0);
    weft_future_unref(future);
    if (ret)
        *ret = value;
    return code;
}

/** Waits until a server is closed and gone. */
static void end_server(struct weft_protocol_server *server)
{
    weft_protocol_server_close(server);
    weft_protocol_server_abort_clients(server);
    CHECK_EQ(weft_future_wait(weft_protocol_server_wait_closed(server), NULL, NULL), 0);
    weft_protocol_server_unref(server);
}

static void until_guests(int count)
{
    while (guests.count < count || !guests.each[count - 1].transport)
        turn();
}

TASK_TEST(a_connection_has_a_protocol_on_both_sides)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address address, peer, local;
    struct weft_protocol_server *server = serve(NULL, &address);
    CHECK_EQ(answer_of(dial(&address, &a), &transport), 0);
    CHECK(transport == a.transport);
    until_guests(1);
    CHECK_EQ(weft_transport_write(transport, "ping", 4), 0);
    until_bytes(&guests.each[0], 4);
    CHECK_STR(guests.each[0].last, "ping");
    CHECK_EQ(weft_transport_write(guests.each[0].transport, "pong!", 5), 0);
    until_bytes(&a, 5);
    CHECK_EQ(weft_transport_peer_address(transport, &peer), 0);
    CHECK(weft_address_equal(&peer, &address));
    CHECK_EQ(weft_transport_local_address(transport, &local), 0);
    CHECK_EQ(weft_transport_peer_address(guests.each[0].transport, &peer), 0);
    CHECK(weft_address_equal(&peer, &local));
    story[0] = 0;
    weft_transport_close(transport);
    until_lost(&guests.each[0]);
    CHECK_STORY("a:lost A:end A:lost");
    end_server(server);
}

TASK_TEST(the_future_finishes_after_connection_made)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    struct weft_future *future = dial(&address, &a);
    CHECK(!weft_future_done(future));
    CHECK(a.transport == NULL);
    CHECK_EQ(answer_of(future, NULL), 0);
    CHECK(a.transport != NULL);
    end_server(server);
    until_lost(&a);
}

TASK_TEST(a_refused_connection_calls_no_factory)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    int listener = listen_anywhere(&address);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_ERR(answer_of(dial(&address, &a), NULL), -ECONNREFUSED);
    turn();
    CHECK_STORY("");
}

TASK_TEST(a_unix_path_without_a_listener_is_told_by_the_future_too)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address = address_of("unix:/nowhere/at/all");
    int code = answer_of(dial(&address, &a), NULL);
    CHECK(code == -ENOENT || code == -ECONNREFUSED);
    CHECK_STORY("");
}

TASK_TEST(unix_sockets_are_served_and_connected_to)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address = own_name("transport-test");
    struct weft_protocol_server *server;
    CHECK_OK(
        weft_loop_create_server(weft_loop_current(), &address, NULL, welcome_guest, NULL, &server));
    CHECK_EQ(answer_of(dial(&address, &a), NULL), 0);
    until_guests(1);
    CHECK_EQ(weft_transport_write(a.transport, "x", 1), 0);
    until_bytes(&guests.each[0], 1);
    end_server(server);
    until_lost(&a);
}

TASK_TEST(a_cancelled_attempt_ends)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    struct weft_future *future = dial(&address, &a);
    CHECK_EQ(weft_future_cancel(future), 0);
    CHECK_ERR(answer_of(future, NULL), -ECANCELED);
    for (int i = 0; i < 5; i++)
        turn();
    CHECK(strstr(story, "a:") == NULL);
    end_server(server);
}

TASK_TEST(a_connection_that_was_cancelled_when_it_was_made_is_closed)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    struct weft_future *future = dial(&address, &a);
    while (!a.transport && guests.count == 0)
        CHECK_EQ(weft_sleep(0), 0);
    (void)weft_future_cancel(future);
    weft_future_unref(future);
    end_server(server);
    if (a.transport)
        until_lost(&a);
}

static int refuse_protocol(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    (void)arg;
    (void)ret_protocol;
    (void)ret_self;
    return -ECONNABORTED;
}

TASK_TEST(a_factory_that_refuses_ends_the_connection)
{
    struct weft_address address;
    struct weft_future *future;
    struct weft_protocol_server *server = serve(NULL, &address);
    CHECK_OK(weft_loop_create_connection(weft_loop_current(), &address, NULL, refuse_protocol, NULL,
                                         &future));
    CHECK_ERR(answer_of(future, NULL), -ECONNABORTED);
    guests.refusal = -EACCES;
    int fd = weft_tcp_connect(&address);
    char byte;
    CHECK_OK(fd);
    ssize_t n = weft_read(fd, &byte, 1);
    CHECK(n == 0 || n == -ECONNRESET);
    CHECK_EQ(weft_close(fd), 0);
    guests.refusal = 0;
    end_server(server);
}

TASK_TEST(a_connection_comes_from_the_local_address_that_was_asked_for)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address, local = address_of("127.0.0.1:0"), got;
    struct weft_transport_options options = {.local = &local};
    struct weft_protocol_server *server = serve(NULL, &address);
    struct weft_future *future;
    CHECK_OK(weft_loop_create_connection(weft_loop_current(), &address, &options, bear_witness, &a,
                                         &future));
    CHECK_EQ(answer_of(future, NULL), 0);
    CHECK_EQ(weft_transport_local_address(a.transport, &got), 0);
    CHECK_EQ(got.of.in.sin_addr.s_addr, local.of.in.sin_addr.s_addr);
    end_server(server);
    until_lost(&a);
    struct weft_protocol_server *second = serve(NULL, &address);
    options.local = &address;
    CHECK_ERR(weft_loop_create_connection(weft_loop_current(), &address, &options, bear_witness, &a,
                                          &future),
              -EADDRINUSE);
    end_server(second);
}

static int option_value(const struct weft_transport *transport, int level, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_EQ(sys->getsockopt(sys, weft_transport_fd(transport), level, option, &value, &size), 0);
    return value;
}

TASK_TEST(tcp_connections_do_not_delay_unless_asked_to)
{
    struct witness a = {.letter = 'a'}, b = {.letter = 'b'};
    struct weft_transport_options options = {.delay = 1, .keepalive = 1};
    struct weft_address address;
    struct weft_future *future;
    struct weft_protocol_server *server = serve(NULL, &address);
    if (test_engine_is("sim"))
        SKIP("a simulated socket has no such options");
    CHECK_EQ(answer_of(dial(&address, &a), NULL), 0);
    CHECK_EQ(option_value(a.transport, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(option_value(a.transport, SOL_SOCKET, SO_KEEPALIVE), 0);
    until_guests(1);
    CHECK_EQ(option_value(guests.each[0].transport, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_OK(weft_loop_create_connection(weft_loop_current(), &address, &options, bear_witness, &b,
                                         &future));
    CHECK_EQ(answer_of(future, NULL), 0);
    CHECK_EQ(option_value(b.transport, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_EQ(option_value(b.transport, SOL_SOCKET, SO_KEEPALIVE), 1);
    end_server(server);
    until_lost(&a);
    until_lost(&b);
}

/* --- By name --------------------------------------------------------------------------------- */

/** The port of an address, as a text. */
static const char *port_of(const struct weft_address *address)
{
    static char text[8];
    snprintf(text, sizeof text, "%u", weft_address_port(address));
    return text;
}

TASK_TEST(a_host_leads_to_a_transport_whose_protocol_was_told_of_it)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport = NULL;
    struct weft_address address, peer;
    struct weft_protocol_server *server = serve(NULL, &address);
    CHECK_EQ(weft_transport_connect_host("127.0.0.1", port_of(&address), NULL, NULL, bear_witness,
                                         &a, &transport),
             0);
    CHECK(transport == a.transport && transport != NULL);
    CHECK_EQ(weft_transport_peer_address(transport, &peer), 0);
    CHECK(weft_address_equal(&peer, &address));
    until_guests(1);
    CHECK_EQ(weft_transport_write(guests.each[0].transport, "hello", 5), 0);
    until_bytes(&a, 5);
    CHECK_EQ(weft_transport_connect_host("127.0.0.1", port_of(&address), NULL, NULL, welcome_guest,
                                         NULL, NULL),
             0);
    end_server(server);
    until_lost(&a);
}

WORLD_TEST(a_name_leads_to_a_transport_over_the_first_address_that_answers)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address peer, expected = address_of("192.0.2.2:80");
    int listener = weft_tcp_listen(&expected, 0);
    CHECK_OK(listener);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "2001:db8::1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "192.0.2.2"), 0);
    CHECK_EQ(
        weft_transport_connect_host("example.org", "80", NULL, NULL, bear_witness, &a, &transport),
        0);
    CHECK_STORY("a:made");
    CHECK_EQ(weft_transport_peer_address(transport, &peer), 0);
    CHECK(weft_address_equal(&peer, &expected));
    weft_transport_close(transport);
    until_lost(&a);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(without_a_connection_by_name_there_is_a_code_and_nothing_is_open)
{
    struct witness a = {.letter = 'a', .made_code = -EPROTO};
    struct weft_transport *transport = NULL;
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    const char *port = port_of(&address);
    CHECK_ERR(weft_transport_connect_host(NULL, port, NULL, NULL, bear_witness, &a, &transport),
              -EINVAL);
    CHECK_ERR(weft_transport_connect_host("127.0.0.1", port, NULL, NULL, refuse_protocol, NULL,
                                          &transport),
              -ECONNABORTED);
    story[0] = 0;
    CHECK_ERR(
        weft_transport_connect_host("127.0.0.1", port, NULL, NULL, bear_witness, &a, &transport),
        -EPROTO);
    until_lost(&a);
    CHECK_ERR(a.code, -EPROTO);
    a = (struct witness){.letter = 'a', .in_made = weft_transport_close};
    CHECK_ERR(
        weft_transport_connect_host("127.0.0.1", port, NULL, NULL, bear_witness, &a, &transport),
        -WEFT_ECLOSED);
    until_lost(&a);
    end_server(server);
    a = (struct witness){.letter = 'a'};
    CHECK_ERR(
        weft_transport_connect_host("127.0.0.1", port, NULL, NULL, bear_witness, &a, &transport),
        -ECONNREFUSED);
    CHECK(transport == NULL && a.losses == 0);
}

/** The scope that cancel_scope ends. */
static struct weft_scope *around;

static void cancel_scope(struct weft_transport *transport)
{
    (void)transport;
    weft_scope_cancel(around, -EINTR);
}

TASK_TEST(a_connection_by_name_that_is_cancelled_when_it_was_made_is_closed)
{
    struct witness a = {.letter = 'a', .in_made = cancel_scope};
    struct weft_transport *transport = NULL;
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    struct weft_scope s;
    around = &s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_ERR(weft_transport_connect_host("127.0.0.1", port_of(&address), NULL, NULL, bear_witness,
                                          &a, &transport),
              -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -EINTR);
    until_lost(&a);
    CHECK_EQ(a.code, 0);
    CHECK(transport == NULL);
    end_server(server);
}

/* --- Servers --------------------------------------------------------------------------------- */

TASK_TEST(a_closed_server_keeps_its_connections)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    CHECK_EQ(weft_protocol_server_is_serving(server), 1);
    CHECK_EQ(answer_of(dial(&address, &a), NULL), 0);
    until_guests(1);
    weft_protocol_server_close(server);
    weft_protocol_server_close(server);
    CHECK_EQ(weft_protocol_server_is_serving(server), 0);
    CHECK_ERR(weft_protocol_server_address(server, &address), -EBADF);
    CHECK_ERR(weft_tcp_connect(&address), -ECONNREFUSED);
    CHECK_EQ(weft_transport_write(a.transport, "x", 1), 0);
    until_bytes(&guests.each[0], 1);
    CHECK_EQ(weft_protocol_server_connections(server), 1);
    CHECK(!weft_future_done(weft_protocol_server_wait_closed(server)));
    weft_protocol_server_close_clients(server);
    CHECK_EQ(weft_future_wait(weft_protocol_server_wait_closed(server), NULL, NULL), 0);
    CHECK_EQ(weft_protocol_server_connections(server), 0);
    CHECK_EQ(guests.each[0].losses, 1);
    weft_protocol_server_unref(server);
    until_lost(&a);
}

TASK_TEST(a_server_without_connections_is_closed_when_it_is_told)
{
    struct witness a = {.letter = 'a'};
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    CHECK_EQ(answer_of(dial(&address, &a), NULL), 0);
    until_guests(1);
    weft_transport_close(a.transport);
    until_lost(&guests.each[0]);
    turn();
    CHECK(!weft_future_done(weft_protocol_server_wait_closed(server)));
    weft_protocol_server_close(server);
    CHECK(weft_future_done(weft_protocol_server_wait_closed(server)));
    weft_protocol_server_unref(server);
}

TASK_TEST(closing_clients_sends_what_is_kept_and_aborting_does_not)
{
    static char zeros[200000];
    for (int aborts = 0; aborts < 2; aborts++) {
        struct weft_address address;
        struct weft_protocol_server *server;
        memset(&guests, 0, sizeof guests);
        server = serve(NULL, &address);
        int fd = weft_tcp_connect(&address);
        size_t total = 0, got = 0;
        CHECK_OK(fd);
        until_guests(1);
        struct weft_transport *transport = guests.each[0].transport;
        while (weft_transport_get_write_buffer_size(transport) == 0) {
            CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
            total += sizeof zeros;
        }
        weft_protocol_server_close(server);
        if (aborts)
            weft_protocol_server_abort_clients(server);
        else
            weft_protocol_server_close_clients(server);
        for (ssize_t n; (n = weft_read(fd, zeros, sizeof zeros)) > 0;)
            got += (size_t)n;
        CHECK_EQ(got == total, !aborts);
        CHECK_EQ(weft_close(fd), 0);
        end_server(server);
    }
}

TASK_TEST(a_server_goes_on_without_its_users_reference)
{
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address);
    weft_protocol_server_unref(weft_protocol_server_ref(server));
    weft_protocol_server_unref(server);
    weft_protocol_server_unref(NULL);
    int fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    until_guests(1);
    CHECK_EQ(weft_close(fd), 0);
    until_lost(&guests.each[0]);
}

TASK_TEST(an_address_in_use_is_refused)
{
    struct weft_address address;
    struct weft_protocol_server *server = serve(NULL, &address), *second = NULL;
    CHECK_ERR(
        weft_loop_create_server(weft_loop_current(), &address, NULL, welcome_guest, NULL, &second),
        -EADDRINUSE);
    CHECK(second == NULL);
    end_server(server);
}

/** How often accept_failed was called, and the last code. */
static int failures, failure_code;

static void note_failure(void *arg, int code)
{
    CHECK(arg == &failures);
    failures++;
    failure_code = code;
}

TASK_TEST(a_lack_of_descriptors_pauses_accepting_for_a_second_and_is_told_once)
{
    struct weft_transport_options options = {.accept_failed = note_failure,
                                             .accept_failed_arg = &failures};
    struct weft_address address;
    struct weft_protocol_server *server = serve(&options, &address);
    const struct weft_sys *sys = weft__sys_current();
    struct rlimit before, low;
    if (test_engine_is("sim"))
        SKIP("a simulated descriptor costs none of the process");
    test_needs_own_descriptors();
    int fd = sys->socket(sys, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_OK(fd);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)fd + 1;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    (void)sys->connect(sys, fd, &address.of.any, address.len);
    weft_ns start = weft_clock();
    while (!failures)
        turn();
    CHECK_ERR(failure_code, -EMFILE);
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(failures == 1 || weft_clock() - start >= WEFT_SEC);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (guests.count == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK(weft_clock() - start >= WEFT_SEC);
    CHECK_EQ(weft_close(fd), 0);
    end_server(server);
}
