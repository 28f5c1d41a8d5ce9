/* SPDX-License-Identifier: MIT */
/*
 * test_short_read.c: what follows a read that got less than it had room for
 *
 * Such a read has emptied a TCP socket, so on epoll the next one is not tried before the engine
 * tells of more (src/loop/poller/try.c). These are the cases in which something is there all the
 * same, and would be waited for in vain: an end or an error that came with the bytes, bytes behind
 * urgent ones, bytes behind a message with a descriptor.
 */
#define _GNU_SOURCE
#include "net_test.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_pair(const int ends[2])
{
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
}

/** Reads with much room until exactly `text` has come. */
static void expect(int fd, const char *text)
{
    char buf[256];
    size_t len = strlen(text), got = 0;

    while (got < len) {
        ssize_t n = weft_recv(fd, buf, sizeof buf, 0);
        CHECK_OK(n);
        CHECK(n > 0 && got + (size_t)n <= len);
        CHECK_MEM(buf, text + got, (size_t)n);
        got += (size_t)n;
    }
}

static int send_later(int fd, const char *text)
{
    CHECK_OK(weft_sleep(WEFT_MS));
    CHECK_OK(weft_write_all(fd, text, strlen(text)));
    return 0;
}
WEFT_TASK(send_later, int, const char *);

static int send_and_close_later(int fd, const char *text)
{
    CHECK_OK(weft_sleep(WEFT_MS));
    CHECK_OK(weft_write_all(fd, text, strlen(text)));
    CHECK_OK(weft_close(fd));
    return 0;
}
WEFT_TASK(send_and_close_later, int, const char *);

/** The first read of a descriptor registers it with the engine. */
static void expect_later(struct weft_scope *scope, const int ends[2], const char *text)
{
    weft_go(scope, send_later, ends[0], text);
    expect(ends[1], text);
}

static int read_again_and_again(void *arg)
{
    struct weft_scope scope;
    int ends[2];

    (void)arg;
    tcp_pair(ends);
    weft_scope_enter(&scope, WEFT_FOREVER);
    expect_later(&scope, ends, "first");
    for (int i = 0; i < 100; i++) {
        CHECK_OK(weft_write_all(ends[0], "again", 5));
        if (i % 3 == 0)
            CHECK_OK(weft_yield());
        expect(ends[1], "again");
        if (i % 7 == 0)
            expect_later(&scope, ends, "later");
    }
    close_pair(ends);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(what_comes_after_a_short_read_is_read)
{
    CHECK_OK(weft_run(read_again_and_again, NULL));
}

static int read_to_the_end(void *arg)
{
    struct weft_scope scope;
    char buf[64];
    int ends[2];

    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    /* The end comes with the bytes, and is told of once. */
    tcp_pair(ends);
    expect_later(&scope, ends, "first");
    weft_go(&scope, send_and_close_later, ends[0], "last");
    expect(ends[1], "last");
    CHECK_EQ(weft_recv(ends[1], buf, sizeof buf, 0), 0);
    CHECK_EQ(weft_recv(ends[1], buf, sizeof buf, 0), 0);
    CHECK_OK(weft_close(ends[1]));
    /* The end comes while nobody waits, after a short read. */
    tcp_pair(ends);
    expect_later(&scope, ends, "first");
    CHECK_OK(weft_close(ends[0]));
    CHECK_EQ(weft_recv(ends[1], buf, sizeof buf, 0), 0);
    CHECK_OK(weft_close(ends[1]));
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(an_end_that_comes_with_the_last_bytes_is_seen)
{
    CHECK_OK(weft_run(read_to_the_end, NULL));
}

static int read_behind_urgent(void *arg)
{
    struct weft_scope scope;
    int ends[2];

    (void)arg;
    tcp_pair(ends);
    weft_scope_enter(&scope, WEFT_FOREVER);
    expect_later(&scope, ends, "first");
    CHECK_EQ(weft_send(ends[0], "before", 6, 0), 6);
    CHECK_EQ(weft_send(ends[0], "!", 1, MSG_OOB), 1);
    CHECK_EQ(weft_send(ends[0], "behind", 6, 0), 6);
    expect(ends[1], "beforebehind");
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(bytes_behind_urgent_ones_are_read)
{
    if (test_engine_is("sim"))
        SKIP("urgent data is not simulated");
    CHECK_OK(weft_run(read_behind_urgent, NULL));
}

static void send_with_descriptor(int fd, const char *text)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec vector = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.room};

    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    CHECK_EQ(sendmsg(fd, &message, 0), (ssize_t)strlen(text));
}

static int read_behind_descriptor(void *arg)
{
    struct weft_scope scope;
    int ends[2];

    (void)arg;
    CHECK_OK(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    weft_scope_enter(&scope, WEFT_FOREVER);
    expect_later(&scope, ends, "first");
    send_with_descriptor(ends[0], "one");
    send_with_descriptor(ends[0], "two");
    CHECK_EQ(weft_send(ends[0], "three", 5, 0), 5);
    expect(ends[1], "onetwothree");
    close_pair(ends);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(bytes_behind_a_message_with_a_descriptor_are_read)
{
    if (test_engine_is("sim"))
        SKIP("descriptors are not passed in a simulated world");
    CHECK_OK(weft_run(read_behind_descriptor, NULL));
}

static void count_reader(void *arg)
{
    ++*(int *)arg;
}

static int read_around_a_watch(void *arg)
{
    struct weft_scope scope;
    int ends[2], calls = 0;

    (void)arg;
    tcp_pair(ends);
    weft_scope_enter(&scope, WEFT_FOREVER);
    expect_later(&scope, ends, "first");
    CHECK_OK(weft_loop_add_reader(weft_loop_current(), ends[1], count_reader, &calls));
    CHECK_OK(weft_write_all(ends[0], "watched", 7));
    while (calls == 0)
        CHECK_OK(weft_yield());
    CHECK_EQ(weft_loop_remove_reader(weft_loop_current(), ends[1]), 1);
    expect(ends[1], "watched");
    expect_later(&scope, ends, "later");
    close_pair(ends);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(a_watch_between_two_reads_loses_nothing)
{
    CHECK_OK(weft_run(read_around_a_watch, NULL));
}

/* --- What it costs ------------------------------------------------------------------------- */

static int receives;

static ssize_t counted_recvfrom(const struct weft_sys *sys, int fd, void *buf, size_t len,
                                int flags, struct sockaddr *address, socklen_t *address_len)
{
    receives++;
    return weft_sys_default.recvfrom(sys, fd, buf, len, flags, address, address_len);
}

static int exchange(void *arg)
{
    struct weft_scope scope;
    int ends[2];

    (void)arg;
    tcp_pair(ends);
    weft_scope_enter(&scope, WEFT_FOREVER);
    expect_later(&scope, ends, "first");
    receives = 0;
    for (int i = 0; i < 20; i++)
        expect_later(&scope, ends, "again");
    close_pair(ends);
    return weft_scope_exit(&scope, 0);
}

TEST(on_epoll_a_message_costs_one_receive)
{
    struct weft_sys table = weft_sys_default;
    struct weft_run_options options = {.size = sizeof options,
                                       .loop = {.sys = &table, .backend = "epoll"}};

    table.recvfrom = counted_recvfrom;
    CHECK_OK(weft_run_with(&options, exchange, NULL));
    CHECK_EQ(receives, 20);
}
