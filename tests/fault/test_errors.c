/* SPDX-License-Identifier: MIT */
/*
 * test_errors.c: every error of every raw call comes back from it
 *
 * The sweeps (test_calls.c) allow a program to deal with a failure. Here there is nothing to deal
 * with: one call, whose system call, or request of io_uring, fails from now on with one of the
 * errors that a kernel gives for it. The call returns exactly that error, nothing has moved, and
 * when the weather is calm again the same call does what it should. An interruption, and a
 * connection that was given up before it was accepted, are no errors: the call goes on.
 */
#include "programs.h"
#include "floors.h"
#include "loop/poller.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/** Two ends of something. */
struct ends {
    /** The end that the call is made on, and the other one, which may be missing: -1. */
    int fds[2];
    /** Where to send or connect to. */
    struct weft_address address;
};

/** One raw call where it can succeed at once. */
struct call {
    /** For messages. */
    const char *name;
    /** Makes the ends. */
    void (*make)(struct ends *ends);
    /** The call. */
    ssize_t (*run)(struct ends *ends);
    /** What it returns when it succeeds; 1 also stands for any new descriptor. */
    ssize_t success;
    /** The entries that do it. */
    weft_testing_set set;
    /** After a failure nothing but close is allowed. */
    bool once;
};

static struct weft_testing_faults fault;

/* --- Ends ------------------------------------------------------------------------------------ */

static struct weft_address loopback(void)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    CHECK_OK(weft_address_parse("127.0.0.1:0", &address));
    return address;
}

static void make_pipe(struct ends *ends)
{
    CHECK_OK(weft_pipe(ends->fds));
    CHECK_EQ(weft_write(ends->fds[1], "x", 1), 1);
}

static void make_pipe_to_write(struct ends *ends)
{
    int fds[2];
    CHECK_OK(weft_pipe(fds));
    ends->fds[0] = fds[1];
    ends->fds[1] = fds[0];
}

static void make_foreign_pipe(struct ends *ends)
{
    const struct weft_sys *sys = weft__sys_current();
    CHECK_OK(sys->pipe2(sys, ends->fds, 0));
    CHECK_EQ(weft_write(ends->fds[1], "x", 1), 1);
}

static void make_sockets(struct ends *ends)
{
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, ends->fds));
    CHECK_EQ(weft_send(ends->fds[1], "x", 1, 0), 1);
}

static void make_datagrams(struct ends *ends)
{
    ends->address = loopback();
    ends->fds[0] = weft_udp_bind(&ends->address);
    CHECK_OK(ends->fds[0]);
    CHECK_OK(weft_local_address(ends->fds[0], &ends->address));
    ends->fds[1] = weft_udp_connect(&ends->address);
    CHECK_OK(ends->fds[1]);
    CHECK_EQ(weft_send(ends->fds[1], "x", 1, 0), 1);
}

static int listen_anywhere(struct ends *ends)
{
    ends->address = loopback();
    int listener = weft_tcp_listen(&ends->address, 4);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, &ends->address));
    return listener;
}

static void make_visited_listener(struct ends *ends)
{
    ends->fds[0] = listen_anywhere(ends);
    ends->fds[1] = weft_tcp_connect(&ends->address);
    CHECK_OK(ends->fds[1]);
}

static void make_visitor(struct ends *ends)
{
    ends->fds[1] = listen_anywhere(ends);
    ends->fds[0] = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ends->fds[0]);
}

/* --- Calls ----------------------------------------------------------------------------------- */

static ssize_t run_read(struct ends *ends)
{
    char byte;
    return weft_read(ends->fds[0], &byte, 1);
}

static ssize_t run_write(struct ends *ends)
{
    return weft_write(ends->fds[0], "y", 1);
}

static ssize_t run_recv(struct ends *ends)
{
    char byte;
    return weft_recv(ends->fds[0], &byte, 1, 0);
}

static ssize_t run_send(struct ends *ends)
{
    return weft_send(ends->fds[0], "y", 1, 0);
}

static ssize_t run_recvfrom(struct ends *ends)
{
    struct weft_address from;
    char byte;
    return weft_recvfrom(ends->fds[0], &byte, 1, 0, &from);
}

static ssize_t run_sendto(struct ends *ends)
{
    return weft_sendto(ends->fds[0], "y", 1, 0, &ends->address);
}

static ssize_t run_accept(struct ends *ends)
{
    int fd = weft_accept(ends->fds[0], &ends->address);
    if (fd < 0)
        return fd;
    CHECK_OK(weft_close(fd));
    return 1;
}

static ssize_t run_connect(struct ends *ends)
{
    return weft_connect(ends->fds[0], &ends->address);
}

static ssize_t run_poll(struct ends *ends)
{
    return weft_poll(ends->fds[0], POLLIN);
}

static struct iovec piece = {"y", 1};

static ssize_t run_writev(struct ends *ends)
{
    return weft_writev(ends->fds[0], &piece, 1);
}

static ssize_t run_recvmsg(struct ends *ends)
{
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    return weft_recvmsg(ends->fds[0], &message, 0);
}

static ssize_t run_sendmsg(struct ends *ends)
{
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    return weft_sendmsg(ends->fds[0], &message, 0);
}

