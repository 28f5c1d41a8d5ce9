/* SPDX-License-Identifier: MIT */
/*
 * test_pipe.c: transports of pipes and of what is like them
 *
 * Pipes of both modes, blocking and not, because their flags are not a transport's to change; the
 * other end is a plain descriptor that the test reads, writes and closes.
 */
#define _GNU_SOURCE /* posix_openpt and its like */
#include "transport_test.h"

#include <stdlib.h>

/** A pipe, one end of which is a transport's; the other end is returned. */
static int watch_pipe(struct witness *witness, bool writes, int flags, struct weft_transport **ret)
{
    struct weft_loop *loop = weft_loop_current();
    int fds[2];
    foreign_pipe(fds, flags);
    if (writes)
        CHECK_OK(weft_loop_connect_write_pipe(loop, fds[1], bear_witness, witness, ret));
    else
        CHECK_OK(weft_loop_connect_read_pipe(loop, fds[0], bear_witness, witness, ret));
    CHECK_EQ(flags_of(fds[writes], F_GETFL) & O_NONBLOCK, flags & O_NONBLOCK);
    while (!witness->transport)
        turn();
    return fds[!writes];
}

TASK_TEST(a_reading_end_gets_data_the_end_and_its_loss)
{
    const int modes[] = {0, O_NONBLOCK};
    for (int i = 0; i < 2; i++) {
        struct witness a = {.letter = 'a', .end_code = i};
        struct weft_transport *transport;
        int peer = watch_pipe(&a, false, modes[i], &transport);
        put(peer, "hello");
        until_bytes(&a, 5);
        CHECK_ERR(weft_transport_write(transport, "x", 1), -ENOTSUP);
        CHECK_EQ(weft_close(peer), 0);
        until_lost(&a);
        CHECK_STORY("a:made a:5 a:end a:lost");
    }
}

TASK_TEST(a_reading_end_pauses)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_pipe(&a, false, 0, &transport);
    weft_transport_pause_reading(transport);
    put(peer, "x");
    turn();
    CHECK_STORY("a:made");
    weft_transport_resume_reading(transport);
    until_bytes(&a, 1);
    finish(&a, peer);
}

TASK_TEST(a_writing_end_keeps_what_the_pipe_has_no_room_for)
{
    static char zeros[100000];
    const int modes[] = {0, O_NONBLOCK};
    for (int i = 0; i < 2; i++) {
        struct witness a = {.letter = 'a'};
        struct weft_transport *transport;
        struct iovec lines[] = {{zeros, 50000}, {zeros, sizeof zeros}};
        int peer = watch_pipe(&a, true, modes[i], &transport);
        CHECK_EQ(weft_transport_is_reading(transport), 0);
        CHECK_EQ(weft_transport_writelines(transport, lines, 2), 0);
        CHECK(weft_transport_get_write_buffer_size(transport) > 0);
        CHECK_EQ(weft_transport_can_write_eof(transport), 1);
        CHECK_EQ(weft_transport_write_eof(transport), 0);
        take(peer, 50000 + sizeof zeros);
        CHECK_EQ(weft_read(peer, zeros, 1), 0);
        until_lost(&a);
        CHECK_EQ(a.code, 0);
        CHECK_EQ(weft_close(peer), 0);
        story[0] = 0;
    }
}

TASK_TEST(a_reader_that_goes_ends_the_writing_end_without_a_write)
{
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_pipe(&a, true, O_NONBLOCK, &transport);
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
    CHECK_STORY("a:made a:lost");
}

TASK_TEST(a_reader_that_goes_while_something_is_kept_is_an_error)
{
    static char zeros[200000];
    struct witness a = {.letter = 'a'};
    struct weft_transport *transport;
    int peer = watch_pipe(&a, true, O_NONBLOCK, &transport);
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(weft_transport_write(transport, zeros, sizeof zeros), 0);
    story[0] = 0;
    CHECK_EQ(weft_close(peer), 0);
    until_lost(&a);
    CHECK_STORY("a:lost(EPIPE)");
}

TASK_TEST(sockets_are_pipes_too)
{
    struct witness a = {.letter = 'a'}, b = {.letter = 'b'};
    struct weft_loop *loop = weft_loop_current();
    int fds[2];
    foreign_sockets(fds, 0);
    CHECK_OK(weft_loop_connect_read_pipe(loop, fds[0], bear_witness, &a, NULL));
    CHECK_OK(weft_loop_connect_write_pipe(loop, fds[1], bear_witness, &b, NULL));
    while (!b.transport)
        turn();
    CHECK_EQ(weft_transport_write(b.transport, "xyz", 3), 0);
    until_bytes(&a, 3);
    weft_transport_close(a.transport);
    until_lost(&b);
    CHECK_EQ(b.code, 0);
}

TASK_TEST(what_cannot_be_waited_for_is_refused)
{
    struct witness a = {.letter = 'a'};
    struct weft_loop *loop = weft_loop_current();
    char path[] = "/tmp/weft-transport-XXXXXX";
    int fd = mkstemp(path);
    CHECK_OK(fd);
    CHECK_EQ(unlink(path), 0);
    if (!test_engine_is("sim")) {
        CHECK_ERR(weft_loop_connect_read_pipe(loop, fd, bear_witness, &a, NULL), -EINVAL);
        CHECK_ERR(weft_loop_connect_write_pipe(loop, fd, bear_witness, &a, NULL), -EINVAL);
    }
    CHECK_EQ(close(fd), 0);
    CHECK_ERR(weft_loop_connect_read_pipe(loop, -1, bear_witness, &a, NULL), -EBADF);
    CHECK_ERR(weft_loop_connect_accepted_socket(loop, -1, NULL, bear_witness, &a, NULL), -EBADF);
}

TASK_TEST(a_terminal_is_read_and_written)
{
    struct witness a = {.letter = 'a'}, b = {.letter = 'b'};
    struct weft_loop *loop = weft_loop_current();
    if (test_engine_is("sim"))
        SKIP("a real terminal is beyond a simulated world");
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        SKIP("no terminals here");
    int reader = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), writer = dup(reader);
    CHECK_OK(weft_loop_connect_read_pipe(loop, reader, bear_witness, &a, NULL));
    CHECK_OK(weft_loop_connect_write_pipe(loop, writer, bear_witness, &b, NULL));
    CHECK_EQ(write(master, "line\n", 5), 5);
    until_bytes(&a, 5);
    CHECK_STR(a.last, "line\n");
    CHECK_EQ(weft_transport_write(b.transport, "out", 3), 0);
    char buf[64];
    CHECK(read(master, buf, sizeof buf) > 0);
    weft_transport_close(a.transport);
    weft_transport_close(b.transport);
    until_lost(&a);
    until_lost(&b);
    CHECK_EQ(close(master), 0);
}
