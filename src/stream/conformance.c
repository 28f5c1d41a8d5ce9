/* SPDX-License-Identifier: MIT */
/*
 * conformance.c: the rules that every kind of stream keeps, as a program
 *
 * Each rule is a function that gets a fresh pair and stops at the first thing that is not as the
 * header says. A rule knows nothing of the kind but that a half-close may be missing, and nothing
 * of what lies between the two ends: that may hold any number of bytes, so what must wait is tried
 * until it does. Nothing is timed but what must not happen: those waits are short, and a machine
 * that is too slow for them makes a rule easier to pass, never harder.
 *
 * It stands here and not with the test kit, whose folder knows how the loop is made, because it
 * needs nothing but the public calls.
 */
#include "base/assert.h"
#include "stream/internal.h"

#include <string.h>
#include <weft/scope.h>
#include <weft/task.h>
#include <weft/testing.h>

/** How long is waited for what must not happen. */
#define MOMENT (5 * WEFT_MS)
/** How long a rule may take. */
#define PATIENCE (20 * WEFT_SEC)
/** More than fits between two ends, one hopes; who never waits takes all of it. */
#define FLOOD ((size_t)64 << 20)
/** So many writes in a row that get nothing away mean that there is no room. */
#define VAIN_WRITES 4

/** A pair under test. */
struct trial {
    /** The ends. */
    struct weft_stream *ends[2];
    /** What it is about, in words. */
    const char *rule;
    /** Something was not as it must be. */
    bool failed;
};

/** Notes what is not as it must be; only the first counts. */
static bool expect(struct trial *trial, bool good, const char *text, int line)
{
    if (good || trial->failed)
        return good;
    trial->failed = true;
    const struct weft_stream *stream = trial->ends[0] ? trial->ends[0] : trial->ends[1];
    weft__report("stream kind \"%s\": %s: line %d of conformance.c: %s",
                 stream ? weft_stream_kind(stream) : "?", trial->rule, line, text);
    return false;
}

#define EXPECT(trial, x) expect((trial), (x), #x, __LINE__)

/** The byte at a place of a long text that shows what is lost, doubled or moved. */
static char pattern(size_t i)
{
    return (char)(i * 7 + i / 251);
}

/** A task that moves many bytes. */
struct mover {
    /** What it is part of. */
    struct trial *trial;
    /** Its stream. */
    struct weft_stream *stream;
    /** How many bytes. */
    size_t total;
    /** How many at a time, at most. */
    size_t step;
};

static int send_pattern(void *arg)
{
    const struct mover *mover = arg;
    char bytes[1024];
    size_t done = 0;
    int rc = 0;
    while (rc == 0 && done < mover->total) {
        size_t len = mover->total - done < mover->step ? mover->total - done : mover->step;
        for (size_t i = 0; i < len; i++)
            bytes[i] = pattern(done + i);
        rc = weft_stream_write_all(mover->stream, bytes, len);
        done += len;
    }
    (void)EXPECT(mover->trial, rc == 0);
    return rc;
}

static int receive_pattern(void *arg)
{
    const struct mover *mover = arg;
    char bytes[1024];
    size_t done = 0;
    while (done < mover->total) {
        size_t len = mover->total - done < mover->step ? mover->total - done : mover->step;
        ssize_t n = weft_stream_read(mover->stream, bytes, len);
        if (!EXPECT(mover->trial, n > 0 && (size_t)n <= len))
            return n < 0 ? (int)n : -EPROTO;
        for (size_t i = 0; i < (size_t)n; i++)
            if (!EXPECT(mover->trial, bytes[i] == pattern(done + i)))
                return -EPROTO;
        done += (size_t)n;
    }
    return 0;
}

/** Sends a pattern from end 1 to end 0, and the other way too if `both`. */
static void move_pattern(struct trial *trial, size_t total, size_t step, bool both)
{
    struct mover movers[2][2];
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i <= both; i++)
        for (int j = 0; j < 2; j++) {
            movers[i][j] = (struct mover){trial, trial->ends[i == j], total, step};
            (void)weft_go_fn(&scope, j ? receive_pattern : send_pattern, &movers[i][j]);
        }
    int rc = weft_scope_exit(&scope, 0);
    (void)EXPECT(trial, rc == 0);
}

