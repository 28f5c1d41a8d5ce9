/* SPDX-License-Identifier: MIT */
/*
 * test_terminal.c: terminals are as they were found, however the program goes
 *
 * Each program has a pseudo-terminal of its own as its controlling terminal; the test holds the
 * other side and looks at the modes before, while the program has it in raw mode, and after its
 * end. The last tests type into real shells and compare what stty(1) says.
 */
#define _GNU_SOURCE 1

#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <weft/weft.h>

/* --- A pseudo-terminal and a program on it --------------------------------------------------- */

/** A program on a pseudo-terminal. */
struct seat {
    /** The side that types and sees. */
    int master;
    /** The program's side, held so that it lives on. */
    int slave;
    /** A byte comes here from the program when it has changed its terminal. */
    int ready;
    /** The program. */
    pid_t pid;
    /** The modes in the beginning. */
    struct termios before;
    /** What the program has written. */
    char seen[8192];
};

static void open_seat(struct seat *seat)
{
    char name[64];
    memset(seat, 0, sizeof *seat);
    seat->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(seat->master >= 0);
    CHECK_EQ(grantpt(seat->master), 0);
    CHECK_EQ(unlockpt(seat->master), 0);
    CHECK_EQ(ptsname_r(seat->master, name, sizeof name), 0);
    seat->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(seat->slave >= 0);
    CHECK_EQ(tcgetattr(seat->slave, &seat->before), 0);
}

static void close_seat(struct seat *seat)
{
    close(seat->master);
    close(seat->slave);
    if (seat->ready > 0)
        close(seat->ready);
}

static void take_seat(const struct seat *seat)
{
    static const int reset[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGABRT, SIGTSTP};
    for (size_t i = 0; i < sizeof reset / sizeof *reset; i++)
        signal(reset[i], SIG_DFL);
    setsid();
    if (ioctl(seat->slave, TIOCSCTTY, 0) < 0)
        _exit(99);
    for (int fd = 0; fd < 3; fd++)
        dup2(seat->slave, fd);
    close(seat->master);
}

/** Where the program says that it is ready. */
static int ready_fd = -1;

static void say_ready(void)
{
    CHECK_EQ(write(ready_fd, "r", 1), 1);
}

/** Starts `body` as a process whose controlling terminal this is. */
static void start(struct seat *seat, int (*body)(void))
{
    int fds[2];
    open_seat(seat);
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    fflush(NULL);
    seat->pid = fork();
    CHECK(seat->pid >= 0);
    if (seat->pid == 0) {
        take_seat(seat);
        ready_fd = fds[1];
        exit(body());
    }
    close(fds[1]);
    seat->ready = fds[0];
}

static void wait_ready(struct seat *seat)
{
    char byte;
    CHECK_EQ(read(seat->ready, &byte, 1), 1);
}

static bool as_before(const struct seat *seat)
{
    struct termios now = {0}; /* musl's has room that the kernel does not fill */
    CHECK_EQ(tcgetattr(seat->slave, &now), 0);
    return now.c_iflag == seat->before.c_iflag && now.c_oflag == seat->before.c_oflag &&
           now.c_cflag == seat->before.c_cflag && now.c_lflag == seat->before.c_lflag &&
           memcmp(now.c_cc, seat->before.c_cc, sizeof now.c_cc) == 0;
}

static tcflag_t local_flags(const struct seat *seat)
{
    struct termios now;
    CHECK_EQ(tcgetattr(seat->slave, &now), 0);
    return now.c_lflag;
}

static int wait_end(struct seat *seat)
{
    int status;
    CHECK_EQ(waitpid(seat->pid, &status, 0), seat->pid);
    return status;
}

/** Waits until the program has written `text`. */
static void expect(struct seat *seat, const char *text)
{
    size_t used = strlen(seat->seen);
    char *found;
    while ((found = strstr(seat->seen, text)) == NULL) {
        ssize_t n = read(seat->master, seat->seen + used, sizeof seat->seen - 1 - used);
        if (n <= 0)
            FAIL("the terminal closed before \"%s\"; it said: %s", text, seat->seen);
        used += (size_t)n;
        seat->seen[used] = '\0';
    }
    /* What came before is dealt with. */
    found += strlen(text);
    memmove(seat->seen, found, strlen(found) + 1);
}

