/* SPDX-License-Identifier: MIT */
/*
 * test_write.c: writing, flow control, and the limits of what is kept
 *
 * The peer is a plain descriptor that reads only when the test says so, so that what the kernel
 * does not take stays with the transport.
 */
#include "transport_test.h"

static char zeros[300000];

/** Writes until something is kept; how much was written in all. */
static size_t write_until_kept(struct weft_transport *transport)
{
    size_t total = 0;
    while (weft_transport_get_write_buffer_size(transport) == 0) {
        CHECK_EQ(weft_transport_write(transport, zeros, 10000), 0);
        total += 10000;
    }
    return total;
}

TASK_TEST(a_write_goes_out_at_once_when_there_is_room)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    const struct weft_sys *sys = weft__sys_current();
    char buf[8];
    int peer = watch_one(&a, &transport);
    CHECK_EQ(weft_transport_write(transport, "hello", 5), 0);
    CHECK_EQ(weft_transport_write(transport, "", 0), 0);
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 0);
    CHECK_EQ(sys->recvfrom(sys, peer, buf, sizeof buf, MSG_DONTWAIT, NULL, NULL), 5);
    CHECK_MEM(buf, "hello", 5);
    turn();
    finish(&a, peer);
}

TASK_TEST(lines_are_written_in_their_order)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    static char buf[300010];
    char hello[] = "hel", lo[] = "lo";
    struct iovec few[] = {{hello, 3}, {NULL, 0}, {lo, 2}}, many[] = {{zeros, 300000}, {lo, 2}};
    int peer = watch_one(&a, &transport);
    CHECK_EQ(weft_transport_writelines(transport, few, 3), 0);
    take(peer, 3);
    CHECK_EQ(weft_read(peer, buf, 2), 2);
    CHECK_MEM(buf, "lo", 2);
    CHECK_EQ(weft_transport_writelines(transport, many, 2), 0);
    CHECK(weft_transport_get_write_buffer_size(transport) > 0);
    take(peer, 300000);
    CHECK_EQ(weft_read(peer, buf, sizeof buf), 2);
    CHECK_MEM(buf, "lo", 2);
    finish(&a, peer);
}

TASK_TEST(more_lines_than_one_call_takes_all_arrive)
{
    static struct iovec lines[3000];
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    static char letters[3000], got[3000];
    int peer = watch_one(&a, &transport);
    for (int i = 0; i < 3000; i++) {
        letters[i] = (char)('a' + i % 26);
        lines[i] = (struct iovec){&letters[i], 1};
    }
    CHECK_EQ(weft_transport_writelines(transport, lines, 3000), 0);
    for (size_t have = 0; have < sizeof got;) {
        ssize_t n = weft_read(peer, got + have, sizeof got - have);
        CHECK(n > 0);
        have += (size_t)n;
    }
    CHECK_MEM(got, letters, sizeof got);
    finish(&a, peer);
}

TASK_TEST(the_protocol_is_paused_above_the_high_mark_and_resumed_at_the_low_one)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    CHECK_STORY("a:made");
    size_t total = write_until_kept(transport);
    while (weft_transport_get_write_buffer_size(transport) <= WEFT_TRANSPORT_HIGH) {
        CHECK_STORY("");
        CHECK_EQ(weft_transport_write(transport, zeros, 10000), 0);
        total += 10000;
    }
    CHECK_STORY("a:pause");
    CHECK_EQ(weft_transport_write(transport, zeros, 100000), 0);
    CHECK_STORY("");
    while (weft_transport_get_write_buffer_size(transport) > WEFT_TRANSPORT_LOW) {
        CHECK_STORY("");
        take(peer, 1000);
        total -= 1000;
        turn();
    }
    CHECK_STORY("a:resume");
    take(peer, total + 100000);
    turn();
    CHECK_STORY("");
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), 0);
    finish(&a, peer);
}

TASK_TEST(a_high_mark_of_zero_pauses_whenever_something_is_kept)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_transport_limits limits = {0, 0, 1000000};
    int peer = watch_one(&a, &transport);
    turn();
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &limits), 0);
    size_t total = write_until_kept(transport);
    CHECK_STORY("a:made a:pause");
    take(peer, total);
    while (weft_transport_get_write_buffer_size(transport) > 0)
        turn();
    CHECK_STORY("a:resume");
    finish(&a, peer);
}

TASK_TEST(limits_have_the_stated_defaults_and_an_order)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_transport_limits limits, wrong[] = {{1, 2, 3}, {2, 1, 1}};
    int peer = watch_one(&a, &transport);
    weft_transport_get_write_buffer_limits(transport, &limits);
    CHECK_EQ(limits.high, 65536);
    CHECK_EQ(limits.low, 16384);
    CHECK_EQ(limits.hard, 16777216);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(weft_transport_set_write_buffer_limits(transport, &wrong[i]), -EINVAL);
    turn();
    finish(&a, peer);
}

