/* SPDX-License-Identifier: MIT */
/*
 * test_stream.c: streams under many schedules
 *
 * Two ends exchange numbered lines while their calls are cut at random, interrupted, delayed and
 * shortened: every line must arrive once, whole and in order. Then one end is reset, closed or
 * cancelled after every number of bytes of an exchange, and the other must be told and come to its
 * end. Bytes trickle in one at a time, and a relay stands between.
 */
#include "flaky.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 40 };

/** Makes two ends of a kind that the seed chooses, with marks that it chooses. */
static int make_pair(struct weft_stream *ends[2])
{
    const struct weft_stream_options options = {
        .limit = 64, .high_water = 1 + seeds_dice(200), .low_water = 0};
    int fds[4];
    switch (seeds_dice(3)) {
    case 0:
        return weft_stream_pair(&options, &ends[0], &ends[1]);
    case 1:
        EXPECT_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        EXPECT_EQ(weft_stream_from_fd(fds[0], &options, &ends[0]), 0);
        return weft_stream_from_fd(fds[1], &options, &ends[1]);
    default:
        EXPECT_EQ(weft_pipe(fds), 0);
        EXPECT_EQ(weft_pipe(fds + 2), 0);
        EXPECT_EQ(weft_stream_from_fds(fds[0], fds[3], &options, &ends[0]), 0);
        return weft_stream_from_fds(fds[2], fds[1], &options, &ends[1]);
    }
}

static void close_pair(struct weft_stream *ends[2])
{
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(weft_stream_close(ends[i]), 0);
}

/* --- Lines ----------------------------------------------------------------------------------- */

/** The streams of the running seed. */
static struct weft_stream *pair[2];

/** Puts a line; calls that are cut took nothing and are made again. */
static int put_line(struct worker *worker, struct weft_stream *stream, int number)
{
    char line[64];
    int len = snprintf(line, sizeof line, "%d %.*s\n", number, (int)seeds_dice(40),
                       "........................................");
    for (;;) {
        flaky_enter(worker);
        int rc = weft_stream_put(stream, line, (size_t)len);
        flaky_exit(worker);
        if (rc != -ECANCELED)
            return rc;
    }
}

/** Sends what was put; what a cut leaves is sent by the next one. */
static int flush(struct worker *worker, struct weft_stream *stream)
{
    for (;;) {
        flaky_enter(worker);
        int rc = weft_stream_flush(stream);
        flaky_exit(worker);
        if (rc != -ECANCELED)
            return rc;
    }
}

static int writes_lines(void *arg)
{
    struct worker *worker = arg;
    struct weft_stream *stream = pair[worker->number % 2];
    for (int i = 0; i < LINES; i++) {
        EXPECT_EQ(put_line(worker, stream, i), 0);
        if (seeds_dice(3) == 0)
            EXPECT_EQ(flush(worker, stream), 0);
    }
    EXPECT_EQ(flush(worker, stream), 0);
    EXPECT_EQ(weft_stream_shutdown(stream), 0);
    return worker_ends();
}

static int reads_lines(void *arg)
{
    struct worker *worker = arg;
    struct weft_stream *stream = pair[worker->number % 2];
    int next = 0;
    for (;;) {
        char *line;
        flaky_enter(worker);
        ssize_t n = weft_stream_read_line(stream, &line);
        /* It is good until the next call, cut or not. */
        int number = n > 0 ? atoi(line) : -1;
        flaky_exit(worker);
        if (n == -ECANCELED)
            continue;
        EXPECT(n >= 0);
        if (n <= 0)
            break;
        EXPECT_EQ(number, next++);
    }
    EXPECT_EQ(next, LINES);
    return worker_ends();
}

SCENARIO(lines_arrive_once_and_in_order_whatever_is_cut)
{
    struct weft_scope scope;
    EXPECT_EQ(make_pair(pair), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    working = 4;
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.number = i};
        EXPECT_EQ(weft_go_fn(&scope, i < 2 ? writes_lines : reads_lines, &workers[i]), 0);
    }
    for (int i = 4; i < WORKERS; i++)
        workers[i] = (struct worker){.number = i};
    EXPECT_EQ(weft_go_fn(&scope, meddle, NULL), 0);
    int rc = weft_scope_exit(&scope, 0);
    close_pair(pair);
    return rc;
}

