/* SPDX-License-Identifier: MIT */
/*
 * test_io_uring_refused.c: where io_uring is not to be had, and who takes its place
 *
 * Containers refuse the system calls by a seccomp filter, with EPERM or ENOSYS; other kernels lack
 * flags, features or opcodes. The first kind is made here with a real filter, which lasts until the
 * test's own process ends; the second with a table that plays an older kernel. The engine must say
 * no, leave nothing behind, and let the loop take another one; and with older flags it must work.
 */
#define _GNU_SOURCE
#include "loop/poller/io_uring/engine.h"
#include "test.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/loop.h>

static const struct weft_sys *const sys = &weft_sys_default;

static int open_and_close(const struct weft_sys *table)
{
    struct weft__poller *poller;
    int rc = weft__poller_io_uring.open(table, &poller);
    if (rc == 0)
        poller->ops->close(poller);
    return rc;
}

static void need_io_uring(void)
{
    if (open_and_close(sys) < 0)
        SKIP("the kernel refuses io_uring");
}

/* --- Filters --------------------------------------------------------------------------------- */

/** From now on a system call fails with `error` in this process. */
static void refuse(long number, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        SKIP("no seccomp filters here");
}

/** What a program sees whose io_uring is refused with `error`, as "EPERM" in words. */
static void check_fallback(int error, const char *name)
{
    struct weft_loop *loop = NULL;
    const struct weft_loop_options strict = {.size = sizeof strict, .backend = "io_uring"};
    CHECK_ERR(open_and_close(sys), error);
    CHECK_ERR(weft_loop_create(&strict, &loop), error);
    CHECK(!loop);
    setenv("WEFT_BACKEND", "io_uring", 1);
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_STR(weft_loop_backend(loop), "epoll");
    CHECK_CONTAINS(weft_loop_backend_reason(loop), "io_uring");
    CHECK_CONTAINS(weft_loop_backend_reason(loop), name);
    CHECK_OK(weft_loop_free(loop));
}

TEST(a_filter_that_says_EPERM_makes_the_loop_take_epoll_and_say_why)
{
    refuse(SYS_io_uring_setup, EPERM);
    check_fallback(-EPERM, "EPERM");
}

TEST(a_filter_that_says_ENOSYS_makes_the_loop_take_epoll_and_say_why)
{
    refuse(SYS_io_uring_setup, ENOSYS);
    check_fallback(-ENOSYS, "ENOSYS");
}

TEST(a_filter_on_the_call_that_submits_is_noticed_when_the_engine_opens)
{
    need_io_uring();
    refuse(SYS_io_uring_enter, EPERM);
    CHECK_ERR(open_and_close(sys), -ENOSYS);
}

TEST(a_filter_on_the_call_that_registers_is_noticed_when_the_engine_opens)
{
    need_io_uring();
    refuse(SYS_io_uring_register, EPERM);
    CHECK_ERR(open_and_close(sys), -ENOSYS);
}

/* --- Other kernels --------------------------------------------------------------------------- */

/** A table that plays another kernel. */
static struct {
    /** The first member, so that entries find the rest. */
    struct weft_sys table;
    /** Flags of setup that it knows. */
    unsigned setup;
    /** Features that it lacks. */
    unsigned lacks;
    /** An opcode that it lacks; 0: none. */
    unsigned without;
    /** What setup was called with last, successfully. */
    unsigned taken;
    /** Calls of setup, enter, epoll_wait and poll. */
    int setups, enters, epoll_waits, polls;
} kernel;

static int kernel_setup(const struct weft_sys *table, unsigned entries, void *params)
{
    struct weft__uring_params *wanted = params;
    (void)table;
    kernel.setups++;
    if (wanted->flags & ~kernel.setup)
        return -EINVAL;
    kernel.taken = wanted->flags;
    int fd = sys->io_uring_setup(sys, entries, params);
    wanted->features &= ~kernel.lacks;
    return fd;
}

static int kernel_register(const struct weft_sys *table, int fd, unsigned opcode, void *arg,
                           unsigned count)
{
    (void)table;
    int rc = sys->io_uring_register(sys, fd, opcode, arg, count);
    if (opcode == WEFT__URING_REGISTER_PROBE && kernel.without)
        ((struct weft__uring_probe *)arg)->ops[kernel.without].flags = 0;
    return rc;
}

static int kernel_enter(const struct weft_sys *table, int fd, unsigned to_submit,
                        unsigned min_complete, unsigned flags, const void *arg, size_t arg_len)
{
    (void)table;
    kernel.enters++;
    return sys->io_uring_enter(sys, fd, to_submit, min_complete, flags, arg, arg_len);
}

static int kernel_epoll_wait(const struct weft_sys *table, int fd, struct epoll_event *events,
                             int count, weft_ns timeout)
{
    (void)table;
    kernel.epoll_waits++;
    return sys->epoll_wait(sys, fd, events, count, timeout);
}

static int kernel_poll(const struct weft_sys *table, struct pollfd *fds, size_t count,
                       weft_ns timeout)
{
    (void)table;
    kernel.polls++;
    return sys->poll(sys, fds, count, timeout);
}

/** A kernel like this one. */
static const struct weft_sys *this_kernel(void)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.setup = ~0u;
    kernel.table = weft_sys_default;
    kernel.table.io_uring_setup = kernel_setup;
    kernel.table.io_uring_register = kernel_register;
    kernel.table.io_uring_enter = kernel_enter;
    kernel.table.epoll_wait = kernel_epoll_wait;
    kernel.table.poll = kernel_poll;
    return &kernel.table;
}

