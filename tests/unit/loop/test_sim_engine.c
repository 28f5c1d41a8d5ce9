/* SPDX-License-Identifier: MIT */
/*
 * test_sim_engine.c: the engine over a simulated world
 *
 * The engine is driven through its table of operations, without a loop: what it serves, in which
 * order, and above all when it moves the clock. What all engines have in common is tested by the
 * contract suite; what the world's calls answer, in test_sim_world.c and test_sim_kernel.c. Time is
 * compared exactly everywhere: no real time passes here.
 */
#define _GNU_SOURCE
#include "fault.h"
#include "loop/poller/sim/world.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <weft/error.h>

#define CALL(entry, ...) sys->entry(sys, __VA_ARGS__)

enum { PAIRS = 6 };

/** One waiting operation of a test. */
struct waiter {
    /** The operation. */
    struct weft__op op;
    /** Its buffer. */
    char bytes[16];
    /** How many operations of the test were over before this one; -1 while it waits. */
    int place;
};

static const struct weft_sys *sys;
static struct weft__poller *poller;
static struct waiter waiters[PAIRS];
static int pairs[PAIRS][2];
static int finished;

static void begin(uint64_t seed)
{
    CHECK_OK(weft__sim_new(seed, &sys));
    CHECK_OK(weft__poller_sim.open(sys, &poller));
    finished = 0;
}

static void end(void)
{
    poller->ops->close(poller);
    CHECK_EQ(weft__sim_open(sys), 0);
    weft__sim_free(sys);
}

static void note_end(struct weft__op *op)
{
    struct waiter *waiter = op->owner;

    waiter->place = finished++;
}

/* Starts a receive on `fd`; what submit says. */
static int receive(struct waiter *waiter, int fd)
{
    memset(waiter, 0, sizeof *waiter);
    waiter->place = -1;
    waiter->op.code = WEFT__OP_RECV;
    waiter->op.direction = WEFT__DIRECTION_IN;
    waiter->op.fd = fd;
    waiter->op.buf = waiter->bytes;
    waiter->op.len = sizeof waiter->bytes;
    waiter->op.done = note_end;
    waiter->op.owner = waiter;
    return poller->ops->submit(poller, &waiter->op);
}

static int wait_for(weft_ns timeout)
{
    return poller->ops->wait(poller, timeout);
}

