/* SPDX-License-Identifier: MIT */
/*
 * serve_test.h: what the tests of servers share
 *
 * Servers listen on a port that nobody had; clients are raw descriptors, so that a test sees
 * exactly what comes over the connection.
 */
#ifndef SERVE_TEST_H
#define SERVE_TEST_H

#include "../net/net_test.h"

/** Sends back what it gets. */
MAYBE_UNUSED static int echo(struct weft_stream *stream, void *arg)
{
    int64_t n = weft_stream_copy(stream, stream, WEFT_STREAM_ALL);
    (void)arg;
    return n < 0 ? (int)n : 0;
}

/** Reads until the end and says nothing. */
MAYBE_UNUSED static int swallow(struct weft_stream *stream, void *arg)
{
    char bytes[256];
    ssize_t n;
    (void)arg;
    do
        n = weft_stream_read(stream, bytes, sizeof bytes);
    while (n > 0);
    return (int)n;
}

/** Opens a server with these options, at any port unless they say more, and gives its address. */
MAYBE_UNUSED static struct weft_server *open_with(struct weft_scope *scope,
                                                  struct weft_serve_options options,
                                                  weft_serve_fn *fn, void *arg,
                                                  struct weft_address *ret)
{
    struct weft_server *server = NULL;
    if (!options.address && !options.address_count && !options.fd_count)
        options.address = "127.0.0.1:0";
    CHECK_EQ(weft_server_open(scope, &options, fn, arg, &server), 0);
    CHECK(server);
    if (ret)
        CHECK(weft_server_addresses(server, ret, 1) >= 1);
    return server;
}

/** Opens a server with defaults. */
MAYBE_UNUSED static struct weft_server *open_server(struct weft_scope *scope, weft_serve_fn *fn,
                                                    void *arg, struct weft_address *ret)
{
    return open_with(scope, (struct weft_serve_options){0}, fn, arg, ret);
}

/** A connection to a server. */
MAYBE_UNUSED static int client_of(const struct weft_address *address)
{
    int fd = weft_tcp_connect(address);
    CHECK_OK(fd);
    return fd;
}

/** Waits until the server serves so many. */
MAYBE_UNUSED static void until_active(const struct weft_server *server, uint64_t count)
{
    struct weft_server_stats stats;
    do {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        weft_server_get_stats(server, &stats);
    } while (stats.active != count);
}

/** The statistics. */
MAYBE_UNUSED static struct weft_server_stats stats_of(const struct weft_server *server)
{
    struct weft_server_stats stats;
    weft_server_get_stats(server, &stats);
    return stats;
}

/** What is sent comes back. */
MAYBE_UNUSED static void check_echo(int fd, const char *text)
{
    char back[64];
    size_t len = strlen(text), got = 0;
    CHECK_EQ(weft_write_all(fd, text, len), 0);
    while (got < len) {
        ssize_t n = weft_read(fd, back + got, len - got);
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_MEM(back, text, len);
}

/** The other side has ended in good order. */
MAYBE_UNUSED static void check_end(int fd)
{
    char byte;
    CHECK_EQ(weft_read(fd, &byte, 1), 0);
}

/** Failures that the loop's handler heard of. */
struct heard {
    /** How many. */
    unsigned count;
    /** The last one's code. */
    int code;
    /** The last one's sentence. */
    char text[WEFT_NOTE_SIZE];
};

MAYBE_UNUSED static void hear(const struct weft_failure *failure, void *arg)
{
    struct heard *heard = arg;
    heard->count++;
    heard->code = failure->code;
    snprintf(heard->text, sizeof heard->text, "%s", failure->text);
}

/** From now on failures of connections are noted. */
MAYBE_UNUSED static void listen_to(struct heard *heard)
{
    memset(heard, 0, sizeof *heard);
    weft_loop_set_failure_handler(weft_loop_current(), hear, heard);
}

#endif
