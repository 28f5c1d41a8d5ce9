/* SPDX-License-Identifier: MIT */
/*
 * test_transitions.c: operations and waits take each step of their tables, and no other
 *
 * The tables are searched by spin as well, in a model (docs/design/model). Here the code itself
 * runs through them: an engine of readiness takes its three steps, io_uring the seven others.
 */
#include "loop/poller/io_uring/engine.h"
#include "task/internal.h"
#include "test.h"
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#if WEFT_DEBUG

#define STEP(from, to) WEFT__TRANSITION(WEFT__OP_##from, WEFT__OP_##to)
#define OR_STEP(from, to) | STEP(from, to)
#define WAIT_STEP(from, to) WEFT__TRANSITION(WEFT_WAIT_##from, WEFT_WAIT_##to)

static const uint64_t of_readiness = STEP(IDLE, QUEUED) | STEP(IDLE, DONE) | STEP(QUEUED, DONE);
static const uint64_t of_completion =
    STEP(IDLE, QUEUED) | STEP(QUEUED, KERNEL) | STEP(QUEUED, DONE) | STEP(KERNEL, QUEUED) |
    STEP(KERNEL, CANCELLING) | STEP(KERNEL, DONE) | STEP(CANCELLING, DONE);

static int read_one(int fd)
{
    char byte;
    ssize_t n = weft_read(fd, &byte, 1);
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(read_one, int);

/* Cancelled before a turn of the engine and after one; closed; served. */
static void end_in_every_way(void)
{
    for (int turns = 0; turns < 2; turns++) {
        struct weft_scope s;
        int fds[2];
        CHECK_OK(weft_pipe(fds));
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_OK(weft_go(&s, read_one, fds[0]));
        CHECK_OK(weft_yield());
        if (turns)
            CHECK_OK(weft_sleep(WEFT_US));
        weft_scope_cancel(&s, 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_OK(weft_go(&s, read_one, fds[0]));
        CHECK_OK(weft_sleep(WEFT_US));
        CHECK_EQ(weft_write(fds[1], "x", 1), 1);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
        CHECK_OK(weft_close(fds[0]));
        CHECK_OK(weft_close(fds[1]));
    }
}

static void note_done(struct weft__op *op)
{
    (void)op;
}

/* Kernels give requests back unserved when they like to. This request is kept from the kernel, and
 * answered so; then it is withdrawn. */
static void give_back_unserved(void)
{
    struct weft__poller *poller;
    char byte;
    int fds[2];
    CHECK_OK(weft__poller_io_uring.open(&weft_sys_default, &poller));
    CHECK_OK(pipe(fds));
    struct weft__op op = {
        .code = WEFT__OP_READ, .fd = fds[0], .buf = &byte, .len = 1, .done = note_done};
    CHECK_EQ(poller->ops->submit(poller, &op), 0);
    struct weft__uring *engine = weft__uring_of(poller);
    CHECK_EQ(weft__uring_push(engine, op.descriptor), 0);
    engine->ring.sq_local_tail--;
    struct weft__uring_cqe cqe = {WEFT__URING_KIND_OPERATION | weft__uring_slot_name(engine, &op),
                                  -EAGAIN, 0};
    CHECK_EQ(weft__uring_result(engine, &cqe), 0);
    CHECK_EQ(poller->ops->cancel(poller, &op), 1);
    poller->ops->close(poller);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

static int run_operations(void *arg)
{
    (void)arg;
    end_in_every_way();
    return 0;
}

TEST_EACH_ENGINE(operations_take_each_step_of_their_engine)
{
    CHECK_EQ(of_readiness | of_completion, 0 WEFT__OP_TRANSITIONS(OR_STEP));
    CHECK_EQ(weft_run(run_operations, NULL), 0);
    if (test_engine_is("io_uring"))
        give_back_unserved();
    CHECK_EQ(weft__op_transitions_seen, test_engine_is("io_uring") ? of_completion : of_readiness);
}

static enum weft_abort ask_for_it(struct weft_wait *wait)
{
    /* As the kernel would, later. */
    CHECK_EQ(wait->state, WEFT_WAIT_ABORTING);
    CHECK_EQ(weft_wake(wait, -ECANCELED), 1);
    return WEFT_ABORT_LATER;
}

static void nothing(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    strncpy(buf, "for nothing", size);
}

static int run_waits(void *arg)
{
    struct weft_wait wait;
    struct weft_scope s;
    (void)arg;
    weft_wait_init(&wait, nothing, NULL);
    CHECK_EQ(weft_wake(&wait, 7), 1);
    CHECK_EQ(weft_park(&wait, NULL), 7);
    CHECK_OK(weft_sleep(WEFT_US));
    weft_scope_enter(&s, WEFT_US);
    CHECK_OK(weft_wait_begin());
    weft_wait_init(&wait, nothing, NULL);
    CHECK_ERR(weft_park(&wait, ask_for_it), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
    return 0;
}

TEST_EACH_ENGINE(waits_take_each_step)
{
    CHECK_EQ(weft_run(run_waits, NULL), 0);
    CHECK_EQ(weft__wait_transitions_seen,
             WAIT_STEP(INIT, PARKED) | WAIT_STEP(INIT, WOKEN) | WAIT_STEP(PARKED, WOKEN) |
                 WAIT_STEP(PARKED, ABORTING) | WAIT_STEP(ABORTING, WOKEN));
}

static void take_a_step_back(void)
{
    struct weft__op op = {.state = WEFT__OP_DONE};
    weft__op_set_state(&op, WEFT__OP_QUEUED);
}

TEST(a_step_that_is_not_in_the_table_aborts)
{
    test_fork_expect_signal(take_a_step_back, SIGABRT, "no transition from op->state to state");
}

#else

TEST(release_builds_keep_no_account_of_steps)
{
    SKIP("only debug builds assert transitions");
}

#endif
