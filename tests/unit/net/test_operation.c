/* SPDX-License-Identifier: MIT */
/*
 * test_operation.c: the waiting calls
 *
 * Each test states one sentence of weft/net.h about reading, writing, receiving, sending, accepting
 * and connecting, for each kind of descriptor where it holds for all. How engines do it is the
 * contract suite's business; here it is what a task sees: refusals, deadlines, order, errors.
 */
#include "net_test.h"

#include <sys/time.h>

/* Moving bytes. */

static int write_later(int fd, const char *text)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    put(fd, text);
    return 0;
}
WEFT_TASK(write_later, int, const char *);

TASK_TEST(a_read_returns_what_is_there_and_waits_when_there_is_nothing)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        char bytes[16];
        put(fds[1], "abc");
        CHECK_EQ(weft_read(fds[0], bytes, sizeof bytes), 3);
        CHECK_MEM(bytes, "abc", 3);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, write_later, fds[1], "defg");
        CHECK_EQ(weft_read(fds[0], bytes, sizeof bytes), 4);
        CHECK_MEM(bytes, "defg", 4);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(recv_and_send_are_read_and_write_with_flags)
{
    EACH_KIND(kind, fds)
    {
        char bytes[16];
        if (!kind->socket) {
            CHECK_ERR(weft_send(fds[1], "abc", 3, 0), -ENOTSOCK);
            CHECK_ERR(weft_recv(fds[0], bytes, sizeof bytes, 0), -ENOTSOCK);
            continue;
        }
        CHECK_EQ(weft_send(fds[1], "abc", 3, 0), 3);
        CHECK_EQ(weft_recv(fds[0], bytes, sizeof bytes, MSG_PEEK), 3);
        CHECK_EQ(weft_recv(fds[0], bytes, sizeof bytes, 0), 3);
        CHECK_MEM(bytes, "abc", 3);
        CHECK_ERR(weft_recv(fds[0], bytes, sizeof bytes, MSG_DONTWAIT), -EAGAIN);
    }
}

TASK_TEST(a_writev_writes_its_pieces_in_order)
{
    struct iovec pieces[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    EACH_KIND(kind, fds)
    {
        char bytes[16];
        CHECK_EQ(weft_writev(fds[1], pieces, 3), 5);
        CHECK_EQ(weft_read(fds[0], bytes, sizeof bytes), 5);
        CHECK_MEM(bytes, "abcde", 5);
        CHECK_ERR(weft_writev(fds[1], pieces, -1), -EINVAL);
        CHECK_ERR(weft_writev(fds[1], pieces, 1025), -EINVAL);
    }
}

TASK_TEST(a_message_is_received_and_sent_in_pieces)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        char bytes[2][4];
        struct iovec out[2] = {{"ab", 2}, {"cde", 3}}, in[2] = {{bytes[0], 4}, {bytes[1], 4}};
        struct msghdr message = {.msg_iov = out, .msg_iovlen = 2};
        struct msghdr got = {.msg_iov = in, .msg_iovlen = 2};
        if (!kind->socket) {
            CHECK_ERR(weft_sendmsg(fds[1], &message, 0), -ENOTSOCK);
            CHECK_ERR(weft_recvmsg(fds[0], &got, 0), -ENOTSOCK);
            continue;
        }
        CHECK_EQ(weft_sendmsg(fds[1], &message, 0), 5);
        CHECK_EQ(weft_recvmsg(fds[0], &got, 0), 5);
        CHECK_MEM(bytes[0], "abcd", 4);
        CHECK_MEM(bytes[1], "e", 1);
        weft_scope_enter(&s, 5 * WEFT_MS);
        CHECK_ERR(weft_scope_exit(&s, (int)weft_recvmsg(fds[0], &got, 0)), -ETIMEDOUT);
    }
}

static int take_later(int fd, size_t total)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    take(fd, total);
    return 0;
}
WEFT_TASK(take_later, int, size_t);

TASK_TEST(a_write_waits_for_room_and_tells_how_much_it_wrote)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        if (!kind->stream)
            continue;
        size_t total = fill(fds[1]);
        CHECK(total > 0);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, take_later, fds[0], total);
        ssize_t n = weft_write(fds[1], "abc", 3);
        CHECK(n > 0 && n <= 3);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        take(fds[0], (size_t)n);
    }
}