TASK_TEST(moving_the_mark_takes_effect_at_once)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_transport_limits low = {1, 0, 1000000}, high = {900000, 900000, 1000000};
    int peer = watch_one(&a, &transport);
    turn();
    write_until_kept(transport);
    CHECK_STORY("a:made");
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &low), 0);
    CHECK_STORY("a:pause");
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &high), 0);
    CHECK_STORY("a:resume");
    finish(&a, peer);
}

TASK_TEST(a_write_beyond_the_hard_limit_is_refused_whole)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    struct weft_transport_limits limits = {1000, 100, 20000};
    int peer = watch_one(&a, &transport);
    turn();
    CHECK_EQ(weft_transport_set_write_buffer_limits(transport, &limits), 0);
    CHECK_ERR(weft_transport_write(transport, zeros, 20001), -ENOBUFS);
    size_t total = write_until_kept(transport), kept;
    while (weft_transport_write(transport, zeros, 1000) == 0)
        total += 1000;
    kept = weft_transport_get_write_buffer_size(transport);
    CHECK(kept <= 20000 && kept > 19000);
    CHECK_ERR(weft_transport_write(transport, zeros, 1000), -ENOBUFS);
    CHECK_EQ(weft_transport_get_write_buffer_size(transport), kept);
    weft_transport_close(transport);
    take(peer, total);
    CHECK_EQ(weft_read(peer, zeros, 1), 0);
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
}

TASK_TEST(a_close_sends_what_is_kept_first)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    size_t total = write_until_kept(transport);
    weft_transport_close(transport);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -WEFT_ECLOSED);
    turn();
    CHECK_STORY("a:made");
    take(peer, total);
    CHECK_EQ(weft_read(peer, zeros, 1), 0);
    until_lost(&a);
    CHECK_STORY("a:lost");
    CHECK_EQ(weft_close(peer), 0);
}

TASK_TEST(an_abort_drops_what_is_kept_also_while_closing)
{
    for (int closing = 0; closing < 2; closing++) {
        struct witness a = {.letter = 'a'};
        struct weft_transport *transport;
        int peer = watch_one(&a, &transport);
        turn();
        size_t total = write_until_kept(transport);
        if (closing)
            weft_transport_close(transport);
        weft_transport_abort(transport);
        CHECK_EQ(weft_transport_get_write_buffer_size(transport), 0);
        until_lost(&a);
        CHECK_STORY("a:made a:lost");
        size_t got = 0;
        for (ssize_t n; (n = weft_read(peer, zeros, sizeof zeros)) > 0;)
            got += (size_t)n;
        CHECK(got < total);
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(an_end_is_seen_after_what_was_kept_and_reading_goes_on)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    CHECK_EQ(weft_transport_can_write_eof(transport), 1);
    size_t total = write_until_kept(transport);
    CHECK_EQ(weft_transport_write_eof(transport), 0);
    CHECK_EQ(weft_transport_write_eof(transport), 0);
    CHECK_ERR(weft_transport_write(transport, "x", 1), -EPIPE);
    take(peer, total);
    CHECK_EQ(weft_read(peer, zeros, 1), 0);
    put(peer, "still here");
    until_bytes(&a, 10);
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
    CHECK_STORY("a:made a:10 a:end a:lost");
}

TASK_TEST(an_end_with_nothing_kept_is_seen_at_once)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    char byte;
    int peer = watch_one(&a, &transport);
    CHECK_EQ(weft_transport_write_eof(transport), 0);
    CHECK_EQ(weft_read(peer, &byte, 1), 0);
    finish(&a, peer);
}

static void write_more(struct weft_transport *transport)
{
    CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
}

TASK_TEST(writing_in_resume_writing_may_pause_again)
{
    struct witness a = {.letter = 'a', .in_resume = write_more};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    size_t total = write_until_kept(transport);
    write_more(transport);
    total += sizeof zeros;
    CHECK_STORY("a:made a:pause");
    while (!story[0]) {
        take(peer, 1000);
        total -= 1000;
        turn();
    }
    CHECK_STORY("a:resume a:pause");
    a.in_resume = NULL;
    take(peer, total + sizeof zeros);
    while (weft_transport_get_write_buffer_size(transport) > 0)
        turn();
    CHECK_STORY("a:resume");
    finish(&a, peer);
}

