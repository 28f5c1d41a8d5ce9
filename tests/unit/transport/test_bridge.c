/* SPDX-License-Identifier: MIT */
/*
 * test_bridge.c: streams over transports, and transports of streams
 *
 * The public conformance suite says whether a stream over a transport is a stream; the tests below
 * it are about what is between the two.
 */
#include "transport_test.h"

#include <weft/stream.h>
#include <weft/testing.h>

/** Where in_made puts the stream. */
static struct weft_stream *made;

static void make_stream(struct weft_transport *transport)
{
    CHECK_OK(weft_stream_from_transport(transport, NULL, &made));
}

/** A stream over the transport of a socket that is connected. */
static struct weft_stream *stream_over(int fd)
{
    struct witness a = {.letter = 'a', .in_made = make_stream};
    made = NULL;
    CHECK_OK(
        weft_loop_connect_accepted_socket(weft_loop_current(), fd, NULL, bear_witness, &a, NULL));
    while (!made)
        turn();
    return made;
}

/** The stream goes into a transport, and out of it again. */
static struct weft_stream *stream_through(int fd)
{
    struct witness a = {.letter = 'a', .in_made = make_stream};
    struct weft_stream *stream;
    made = NULL;
    CHECK_EQ(weft_stream_from_fd(fd, NULL, &stream), 0);
    CHECK_OK(weft_transport_from_stream(stream, NULL, bear_witness, &a, NULL));
    while (!made)
        turn();
    return made;
}

/** What two streams that are bridged are made of. */
struct bridged {
    /** Two connected sockets. */
    void (*connect)(int fds[2]);
    /** A stream of one of them. */
    struct weft_stream *(*bridge)(int fd);
};

