/* SPDX-License-Identifier: MIT */
/*
 * test_close.c: closing descriptors that others use
 *
 * Each test states one sentence of weft/net.h, or of weft_loop_close_fd: who waits on a descriptor
 * is told, the number is free afterwards, and no wait of the old descriptor ever meets the new one,
 * however it was closed.
 */
#include "net_test.h"

#include "fault.h"

/** Somebody who waits on a descriptor. */
struct waiter {
    /** What it waits for. */
    ssize_t (*wait)(int fd, char *bytes);
    /** The descriptor. */
    int fd;
    /** Its buffer. */
    char bytes[8];
    /** What came of it. */
    ssize_t result;
};

static ssize_t wait_to_read(int fd, char *bytes)
{
    return weft_read(fd, bytes, 8);
}

static ssize_t wait_to_receive(int fd, char *bytes)
{
    return weft_recv(fd, bytes, 8, 0);
}

static ssize_t wait_to_write(int fd, char *bytes)
{
    return weft_write(fd, bytes, 1);
}

static ssize_t wait_to_accept(int fd, char *bytes)
{
    (void)bytes;
    return weft_accept(fd, NULL);
}

static ssize_t wait_for_input(int fd, char *bytes)
{
    (void)bytes;
    return weft_poll(fd, POLLIN);
}

static int wait_as(struct waiter *waiter)
{
    waiter->result = waiter->wait(waiter->fd, waiter->bytes);
    return 0;
}
WEFT_TASK(wait_as, struct waiter *);

static void go_wait(struct weft_scope *s, struct waiter *waiter)
{
    CHECK_EQ(weft_go(s, wait_as, waiter), 0);
}

/* Those who wait. */

TASK_TEST(closing_wakes_everybody_who_waits_with_ebadf)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiters[] = {{wait_to_read, fds[0], "", 0},
                                   {wait_to_read, fds[0], "", 0},
                                   {wait_for_input, fds[0], "", 0}};
        weft_scope_enter(&s, WEFT_FOREVER);
        for (int i = 0; i < 3; i++)
            go_wait(&s, &waiters[i]);
        turn();
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        for (int i = 0; i < 3; i++)
            CHECK_ERR(waiters[i].result, -EBADF);
        fds[0] = fds[1];
        fds[1] = -1;
    }
}

TASK_TEST(closing_wakes_both_directions)
{
    int fds[2];
    struct weft_scope s;
    tcp_pair(fds);
    (void)fill(fds[0]);
    struct waiter waiters[] = {{wait_to_receive, fds[0], "", 0}, {wait_to_write, fds[0], "", 0}};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiters[0]);
    go_wait(&s, &waiters[1]);
    turn();
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(waiters[0].result, -EBADF);
    CHECK_ERR(waiters[1].result, -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
}

TASK_TEST(closing_a_listener_wakes_those_who_accept)
{
    struct weft_scope s;
    struct weft_address address;
    int listener = listen_anywhere(&address);
    struct waiter waiter = {wait_to_accept, listener, "", 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiter);
    turn();
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(waiter.result, -EBADF);
    CHECK_ERR(weft_tcp_connect(&address), -ECONNREFUSED);
}

TASK_TEST(a_number_used_again_never_meets_who_waited_before)
{
    for (int settled = 0; settled < 2; settled++) {
        struct weft_scope s;
        int old[2], fresh[2];
        char bytes[8];
        CHECK_EQ(weft_pipe(old), 0);
        struct waiter waiter = {wait_to_read, old[0], "", 0};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        if (settled)
            turn();
        else
            settle();
        CHECK_EQ(weft_close(old[0]), 0);
        CHECK_EQ(weft_pipe(fresh), 0);
        CHECK_EQ(fresh[0], old[0]);
        put(fresh[1], "new");
        CHECK_EQ(weft_read(fresh[0], bytes, sizeof bytes), 3);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(waiter.result, -EBADF);
        CHECK_STR(waiter.bytes, "");
        CHECK_EQ(weft_close(old[1]), 0);
        close_ends(fresh);
    }
}

