/* SPDX-License-Identifier: MIT */
/*
 * test_subprocess.c: processes by callback
 *
 * Real programs: cat, sh, sleep. A protocol notes what it is told; the order of events that the
 * kernel decides (an exit beside an end of a pipe) is not asked for.
 */
#include "transport_test.h"

#include <weft/process.h>

/** What a process's protocol was told. */
static struct {
    /** What it wrote, by descriptor. */
    char text[3][64];
    /** How often each callback was called. */
    int made, exited, lost, pipes_lost;
    /** How it ended. */
    struct weft_exit exit;
    /** What connection_lost and the pipes got. */
    int code, pipe_code[3];
    /** What connection_made and pipe_data_received return. */
    int made_code, data_code;
    /** Written in connection_made; closes descriptor 0 after it. */
    const char *input;
} seen;

static int note_made(void *self, struct weft_subprocess *subprocess)
{
    CHECK(self == &seen);
    seen.made++;
    CHECK(weft_subprocess_pid(subprocess) > 0);
    if (seen.input) {
        struct weft_transport *in = weft_subprocess_pipe(subprocess, 0);
        CHECK_EQ(weft_transport_write(in, seen.input, strlen(seen.input)), 0);
        CHECK_EQ(weft_transport_write_eof(in), 0);
    }
    return seen.made_code;
}

static int note_data(void *self, struct weft_subprocess *subprocess, int child_fd, const void *data,
                     size_t len)
{
    (void)self;
    (void)subprocess;
    CHECK_EQ(seen.made, 1);
    CHECK_EQ(seen.lost, 0);
    strncat(seen.text[child_fd], data, len < 40 ? len : 40);
    return seen.data_code;
}

static void note_pipe(void *self, struct weft_subprocess *subprocess, int child_fd, int code)
{
    (void)self;
    CHECK(weft_subprocess_pipe(subprocess, child_fd) == NULL);
    seen.pipe_code[child_fd % 3] = code;
    seen.pipes_lost++;
}

static void note_exit(void *self, struct weft_subprocess *subprocess)
{
    (void)self;
    CHECK_EQ(seen.made, 1);
    CHECK_EQ(seen.lost, 0);
    CHECK_EQ(weft_subprocess_exit(subprocess, &seen.exit), 0);
    CHECK_ERR(weft_subprocess_signal(subprocess, SIGTERM), -ESRCH);
    seen.exited++;
}

static void note_lost(void *self, struct weft_subprocess *subprocess, int code)
{
    (void)self;
    (void)subprocess;
    seen.code = code;
    seen.lost++;
}

static const struct weft_subprocess_protocol noting = {
    .size = sizeof noting,
    .connection_made = note_made,
    .pipe_data_received = note_data,
    .pipe_connection_lost = note_pipe,
    .process_exited = note_exit,
    .connection_lost = note_lost,
};

/** Starts a shell's command into a scope. */
static struct weft_subprocess *start(struct weft_scope *scope, const char *command)
{
    const char *arguments[] = {"sh", "-c", command, NULL};
    struct weft_subprocess *subprocess;
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    CHECK_OK(weft_subprocess_exec(scope, arguments, NULL, &noting, &seen, &subprocess));
    CHECK_EQ(seen.made, 0);
    return subprocess;
}

/** Waits for connection_lost. */
static void until_over(void)
{
    while (!seen.lost)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
}

