/* SPDX-License-Identifier: MIT */
/*
 * run.c: one test in a child of its own
 *
 *     parent                                child (own process group)
 *     ------                                -------------------------
 *     fork, wait with a limit               output to a file in memory, signals as by default
 *                                           select the engine, count, run the test, count again
 *     limit passed: SIGQUIT (weft dumps     _exit: 0 passed, 1 failed, 77 skipped
 *     its tasks), SIGABRT, SIGKILL
 *     kill what is left of the group
 *
 * Output goes to a file rather than a pipe, so that a chatty test cannot block and a grandchild
 * that survives cannot keep the parent waiting. The limit is real time and generous: it exists for
 * tests that hang, and no test passes or fails by its speed. A test may change its own limit, which
 * is why the limit lies in memory that both sides share.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SLOW_BUILD 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(SLOW_BUILD) ||        \
    defined(WEFT_VALGRIND)
enum { BUILD_SLOWNESS = 10 };
#else
enum { BUILD_SLOWNESS = 1 };
#endif

enum {
    DEFAULT_LIMIT_S = 30,
    LAST_WORDS_S = BUILD_SLOWNESS > 1 ? 3 : 1, /* for a dump between two signals of the watchdog */
    EXIT_SKIPPED = 77,
};

/** What the child tells the parent while it runs. */
struct shared {
    /** Seconds after which the watchdog acts, before the slowness is counted in. */
    _Atomic unsigned limit_s;
};

static struct shared *shared;

/* ThreadSanitizer asks for this; by default it sleeps for a second at the end of every process. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}

unsigned test_slowness(void)
{
    return BUILD_SLOWNESS;
}

void test_limit(unsigned seconds)
{
    if (shared)
        atomic_store(&shared->limit_s, seconds);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_body(const struct test_run *run)
{
    const char *refused;

    test_engine_select(run->engine);
    refused = run->engine ? test_engine_skip(run->engine) : NULL;
    if (refused)
        test_skip("engine %s: %s", run->engine, refused);
    test_leaks_begin();
    run->function();
    fflush(stdout);
    if (test_leaks_end() > 0)
        _exit(1);
}

void test_run_here(const struct test_run *run)
{
    run_body(run);
}

/* The child's world: its own group, default signals, output kept, input empty, no core files. */
static void child_main(const struct test_run *run, pid_t parent, int output_fd,
                       const sigset_t *old_mask)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    const struct rlimit no_core = {0, 0};
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(null_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    close(null_fd);
    close(output_fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; run->default_signals && i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, old_mask, NULL);
    run_body(run);
    _exit(0);
}

/* Waits for the child's end, `grace_s` long or (0) as long as its limit says; true when it ended.
 */
static bool wait_until(pid_t child, double start, double grace_s, int *status)
{
    sigset_t child_signal;

    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    for (;;) {
        const struct timespec slice = {0, 200 * 1000 * 1000};
        unsigned limit_s = atomic_load(&shared->limit_s) * test_slowness();

        if (waitpid(child, status, WNOHANG) == child)
            return true;
        if (now() - start > (grace_s > 0 ? grace_s : (double)limit_s))
            return false;
        /* A signal of another child, or a limit that changed, ends or outlasts a slice: look again.
         */
        sigtimedwait(&child_signal, NULL, &slice);
    }
}

/* The child hangs: let it say what its tasks wait for, then end it for certain. */
static void end_hung_child(pid_t child, int *status)
{
    static const int signals[] = {SIGQUIT, SIGABRT};

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        kill(child, signals[i]);
        if (wait_until(child, now(), LAST_WORDS_S, status))
            return;
    }
    kill(child, SIGKILL);
    waitpid(child, status, 0);
}

static void find_skip_reason(int output_fd, char *reason, size_t size)
{
    char buf[8192];
    char *found;

    test_read_output(output_fd, buf, sizeof buf);
    found = strstr(buf, "\nSKIP ");
    snprintf(reason, size, "%.*s", found ? (int)strcspn(found + 6, "\n") : 0,
             found ? found + 6 : "");
}

static void judge(struct test_verdict *verdict)
{
    int status = verdict->wait_status;

    if (WIFSIGNALED(status)) {
        verdict->result = TEST_FAILED;
        snprintf(verdict->reason, sizeof verdict->reason, "signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) == EXIT_SKIPPED) {
        verdict->result = TEST_SKIPPED;
        find_skip_reason(verdict->output_fd, verdict->reason, sizeof verdict->reason);
    } else {
        verdict->result = WEXITSTATUS(status) == 0 ? TEST_PASSED : TEST_FAILED;
        snprintf(verdict->reason, sizeof verdict->reason, "exit status %d", WEXITSTATUS(status));
    }
}

static void must(bool true_thing, const char *what)
{
    if (!true_thing) {
        perror(what);
        _exit(2);
    }
}

/* Shared with every child to come; a test that runs children of its own gets a fresh one. */
static void make_shared(void)
{
    const char *limit = getenv("WEFT_TEST_LIMIT");

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED, "mmap");
    atomic_store(&shared->limit_s, limit ? (unsigned)atoi(limit) : DEFAULT_LIMIT_S);
}

void test_run_forked(const struct test_run *run, struct test_verdict *ret)
{
    struct shared *outer = shared;
    sigset_t child_signal, old_mask;
    pid_t child, parent = getpid();

    ret->output_fd = memfd_create("output", MFD_CLOEXEC);
    must(ret->output_fd >= 0, "memfd_create");
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &old_mask);
    make_shared();
    fflush(NULL);
    child = fork();
    must(child >= 0, "fork");
    if (child == 0)
        child_main(run, parent, ret->output_fd, &old_mask);
    if (wait_until(child, now(), 0, &ret->wait_status)) {
        judge(ret);
    } else {
        end_hung_child(child, &ret->wait_status);
        ret->result = TEST_HUNG;
        snprintf(ret->reason, sizeof ret->reason, "hung: %u s passed",
                 atomic_load(&shared->limit_s) * test_slowness());
    }
    kill(-child, SIGKILL);
    munmap(shared, sizeof *shared);
    shared = outer;
    sigprocmask(SIG_SETMASK, &old_mask, NULL);
}

void test_run_isolated(void (*function)(void), struct test_outcome *ret)
{
    struct test_run run = {function, test_engine(), true};
    struct test_verdict verdict;

    test_run_forked(&run, &verdict);
    ret->result = verdict.result;
    ret->signal = WIFSIGNALED(verdict.wait_status) ? WTERMSIG(verdict.wait_status) : 0;
    ret->status = WIFEXITED(verdict.wait_status) ? WEXITSTATUS(verdict.wait_status) : 0;
    test_read_output(verdict.output_fd, ret->output, sizeof ret->output);
    close(verdict.output_fd);
}

void test_wait_until_asleep(int pid)
{
    char path[64], state = 0;

    /* Not /proc/PID/stat: qemu-user writes one of its own for its process, without a state. */
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
    while (state != 'S') {
        FILE *file = fopen(path, "re");
        must(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1, path);
        fclose(file);
        usleep(1000);
    }
}

void test_read_output(int fd, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len + 1 < size && (n = pread(fd, buf + len, size - 1 - len, (off_t)len)) > 0)
        len += (size_t)n;
    buf[len] = '\0';
}
