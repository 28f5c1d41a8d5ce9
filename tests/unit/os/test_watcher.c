/* SPDX-License-Identifier: MIT */
/*
 * test_watcher.c: what a watcher tells of files and directories
 *
 * Things are done with plain calls or with a real shell, mv and rm, then the events are read: they
 * are in the kernel's queue by then, so that nothing depends on time. Only half a move waits.
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

static const char *in(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", place, name);
    return path;
}

/** Runs a command of a shell in the directory. */
static void shell(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && { %s\n}", place, command);
    CHECK_EQ(system(line), 0);
}

/** A directory and a watcher on it. */
static struct weft_watcher *watch_place(unsigned what)
{
    struct weft_watcher *watcher = NULL;
    int rc = weft_watcher_open(NULL, NULL, &watcher);
    if (test_engine_is("sim")) {
        CHECK_ERR(rc, -ENOSYS);
        CHECK(watcher == NULL);
        SKIP("a simulated world has nothing to watch");
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(weft_file_temporary_directory(NULL, place, sizeof place), 0);
    CHECK_EQ(weft_watcher_add(watcher, place, what), 1);
    return watcher;
}

static void leave_place(struct weft_watcher *watcher)
{
    char line[300];
    weft_watcher_close(watcher);
    snprintf(line, sizeof line, "rm -r %s", place);
    CHECK_EQ(system(line), 0);
}

/** The next event, which must be this. */
static struct weft_watch_event expect(struct weft_watcher *watcher, enum weft_watch_what what,
                                      const char *name)
{
    struct weft_watch_event event;
    CHECK_EQ(weft_watcher_next(watcher, &event), 0);
    if (event.what != what || strcmp(event.name, name) != 0)
        FAIL("event %d of \"%s\" came instead of %d of \"%s\"", event.what, event.name, what, name);
    return event;
}

/** Nothing more has happened. */
static void expect_nothing(struct weft_watcher *watcher)
{
    struct weft_watch_event event = {0};
    int rc = (int)weft_within(0, weft_watcher_next(watcher, &event));
    if (rc == 0)
        FAIL("event %d of \"%s\" came, too", event.what, event.name);
    CHECK_ERR(rc, -ETIMEDOUT);
}

OS_TEST(a_directory_tells_what_happens_to_its_names)
{
    struct weft_watcher *watcher = watch_place(0);
    struct weft_watch_event event;
    shell("echo text > file; chmod 600 file; mkdir directory; rm file; rmdir directory");
    event = expect(watcher, WEFT_WATCH_CREATED, "file");
    CHECK_EQ(event.watch, 1);
    CHECK_STR(event.path, place);
    CHECK_EQ(event.is_directory, 0);
    CHECK_EQ(event.from_watch, 0);
    CHECK(event.from_name == NULL);
    expect(watcher, WEFT_WATCH_MODIFIED, "file");
    expect(watcher, WEFT_WATCH_WRITTEN, "file");
    expect(watcher, WEFT_WATCH_ATTRIBUTES, "file");
    event = expect(watcher, WEFT_WATCH_CREATED, "directory");
    CHECK(event.is_directory);
    expect(watcher, WEFT_WATCH_REMOVED, "file");
    event = expect(watcher, WEFT_WATCH_REMOVED, "directory");
    CHECK(event.is_directory);
    leave_place(watcher);
}

OS_TEST(only_what_was_asked_for_is_told)
{
    struct weft_watcher *watcher = watch_place(WEFT_WATCH_REMOVED);
    shell("echo text > file; mv file other; rm other");
    expect(watcher, WEFT_WATCH_REMOVED, "other");
    expect_nothing(watcher);
    CHECK_ERR(weft_watcher_add(watcher, "/", 1u << 20), -EINVAL);
    leave_place(watcher);
}

OS_TEST(a_rename_is_one_event)
{
    struct weft_watcher *watcher;
    struct weft_watch_event event;
    watcher = watch_place(WEFT_WATCH_MOVED | WEFT_WATCH_CREATED);
    shell("mkdir a b; touch a/one; touch x");
    expect(watcher, WEFT_WATCH_CREATED, "a");
    expect(watcher, WEFT_WATCH_CREATED, "b");
    expect(watcher, WEFT_WATCH_CREATED, "x");
    int a = weft_watcher_add(watcher, in("a"), WEFT_WATCH_MOVED | WEFT_WATCH_CREATED);
    int b = weft_watcher_add(watcher, in("b"), WEFT_WATCH_MOVED | WEFT_WATCH_CREATED);
    CHECK_EQ(a, 2);
    CHECK_EQ(b, 3);
    shell("mv x y; mv a/one b/two; touch z");
    event = expect(watcher, WEFT_WATCH_MOVED, "y");
    CHECK_EQ(event.from_watch, 1);
    CHECK_STR(event.from_name, "x");
    event = expect(watcher, WEFT_WATCH_MOVED, "two");
    CHECK_EQ(event.watch, b);
    CHECK_EQ(event.from_watch, a);
    CHECK_STR(event.from_name, "one");
    CHECK_STR(event.from_path, in("a"));
    CHECK_STR(event.path, in("b"));
    expect(watcher, WEFT_WATCH_CREATED, "z");
    expect_nothing(watcher);
    leave_place(watcher);
}

OS_TEST(half_a_move_is_told_as_that_and_in_its_place)
{
    struct weft_watcher *watcher;
    struct weft_watch_event event;
    watcher = watch_place(0);
    shell("mkdir out; mkdir inner; touch inner/file; touch file");
    CHECK_EQ(weft_watcher_remove(watcher, 1), 0);
    CHECK_EQ(weft_watcher_add(watcher, in("inner"), 0), 2);
    shell("mv inner/file out/; touch inner/next; mv file inner/");
    event = expect(watcher, WEFT_WATCH_MOVED_OUT, "file");
    CHECK_EQ(event.watch, 2);
    expect(watcher, WEFT_WATCH_CREATED, "next");
    expect(watcher, WEFT_WATCH_ATTRIBUTES, "next");
    expect(watcher, WEFT_WATCH_WRITTEN, "next");
    expect(watcher, WEFT_WATCH_MOVED_IN, "file");
    expect_nothing(watcher);
    leave_place(watcher);
}

OS_TEST(a_file_that_is_saved_by_renaming_another_over_it_is_gone)
{
    struct weft_watcher *watcher = watch_place(WEFT_WATCH_MOVED);
    struct weft_watch_event event;
    shell("echo old > file");
    int file = weft_watcher_add(watcher, in("file"), WEFT_WATCH_WRITTEN);
    CHECK_EQ(file, 2);
    shell("echo new > .file.swp; mv .file.swp file");
    /* The directory sees the rename, the old file its end: in which order, the kernel decides. */
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_watcher_next(watcher, &event), 0);
        if (event.watch == file) {
            CHECK_EQ(event.what, WEFT_WATCH_GONE);
            CHECK_STR(event.path, in("file"));
        } else {
            CHECK_EQ(event.what, WEFT_WATCH_MOVED);
            CHECK_STR(event.from_name, ".file.swp");
            CHECK_STR(event.name, "file");
        }
    }
    CHECK_ERR(weft_watcher_remove(watcher, file), -EINVAL);
    file = weft_watcher_add(watcher, in("file"), WEFT_WATCH_WRITTEN);
    CHECK_EQ(file, 3);
    shell("echo more >> file");
    CHECK_EQ(expect(watcher, WEFT_WATCH_WRITTEN, "").watch, 3);
    leave_place(watcher);
}