static void never(void *arg)
{
    (void)arg;
    FAIL("the reader was removed");
}

TASK_TEST(closing_removes_readers_and_writers)
{
    EACH_KIND(kind, fds)
    {
        struct weft_loop *loop = weft_loop_current();
        CHECK_EQ(weft_loop_add_reader(loop, fds[0], never, NULL), 0);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(weft_loop_remove_reader(loop, fds[0]), 0);
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        fds[0] = fds[1];
        fds[1] = -1;
    }
}

TASK_TEST(the_peer_sees_the_end_although_somebody_waited)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[1], "", 0};
        char byte;
        if (!kind->stream || !kind->socket)
            continue;
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        CHECK_EQ(weft_close(fds[1]), 0);
        fds[1] = -1;
        CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(waiter.result, -EBADF);
    }
}

/* Never refused. */

TASK_TEST(closing_is_never_refused)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(weft_close(fds[0]), -EBADF);
        fds[0] = fds[1] = -1;
    }
}

TASK_TEST(what_is_closed_or_was_never_open_is_ebadf)
{
    int fds[2];
    CHECK_EQ(weft_pipe(fds), 0);
    close_ends(fds);
    CHECK_ERR(weft_close(fds[0]), -EBADF);
    CHECK_ERR(weft_close(-1), -EBADF);
    CHECK_ERR(weft_loop_close_fd(weft_loop_current(), fds[0], never, NULL), -EBADF);
    CHECK_ERR(weft_loop_close_fd(weft_loop_current(), -1, never, NULL), -EBADF);
    turn();
}

static int close_it(int fd, int *rc)
{
    *rc = weft_close(fd);
    return 0;
}
WEFT_TASK(close_it, int, __typeof__(int *));

TASK_TEST(of_two_who_close_at_once_one_has_closed)
{
    struct weft_scope s;
    int fds[2], rcs[2] = {1, 1};
    CHECK_EQ(weft_pipe(fds), 0);
    struct waiter waiter = {wait_to_read, fds[0], "", 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiter);
    turn();
    weft_go(&s, close_it, fds[0], &rcs[0]);
    weft_go(&s, close_it, fds[0], &rcs[1]);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(rcs[0], 0);
    CHECK_ERR(rcs[1], -EBADF);
    CHECK_ERR(waiter.result, -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/** The table of a test without memory. */
static struct weft_testing_faults fault;

static int close_without_memory(void *arg)
{
    (void)arg;
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        weft_testing_faults_fail(&fault, WEFT_TESTING_MEMORY, 1, WEFT_TESTING_FROM, ENOMEM);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        weft_testing_faults_fail(&fault, WEFT_TESTING_MEMORY, 0, WEFT_TESTING_FROM, ENOMEM);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(waiter.result, -EBADF);
        fds[0] = fds[1] = -1;
    }
    return 0;
}

/** Runs a task over the table `fault`. */
static void with_faults(int (*program)(void *arg))
{
    struct weft_loop_options options = {.size = sizeof options, .sys = &fault.sys};
    const struct weft_sys *inner = &weft_sys_default;
    struct weft_loop *loop;
    options.backend = test_engine();
    if (test_engine_is("sim"))
        CHECK_OK(weft__sim_new(0, &inner));
    weft_testing_faults_init(&fault, inner);
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_OK(weft_loop_free(loop));
    if (test_engine_is("sim"))
        weft__sim_free(inner);
}

TEST_EACH_ENGINE(closing_takes_no_memory)
{
    with_faults(close_without_memory);
}

/** A close that a signal interrupts: weft_close gives 0, and the number is free. */
static void close_interrupted(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CLOSE), 1, WEFT_TESTING_ONCE, EINTR);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(__atomic_load_n(&fault.points, __ATOMIC_RELAXED), 1);
    weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CLOSE), 0, WEFT_TESTING_ONCE, 0);
    CHECK_ERR(sys->fcntl(sys, fd, F_GETFD, 0), -EBADF);
}

