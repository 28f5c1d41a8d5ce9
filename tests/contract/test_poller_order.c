/* SPDX-License-Identifier: MIT */
/*
 * test_poller_order.c: several operations at once
 *
 * Operations on one descriptor and direction are served first-in first-out; readiness takes nothing
 * away and is served to all; directions and descriptors do not hinder each other, however many
 * there are.
 *
 * Order is looked at through done(), which numbers the ends of operations, and through the bytes
 * that each got. Among kinds (readiness and transfers) no order is promised, and none is tested.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <stdlib.h>
#include <sys/resource.h>

TEST_EACH_ENGINE(readers_of_one_pipe_are_served_in_the_order_they_came)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct call reads[5];
        char bufs[5][2];
        int fds[2];
        make_pipe(&w, mode, fds);
        for (int i = 0; i < 5; i++) {
            reads[i] = call_read(fds[0], bufs[i], 2);
            CHECK_EQ(call_submit(&w, &reads[i]), 0);
        }
        world_settle(&w);
        feed(&w, fds[1], "aabbccdde");
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(call_result(&w, &reads[i]), i < 4 ? 2 : 1);
            CHECK_EQ(bufs[i][0], 'a' + i);
            CHECK_EQ(reads[i].turn, i + 1);
        }
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_latecomer_does_not_overtake_although_bytes_are_there)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char first_buf[2], second_buf[2];
        int fds[2];
        make_pipe(&w, mode, fds);
        struct call first = call_read(fds[0], first_buf, 2);
        CHECK_EQ(call_submit(&w, &first), 0);
        world_settle(&w);
        feed(&w, fds[1], "aabb");
        struct call second = call_read(fds[0], second_buf, 2);
        CHECK_EQ(call_submit(&w, &second), 0);
        CHECK_EQ(call_result(&w, &second), 2);
        CHECK_EQ(first.over, 1);
        CHECK_MEM(first_buf, "aa", 2);
        CHECK_MEM(second_buf, "bb", 2);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(receivers_on_one_udp_socket_are_served_in_the_order_they_came)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct sockaddr_in address, peer;
        struct call receives[8];
        char bufs[8];
        int fd = make_bound(&w, mode, SOCK_DGRAM, &address);
        int sender = make_bound(&w, &owned_nonblocking, SOCK_DGRAM, &peer);
        for (int i = 0; i < 8; i++) {
            receives[i] = call_recvfrom(fd, &bufs[i], 1);
            CHECK_EQ(call_submit(&w, &receives[i]), 0);
        }
        world_settle(&w);
        for (int i = 0; i < 8; i++) {
            char digit = (char)('0' + i);
            struct call send = call_to(call_send(sender, &digit, 1, 0), &address);
            CHECK_EQ(call_run(&w, &send), 1);
        }
        for (int i = 0; i < 8; i++) {
            CHECK_EQ(call_result(&w, &receives[i]), 1);
            CHECK_EQ(bufs[i], '0' + i);
            CHECK_MEM(&receives[i].address, &peer, 8);
        }
        close_fd(&w, fd);
        close_fd(&w, sender);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(who_leaves_the_queue_takes_nothing_from_those_behind)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct call reads[4];
        char bufs[4] = "";
        int fds[2];
        make_pipe(&w, mode, fds);
        for (int i = 0; i < 4; i++) {
            reads[i] = call_read(fds[0], &bufs[i], 1);
            CHECK_EQ(call_submit(&w, &reads[i]), 0);
        }
        world_settle(&w);
        CHECK_ERR(call_cancel(&w, &reads[0]), -ECANCELED);
        CHECK_ERR(call_cancel(&w, &reads[2]), -ECANCELED);
        feed(&w, fds[1], "xy");
        CHECK_EQ(call_result(&w, &reads[1]), 1);
        CHECK_EQ(call_result(&w, &reads[3]), 1);
        CHECK_EQ(bufs[1], 'x');
        CHECK_EQ(bufs[3], 'y');
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(writers_of_one_socket_keep_their_order)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct call sends[3];
        char got[3];
        int fds[2];
        make_pair(&w, mode, fds);
        size_t held = fill(&w, fds[1]);
        for (int i = 0; i < 3; i++) {
            sends[i] = call_send(fds[1], &"abc"[i], 1, 0);
            CHECK_EQ(call_submit(&w, &sends[i]), 0);
        }
        world_settle(&w);
        CHECK_EQ(sends[0].over, 0);
        drain(&w, fds[0], held);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(call_result(&w, &sends[i]), 1);
        CHECK_EQ(w.sys->read(w.sys, fds[0], got, 3), 3);
        CHECK_MEM(got, "abc", 3);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(the_two_directions_do_not_wait_for_each_other)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char byte;
        int fds[2];
        make_pair(&w, mode, fds);
        size_t held = fill(&w, fds[0]);
        struct call send = call_send(fds[0], "x", 1, 0);
        struct call recv = call_recv(fds[0], &byte, 1, 0);
        CHECK_EQ(call_submit(&w, &send), 0);
        CHECK_EQ(call_submit(&w, &recv), 0);
        world_settle(&w);
        feed(&w, fds[1], "r");
        CHECK_EQ(call_result(&w, &recv), 1);
        CHECK_EQ(send.over, 0);
        drain(&w, fds[1], held);
        CHECK_EQ(call_result(&w, &send), 1);
        close_both(&w, fds);
        world_close(&w);
    }
}

/* --- Readiness ------------------------------------------------------------------------------- */

