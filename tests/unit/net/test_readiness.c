/* SPDX-License-Identifier: MIT */
/*
 * test_readiness.c: waiting for readiness, alone and beside something else
 *
 * Each test states one sentence of weft/net.h about weft_poll, weft_poll_now and weft_poll_start.
 * Readiness takes nothing: whoever lost interest has lost nothing, and the bytes are still there.
 */
#include "net_test.h"

#include <stdlib.h>

TASK_TEST(poll_returns_the_events_that_hold)
{
    EACH_KIND(kind, fds)
    {
        CHECK_EQ(weft_poll(fds[1], POLLOUT), POLLOUT);
        put(fds[1], "x");
        CHECK_EQ(weft_poll(fds[0], POLLIN), POLLIN);
        if (kind->socket)
            CHECK_EQ(weft_poll(fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
        take(fds[0], 1);
    }
}

static int write_later(int fd)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    put(fd, "x");
    return 0;
}
WEFT_TASK(write_later, int);

TASK_TEST(poll_waits_until_one_holds_and_takes_nothing)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, write_later, fds[1]);
        CHECK_EQ(weft_poll(fds[0], POLLIN), POLLIN);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        take(fds[0], 1);
    }
}

TASK_TEST(hanging_up_is_told_unasked)
{
    int fds[2];
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_poll(fds[0], POLLIN) & POLLHUP, POLLHUP);
    CHECK_EQ(weft_poll_now(fds[0], 0) & POLLHUP, POLLHUP);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_poll(fds[1], POLLOUT) & POLLERR, POLLERR);
    CHECK_EQ(weft_close(fds[1]), 0);
}

static int close_later(int fd)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
WEFT_TASK(close_later, int);

TASK_TEST(hanging_up_ends_a_wait_unasked)
{
    int fds[2];
    struct weft_scope s;
    CHECK_EQ(weft_pipe(fds), 0);
    size_t total = fill(fds[1]);
    CHECK(total > 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, close_later, fds[0]);
    CHECK_EQ(weft_poll(fds[1], POLLOUT) & POLLERR, POLLERR);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, close_later, fds[1]);
    CHECK_EQ(weft_poll(fds[0], POLLIN), POLLHUP);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
}

TASK_TEST(poll_now_tells_what_holds_and_never_waits)
{
    EACH_KIND(kind, fds)
    {
        CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
        CHECK_EQ(weft_poll_now(fds[1], POLLOUT), POLLOUT);
        put(fds[1], "x");
        CHECK_EQ(weft_poll_now(fds[0], POLLIN), POLLIN);
        CHECK_EQ(weft_poll_now(fds[0], 0), 0);
        take(fds[0], 1);
        CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    }
}

TEST(poll_now_works_where_no_loop_runs)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(weft_poll_now(fds[0], POLLIN), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_poll_now(fds[0], POLLIN), POLLIN);
    close(fds[0]);
    close(fds[1]);
    CHECK_ERR(weft_poll_now(fds[0], POLLIN), -EBADF);
    CHECK_ERR(weft_poll_now(-1, POLLIN), -EBADF);
}

TASK_TEST(all_who_wait_for_readiness_are_told)
{
    int fds[2];
    struct weft_poll *polls[2];
    struct weft_wait waits[2];
    CHECK_EQ(weft_pipe(fds), 0);
    for (int i = 0; i < 2; i++) {
        weft_wait_init(&waits[i], NULL, NULL);
        CHECK_EQ(weft_poll_start(fds[0], POLLIN, &waits[i], &polls[i]), 0);
    }
    put(fds[1], "x");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_park(&waits[i], NULL), POLLIN);
        weft_poll_stop(polls[i]);
    }
    close_ends(fds);
}

/* Beside something else. */

/** A wait of this task for readiness, started. */
static struct weft_poll *start(int fd, int events, struct weft_wait *wait)
{
    struct weft_poll *poll = NULL;
    weft_wait_init(wait, NULL, NULL);
    CHECK_EQ(weft_poll_start(fd, events, wait, &poll), 0);
    CHECK(poll != NULL);
    return poll;
}

TASK_TEST(a_started_poll_wakes_with_the_events_that_hold)
{
    EACH_KIND(kind, fds)
    {
        struct weft_wait wait;
        struct weft_poll *poll = start(fds[0], POLLIN, &wait);
        put(fds[1], "x");
        CHECK_EQ(weft_park(&wait, NULL), POLLIN);
        weft_poll_stop(poll);
        take(fds[0], 1);
    }
}