/** Much more than any buffer between two ends holds. */
static char much[4 << 20];

static int take_and_compare(int fd)
{
    static char got[sizeof much];
    size_t total = 0;
    while (total < sizeof got) {
        ssize_t n = weft_read(fd, got + total, sizeof got - total);
        CHECK(n > 0);
        total += (size_t)n;
    }
    CHECK_MEM(got, much, sizeof got);
    return 0;
}
WEFT_TASK(take_and_compare, int);

TASK_TEST(write_all_writes_all)
{
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * 7 + i / 4093);
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        if (!kind->stream)
            continue;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, take_and_compare, fds[0]);
        CHECK_EQ(weft_write_all(fds[1], much, sizeof much), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(write_all_of_nothing_does_nothing)
{
    int fds[2];
    udp_pair(fds);
    CHECK_EQ(weft_write_all(fds[1], "", 0), 0);
    CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    close_ends(fds);
}

/* Refusals. */

TASK_TEST(a_cancelled_task_is_refused_before_any_side_effect)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        char bytes[4] = "....";
        put(fds[1], "abc");
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_scope_cancel(&s, 0);
        CHECK_ERR(weft_read(fds[0], bytes, 3), -ECANCELED);
        CHECK_ERR(weft_recv(fds[0], bytes, 3, 0), -ECANCELED);
        CHECK_ERR(weft_recvfrom(fds[0], bytes, 3, 0, NULL), -ECANCELED);
        CHECK_ERR(weft_write(fds[1], "xyz", 3), -ECANCELED);
        CHECK_ERR(weft_write_all(fds[1], "xyz", 3), -ECANCELED);
        CHECK_ERR(weft_write_all(fds[1], "", 0), -ECANCELED);
        CHECK_ERR(weft_send(fds[1], "xyz", 3, 0), -ECANCELED);
        CHECK_ERR(weft_sendto(fds[1], "xyz", 3, 0, NULL), -ECANCELED);
        CHECK_ERR(weft_poll(fds[0], POLLIN), -ECANCELED);
        CHECK_ERR(weft_read(-1, bytes, 3), -ECANCELED);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_MEM(bytes, "....", 4);
        CHECK_EQ(weft_read(fds[0], bytes, 4), 3);
        CHECK_MEM(bytes, "abc", 3);
        CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    }
}

/* The kernel writes where the call's frame was if it still has the buffer when the call is gone. */
TASK_TEST(a_cancelled_call_returns_only_when_the_kernel_has_let_go)
{
    struct weft_loop_stats before, after;
    EACH_KIND(kind, fds)
    {
        char byte;
        weft_loop_get_stats(weft_loop_current(), &before);
        CHECK_ERR(weft_within(WEFT_MS, weft_read(fds[0], &byte, 1)), -ETIMEDOUT);
        weft_loop_get_stats(weft_loop_current(), &after);
        CHECK_EQ(after.operations, before.operations);
    }
}

