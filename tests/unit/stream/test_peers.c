/* SPDX-License-Identifier: MIT */
/*
 * test_peers.c: streams with peers that are other programs, or behave badly
 *
 * socat and cat at the other end; a peer that resets after every byte of an exchange, that never
 * reads, that is gone, that says nothing; and that in each case only this connection notices.
 */
#include "stream_test.h"

#include <sys/wait.h>

static char much[1 << 20];
static char arrived[sizeof much];

/** A listener on the loopback device, and its port. */
static int listen_on_port(unsigned *ret)
{
    struct weft_address address;
    if (test_engine_is("sim"))
        SKIP("other programs are not in a simulated world");
    int listener = listen_anywhere(&address);
    *ret = weft_address_port(&address);
    return listener;
}

/** Starts a program of the shell. */
static pid_t start(const char *format, unsigned port)
{
    char command[256];
    snprintf(command, sizeof command, format, port);
    pid_t child = fork();
    CHECK_OK(child);
    if (child > 0)
        return child;
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/** Its exit status. */
static int end_of(pid_t child)
{
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct weft_stream *accept_stream(int listener)
{
    struct weft_stream *stream;
    int fd = weft_accept(listener, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_stream_from_fd(fd, NULL, &stream), 0);
    return stream;
}

static int say_much(struct weft_stream *stream)
{
    CHECK_EQ(weft_stream_write_all(stream, much, sizeof much), 0);
    return weft_stream_shutdown(stream);
}
WEFT_TASK(say_much, struct weft_stream *);

/** Sends much, ends, and expects it back and an end. */
static void expect_echo(struct weft_stream *stream)
{
    struct weft_scope s;
    fill_pattern(much, sizeof much);
    memset(arrived, 0, sizeof arrived);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, say_much, stream);
    CHECK_EQ(weft_stream_read_exactly(stream, arrived, sizeof arrived), 0);
    CHECK_EQ(hear_all(stream), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_MEM(arrived, much, sizeof much);
}

TASK_TEST(socat_echoes_over_tcp)
{
    unsigned port;
    int listener = listen_on_port(&port);
    test_need_program("socat");
    pid_t child = start("exec socat TCP:127.0.0.1:%u EXEC:cat", port);
    struct weft_stream *stream = accept_stream(listener);
    expect_echo(stream);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(end_of(child), 0);
}

TASK_TEST(socat_sends_lines_and_hears_of_the_end)
{
    unsigned port;
    char *line;
    int listener = listen_on_port(&port);
    test_need_program("socat");
    pid_t child =
        start("printf 'one\\ntwo' | socat -t 10 - TCP:127.0.0.1:%u | grep -q '^three$'", port);
    struct weft_stream *stream = accept_stream(listener);
    CHECK_EQ(weft_stream_read_line(stream, &line), 4);
    CHECK_STR(line, "one\n");
    CHECK_EQ(weft_stream_read_line(stream, &line), 3);
    CHECK_STR(line, "two");
    CHECK_EQ(weft_stream_read_line(stream, &line), 0);
    CHECK_EQ(weft_stream_put(stream, "three\n", 6), 0);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(end_of(child), 0);
}

TASK_TEST(a_child_that_reads_and_writes_is_a_stream_of_two_pipes)
{
    struct weft_stream *stream;
    int in[2];
    int out[2];
    if (test_engine_is("sim"))
        SKIP("other programs are not in a simulated world");
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(weft_pipe(in), 0);
    CHECK_EQ(weft_pipe(out), 0);
    pid_t child = fork();
    CHECK_OK(child);
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        /* The shell's child is to wait as usual. */
        fcntl(0, F_SETFL, 0);
        fcntl(1, F_SETFL, 0);
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(weft_close(in[0]), 0);
    CHECK_EQ(weft_close(out[1]), 0);
    CHECK_EQ(weft_stream_from_fds(out[0], in[1], NULL, &stream), 0);
    expect_echo(stream);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(end_of(child), 0);
}

/* Bad ones. */

enum { QUESTION = 6 };

static int echo_line_for_line(struct weft_stream *stream, int *last)
{
    char bytes[QUESTION];
    while ((*last = weft_stream_read_exactly(stream, bytes, sizeof bytes)) == 0)
        if ((*last = weft_stream_write_all(stream, bytes, sizeof bytes)) < 0)
            break;
    return 0;
}
WEFT_TASK(echo_line_for_line, struct weft_stream *, int *);

TASK_TEST(a_reset_after_any_byte_of_an_exchange_ends_that_connection_alone)
{
    struct weft_stream *good[2];
    make_tcp(NULL, good);
    for (int after = 0; after <= 2 * QUESTION; after++) {
        struct weft_stream *ends[2];
        struct weft_scope s;
        int last = 0;
        char byte = 'x';
        make_tcp(NULL, ends);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, echo_line_for_line, ends[0], &last);
        for (int i = 0; i < after; i++)
            CHECK_EQ(i < QUESTION ? weft_stream_write_all(ends[1], &byte, 1)
                                  : weft_stream_read_exactly(ends[1], &byte, 1),
                     0);
        weft_stream_abort(ends[1]);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK(last == -ECONNRESET || last == -EPIPE);
        close_streams(ends);
        say(good[0], "still here");
        hear(good[1], "still here");
    }
    close_streams(good);
}

static int write_for_ever(struct weft_stream *stream)
{
    int rc;
    while ((rc = weft_stream_put(stream, much, sizeof much)) == 0)
        continue;
    return rc;
}
WEFT_TASK(write_for_ever, struct weft_stream *);

TASK_TEST(what_nobody_reads_holds_up_its_writer_alone_and_in_bounded_memory)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_stream *good[2];
        struct weft_scope s;
        kind->make(NULL, good);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, write_for_ever, ends[0]);
        for (int i = 0; i < 50; i++) {
            say(good[0], "go on");
            hear(good[1], "go on");
        }
        CHECK(weft_stream_unsent(ends[0]) <= (64 << 10) + sizeof much);
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        weft_stream_abort(ends[0]);
        close_streams(good);
    }
}

TASK_TEST(a_peer_that_is_gone_is_noticed_by_the_second_write_at_the_latest)
{
    EACH_STREAM(kind, NULL, ends)
    {
        signal(SIGPIPE, SIG_IGN);
        CHECK_EQ(weft_stream_close(ends[1]), 0);
        ends[1] = NULL;
        int rc = weft_stream_write_all(ends[0], "x", 1);
        for (int i = 0; rc == 0 && i < 1000; i++) {
            turn();
            rc = weft_stream_write_all(ends[0], "x", 1);
        }
        CHECK(rc == -EPIPE || rc == -ECONNRESET);
    }
}

TASK_TEST(a_peer_that_says_nothing_is_ended_by_a_deadline)
{
    EACH_STREAM(kind, NULL, ends)
    {
        char *line;
        say(ends[1], "half a li");
        CHECK_ERR(weft_within(WEFT_MS, weft_stream_read_line(ends[0], &line)), -ETIMEDOUT);
        CHECK_EQ(weft_stream_buffered(ends[0]), 9);
    }
}
