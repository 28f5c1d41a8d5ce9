/* SPDX-License-Identifier: MIT */
/*
 * test_close.c: closing descriptors that others wait on, under many schedules
 *
 * weft_close wakes every waiter with -EBADF, and a number that is used again never meets an old
 * waiter. The simulated world gives the lowest free number out first, so that each pair that is
 * made here has the numbers of the one closed before, and carries bytes that tell which of them
 * they belong to.
 */
#include "seeds.h"
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

enum { READERS = 4, LIVES = 3 };

static int wait_a_little(void)
{
    return seeds_dice(2) ? weft_yield() : weft_sleep((weft_ns)seeds_dice(4) * WEFT_MS);
}

static int wait_often(unsigned times)
{
    int rc = 0;

    while (rc == 0 && times-- > 0)
        rc = wait_a_little();
    return rc;
}

/* --- Readers of a descriptor that is closed -------------------------------------------------- */

/** What became of the readers. */
static struct {
    /** Bytes that were read. */
    unsigned bytes;
    /** Readers that got -EBADF. */
    unsigned refused;
    /** Readers that ended. */
    unsigned ended;
} readers;

/** The life in which the numbers are now; a number means nothing to whoever comes from another. */
static char life_now;

/* Reads until the descriptor is closed; every byte must be of the life in which the reader began.
 */
static int reader(int fd, char life)
{
    char byte;
    ssize_t n = 1;

    while (n > 0 && life == life_now) {
        n = weft_read(fd, &byte, 1);
        if (n > 0)
            EXPECT_EQ(byte, life);
        readers.bytes += n > 0;
    }
    EXPECT(n == 1 || n == -EBADF);
    readers.refused += n == -EBADF;
    readers.ended++;
    return 0;
}
WEFT_TASK(reader, int, char);

/* One life of a pair of numbers: readers, some bytes, and a close while some still wait. */
static void live(char life, int first_fd)
{
    struct weft_scope scope;
    int fds[2];
    unsigned bytes = seeds_dice(READERS);

    life_now = life;
    EXPECT_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    if (first_fd)
        EXPECT_EQ(fds[0], first_fd);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < READERS; i++)
        EXPECT_EQ(weft_go(&scope, reader, fds[0], life), 0);
    for (unsigned i = 0; i < bytes; i++) {
        EXPECT_EQ(weft_write_all(fds[1], &life, 1), 0);
        EXPECT_EQ(wait_often(seeds_dice(2)), 0);
    }
    EXPECT_EQ(wait_often(seeds_dice(3)), 0);
    life_now = 0;
    EXPECT_EQ(weft_close(fds[0]), 0);
    EXPECT_EQ(weft_close(fds[1]), 0);
    if (life < 'a' + LIVES - 1)
        live((char)(life + 1), fds[0]);
    EXPECT_EQ(weft_scope_exit(&scope, 0), 0);
}

SCENARIO(a_number_used_again_never_meets_an_old_waiter)
{
    memset(&readers, 0, sizeof readers);
    live('a', 0);
    EXPECT_EQ(readers.ended, LIVES * READERS);
    return 0;
}

