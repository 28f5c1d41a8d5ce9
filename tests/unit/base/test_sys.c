/* SPDX-License-Identifier: MIT */
/*
 * test_sys.c: the default table gives what the kernel gives, with errors as negative numbers
 *
 * Waits are only ever checked from below: never early. What needs an old kernel is tested by a
 * seccomp filter, which this process keeps to its end.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <weft/sys.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static const struct weft_sys *const sys = &weft_sys_default;

TEST(the_table_is_complete)
{
    /* From `clock` to the end, the table consists of functions. */
    size_t first = offsetof(struct weft_sys, clock) / sizeof(void *);
    size_t end = sizeof *sys / sizeof(void *);
    void *entries[sizeof *sys / sizeof(void *)];
    CHECK_EQ(sys->size, sizeof *sys);
    CHECK(sys->inner == NULL && sys->flags == 0);
    memcpy(entries, sys, sizeof entries);
    for (size_t i = first; i < end; i++)
        if (!entries[i])
            FAIL("entry %zu behind the first is missing", i - first);
}

TEST(the_clock_is_monotonic_and_runs)
{
    weft_ns start = sys->clock(sys), now = start;
    CHECK(start > 0);
    while (now == start) {
        now = sys->clock(sys);
        CHECK(now >= start);
    }
}

TEST(random_fills_the_whole_buffer)
{
    unsigned char bytes[4096] = {0};
    CHECK_OK(sys->random(sys, bytes, sizeof bytes));
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        zeros += bytes[i] == 0;
    /* 16 are expected; a part left out would be 256 or more. */
    CHECK(zeros < 128);
    CHECK_OK(sys->random(sys, bytes, 0));
}