#define READS (WEFT_TESTING_SET(READ) | WEFT_TESTING_SET(READ_FLAGS) | WEFT_TESTING_SET(RECVFROM))
#define WRITES (WEFT_TESTING_SET(WRITE) | WEFT_TESTING_SET(WRITE_FLAGS) | WEFT_TESTING_SET(SENDTO))

/* A request of io_uring for a message counts as recvfrom or sendto. */
#define GATHERED (WEFT_TESTING_SET(WRITEV) | WEFT_TESTING_SET(WRITEV_FLAGS) | SENT)
#define SENT (WEFT_TESTING_SET(SENDMSG) | WEFT_TESTING_SET(SENDTO))
#define RECEIVED (WEFT_TESTING_SET(RECVMSG) | WEFT_TESTING_SET(RECVFROM))

static const struct call calls[] = {
    {"read of a pipe", make_pipe, run_read, 1, READS, false},
    {"read of a pipe of others", make_foreign_pipe, run_read, 1, READS, false},
    {"read of a socket", make_sockets, run_read, 1, READS, false},
    {"write to a pipe", make_pipe_to_write, run_write, 1, WRITES, false},
    {"write to a socket", make_sockets, run_write, 1, WRITES, false},
    {"recv", make_sockets, run_recv, 1, WEFT_TESTING_SET(RECVFROM), false},
    {"send", make_sockets, run_send, 1, WEFT_TESTING_SET(SENDTO), false},
    {"recvfrom", make_datagrams, run_recvfrom, 1, WEFT_TESTING_SET(RECVFROM), false},
    {"sendto", make_datagrams, run_sendto, 1, WEFT_TESTING_SET(SENDTO), false},
    {"writev to a pipe", make_pipe_to_write, run_writev, 1, GATHERED, false},
    {"writev to a socket", make_sockets, run_writev, 1, GATHERED, false},
    {"recvmsg", make_sockets, run_recvmsg, 1, RECEIVED, false},
    {"recvmsg of a datagram", make_datagrams, run_recvmsg, 1, RECEIVED, false},
    {"sendmsg", make_sockets, run_sendmsg, 1, SENT, false},
    {"accept", make_visited_listener, run_accept, 1, WEFT_TESTING_SET(ACCEPT4), false},
    {"connect", make_visitor, run_connect, 0, WEFT_TESTING_SET(CONNECT), true},
    {"poll", make_pipe, run_poll, POLLIN, WEFT_TESTING_SET(POLL), false},
};

/* --- Each error ------------------------------------------------------------------------------ */

static bool says_again(int code)
{
    return code == EINTR || code == ECONNABORTED;
}

/** What only says that a system call has no such way has a lesser way. */
static bool says_missing(int code)
{
    return code == EOPNOTSUPP || code == ENOSYS;
}

static void check(const struct call *call, int code, ssize_t got, ssize_t expected)
{
    if (got != expected)
        FAIL("%s with an error %d: %zd, not %zd", call->name, code, got, expected);
}

static void meet_error(const struct call *call, int code)
{
    struct ends ends;
    bool again = says_again(code);
    memset(&ends, 0, sizeof ends);
    call->make(&ends);
    uint64_t before = fault.injected;
    weft_testing_faults_fail(&fault, call->set, 1, again ? WEFT_TESTING_ONCE : WEFT_TESTING_FROM,
                             code);
    ssize_t got = call->run(&ends);
    weft_testing_faults_fail(&fault, WEFT_TESTING_ANY, 0, WEFT_TESTING_ONCE, 0);
    check(call, code, got, again ? call->success : -code);
    CHECK(fault.injected > before);
    if (!again && !call->once)
        check(call, 0, call->run(&ends), call->success);
    for (int i = 0; i < 2; i++)
        CHECK_OK(weft_close(ends.fds[i]));
}

static int meet_every_error(void *arg)
{
    uint64_t *count = arg;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int entry = 0; entry < WEFT_TESTING_CALLS; entry++) {
            if (!(calls[i].set & (weft_testing_set)1 << entry))
                continue;
            for (const int *code = weft_testing_call_errors((enum weft_testing_call)entry); *code;
                 code++)
                if (!says_missing(*code)) {
                    meet_error(&calls[i], *code);
                    ++*count;
                }
        }
    return 0;
}

TEST_EACH_ENGINE(every_error_of_a_raw_call_comes_back_from_it)
{
    struct weft_loop_options options = {
        .size = sizeof options, .sys = &fault.sys, .backend = test_engine()};
    const struct weft_sys *inner = &weft_sys_default;
    struct weft_loop *loop;
    uint64_t count = 0;
    char name[64];

    if (test_engine_is("sim"))
        CHECK_OK(weft__sim_new(0, &inner));
    weft_testing_faults_init(&fault, inner);
    int rc = weft_loop_create(&options, &loop);
    if (test_engine_is("io_uring") && (rc == -ENOSYS || rc == -EPERM))
        SKIP("the kernel refuses io_uring");
    CHECK_OK(rc);
    CHECK_EQ(weft_loop_run_task(loop, meet_every_error, &count), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
    if (inner != &weft_sys_default)
        weft__sim_free(inner);
    snprintf(name, sizeof name, "errors/raw/%s", test_engine());
    test_figure("%s: %llu fault points", name, (unsigned long long)count);
    test_floor("tests/fault/floors.txt", name, count);
}
