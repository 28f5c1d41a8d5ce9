/* SPDX-License-Identifier: MIT */
/*
 * test_streams.c: streams while system calls and allocations fail
 *
 * One exchange, over each kind: lines and vectors there, an echo back, a half-close, an end. It is
 * run once for each call that it makes and each error that a kernel gives for it, once for each
 * allocation that fails, and then in storms of interrupted and shortened calls, where the result
 * must be that of calm weather. Never may it hang or leak; both ends are closed in every case.
 */
#include "programs.h"

#include <string.h>

/* The error itself, or dealt with, or what the other side sees of it: an end or a reset. */
static int documented(int rc, int code)
{
    return rc == 0 ||
           (!fault_must_be_dealt_with(code) && (rc == -code || rc == -ECONNRESET || rc == -EPIPE ||
                                                rc == -WEFT_EINCOMPLETE || rc == -EPROTO));
}

/** Echoes to the end, then tells so. */
static int echoes(struct weft_stream *stream)
{
    int64_t n = weft_stream_copy(stream, stream, WEFT_STREAM_ALL);
    int rc = n < 0 ? (int)n : weft_stream_shutdown(stream);
    return first_of(rc, weft_stream_close(stream));
}
WEFT_TASK(echoes, struct weft_stream *);

/** Asks for an echo of text and vectors. */
static int ask(struct weft_stream *stream)
{
    static char a[] = "one", b[] = "two\n";
    static const struct iovec vectors[2] = {{a, 3}, {b, 4}};
    char bytes[7];
    char *line;
    int rc = weft_stream_printf(stream, "line %d\n", 1);
    if (rc > 0)
        rc = weft_stream_writev_all(stream, vectors, 2);
    if (rc == 0)
        rc = weft_stream_shutdown(stream);
    ssize_t n = rc < 0 ? rc : weft_stream_read_line(stream, &line);
    if (n != 7 || strcmp(line, "line 1\n") != 0)
        return n < 0 ? (int)n : -EPROTO;
    rc = weft_stream_read_exactly(stream, bytes, 7);
    if (rc == 0 && memcmp(bytes, "onetwo\n", 7) != 0)
        rc = -EPROTO;
    return rc < 0 ? rc : (int)weft_stream_read(stream, bytes, 1);
}

/** Runs the exchange over two ends, which it closes. */
static int exchange(struct weft_stream *ends[2])
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_go(&scope, echoes, ends[0]);
    if (rc < 0)
        (void)weft_stream_close(ends[0]);
    else
        rc = ask(ends[1]);
    rc = first_of(rc, weft_stream_close(ends[1]));
    return weft_scope_exit(&scope, rc);
}

/** Makes the ends from descriptors, or closes these. */
static int exchange_over(const int fds[2])
{
    struct weft_stream *ends[2] = {NULL, NULL};
    int rc = weft_stream_from_fd(fds[0], NULL, &ends[0]);
    if (rc == 0)
        rc = weft_stream_from_fd(fds[1], NULL, &ends[1]);
    if (rc == 0)
        return exchange(ends);
    for (int i = 0; i < 2; i++)
        (void)(ends[i] ? weft_stream_close(ends[i]) : weft_close(fds[i]));
    return rc;
}

FAULT_PROGRAM(over_unix)
{
    int fds[2];
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    return rc < 0 ? rc : exchange_over(fds);
}

FAULT_PROGRAM(over_memory)
{
    struct weft_stream *ends[2];
    int rc = weft_stream_pair(NULL, &ends[0], &ends[1]);
    return rc < 0 ? rc : exchange(ends);
}

static int serve_one(int listener)
{
    struct weft_stream *stream;
    int fd = weft_accept(listener, NULL);
    if (fd < 0)
        return fd;
    int rc = weft_stream_from_fd(fd, NULL, &stream);
    return rc < 0 ? first_of(rc, weft_close(fd)) : echoes(stream);
}

static int visit(const struct weft_address *address)
{
    struct weft_stream *stream;
    int rc = weft_stream_connect(address, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = ask(stream);
    return first_of(rc, weft_stream_close(stream));
}

FAULT_PROGRAM(over_tcp)
{
    return fault_visit(serve_one, visit);
}

TEST_EACH_ENGINE(an_exchange_over_unix_sockets)
{
    static const struct fault_sweep sweep = {"stream_unix", run_over_unix, documented};

    fault_sweep_calls(&sweep);
}

TEST_EACH_ENGINE(an_exchange_over_tcp)
{
    static const struct fault_sweep sweep = {"stream_tcp", run_over_tcp, documented};

    fault_sweep_calls(&sweep);
}

TEST_EACH_ENGINE(an_exchange_in_memory)
{
    static const struct fault_sweep sweep = {"stream_memory", run_over_memory, documented};

    fault_sweep_calls(&sweep);
}

TEST_EACH_ENGINE(exchanges_in_storms)
{
    fault_storms(run_over_unix, 20);
    fault_storms(run_over_tcp, 20);
    fault_storms(run_over_memory, 20);
}
