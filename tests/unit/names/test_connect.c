/* SPDX-License-Identifier: MIT */
/*
 * test_connect.c: the first connection to one of several addresses
 *
 * What is said of times is looked at in a simulated world, to the nanosecond. What needs none is
 * looked at on each engine, on the kernel's loopback.
 */
#include "names_test.h"

#include <netinet/tcp.h>
#include <weft/stream.h>

#define STEP (250 * WEFT_MS)

/** Holes at 10.0.0.1 ... and [2001:db8::1] ..., all port 80. */
static struct hole holes[16];
static size_t hole_count;

static struct weft_address open_hole(const char *text)
{
    struct hole *hole = &holes[hole_count++];
    hole_open(hole, text);
    return hole->address;
}

static void close_holes(void)
{
    while (hole_count > 0)
        hole_close(&holes[--hole_count]);
}

/** Addresses of `count` holes of both families, by turns. */
static void open_holes(struct weft_address *addresses, size_t count)
{
    char text[40];
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, i % 2 ? "10.0.0.%zu:80" : "[2001:db8::%zu]:80", i + 1);
        addresses[i] = open_hole(text);
    }
}

/* --- Times ------------------------------------------------------------------------------------ */

WORLD_TEST(the_next_address_is_tried_250_ms_after_the_one_before_it)
{
    struct weft_address addresses[3];
    open_holes(addresses, 2);
    addresses[2] = address_of("10.0.0.9:80");
    int listener = listen_at("10.0.0.9:80");
    weft_ns began = weft_clock();
    int fd = weft_tcp_connect_any(addresses, 3, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_clock() - began, 2 * STEP);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

/** How many sockets were open at each look. */
static size_t looks[20];

/** Looks every step, a moment after it. */
static int look(void *arg)
{
    size_t before = weft_testing_world_open(arg);
    int rc = weft_sleep(1);
    for (int i = 0; i < 20 && rc == 0; i++) {
        looks[i] = weft_testing_world_open(arg) - before;
        rc = weft_sleep(STEP);
    }
    return 0;
}

static int twelve_program(void *world)
{
    struct weft_address addresses[12];
    struct weft_scope scope;
    open_holes(addresses, 12);
    weft_scope_enter(&scope, 4 * WEFT_SEC);
    CHECK_EQ(weft_go_fn(&scope, look, world), 0);
    CHECK_ERR(weft_tcp_connect_any(addresses, 12, NULL), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -ETIMEDOUT);
    for (size_t i = 0; i < 15; i++)
        CHECK_EQ(looks[i], i < 12 ? i + 1 : 12);
    close_holes();
    return 0;
}

TEST(of_twelve_that_do_not_answer_one_more_is_open_after_each_step)
{
    const struct weft_sys *world;
    CHECK_EQ(weft_testing_world_new(NULL, &world), 0);
    CHECK_EQ(weft_testing_run_on(world, 0, twelve_program, (void *)(uintptr_t)world), 0);
    CHECK_EQ(weft_testing_world_open(world), 0);
    weft_testing_world_free(world);
}

WORLD_TEST(a_refusal_brings_on_the_next_address_at_once)
{
    struct weft_address addresses[4];
    int listener = listen_at("10.0.0.9:80");
    addresses[0] = address_of("10.0.0.1:80");
    addresses[1] = address_of("10.0.0.2:80");
    addresses[2] = address_of("10.0.0.3:80");
    addresses[3] = address_of("10.0.0.9:80");
    weft_ns began = weft_clock();
    int fd = weft_tcp_connect_any(addresses, 4, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_clock(), began);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

WORLD_TEST(the_delay_can_be_set_and_has_a_least_value)
{
    static const struct {
        weft_ns delay, expected;
    } rows[] = {{WEFT_SEC, WEFT_SEC}, {1, 10 * WEFT_MS}, {-5, 10 * WEFT_MS}, {0, STEP}};
    struct weft_address addresses[2];
    addresses[0] = open_hole("10.0.0.1:80");
    addresses[1] = address_of("10.0.0.9:80");
    int listener = listen_at("10.0.0.9:80");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_connect_options options = {.size = sizeof options, .delay = rows[i].delay};
        weft_ns began = weft_clock();
        int fd = weft_tcp_connect_any(addresses, 2, &options);
        CHECK_OK(fd);
        CHECK_EQ(weft_clock() - began, rows[i].expected);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

WORLD_TEST(without_end_the_next_address_waits_for_a_failure)
{
    struct weft_connect_options options = {.size = sizeof options, .delay = WEFT_FOREVER};
    struct weft_address addresses[2];
    addresses[0] = open_hole("10.0.0.1:80");
    addresses[1] = address_of("10.0.0.9:80");
    int listener = listen_at("10.0.0.9:80");
    CHECK_ERR(weft_within(WEFT_HOUR, weft_tcp_connect_any(addresses, 2, &options)), -ETIMEDOUT);
    addresses[0] = address_of("10.0.0.2:80");
    int fd = weft_tcp_connect_any(addresses, 2, &options);
    CHECK_OK(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

WORLD_TEST(families_are_tried_by_turns_or_as_answered)
{
    static const struct {
        uint32_t interleave;
        weft_ns steps;
    } rows[] = {{0, 1}, {1, 1}, {2, 2}, {WEFT_CONNECT_AS_ANSWERED, 3}};
    struct weft_address addresses[4];
    addresses[0] = open_hole("[2001:db8::1]:80");
    addresses[1] = open_hole("[2001:db8::2]:80");
    addresses[2] = open_hole("[2001:db8::3]:80");
    addresses[3] = address_of("10.0.0.9:80");
    int listener = listen_at("10.0.0.9:80");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_connect_options options = {.interleave = rows[i].interleave};
        weft_ns began = weft_clock();
        int fd = weft_tcp_connect_any(addresses, 4, &options);
        CHECK_OK(fd);
        CHECK_EQ(weft_clock() - began, rows[i].steps * STEP);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

/* --- Outcomes --------------------------------------------------------------------------------- */

TASK_TEST(the_connection_is_owned_and_says_no_delay)
{
    struct weft_address address;
    int listener = listen_anywhere(&address), on = 0;
    socklen_t len = sizeof on;
    int fd = weft_tcp_connect_any(&address, 1, NULL);
    CHECK_OK(fd);
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->getsockopt(sys, fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    CHECK_EQ(on, 1);
    int accepted = weft_accept(listener, NULL);
    CHECK_OK(accepted);
    put(fd, "x");
    take(accepted, 1);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(losers_are_closed_before_the_call_returns)
{
    struct weft_connect_options options = {.delay = 10 * WEFT_MS};
    struct weft_address addresses[3];
    addresses[0] = open_hole("127.0.0.1:0");
    addresses[1] = open_hole("127.0.0.2:0");
    int listener = listen_anywhere(&addresses[2]);
    int before = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(weft_close(before), 0);
    int fd = weft_tcp_connect_any(addresses, 3, &options);
    CHECK_OK(fd);
    /* The two lowest numbers that the losers had are free again. */
    int first = weft_socket(AF_INET, SOCK_STREAM, 0), second = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(first <= before + 1 && second <= before + 2);
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(weft_close(second), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

TASK_TEST(when_all_refuse_the_note_names_each_address_and_its_cause)
{
    struct weft_address addresses[2] = {refusing("127.0.0.1:0"), refusing("127.0.0.2:0")};
    char text[WEFT_ADDRESS_TEXT_SIZE], expected[400];
    CHECK_ERR(weft_tcp_connect_any(addresses, 2, NULL), -ECONNREFUSED);
    for (int i = 0; i < 2; i++) {
        weft_address_format(&addresses[i], text, sizeof text);
        snprintf(expected, sizeof expected, "%s: Connection refused", text);
        CHECK_CONTAINS(weft_note(), expected);
    }
}

WORLD_TEST(what_has_no_room_in_the_note_is_counted_there_and_in_the_report)
{
    struct weft_address addresses[20];
    struct weft_attempt attempts[22];
    struct weft_connect_options options = {.attempts = attempts, .attempts_size = 22};
    char text[60];
    for (size_t i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "[2001:db8:1234:5678:9abc:def0:1234:%zu]:65000", i + 1000);
        addresses[i] = address_of(text);
    }
    CHECK_ERR(weft_tcp_connect_any(addresses, 20, &options), -ECONNREFUSED);
    CHECK_CONTAINS(weft_note(), "[2001:db8:1234:5678:9abc:def0:1234:1005]:65000: Connection ref");
    CHECK_CONTAINS(weft_note(), "more");
    CHECK(strlen(weft_note()) < WEFT_NOTE_SIZE);
    for (size_t i = 0; i < 20; i++) {
        CHECK(weft_address_equal(&attempts[i].address, &addresses[i]));
        CHECK_ERR(attempts[i].code, -ECONNREFUSED);
    }
    CHECK_EQ(attempts[20].address.len, 0);
    CHECK_ERR(attempts[21].code, -ECANCELED);
}

WORLD_TEST(a_report_tells_winner_losers_and_failures_apart)
{
    struct weft_address addresses[4];
    struct weft_attempt attempts[4];
    struct weft_connect_options options = {.attempts = attempts, .attempts_size = 4};
    int listener = listen_at("10.0.0.9:80");
    addresses[0] = open_hole("10.0.0.1:80");
    addresses[1] = address_of("10.0.0.2:80");
    addresses[2] = address_of("10.0.0.9:80");
    addresses[3] = address_of("10.0.0.3:80");
    int fd = weft_tcp_connect_any(addresses, 4, &options);
    CHECK_OK(fd);
    CHECK_ERR(attempts[0].code, -ECANCELED);
    CHECK_ERR(attempts[1].code, -ECONNREFUSED);
    CHECK_EQ(attempts[2].code, 0);
    CHECK_ERR(attempts[3].code, -ECANCELED);
    CHECK(weft_address_equal(&attempts[2].address, &addresses[2]));
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

TASK_TEST(a_refusal_says_more_than_no_way_from_here)
{
    struct weft_address local = address_of("127.0.0.1:0");
    struct weft_connect_options options = {.local = &local, .local_count = 1};
    struct weft_address addresses[3] = {address_of("[::1]:1"), refusing("127.0.0.1:0"),
                                        address_of("[::1]:2")};
    CHECK_ERR(weft_tcp_connect_any(addresses, 3, &options), -ECONNREFUSED);
    CHECK_CONTAINS(weft_note(), "[::1]:1: Cannot assign requested address");
    CHECK_ERR(weft_tcp_connect_any(addresses, 1, &options), -EADDRNOTAVAIL);
}

TASK_TEST(without_any_address_there_is_nothing_to_try)
{
    struct weft_connect_options options = {.family = AF_INET6};
    struct weft_address address = address_of("127.0.0.1:80");
    CHECK_ERR(weft_tcp_connect_any(NULL, 0, NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "there is no address");
    CHECK_ERR(weft_tcp_connect_any(&address, 1, &options), -EINVAL);
}

WORLD_TEST(no_more_than_64_addresses_are_tried)
{
    static struct weft_address addresses[70];
    struct weft_attempt attempts[70];
    struct weft_connect_options options = {.attempts = attempts, .attempts_size = 70};
    char text[40];
    for (size_t i = 0; i < 70; i++) {
        snprintf(text, sizeof text, "10.0.0.%zu:80", i + 1);
        addresses[i] = address_of(text);
    }
    int listener = listen_at("10.0.0.65:80");
    CHECK_ERR(weft_tcp_connect_any(addresses, 70, &options), -ECONNREFUSED);
    CHECK_ERR(attempts[63].code, -ECONNREFUSED);
    CHECK_EQ(attempts[64].address.len, 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* --- Local addresses -------------------------------------------------------------------------- */

TASK_TEST(a_connection_comes_from_the_first_local_address_that_can_be_bound)
{
    struct weft_address target, peer;
    int listener = listen_anywhere(&target);
    struct weft_address taken = local_address(listener);
    struct weft_address locals[3] = {address_of("[::1]:0"), taken, address_of("127.0.0.3:0")};
    struct weft_connect_options options = {.local = locals, .local_count = 3};
    int fd = weft_tcp_connect_any(&target, 1, &options);
    CHECK_OK(fd);
    int accepted = weft_accept(listener, &peer);
    CHECK_OK(accepted);
    CHECK_EQ(ntohl(peer.of.in.sin_addr.s_addr), 0x7f000003);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* --- Cancellation ----------------------------------------------------------------------------- */

TASK_TEST(a_deadline_cuts_all_attempts_and_leaves_nothing_open)
{
    struct weft_connect_options options = {.delay = 10 * WEFT_MS};
    struct weft_address addresses[2];
    addresses[0] = open_hole("127.0.0.1:0");
    addresses[1] = open_hole("127.0.0.2:0");
    int rc = (int)weft_within(50 * WEFT_MS, weft_tcp_connect_any(addresses, 2, &options));
    CHECK_ERR(rc, -ETIMEDOUT);
    close_holes();
}

TASK_TEST(a_cancelled_task_tries_nothing)
{
    struct weft_address address;
    struct weft_scope scope;
    int listener = listen_anywhere(&address);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, -EPROTO);
    CHECK_ERR(weft_tcp_connect_any(&address, 1, NULL), -ECANCELED);
    CHECK_ERR(weft_tcp_connect_host("127.0.0.1", "1", NULL), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_EQ(weft_poll_now(listener, POLLIN), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* --- By name ---------------------------------------------------------------------------------- */

WORLD_TEST(a_name_leads_to_the_first_of_its_addresses_that_answers)
{
    struct weft_address peer;
    int listener = listen_at("192.0.2.2:80");
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "2001:db8::1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "2001:db8::2"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "192.0.2.2"), 0);
    (void)open_hole("[2001:db8::1]:80");
    weft_ns began = weft_clock();
    int fd = weft_tcp_connect_host("example.org", "80", NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_clock() - began, STEP);
    CHECK_EQ(weft_peer_address(fd, &peer), 0);
    struct weft_address expected = address_of("192.0.2.2:80");
    CHECK(weft_address_equal(&peer, &expected));
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    close_holes();
}

WORLD_TEST(when_no_address_of_a_name_answers_the_note_has_the_name_too)
{
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "192.0.2.1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "2001:db8::1"), 0);
    CHECK_ERR(weft_tcp_connect_host("example.org", "80", NULL), -ECONNREFUSED);
    CHECK_STR(weft_note(), "connect to 192.0.2.1:80: Connection refused, [2001:db8::1]:80: "
                           "Connection refused; while connecting to example.org");
    CHECK_ERR(weft_tcp_connect_host("nowhere.example", "80", NULL), -WEFT_EDNS_NONAME);
    CHECK_STR(weft_note(), "look up \"nowhere.example\": no such name");
}

WORLD_TEST(a_family_can_be_asked_for)
{
    struct weft_connect_options options = {.family = AF_INET};
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "2001:db8::1"), 0);
    CHECK_ERR(weft_tcp_connect_host("example.org", "80", &options), -WEFT_EDNS_NODATA);
    CHECK_EQ(weft_testing_name_add(NULL, "example.org", "192.0.2.1"), 0);
    CHECK_ERR(weft_tcp_connect_host("example.org", "80", &options), -ECONNREFUSED);
    CHECK_CONTAINS(weft_note(), "connect to 192.0.2.1:80: Connection refused;");
}

TASK_TEST(an_address_in_figures_is_connected_to_without_a_look_up)
{
    struct weft_resolver_stats stats;
    struct weft_address address;
    char port[20];
    int listener = listen_anywhere(&address);
    snprintf(port, sizeof port, "%u", weft_address_port(&address));
    int fd = weft_tcp_connect_host("127.0.0.1", port, NULL);
    CHECK_OK(fd);
    weft_resolver_get_stats(NULL, &stats);
    CHECK_EQ(stats.lookups, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(a_unix_address_takes_the_place_of_a_name)
{
    char text[100];
    snprintf(text, sizeof text, "unix:@weft-names-%d-%s", (int)getpid(), test_engine());
    struct weft_address address = address_of(text);
    int listener = weft_tcp_listen(&address, 0);
    CHECK_OK(listener);
    int fd = weft_tcp_connect_host(text, NULL, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_ERR(weft_tcp_connect_host(text, NULL, NULL), -ECONNREFUSED);
    CHECK_ERR(weft_tcp_connect_host("unix:", NULL, NULL), -EINVAL);
}

TASK_TEST(host_and_port_must_be_there)
{
    CHECK_ERR(weft_tcp_connect_host("127.0.0.1", NULL, NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "a port is missing");
    CHECK_ERR(weft_tcp_connect_host(NULL, "80", NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "a host is missing");
}

TASK_TEST(a_stream_lies_over_the_connection)
{
    struct weft_stream_options how = {.limit = 10};
    struct weft_connect_options options = {.stream = &how};
    struct weft_stream *stream = NULL;
    struct weft_address address;
    char port[20], *line;
    int listener = listen_anywhere(&address);
    snprintf(port, sizeof port, "%u", weft_address_port(&address));
    CHECK_EQ(weft_connect_host("127.0.0.1", port, &options, &stream), 0);
    int accepted = weft_accept(listener, NULL);
    CHECK_OK(accepted);
    put(accepted, "hello\nfar longer than ten\n");
    CHECK_EQ(weft_stream_read_line(stream, &line), 6);
    CHECK_ERR(weft_stream_read_line(stream, &line), -EMSGSIZE);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(listener), 0);
    stream = NULL;
    CHECK_ERR(weft_connect_host("127.0.0.1", port, NULL, &stream), -ECONNREFUSED);
    CHECK(stream == NULL);
}
