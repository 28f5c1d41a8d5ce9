/* SPDX-License-Identifier: MIT */
/*
 * spawn.c: a new process, in the default table
 *
 * The child is made by clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD): it borrows our memory on a
 * stack of its own, and the calling thread rests until it has exec'd or ended. Nothing is copied,
 * so that the price does not grow with the parent, and no ring, lock or heap of the parent has a
 * second life in the child. What that asks for:
 *
 *   - No signal handler may run in the child before its dispositions are its own: everything is
 *     blocked around the clone, and unblocked in the child right before exec.
 *   - Nothing of libc may run in the child that writes to memory of libc (setuid tells all threads
 *     of the *parent*): it makes bare system calls only, and sanitizers keep out.
 *   - Failures come back in memory. Where the kernel is only emulated (qemu-user, Valgrind) the
 *     child is a copy after all: that shows in a mark that it sets, and then they come by a pipe
 *     that exec closes.
 *
 * Every descriptor is first marked close-on-exec, in one call, and then the asked ones are put in
 * their places, so that nothing else gets across.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Numbers that are the same on every architecture of ours, for older headers. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
/** CLOSE_RANGE_CLOEXEC. */
#define RANGE_CLOEXEC 4u

/** A function that runs on memory that it shares with a thread at rest. */
#if defined(__clang__)
#define IN_THE_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define IN_THE_CHILD __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* ThreadSanitizer takes every clone for a fork, and would switch itself off in the child, whose
 * memory is ours. The other name of glibc's function is one that it does not know. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/** Signals as the kernel counts them. */
#define KERNEL_SIGNALS 64
/** Bytes of a mask of them. */
#define KERNEL_MASK_SIZE ((long)(KERNEL_SIGNALS / 8))
/** Stack of a child, beside its list of descriptors. */
#define STACK_SIZE ((size_t)32 * 1024)

/** What went wrong. */
struct failure {
    /** The positive errno; 0: nothing. */
    int error;
    /** enum weft_sys_spawn_step. */
    int step;
};

/** What parent and child share. */
struct child {
    /** What is asked. */
    const struct weft_sys_spawn *how;
    /** For each asked descriptor the number that it is copied from. */
    int *sources;
    /** Where a failure is written when memory is not shared. */
    int report;
    /** Set by the child: memory is shared. */
    volatile bool shared;
    /** The outcome. */
    struct failure failure;
};

/* In the child. */

/** A system call: its result, or the negative error. */
#define call(...) weft__sys_checked(syscall(__VA_ARGS__))

/**
 * Everything to its default, except a SIGHUP that is ignored, which is how nohup(1) works. A
 * kernel's struct begins with the handler on each of our machines, and is zero for the default.
 */
IN_THE_CHILD static int reset_signals(void)
{
    for (int signal = 1; signal <= KERNEL_SIGNALS; signal++) {
        unsigned long action[8] = {0};
        if (call(SYS_rt_sigaction, signal, NULL, action, KERNEL_MASK_SIZE) < 0)
            continue;
        bool ignored = action[0] == (unsigned long)(uintptr_t)SIG_IGN;
        if (action[0] == (unsigned long)(uintptr_t)SIG_DFL || (signal == SIGHUP && ignored))
            continue;
        for (size_t i = 0; i < sizeof action / sizeof action[0]; i++)
            action[i] = 0;
        (void)call(SYS_rt_sigaction, signal, action, NULL, KERNEL_MASK_SIZE);
    }
    return 0;
}

IN_THE_CHILD static int number_of(const char *digits)
{
    int number = 0;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        number = 10 * number + *digits - '0';
    return *digits ? -1 : number;
}

