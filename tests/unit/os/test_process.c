/* SPDX-License-Identifier: MIT */
/*
 * test_process.c: processes of a scope
 *
 * Real programs do the talking: cat, sh, yes, head, sleep. In a simulated world there are none, so
 * that a test of sim has one answer to see. What must be waited for is waited for by a pipe's end
 * or by the process's own; times only bound from above what a broken library would wait for ever.
 */
#define _GNU_SOURCE 1

#include "os_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/** A test with processes: not on sim. */
#define PROCESS_TEST(name)                                                                         \
    static void name##_real(void);                                                                 \
    OS_TEST(name)                                                                                  \
    {                                                                                              \
        if (test_engine_is("sim"))                                                                 \
            SKIP("a simulated world has no processes");                                            \
        name##_real();                                                                             \
    }                                                                                              \
    static void name##_real(void)

#define ARGUMENTS(...)                                                                             \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define SCRIPT(text) ARGUMENTS("/bin/sh", "-c", text)

static struct weft_process *start(struct weft_scope *scope, const char *const *arguments,
                                  const struct weft_process_options *options)
{
    struct weft_process *process = NULL;
    int rc = weft_process_spawn(scope, arguments, options, &process);
    if (rc < 0)
        FAIL("%s: %s", weft_strerrorname(rc), weft_note());
    return process;
}

/** Runs a process to its own end; its status, or minus its signal. */
static int status_of(const char *const *arguments, const struct weft_process_options *options)
{
    struct weft_scope scope;
    struct weft_exit how = {99, 99, 99};
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_process_wait(start(&scope, arguments, options), &how));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    return how.signal ? -how.signal : how.status;
}

/** Whether a line of /proc/PID/stat tells of one who runs in the group. */
static bool tells_of_member(const char *line, pid_t group)
{
    const char *end = strrchr(line, ')');
    char state;
    int member;
    return end && sscanf(end, ") %c %*d %d", &state, &member) == 2 && state != 'Z' &&
           state != 'X' && member == group;
}

/** Looks at once, not by a program, whose start would take a while. */
static bool runs_in_group(pid_t group)
{
    bool found = false;
    const struct dirent *entry;
    DIR *proc = opendir("/proc");
    CHECK(proc);
    while (!found && (entry = readdir(proc)) != NULL) {
        char path[300], line[512] = "";
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, line, sizeof line - 1) > 0)
            found = tells_of_member(line, group);
        if (fd >= 0)
            close(fd);
    }
    closedir(proc);
    return found;
}

/** Nobody in the group runs any more; those who have ended may wait for init. */
static void check_empty_group(pid_t group)
{
    CHECK(!runs_in_group(group));
}

static const struct weft_process_fd piped[] = {
    {.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN},
    {.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT},
};

/** Both ends of it are streams. */
static const struct weft_process_options with_pipes = {.fds = piped, .fd_count = 2};

/** Spawns processes and waits for them; how many gave their own status. */
static int spawn_some(void *arg)
{
    int right = 0;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        char script[32];
        snprintf(script, sizeof script, "exit %d", i);
        right += status_of(SCRIPT(script), NULL) == i;
    }
    return right;
}

/* Starting and ending. */

PROCESS_TEST(the_status_and_the_signal_of_a_process_are_told)
{
    CHECK_EQ(status_of(ARGUMENTS("true"), NULL), 0);
    CHECK_EQ(status_of(SCRIPT("exit 7"), NULL), 7);
    CHECK_EQ(status_of(SCRIPT("kill -TERM $$"), NULL), -SIGTERM);
}

TEST(an_end_is_put_into_words)
{
    char text[WEFT_EXIT_TEXT_SIZE];
    struct weft_exit fine = {0, 0, 0}, bad = {3, 0, 0}, killed = {-1, 9, 0}, core = {-1, 11, 1};
    struct weft_exit both = {0, 9, 0};
    CHECK(weft_exit_ok(&fine) && !weft_exit_ok(&bad) && !weft_exit_ok(&killed));
    CHECK(!weft_exit_ok(&both));
    CHECK_STR(weft_exit_format(&bad, text, sizeof text), "exited with status 3");
    CHECK_STR(weft_exit_format(&killed, text, sizeof text), "ended by signal 9");
    CHECK_STR(weft_exit_format(&core, text, sizeof text), "ended by signal 11 (core dumped)");
}

