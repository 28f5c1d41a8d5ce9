/* SPDX-License-Identifier: MIT */
/*
 * test_serve.c: servers while system calls and allocations fail
 *
 * A server over TCP and over a Unix path is opened, serves two clients one after the other, and is
 * drained; once for each call that this makes and each error that a kernel gives for it, once for
 * each allocation that fails. A client that is not served for want of memory or descriptors gets an
 * end, a reset, or runs out of patience; the server always comes to its end, and leaves neither
 * descriptors nor a path behind. In storms the result must be that of calm weather.
 */
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char address[96];

/* The error itself, or dealt with, or what a client sees of it. */
static int documented(int rc, int code)
{
    bool again = code == EINTR || code == EAGAIN || code == EBUSY || code == ECONNABORTED;
    bool missing = code == ENOSYS || code == EOPNOTSUPP;

    return rc == 0 || (!again && !missing &&
                       (rc == -code || rc == -ECONNRESET || rc == -EPIPE || rc == -ETIMEDOUT ||
                        rc == -WEFT_EINCOMPLETE || rc == -ECONNREFUSED));
}

static void ignore(const struct weft_failure *failure, void *arg)
{
    (void)failure;
    (void)arg;
}

static int upper(struct weft_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    int rc = weft_stream_read_exactly(stream, &byte, 1);
    byte = 'X';
    return rc < 0 ? rc : weft_stream_put(stream, &byte, 1);
}

static int ask(const struct weft_address *to)
{
    struct weft_stream *stream;
    char byte;
    int rc = weft_stream_connect(to, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = weft_stream_write_all(stream, "x", 1);
    if (rc == 0)
        rc = weft_stream_read_exactly(stream, &byte, 1);
    return first_of(rc, weft_stream_close(stream));
}

FAULT_PROGRAM(serve_two)
{
    const struct weft_serve_options options = {.address = address, .pause = WEFT_MS};
    struct weft_server *server;
    struct weft_address to;
    struct weft_scope scope;

    weft_loop_set_failure_handler(weft_loop_current(), ignore, NULL);
    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_server_open(&scope, &options, upper, NULL, &server);
    if (rc == 0) {
        (void)weft_server_addresses(server, &to, 1);
        rc = (int)weft_within(30 * WEFT_MS, ask(&to));
        rc = first_of(rc, (int)weft_within(30 * WEFT_MS, ask(&to)));
        rc = first_of(rc, weft_server_drain(server, 0));
    }
    return weft_scope_exit(&scope, rc);
}

static void sweep_at(const char *name, const char *at)
{
    const struct fault_sweep sweep = {name, run_serve_two, documented};

    test_limit(120);
    snprintf(address, sizeof address, "%s", at);
    CHECK_EQ(setenv("WEFT_GUARD", "madvise", 1), 0);
    weft_testing_set set = WEFT_TESTING_ANY & ~WEFT_TESTING_SET(MPROTECT) & ~WEFT_TESTING_MEMORY;
    fault_floor("calls", &sweep, fault_sweep_errors(&sweep, set));
    fault_floor("allocations", &sweep, fault_sweep(&sweep, WEFT_TESTING_MEMORY, ENOMEM));
}

TEST_EACH_ENGINE(a_server_over_tcp)
{
    sweep_at("serve_tcp", "127.0.0.1:0");
}

TEST_EACH_ENGINE(a_server_over_a_unix_path)
{
    char at[64];
    snprintf(at, sizeof at, "unix:/tmp/weft-serve-fault-%d", (int)getpid());
    sweep_at("serve_unix", at);
    /* An unlink that fails leaves the path, so the last run's may be there. */
    unlink(at + strlen("unix:"));
}