static void open_pair(int fds[2])
{
    CHECK_OK(CALL(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
}

static void close_pair(const int fds[2])
{
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
}

/* A receiver on each of PAIRS pairs, started from the last to the first. */
static void open_pairs(void)
{
    for (int i = 0; i < PAIRS; i++)
        open_pair(pairs[i]);
    for (int i = PAIRS - 1; i >= 0; i--)
        CHECK_EQ(receive(&waiters[i], pairs[i][0]), 0);
}

static void close_pairs(void)
{
    for (int i = 0; i < PAIRS; i++)
        close_pair(pairs[i]);
}

/* --- The clock ------------------------------------------------------------------------------- */

TEST(the_clock_jumps_by_exactly_the_timeout_when_nothing_is_ready)
{
    begin(0);
    weft_ns before = sys->clock(sys);
    CHECK_EQ(wait_for(12345), 0);
    CHECK_EQ(sys->clock(sys) - before, 12345);
    CHECK_EQ(wait_for(0), 0);
    CHECK_EQ(wait_for(-5), 0);
    CHECK_EQ(sys->clock(sys) - before, 12345);
    CHECK_EQ(wait_for(365 * 24 * WEFT_HOUR), 0);
    CHECK_EQ(sys->clock(sys) - before, 365 * 24 * WEFT_HOUR + 12345);
    end();
}

TEST(the_clock_never_passes_the_end_of_time)
{
    begin(0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(wait_for(WEFT_FOREVER - 1), 0);
    CHECK_EQ(sys->clock(sys), WEFT_FOREVER - 1);
    end();
}

TEST(a_wait_without_limit_in_which_nothing_can_happen_is_a_deadlock)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_ERR(wait_for(WEFT_FOREVER), -WEFT_EDEADLOCK);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    CHECK_ERR(wait_for(WEFT_FOREVER), -WEFT_EDEADLOCK);
    CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
    CHECK_EQ(wait_for(WEFT_FOREVER), 1);
    close_pair(pairs[0]);
    end();
}

TEST(no_time_passes_while_a_byte_is_undelivered)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    CHECK_EQ(CALL(write, pairs[0][1], "hello", 5), 5);
    weft_ns before = sys->clock(sys);
    CHECK_EQ(wait_for(WEFT_SEC), 1);
    CHECK_EQ(waiters[0].op.result, 5);
    CHECK_EQ(sys->clock(sys), before);
    CHECK_EQ(wait_for(WEFT_SEC), 0);
    CHECK_EQ(sys->clock(sys), before + WEFT_SEC);
    close_pair(pairs[0]);
    end();
}

TEST(no_time_passes_while_a_job_runs_in_the_real_world)
{
    begin(0);
    weft_ns before = sys->clock(sys);
    weft__sim_hold(weft__sim_world(sys), 1);
    CHECK_EQ(wait_for(WEFT_SEC), 0);
    CHECK_EQ(wait_for(WEFT_FOREVER), 0);
    CHECK_EQ(sys->clock(sys), before);
    weft__sim_hold(weft__sim_world(sys), -1);
    CHECK_EQ(wait_for(WEFT_SEC), 0);
    CHECK_EQ(sys->clock(sys), before + WEFT_SEC);
    end();
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static struct weft__descriptor *watch(int fd, int *calls)
{
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, fd);

    descriptor->watch[WEFT__DIRECTION_IN] = (struct weft__watch){count_call, calls};
    CHECK_OK(poller->ops->arm(poller, descriptor));
    return descriptor;
}

static void unwatch(struct weft__descriptor *descriptor)
{
    descriptor->watch[WEFT__DIRECTION_IN] = (struct weft__watch){NULL, NULL};
    (void)poller->ops->arm(poller, descriptor);
    CHECK_EQ(poller->ops->forget(poller, descriptor), 1);
}

TEST(a_watch_that_leaves_its_bytes_does_not_stop_time_for_good)
{
    int calls = 0, waits = 0;

    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
    struct weft__descriptor *descriptor = watch(pairs[0][0], &calls);
    weft_ns before = sys->clock(sys);
    CHECK_EQ(wait_for(WEFT_SEC), 1);
    CHECK_EQ(sys->clock(sys), before);
    for (; sys->clock(sys) == before && waits < 1000; waits++)
        CHECK_EQ(wait_for(WEFT_SEC), 1);
    CHECK_EQ(sys->clock(sys), before + WEFT_SEC);
    CHECK_EQ(calls, waits + 1);
    unwatch(descriptor);
    close_pair(pairs[0]);
    end();
}

TEST(a_watch_that_takes_its_bytes_one_by_one_holds_time_until_the_last)
{
    int calls = 0;
    char byte;
    static char bytes[1000];

    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(CALL(write, pairs[0][1], bytes, sizeof bytes), sizeof bytes);
    struct weft__descriptor *descriptor = watch(pairs[0][0], &calls);
    weft_ns before = sys->clock(sys);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_EQ(wait_for(WEFT_SEC), 1);
        CHECK_EQ(CALL(read, pairs[0][0], &byte, 1), 1);
    }
    CHECK_EQ(sys->clock(sys), before);
    CHECK_EQ(wait_for(WEFT_SEC), 0);
    CHECK_EQ(sys->clock(sys), before + WEFT_SEC);
    unwatch(descriptor);
    close_pair(pairs[0]);
    end();
}

/* --- Order ----------------------------------------------------------------------------------- */

TEST(without_a_seed_what_is_ready_together_is_served_by_number)
{
    begin(0);
    open_pairs();
    for (int i = PAIRS - 1; i >= 0; i--)
        CHECK_EQ(CALL(write, pairs[i][1], "x", 1), 1);
    CHECK_EQ(wait_for(0), PAIRS);
    for (int i = 0; i < PAIRS; i++)
        CHECK_EQ(waiters[i].place, i);
    close_pairs();
    end();
}

/* The order in which a seed serves PAIRS receivers, as one number; `*waits` is how many waits it
 * took. */
static unsigned seeded_order(uint64_t seed, int *waits)
{
    unsigned order = 0;

    begin(seed);
    open_pairs();
    for (int i = 0; i < PAIRS; i++)
        CHECK_EQ(CALL(write, pairs[i][1], "x", 1), 1);
    for (*waits = 0; finished < PAIRS; ++*waits)
        CHECK(wait_for(0) > 0);
    for (int i = 0; i < PAIRS; i++)
        order = order * PAIRS + (unsigned)waiters[i].place;
    close_pairs();
    end();
    return order;
}

