/* SPDX-License-Identifier: MIT */
/*
 * test_order.c: in which order a protocol is told what happens
 *
 * connection_made, what came, the end, connection_lost: each test is one way through. The story is
 * compared before and after the loop turned, so that a callback from inside a call shows.
 */
#include "transport_test.h"

TASK_TEST(a_connection_is_made_then_gets_data_then_the_end_then_is_lost)
{
    struct witness a = {.letter = 'a'};
    int peer = watch_one(&a, NULL);
    send_now(peer, "hello");
    CHECK_EQ(weft_shutdown(peer, SHUT_WR), 0);
    CHECK_STORY("");
    until_lost(&a);
    CHECK_STORY("a:made a:5 a:end a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(reading_starts_when_connection_made_has_returned)
{
    struct witness a = {.letter = 'a', .in_made = weft_transport_pause_reading};
    int peer = watch_one(&a, NULL);
    send_now(peer, "early");
    turn();
    CHECK_STORY("a:made");
    CHECK_EQ(weft_transport_is_reading(a.transport), 0);
    weft_transport_resume_reading(a.transport);
    CHECK_STORY("");
    until_bytes(&a, 5);
    CHECK_STORY("a:5");
    finish(&a, peer);
}

TASK_TEST(a_close_is_told_from_the_loop)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    CHECK_STORY("a:made");
    weft_transport_close(transport);
    CHECK_EQ(weft_transport_is_closing(transport), 1);
    CHECK_STORY("");
    turn();
    CHECK_STORY("a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(an_abort_is_told_from_the_loop_and_once)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    weft_transport_close(transport);
    weft_transport_abort(transport);
    weft_transport_abort(transport);
    weft_transport_close(transport);
    CHECK_STORY("a:made");
    turn();
    CHECK_STORY("a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(a_failing_write_is_told_from_the_loop_with_its_error)
{
    struct witness a = {.letter = 'a', .in_made = weft_transport_pause_reading};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    CHECK_EQ(weft_close(peer), 0);
    CHECK_EQ(weft_transport_write(transport, "x", 1), 0);
    CHECK_STORY("a:made");
    CHECK_EQ(weft_transport_is_closing(transport), 1);
    until_lost(&a);
    CHECK_STORY("a:lost(EPIPE)");
}

TASK_TEST(a_transport_that_is_closed_before_it_was_told_of_is_made_and_lost)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    send_now(peer, "never read");
    weft_transport_close(transport);
    until_lost(&a);
    CHECK_STORY("a:made a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(closing_in_connection_made_reads_nothing)
{
    struct witness a = {.letter = 'a', .in_made = weft_transport_close};
    int peer = watch_one(&a, NULL);
    send_now(peer, "never read");
    until_lost(&a);
    CHECK_STORY("a:made a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(closing_or_aborting_in_data_received_ends_it)
{
    void (*const ways[])(struct weft_transport *) = {weft_transport_close, weft_transport_abort};
    for (int i = 0; i < 2; i++) {
        struct witness a = {.letter = 'a', .in_data = ways[i]};
        int peer = watch_one(&a, NULL);
        send_now(peer, "x");
        CHECK_EQ(weft_shutdown(peer, SHUT_WR), 0);
        until_lost(&a);
        CHECK_STORY("a:made a:1 a:lost");
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(closing_or_aborting_in_eof_received_ends_it_once)
{
    void (*const ways[])(struct weft_transport *) = {weft_transport_close, weft_transport_abort};
    for (int i = 0; i < 4; i++) {
        struct witness a = {.letter = 'a', .in_end = ways[i % 2], .end_code = i / 2};
        int peer = watch_one(&a, NULL);
        CHECK_EQ(weft_shutdown(peer, SHUT_WR), 0);
        until_lost(&a);
        turn();
        CHECK_STORY("a:made a:end a:lost");
        CHECK_EQ(a.losses, 1);
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(closing_in_connection_lost_changes_nothing)
{
    struct witness a = {.letter = 'a', .in_lost = weft_transport_abort};
    int peer = watch_one(&a, NULL);
    turn();
    weft_transport_close(a.transport);
    until_lost(&a);
    turn();
    CHECK_STORY("a:made a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(a_failing_callback_ends_the_connection_with_its_code)
{
    for (int i = 0; i < 3; i++) {
        struct witness a = {.letter = 'a',
                            .made_code = i == 0 ? -EPROTO : 0,
                            .data_code = i == 1 ? -EPROTO : 0,
                            .end_code = i == 2 ? -EPROTO : 0};
        static const char *const stories[] = {"a:made a:lost(EPROTO)", "a:made a:1 a:lost(EPROTO)",
                                              "a:made a:1 a:end a:lost(EPROTO)"};
        int peer = watch_one(&a, NULL);
        send_now(peer, "x");
        CHECK_EQ(weft_shutdown(peer, SHUT_WR), 0);
        until_lost(&a);
        CHECK_STORY(stories[i]);
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(the_end_leaves_the_write_side_open_for_a_protocol_that_asks_for_it)
{
    struct witness a = {.letter = 'a', .end_code = 1};
    char byte;
    int peer = watch_one(&a, NULL);
    CHECK_EQ(weft_shutdown(peer, SHUT_WR), 0);
    turn();
    CHECK_STORY("a:made a:end");
    CHECK_EQ(weft_transport_is_reading(a.transport), 0);
    CHECK_EQ(weft_transport_is_closing(a.transport), 0);
    weft_transport_pause_reading(a.transport);
    weft_transport_resume_reading(a.transport);
    turn();
    CHECK_STORY("");
    CHECK_EQ(weft_transport_write(a.transport, "y", 1), 0);
    CHECK_EQ(weft_read(peer, &byte, 1), 1);
    finish(&a, peer);
}

TASK_TEST(a_reset_is_an_error_of_the_connection)
{
    struct witness a = {.letter = 'a'};
    struct linger now = {1, 0};
    const struct weft_sys *sys = weft__sys_current();
    int peer = watch_tcp(&a, NULL);
    turn();
    if (sys->setsockopt(sys, peer, SOL_SOCKET, SO_LINGER, &now, sizeof now) < 0)
        SKIP("SO_LINGER is not simulated");
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
    CHECK_STORY("a:made a:lost(ECONNRESET)");
}

TASK_TEST(the_next_event_goes_to_the_protocol_that_was_set_last)
{
    struct witness a = {.letter = 'a'}, b = {.letter = 'b'};
    void *self;
    int peer = watch_one(&a, NULL);
    send_now(peer, "x");
    until_bytes(&a, 1);
    weft_transport_set_protocol(a.transport, &witnessing, &b);
    CHECK(weft_transport_get_protocol(a.transport, &self) == &witnessing);
    CHECK(self == &b);
    send_now(peer, "yz");
    until_bytes(&b, 2);
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&b);
    CHECK_STORY("a:made a:1 b:2 b:end b:lost");
}

static const struct weft_protocol nothing = {.size = sizeof nothing};
/** As an older program has it: it knew only the first callbacks. */
static const struct weft_protocol older = {
    .size = offsetof(struct weft_protocol, eof_received),
    .connection_made = witness_made,
    .data_received = witness_data,
    .eof_received = witness_end,
    .connection_lost = witness_lost,
};

static int give_protocol(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = arg == &story ? &nothing : &older;
    *ret_self = arg;
    return 0;
}

TASK_TEST(a_protocol_may_lack_every_callback)
{
    struct weft_transport *transport;
    int fds[2];
    char byte;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, give_protocol,
                                               &story, &transport));
    send_now(fds[1], "dropped");
    CHECK_EQ(weft_shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(weft_read(fds[1], &byte, 1), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(callbacks_that_an_older_program_did_not_know_are_not_called)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int fds[2];
    char byte;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, give_protocol, &a,
                                               &transport));
    send_now(fds[1], "x");
    CHECK_EQ(weft_shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(weft_read(fds[1], &byte, 1), 0);
    CHECK_STORY("a:made a:1");
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(a_reference_keeps_the_transport_after_its_loss)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_address address;
    int peer = watch_tcp(&a, &transport);
    CHECK(weft_transport_ref(transport) == transport);
    CHECK(weft_transport_loop(transport) == weft_loop_current());
    turn();
    CHECK_OK(weft_transport_fd(transport));
    weft_transport_abort(transport);
    until_lost(&a);
    turn();
    CHECK_EQ(weft_transport_is_closing(transport), 1);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -WEFT_ECLOSED);
    CHECK_ERR(weft_transport_fd(transport), -EBADF);
    CHECK_ERR(weft_transport_local_address(transport, &address), -EBADF);
    CHECK_EQ(weft_transport_peer_address(transport, &address), 0);
    CHECK(weft_transport_get_protocol(transport, NULL) == NULL);
    weft_transport_unref(transport);
    weft_transport_unref(NULL);
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(nobody_else_may_use_the_descriptor_of_a_transport)
{
    struct witness a = {.letter = 'a'};
    struct weft_loop *loop = weft_loop_current();
    struct weft_transport *transport;
    char byte;
    int peer = watch_one(&a, &transport), fd = weft_transport_fd(transport);
    CHECK_ERR(weft_loop_add_reader(loop, fd, NULL, NULL), -EBUSY);
    CHECK_ERR(weft_loop_add_writer(loop, fd, NULL, NULL), -EBUSY);
    CHECK_ERR(weft_loop_remove_reader(loop, fd), -EBUSY);
    CHECK_ERR(weft_loop_remove_writer(loop, fd), -EBUSY);
    CHECK_ERR(weft_read(fd, &byte, 1), -EBUSY);
    CHECK_ERR(weft_write(fd, &byte, 1), -EBUSY);
    CHECK_ERR(weft_poll(fd, POLLIN), -EBUSY);
    CHECK_ERR(weft_close(fd), -EBUSY);
    CHECK_ERR(weft_loop_close_fd(loop, fd, NULL, NULL), -EBUSY);
    CHECK_ERR(weft_loop_connect_accepted_socket(loop, fd, NULL, bear_witness, &a, NULL), -EBUSY);
    turn();
    finish(&a, peer);
}

TEST_EACH_ENGINE(a_loop_that_is_freed_closes_its_transports_untold)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct witness a = {.letter = 'a'};
    struct weft_address address = address_of("127.0.0.1:0");
    struct weft_protocol_server *server;
    struct weft_future *future;
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_loop_create_server(loop, &address, NULL, bear_witness, &a, &server));
    CHECK_OK(weft_protocol_server_address(server, &address));
    CHECK_OK(weft_loop_create_connection(loop, &address, NULL, bear_witness, &a, &future));
    CHECK_OK(weft_loop_run_until(loop, future));
    weft_future_unref(future);
    weft_protocol_server_unref(server);
    CHECK_OK(weft_loop_create_connection(loop, &address, NULL, bear_witness, &a, &future));
    weft_future_unref(future);
    story[0] = 0;
    CHECK_EQ(weft_loop_free(loop), 0);
    CHECK_STORY("");
}
