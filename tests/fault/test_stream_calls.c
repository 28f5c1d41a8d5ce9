/* SPDX-License-Identifier: MIT */
/*
 * test_stream_calls.c: what streams and sockets ask of the kernel beside reads and writes, failing
 *
 * Copies that are spliced, files, descriptors that travel, borrowed descriptors, aborts, groups of
 * receivers, datagram sockets with options, and descriptors that cannot be given to the loop: each
 * is a small program, run once for each call that it makes and each error that a kernel gives for
 * it. Whatever fails, it ends, says a documented error or did its work all the same, and leaves
 * nothing open. A simulated world has none of it.
 */
#define _GNU_SOURCE 1 /* memfd_create */
#include "loop/poller.h"
#include "programs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MUCH (600 << 10)

/** The error itself, another way that hides it, or what the other side sees of it. */
static int documented(int rc, int code)
{
    bool again = code == EINTR || code == EAGAIN;
    return rc == 0 || (rc == -code && !again) || rc == -ECONNRESET || rc == -EPIPE || rc == -EIO ||
           rc == -WEFT_EINCOMPLETE || rc == -EPROTO || rc == -ENOMEM;
}

/** The same with an interruption: no kernel interrupts a fcntl(2) that duplicates, but the plan
 *  does, and then it is an error as any other. */
static int documented_of_duplicates(int rc, int code)
{
    return rc == -code || documented(rc, code);
}

/** Makes the streams of a socket pair, or nothing. */
static int unix_streams(const struct weft_stream_options *options, struct weft_stream *ends[2])
{
    int fds[2];
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    if (rc < 0)
        return rc;
    rc = weft_stream_from_fd(fds[0], options, &ends[0]);
    if (rc < 0)
        return first_of(first_of(rc, weft_close(fds[0])), weft_close(fds[1]));
    rc = weft_stream_from_fd(fds[1], options, &ends[1]);
    if (rc < 0)
        return first_of(first_of(rc, weft_stream_close(ends[0])), weft_close(fds[1]));
    return 0;
}

/** Closes both: the first failure of all. */
static int close_both(struct weft_stream *ends[2], int rc)
{
    rc = first_of(rc, weft_stream_close(ends[0]));
    return first_of(rc, weft_stream_close(ends[1]));
}

/** Writes much and ends. */
static int send_much(struct weft_stream *stream)
{
    static char zeros[MUCH];
    int rc = weft_stream_write_all(stream, zeros, sizeof zeros);
    return first_of(rc, rc < 0 ? 0 : weft_stream_shutdown(stream));
}
WEFT_TASK(send_much, struct weft_stream *);

/** Reads up to the end, which must come after so many bytes. */
static int take_all(struct weft_stream *stream, int expected)
{
    char *room = weft_loop_realloc(weft_loop_current(), NULL, 64 << 10);
    int total = 0;
    ssize_t n = room ? 1 : -ENOMEM;
    while (n > 0) {
        n = weft_stream_read(stream, room, 64 << 10);
        total += n > 0 ? (int)n : 0;
    }
    (void)weft_loop_realloc(weft_loop_current(), room, 0);
    return n < 0 ? (int)n : total == expected ? 0 : -EPROTO;
}
WEFT_TASK(take_all, struct weft_stream *, int);

/** Copies all, and ends. */
static int pass_all(struct weft_stream *from, struct weft_stream *to)
{
    int64_t n = weft_stream_copy(from, to, WEFT_STREAM_ALL);
    return n < 0 ? (int)n : weft_stream_shutdown(to);
}

FAULT_PROGRAM(copy_much)
{
    struct weft_stream *in[2];
    struct weft_stream *out[2];
    struct weft_scope scope;
    int rc = unix_streams(NULL, in);
    if (rc < 0)
        return rc;
    rc = unix_streams(NULL, out);
    if (rc < 0)
        return close_both(in, rc);
    weft_scope_enter(&scope, WEFT_HOUR);
    rc = weft_go(&scope, send_much, in[0]);
    if (rc == 0)
        rc = weft_go(&scope, take_all, out[1], MUCH);
    rc = weft_scope_exit(&scope, rc < 0 ? rc : pass_all(in[1], out[0]));
    return close_both(out, close_both(in, rc));
}

