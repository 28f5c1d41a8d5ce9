/* SPDX-License-Identifier: MIT */
/*
 * test_spawn.c: the entry of the table that makes processes
 *
 * Real children, waited for by their pidfd. What a child sees of itself it writes to a pipe; what
 * cannot be done is told with its step. Old kernels are imitated by a seccomp filter, which the
 * process of a test keeps to its end, and its children too.
 */
#define _GNU_SOURCE 1

#include "test.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/sys.h>

static const struct weft_sys *const sys = &weft_sys_default;

/** What a spawn made. */
struct spawned {
    /** The process. */
    pid_t pid;
    /** Its pidfd. */
    int pidfd;
    /** The step that failed. */
    int step;
};

static int spawn(const struct weft_sys_spawn *how, struct spawned *ret)
{
    *ret = (struct spawned){-1, -1, -1};
    return sys->spawn(sys, how, &ret->pid, &ret->pidfd, &ret->step);
}

/** Waits for the end; the exit status, or minus the signal. */
static int wait_for(const struct spawned *child)
{
    siginfo_t info;
    int rc;
    do
        rc = sys->waitid(sys, P_PID, child->pid, &info, WEXITED);
    while (rc == -EINTR);
    CHECK_OK(rc);
    if (child->pidfd >= 0)
        CHECK_EQ(close(child->pidfd), 0);
    return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

static const char *const sh[] = {"/bin/sh", NULL};

/** Runs a script of the shell with descriptors 1 and 2 as ours, and `more` beside. */
static int run_script(const char *script, struct weft_sys_spawn how)
{
    const char *const arguments[] = {"sh", "-c", script, NULL};
    const struct weft_sys_spawn_fd usual[] = {{1, 1}, {2, 2}};
    struct spawned child;
    how.paths = sh;
    how.arguments = arguments;
    if (!how.fds) {
        how.fds = usual;
        how.fd_count = 2;
    }
    CHECK_OK(spawn(&how, &child));
    return wait_for(&child);
}

static void expect_step(struct weft_sys_spawn how, int error, int step)
{
    static const char *const arguments[] = {"true", NULL};
    static const char *const paths[] = {"/bin/true", NULL};
    struct spawned child;
    how.arguments = arguments;
    if (!how.paths)
        how.paths = paths;
    CHECK_ERR(spawn(&how, &child), error);
    CHECK_EQ(child.step, step);
    CHECK_EQ(child.pid, -1);
    CHECK_EQ(child.pidfd, -1);
}

TEST(a_child_runs_and_its_status_comes_back)
{
    CHECK_EQ(run_script("exit 7", (struct weft_sys_spawn){0}), 7);
    CHECK_EQ(run_script("kill -9 $$", (struct weft_sys_spawn){0}), -SIGKILL);
}

TEST(each_step_that_fails_is_told)
{
    static const char *const missing[] = {"/nowhere/at/all", "/bin/true/x", NULL};
    static const char *const forbidden[] = {"/etc/passwd", "/nowhere/at/all", NULL};
    static const struct weft_sys_spawn_fd closed[] = {{0, 999}};
    static const gid_t too_many[65537];
    expect_step((struct weft_sys_spawn){.paths = missing}, -ENOENT, WEFT_SYS_SPAWN_AT_EXEC);
    expect_step((struct weft_sys_spawn){.paths = forbidden}, -EACCES, WEFT_SYS_SPAWN_AT_EXEC);
    expect_step((struct weft_sys_spawn){.directory = "/nowhere"}, -ENOENT,
                WEFT_SYS_SPAWN_AT_DIRECTORY);
    expect_step((struct weft_sys_spawn){.fds = closed, .fd_count = 1}, -EBADF,
                WEFT_SYS_SPAWN_AT_DESCRIPTORS);
    expect_step((struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_GROUP, .group = 1}, -EPERM,
                WEFT_SYS_SPAWN_AT_GROUP);
    expect_step((struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_TERMINAL, .terminal_fd = 0},
                -ENOTTY, WEFT_SYS_SPAWN_AT_TERMINAL);
    expect_step((struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_UID, .uid = (uid_t)-1}, -EINVAL,
                WEFT_SYS_SPAWN_AT_UID);
    expect_step((struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_GID, .gid = (gid_t)-1}, -EINVAL,
                WEFT_SYS_SPAWN_AT_GID);
    expect_step((struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_GROUPS,
                                        .groups = too_many,
                                        .group_count = 65537},
                geteuid() == 0 ? -EINVAL : -EPERM, WEFT_SYS_SPAWN_AT_GROUPS);
}

TEST(the_next_path_is_tried_where_one_is_missing)
{
    static const char *const paths[] = {"/nowhere/true", "/etc/passwd", "/bin/true", NULL};
    static const char *const arguments[] = {"true", NULL};
    const struct weft_sys_spawn how = {.paths = paths, .arguments = arguments};
    struct spawned child;
    CHECK_OK(spawn(&how, &child));
    CHECK_EQ(wait_for(&child), 0);
}

TEST(descriptors_may_change_places_and_nothing_else_gets_across)
{
    int a[2], b[2], leak[2];
    char text[8] = "";
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe(b), 0);
    CHECK_EQ(pipe(leak), 0);
    /* Each takes the other's number. */
    const struct weft_sys_spawn_fd fds[] = {{a[1], b[1]}, {b[1], a[1]}, {2, 2}, {70, a[1]}};
    char script[200];
    /* The shell of Debian cannot write to numbers above 9 by >&; cat can, through /proc. */
    snprintf(script, sizeof script,
             "echo b >/proc/self/fd/%d && echo a >/proc/self/fd/%d && echo a >/proc/self/fd/70 &&"
             " test ! -e /proc/self/fd/%d && test ! -e /proc/self/fd/%d",
             a[1], b[1], leak[0], leak[1]);
    CHECK_EQ(run_script(script, (struct weft_sys_spawn){.fds = fds, .fd_count = 4}), 0);
    CHECK_EQ(read(a[0], text, sizeof text), 4);
    CHECK_MEM(text, "a\na\n", 4);
    CHECK_EQ(read(b[0], text, sizeof text), 2);
    CHECK_MEM(text, "b\n", 2);
    for (int i = 0; i < 2; i++)
        CHECK(close(a[i]) == 0 && close(b[i]) == 0 && close(leak[i]) == 0);
}