TASK_TEST(a_started_poll_of_what_holds_already_wakes)
{
    EACH_KIND(kind, fds)
    {
        struct weft_wait wait;
        struct weft_poll *poll = start(fds[1], POLLOUT, &wait);
        CHECK_EQ(weft_park(&wait, NULL), POLLOUT);
        weft_poll_stop(poll);
    }
}

TASK_TEST(a_stopped_poll_wakes_nobody)
{
    EACH_KIND(kind, fds)
    {
        struct weft_wait wait;
        struct weft_poll *poll = start(fds[0], POLLIN, &wait);
        turn();
        weft_poll_stop(poll);
        put(fds[1], "x");
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_wake(&wait, 77), 1);
        CHECK_EQ(weft_park(&wait, NULL), 77);
        take(fds[0], 1);
    }
}

TASK_TEST(a_poll_may_be_stopped_before_the_engine_heard_of_it)
{
    int fds[2];
    struct weft_wait wait;
    CHECK_EQ(weft_pipe(fds), 0);
    weft_poll_stop(start(fds[0], POLLIN, &wait));
    weft_poll_stop(NULL);
    put(fds[1], "x");
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_wake(&wait, 77), 1);
    close_ends(fds);
}

static int poll_and_leave(int fd)
{
    struct weft_wait wait;
    struct weft_poll *poll = start(fd, POLLIN, &wait);
    turn();
    weft_poll_stop(poll);
    return 0;
}
WEFT_TASK(poll_and_leave, int);

static int foreign_read_end(void *arg)
{
    int *fds = arg;
    foreign_pipe(fds, O_NONBLOCK);
    return poll_and_leave(fds[0]);
}

TEST_EACH_ENGINE(a_poll_that_the_kernel_still_has_is_freed_with_the_loop)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    int fds[2];
    if (test_engine_is("sim"))
        SKIP("uses real descriptors");
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, foreign_read_end, fds), 0);
    CHECK_OK(weft_loop_free(loop));
    close(fds[0]);
    close(fds[1]);
}

TASK_TEST(a_started_poll_leaves_the_bytes_to_the_reader_that_waits_beside_it)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct weft_wait wait;
        char byte;
        struct weft_poll *poll = start(fds[0], POLLIN, &wait);
        weft_scope_enter(&s, WEFT_FOREVER);
        weft_go(&s, write_later, fds[1]);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
        CHECK_EQ(weft_park(&wait, NULL), POLLIN);
        weft_poll_stop(poll);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(a_poll_that_cannot_be_started_leaves_the_result_untouched)
{
    int fds[2];
    char mark;
    struct weft_wait wait;
    struct weft_poll *const untouched = (struct weft_poll *)(void *)&mark, *poll = untouched;
    weft_wait_init(&wait, NULL, NULL);
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(weft_loop_add_reader(weft_loop_current(), fds[0], free, NULL), 0);
    CHECK_ERR(weft_poll_start(fds[0], POLLIN, &wait, &poll), -EBUSY);
    CHECK_EQ(weft_loop_remove_reader(weft_loop_current(), fds[0]), 1);
    close_ends(fds);
    CHECK_ERR(weft_poll_start(-1, POLLIN, &wait, &poll), -EBADF);
    CHECK(poll == untouched);
    CHECK_EQ(weft_wake(&wait, 77), 1);
}

TASK_TEST(a_poll_of_what_is_no_descriptor_is_ebadf_at_once)
{
    int fds[2];
    struct weft_wait wait;
    struct weft_poll *poll = NULL;
    CHECK_EQ(weft_pipe(fds), 0);
    close_ends(fds);
    weft_wait_init(&wait, NULL, NULL);
    int rc = weft_poll_start(fds[0], POLLIN, &wait, &poll);
    CHECK_ERR(rc, -EBADF);
    weft_poll_stop(poll);
}

TASK_TEST(closing_wakes_a_started_poll_with_ebadf)
{
    EACH_KIND(kind, fds)
    {
        struct weft_wait wait;
        struct weft_poll *poll = start(fds[0], POLLIN, &wait);
        turn();
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_ERR(weft_park(&wait, NULL), -EBADF);
        weft_poll_stop(poll);
        fds[0] = fds[1];
        fds[1] = -1;
    }
}