/** A file of so many zeros. */
static int file_of(int len)
{
    int fd = memfd_create("weft-test", MFD_CLOEXEC);
    CHECK_OK(fd);
    CHECK_EQ(ftruncate(fd, len), 0);
    return fd;
}

static int send_a_file(struct weft_stream *stream, int fd)
{
    int64_t n = weft_stream_send_file(stream, fd, 100, WEFT_STREAM_ALL);
    return n < 0 ? (int)n : n == MUCH - 100 ? weft_stream_shutdown(stream) : -EPROTO;
}

FAULT_PROGRAM(file_into_socket)
{
    struct weft_stream *ends[2];
    struct weft_scope scope;
    int rc = unix_streams(NULL, ends);
    if (rc < 0)
        return rc;
    int fd = file_of(MUCH);
    weft_scope_enter(&scope, WEFT_HOUR);
    rc = weft_go(&scope, take_all, ends[1], MUCH - 100);
    rc = weft_scope_exit(&scope, rc < 0 ? rc : send_a_file(ends[0], fd));
    close(fd);
    return close_both(ends, rc);
}

/** Sends a descriptor with much behind it, then more descriptors than may wait. */
static int send_descriptors(struct weft_stream *stream)
{
    static char zeros[MUCH];
    int fds[65] = {0};
    int rc = weft_stream_send_fds(stream, fds, 1, zeros, sizeof zeros);
    if (rc == 0)
        rc = weft_stream_send_fds(stream, fds, 3, "x", 1);
    return rc < 0 ? rc : weft_stream_send_fds(stream, fds, 65, "y", 1);
}
WEFT_TASK(send_descriptors, struct weft_stream *);

/** Takes the first, leaves three, and is told that the rest are too many. */
static int take_descriptors(struct weft_stream *stream)
{
    char *room = weft_loop_realloc(weft_loop_current(), NULL, MUCH);
    int fd = room ? weft_stream_recv_fd(stream) : -ENOMEM;
    int rc = fd < 0 ? fd : weft_close(fd);
    if (rc == 0)
        rc = weft_stream_read_exactly(stream, room, MUCH);
    if (rc == 0)
        rc = weft_stream_read_exactly(stream, room, 1);
    if (rc == 0)
        rc = weft_stream_read_exactly(stream, room, 1);
    (void)weft_loop_realloc(weft_loop_current(), room, 0);
    return rc == -EMSGSIZE ? 0 : rc == 0 ? -EPROTO : rc;
}

FAULT_PROGRAM(pass_descriptors)
{
    const struct weft_stream_options passing = {.flags = WEFT_STREAM_PASS_FDS};
    struct weft_stream *ends[2];
    struct weft_scope scope;
    int rc = unix_streams(&passing, ends);
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_HOUR);
    rc = weft_go(&scope, send_descriptors, ends[0]);
    rc = weft_scope_exit(&scope, rc < 0 ? rc : take_descriptors(ends[1]));
    return close_both(ends, rc);
}

FAULT_PROGRAM(leave_descriptors)
{
    const struct weft_stream_options passing = {.flags = WEFT_STREAM_PASS_FDS};
    struct weft_stream *ends[2];
    int fds[2] = {0, 0};
    char byte;
    int rc = unix_streams(&passing, ends);
    if (rc < 0)
        return rc;
    rc = weft_stream_send_fds(ends[0], fds, 2, "x", 1);
    if (rc == 0)
        rc = weft_stream_read_exactly(ends[1], &byte, 1);
    return close_both(ends, rc);
}

/** A stream over duplicates of both, which stay the caller's. */
static int borrow(int in, int out, int expected)
{
    const struct weft_stream_options borrowing = {.flags = WEFT_STREAM_BORROW};
    struct weft_stream *stream;
    int rc = weft_stream_from_fds(in, out, &borrowing, &stream);
    if (rc == 0)
        rc = weft_stream_close(stream);
    return rc == expected ? 0 : rc == 0 ? -EPROTO : rc;
}