static int wait_for_process(void *arg)
{
    struct weft_exit how;
    int rc = weft_process_wait(arg, &how);
    return rc < 0 ? rc : how.status;
}

PROCESS_TEST(any_number_of_tasks_may_wait_and_all_are_told)
{
    struct weft_scope scope;
    struct weft_task *tasks[3];
    struct weft_exit how;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("cat"), &with_pipes);
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_spawn_fn(&scope, &tasks[i], wait_for_process, process));
    CHECK_EQ(weft_yield(), 0);
    CHECK_ERR(weft_process_try_wait(process, &how), -EAGAIN);
    weft_task_cancel(tasks[0]);
    CHECK_OK(weft_process_close_stream(process, 0));
    int results[3];
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_join(tasks[i], &results[i]));
    CHECK_ERR(results[0], -ECANCELED);
    CHECK_EQ(results[1], 0);
    CHECK_EQ(results[2], 0);
    CHECK_OK(weft_process_try_wait(process, &how));
    CHECK_OK(weft_process_wait(process, NULL));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(what_a_failed_start_lacks_is_told_with_step_and_path)
{
    static const struct weft_process_fd missing[] = {
        {.child_fd = 0, .what = WEFT_PROCESS_READ, .path = "/nowhere/in"}};
    static const struct weft_process_fd twice[] = {{.child_fd = 1, .what = WEFT_PROCESS_NULL},
                                                   {.child_fd = 1, .what = WEFT_PROCESS_NULL}};
    static const struct weft_process_fd closed[] = {
        {.child_fd = 5, .what = WEFT_PROCESS_FD, .fd = 999}};
    static const struct weft_process_fd backward[] = {
        {.child_fd = 2, .what = WEFT_PROCESS_SAME_AS, .fd = 1}};
    static const struct {
        const char *program;
        struct weft_process_options options;
        int error;
        const char *note;
    } cases[] = {
        {"weft-no-such-program", {0}, -ENOENT, "cannot start weft-no-such-program: exec"},
        {"/etc/passwd", {0}, -EACCES, "cannot start /etc/passwd: exec"},
        {"", {0}, -ENOENT, "exec"},
        {"true", {.directory = "/nowhere"}, -ENOENT, "cannot start true: directory /nowhere"},
        {"true", {.fds = missing, .fd_count = 1}, -ENOENT, "descriptor 0: /nowhere/in"},
        {"true", {.fds = twice, .fd_count = 2}, -EINVAL, "descriptor 1 is asked for twice"},
        {"true", {.fds = closed, .fd_count = 1}, -EBADF, "its descriptors"},
        {"true", {.fds = backward, .fd_count = 1}, -EINVAL, "does not stand before it"},
        {"true", {.flags = WEFT_PROCESS_TERMINAL}, -ENOTTY, "its terminal"},
    };
    struct weft_scope scope;
    struct weft_process *process = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_ERR(
            weft_process_spawn(&scope, ARGUMENTS(cases[i].program), &cases[i].options, &process),
            cases[i].error);
        CHECK_CONTAINS(weft_note(), cases[i].note);
    }
    const char *const none[] = {NULL};
    CHECK_ERR(weft_process_spawn(&scope, none, NULL, &process), -EINVAL);
    CHECK(process == NULL);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

OS_TEST(a_simulated_world_has_no_processes)
{
    struct weft_scope scope;
    struct weft_process *process;
    struct weft_process_result result;
    if (!test_engine_is("sim"))
        SKIP("this one has");
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_process_spawn(&scope, ARGUMENTS("true"), NULL, &process), -ENOTSUP);
    CHECK_CONTAINS(weft_note(), "a simulated world has no processes");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(weft_process_run(ARGUMENTS("true"), NULL, &result), -ENOTSUP);
}

PROCESS_TEST(a_cancelled_spawn_starts_nothing)
{
    struct weft_scope scope;
    struct weft_process *process = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_process_spawn(&scope, ARGUMENTS("true"), NULL, &process), -ECANCELED);
    CHECK(process == NULL);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/* What it is given. */

