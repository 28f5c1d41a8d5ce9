/* SPDX-License-Identifier: MIT */
/*
 * test_dump.c: what a dump looks like
 *
 * The text is for people, and its shape is kept: scopes and tasks as a tree, one line each. The
 * clock is virtual, so that times are exact; only line numbers and turns are masked, by #.
 */
#include "run_test.h"

/** What weft_dump writes, masked: digits after "test_dump.c:" and after "turn " become one #. */
static void dump_masked(struct weft_loop *loop, char *buf, size_t size)
{
    static const char *const marks[] = {"test_dump.c:", "turn "};
    int fds[2];
    char raw[16384];
    CHECK_EQ(pipe(fds), 0);
    weft_dump(loop, fds[1]);
    close(fds[1]);
    ssize_t n = read(fds[0], raw, sizeof raw - 1);
    CHECK(n > 0);
    raw[n] = '\0';
    close(fds[0]);
    size_t used = 0;
    for (const char *at = raw; *at && used + 2 < size;) {
        buf[used++] = *at++;
        for (int i = 0; i < 2; i++) {
            size_t len = strlen(marks[i]);
            if (used >= len && memcmp(buf + used - len, marks[i], len) == 0) {
                buf[used++] = '#';
                at += strspn(at, "0123456789");
            }
        }
    }
    buf[used] = '\0';
}

static void settle(void)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_yield(), 0);
}

static int sleep_long(void)
{
    return weft_sleep(WEFT_HOUR);
}
WEFT_TASK(sleep_long);

static int nest(void)
{
    struct weft_scope outer, shield;
    weft_scope_enter(&outer, 10 * WEFT_SEC);
    weft_go(&outer, sleep_long);
    weft_shield_enter(&shield, WEFT_MIN);
    weft_go(&shield, sleep_long);
    weft_go(&shield, sleep_long);
    int rc = weft_scope_exit(&shield, 0);
    return weft_scope_exit(&outer, rc);
}
WEFT_TASK(nest);

static int nap(void)
{
    struct weft_scope shield;
    weft_shield_enter(&shield, WEFT_HOUR);
    return weft_scope_exit(&shield, weft_sleep(WEFT_MIN));
}
WEFT_TASK(nap);

static void compare(const char *text, const char *expected)
{
    if (strcmp(text, expected) != 0)
        FAIL("the dump is\n%snot\n%s", text, expected);
}

static int make_tree(void *arg)
{
    char text[4096];
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, 30 * WEFT_SEC);
    weft_go(&s, nest);
    weft_go(&s, sleep_long);
    settle();
    CHECK_EQ(weft_sleep(1500 * WEFT_MS), 0);
    weft_go(&s, sleep_long);
    dump_masked(weft_loop_current(), text, sizeof text);
    compare(text,
            "weft: 7 tasks, 1 ready, 7 timers, 0 operations, engine sim (asked for by options), "
            "turn #\n"
            "scope (root), 1 child\n"
            "  task 1 program  running  (spawned at weft_run)\n"
            "    scope (tests/unit/run/test_dump.c:#), deadline in 28.500 s, 3 children\n"
            "      task 2 nest  parked 1.500 s: for 2 children to leave the scope entered at "
            "tests/unit/run/test_dump.c:#  (spawned at tests/unit/run/test_dump.c:#)\n"
            "        scope (tests/unit/run/test_dump.c:#), deadline in 8.500 s, 1 child\n"
            "          task 4 sleep_long  parked 1.500 s: to sleep 3600 s  (spawned at "
            "tests/unit/run/test_dump.c:#)\n"
            "        shield (tests/unit/run/test_dump.c:#), deadline in 58.500 s, 2 children\n"
            "          task 5 sleep_long  parked 1.500 s: to sleep 3600 s  (spawned at "
            "tests/unit/run/test_dump.c:#)\n"
            "          task 6 sleep_long  parked 1.500 s: to sleep 3600 s  (spawned at "
            "tests/unit/run/test_dump.c:#)\n"
            "      task 3 sleep_long  parked 1.500 s: to sleep 3600 s  (spawned at "
            "tests/unit/run/test_dump.c:#)\n"
            "      task 7 sleep_long  starting  (spawned at tests/unit/run/test_dump.c:#)\n");
    weft_scope_cancel(&s, 0);
    /* The shield's own deadline is a failure, to which "done" gives way. */
    CHECK_ERR(weft_scope_exit(&s, 0), -ETIMEDOUT);
    return 0;
}

static int make_cancelled(void *arg)
{
    char text[4096];
    struct weft_scope s;
    struct weft_task *task;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, nap);
    CHECK_EQ(weft_spawn(&s, &task, sleep_long), 0);
    weft_task_set_name(task, "the sleeper");
    settle();
    weft_scope_cancel(&s, 0);
    dump_masked(weft_loop_current(), text, sizeof text);
    compare(text,
            "weft: 3 tasks, 1 ready, 2 timers, 0 operations, engine sim (asked for by options), "
            "turn #\n"
            "scope (root), 1 child\n"
            "  task 1 program  running, cancelled  (spawned at weft_run)\n"
            "    scope (tests/unit/run/test_dump.c:#), cancelled, 2 children\n"
            "      task 2 nap  parked 0.000 s: to sleep 60 s  (spawned at "
            "tests/unit/run/test_dump.c:#)\n"
            "        shield (tests/unit/run/test_dump.c:#), deadline in 3600.000 s, 0 children\n"
            "      task 3 the sleeper  ready, cancelled  (spawned at "
            "tests/unit/run/test_dump.c:#)\n");
    return weft_scope_exit(&s, 0);
}

