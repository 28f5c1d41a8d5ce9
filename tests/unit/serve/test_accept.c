/* SPDX-License-Identifier: MIT */
/*
 * test_accept.c: what accepting does when it cannot go on
 *
 * The limit of connections, and every error of accept(2), which a table of faults brings on each
 * engine; on the real ones descriptors also run out in earnest.
 */
#include "serve_test.h"

#include <sys/resource.h>
#include <weft/testing.h>

/** The table of the running FAULT_TEST. */
static struct weft_testing_faults faults;

/** Runs a program over a table of faults, on the engine of this test. */
static void run_faulty(int (*program)(void *arg))
{
    const struct weft_sys *inner = &weft_sys_default;
    if (test_engine_is("sim"))
        CHECK_EQ(weft_testing_world_new(NULL, &inner), 0);
    weft_testing_faults_init(&faults, inner);
    struct weft_loop_options options = {.backend = test_engine(), .sys = &faults.sys};
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
    if (test_engine_is("sim"))
        weft_testing_world_free(inner);
}

#define FAULT_TEST(name)                                                                           \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        run_faulty(name##_program);                                                                \
    }                                                                                              \
    static void name##_body(void)

/** From now on every accept fails so; 0: none. */
static void fail_accepts(enum weft_testing_mode mode, int code)
{
    weft_testing_faults_fail(&faults, WEFT_TESTING_SET(ACCEPT4), code ? 1 : 0, mode, code);
}

/* The limit. */

TASK_TEST(at_the_limit_clients_wait_until_a_connection_ends)
{
    struct weft_scope s;
    struct weft_address address;
    char byte;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.max_connections = 2};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    int one = client_of(&address), two = client_of(&address);
    check_echo(one, "one");
    check_echo(two, "two");
    int three = client_of(&address);
    put(three, "x");
    CHECK_ERR(weft_within(20 * WEFT_MS, weft_read(three, &byte, 1)), -ETIMEDOUT);
    CHECK_EQ(stats_of(server).accepted, 2);
    CHECK_EQ(stats_of(server).full, 1);
    CHECK_EQ(weft_close(one), 0);
    CHECK_EQ(weft_read(three, &byte, 1), 1);
    check_echo(two, "still");
    CHECK_EQ(stats_of(server).peak, 2);
    CHECK_EQ(weft_close(two), 0);
    CHECK_EQ(weft_close(three), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(the_limit_holds_for_all_listeners_together)
{
    struct weft_scope s;
    struct weft_address addresses[2];
    int fds[6];
    const char *texts[] = {"127.0.0.1:0", "127.0.0.1:0"};
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {
        .addresses = texts, .address_count = 2, .max_connections = 1};
    struct weft_server *server = open_with(&s, options, echo, NULL, NULL);
    CHECK_EQ(weft_server_addresses(server, addresses, 2), 2);
    for (int i = 0; i < 6; i++)
        fds[i] = client_of(&addresses[i % 2]);
    for (int served = 0; served < 6; served++) {
        until_active(server, 1);
        turn();
        CHECK_EQ(stats_of(server).active, 1);
        int next = -1;
        for (int i = 0; i < 6 && next < 0; i++) {
            char byte;
            if (fds[i] < 0)
                continue;
            put(fds[i], "x");
            if (weft_within(5 * WEFT_MS, weft_read(fds[i], &byte, 1)) == 1)
                next = i;
        }
        if (next < 0) {
            served--;
            continue;
        }
        CHECK_EQ(weft_close(fds[next]), 0);
        fds[next] = -1;
    }
    until_active(server, 0);
    CHECK_EQ(stats_of(server).peak, 1);
    CHECK_EQ(stats_of(server).accepted, 6);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_server_that_is_full_can_be_closed)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.max_connections = 1};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    int fd = client_of(&address);
    check_echo(fd, "hello");
    turn();
    CHECK_EQ(weft_server_close(server), 0);
    check_echo(fd, "still");
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Shortages. */

FAULT_TEST(a_shortage_pauses_accepting_is_reported_once_and_passes)
{
    static const int codes[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    struct heard heard;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct weft_scope s;
        struct weft_address address;
        listen_to(&heard);
        weft_scope_enter(&s, WEFT_FOREVER);
        struct weft_serve_options options = {.pause = 20 * WEFT_MS};
        struct weft_server *server = open_with(&s, options, echo, NULL, &address);
        int old = client_of(&address);
        check_echo(old, "before");
        fail_accepts(WEFT_TESTING_FROM, codes[i]);
        uint64_t before = faults.calls[WEFT_TESTING_CALL_ACCEPT4];
        int fd = client_of(&address);
        while (stats_of(server).pauses < 3)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
        check_echo(old, "others do not notice");
        CHECK(faults.calls[WEFT_TESTING_CALL_ACCEPT4] - before <= stats_of(server).pauses + 3);
        CHECK_EQ(heard.count, 1);
        CHECK_ERR(heard.code, -codes[i]);
        CHECK_CONTAINS(heard.text, "accepting on 127.0.0.1:");
        CHECK_CONTAINS(heard.text, "pauses for up to 20 ms");
        fail_accepts(WEFT_TESTING_FROM, 0);
        check_echo(fd, "after");
        CHECK_EQ(stats_of(server).accepted, 2);
        CHECK_EQ(weft_close(fd), 0);
        CHECK_EQ(weft_close(old), 0);
        CHECK_EQ(weft_server_close(server), 0);
        CHECK_EQ(weft_scope_exit(&s, 0), 0);
    }
}

