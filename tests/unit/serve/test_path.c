/* SPDX-License-Identifier: MIT */
/*
 * test_path.c: Unix sockets of servers, and the paths that they leave
 *
 * Which paths are removed when a server opens, and which when it closes. Everything that is not
 * certainly a leftover of our own stays.
 */
#include "serve_test.h"

#include <sys/stat.h>

/** A folder of this test's own, and a path in it. */
static char folder[64], path[96], address[128];

static void make_folder(void)
{
    if (test_engine_is("sim"))
        SKIP("paths of a simulated world are no files");
    snprintf(folder, sizeof folder, "/tmp/weft-serve-XXXXXX");
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(address, sizeof address, "unix:%s", path);
}

static void remove_folder(void)
{
    unlink(path);
    CHECK_EQ(rmdir(folder), 0);
}

#define PATH_TEST(name)                                                                            \
    static void name##_inside(void);                                                               \
    TASK_TEST(name)                                                                                \
    {                                                                                              \
        make_folder();                                                                             \
        name##_inside();                                                                           \
        remove_folder();                                                                           \
    }                                                                                              \
    static void name##_inside(void)

/** A server at the path of this test. */
static struct weft_server *open_here(struct weft_scope *scope, weft_serve_fn *fn)
{
    return open_with(scope, (struct weft_serve_options){.address = address}, fn, NULL, NULL);
}

static bool exists(void)
{
    struct stat file;
    return lstat(path, &file) == 0;
}

static void check_served(void)
{
    struct weft_address to = address_of(address);
    int fd = client_of(&to);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
}

/** A path that a server left which ended in a hurry. */
static void leave_stale(int type)
{
    struct weft_address at = address_of(address);
    int fd = weft_socket(AF_UNIX, type, 0);
    CHECK_EQ(weft_bind(fd, &at), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK(exists());
}

PATH_TEST(a_path_goes_with_its_server)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_here(&s, echo);
    check_served();
    CHECK_EQ(weft_server_close(server), 0);
    CHECK(!exists());
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(a_stale_path_of_ours_is_replaced)
{
    struct weft_scope s;
    leave_stale(SOCK_STREAM);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_here(&s, echo);
    check_served();
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Two servers at once: as soon as one has bound, and before it listens, the other one begins. */

/** The table of the kernel, with a listen of our own. */
static struct weft_sys meddled;
/** Set when the first server is about to listen. */
static struct weft_event bound;
/** What became of the other one; positive: it has not ended. */
static int other_result;

static int listen_late(const struct weft_sys *sys, int fd, int backlog)
{
    (void)sys;
    if (!weft_event_is_set(&bound)) {
        weft_event_set(&bound);
        /* More turns than the other one needs where nothing makes it wait. */
        for (int i = 0; i < 20; i++)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
    }
    return weft_sys_default.listen(&weft_sys_default, fd, backlog);
}

static int open_other(void *arg)
{
    struct weft_serve_options options = {.address = address};
    struct weft_server *server;
    CHECK_EQ(weft_event_wait(&bound), 0);
    other_result = weft_server_open(arg, &options, swallow, NULL, &server);
    return 0;
}

static int open_two(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_event_init(&bound);
    other_result = 1;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&s, open_other, &s), 0);
    struct weft_server *server = open_here(&s, echo);
    while (other_result > 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_ERR(other_result, -EADDRINUSE);
    check_served();
    CHECK_EQ(weft_server_close(server), 0);
    CHECK(!exists());
    return weft_scope_exit(&s, 0);
}

static void open_two_meddled(void)
{
    struct weft_loop_options options = {.backend = test_engine(), .sys = &meddled};
    struct weft_loop *loop = NULL;
    meddled = weft_sys_default;
    meddled.listen = listen_late;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, open_two, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

TEST_EACH_ENGINE(of_two_that_start_at_once_over_a_free_path_one_serves)
{
    make_folder();
    open_two_meddled();
    remove_folder();
}

static int leave_stale_stream(void *arg)
{
    (void)arg;
    leave_stale(SOCK_STREAM);
    return 0;
}

TEST_EACH_ENGINE(of_two_that_start_at_once_over_a_stale_path_one_serves)
{
    make_folder();
    CHECK_EQ(run_program(leave_stale_stream), 0);
    open_two_meddled();
    remove_folder();
}

/** Takes the lock of the path away from servers. */
static int hold_lock(void)
{
    struct stat file;
    char name[128];
    CHECK_EQ(stat(folder, &file), 0);
    snprintf(name, sizeof name, "unix:@weft-path/%llx/%llx/socket", (unsigned long long)file.st_dev,
             (unsigned long long)file.st_ino);
    struct weft_address at = address_of(name);
    int fd = weft_socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(weft_bind(fd, &at), 0);
    return fd;
}

PATH_TEST(who_waits_for_the_lock_can_be_cancelled)
{
    struct weft_scope s;
    struct weft_serve_options options = {.address = address};
    struct weft_server *server = NULL;
    int fd = hold_lock();
    weft_scope_enter(&s, 20 * WEFT_MS);
    CHECK_ERR(weft_server_open(&s, &options, echo, NULL, &server), -ECANCELED);
    CHECK(!exists());
    CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
}

PATH_TEST(a_lock_that_a_stranger_keeps_stops_no_server)
{
    struct weft_scope s;
    int fd = hold_lock();
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_here(&s, echo);
    check_served();
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fd), 0);
}