PROCESS_TEST(environment_directory_and_path_are_as_asked)
{
    static const char *const more[] = {"WEFT_A=1", "WEFT_A=2", "WEFT_GONE", NULL};
    static const char *const alone[] = {"PATH=/nowhere:/bin", "ONLY=me", NULL};
    struct weft_process_options options = {.environment = more, .directory = "/"};
    CHECK_EQ(setenv("WEFT_GONE", "x", 1), 0);
    CHECK_EQ(setenv("WEFT_KEPT", "y", 1), 0);
    CHECK_EQ(status_of(SCRIPT("test \"$WEFT_A-$WEFT_GONE-$WEFT_KEPT-$(pwd)\" = 2--y-/"), &options),
             0);
    options = (struct weft_process_options){.environment = alone,
                                            .flags = WEFT_PROCESS_CLEAN_ENVIRONMENT};
    CHECK_EQ(status_of(ARGUMENTS("sh", "-c", "test \"$ONLY-$WEFT_KEPT\" = me-"), &options), 0);
    /* The name is not the program. */
    options.program = "/bin/sh";
    CHECK_EQ(status_of(ARGUMENTS("me", "-c", "test $0 = x", "x"), &options), 0);
}

PROCESS_TEST(an_environment_may_lack_a_path_or_all)
{
    static const char *const unknown[] = {"WEFT_NEVER_WAS_THERE", NULL};
    static const char *const without_path[] = {"A=1", NULL};
    static const char *const here[] = {"PATH=:/nowhere", NULL};
    struct weft_process_options options = {.environment = unknown};
    CHECK_EQ(status_of(SCRIPT("test -z \"$WEFT_NEVER_WAS_THERE\""), &options), 0);
    options = (struct weft_process_options){.flags = WEFT_PROCESS_CLEAN_ENVIRONMENT};
    CHECK_EQ(status_of(ARGUMENTS("sh", "-c", "test -z \"$HOME\""), &options), 0);
    options.environment = without_path;
    CHECK_EQ(status_of(ARGUMENTS("sh", "-c", "test \"$A\" = 1"), &options), 0);
    /* An empty place in the path is the working directory. */
    options.environment = here;
    options.directory = "/bin";
    CHECK_EQ(status_of(ARGUMENTS("sh", "-c", "exit 5"), &options), 5);
}

PROCESS_TEST(without_arguments_there_is_no_process)
{
    struct weft_process *process = NULL;
    const char *const none[] = {NULL};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_process_spawn(&scope, NULL, NULL, &process), -EINVAL);
    CHECK_ERR(weft_process_spawn(&scope, none, NULL, &process), -EINVAL);
    CHECK_CONTAINS(weft_note(), "its name as first argument");
    CHECK(process == NULL);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(descriptors_are_as_asked_and_no_others_are_open)
{
    char path[] = "/tmp/weft-process-XXXXXX", text[64] = "";
    int leak = open("/dev/null", O_RDONLY), ours = mkstemp(path);
    CHECK_EQ(fcntl(ours, F_SETFL, O_APPEND), 0);
    const struct weft_process_fd fds[] = {
        {.child_fd = 0, .what = WEFT_PROCESS_READ, .path = path},
        {.child_fd = 1, .what = WEFT_PROCESS_APPEND, .path = path},
        {.child_fd = 2, .what = WEFT_PROCESS_SAME_AS, .fd = 1},
        {.child_fd = 7, .what = WEFT_PROCESS_FD, .fd = ours},
        {.child_fd = 3, .what = WEFT_PROCESS_CLOSED},
    };
    const struct weft_process_options options = {.fds = fds, .fd_count = 5};
    char script[256];
    snprintf(script, sizeof script,
             "read word; test $word = in || exit 1; echo out; echo err >&2; echo seven >&7;"
             "test -e /proc/self/fd/%d && exit 2; test -e /proc/self/fd/3 && exit 3; exit 0",
             leak);
    CHECK_EQ(write(ours, "in\n", 3), 3);
    CHECK_EQ(status_of(SCRIPT(script), &options), 0);
    CHECK_EQ(pread(ours, text, sizeof text - 1, 0), 17);
    CHECK_STR(text, "in\nout\nerr\nseven\n");
    CHECK_EQ(unlink(path), 0);
    CHECK(close(ours) == 0 && close(leak) == 0);
}

