/* SPDX-License-Identifier: MIT */
/*
 * test_loops.c: one server on several loops
 *
 * The calling thread is taken by the first loop, so the clients are a thread of the test's, with
 * blocking sockets. It ends the server as a user would, by SIGTERM.
 */
#include "serve_test.h"

#include <pthread.h>
#include <sys/resource.h>

enum { LOOPS = 3, CLIENTS = 300 };

/** What the clients see. */
static struct clients {
    /** Where they connect. */
    struct weft_address address;
    /** Of how many loops they got an answer. */
    unsigned loops;
    /** How many were answered. */
    unsigned answered;
} clients;

/** Answers with the id of its thread. */
static int tell_thread(struct weft_stream *stream, void *arg)
{
    pthread_t self = pthread_self();
    CHECK(arg == &clients);
    return weft_stream_write_all(stream, &self, sizeof self);
}

static int connect_blocking(const struct weft_address *address)
{
    int fd = socket(address->of.any.sa_family, SOCK_STREAM, 0);
    CHECK_OK(fd);
    for (;;) {
        if (connect(fd, &address->of.any, address->len) == 0)
            return fd;
        CHECK(errno == ECONNREFUSED || errno == ENOENT);
        usleep(1000);
    }
}

static void *run_clients(void *arg)
{
    pthread_t seen[LOOPS + 1], one;
    (void)arg;
    for (int i = 0; i < CLIENTS; i++) {
        int fd = connect_blocking(&clients.address);
        if (read(fd, &one, sizeof one) == sizeof one)
            clients.answered++;
        CHECK_EQ(close(fd), 0);
        unsigned at = 0;
        while (at < clients.loops && !pthread_equal(seen[at], one))
            at++;
        CHECK(at < LOOPS);
        seen[at] = one;
        clients.loops += at == clients.loops;
    }
    test_wait_until_asleep(getpid());
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    return NULL;
}

/** Serves on several loops while the clients run. */
static void serve_with(unsigned loops, const struct weft_serve_options *options,
                       const struct weft_address *address)
{
    pthread_t thread;
    struct weft_run_options run = {.loop = {.backend = test_engine()}};
    clients.address = *address;
    CHECK_EQ(pthread_create(&thread, NULL, run_clients, NULL), 0);
    CHECK_ERR(weft_serve_loops(loops, &run, options, tell_thread, &clients), -ECANCELED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(clients.answered, CLIENTS);
}

static void serve_on_loops(const char *text)
{
    struct weft_serve_options options = {.address = text};
    struct weft_address address = address_of(text);
    serve_with(LOOPS, &options, &address);
}

/** A port that nobody has, found before there is a loop. */
static void find_port(char text[WEFT_ADDRESS_TEXT_SIZE])
{
    struct weft_address address = address_of("127.0.0.1:0");
    int fd = weft_tcp_listen(&address, 0);
    CHECK_OK(fd);
    address = local_address(fd);
    CHECK_EQ(weft_close(fd), 0);
    weft_address_format(&address, text, WEFT_ADDRESS_TEXT_SIZE);
}

TEST_EACH_ENGINE(connections_are_spread_over_the_loops)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    test_needs_another_thread();
    find_port(text);
    serve_on_loops(text);
    CHECK_EQ(clients.loops, LOOPS);
}

TEST_EACH_ENGINE(the_loops_share_a_unix_socket_and_its_path_goes_with_them)
{
    char path[64], text[80];
    test_needs_another_thread();
    snprintf(path, sizeof path, "/tmp/weft-loops-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    serve_on_loops(text);
    CHECK_EQ(access(path, F_OK), -1);
}

TEST_EACH_ENGINE(a_taken_address_is_known_before_anything_is_served)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    test_needs_another_thread();
    find_port(text);
    struct weft_address address = address_of(text);
    int fd = weft_tcp_listen(&address, 0);
    CHECK_OK(fd);
    struct weft_serve_options options = {.address = text};
    CHECK_ERR(weft_serve_loops(LOOPS, NULL, &options, tell_thread, NULL), -EADDRINUSE);
    CHECK_ERR(weft_serve_loops(0, NULL, &options, tell_thread, NULL), -EINVAL);
    CHECK_ERR(weft_serve_loops(LOOPS, NULL, NULL, tell_thread, NULL), -EINVAL);
    CHECK_EQ(weft_close(fd), 0);
}

/** A listener that the caller has opened. */
static int open_given(struct weft_address *ret)
{
    struct weft_address any = address_of("127.0.0.1:0");
    int fd = weft_tcp_listen(&any, 0);
    CHECK_OK(fd);
    *ret = local_address(fd);
    return fd;
}

TEST_EACH_ENGINE(the_loops_share_a_listener_that_was_given)
{
    struct weft_address address;
    test_needs_another_thread();
    int fd = open_given(&address);
    struct weft_serve_options options = {.fds = &fd, .fd_count = 1};
    serve_with(LOOPS, &options, &address);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

TEST_EACH_ENGINE(one_loop_alone_serves_too)
{
    struct weft_address address;
    test_needs_another_thread();
    int fd = open_given(&address);
    struct weft_serve_options options = {.fds = &fd, .fd_count = 1};
    serve_with(1, &options, &address);
    CHECK_EQ(clients.loops, 1);
}

TEST(without_descriptors_for_all_loops_a_given_listener_stays_the_callers)
{
    struct weft_address address;
    struct rlimit limit;
    test_needs_own_descriptors();
    int fd = open_given(&address), next = dup(fd);
    struct weft_serve_options options = {.fds = &fd, .fd_count = 1};
    CHECK_OK(next);
    CHECK_EQ(close(next), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_ERR(weft_serve_loops(LOOPS, NULL, &options, tell_thread, NULL), -EMFILE);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    CHECK_EQ(close(fd), 0);
}

TEST(without_memory_nothing_is_served)
{
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    test_out_of_memory(true);
    int rc = weft_serve_loops(LOOPS, NULL, &options, tell_thread, NULL);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
}

TEST(each_of_several_addresses_must_be_there)
{
    const char *const addresses[] = {"127.0.0.1:0", "inherited:none"};
    struct weft_serve_options options = {.addresses = addresses, .address_count = 2};
    CHECK_EQ(unsetenv("LISTEN_FDS"), 0);
    CHECK_ERR(weft_serve_loops(LOOPS, NULL, &options, tell_thread, NULL), -ENOENT);
}

static int no_name(const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len)
{
    (void)sys, (void)fd, (void)address, (void)len;
    return -EIO;
}

TEST(a_loop_that_cannot_take_its_sockets_ends_them_all)
{
    struct weft_sys sys = weft_sys_default;
    struct weft_run_options run = {.loop = {.sys = &sys}};
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    sys.getsockname = no_name;
    CHECK_ERR(weft_serve_loops(1, &run, &options, tell_thread, NULL), -EIO);
}

TASK_TEST(a_task_does_not_serve_on_several_loops)
{
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    CHECK_ERR(weft_serve_loops(LOOPS, NULL, &options, tell_thread, NULL), -EDEADLK);
}
