/* SPDX-License-Identifier: MIT */
/*
 * test_poller_cancel.c: taking operations back, closing descriptors, numbers that come again
 *
 * Cancelled means that nothing happened; what happened is delivered. Closing ends every operation
 * before the number is free. And whoever closes behind our back and gets the number again for
 * another file: an operation of the old file never touches the new one.
 *
 * Where the outcome is a race that the engine may decide either way, the test states what must hold
 * in both cases: no byte lost, no connection lost, done() called once.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <sys/eventfd.h>

TEST_EACH_ENGINE(a_cancelled_read_has_taken_nothing)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char buf[4];
        int fds[2];
        make_pipe(&w, mode, fds);
        struct call read = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        world_settle(&w);
        CHECK_ERR(call_cancel(&w, &read), -ECANCELED);
        feed(&w, fds[1], "kept");
        world_settle(&w);
        struct call again = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_run(&w, &again), 4);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(an_operation_cancelled_before_any_wait_never_happened)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char buf[4];
        int fds[2];
        make_pipe(&w, mode, fds);
        struct call read = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        CHECK_ERR(call_cancel(&w, &read), -ECANCELED);
        CHECK_EQ(w.poller->pending, 0);
        feed(&w, fds[1], "kept");
        world_settle(&w);
        CHECK(is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(cancelling_what_is_over_changes_nothing)
{
    struct world w = world_open();
    char buf[4];
    int fds[2];
    make_pipe(&w, &owned_nonblocking, fds);
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(&w, &read), 0);
    world_settle(&w);
    feed(&w, fds[1], "abc");
    CHECK_EQ(call_result(&w, &read), 3);
    CHECK_EQ(w.poller->ops->cancel(w.poller, &read.op), 0);
    world_settle(&w);
    CHECK_EQ(read.over, 1);
    CHECK_EQ(read.op.result, 3);
    close_both(&w, fds);
    world_close(&w);
}

/* The bytes are there when the cancellation comes: whichever wins, none is lost. */
TEST_EACH_ENGINE(a_cancellation_that_meets_a_completion_loses_no_byte)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char buf[4];
        int fds[2];
        make_pair(&w, mode, fds);
        struct call recv = call_recv(fds[0], buf, sizeof buf, 0);
        CHECK_EQ(call_submit(&w, &recv), 0);
        world_settle(&w);
        feed(&w, fds[1], "abcd");
        ssize_t rc = call_cancel(&w, &recv);
        if (rc < 0) {
            CHECK_ERR(rc, -ECANCELED);
            rc = 0;
        }
        if (rc < 4)
            drain(&w, fds[0], 4 - (size_t)rc);
        CHECK(!is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_cancelled_write_has_written_nothing)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        size_t held = fill(&w, fds[1]);
        struct call write = call_write(fds[1], "x", 1);
        CHECK_EQ(call_submit(&w, &write), 0);
        world_settle(&w);
        CHECK_ERR(call_cancel(&w, &write), -ECANCELED);
        drain(&w, fds[0], held);
        world_settle(&w);
        CHECK(!is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_wait_for_readiness_can_be_cancelled)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        struct call poll = call_poll(fds[0], POLLIN);
        CHECK_EQ(call_submit(&w, &poll), 0);
        world_settle(&w);
        CHECK_ERR(call_cancel(&w, &poll), -ECANCELED);
        close_both(&w, fds);
        world_close(&w);
    }
}

/* --- Closing --------------------------------------------------------------------------------- */