/** A call that a task makes meanwhile. */
struct meanwhile {
    /** The stream. */
    struct weft_stream *stream;
    /** What was read. */
    char bytes[64];
    /** How many. */
    size_t len;
    /** What the call gave. */
    ssize_t result;
};

static int read_meanwhile(void *arg)
{
    struct meanwhile *call = arg;
    call->result = weft_stream_read(call->stream, call->bytes, call->len);
    return 0;
}

/** One call that has far more to write than there is room for. Over a network some of it may go out
 *  by itself some time later; that must not let the call return. */
static int flood_meanwhile(void *arg)
{
    enum { PIECES = 256 };
    static char zeros[16384];
    struct meanwhile *call = arg;
    struct iovec pieces[PIECES];
    for (int i = 0; i < PIECES; i++)
        pieces[i] = (struct iovec){zeros, sizeof zeros};
    call->result = weft_stream_writev_all(call->stream, pieces, PIECES);
    return 0;
}

/** Sends until a write has to wait; how many bytes that were. On a busy machine a moment may pass
 *  before the loop has heard that there is room, so it takes a few of them in a row. */
static size_t flood(struct trial *trial, struct weft_stream *stream)
{
    static const char zeros[16384];
    size_t total = 0;
    for (int vain = 0; total < FLOOD;) {
        ssize_t n = weft_within(MOMENT, weft_stream_write(stream, zeros, sizeof zeros));
        if (n == -ETIMEDOUT && ++vain == VAIN_WRITES)
            return total;
        if (n == -ETIMEDOUT)
            continue;
        if (!EXPECT(trial, n > 0))
            return 0;
        total += (size_t)n;
        vain = 0;
    }
    (void)EXPECT(trial, !"a write waits when nobody reads");
    return 0;
}

/** Reads to the end; how many bytes, or what the last read gave. */
static ssize_t read_to_the_end(struct weft_stream *stream)
{
    char bytes[4096];
    ssize_t total = 0;
    for (;;) {
        ssize_t n = weft_stream_read(stream, bytes, sizeof bytes);
        if (n <= 0)
            return n < 0 ? n : total;
        total += n;
    }
}

/** Closes one end. */
static int close_end(struct trial *trial, int which)
{
    struct weft_stream *stream = trial->ends[which];
    trial->ends[which] = NULL;
    return weft_stream_close(stream);
}

/* The rules. */

static void many_bytes(struct trial *trial)
{
    move_pattern(trial, 1 << 20, 1000, false);
}

static void both_ways(struct trial *trial)
{
    move_pattern(trial, 1 << 18, 777, true);
}

static void one_at_a_time(struct trial *trial)
{
    move_pattern(trial, 600, 1, true);
}

static void vectors(struct trial *trial)
{
    char bytes[100];
    char got[100];
    struct iovec list[80];
    size_t used = 0;
    for (size_t i = 0; i < 80; i++) {
        size_t len = i % 3 == 2 || used + i % 3 > sizeof bytes ? 0 : i % 3 + 1;
        len = used + len > sizeof bytes ? 0 : len;
        list[i] = (struct iovec){bytes + used, len};
        used += len;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(i);
    if (!EXPECT(trial, weft_stream_writev_all(trial->ends[0], list, 80) == 0) ||
        !EXPECT(trial, weft_stream_read_exactly(trial->ends[1], got, used) == 0))
        return;
    (void)EXPECT(trial, memcmp(got, bytes, used) == 0);
}

static void a_read_waits(struct trial *trial)
{
    struct meanwhile call = {.stream = trial->ends[0], .len = 8, .result = 1000};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)weft_go_fn(&scope, read_meanwhile, &call);
    (void)EXPECT(trial, weft_sleep(MOMENT) == 0);
    (void)EXPECT(trial, call.result == 1000);
    (void)EXPECT(trial, weft_stream_write_all(trial->ends[1], "abc", 3) == 0);
    (void)EXPECT(trial, weft_scope_exit(&scope, 0) == 0);
    (void)EXPECT(trial, call.result > 0 && memcmp(call.bytes, "abc", (size_t)call.result) == 0);
}

