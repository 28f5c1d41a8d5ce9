/* SPDX-License-Identifier: MIT */
/*
 * test_close.c: how a stream ends
 *
 * Closing with bytes unsent, with others inside, under cancellation and twice over; aborting;
 * taking the descriptor out; and what the other side is told in each case.
 */
#include "stream_test.h"

TASK_TEST(closing_nothing_is_fine)
{
    CHECK_EQ(weft_stream_close(NULL), 0);
}

TASK_TEST(a_close_sends_what_was_put)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_EQ(weft_stream_put(ends[0], "abc", 3), 0);
        CHECK_EQ(weft_stream_close(ends[0]), 0);
        ends[0] = NULL;
        hear(ends[1], "abc");
        CHECK_EQ(hear_all(ends[1]), 0);
    }
}

/** Reads until something other than bytes comes, and gives that. */
static ssize_t last_word(struct weft_stream *stream)
{
    char bytes[4096];
    ssize_t n;
    while ((n = weft_stream_read(stream, bytes, sizeof bytes)) > 0)
        continue;
    return n;
}

/** The other side hears of a reset, where a kind can tell: not in pipes and Unix sockets. */
static void check_reset(const struct stream_kind *kind, struct weft_stream *stream)
{
    ssize_t last = last_word(stream);
    if (strcmp(kind->name, "tcp") == 0 || strcmp(kind->name, "memory") == 0)
        CHECK_ERR(last, -ECONNRESET);
    else
        CHECK(last == 0 || last == -ECONNRESET);
}

TASK_TEST(a_close_under_cancellation_drops_what_was_put_and_resets)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        CHECK_EQ(weft_stream_put(ends[0], "abc", 3), 0);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_scope_cancel(&s, 0);
        CHECK_ERR(weft_stream_close(ends[0]), -ECANCELED);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        ends[0] = NULL;
        check_reset(kind, ends[1]);
    }
}

TASK_TEST(a_close_after_a_write_that_was_cut_resets)
{
    static char much[24 << 20];
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_write_all(ends[0], much, sizeof much)),
                  -ETIMEDOUT);
        CHECK_EQ(weft_stream_close(ends[0]), 0);
        ends[0] = NULL;
        check_reset(kind, ends[1]);
    }
}

TASK_TEST(a_failure_is_told_by_every_later_read_after_what_came_before_it)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char byte;
        weft_stream_abort(ends[0]);
        ssize_t first = weft_stream_read(ends[1], &byte, 1);
        CHECK(first == 0 || first == -ECONNRESET);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(weft_stream_read(ends[1], &byte, 1), first);
    }
}

static int fill_and_close(struct weft_stream *stream)
{
    static const char much[24 << 20];
    CHECK_EQ(weft_stream_put(stream, much, sizeof much), 0);
    return weft_stream_close(stream);
}

TASK_TEST(a_close_waits_for_a_slow_reader_and_a_deadline_ends_that)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_ERR(weft_within(WEFT_MS, fill_and_close(ends[0])), -ETIMEDOUT);
        ends[0] = NULL;
        check_reset(kind, ends[1]);
    }
}

static int read_one(struct weft_stream *stream, ssize_t *result)
{
    char byte;
    *result = weft_stream_read(stream, &byte, 1);
    return 0;
}
WEFT_TASK(read_one, struct weft_stream *, ssize_t *);

static int read_and_close(struct weft_stream *stream)
{
    char byte;
    CHECK_ERR(weft_stream_read(stream, &byte, 1), -WEFT_ECLOSED);
    CHECK_OK(weft_stream_close(stream));
    return 0;
}
WEFT_TASK(read_and_close, struct weft_stream *);

/* On io_uring an abort waits until the kernel has given the read back; the reader runs first. */
TASK_TEST(a_close_waits_for_one_who_aborts)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_and_close, ends[0]);
        turn();
        weft_stream_abort(ends[0]);
        ends[0] = NULL;
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(an_abort_wakes_who_reads_and_a_close_still_frees)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        ssize_t result = 1;
        char byte;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_one, ends[0], &result);
        turn();
        weft_stream_abort(ends[0]);
        weft_stream_abort(ends[0]);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(result, -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_read(ends[0], &byte, 1), -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_put(ends[0], &byte, 1), -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_fd(ends[0]), -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_detach(ends[0]), -WEFT_ECLOSED);
    }
}

TASK_TEST(a_close_by_another_task_waits_until_the_reader_has_left)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        ssize_t result = 1;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_one, ends[0], &result);
        turn();
        CHECK_EQ(weft_stream_close(ends[0]), 0);
        ends[0] = NULL;
        CHECK_ERR(result, -WEFT_ECLOSED);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(a_descriptor_that_is_detached_goes_on)
{
    EACH_STREAM(kind, NULL, ends)
    {
        int fd = weft_stream_fd(ends[0]);
        if (fd < 0 || strcmp(kind->name, "two pipes") == 0) {
            CHECK_ERR(weft_stream_detach(ends[0]), -ENOTSUP);
            continue;
        }
        CHECK_EQ(weft_stream_put(ends[0], "x", 1), 0);
        CHECK_ERR(weft_stream_detach(ends[0]), -ENOTEMPTY);
        CHECK_EQ(weft_stream_flush(ends[0]), 0);
        CHECK_EQ(weft_stream_detach(ends[0]), fd);
        ends[0] = NULL;
        put(fd, "yz");
        hear(ends[1], "xyz");
        CHECK_EQ(weft_close(fd), 0);
        CHECK_EQ(hear_all(ends[1]), 0);
    }
}

TASK_TEST(a_stream_in_use_is_not_detached)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        ssize_t result = 1;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_one, ends[0], &result);
        turn();
        CHECK_ERR(weft_stream_detach(ends[0]), -EBUSY);
        say(ends[1], "x");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

/* After a loop has ended there is no task to close in. */

static struct weft_stream *kept;

static int keep_a_stream(void *arg)
{
    struct weft_stream *other;
    (void)arg;
    CHECK_EQ(weft_stream_pair(NULL, &kept, &other), 0);
    CHECK_EQ(weft_stream_close(other), 0);
    return 0;
}

TEST_EACH_ENGINE(a_stream_can_be_closed_outside_tasks)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, keep_a_stream, NULL), 0);
    CHECK_EQ(weft_stream_close(kept), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}
