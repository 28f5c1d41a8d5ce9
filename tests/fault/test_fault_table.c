/* SPDX-License-Identifier: MIT */
/*
 * test_fault_table.c: the injector itself
 *
 * A tool that fails calls must be seen to fail exactly the ones it was told to, to leave all others
 * as they were, and to notice what a scenario does wrong. The scenarios here are calls on the
 * table, without a loop; the faulty ones carry planted mistakes that the sweep has to find: memory
 * and descriptors that a failure leaves behind, an error of another name, a state that stays
 * broken.
 */
#define _GNU_SOURCE
#include "fault.h"
#include "floors.h"
#include "loop/poller_backend.h"
#include "testing/internal.h"
#include "test.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALL(entry, ...) sys->entry(sys, __VA_ARGS__)

static struct weft_testing_faults fault;
static const struct weft_sys *const sys = &fault.sys;

/* --- Which call fails ------------------------------------------------------------------------ */

/* Twelve calls, of which every third is an allocation, as a text of '.' and 'x'. */
static void twelve_calls(char *text)
{
    struct stat file;

    for (int i = 0; i < 12; i++) {
        bool failed;
        if (i % 3 == 0) {
            void *p = CALL(realloc, NULL, 10);
            failed = !p;
            CALL(realloc, p, 0);
        } else {
            failed = CALL(fstat, 0, &file) < 0;
        }
        text[i] = failed ? 'x' : '.';
    }
    text[12] = '\0';
}

static void check_pattern(weft_testing_set set, uint64_t nth, enum weft_testing_mode mode,
                          const char *expected)
{
    char text[13];

    weft_testing_faults_init(&fault, &weft_sys_default);
    weft_testing_faults_fail(&fault, set, nth, mode, EIO);
    twelve_calls(text);
    CHECK_STR(text, expected);
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
}

TEST(the_nth_call_of_any_kind_fails_alone)
{
    check_pattern(WEFT_TESTING_ANY, 1, WEFT_TESTING_ONCE, "x...........");
    check_pattern(WEFT_TESTING_ANY, 5, WEFT_TESTING_ONCE, "....x.......");
    check_pattern(WEFT_TESTING_ANY, 12, WEFT_TESTING_ONCE, "...........x");
    check_pattern(WEFT_TESTING_ANY, 13, WEFT_TESTING_ONCE, "............");
}

TEST(the_nth_call_of_one_entry_fails_alone)
{
    check_pattern(WEFT_TESTING_SET(REALLOC), 2, WEFT_TESTING_ONCE, "...x........");
    check_pattern(WEFT_TESTING_SET(FSTAT), 3, WEFT_TESTING_ONCE, "....x.......");
    check_pattern(WEFT_TESTING_SET(MMAP), 1, WEFT_TESTING_ONCE, "............");
}

TEST(all_calls_from_the_nth_on_fail)
{
    check_pattern(WEFT_TESTING_ANY, 10, WEFT_TESTING_FROM, ".........xxx");
    check_pattern(WEFT_TESTING_MEMORY, 3, WEFT_TESTING_FROM, "......x..x..");
    check_pattern(WEFT_TESTING_ANY, 0, WEFT_TESTING_FROM, "............");
}

TEST(a_fault_has_the_code_that_was_chosen)
{
    struct stat file;

    weft_testing_faults_init(&fault, &weft_sys_default);
    weft_testing_faults_fail(&fault, WEFT_TESTING_ANY, 1, WEFT_TESTING_ONCE, EDQUOT);
    CHECK_ERR(CALL(fstat, 0, &file), -EDQUOT);
    CHECK_EQ(fault.injected, 1);
}

