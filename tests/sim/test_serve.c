/* SPDX-License-Identifier: MIT */
/*
 * test_serve.c: the end of a server, in every order
 *
 * Clients come and go while somebody closes, drains, aborts or cancels the server, at any moment
 * and more than once. Whatever the order: those who join are told when it is over and not before,
 * every connection that was accepted is accounted for, the limit holds, and nothing stays open.
 */
#include "seeds.h"
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

enum { CLIENTS = 6, MEDDLERS = 3 };

static int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(6) * WEFT_MS);
}

/** Answers bytes, now and then idle, now and then failing, sometimes leaving something to send. */
static int answer(struct weft_stream *stream, void *arg)
{
    char byte;
    ssize_t n;
    (void)arg;
    for (;;) {
        weft_serve_idle((int)seeds_dice(2));
        n = weft_stream_read(stream, &byte, 1);
        weft_serve_idle(0);
        if (n <= 0)
            return (int)n;
        int rc = wait_a_little();
        if (rc == 0)
            rc = seeds_dice(2) ? weft_stream_put(stream, &byte, 1)
                               : weft_stream_write_all(stream, &byte, 1);
        if (rc < 0 || seeds_dice(10) == 0)
            return rc < 0 ? rc : -EPROTO;
    }
}

static int client(struct weft_address server)
{
    char byte;
    int fd = weft_tcp_connect(&server);
    if (fd < 0)
        return 0;
    for (unsigned i = seeds_dice(4); i > 0; i--)
        if (weft_write(fd, "x", 1) == 1 && weft_within(20 * WEFT_MS, weft_read(fd, &byte, 1)) == 1)
            EXPECT_EQ(byte, 'x');
    EXPECT_EQ(weft_close(fd), 0);
    return 0;
}
WEFT_TASK(client, __typeof__(struct weft_address));

static int meddle(struct weft_server *server)
{
    (void)!weft_sleep((weft_ns)seeds_dice(15) * WEFT_MS);
    switch (seeds_dice(4)) {
    case 0:
        EXPECT_EQ(weft_server_close(server), 0);
        break;
    case 1:
        EXPECT_EQ(weft_server_drain(server, (weft_ns)seeds_dice(10) * WEFT_MS), 0);
        break;
    case 2:
        EXPECT_EQ(weft_server_abort(server), 0);
        break;
    default:
        break;
    }
    return 0;
}
typedef struct weft_server *server_pointer;
WEFT_TASK(meddle, server_pointer);

static int joins(struct weft_server *server)
{
    struct weft_server_stats stats;
    int rc = weft_server_join(server);
    weft_server_get_stats(server, &stats);
    if (rc == 0) {
        EXPECT_EQ(weft_server_state(server), WEFT_SERVER_OVER);
        EXPECT_EQ(stats.active, 0);
        EXPECT_EQ(stats.accepted, stats.succeeded + stats.failed + stats.cancelled + stats.dropped);
    } else {
        EXPECT_EQ(rc, -ECANCELED);
    }
    return 0;
}
WEFT_TASK(joins, server_pointer);

static void hear(const struct weft_failure *failure, void *arg)
{
    (void)arg;
    EXPECT(failure->code != -ECANCELED);
}

/** Opens a server with clients, meddlers and joiners. */
static struct weft_server *open_server(struct weft_scope *scope, size_t most)
{
    struct weft_server *server = NULL;
    struct weft_address address;
    struct weft_serve_options options = {.address = "127.0.0.1:0",
                                         .max_connections = most,
                                         .backlog = 1 + (int)seeds_dice(4),
                                         .grace = (weft_ns)seeds_dice(10) * WEFT_MS - WEFT_MS};
    weft_loop_set_failure_handler(weft_loop_current(), hear, NULL);
    EXPECT_EQ(weft_server_open(scope, &options, answer, NULL, &server), 0);
    EXPECT_EQ(weft_server_addresses(server, &address, 1), 1);
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_EQ(weft_go(scope, client, address), 0);
    for (int i = 0; i < MEDDLERS; i++)
        EXPECT_EQ(weft_go(scope, meddle, server), 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(weft_go(scope, joins, server), 0);
    return server;
}

SCENARIO(a_server_ends_in_whatever_order_it_is_told)
{
    struct weft_scope scope;
    struct weft_server_stats stats;
    size_t most = 1 + seeds_dice(4);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_server *server = open_server(&scope, most);
    (void)!weft_sleep((weft_ns)seeds_dice(30) * WEFT_MS);
    EXPECT_EQ(weft_server_close(server), 0);
    EXPECT_EQ(weft_server_join(server), 0);
    weft_server_get_stats(server, &stats);
    EXPECT(stats.peak <= most);
    return weft_scope_exit(&scope, 0);
}

SCENARIO(a_cancelled_server_ends_within_its_grace)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)open_server(&scope, 1 + seeds_dice(4));
    (void)!weft_sleep((weft_ns)seeds_dice(30) * WEFT_MS);
    weft_scope_cancel(&scope, 0);
    weft_ns before = weft_clock();
    int rc = weft_scope_exit(&scope, 0);
    EXPECT(weft_clock() - before < 2 * WEFT_SEC);
    return rc;
}
