/* SPDX-License-Identifier: MIT */
/*
 * test_calls.c: system calls fail, each with each of its errors, at each place in turn
 *
 * Programs over the raw calls are run once for each call that they make and each error that a
 * kernel gives for it: that one call failing alone, and, for errors that last, all calls of the
 * entry from there on. Either the program's result is that error, or the error was dealt with on
 * the way (an interrupted call is repeated, a missing call has a lesser way) and the result is
 * right. Never may a run hang, leak, or spoil the next one. Allocations fail in turn, too. With
 * io_uring the calls of the engine fail, and each of its requests.
 *
 * The same programs then run in storms, in which many calls are interrupted and transfers are cut
 * short: there the result must be that of calm weather.
 */
#include "programs.h"
#include "loop/poller.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 3000 };

/* The error itself, or it was dealt with, or what the other side of it sees: its peer went away. */
static int documented(int rc, int code)
{
    return rc == 0 ||
           (!fault_must_be_dealt_with(code) && (rc == -code || rc == -ECONNRESET || rc == -EPIPE));
}

/* Closes; the first failure of before and now. */
static int close_after(int rc, int fd)
{
    return first_of(rc, weft_close(fd));
}

static int close_both(const int fds[2], int rc)
{
    return close_after(close_after(rc, fds[0]), fds[1]);
}

/* --- The loop itself ------------------------------------------------------------------------- */

FAULT_PROGRAM(sleep_a_little)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_sleep(10 * WEFT_US);
    return weft_scope_exit(&scope, rc < 0 ? rc : weft_yield());
}

TEST_EACH_ENGINE(a_loop_and_a_sleep)
{
    static const struct fault_sweep sweep = {"sleep", run_sleep_a_little, documented};

    fault_sweep_calls(&sweep);
}

/* --- What few programs reach --------------------------------------------------------------------
 */

/* Where there are no random numbers, a select begins somewhere all the same. */
FAULT_PROGRAM(choose_at_random)
{
    struct weft_event event = WEFT_EVENT_INIT(event);
    struct weft_case cases[] = {weft_case_event(&event), weft_case_never()};

    weft_event_set(&event);
    for (int i = 0; i < 3; i++) {
        int index = weft_select(cases, 2);
        if (index != 0)
            return index < 0 ? index : -EPROTO;
    }
    return 0;
}

TEST_EACH_ENGINE(a_choice_at_random)
{
    static const struct fault_sweep sweep = {"random", run_choose_at_random, documented};

    fault_sweep_calls(&sweep);
}

/** Some start was refused because its stack would have had no guard. */
static bool guard_was_missed;

/* A guard that the kernel refuses is a stack that there is no memory for, whatever the reason; a
 * stack that was made in advance and not needed is no loss. Of the calls that this program makes,
 * mprotect alone is ever told EACCES. */
static int documented_of_guards(int rc, int code)
{
    guard_was_missed = guard_was_missed || (code == EACCES && rc == -ENOMEM);
    return documented(rc, code) || rc == -ENOMEM;
}

TEST_EACH_ENGINE(guards_by_mprotect)
{
    static const struct fault_sweep sweep = {"mprotect", run_sleep_a_little, documented_of_guards};

    CHECK_EQ(setenv("WEFT_GUARD", "mprotect", 1), 0);
    fault_sweep_both(&sweep, WEFT_TESTING_ANY);
    CHECK(guard_was_missed);
}

/* --- Pipes and socket pairs ------------------------------------------------------------------ */

static int writer(int fd)
{
    char bytes[BYTES];

    memset(bytes, 'w', sizeof bytes);
    int rc = weft_yield();
    return rc < 0 ? rc : weft_write_all(fd, bytes, sizeof bytes);
}
WEFT_TASK(writer, int);

/* Reads all that the writer wrote. */
static int read_all(int fd)
{
    char bytes[500];
    size_t got = 0;
    ssize_t n = 0;

    while (got < BYTES && (n = weft_read(fd, bytes, sizeof bytes)) > 0) {
        CHECK(bytes[0] == 'w' && bytes[n - 1] == 'w');
        got += (size_t)n;
    }
    CHECK(n < 0 || got == BYTES);
    return n < 0 ? (int)n : 0;
}

