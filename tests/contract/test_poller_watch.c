/* SPDX-License-Identifier: MIT */
/*
 * test_poller_watch.c: persistent, level-triggered watches
 *
 * A watch is called in each wait that finds its direction ready, until it is removed; it excludes
 * operations on its direction and nothing else. Callbacks may do to watches whatever they like.
 *
 * A watch counts its calls. Engines may find a direction ready once more after it was drained in
 * the same turn, as a loop's reader may; the tests allow for that and for nothing else.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <stdlib.h>

/** A watch that counts, and on its first call may do something. */
struct counter {
    /** How often it was called. */
    int calls;
    /** The engine. */
    struct world *w;
    /** A descriptor whose reader is removed at the first call; -1: none. */
    int remove;
    /** A descriptor that is drained of one byte at each call; -1: none. */
    int take;
};

static void count(void *arg)
{
    struct counter *counter = arg;
    counter->calls++;
    if (counter->take >= 0)
        drain(counter->w, counter->take, 1);
    if (counter->remove >= 0)
        CHECK_OK(set_watch(counter->w, counter->remove, WEFT__DIRECTION_IN, NULL, NULL));
}

/** Waits until a counter has reached a number. */
static void wait_for(struct world *w, const struct counter *counter, int calls)
{
    for (int i = 0; i < 1000 && counter->calls < calls; i++)
        (void)world_wait(w, 10 * WEFT_MS);
    CHECK_EQ(counter->calls, calls);
}

TEST_EACH_ENGINE(a_watch_is_called_in_each_wait_while_bytes_are_there)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        int fds[2];
        make_pipe(&w, mode, fds);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        world_settle(&w);
        CHECK_EQ(counter.calls, 0);
        feed(&w, fds[1], "x");
        for (int i = 1; i <= 5; i++)
            wait_for(&w, &counter, i);
        drain(&w, fds[0], 1);
        int before = counter.calls;
        world_settle(&w);
        CHECK(counter.calls <= before + 1);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_watch_that_takes_a_byte_at_a_time_is_called_for_each)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        struct counter counter = {.w = &w, .remove = -1, .take = fds[0]};
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        feed(&w, fds[1], "abc");
        wait_for(&w, &counter, 3);
        world_settle(&w);
        CHECK_EQ(counter.calls, 3);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_removed_watch_is_not_called)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        int fds[2];
        make_pipe(&w, mode, fds);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        world_settle(&w);
        feed(&w, fds[1], "x");
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, NULL, NULL));
        world_settle(&w);
        CHECK_EQ(counter.calls, 0);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_watch_set_again_is_called_again)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter first = {.w = &w, .remove = -1, .take = -1}, second = first;
        int fds[2];
        make_pipe(&w, mode, fds);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &first));
        world_settle(&w);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, NULL, NULL));
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &second));
        feed(&w, fds[1], "x");
        wait_for(&w, &second, 1);
        CHECK_EQ(first.calls, 0);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_watch_for_writing_is_called_while_there_is_room)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        int fds[2];
        make_pipe(&w, mode, fds);
        size_t held = fill(&w, fds[1]);
        CHECK_OK(set_watch(&w, fds[1], WEFT__DIRECTION_OUT, count, &counter));
        world_settle(&w);
        CHECK_EQ(counter.calls, 0);
        drain(&w, fds[0], held);
        wait_for(&w, &counter, 1);
        wait_for(&w, &counter, 2);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(both_directions_of_one_descriptor_are_watched_apart)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter in = {.w = &w, .remove = -1, .take = -1}, out = in;
        int fds[2];
        make_pair(&w, mode, fds);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &in));
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_OUT, count, &out));
        wait_for(&w, &out, 2);
        CHECK_EQ(in.calls, 0);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_OUT, NULL, NULL));
        int before = out.calls;
        feed(&w, fds[1], "x");
        wait_for(&w, &in, 1);
        CHECK_EQ(out.calls, before);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_hang_up_calls_the_reader)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        int fds[2];
        make_pipe(&w, mode, fds);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        world_settle(&w);
        close_fd(&w, fds[1]);
        wait_for(&w, &counter, 1);
        close_fd(&w, fds[0]);
        world_close(&w);
    }
}

/* --- Watches and operations ------------------------------------------------------------------ */

