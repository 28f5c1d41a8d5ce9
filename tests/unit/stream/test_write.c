/* SPDX-License-Identifier: MIT */
/*
 * test_write.c: the writing calls of streams
 *
 * Writing at once and through the buffer, in one piece and in vectors; what waits for whom, what a
 * cut leaves, and the half-close. Copies and relays are in test_copy.c.
 */
#include "stream_test.h"

/** More than any buffer between two ends holds. */
static char much[24 << 20];

static int write_much(struct weft_stream *stream)
{
    return weft_stream_write_all(stream, much, sizeof much);
}
WEFT_TASK(write_much, struct weft_stream *);

TASK_TEST(write_all_waits_until_all_is_handed_over)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        struct weft_task *task;
        int rc = 1;
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_EQ(weft_spawn(&s, &task, write_much, ends[1]), 0);
        turn();
        CHECK(!weft_task_ended(task));
        for (size_t total = 0; total < sizeof much;) {
            char bytes[65536];
            ssize_t n = weft_stream_read(ends[0], bytes, sizeof bytes);
            CHECK(n > 0);
            total += (size_t)n;
        }
        CHECK_EQ(weft_join(task, &rc), 0);
        CHECK_EQ(rc, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(vectors_are_written_one_after_the_other)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char a[] = "abc", b[] = "", c[] = "de";
        struct iovec vectors[200] = {{b, 0}, {a, 3}, {b, 0}, {c, 2}};
        CHECK_EQ(weft_stream_writev_all(ends[1], vectors, 4), 0);
        hear(ends[0], "abcde");
        for (size_t i = 0; i < 200; i++)
            vectors[i] = (struct iovec){i % 2 ? a : c, 1};
        CHECK_EQ(weft_stream_writev_all(ends[1], vectors, 200), 0);
        for (int i = 0; i < 100; i++)
            hear(ends[0], "da");
        CHECK_ERR(weft_stream_writev_all(ends[1], vectors, -1), -EINVAL);
        CHECK_EQ(weft_stream_writev_all(ends[1], vectors, 0), 0);
    }
}

TASK_TEST(what_was_put_goes_out_with_a_flush_or_before_a_write)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char byte;
        CHECK_EQ(weft_stream_put(ends[1], "abc", 3), 0);
        CHECK_EQ(weft_stream_printf(ends[1], "%d,%s", 7, "x"), 3);
        CHECK_EQ(weft_stream_unsent(ends[1]), 6);
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_read(ends[0], &byte, 1)), -ETIMEDOUT);
        CHECK_EQ(weft_stream_flush(ends[1]), 0);
        hear(ends[0], "abc7,x");
        CHECK_EQ(weft_stream_put(ends[1], "1", 1), 0);
        CHECK_EQ(weft_stream_write(ends[1], "2", 1), 1);
        CHECK_EQ(weft_stream_put(ends[1], "3", 1), 0);
        say(ends[1], "4");
        CHECK_EQ(weft_stream_put(ends[1], "5", 1), 0);
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        hear(ends[0], "12345");
        CHECK_EQ(hear_all(ends[0]), 0);
    }
}

TASK_TEST(printf_writes_texts_of_any_length)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_EQ(weft_stream_printf(ends[1], "%9000d|", 1), 9001);
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_EQ(hear_all(ends[0]), 9001);
    }
}

TASK_TEST(after_a_half_close_reading_goes_on_and_writes_fail)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_ERR(weft_stream_write_all(ends[1], "x", 1), -EPIPE);
        CHECK_ERR(weft_stream_put(ends[1], "x", 1), -EPIPE);
        CHECK_EQ(hear_all(ends[0]), 0);
        say(ends[0], "abc");
        hear(ends[1], "abc");
    }
}

TASK_TEST(a_write_that_is_cut_after_its_first_byte_breaks_the_write_side)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_ERR(weft_within(WEFT_MS, write_much(ends[1])), -ETIMEDOUT);
        CHECK_ERR(weft_stream_write_all(ends[1], "x", 1), -EPIPE);
        say(ends[0], "abc");
        hear(ends[1], "abc");
        CHECK_EQ(weft_stream_close(ends[0]), 0);
        CHECK_EQ(weft_stream_close(ends[1]), 0);
        ends[0] = ends[1] = NULL;
    }
}

TASK_TEST(a_write_that_is_refused_does_nothing)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_scope_cancel(&s, 0);
        CHECK_ERR(weft_stream_write_all(ends[1], "x", 1), -ECANCELED);
        CHECK_ERR(weft_stream_put(ends[1], "x", 1), -ECANCELED);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        say(ends[1], "y");
        hear(ends[0], "y");
    }
}

/** Puts pieces until one has to wait, at a time when nobody reads. */
static int put_until_it_waits(struct weft_stream *stream, size_t *puts)
{
    static const char piece[1024];
    for (;;) {
        int rc = weft_stream_put(stream, piece, sizeof piece);
        if (rc < 0)
            return rc;
        ++*puts;
    }
}
WEFT_TASK(put_until_it_waits, struct weft_stream *, size_t *);

static int shut_down(struct weft_stream *stream)
{
    return weft_stream_shutdown(stream);
}
WEFT_TASK(shut_down, struct weft_stream *);

TASK_TEST(a_put_waits_above_the_high_mark_until_the_low_one)
{
    const struct weft_stream_options options = {.high_water = 8192, .low_water = 2048};
    EACH_STREAM(kind, &options, ends)
    {
        struct weft_scope s;
        size_t puts = 0;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, put_until_it_waits, ends[1], &puts);
        for (size_t before = 1; before != puts;) {
            before = puts;
            turn();
        }
        CHECK(puts >= 9);
        CHECK(weft_stream_unsent(ends[1]) <= 8192 + 1024);
        CHECK(weft_stream_unsent(ends[1]) > 2048);
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        /* A put that was cut took nothing, and nothing that was put is lost. */
        size_t unsent = weft_stream_unsent(ends[1]);
        size_t total = 0;
        while (total < puts * 1024 - unsent) {
            char bytes[4096];
            ssize_t n = weft_stream_read(ends[0], bytes, sizeof bytes);
            CHECK(n > 0);
            total += (size_t)n;
        }
        CHECK_EQ(total, puts * 1024 - unsent);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, shut_down, ends[1]);
        CHECK_EQ(hear_all(ends[0]), unsent);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

/** Takes bytes past the buffer of the stream, so that the marks are seen. */
static ssize_t take_some(struct weft_stream *stream, size_t len)
{
    static char bytes[8192];
    return weft_stream_read(stream, bytes, len);
}

TASK_TEST(a_full_pair_in_memory_takes_nothing_before_the_low_mark)
{
    const struct weft_stream_options options = {.high_water = 20000, .low_water = 5000};
    static const char bytes[20000];
    struct weft_stream *ends[2];
    make_memory(&options, ends);
    CHECK_EQ(weft_stream_write(ends[0], bytes, sizeof bytes), 20000);
    CHECK_EQ(take_some(ends[1], 8192), 8192);
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_write(ends[0], bytes, 1)), -ETIMEDOUT);
    CHECK_EQ(take_some(ends[1], 6807), 6807);
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_write(ends[0], bytes, 1)), -ETIMEDOUT);
    CHECK_EQ(take_some(ends[1], 4096), 4096);
    CHECK_EQ(weft_stream_write(ends[0], bytes, 1), 1);
    close_streams(ends);
}
