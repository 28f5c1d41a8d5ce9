/* SPDX-License-Identifier: MIT */
/*
 * test_read.c: the reading calls of streams
 *
 * Each test states one sentence of weft/stream.h about reading, for every kind of stream where it
 * holds for all: what comes, what a limit does, what a cut leaves, what an end is.
 */
#include "stream_test.h"

static int say_later(struct weft_stream *stream, const char *text)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    say(stream, text);
    return 0;
}
WEFT_TASK(say_later, struct weft_stream *, const char *);

TASK_TEST(a_read_gives_what_is_there_and_waits_when_there_is_nothing)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char bytes[16];
        struct weft_scope s;
        say(ends[1], "abc");
        CHECK_EQ(weft_stream_read(ends[0], bytes, sizeof bytes), 3);
        CHECK_MEM(bytes, "abc", 3);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, say_later, ends[1], "defg");
        CHECK_EQ(weft_stream_read(ends[0], bytes, 2), 2);
        CHECK_MEM(bytes, "de", 2);
        CHECK_EQ(weft_stream_buffered(ends[0]), 2);
        CHECK_EQ(weft_stream_read(ends[0], bytes, sizeof bytes), 2);
        CHECK_MEM(bytes, "fg", 2);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(a_read_of_nothing_gives_nothing_at_once)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char none;
        CHECK_EQ(weft_stream_read(ends[0], &none, 0), 0);
        CHECK_EQ(weft_stream_read_exactly(ends[0], &none, 0), 0);
    }
}

TASK_TEST(the_end_comes_after_what_was_sent_and_every_time_after)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char bytes[16];
        char *line;
        say(ends[1], "abc");
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_EQ(weft_stream_read(ends[0], bytes, sizeof bytes), 3);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(weft_stream_read(ends[0], bytes, sizeof bytes), 0);
            CHECK_EQ(weft_stream_read_line(ends[0], &line), 0);
            CHECK_EQ(weft_stream_read_until(ends[0], "\r\n", 2, &line), 0);
            CHECK_ERR(weft_stream_read_exactly(ends[0], bytes, 1), -WEFT_EINCOMPLETE);
        }
    }
}

TASK_TEST(a_line_has_its_newline_and_a_0_and_the_last_one_may_lack_it)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char *line = NULL;
        say(ends[1], "one\n\nthree");
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 4);
        CHECK_STR(line, "one\n");
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 1);
        CHECK_STR(line, "\n");
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 5);
        CHECK_STR(line, "three");
        char *before = line;
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 0);
        CHECK(line == before);
    }
}

TASK_TEST(the_0_after_a_piece_costs_no_byte_of_what_follows)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char *piece;
        char bytes[8];
        say(ends[1], "a,b,cd");
        CHECK_EQ(weft_stream_read_until(ends[0], ",", 1, &piece), 2);
        CHECK_STR(piece, "a,");
        CHECK_EQ(weft_stream_read_until(ends[0], ",", 1, &piece), 2);
        CHECK_STR(piece, "b,");
        CHECK_EQ(weft_stream_read(ends[0], bytes, sizeof bytes), 2);
        CHECK_MEM(bytes, "cd", 2);
    }
}

static int say_slowly(struct weft_stream *stream, const char *text)
{
    for (; *text; text++) {
        CHECK_EQ(weft_stream_write_all(stream, text, 1), 0);
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}
WEFT_TASK(say_slowly, struct weft_stream *, const char *);

TASK_TEST(a_separator_is_found_wherever_the_bytes_were_cut)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char *piece = NULL;
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, say_slowly, ends[1], "a\r\r\nb\r\n\r\nc\n\r\n");
        CHECK_EQ(weft_stream_read_until(ends[0], "\r\n", 2, &piece), 4);
        CHECK_STR(piece, "a\r\r\n");
        CHECK_EQ(weft_stream_read_until(ends[0], "\r\n\r\n", 4, &piece), 5);
        CHECK_STR(piece, "b\r\n\r\n");
        CHECK_EQ(weft_stream_read_until(ends[0], "\r\n", 2, &piece), 4);
        CHECK_STR(piece, "c\n\r\n");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(a_piece_longer_than_the_limit_is_an_error_and_stays)
{
    const struct weft_stream_options options = {.limit = 4};
    EACH_STREAM(kind, &options, ends)
    {
        char *line = NULL;
        say(ends[1], "abc\nabcd\nx");
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 4);
        for (int i = 0; i < 2; i++)
            CHECK_ERR(weft_stream_read_line(ends[0], &line), -EMSGSIZE);
        hear(ends[0], "abcd\n");
        say(ends[1], "\n");
        CHECK_EQ(weft_stream_read_line(ends[0], &line), 2);
        CHECK_STR(line, "x\n");
    }
}

TASK_TEST(an_end_without_the_separator_is_an_error_and_what_came_stays)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char *piece;
        say(ends[1], "abc");
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_ERR(weft_stream_read_until(ends[0], ";", 1, &piece), -WEFT_EINCOMPLETE);
        CHECK_ERR(weft_stream_read_until(ends[0], "", 0, &piece), -EINVAL);
        hear(ends[0], "abc");
    }
}

TASK_TEST(an_end_before_so_many_bytes_is_an_error_and_what_came_stays)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char bytes[8];
        say(ends[1], "abc");
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_ERR(weft_stream_read_exactly(ends[0], bytes, 4), -WEFT_EINCOMPLETE);
        CHECK_EQ(weft_stream_buffered(ends[0]), 3);
        hear(ends[0], "abc");
    }
}

static int read_line_for_ever(struct weft_stream *stream)
{
    char *line;
    CHECK_ERR(weft_stream_read_line(stream, &line), -ECANCELED);
    return -ECANCELED;
}
WEFT_TASK(read_line_for_ever, struct weft_stream *);

TASK_TEST(a_read_that_is_cut_loses_nothing)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char bytes[8];
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_line_for_ever, ends[0]);
        say(ends[1], "abc");
        turn();
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_read_exactly(ends[0], bytes, 4)), -ETIMEDOUT);
        say(ends[1], "d");
        hear(ends[0], "abcd");
    }
}

TASK_TEST(a_second_reader_is_refused_and_a_writer_is_not)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char byte;
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_line_for_ever, ends[0]);
        turn();
        CHECK_ERR(weft_stream_read(ends[0], &byte, 1), -EBUSY);
        say(ends[0], "x");
        hear(ends[1], "x");
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

/** More than any buffer between two ends holds. */
static char much[3 << 20];
static char got[sizeof much];

static int say_much(struct weft_stream *stream)
{
    CHECK_EQ(weft_stream_write_all(stream, much, sizeof much), 0);
    return 0;
}
WEFT_TASK(say_much, struct weft_stream *);

TASK_TEST(exactly_may_be_far_more_than_the_limit)
{
    const struct weft_stream_options options = {.limit = 16};
    fill_pattern(much, sizeof much);
    EACH_STREAM(kind, &options, ends)
    {
        struct weft_scope s;
        memset(got, 0, sizeof got);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, say_much, ends[1]);
        CHECK_EQ(weft_stream_read_exactly(ends[0], got, sizeof got), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_MEM(got, much, sizeof much);
    }
}