OS_TEST(the_end_of_what_is_watched_is_told_once)
{
    struct weft_watcher *watcher = watch_place(WEFT_WATCH_MOVED);
    shell("mkdir inner");
    int inner = weft_watcher_add(watcher, in("inner"), 0);
    CHECK_ERR(weft_watcher_add(watcher, in("inner"), 0), -EEXIST);
    shell("mv inner other");
    expect(watcher, WEFT_WATCH_MOVED, "other");
    CHECK_EQ(expect(watcher, WEFT_WATCH_MOVED_ITSELF, "").watch, inner);
    shell("rmdir other; mkdir inner");
    CHECK_EQ(expect(watcher, WEFT_WATCH_GONE, "").watch, inner);
    expect_nothing(watcher);
    leave_place(watcher);
}

OS_TEST(what_was_removed_tells_nothing_more)
{
    struct weft_watcher *watcher = watch_place(0);
    shell("touch file");
    CHECK_EQ(weft_watcher_remove(watcher, 1), 0);
    CHECK_ERR(weft_watcher_remove(watcher, 1), -EINVAL);
    CHECK_ERR(weft_watcher_add(watcher, in("none"), 0), -ENOENT);
    expect_nothing(watcher);
    leave_place(watcher);
}

OS_TEST(an_overflow_of_the_kernels_queue_is_an_event)
{
    struct weft_watcher *watcher = watch_place(WEFT_WATCH_MODIFIED);
    struct weft_watch_event event;
    int limit = 0, count = 0, fds[2];
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%d", &limit), 1);
    fclose(file);
    if (limit > 100000)
        SKIP("the kernel's queue is too long to fill here");
    /* In turns, because equal events in a row are one. */
    fds[0] = open(in("a"), O_WRONLY | O_CREAT, 0600);
    fds[1] = open(in("b"), O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i <= limit; i++)
        CHECK_EQ(pwrite(fds[i % 2], "x", 1, 0), 1);
    do {
        CHECK_EQ(weft_watcher_next(watcher, &event), 0);
        count++;
    } while (event.what != WEFT_WATCH_OVERFLOW);
    CHECK_EQ(count, limit + 1);
    CHECK_EQ(event.watch, 0);
    CHECK_STR(event.path, "");
    /* It goes on. */
    CHECK_EQ(write(fds[0], "x", 1), 1);
    expect(watcher, WEFT_WATCH_MODIFIED, "a");
    close(fds[0]);
    close(fds[1]);
    leave_place(watcher);
}

