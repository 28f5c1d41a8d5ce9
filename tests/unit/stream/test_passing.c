/* SPDX-License-Identifier: MIT */
/*
 * test_passing.c: descriptors over Unix sockets, and files into streams
 *
 * Descriptors arrive with the bytes that they were sent with, however the reader reads ahead; their
 * number is bounded. A file goes out from any offset, by the kernel or through a buffer.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "stream_test.h"

#include <sys/mman.h>

static const struct weft_stream_options passing = {.flags = WEFT_STREAM_PASS_FDS};

static void needs_a_kernel(void)
{
    if (test_engine_is("sim"))
        SKIP("the simulated kernel passes no descriptors");
}

/** The writing end of a pipe is in `fds[1]`; whether `fd` is the same pipe's. */
static void check_same_pipe(int reader, int fd)
{
    char byte = 0;
    CHECK_EQ(write(fd, "!", 1), 1);
    CHECK_EQ(read(reader, &byte, 1), 1);
    CHECK_EQ(byte, '!');
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

TASK_TEST(descriptors_arrive_beside_the_bytes_although_the_reader_reads_ahead)
{
    struct weft_stream *ends[2];
    int pipe_fds[2];
    char *line;
    needs_a_kernel();
    make_unix(&passing, ends);
    CHECK_EQ(pipe(pipe_fds), 0);
    int two[2] = {pipe_fds[1], pipe_fds[1]};
    CHECK_EQ(weft_stream_put(ends[1], "before\n", 7), 0);
    CHECK_EQ(weft_stream_send_fds(ends[1], two, 2, "with\n", 5), 0);
    say(ends[1], "after\n");
    CHECK_EQ(weft_stream_read_line(ends[0], &line), 7);
    check_same_pipe(pipe_fds[0], weft_stream_recv_fd(ends[0]));
    check_same_pipe(pipe_fds[0], weft_stream_recv_fd(ends[0]));
    CHECK_EQ(weft_stream_read_line(ends[0], &line), 5);
    CHECK_STR(line, "with\n");
    hear(ends[0], "after\n");
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_recv_fd(ends[0])), -ETIMEDOUT);
    CHECK_EQ(weft_stream_shutdown(ends[1]), 0);
    CHECK_ERR(weft_stream_recv_fd(ends[0]), -WEFT_EINCOMPLETE);
    close_streams(ends);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TASK_TEST(waiting_for_a_descriptor_buffers_no_more_than_the_limit)
{
    const struct weft_stream_options options = {.flags = WEFT_STREAM_PASS_FDS, .limit = 16};
    struct weft_stream *ends[2];
    needs_a_kernel();
    make_unix(&options, ends);
    say(ends[1], "0123456789abcdef");
    CHECK_ERR(weft_stream_recv_fd(ends[0]), -EMSGSIZE);
    hear(ends[0], "0123456789abcdef");
    close_streams(ends);
}

TASK_TEST(descriptors_that_nobody_takes_are_closed_with_the_stream)
{
    struct weft_stream *ends[2];
    int fd = 0;
    needs_a_kernel();
    make_unix(&passing, ends);
    CHECK_EQ(weft_stream_send_fds(ends[1], &fd, 1, "x", 1), 0);
    hear(ends[0], "x");
    close_streams(ends);
}

TASK_TEST(too_many_descriptors_end_the_reading_with_an_error)
{
    struct weft_stream *ends[2];
    int fds[65] = {0};
    char byte;
    needs_a_kernel();
    make_unix(&passing, ends);
    CHECK_EQ(weft_stream_send_fds(ends[1], fds, 64, "x", 1), 0);
    hear(ends[0], "x");
    CHECK_EQ(weft_stream_send_fds(ends[1], fds, 1, "y", 1), 0);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(weft_stream_read(ends[0], &byte, 1), -EMSGSIZE);
    close_streams(ends);
    make_unix(&passing, ends);
    CHECK_EQ(weft_stream_send_fds(ends[1], fds, 65, "x", 1), 0);
    CHECK_ERR(weft_stream_read(ends[0], &byte, 1), -EMSGSIZE);
    close_streams(ends);
}

TASK_TEST(without_the_flag_and_on_other_kinds_no_descriptors_pass)
{
    int fd = 0;
    EACH_STREAM(kind, NULL, ends)
    {
        CHECK_ERR(weft_stream_recv_fd(ends[0]), -ENOTSUP);
        if (strstr(kind->name, "unix") == NULL)
            CHECK_ERR(weft_stream_send_fds(ends[1], &fd, 1, "x", 1), -ENOTSUP);
    }
}