TASK_TEST(a_refused_connect_connects_nothing_and_a_refused_accept_accepts_nothing)
{
    struct weft_scope s;
    struct weft_address address, peer;
    int listener = listen_anywhere(&address), fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_connect(fd, &address), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(weft_peer_address(fd, &peer), -ENOTCONN);
    CHECK_EQ(weft_poll_now(listener, POLLIN), 0);
    CHECK_EQ(weft_connect(fd, &address), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    CHECK_ERR(weft_accept(listener, NULL), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    int accepted = weft_accept(listener, NULL);
    CHECK_OK(accepted);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* Cancellation while waiting. */

TASK_TEST(a_read_that_is_cut_short_took_nothing)
{
    EACH_KIND(kind, fds)
    {
        char bytes[4] = "....";
        CHECK_ERR(weft_within(WEFT_MS, weft_read(fds[0], bytes, 3)), -ETIMEDOUT);
        if (kind->socket)
            CHECK_ERR(weft_within(WEFT_MS, weft_recv(fds[0], bytes, 3, 0)), -ETIMEDOUT);
        CHECK_ERR(weft_within(WEFT_MS, weft_poll(fds[0], POLLIN)), -ETIMEDOUT);
        CHECK_MEM(bytes, "....", 4);
        put(fds[1], "abc");
        CHECK_EQ(weft_read(fds[0], bytes, 4), 3);
        CHECK_MEM(bytes, "abc.", 4);
    }
}

TASK_TEST(a_write_that_is_cut_short_wrote_nothing)
{
    EACH_KIND(kind, fds)
    {
        if (!kind->stream)
            continue;
        size_t total = fill(fds[1]);
        CHECK_ERR(weft_within(WEFT_MS, weft_write(fds[1], "abc", 3)), -ETIMEDOUT);
        if (kind->socket)
            CHECK_ERR(weft_within(WEFT_MS, weft_send(fds[1], "abc", 3, 0)), -ETIMEDOUT);
        CHECK_ERR(weft_within(WEFT_MS, weft_poll(fds[1], POLLOUT)), -ETIMEDOUT);
        take(fds[0], total);
        CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    }
}

TASK_TEST(an_accept_that_is_cut_short_accepts_nobody)
{
    struct weft_address address, peer, untouched;
    int listener = listen_anywhere(&address);
    memset(&peer, 0x5a, sizeof peer);
    memset(&untouched, 0x5a, sizeof untouched);
    CHECK_ERR(weft_within(WEFT_MS, weft_accept(listener, &peer)), -ETIMEDOUT);
    CHECK_MEM(&peer, &untouched, sizeof peer);
    int fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    int accepted = weft_accept(listener, &peer);
    CHECK_OK(accepted);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

/** Somebody who reads once. */
struct reader {
    /** The descriptor. */
    int fd;
    /** What came. */
    char bytes[16];
    /** What read returned. */
    ssize_t result;
    /** What the next wait returned. */
    int next;
};

static int read_once(struct reader *reader, char letter)
{
    reader->result = weft_read(reader->fd, reader->bytes, 1);
    note(letter);
    reader->next = weft_yield();
    return 0;
}
WEFT_TASK(read_once, struct reader *, char);

/** Somebody who cancels a reader that has its byte and has not run since. */
struct canceller {
    /** The reader. */
    struct reader reader;
    /** Its scope. */
    struct weft_scope scope;
    /** How often it was done. */
    int times;
};

/** Called when the engine has been looked at. */
static void cancel_in_between(void *arg)
{
    struct canceller *canceller = arg;
    if (canceller->reader.bytes[0] == 'x' && canceller->reader.result == 0) {
        weft_scope_cancel(&canceller->scope, 0);
        canceller->times++;
    }
}

TASK_TEST(what_arrived_wins_over_a_cancellation_of_the_same_turn)
{
    EACH_KIND(kind, fds)
    {
        struct canceller canceller = {.reader.fd = fds[0]};
        weft_scope_enter(&canceller.scope, WEFT_FOREVER);
        weft_go(&canceller.scope, read_once, &canceller.reader, 'r');
        turn();
        weft_loop_set_poll_hooks(weft_loop_current(), NULL, cancel_in_between, &canceller);
        put(fds[1], "x");
        CHECK_EQ(weft_scope_exit(&canceller.scope, 0), 0);
        weft_loop_set_poll_hooks(weft_loop_current(), NULL, NULL, NULL);
        CHECK(canceller.times > 0);
        CHECK_EQ(canceller.reader.result, 1);
        CHECK_ERR(canceller.reader.next, -ECANCELED);
        trail[0] = '\0';
    }
}

/** A writer that holds the loop until the reader's deadline has passed, then writes. */
static int write_too_late(int fd, weft_ns deadline)
{
    while (weft_clock() <= deadline) {
    }
    put(fd, "x");
    return 0;
}
WEFT_TASK(write_too_late, int, weft_ns);

TASK_TEST(what_arrived_wins_over_a_deadline_of_the_same_turn)
{
    if (test_engine_is("sim"))
        SKIP("virtual time does not pass while a task runs");
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        char byte;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, write_too_late, fds[1], weft_clock() + 2 * WEFT_MS);
        CHECK_EQ(weft_within(2 * WEFT_MS, weft_read(fds[0], &byte, 1)), 1);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

/* Order. */

TASK_TEST(receivers_of_one_descriptor_are_served_in_the_order_they_came)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct reader readers[3];
        weft_scope_enter(&s, WEFT_FOREVER);
        for (int i = 0; i < 3; i++) {
            readers[i] = (struct reader){.fd = fds[0]};
            weft_go(&s, read_once, &readers[i], (char)('a' + i));
        }
        turn();
        put(fds[1], "x");
        put(fds[1], "y");
        put(fds[1], "z");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_STR(trail, "abc");
        for (int i = 0; i < 3; i++)
            CHECK_EQ(readers[i].bytes[0], 'x' + i);
        trail[0] = '\0';
    }
}

TASK_TEST(a_latecomer_does_not_overtake_although_bytes_are_there)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct reader reader = {.fd = fds[0]};
        char byte;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_once, &reader, 'r');
        turn();
        put(fds[1], "x");
        CHECK_ERR(weft_within(WEFT_MS, weft_read(fds[0], &byte, 1)), -ETIMEDOUT);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_EQ(reader.result, 1);
        trail[0] = '\0';
    }
}

