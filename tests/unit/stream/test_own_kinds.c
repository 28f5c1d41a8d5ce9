/* SPDX-License-Identifier: MIT */
/*
 * test_own_kinds.c: kinds of streams that a program brings, with as little as a table may have
 *
 * What is optional and missing, or lies beyond the size of an older table, is -ENOTSUP or not
 * called; what a kind's functions return reaches the caller, and an end is remembered while a
 * refusal is not. Also what a dump says of those who wait for a stream.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "stream_test.h"

#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/mman.h>

/** What the functions of a kind give. */
struct script {
    /** What read gives. */
    ssize_t read;
    /** What writev gives; 0: all of the first vector. */
    ssize_t written;
    /** What send_fds and send_file give. */
    ssize_t sent;
    /** What shutdown and close give. */
    int ended;
    /** How often read was called. */
    int reads;
    /** A reader stays inside until this is set. */
    bool stay;
};

static ssize_t script_read(void *self, void *buf, size_t len)
{
    struct script *script = self;
    script->reads++;
    while (script->stay)
        CHECK_EQ(weft_yield(), 0);
    if (script->read > 0 && (size_t)script->read <= len)
        memset(buf, 'r', (size_t)script->read);
    return script->read;
}

static ssize_t script_writev(void *self, const struct iovec *vectors, int count)
{
    const struct script *script = self;
    CHECK(count > 0);
    return script->written ? script->written : (ssize_t)vectors->iov_len;
}

static int script_end(void *self)
{
    const struct script *script = self;
    return script->ended;
}

static ssize_t script_send_fds(void *self, const int *fds, size_t count, const void *buf,
                               size_t len)
{
    const struct script *script = self;
    CHECK(fds && count && buf && len);
    return script->sent;
}

static ssize_t script_send_file(void *self, int fd, int64_t offset, size_t len)
{
    const struct script *script = self;
    CHECK(fd >= 0 && offset >= 0 && len);
    return script->sent;
}

static void must_not_be_called(void *self)
{
    FAIL("an entry beyond the table of %p was called", self);
}

static const struct weft_stream_ops bare_ops = {.size = sizeof bare_ops,
                                                .kind = "bare",
                                                .read = script_read,
                                                .writev = script_writev,
                                                .close = script_end};

/** As it was compiled with a header that ended after close. */
static const struct weft_stream_ops old_ops = {.size = offsetof(struct weft_stream_ops, free),
                                               .kind = "old",
                                               .read = script_read,
                                               .writev = script_writev,
                                               .close = script_end,
                                               .free = must_not_be_called,
                                               .abort = must_not_be_called,
                                               .send_fds = script_send_fds,
                                               .send_file = script_send_file};

static const struct weft_stream_ops full_ops = {.size = sizeof full_ops,
                                                .kind = "full",
                                                .read = script_read,
                                                .writev = script_writev,
                                                .shutdown = script_end,
                                                .close = script_end,
                                                .send_fds = script_send_fds,
                                                .send_file = script_send_file};

static struct weft_stream *stream_of(const struct weft_stream_ops *ops, struct script *script)
{
    struct weft_stream *stream = NULL;
    CHECK_EQ(weft_stream_new(ops, script, NULL, &stream), 0);
    CHECK_STR(weft_stream_kind(stream), ops->kind);
    return stream;
}

TASK_TEST(a_table_without_read_writev_or_close_is_refused)
{
    struct weft_stream_ops ops[3] = {bare_ops, bare_ops, bare_ops};
    struct weft_stream *stream = NULL;
    struct script script = {0};
    ops[0].read = NULL;
    ops[1].writev = NULL;
    ops[2].close = NULL;
    for (int i = 0; i < 3; i++)
        CHECK_ERR(weft_stream_new(&ops[i], &script, NULL, &stream), -EINVAL);
    CHECK(stream == NULL);
}