/* --- Waiting --------------------------------------------------------------------------------- */

static int wait_closed(struct weft_watcher *watcher)
{
    struct weft_watch_event event;
    return weft_watcher_next(watcher, &event) == -WEFT_ECLOSED ? 0 : -EIO;
}
WEFT_TASK(wait_closed, struct weft_watcher *);

OS_TEST(a_close_ends_the_wait)
{
    struct weft_watcher *watcher = watch_place(0);
    struct weft_scope scope;
    struct weft_watch_event event;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, wait_closed, watcher);
    CHECK_EQ(weft_yield(), 0);
    CHECK_ERR(weft_watcher_next(watcher, &event), -EBUSY);
    leave_place(watcher);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_watcher_close(NULL);
}

static int wait_event(struct weft_watcher *watcher)
{
    struct weft_watch_event event;
    int rc = weft_watcher_next(watcher, &event);
    return rc < 0 ? rc : event.what == WEFT_WATCH_CREATED ? 0 : -EIO;
}
WEFT_TASK(wait_event, struct weft_watcher *);

OS_TEST(who_waits_is_woken_by_what_happens)
{
    struct weft_watcher *watcher = watch_place(0);
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, wait_event, watcher);
    CHECK_EQ(weft_yield(), 0);
    shell("mkdir x");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    leave_place(watcher);
}

OS_TEST(a_cancelled_wait_takes_no_event)
{
    struct weft_watcher *watcher = watch_place(0);
    struct weft_scope scope;
    struct weft_watch_event event;
    CHECK_ERR(weft_within(WEFT_MS, weft_watcher_next(watcher, &event)), -ETIMEDOUT);
    shell("mkdir x; mkdir y; mv x ..weft-test-$$; rmdir ..weft-test-$$");
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_watcher_next(watcher, &event), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    expect(watcher, WEFT_WATCH_CREATED, "x");
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_watcher_next(watcher, &event), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    expect(watcher, WEFT_WATCH_CREATED, "y");
    leave_place(watcher);
}

OS_TEST(a_wait_for_the_other_half_can_be_cancelled)
{
    struct weft_watcher_options options = {.size = sizeof options, .pair_wait = WEFT_HOUR};
    struct weft_watcher *watcher, *patient;
    struct weft_watch_event event;
    watcher = watch_place(0);
    CHECK_EQ(weft_watcher_open(NULL, &options, &patient), 0);
    shell("mkdir inner; touch inner/a");
    CHECK_EQ(weft_watcher_add(patient, in("inner"), WEFT_WATCH_MOVED), 1);
    shell("mv inner/a b");
    CHECK_ERR(weft_within(WEFT_MS, weft_watcher_next(patient, &event)), -ETIMEDOUT);
    /* The other half comes where a later watch sees it. */
    weft_watcher_close(patient);
    leave_place(watcher);
}

OS_TEST(the_end_of_its_scope_closes_a_watcher)
{
    struct weft_watcher *watcher, *scoped;
    struct weft_scope scope;
    watcher = watch_place(0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_watcher_open(&scope, NULL, &scoped), 0);
    CHECK_EQ(weft_watcher_add(scoped, place, 0), 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_watcher_open(&scope, NULL, &scoped), 0);
    weft_watcher_close(scoped);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    leave_place(watcher);
}
