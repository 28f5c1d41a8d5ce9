/* SPDX-License-Identifier: MIT */
/*
 * test_bad_clients.c: clients that do what nobody should
 *
 * Slow ones by the thousand, those that reset in the middle of an exchange, those that are gone and
 * never said so. Each of their connections ends with a clear error or goes on; the memory of the
 * server stays bounded; and a good client that comes meanwhile is served as if it were alone.
 */
#include "serve_test.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <weft/testing.h>

/** How many slow clients there are, half of them slow to write, half to read. */
static int crowd(void)
{
    return test_slowness() > 1 ? 100 : 1000;
}

/** How many bytes a slow client moves, one a second. */
enum { SLOW_BYTES = 2, ANSWER = 1 << 20, SMALL = 8192 };

/** Memory of the process's own that is resident, in bytes; 0 where that says nothing: sanitizers
 *  and Valgrind keep what was freed, and in a simulated world the sockets' buffers are ours. */
static long long resident(void)
{
    long long total = 0, resident = 0, shared = 0;
    if (test_slowness() > 1 || test_engine_is("sim"))
        return 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    CHECK_EQ(fscanf(file, "%lld %lld %lld", &total, &resident, &shared), 3);
    CHECK_EQ(fclose(file), 0);
    return (resident - shared) * sysconf(_SC_PAGESIZE);
}

/** Since `before` no more memory came than `connections` may have, each with its client: 256 KiB,
 *  which is twice what a stream's buffers may hold (64 KiB each way) and more than is touched of
 *  two stacks, and 4 MiB for all else. */
static void check_growth(long long before, int connections)
{
    long long growth = resident() - before;
    if (growth > ((long long)connections << 18) + (4 << 20))
        FAIL("%lld KiB of memory for %d connections", growth >> 10, connections);
}