TEST_EACH_ENGINE(closing_ends_every_operation_on_the_descriptor_with_EBADF)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char bufs[2][4];
        int fds[2];
        make_pair(&w, mode, fds);
        (void)fill(&w, fds[0]);
        struct call calls[] = {
            call_recv(fds[0], bufs[0], 4, 0), call_read(fds[0], bufs[1], 4),
            call_poll(fds[0], POLLIN),        call_send(fds[0], "x", 1, 0),
            call_poll(fds[0], POLLOUT),
        };
        for (size_t i = 0; i < 5; i++)
            CHECK_EQ(call_submit(&w, &calls[i]), 0);
        world_settle(&w);
        close_fd(&w, fds[0]);
        for (size_t i = 0; i < 5; i++) {
            CHECK_EQ(calls[i].over, 1);
            CHECK_ERR(calls[i].op.result, -EBADF);
        }
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(closing_before_any_wait_ends_operations_too)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char buf[4];
        int fds[2];
        make_pipe(&w, mode, fds);
        struct call read = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        close_fd(&w, fds[0]);
        CHECK_EQ(read.over, 1);
        CHECK_ERR(read.op.result, -EBADF);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_descriptor_that_is_being_closed_takes_no_new_operation)
{
    struct world w = world_open();
    char buf[4];
    int fds[2];
    make_pipe(&w, &owned_nonblocking, fds);
    feed(&w, fds[1], "x");
    entry(&w, fds[0])->flags |= WEFT__DESCRIPTOR_CLOSING;
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_ERR(call_submit(&w, &read), -EBADF);
    close_both(&w, fds);
    world_close(&w);
}

TEST_EACH_ENGINE(the_peer_of_a_closed_descriptor_sees_the_end)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        char buf[4];
        int fds[2];
        make_pair(&w, mode, fds);
        struct call mine = call_recv(fds[0], buf, sizeof buf, 0);
        CHECK_EQ(call_submit(&w, &mine), 0);
        world_settle(&w);
        close_fd(&w, fds[0]);
        struct call peers = call_recv(fds[1], buf, sizeof buf, 0);
        CHECK_EQ(call_run(&w, &peers), 0);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(an_owned_number_used_again_never_meets_an_old_waiter)
{
    struct world w = world_open();
    char old_buf[8] = "", new_buf[8] = "";
    int old[2], fresh[2];
    make_pair(&w, &owned_nonblocking, old);
    struct call waiting = call_recv(old[0], old_buf, sizeof old_buf, 0);
    CHECK_EQ(call_submit(&w, &waiting), 0);
    world_settle(&w);
    close_fd(&w, old[0]);
    make_pair(&w, &owned_nonblocking, fresh);
    CHECK_EQ(fresh[0], old[0]);
    struct call recv = call_recv(fresh[0], new_buf, sizeof new_buf, 0);
    CHECK_EQ(call_submit(&w, &recv), 0);
    world_settle(&w);
    feed(&w, fresh[1], "new");
    CHECK_EQ(call_result(&w, &recv), 3);
    CHECK_MEM(new_buf, "new", 3);
    CHECK_ERR(waiting.op.result, -EBADF);
    CHECK_STR(old_buf, "");
    close_both(&w, fresh);
    close_fd(&w, old[1]);
    world_close(&w);
}

/* --- Closed behind our back ------------------------------------------------------------------ */

/** A pipe whose reading number was closed by a stranger while `waiting` waits on it, and a new pipe
 *  that got the number. */
struct reuse {
    /** The engine. */
    struct world w;
    /** What waits on the old file. */
    struct call waiting;
    /** Its buffer. */
    char buf[8];
    /** Keeps the old file alive, or -1. */
    int keeper;
    /** The old pipe's writing end. */
    int old_writer;
    /** The new pipe. */
    int fds[2];
};

static void reuse_number(struct reuse *reuse, bool kept_alive, bool waited)
{
    int old[2];
    struct world *w = &reuse->w;
    memset(reuse->buf, 0, sizeof reuse->buf);
    *w = world_open();
    make_pipe(w, &foreign_blocking, old);
    reuse->keeper = kept_alive ? dup(old[0]) : -1;
    reuse->old_writer = old[1];
    reuse->waiting = call_read(old[0], reuse->buf, sizeof reuse->buf);
    CHECK_EQ(call_submit(w, &reuse->waiting), 0);
    if (waited)
        world_settle(w);
    close_behind(w, old[0]);
    make_pipe(w, &foreign_blocking, reuse->fds);
    CHECK_EQ(reuse->fds[0], old[0]);
}

static void reuse_end(struct reuse *reuse)
{
    struct world *w = &reuse->w;
    CHECK_EQ(reuse->waiting.over, 1);
    CHECK_STR(reuse->buf, "");
    close_both(w, reuse->fds);
    close_fd(w, reuse->old_writer);
    if (reuse->keeper >= 0)
        CHECK_OK(close(reuse->keeper));
    world_close(w);
}