FAULT_PROGRAM(borrow_descriptors)
{
    int pipes[2];
    int datagrams[2];
    int rc = weft_pipe(pipes);
    if (rc < 0)
        return rc;
    rc = weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams);
    if (rc < 0)
        return first_of(first_of(rc, weft_close(pipes[0])), weft_close(pipes[1]));
    rc = borrow(pipes[0], pipes[1], 0);
    rc = first_of(rc, borrow(datagrams[0], datagrams[0], -EPROTOTYPE));
    rc = first_of(rc, borrow(pipes[0], datagrams[0], -EPROTOTYPE));
    for (int i = 0; i < 2; i++)
        rc = first_of(first_of(rc, weft_close(pipes[i])), weft_close(datagrams[i]));
    return rc;
}

FAULT_PROGRAM(abort_a_stream)
{
    struct weft_stream *ends[2];
    char byte;
    int rc = unix_streams(NULL, ends);
    if (rc < 0)
        return rc;
    weft_stream_abort(ends[0]);
    ssize_t n = weft_stream_read(ends[1], &byte, 1);
    return close_both(ends, n == -ECONNRESET ? 0 : (int)n);
}

/** All that a member and a sender of groups may say. */
static int speak_to_group(int fd, const char *group_text, const char *source_text)
{
    struct weft_address group;
    struct weft_address source;
    int rc = weft_interface_number("lo");
    if (rc < 0)
        return rc;
    int interface = rc;
    CHECK_EQ(weft_address_parse(group_text, &group), 0);
    CHECK_EQ(weft_address_parse(source_text, &source), 0);
    rc = weft_multicast_join(fd, &group, interface, NULL);
    if (rc == 0)
        rc = weft_multicast_leave(fd, &group, interface, NULL);
    if (rc == 0)
        rc = weft_multicast_join(fd, &group, interface, &source);
    if (rc == 0)
        rc = weft_multicast_leave(fd, &group, interface, &source);
    if (rc == 0)
        rc = weft_multicast_set_interface(fd, interface);
    if (rc == 0)
        rc = weft_multicast_set_hops(fd, 3);
    return rc < 0 ? rc : weft_multicast_set_loop(fd, 0);
}

/** A socket with all options, connected to itself, that joins a group. */
static int open_and_speak(const char *address, const char *group, const char *source)
{
    const struct weft_datagram_options options = {
        .flags = WEFT_DATAGRAM_REUSE_ADDRESS | WEFT_DATAGRAM_REUSE_PORT | WEFT_DATAGRAM_BROADCAST |
                 WEFT_DATAGRAM_ONLY_IPV6 | WEFT_DATAGRAM_JOIN,
        .receive_buffer = 8192,
        .send_buffer = 8192};
    struct weft_address any;
    struct weft_address peer;
    CHECK_EQ(weft_address_parse(address, &any), 0);
    peer = any;
    peer.of.in.sin_port = htons(9);
    int fd = weft_datagram_open(&any, &peer, &options);
    if (fd < 0)
        return fd;
    int rc = weft_datagram_abilities(fd) < 0 ? -EPROTO : speak_to_group(fd, group, source);
    return first_of(rc, weft_close(fd));
}

FAULT_PROGRAM(speak_ipv4)
{
    return open_and_speak("127.0.0.1:0", "239.255.17.23:1", "192.0.2.77:0");
}

FAULT_PROGRAM(speak_ipv6)
{
    return open_and_speak("[::1]:0", "[ff01::1723]:1", "[2001:db8::77]:0");
}

/* --- Descriptors for which the loop has no room ----------------------------------------------- */

/** Between the sweep and the loop: fails the memory that an engine needs for a new number. */
static struct weft_testing_faults no_room;

/** The numbers that an engine makes room for at a time, and a bound of what a test has open. */
#define NUMBERS 64

/** Takes all numbers below the next for which there is no room yet; how many. */
static int take_numbers(int taken[NUMBERS])
{
    int count = 0;
    int fd;
    do {
        fd = dup(0);
        CHECK_OK(fd);
        taken[count++] = fd;
    } while (fd % NUMBERS != NUMBERS - 1);
    return count;
}

static void set_memory(bool refused)
{
    weft_testing_faults_fail(&no_room, WEFT_TESTING_SET(REALLOC), refused, WEFT_TESTING_FROM,
                             ENOMEM);
}

