/* SPDX-License-Identifier: MIT */
/*
 * test_file.c: files and directories, off the loop's thread
 *
 * Each test has a temporary directory of its own, made and emptied with the calls under test. What
 * they did is looked at with the plain calls of libc, and with the tools that people use.
 */
#define _GNU_SOURCE 1

#include "os_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TESTS_USE_THREADS();

/** The directory of the running test. */
static char place[256];

/** A path in it; four at a time. */
static const char *in(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place, name);
    return path;
}

static void make_place(void)
{
    CHECK_EQ(weft_file_temporary_directory(NULL, place, sizeof place), 0);
}

/** Removes what is left in the directory, and the directory; how many names were in it. */
static int remove_place(void)
{
    struct weft_directory *directory;
    struct weft_directory_entry entry;
    int rc, count = 0;
    CHECK_EQ(weft_directory_open(place, &directory), 0);
    while ((rc = weft_directory_next(directory, &entry)) > 0) {
        count++;
        rc = entry.type == S_IFDIR ? weft_file_remove_directory(in(entry.name))
                                   : weft_file_remove(in(entry.name));
        CHECK_EQ(rc, 0);
    }
    CHECK_EQ(rc, 0);
    weft_directory_close(directory);
    CHECK_EQ(weft_file_remove_directory(place), 0);
    return count;
}