static void a_cut_read(struct trial *trial)
{
    char bytes[8] = "";
    ssize_t n = weft_within(MOMENT, weft_stream_read(trial->ends[0], bytes, sizeof bytes));
    if (!EXPECT(trial, n == -ETIMEDOUT) ||
        !EXPECT(trial, weft_stream_write_all(trial->ends[1], "ab", 2) == 0))
        return;
    n = weft_within(MOMENT, weft_stream_read_exactly(trial->ends[0], bytes, 3));
    if (!EXPECT(trial, n == -ETIMEDOUT) ||
        !EXPECT(trial, weft_stream_write_all(trial->ends[1], "c", 1) == 0))
        return;
    n = weft_stream_read_exactly(trial->ends[0], bytes, 3);
    (void)EXPECT(trial, n == 0 && memcmp(bytes, "abc", 3) == 0);
}

static void a_refused_call(struct trial *trial)
{
    char bytes[4] = "";
    struct weft_scope scope;
    if (!EXPECT(trial, weft_stream_write_all(trial->ends[1], "abc", 3) == 0))
        return;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    (void)EXPECT(trial, weft_stream_read(trial->ends[0], bytes, 3) == -ECANCELED);
    (void)EXPECT(trial, weft_stream_write(trial->ends[1], "x", 1) == -ECANCELED);
    (void)EXPECT(trial, trial->ends[0]->ops->read(trial->ends[0]->self, bytes, 3) == -ECANCELED);
    (void)EXPECT(trial, weft_scope_exit(&scope, 0) == 0);
    (void)EXPECT(trial, weft_stream_read_exactly(trial->ends[0], bytes, 3) == 0);
    (void)EXPECT(trial, memcmp(bytes, "abc", 3) == 0);
    (void)EXPECT(trial,
                 weft_within(MOMENT, weft_stream_read(trial->ends[0], bytes, 1)) == -ETIMEDOUT);
}

static void a_write_waits(struct trial *trial)
{
    size_t total = flood(trial, trial->ends[0]);
    char bytes[4096];
    while (total > 0 && !trial->failed) {
        ssize_t n = weft_stream_read(trial->ends[1], bytes, sizeof bytes);
        if (EXPECT(trial, n > 0 && (size_t)n <= total))
            total -= (size_t)n;
    }
    if (trial->failed)
        return;
    (void)EXPECT(trial, weft_stream_write_all(trial->ends[0], "abc", 3) == 0);
    (void)EXPECT(trial, weft_stream_read_exactly(trial->ends[1], bytes, 3) == 0);
    (void)EXPECT(trial, memcmp(bytes, "abc", 3) == 0);
}

static void a_half_close(struct trial *trial)
{
    char bytes[8];
    if (!EXPECT(trial, weft_stream_write_all(trial->ends[0], "abc", 3) == 0))
        return;
    int rc = weft_stream_shutdown(trial->ends[0]);
    if (rc == -ENOTSUP || !EXPECT(trial, rc == 0))
        return;
    (void)EXPECT(trial, read_to_the_end(trial->ends[1]) == 3);
    (void)EXPECT(trial, trial->ends[1]->ops->read(trial->ends[1]->self, bytes, 8) == 0);
    (void)EXPECT(trial, weft_stream_write(trial->ends[0], "x", 1) == -EPIPE);
    (void)EXPECT(trial, weft_stream_shutdown(trial->ends[0]) == 0);
    (void)EXPECT(trial, weft_stream_write_all(trial->ends[1], "abc", 3) == 0);
    (void)EXPECT(trial, weft_stream_read_exactly(trial->ends[0], bytes, 3) == 0);
}

static void a_close_is_an_end(struct trial *trial)
{
    (void)EXPECT(trial, weft_stream_put(trial->ends[0], "abc", 3) == 0);
    (void)EXPECT(trial, close_end(trial, 0) == 0);
    (void)EXPECT(trial, read_to_the_end(trial->ends[1]) == 3);
}

