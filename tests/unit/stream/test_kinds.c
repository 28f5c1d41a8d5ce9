/* SPDX-License-Identifier: MIT */
/*
 * test_kinds.c: what each kind of stream is
 *
 * Words, names and descriptors of each kind; the options of TCP; connecting; standard input and
 * output, which are shared with the shell; pipes with one end; terminals; and what is refused.
 */
#define _GNU_SOURCE 1 /* pseudo-terminals */
#include "stream_test.h"

#include "base/assert.h"
#include <netinet/tcp.h>
#include <pthread.h>

TASK_TEST(a_kind_has_a_word_a_descriptor_and_names)
{
    EACH_STREAM(kind, NULL, ends)
    {
        struct weft_address local;
        struct weft_address peer;
        bool tcp = strcmp(kind->name, "tcp") == 0;
        bool unix_kind = strstr(kind->name, "unix") != NULL;
        CHECK_STR(weft_stream_kind(ends[0]), tcp                                 ? "tcp"
                                             : unix_kind                         ? "unix"
                                             : strcmp(kind->name, "memory") == 0 ? "memory"
                                                                                 : "pipe");
        if (tcp || unix_kind) {
            CHECK_EQ(weft_stream_local_address(ends[0], &local), 0);
            CHECK_EQ(weft_stream_peer_address(ends[1], &peer), 0);
            CHECK(weft_address_equal(&local, &peer));
        } else {
            CHECK_ERR(weft_stream_local_address(ends[0], &local), -ENOTSUP);
        }
        if (strcmp(kind->name, "memory") == 0)
            CHECK_ERR(weft_stream_fd(ends[0]), -ENOTSUP);
        else
            CHECK_OK(weft_stream_fd(ends[0]));
    }
}

static int tcp_option(struct weft_stream *stream, int level, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_EQ(sys->getsockopt(sys, weft_stream_fd(stream), level, option, &value, &size), 0);
    return value;
}