static void put(const char *name, const char *text)
{
    int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *text_of(const char *name)
{
    static char text[256];
    int fd = open(in(name), O_RDONLY);
    if (fd < 0)
        return NULL;
    ssize_t n = read(fd, text, sizeof text - 1);
    CHECK(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

/* --- One file -------------------------------------------------------------------------------- */

OS_TEST(what_is_written_is_read_again)
{
    char buf[64] = "";
    struct stat file;
    make_place();
    int fd = weft_file_open(in("file"), O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK_OK(fd);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(weft_file_write(fd, "hello world", 11), 11);
    CHECK_EQ(weft_file_write_at(fd, "W", 1, 6), 1);
    CHECK_EQ(weft_file_read(fd, buf, sizeof buf), 0);
    CHECK_EQ(weft_file_read_at(fd, buf, sizeof buf, 6), 5);
    CHECK_STR(buf, "World");
    CHECK_EQ(weft_file_sync(fd, 0), 0);
    CHECK_EQ(weft_file_sync(fd, 1), 0);
    CHECK_EQ(weft_file_truncate(fd, 5), 0);
    CHECK_EQ(weft_file_stat_fd(fd, &file), 0);
    CHECK_EQ(file.st_size, 5);
    CHECK_EQ(file.st_mode & 0777, 0640);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_STR(text_of("file"), "hello");
    CHECK_EQ(remove_place(), 1);
}

OS_TEST(errors_are_those_of_the_call_and_results_stay_untouched)
{
    struct stat file;
    char buf[8];
    make_place();
    memset(&file, 7, sizeof file);
    CHECK_ERR(weft_file_open(in("none"), O_RDONLY, 0), -ENOENT);
    CHECK_ERR(weft_file_stat(in("none"), &file), -ENOENT);
    CHECK_EQ(file.st_size, 0x0707070707070707);
    CHECK_ERR(weft_file_read(-1, buf, sizeof buf), -EBADF);
    CHECK_ERR(weft_file_write(-1, buf, sizeof buf), -EBADF);
    CHECK_ERR(weft_file_read_at(-1, buf, sizeof buf, 0), -EBADF);
    CHECK_ERR(weft_file_sync(-1, 0), -EBADF);
    CHECK_ERR(weft_file_truncate(-1, 0), -EBADF);
    CHECK_ERR(weft_file_remove(in("none")), -ENOENT);
    CHECK_ERR(weft_file_remove_directory(in("none")), -ENOENT);
    CHECK_ERR(weft_file_make_directory(place, 0700), -EEXIST);
    CHECK_ERR(weft_file_rename(in("none"), in("other"), 0), -ENOENT);
    CHECK_ERR(weft_file_readlink(in("none"), buf, sizeof buf), -ENOENT);
    CHECK_ERR(weft_file_chmod(in("none"), 0600), -ENOENT);
    CHECK_EQ(remove_place(), 0);
}

/* --- Names ----------------------------------------------------------------------------------- */

OS_TEST(names_are_made_changed_and_removed)
{
    struct stat file;
    char target[16];
    make_place();
    put("a", "A");
    CHECK_EQ(weft_file_make_directory(in("directory"), 0750), 0);
    CHECK_EQ(weft_file_link(in("a"), in("b")), 0);
    CHECK_EQ(weft_file_symlink("a", in("link")), 0);
    CHECK_EQ(weft_file_readlink(in("link"), target, sizeof target), 1);
    CHECK_STR(target, "a");
    CHECK_ERR(weft_file_readlink(in("link"), target, 1), -ENAMETOOLONG);
    CHECK_EQ(weft_file_stat(in("link"), &file), 0);
    CHECK(S_ISREG(file.st_mode));
    CHECK_EQ(file.st_nlink, 2);
    CHECK_EQ(weft_file_stat_link(in("link"), &file), 0);
    CHECK(S_ISLNK(file.st_mode));
    CHECK_EQ(weft_file_chmod(in("a"), 0604), 0);
    CHECK_EQ(weft_file_stat(in("b"), &file), 0);
    CHECK_EQ(file.st_mode & 0777, 0604);
    CHECK_EQ(weft_file_rename(in("b"), in("c"), 0), 0);
    CHECK_STR(text_of("c"), "A");
    CHECK(text_of("b") == NULL);
    put("d", "D");
    CHECK_ERR(weft_file_rename(in("d"), in("c"), WEFT_RENAME_NO_REPLACE), -EEXIST);
    CHECK_EQ(weft_file_rename(in("d"), in("c"), WEFT_RENAME_EXCHANGE), 0);
    CHECK_STR(text_of("c"), "D");
    CHECK_STR(text_of("d"), "A");
    CHECK_ERR(weft_file_remove(in("directory")), -EISDIR);
    CHECK_EQ(remove_place(), 5);
}

OS_TEST(a_directory_lists_its_names_and_their_types)
{
    struct weft_directory *directory = NULL;
    struct weft_directory_entry entry;
    enum { COUNT = 1500 };
    static char seen[COUNT];
    int rc, others = 0;
    make_place();
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "a-name-that-is-long-enough-to-fill-buffers-%d", i);
        put(name, "");
    }
    CHECK_EQ(mkdir(in("directory"), 0700), 0);
    CHECK_EQ(symlink("a", in("link")), 0);
    CHECK_EQ(weft_directory_open(place, &directory), 0);
    while ((rc = weft_directory_next(directory, &entry)) > 0) {
        const char *dash = strrchr(entry.name, '-');
        if (dash) {
            CHECK_EQ(entry.type, S_IFREG);
            CHECK_EQ(seen[atoi(dash + 1)]++, 0);
        } else {
            CHECK_EQ(entry.type, strcmp(entry.name, "link") == 0 ? S_IFLNK : S_IFDIR);
            CHECK(entry.inode != 0);
            others++;
        }
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(others, 2);
    CHECK_EQ(weft_directory_next(directory, &entry), 0);
    weft_directory_close(directory);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(seen[i], 1);
    directory = NULL;
    put("a", "");
    CHECK_ERR(weft_directory_open(in("link"), &directory), -ENOTDIR);
    CHECK_ERR(weft_directory_open(in("none"), &directory), -ENOENT);
    CHECK(directory == NULL);
    weft_directory_close(NULL);
    CHECK_EQ(remove_place(), COUNT + 3);
}

/* --- Whole files ----------------------------------------------------------------------------- */

OS_TEST(a_whole_file_is_read_up_to_its_limit)
{
    struct weft_scope scope;
    char *bytes = NULL;
    size_t len = 0;
    make_place();
    put("file", "0123456789");
    put("empty", "");
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_file_read_all(&scope, in("file"), 0, &bytes, &len), 0);
    CHECK_EQ(len, 10);
    CHECK_STR(bytes, "0123456789");
    CHECK_EQ(weft_file_read_all(&scope, in("file"), 10, &bytes, NULL), 0);
    CHECK_EQ(weft_file_read_all(&scope, in("empty"), 0, &bytes, &len), 0);
    CHECK_EQ(len, 0);
    CHECK_STR(bytes, "");
    bytes = NULL;
    CHECK_ERR(weft_file_read_all(&scope, in("file"), 9, &bytes, &len), -EFBIG);
    CHECK_ERR(weft_file_read_all(&scope, in("none"), 0, &bytes, &len), -ENOENT);
    CHECK_ERR(weft_file_read_all(&scope, place, 0, &bytes, &len), -EISDIR);
    CHECK(bytes == NULL);
    /* A file that tells no size, longer than the first room for it. */
    CHECK_EQ(weft_file_read_all(&scope, "/proc/self/smaps", 0, &bytes, &len), 0);
    CHECK(len > 4096);
    CHECK_EQ(strlen(bytes), len);
    CHECK_ERR(weft_file_read_all(&scope, "/proc/self/smaps", 100, &bytes, &len), -EFBIG);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(remove_place(), 2);
}

OS_TEST(a_file_is_replaced_in_one_step)
{
    struct stat before, after;
    enum { BIG = 3 << 20 };
    make_place();
    put("file", "old");
    CHECK_EQ(stat(in("file"), &before), 0);
    CHECK_EQ(weft_file_replace(in("file"), "new", 3, 0666), 0);
    CHECK_STR(text_of("file"), "new");
    CHECK_EQ(stat(in("file"), &after), 0);
    CHECK_EQ(after.st_mode & 0777, 0666);
    CHECK(before.st_ino != after.st_ino);
    CHECK_EQ(weft_file_replace(in("fresh"), "", 0, 0600), 0);
    CHECK_STR(text_of("fresh"), "");
    /* A directory cannot be replaced by a file: it stays, and nothing is left beside it. */
    CHECK_EQ(mkdir(in("directory"), 0700), 0);
    CHECK_ERR(weft_file_replace(in("directory"), "x", 1, 0600), -EISDIR);
    CHECK_ERR(weft_file_replace(in("none/file"), "x", 1, 0600), -ENOENT);
    char *big = malloc(BIG);
    memset(big, 'b', BIG);
    CHECK_EQ(weft_file_replace(in("file"), big, BIG, 0600), 0);
    CHECK_EQ(stat(in("file"), &after), 0);
    CHECK_EQ(after.st_size, BIG);
    free(big);
    CHECK_EQ(remove_place(), 3);
}

OS_TEST(a_file_without_a_directory_in_its_path_is_replaced)
{
    char before[512];
    make_place();
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK_EQ(chdir(place), 0);
    CHECK_EQ(weft_file_replace("file", "here", 4, 0600), 0);
    CHECK_EQ(chdir(before), 0);
    CHECK_STR(text_of("file"), "here");
    CHECK_EQ(remove_place(), 1);
}

OS_TEST(a_file_is_copied_with_its_permissions)
{
    struct stat copy;
    enum { BIG = (2 << 20) + 77 };
    char *big = malloc(BIG);
    char *bytes;
    size_t len;
    struct weft_scope scope;
    make_place();
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 1000);
    CHECK_EQ(weft_file_replace(in("from"), big, BIG, 0651), 0);
    CHECK_EQ(weft_file_copy(in("from"), in("to")), 0);
    CHECK_EQ(stat(in("to"), &copy), 0);
    CHECK_EQ(copy.st_mode & 0777, 0651);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_file_read_all(&scope, in("to"), 0, &bytes, &len), 0);
    CHECK_EQ(len, BIG);
    CHECK_MEM(bytes, big, BIG);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    free(big);
    CHECK_ERR(weft_file_copy(in("from"), in("to")), -EEXIST);
    CHECK_ERR(weft_file_copy(in("none"), in("other")), -ENOENT);
    CHECK_ERR(weft_file_copy(place, in("other")), -EISDIR);
    CHECK_EQ(mkfifo(in("fifo"), 0600), 0);
    CHECK_ERR(weft_file_copy(in("fifo"), in("other")), -EINVAL);
    CHECK_EQ(remove_place(), 3);
}

