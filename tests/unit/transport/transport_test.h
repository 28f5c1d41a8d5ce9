/* SPDX-License-Identifier: MIT */
/*
 * transport_test.h: what the tests of transports share
 *
 * A `struct witness` is a protocol that notes in `story` what it is told, under its letter:
 *
 *     a:made a:5 a:end a:lost          five bytes came; lost with code 0
 *
 * and that does what its test tells it to in a callback. The test itself is a task, which plays the
 * peer with plain calls; the transports know nothing of it.
 */
#ifndef TRANSPORT_TEST_H
#define TRANSPORT_TEST_H

#include "../net/net_test.h"

#include <stdarg.h>

/** What happened, in order. */
static char story[1024];

__attribute__((format(printf, 1, 2))) MAYBE_UNUSED static void tell(const char *format, ...)
{
    size_t len = strlen(story);
    va_list arguments;
    va_start(arguments, format);
    if (len > 0 && len + 1 < sizeof story)
        story[len++] = ' ';
    vsnprintf(story + len, sizeof story - len, format, arguments);
    va_end(arguments);
}

/** Checks the story so far, and begins a new one. */
#define CHECK_STORY(expected)                                                                      \
    do {                                                                                           \
        CHECK_STR(story, expected);                                                                \
        story[0] = 0;                                                                              \
    } while (0)

/** A protocol that notes, and what it is to do; zero: nothing more. */
struct witness {
    /** Its letter. */
    char letter;
    /** What connection_made, data_received and eof_received return. */
    int made_code, data_code, end_code;
    /** Called in that callback, when set. */
    void (*in_made)(struct weft_transport *transport);
    void (*in_data)(struct weft_transport *transport);
    void (*in_end)(struct weft_transport *transport);
    void (*in_lost)(struct weft_transport *transport);
    void (*in_pause)(struct weft_transport *transport);
    void (*in_resume)(struct weft_transport *transport);
    /** The transport, from connection_made to connection_lost. */
    struct weft_transport *transport;
    /** Bytes and datagrams that came, and the largest piece. */
    size_t bytes, pieces, largest;
    /** The beginning of the last piece. */
    char last[64];
    /** Do not note the bytes that come. */
    bool quiet;
    /** What connection_lost got. */
    int code;
    /** How often it was lost. */
    int losses;
};

MAYBE_UNUSED static void call(void (*fn)(struct weft_transport *), struct weft_transport *transport)
{
    if (fn)
        fn(transport);
}

static int witness_made(void *self, struct weft_transport *transport)
{
    struct witness *witness = self;
    tell("%c:made", witness->letter);
    witness->transport = transport;
    call(witness->in_made, transport);
    return witness->made_code;
}

static int witness_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    struct witness *witness = self;
    if (!witness->quiet)
        tell("%c:%zu", witness->letter, len);
    witness->bytes += len;
    witness->pieces++;
    witness->largest = len > witness->largest ? len : witness->largest;
    memset(witness->last, 0, sizeof witness->last);
    if (len > 0)
        memcpy(witness->last, data, len < sizeof witness->last ? len : sizeof witness->last - 1);
    call(witness->in_data, transport);
    return witness->data_code;
}

static int witness_end(void *self, struct weft_transport *transport)
{
    struct witness *witness = self;
    tell("%c:end", witness->letter);
    call(witness->in_end, transport);
    return witness->end_code;
}

static void witness_lost(void *self, struct weft_transport *transport, int code)
{
    struct witness *witness = self;
    if (code)
        tell("%c:lost(%s)", witness->letter, weft_strerrorname(code));
    else
        tell("%c:lost", witness->letter);
    witness->code = code;
    witness->losses++;
    call(witness->in_lost, transport);
    witness->transport = NULL;
}

static void witness_pause(void *self, struct weft_transport *transport)
{
    struct witness *witness = self;
    tell("%c:pause", witness->letter);
    call(witness->in_pause, transport);
}

static void witness_resume(void *self, struct weft_transport *transport)
{
    struct witness *witness = self;
    tell("%c:resume", witness->letter);
    call(witness->in_resume, transport);
}

static int witness_datagram(void *self, struct weft_transport *transport, const void *data,
                            size_t len, const struct weft_address *from)
{
    (void)from;
    return witness_data(self, transport, data, len);
}

static void witness_error(void *self, struct weft_transport *transport, int code)
{
    struct witness *witness = self;
    (void)transport;
    tell("%c:error(%s)", witness->letter, weft_strerrorname(code));
}

MAYBE_UNUSED static const struct weft_protocol witnessing = {
    .size = sizeof witnessing,
    .connection_made = witness_made,
    .data_received = witness_data,
    .eof_received = witness_end,
    .connection_lost = witness_lost,
    .pause_writing = witness_pause,
    .resume_writing = witness_resume,
    .datagram_received = witness_datagram,
    .error_received = witness_error,
};

/** A factory: `arg` is the witness. */
MAYBE_UNUSED static int bear_witness(void *arg, const struct weft_protocol **ret_protocol,
                                     void **ret_self)
{
    *ret_protocol = &witnessing;
    *ret_self = arg;
    return 0;
}

/** A transport over one end of a connection; the other end is returned. */
MAYBE_UNUSED static int watch_one(struct witness *witness, struct weft_transport **ret)
{
    int fds[2];
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, bear_witness,
                                               witness, ret));
    return fds[1];
}

/** The same of a TCP connection. */
MAYBE_UNUSED static int watch_tcp(struct witness *witness, struct weft_transport **ret)
{
    int fds[2];
    tcp_pair(fds);
    CHECK_OK(weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, bear_witness,
                                               witness, ret));
    return fds[1];
}

/** The peer sends a few bytes, which have room, without a turn of the loop. */
MAYBE_UNUSED static void send_now(int peer, const char *text)
{
    const struct weft_sys *sys = weft__sys_current();
    CHECK_EQ(sys->sendto(sys, peer, text, strlen(text), MSG_DONTWAIT, NULL, 0),
             (ssize_t)strlen(text));
}

/** Lets the loop turn until the witness's connection is lost. */
MAYBE_UNUSED static void until_lost(struct witness *witness)
{
    while (!witness->losses)
        CHECK_EQ(weft_sleep(WEFT_US), 0);
}

/** Lets the loop turn until so many bytes came. */
MAYBE_UNUSED static void until_bytes(struct witness *witness, size_t bytes)
{
    while (witness->bytes < bytes)
        CHECK_EQ(weft_sleep(WEFT_US), 0);
}

/** Closes the transport and waits for its end. */
MAYBE_UNUSED static void finish(struct witness *witness, int peer)
{
    while (!witness->transport)
        turn();
    weft_transport_abort(witness->transport);
    until_lost(witness);
    CHECK_EQ(weft_close(peer), 0);
}

#endif