static int close_interrupted_kinds(void *arg)
{
    (void)arg;
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        close_interrupted(fds[0]);
        close_interrupted(fds[1]);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(waiter.result, -EBADF);
        fds[0] = fds[1] = -1;
    }
    return 0;
}

TEST_EACH_ENGINE(an_interrupted_close_has_closed)
{
    with_faults(close_interrupted_kinds);
}

static void close_interrupted_here(void *arg)
{
    close_interrupted(*(int *)arg);
}

static int close_from_callbacks(void *arg)
{
    int fds[2];
    (void)arg;
    CHECK_EQ(weft_pipe(fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(weft_loop_call_soon(weft_loop_current(), close_interrupted_here, &fds[i], NULL));
    turn();
    return 0;
}

TEST_EACH_ENGINE(an_interrupted_close_in_a_callback_has_closed)
{
    with_faults(close_from_callbacks);
}

static int close_failing_kinds(void *arg)
{
    const struct weft_sys *sys = weft__sys_current();
    (void)arg;
    EACH_KIND(kind, fds)
    {
        weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CLOSE), 1, WEFT_TESTING_FROM, EIO);
        for (int i = 0; i < 2; i++) {
            CHECK_ERR(weft_close(fds[i]), -EIO);
            CHECK_ERR(sys->fcntl(sys, fds[i], F_GETFD, 0), -EBADF);
            fds[i] = -1;
        }
        weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CLOSE), 0, WEFT_TESTING_ONCE, 0);
    }
    return 0;
}

TEST_EACH_ENGINE(a_failure_to_write_back_is_told_and_the_number_is_free)
{
    with_faults(close_failing_kinds);
}

/* Closed behind weft's back. */

TASK_TEST(a_wait_on_what_a_stranger_closed_ends_at_its_deadline)
{
    int fds[2];
    char bytes[8] = "";
    struct weft_scope s;
    foreign_pipe(fds, 0);
    struct waiter waiter = {wait_to_read, fds[0], "", 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiter);
    turn();
    CHECK_EQ(weft_scope_set_deadline(&s, weft_after(5 * WEFT_MS)), 0);
    close_foreign(fds[0]);
    int rc = weft_scope_exit(&s, 0);
    CHECK(rc == -ETIMEDOUT || waiter.result == -EBADF);
    CHECK(waiter.result == -ECANCELED || waiter.result == -EBADF);
    CHECK_STR(bytes, "");
    close_foreign(fds[1]);
}

TASK_TEST(a_number_that_a_stranger_used_again_ends_the_old_wait_when_weft_uses_it)
{
    int old[2], fresh[2];
    char bytes[8];
    struct weft_scope s;
    foreign_pipe(old, 0);
    struct waiter waiter = {wait_to_read, old[0], "", 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiter);
    turn();
    close_foreign(old[0]);
    foreign_pipe(fresh, 0);
    CHECK_EQ(fresh[0], old[0]);
    put(fresh[1], "new");
    CHECK_EQ(weft_read(fresh[0], bytes, sizeof bytes), 3);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(waiter.result, -EBADF);
    CHECK_STR(waiter.bytes, "");
    close_foreign(fresh[0]);
    close_foreign(fresh[1]);
    close_foreign(old[1]);
}