static void each_reuse(void (*body)(struct reuse *reuse))
{
    for (int way = 0; way < 4; way++) {
        struct reuse reuse;
        bool kept_alive = way & 1, waited = way & 2;
        if (kept_alive && test_engine_is("sim"))
            continue; /* Simulated descriptors have no dup. */
        reuse_number(&reuse, kept_alive, waited);
        body(&reuse);
        reuse_end(&reuse);
    }
}

static void use_again(struct reuse *reuse)
{
    char buf[8];
    struct call read = call_read(reuse->fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(&reuse->w, &read), 0);
    CHECK_ERR(call_result(&reuse->w, &reuse->waiting), -EBADF);
    feed(&reuse->w, reuse->fds[1], "new");
    CHECK_EQ(call_result(&reuse->w, &read), 3);
}

TEST_EACH_ENGINE(a_foreign_number_used_again_with_us_ends_the_old_wait_with_EBADF)
{
    each_reuse(use_again);
}

static void feed_new_only(struct reuse *reuse)
{
    feed(&reuse->w, reuse->fds[1], "new");
    world_settle(&reuse->w);
    if (!reuse->waiting.over)
        CHECK_ERR(call_cancel(&reuse->w, &reuse->waiting), -ECANCELED);
    CHECK(reuse->waiting.op.result < 0);
    drain(&reuse->w, reuse->fds[0], 3);
}

TEST_EACH_ENGINE(a_foreign_number_used_again_gives_the_old_wait_no_byte)
{
    each_reuse(feed_new_only);
}

static void feed_old_after_use_again(struct reuse *reuse)
{
    char buf[8];
    struct call read = call_read(reuse->fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(&reuse->w, &read), 0);
    CHECK_ERR(call_result(&reuse->w, &reuse->waiting), -EBADF);
    if (reuse->keeper >= 0)
        feed(&reuse->w, reuse->old_writer, "old");
    world_settle(&reuse->w);
    CHECK_EQ(read.over, 0);
    CHECK_ERR(call_cancel(&reuse->w, &read), -ECANCELED);
}

TEST_EACH_ENGINE(events_of_a_file_that_lives_on_under_another_number_reach_nobody)
{
    each_reuse(feed_old_after_use_again);
}

static void cancel_only(struct reuse *reuse)
{
    ssize_t rc = call_cancel(&reuse->w, &reuse->waiting);
    CHECK(rc == -ECANCELED || rc == -EBADF);
}

TEST_EACH_ENGINE(a_wait_on_a_file_that_is_gone_can_be_cancelled)
{
    each_reuse(cancel_only);
}

TEST_EACH_ENGINE(files_without_inodes_of_their_own_are_told_apart_where_the_engine_can)
{
    if (!test_engine_is("epoll"))
        SKIP("only epoll can: eventfds all have one inode");
    struct world w = world_open();
    uint64_t old_value = 0, new_value = 0, one = 1;
    int fd = w.sys->eventfd(w.sys, 0, EFD_CLOEXEC);
    struct call waiting = call_read(fd, &old_value, sizeof old_value);
    CHECK_EQ(call_submit(&w, &waiting), 0);
    world_settle(&w);
    close_behind(&w, fd);
    CHECK_EQ(w.sys->eventfd(w.sys, 0, EFD_CLOEXEC), fd);
    struct call read = call_read(fd, &new_value, sizeof new_value);
    CHECK_EQ(call_submit(&w, &read), 0);
    CHECK_ERR(call_result(&w, &waiting), -EBADF);
    CHECK_EQ(w.sys->write(w.sys, fd, &one, sizeof one), sizeof one);
    CHECK_EQ(call_result(&w, &read), sizeof new_value);
    close_fd(&w, fd);
    world_close(&w);
}

TEST_EACH_ENGINE(nothing_is_remembered_of_a_foreign_descriptor_between_two_waits)
{
    struct world w = world_open();
    for (int i = 0; i < 3; i++) {
        char buf[4];
        int fds[2];
        make_pipe(&w, &foreign_blocking, fds);
        struct call read = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        world_settle(&w);
        feed(&w, fds[1], "x");
        CHECK_EQ(call_result(&w, &read), 1);
        close_behind(&w, fds[0]);
        close_behind(&w, fds[1]);
    }
    world_close(&w);
}