TEST_EACH_ENGINE(an_operation_on_a_watched_direction_is_EBUSY)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        char byte;
        int fds[2];
        make_pair(&w, mode, fds);
        feed(&w, fds[1], "x");
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        struct call recv = call_recv(fds[0], &byte, 1, 0);
        CHECK_ERR(call_submit(&w, &recv), -EBUSY);
        struct call poll = call_poll(fds[0], POLLIN | POLLOUT);
        CHECK_ERR(call_submit(&w, &poll), -EBUSY);
        CHECK(is_ready(&w, fds[0], POLLIN));
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(an_operation_waits_beside_a_watch_of_the_other_direction)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        int fds[2];
        make_pair(&w, mode, fds);
        size_t held = fill(&w, fds[0]);
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        struct call send = call_send(fds[0], "x", 1, 0);
        CHECK_EQ(call_submit(&w, &send), 0);
        world_settle(&w);
        CHECK_EQ(send.over, 0);
        feed(&w, fds[1], "x");
        wait_for(&w, &counter, 2);
        CHECK_EQ(send.over, 0);
        drain(&w, fds[1], held);
        CHECK_EQ(call_result(&w, &send), 1);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(operations_work_as_before_when_a_watch_is_gone)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        struct counter counter = {.w = &w, .remove = -1, .take = -1};
        char byte;
        int fds[2];
        make_pair(&w, mode, fds);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
            world_settle(&w);
            CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, NULL, NULL));
            struct call recv = call_recv(fds[0], &byte, 1, 0);
            CHECK_EQ(call_submit(&w, &recv), 0);
            world_settle(&w);
            feed(&w, fds[1], "x");
            CHECK_EQ(call_result(&w, &recv), 1);
        }
        CHECK_EQ(counter.calls, 0);
        close_both(&w, fds);
        world_close(&w);
    }
}

/* --- Callbacks that change things ------------------------------------------------------------ */

TEST_EACH_ENGINE(a_callback_may_remove_its_own_watch)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        struct counter counter = {.w = &w, .remove = fds[0], .take = -1};
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, count, &counter));
        feed(&w, fds[1], "x");
        wait_for(&w, &counter, 1);
        world_settle(&w);
        CHECK_EQ(counter.calls, 1);
        close_both(&w, fds);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_callback_may_remove_a_watch_that_is_ready_in_the_same_wait)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int first[2], second[2];
        make_pipe(&w, mode, first);
        make_pipe(&w, mode, second);
        struct counter a = {.w = &w, .remove = second[0], .take = -1};
        struct counter b = {.w = &w, .remove = first[0], .take = -1};
        CHECK_OK(set_watch(&w, first[0], WEFT__DIRECTION_IN, count, &a));
        CHECK_OK(set_watch(&w, second[0], WEFT__DIRECTION_IN, count, &b));
        world_settle(&w);
        feed(&w, first[1], "x");
        feed(&w, second[1], "x");
        for (int i = 0; i < 1000 && a.calls + b.calls == 0; i++)
            (void)world_wait(&w, 10 * WEFT_MS);
        /* Whoever came first removed the other. */
        CHECK(a.calls == 0 || b.calls == 0);
        world_settle(&w);
        CHECK(a.calls == 0 || b.calls == 0);
        close_both(&w, first);
        close_both(&w, second);
        world_close(&w);
    }
}

static void close_own(void *arg)
{
    struct counter *counter = arg;
    counter->calls++;
    struct weft__descriptor *descriptor = entry(counter->w, counter->take);
    descriptor->flags |= WEFT__DESCRIPTOR_CLOSING;
    descriptor->watch[WEFT__DIRECTION_IN].fn = NULL;
    CHECK_EQ(counter->w->poller->ops->forget(counter->w->poller, descriptor), 1);
    descriptor->generation++;
    descriptor->flags = 0;
    CHECK_OK(counter->w->sys->close(counter->w->sys, counter->take));
}

TEST_EACH_ENGINE(a_callback_may_close_its_descriptor)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pipe(&w, mode, fds);
        struct counter counter = {.w = &w, .remove = -1, .take = fds[0]};
        CHECK_OK(set_watch(&w, fds[0], WEFT__DIRECTION_IN, close_own, &counter));
        feed(&w, fds[1], "x");
        wait_for(&w, &counter, 1);
        world_settle(&w);
        CHECK_EQ(counter.calls, 1);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

/** Closes a pipe's reading end from a callback, and gives its number to a new, watched pipe. */
struct successor {
    /** The engine. */
    struct world *w;
    /** What is closed. */
    int fd;
    /** The two watches that close each other's descriptor: only the first to run does. */
    bool closed;
    /** The new pipe. */
    int fds[2];
    /** Its watch. */
    struct counter counter;
};

static void succeed(struct weft__descriptor *descriptor, void *arg)
{
    struct successor *successor = arg;
    struct world *w = successor->w;
    descriptor->generation++;
    descriptor->flags = 0;
    descriptor->closed = NULL;
    close_behind(w, successor->fd);
    make_pipe(w, &owned_nonblocking, successor->fds);
    CHECK_EQ(successor->fds[0], successor->fd);
    CHECK_OK(set_watch(w, successor->fd, WEFT__DIRECTION_IN, count, &successor->counter));
    successor->closed = true;
}

static void close_other(void *arg)
{
    struct successor *successor = arg;
    struct weft__descriptor *descriptor = entry(successor->w, successor->fd);
    if (successor->closed || descriptor->flags & WEFT__DESCRIPTOR_CLOSING)
        return;
    descriptor->flags |= WEFT__DESCRIPTOR_CLOSING;
    descriptor->watch[WEFT__DIRECTION_IN].fn = NULL;
    descriptor->closed = succeed;
    descriptor->closed_arg = successor;
    if (successor->w->poller->ops->forget(successor->w->poller, descriptor) == 1)
        succeed(descriptor, successor);
}

