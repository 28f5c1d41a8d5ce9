/* SPDX-License-Identifier: MIT */
/*
 * test_sim_options.c: the options of sockets in a simulated world
 *
 * The calls are made directly on the table, without an engine. What options say of a socket, and
 * which values are refused as by Linux, is in test_sim_kernel.c; here stands what the world does
 * with options that change nothing in it: most are kept, some are only accepted.
 */
#define _GNU_SOURCE
#include "loop/poller/sim/world.h"
#include "test.h"
#include <netinet/tcp.h>
#include <sys/time.h>

#define CALL(entry, ...) sys->entry(sys, __VA_ARGS__)

static const struct weft_sys *sys;

static void open_world(uint64_t seed)
{
    CHECK_OK(weft__sim_new(seed, &sys));
}

/* Frees the world after checking that the test closed all it opened. */
static void close_world(void)
{
    CHECK_EQ(weft__sim_open(sys), 0);
    weft__sim_free(sys);
}

TEST(options_are_remembered)
{
    int fd, value = 1;
    socklen_t len = sizeof value;
    struct timeval timeout = {.tv_sec = 3, .tv_usec = 4}, back = {0};

    open_world(0);
    fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(CALL(getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, &len));
    CHECK_EQ(value, 0);
    value = 1;
    CHECK_OK(CALL(setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, len));
    value = 0;
    CHECK_OK(CALL(getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, &len));
    CHECK_EQ(value, 1);
    CHECK_OK(CALL(setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout));
    len = sizeof back;
    CHECK_OK(CALL(getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &back, &len));
    CHECK_EQ(len, sizeof back);
    CHECK_MEM(&back, &timeout, sizeof back);
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(an_option_of_a_buffers_size_is_accepted_and_changes_nothing)
{
    static const int options[] = {SO_SNDBUF, SO_RCVBUF};

    open_world(0);
    int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 2; i++) {
        int value = 1 << 20;
        socklen_t len = sizeof value;
        CHECK_OK(CALL(setsockopt, fd, SOL_SOCKET, options[i], &value, len));
        CHECK_OK(CALL(getsockopt, fd, SOL_SOCKET, options[i], &value, &len));
        CHECK_EQ(value, WEFT__SIM_BUFFER);
    }
    CHECK_OK(CALL(close, fd));
    close_world();
}

TEST(a_socket_remembers_a_few_options_of_the_size_of_a_timeout)
{
    char large[64] = {0};
    int one = 1;

    open_world(0);
    int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(CALL(setsockopt, fd, SOL_SOCKET, SO_KEEPALIVE, large, sizeof large), -EINVAL);
    for (int i = 0; i < WEFT__SIM_OPTIONS; i++)
        CHECK_OK(CALL(setsockopt, fd, IPPROTO_TCP, 100 + i, &one, sizeof one));
    CHECK_ERR(CALL(setsockopt, fd, IPPROTO_TCP, 99, &one, sizeof one), -ENOPROTOOPT);
    CHECK_OK(CALL(setsockopt, fd, IPPROTO_TCP, 100, &one, sizeof one));
    CHECK_OK(CALL(close, fd));
    close_world();
}