TASK_TEST(a_receiver_that_leaves_takes_nothing_from_those_behind)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct weft_task *first;
        struct reader readers[2] = {{.fd = fds[0]}, {.fd = fds[0]}};
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_EQ(weft_spawn(&s, &first, read_once, &readers[0], 'a'), 0);
        weft_go(&s, read_once, &readers[1], 'b');
        turn();
        weft_task_cancel(first);
        put(fds[1], "x");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(readers[0].result, -ECANCELED);
        CHECK_EQ(readers[1].result, 1);
        trail[0] = '\0';
    }
}

static int accept_and_note(int listener, char letter)
{
    int fd = weft_accept(listener, NULL);
    CHECK_OK(fd);
    note(letter);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
WEFT_TASK(accept_and_note, int, char);

TASK_TEST(acceptors_of_one_listener_take_turns)
{
    struct weft_scope s;
    struct weft_address address;
    int listener = listen_anywhere(&address);
    weft_scope_enter(&s, WEFT_FOREVER);
    for (char letter = 'a'; letter <= 'c'; letter++)
        weft_go(&s, accept_and_note, listener, letter);
    turn();
    for (int i = 0; i < 3; i++) {
        int fd = weft_tcp_connect(&address);
        CHECK_OK(fd);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abc");
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(the_two_directions_do_not_wait_for_each_other)
{
    int fds[2];
    struct weft_scope s;
    tcp_pair(fds);
    struct reader reader = {.fd = fds[0]};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, read_once, &reader, 'r');
    turn();
    put(fds[0], "x");
    put(fds[1], "y");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(reader.bytes[0], 'y');
    close_ends(fds);
}

/* Beside callbacks. */

static void never(void *arg)
{
    (void)arg;
    FAIL("nothing was to be read or written");
}

TASK_TEST(a_direction_that_a_callback_watches_is_busy)
{
    struct weft_loop *loop = weft_loop_current();
    EACH_KIND(kind, fds)
    {
        char byte;
        CHECK_EQ(weft_loop_add_reader(loop, fds[0], never, NULL), 0);
        CHECK_ERR(weft_read(fds[0], &byte, 1), -EBUSY);
        CHECK_ERR(weft_poll(fds[0], POLLIN), -EBUSY);
        CHECK_EQ(weft_loop_remove_reader(loop, fds[0]), 1);
        put(fds[1], "x");
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    }
}

TASK_TEST(a_direction_on_which_a_task_waits_takes_no_callback)
{
    struct weft_loop *loop = weft_loop_current();
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct reader reader = {.fd = fds[0]};
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_once, &reader, 'r');
        turn();
        CHECK_ERR(weft_loop_add_reader(loop, fds[0], never, NULL), -EBUSY);
        put(fds[1], "x");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_EQ(weft_loop_add_reader(loop, fds[0], never, NULL), 0);
        CHECK_EQ(weft_loop_remove_reader(loop, fds[0]), 1);
        trail[0] = '\0';
    }
}

/* Ends and errors. */

TASK_TEST(the_end_of_a_stream_is_a_result_of_zero_again_and_again)
{
    EACH_KIND(kind, fds)
    {
        char byte;
        if (!kind->stream)
            continue;
        put(fds[1], "x");
        CHECK_EQ(weft_close(fds[1]), 0);
        fds[1] = -1;
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
    }
}

