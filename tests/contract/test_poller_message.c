/* SPDX-License-Identifier: MIT */
/*
 * test_poller_message.c: transfers in several pieces, messages and batches of them
 *
 * What the plain transfers promise holds for these as well, on each engine and in each mode: they
 * wait without holding the loop, are served in order, move nothing when they are cancelled, and
 * raise no signal. Then what is their own: pieces come in order, a cut datagram is told, a batch
 * takes what is there and waits for no more.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>

/** Room for what one message needs. */
struct parcel {
    /** The message. */
    struct msghdr message;
    /** Its pieces. */
    struct iovec vectors[2];
    /** Their bytes. */
    char bytes[2][4];
};

static struct iovec greeting[3] = {{"he", 2}, {"", 0}, {"llo", 3}};

static struct call call_writev(int fd, struct iovec *vectors, int count)
{
    struct call call = call_write(fd, vectors, (size_t)count);
    call.op.code = WEFT__OP_WRITEV;
    return call;
}

static struct call call_sendmsg(int fd, struct msghdr *message, int flags)
{
    struct call call = call_send(fd, message, 0, flags);
    call.op.code = WEFT__OP_SENDMSG;
    return call;
}

static struct call call_recvmsg(int fd, struct parcel *parcel, int flags)
{
    *parcel = (struct parcel){.vectors = {{parcel->bytes[0], 4}, {parcel->bytes[1], 4}}};
    parcel->message = (struct msghdr){.msg_iov = parcel->vectors, .msg_iovlen = 2};
    struct call call = call_recv(fd, &parcel->message, 0, flags);
    call.op.code = WEFT__OP_RECVMSG;
    return call;
}