PROCESS_TEST(a_descriptor_of_ours_is_inherited_at_its_number)
{
    char path[] = "/tmp/weft-process-XXXXXX", text[8] = "";
    int ours = mkstemp(path);
    const struct weft_process_fd fds[] = {{.child_fd = ours, .what = WEFT_PROCESS_INHERIT}};
    const struct weft_process_options options = {.fds = fds, .fd_count = 1};
    char script[64];
    CHECK_EQ(fcntl(ours, F_SETFD, FD_CLOEXEC), 0);
    snprintf(script, sizeof script, "echo ours >&%d", ours);
    CHECK_EQ(status_of(SCRIPT(script), &options), 0);
    CHECK_EQ(pread(ours, text, sizeof text - 1, 0), 5);
    CHECK_STR(text, "ours\n");
    CHECK_EQ(fcntl(ours, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(close(ours), 0);
}

PROCESS_TEST(without_a_word_the_input_is_empty)
{
    CHECK_EQ(status_of(ARGUMENTS("cat"), NULL), 0);
}

PROCESS_TEST(a_file_is_emptied_and_a_mask_is_obeyed)
{
    char path[] = "/tmp/weft-process-XXXXXX";
    CHECK_EQ(close(mkstemp(path)), 0);
    CHECK_EQ(unlink(path), 0);
    const struct weft_process_fd fds[] = {
        {.child_fd = 1, .what = WEFT_PROCESS_WRITE, .path = path}};
    const struct weft_process_options options = {
        .fds = fds, .fd_count = 1, .flags = WEFT_PROCESS_UMASK, .umask = 077};
    CHECK_EQ(status_of(SCRIPT("umask"), &options), 0);
    CHECK_EQ(status_of(SCRIPT("umask"), &options), 0);
    char text[16] = "";
    int fd = open(path, O_RDONLY);
    CHECK_EQ(read(fd, text, sizeof text - 1), 5);
    CHECK_STR(text, "0077\n");
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink(path), 0);
}

PROCESS_TEST(credentials_and_priority_are_as_asked)
{
    if (geteuid() != 0)
        SKIP("only root may change them");
    const gid_t groups[] = {7};
    const struct weft_process_credentials who = {
        .uid = 12345, .gid = 54321, .groups = groups, .group_count = 1};
    const struct weft_process_credentials group = {.uid = WEFT_PROCESS_UNCHANGED, .gid = 54321};
    struct weft_process_options options = {.credentials = &who, .nice = 3};
    CHECK_EQ(status_of(SCRIPT("test \"$(id -u) $(id -G) $(nice)\" = '12345 54321 7 3'"), &options),
             0);
    options.credentials = &group;
    CHECK_EQ(status_of(SCRIPT("test \"$(id -u) $(id -G)\" = '0 54321'"), &options), 0);
}

PROCESS_TEST(groups_and_sessions_are_as_asked)
{
    static const char script[] = "read p n s pp g ss rest </proc/$$/stat;"
                                 "test $g = $$ && exit 1; test $ss = $$ && exit 2; exit 0";
    struct weft_process_options options = {.group = WEFT_PROCESS_GROUP_OWN};
    CHECK_EQ(status_of(SCRIPT(script), &options), 1);
    options.group = WEFT_PROCESS_GROUP_SHARED;
    CHECK_EQ(status_of(SCRIPT(script), &options), 0);
    options.group = WEFT_PROCESS_GROUP_SESSION;
    CHECK_EQ(status_of(SCRIPT("read p n s pp g ss rest </proc/$$/stat; test $ss = $$"), &options),
             0);
}

PROCESS_TEST(a_process_does_not_inherit_that_a_run_ignores_sigpipe)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    /* yes ends by SIGPIPE, and head has what it wants. */
    CHECK_EQ(status_of(SCRIPT("test \"$(yes | head -n 2 | wc -l)\" -eq 2"), NULL), 0);
    CHECK_EQ(status_of(SCRIPT("kill -PIPE $$; exit 0"), NULL), -SIGPIPE);
}

/* Talking. */