FAULT_TEST(a_pause_ends_when_a_connection_gives_its_descriptor_back)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.pause = WEFT_HOUR};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    int old = client_of(&address);
    check_echo(old, "before");
    fail_accepts(WEFT_TESTING_FROM, EMFILE);
    int fd = client_of(&address);
    while (stats_of(server).pauses == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    for (int i = 0; i < 10; i++)
        turn();
    CHECK_EQ(stats_of(server).pauses, 1);
    fail_accepts(WEFT_TESTING_FROM, 0);
    CHECK_EQ(weft_close(old), 0);
    check_echo(fd, "after");
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

FAULT_TEST(a_server_that_pauses_can_be_closed)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.pause = WEFT_HOUR};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    fail_accepts(WEFT_TESTING_FROM, EMFILE);
    int fd = client_of(&address), next = client_of(&address);
    while (stats_of(server).pauses == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(next), 0);
}

TASK_TEST(descriptors_run_out_and_come_back)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    struct rlimit limit;
    int clients[64], count = 0;
    char byte;
    if (test_engine_is("sim"))
        SKIP("a simulated world has no limit of descriptors");
    test_needs_own_descriptors();
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.pause = 10 * WEFT_MS};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    int first = client_of(&address);
    check_echo(first, "before");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)first + 24;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < 64 && (clients[count] = weft_tcp_connect(&address)) >= 0)
        count++;
    CHECK(count < 64);
    CHECK_ERR(clients[count], -EMFILE);
    while (stats_of(server).pauses < 2)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    check_echo(first, "others do not notice");
    CHECK_EQ(heard.count, 1);
    CHECK_ERR(heard.code, -EMFILE);
    /* The last one was not accepted; it is once others have gone. */
    put(clients[count - 1], "x");
    for (int i = 0; i < count - 1; i++)
        CHECK_EQ(weft_close(clients[i]), 0);
    CHECK_EQ(weft_read(clients[count - 1], &byte, 1), 1);
    CHECK_EQ(weft_close(clients[count - 1]), 0);
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(stats_of(server).failed, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

FAULT_TEST(a_connection_without_memory_is_dropped_and_the_others_are_served)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    char byte;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_serve_options options = {.pause = 10 * WEFT_MS};
    struct weft_server *server = open_with(&s, options, echo, NULL, &address);
    int old = client_of(&address);
    check_echo(old, "before");
    int fd = client_of(&address);
    for (uint64_t nth = 1; stats_of(server).dropped + stats_of(server).failed == 0; nth++) {
        check_echo(fd, "served in spite of it");
        CHECK_EQ(weft_close(fd), 0);
        until_active(server, 1);
        fd = client_of(&address);
        weft_testing_faults_fail(&faults, WEFT_TESTING_SET(REALLOC), nth, WEFT_TESTING_ONCE,
                                 ENOMEM);
        turn();
        weft_testing_faults_fail(&faults, WEFT_TESTING_SET(REALLOC), 0, WEFT_TESTING_ONCE, ENOMEM);
        CHECK(nth < 100);
    }
    ssize_t n = weft_read(fd, &byte, 1);
    CHECK(n == 0 || n == -ECONNRESET);
    CHECK_EQ(weft_close(fd), 0);
    check_echo(old, "after");
    CHECK(heard.count >= 1);
    CHECK_EQ(weft_close(old), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Other errors. */

FAULT_TEST(clients_that_vanished_are_passed_over)
{
    static const int codes[] = {EPROTO, ENETDOWN, EHOSTUNREACH, ETIMEDOUT};
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fail_accepts(WEFT_TESTING_ONCE, codes[i]);
        for (int k = 0; k < 2; k++) { /* one accept may have begun before the fault */
            int fd = client_of(&address);
            check_echo(fd, "hello");
            CHECK_EQ(weft_close(fd), 0);
        }
    }
    CHECK_EQ(stats_of(server).vanished, 4);
    CHECK_EQ(stats_of(server).pauses, 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

FAULT_TEST(an_accept_that_fails_for_good_ends_the_server_with_its_code)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    (void)open_server(&s, echo, NULL, &address);
    int old = client_of(&address);
    check_echo(old, "before");
    fail_accepts(WEFT_TESTING_FROM, EINVAL);
    int fd = weft_tcp_connect(&address);
    CHECK_ERR(weft_scope_exit(&s, 0), -EINVAL);
    if (fd >= 0)
        CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(old), 0);
}