/** For kernels before 5.11: one descriptor after the other, as /proc lists them. */
IN_THE_CHILD static int mark_each(void)
{
    struct entry {
        uint64_t inode;
        int64_t offset;
        unsigned short len;
        unsigned char type;
        char name[];
    };
    _Alignas(struct entry) char buf[2048];
    int directory = (int)call(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
    long len;
    if (directory < 0)
        return directory;
    while ((len = call(SYS_getdents64, directory, buf, sizeof buf)) > 0)
        for (char *at = buf; at < buf + len; at += ((struct entry *)(void *)at)->len) {
            int fd = number_of(((struct entry *)(void *)at)->name);
            if (fd >= 0)
                (void)call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
        }
    (void)call(SYS_close, directory);
    return (int)len;
}

/** Marks everything close-on-exec. */
IN_THE_CHILD static int mark_all(void)
{
    struct rlimit limit;
    if (call(SYS_close_range, 0u, ~0u, RANGE_CLOEXEC) >= 0 || mark_each() >= 0)
        return 0;
    long rc = call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (int fd = 0; rc >= 0 && fd < (int)limit.rlim_cur; fd++)
        (void)call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    return rc < 0 ? (int)rc : 0;
}

IN_THE_CHILD static int highest_of(const struct weft_sys_spawn *how)
{
    int highest = 2;
    for (size_t i = 0; i < how->fd_count; i++)
        if (how->fds[i].child_fd > highest)
            highest = how->fds[i].child_fd;
    return highest;
}

/** Takes a descriptor out of the way of those that are asked for. */
IN_THE_CHILD static int move_up(int *fd, int highest)
{
    if (*fd > highest)
        return 0;
    int rc = (int)call(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, highest + 1);
    if (rc >= 0)
        *fd = rc;
    return rc;
}

IN_THE_CHILD static int place_descriptors(struct child *child)
{
    const struct weft_sys_spawn *how = child->how;
    int highest = highest_of(how);
    int rc = move_up(&child->report, highest);
    if (rc >= 0)
        rc = mark_all();
    for (size_t i = 0; i < how->fd_count && rc >= 0; i++) {
        child->sources[i] = how->fds[i].fd;
        if (how->fds[i].fd != how->fds[i].child_fd)
            rc = move_up(&child->sources[i], highest);
    }
    for (size_t i = 0; i < how->fd_count && rc >= 0; i++) {
        int target = how->fds[i].child_fd;
        if (child->sources[i] == target)
            rc = (int)call(SYS_fcntl, target, F_SETFD, 0);
        else
            rc = (int)call(SYS_dup3, child->sources[i], target, 0);
    }
    return rc < 0 ? rc : 0;
}

/** A session or a group of its own, or somebody's group. */
IN_THE_CHILD static int join_group(const struct weft_sys_spawn *how)
{
    if (how->flags & WEFT_SYS_SPAWN_SESSION)
        return (int)call(SYS_setsid);
    if (how->flags & WEFT_SYS_SPAWN_GROUP)
        return (int)call(SYS_setpgid, 0, how->group);
    return 0;
}

IN_THE_CHILD static int take_terminal(const struct weft_sys_spawn *how)
{
    if (!(how->flags & WEFT_SYS_SPAWN_TERMINAL))
        return 0;
    return (int)call(SYS_ioctl, how->terminal_fd, TIOCSCTTY, 0);
}

IN_THE_CHILD static int change_directory(const struct weft_sys_spawn *how)
{
    return how->directory ? (int)call(SYS_chdir, how->directory) : 0;
}

IN_THE_CHILD static int set_priority(const struct weft_sys_spawn *how)
{
    if (!(how->flags & WEFT_SYS_SPAWN_NICE))
        return 0;
    /* The bare call gives 20 less the value, so that it is never negative. */
    int now = 20 - (int)call(SYS_getpriority, PRIO_PROCESS, 0);
    return (int)call(SYS_setpriority, PRIO_PROCESS, 0, now + how->nice);
}

/** Groups of the caller are left behind with his user, if the caller may leave them. */
IN_THE_CHILD static int set_groups(const struct weft_sys_spawn *how)
{
    if (how->flags & WEFT_SYS_SPAWN_GROUPS)
        return (int)call(SYS_setgroups, how->group_count, how->groups);
    if (how->flags & (WEFT_SYS_SPAWN_UID | WEFT_SYS_SPAWN_GID))
        (void)call(SYS_setgroups, (size_t)0, NULL);
    return 0;
}

IN_THE_CHILD static int set_group(const struct weft_sys_spawn *how)
{
    return how->flags & WEFT_SYS_SPAWN_GID ? (int)call(SYS_setgid, how->gid) : 0;
}

IN_THE_CHILD static int set_user(const struct weft_sys_spawn *how)
{
    return how->flags & WEFT_SYS_SPAWN_UID ? (int)call(SYS_setuid, how->uid) : 0;
}

IN_THE_CHILD static int execute(const struct weft_sys_spawn *how)
{
    int error = -ENOENT;
    const unsigned long none[KERNEL_SIGNALS / 8 / sizeof(unsigned long)] = {0};
    if (how->flags & WEFT_SYS_SPAWN_UMASK)
        (void)call(SYS_umask, how->umask);
    (void)call(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, KERNEL_MASK_SIZE);
    for (const char *const *path = how->paths; *path; path++) {
        int rc = (int)call(SYS_execve, *path, how->arguments, how->environment);
        if (rc != -ENOENT && rc != -ENOTDIR && rc != -EACCES)
            return rc;
        if (rc == -EACCES)
            error = rc;
    }
    return error;
}

IN_THE_CHILD static int run_step(struct child *child, int step)
{
    switch ((enum weft_sys_spawn_step)step) {
    case WEFT_SYS_SPAWN_AT_CLONE:
        return reset_signals();
    case WEFT_SYS_SPAWN_AT_GROUP:
        return join_group(child->how);
    case WEFT_SYS_SPAWN_AT_DESCRIPTORS:
        return place_descriptors(child);
    case WEFT_SYS_SPAWN_AT_TERMINAL:
        return take_terminal(child->how);
    case WEFT_SYS_SPAWN_AT_DIRECTORY:
        return change_directory(child->how);
    case WEFT_SYS_SPAWN_AT_NICE:
        return set_priority(child->how);
    case WEFT_SYS_SPAWN_AT_GROUPS:
        return set_groups(child->how);
    case WEFT_SYS_SPAWN_AT_GID:
        return set_group(child->how);
    case WEFT_SYS_SPAWN_AT_UID:
        return set_user(child->how);
    case WEFT_SYS_SPAWN_AT_EXEC:
        return execute(child->how);
    }
    return -EINVAL;
}

IN_THE_CHILD static int child_main(void *arg)
{
    struct child *child = arg;
    int rc = 0, step;
    child->shared = true;
    for (step = WEFT_SYS_SPAWN_AT_CLONE; rc >= 0 && step <= WEFT_SYS_SPAWN_AT_EXEC; step++)
        rc = run_step(child, step);
    child->failure.error = -rc;
    child->failure.step = step - 1;
    (void)call(SYS_write, child->report, &child->failure, sizeof child->failure);
    (void)call(SYS_exit_group, 127);
    return 127;
}

/* In the parent. */

/** clone(2) with every signal blocked. The pid, or an error. */
static int make_child(struct child *child, char *stack, size_t size, int *ret_pidfd)
{
    sigset_t all, before;
    int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    *ret_pidfd = -1;
    int pid = weft__sys_checked_int(
        clone(child_main, stack + size, flags | CLONE_PIDFD, child, ret_pidfd, NULL, NULL));
    if (pid == -EINVAL || pid == -ENOSYS) {
        *ret_pidfd = -1;
        pid = weft__sys_checked_int(clone(child_main, stack + size, flags, child));
        if (pid > 0)
            *ret_pidfd = weft__sys_pidfd_open(NULL, pid, 0);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (*ret_pidfd < 0)
        *ret_pidfd = -1;
    return pid;
}

/** Learns from a child that is a copy what became of it. */
static void read_report(int fd, struct failure *ret)
{
    ssize_t len;
    do
        len = weft__sys_checked(read(fd, ret, sizeof *ret));
    while (len == -EINTR);
    if (len != (ssize_t)sizeof *ret)
        ret->error = 0;
}

static void bury(int pid, int pidfd)
{
    siginfo_t info;
    while (weft__sys_checked_int(waitid(P_PID, (id_t)pid, &info, WEXITED)) == -EINTR) {
    }
    if (pidfd >= 0)
        (void)close(pidfd);
}

static int run_child(struct child *child, const int report[2], pid_t *ret_pid, int *ret_pidfd,
                     int *ret_step)
{
    size_t size = STACK_SIZE + child->how->fd_count * sizeof *child->sources;
    void *memory = NULL;
    int pidfd, rc = weft__sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, &memory);
    if (rc < 0) {
        (void)close(report[1]);
        return rc;
    }
    /* The list lies below the stack, which begins at the aligned end. */
    child->sources = memory;
    int pid = make_child(child, memory, size & ~(size_t)15, &pidfd);
    /* Not by child->report, which a child that shares it has moved. */
    (void)close(report[1]);
    if (pid > 0 && !child->shared)
        read_report(report[0], &child->failure);
    (void)munmap(memory, size);
    if (pid < 0)
        return pid;
    if (child->failure.error) {
        bury(pid, pidfd);
        *ret_step = child->failure.step;
        return -child->failure.error;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

int weft__sys_spawn(TABLE, const struct weft_sys_spawn *how, pid_t *ret_pid, int *ret_pidfd,
                    int *ret_step)
{
    extern char **environ;
    struct weft_sys_spawn known = *how;
    struct child child = {.how = &known};
    int report[2];
    *ret_step = WEFT_SYS_SPAWN_AT_CLONE;
    if (!known.environment)
        known.environment = (const char *const *)(uintptr_t)environ;
    int rc = weft__sys_checked_int(pipe2(report, O_CLOEXEC));
    if (rc < 0)
        return rc;
    child.report = report[1];
    rc = run_child(&child, report, ret_pid, ret_pidfd, ret_step);
    (void)close(report[0]);
    return rc;
}