TEST(a_descriptor_that_keeps_its_number_is_open_in_the_child)
{
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    const struct weft_sys_spawn_fd kept[] = {{fds[1], fds[1]}};
    char script[64], text[4];
    snprintf(script, sizeof script, "echo x >/proc/self/fd/%d", fds[1]);
    CHECK_EQ(run_script(script, (struct weft_sys_spawn){.fds = kept, .fd_count = 1}), 0);
    CHECK_EQ(read(fds[0], text, sizeof text), 2);
    /* And close-on-exec still, here. */
    CHECK_EQ(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
}

TEST(environment_directory_and_mask_are_the_childs_own)
{
    static const char *const environment[] = {"WEFT_TEST=yes", NULL};
    CHECK_EQ(run_script("test \"$WEFT_TEST\" = yes && test \"$(pwd)\" = / && test $(umask) = 0027",
                        (struct weft_sys_spawn){.environment = environment,
                                                .directory = "/",
                                                .flags = WEFT_SYS_SPAWN_UMASK,
                                                .umask = 027}),
             0);
}

TEST(a_child_has_a_group_or_a_session_of_its_own)
{
    /* The fifth field of stat is the group, the sixth the session. */
    const char *group = "read p n s pp g rest </proc/$$/stat; test $g = $$";
    const char *session = "read p n s pp g ss rest </proc/$$/stat; test $ss = $$";
    CHECK_EQ(run_script(group, (struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_GROUP}), 0);
    CHECK_EQ(run_script(group, (struct weft_sys_spawn){0}), 1);
    CHECK_EQ(run_script(session, (struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_SESSION}), 0);
    CHECK_EQ(run_script(session, (struct weft_sys_spawn){0}), 1);
}

TEST(signals_are_as_a_new_program_expects_them)
{
    sigset_t all;
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    sigfillset(&all);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &all, NULL), 0);
    /* Of the ignored ones only SIGHUP is left, bit 0. */
    CHECK_EQ(run_script("while read n v; do case $n in SigBlk:) test $v = 0000000000000000 || exit "
                        "1;; SigIgn:) test $v = 0000000000000001 || exit 2;; esac; done "
                        "</proc/$$/status",
                        (struct weft_sys_spawn){0}),
             0);
    sigset_t now;
    CHECK_EQ(sigprocmask(SIG_UNBLOCK, &all, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
}

TEST(credentials_are_the_childs_own)
{
    if (geteuid() != 0)
        SKIP("only root may change them");
    const gid_t groups[] = {7, 8};
    CHECK_EQ(run_script("test \"$(id -u) $(id -g) $(id -G)\" = '12345 54321 54321'",
                        (struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_UID | WEFT_SYS_SPAWN_GID,
                                                .uid = 12345,
                                                .gid = 54321}),
             0);
    CHECK_EQ(run_script("test \"$(id -G)\" = '0 7 8'",
                        (struct weft_sys_spawn){
                            .flags = WEFT_SYS_SPAWN_GROUPS, .groups = groups, .group_count = 2}),
             0);
    CHECK_EQ(geteuid(), 0);
    CHECK_EQ(run_script("read p n s pp g ss t tp f a b c d e h i j k nice rest </proc/$$/stat;"
                        "test $nice = 5",
                        (struct weft_sys_spawn){.flags = WEFT_SYS_SPAWN_NICE, .nice = 5}),
             0);
}

TEST(a_full_table_of_descriptors_is_an_error)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind makes no pidfds, so that fewer descriptors are needed");
#endif
    static const char *const arguments[] = {"true", NULL};
    static const char *const paths[] = {"/bin/true", NULL};
    const struct weft_sys_spawn how = {.paths = paths, .arguments = arguments};
    struct spawned child;
    struct rlimit few;
    int taken[64], count = 0;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &few), 0);
    few.rlim_cur = 64;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 64 && (taken[count] = dup(0)) >= 0)
        count++;
    /* It takes a pipe and a pidfd. */
    for (int left = 0; left <= 3; left++) {
        int rc = spawn(&how, &child);
        CHECK_ERR(rc, left < 3 ? -EMFILE : 0);
        CHECK_EQ(close(taken[--count]), 0);
    }
    CHECK_EQ(wait_for(&child), 0);
    while (count > 0)
        CHECK_EQ(close(taken[--count]), 0);
}

