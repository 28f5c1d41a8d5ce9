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
#include "base/list.h"
#include "loop/poller.h"
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static char address[96];

/* The error itself, or dealt with, or what a client sees of it. */
static int documented(int rc, int code)
{
    return rc == 0 || (!fault_must_be_dealt_with(code) &&
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

/**
 * How long a client waits. One whose server meets the same failure again and again may do so in
 * vain, and every such wait costs the sweep its time; all others are served, or told otherwise,
 * however busy the machine is.
 */
static weft_ns patience(void)
{
    const struct weft_testing_faults *faults =
        weft__container(weft__sys_current(), const struct weft_testing_faults, sys);
    bool again_and_again = faults->nth > 0 && faults->mode == WEFT_TESTING_FROM;
    bool in_vain = again_and_again && documented(-ETIMEDOUT, faults->code);
    return in_vain ? 30 * WEFT_MS : 10 * WEFT_SEC * test_slowness();
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
        rc = (int)weft_within(patience(), ask(&to));
        rc = first_of(rc, (int)weft_within(patience(), ask(&to)));
        rc = first_of(rc, weft_server_drain(server, 0));
    }
    return weft_scope_exit(&scope, rc);
}

static void sweep_at(const char *name, const char *at)
{
    const struct fault_sweep sweep = {name, run_serve_two, documented};

    snprintf(address, sizeof address, "%s", at);
    fault_sweep_calls(&sweep);
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

/* --- Opening -----------------------------------------------------------------------------------
 */

/** The calls that opening and closing make beside those of the engine. */
static const weft_testing_set opening =
    WEFT_TESTING_SET(SOCKET) | WEFT_TESTING_SET(BIND) | WEFT_TESTING_SET(LISTEN) |
    WEFT_TESTING_SET(CONNECT) | WEFT_TESTING_SET(SETSOCKOPT) | WEFT_TESTING_SET(GETSOCKOPT) |
    WEFT_TESTING_SET(GETSOCKNAME) | WEFT_TESTING_SET(FSTAT) | WEFT_TESTING_SET(FSTATAT) |
    WEFT_TESTING_SET(UNLINKAT) | WEFT_TESTING_SET(FCHMODAT) | WEFT_TESTING_SET(FCNTL) |
    WEFT_TESTING_SET(CLOSE);

/** The error itself, or dealt with; a path that may not be ours stays, and a descriptor that does
 *  not say what it is is none of ours. */
static int documented_of_opening(int rc, int code)
{
    return rc == 0 || rc == -code || rc == -EADDRINUSE || rc == -EINVAL;
}

static int open_and_close(const struct weft_serve_options *options)
{
    struct weft_server *server;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_server_open(&scope, options, upper, NULL, &server);
    if (rc == 0)
        rc = weft_server_close(server);
    return weft_scope_exit(&scope, rc);
}

static void sweep_opening(const char *name, fault_scenario_fn *run)
{
    const struct fault_sweep sweep = {name, run, documented_of_opening};
    test_limit(120);
    fault_floor("calls", &sweep, fault_sweep_errors(&sweep, opening));
}

FAULT_PROGRAM(serve_star)
{
    const struct weft_serve_options options = {.address = "*:0"};
    return open_and_close(&options);
}

TEST_EACH_ENGINE(a_server_of_both_families_is_opened_whole_or_not_at_all)
{
    sweep_opening("serve_star", run_serve_star);
}

FAULT_PROGRAM(serve_stale)
{
    const struct weft_serve_options options = {.address = address, .unix_mode = 0600};
    return open_and_close(&options);
}

/** A path that a server left which ended in a hurry. */
static int run_stale(const struct weft_sys *sys)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = address + strlen("unix:");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    (void)unlink(path);
    CHECK_OK(bind(fd, (struct sockaddr *)&at, sizeof at));
    CHECK_OK(close(fd));
    return run_serve_stale(sys);
}

TEST_EACH_ENGINE(a_stale_path_is_replaced_or_stays)
{
    if (test_engine_is("sim"))
        SKIP("paths of a simulated world are no files");
    snprintf(address, sizeof address, "unix:/tmp/weft-stale-fault-%d", (int)getpid());
    sweep_opening("serve_stale", run_stale);
    unlink(address + strlen("unix:"));
}

enum { FIRST = 3 };

/** A listener of this process's maker, and one of its own. */
static int given = -1;

static int make_listener(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_OK(listen(fd, 5));
    return fd;
}

FAULT_PROGRAM(serve_given)
{
    const struct weft_serve_options options = {
        .address = "inherited", .fds = &given, .fd_count = 1};
    return open_and_close(&options);
}

/** What could not be opened is still the caller's. */
static int run_given(const struct weft_sys *sys)
{
    int fd = make_listener();
    if (fd != FIRST) {
        CHECK_EQ(dup2(fd, FIRST), FIRST);
        CHECK_OK(close(fd));
    }
    given = make_listener();
    int rc = run_serve_given(sys);
    (void)close(FIRST);
    (void)close(given);
    return rc;
}

TEST_EACH_ENGINE(listeners_that_were_given_are_served_or_stay_the_callers)
{
    char pid[32];
    if (test_engine_is("sim"))
        SKIP("descriptors of the system are not for a simulated world");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    CHECK_OK(setenv("LISTEN_PID", pid, 1));
    CHECK_OK(setenv("LISTEN_FDS", "1", 1));
    sweep_opening("serve_given", run_given);
}
