/* SPDX-License-Identifier: MIT */
/*
 * test_files.c: files, watching and terminals while system calls and allocations fail
 *
 * Each scenario is run once for each call that it makes and each error that a kernel gives for it,
 * and once for each allocation that fails. It may fail with that error, never hang or leak; what
 * interrupts a call is not seen.
 */
#define _GNU_SOURCE 1

#include "programs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TESTS_USE_THREADS();

/** A directory for the files of the running test. */
static char place[] = "/tmp/weft-faults-XXXXXX";

static const char *in(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make_place(void)
{
    CHECK(mkdtemp(place) != NULL);
    put("file", "old text");
    put("other", "other");
}

static void remove_place(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", place);
    CHECK_EQ(system(command), 0);
}

/** What a call gave, or dealt with; no thread is no failure of ours either, and no guard for a
 *  stack (-EACCES of mprotect) is no memory. */
static int documented(int rc, int code)
{
    return rc == 0 || (rc == -ENOMEM && code == EACCES) || (rc == -code && code != EINTR) ||
           rc == -EAGAIN;
}

FAULT_PROGRAM(one_file)
{
    char buf[4];
    struct stat file;
    int fd = weft_file_open(in("file"), O_RDWR, 0);
    if (fd < 0)
        return fd;
    ssize_t rc = weft_file_read(fd, buf, sizeof buf);
    if (rc >= 0)
        rc = weft_file_write_at(fd, "old", 3, 0);
    if (rc >= 0)
        rc = weft_file_read_at(fd, buf, sizeof buf, 2);
    if (rc >= 0)
        rc = weft_file_stat_fd(fd, &file);
    if (rc >= 0)
        rc = weft_file_truncate(fd, 8);
    if (rc >= 0)
        rc = weft_file_sync(fd, 0);
    return first_of(rc < 0 ? (int)rc : 0, weft_close(fd));
}

FAULT_PROGRAM(whole_files)
{
    struct weft_scope scope;
    char *bytes, path[64];
    size_t len;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_file_replace(in("file"), "new text", 8, 0600);
    if (rc == 0)
        rc = weft_file_read_all(&scope, in("file"), 0, &bytes, &len);
    if (rc == 0 && (len != 8 || strcmp(bytes, "new text") != 0))
        rc = -EPROTO;
    int made = rc == 0 ? weft_file_temporary_directory(place, path, sizeof path) : rc;
    if (made == 0)
        rc = weft_file_remove_directory(path);
    return weft_scope_exit(&scope, first_of(rc, made));
}

FAULT_PROGRAM(copies)
{
    (void)unlink(in("copy"));
    return weft_file_copy(in("other"), in("copy"));
}

FAULT_PROGRAM(lists)
{
    struct weft_directory *directory;
    struct weft_directory_entry entry;
    int rc = weft_directory_open(place, &directory);
    if (rc < 0)
        return rc;
    while ((rc = weft_directory_next(directory, &entry)) > 0) {
    }
    weft_directory_close(directory);
    return rc;
}

FAULT_PROGRAM(watches)
{
    struct weft_watcher *watcher;
    struct weft_watch_event event;
    int rc = weft_watcher_open(NULL, NULL, &watcher);
    if (rc < 0)
        return rc == -ENOSYS && test_engine_is("sim") ? 0 : rc;
    int id = weft_watcher_add(watcher, place, WEFT_WATCH_MODIFIED | WEFT_WATCH_WRITTEN);
    put("watched", "x");
    if (id > 0)
        rc = weft_watcher_next(watcher, &event);
    if (id > 0 && rc == 0)
        rc = weft_watcher_remove(watcher, id);
    weft_watcher_close(watcher);
    return id < 0 ? id : rc;
}

/** The other side of the terminal of this test. */
static int slave = -1;

FAULT_PROGRAM(sets_modes)
{
    struct weft_terminal *terminal;
    struct weft_terminal_size size;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_terminal_open(&scope, slave, 0, &terminal);
    if (rc == 0)
        rc = weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW);
    if (rc == 0)
        rc = weft_terminal_get_size(slave, &size);
    if (rc == 0)
        rc = weft_terminal_close(terminal);
    return weft_scope_exit(&scope, rc);
}

static void sweep_all(const struct fault_sweep *sweep)
{
    test_limit(120);
    (void)fault_sweep_errors(sweep, WEFT_TESTING_ANY & ~WEFT_TESTING_MEMORY);
    (void)fault_sweep(sweep, WEFT_TESTING_MEMORY, ENOMEM);
}

TEST_EACH_ENGINE(one_file_while_calls_fail)
{
    static const struct fault_sweep sweep = {"file", run_one_file, documented};
    make_place();
    sweep_all(&sweep);
    remove_place();
}

TEST_EACH_ENGINE(whole_files_while_calls_fail)
{
    static const struct fault_sweep sweep = {"whole_files", run_whole_files, documented};
    make_place();
    sweep_all(&sweep);
    remove_place();
}

TEST_EACH_ENGINE(a_copy_while_calls_fail)
{
    static const struct fault_sweep sweep = {"copy", run_copies, documented};
    make_place();
    sweep_all(&sweep);
    remove_place();
}

TEST_EACH_ENGINE(a_listing_while_calls_fail)
{
    static const struct fault_sweep sweep = {"list", run_lists, documented};
    make_place();
    sweep_all(&sweep);
    remove_place();
}

TEST_EACH_ENGINE(a_watcher_while_calls_fail)
{
    static const struct fault_sweep sweep = {"watch", run_watches, documented};
    make_place();
    sweep_all(&sweep);
    remove_place();
}

TEST_EACH_ENGINE(a_terminal_while_calls_fail)
{
    static const struct fault_sweep sweep = {"terminal", run_sets_modes, documented};
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0);
    CHECK_EQ(grantpt(master), 0);
    CHECK_EQ(unlockpt(master), 0);
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    slave = open(name, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    sweep_all(&sweep);
    close(slave);
    close(master);
}