static int talk_over(const int fds[2])
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_HOUR);
    (void)weft_go(&scope, writer, fds[1]);
    return close_both(fds, weft_scope_exit(&scope, read_all(fds[0])));
}

FAULT_PROGRAM(talk_over_pipe)
{
    int fds[2];
    int rc = weft_pipe(fds);

    return rc < 0 ? rc : talk_over(fds);
}

TEST_EACH_ENGINE(a_reader_and_a_writer_of_a_pipe)
{
    static const struct fault_sweep sweep = {"pipe", run_talk_over_pipe, documented};

    fault_sweep_calls(&sweep);
}

FAULT_PROGRAM(talk_over_socketpair)
{
    int fds[2];
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

    return rc < 0 ? rc : talk_over(fds);
}

TEST_EACH_ENGINE(a_reader_and_a_writer_of_a_socket_pair)
{
    static const struct fault_sweep sweep = {"socketpair", run_talk_over_socketpair, documented};

    fault_sweep_calls(&sweep);
}

/* A descriptor that weft did not make and whose flags it must not change. */
FAULT_PROGRAM(talk_over_foreign_pipe)
{
    const struct weft_sys *sys = weft__sys_current();
    int fds[2];
    int rc = sys->pipe2(sys, fds, 0);

    if (rc < 0)
        return rc;
    rc = talk_over(fds);
    return rc;
}

TEST_EACH_ENGINE(a_reader_and_a_writer_of_a_blocking_pipe_of_others)
{
    static const struct fault_sweep sweep = {"foreign_pipe", run_talk_over_foreign_pipe,
                                             documented};

    fault_sweep_calls(&sweep);
}

/* A descriptor of others that is taken over, and waited for beside something else. */
FAULT_PROGRAM(select_an_adopted_pipe)
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_scope scope;
    int fds[2];
    int rc = sys->pipe2(sys, fds, O_NONBLOCK | O_CLOEXEC);

    if (rc < 0)
        return rc;
    struct weft_case cases[] = {weft_case_never(), weft_case_ready(fds[0], POLLIN)};
    rc = weft_fd_own(fds[0]);
    if (rc == 0) {
        weft_scope_enter(&scope, WEFT_HOUR);
        (void)weft_go(&scope, writer, fds[1]);
        rc = weft_select(cases, 2);
        CHECK(rc < 0 || rc == 1);
        rc = rc < 0 ? rc : cases[1].result;
        rc = weft_scope_exit(&scope, rc < 0 ? rc : read_all(fds[0]));
    }
    return close_both(fds, rc);
}

TEST_EACH_ENGINE(a_select_on_a_pipe_that_was_adopted)
{
    static const struct fault_sweep sweep = {"adopted", run_select_an_adopted_pipe, documented};

    fault_sweep_calls(&sweep);
}

/* --- Sockets --------------------------------------------------------------------------------- */

static int loopback(struct weft_address *ret)
{
    return weft_address_parse("127.0.0.1:0", ret);
}