TEST(calls_are_counted_by_entry_and_freeing_and_the_clock_are_no_fault_points)
{
    weft_testing_faults_init(&fault, &weft_sys_default);
    void *p = CALL(realloc, NULL, 10);
    p = CALL(realloc, p, 20);
    CALL(realloc, p, 0);
    sys->clock(sys);
    CHECK_EQ(fault.calls[WEFT_TESTING_CALL_REALLOC], 2);
    CHECK_EQ(fault.calls[WEFT_TESTING_CALL_CLOCK], 1);
    CHECK_EQ(fault.points, 2);
    CHECK_STR(weft_testing_call_name(WEFT_TESTING_CALL_REALLOC), "realloc");
    CHECK_STR(weft_testing_call_name(WEFT_TESTING_CALL_IO_URING_REGISTER), "io_uring_register");
}

TEST(every_entry_that_can_fail_has_errors_and_is_wrapped)
{
    weft_testing_faults_init(&fault, &weft_sys_default);
    for (int entry = WEFT_TESTING_CALL_RANDOM; entry < WEFT_TESTING_CALLS; entry++)
        if (weft_testing_call_errors((enum weft_testing_call)entry)[0] == 0)
            FAIL("no errors for %s", weft_testing_call_name((enum weft_testing_call)entry));
#define CHECK_WRAPPED(upper, lower) CHECK(sys->lower && sys->lower != weft_sys_default.lower);
    WEFT__TESTING_CALLS(CHECK_WRAPPED)
#undef CHECK_WRAPPED
}

TEST(what_the_wrapped_table_cannot_do_stays_impossible)
{
    const struct weft_sys *world;
    char params[128];

    CHECK_OK(weft__sim_new(0, &world));
    weft_testing_faults_init(&fault, world);
    CHECK_ERR(sys->epoll_create1(sys, 0), -ENOSYS);
    CHECK_ERR(sys->io_uring_setup(sys, 8, params), -ENOSYS);
    CHECK(sys->flags & WEFT_SYS_VIRTUAL_CLOCK);
    weft__sim_free(world);
}

/* --- What a fault does ----------------------------------------------------------------------- */

TEST(a_close_that_fails_has_closed)
{
    int fds[2];

    weft_testing_faults_init(&fault, &weft_sys_default);
    CHECK_OK(CALL(pipe2, fds, O_CLOEXEC));
    weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CLOSE), 1, WEFT_TESTING_ONCE, EINTR);
    CHECK_ERR(CALL(close, fds[0]), -EINTR);
    CHECK_ERR(CALL(close, fds[0]), -EBADF);
    CHECK_OK(CALL(close, fds[1]));
}