TASK_TEST(what_a_kind_lacks_is_not_supported)
{
    const struct weft_stream_ops *tables[] = {&bare_ops, &old_ops};
    for (int i = 0; i < 2; i++) {
        struct weft_address address;
        struct script script = {0};
        struct weft_stream *stream = stream_of(tables[i], &script);
        int fd = 0;
        CHECK_ERR(weft_stream_shutdown(stream), -ENOTSUP);
        CHECK_ERR(weft_stream_fd(stream), -ENOTSUP);
        CHECK_ERR(weft_stream_detach(stream), -ENOTSUP);
        CHECK_ERR(weft_stream_local_address(stream, &address), -ENOTSUP);
        CHECK_ERR(weft_stream_peer_address(stream, &address), -ENOTSUP);
        CHECK_ERR(weft_stream_recv_fd(stream), -ENOTSUP);
        CHECK_ERR(weft_stream_send_fds(stream, &fd, 1, "x", 1), -ENOTSUP);
        weft_stream_abort(stream);
        weft_stream_abort(stream);
        CHECK_ERR(weft_stream_fd(stream), -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_detach(stream), -WEFT_ECLOSED);
        CHECK_ERR(weft_stream_peer_address(stream, &address), -WEFT_ECLOSED);
        CHECK_EQ(weft_stream_close(stream), 0);
    }
}

TASK_TEST(an_end_is_remembered_and_a_refusal_is_not)
{
    static const int refusals[] = {-ENOMEM, -EBUSY, -ECANCELED};
    struct script script = {0};
    struct weft_stream *stream = stream_of(&bare_ops, &script);
    char byte;
    char *text = NULL;
    for (int i = 0; i < 3; i++) {
        script.read = refusals[i];
        CHECK_ERR(weft_stream_read(stream, &byte, 1), refusals[i]);
    }
    script.read = 2;
    CHECK_EQ(weft_stream_peek(stream, &text), 2);
    CHECK_MEM(text, "rr", 2);
    hear(stream, "rr");
    text = NULL;
    script.read = -EIO;
    CHECK_ERR(weft_stream_peek(stream, &text), -EIO);
    script.read = 1;
    CHECK_ERR(weft_stream_read(stream, &byte, 1), -EIO);
    CHECK(text == NULL);
    CHECK_EQ(script.reads, 5);
    CHECK_EQ(weft_stream_close(stream), 0);
}

TASK_TEST(a_shutdown_that_fails_leaves_writes_possible_and_a_close_tells_its_failure)
{
    struct script script = {.ended = -EIO};
    struct weft_stream *stream = stream_of(&full_ops, &script);
    CHECK_ERR(weft_stream_shutdown(stream), -EIO);
    say(stream, "x");
    CHECK_ERR(weft_stream_close(stream), -EIO);
}

TASK_TEST(descriptors_go_with_the_first_bytes_and_the_rest_follows)
{
    struct script script = {.sent = 1};
    struct weft_stream *stream = stream_of(&full_ops, &script);
    int fd = 0;
    CHECK_EQ(weft_stream_send_fds(stream, &fd, 1, "abcde", 5), 0);
    script.sent = -EIO;
    CHECK_ERR(weft_stream_send_fds(stream, &fd, 1, "abcde", 5), -EIO);
    say(stream, "x");
    script.sent = 1;
    script.written = -EIO;
    CHECK_ERR(weft_stream_send_fds(stream, &fd, 1, "abcde", 5), -EIO);
    CHECK_ERR(weft_stream_write_all(stream, "x", 1), -EPIPE);
    CHECK_EQ(weft_stream_close(stream), 0);
    stream = stream_of(&full_ops, &script);
    CHECK_EQ(weft_stream_put(stream, "before", 6), 0);
    CHECK_ERR(weft_stream_send_fds(stream, &fd, 1, "abcde", 5), -EIO);
    CHECK_ERR(weft_stream_close(stream), -EIO);
}

TASK_TEST(a_file_goes_the_way_that_the_kind_knows)
{
    struct script script = {.sent = 4};
    struct weft_stream *stream = stream_of(&full_ops, &script);
    int fd = memfd_create("weft-test", MFD_CLOEXEC);
    CHECK_OK(fd);
    CHECK_EQ(ftruncate(fd, 10), 0);
    CHECK_EQ(weft_stream_send_file(stream, fd, 0, 8), 8);
    script.sent = 0;
    CHECK_EQ(weft_stream_send_file(stream, fd, 0, 8), 0);
    script.sent = -ENOSYS;
    CHECK_EQ(weft_stream_send_file(stream, fd, 4, WEFT_STREAM_ALL), 6);
    CHECK_ERR(weft_stream_send_file(stream, fd, 0, -1), -EINVAL);
    CHECK_ERR(weft_stream_send_file(stream, -1, 0, 1), -EBADF);
    script.sent = -EIO;
    CHECK_ERR(weft_stream_send_file(stream, fd, 0, 8), -EIO);
    say(stream, "x");
    CHECK_EQ(weft_stream_close(stream), 0);
    close(fd);
}