TASK_TEST(a_peer_that_is_gone_is_epipe_and_no_signal)
{
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    EACH_KIND(kind, fds)
    {
        ssize_t rc = 0;
        if (!kind->stream || !kind->socket)
            continue;
        CHECK_EQ(weft_close(fds[0]), 0);
        fds[0] = -1;
        for (int i = 0; i < 100 && rc >= 0; i++) {
            rc = weft_send(fds[1], "x", 1, 0);
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
        }
        CHECK(rc == -EPIPE || rc == -ECONNRESET);
        CHECK_ERR(weft_send(fds[1], "x", 1, 0), -EPIPE);
        CHECK_ERR(weft_sendto(fds[1], "x", 1, 0, NULL), -EPIPE);
        CHECK_ERR(weft_write(fds[1], "x", 1), -EPIPE);
        fds[0] = fds[1];
        fds[1] = -1;
    }
}

static int pipe_signals;

static void count_pipe_signal(int signal)
{
    pipe_signals += signal == SIGPIPE;
}

TASK_TEST(a_pipe_that_nobody_reads_is_epipe_and_the_kernels_signal)
{
    struct iovec vector = {.iov_base = "x", .iov_len = 1};
#ifdef WEFT_VALGRIND
    if (test_engine_is("io_uring"))
        SKIP("Valgrind holds signals back while it is in io_uring_enter");
#endif
    EACH_KIND(kind, fds)
    {
        if (kind->socket)
            continue;
        CHECK(signal(SIGPIPE, count_pipe_signal) != SIG_ERR);
        CHECK_EQ(weft_close(fds[0]), 0);
        fds[0] = -1;
        CHECK_ERR(weft_write(fds[1], "x", 1), -EPIPE);
        CHECK(pipe_signals >= 1 || test_engine_is("sim"));
        /* As the header says. */
        CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        pipe_signals = 0;
        CHECK_ERR(weft_write(fds[1], "x", 1), -EPIPE);
        CHECK_ERR(weft_writev(fds[1], &vector, 1), -EPIPE);
        CHECK_ERR(weft_write_all(fds[1], "x", 1), -EPIPE);
        CHECK_EQ(pipe_signals, 0);
    }
}

TASK_TEST(what_is_no_descriptor_is_ebadf)
{
    int fds[2];
    char byte = 'x';
    struct weft_address address = address_of("127.0.0.1:1");
    CHECK_EQ(weft_pipe(fds), 0);
    close_ends(fds);
    for (int i = 0; i < 2; i++) {
        int fd = i ? -1 : fds[0];
        CHECK_ERR(weft_read(fd, &byte, 1), -EBADF);
        CHECK_ERR(weft_write(fd, &byte, 1), -EBADF);
        CHECK_ERR(weft_recv(fd, &byte, 1, 0), -EBADF);
        CHECK_ERR(weft_send(fd, &byte, 1, 0), -EBADF);
        CHECK_ERR(weft_accept(fd, NULL), -EBADF);
        CHECK_ERR(weft_connect(fd, &address), -EBADF);
        CHECK_ERR(weft_poll(fd, POLLIN), -EBADF);
        CHECK_ERR(weft_poll_now(fd, POLLIN), -EBADF);
    }
}

TASK_TEST(a_descriptor_of_the_wrong_kind_gives_the_error_of_the_system_call)
{
    int fds[2];
    struct weft_address address = address_of("127.0.0.1:1");
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_ERR(weft_accept(fds[0], NULL), -ENOTSOCK);
    CHECK_ERR(weft_connect(fds[0], &address), -ENOTSOCK);
    close_ends(fds);
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(weft_accept(fd, NULL), -EINVAL);
    CHECK_EQ(weft_close(fd), 0);
}

/* Datagrams. */

TASK_TEST(a_datagram_tells_whose_it_is)
{
    char bytes[8];
    struct weft_address addresses[2], from;
    int fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = bind_anywhere(&addresses[i]);
    CHECK_EQ(weft_sendto(fds[0], "abc", 3, 0, &addresses[1]), 3);
    CHECK_EQ(weft_recvfrom(fds[1], bytes, sizeof bytes, 0, &from), 3);
    CHECK(weft_address_equal(&from, &addresses[0]));
    CHECK_EQ(weft_sendto(fds[1], "de", 2, 0, &from), 2);
    CHECK_EQ(weft_recvfrom(fds[0], bytes, sizeof bytes, 0, NULL), 2);
    CHECK_MEM(bytes, "de", 2);
    close_ends(fds);
}