TEST(realloc_allocates_grows_frees_and_refuses)
{
    char *p = sys->realloc(sys, NULL, 4);
    CHECK(p != NULL);
    memcpy(p, "abc", 4);
    p = sys->realloc(sys, p, 1000);
    CHECK_STR(p, "abc");
    CHECK(sys->realloc(sys, p, 0) == NULL);
    CHECK(sys->realloc(sys, NULL, 0) == NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(sys->realloc(sys, NULL, SIZE_MAX / 2) == NULL);
#endif
}

TEST(a_failed_mmap_leaves_ret_alone)
{
    void *p = &p;
    CHECK_ERR(sys->mmap(sys, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p), -EINVAL);
    CHECK(p == &p);
    CHECK_OK(sys->mmap(sys, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    CHECK_EQ(*(char *)p, 0);
    CHECK_ERR(sys->mprotect(sys, (char *)p + 1, 1, PROT_READ), -EINVAL);
    CHECK_ERR(sys->munmap(sys, (char *)p + 1, 4096), -EINVAL);
    CHECK_OK(sys->munmap(sys, p, 4096));
}

TEST(an_advice_that_there_is_not_is_refused)
{
    void *p;
    CHECK_OK(sys->mmap(sys, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    CHECK_ERR(sys->madvise(sys, p, 4096, -1), -EINVAL);
    CHECK_OK(sys->munmap(sys, p, 4096));
}

TEST(calls_on_a_bad_descriptor_give_the_error_whatever_errno_says)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr *a = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    struct stat status;
    struct epoll_event event = {.events = 0};
    int option = 0;
    char byte = 0;
    errno = EDOM;
    CHECK_ERR(sys->close(sys, -1), -EBADF);
    CHECK_ERR(sys->read(sys, -1, &byte, 1), -EBADF);
    CHECK_ERR(sys->write(sys, -1, &byte, 1), -EBADF);
    CHECK_ERR(sys->fcntl(sys, -1, F_GETFD, 0), -EBADF);
    CHECK_ERR(sys->fstat(sys, -1, &status), -EBADF);
    CHECK_ERR(sys->bind(sys, -1, a, len), -EBADF);
    CHECK_ERR(sys->listen(sys, -1, 1), -EBADF);
    CHECK_ERR(sys->accept4(sys, -1, NULL, NULL, 0), -EBADF);
    CHECK_ERR(sys->connect(sys, -1, a, len), -EBADF);
    CHECK_ERR(sys->recvfrom(sys, -1, &byte, 1, 0, NULL, NULL), -EBADF);
    CHECK_ERR(sys->sendto(sys, -1, &byte, 1, 0, NULL, 0), -EBADF);
    CHECK_ERR(sys->shutdown(sys, -1, 0), -EBADF);
    CHECK_ERR(sys->getsockname(sys, -1, a, &len), -EBADF);
    CHECK_ERR(sys->getpeername(sys, -1, a, &len), -EBADF);
    len = sizeof option;
    CHECK_ERR(sys->getsockopt(sys, -1, SOL_SOCKET, SO_TYPE, &option, &len), -EBADF);
    CHECK_ERR(sys->setsockopt(sys, -1, SOL_SOCKET, SO_REUSEADDR, &option, sizeof option), -EBADF);
    CHECK_ERR(sys->epoll_ctl(sys, -1, EPOLL_CTL_ADD, 0, &event), -EBADF);
    CHECK_ERR(sys->epoll_wait(sys, -1, &event, 1, 0), -EBADF);
    CHECK_ERR(sys->epoll_wait(sys, -1, &event, 1, 1500 * WEFT_US), -EBADF);
}

TEST(flagged_calls_on_a_bad_descriptor_give_the_error)
{
    char byte = 0;
    CHECK_ERR(sys->read_flags(sys, -1, &byte, 1, 0), -EBADF);
    CHECK_ERR(sys->write_flags(sys, -1, &byte, 1, 0), -EBADF);
}

TEST(bad_arguments_give_the_error)
{
    int fds[2] = {-1, -1};
    stack_t stack = {.ss_flags = 12345};
    sigset_t none;
    sigemptyset(&none);
    CHECK_ERR(sys->pipe2(sys, fds, -1), -EINVAL);
    CHECK_ERR(sys->eventfd(sys, 0, -1), -EINVAL);
    CHECK_ERR(sys->socket(sys, AF_UNIX, -1, 0), -EINVAL);
    CHECK_ERR(sys->socketpair(sys, AF_UNIX, -1, 0, fds), -EINVAL);
    CHECK_ERR(sys->epoll_create1(sys, -1), -EINVAL);
    CHECK_ERR(sys->sigaction(sys, -1, NULL, NULL), -EINVAL);
    CHECK_ERR(sys->sigaltstack(sys, &stack, NULL), -EINVAL);
    CHECK_ERR((sys->thread_sigmask)(sys, 12345, &none, NULL), -EINVAL);
    CHECK_ERR(sys->raise(sys, -1), -EINVAL);
    CHECK(fds[0] == -1 && fds[1] == -1);
}

TEST(io_uring_calls_reach_the_kernel)
{
    /* Refused by argument where rings exist, by the kernel or a filter where they do not. */
    int rc = sys->io_uring_setup(sys, 0, NULL);
    CHECK(rc == -EINVAL || rc == -EFAULT || rc == -EPERM || rc == -ENOSYS);
    rc = sys->io_uring_enter(sys, -1, 0, 0, 0, NULL, 0);
    CHECK(rc == -EBADF || rc == -EPERM || rc == -ENOSYS);
    rc = sys->io_uring_register(sys, -1, 0, NULL, 0);
    CHECK(rc == -EBADF || rc == -EINVAL || rc == -EPERM || rc == -ENOSYS);
}

TEST(flagged_reads_and_writes_use_the_files_own_position)
{
    char buf[8] = {0};
    int fd = memfd_create("position", MFD_CLOEXEC);
    CHECK_OK(fd);
    CHECK_EQ(sys->write_flags(sys, fd, "abc", 3, 0), 3);
    CHECK_EQ(sys->write_flags(sys, fd, "def", 3, 0), 3);
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    CHECK_EQ(sys->read_flags(sys, fd, buf, 2, 0), 2);
    CHECK_EQ(sys->read_flags(sys, fd, buf + 2, 6, 0), 3);
    CHECK_STR(buf, "bcdef");
    CHECK_OK(sys->close(sys, fd));
}

TEST(a_flagged_read_of_an_empty_pipe_does_not_wait)
{
    int fds[2];
    char byte;
    CHECK_OK(sys->pipe2(sys, fds, O_CLOEXEC));
    ssize_t rc = sys->read_flags(sys, fds[0], &byte, 1, RWF_NOWAIT);
    CHECK(rc == -EAGAIN || rc == -EOPNOTSUPP);
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
}

static int new_epoll(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll_fd = sys->epoll_create1(sys, EPOLL_CLOEXEC);
    CHECK_OK(epoll_fd);
    CHECK_OK(sys->epoll_ctl(sys, epoll_fd, EPOLL_CTL_ADD, fd, &event));
    return epoll_fd;
}

/** Waits by both calls; `expected` descriptors become ready, or the time passes to its end. */
static void check_waits(unsigned value, weft_ns timeout, int expected)
{
    struct epoll_event event;
    int fd = sys->eventfd(sys, value, EFD_CLOEXEC);
    CHECK_OK(fd);
    int epoll_fd = new_epoll(fd);
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    weft_ns start = sys->clock(sys);
    CHECK_EQ(sys->epoll_wait(sys, epoll_fd, &event, 1, timeout), expected);
    weft_ns between = sys->clock(sys);
    CHECK_EQ(sys->poll(sys, &entry, 1, timeout), expected);
    weft_ns end = sys->clock(sys);
    if (!expected)
        CHECK(between - start >= timeout && end - between >= timeout);

    CHECK_OK(sys->close(sys, epoll_fd));
    CHECK_OK(sys->close(sys, fd));
}

TEST(a_wait_is_never_cut_short)
{
    static const weft_ns timeouts[] = {1,
                                       999,
                                       100 * WEFT_US,
                                       999999,
                                       WEFT_MS,
                                       WEFT_MS + 1,
                                       1500 * WEFT_US,
                                       2 * WEFT_MS - 1,
                                       3 * WEFT_MS,
                                       4 * WEFT_MS + 7};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
        check_waits(0, timeouts[i], 0);
}

TEST(a_wait_of_no_time_or_less_only_looks)
{
    check_waits(0, 0, 0);
    check_waits(0, -1, 0);
    check_waits(0, INT64_MIN, 0);
    check_waits(1, INT64_MIN, 1);
}

TEST(a_wait_without_limit_and_the_longest_ones_end_with_an_event)
{
    check_waits(1, WEFT_FOREVER, 1);
    check_waits(1, WEFT_FOREVER - 1, 1);
    check_waits(1, (weft_ns)INT32_MAX * WEFT_MS + 1, 1);
    check_waits(1, WEFT_HOUR * 24 * 365 * 100, 1);
}

static void ignore_alarm(int signal)
{
    (void)signal;
}

/** Waits that nothing but a signal ends, and checks that they were waiting when it came. */
static void check_interrupted(weft_ns timeout)
{
    static const struct itimerval soon = {.it_value.tv_usec = 20000};
    static const struct sigaction action = {.sa_handler = ignore_alarm};
    struct epoll_event event;
    int fd = sys->eventfd(sys, 0, EFD_CLOEXEC);
    int epoll_fd = new_epoll(fd);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    CHECK_OK(sys->sigaction(sys, SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    CHECK_ERR(sys->epoll_wait(sys, epoll_fd, &event, 1, timeout), -EINTR);
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    CHECK_ERR(sys->poll(sys, &entry, 1, timeout), -EINTR);
    CHECK_OK(sys->close(sys, epoll_fd));
    CHECK_OK(sys->close(sys, fd));
}

TEST(the_longest_waits_wait_until_a_signal_interrupts_them)
{
    check_interrupted(WEFT_FOREVER);
    check_interrupted(WEFT_FOREVER - 1);
    /* As many milliseconds as an int would take for none. */
    check_interrupted(((weft_ns)1 << 32) * WEFT_MS);
}

/** Makes the kernel answer a call with an error, from now on, in this process. */
static void refuse(unsigned number, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        SKIP("no seccomp filters here: %s", strerror(errno));
}

static void refuse_epoll_pwait2(unsigned error)
{
    if (syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, (size_t)0) < 0 && errno == ENOSYS)
        SKIP("epoll_pwait2 is not there to be refused (an old kernel, or Valgrind)");
    refuse(SYS_epoll_pwait2, error);
    CHECK(syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, (size_t)0) < 0);
    CHECK_EQ(errno, error);
}

TEST(without_epoll_pwait2_waits_are_rounded_up)
{
    refuse_epoll_pwait2(ENOSYS);
    check_waits(0, 1, 0);
    check_waits(0, 1500 * WEFT_US, 0);
    check_waits(1, WEFT_FOREVER - 1, 1);
    check_waits(1, (weft_ns)INT32_MAX * WEFT_MS + 1, 1);
}

TEST(only_waits_of_a_broken_millisecond_need_epoll_pwait2)
{
    refuse_epoll_pwait2(EXDEV);
    struct epoll_event event;
    int fd = sys->eventfd(sys, 0, EFD_CLOEXEC);
    int epoll_fd = new_epoll(fd);
    CHECK_ERR(sys->epoll_wait(sys, epoll_fd, &event, 1, 100 * WEFT_US), -EXDEV);
    CHECK_EQ(sys->epoll_wait(sys, epoll_fd, &event, 1, WEFT_MS), 0);
    CHECK_EQ(sys->epoll_wait(sys, epoll_fd, &event, 1, 0), 0);
    CHECK_EQ(sys->epoll_wait(sys, epoll_fd, &event, 1, -100 * WEFT_US), 0);
    CHECK_OK(sys->close(sys, epoll_fd));
    CHECK_OK(sys->close(sys, fd));
}

TEST(a_filter_that_forbids_epoll_pwait2_counts_as_an_old_kernel)
{
    refuse_epoll_pwait2(EPERM);
    check_waits(0, 1500 * WEFT_US, 0);
    check_waits(1, 1500 * WEFT_US, 1);
}

TEST(the_process_entries_do_what_their_calls_do)
{
    char path[4096];
    sigset_t usr1, old;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK_EQ(sys->getpid(sys), getpid());
    CHECK_OK((sys->thread_sigmask)(sys, SIG_BLOCK, &usr1, &old));
    CHECK_OK(sys->raise(sys, SIGUSR1));
    sigpending(&old);
    CHECK(sigismember(&old, SIGUSR1));
    CHECK_OK(setenv("WEFT_TEST_SYS", "value", 1));
    CHECK_STR(sys->getenv(sys, "WEFT_TEST_SYS"), "value");
    CHECK(sys->getenv(sys, "WEFT_TEST_SYS_NOT_SET") == NULL);
    CHECK(sys->readlink(sys, "/proc/self/exe", path, sizeof path) > 0 && path[0] == '/');
    CHECK_ERR(sys->readlink(sys, "/proc/self", path, 0), -EINVAL);
}

TEST(random_that_the_kernel_refuses_is_an_error)
{
    unsigned char bytes[16];
    refuse(SYS_getrandom, ENOSYS);
    if (syscall(SYS_getrandom, bytes, sizeof bytes, 0) >= 0)
        SKIP("filters change nothing here");
    CHECK_ERR(sys->random(sys, bytes, sizeof bytes), -ENOSYS);
}

static void *do_nothing(void *arg)
{
    return arg;
}

TEST(a_thread_with_too_small_a_stack_is_refused)
{
    uintptr_t thread = 7;
    CHECK_ERR(sys->thread_create(sys, 1, do_nothing, NULL, &thread), -EINVAL);
    CHECK_EQ(thread, 7);
}

TEST(a_file_is_sent_from_its_own_position_where_none_is_given)
{
    char buf[8] = {0};
    int fds[2], fd = memfd_create("sent", MFD_CLOEXEC);
    CHECK_OK(fd);
    CHECK_OK(sys->pipe2(sys, fds, O_CLOEXEC));
    CHECK_EQ(sys->write(sys, fd, "abcdef", 6), 6);
    CHECK_EQ(sys->lseek(sys, fd, 1, SEEK_SET), 1);
    CHECK_EQ(sys->sendfile(sys, fds[1], fd, NULL, 2), 2);
    CHECK_EQ(sys->sendfile(sys, fds[1], fd, NULL, 2), 2);
    CHECK_EQ(sys->read(sys, fds[0], buf, sizeof buf), 4);
    CHECK_STR(buf, "bcde");
    CHECK_OK(sys->close(sys, fd));
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
}
