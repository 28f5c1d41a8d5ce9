/* SPDX-License-Identifier: MIT */
/*
 * test_entries.c: each entry of the table that is no part of an engine's own work
 *
 * Every call is made three times through a fault table over the kernel: calmly, where it does what
 * the man page says; as the plan's next victim, where it gives the plan's code and has done
 * nothing; and calmly again. So one list shows both that the default table's entry works and that
 * the fault table wraps it. Then what is special: which errors a look-up gives, what a simulated
 * world has.
 */
#define _GNU_SOURCE
#include "loop/poller.h"
#include "loop/poller_backend.h"
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <weft/testing.h>

/* musl lacks it. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define CALL(entry, ...) sys->entry(sys, __VA_ARGS__)

static struct weft_testing_faults fault;
static const struct weft_sys *const sys = &fault.sys;

/** A folder of the test's own, a file in it, a pair of datagram sockets, a pipe, a terminal. */
static struct {
    /** Where the folder is. */
    char path[32];
    /** The folder. */
    int dir;
    /** The file, with eight bytes. */
    int file;
    /** Two connected datagram sockets. */
    int sockets[2];
    /** A pipe. */
    int pipe[2];
    /** The master of a pseudo-terminal. */
    int terminal;
    /** An inotify descriptor. */
    int watcher;
    /** The last watch. */
    int watch;
} my;

/* --- One function for each entry: what a calm call gives, or the error ------------------------ */

static struct iovec hello[2] = {{(void *)"hel", 3}, {(void *)"lo", 2}};

static int64_t entry_writev(void)
{
    return CALL(writev, my.pipe[1], hello, 2);
}

static int64_t entry_writev_flags(void)
{
    ssize_t n = CALL(writev_flags, my.file, hello, 2, 0);
    return n;
}

/* Five bytes in two pieces. */
static int64_t entry_sendmsg(void)
{
    struct msghdr message = {.msg_iov = hello, .msg_iovlen = 2};
    ssize_t n = CALL(sendmsg, my.sockets[0], &message, 0);
    return n;
}