TASK_TEST(a_relay_between_kinds_without_a_half_close_ends_with_both)
{
    struct script script = {0};
    struct weft_stream *a = stream_of(&bare_ops, &script);
    struct weft_stream *b = stream_of(&bare_ops, &script);
    CHECK_EQ(weft_stream_relay(a, b, NULL), 0);
    CHECK_EQ(weft_stream_close(a), 0);
    CHECK_EQ(weft_stream_close(b), 0);
}

TASK_TEST(a_text_longer_than_the_buffer_is_formatted_whole)
{
    struct weft_stream *ends[2];
    char *line;
    make_memory(NULL, ends);
    CHECK_EQ(weft_stream_printf(ends[0], "%9000d\n", 7), 9001);
    CHECK_EQ(weft_stream_flush(ends[0]), 0);
    CHECK_EQ(weft_stream_read_line(ends[1], &line), 9001);
    CHECK_STR(line + 8998, " 7\n");
    close_streams(ends);
}

TASK_TEST(a_silence_of_many_hours_is_the_longest_that_the_kernel_knows)
{
    const struct weft_stream_options alive = {.keepalive_idle = 20 * WEFT_HOUR};
    struct weft_stream *ends[2];
    int value = 0;
    socklen_t size = sizeof value;
    if (test_engine_is("sim"))
        SKIP("the simulated kernel has no keep-alive");
    make_tcp(&alive, ends);
    CHECK_EQ(getsockopt(weft_stream_fd(ends[0]), IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
    CHECK_EQ(value, 32767);
    close_streams(ends);
}

TASK_TEST(standard_error_is_borrowed_and_bad_options_open_nothing)
{
    const struct weft_stream_options wrong = {.high_water = 10, .low_water = 11};
    struct weft_stream *stream = NULL;
    if (test_engine_is("sim"))
        SKIP("nobody can wait for a real descriptor in a simulated world");
    CHECK_ERR(weft_stream_stderr(&wrong, &stream), -EINVAL);
    CHECK(stream == NULL);
    CHECK_EQ(weft_stream_stderr(NULL, &stream), 0);
    CHECK(weft_stream_fd(stream) != STDERR_FILENO);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_OK(fcntl(STDERR_FILENO, F_GETFD));
}

/* What a dump says. */

static void check_dump(const char *expected)
{
    char text[8192];
    int dump[2];
    CHECK_EQ(pipe(dump), 0);
    weft_dump(weft_loop_current(), dump[1]);
    ssize_t n = read(dump[0], text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    CHECK_CONTAINS(text, expected);
    close(dump[0]);
    close(dump[1]);
}

static int read_byte(struct weft_stream *stream)
{
    char byte;
    ssize_t n = weft_stream_read(stream, &byte, 1);
    return n == -WEFT_ECLOSED ? 0 : (int)n;
}
WEFT_TASK(read_byte, struct weft_stream *);

static int write_much(struct weft_stream *stream)
{
    static const char much[100];
    return weft_stream_write_all(stream, much, sizeof much);
}
WEFT_TASK(write_much, struct weft_stream *);

static int close_it(struct weft_stream *stream)
{
    return weft_stream_close(stream);
}
WEFT_TASK(close_it, struct weft_stream *);

TASK_TEST(a_dump_names_those_who_wait_for_a_stream_in_memory)
{
    const struct weft_stream_options small = {.high_water = 10};
    struct weft_stream *ends[2];
    struct weft_scope s;
    CHECK_EQ(weft_stream_pair(&small, &ends[0], &ends[1]), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, read_byte, ends[0]);
    weft_go(&s, write_much, ends[0]);
    settle();
    check_dump("to read from a stream in memory");
    check_dump("to write to a stream in memory");
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    weft_stream_abort(ends[0]);
    CHECK_EQ(weft_stream_close(ends[0]), 0);
    CHECK_EQ(weft_stream_close(ends[1]), 0);
}

TASK_TEST(a_dump_names_who_waits_for_others_to_leave_a_stream)
{
    struct script script = {.stay = true};
    struct weft_stream *stream = stream_of(&bare_ops, &script);
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, read_byte, stream);
    settle();
    weft_go(&s, close_it, stream);
    settle();
    check_dump("for others to leave a closed bare stream");
    script.stay = false;
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
