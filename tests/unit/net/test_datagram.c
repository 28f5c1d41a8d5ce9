/* SPDX-License-Identifier: MIT */
/*
 * test_datagram.c: datagrams, one or many at a time
 *
 * Each test states one sentence of weft/datagram.h, on each engine, over loopback or in a simulated
 * world. Runs of segments are sent and received in every combination that the kernel allows: split
 * by the kernel or by us, joined or not; a world has neither, so that there our own way is seen.
 */
#include "net_test.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/testing.h>

/** A datagram to send. */
static struct weft_datagram of_text(const char *text)
{
    return (struct weft_datagram){.buf = (void *)(uintptr_t)text, .len = strlen(text)};
}

/** A socket on a port of its own, and its address. */
static int open_anywhere(struct weft_address *ret, const struct weft_datagram_options *options)
{
    struct weft_address any = address_of("127.0.0.1:0");
    int fd = weft_datagram_open(&any, NULL, options);
    CHECK_OK(fd);
    *ret = local_address(fd);
    return fd;
}

/** fds[1] is connected to fds[0], which is not connected. */
static void open_both(int fds[2], const struct weft_datagram_options *options)
{
    struct weft_address address;
    fds[0] = open_anywhere(&address, options);
    fds[1] = weft_datagram_open(NULL, &address, NULL);
    CHECK_OK(fds[1]);
}

static bool simulated(void)
{
    return test_engine_is("sim");
}

/* --- Sockets --------------------------------------------------------------------------------- */

TASK_TEST(an_unconnected_socket_hears_all_and_answers_each)
{
    struct weft_address server_address;
    char room[16];
    int server = open_anywhere(&server_address, NULL);
    for (int i = 0; i < 2; i++) {
        struct weft_address mine;
        int client = open_anywhere(&mine, NULL);
        struct weft_datagram question = of_text("question"), d = {.buf = room, .size = sizeof room};
        question.address = server_address;
        CHECK_EQ(weft_datagram_send(client, &question), 0);
        CHECK_EQ(weft_datagram_recv(server, &d), 0);
        CHECK_EQ(d.len, 8);
        CHECK(weft_address_equal(&d.address, &mine));
        CHECK_EQ(weft_datagram_send(server, &d), 0);
        CHECK_EQ(weft_datagram_recv(client, &d), 0);
        CHECK(weft_address_equal(&d.address, &server_address));
        CHECK_MEM(room, "question", 8);
        CHECK_EQ(weft_close(client), 0);
    }
    CHECK_EQ(weft_close(server), 0);
}

TASK_TEST(a_connected_socket_hears_its_peer_alone)
{
    struct weft_address addresses[2], third_address;
    char room[16];
    int fds[2];
    struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("from the third");
    fds[0] = open_anywhere(&addresses[0], NULL);
    fds[1] = weft_datagram_open(NULL, &addresses[0], NULL);
    CHECK_OK(fds[1]);
    addresses[1] = local_address(fds[1]);
    int third = open_anywhere(&third_address, NULL);
    text.address = addresses[1];
    CHECK_EQ(weft_datagram_send(third, &text), 0);
    text = of_text("from the peer");
    text.address = addresses[1];
    CHECK_EQ(weft_datagram_send(fds[0], &text), 0);
    CHECK_EQ(weft_datagram_recv(fds[1], &d), 0);
    CHECK_MEM(room, "from the peer", 13);
    close_ends(fds);
    CHECK_EQ(weft_close(third), 0);
}

TASK_TEST(a_connected_socket_may_be_bound_as_well)
{
    struct weft_address peer, any = address_of("127.0.0.1:0"), got;
    int receiver = open_anywhere(&peer, NULL);
    int fd = weft_datagram_open(&any, &peer, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_peer_address(fd, &got), 0);
    CHECK(weft_address_equal(&got, &peer));
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(receiver), 0);
}

TASK_TEST(a_socket_without_any_address_or_of_two_families_is_refused)
{
    struct weft_address four = address_of("127.0.0.1:0"), six = address_of("[::1]:9");
    CHECK_ERR(weft_datagram_open(NULL, NULL, NULL), -EINVAL);
    CHECK_ERR(weft_datagram_open(&four, &six, NULL), -EINVAL);
}