PROCESS_TEST(pipes_are_streams)
{
    struct weft_scope scope;
    struct weft_exit how;
    char *line;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("cat"), &with_pipes);
    struct weft_stream *in = weft_process_stream(process, 0);
    struct weft_stream *out = weft_process_stream(process, 1);
    CHECK(weft_process_stream(process, 2) == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(weft_stream_write_all(in, "hello\n", 6));
        CHECK_EQ(weft_stream_read_line(out, &line), 6);
        CHECK_STR(line, "hello\n");
    }
    CHECK_OK(weft_process_close_stream(process, 0));
    CHECK_ERR(weft_process_close_stream(process, 0), -EBADF);
    CHECK(weft_process_stream(process, 0) == NULL);
    CHECK_EQ(weft_stream_read_line(out, &line), 0);
    CHECK_OK(weft_process_wait(process, &how));
    CHECK(weft_exit_ok(&how));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(signals_reach_the_process_and_never_one_that_has_ended)
{
    struct weft_scope scope;
    struct weft_exit how;
    char *line;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(
        &scope, SCRIPT("trap 'echo hup' HUP; echo ready; while :; do read x; done"), &with_pipes);
    struct weft_stream *out = weft_process_stream(process, 1);
    CHECK_EQ(weft_stream_read_line(out, &line), 6);
    CHECK_OK(weft_process_signal(process, SIGHUP));
    CHECK_EQ(weft_stream_read_line(out, &line), 4);
    CHECK_ERR(weft_process_signal(process, 1000), -EINVAL);
    CHECK_OK(weft_process_signal(process, SIGKILL));
    CHECK_OK(weft_process_wait(process, &how));
    CHECK_EQ(how.signal, SIGKILL);
    CHECK_EQ(how.status, -1);
    CHECK_ERR(weft_process_signal(process, SIGKILL), -ESRCH);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/* The end of a scope. */

PROCESS_TEST(the_end_of_a_scope_ends_its_processes_with_all_they_started)
{
    struct weft_scope scope;
    char *line;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process =
        start(&scope, SCRIPT("sleep 1000 & sh -c 'sleep 1000 & echo x; wait' & wait"), &with_pipes);
    pid_t group = weft_process_pid(process);
    CHECK_EQ(weft_stream_read_line(weft_process_stream(process, 1), &line), 2);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    check_empty_group(group);
}

PROCESS_TEST(a_cancelled_scope_ends_its_processes)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, 20 * WEFT_MS);
    struct weft_process *process = start(&scope, ARGUMENTS("sleep", "1000"), NULL);
    pid_t pid = weft_process_pid(process);
    int rc = weft_process_wait(process, NULL);
    CHECK_ERR(rc, -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, rc), -ETIMEDOUT);
    CHECK_EQ(kill(pid, 0), -1);
}

PROCESS_TEST(what_an_ended_process_left_in_its_group_is_ended_with_the_scope)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process =
        start(&scope, SCRIPT("sleep 1000 >/dev/null 2>&1 & exit 0"), NULL);
    pid_t group = weft_process_pid(process);
    CHECK_OK(weft_process_wait(process, NULL));
    CHECK_OK(weft_process_signal_group(process, 0));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    check_empty_group(group);
}

PROCESS_TEST(a_process_that_shares_our_group_is_ended_alone)
{
    struct weft_process_options options = with_pipes;
    struct weft_scope scope;
    char *line;
    options.group = WEFT_PROCESS_GROUP_SHARED;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process =
        start(&scope, SCRIPT("sleep 1000 >/dev/null & echo $!; wait"), &options);
    pid_t pid = weft_process_pid(process);
    CHECK(weft_stream_read_line(weft_process_stream(process, 1), &line) > 1);
    pid_t other = atoi(line);
    CHECK_ERR(weft_process_signal_group(process, 0), -ENOTSUP);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(kill(pid, 0), -1);
    CHECK_EQ(kill(other, 0), 0);
    CHECK_EQ(kill(other, SIGKILL), 0);
}

PROCESS_TEST(a_process_that_ignores_sigterm_is_killed_after_its_grace)
{
    struct weft_scope scope;
    struct weft_process_options options = with_pipes;
    char *line;
    options.grace = 50 * WEFT_MS;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(
        &scope, SCRIPT("trap '' TERM; (echo x; while :; do sleep 1000; done) & wait"), &options);
    pid_t group = weft_process_pid(process);
    CHECK_EQ(weft_stream_read_line(weft_process_stream(process, 1), &line), 2);
    weft_ns before = weft_clock();
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(weft_clock() - before >= 50 * WEFT_MS);
    check_empty_group(group);
}