/** An accept whose connection has no room. */
static int accept_without_room(int listener, const struct weft_address *address)
{
    int taken[NUMBERS];
    int client = weft_tcp_connect(address);
    if (client < 0)
        return client;
    int count = take_numbers(taken);
    set_memory(true);
    int fd = weft_accept(listener, NULL);
    set_memory(false);
    while (count > 0)
        close(taken[--count]);
    int rc = fd == -ENOMEM ? 0 : fd < 0 ? fd : first_of(-EPROTO, weft_close(fd));
    return first_of(rc, weft_close(client));
}

static int accept_no_room(void *arg)
{
    struct weft_address address;
    (void)arg;
    CHECK_EQ(weft_address_parse("127.0.0.1:0", &address), 0);
    int listener = weft_tcp_listen(&address, 4);
    if (listener < 0)
        return listener;
    int rc = weft_local_address(listener, &address);
    if (rc == 0)
        rc = accept_without_room(listener, &address);
    return first_of(rc, weft_close(listener));
}

/** A socket and a pair of which no end, or one only, has room. */
static int make_no_room(void *arg)
{
    int taken[NUMBERS];
    int fds[2];
    (void)arg;
    int count = take_numbers(taken);
    set_memory(true);
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    int both = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    close(taken[--count]);
    int one = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    set_memory(false);
    while (count > 0)
        close(taken[--count]);
    int rc = fd == -ENOMEM ? both : fd;
    return rc == -ENOMEM ? (one == -ENOMEM ? 0 : one) : rc < 0 ? rc : -EPROTO;
}

static int run_without_room(const struct weft_sys *sys, int (*program)(void *arg))
{
    weft_testing_faults_init(&no_room, sys);
    return fault_on_loop(&no_room.sys, program);
}

static int run_accept_no_room(const struct weft_sys *sys)
{
    return run_without_room(sys, accept_no_room);
}

static int run_make_no_room(const struct weft_sys *sys)
{
    return run_without_room(sys, make_no_room);
}

static void sweep_for(int (*run)(const struct weft_sys *sys), uint64_t least,
                      int (*judge)(int rc, int code))
{
    const struct fault_sweep points = {"stream_calls", run, judge};
    weft_testing_set set = WEFT_TESTING_ANY & ~WEFT_TESTING_SET(MPROTECT) & ~WEFT_TESTING_MEMORY;

    if (test_engine_is("sim"))
        SKIP("a simulated world has none of it");
    test_limit(120);
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(setenv("WEFT_GUARD", "madvise", 1), 0);
    uint64_t reached = fault_sweep_errors(&points, set);
    CHECK(reached >= least);
    CHECK(fault_sweep(&points, WEFT_TESTING_MEMORY, ENOMEM) > 0);
}

static void sweep(int (*run)(const struct weft_sys *sys), uint64_t least)
{
    sweep_for(run, least, documented);
}

TEST_EACH_ENGINE(a_copy_in_the_kernel_ends_whatever_fails)
{
    sweep(run_copy_much, 60);
}

TEST_EACH_ENGINE(a_file_on_its_way_ends_whatever_fails)
{
    sweep(run_file_into_socket, 40);
}

TEST_EACH_ENGINE(descriptors_that_travel_are_closed_whatever_fails)
{
    sweep(run_pass_descriptors, 60);
    sweep(run_leave_descriptors, 30);
}

TEST_EACH_ENGINE(what_is_borrowed_is_given_back_whatever_fails)
{
    sweep_for(run_borrow_descriptors, 30, documented_of_duplicates);
}

TEST_EACH_ENGINE(an_abort_ends_whatever_fails)
{
    sweep(run_abort_a_stream, 20);
}

TEST_EACH_ENGINE(a_member_of_a_group_is_told_what_failed)
{
    sweep(run_speak_ipv4, 30);
}

/** Whether this host has IPv6 and groups of it. */
static bool has_ipv6_groups(void)
{
    return run_speak_ipv6(&weft_sys_default) == 0;
}

TEST_EACH_ENGINE(a_member_of_an_ipv6_group_is_told_what_failed)
{
    if (!test_engine_is("sim") && !has_ipv6_groups())
        SKIP("no groups of IPv6 here");
    sweep(run_speak_ipv6, 30);
}

TEST_EACH_ENGINE(descriptors_without_room_are_closed_whatever_fails)
{
    sweep(run_accept_no_room, 30);
    sweep(run_make_no_room, 10);
}