TASK_TEST(a_number_that_a_stranger_used_again_gives_the_old_wait_nothing)
{
    int old[2], fresh[2];
    struct weft_scope s;
    foreign_pipe(old, 0);
    struct waiter waiter = {wait_to_read, old[0], "", 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    go_wait(&s, &waiter);
    turn();
    CHECK_EQ(weft_scope_set_deadline(&s, weft_after(5 * WEFT_MS)), 0);
    close_foreign(old[0]);
    foreign_pipe(fresh, 0);
    CHECK_EQ(fresh[0], old[0]);
    put(fresh[1], "new");
    (void)!weft_scope_exit(&s, 0);
    CHECK(waiter.result == -ECANCELED || waiter.result == -EBADF);
    CHECK_STR(waiter.bytes, "");
    CHECK_EQ(weft_poll_now(fresh[0], POLLIN), POLLIN);
    close_foreign(fresh[0]);
    close_foreign(fresh[1]);
    close_foreign(old[1]);
}

TASK_TEST(nothing_is_remembered_of_what_weft_does_not_own)
{
    for (int i = 0; i < 3; i++) {
        int fds[2];
        char byte;
        if (i == 1)
            foreign_sockets(fds, 0);
        else
            foreign_pipe(fds, i ? O_NONBLOCK : 0);
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        CHECK_ERR(weft_within(WEFT_MS, weft_read(fds[0], &byte, 1)), -ETIMEDOUT);
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        put(fds[1], "x");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_EQ(waiter.result, 1);
        close_foreign(fds[0]);
        close_foreign(fds[1]);
    }
}

/* From callbacks, and outside. */

/** A close from a callback. */
struct callback_close {
    /** The descriptor. */
    int fd;
    /** What weft_close said. */
    int rc;
};

static void close_in_callback(void *arg)
{
    struct callback_close *c = arg;
    c->rc = weft_close(c->fd);
}

TASK_TEST(a_callback_may_close_what_a_task_waits_on)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        struct callback_close c = {fds[0], 1};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        CHECK_OK(weft_loop_call_soon(weft_loop_current(), close_in_callback, &c, NULL));
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_ERR(waiter.result, -EBADF);
        CHECK_EQ(c.rc, 0);
        /* The number is free once the engine has let go, which no callback waits for. */
        turn();
        CHECK_ERR(weft_close(fds[0]), -EBADF);
        fds[0] = fds[1];
        fds[1] = -1;
    }
}

static void note_closed(void *fd)
{
    CHECK_ERR(weft_poll_now(*(int *)fd, POLLIN), -EBADF);
    note('c');
}

TASK_TEST(the_callback_of_a_close_is_scheduled_when_it_is_closed)
{
    EACH_KIND(kind, fds)
    {
        struct weft_scope s;
        struct waiter waiter = {wait_to_read, fds[0], "", 0};
        weft_scope_enter(&s, WEFT_FOREVER);
        go_wait(&s, &waiter);
        turn();
        CHECK_EQ(weft_loop_close_fd(weft_loop_current(), fds[0], note_closed, &fds[0]), 0);
        CHECK_STR(trail, "");
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        turn();
        CHECK_STR(trail, "c");
        trail[0] = '\0';
        fds[0] = fds[1];
        fds[1] = -1;
    }
}

static int make_sockets(void *fds)
{
    owned_sockets(fds, 0);
    return 0;
}

TEST_EACH_ENGINE(a_close_in_progress_is_finished_with_the_loop_and_its_callback_dropped)
{
    int fds[2];
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, make_sockets, fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_loop_add_reader(loop, fds[i], never, NULL), 0);
    /* The engine hears of the readers. */
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_loop_step(loop, 0));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_loop_close_fd(loop, fds[i], never, NULL), 0);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(no_reader_runs_while_a_loop_is_freed)
{
    int fds[2];
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    if (test_engine_is("sim"))
        SKIP("uses a descriptor after the end of its world");
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, make_sockets, fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_loop_add_reader(loop, fds[i], never, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_loop_step(loop, 0));
    CHECK_EQ(write(fds[0], "x", 1), 1);
    CHECK_EQ(weft_loop_close_fd(loop, fds[0], never, NULL), 0);
    CHECK_OK(weft_loop_free(loop));
    CHECK_EQ(weft_close(fds[1]), 0);
}