/** Puts a process onto one processor, behind all who want to run there: also its end takes a while.
 *  Returns one who wants to, for ever. */
static pid_t hold_up(pid_t pid)
{
    static const struct sched_param none;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    (void)sched_setaffinity(pid, sizeof one, &one);
    /* By number, because musl refuses. */
    CHECK_EQ(syscall(SYS_sched_setscheduler, pid, SCHED_IDLE, &none), 0);
    pid_t busy = fork();
    CHECK(busy >= 0);
    if (busy == 0)
        for ((void)sched_setaffinity(0, sizeof one, &one);;) {
        }
    return busy;
}

PROCESS_TEST(others_of_a_group_that_is_killed_have_ended_with_the_scope)
{
    struct weft_process_options options = with_pipes;
    struct weft_scope scope;
    char *line;
    options.grace = -1;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process =
        start(&scope, SCRIPT("sleep 1000 >/dev/null & echo $!; wait"), &options);
    CHECK(weft_stream_read_line(weft_process_stream(process, 1), &line) > 1);
    pid_t group = weft_process_pid(process), busy = hold_up(atoi(line));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    check_empty_group(group);
    CHECK_EQ(kill(busy, SIGKILL), 0);
    CHECK_EQ(waitpid(busy, NULL, 0), busy);
}

PROCESS_TEST(a_process_has_its_grace_to_clean_up)
{
    struct weft_scope scope;
    char path[] = "/tmp/weft-process-XXXXXX", script[128], *line;
    struct stat info;
    CHECK_EQ(close(mkstemp(path)), 0);
    snprintf(script, sizeof script, "trap 'sleep 0.05; rm %s; exit' TERM; echo x; read y", path);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, SCRIPT(script), &with_pipes);
    CHECK_EQ(weft_stream_read_line(weft_process_stream(process, 1), &line), 2);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(stat(path, &info), -1);
}

/** A signal that comes before it has stopped would end it at once. */
static void wait_for_stop(pid_t pid)
{
    siginfo_t info;
    do {
        info.si_pid = 0;
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT), 0);
    } while (info.si_pid == 0);
}

PROCESS_TEST(a_process_may_have_all_the_time_there_is_to_end)
{
    const struct weft_process_options options = {.grace = WEFT_FOREVER};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, SCRIPT("sleep 1000 & wait"), &options);
    pid_t group = weft_process_pid(process);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    check_empty_group(group);
}

PROCESS_TEST(a_stopped_process_is_ended_too)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("sleep", "1000"), NULL);
    CHECK_OK(weft_process_signal(process, SIGSTOP));
    wait_for_stop(weft_process_pid(process));
    weft_ns before = weft_clock();
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(weft_clock() - before < WEFT_PROCESS_GRACE);
}

PROCESS_TEST(a_close_ends_the_process_and_sends_those_away_who_wait)
{
    struct weft_scope scope;
    struct weft_task *task;
    int result;
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    struct weft_process *process = start(&scope, ARGUMENTS("sleep", "1000"), &with_pipes);
    pid_t pid = weft_process_pid(process);
    CHECK_OK(weft_spawn_fn(&scope, &task, wait_for_process, process));
    CHECK_EQ(weft_yield(), 0);
    weft_process_close(process);
    weft_process_close(NULL);
    CHECK_OK(weft_join(task, &result));
    /* It ended before the handle went, so that this is what the waiter learnt. */
    CHECK_EQ(result, -1);
    CHECK_EQ(kill(pid, 0), -1);
    weft_process_close(start(&scope, ARGUMENTS("true"), NULL));
    CHECK_ERR(weft_scope_exit(&scope, 0), -1);
}