OS_TEST(temporary_files_are_the_owners_alone)
{
    char path[300], small[4] = "xyz";
    struct stat file;
    make_place();
    CHECK_EQ(stat(place, &file), 0);
    CHECK_EQ(file.st_mode & 07777, 0700);
    int fd = weft_file_temporary(place, path, sizeof path);
    CHECK_OK(fd);
    CHECK_EQ(strncmp(path, place, strlen(place)), 0);
    CHECK_EQ(stat(path, &file), 0);
    CHECK_EQ(file.st_mode & 07777, 0600);
    CHECK_EQ(weft_file_write(fd, "x", 1), 1);
    CHECK_EQ(weft_close(fd), 0);
    int nameless = weft_file_temporary(place, NULL, 0);
    CHECK_OK(nameless);
    CHECK_EQ(fstat(nameless, &file), 0);
    CHECK_EQ(file.st_nlink, 0);
    CHECK_EQ(weft_file_write_at(nameless, "x", 1, 0), 1);
    CHECK_EQ(weft_close(nameless), 0);
    CHECK_ERR(weft_file_temporary(place, small, sizeof small), -ENAMETOOLONG);
    CHECK_STR(small, "xyz");
    CHECK_ERR(weft_file_temporary(in("none"), path, sizeof path), -ENOENT);
    CHECK_EQ(remove_place(), 1);
}