TASK_TEST(an_address_that_is_taken_is_said_and_nothing_stays_open)
{
    struct weft_address address;
    int fd = open_anywhere(&address, NULL);
    CHECK_ERR(weft_datagram_open(&address, NULL, NULL), -EADDRINUSE);
    CHECK_CONTAINS(weft_note(), "bind to 127.0.0.1:");
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_port_that_is_shared_can_be_bound_twice)
{
    if (simulated())
        SKIP("a simulated address has one socket");
    struct weft_datagram_options share = {.flags = WEFT_DATAGRAM_REUSE_PORT};
    struct weft_address address;
    int fds[2] = {open_anywhere(&address, &share), -1};
    fds[1] = weft_datagram_open(&address, NULL, &share);
    CHECK_OK(fds[1]);
    close_ends(fds);
    share.flags = WEFT_DATAGRAM_REUSE_ADDRESS;
    fds[0] = open_anywhere(&address, &share);
    fds[1] = weft_datagram_open(&address, NULL, &share);
    CHECK_OK(fds[1]);
    close_ends(fds);
}

TASK_TEST(an_ipv6_socket_hears_ipv4_unless_it_is_told_not_to)
{
    if (simulated())
        SKIP("the families are separate in a world");
    for (int only = 0; only < 2; only++) {
        struct weft_datagram_options options = {.flags = only ? WEFT_DATAGRAM_ONLY_IPV6 : 0};
        struct weft_address any = address_of("[::]:0"), four = address_of("127.0.0.1:0");
        struct weft_scope s;
        char room[8];
        struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("four");
        int fds[2] = {weft_datagram_open(&any, NULL, &options), -1};
        if (fds[0] == -EAFNOSUPPORT)
            SKIP("no IPv6 here");
        CHECK_OK(fds[0]);
        text.address = four;
        text.address.of.in.sin_port = local_address(fds[0]).of.in6.sin6_port;
        fds[1] = open_anywhere(&four, NULL);
        CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
        weft_scope_enter(&s, only ? 20 * WEFT_MS : WEFT_HOUR);
        int rc = weft_datagram_recv(fds[0], &d);
        CHECK_EQ(weft_scope_exit(&s, rc), only ? -ETIMEDOUT : 0);
        close_ends(fds);
    }
}

TASK_TEST(unix_datagrams_have_addresses_too)
{
    struct weft_address server_address = own_name("datagram-server");
    struct weft_address client_address = own_name("datagram-client");
    char room[16];
    struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("hello");
    int fds[2] = {weft_datagram_open(&server_address, NULL, NULL),
                  weft_datagram_open(&client_address, &server_address, NULL)};
    CHECK_OK(fds[0]);
    CHECK_OK(fds[1]);
    CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK(weft_address_equal(&d.address, &client_address));
    CHECK_EQ(weft_datagram_send(fds[0], &d), 0);
    CHECK_EQ(weft_datagram_recv(fds[1], &d), 0);
    close_ends(fds);
}

TASK_TEST(buffers_and_broadcast_are_options)
{
    if (simulated())
        SKIP("a world has no such limits");
    struct weft_datagram_options options = {
        .flags = WEFT_DATAGRAM_BROADCAST, .receive_buffer = 20000, .send_buffer = 30000};
    struct weft_address address;
    int value;
    socklen_t len = sizeof value;
    int fd = open_anywhere(&address, &options);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_BROADCAST, &value, &len), 0);
    CHECK_EQ(value, 1);
    /* The kernel doubles what it is given. */
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
    CHECK_EQ(value, 40000);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
    CHECK_EQ(value, 60000);
    CHECK_EQ(weft_close(fd), 0);
}

/* --- One datagram ---------------------------------------------------------------------------- */

TASK_TEST(a_datagram_larger_than_its_room_says_so_with_its_true_length)
{
    char room[4];
    struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("0123456789");
    int fds[2];
    open_both(fds, NULL);
    CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
    text.len = 4;
    CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK_EQ(d.flags, WEFT_DATAGRAM_CUT);
    CHECK_EQ(d.whole, 10);
    CHECK_EQ(d.len, 4);
    CHECK_MEM(room, "0123", 4);
    /* The rest is lost, and the next one is whole. */
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK_EQ(d.flags, 0);
    CHECK_EQ(d.whole, 4);
    close_ends(fds);
}