TASK_TEST(a_datagram_may_be_empty)
{
    char bytes[8];
    struct weft_address addresses[2], from;
    int fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = bind_anywhere(&addresses[i]);
    memset(&from, 0, sizeof from);
    CHECK_EQ(weft_sendto(fds[0], "", 0, 0, &addresses[1]), 0);
    CHECK_EQ(weft_recvfrom(fds[1], bytes, sizeof bytes, 0, &from), 0);
    CHECK(weft_address_equal(&from, &addresses[0]));
    CHECK_EQ(weft_poll_now(fds[1], POLLIN), 0);
    close_ends(fds);
}

TASK_TEST(a_datagram_longer_than_the_buffer_is_cut)
{
    char bytes[8] = "........";
    int fds[2];
    udp_pair(fds);
    CHECK_EQ(weft_send(fds[1], "abcdef", 6, 0), 6);
    CHECK_EQ(weft_send(fds[1], "ghijkl", 6, 0), 6);
    CHECK_EQ(weft_recv(fds[0], bytes, 4, 0), 4);
    CHECK_MEM(bytes, "abcd....", 8);
    CHECK_EQ(weft_recv(fds[0], bytes, 4, MSG_TRUNC), 6);
    CHECK_MEM(bytes, "ghij....", 8);
    CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    close_ends(fds);
}

TASK_TEST(a_datagram_that_is_too_long_is_refused)
{
    static char bytes[70000];
    struct weft_address address;
    int fd = bind_anywhere(&address);
    CHECK_ERR(weft_sendto(fd, bytes, sizeof bytes, 0, &address), -EMSGSIZE);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_datagram_to_nobody_comes_back_as_econnrefused)
{
    char byte;
    struct weft_address address;
    int nobody = bind_anywhere(&address);
    CHECK_EQ(weft_close(nobody), 0);
    int fd = weft_udp_connect(&address);
    CHECK_OK(fd);
    CHECK_EQ(weft_send(fd, "x", 1, 0), 1);
    CHECK_ERR(weft_recv(fd, &byte, 1, 0), -ECONNREFUSED);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_failed_receive_leaves_the_address_untouched)
{
    char byte;
    struct weft_address from, untouched, mine;
    int fd = bind_anywhere(&mine);
    memset(&from, 0x5a, sizeof from);
    memset(&untouched, 0x5a, sizeof untouched);
    CHECK_ERR(weft_recvfrom(fd, &byte, 1, MSG_DONTWAIT, &from), -EAGAIN);
    CHECK_ERR(weft_within(WEFT_MS, weft_recvfrom(fd, &byte, 1, 0, &from)), -ETIMEDOUT);
    CHECK_MEM(&from, &untouched, sizeof from);
    CHECK_EQ(weft_close(fd), 0);
}

/* Accepting. */