TEST(a_seed_chooses_the_order_and_chooses_it_again)
{
    static unsigned seen[200];
    int distinct = 0, in_parts = 0, waits, again;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        unsigned order = seeded_order(seed, &waits);
        CHECK_EQ(seeded_order(seed, &again), order);
        CHECK_EQ(again, waits);
        in_parts += waits > 1;
        int known = 0;
        for (int i = 0; i < distinct; i++)
            known |= seen[i] == order;
        if (!known)
            seen[distinct++] = order;
    }
    CHECK(distinct > 120);
    CHECK(in_parts > 20 && in_parts < 100);
}

/* --- What is served and what is not ---------------------------------------------------------- */

TEST(an_operation_that_can_go_on_at_once_never_waits)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(CALL(write, pairs[0][1], "hello", 5), 5);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 1);
    CHECK_EQ(waiters[0].op.result, 5);
    CHECK_MEM(waiters[0].bytes, "hello", 5);
    close_pair(pairs[0]);
    end();
}

TEST(a_cancelled_operation_takes_no_byte)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
    CHECK_EQ(poller->ops->cancel(poller, &waiters[0].op), 1);
    CHECK_EQ(wait_for(0), 0);
    CHECK_EQ(receive(&waiters[1], pairs[0][0]), 1);
    close_pair(pairs[0]);
    end();
}

TEST(waiters_of_one_descriptor_are_served_in_their_order)
{
    begin(7);
    open_pair(pairs[0]);
    for (int i = 0; i < PAIRS; i++)
        CHECK_EQ(receive(&waiters[i], pairs[0][0]), 0);
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
        CHECK_EQ(wait_for(0), 1);
        CHECK_EQ(waiters[i].place, i);
    }
    close_pair(pairs[0]);
    end();
}

TEST(a_number_closed_behind_the_engines_back_is_silent)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    close_pair(pairs[0]);
    CHECK_EQ(wait_for(WEFT_SEC), 0);
    CHECK_EQ(waiters[0].place, -1);
    CHECK_EQ(poller->ops->cancel(poller, &waiters[0].op), 1);
    end();
}

TEST(a_number_used_again_gives_nothing_of_the_new_file_to_an_old_waiter)
{
    begin(0);
    open_pair(pairs[0]);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    close_pair(pairs[0]);
    open_pair(pairs[1]);
    CHECK_EQ(pairs[1][0], pairs[0][0]);
    CHECK_EQ(CALL(write, pairs[1][1], "new", 3), 3);
    CHECK_EQ(wait_for(0), 1);
    CHECK_ERR(waiters[0].op.result, -EBADF);
    CHECK_EQ(receive(&waiters[1], pairs[1][0]), 1);
    CHECK_EQ(waiters[1].op.result, 3);
    close_pair(pairs[1]);
    end();
}

TEST(an_operation_on_a_number_that_is_not_open_is_refused)
{
    begin(0);
    CHECK_EQ(receive(&waiters[0], WEFT__SIM_FD_BASE + 3), 1);
    CHECK_ERR(waiters[0].op.result, -EBADF);
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, WEFT__SIM_FD_BASE + 3);
    descriptor->watch[WEFT__DIRECTION_IN] = (struct weft__watch){count_call, NULL};
    CHECK_ERR(poller->ops->arm(poller, descriptor), -EBADF);
    end();
}

TEST(a_connection_in_progress_is_made_by_the_wait)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    struct waiter *first = &waiters[0], *second = &waiters[1];
    int fds[2];

    begin(0);
    int listener = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_OK(CALL(bind, listener, (struct sockaddr *)&name, len));
    CHECK_OK(CALL(listen, listener, 0));
    for (int i = 0; i < 2; i++) {
        fds[i] = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        memset(&waiters[i], 0, sizeof waiters[i]);
        waiters[i].op = (struct weft__op){.code = WEFT__OP_CONNECT,
                                          .direction = WEFT__DIRECTION_OUT,
                                          .fd = fds[i],
                                          .address = (struct sockaddr *)&name,
                                          .address_len = &len,
                                          .done = note_end,
                                          .owner = &waiters[i]};
    }
    CHECK_EQ(poller->ops->submit(poller, &first->op), 1);
    CHECK_EQ(first->op.result, 0);
    CHECK_EQ(poller->ops->submit(poller, &second->op), 0);
    CHECK_EQ(wait_for(0), 0);
    int accepted = CALL(accept4, listener, NULL, NULL, 0);
    CHECK_OK(accepted);
    CHECK_EQ(wait_for(WEFT_SEC), 1);
    CHECK_EQ(second->op.result, 0);
    CHECK_OK(CALL(close, accepted));
    close_pair(fds);
    CHECK_OK(CALL(close, listener));
    end();
}