TEST(an_unmapping_that_fails_has_unmapped)
{
    void *p;

    weft_testing_faults_init(&fault, &weft_sys_default);
    CHECK_OK(CALL(mmap, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    CHECK_EQ(fault.mapped, 8192);
    weft_testing_faults_fail(&fault, WEFT_TESTING_SET(MUNMAP), 1, WEFT_TESTING_ONCE, ENOMEM);
    CHECK_ERR(CALL(munmap, p, 8192), -ENOMEM);
    CHECK_EQ(fault.mapped, 0);
}

TEST(an_interrupted_connect_goes_on)
{
    const struct weft_sys *world;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;

    CHECK_OK(weft__sim_new(0, &world));
    weft_testing_faults_init(&fault, world);
    int listener = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(CALL(listen, listener, 4));
    CHECK_OK(CALL(getsockname, listener, (struct sockaddr *)&name, &len));
    int client = CALL(socket, AF_INET, SOCK_STREAM, 0);
    weft_testing_faults_fail(&fault, WEFT_TESTING_SET(CONNECT), 1, WEFT_TESTING_ONCE, EINTR);
    CHECK_ERR(CALL(connect, client, (struct sockaddr *)&name, len), -EINTR);
    CHECK_OK(CALL(getpeername, client, (struct sockaddr *)&name, &len));
    CHECK_OK(CALL(close, client));
    CHECK_OK(CALL(close, listener));
    CHECK_EQ(weft__sim_open(world), 0);
    weft__sim_free(world);
}

TEST(what_is_not_given_back_is_reported)
{
    void *p;

    weft_testing_faults_init(&fault, &weft_sys_default);
    void *block = CALL(realloc, NULL, 10);
    CHECK_OK(CALL(mmap, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    CHECK_EQ(weft_testing_faults_report(&fault), 2);
    CALL(realloc, block, 0);
    CHECK_OK(CALL(munmap, p, 4096));
    CHECK_EQ(weft_testing_faults_report(&fault), 0);
}

/* --- Storms ---------------------------------------------------------------------------------- */

TEST(a_storm_interrupts_about_as_many_calls_as_it_was_told)
{
    int interrupted = 0;
    char byte;

    weft_testing_faults_init(&fault, &weft_sys_default);
    weft_testing_faults_storm(
        &fault, &(struct weft_testing_storm){
                    .seed = 1, .interrupt_percent = 30, .again_percent = 0, .short_percent = 0});
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 1000; i++)
        interrupted += CALL(read, fd, &byte, 1) == -EINTR;
    CHECK(interrupted > 200 && interrupted < 400);
    CHECK_EQ(fault.injected, (uint64_t)interrupted);
    close(fd);
}

TEST(a_storm_is_the_same_again_for_the_same_seed)
{
    char results[2][200];
    char byte;

    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (int run = 0; run < 2; run++) {
        weft_testing_faults_init(&fault, &weft_sys_default);
        weft_testing_faults_storm(&fault, &(struct weft_testing_storm){.seed = 77,
                                                                       .interrupt_percent = 40,
                                                                       .again_percent = 40,
                                                                       .short_percent = 0});
        for (int i = 0; i < 200; i++)
            results[run][i] = (char)CALL(read, fd, &byte, 1);
    }
    CHECK_MEM(results[0], results[1], sizeof results[0]);
    CHECK(memchr(results[0], -EAGAIN, sizeof results[0]));
    CHECK(memchr(results[0], -EINTR, sizeof results[0]));
    close(fd);
}

TEST(a_storm_cuts_streams_short_and_leaves_datagrams_whole)
{
    int stream[2], datagram[2], cut_short = 0;
    char bytes[100] = "";

    weft_testing_faults_init(&fault, &weft_sys_default);
    weft_testing_faults_storm(
        &fault, &(struct weft_testing_storm){
                    .seed = 5, .interrupt_percent = 0, .again_percent = 0, .short_percent = 50});
    CHECK_OK(CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, stream));
    CHECK_OK(CALL(socketpair, AF_UNIX, SOCK_DGRAM, 0, datagram));
    for (int i = 0; i < 50; i++) {
        ssize_t n = CALL(sendto, stream[0], bytes, sizeof bytes, 0, NULL, 0);
        CHECK(n > 0 && n <= 100);
        cut_short += n < 100;
        while (n > 0)
            n -= CALL(recvfrom, stream[1], bytes, (size_t)n, 0, NULL, NULL);
        CHECK_EQ(CALL(sendto, datagram[0], bytes, sizeof bytes, 0, NULL, 0), 100);
        CHECK_EQ(CALL(recvfrom, datagram[1], bytes, sizeof bytes, 0, NULL, NULL), 100);
    }
    CHECK(cut_short > 10 && cut_short < 40);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(CALL(close, stream[i]));
        CHECK_OK(CALL(close, datagram[i]));
    }
}

/* --- Sweeps ---------------------------------------------------------------------------------- */

static int runs;

/* Two allocations and a pipe; right in every way. */
static int careful(const struct weft_sys *table)
{
    int fds[2], rc = -ENOMEM;

    runs++;
    void *first = table->realloc(table, NULL, 10);
    void *second = first ? table->realloc(table, NULL, 10) : NULL;
    if (second)
        rc = table->pipe2(table, fds, O_CLOEXEC);
    if (rc == 0) {
        (void)table->close(table, fds[0]);
        (void)table->close(table, fds[1]);
    }
    table->realloc(table, second, 0);
    table->realloc(table, first, 0);
    return rc;
}

TEST(a_sweep_fails_every_point_once_and_from_then_on_with_a_calm_run_after_each)
{
    static const struct fault_sweep sweep = {"careful", careful, NULL};

    CHECK_EQ(fault_sweep(&sweep, WEFT_TESTING_MEMORY, ENOMEM), 2);
    CHECK_EQ(runs, 1 + 2 * 2 * 2);
}

TEST(a_sweep_of_errors_takes_each_entry_with_each_of_its_codes)
{
    static const struct fault_sweep sweep = {"careful", careful, NULL};

    /* pipe2 has two codes; close has four at each of two places. */
    CHECK_EQ(fault_sweep_errors(&sweep, WEFT_TESTING_SET(PIPE2)), 2);
    CHECK_EQ(fault_sweep_errors(&sweep, WEFT_TESTING_SET(PIPE2) | WEFT_TESTING_SET(CLOSE)),
             2 + 4 * 2);
    CHECK_EQ(fault_sweep_errors(&sweep, WEFT_TESTING_SET(BIND)), 0);
}

/* Forgets its first block when the second fails. */
static int leaks_memory(const struct weft_sys *table)
{
    void *first = table->realloc(table, NULL, 10);
    void *second = first ? table->realloc(table, NULL, 10) : NULL;
    if (!second)
        return -ENOMEM;
    table->realloc(table, first, 0);
    table->realloc(table, second, 0);
    return 0;
}

/* Keeps a pipe when what follows fails. */
static int leaks_descriptors(const struct weft_sys *table)
{
    int fds[2];
    int rc = table->pipe2(table, fds, O_CLOEXEC);
    if (rc < 0)
        return rc;
    void *p = table->realloc(table, NULL, 10);
    if (!p)
        return -ENOMEM;
    table->realloc(table, p, 0);
    (void)table->close(table, fds[0]);
    (void)table->close(table, fds[1]);
    return 0;
}

/* Says -EIO when memory runs out. */
static int says_something_else(const struct weft_sys *table)
{
    void *p = table->realloc(table, NULL, 10);
    table->realloc(table, p, 0);
    return p ? 0 : -EIO;
}

/* Stays broken after the first failure. */
static int never_recovers(const struct weft_sys *table)
{
    static bool broken;
    void *p = table->realloc(table, NULL, 10);
    broken |= !p;
    table->realloc(table, p, 0);
    return broken ? -ENOMEM : 0;
}

static fault_scenario_fn *planted;

static void sweep_planted(void)
{
    struct fault_sweep sweep = {"planted", planted, NULL};

    fault_sweep(&sweep, WEFT_TESTING_MEMORY, ENOMEM);
}

static void check_planted(fault_scenario_fn *run, const char *part)
{
    struct test_outcome outcome;

    planted = run;
    test_run_isolated(sweep_planted, &outcome);
    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, part);
}