static void run_on_sim(int (*program)(void *arg))
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    options.loop = (struct weft_loop_options){.size = sizeof options.loop, .backend = "sim"};
    CHECK_EQ(weft_run_with(&options, program, NULL), 0);
}

TEST(a_dump_is_a_tree_of_scopes_and_tasks)
{
    run_on_sim(make_tree);
}

TEST(a_dump_tells_what_is_cancelled_and_what_a_shield_keeps)
{
    run_on_sim(make_cancelled);
}

/* From everywhere. */

TEST_EACH_ENGINE(a_loop_without_tasks_has_a_dump_too)
{
    char text[4096], expected[200];
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(NULL, &loop));
    dump_masked(loop, text, sizeof text);
    snprintf(expected, sizeof expected,
             "weft: 0 tasks, 0 ready, 0 timers, 0 operations, engine %s (asked for by "
             "WEFT_BACKEND), turn #\n",
             test_engine());
    CHECK_STR(text, expected);
    CHECK_OK(weft_loop_free(loop));
}

static void dump_in_callback(void *buf)
{
    dump_masked(weft_loop_current(), buf, 4096);
}

static int dump_from_callback(void *buf)
{
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), dump_in_callback, buf, NULL));
    return weft_sleep(WEFT_MS);
}

TEST_EACH_ENGINE(a_callback_may_dump)
{
    char text[4096];
    CHECK_EQ(weft_run(dump_from_callback, text), 0);
    CHECK_CONTAINS(text, "task 1 program  parked ");
}

static int start_and_return(void *arg)
{
    (void)arg;
    weft_go(weft_root(NULL), sleep_long);
    return weft_sleep(WEFT_MS);
}

TEST_EACH_ENGINE(a_loop_that_does_not_run_has_a_dump_too)
{
    char text[4096];
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_EQ(weft_loop_run_task(loop, start_and_return, NULL), 0);
    dump_masked(loop, text, sizeof text);
    CHECK_CONTAINS(text, "scope (root), 1 child\n  task 2 sleep_long  parked ");
    CHECK_OK(weft_loop_free(loop));
}

/* A deadlock. Only sim knows that it is one; elsewhere somebody must ask. */

static int lock_both(struct weft_mutex *first, struct weft_mutex *second)
{
    CHECK_EQ(weft_mutex_lock(first), 0);
    CHECK_EQ(weft_yield(), 0);
    return weft_mutex_lock(second);
}
WEFT_TASK(lock_both, struct weft_mutex *, struct weft_mutex *);

static int ask_for_a_dump(void)
{
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(weft_yield(), 0);
    return raise(SIGQUIT);
}
WEFT_TASK(ask_for_a_dump);

static int lock_crosswise(void *arg)
{
    struct weft_mutex a = WEFT_MUTEX_INIT(a), b = WEFT_MUTEX_INIT(b);
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, lock_both, &a, &b);
    weft_go(&s, lock_both, &b, &a);
    weft_go(&s, ask_for_a_dump);
    return weft_scope_exit(&s, 0);
}

/** Runs the deadlock in a child, which ends when its dump was read to the last line. */
static void read_dump_of_deadlock(char *buf, size_t size)
{
    int fds[2], status;
    size_t used = 0;
    ssize_t n = 1;
    CHECK_EQ(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGQUIT, SIG_DFL);
        alarm(20);
        dup2(fds[1], 2);
        _exit(weft_main(lock_crosswise, NULL));
    }
    close(fds[1]);
    buf[0] = '\0';
    while (n > 0 && !strstr(buf, "can wake them") && used < size - 1) {
        n = read(fds[0], buf + used, size - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        buf[used] = '\0';
    }
    close(fds[0]);
    (void)kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

TEST_EACH_ENGINE(the_dump_of_a_deadlock_says_that_nothing_inside_can_end_it)
{
    char text[8192];
    read_dump_of_deadlock(text, sizeof text);
    CHECK_CONTAINS(text, "to lock a mutex that task 3 holds");
    CHECK_CONTAINS(text, "to lock a mutex that task 2 holds");
    CHECK_CONTAINS(text, "\nno task is ready, and nothing is timed, watched or in flight: only "
                         "another thread or a signal can wake them\n");
}

static int dig(int depth);
WEFT_TASK(dig, int);

static int dig(int depth)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    if (depth > 0)
        weft_go(&s, dig, depth - 1);
    return weft_scope_exit(&s, weft_sleep(WEFT_HOUR));
}

enum { DEPTH = 1000 };

static int dump_deep_tree(void *arg)
{
    struct weft_scope s;
    int lines = 0;
    char buf[1024];
    FILE *file = tmpfile();
    (void)arg;
    CHECK(file != NULL);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, dig, DEPTH);
    for (int i = 0; i < DEPTH + 10; i++)
        CHECK_EQ(weft_yield(), 0);
    weft_dump(weft_loop_current(), fileno(file));
    rewind(file);
    while (fgets(buf, sizeof buf, file))
        lines++;
    fclose(file);
    /* The head, the root and this task with its scope; then two lines for each. */
    CHECK_EQ(lines, 4 + 2 * (DEPTH + 1));
    weft_scope_cancel(&s, 0);
    return weft_scope_exit(&s, 0);
}

TEST_EACH_ENGINE(a_deep_tree_is_written_to_its_end)
{
    CHECK_EQ(weft_run(dump_deep_tree, NULL), 0);
}