/* --- The real world -------------------------------------------------------------------------- */

TEST(a_real_descriptor_cannot_be_waited_for)
{
    int fds[2];

    begin(0);
    CHECK_EQ(pipe(fds), 0);
    memset(&waiters[0], 0, sizeof waiters[0]);
    waiters[0].op = (struct weft__op){.code = WEFT__OP_READ,
                                      .fd = fds[0],
                                      .buf = waiters[0].bytes,
                                      .len = 1,
                                      .done = note_end,
                                      .owner = &waiters[0]};
    CHECK_EQ(poller->ops->submit(poller, &waiters[0].op), 1);
    CHECK_ERR(waiters[0].op.result, -EAGAIN);
    close(fds[0]);
    close(fds[1]);
    end();
}

TEST(a_watch_on_a_real_descriptor_is_called_in_each_wait)
{
    int calls = 0, fd;

    begin(0);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct weft__descriptor *descriptor = watch(fd, &calls);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(wait_for(WEFT_FOREVER), 1);
        CHECK_EQ(calls, i);
    }
    unwatch(descriptor);
    CHECK_ERR(wait_for(WEFT_FOREVER), -WEFT_EDEADLOCK);
    close(fd);
    end();
}

/* --- A table that declines ------------------------------------------------------------------- */

static int declined;

/* Says -EAGAIN as often as `declined` tells, whatever there is to receive. */
static ssize_t declining_recvfrom(const struct weft_sys *table, int fd, void *buf, size_t len,
                                  int flags, struct sockaddr *address, socklen_t *address_len)
{
    if (declined > 0) {
        declined--;
        return -EAGAIN;
    }
    return table->inner->recvfrom(table->inner, fd, buf, len, flags, address, address_len);
}

static void begin_declining(struct weft_testing_faults *table, int times)
{
    CHECK_OK(weft__sim_new(0, &sys));
    weft_testing_faults_init(table, sys);
    table->sys.recvfrom = declining_recvfrom;
    declined = times;
    CHECK_OK(weft__poller_sim.open(&table->sys, &poller));
}

TEST(no_time_passes_while_a_ready_descriptor_says_not_now)
{
    struct weft_testing_faults table;

    begin_declining(&table, 20);
    open_pair(pairs[0]);
    CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    weft_ns before = sys->clock(sys);
    while (waiters[0].place < 0)
        CHECK_OK(wait_for(declined % 2 ? WEFT_FOREVER : WEFT_SEC));
    CHECK_EQ(waiters[0].op.result, 1);
    CHECK_EQ(sys->clock(sys), before);
    close_pair(pairs[0]);
    end();
}

TEST(a_ready_descriptor_that_never_goes_on_is_a_deadlock_in_the_end)
{
    struct weft_testing_faults table;
    int waits = 0, rc;

    begin_declining(&table, 1 << 30);
    open_pair(pairs[0]);
    CHECK_EQ(CALL(write, pairs[0][1], "x", 1), 1);
    CHECK_EQ(receive(&waiters[0], pairs[0][0]), 0);
    do
        rc = wait_for(WEFT_FOREVER);
    while (rc == 0 && ++waits < 1000);
    CHECK_ERR(rc, -WEFT_EDEADLOCK);
    CHECK_EQ(poller->ops->cancel(poller, &waiters[0].op), 1);
    close_pair(pairs[0]);
    end();
}

/* --- Worlds and tables ----------------------------------------------------------------------- */

static ssize_t wrapped_recvfrom(const struct weft_sys *table, int fd, void *buf, size_t len,
                                int flags, struct sockaddr *address, socklen_t *address_len)
{
    return table->inner->recvfrom(table->inner, fd, buf, len, flags, address, address_len);
}

TEST(the_world_is_found_behind_wrapping_tables)
{
    const struct weft_sys *world;

    CHECK_OK(weft__sim_new(0, &world));
    struct weft_sys first = *world;
    first.inner = world;
    first.recvfrom = wrapped_recvfrom;
    struct weft_sys second = first;
    second.inner = &first;
    CHECK(weft__sim_find(&second) == weft__sim_world(world));
    CHECK_EQ(weft__sim_open(&second), 0);
    weft__sim_free(&second);
}

TEST(without_a_world_the_engine_cannot_work)
{
    struct weft__poller *none = NULL;

    CHECK_ERR(weft__poller_sim.open(&weft_sys_default, &none), -ENOSYS);
    CHECK(!none);
}
