/* SPDX-License-Identifier: MIT */
/*
 * test_copy.c: from one stream to another
 *
 * Copies and relays: an echo, so many bytes and no more, what a cut leaves on either side, and how
 * an end travels through a relay in each direction.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "stream_test.h"

#include <sys/mman.h>
#include <weft/testing.h>

static int copy_all(struct weft_stream *from, struct weft_stream *to)
{
    return (int)weft_stream_copy(from, to, WEFT_STREAM_ALL);
}
WEFT_TASK(copy_all, struct weft_stream *, struct weft_stream *);

TASK_TEST(a_copy_of_a_stream_to_itself_is_an_echo)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        struct weft_task *task;
        int total = 0;
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_EQ(weft_spawn(&s, &task, copy_all, ends[0], ends[0]), 0);
        say(ends[1], "hello");
        hear(ends[1], "hello");
        say(ends[1], "again");
        hear(ends[1], "again");
        CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
        CHECK_EQ(weft_join(task, &total), 0);
        CHECK_EQ(total, 10);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(a_copy_of_so_many_bytes_leaves_the_rest)
{
    EACH_STREAM(kind, NULL, ends)
    {
        say(ends[1], "abcdef");
        CHECK_EQ(weft_stream_copy(ends[0], ends[0], 4), 4);
        hear(ends[1], "abcd");
        hear(ends[0], "ef");
        CHECK_EQ(weft_stream_copy(ends[0], ends[0], 0), 0);
    }
}

TASK_TEST(a_copy_that_is_cut_keeps_what_was_not_taken)
{
    static char much[1 << 20];
    fill_pattern(much, sizeof much);
    EACH_STREAM(kind, NULL, ends)
    {
        const struct weft_stream_options small = {.high_water = 1000};
        struct weft_stream *out[2];
        static char got[3000];
        make_memory(&small, out);
        CHECK_EQ(weft_stream_write_all(ends[1], much, sizeof got), 0);
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_copy(ends[0], out[0], WEFT_STREAM_ALL)),
                  -ETIMEDOUT);
        CHECK_EQ(weft_stream_read_exactly(out[1], got, 1000), 0);
        CHECK_EQ(weft_stream_copy(ends[0], out[0], 500), 500);
        CHECK_EQ(weft_stream_read_exactly(out[1], got + 1000, 500), 0);
        CHECK_EQ(weft_stream_read_exactly(ends[0], got + 1500, 1500), 0);
        CHECK_MEM(got, much, sizeof got);
        close_streams(out);
    }
}

TASK_TEST(a_copy_sends_first_what_was_put)
{
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_EQ(weft_stream_put(ends[0], "first ", 6), 0);
        say(ends[1], "then");
        CHECK_EQ(weft_stream_copy(ends[0], ends[0], 4), 4);
        hear(ends[1], "first then");
    }
}

/** Much, on its way through a copy that is cut again and again. */
static char much[8 << 20];
static char arrived[sizeof much];

static int say_much(struct weft_stream *stream)
{
    CHECK_EQ(weft_stream_write_all(stream, much, sizeof much), 0);
    return weft_stream_shutdown(stream);
}
WEFT_TASK(say_much, struct weft_stream *);

static int hear_much(struct weft_stream *stream)
{
    CHECK_EQ(weft_stream_read_exactly(stream, arrived, sizeof arrived), 0);
    CHECK_EQ(hear_all(stream), 0);
    return 0;
}
WEFT_TASK(hear_much, struct weft_stream *);

/** Copies all, with so many cuts on the way at most. */
static void copy_in_cuts(struct weft_stream *from, struct weft_stream *to, int cuts)
{
    int64_t n;
    do {
        weft_ns piece = cuts-- > 0 ? 100 * WEFT_US : WEFT_FOREVER;
        n = (int64_t)weft_within(piece, (ssize_t)weft_stream_copy(from, to, WEFT_STREAM_ALL));
    } while (n == -ETIMEDOUT);
    CHECK(n >= 0);
    CHECK_EQ(weft_stream_shutdown(to), 0);
}

/** Between non-blocking sockets, where SIGPIPE is harmless, the kernel moves the bytes. */
static void check_much(int cuts)
{
    signal(SIGPIPE, SIG_IGN);
    fill_pattern(much, sizeof much);
    EACH_STREAM(kind, NULL, in)
    {
        struct weft_stream *out[2];
        struct weft_scope s;
        kind->make(NULL, out);
        memset(arrived, 0, sizeof arrived);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, say_much, in[1]);
        weft_go(&s, hear_much, out[1]);
        copy_in_cuts(in[0], out[0], cuts);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_MEM(arrived, much, sizeof much);
        close_streams(out);
    }
}

TASK_TEST(a_copy_of_much_loses_and_doubles_nothing)
{
    check_much(0);
}

TASK_TEST(a_copy_of_much_that_is_cut_again_and_again_loses_nothing)
{
    check_much(200);
}

/** Counts the calls of the test below. */
static struct weft_testing_faults counted;