static void make_datagrams(struct world *w, const struct mode *mode, int fds[2])
{
    CHECK_OK(w->sys->socketpair(w->sys, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
    as_mode(w, mode, fds[0]);
    as_mode(w, mode, fds[1]);
}

/** Runs `body` for each kind of descriptor that `makers` make, in each mode; NULL ends them. */
static void each(void (*const makers[])(struct world *w, const struct mode *mode, int fds[2]),
                 void (*body)(struct world *w, const int fds[2]))
{
    for (size_t i = 0; makers[i]; i++)
        EACH_MODE(mode)
        {
            int fds[2];
            struct world w = world_open();
            makers[i](&w, mode, fds);
            body(&w, fds);
            close_both(&w, fds);
            world_close(&w);
        }
}

static void (*const streams[])(struct world *, const struct mode *, int *) = {make_pipe, make_pair,
                                                                              NULL};
static void (*const sockets[])(struct world *, const struct mode *, int *) = {make_pair,
                                                                              make_datagrams, NULL};
static void (*const datagrams[])(struct world *, const struct mode *, int *) = {make_datagrams,
                                                                                NULL};

/* --- Vectors --------------------------------------------------------------------------------- */

static void vectors_in_order(struct world *w, const int fds[2])
{
    char buf[8];
    struct call writev = call_writev(fds[1], greeting, 3);
    CHECK_EQ(call_run(w, &writev), 5);
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_run(w, &read), 5);
    CHECK_MEM(buf, "hello", 5);
}

TEST_EACH_ENGINE(pieces_are_written_in_order)
{
    each(streams, vectors_in_order);
}

static void vectors_into_full(struct world *w, const int fds[2])
{
    static char more[3][60000];
    struct iovec vectors[3] = {{more[0], 60000}, {more[1], 60000}, {more[2], 60000}};
    size_t held = fill(w, fds[1]);
    struct call first = call_writev(fds[1], vectors, 3);
    struct call second = call_writev(fds[1], greeting, 3);
    CHECK_EQ(call_submit(w, &first), 0);
    CHECK_EQ(call_submit(w, &second), 0);
    world_settle(w);
    CHECK_EQ(first.over, 0);
    drain(w, fds[0], held);
    ssize_t n = call_result(w, &first);
    CHECK(n > 0 && n <= 180000);
    while (!second.over && is_ready(w, fds[0], POLLIN)) {
        drain(w, fds[0], 1);
        (void)world_wait(w, 0);
    }
    CHECK_EQ(call_result(w, &second), 5);
    CHECK(first.turn < second.turn);
}

TEST_EACH_ENGINE(pieces_wait_for_room_in_turn)
{
    each(streams, vectors_into_full);
}

static void cancelled_vectors(struct world *w, const int fds[2])
{
    size_t held = fill(w, fds[1]);
    struct call writev = call_writev(fds[1], greeting, 3);
    CHECK_EQ(call_submit(w, &writev), 0);
    world_settle(w);
    CHECK_ERR(call_cancel(w, &writev), -ECANCELED);
    drain(w, fds[0], held);
    CHECK(!is_ready(w, fds[0], POLLIN));
}

TEST_EACH_ENGINE(cancelled_pieces_were_not_written)
{
    each(streams, cancelled_vectors);
}

TEST_EACH_ENGINE(pieces_for_a_gone_peer_are_EPIPE_without_a_signal)
{
    struct msghdr message = {.msg_iov = greeting, .msg_iovlen = 3};

    signal(SIGPIPE, SIG_DFL);
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pair(&w, mode, fds);
        close_fd(&w, fds[0]);
        struct call writev = call_writev(fds[1], greeting, 3);
        CHECK_ERR(call_run(&w, &writev), -EPIPE);
        struct call send = call_sendmsg(fds[1], &message, 0);
        CHECK_ERR(call_run(&w, &send), -EPIPE);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(pieces_go_to_a_file_at_its_own_position)
{
    struct world w = world_open();
    char path[] = "/tmp/weft-message-XXXXXX", buf[16] = "";
    int fd = mkstemp(path);
    CHECK_OK(fd);
    CHECK_OK(unlink(path));
    CHECK_EQ(write(fd, ">", 1), 1);
    struct call writev = call_writev(fd, greeting, 3);
    CHECK_EQ(call_run(&w, &writev), 5);
    struct call again = call_writev(fd, greeting, 1);
    CHECK_EQ(call_run(&w, &again), 2);
    CHECK_EQ(pread(fd, buf, sizeof buf, 0), 8);
    CHECK_STR(buf, ">hellohe");
    close_fd(&w, fd);
    world_close(&w);
}

/* A terminal knows neither MSG_DONTWAIT nor RWF_NOWAIT. */
TEST_EACH_ENGINE(pieces_go_to_a_terminal)
{
    struct world w = world_open();
    char buf[16];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_OK(master);
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_OK(slave);
    struct call writev = call_writev(slave, greeting, 3);
    CHECK_EQ(call_run(&w, &writev), 5);
    CHECK_EQ(read(master, buf, sizeof buf), 5);
    CHECK_MEM(buf, "hello", 5);
    close_fd(&w, slave);
    close(master);
    world_close(&w);
}

/* --- Messages -------------------------------------------------------------------------------- */

static void message_through(struct world *w, const int fds[2])
{
    struct parcel parcel;
    struct msghdr message = {.msg_iov = greeting, .msg_iovlen = 3};
    struct call receive = call_recvmsg(fds[0], &parcel, 0);
    CHECK_EQ(call_submit(w, &receive), 0);
    world_settle(w);
    CHECK_EQ(receive.over, 0);
    struct call send = call_sendmsg(fds[1], &message, 0);
    CHECK_EQ(call_run(w, &send), 5);
    CHECK_EQ(call_result(w, &receive), 5);
    CHECK_MEM(parcel.bytes[0], "hell", 4);
    CHECK_MEM(parcel.bytes[1], "o", 1);
    CHECK_EQ(parcel.message.msg_flags & MSG_TRUNC, 0);
}

TEST_EACH_ENGINE(a_message_waits_and_comes_in_pieces)
{
    each(sockets, message_through);
}

static void cut_message(struct world *w, const int fds[2])
{
    struct parcel parcel;
    feed(w, fds[1], "0123456789");
    struct call receive = call_recvmsg(fds[0], &parcel, 0);
    CHECK_EQ(call_run(w, &receive), 8);
    CHECK(parcel.message.msg_flags & MSG_TRUNC);
    CHECK(!is_ready(w, fds[0], POLLIN));
    feed(w, fds[1], "0123456789");
    receive = call_recvmsg(fds[0], &parcel, MSG_TRUNC);
    CHECK_EQ(call_run(w, &receive), 10);
    CHECK_MEM(parcel.bytes[1], "4567", 4);
}

TEST_EACH_ENGINE(a_message_that_was_cut_says_so)
{
    each(datagrams, cut_message);
}

static void cancelled_message(struct world *w, const int fds[2])
{
    struct parcel parcel;
    struct call receive = call_recvmsg(fds[0], &parcel, 0);
    CHECK_EQ(call_submit(w, &receive), 0);
    world_settle(w);
    CHECK_ERR(call_cancel(w, &receive), -ECANCELED);
    feed(w, fds[1], "later");
    struct call next = call_recvmsg(fds[0], &parcel, 0);
    CHECK_EQ(call_run(w, &next), 5);
}

TEST_EACH_ENGINE(a_cancelled_receive_takes_no_message)
{
    each(sockets, cancelled_message);
}

static void unwaiting_message(struct world *w, const int fds[2])
{
    struct parcel parcel;
    struct call receive = call_recvmsg(fds[0], &parcel, MSG_DONTWAIT);
    CHECK_ERR(call_run(w, &receive), -EAGAIN);
}

TEST_EACH_ENGINE(a_receive_that_asked_not_to_wait_does_not)
{
    each(sockets, unwaiting_message);
}

TEST_EACH_ENGINE(a_message_without_a_socket_is_ENOTSOCK)
{
    struct world w = world_open();
    struct parcel parcel;
    int fds[2];
    make_pipe(&w, &owned_nonblocking, fds);
    struct call receive = call_recvmsg(fds[0], &parcel, 0);
    CHECK_ERR(call_run(&w, &receive), -ENOTSOCK);
    close_both(&w, fds);
    world_close(&w);
}

TEST_EACH_ENGINE(a_descriptor_comes_with_its_message)
{
    if (test_engine_is("sim"))
        SKIP("simulated sockets carry no control data");
    struct world w = world_open();
    struct parcel parcel;
    char room[2][CMSG_SPACE(sizeof(int))];
    int fds[2], passed, got;
    struct msghdr message = {.msg_iov = greeting,
                             .msg_iovlen = 1,
                             .msg_control = room[0],
                             .msg_controllen = sizeof room[0]};
    make_pair(&w, &owned_nonblocking, fds);
    CHECK_OK(passed = open("/dev/null", O_RDONLY | O_CLOEXEC));
    memset(room, 0, sizeof room);
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(control), &passed, sizeof passed);
    struct call receive = call_recvmsg(fds[0], &parcel, MSG_CMSG_CLOEXEC);
    parcel.message.msg_control = room[1];
    parcel.message.msg_controllen = sizeof room[1];
    CHECK_EQ(call_submit(&w, &receive), 0);
    world_settle(&w);
    struct call send = call_sendmsg(fds[1], &message, 0);
    CHECK_EQ(call_run(&w, &send), 2);
    CHECK_EQ(call_result(&w, &receive), 2);
    control = CMSG_FIRSTHDR(&parcel.message);
    CHECK(control && control->cmsg_type == SCM_RIGHTS);
    memcpy(&got, CMSG_DATA(control), sizeof got);
    CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
    close(got);
    close(passed);
    close_both(&w, fds);
    world_close(&w);
}

/* --- Batches --------------------------------------------------------------------------------- */

/** Messages, each with a piece of its own. */
struct batch {
    /** The messages. */
    struct mmsghdr messages[4];
    /** Their pieces. */
    struct iovec vectors[4];
    /** Their bytes. */
    char bytes[4][8];
};

static struct call call_batch(struct call call, enum weft__op_code code, struct batch *batch)
{
    for (int i = 0; i < 4; i++) {
        batch->vectors[i] = (struct iovec){batch->bytes[i], 8};
        batch->messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_iov = &batch->vectors[i], .msg_iovlen = 1}, .msg_len = 99};
    }
    call.op.code = (unsigned char)code;
    call.op.buf = batch->messages;
    call.op.len = 4;
    return call;
}

