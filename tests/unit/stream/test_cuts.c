/* SPDX-License-Identifier: MIT */
/*
 * test_cuts.c: every waiting call of streams, refused and cut
 *
 * One list of calls, each made on a pair where it must wait: refused by a scope that was cancelled
 * before, it does nothing; cut by a deadline, it says so; and afterwards the pair works, except
 * that a write which had begun has broken its side. Closed by another task, each gives
 * -WEFT_ECLOSED.
 */
#include "stream_test.h"

/** More than any buffer between two ends holds. */
static char much[24 << 20];

/** How much that is; a simulated kernel holds little, and copies all that it is offered. */
static size_t much_len(void)
{
    return test_engine_is("sim") ? 1 << 20 : sizeof much;
}

/** A waiting call that waits for the other side. */
struct call {
    /** For messages. */
    const char *name;
    /** The call, on a stream and one that is not in its way. */
    int64_t (*make)(struct weft_stream *stream, struct weft_stream *other);
    /** It writes: nobody reads what it wrote. */
    bool writes;
    /** Cut in the middle, it breaks the write side. */
    bool breaks;
};

static int64_t call_read(struct weft_stream *stream, struct weft_stream *other)
{
    char byte;
    (void)other;
    return weft_stream_read(stream, &byte, 1);
}

static int64_t call_read_exactly(struct weft_stream *stream, struct weft_stream *other)
{
    char bytes[100];
    (void)other;
    return weft_stream_read_exactly(stream, bytes, sizeof bytes);
}

static int64_t call_read_until(struct weft_stream *stream, struct weft_stream *other)
{
    char *piece;
    (void)other;
    return weft_stream_read_until(stream, "\r\n", 2, &piece);
}

static int64_t call_read_line(struct weft_stream *stream, struct weft_stream *other)
{
    char *line;
    (void)other;
    return weft_stream_read_line(stream, &line);
}

static int64_t call_peek(struct weft_stream *stream, struct weft_stream *other)
{
    char *bytes;
    (void)other;
    return weft_stream_peek(stream, &bytes);
}

static int64_t call_copy(struct weft_stream *stream, struct weft_stream *other)
{
    return weft_stream_copy(stream, other, WEFT_STREAM_ALL);
}

static int64_t call_relay(struct weft_stream *stream, struct weft_stream *other)
{
    return weft_stream_relay(stream, other, NULL);
}

static int64_t call_write_all(struct weft_stream *stream, struct weft_stream *other)
{
    (void)other;
    return weft_stream_write_all(stream, much, much_len());
}

static int64_t call_writev_all(struct weft_stream *stream, struct weft_stream *other)
{
    const struct iovec vectors[2] = {{much, 1000}, {much, much_len()}};
    (void)other;
    return weft_stream_writev_all(stream, vectors, 2);
}

static int64_t call_write(struct weft_stream *stream, struct weft_stream *other)
{
    int64_t n;
    (void)other;
    do
        n = weft_stream_write(stream, much, much_len());
    while (n > 0);
    return n;
}

static int64_t call_put(struct weft_stream *stream, struct weft_stream *other)
{
    int rc;
    (void)other;
    do
        rc = weft_stream_put(stream, much, 1 << 16);
    while (rc == 0);
    return rc;
}

static int64_t call_printf(struct weft_stream *stream, struct weft_stream *other)
{
    int rc;
    (void)other;
    do
        rc = weft_stream_printf(stream, "%65536d", 1);
    while (rc > 0);
    return rc;
}

/** Puts all in one piece, which takes no waiting, and then makes a call that must send it. */
static int64_t put_and(struct weft_stream *stream, int (*then)(struct weft_stream *stream))
{
    int rc = weft_stream_put(stream, much, much_len());
    return rc < 0 ? rc : then(stream);
}

static int64_t call_flush(struct weft_stream *stream, struct weft_stream *other)
{
    (void)other;
    return put_and(stream, weft_stream_flush);
}

static int64_t call_shutdown(struct weft_stream *stream, struct weft_stream *other)
{
    (void)other;
    return put_and(stream, weft_stream_shutdown);
}