TEST_EACH_ENGINE(readiness_tells_what_holds_and_waits_for_what_does_not)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pair(&w, mode, fds);
        struct call now = call_poll(fds[0], POLLIN | POLLOUT);
        CHECK_EQ(call_run(&w, &now), POLLOUT);
        struct call later = call_poll(fds[0], POLLIN);
        CHECK_EQ(call_submit(&w, &later), 0);
        world_settle(&w);
        CHECK_EQ(later.over, 0);
        feed(&w, fds[1], "x");
        CHECK_EQ(call_result(&w, &later), POLLIN);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(readiness_of_either_direction_is_waited_for_in_one)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pair(&w, mode, fds);
        size_t held = fill(&w, fds[0]);
        struct call either = call_poll(fds[0], POLLIN | POLLOUT);
        CHECK_EQ(call_submit(&w, &either), 0);
        world_settle(&w);
        CHECK_EQ(either.over, 0);
        drain(&w, fds[1], held);
        CHECK_EQ(call_result(&w, &either), POLLOUT);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(readiness_is_told_to_everyone_and_leaves_the_bytes_to_the_reader)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct call polls[3], read;
        char byte;
        int fds[2];
        make_pipe(&w, mode, fds);
        read = call_read(fds[0], &byte, 1);
        CHECK_EQ(call_submit(&w, &read), 0);
        for (int i = 0; i < 3; i++) {
            polls[i] = call_poll(fds[0], POLLIN);
            CHECK_EQ(call_submit(&w, &polls[i]), 0);
        }
        world_settle(&w);
        /* More than the reader takes: what the order among kinds is, is not promised. */
        feed(&w, fds[1], "xy");
        for (int i = 0; i < 3; i++)
            CHECK_EQ(call_result(&w, &polls[i]), POLLIN);
        CHECK_EQ(call_result(&w, &read), 1);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_wait_for_readiness_does_not_stop_a_reader_behind_it)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char byte;
        int fds[2];
        make_pair(&w, mode, fds);
        struct call urgent = call_poll(fds[0], POLLPRI);
        CHECK_EQ(call_submit(&w, &urgent), 0);
        struct call recv = call_recv(fds[0], &byte, 1, 0);
        CHECK_EQ(call_submit(&w, &recv), 0);
        world_settle(&w);
        feed(&w, fds[1], "x");
        CHECK_EQ(call_result(&w, &recv), 1);
        CHECK_EQ(urgent.over, 0);
        CHECK_ERR(call_cancel(&w, &urgent), -ECANCELED);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(hanging_up_is_told_unasked)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pair(&w, mode, fds);
        struct call poll = call_poll(fds[0], POLLPRI);
        CHECK_EQ(call_submit(&w, &poll), 0);
        world_settle(&w);
        close_fd(&w, fds[1]);
        CHECK(call_result(&w, &poll) & POLLHUP);
        close_fd(&w, fds[0]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_pipe_without_readers_is_an_error_for_who_polls_it)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        (void)fill(&w, fds[1]);
        struct call poll = call_poll(fds[1], POLLOUT);
        CHECK_EQ(call_submit(&w, &poll), 0);
        world_settle(&w);
        close_fd(&w, fds[0]);
        CHECK(call_result(&w, &poll) & POLLERR);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

/* --- Many ------------------------------------------------------------------------------------ */

static void raise_descriptor_limit(rlim_t wanted)
{
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < wanted)
        SKIP("fewer than %ju descriptors allowed", (uintmax_t)wanted);
    limit.rlim_cur = wanted;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

TEST_EACH_ENGINE(hundreds_of_descriptors_wait_at_once)
{
    enum { COUNT = 400 };
    static struct call reads[COUNT];
    static int fds[COUNT][2];
    static char bytes[COUNT];
    raise_descriptor_limit(2 * COUNT + 50);
    struct world w = world_open();
    for (int i = 0; i < COUNT; i++) {
        make_pipe(&w, &modes[i % 4], fds[i]);
        reads[i] = call_read(fds[i][0], &bytes[i], 1);
        CHECK_EQ(call_submit(&w, &reads[i]), 0);
    }
    world_settle(&w);
    for (int i = 0; i < COUNT; i++)
        feed(&w, fds[i][1], "x");
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(call_result(&w, &reads[i]), 1);
    for (int i = 0; i < COUNT; i++)
        close_both(&w, fds[i]);
    world_close(&w);
}

TEST_EACH_ENGINE(thousands_wait_on_one_descriptor)
{
    enum { COUNT = 5000 };
    static struct call polls[COUNT], reads[COUNT];
    static char bytes[COUNT];
    struct world w = world_open();
    int fds[2];
    make_pipe(&w, &owned_nonblocking, fds);
    for (int i = 0; i < COUNT; i++) {
        polls[i] = call_poll(fds[0], POLLIN);
        reads[i] = call_read(fds[0], &bytes[i], 1);
        CHECK_EQ(call_submit(&w, &polls[i]), 0);
        CHECK_EQ(call_submit(&w, &reads[i]), 0);
    }
    CHECK_EQ(w.poller->pending, 2 * COUNT);
    world_settle(&w);
    static char text[COUNT + 1 + 1];
    memset(text, 'x', COUNT + 1);
    feed(&w, fds[1], text);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(call_result(&w, &polls[i]), POLLIN);
        CHECK_EQ(call_result(&w, &reads[i]), 1);
    }
    close_both(&w, fds);
    world_close(&w);
}