static struct call call_recvmmsg(int fd, struct batch *batch)
{
    return call_batch(call_recv(fd, NULL, 0, 0), WEFT__OP_RECVMMSG, batch);
}

static struct call call_sendmmsg(int fd, struct batch *batch)
{
    return call_batch(call_send(fd, NULL, 0, 0), WEFT__OP_SENDMMSG, batch);
}

static void batch_of_present(struct world *w, const int fds[2])
{
    struct batch batch;
    feed(w, fds[1], "one");
    feed(w, fds[1], "three");
    struct call receive = call_recvmmsg(fds[0], &batch);
    CHECK_EQ(call_run(w, &receive), 2);
    CHECK_EQ(batch.messages[0].msg_len, 3);
    CHECK_EQ(batch.messages[1].msg_len, 5);
    CHECK_MEM(batch.bytes[1], "three", 5);
}

TEST_EACH_ENGINE(a_batch_takes_what_is_there)
{
    each(datagrams, batch_of_present);
}

static void batch_of_later(struct world *w, const int fds[2])
{
    struct batch batches[2];
    struct call first = call_recvmmsg(fds[0], &batches[0]);
    struct call second = call_recvmmsg(fds[0], &batches[1]);
    CHECK_EQ(call_submit(w, &first), 0);
    CHECK_EQ(call_submit(w, &second), 0);
    world_settle(w);
    CHECK_EQ(first.over, 0);
    feed(w, fds[1], "one");
    CHECK_EQ(call_result(w, &first), 1);
    world_settle(w);
    CHECK_EQ(second.over, 0);
    feed(w, fds[1], "two");
    CHECK_EQ(call_result(w, &second), 1);
    CHECK_MEM(batches[1].bytes[0], "two", 3);
}