TASK_TEST(a_datagram_of_no_bytes_is_one)
{
    char room[4];
    struct weft_datagram d = {.buf = room, .size = sizeof room, .len = 99}, empty = of_text("");
    const void *bytes;
    int fds[2];
    open_both(fds, NULL);
    CHECK_EQ(weft_datagram_send(fds[1], &empty), 0);
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK_EQ(d.len, 0);
    CHECK_EQ(d.whole, 0);
    CHECK_EQ(weft_datagram_segment(&d, 0, &bytes), 0);
    CHECK_ERR(weft_datagram_segment(&d, 1, &bytes), -ENOENT);
    close_ends(fds);
}

TASK_TEST(the_largest_datagram_goes_and_one_byte_more_is_EMSGSIZE)
{
    static char bytes[65508], room[65508];
    struct weft_datagram d = {.buf = room, .size = sizeof room};
    struct weft_datagram large = {.buf = bytes, .len = 65507};
    int fds[2];
    open_both(fds, NULL);
    CHECK_EQ(weft_datagram_send(fds[1], &large), 0);
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK_EQ(d.len, 65507);
    large.len++;
    CHECK_ERR(weft_datagram_send(fds[1], &large), -EMSGSIZE);
    close_ends(fds);
}

TASK_TEST(nobody_there_is_told_once_and_ends_nothing)
{
    struct weft_address address;
    char room[8];
    struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("x");
    CHECK_EQ(weft_close(open_anywhere(&address, NULL)), 0);
    int fd = weft_datagram_open(NULL, &address, NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_datagram_send(fd, &text), 0);
    CHECK_ERR(weft_datagram_recv(fd, &d), -ECONNREFUSED);
    int other = weft_datagram_open(&address, NULL, NULL);
    CHECK_OK(other);
    CHECK_EQ(weft_datagram_send(fd, &text), 0);
    CHECK_EQ(weft_datagram_recv(other, &d), 0);
    CHECK_EQ(weft_datagram_send(other, &d), 0);
    CHECK_EQ(weft_datagram_recv(fd, &d), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(other), 0);
}

TASK_TEST(an_unconnected_socket_hears_of_no_refusal)
{
    struct weft_address address, mine;
    struct weft_scope s;
    char room[8];
    struct weft_datagram d = {.buf = room, .size = sizeof room}, text = of_text("x");
    CHECK_EQ(weft_close(open_anywhere(&address, NULL)), 0);
    int fd = open_anywhere(&mine, NULL);
    text.address = address;
    CHECK_EQ(weft_datagram_send(fd, &text), 0);
    weft_scope_enter(&s, 20 * WEFT_MS);
    CHECK_ERR(weft_scope_exit(&s, weft_datagram_recv(fd, &d)), -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_cancelled_receive_takes_nothing_and_leaves_the_datagram_as_it_was)
{
    struct weft_scope s;
    char room[8];
    struct weft_datagram d = {.buf = room, .size = sizeof room, .len = 77, .flags = 3};
    struct weft_datagram text = of_text("later");
    int fds[2];
    open_both(fds, NULL);
    weft_scope_enter(&s, 5 * WEFT_MS);
    CHECK_ERR(weft_scope_exit(&s, weft_datagram_recv(fds[0], &d)), -ETIMEDOUT);
    CHECK_EQ(d.len, 77);
    CHECK_EQ(d.flags, 3);
    CHECK_EQ(d.address.len, 0);
    weft_scope_enter(&s, 5 * WEFT_MS);
    CHECK_ERR(weft_scope_exit(&s, weft_datagram_recv_batch(fds[0], &d, 1)), -ETIMEDOUT);
    CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
    CHECK_EQ(weft_datagram_recv(fds[0], &d), 0);
    CHECK_EQ(d.len, 5);
    close_ends(fds);
}

TASK_TEST(a_refused_call_sends_nothing)
{
    struct weft_scope s;
    char room[8];
    struct weft_datagram text = of_text("not sent");
    int fds[2];
    open_both(fds, NULL);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, -ECANCELED);
    CHECK_ERR(weft_datagram_send(fds[1], &text), -ECANCELED);
    CHECK_ERR(weft_datagram_send_batch(fds[1], &text, 1), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ECANCELED);
    CHECK_ERR(weft_recv(fds[0], room, sizeof room, MSG_DONTWAIT), -EAGAIN);
    close_ends(fds);
}