TASK_TEST(closing_or_aborting_in_a_callback_of_flow_control_ends_it_once)
{
    void (*const ways[])(struct weft_transport *) = {weft_transport_close, weft_transport_abort};
    for (int i = 0; i < 4; i++) {
        struct witness a = {.letter = 'a',
                            .in_pause = i < 2 ? ways[i] : NULL,
                            .in_resume = i < 2 ? NULL : ways[i - 2]};
        struct weft_transport *transport;
        int peer = watch_one(&a, &transport);
        turn();
        write_until_kept(transport);
        write_more(transport);
        while (weft_read(peer, zeros, sizeof zeros) > 0) {
        }
        until_lost(&a);
        turn();
        CHECK_EQ(a.losses, 1);
        CHECK_EQ(a.code, 0);
        CHECK_EQ(weft_close(peer), 0);
    }
}

TASK_TEST(a_peer_that_goes_while_something_is_kept_is_an_error)
{
    struct witness a = {.letter = 'a', .in_made = weft_transport_pause_reading};
    struct weft_transport *transport;
    int peer = watch_one(&a, &transport);
    turn();
    write_until_kept(transport);
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
    CHECK(a.code == -EPIPE || a.code == -ECONNRESET);
}

TASK_TEST(one_read_takes_at_most_what_is_stated)
{
    struct witness a = {.letter = 'a', .quiet = true, .in_made = weft_transport_pause_reading};
    int peer = watch_one(&a, NULL);
    turn();
    size_t total = fill(peer);
    weft_transport_resume_reading(a.transport);
    until_bytes(&a, total);
    CHECK(a.largest <= WEFT_TRANSPORT_READ_SIZE);
    finish(&a, peer);
}

TASK_TEST(a_paused_transport_leaves_data_in_the_kernel)
{
    struct witness a = {.letter = 'a', .quiet = true};
    int peer = watch_one(&a, NULL);
    turn();
    weft_transport_pause_reading(a.transport);
    weft_transport_pause_reading(a.transport);
    CHECK_EQ(weft_transport_is_reading(a.transport), 0);
    size_t total = fill(peer);
    turn();
    CHECK_EQ(a.bytes, 0);
    weft_transport_resume_reading(a.transport);
    weft_transport_resume_reading(a.transport);
    CHECK_EQ(weft_transport_is_reading(a.transport), 1);
    until_bytes(&a, total);
    CHECK_EQ(a.bytes, total);
    finish(&a, peer);
}

static void pause_once(struct weft_transport *transport)
{
    weft_transport_pause_reading(transport);
}

TASK_TEST(pausing_in_data_received_holds_the_next_data_back)
{
    struct witness a = {.letter = 'a', .in_data = pause_once};
    int peer = watch_one(&a, NULL);
    send_now(peer, "one");
    until_bytes(&a, 3);
    send_now(peer, "three");
    turn();
    CHECK_STORY("a:made a:3");
    weft_transport_resume_reading(a.transport);
    until_bytes(&a, 8);
    CHECK_STORY("a:5");
    finish(&a, peer);
}

/* --- Protocols that bring their own buffer --------------------------------------------------- */

/** Where a buffered protocol reads to, and how it misbehaves. */
static struct {
    /** The room; 0 makes get_buffer give none. */
    size_t room;
    /** What came. */
    char bytes[64];
    /** How much. */
    size_t count;
    /** What connection_lost got, 1 before. */
    int code;
} own;

static void *own_buffer(void *self, struct weft_transport *transport, size_t *ret_len)
{
    (void)self;
    (void)transport;
    CHECK_EQ(*ret_len, WEFT_TRANSPORT_READ_SIZE);
    *ret_len = own.room;
    return own.bytes + own.count;
}

static int own_updated(void *self, struct weft_transport *transport, size_t len)
{
    (void)self;
    (void)transport;
    own.count += len;
    return 0;
}

static void own_lost(void *self, struct weft_transport *transport, int code)
{
    (void)self;
    (void)transport;
    own.code = code;
}

static const struct weft_protocol buffered = {
    .get_buffer = own_buffer,
    .buffer_updated = own_updated,
    .connection_lost = own_lost,
};

static int give_buffered(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    (void)arg;
    (void)ret_self;
    *ret_protocol = &buffered;
    return 0;
}

static int watch_buffered(size_t room)
{
    int fds[2];
    own.room = room;
    own.code = 1;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, give_buffered,
                                               NULL, NULL));
    return fds[1];
}

TASK_TEST(a_protocol_with_its_own_buffer_is_read_into_it)
{
    int peer = watch_buffered(4);
    send_now(peer, "some bytes");
    CHECK_EQ(weft_close(peer), 0);
    while (own.code > 0)
        turn();
    CHECK_EQ(own.code, 0);
    CHECK_EQ(own.count, 10);
    CHECK_MEM(own.bytes, "some bytes", 10);
}

TASK_TEST(a_buffer_without_room_ends_the_connection)
{
    int peer = watch_buffered(0);
    send_now(peer, "x");
    while (own.code > 0)
        turn();
    CHECK_ERR(own.code, -ENOBUFS);
    CHECK_EQ(weft_close(peer), 0);
}
