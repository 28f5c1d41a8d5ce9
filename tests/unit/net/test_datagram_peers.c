/* SPDX-License-Identifier: MIT */
/*
 * test_datagram_peers.c: datagrams with programs of others
 *
 * An echo server of ours answers nc and socat, over UDP of both families, and iperf3 measures
 * itself through a relay of ours, which stands between its client and its server: a stream of
 * control beside a flood of numbered datagrams, of which it tells what was lost.
 */
#include "net_test.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/process.h>
#include <weft/stream.h>

/** Sends back what comes, until it is cancelled. */
static int echo(int fd)
{
    static char room[WEFT_DATAGRAM_BATCH][2048];
    struct weft_datagram d[WEFT_DATAGRAM_BATCH];
    for (int i = 0; i < WEFT_DATAGRAM_BATCH; i++)
        d[i] = (struct weft_datagram){.buf = room[i], .size = sizeof room[i]};
    for (;;) {
        int n = weft_datagram_recv_batch(fd, d, WEFT_DATAGRAM_BATCH);
        if (n > 0)
            n = weft_datagram_send_batch(fd, d, n);
        if (n < 0)
            return n;
    }
}
WEFT_TASK(echo, int);

/** Runs a command of the shell while the echo server answers; it must print what is `expected`. */
static void check_command(int fd, const char *command, const char *expected)
{
    struct weft_process_result result = {0};
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_MIN);
    CHECK_EQ(WEFT_START(&s, NULL, WEFT_BACKGROUND, echo, fd), 0);
    CHECK_EQ(weft_process_shell(command, NULL, &result), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    if (strcmp(result.output, expected) != 0)
        FAIL("%s: \"%s\" instead of \"%s\" (%s)", command, result.output, expected, result.errors);
    weft_process_result_free(&result);
}

static void need(const char *program)
{
    if (test_engine_is("sim"))
        SKIP("no other program lives in a world");
    test_need_program(program);
}

static int open_echo(const char *text, char *ret_port, size_t size)
{
    struct weft_address address = address_of(text);
    int fd = weft_datagram_open(&address, NULL, NULL);
    CHECK_OK(fd);
    address = local_address(fd);
    snprintf(ret_port, size, "%u", weft_address_port(&address));
    return fd;
}