/* --- Waiting and cancellation ---------------------------------------------------------------- */

OS_TEST(in_a_cancelled_scope_nothing_happens)
{
    struct weft_scope scope;
    struct weft_directory *directory = NULL;
    struct weft_directory_entry entry;
    struct stat file;
    char buf[8], *bytes = NULL;
    make_place();
    put("file", "old");
    int fd = open(in("file"), O_RDWR);
    CHECK_EQ(weft_directory_open(place, &directory), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_file_open(in("new"), O_RDWR | O_CREAT, 0600), -ECANCELED);
    CHECK_ERR(weft_file_read(fd, buf, sizeof buf), -ECANCELED);
    CHECK_ERR(weft_file_write(fd, "x", 1), -ECANCELED);
    CHECK_ERR(weft_file_read_at(fd, buf, sizeof buf, 0), -ECANCELED);
    CHECK_ERR(weft_file_write_at(fd, "x", 1, 0), -ECANCELED);
    CHECK_ERR(weft_file_sync(fd, 0), -ECANCELED);
    CHECK_ERR(weft_file_truncate(fd, 0), -ECANCELED);
    CHECK_ERR(weft_file_stat_fd(fd, &file), -ECANCELED);
    CHECK_ERR(weft_file_stat(place, &file), -ECANCELED);
    CHECK_ERR(weft_file_stat_link(place, &file), -ECANCELED);
    CHECK_ERR(weft_file_make_directory(in("new"), 0700), -ECANCELED);
    CHECK_ERR(weft_file_remove(in("file")), -ECANCELED);
    CHECK_ERR(weft_file_remove_directory(place), -ECANCELED);
    CHECK_ERR(weft_file_rename(in("file"), in("new"), 0), -ECANCELED);
    CHECK_ERR(weft_file_link(in("file"), in("new")), -ECANCELED);
    CHECK_ERR(weft_file_symlink("file", in("new")), -ECANCELED);
    CHECK_ERR(weft_file_readlink(in("file"), buf, sizeof buf), -ECANCELED);
    CHECK_ERR(weft_file_chmod(in("file"), 0), -ECANCELED);
    CHECK_ERR(weft_file_read_all(&scope, in("file"), 0, &bytes, NULL), -ECANCELED);
    CHECK_ERR(weft_file_replace(in("file"), "x", 1, 0600), -ECANCELED);
    CHECK_ERR(weft_file_copy(in("file"), in("new")), -ECANCELED);
    CHECK_ERR(weft_file_temporary(place, NULL, 0), -ECANCELED);
    CHECK_ERR(weft_directory_next(directory, &entry), -ECANCELED);
    CHECK_ERR(weft_directory_open(place, &directory), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(weft_directory_next(directory, &entry), 1);
    CHECK_STR(entry.name, "file");
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_directory_next(directory, &entry), -ECANCELED);
    weft_directory_close(directory);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    close(fd);
    CHECK_STR(text_of("file"), "old");
    CHECK_EQ(remove_place(), 1);
}