PATH_TEST(a_path_where_somebody_listens_stays)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_here(&s, echo);
    CHECK_ERR(weft_serve(address, echo, NULL), -EADDRINUSE);
    CHECK_CONTAINS(weft_note(), path);
    check_served();
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(what_is_no_stream_socket_stays)
{
    leave_stale(SOCK_DGRAM);
    CHECK_EQ(unlink(path), 0);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    CHECK_OK(fd);
    CHECK_ERR(weft_serve(address, echo, NULL), -EADDRINUSE);
    CHECK(exists());
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(close(fd), 0);
    char target[128];
    snprintf(target, sizeof target, "%s/elsewhere", folder);
    CHECK_EQ(symlink(target, path), 0);
    CHECK_ERR(weft_serve(address, echo, NULL), -EADDRINUSE);
    CHECK(exists());
}

PATH_TEST(a_stale_path_of_another_user_stays)
{
    if (geteuid() != 0)
        SKIP("only root can give a file away");
    leave_stale(SOCK_STREAM);
    CHECK_EQ(lchown(path, 12345, (gid_t)-1), 0);
    CHECK_ERR(weft_serve(address, echo, NULL), -EADDRINUSE);
    CHECK(exists());
}

PATH_TEST(a_path_that_leads_to_a_newer_server_stays)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *old = open_here(&s, swallow);
    CHECK_EQ(unlink(path), 0);
    struct weft_server *new = open_here(&s, echo);
    CHECK_EQ(weft_server_close(old), 0);
    CHECK(exists());
    check_served();
    CHECK_EQ(weft_server_close(new), 0);
    CHECK(!exists());
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(a_server_that_was_handed_over_leaves_its_path)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *old = open_here(&s, swallow);
    int fd = -1;
    CHECK_EQ(weft_server_fds(old, &fd, 1), 1);
    int passed = dup(fd);
    CHECK_OK(passed);
    weft_server_keep_paths(old);
    CHECK_EQ(weft_server_close(old), 0);
    struct weft_serve_options given = {.fds = &passed, .fd_count = 1};
    struct weft_server *new = open_with(&s, given, echo, NULL, NULL);
    check_served();
    CHECK_EQ(weft_server_close(new), 0);
    CHECK(exists());
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(who_takes_a_server_over_can_take_its_path)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *old = open_here(&s, swallow);
    int fd = -1;
    CHECK_EQ(weft_server_fds(old, &fd, 1), 1);
    int passed = dup(fd);
    CHECK_OK(passed);
    weft_server_keep_paths(old);
    CHECK_EQ(weft_server_close(old), 0);
    struct weft_serve_options given = {.fds = &passed, .fd_count = 1};
    struct weft_server *new = open_with(&s, given, echo, NULL, NULL);
    weft_server_take_paths(new);
    CHECK_EQ(weft_server_close(new), 0);
    CHECK(!exists());
    weft_server_take_paths(new);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(paths_are_left_alone_on_request)
{
    struct weft_scope s;
    leave_stale(SOCK_STREAM);
    struct weft_serve_options options = {.address = address, .flags = WEFT_SERVE_KEEP_PATH};
    CHECK_ERR(weft_serve_with(&options, echo, NULL), -EADDRINUSE);
    CHECK_EQ(unlink(path), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK(exists());
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(a_path_has_the_permissions_that_were_asked_for)
{
    struct weft_scope s;
    struct stat file;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.address = address, .unix_mode = 0620};
    struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
    CHECK_EQ(lstat(path, &file), 0);
    CHECK_EQ(file.st_mode & 0777, 0620);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

PATH_TEST(a_server_that_fails_to_open_leaves_no_path)
{
    const char *texts[] = {address, "unix:/nonexistent/socket"};
    struct weft_serve_options options = {.addresses = texts, .address_count = 2};
    CHECK_ERR(weft_serve_with(&options, echo, NULL), -ENOENT);
    CHECK(!exists());
}

TASK_TEST(abstract_names_are_served)
{
    struct weft_scope s;
    char name[64];
    snprintf(name, sizeof name, "unix:@weft-serve-test-%d", (int)getpid());
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.address = name};
    struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
    struct weft_address to = address_of(name);
    int fd = client_of(&to);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
    CHECK_ERR(weft_serve(name, echo, NULL), -EADDRINUSE);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(unix_names_of_a_world_are_served)
{
    struct weft_scope s;
    if (!test_engine_is("sim"))
        SKIP("for simulated worlds");
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.address = "unix:/nonexistent/socket"};
    struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
    struct weft_address to = address_of(options.address);
    int fd = client_of(&to);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