static int64_t entry_recvmsg(void)
{
    char bytes[2][3];
    struct iovec vectors[2] = {{bytes[0], 3}, {bytes[1], 1}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    CHECK_EQ(send(my.sockets[0], "hello", 5, 0), 5);
    ssize_t n = CALL(recvmsg, my.sockets[1], &message, MSG_DONTWAIT);
    CHECK(n < 0 || message.msg_flags & MSG_TRUNC);
    while (recv(my.sockets[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    return n;
}

static int64_t entry_sendmmsg(void)
{
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = hello, .msg_iovlen = 2}, .msg_len = 0},
                                  {.msg_hdr = {.msg_iov = hello, .msg_iovlen = 1}, .msg_len = 0}};
    int n = CALL(sendmmsg, my.sockets[0], messages, 2, 0);
    CHECK(n < 0 || (messages[0].msg_len == 5 && messages[1].msg_len == 3));
    return n;
}

static int64_t entry_recvmmsg(void)
{
    char bytes[8];
    struct iovec vector = {bytes, sizeof bytes};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}, .msg_len = 0},
                                  {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}, .msg_len = 0}};
    CHECK_EQ(send(my.sockets[0], "hello", 5, 0), 5);
    int n = CALL(recvmmsg, my.sockets[1], messages, 2, MSG_DONTWAIT);
    while (recv(my.sockets[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    return n;
}

static int64_t entry_splice(void)
{
    char bytes[8];
    int other[2];
    CHECK_OK(pipe(other));
    CHECK_EQ(write(my.pipe[1], "ab", 2), 2);
    ssize_t n = CALL(splice, my.pipe[0], other[1], 2, 0);
    CHECK_EQ(read(n < 0 ? my.pipe[0] : other[0], bytes, 2), 2);
    close(other[0]);
    close(other[1]);
    return n;
}

static int64_t entry_sendfile(void)
{
    char bytes[8];
    int64_t offset = 2;
    ssize_t n = CALL(sendfile, my.pipe[1], my.file, &offset, 4);
    CHECK_EQ(offset, n < 0 ? 2 : 6);
    if (n > 0)
        CHECK_EQ(read(my.pipe[0], bytes, 4), 4);
    return n;
}

static int64_t entry_ioctl(void)
{
    int waiting = -1;
    int rc = CALL(ioctl, my.pipe[0], FIONREAD, &waiting);
    CHECK_EQ(waiting, rc < 0 ? -1 : 0);
    return rc;
}

static int64_t entry_tcgetattr(void)
{
    struct termios modes;
    return CALL(tcgetattr, my.terminal, &modes);
}

static int64_t entry_tcsetattr(void)
{
    struct termios modes;
    CHECK_OK(tcgetattr(my.terminal, &modes));
    return CALL(tcsetattr, my.terminal, TCSANOW, &modes);
}

static int64_t entry_openat(void)
{
    int fd = CALL(openat, my.dir, "file", O_RDONLY | O_CLOEXEC, 0);
    return fd < 0 ? fd : close(fd);
}

static int64_t entry_fstatat(void)
{
    struct stat status;
    int rc = CALL(fstatat, my.dir, "file", &status, AT_SYMLINK_NOFOLLOW);
    return rc < 0 ? rc : (int)(status.st_mode & 0777);
}

static int64_t entry_pread(void)
{
    char bytes[4];
    ssize_t n = CALL(pread, my.file, bytes, 4, 1);
    CHECK(n < 0 || memcmp(bytes, "1234", 4) == 0);
    return n;
}

static int64_t entry_pwrite(void)
{
    return CALL(pwrite, my.file, "0123", 4, 0);
}

static int64_t entry_lseek(void)
{
    return CALL(lseek, my.file, 8, SEEK_SET);
}

static int64_t entry_ftruncate(void)
{
    return CALL(ftruncate, my.file, 8);
}

static int64_t entry_fsync(void)
{
    return CALL(fsync, my.file, 1);
}

static int64_t entry_getdents64(void)
{
    char entries[1024];
    int fd = openat(my.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t n = CALL(getdents64, fd, entries, sizeof entries);
    close(fd);
    return n > 0 ? 1 : n;
}

static int64_t entry_mkdirat(void)
{
    int rc = CALL(mkdirat, my.dir, "folder", 0700);
    CHECK_EQ(unlinkat(my.dir, "folder", AT_REMOVEDIR), rc < 0 ? -1 : 0);
    return rc;
}

static int64_t entry_unlinkat(void)
{
    CHECK_OK(symlinkat("file", my.dir, "link"));
    int rc = CALL(unlinkat, my.dir, "link", 0);
    CHECK_EQ(unlinkat(my.dir, "link", 0), rc < 0 ? 0 : -1);
    return rc;
}

/* Does not replace what is there, which only this rename can promise. */
static int64_t entry_renameat2(void)
{
    CHECK_OK(symlinkat("file", my.dir, "link"));
    int rc = CALL(renameat2, my.dir, "link", my.dir, "other", RENAME_NOREPLACE);
    CHECK_OK(unlinkat(my.dir, rc < 0 ? "link" : "other", 0));
    return rc;
}

static int64_t entry_linkat(void)
{
    int rc = CALL(linkat, my.dir, "file", my.dir, "second", 0);
    CHECK_EQ(unlinkat(my.dir, "second", 0), rc < 0 ? -1 : 0);
    return rc;
}

static int64_t entry_symlinkat(void)
{
    int rc = CALL(symlinkat, "file", my.dir, "link");
    CHECK_EQ(unlinkat(my.dir, "link", 0), rc < 0 ? -1 : 0);
    return rc;
}

static int64_t entry_fchmodat(void)
{
    return CALL(fchmodat, my.dir, "file", 0600, 0);
}

static int64_t entry_inotify_init1(void)
{
    int fd = CALL(inotify_init1, IN_CLOEXEC | IN_NONBLOCK);
    return fd < 0 ? fd : close(fd);
}

static int64_t entry_inotify_add_watch(void)
{
    my.watch = CALL(inotify_add_watch, my.watcher, "/", IN_DELETE_SELF);
    return my.watch > 0 ? 1 : my.watch;
}

static int64_t entry_inotify_rm_watch(void)
{
    int watch = inotify_add_watch(my.watcher, "/", IN_DELETE_SELF);
    return CALL(inotify_rm_watch, my.watcher, watch);
}

/* A thread starts with all signals blocked, and its maker's mask is as it was. */
static void *look_at_mask(void *arg)
{
    sigset_t mask;
    CHECK_OK(pthread_sigmask(SIG_SETMASK, NULL, &mask));
    *(int *)arg = sigismember(&mask, SIGINT) && sigismember(&mask, SIGUSR1);
    return NULL;
}

static int64_t entry_thread_create(void)
{
    uintptr_t thread;
    sigset_t mask;
    int blocked = 0;
    int rc = CALL(thread_create, 256 * 1024, look_at_mask, &blocked, &thread);
    if (rc == 0)
        CHECK_OK(CALL(thread_join, thread));
    CHECK_OK(pthread_sigmask(SIG_SETMASK, NULL, &mask));
    CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
    CHECK_EQ(blocked, rc == 0);
    return rc;
}

static int64_t entry_getaddrinfo(void)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = CALL(getaddrinfo, "127.0.0.1", "80", &hints, &list);
    if (rc == 0) {
        CHECK_EQ(ntohs(((struct sockaddr_in *)(void *)list->ai_addr)->sin_port), 80);
        sys->freeaddrinfo(sys, list);
    }
    return rc;
}

static int64_t entry_getnameinfo(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    char host[64] = "", service[16];
    int rc = CALL(getnameinfo, (struct sockaddr *)&address, sizeof address, host, sizeof host,
                  service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    CHECK_STR(host, rc == 0 ? "127.0.0.1" : "");
    return rc;
}

static int64_t entry_pidfd_open(void)
{
    int fd = CALL(pidfd_open, getpid(), 0);
    return fd < 0 ? fd : close(fd);
}

static int64_t entry_pidfd_send_signal(void)
{
    int fd = weft_sys_default.pidfd_open(&weft_sys_default, getpid(), 0);
    int rc = CALL(pidfd_send_signal, fd, 0, 0);
    close(fd);
    return rc;
}

static int64_t entry_spawn(void)
{
    static const char *const paths[] = {"/bin/true", NULL};
    const struct weft_sys_spawn how = {.paths = paths, .arguments = paths};
    pid_t pid = -1;
    int pidfd = -1, step, rc = CALL(spawn, &how, &pid, &pidfd, &step);
    CHECK_EQ(rc == 0, pid > 0);
    if (pid > 0)
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
    if (pidfd >= 0)
        close(pidfd);
    return rc;
}

static int64_t entry_waitid(void)
{
    siginfo_t how = {.si_code = 0};
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    int rc = CALL(waitid, P_PID, child, &how, WEXITED);
    if (rc < 0)
        CHECK_EQ(waitpid(child, NULL, 0), child);
    else
        CHECK_EQ(how.si_status, 7);
    return rc;
}

static int64_t entry_kill(void)
{
    return CALL(kill, getpid(), 0);
}

/** An entry. */
struct entry {
    /** Which. */
    enum weft_testing_call call;
    /** Calls it. */
    int64_t (*run)(void);
    /** What a calm call gives. */
    int64_t expected;
};

static const struct entry entries[] = {
    {WEFT_TESTING_CALL_WRITEV, entry_writev, 5},
    {WEFT_TESTING_CALL_WRITEV_FLAGS, entry_writev_flags, 5},
    {WEFT_TESTING_CALL_RECVMSG, entry_recvmsg, 4},
    {WEFT_TESTING_CALL_SENDMSG, entry_sendmsg, 5},
    {WEFT_TESTING_CALL_RECVMMSG, entry_recvmmsg, 1},
    {WEFT_TESTING_CALL_SENDMMSG, entry_sendmmsg, 2},
    {WEFT_TESTING_CALL_SPLICE, entry_splice, 2},
    {WEFT_TESTING_CALL_SENDFILE, entry_sendfile, 4},
    {WEFT_TESTING_CALL_IOCTL, entry_ioctl, 0},
    {WEFT_TESTING_CALL_TCGETATTR, entry_tcgetattr, 0},
    {WEFT_TESTING_CALL_TCSETATTR, entry_tcsetattr, 0},
    {WEFT_TESTING_CALL_OPENAT, entry_openat, 0},
    {WEFT_TESTING_CALL_FSTATAT, entry_fstatat, 0600},
    {WEFT_TESTING_CALL_PREAD, entry_pread, 4},
    {WEFT_TESTING_CALL_PWRITE, entry_pwrite, 4},
    {WEFT_TESTING_CALL_LSEEK, entry_lseek, 8},
    {WEFT_TESTING_CALL_FTRUNCATE, entry_ftruncate, 0},
    {WEFT_TESTING_CALL_FSYNC, entry_fsync, 0},
    {WEFT_TESTING_CALL_GETDENTS64, entry_getdents64, 1},
    {WEFT_TESTING_CALL_MKDIRAT, entry_mkdirat, 0},
    {WEFT_TESTING_CALL_UNLINKAT, entry_unlinkat, 0},
    {WEFT_TESTING_CALL_RENAMEAT2, entry_renameat2, 0},
    {WEFT_TESTING_CALL_LINKAT, entry_linkat, 0},
    {WEFT_TESTING_CALL_SYMLINKAT, entry_symlinkat, 0},
    {WEFT_TESTING_CALL_FCHMODAT, entry_fchmodat, 0},
    {WEFT_TESTING_CALL_INOTIFY_INIT1, entry_inotify_init1, 0},
    {WEFT_TESTING_CALL_INOTIFY_ADD_WATCH, entry_inotify_add_watch, 1},
    {WEFT_TESTING_CALL_INOTIFY_RM_WATCH, entry_inotify_rm_watch, 0},
    {WEFT_TESTING_CALL_THREAD_CREATE, entry_thread_create, 0},
    {WEFT_TESTING_CALL_GETADDRINFO, entry_getaddrinfo, 0},
    {WEFT_TESTING_CALL_GETNAMEINFO, entry_getnameinfo, 0},
    {WEFT_TESTING_CALL_PIDFD_OPEN, entry_pidfd_open, 0},
    {WEFT_TESTING_CALL_PIDFD_SEND_SIGNAL, entry_pidfd_send_signal, 0},
    {WEFT_TESTING_CALL_WAITID, entry_waitid, 0},
    {WEFT_TESTING_CALL_KILL, entry_kill, 0},
    {WEFT_TESTING_CALL_SPAWN, entry_spawn, 0},
};

/* --- The three runs -------------------------------------------------------------------------- */

static void begin(void)
{
    strcpy(my.path, "/tmp/weft-entries-XXXXXX");
    CHECK(mkdtemp(my.path));
    my.dir = open(my.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(my.dir >= 0);
    my.file = openat(my.dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_EQ(write(my.file, "01234567", 8), 8);
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, my.sockets));
    CHECK_OK(pipe(my.pipe));
    my.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(my.terminal >= 0);
    my.watcher = inotify_init1(IN_CLOEXEC);
    weft_testing_faults_init(&fault, &weft_sys_default);
}

/* The pipe is emptied and the file is what it was, so that calls do not lean on each other. */
static void tidy_up(void)
{
    char bytes[64];
    CHECK_OK(fcntl(my.pipe[0], F_SETFL, O_NONBLOCK));
    while (read(my.pipe[0], bytes, sizeof bytes) > 0)
        ;
    CHECK_OK(fcntl(my.pipe[0], F_SETFL, 0));
    while (recv(my.sockets[1], bytes, sizeof bytes, MSG_DONTWAIT) >= 0)
        ;
    CHECK_OK(ftruncate(my.file, 0));
    CHECK_EQ(pwrite(my.file, "01234567", 8, 0), 8);
}

static void end(void)
{
    CHECK_OK(unlinkat(my.dir, "file", 0));
    CHECK_OK(rmdir(my.path));
    int fds[] = {my.dir,     my.file,    my.sockets[0], my.sockets[1],
                 my.pipe[0], my.pipe[1], my.terminal,   my.watcher};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        close(fds[i]);
}

static void check_entry(const struct entry *entry)
{
    uint64_t before = fault.calls[entry->call];
    for (int run = 0; run < 3; run++) {
        if (run == 1)
            weft_testing_faults_fail(&fault, (weft_testing_set)1 << entry->call, 1,
                                     WEFT_TESTING_ONCE, EDQUOT);
        int64_t got = entry->run(), expected = run == 1 ? -EDQUOT : entry->expected;
        if (got != expected)
            FAIL("%s, run %d: %lld instead of %lld", weft_testing_call_name(entry->call), run,
                 (long long)got, (long long)expected);
        tidy_up();
    }
    CHECK_EQ(fault.calls[entry->call] - before, 3);
}

/** Valgrind 3.19 stands between the programs and the kernel. */
static void need_every_call(void)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind knows no pidfd_open");
#endif
}

TEST(each_entry_works_fails_as_planned_and_works_again)
{
    need_every_call();
    begin();
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        check_entry(&entries[i]);
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
    end();
}

/* --- What is special ------------------------------------------------------------------------- */

TEST(an_entry_gives_the_error_of_its_call)
{
    struct termios modes;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list;
    char byte;
    int fds[2];

    need_every_call();
    weft_testing_faults_init(&fault, &weft_sys_default);
    CHECK_OK(pipe(fds));
    CHECK_ERR(CALL(openat, AT_FDCWD, "/no such folder/file", O_RDONLY, 0), -ENOENT);
    CHECK_ERR(CALL(lseek, fds[0], 0, SEEK_CUR), -ESPIPE);
    CHECK_ERR(CALL(pread, fds[0], &byte, 1, 0), -ESPIPE);
    CHECK_ERR(CALL(tcgetattr, fds[0], &modes), -ENOTTY);
    CHECK_ERR(CALL(waitid, P_PID, getpid(), NULL, WEXITED), -ECHILD);
    CHECK_ERR(CALL(pidfd_open, -1, 0), -EINVAL);
    CHECK_EQ(CALL(getaddrinfo, "no number", NULL, &hints, &list), -EAI_NONAME);
    hints.ai_flags = -1;
    CHECK_EQ(CALL(getaddrinfo, "127.0.0.1", NULL, &hints, &list), -EAI_BADFLAGS);
    close(fds[0]);
    close(fds[1]);
}

TEST(an_answer_that_is_not_freed_is_reported)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list;

    weft_testing_faults_init(&fault, &weft_sys_default);
    CHECK_OK(CALL(getaddrinfo, "::1", NULL, &hints, &list));
    CHECK_EQ(weft_testing_faults_report(&fault), 1);
    sys->freeaddrinfo(sys, list);
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
}

TEST(a_storm_cuts_vectors_messages_and_batches)
{
    char bytes[100] = "";
    struct iovec vectors[2] = {{bytes, 50}, {bytes, 50}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    struct mmsghdr batch[8] = {{.msg_len = 0}};
    int fds[2], pair[2], vectors_cut = 0, messages_cut = 0, batches_cut = 0;

    weft_testing_faults_init(&fault, &weft_sys_default);
    weft_testing_faults_storm(&fault, &(struct weft_testing_storm){.seed = 9, .short_percent = 50});
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    for (int i = 0; i < 8; i++)
        batch[i].msg_hdr = (struct msghdr){.msg_iov = vectors, .msg_iovlen = 1};
    for (int i = 0; i < 40; i++) {
        ssize_t n = CALL(writev, fds[0], vectors, 2);
        vectors_cut += n < 50;
        ssize_t m = CALL(sendmsg, fds[0], &message, 0);
        messages_cut += m < 50;
        for (ssize_t left = n + m; left > 0;)
            left -= read(fds[1], bytes, (size_t)left < sizeof bytes ? (size_t)left : sizeof bytes);
        int sent = CALL(sendmmsg, pair[0], batch, 8, 0);
        CHECK(sent >= 1 && sent <= 8);
        batches_cut += sent < 8;
        while (sent-- > 0)
            CHECK_EQ(recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT), 50);
    }
    CHECK(vectors_cut > 8 && vectors_cut < 32);
    CHECK(messages_cut > 8 && messages_cut < 32);
    CHECK(batches_cut > 8 && batches_cut < 32);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(pair[i]);
    }
}