PROCESS_TEST(a_detached_process_outlives_its_scope_and_leaves_no_zombie)
{
    struct weft_scope scope;
    struct weft_process_options options = with_pipes;
    int ends[2];
    CHECK_EQ(weft_pipe(ends), 0);
    const struct weft_process_fd fds[] = {{.child_fd = 0, .what = WEFT_PROCESS_FD, .fd = ends[0]},
                                          {.child_fd = 1, .what = WEFT_PROCESS_NULL}};
    options.fds = fds;
    options.flags = WEFT_PROCESS_DETACHED;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process =
        start(&scope, ARGUMENTS("sh", "-c", "sleep 0.05; exec sleep 1000"), &options);
    pid_t pid = weft_process_pid(process);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    while (kill(pid, 0) == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
}

/* Somebody else in the program. */

PROCESS_TEST(a_status_that_somebody_else_took_is_told)
{
    struct weft_scope scope;
    struct weft_exit how;
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("true"), NULL);
    CHECK_EQ(waitpid(-1, NULL, 0), weft_process_pid(process));
    CHECK_ERR(weft_process_wait(process, &how), -ECHILD);
    CHECK_CONTAINS(weft_note(), "somebody else");
    CHECK_ERR(weft_process_signal(process, SIGTERM), -ESRCH);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(an_ignored_sigchld_does_not_hang_who_waits)
{
    struct weft_scope scope;
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("cat"), &with_pipes);
    CHECK_OK(weft_process_close_stream(process, 0));
    CHECK_ERR(weft_process_wait(process, NULL), -ECHILD);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

static void note_child(int signal)
{
    (void)signal;
}

PROCESS_TEST(the_programs_handler_of_sigchld_stays)
{
    struct sigaction during, after;
    struct weft_scope scope;
    CHECK(signal(SIGCHLD, note_child) != SIG_ERR);
    weft_scope_enter(&scope, WEFT_FOREVER);
    struct weft_process *process = start(&scope, ARGUMENTS("cat"), &with_pipes);
    CHECK_EQ(sigaction(SIGCHLD, NULL, &during), 0);
    CHECK_OK(weft_process_close_stream(process, 0));
    CHECK_OK(weft_process_wait(process, NULL));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(sigaction(SIGCHLD, NULL, &after), 0);
    CHECK(during.sa_handler == note_child && after.sa_handler == note_child);
}

PROCESS_TEST(children_that_are_not_ours_are_left_alone)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(5);
    CHECK_EQ(status_of(SCRIPT("exit 3"), NULL), 3);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

/* Another thread's loop. */

static void *run_another_loop(void *ret)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    *(int *)ret = weft_loop_run_task(loop, spawn_some, NULL);
    CHECK_OK(weft_loop_free(loop));
    return NULL;
}

PROCESS_TEST(each_threads_loop_has_its_own_processes)
{
    pthread_t thread;
    int result = -1;
    test_needs_another_thread();
    CHECK_EQ(pthread_create(&thread, NULL, run_another_loop, &result), 0);
    CHECK_EQ(spawn_some(NULL), 20);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(result, 20);
}

/* A pipe that nobody reads. */

PROCESS_TEST(a_dump_tells_of_a_full_pipe_that_nobody_reads)
{
    struct weft_scope scope;
    int ends[2];
    char text[4096] = "";
    CHECK_EQ(weft_pipe(ends), 0);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    struct weft_process *process = start(&scope, ARGUMENTS("yes"), &with_pipes);
    CHECK_OK(weft_go_fn(&scope, wait_for_process, process));
    /* Full as soon as it sleeps in its write: not even a page is left. */
    int unread = 0, fd = weft_stream_fd(weft_process_stream(process, 1));
    while (unread <= fcntl(fd, F_GETPIPE_SZ) - 4096) {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(ioctl(fd, FIONREAD, &unread), 0);
    }
    weft_dump(weft_loop_current(), ends[1]);
    CHECK(weft_read(ends[0], text, sizeof text - 1) > 0);
    CHECK_CONTAINS(text, "(yes) to end; the pipe from its descriptor 1 is full");
    /* A deadline is seen, however full it is. */
    CHECK_ERR(weft_within(WEFT_MS, weft_process_wait(process, NULL)), -ETIMEDOUT);
    weft_process_close(process);
    CHECK_ERR(weft_scope_exit(&scope, 0), -1);
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
}

PROCESS_TEST(a_dump_says_nothing_of_pipes_with_room_or_that_are_closed)
{
    struct weft_scope scope;
    int ends[2];
    char text[4096] = "";
    CHECK_EQ(weft_pipe(ends), 0);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_COLLECT);
    struct weft_process *process = start(&scope, ARGUMENTS("sleep", "1000"), &with_pipes);
    CHECK_OK(weft_process_close_stream(process, 0));
    CHECK_ERR(weft_process_close_stream(process, 0), -EBADF);
    CHECK_OK(weft_go_fn(&scope, wait_for_process, process));
    CHECK_OK(weft_yield());
    weft_dump(weft_loop_current(), ends[1]);
    CHECK(weft_read(ends[0], text, sizeof text - 1) > 0);
    CHECK_CONTAINS(text, "(sleep) to end");
    CHECK(strstr(text, "is full") == NULL);
    weft_process_close(process);
    CHECK_ERR(weft_scope_exit(&scope, 0), -1);
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
}

