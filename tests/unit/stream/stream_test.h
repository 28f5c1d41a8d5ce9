/* SPDX-License-Identifier: MIT */
/*
 * stream_test.h: what the tests of streams share
 *
 * A `kind` makes two connected streams: what is written to one comes out of the other, both ways.
 * What holds for any stream is tested for each kind in turn.
 */
#ifndef STREAM_TEST_H
#define STREAM_TEST_H

#include "../net/net_test.h"

/** A kind of stream. */
struct stream_kind {
    /** For messages. */
    const char *name;
    /** Makes two ends. */
    void (*make)(const struct weft_stream_options *options, struct weft_stream *ends[2]);
};

MAYBE_UNUSED static void streams_from(const struct weft_stream_options *options, const int fds[2],
                                      struct weft_stream *ends[2])
{
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_stream_from_fd(fds[i], options, &ends[i]), 0);
}

MAYBE_UNUSED static void make_memory(const struct weft_stream_options *options,
                                     struct weft_stream *ends[2])
{
    CHECK_EQ(weft_stream_pair(options, &ends[0], &ends[1]), 0);
}

MAYBE_UNUSED static void make_tcp(const struct weft_stream_options *options,
                                  struct weft_stream *ends[2])
{
    int fds[2];
    tcp_pair(fds);
    streams_from(options, fds, ends);
}

MAYBE_UNUSED static void make_unix(const struct weft_stream_options *options,
                                   struct weft_stream *ends[2])
{
    int fds[2];
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    streams_from(options, fds, ends);
}

MAYBE_UNUSED static void make_foreign(const struct weft_stream_options *options,
                                      struct weft_stream *ends[2])
{
    int fds[2];
    foreign_sockets(fds, 0);
    streams_from(options, fds, ends);
}

MAYBE_UNUSED static void make_pipes(const struct weft_stream_options *options,
                                    struct weft_stream *ends[2])
{
    int there[2];
    int back[2];
    /* As weft_run does: a pipe without a reader is to give -EPIPE and no more. */
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(weft_pipe(there), 0);
    CHECK_EQ(weft_pipe(back), 0);
    CHECK_EQ(weft_stream_from_fds(there[0], back[1], options, &ends[0]), 0);
    CHECK_EQ(weft_stream_from_fds(back[0], there[1], options, &ends[1]), 0);
}

MAYBE_UNUSED static const struct stream_kind stream_kinds[] = {
    {"memory", make_memory},         {"tcp", make_tcp},         {"unix", make_unix},
    {"blocking unix", make_foreign}, {"two pipes", make_pipes},
};

/** Closes both ends. */
MAYBE_UNUSED static void close_streams(struct weft_stream *ends[2])
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_stream_close(ends[i]), 0);
        ends[i] = NULL;
    }
}

/** Runs the body for each kind, with fresh `ends`; those that it leaves are closed afterwards. */
#define EACH_STREAM(kind, options, ends)                                                           \
    for (const struct stream_kind *kind = stream_kinds;                                            \
         kind < stream_kinds + sizeof stream_kinds / sizeof *stream_kinds; kind++)                 \
        for (struct weft_stream * ends[3] = {NULL, NULL, NULL};                                    \
             !ends[2] && (kind->make((options), ends), 1);                                         \
             close_streams(ends), ends[2] = (struct weft_stream *)ends)

/** Writes a text. */
MAYBE_UNUSED static void say(struct weft_stream *stream, const char *text)
{
    CHECK_EQ(weft_stream_write_all(stream, text, strlen(text)), 0);
}

/** Reads as many bytes as a text has, and compares. */
MAYBE_UNUSED static void hear(struct weft_stream *stream, const char *text)
{
    char bytes[256];
    CHECK(strlen(text) < sizeof bytes);
    CHECK_EQ(weft_stream_read_exactly(stream, bytes, strlen(text)), 0);
    CHECK_MEM(bytes, text, strlen(text));
}

/** Reads until the end, and gives how many bytes there were. */
MAYBE_UNUSED static size_t hear_all(struct weft_stream *stream)
{
    char bytes[5000];
    size_t total = 0;
    ssize_t n;
    while ((n = weft_stream_read(stream, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    CHECK_EQ(n, 0);
    return total;
}

/** A pattern that shows any byte that is lost, doubled or moved. */
MAYBE_UNUSED static void fill_pattern(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 + i / 4093);
}

#endif