TEST(a_sweep_finds_planted_mistakes)
{
    check_planted(leaks_memory, "the scenario gives -ENOMEM and leaks");
    check_planted(leaks_descriptors, "the scenario gives -ENOMEM and leaks");
    check_planted(says_something_else, "call 1 gives -ENOMEM: the scenario gives -EIO");
    check_planted(never_recovers, "that calm run came after planted: call 1");
}

/* --- Floors ---------------------------------------------------------------------------------- */

static void below_the_floor(void)
{
    test_floor("tests/fault/floors.txt", "self-test", 9);
}

static void without_a_floor(void)
{
    test_floor("tests/fault/floors.txt", "no such name", 9);
}

static void without_a_file(void)
{
    test_floor("tests/fault/no_such_file.txt", "self-test", 9);
}

static void check_floor_fails(void (*function)(void), const char *part)
{
    struct test_outcome outcome;

    test_run_isolated(function, &outcome);
    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, part);
}

TEST(a_figure_below_its_floor_or_without_one_fails)
{
    test_floor("tests/fault/floors.txt", "self-test", 10);
    check_floor_fails(below_the_floor, "less than its floor of 10");
    check_floor_fails(without_a_floor, "no floor for no such name");
    check_floor_fails(without_a_file, "cannot be read");
}