TEST(a_kernel_that_lacks_a_feature_is_refused)
{
    const unsigned features[] = {WEFT__URING_FEATURE_SINGLE_MMAP, WEFT__URING_FEATURE_NODROP,
                                 WEFT__URING_FEATURE_RW_CUR_POS, WEFT__URING_FEATURE_FAST_POLL,
                                 WEFT__URING_FEATURE_EXT_ARG};
    need_io_uring();
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        const struct weft_sys *table = this_kernel();
        kernel.lacks = features[i];
        CHECK_ERR(open_and_close(table), -ENOSYS);
    }
}

TEST(a_kernel_that_lacks_an_opcode_is_refused)
{
    const unsigned opcodes[] = {WEFT__URING_OP_POLL_ADD,     WEFT__URING_OP_SENDMSG,
                                WEFT__URING_OP_RECVMSG,      WEFT__URING_OP_ACCEPT,
                                WEFT__URING_OP_ASYNC_CANCEL, WEFT__URING_OP_CONNECT,
                                WEFT__URING_OP_READ,         WEFT__URING_OP_WRITE,
                                WEFT__URING_OP_SEND,         WEFT__URING_OP_RECV};
    need_io_uring();
    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
        const struct weft_sys *table = this_kernel();
        kernel.without = opcodes[i];
        CHECK_ERR(open_and_close(table), -ENOSYS);
    }
}

static void note_done(struct weft__op *op)
{
    (*(int *)op->owner)++;
}

/** One operation that waits, one that is cancelled, one that is there at once. */
static void exercise(struct weft__poller *poller)
{
    char buf[4];
    int fds[2], over = 0;
    CHECK_OK(sys->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    for (int i = 0; i < 3; i++) {
        struct weft__op recv = {.code = WEFT__OP_RECV,
                                .fd = fds[0],
                                .buf = buf,
                                .len = 1,
                                .done = note_done,
                                .owner = &over};
        if (i == 2)
            CHECK_EQ(write(fds[1], "x", 1), 1);
        if (poller->ops->submit(poller, &recv) == 1)
            over++;
        for (int turn = 0; turn < 4; turn++)
            CHECK_OK(poller->ops->wait(poller, 0));
        if (i == 0)
            CHECK_EQ(write(fds[1], "x", 1), 1);
        if (i == 1 && poller->ops->cancel(poller, &recv) == 1)
            over++;
        for (int turn = 0; turn < 1000 && over == i; turn++)
            CHECK_OK(poller->ops->wait(poller, 10 * WEFT_MS));
        CHECK_EQ(over, i + 1);
        CHECK_EQ(recv.result, i == 1 ? -ECANCELED : 1);
    }
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

TEST(the_engine_works_with_every_older_set_of_setup_flags)
{
    const unsigned always = WEFT__URING_SETUP_CQSIZE | WEFT__URING_SETUP_CLAMP;
    const unsigned v5_19 = always | WEFT__URING_SETUP_SUBMIT_ALL | WEFT__URING_SETUP_COOP_TASKRUN |
                           WEFT__URING_SETUP_TASKRUN_FLAG;
    const unsigned v6_1 = v5_19 | WEFT__URING_SETUP_SINGLE_ISSUER | WEFT__URING_SETUP_DEFER_TASKRUN;
    const struct {
        unsigned known, taken;
    } kernels[] = {
        {always, always},
        {v5_19, v5_19},
        {v6_1, v6_1 & ~WEFT__URING_SETUP_COOP_TASKRUN},
        {v6_1 | WEFT__URING_SETUP_NO_SQARRAY,
         (v6_1 & ~WEFT__URING_SETUP_COOP_TASKRUN) | WEFT__URING_SETUP_NO_SQARRAY},
    };
    need_io_uring();
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        struct weft__poller *poller;
        const struct weft_sys *table = this_kernel();
        kernel.setup = kernels[i].known;
        int rc = weft__poller_io_uring.open(table, &poller);
        if (rc == -EINVAL)
            continue; /* This kernel is older than that. */
        CHECK_OK(rc);
        CHECK_EQ(kernel.taken, kernels[i].taken);
        exercise(poller);
        poller->ops->close(poller);
    }
}

/* --- Which engine is in force ---------------------------------------------------------------- */

/** Runs operations on the engine that WEFT_BACKEND selects, and counts its system calls. */
static void count_calls_of(const char *name)
{
    struct weft_loop *loop;
    const struct weft_loop_options options = {.size = sizeof options, .sys = this_kernel()};
    setenv("WEFT_BACKEND", name, 1);
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_STR(weft_loop_backend(loop), name);
    for (int i = 0; i < 10; i++)
        CHECK_OK(weft_loop_step(loop, WEFT_MS));
    CHECK_OK(weft_loop_free(loop));
}

TEST(WEFT_BACKEND_io_uring_makes_calls_of_io_uring_and_none_of_epoll)
{
    need_io_uring();
    count_calls_of("io_uring");
    CHECK(kernel.enters > 10);
    CHECK_EQ(kernel.epoll_waits, 0);
    CHECK_EQ(kernel.polls, 0);
}

TEST(WEFT_BACKEND_epoll_makes_calls_of_epoll_and_none_of_io_uring)
{
    count_calls_of("epoll");
    CHECK(kernel.epoll_waits >= 10);
    CHECK_EQ(kernel.setups, 0);
    CHECK_EQ(kernel.enters, 0);
    CHECK_EQ(kernel.polls, 0);
}

TEST(WEFT_BACKEND_poll_makes_calls_of_poll_alone)
{
    count_calls_of("poll");
    CHECK(kernel.polls >= 10);
    CHECK_EQ(kernel.setups, 0);
    CHECK_EQ(kernel.enters, 0);
    CHECK_EQ(kernel.epoll_waits, 0);
}
