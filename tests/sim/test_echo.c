/* SPDX-License-Identifier: MIT */
/*
 * test_echo.c: servers and clients over UDP, TCP and pipes, under many schedules
 *
 * Whatever order tasks and descriptors are served in, however calls are cut short, interrupted or
 * told to come again: every answer must be the one to its own question, every byte must arrive once
 * and in its place, and all descriptors must be closed in the end. Answers carry what tells whose
 * they are; bytes follow from their client and their place.
 */
#include "seeds.h"
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

enum { CLIENTS = 5, QUESTIONS = 4, STREAM_BYTES = 3000, PIPE_BYTES = 200000 };

static int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(4) * WEFT_MS);
}

static struct weft_address loopback(void)
{
    struct weft_address address;

    EXPECT_EQ(weft_address_parse("127.0.0.1:0", &address), 0);
    return address;
}

/* --- Datagrams ------------------------------------------------------------------------------- */

/* Answers one question after a while: its number and its complement. */
static int answer(int fd, struct weft_address to, unsigned question)
{
    unsigned reply[2] = {question, ~question};
    int rc = wait_a_little();

    EXPECT_EQ(rc, 0);
    ssize_t n = weft_sendto(fd, reply, sizeof reply, 0, &to);
    EXPECT_EQ(n, sizeof reply);
    return rc;
}
WEFT_TASK(answer, int, __typeof__(struct weft_address), unsigned);

static int datagram_server(int fd)
{
    struct weft_scope scope;
    int rc = 0;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CLIENTS * QUESTIONS; i++) {
        struct weft_address from;
        unsigned question;
        ssize_t n = weft_recvfrom(fd, &question, sizeof question, 0, &from);
        EXPECT_EQ(n, sizeof question);
        EXPECT_EQ(weft_go(&scope, answer, fd, from, question), 0);
    }
    return weft_scope_exit(&scope, rc);
}
WEFT_TASK(datagram_server, int);

/* Asks all its questions at once and ticks the answers off, in whatever order they come. */
static int datagram_client(struct weft_address server, unsigned number)
{
    unsigned missing = (1u << QUESTIONS) - 1, reply[2];
    int fd = weft_udp_connect(&server);

    EXPECT(fd >= 0);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        unsigned question = number * QUESTIONS + i;
        EXPECT_EQ(weft_send(fd, &question, sizeof question, 0), sizeof question);
    }
    for (unsigned i = 0; i < QUESTIONS; i++) {
        EXPECT_EQ(weft_recv(fd, reply, sizeof reply, 0), sizeof reply);
        EXPECT_EQ(reply[1], ~reply[0]);
        EXPECT_EQ(reply[0] / QUESTIONS, number);
        missing &= ~(1u << reply[0] % QUESTIONS);
    }
    EXPECT_EQ(missing, 0);
    return weft_close(fd);
}
WEFT_TASK(datagram_client, __typeof__(struct weft_address), unsigned);

SCENARIO(every_datagram_client_gets_the_answers_to_its_own_questions)
{
    struct weft_scope scope;
    struct weft_address address = loopback();
    int fd = weft_udp_bind(&address);

    EXPECT(fd >= 0);
    EXPECT_EQ(weft_local_address(fd, &address), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, datagram_server, fd), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        EXPECT_EQ(weft_go(&scope, datagram_client, address, i), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_close(fd), 0);
    return rc;
}

/* --- Streams --------------------------------------------------------------------------------- */

/** The byte at a place of a client's stream. */
static char byte_at(unsigned client, size_t place)
{
    return (char)(client * 31 + place % 251);
}

static int echo(int fd)
{
    char buf[200];
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = weft_recv(fd, buf, 1 + seeds_dice(sizeof buf), 0)) > 0)
        rc = weft_write_all(fd, buf, (size_t)n);
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(weft_close(fd), 0);
    return rc;
}
WEFT_TASK(echo, int);

static int stream_server(int listener)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < CLIENTS; i++) {
        struct weft_address peer;
        int fd = weft_accept(listener, &peer);
        EXPECT(fd >= 0);
        EXPECT_EQ(weft_go(&scope, echo, fd), 0);
    }
    return weft_scope_exit(&scope, 0);
}
WEFT_TASK(stream_server, int);

static int sends_all(int fd, unsigned client)
{
    size_t sent = 0;

    while (sent < STREAM_BYTES) {
        char buf[300];
        size_t len = 1 + seeds_dice(sizeof buf);
        len = len < STREAM_BYTES - sent ? len : STREAM_BYTES - sent;
        for (size_t i = 0; i < len; i++)
            buf[i] = byte_at(client, sent + i);
        ssize_t n = weft_send(fd, buf, len, 0);
        EXPECT(n > 0);
        if (n <= 0)
            return (int)n;
        sent += (size_t)n;
    }
    EXPECT_EQ(weft_shutdown(fd, SHUT_WR), 0);
    return 0;
}
WEFT_TASK(sends_all, int, unsigned);

static int stream_client(struct weft_address server, unsigned client)
{
    struct weft_scope scope;
    size_t got = 0;
    char buf[500];
    ssize_t n;
    int fd = weft_tcp_connect(&server);

    EXPECT(fd >= 0);
    if (fd < 0)
        return fd;
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, sends_all, fd, client), 0);
    while ((n = weft_read(fd, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++)
            EXPECT_EQ(buf[i], byte_at(client, got++));
    EXPECT_EQ(n, 0);
    EXPECT_EQ(got, STREAM_BYTES);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_close(fd), 0);
    return rc;
}
WEFT_TASK(stream_client, __typeof__(struct weft_address), unsigned);

SCENARIO(every_stream_client_gets_its_own_bytes_back_in_order)
{
    struct weft_scope scope;
    struct weft_address address = loopback();
    int listener = weft_tcp_listen(&address, 1 + (int)seeds_dice(3));

    EXPECT(listener >= 0);
    EXPECT_EQ(weft_local_address(listener, &address), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, stream_server, listener), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        EXPECT_EQ(weft_go(&scope, stream_client, address, i), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(weft_close(listener), 0);
    return rc;
}

static int pours(int fd)
{
    static char bytes[20000];
    int rc = 0;

    for (size_t sent = 0; sent < PIPE_BYTES && rc == 0; sent += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = byte_at(0, sent + i);
        rc = weft_write_all(fd, bytes, sizeof bytes);
    }
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(weft_close(fd), 0);
    return rc;
}
WEFT_TASK(pours, int);

SCENARIO(a_pipe_carries_more_than_it_holds)
{
    struct weft_scope scope;
    static char buf[30000];
    size_t got = 0;
    ssize_t n;
    int fds[2];

    EXPECT_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, pours, fds[1]), 0);
    while ((n = weft_read(fds[0], buf, 1 + seeds_dice(sizeof buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            EXPECT_EQ(buf[i], byte_at(0, got++));
        if (seeds_dice(4) == 0)
            EXPECT_EQ(wait_a_little(), 0);
    }
    EXPECT_EQ(n, 0);
    EXPECT_EQ(got, PIPE_BYTES);
    EXPECT_EQ(weft_close(fds[0]), 0);
    return weft_scope_exit(&scope, 0);
}