/** Two descriptors for each slow client, and some. */
static void raise_limit(void)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t need = (rlim_t)crowd() * 2 + 200;
    if (limit.rlim_max < need)
        SKIP("the limit of open files is %llu", (unsigned long long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_cur < need ? need : limit.rlim_cur;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/** 'e': echoes what follows; 'a': sends a long answer. */
static int serve_either(struct weft_stream *stream, void *arg)
{
    static const char zeros[4096];
    char kind;
    int rc = weft_stream_read_exactly(stream, &kind, 1);
    if (rc == 0 && kind == 'e')
        return echo(stream, arg);
    /* The kernel would take the whole answer. */
    if (rc == 0)
        rc = weft_set_option(weft_stream_fd(stream), SOL_SOCKET, SO_SNDBUF, SMALL);
    for (size_t sent = 0; rc == 0 && sent < ANSWER; sent += sizeof zeros)
        rc = weft_stream_write_all(stream, zeros, sizeof zeros);
    return rc;
}

/** Slow clients wait for this before they begin, so that all are there at once. */
static struct weft_event begin = WEFT_EVENT_INIT(begin);
/** No slow client ends before this is set. */
static bool may_end;

static int slow_client(const struct weft_address *address, int reads)
{
    char byte = reads ? 'a' : 'e';
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(weft_set_option(fd, SOL_SOCKET, SO_RCVBUF, SMALL), 0);
    CHECK_EQ(weft_connect(fd, address), 0);
    CHECK_EQ(weft_write(fd, &byte, 1), 1);
    CHECK_EQ(weft_event_wait(&begin), 0);
    for (int i = 0; i < SLOW_BYTES || !may_end; i++) {
        if (!reads)
            CHECK_EQ(weft_write(fd, "x", 1), 1);
        CHECK_EQ(weft_read(fd, &byte, 1), 1);
        CHECK_EQ(weft_sleep(WEFT_SEC), 0);
    }
    return weft_close(fd);
}
typedef const struct weft_address *address_pointer;
WEFT_TASK(slow_client, address_pointer, int);

static void prepare_crowd(void)
{
    test_limit(60);
    raise_limit();
}

#define SLOW_TEST(name) TASK_TEST_AFTER(prepare_crowd(), name)

SLOW_TEST(a_thousand_slow_clients_leave_the_others_alone)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    long long before = resident();
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, serve_either, NULL, &address);
    for (int i = 0; i < crowd(); i++)
        CHECK_EQ(weft_go(&s, slow_client, &address, i % 2), 0);
    until_active(server, (uint64_t)crowd());
    weft_event_set(&begin);
    for (int i = 0; i < 100; i++) {
        int fd = client_of(&address);
        put(fd, "e");
        check_echo(fd, "the others do not notice");
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK(stats_of(server).peak > (uint64_t)crowd());
    check_growth(before, crowd());
    may_end = true;
    until_active(server, 0);
    CHECK_EQ(stats_of(server).succeeded + stats_of(server).failed, (uint64_t)crowd() + 100);
    CHECK_EQ(heard.count, stats_of(server).failed); /* who closed with the answer on its way */
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/** Ends a connection with a reset. */
static void reset(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(sys->setsockopt(sys, fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    CHECK_EQ(weft_close(fd), 0);
}

/** Reads lines and answers each with as many bytes. */
static int answer_lines(struct weft_stream *stream, void *arg)
{
    char *line;
    ssize_t n;
    (void)arg;
    while ((n = weft_stream_read_line(stream, &line)) > 0) {
        char copy[64];
        memcpy(copy, line, (size_t)n);
        int rc = weft_stream_write_all(stream, copy, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return (int)n;
}

TASK_TEST(a_reset_at_every_byte_of_an_exchange_ends_one_connection)
{
    static const char request[] = "one request\n";
    const size_t len = sizeof request - 1;
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    char bytes[64];
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, answer_lines, NULL, &address);
    int good = client_of(&address);
    for (size_t moved = 0; moved <= 2 * len; moved++) {
        int fd = client_of(&address);
        size_t sent = moved < len ? moved : len, got = moved - sent;
        if (sent > 0)
            CHECK_EQ(weft_write_all(fd, request, sent), 0);
        while (got > 0) {
            ssize_t n = weft_read(fd, bytes, got);
            CHECK(n > 0);
            got -= (size_t)n;
        }
        until_active(server, 2);
        reset(fd);
        until_active(server, 1);
        check_echo(good, "good\n");
    }
    /* What the system tells the handler is a reset, and nothing else happens. */
    CHECK_EQ(stats_of(server).failed, heard.count);
    CHECK_ERR(heard.code, -ECONNRESET);
    CHECK_EQ(heard.count, 2 * len + 1);
    CHECK_EQ(weft_close(good), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/** The other end is gone, and this one will never hear of it by itself. */
static void vanish(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) < 0)
        SKIP("only an administrator can make a peer vanish");
    CHECK_EQ(weft_close(fd), 0);
}

static void prepare_half_open(void)
{
    if (test_engine_is("sim"))
        SKIP("peers of a simulated world do not vanish");
    test_takes(2);
}

#define HALF_OPEN_TEST(name) TASK_TEST_AFTER(prepare_half_open(), name)

HALF_OPEN_TEST(keep_alive_finds_a_peer_that_vanished)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    struct weft_stream_options stream = {
        .keepalive_idle = WEFT_SEC, .keepalive_interval = WEFT_SEC, .keepalive_count = 1};
    struct weft_serve_options options = {.stream = &stream};
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_with(&s, options, swallow, NULL, &address);
    int fd = client_of(&address);
    until_active(server, 1);
    vanish(fd);
    until_active(server, 0);
    CHECK_EQ(heard.count, 1);
    CHECK(heard.code == -ECONNRESET || heard.code == -ETIMEDOUT);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int impatient(struct weft_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    return (int)weft_within(20 * WEFT_MS, weft_stream_read(stream, &byte, 1));
}

TASK_TEST(a_deadline_in_the_handler_ends_a_client_that_says_nothing)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, impatient, NULL, &address);
    int fd = client_of(&address);
    check_end(fd);
    until_active(server, 0);
    CHECK_ERR(heard.code, -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Memory. Without a limit each client of the next two tests would take MUCH of it. */

/** How many clients there are, and what each asks for or sends. */
enum { GREEDY = 64, MUCH = 8 << 20, PIECE = 16 << 10 };

/** What the clients of a test and their handlers share. */
struct greed {
    /** Where the server is. */
    struct weft_address address;
    /** How many bytes were put, in all. */
    uint64_t put;
    /** How many handlers have heard that a line is too long. */
    int refused;
    /** Clients and handlers stay until this is set. */
    struct weft_event enough;
};

static int put_much(struct weft_stream *stream, void *arg)
{
    static const char zeros[PIECE];
    struct greed *greed = arg;
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < MUCH; done += PIECE) {
        rc = weft_stream_put(stream, zeros, PIECE);
        greed->put += rc == 0 ? PIECE : 0;
    }
    return rc;
}

static int connect_and_stay(struct greed *greed)
{
    int fd = client_of(&greed->address);
    CHECK_EQ(weft_event_wait(&greed->enough), 0);
    reset(fd);
    return 0;
}
typedef struct greed *greed_pointer;
WEFT_TASK(connect_and_stay, greed_pointer);

/** Waits until every handler has put something and none can put more. A machine that is too busy to
 *  let them only makes the check easier. */
static void until_full(const struct greed *greed, const struct weft_server *server)
{
    until_active(server, GREEDY);
    for (uint64_t last = 0; last < (uint64_t)GREEDY * PIECE || last != greed->put;) {
        last = greed->put;
        for (int i = 0; i < 5; i++)
            CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    }
}

/** Opens the server for them, with somebody who hears of failures. */
static struct weft_server *begin_greed(struct greed *greed, struct heard *heard,
                                       struct weft_scope *s, weft_serve_fn *fn)
{
    listen_to(heard);
    weft_event_init(&greed->enough);
    weft_scope_enter(s, WEFT_FOREVER);
    return open_server(s, fn, greed, &greed->address);
}

/** Ends the clients, each with a failure of its handler, and the server when none is left. */
static void end_greed(struct greed *greed, struct weft_server *server, struct weft_scope *s)
{
    weft_event_set(&greed->enough);
    until_active(server, 0);
    CHECK_EQ(stats_of(server).failed, GREEDY);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(s, 0), 0);
}

TASK_TEST(clients_that_never_read_take_no_more_memory_than_the_high_water_mark)
{
    struct weft_scope s;
    struct greed greed = {.put = 0};
    struct heard heard;
    long long before = resident();
    struct weft_server *server = begin_greed(&greed, &heard, &s, put_much);
    for (int i = 0; i < GREEDY; i++)
        CHECK_EQ(weft_go(&s, connect_and_stay, &greed), 0);
    until_full(&greed, server);
    CHECK(greed.put < (uint64_t)GREEDY * MUCH);
    check_growth(before, GREEDY);
    end_greed(&greed, server, &s);
    CHECK_EQ(heard.count, GREEDY);
}

static int read_one_line(struct weft_stream *stream, void *arg)
{
    struct greed *greed = arg;
    char *line;
    ssize_t n = weft_stream_read_line(stream, &line);
    CHECK_ERR(n, -EMSGSIZE);
    CHECK(weft_stream_buffered(stream) < 128 << 10);
    greed->refused++;
    CHECK_EQ(weft_event_wait(&greed->enough), 0);
    return (int)n;
}

static int send_much(struct greed *greed)
{
    static const char zeros[PIECE];
    int fd = client_of(&greed->address);
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < MUCH; done += PIECE)
        rc = weft_write_all(fd, zeros, PIECE);
    CHECK(rc == 0 || rc == -ECONNRESET || rc == -EPIPE);
    return weft_close(fd);
}
WEFT_TASK(send_much, greed_pointer);

TASK_TEST(a_line_without_an_end_takes_no_more_memory_than_the_limit)
{
    struct weft_scope s;
    struct greed greed = {.put = 0};
    struct heard heard;
    long long before = resident();
    struct weft_server *server = begin_greed(&greed, &heard, &s, read_one_line);
    for (int i = 0; i < GREEDY; i++)
        CHECK_EQ(weft_go(&s, send_much, &greed), 0);
    while (greed.refused < GREEDY)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    check_growth(before, GREEDY);
    end_greed(&greed, server, &s);
    CHECK_ERR(heard.code, -EMSGSIZE);
}

/** Takes a line of LONG bytes, and answers with one. */
enum { LONG = 32 << 10 };

static int take_long_line(struct weft_stream *stream, void *arg)
{
    char *line;
    (void)arg;
    ssize_t n = weft_stream_read_line(stream, &line);
    CHECK_EQ(n, LONG);
    return weft_stream_put(stream, "x", 1);
}

TASK_TEST(memory_goes_with_the_connections)
{
    static char line[LONG];
    struct weft_scope s;
    struct weft_address address;
    long long before = 0;
    char byte;
    memset(line, 'x', LONG - 1);
    line[LONG - 1] = '\n';
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, take_long_line, NULL, &address);
    /* Connections one after another; what each takes is counted when the test ends, and neither the
     * scope nor the server must keep a trace of it until then: 200 lines are 6 MiB. */
    for (int i = 0; i < 300; i++) {
        int fd = client_of(&address);
        CHECK_EQ(weft_write_all(fd, line, LONG), 0);
        CHECK_EQ(weft_read(fd, &byte, 1), 1);
        CHECK_EQ(weft_close(fd), 0);
        if (i == 100)
            before = resident();
    }
    until_active(server, 0);
    check_growth(before, 0);
    CHECK_EQ(stats_of(server).accepted, 300);
    CHECK(stats_of(server).peak < 20);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