static int receive_into(int fd, struct weft_datagram *d)
{
    return weft_datagram_recv(fd, d);
}
WEFT_TASK(receive_into, int, struct weft_datagram *);

TASK_TEST(a_close_wakes_who_receives)
{
    struct weft_scope s;
    struct weft_address address;
    char room[8];
    struct weft_datagram d = {.buf = room, .size = sizeof room};
    int fd = open_anywhere(&address, NULL);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, receive_into, fd, &d), 0);
    turn();
    CHECK_EQ(weft_close(fd), 0);
    CHECK_ERR(weft_scope_exit(&s, 0), -EBADF);
}

/* --- Batches --------------------------------------------------------------------------------- */

/** Datagrams with room of eight bytes each. */
struct crate {
    /** The datagrams. */
    struct weft_datagram d[80];
    /** Their bytes. */
    char room[80][8];
};

static void fill_crate(struct crate *crate)
{
    for (int i = 0; i < 80; i++) {
        snprintf(crate->room[i], 8, "%u", (unsigned)i % 100);
        crate->d[i] =
            (struct weft_datagram){.buf = crate->room[i], .size = 8, .len = strlen(crate->room[i])};
    }
}

TASK_TEST(a_batch_goes_in_order_and_comes_in_at_most_32)
{
    static struct crate out, in;
    int fds[2], got = 0;
    open_both(fds, NULL);
    fill_crate(&out);
    fill_crate(&in);
    CHECK_EQ(weft_datagram_send_batch(fds[1], out.d, 80), 80);
    while (got < 80) {
        int n = weft_datagram_recv_batch(fds[0], &in.d[got], 80 - got);
        CHECK(n >= 1 && n <= WEFT_DATAGRAM_BATCH);
        got += n;
    }
    for (int i = 0; i < 80; i++) {
        CHECK_EQ(in.d[i].len, out.d[i].len);
        CHECK_MEM(in.room[i], out.room[i], out.d[i].len);
    }
    close_ends(fds);
}

TASK_TEST(a_batch_takes_what_is_there_and_waits_for_the_first_alone)
{
    static struct crate crate;
    struct weft_datagram empty = of_text(""), large = of_text("0123456789");
    int fds[2];
    open_both(fds, NULL);
    fill_crate(&crate);
    CHECK_EQ(weft_datagram_send(fds[1], &empty), 0);
    CHECK_EQ(weft_datagram_send(fds[1], &large), 0);
    CHECK_EQ(weft_datagram_recv_batch(fds[0], crate.d, 80), 2);
    CHECK_EQ(crate.d[0].len, 0);
    CHECK_EQ(crate.d[1].flags, WEFT_DATAGRAM_CUT);
    CHECK_EQ(crate.d[1].whole, 10);
    CHECK_EQ(crate.d[2].whole, 0);
    CHECK(weft_address_equal(&crate.d[1].address, &crate.d[0].address));
    CHECK_ERR(weft_datagram_recv_batch(fds[0], crate.d, 0), -EINVAL);
    CHECK_ERR(weft_datagram_send_batch(fds[1], crate.d, -1), -EINVAL);
    close_ends(fds);
}

static int receive_batch(int fd, struct weft_datagram *d)
{
    return weft_datagram_recv_batch(fd, d, 4);
}
WEFT_TASK(receive_batch, int, struct weft_datagram *);

TASK_TEST(a_batch_wakes_for_a_datagram_that_comes_later)
{
    static struct crate crate;
    struct weft_scope s;
    struct weft_task *task;
    struct weft_datagram text = of_text("later");
    int fds[2], got;
    open_both(fds, NULL);
    fill_crate(&crate);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, receive_batch, fds[0], crate.d), 0);
    turn();
    CHECK_EQ(weft_datagram_send(fds[1], &text), 0);
    CHECK_EQ(weft_join(task, &got), 0);
    CHECK_EQ(got, 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_MEM(crate.room[0], "later", 5);
    close_ends(fds);
}