TASK_TEST(nc_gets_its_line_back)
{
    need("nc");
    char port[8], command[200];
    int fd = open_echo("127.0.0.1:0", port, sizeof port);
    /* Ends with the first datagram that comes. */
    snprintf(command, sizeof command, "echo one | nc -u -W 1 127.0.0.1 %s", port);
    check_command(fd, command, "one\n");
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(socat_gets_its_datagrams_back_over_ipv4)
{
    need("socat");
    char port[8], command[200];
    int fd = open_echo("127.0.0.1:0", port, sizeof port);
    snprintf(command, sizeof command, "printf hello | socat -t 50 - UDP4:127.0.0.1:%s,readbytes=5",
             port);
    check_command(fd, command, "hello");
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(socat_gets_its_datagrams_back_over_ipv6)
{
    need("socat");
    char port[8], command[200];
    struct weft_address here = address_of("[::1]:0");
    int probe = weft_datagram_open(&here, NULL, NULL);
    if (probe < 0)
        SKIP("no IPv6 here");
    CHECK_EQ(weft_close(probe), 0);
    int fd = open_echo("[::1]:0", port, sizeof port);
    snprintf(command, sizeof command, "printf hello | socat -t 50 - UDP6:[::1]:%s,readbytes=5",
             port);
    check_command(fd, command, "hello");
    CHECK_EQ(weft_close(fd), 0);
}

/* --- iperf3 through a relay ------------------------------------------------------------------ */

/** A relay between a client of iperf3 and its server. */
struct relay {
    /** Listens for the stream of control. */
    int listener;
    /** Towards the client; not connected. */
    int outer;
    /** Towards the server; connected. */
    int inner;
    /** The server. */
    struct weft_address server;
    /** The client, once it has sent something. */
    struct weft_address client;
};

/** Passes datagrams on: from the client to the server, or back. */
static int pass_datagrams(struct relay *relay, bool back)
{
    enum { COUNT = 16, SIZE = 2048 };
    char *rooms = malloc((size_t)COUNT * SIZE);
    struct weft_datagram d[COUNT];
    int rc = 1;
    CHECK(rooms);
    for (int i = 0; i < COUNT; i++)
        d[i] = (struct weft_datagram){.buf = rooms + (size_t)i * SIZE, .size = SIZE};
    while (rc > 0) {
        rc = weft_datagram_recv_batch(back ? relay->inner : relay->outer, d, COUNT);
        if (rc > 0 && !back)
            relay->client = d[0].address;
        for (int i = 0; i < rc; i++)
            d[i].address = back ? relay->client : (struct weft_address){.len = 0};
        if (rc > 0)
            rc = weft_datagram_send_batch(back ? relay->outer : relay->inner, d, rc);
        /* The end of the server's socket is told here, and is no end of ours. */
        if (rc == -ECONNREFUSED)
            rc = 1;
    }
    free(rooms);
    return rc;
}
WEFT_TASK(pass_datagrams, struct relay *, bool);

/** The server may not listen yet. */
static int connect_patiently(const struct weft_address *address, struct weft_stream **ret)
{
    int rc = weft_stream_connect(address, NULL, ret);
    while (rc == -ECONNREFUSED) {
        rc = weft_sleep(20 * WEFT_MS);
        if (rc == 0)
            rc = weft_stream_connect(address, NULL, ret);
    }
    return rc;
}

/** Passes the stream of control on. */
static int pass_control(struct relay *relay)
{
    struct weft_stream *client, *server;
    int fd = weft_accept(relay->listener, NULL);
    if (fd < 0)
        return fd;
    CHECK_EQ(weft_stream_from_fd(fd, NULL, &client), 0);
    int rc = connect_patiently(&relay->server, &server);
    if (rc == 0) {
        rc = weft_stream_relay(client, server, NULL);
        (void)weft_stream_close(server);
    }
    (void)weft_stream_close(client);
    /* iperf3 resets what it has finished with. */
    return rc == -ECONNRESET || rc == -EPIPE ? 0 : rc;
}
WEFT_TASK(pass_control, struct relay *);

/** The same port for both protocols. */
static void open_relay(struct relay *relay)
{
    do {
        struct weft_address address;
        relay->listener = listen_anywhere(&address);
        relay->outer = weft_datagram_open(&address, NULL, NULL);
        if (relay->outer < 0)
            CHECK_EQ(weft_close(relay->listener), 0);
    } while (relay->outer == -EADDRINUSE);
    CHECK_OK(relay->outer);
    /* A port that is free now. */
    CHECK_EQ(weft_close(listen_anywhere(&relay->server)), 0);
    relay->inner = weft_datagram_open(NULL, &relay->server, NULL);
    CHECK_OK(relay->inner);
}

/** The last "lost/all" in iperf3's report is what arrived at the server. */
static void check_report(const char *text)
{
    unsigned lost = 1, all = 0;
    const char *line = strstr(text, "receiver");
    CHECK(line);
    while (line > text && line[-1] != '\n')
        line--;
    const char *slash = strchr(line, '(');
    CHECK(slash);
    while (slash > line && slash[-1] != ' ' && slash[-1] != '/')
        slash--;
    while (slash > line && strchr("0123456789/ ", slash[-1]))
        slash--;
    CHECK_EQ(sscanf(slash, "%u/%u", &lost, &all), 2);
    CHECK(all > 100);
    CHECK(lost < all / 2);
}

TASK_TEST(iperf3_measures_a_relay)
{
    need("iperf3");
    struct relay relay = {.listener = -1};
    struct weft_process_result result = {0};
    struct weft_scope s;
    char command[300];
    open_relay(&relay);
    struct weft_address address = local_address(relay.listener);
    snprintf(command, sizeof command,
             "iperf3 -s -1 -p %u >/dev/null & "
             "iperf3 -c 127.0.0.1 -p %u -u -b 8M -t 1 -l 1000; rc=$?; wait; exit $rc",
             weft_address_port(&relay.server), weft_address_port(&address));
    weft_scope_enter(&s, WEFT_MIN);
    CHECK_EQ(weft_go(&s, pass_control, &relay), 0);
    CHECK_EQ(WEFT_START(&s, NULL, WEFT_BACKGROUND, pass_datagrams, &relay, false), 0);
    CHECK_EQ(WEFT_START(&s, NULL, WEFT_BACKGROUND, pass_datagrams, &relay, true), 0);
    CHECK_EQ(weft_process_shell(command, NULL, &result), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    if (!weft_exit_ok(&result.exit))
        FAIL("%s%s", result.output, result.errors);
    check_report(result.output);
    weft_process_result_free(&result);
    CHECK_EQ(weft_close(relay.listener), 0);
    CHECK_EQ(weft_close(relay.inner), 0);
    CHECK_EQ(weft_close(relay.outer), 0);
}