static int answer_one(int fd)
{
    struct weft_address from;
    char bytes[16];
    ssize_t n = weft_recvfrom(fd, bytes, sizeof bytes, 0, &from);

    if (n >= 0)
        n = weft_sendto(fd, bytes, (size_t)n, 0, &from);
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(answer_one, int);

static int ask(const struct weft_address *server)
{
    char bytes[16] = "";
    int fd = weft_udp_connect(server);

    if (fd < 0)
        return fd;
    ssize_t n = weft_send(fd, "question", 9, 0);
    if (n >= 0)
        n = weft_recv(fd, bytes, sizeof bytes, 0);
    CHECK(n < 0 || strcmp(bytes, "question") == 0);
    return close_after(n < 0 ? (int)n : 0, fd);
}

FAULT_PROGRAM(ask_by_datagram)
{
    struct weft_scope scope;
    struct weft_address address;

    CHECK_EQ(loopback(&address), 0);
    int fd = weft_udp_bind(&address);
    if (fd < 0)
        return fd;
    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_local_address(fd, &address);
    if (rc == 0)
        rc = weft_go(&scope, answer_one, fd);
    if (rc == 0)
        rc = ask(&address);
    rc = weft_scope_exit(&scope, rc);
    return close_after(rc, fd);
}

TEST_EACH_ENGINE(a_question_and_an_answer_by_datagram)
{
    static const struct fault_sweep sweep = {"udp", run_ask_by_datagram, documented};

    fault_sweep_calls(&sweep);
}

static int serve_one(int listener)
{
    struct weft_address peer;
    int fd = weft_accept(listener, &peer);

    if (fd < 0)
        return fd;
    int rc = weft_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (rc == 0)
        rc = read_all(fd);
    if (rc == 0)
        rc = weft_write_all(fd, "thanks", 6);
    return close_after(rc, fd);
}

static int visit(const struct weft_address *server)
{
    struct weft_address peer;
    char bytes[16];
    int fd = weft_tcp_connect(server);

    if (fd < 0)
        return fd;
    int rc = weft_peer_address(fd, &peer);
    if (rc == 0)
        rc = writer(fd);
    if (rc == 0)
        rc = weft_shutdown(fd, SHUT_WR);
    if (rc == 0) {
        ssize_t n = weft_recv(fd, bytes, sizeof bytes, 0);
        CHECK(n <= 0 || memcmp(bytes, "thanks", (size_t)n) == 0);
        rc = n < 0 ? (int)n : 0;
    }
    return close_after(rc, fd);
}

FAULT_PROGRAM(visit_by_stream)
{
    return fault_visit(serve_one, visit);
}

TEST_EACH_ENGINE(a_visit_by_stream)
{
    static const struct fault_sweep sweep = {"tcp", run_visit_by_stream, documented};

    fault_sweep_calls(&sweep);
}

/* A socket in blocking mode that weft did not make: its connect must not block. */
FAULT_PROGRAM(connect_a_socket_of_others)
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_address address;

    CHECK_EQ(loopback(&address), 0);
    int listener = weft_tcp_listen(&address, 4);
    if (listener < 0)
        return listener;
    int rc = weft_local_address(listener, &address);
    int fd = rc < 0 ? rc : sys->socket(sys, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return close_after(fd, listener);
    rc = weft_connect(fd, &address);
    return close_after(close_after(rc, fd), listener);
}

TEST_EACH_ENGINE(a_connect_of_a_blocking_socket_of_others)
{
    static const struct fault_sweep sweep = {"foreign_socket", run_connect_a_socket_of_others,
                                             documented};

    fault_sweep_calls(&sweep);
}

/* Sockets made by hand: each plain call on its own, and waiting for readiness. */
FAULT_PROGRAM(plain_calls)
{
    struct weft_address address;
    int one = weft_socket(AF_INET, SOCK_DGRAM, 0);

    if (one < 0)
        return one;
    CHECK_EQ(loopback(&address), 0);
    int rc = weft_bind(one, &address);
    if (rc == 0)
        rc = weft_local_address(one, &address);
    if (rc == 0)
        rc = weft_connect(one, &address);
    if (rc == 0)
        rc = weft_poll(one, POLLOUT);
    ssize_t n = rc < 0 ? rc : weft_send(one, "x", 1, 0);
    if (n >= 0)
        n = weft_poll(one, POLLIN);
    return close_after(n < 0 ? (int)n : 0, one);
}

TEST_EACH_ENGINE(plain_calls_and_readiness)
{
    static const struct fault_sweep sweep = {"plain", run_plain_calls, documented};

    fault_sweep_calls(&sweep);
}

/* --- Storms ---------------------------------------------------------------------------------- */

TEST_EACH_ENGINE(pipes_in_storms)
{
    fault_storms(run_talk_over_pipe, 30);
    fault_storms(run_talk_over_foreign_pipe, 30);
}

TEST_EACH_ENGINE(datagrams_in_storms)
{
    fault_storms(run_ask_by_datagram, 30);
    fault_storms(run_plain_calls, 30);
}

TEST_EACH_ENGINE(streams_in_storms)
{
    fault_storms(run_talk_over_socketpair, 30);
    fault_storms(run_visit_by_stream, 30);
}