static void a_close_ends_writes(struct trial *trial)
{
    static const char zeros[4096];
    ssize_t n = 1;
    (void)EXPECT(trial, close_end(trial, 0) == 0);
    for (size_t total = 0; n > 0 && total < FLOOD; total += (size_t)n)
        n = weft_stream_write(trial->ends[1], zeros, sizeof zeros);
    (void)EXPECT(trial, n == -EPIPE || n == -ECONNRESET);
}

static void a_close_wakes_both(struct trial *trial)
{
    struct meanwhile reader = {.stream = trial->ends[0], .len = 8};
    struct meanwhile writer = {.stream = trial->ends[0]};
    struct weft_scope scope;
    (void)flood(trial, trial->ends[0]);
    weft_scope_enter(&scope, WEFT_FOREVER);
    (void)weft_go_fn(&scope, read_meanwhile, &reader);
    (void)weft_go_fn(&scope, flood_meanwhile, &writer);
    (void)EXPECT(trial, weft_sleep(MOMENT) == 0);
    (void)EXPECT(trial, close_end(trial, 0) == 0);
    (void)EXPECT(trial, weft_scope_exit(&scope, 0) == 0);
    (void)EXPECT(trial, reader.result == -WEFT_ECLOSED);
    (void)EXPECT(trial, writer.result == -WEFT_ECLOSED);
}

static void an_abort(struct trial *trial)
{
    char byte;
    (void)flood(trial, trial->ends[0]);
    weft_stream_abort(trial->ends[0]);
    (void)EXPECT(trial, weft_stream_read(trial->ends[0], &byte, 1) == -WEFT_ECLOSED);
    (void)EXPECT(trial, weft_stream_write(trial->ends[0], &byte, 1) == -WEFT_ECLOSED);
    (void)EXPECT(trial, weft_stream_flush(trial->ends[0]) == -WEFT_ECLOSED);
    /* With a reset or, where there is none, with an end after what had come. */
    ssize_t n = read_to_the_end(trial->ends[1]);
    (void)EXPECT(trial, n >= 0 || n == -ECONNRESET || n == -EPIPE);
    (void)EXPECT(trial, close_end(trial, 0) == 0);
}

/** A rule. */
struct rule {
    /** In words. */
    const char *words;
    /** Tries it. */
    void (*check)(struct trial *trial);
};

static const struct rule rules[] = {
    {"bytes come whole and in order", many_bytes},
    {"both ways at once", both_ways},
    {"one byte at a time", one_at_a_time},
    {"vectors come one after the other", vectors},
    {"a read waits for bytes", a_read_waits},
    {"a cut read loses nothing", a_cut_read},
    {"a cancelled task is refused, and nothing happens", a_refused_call},
    {"a write waits for a reader, and goes on with one", a_write_waits},
    {"a half-close is an end, and leaves the other way open", a_half_close},
    {"a close is an end after what was sent", a_close_is_an_end},
    {"writes to a closed end fail", a_close_ends_writes},
    {"a close wakes who reads and who writes", a_close_wakes_both},
    {"an abort ends both sides", an_abort},
};

/** Tries a rule on a fresh pair: 1 it is broken, 0, or negative. */
static int try_rule(const struct rule *rule, weft_testing_pair_fn *make, void *arg)
{
    struct trial trial = {.rule = rule->words};
    struct weft_scope scope;
    int rc = make(arg, &trial.ends[0], &trial.ends[1]);
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, PATIENCE);
    rule->check(&trial);
    rc = weft_scope_exit(&scope, 0);
    (void)expect(&trial, rc != -ETIMEDOUT, "a call did not come back", 0);
    for (int i = 0; i < 2; i++)
        (void)weft_stream_close(trial.ends[i]);
    /* What was refused says nothing of the kind. */
    return rc == -ECANCELED ? rc : trial.failed;
}

int weft_testing_stream_conformance(weft_testing_pair_fn *make, void *arg)
{
    int broken = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int rc = weft_wait_begin();
        if (rc == 0)
            rc = try_rule(&rules[i], make, arg);
        if (rc < 0)
            return rc;
        broken += rc;
    }
    return broken;
}