static void unix_pair(int fds[2])
{
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int make_bridged_pair(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b)
{
    const struct bridged *bridged = arg;
    int fds[2];
    bridged->connect(fds);
    *ret_a = bridged->bridge(fds[0]);
    *ret_b = bridged->bridge(fds[1]);
    CHECK_STR(weft_stream_kind(*ret_a), "transport");
    return 0;
}

static void check_conforming(struct bridged bridged)
{
    test_limit(120);
    CHECK_EQ(weft_testing_stream_conformance(make_bridged_pair, &bridged), 0);
}

TASK_TEST(a_stream_over_a_transport_conforms)
{
    check_conforming((struct bridged){unix_pair, stream_over});
}

TASK_TEST(a_stream_over_a_tcp_transport_conforms)
{
    check_conforming((struct bridged){tcp_pair, stream_over});
}

TASK_TEST(a_tcp_stream_that_became_a_transport_and_a_stream_again_conforms)
{
    check_conforming((struct bridged){tcp_pair, stream_through});
}

TASK_TEST(an_aborted_stream_resets_its_connection)
{
    struct weft_stream *a, *b;
    struct bridged tcp = {tcp_pair, stream_over};
    char byte;
    CHECK_EQ(make_bridged_pair(&tcp, &a, &b), 0);
    weft_stream_abort(a);
    CHECK_ERR(weft_stream_read(b, &byte, 1), -ECONNRESET);
    CHECK_EQ(weft_stream_close(a), 0);
    CHECK_EQ(weft_stream_close(b), 0);
}

TASK_TEST(what_nobody_reads_pauses_the_transport)
{
    static char zeros[65536];
    int fds[2];
    size_t total = 0;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    struct weft_stream *stream = stream_over(fds[0]);
    for (int quiet = 0; quiet < 3;) {
        ssize_t n = weft_within(5 * WEFT_MS, weft_write(fds[1], zeros, sizeof zeros));
        total += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        CHECK(total < 4 << 20);
    }
    for (size_t got = 0; got < total;) {
        ssize_t n = weft_stream_read(stream, zeros, sizeof zeros);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/** Reads a descriptor to its end, late; how much it was goes to *arg. */
static int read_late(void *arg)
{
    static char buf[5000];
    struct {
        int fd;
        size_t got;
    } *reader = arg;
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    for (ssize_t n; (n = weft_read(reader->fd, buf, sizeof buf)) > 0;)
        reader->got += (size_t)n;
    return 0;
}

TASK_TEST(what_is_kept_is_sent_before_a_close)
{
    static char zeros[400000];
    struct {
        int fd;
        size_t got;
    } reader = {0};
    int fds[2];
    struct weft_scope s;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    struct weft_stream *stream = stream_over(fds[0]);
    reader.fd = fds[1];
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&s, read_late, &reader), 0);
    CHECK_EQ(weft_stream_write_all(stream, zeros, sizeof zeros), 0);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(reader.got, sizeof zeros);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(a_close_that_is_cut_drops_what_is_kept)
{
    static char zeros[400000];
    int fds[2];
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    struct weft_stream *stream = stream_over(fds[0]);
    CHECK_ERR(weft_within(20 * WEFT_MS, weft_stream_write_all(stream, zeros, sizeof zeros)),
              -ETIMEDOUT);
    int rc = weft_within(20 * WEFT_MS, weft_stream_close(stream));
    CHECK(rc == -ETIMEDOUT || rc == 0);
    size_t got = 0;
    for (ssize_t n; (n = weft_read(fds[1], zeros, sizeof zeros)) > 0;)
        got += (size_t)n;
    CHECK(got < sizeof zeros);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(a_stream_has_the_names_and_the_descriptor_of_its_transport)
{
    struct weft_address address, local = {0};
    int fds[2];
    tcp_pair(fds);
    struct weft_stream *stream = stream_over(fds[0]);
    CHECK_STR(weft_stream_kind(stream), "transport");
    CHECK_EQ(weft_stream_fd(stream), fds[0]);
    local = local_address(fds[1]);
    CHECK_EQ(weft_stream_peer_address(stream, &address), 0);
    CHECK(weft_address_equal(&address, &local));
    CHECK_EQ(weft_stream_local_address(stream, &address), 0);
    CHECK_ERR(weft_stream_detach(stream), -ENOTSUP);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(only_an_open_stream_socket_becomes_a_stream)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_stream *stream = NULL;
    struct weft_address any = address_of("127.0.0.1:0");
    CHECK_OK(weft_loop_create_datagram_endpoint(weft_loop_current(), &any, NULL, NULL, bear_witness,
                                                &a, &transport));
    CHECK_ERR(weft_stream_from_transport(transport, NULL, &stream), -ENOTSUP);
    turn();
    weft_transport_close(transport);
    until_lost(&a);
    a = (struct witness){.letter = 'a'};
    int peer = watch_one(&a, &transport);
    weft_transport_close(transport);
    CHECK_ERR(weft_stream_from_transport(transport, NULL, &stream), -WEFT_ECLOSED);
    CHECK(stream == NULL);
    until_lost(&a);
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(a_stream_becomes_a_transport)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_stream *stream;
    char *line;
    int fds[2];
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_stream_from_fd(fds[0], NULL, &stream));
    send_now(fds[1], "a line\nand more");
    CHECK_EQ(weft_stream_read_line(stream, &line), 7);
    CHECK_ERR(weft_transport_from_stream(stream, NULL, bear_witness, &a, &transport), -ENOTEMPTY);
    char rest[8];
    CHECK_EQ(weft_stream_read_exactly(stream, rest, 8), 0);
    CHECK_OK(weft_transport_from_stream(stream, NULL, bear_witness, &a, &transport));
    send_now(fds[1], "hello");
    CHECK_EQ(weft_transport_write(transport, "back", 4), 0);
    CHECK_EQ(weft_read(fds[1], rest, sizeof rest), 4);
    until_bytes(&a, 5);
    CHECK_EQ(weft_close(fds[1]), 0);
    until_lost(&a);
    CHECK_STORY("a:made a:5 a:end a:lost");
}

TASK_TEST(a_stream_without_a_socket_becomes_no_transport)
{
    struct witness a = {.letter = 'a'};
    struct weft_stream *ends[2];
    CHECK_OK(weft_stream_pair(NULL, &ends[0], &ends[1]));
    CHECK_ERR(weft_transport_from_stream(ends[0], NULL, bear_witness, &a, NULL), -ENOTSUP);
    CHECK_EQ(weft_stream_close(ends[0]), 0);
    CHECK_EQ(weft_stream_close(ends[1]), 0);
    CHECK_STORY("");
}