TASK_TEST(a_process_is_made_writes_exits_and_is_lost)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    seen.input = "some text";
    (void)start(&s, "cat; echo oops >&2; exit 3");
    until_over();
    CHECK_STR(seen.text[1], "some text");
    CHECK_STR(seen.text[2], "oops\n");
    CHECK_EQ(seen.pipes_lost, 3);
    CHECK_EQ(seen.exited, 1);
    CHECK_EQ(seen.exit.status, 3);
    CHECK_EQ(seen.lost, 1);
    CHECK_EQ(seen.code, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_process_outlives_its_pipes)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_subprocess *subprocess = start(&s, "exec <&- >&- 2>&-; exec sleep 100");
    while (seen.pipes_lost < 3)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(seen.exited, 0);
    CHECK_EQ(seen.lost, 0);
    CHECK_EQ(weft_subprocess_signal(subprocess, SIGTERM), 0);
    until_over();
    CHECK_EQ(seen.exit.signal, SIGTERM);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(pipes_outlive_their_process)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    /* What a shell leaves in the background reads nothing from descriptor 0. */
    struct weft_subprocess *subprocess =
        start(&s, "exec 5<&0; (read line <&5; echo late $line) & exit 0");
    while (!seen.exited)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(seen.lost, 0);
    CHECK_EQ(weft_transport_write(weft_subprocess_pipe(subprocess, 0), "but in time\n", 12), 0);
    until_over();
    CHECK_STR(seen.text[1], "late but in time\n");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_signal_ends_a_process)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_subprocess *subprocess = start(&s, "exec sleep 100");
    CHECK_ERR(weft_subprocess_exit(subprocess, &seen.exit), -EAGAIN);
    CHECK_EQ(weft_subprocess_signal(subprocess, SIGTERM), 0);
    until_over();
    CHECK_EQ(seen.exit.signal, SIGTERM);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_close_kills_a_process_and_drops_its_pipes)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_subprocess *subprocess = start(&s, "trap '' TERM; sleep 100");
    weft_subprocess_close(subprocess);
    weft_subprocess_close(subprocess);
    CHECK_EQ(seen.made, 0);
    until_over();
    CHECK_EQ(seen.made, 1);
    CHECK_EQ(seen.exit.signal, SIGKILL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_failing_callback_ends_the_process_with_its_code)
{
    for (int i = 0; i < 2; i++) {
        struct weft_scope s;
        memset(&seen, 0, sizeof seen);
        weft_scope_enter(&s, WEFT_FOREVER);
        seen.made_code = i ? 0 : -EPROTO;
        seen.data_code = i ? -EPROTO : 0;
        (void)start(&s, "echo x; exec sleep 100");
        until_over();
        CHECK_ERR(seen.code, -EPROTO);
        CHECK_EQ(seen.exit.signal, SIGKILL);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

TASK_TEST(the_end_of_a_scope_ends_its_processes_and_tells_first)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    (void)start(&s, "exec sleep 100");
    CHECK_EQ(weft_sleep(10 * WEFT_MS), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(seen.lost, 1);
    CHECK_EQ(seen.exited, 0);
    CHECK_ERR(seen.code, -ECANCELED);
    CHECK_EQ(seen.pipes_lost, 3);
}

TASK_TEST(only_the_pipes_that_are_asked_for_are_made)
{
    const char *arguments[] = {"sh", "-c", "echo out; cat <&7", NULL};
    struct weft_process_fd fds[] = {{.child_fd = 1, .what = WEFT_PROCESS_NULL},
                                    {.child_fd = 7, .what = WEFT_PROCESS_PIPE_IN},
                                    {.child_fd = 2, .what = WEFT_PROCESS_PIPE_OUT}};
    struct weft_process_options options = {.fds = fds, .fd_count = 3};
    struct weft_subprocess *subprocess;
    struct weft_scope s;
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_OK(weft_subprocess_exec(&s, arguments, &options, &noting, &seen, &subprocess));
    CHECK(weft_subprocess_pipe(subprocess, 0) == NULL);
    CHECK(weft_subprocess_pipe(subprocess, 1) == NULL);
    CHECK(weft_subprocess_pipe(subprocess, 2) != NULL);
    weft_transport_close(weft_subprocess_pipe(subprocess, 7));
    while (seen.exited == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_STR(seen.text[1], "");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_program_that_cannot_be_run_tells_nobody)
{
    const char *arguments[] = {"/nowhere/at/all", NULL};
    struct weft_subprocess *subprocess = NULL;
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_ERR(weft_subprocess_exec(&s, arguments, NULL, &noting, &seen, &subprocess),
              test_engine_is("sim") ? -ENOTSUP : -ENOENT);
    CHECK(subprocess == NULL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(seen.made, 0);
}

/** Protocols that have nothing: two that leave all out, with and without a size, and an old one. */
static const struct weft_subprocess_protocol *silent_protocol(int i)
{
    static struct weft_subprocess_protocol old;
    static const struct weft_subprocess_protocol none[2] = {{.size = sizeof none[0]}, {.size = 0}};
    old = noting;
    old.size = sizeof old.size;
    return i < 2 ? &none[i] : &old;
}

TASK_TEST(a_process_whose_protocol_has_no_callbacks_runs_to_its_end)
{
    static char zeros[200000];
    const char *arguments[] = {"sh", "-c", "echo out; cat >&2", NULL};
    const struct weft_transport_limits limits = {100, 10, sizeof zeros};
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        struct weft_subprocess *subprocess;
        struct weft_scope s;
        weft_scope_enter(&s, WEFT_FOREVER);
        CHECK_OK(weft_subprocess_exec(&s, arguments, NULL, silent_protocol(i), &seen, &subprocess));
        struct weft_transport *in = weft_transport_ref(weft_subprocess_pipe(subprocess, 0));
        CHECK_EQ(weft_transport_set_write_buffer_limits(in, &limits), 0);
        CHECK_EQ(weft_transport_write(in, zeros, sizeof zeros), 0);
        CHECK_EQ(weft_transport_write_eof(in), 0);
        while (weft_transport_fd(in) >= 0)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
        weft_transport_unref(in);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
    CHECK_EQ(seen.made + seen.exited + seen.lost + seen.pipes_lost, 0);
}

/** What flow control said of descriptor 0. */
static int pauses, resumes;

static void note_pause(void *self, struct weft_subprocess *subprocess, int child_fd)
{
    CHECK(self == &seen);
    CHECK(weft_subprocess_pipe(subprocess, child_fd) != NULL);
    CHECK_EQ(child_fd, 0);
    pauses++;
}

static void note_resume(void *self, struct weft_subprocess *subprocess, int child_fd)
{
    CHECK(self == &seen);
    CHECK(weft_subprocess_pipe(subprocess, child_fd) != NULL);
    CHECK_EQ(child_fd, 0);
    resumes++;
}

TASK_TEST(flow_control_of_a_pipe_is_told_with_its_descriptor)
{
    static char zeros[200000];
    const char *arguments[] = {"sh", "-c", "cat >/dev/null; exit 5", NULL};
    struct weft_subprocess_protocol flowing = noting;
    struct weft_subprocess *subprocess;
    struct weft_scope s;
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    flowing.pause_writing = note_pause;
    flowing.resume_writing = note_resume;
    pauses = resumes = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_OK(weft_subprocess_exec(&s, arguments, NULL, &flowing, &seen, &subprocess));
    CHECK_EQ(weft_transport_write(weft_subprocess_pipe(subprocess, 0), zeros, sizeof zeros), 0);
    CHECK_EQ(pauses, 1);
    CHECK_EQ(resumes, 0);
    CHECK_EQ(weft_transport_write_eof(weft_subprocess_pipe(subprocess, 0)), 0);
    until_over();
    CHECK_EQ(pauses, 1);
    CHECK_EQ(resumes, 1);
    CHECK_EQ(seen.exit.status, 5);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_process_gets_no_more_pipes_and_descriptors_than_there_is_room_for)
{
    const char *arguments[] = {"true", NULL};
    struct weft_process_fd fds[65];
    struct weft_process_options options = {.fds = fds, .fd_count = 65};
    struct weft_scope s;
    for (int i = 0; i < 65; i++)
        fds[i] = (struct weft_process_fd){.child_fd = i, .what = WEFT_PROCESS_NULL};
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_ERR(weft_subprocess_exec(&s, arguments, &options, &noting, &seen, NULL), -EINVAL);
    for (int i = 0; i < 17; i++)
        fds[i].what = WEFT_PROCESS_PIPE_OUT;
    options.fd_count = 17;
    CHECK_ERR(weft_subprocess_exec(&s, arguments, &options, &noting, &seen, NULL), -EINVAL);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(seen.made, 0);
}

TEST(a_process_by_callback_needs_a_running_loop)
{
    const char *arguments[] = {"true", NULL};
    CHECK_ERR(weft_subprocess_exec(NULL, arguments, NULL, &noting, &seen, NULL), -EPERM);
    CHECK_EQ(seen.made, 0);
}

/** Asks how the process ended that its scope has ended. */
static void ask_how(void *self, struct weft_subprocess *subprocess, int code)
{
    struct weft_exit how;
    CHECK_ERR(weft_subprocess_exit(subprocess, &how), -ECHILD);
    CHECK_ERR(weft_subprocess_signal(subprocess, SIGTERM), -ESRCH);
    weft_subprocess_close(subprocess);
    note_lost(self, subprocess, code);
}

TASK_TEST(nobody_knows_how_a_process_ended_that_its_scope_ended)
{
    const char *arguments[] = {"sleep", "100", NULL};
    struct weft_subprocess_protocol asking = noting;
    struct weft_scope s;
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    asking.connection_lost = ask_how;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_OK(weft_subprocess_exec(&s, arguments, NULL, &asking, &seen, NULL));
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(seen.lost, 1);
    CHECK_EQ(seen.made, 1);
}