TASK_TEST(odd_counts_of_descriptors_are_refused)
{
    struct weft_stream *ends[2];
    int fds[254] = {0};
    int wrong = 4000;
    needs_a_kernel();
    make_unix(&passing, ends);
    CHECK_ERR(weft_stream_send_fds(ends[1], fds, 0, "x", 1), -EINVAL);
    CHECK_ERR(weft_stream_send_fds(ends[1], fds, 254, "x", 1), -EINVAL);
    CHECK_ERR(weft_stream_send_fds(ends[1], fds, 1, "", 0), -EINVAL);
    CHECK_ERR(weft_stream_send_fds(ends[1], &wrong, 1, "x", 1), -EBADF);
    say(ends[1], "y");
    hear(ends[0], "y");
    close_streams(ends);
}

TASK_TEST(a_write_side_that_is_broken_passes_no_descriptors)
{
    struct weft_stream *ends[2];
    static char much[1 << 20];
    needs_a_kernel();
    make_unix(&passing, ends);
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_write_all(ends[1], much, sizeof much)), -ETIMEDOUT);
    int fd = 0;
    CHECK_ERR(weft_stream_send_fds(ends[1], &fd, 1, "x", 1), -EPIPE);
    CHECK_EQ(weft_stream_close(ends[1]), 0);
    CHECK(hear_all(ends[0]) > 0);
    CHECK_EQ(weft_stream_close(ends[0]), 0);
}

TASK_TEST(sending_a_descriptor_waits_for_room)
{
    struct weft_stream *ends[2];
    int fd = 0;
    needs_a_kernel();
    make_unix(&passing, ends);
    size_t total = fill(weft_stream_fd(ends[1]));
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_send_fds(ends[1], &fd, 1, "x", 1)), -ETIMEDOUT);
    take(weft_stream_fd(ends[0]), total);
    CHECK_EQ(weft_stream_send_fds(ends[1], &fd, 1, "x", 1), 0);
    close(weft_stream_recv_fd(ends[0]));
    close_streams(ends);
}

/* Files. */

/** A file of so many bytes of the pattern. */
static int file_of(size_t len)
{
    char *bytes = malloc(len);
    int fd = memfd_create("weft-test", MFD_CLOEXEC);
    CHECK(bytes != NULL && fd >= 0);
    fill_pattern(bytes, len);
    CHECK_EQ(write(fd, bytes, len), len);
    free(bytes);
    return fd;
}

static int send_it(struct weft_stream *stream, int fd)
{
    CHECK_EQ(weft_stream_put(stream, "head", 4), 0);
    CHECK_EQ(weft_stream_send_file(stream, fd, 1000, WEFT_STREAM_ALL), (1 << 20) - 1000);
    CHECK_EQ(weft_stream_send_file(stream, fd, 5, 10), 10);
    return weft_stream_shutdown(stream);
}
WEFT_TASK(send_it, struct weft_stream *, int);

TASK_TEST(a_file_goes_out_from_any_offset)
{
    static char expected[1 << 20];
    static char got[sizeof expected];
    fill_pattern(expected, sizeof expected);
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_scope s;
        int fd = file_of(sizeof expected);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, send_it, ends[1], fd);
        hear(ends[0], "head");
        CHECK_EQ(weft_stream_read_exactly(ends[0], got, sizeof got - 1000), 0);
        CHECK_MEM(got, expected + 1000, sizeof got - 1000);
        CHECK_EQ(weft_stream_read_exactly(ends[0], got, 10), 0);
        CHECK_MEM(got, expected + 5, 10);
        CHECK_EQ(hear_all(ends[0]), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        close(fd);
    }
}

TASK_TEST(what_has_no_positions_is_not_sent_as_a_file)
{
    EACH_STREAM(kind, NULL, ends)
    {
        int pipe_fds[2];
        int fd = file_of(10);
        CHECK_EQ(pipe(pipe_fds), 0);
        CHECK_ERR(weft_stream_send_file(ends[1], pipe_fds[0], 0, 1), -ESPIPE);
        CHECK_ERR(weft_stream_send_file(ends[1], fd, -1, 1), -EINVAL);
        CHECK_EQ(weft_stream_send_file(ends[1], fd, 10, 1), 0);
        CHECK_EQ(weft_stream_send_file(ends[1], fd, 0, 0), 0);
        close_ends(pipe_fds);
        close(fd);
    }
}

TASK_TEST(a_file_that_is_cut_on_its_way_breaks_the_write_side)
{
    EACH_STREAM(kind, NULL, ends)
    {
        int fd = file_of(24 << 20);
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_send_file(ends[1], fd, 0, WEFT_STREAM_ALL)),
                  -ETIMEDOUT);
        CHECK_ERR(weft_stream_write_all(ends[1], "x", 1), -EPIPE);
        close(fd);
    }
}