/* --- Ends at every byte ---------------------------------------------------------------------- */

/** An exchange: a question of so many bytes, and an answer of as many. */
enum { QUESTION = 12 };

/** A client that goes away. */
struct leaver {
    /** Its stream. */
    struct weft_stream *stream;
    /** After how many bytes, sent and then received. */
    int after;
};

static int leaves(void *arg)
{
    const struct leaver *leaver = arg;
    char byte = 'q';
    for (int i = 0; i < leaver->after; i++) {
        int rc = i < QUESTION ? weft_stream_write_all(leaver->stream, &byte, 1)
                              : weft_stream_read_exactly(leaver->stream, &byte, 1);
        EXPECT_EQ(rc, 0);
    }
    if (seeds_dice(2))
        weft_stream_abort(leaver->stream);
    EXPECT_EQ(weft_stream_close(leaver->stream), 0);
    return 0;
}

/** Answers questions until the other side is gone, and says how it learned of that. */
static int answers(struct weft_stream *stream)
{
    char bytes[QUESTION];
    int rc;
    while ((rc = weft_stream_read_exactly(stream, bytes, sizeof bytes)) == 0) {
        rc = weft_stream_write_all(stream, bytes, sizeof bytes);
        if (rc < 0)
            return rc;
    }
    return rc;
}

SCENARIO(a_connection_may_end_after_every_byte)
{
    for (int after = 0; after <= 2 * QUESTION; after++) {
        struct weft_stream *ends[2];
        struct weft_scope scope;
        EXPECT_EQ(make_pair(ends), 0);
        struct leaver leaver = {ends[1], after};
        weft_scope_enter(&scope, WEFT_FOREVER);
        EXPECT_EQ(weft_go_fn(&scope, leaves, &leaver), 0);
        int rc = answers(ends[0]);
        EXPECT(rc == -WEFT_EINCOMPLETE || rc == -EPIPE || rc == -ECONNRESET);
        EXPECT_EQ(weft_scope_exit(&scope, 0), 0);
        EXPECT_EQ(weft_stream_close(ends[0]), 0);
    }
    return 0;
}

/* --- A relay --------------------------------------------------------------------------------- */

enum { BYTES = 3000 };

static int trickles(void *arg)
{
    struct weft_stream *stream = arg;
    for (int sent = 0; sent < BYTES;) {
        char bytes[100];
        int len = 1 + (int)seeds_dice(seeds_dice(2) ? 1 : sizeof bytes);
        len = len < BYTES - sent ? len : BYTES - sent;
        for (int i = 0; i < len; i++)
            bytes[i] = (char)((sent + i) % 251);
        EXPECT_EQ(weft_stream_write_all(stream, bytes, (size_t)len), 0);
        sent += len;
    }
    return weft_stream_shutdown(stream);
}

static int gathers(void *arg)
{
    struct weft_stream *stream = arg;
    char bytes[300];
    int got = 0;
    ssize_t n;
    while ((n = weft_stream_read(stream, bytes, 1 + seeds_dice(sizeof bytes))) > 0)
        for (ssize_t i = 0; i < n; i++)
            EXPECT_EQ(bytes[i], (char)(got++ % 251));
    EXPECT_EQ(n, 0);
    EXPECT_EQ(got, BYTES);
    return 0;
}

SCENARIO(a_relay_changes_nothing)
{
    struct weft_stream *left[2];
    struct weft_stream *right[2];
    struct weft_scope scope;
    uint64_t moved[2] = {0, 0};
    EXPECT_EQ(make_pair(left), 0);
    EXPECT_EQ(make_pair(right), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(weft_go_fn(&scope, trickles, i ? left[0] : right[1]), 0);
        EXPECT_EQ(weft_go_fn(&scope, gathers, i ? left[0] : right[1]), 0);
    }
    EXPECT_EQ(weft_stream_relay(left[1], right[0], moved), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT(moved[0] == BYTES && moved[1] == BYTES);
    close_pair(left);
    close_pair(right);
    return rc;
}