static void type(struct seat *seat, const char *text)
{
    CHECK_EQ(write(seat->master, text, strlen(text)), strlen(text));
}

/** Waits until the program sleeps that a shell has put in front. */
static void wait_for_front(const struct seat *seat)
{
    pid_t program = tcgetpgrp(seat->master);
    CHECK(program > 0 && program != seat->pid);
    test_wait_until_asleep(program);
}

/* --- Ends of programs ------------------------------------------------------------------------ */

/** Sets raw mode in the root scope, says so, and goes on with `arg`. */
static int raw_program(void *arg)
{
    int (*then)(void) = *(int (**)(void))arg;
    struct weft_terminal *terminal;
    CHECK_EQ(weft_terminal_open(weft_root(NULL), 0, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK_EQ(weft_terminal_get_mode(terminal), WEFT_TERMINAL_RAW);
    say_ready();
    return then();
}

static int run_raw(int (*then)(void))
{
    return weft_run(raw_program, &then);
}

/** Runs `body`, sees that the terminal is raw in between, and checks that it is as before. */
static int end_of(int (*body)(void))
{
    struct seat seat;
    start(&seat, body);
    wait_ready(&seat);
    int status = wait_end(&seat);
    CHECK(as_before(&seat));
    close_seat(&seat);
    return status;
}

static int just_return(void)
{
    return 7;
}

static int returns(void)
{
    return run_raw(just_return);
}

TEST_EACH_ENGINE(the_return_of_a_run_puts_the_terminal_back)
{
    int status = end_of(returns);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static int exit_inside(void)
{
    exit(9);
}

static int exits(void)
{
    return run_raw(exit_inside);
}

TEST_EACH_ENGINE(exit_puts_the_terminal_back)
{
    int status = end_of(exits);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static int abort_inside(void)
{
    abort();
}

static int aborts(void)
{
    return run_raw(abort_inside);
}

TEST(abort_puts_the_terminal_back)
{
    int status = end_of(aborts);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int fault(void)
{
    volatile int *volatile nowhere = (volatile int *)8;
    *nowhere = 1;
    return 0;
}

static int faults(void)
{
    return run_raw(fault);
}

static int fault_unhandled_program(void *arg)
{
    int (*then)(void) = fault;
    (void)arg;
    return raw_program(&then);
}

static int faults_unhandled(void)
{
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    return weft_run_with(&options, fault_unhandled_program, NULL);
}

TEST(a_fault_puts_the_terminal_back)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(WEFT_VALGRIND)
    SKIP("the tool handles faults itself");
#endif
    int status = end_of(faults);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = end_of(faults_unhandled);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static int sleep_on(void)
{
    int rc = weft_sleep(WEFT_HOUR);
    /* Refuses to leave, as a program with a long cleanup. */
    struct weft_scope shield;
    weft_shield_enter(&shield, WEFT_HOUR);
    say_ready();
    return weft_scope_exit(&shield, rc + weft_sleep(WEFT_HOUR));
}

static int interrupted(void)
{
    return run_raw(sleep_on);
}

TEST_EACH_ENGINE(the_second_interrupt_puts_the_terminal_back)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world never waits");
#ifdef WEFT_VALGRIND
    SKIP("Valgrind holds signals back while it is in io_uring_enter");
#endif
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer does not notice that the kernel reset a handler (SA_RESETHAND)");
#endif
    struct seat seat;
    start(&seat, interrupted);
    wait_ready(&seat);
    CHECK(!as_before(&seat));
    CHECK_EQ(kill(seat.pid, SIGINT), 0);
    wait_ready(&seat);
    CHECK(!as_before(&seat));
    CHECK_EQ(kill(seat.pid, SIGINT), 0);
    int status = wait_end(&seat);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK(as_before(&seat));
    close_seat(&seat);
}

static int end_by(int (*body)(void), int signal)
{
    struct seat seat;
    start(&seat, body);
    wait_ready(&seat);
    CHECK(!as_before(&seat));
    test_wait_until_asleep(seat.pid);
    CHECK_EQ(kill(seat.pid, signal), 0);
    int status = wait_end(&seat);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
    bool same = as_before(&seat);
    close_seat(&seat);
    return same;
}

static int hold_the_loop(void)
{
    pause();
    return 0;
}

static int holds(void)
{
    return run_raw(hold_the_loop);
}

TEST(a_signal_that_ends_the_process_puts_the_terminal_back)
{
    CHECK(end_by(holds, SIGHUP));
    CHECK(end_by(holds, SIGUSR1));
    CHECK(end_by(holds, SIGALRM));
}

static int open_without_handlers(void)
{
    struct weft_terminal *terminal;
    struct sigaction action;
    CHECK_EQ(weft_terminal_open(NULL, 0, WEFT_TERMINAL_NO_HANDLERS, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK_EQ(sigaction(SIGHUP, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    CHECK_EQ(sigaction(SIGTSTP, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    say_ready();
    pause();
    return 0;
}

TEST(without_handlers_a_signal_leaves_the_mode)
{
    CHECK(!end_by(open_without_handlers, SIGHUP));
}

static int close_restores_dispositions(void)
{
    struct weft_terminal *terminal;
    struct sigaction action;
    signal(SIGUSR2, SIG_IGN);
    CHECK_EQ(weft_terminal_open(NULL, 0, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_CBREAK), 0);
    CHECK_EQ(sigaction(SIGHUP, NULL, &action), 0);
    CHECK(action.sa_flags & SA_SIGINFO);
    CHECK_EQ(sigaction(SIGUSR2, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_IGN);
    say_ready();
    CHECK_EQ(weft_terminal_close(terminal), 0);
    for (int number = 1; number < 32; number++) {
        if (number == SIGUSR2 || sigaction(number, NULL, &action) < 0)
            continue;
        if (action.sa_handler != SIG_DFL)
            return number;
    }
    return 0;
}

TEST(a_close_puts_the_dispositions_back)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    SKIP("a sanitizer has handlers of its own");
#endif
    CHECK_EQ(end_of(close_restores_dispositions), 0);
}

static int stop_without_a_terminal(void)
{
    struct weft_terminal *terminal;
    int fd = dup(0);
    CHECK_EQ(weft_terminal_open(NULL, fd, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    say_ready();
    CHECK_EQ(close(fd), 0);
    errno = ENOTTY;
    /* Nobody of its session could let it go on, so that the kernel does not stop it. */
    CHECK_EQ(raise(SIGTSTP), 0);
    int after = errno;
    CHECK_EQ(dup2(0, fd), fd);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    return after == ENOTTY ? 0 : 1;
}

TEST(a_stop_leaves_errno_alone)
{
    CHECK_EQ(end_of(stop_without_a_terminal), 0);
}

static int fork_and_exit(void)
{
    struct weft_terminal *terminal;
    struct termios raw, now;
    int status;
    CHECK_EQ(weft_terminal_open(NULL, 0, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK_EQ(tcgetattr(0, &raw), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_ERR(weft_terminal_close(terminal), -EOWNERDEAD);
        CHECK_ERR(weft_terminal_set_mode(terminal, WEFT_TERMINAL_NORMAL), -EOWNERDEAD);
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(tcgetattr(0, &now), 0);
    CHECK_EQ(now.c_lflag, raw.c_lflag);
    say_ready();
    return 0;
}

TEST(the_exit_of_a_forked_child_leaves_the_terminal_alone)
{
    CHECK_EQ(end_of(fork_and_exit), 0);
}

/* --- Modes, in our own process --------------------------------------------------------------- */

TEST(modes_are_set_and_the_end_of_the_scope_closes)
{
    struct seat seat;
    struct weft_terminal *terminal = NULL;
    open_seat(&seat);
    CHECK_EQ(weft_terminal_open(NULL, seat.slave, 0, &terminal), 0);
    CHECK(as_before(&seat));
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_CBREAK), 0);
    CHECK_EQ(local_flags(&seat) & (ICANON | ECHO | ISIG), ISIG);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK_EQ(local_flags(&seat) & (ICANON | ECHO | ISIG), 0);
    CHECK_ERR(weft_terminal_set_mode(terminal, (enum weft_terminal_mode)3), -EINVAL);
    CHECK_ERR(weft_terminal_set_mode(terminal, (enum weft_terminal_mode) - 1), -EINVAL);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_NORMAL), 0);
    CHECK(as_before(&seat));
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    CHECK(as_before(&seat));
    CHECK_EQ(weft_terminal_close(NULL), 0);
    close_seat(&seat);
}

static int scoped_program(void *arg)
{
    struct seat *seat = arg;
    struct weft_terminal *terminal;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_terminal_open(&scope, seat->slave, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), 0);
    CHECK(!as_before(seat));
    CHECK_ERR(weft_scope_exit(&scope, -EIO), -EIO);
    CHECK(as_before(seat));
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_terminal_open(&scope, seat->slave, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    return weft_scope_exit(&scope, 0);
}

TEST_EACH_ENGINE(a_scope_that_fails_puts_the_terminal_back)
{
    struct seat seat;
    open_seat(&seat);
    CHECK_EQ(weft_run(scoped_program, &seat), 0);
    close_seat(&seat);
}

TEST(what_cannot_be_opened_is_refused)
{
    struct seat seats[WEFT_TERMINAL_MAX + 1];
    struct weft_terminal *terminals[WEFT_TERMINAL_MAX], *untouched = NULL;
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_ERR(weft_terminal_open(NULL, fds[0], 0, &untouched), -ENOTTY);
    CHECK_ERR(weft_terminal_open(NULL, -1, 0, &untouched), -EBADF);
    CHECK_EQ(weft_terminal_is(fds[0]), 0);
    for (int i = 0; i <= WEFT_TERMINAL_MAX; i++)
        open_seat(&seats[i]);
    CHECK(weft_terminal_is(seats[0].slave));
    CHECK_ERR(weft_terminal_open(NULL, seats[0].slave, 2, &untouched), -EINVAL);
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++)
        CHECK_EQ(weft_terminal_open(NULL, seats[i].slave, 0, &terminals[i]), 0);
    CHECK_ERR(weft_terminal_open(NULL, seats[0].slave, 0, &untouched), -EBUSY);
    CHECK_ERR(weft_terminal_open(NULL, seats[WEFT_TERMINAL_MAX].slave, 0, &untouched), -EMFILE);
    for (int i = 0; i < WEFT_TERMINAL_MAX; i++)
        CHECK_EQ(weft_terminal_close(terminals[i]), 0);
    CHECK(untouched == NULL);
    for (int i = 0; i <= WEFT_TERMINAL_MAX; i++)
        close_seat(&seats[i]);
    close(fds[0]);
    close(fds[1]);
}

/** A table in which terminals cannot be set. */
static int refuse_set(const struct weft_sys *sys, int fd, int when, const struct termios *modes)
{
    (void)sys, (void)fd, (void)when, (void)modes;
    return -EIO;
}

static int refused_program(void *arg)
{
    struct seat *seat = arg;
    struct weft_terminal *terminal;
    struct sigaction action;
    CHECK_EQ(weft_terminal_open(NULL, seat->slave, 0, &terminal), 0);
    CHECK_ERR(weft_terminal_set_mode(terminal, WEFT_TERMINAL_RAW), -EIO);
    CHECK_EQ(weft_terminal_get_mode(terminal), WEFT_TERMINAL_NORMAL);
    CHECK_EQ(sigaction(SIGHUP, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    return 0;
}

TEST(a_mode_that_is_refused_leaves_no_handlers)
{
    struct weft_sys sys = weft_sys_default;
    struct weft_run_options options = {.size = sizeof options, .flags = WEFT_RUN_BARE};
    struct seat seat;
    sys.tcsetattr = refuse_set;
    options.loop.sys = &sys;
    signal(SIGHUP, SIG_DFL);
    open_seat(&seat);
    CHECK_EQ(weft_run_with(&options, refused_program, &seat), 0);
    close_seat(&seat);
}

/* --- Size ------------------------------------------------------------------------------------ */

static void resize(const struct seat *seat, unsigned short rows, unsigned short columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    CHECK_EQ(ioctl(seat->master, TIOCSWINSZ, &size), 0);
}

/** Waits for two sizes, each told to the test; a change before the wait counts. */
static int size_program(void *arg)
{
    struct weft_terminal *terminal;
    struct weft_terminal_size size;
    (void)arg;
    CHECK_EQ(weft_terminal_get_size(0, &size), 0);
    CHECK_EQ(size.rows, 24);
    CHECK_EQ(size.columns, 80);
    CHECK_EQ(weft_terminal_open(weft_root(NULL), 0, 0, &terminal), 0);
    size.rows = 23;
    CHECK_EQ(weft_terminal_wait_size(terminal, &size), 0);
    CHECK_EQ(size.rows, 24);
    say_ready();
    CHECK_EQ(weft_terminal_wait_size(terminal, &size), 0);
    CHECK_EQ(size.rows, 50);
    CHECK_EQ(size.columns, 132);
    CHECK_ERR(weft_within(WEFT_MS, weft_terminal_wait_size(terminal, &size)), -ETIMEDOUT);
    return 0;
}

static int sizes(void)
{
    while (true) {
        struct weft_terminal_size size;
        if (weft_terminal_get_size(0, &size) == 0 && size.rows == 24)
            break;
    }
    return weft_run(size_program, NULL);
}

TEST_EACH_ENGINE(a_change_of_size_wakes_who_waits_for_it)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world never waits");
#ifdef WEFT_VALGRIND
    if (test_engine_is("io_uring"))
        SKIP("Valgrind holds signals back while it is in io_uring_enter");
#endif
    struct seat seat;
    start(&seat, sizes);
    resize(&seat, 24, 80);
    wait_ready(&seat);
    resize(&seat, 50, 132);
    CHECK_EQ(wait_end(&seat), 0);
    close_seat(&seat);
}

static int wait_for_size(struct weft_terminal *terminal)
{
    struct weft_terminal_size size;
    CHECK_EQ(weft_terminal_get_size(0, &size), 0);
    return weft_terminal_wait_size(terminal, &size) == -WEFT_ECLOSED ? 0 : -EIO;
}
WEFT_TASK(wait_for_size, struct weft_terminal *);

static int closing_program(void *arg)
{
    struct weft_terminal *terminal;
    struct weft_scope scope;
    (void)arg;
    say_ready();
    CHECK_EQ(weft_terminal_open(NULL, 0, 0, &terminal), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, wait_for_size, terminal);
    weft_go(&scope, wait_for_size, terminal);
    CHECK_EQ(weft_yield(), 0);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    return weft_scope_exit(&scope, 0);
}

static int closes_under_waiters(void)
{
    return weft_run(closing_program, NULL) == 0 ? 0 : 1;
}

TEST_EACH_ENGINE(a_close_ends_the_waits_for_a_size)
{
    CHECK_EQ(end_of(closes_under_waiters), 0);
}

static int cancelled_program(void *arg)
{
    struct weft_terminal *terminal;
    struct weft_terminal_size size;
    struct weft_scope scope;
    (void)arg;
    say_ready();
    CHECK_EQ(weft_terminal_open(NULL, 0, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_get_size(0, &size), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_terminal_wait_size(terminal, &size), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(weft_within(WEFT_SEC / 100, weft_terminal_wait_size(terminal, &size)), -ETIMEDOUT);
    CHECK_EQ(weft_terminal_close(terminal), 0);
    return 0;
}

static int cancels(void)
{
    return weft_run(cancelled_program, NULL) == 0 ? 0 : 1;
}

TEST_EACH_ENGINE(a_wait_for_a_size_can_be_cancelled)
{
    CHECK_EQ(end_of(cancels), 0);
}

/* --- Real shells ----------------------------------------------------------------------------- */

/** What our own program does when a shell starts it: reads keys in cbreak mode until "q". */
static int keys_program(void *arg)
{
    struct weft_terminal *terminal;
    char key = 0;
    CHECK_EQ(weft_terminal_open(weft_root(NULL), 0, 0, &terminal), 0);
    CHECK_EQ(weft_terminal_set_mode(terminal, WEFT_TERMINAL_CBREAK), 0);
    dprintf(1, "[%s on]\n", (char *)arg);
    for (;;) {
        ssize_t n = weft_read(0, &key, 1);
        if (n <= 0)
            return (int)n;
        dprintf(1, "[key %c]\n", key);
        if (key == 'q')
            return 0;
        if (key == 'x')
            exit(3);
        if (key == 'k')
            raise(SIGTERM), raise(SIGTERM);
        if (key == 'a')
            abort();
    }
}

__attribute__((constructor)) static void be_the_program(void)
{
    char *name = getenv("WEFT_TEST_TERMINAL");
    if (name)
        exit(weft_main(keys_program, name));
}

/** A shell on the seat, in which $PROGRAM is ours. */
static void start_shell(struct seat *seat, const char *mode)
{
    char own[512];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    CHECK(n > 0);
    own[n] = '\0';
    open_seat(seat);
    seat->ready = -1;
    fflush(NULL);
    seat->pid = fork();
    CHECK(seat->pid >= 0);
    if (seat->pid > 0)
        return;
    take_seat(seat);
    setenv("PROGRAM", own, 1);
    setenv("PS1", "$ ", 1);
    unsetenv("ENV");
    execlp("sh", "sh", mode, (char *)NULL);
    _exit(127);
}

/** Types a command that ends the program in some way, between two looks of stty. */
static void check_in_shell(struct seat *seat, const char *keys)
{
    type(seat, "before=$(stty -a); WEFT_TEST_TERMINAL=program \"$PROGRAM\"; "
               "\n");
    expect(seat, "[program on]");
    wait_for_front(seat);
    type(seat, keys);
    expect(seat, "$ ");
    type(seat, "test \"$before\" = \"$(stty -a)\" && echo as''before || stty -a\n");
    expect(seat, "asbefore");
}

TEST_EACH_ENGINE(a_shell_finds_its_terminal_as_it_was)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world never waits");
    struct seat seat;
    test_need_program("stty");
    start_shell(&seat, "-i");
    expect(&seat, "$ ");
    check_in_shell(&seat, "bq");
    check_in_shell(&seat, "bx");
#ifndef __SANITIZE_THREAD__
    /* It does not notice that the kernel reset a handler (SA_RESETHAND). */
    check_in_shell(&seat, "bk");
#endif
    check_in_shell(&seat, "a");
    check_in_shell(&seat, "b\003");
    type(&seat, "exit 0\n");
    CHECK_EQ(wait_end(&seat), 0);
    close_seat(&seat);
}

/** A program that goes on says nothing about it. */
static void wait_until_set(const struct seat *seat)
{
    while (local_flags(seat) & ICANON)
        usleep(1000);
}

TEST_EACH_ENGINE(a_program_that_is_stopped_gives_the_terminal_back_and_takes_it_again)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world never waits");
    struct seat seat;
    test_need_program("stty");
    start_shell(&seat, "-im");
    expect(&seat, "$ ");
    type(&seat, "stty -a | grep -q -- -icanon || echo nor''mal; "
                "WEFT_TEST_TERMINAL=program \"$PROGRAM\"\n");
    expect(&seat, "normal");
    expect(&seat, "[program on]");
    type(&seat, "b");
    expect(&seat, "[key b]");
    CHECK_EQ(local_flags(&seat) & (ICANON | ECHO), 0);
    wait_for_front(&seat);
    type(&seat, "\032");
    expect(&seat, "Stopped");
    CHECK_EQ(local_flags(&seat) & (ICANON | ECHO), ICANON | ECHO);
    type(&seat, "stty -a | grep -q -- -icanon || echo nor''mal\n");
    expect(&seat, "normal");
    type(&seat, "fg\n");
    wait_until_set(&seat);
    type(&seat, "c");
    expect(&seat, "[key c]");
    wait_for_front(&seat);
    type(&seat, "\032");
    expect(&seat, "Stopped");
    type(&seat, "fg\n");
    wait_until_set(&seat);
    type(&seat, "q");
    expect(&seat, "[key q]");
    type(&seat, "stty -a | grep -q -- -icanon || echo nor''mal; exit 0\n");
    expect(&seat, "normal");
    CHECK_EQ(wait_end(&seat), 0);
    close_seat(&seat);
}