/* Many. */

PROCESS_TEST(many_processes_one_after_the_other_leave_nothing)
{
    unsigned count = test_slowness() > 1 ? 50 : 500;
    struct weft_scope scope;
    test_limit(120);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (unsigned i = 0; i < count; i++) {
        struct weft_process *process = start(&scope, ARGUMENTS("/bin/true"), &with_pipes);
        CHECK_OK(weft_process_wait(process, NULL));
        weft_process_close(process);
    }
    CHECK_EQ(weft_scope_children(&scope), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(many_processes_at_once_all_end)
{
    enum { COUNT = 100 };
    struct weft_scope scope;
    struct weft_process *processes[COUNT];
    struct weft_exit how;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < COUNT; i++)
        processes[i] = start(&scope, SCRIPT("read x; exit 4"), &with_pipes);
    for (int i = 0; i < COUNT / 2; i++)
        CHECK_OK(weft_process_close_stream(processes[i], 0));
    for (int i = 0; i < COUNT / 2; i++) {
        CHECK_OK(weft_process_wait(processes[i], &how));
        CHECK_EQ(how.status, 4);
    }
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

PROCESS_TEST(without_descriptors_a_spawn_fails_and_later_works)
{
    struct weft_scope scope;
    struct weft_process *process;
    struct rlimit few;
    int taken[64], count = 0;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &few), 0);
    few.rlim_cur = 64;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    while (count < 64 && (taken[count] = dup(0)) >= 0)
        count++;
    CHECK_ERR(weft_process_spawn(&scope, ARGUMENTS("true"), &with_pipes, &process), -EMFILE);
    while (count > 0)
        CHECK_EQ(close(taken[--count]), 0);
    CHECK_EQ(status_of(ARGUMENTS("true"), &with_pipes), 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

/* A terminal of its own. */

PROCESS_TEST(a_child_under_a_pseudo_terminal_has_it_as_its_own)
{
    struct weft_scope scope;
    struct weft_stream *stream;
    struct weft_exit how;
    struct winsize size = {.ws_row = 30, .ws_col = 99};
    char *line;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    CHECK_EQ(ioctl(master, TIOCSWINSZ, &size), 0);
    const char *name = ptsname(master);
    const struct weft_process_fd fds[] = {
        {.child_fd = 0, .what = WEFT_PROCESS_FD, .fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)},
        {.child_fd = 1, .what = WEFT_PROCESS_SAME_AS, .fd = 0},
        {.child_fd = 2, .what = WEFT_PROCESS_SAME_AS, .fd = 0},
    };
    const struct weft_process_options options = {
        .fds = fds, .fd_count = 3, .flags = WEFT_PROCESS_TERMINAL};
    weft_scope_enter(&scope, WEFT_FOREVER);
    /* As ssh does, it asks for a secret on its terminal and does not echo it; Ctrl-C ends it. */
    struct weft_process *process =
        start(&scope,
              SCRIPT("stty size; stty -echo; echo -n 'secret? ' >/dev/tty; read s </dev/tty;"
                     "stty echo; echo got $s; exec sleep 1000"),
              &options);
    CHECK_EQ(close(fds[0].fd), 0);
    CHECK_OK(weft_stream_from_fd(master, NULL, &stream));
    CHECK(weft_stream_read_line(stream, &line) > 0);
    CHECK_STR(line, "30 99\r\n");
    CHECK(weft_stream_read_until(stream, "? ", 2, &line) > 0);
    CHECK_OK(weft_stream_write_all(stream, "xyzzy\n", 6));
    CHECK(weft_stream_read_line(stream, &line) > 0);
    CHECK_STR(line, "got xyzzy\r\n");
    CHECK_OK(weft_stream_write_all(stream, "\003", 1));
    CHECK_OK(weft_process_wait(process, &how));
    CHECK_EQ(how.signal, SIGINT);
    (void)weft_stream_close(stream);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}