TASK_TEST(an_accepted_descriptor_is_owned_and_its_peer_is_told)
{
    struct weft_address address, peer;
    int listener = listen_anywhere(&address), fd = weft_tcp_connect(&address);
    CHECK_OK(fd);
    int accepted = weft_accept(listener, &peer);
    CHECK_OK(accepted);
    struct weft_address local = local_address(fd);
    CHECK(weft_address_equal(&peer, &local));
    CHECK(flags_of(accepted, F_GETFD) & FD_CLOEXEC);
    CHECK(flags_of(accepted, F_GETFL) & O_NONBLOCK);
    CHECK_EQ(weft_close(accepted), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(a_listener_in_blocking_mode_does_not_hold_the_loop)
{
    const struct weft_sys *sys = weft__sys_current();
    struct weft_address any = address_of("127.0.0.1:0");
    int listener = sys->socket(sys, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(listener);
    CHECK_EQ(weft_bind(listener, &any), 0);
    CHECK_EQ(weft_listen(listener, 5), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_accept(listener, NULL)), -ETIMEDOUT);
    CHECK_EQ(flags_of(listener, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* Flags. */

TASK_TEST(the_flags_of_a_file_stay_as_found_before_while_and_after)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct reader reader = {.fd = fds[0]};
        int before = flags_of(fds[0], F_GETFL), other = flags_of(fds[1], F_GETFL);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, read_once, &reader, 'r');
        turn();
        CHECK_EQ(flags_of(fds[0], F_GETFL), before);
        put(fds[1], "x");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_EQ(flags_of(fds[0], F_GETFL), before);
        CHECK_EQ(flags_of(fds[1], F_GETFL), other);
        trail[0] = '\0';
    }
}

/** What 0, 1 and 2 were, to be put back. */
struct standard {
    /** Copies of them. */
    int copies[3];
};

static void keep_standard(struct standard *standard)
{
    for (int fd = 0; fd < 3; fd++)
        CHECK((standard->copies[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10)) >= 0);
}

static void restore_standard(const struct standard *standard)
{
    for (int fd = 0; fd < 3; fd++) {
        CHECK_EQ(dup2(standard->copies[fd], fd), fd);
        close(standard->copies[fd]);
    }
}

TASK_TEST(standard_input_and_output_keep_the_flags_that_the_shell_shares)
{
    int input[2], output[2], status[2];
    char bytes[8];
    struct standard standard;
    if (test_engine_is("sim"))
        SKIP("uses real descriptors");
    CHECK_EQ(pipe(input), 0);
    CHECK_EQ(pipe(output), 0);
    keep_standard(&standard);
    dup2(input[0], 0);
    dup2(output[1], 1);
    dup2(output[1], 2);
    CHECK_ERR(weft_within(WEFT_MS, weft_read(0, bytes, sizeof bytes)), -ETIMEDOUT);
    CHECK_EQ(write(input[1], "abc", 3), 3);
    CHECK_EQ(weft_read(0, bytes, sizeof bytes), 3);
    CHECK_EQ(weft_write_all(1, "abc", 3), 0);
    CHECK_EQ(weft_write_all(2, "def", 3), 0);
    status[0] = fcntl(input[0], F_GETFL);
    status[1] = fcntl(output[1], F_GETFL);
    restore_standard(&standard);
    CHECK_EQ(status[0] & O_NONBLOCK, 0);
    CHECK_EQ(status[1] & O_NONBLOCK, 0);
    CHECK_EQ(read(output[0], bytes, sizeof bytes), 6);
    close_ends(input);
    close_ends(output);
}

TASK_TEST(a_regular_file_is_read_and_written_at_its_position)
{
    char bytes[8];
    if (test_engine_is("sim"))
        SKIP("uses real descriptors");
    FILE *file = tmpfile();
    CHECK(file != NULL);
    int fd = fileno(file);
    CHECK_EQ(weft_write_all(fd, "abcdef", 6), 0);
    CHECK_EQ(weft_read(fd, bytes, sizeof bytes), 0);
    CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
    CHECK_EQ(weft_read(fd, bytes, 3), 3);
    CHECK_MEM(bytes, "cde", 3);
    CHECK_EQ(weft_poll(fd, POLLIN), POLLIN);
    CHECK_EQ(weft_poll_now(fd, POLLIN), POLLIN);
    fclose(file);
}

/* Signals. */

static void ignore_signal(int signal)
{
    (void)signal;
}

TASK_TEST(interrupted_calls_are_repeated)
{
    struct sigaction action;
    struct itimerval often = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
    memset(&action, 0, sizeof action);
    action.sa_handler = ignore_signal;
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    EACH_KIND(kind, fds)
    {
        for (int i = 0; i < 5; i++) {
            struct weft_scope s;
            char bytes[8];
            weft_scope_enter(&s, WEFT_FOREVER);
            weft_go(&s, write_later, fds[1], "abc");
            CHECK_EQ(weft_read(fds[0], bytes, sizeof bytes), 3);
            CHECK_EQ(weft_scope_exit(&s, 0), 0);
        }
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
    /* The handler stays: the last alarm may still be on its way (Valgrind delivers it late). */
}

/* What a dump says. */

TASK_TEST(a_dump_names_the_operation_and_the_descriptor)
{
    char text[4096], expected[64];
    struct weft_scope s;
    int fds[2], dump[2];
    owned_pipe(fds, 0);
    struct reader reader = {.fd = fds[0]};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, read_once, &reader, 'r');
    turn();
    CHECK_EQ(pipe(dump), 0);
    weft_dump(weft_loop_current(), dump[1]);
    ssize_t n = read(dump[0], text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = '\0';
    snprintf(expected, sizeof expected, "to read on descriptor %d", fds[0]);
    CHECK_CONTAINS(text, expected);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close(dump[0]);
    close(dump[1]);
    close_ends(fds);
}