/** Much from one Unix socket to another; what is there when it begins fills any buffer. */
static void copy_between_sockets(void)
{
    struct weft_stream *in[2];
    struct weft_stream *out[2];
    struct weft_scope s;
    make_unix(NULL, in);
    make_unix(NULL, out);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, say_much, in[1]);
    weft_go(&s, hear_much, out[1]);
    settle();
    copy_in_cuts(in[0], out[0], 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_MEM(arrived, much, sizeof much);
    close_streams(in);
    close_streams(out);
}

/** The same from a file. */
static void send_to_a_socket(void)
{
    struct weft_stream *out[2];
    struct weft_scope s;
    int fd = memfd_create("weft-test", MFD_CLOEXEC);
    CHECK_OK(fd);
    CHECK_EQ(write(fd, much, sizeof much), sizeof much);
    make_tcp(NULL, out);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, hear_much, out[1]);
    CHECK_EQ(weft_stream_send_file(out[0], fd, 0, WEFT_STREAM_ALL), sizeof much);
    CHECK_EQ(weft_stream_shutdown(out[0]), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_MEM(arrived, much, sizeof much);
    close_streams(out);
    CHECK_EQ(close(fd), 0);
}

/** Moves bytes both ways, and looks whether the kernel has ever moved any. */
static void check_moved_in_kernel(bool moved)
{
    copy_between_sockets();
    send_to_a_socket();
    CHECK_EQ(counted.calls[WEFT_TESTING_CALL_SPLICE] > 0, moved);
    CHECK_EQ(counted.calls[WEFT_TESTING_CALL_SENDFILE] > 0, moved);
}

/** A terminal in raw mode has a handler that puts it back, and then the process ends all the same.
 */
static void check_with_raw_terminal(void)
{
    struct weft_terminal *terminal;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(slave >= 0);
    CHECK_EQ(weft_terminal_open(NULL, slave, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    check_moved_in_kernel(false);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    close(slave);
    close(master);
}

static int copy_and_count(void *arg)
{
    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    check_moved_in_kernel(false);
    check_with_raw_terminal();
    signal(SIGPIPE, SIG_IGN);
    check_moved_in_kernel(true);
    return 0;
}

TEST_EACH_ENGINE(much_is_moved_in_the_kernel_unless_that_could_raise_a_signal)
{
    struct weft_loop_options options = {.backend = test_engine(), .sys = &counted.sys};
    struct weft_loop *loop = NULL;
    if (test_engine_is("sim"))
        SKIP("the bytes of a simulated world are in no kernel");
    fill_pattern(much, sizeof much);
    weft_testing_faults_init(&counted, NULL);
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, copy_and_count, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

TASK_TEST(a_copy_of_so_much_stops_in_the_middle_of_a_stream)
{
    signal(SIGPIPE, SIG_IGN);
    fill_pattern(much, sizeof much);
    EACH_STREAM(kind, NULL, in)
    {
        struct weft_stream *out[2];
        struct weft_scope s;
        kind->make(NULL, out);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, say_much, in[1]);
        weft_go(&s, hear_much, out[1]);
        CHECK_EQ(weft_stream_copy(in[0], out[0], 5000001), 5000001);
        copy_in_cuts(in[0], out[0], 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_MEM(arrived, much, sizeof much);
        close_streams(out);
    }
}

static int relay(struct weft_stream *a, struct weft_stream *b, uint64_t *moved)
{
    return weft_stream_relay(a, b, moved);
}
WEFT_TASK(relay, struct weft_stream *, struct weft_stream *, uint64_t *);

TASK_TEST(a_relay_moves_both_ways_and_passes_each_end_on)
{
    EACH_STREAM(kind, NULL, left)
    {
        struct weft_stream *right[2];
        struct weft_scope s;
        uint64_t moved[2] = {10, 20};
        kind->make(NULL, right);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, relay, left[1], right[0], moved);
        say(left[0], "question");
        CHECK_EQ(weft_stream_shutdown(left[0]), 0);
        hear(right[1], "question");
        CHECK_EQ(hear_all(right[1]), 0);
        say(right[1], "the answer");
        CHECK_EQ(weft_stream_shutdown(right[1]), 0);
        hear(left[0], "the answer");
        CHECK_EQ(hear_all(left[0]), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_EQ(moved[0], 10 + 8);
        CHECK_EQ(moved[1], 20 + 10);
        close_streams(right);
    }
}

static int abort_later(struct weft_stream *stream)
{
    turn();
    weft_stream_abort(stream);
    return 0;
}
WEFT_TASK(abort_later, struct weft_stream *);

TASK_TEST(a_failure_in_one_direction_ends_a_relay)
{
    struct weft_stream *left[2];
    struct weft_stream *right[2];
    struct weft_scope s;
    make_memory(NULL, left);
    make_memory(NULL, right);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, abort_later, right[1]);
    CHECK_ERR(weft_stream_relay(left[1], right[0], NULL), -ECONNRESET);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close_streams(left);
    close_streams(right);
}

TASK_TEST(a_relay_that_is_cancelled_leaves_both_streams_usable)
{
    EACH_STREAM(kind, NULL, left)
    {
        struct weft_stream *right[2];
        kind->make(NULL, right);
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_relay(left[1], right[0], NULL)), -ETIMEDOUT);
        say(left[0], "x");
        hear(left[1], "x");
        say(right[0], "y");
        hear(right[1], "y");
        close_streams(right);
    }
}