TASK_TEST(a_batch_tells_how_many_went_before_an_error)
{
    static char bytes[65508];
    struct weft_datagram d[3] = {of_text("a"), {.buf = bytes, .len = sizeof bytes}, of_text("c")};
    int fds[2];
    open_both(fds, NULL);
    CHECK_EQ(weft_datagram_send_batch(fds[1], d, 3), 1);
    CHECK_ERR(weft_datagram_send_batch(fds[1], &d[1], 2), -EMSGSIZE);
    CHECK_EQ(weft_datagram_send_batch(fds[1], &d[2], 1), 1);
    close_ends(fds);
}

static int drain_crate(int fd, int count)
{
    static struct crate crate;
    fill_crate(&crate);
    while (count > 0) {
        int n = weft_datagram_recv_batch(fd, crate.d, 80);
        CHECK(n > 0);
        count -= n;
    }
    return 0;
}
WEFT_TASK(drain_crate, int, int);

/* Unix sockets hold few datagrams, and lose none. */
TASK_TEST(a_batch_waits_for_room_as_often_as_needed)
{
    static struct weft_datagram many[2000];
    struct weft_scope s;
    int fds[2];
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    for (int i = 0; i < 2000; i++)
        many[i] = of_text("datagram");
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, drain_crate, fds[0], 2000), 0);
    CHECK_EQ(weft_datagram_send_batch(fds[1], many, 2000), 2000);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close_ends(fds);
}

/** Cancels a scope as soon as something has come. */
static int cancel_when_readable(int fd, struct weft_scope *scope)
{
    CHECK_EQ(weft_poll(fd, POLLIN), POLLIN);
    weft_scope_cancel(scope, 0);
    return 0;
}
WEFT_TASK(cancel_when_readable, int, struct weft_scope *);