SCENARIO(a_close_wakes_every_waiter)
{
    struct weft_scope scope;
    int fds[2];

    memset(&readers, 0, sizeof readers);
    life_now = 'x';
    EXPECT_EQ(weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < READERS; i++)
        EXPECT_EQ(weft_go(&scope, reader, fds[0], 'x'), 0);
    EXPECT_EQ(wait_often(seeds_dice(4)), 0);
    EXPECT_EQ(weft_close(fds[0]), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(readers.ended, READERS);
    EXPECT_EQ(readers.refused, READERS);
    EXPECT_EQ(weft_close(fds[1]), 0);
    return rc;
}

/* --- Closing twice, closing and cancelling --------------------------------------------------- */

static int closed;

static int closer(int fd)
{
    int rc = wait_often(seeds_dice(3));

    EXPECT_EQ(rc, 0);
    rc = weft_close(fd);
    EXPECT(rc == 0 || rc == -EBADF);
    closed += rc == 0;
    return 0;
}
WEFT_TASK(closer, int);

SCENARIO(of_several_closes_one_closes)
{
    struct weft_scope scope;
    int fds[2];

    closed = 0;
    memset(&readers, 0, sizeof readers);
    life_now = 'x';
    EXPECT_EQ(weft_pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, reader, fds[0], 'x'), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(weft_go(&scope, closer, fds[0]), 0);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(readers.refused, 1);
    EXPECT_EQ(weft_close(fds[1]), 0);
    return rc;
}

static int single_reader(int fd, ssize_t *told)
{
    char byte;

    *told = weft_read(fd, &byte, 1);
    return *told < 0 ? (int)*told : 0;
}
WEFT_TASK(single_reader, int, __typeof__(ssize_t *));

/* A reader that is cancelled and whose descriptor is closed, in either order. */
static int contest(void)
{
    struct weft_scope scope;
    struct weft_task *task;
    int fds[2], result = 1;
    ssize_t told = 1;

    EXPECT_EQ(weft_pipe(fds), 0);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    EXPECT_EQ(weft_spawn(&scope, &task, single_reader, fds[0], &told), 0);
    EXPECT_EQ(wait_often(seeds_dice(3)), 0);
    bool cancel_first = seeds_dice(2), wait_between = seeds_dice(2);
    for (int i = 0; i < 2; i++) {
        if ((i == 0) == cancel_first)
            weft_task_cancel(task);
        else
            EXPECT_EQ(weft_close(fds[0]), 0);
        if (i == 0 && wait_between)
            EXPECT_EQ(wait_a_little(), 0);
    }
    EXPECT_EQ(weft_join(task, &result), 0);
    EXPECT_EQ(result, told);
    EXPECT(told == -ECANCELED || told == -EBADF);
    int rc = weft_scope_exit(&scope, 0);
    EXPECT_EQ(rc, told == -EBADF ? -EBADF : 0);
    EXPECT_EQ(weft_close(fds[1]), 0);
    return 0;
}
WEFT_TASK(contest);

SCENARIO(a_waiter_that_is_cancelled_and_closed_is_told_one_of_them)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < READERS; i++)
        EXPECT_EQ(weft_go(&scope, contest), 0);
    return weft_scope_exit(&scope, 0);
}

/* Closes inside a scope that is cancelled. */
static int close_when_cancelled(void)
{
    struct weft_scope scope;
    int fds[2];
    ssize_t told;

    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    EXPECT_EQ(weft_go(&scope, single_reader, fds[0], &told), 0);
    EXPECT_EQ(wait_often(seeds_dice(3)), 0);
    weft_scope_cancel(&scope, 0);
    EXPECT_EQ(weft_close(fds[0]), 0);
    EXPECT_EQ(weft_close(fds[1]), 0);
    EXPECT_EQ(weft_yield(), -ECANCELED);
    return weft_scope_exit(&scope, 0);
}
WEFT_TASK(close_when_cancelled);

SCENARIO(a_close_is_never_refused)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < READERS; i++)
        EXPECT_EQ(weft_go(&scope, close_when_cancelled), 0);
    return weft_scope_exit(&scope, 0);
}

/* --- Listeners ------------------------------------------------------------------------------- */

static bool listening;

static int acceptor(int listener)
{
    int fd = 0;

    while (fd >= 0 && listening) {
        fd = weft_accept(listener, NULL);
        if (fd >= 0)
            EXPECT_EQ(weft_close(fd), 0);
    }
    EXPECT(fd >= 0 || fd == -EBADF);
    return 0;
}
WEFT_TASK(acceptor, int);

static int visitor(struct weft_address address)
{
    int rc = wait_often(seeds_dice(4));

    EXPECT_EQ(rc, 0);
    int fd = weft_tcp_connect(&address);
    EXPECT(fd >= 0 || fd == -ECONNREFUSED || fd == -ECONNRESET);
    if (fd >= 0)
        EXPECT_EQ(weft_close(fd), 0);
    return 0;
}
WEFT_TASK(visitor, __typeof__(struct weft_address));

SCENARIO(a_listener_may_close_while_visitors_come)
{
    struct weft_scope scope;
    struct weft_address address;

    EXPECT_EQ(weft_address_parse("127.0.0.1:0", &address), 0);
    int listener = weft_tcp_listen(&address, 2);
    EXPECT(listener >= 0);
    listening = true;
    EXPECT_EQ(weft_local_address(listener, &address), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(weft_go(&scope, acceptor, listener), 0);
    for (int i = 0; i < READERS; i++)
        EXPECT_EQ(weft_go(&scope, visitor, address), 0);
    EXPECT_EQ(wait_often(seeds_dice(8)), 0);
    listening = false;
    EXPECT_EQ(weft_close(listener), 0);
    return weft_scope_exit(&scope, 0);
}