static const struct call calls[] = {
    {"read", call_read, false, false},
    {"read_exactly", call_read_exactly, false, false},
    {"read_until", call_read_until, false, false},
    {"read_line", call_read_line, false, false},
    {"peek", call_peek, false, false},
    {"copy", call_copy, false, false},
    {"relay", call_relay, false, false},
    {"write_all", call_write_all, true, true},
    {"writev_all", call_writev_all, true, true},
    {"write", call_write, true, false},
    {"put", call_put, true, false},
    {"printf", call_printf, true, false},
    {"flush", call_flush, true, false},
    {"shutdown", call_shutdown, true, false},
};

#define EACH_CALL(call)                                                                            \
    for (const struct call *call = calls; call < calls + sizeof calls / sizeof *calls; call++)

/** The kinds that are made quickly, and a stream that is in nobody's way. */
#define EACH_PAIR_AND_OTHER(kind, ends, others)                                                    \
    EACH_STREAM(kind, NULL, ends)                                                                  \
    for (struct weft_stream * others[3] = {NULL, NULL, NULL};                                      \
         !others[2] && (make_memory(NULL, others), 1);                                             \
         close_streams(others), others[2] = (struct weft_stream *)others)

TASK_TEST(every_call_is_refused_by_a_cancelled_scope_and_does_nothing)
{
    EACH_CALL(call)
    EACH_PAIR_AND_OTHER(kind, ends, others)
    {
        struct weft_scope s;
        say(ends[1], "abc");
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_scope_cancel(&s, 0);
        CHECK_ERR(call->make(ends[0], others[0]), -ECANCELED);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        hear(ends[0], "abc");
        say(ends[0], "def");
        hear(ends[1], "def");
    }
}

/** Takes all that is on its way out of an end, without waiting for an end of it. */
static void take_all(struct weft_stream *stream)
{
    static char bytes[65536];
    while (weft_within(5 * WEFT_MS, weft_stream_read(stream, bytes, sizeof bytes)) > 0)
        continue;
}

static int take_all_the_time(struct weft_stream *stream)
{
    static char bytes[65536];
    while (weft_stream_read(stream, bytes, sizeof bytes) > 0)
        continue;
    return 0;
}
WEFT_TASK(take_all_the_time, struct weft_stream *);

TASK_TEST(every_call_is_cut_by_a_deadline_and_the_rest_works)
{
    EACH_CALL(call)
    EACH_PAIR_AND_OTHER(kind, ends, others)
    {
        struct weft_scope s;
        CHECK_ERR((ssize_t)weft_within(WEFT_MS, (ssize_t)call->make(ends[0], others[0])),
                  -ETIMEDOUT);
        say(ends[1], "abc");
        hear(ends[0], "abc");
        if (!call->writes) {
            say(ends[0], "def");
            hear(ends[1], "def");
            continue;
        }
        take_all(ends[1]);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, take_all_the_time, ends[1]);
        CHECK_ERR(weft_stream_write_all(ends[0], "x", 1), call->breaks ? -EPIPE : 0);
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

static int make_call(const struct call *call, struct weft_stream *stream, struct weft_stream *other,
                     int64_t *result)
{
    *result = call->make(stream, other);
    return 0;
}
WEFT_TASK(make_call, __typeof__(const struct call *), struct weft_stream *, struct weft_stream *,
          int64_t *);

TASK_TEST(every_call_is_told_when_another_task_closes_the_stream)
{
    EACH_CALL(call)
    EACH_PAIR_AND_OTHER(kind, ends, others)
    {
        struct weft_scope s;
        int64_t result = 1;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, make_call, call, ends[0], others[0], &result);
        for (int i = 0; i < 3; i++)
            turn();
        CHECK_EQ(result, 1);
        (void)!weft_stream_close(ends[0]);
        ends[0] = NULL;
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(result, -WEFT_ECLOSED);
    }
}

TASK_TEST(only_one_call_of_a_kind_is_in_a_stream)
{
    EACH_CALL(call)
    EACH_PAIR_AND_OTHER(kind, ends, others)
    {
        struct weft_scope s;
        int64_t result = 1;
        char byte;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, make_call, call, ends[0], others[0], &result);
        for (int i = 0; i < 3; i++)
            turn();
        CHECK_EQ(result, 1);
        if (call->writes)
            CHECK_ERR(weft_stream_write_all(ends[0], "x", 1), -EBUSY);
        else
            CHECK_ERR(weft_stream_read(ends[0], &byte, 1), -EBUSY);
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(result, -ECANCELED);
        /* Nobody reads what was put. */
        weft_stream_abort(ends[0]);
    }
}