TASK_TEST(a_cancelled_batch_tells_how_many_went)
{
    static struct weft_datagram many[20000];
    struct weft_scope s;
    int fds[2];
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    for (int i = 0; i < 20000; i++)
        many[i] = of_text("datagram");
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, cancel_when_readable, fds[0], &s), 0);
    int sent = weft_datagram_send_batch(fds[1], many, 20000);
    CHECK(sent > 0 && sent < 20000);
    CHECK_ERR(weft_datagram_send(fds[1], many), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(drain_crate(fds[0], sent), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close_ends(fds);
}

/* --- Runs of segments ------------------------------------------------------------------------ */

/** Receives `total` bytes, which were sent in segments of `segment`; how many receives it took. */
static int check_segments(int fd, const char *bytes, size_t total, size_t segment)
{
    static char room[65536];
    int receives = 0;
    for (size_t at = 0; at < total; receives++) {
        struct weft_datagram d = {.buf = room, .size = sizeof room};
        const void *piece;
        ssize_t n;
        CHECK_EQ(weft_datagram_recv(fd, &d), 0);
        CHECK_EQ(d.flags, 0);
        for (size_t i = 0; (n = weft_datagram_segment(&d, i, &piece)) >= 0; i++) {
            CHECK_EQ(n, total - at < segment ? total - at : segment);
            CHECK_MEM(piece, bytes + at, (size_t)n);
            at += (size_t)n;
        }
        CHECK_ERR(n, -ENOENT);
    }
    return receives;
}

static char *numbered_bytes(size_t count)
{
    char *bytes = malloc(count);
    CHECK(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(i / 251 + i);
    return bytes;
}

static int send_run(int fd, char *bytes, size_t len, size_t segment)
{
    struct weft_datagram run = {.buf = bytes, .len = len, .segment = segment};
    return weft_datagram_send(fd, &run);
}
WEFT_TASK(send_run, int, char *, size_t, size_t);

/* From one byte more than a segment to several of the kernel's runs. */
TASK_TEST(a_run_of_segments_arrives_as_its_segments)
{
    static const size_t lens[] = {1000, 1001, 2000, 64500, 100001};
    char *bytes = numbered_bytes(200000);
    for (int join = 0; join < 2; join++) {
        struct weft_datagram_options options = {.flags = join ? WEFT_DATAGRAM_JOIN : 0,
                                                .receive_buffer = 500000};
        int fds[2];
        open_both(fds, &options);
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            struct weft_scope s;
            weft_scope_enter(&s, WEFT_FOREVER);
            CHECK_EQ(weft_go(&s, send_run, fds[1], bytes, lens[i], 1000), 0);
            int receives = check_segments(fds[0], bytes, lens[i], 1000);
            CHECK(receives <= (int)((lens[i] + 999) / 1000));
            CHECK_EQ(weft_scope_exit(&s, 0), 0);
        }
        close_ends(fds);
    }
    free(bytes);
}

TASK_TEST(where_the_kernel_joins_segments_a_run_comes_in_fewer_receives)
{
    struct weft_datagram_options options = {.flags = WEFT_DATAGRAM_JOIN};
    char *bytes = numbered_bytes(40000);
    int fds[2], both = WEFT_DATAGRAM_CAN_JOIN | WEFT_DATAGRAM_CAN_SPLIT;
    open_both(fds, &options);
    CHECK_EQ(send_run(fds[1], bytes, 40000, 1000), 0);
    int receives = check_segments(fds[0], bytes, 40000, 1000);
    if ((weft_datagram_abilities(fds[0]) & both) == both)
        CHECK(receives < 40);
    else
        CHECK_EQ(receives, 40);
    close_ends(fds);
    free(bytes);
}

TASK_TEST(a_unix_socket_gets_each_segment_by_itself)
{
    char *bytes = numbered_bytes(5000);
    int fds[2];
    CHECK_EQ(weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    CHECK_EQ(weft_datagram_abilities(fds[0]), 0);
    CHECK_EQ(send_run(fds[1], bytes, 5000, 1000), 0);
    CHECK_EQ(check_segments(fds[0], bytes, 5000, 1000), 5);
    close_ends(fds);
    free(bytes);
}

/* Segments larger than the network's own are cut into fragments, which a run cannot be. */
TASK_TEST(segments_that_do_not_fit_the_network_go_one_by_one)
{
    char *bytes = numbered_bytes(150000);
    int fds[2];
    struct weft_datagram_options options = {.receive_buffer = 500000};
    open_both(fds, &options);
    CHECK_EQ(send_run(fds[1], bytes, 150000, 50000), 0);
    CHECK_EQ(check_segments(fds[0], bytes, 150000, 50000), 3);
    close_ends(fds);
    free(bytes);
}

/* --- Faults ---------------------------------------------------------------------------------- */

/** Sends a run and a batch to itself and takes them back. */
static int talk_to_itself(void *arg)
{
    static struct crate crate;
    char *bytes = arg;
    struct weft_address any = address_of("127.0.0.1:0");
    struct weft_datagram run = {.buf = bytes, .len = 3500, .segment = 1000};
    int fd = weft_datagram_open(&any, NULL, NULL);
    if (fd < 0)
        return fd;
    int rc = weft_local_address(fd, &run.address);
    if (rc == 0)
        rc = weft_datagram_send(fd, &run);
    fill_crate(&crate);
    for (int i = 0; i < 4; i++)
        crate.d[i].address = run.address;
    if (rc == 0)
        rc = weft_datagram_send_batch(fd, crate.d, 4);
    for (int left = rc == 4 ? 8 : 0; left > 0 && rc > 0; left -= rc)
        rc = weft_datagram_recv_batch(fd, crate.d, 80);
    int closed = weft_close(fd);
    return rc < 0 ? rc : rc > 0 ? closed : -EIO;
}

static int talk_over(const struct weft_sys *sys, void *arg)
{
    return weft_testing_run_on(sys, 0, talk_to_itself, arg);
}

/* A batch that was cut short by an error says how many went: the program above calls that -EIO. A
 * loop that cannot be made says -ENOMEM whatever the reason. */
static int documented(int rc, int code)
{
    return rc == 0 || rc == -code || rc == -EIO || rc == -ENOMEM;
}

TEST(each_call_of_a_talk_may_fail)
{
    char *bytes = numbered_bytes(5000);
    struct weft_testing_sweep_options options = {.name = "datagrams", .documented = documented};
    struct weft_testing_sweep_result result;
    CHECK_EQ(weft_testing_sweep(&options, talk_over, bytes, &result), 0);
    CHECK(result.points > 60);
    free(bytes);
}