OS_TEST(an_open_that_waits_for_the_other_end_is_let_go)
{
    struct weft_scope scope;
    if (test_engine_is("sim"))
        SKIP("in a simulated world the call holds the loop");
    test_needs_another_thread();
    make_place();
    CHECK_EQ(mkfifo(in("fifo"), 0600), 0);
    const char *path = in("fifo");
    CHECK_ERR(weft_within(20 * WEFT_MS, weft_file_open(path, O_RDONLY, 0)), -ETIMEDOUT);
    if (test_engine_is("io_uring")) {
        /* The kernel gave it back: nobody has it open. */
        CHECK(open(path, O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO);
        CHECK_EQ(remove_place(), 1);
        return;
    }
    /* The other end lets the thread go, and what it opened is closed: the leak check sees it. */
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    while (weft_poll(fd, POLLERR) == 0) {
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    close(fd);
    CHECK_EQ(remove_place(), 1);
}

OS_TEST(what_the_kernel_gives_back_has_not_happened)
{
    int fds[2];
    char byte = 0;
    if (!test_engine_is("io_uring"))
        SKIP("a thread cannot be cut short");
    CHECK_EQ(pipe(fds), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_file_read(fds[0], &byte, 1)), -ETIMEDOUT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_file_read(fds[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    close(fds[0]);
    close(fds[1]);
}

static int read_one(int fd, char *ret)
{
    return weft_file_read(fd, ret, 1) == 1 ? 0 : -EIO;
}
WEFT_TASK(read_one, int, char *);

OS_TEST(a_number_that_is_closed_and_used_again_does_not_meet_an_old_call)
{
    struct weft_scope scope;
    char other = 0, byte = 0;
    int fd;
    if (!test_engine_is("io_uring"))
        SKIP("a thread has the number until the call is made");
    make_place();
    put("a", "A");
    put("b", "B");
    fd = open(in("a"), O_RDONLY);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, read_one, fd, &other);
    CHECK_EQ(weft_yield(), 0);
    close(fd);
    CHECK_EQ(open(in("b"), O_RDONLY), fd);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(other, 'A');
    CHECK_EQ(weft_file_read_at(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'B');
    close(fd);
    CHECK_EQ(remove_place(), 2);
}

/** Has many turns before it lets the reader go. */
static int write_after_turns(int fd)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    return 0;
}
WEFT_TASK(write_after_turns, int);

OS_TEST(others_run_while_a_call_waits)
{
    struct weft_scope scope;
    int fds[2];
    char byte;
    if (test_engine_is("sim"))
        SKIP("in a simulated world the call holds the loop");
    test_needs_another_thread();
    CHECK_EQ(pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, write_after_turns, fds[1]);
    /* On a pipe the call holds its thread as a slow disk would. */
    CHECK_EQ(weft_file_read(fds[0], &byte, 1), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    close(fds[0]);
    close(fds[1]);
}

/** Writes into the pipe after a while. */
static int write_later(int fd, weft_ns delay)
{
    int rc = weft_sleep(delay);
    CHECK_EQ(write(fd, "x", 1), 1);
    return rc;
}
WEFT_TASK(write_later, int, weft_ns);

/** Reads a byte that comes long after the deadline; what the reading call gave. */
static ssize_t read_beyond_deadline(const int fds[2], weft_ns deadline)
{
    struct weft_scope scope;
    char byte = 0;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, write_later, fds[1], 5 * deadline);
    ssize_t n = weft_within(deadline, weft_file_read(fds[0], &byte, 1));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(n == 1 ? byte == 'x' : read(fds[0], &byte, 1) == 1);
    return n;
}

OS_TEST(a_call_that_has_begun_is_waited_for_and_gives_its_result)
{
    int fds[2];
    ssize_t n = -ETIMEDOUT;
    if (test_engine_is("io_uring"))
        SKIP("the kernel can give this call back");
    if (test_engine_is("sim"))
        SKIP("in a simulated world the call holds the loop");
    test_needs_another_thread();
    CHECK_EQ(pipe(fds), 0);
    /* A slow machine may need more than one attempt until the call begins before the deadline. */
    for (weft_ns deadline = 10 * WEFT_MS; n == -ETIMEDOUT; deadline *= 2)
        n = read_beyond_deadline(fds, deadline);
    CHECK_EQ(n, 1);
    close(fds[0]);
    close(fds[1]);
}

TEST(outside_a_task_files_are_refused)
{
    /* Debug builds abort for it, as for every waiting call. */
    CHECK_ERR(weft_file_remove("/none"), -EPERM);
}