TEST_EACH_ENGINE(a_batch_waits_for_its_first_message_in_turn)
{
    each(datagrams, batch_of_later);
}

static void cancelled_batch(struct world *w, const int fds[2])
{
    struct batch batch;
    struct call receive = call_recvmmsg(fds[0], &batch);
    CHECK_EQ(call_submit(w, &receive), 0);
    world_settle(w);
    CHECK_ERR(call_cancel(w, &receive), -ECANCELED);
    feed(w, fds[1], "later");
    struct call next = call_recvmmsg(fds[0], &batch);
    CHECK_EQ(call_run(w, &next), 1);
}

TEST_EACH_ENGINE(a_cancelled_batch_takes_nothing)
{
    each(datagrams, cancelled_batch);
}

static void batch_out(struct world *w, const int fds[2])
{
    struct batch batch = {0}, got;
    struct call send = call_sendmmsg(fds[1], &batch);
    for (int i = 0; i < 4; i++)
        batch.vectors[i].iov_len = (size_t)i;
    CHECK_EQ(call_run(w, &send), 4);
    CHECK_EQ(batch.messages[3].msg_len, 3);
    struct call receive = call_recvmmsg(fds[0], &got);
    CHECK_EQ(call_run(w, &receive), 4);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(got.messages[i].msg_len, i);
}

TEST_EACH_ENGINE(a_batch_goes_out_with_empty_messages_too)
{
    each(datagrams, batch_out);
}

/* Past the engine, as many as there is room for; how many. */
static int fill_with_datagrams(struct world *w, int fd)
{
    int count = 0;
    ssize_t n;
    while ((n = w->sys->sendto(w->sys, fd, "12345678", 8, MSG_DONTWAIT, NULL, 0)) == 8)
        count++;
    CHECK_ERR(n, -EAGAIN);
    return count;
}

static void batch_into_full(struct world *w, const int fds[2])
{
    struct batch batch = {0}, got;
    int held = fill_with_datagrams(w, fds[1]);
    struct call send = call_sendmmsg(fds[1], &batch);
    CHECK_EQ(call_submit(w, &send), 0);
    world_settle(w);
    CHECK_EQ(send.over, 0);
    while (held > 0) {
        struct call receive = call_recvmmsg(fds[0], &got);
        ssize_t n = call_run(w, &receive);
        CHECK(n > 0);
        held -= (int)n;
    }
    ssize_t n = call_result(w, &send);
    CHECK(n >= 1 && n <= 4);
}

TEST_EACH_ENGINE(a_batch_waits_for_room)
{
    each(datagrams, batch_into_full);
}