TEST(a_file_that_is_no_program_is_told)
{
    char path[] = "/tmp/weft-spawn-XXXXXX";
    const char *const paths[] = {path, "/bin/true", NULL};
    int fd = mkstemp(path);
    CHECK_OK(fd);
    CHECK_EQ(write(fd, "nonsense", 8), 8);
    CHECK_EQ(fchmod(fd, 0700), 0);
    CHECK_EQ(close(fd), 0);
    /* It was found, so that the next one is not meant. */
    expect_step((struct weft_sys_spawn){.paths = paths}, -ENOEXEC, WEFT_SYS_SPAWN_AT_EXEC);
    CHECK_EQ(unlink(path), 0);
}

static void hang_up(int signal)
{
    (void)signal;
}

TEST(a_hang_up_that_is_caught_here_ends_a_child)
{
    CHECK(signal(SIGHUP, hang_up) != SIG_ERR);
    CHECK_EQ(run_script("kill -HUP $$", (struct weft_sys_spawn){0}), -SIGHUP);
}

/* --- Old kernels ------------------------------------------------------------------------------ */

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/** From now on the kernel refuses a call, when its first argument has one of `bits` (0: always). */
static void refuse(unsigned number, unsigned bits, unsigned error)
{
    const unsigned short test = bits ? BPF_JSET : BPF_JGE;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP((unsigned short)(BPF_JMP | test | BPF_K), bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        SKIP("no seccomp filters here: %s", strerror(errno));
}

/** Nothing but the usual descriptors gets across. */
static void check_closed(void)
{
    int fd = fcntl(STDOUT_FILENO, F_DUPFD, 100);
    CHECK_EQ(fd, 100);
    CHECK_EQ(run_script("test -e /proc/$$/fd/2 && ! test -e /proc/$$/fd/100",
                        (struct weft_sys_spawn){0}),
             0);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(close(fd), 0);
}

TEST(without_close_range_no_other_descriptors_get_across)
{
    refuse(SYS_close_range, 0, ENOSYS);
    check_closed();
}

TEST(without_close_range_and_proc_no_other_descriptors_get_across)
{
    const struct rlimit few = {256, 256};
#ifdef WEFT_VALGRIND
    SKIP("Valgrind keeps descriptors of its own, and the limit is its own, too");
#endif
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    refuse(SYS_close_range, 0, ENOSYS);
    refuse(SYS_getdents64, 0, ENOSYS);
    check_closed();
}

#ifdef __x86_64__
/* Elsewhere the flags of clone(2) are not always its first argument. */
TEST(a_clone_that_knows_no_pidfds_makes_a_child_all_the_same)
{
    refuse(SYS_clone, CLONE_PIDFD, EINVAL);
    CHECK_EQ(run_script("exit 7", (struct weft_sys_spawn){0}), 7);
    check_closed();
}
#endif