TASK_TEST(tcp_does_not_delay_and_can_be_kept_alive)
{
    const struct weft_stream_options alive = {.keepalive_idle = 90 * WEFT_SEC + 1,
                                              .keepalive_interval = 5 * WEFT_SEC,
                                              .keepalive_count = 4};
    struct weft_stream *ends[2];
    if (test_engine_is("sim"))
        SKIP("the simulated kernel has no keep-alive");
    make_tcp(NULL, ends);
    CHECK_EQ(tcp_option(ends[0], IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(tcp_option(ends[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    close_streams(ends);
    make_tcp(&alive, ends);
    CHECK_EQ(tcp_option(ends[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(tcp_option(ends[0], IPPROTO_TCP, TCP_KEEPIDLE), 91);
    CHECK_EQ(tcp_option(ends[0], IPPROTO_TCP, TCP_KEEPINTVL), 5);
    CHECK_EQ(tcp_option(ends[0], IPPROTO_TCP, TCP_KEEPCNT), 4);
    close_streams(ends);
}

TASK_TEST(delay_leaves_a_tcp_socket_as_it_is)
{
    const struct weft_stream_options options = {.flags = WEFT_STREAM_DELAY};
    struct weft_address address;
    struct weft_stream *stream;
    if (test_engine_is("sim"))
        SKIP("the simulated kernel knows no Nagle");
    int listener = listen_anywhere(&address);
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(weft_connect(fd, &address), 0);
    CHECK_EQ(weft_stream_from_fd(fd, &options, &stream), 0);
    CHECK_EQ(tcp_option(stream, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(listener), 0);
}

TASK_TEST(a_stream_connects_and_a_refused_one_leaves_nothing)
{
    struct weft_address address;
    struct weft_stream *stream = NULL;
    int listener = listen_anywhere(&address);
    CHECK_EQ(weft_stream_connect(&address, NULL, &stream), 0);
    struct weft_address peer;
    CHECK_EQ(weft_stream_peer_address(stream, &peer), 0);
    CHECK(weft_address_equal(&peer, &address));
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_close(listener), 0);
    stream = NULL;
    CHECK_ERR(weft_stream_connect(&address, NULL, &stream), -ECONNREFUSED);
    CHECK(stream == NULL);
}

TASK_TEST(what_is_no_stream_is_refused_and_stays_the_callers)
{
    struct weft_stream *stream = NULL;
    const struct weft_stream_options wrong = {.high_water = 10, .low_water = 11};
    int fds[2];
    CHECK_ERR(weft_stream_from_fd(-1, NULL, &stream), -EBADF);
    udp_pair(fds);
    CHECK_ERR(weft_stream_from_fd(fds[0], NULL, &stream), -EPROTOTYPE);
    close_ends(fds);
    owned_sockets(fds, 0);
    CHECK_ERR(weft_stream_from_fd(fds[0], &wrong, &stream), -EINVAL);
    CHECK_ERR(weft_stream_pair(&wrong, &stream, &stream), -EINVAL);
    CHECK(stream == NULL);
    put(fds[0], "x");
    close_ends(fds);
}

TASK_TEST(a_socket_that_is_not_connected_says_so)
{
    struct weft_stream *stream;
    struct weft_address peer;
    char byte;
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(weft_stream_from_fd(fd, NULL, &stream), 0);
    CHECK_ERR(weft_stream_read(stream, &byte, 1), -ENOTCONN);
    CHECK_ERR(weft_stream_peer_address(stream, &peer), -ENOTCONN);
    CHECK_EQ(weft_stream_close(stream), 0);
}

TASK_TEST(a_unix_path_that_nobody_listens_on_says_so)
{
    struct weft_stream *stream = NULL;
    struct weft_address address = address_of("unix:@weft-nobody-listens-here");
    CHECK_ERR(weft_stream_connect(&address, NULL, &stream), -ECONNREFUSED);
    CHECK(stream == NULL);
}

/* In another thread, whose loop is another one. */

static struct weft_stream *foreign;

static int use_foreign(void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = weft_stream_read(foreign, &byte, 1);
    return n == -EPERM ? weft_stream_write_all(foreign, "x", 1) : (int)n;
}

static void *run_another_loop(void *arg)
{
    struct weft_loop *loop = NULL;
    CHECK_OK(weft_loop_create(NULL, &loop));
    *(int *)arg = weft_loop_run_task(loop, use_foreign, NULL);
    CHECK_EQ(weft_loop_free(loop), 0);
    return NULL;
}

static int make_and_lend(void *arg)
{
    struct weft_stream *ends[2];
    pthread_t thread;
    make_memory(NULL, ends);
    foreign = ends[0];
    CHECK_EQ(pthread_create(&thread, NULL, run_another_loop, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close_streams(ends);
    return 0;
}

static void lend_a_stream(void)
{
    struct weft_loop *loop = NULL;
    int rc = 0;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_EQ(weft_loop_run_task(loop, make_and_lend, &rc), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
    CHECK_ERR(rc, -EPERM);
}

TEST(a_stream_belongs_to_the_thread_of_its_loop)
{
    test_fork_expect_signal(lend_a_stream, WEFT_DEBUG ? SIGABRT : 0,
                            WEFT_DEBUG ? "stream was used by a thread that does not run" : "");
}

TEST(without_a_loop_there_is_no_stream)
{
    struct weft_stream *stream = NULL;
    CHECK_ERR(weft_stream_pair(NULL, &stream, &stream), -EPERM);
    CHECK_ERR(weft_stream_from_fd(0, NULL, &stream), -EPERM);
}

TASK_TEST(one_end_of_a_pipe_is_a_stream_and_a_half_close_closes_it)
{
    struct weft_stream *reader;
    struct weft_stream *writer;
    int fds[2];
    char byte;
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(weft_stream_from_fd(fds[0], NULL, &reader), 0);
    CHECK_EQ(weft_stream_from_fd(fds[1], NULL, &writer), 0);
    say(writer, "abc");
    CHECK_ERR(weft_stream_read(writer, &byte, 1), -EBADF);
    CHECK_EQ(weft_stream_shutdown(writer), 0);
    hear(reader, "abc");
    CHECK_EQ(hear_all(reader), 0);
    CHECK_ERR(weft_stream_write_all(reader, "x", 1), -EBADF);
    CHECK_EQ(weft_stream_close(reader), 0);
    CHECK_EQ(weft_stream_close(writer), 0);
}

TASK_TEST(a_pipe_that_nobody_reads_any_more_breaks)
{
    struct weft_stream *ends[2];
    make_pipes(NULL, ends);
    CHECK_EQ(weft_stream_close(ends[0]), 0);
    CHECK_ERR(weft_stream_write_all(ends[1], "x", 1), -EPIPE);
    CHECK_EQ(weft_stream_close(ends[1]), 0);
}

/** A simulated world passes real descriptors on, but nobody can wait for them there. */
static void needs_real_descriptors(void)
{
    if (test_engine_is("sim"))
        SKIP("nobody can wait for a real descriptor in a simulated world");
}

/** Puts a pipe in the place of a standard descriptor, in blocking mode as a shell has it. */
static int replace(int standard, int end)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(dup2(fds[end], standard), standard);
    CHECK_EQ(close(fds[end]), 0);
    return fds[!end];
}

TASK_TEST(standard_input_and_output_are_left_open_and_as_they_were)
{
    struct weft_stream *in;
    struct weft_stream *out;
    char *line;
    needs_real_descriptors();
    int writer = replace(0, 0);
    int reader = replace(1, 1);
    int flags[2] = {fcntl(0, F_GETFL), fcntl(1, F_GETFL)};
    CHECK_EQ(weft_stream_stdin(NULL, &in), 0);
    CHECK_EQ(weft_stream_stdout(NULL, &out), 0);
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_read_line(in, &line)), -ETIMEDOUT);
    CHECK_EQ(write(writer, "hello\n", 6), 6);
    CHECK_EQ(weft_stream_read_line(in, &line), 6);
    CHECK_OK(weft_stream_printf(out, "got %s", line));
    CHECK_EQ(weft_stream_flush(out), 0);
    char bytes[16];
    CHECK_EQ(read(reader, bytes, sizeof bytes), 10);
    CHECK_MEM(bytes, "got hello\n", 10);
    CHECK_EQ(weft_stream_close(in), 0);
    CHECK_EQ(weft_stream_close(out), 0);
    for (int fd = 0; fd < 2; fd++)
        CHECK_EQ(fcntl(fd, F_GETFL), flags[fd]);
    close(writer);
    close(reader);
}

TASK_TEST(a_close_wakes_a_reader_of_a_borrowed_descriptor)
{
    struct weft_scope s;
    struct weft_stream *in;
    needs_real_descriptors();
    int writer = replace(0, 0);
    CHECK_EQ(weft_stream_stdin(NULL, &in), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&s, (int (*)(void *))weft_stream_close, in), 0);
    char byte;
    CHECK_ERR(weft_stream_read(in, &byte, 1), -WEFT_ECLOSED);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    close(writer);
}

TASK_TEST(a_terminal_is_a_stream_without_a_half_close)
{
    struct weft_stream *terminal;
    char *line;
    needs_real_descriptors();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0)
        SKIP("no pseudo-terminals here");
    CHECK_EQ(grantpt(master), 0);
    CHECK_EQ(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK_OK(slave);
    CHECK_EQ(weft_stream_from_fd(slave, NULL, &terminal), 0);
    CHECK_STR(weft_stream_kind(terminal), "terminal");
    CHECK_ERR(weft_within(WEFT_MS, weft_stream_read_line(terminal, &line)), -ETIMEDOUT);
    CHECK_EQ(write(master, "typed\n", 6), 6);
    CHECK_EQ(weft_stream_read_line(terminal, &line), 6);
    CHECK_STR(line, "typed\n");
    say(terminal, "shown");
    CHECK_ERR(weft_stream_shutdown(terminal), -ENOTSUP);
    CHECK_EQ(weft_stream_close(terminal), 0);
    close(master);
}

TASK_TEST(a_file_is_a_stream_and_a_folder_is_not)
{
    struct weft_stream *stream = NULL;
    char *line;
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK(fputs("one\ntwo", file) >= 0);
    rewind(file);
    int fd = dup(fileno(file));
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(weft_stream_from_fd(fd, NULL, &stream), 0);
    CHECK_STR(weft_stream_kind(stream), "file");
    CHECK_EQ(weft_stream_read_line(stream, &line), 4);
    CHECK_STR(line, "one\n");
    CHECK_EQ(weft_stream_read_line(stream, &line), 3);
    CHECK_EQ(weft_stream_read_line(stream, &line), 0);
    CHECK_ERR(weft_stream_shutdown(stream), -ENOTSUP);
    CHECK_EQ(weft_stream_close(stream), 0);
    fd = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fd);
    CHECK_ERR(weft_stream_from_fd(fd, NULL, &stream), -EISDIR);
    close(fd);
}