/* --- A simulated world ----------------------------------------------------------------------- */

static const struct weft_sys *world;

static void begin_world(int fds[2], int type)
{
    CHECK_OK(weft__sim_new(0, &world));
    weft_testing_faults_init(&fault, world);
    CHECK_OK(CALL(socketpair, AF_UNIX, type, 0, fds));
}

static void end_world(const int fds[2])
{
    CHECK_OK(CALL(close, fds[0]));
    CHECK_OK(CALL(close, fds[1]));
    CHECK_EQ(weft__sim_open(world), 0);
    weft__sim_free(world);
}

TEST(in_a_world_a_datagram_of_several_pieces_is_one_and_its_cut_is_told)
{
    char bytes[2][4] = {"", ""};
    struct iovec vectors[2] = {{bytes[0], 2}, {bytes[1], 2}};
    struct msghdr out = {.msg_iov = hello, .msg_iovlen = 2};
    struct msghdr in = {.msg_iov = vectors, .msg_iovlen = 2};
    int fds[2];

    begin_world(fds, SOCK_DGRAM);
    CHECK_EQ(CALL(sendmsg, fds[0], &out, 0), 5);
    CHECK_EQ(CALL(recvmsg, fds[1], &in, 0), 4);
    CHECK_EQ(in.msg_flags, MSG_TRUNC);
    CHECK_STR(bytes[0], "he");
    CHECK_STR(bytes[1], "ll");
    CHECK_ERR(CALL(recvmsg, fds[1], &in, 0), -EAGAIN);
    out.msg_iovlen = 0;
    CHECK_EQ(CALL(sendmsg, fds[0], &out, 0), 0);
    CHECK_EQ(CALL(recvmsg, fds[1], &in, 0), 0);
    CHECK_EQ(in.msg_flags, 0);
    out.msg_controllen = 16;
    CHECK_ERR(CALL(sendmsg, fds[0], &out, 0), -EINVAL);
    end_world(fds);
}