/* Both are ready in one wait; the event of the one that is closed first is on its way already. */
TEST_EACH_ENGINE(an_event_of_a_closed_descriptor_does_not_reach_the_next_of_its_number)
{
    for (int victim = 0; victim < 2; victim++) {
        struct world w = world_open();
        struct counter idle = {.w = &w, .remove = -1, .take = -1};
        int pipes[2][2];
        make_pipe(&w, &owned_nonblocking, pipes[0]);
        make_pipe(&w, &owned_nonblocking, pipes[1]);
        struct successor successor = {.w = &w, .fd = pipes[victim][0], .counter = idle};
        CHECK_OK(set_watch(&w, pipes[victim][0], WEFT__DIRECTION_IN, count, &idle));
        CHECK_OK(set_watch(&w, pipes[!victim][0], WEFT__DIRECTION_IN, close_other, &successor));
        world_settle(&w);
        feed(&w, pipes[0][1], "x");
        feed(&w, pipes[1][1], "x");
        for (int i = 0; i < 1000 && !successor.closed; i++)
            (void)world_wait(&w, 10 * WEFT_MS);
        CHECK(successor.closed);
        world_settle(&w);
        CHECK_EQ(successor.counter.calls, 0);
        feed(&w, successor.fds[1], "x");
        wait_for(&w, &successor.counter, 1);
        close_both(&w, successor.fds);
        close_fd(&w, pipes[victim][1]);
        close_both(&w, pipes[!victim]);
        world_close(&w);
    }
}

/* --- Odd descriptors ------------------------------------------------------------------------- */

static int open_temporary(void)
{
    char name[] = "/tmp/weft-contract-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);
    CHECK_OK(fd);
    CHECK_OK(unlink(name));
    return fd;
}

TEST_EACH_ENGINE(a_regular_file_is_ready_in_each_wait)
{
    struct world w = world_open();
    struct counter in = {.w = &w, .remove = -1, .take = -1}, out = in;
    int fd = open_temporary();
    CHECK_OK(set_watch(&w, fd, WEFT__DIRECTION_IN, count, &in));
    for (int i = 1; i <= 4; i++)
        wait_for(&w, &in, i);
    CHECK_OK(set_watch(&w, fd, WEFT__DIRECTION_OUT, count, &out));
    wait_for(&w, &out, 3);
    CHECK_OK(set_watch(&w, fd, WEFT__DIRECTION_IN, NULL, NULL));
    int before = in.calls;
    wait_for(&w, &out, out.calls + 2);
    CHECK_EQ(in.calls, before);
    CHECK_OK(set_watch(&w, fd, WEFT__DIRECTION_OUT, NULL, NULL));
    before = out.calls;
    world_settle(&w);
    CHECK_EQ(out.calls, before);
    /* Whatever stays in this list keeps the engine from ever sleeping again. */
    CHECK(weft__list_empty(&w.poller->always));
    close_fd(&w, fd);
    world_close(&w);
}

TEST_EACH_ENGINE(a_watched_regular_file_keeps_a_wait_without_limit_from_sleeping)
{
    struct world w = world_open();
    struct counter counter = {.w = &w, .remove = -1, .take = -1};
    int fd = open_temporary();
    CHECK_OK(set_watch(&w, fd, WEFT__DIRECTION_IN, count, &counter));
    for (int i = 0; i < 4; i++)
        (void)world_wait(&w, WEFT_FOREVER);
    CHECK_EQ(counter.calls, 4);
    close_fd(&w, fd);
    world_close(&w);
}

TEST_EACH_ENGINE(two_regular_files_may_remove_each_other)
{
    struct world w = world_open();
    int first = open_temporary(), second = open_temporary();
    struct counter a = {.w = &w, .remove = second, .take = -1};
    struct counter b = {.w = &w, .remove = first, .take = -1};
    CHECK_OK(set_watch(&w, first, WEFT__DIRECTION_IN, count, &a));
    CHECK_OK(set_watch(&w, second, WEFT__DIRECTION_IN, count, &b));
    for (int i = 0; i < 4; i++)
        (void)world_wait(&w, 10 * WEFT_MS);
    CHECK(a.calls == 0 || b.calls == 0);
    CHECK(a.calls + b.calls > 1);
    close_fd(&w, first);
    close_fd(&w, second);
    world_close(&w);
}

TEST_EACH_ENGINE(a_number_that_is_no_descriptor_cannot_be_watched)
{
    struct world w = world_open();
    struct counter counter = {.w = &w, .remove = -1, .take = -1};
    int fd = w.simulated ? WEFT__SIM_FD_BASE + 900 : 900;
    CHECK_ERR(set_watch(&w, fd, WEFT__DIRECTION_IN, count, &counter), -EBADF);
    world_settle(&w);
    CHECK_EQ(counter.calls, 0);
    world_close(&w);
}