TEST(in_a_world_a_batch_stops_at_the_first_message_that_would_wait)
{
    char bytes[8];
    struct iovec vector = {bytes, sizeof bytes};
    struct mmsghdr batch[3] = {{.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}, .msg_len = 0},
                               {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}, .msg_len = 0},
                               {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}, .msg_len = 0}};
    int fds[2];

    begin_world(fds, SOCK_DGRAM);
    CHECK_EQ(CALL(sendmmsg, fds[0], batch, 2, 0), 2);
    CHECK_EQ(CALL(recvmmsg, fds[1], batch, 3, 0), 2);
    CHECK_ERR(CALL(recvmmsg, fds[1], batch, 3, 0), -EAGAIN);
    end_world(fds);
}

TEST(in_a_world_vectors_go_out_as_one_write)
{
    char bytes[8] = "";
    int fds[2];

    begin_world(fds, SOCK_STREAM);
    CHECK_EQ(CALL(writev, fds[0], hello, 2), 5);
    CHECK_EQ(CALL(read, fds[1], bytes, sizeof bytes), 5);
    CHECK_STR(bytes, "hello");
    CHECK_ERR(CALL(splice, fds[0], fds[1], 5, 0), -EINVAL);
    CHECK_ERR(CALL(writev, fds[0], hello, -1), -EINVAL);
    end_world(fds);
}

TEST(in_a_world_names_need_no_network_and_there_are_no_threads)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    char bytes[8];
    uintptr_t thread;
    int fds[2];

    begin_world(fds, SOCK_STREAM);
    CHECK_ERR(CALL(thread_create, 0, look_at_mask, NULL, &thread), -ENOSYS);
    CHECK_ERR(CALL(inotify_init1, 0), -ENOSYS);
    CHECK_ERR(CALL(pidfd_open, getpid(), 0), -ENOSYS);
    CHECK_ERR(CALL(pread, fds[0], bytes, 1, 0), -ESPIPE);
    CHECK_ERR(CALL(ioctl, fds[0], FIONREAD, bytes), -ENOTTY);
    CHECK_EQ(CALL(getaddrinfo, "example.com", "80", &hints, &list), -EAI_NONAME);
    CHECK_OK(CALL(getaddrinfo, "localhost", NULL, &hints, &list));
    struct sockaddr_in *address = (void *)list->ai_addr;
    CHECK_EQ(ntohl(address->sin_addr.s_addr), 0x7f000001);
    sys->freeaddrinfo(sys, list);
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
    end_world(fds);
}
