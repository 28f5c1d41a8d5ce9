/* SPDX-License-Identifier: MIT */
/*
 * test_transport.c: calls and allocations fail under transports, at each place in turn
 *
 * Each scenario is a small conversation by callbacks, without a task. Whatever fails, every
 * protocol that was told connection_made must be told connection_lost, once and last, nothing may
 * leak, and the conversation must end: by itself, or by a limit that gives it up where the fault
 * made one side wait for ever.
 */
#include "programs.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/** How long a conversation may take; most of those that cannot end take all of it. It is counted in
 *  steps, so that a machine that stands still for a while takes one of them and not all. */
#define STEPS 10
#define STEP (20 * WEFT_MS)

/** A conversation. */
struct talk {
    /** The table that fails. */
    const struct weft_sys *sys;
    /** The loop. */
    struct weft_loop *loop;
    /** The server, NULL where there is none. */
    struct weft_protocol_server *server;
    /** The client's connection. */
    struct weft_future *future;
    /** Transports that have no server, to be ended with the talk. */
    struct weft_transport *loose[2];
    /** The next step towards its limit. */
    struct weft_handle *limit;
    /** How many have gone. */
    int steps;
    /** How it ended. */
    int rc;
    /** It has. */
    bool over;
    /** Connections made and not lost. */
    int open;
};

static void end_talk(struct talk *talk, int rc)
{
    if (talk->over)
        return;
    talk->over = true;
    talk->rc = rc;
    weft_handle_cancel(talk->limit);
    if (talk->server) {
        weft_protocol_server_close(talk->server);
        weft_protocol_server_abort_clients(talk->server);
    }
    if (talk->future)
        (void)weft_future_cancel(talk->future);
    for (int i = 0; i < 2; i++)
        if (talk->loose[i])
            weft_transport_abort(talk->loose[i]);
}

/** Time goes by; after STEPS the talk is given up. */
static void pass_time(void *arg)
{
    struct talk *talk = arg;
    weft_ns step = STEP * (test_slowness() > 1 ? 3 : 1);
    int rc = -ETIMEDOUT;

    talk->limit = NULL;
    if (talk->steps++ < STEPS)
        rc = weft_loop_call_later(talk->loop, step, pass_time, talk, &talk->limit);
    if (rc < 0)
        end_talk(talk, rc);
}

/* --- The client says something and leaves when it has an answer ------------------------------ */

static int client_made(void *self, struct weft_transport *transport)
{
    struct talk *talk = self;

    talk->open++;
    talk->loose[0] = transport;
    return weft_transport_write(transport, "hello", 5);
}

static int client_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    (void)self;
    (void)data;
    (void)len;
    weft_transport_close(transport);
    return 0;
}

static void client_lost(void *self, struct weft_transport *transport, int code)
{
    struct talk *talk = self;

    (void)transport;
    talk->open--;
    talk->loose[0] = NULL;
    end_talk(talk, code);
}

static const struct weft_protocol client = {
    .connection_made = client_made, .data_received = client_data, .connection_lost = client_lost};

static int make_client(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &client;
    *ret_self = arg;
    return 0;
}

/* --- The other side sends back what it gets -------------------------------------------------- */

static int echo_made(void *self, struct weft_transport *transport)
{
    struct talk *talk = self;

    talk->open++;
    if (!talk->server)
        talk->loose[1] = transport;
    return 0;
}

static int echo_data(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    (void)self;
    return weft_transport_write(transport, data, len);
}

static int echo_datagram(void *self, struct weft_transport *transport, const void *data, size_t len,
                         const struct weft_address *from)
{
    (void)self;
    return weft_transport_sendto(transport, data, len, from);
}

static void echo_lost(void *self, struct weft_transport *transport, int code)
{
    struct talk *talk = self;

    (void)code;
    talk->open--;
    if (transport == talk->loose[1])
        talk->loose[1] = NULL;
}

static const struct weft_protocol echo = {.connection_made = echo_made,
                                          .data_received = echo_data,
                                          .datagram_received = echo_datagram,
                                          .connection_lost = echo_lost};

static int make_echo(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &echo;
    *ret_self = arg;
    return 0;
}

/* --- Running --------------------------------------------------------------------------------- */

static void no_report(void *arg, int code)
{
    (void)arg;
    (void)code;
}

static void connected(struct weft_future *future, void *arg)
{
    if (weft_future_code(future) < 0)
        end_talk(arg, weft_future_code(future));
}

/** A server and a connection to it. */
static int begin_connection(struct talk *talk, const struct weft_transport_options *here,
                            const struct weft_transport_options *there)
{
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);

    rc = first_of(
        rc, weft_loop_create_server(talk->loop, &address, there, make_echo, talk, &talk->server));
    if (rc == 0)
        rc = weft_protocol_server_address(talk->server, &address);
    if (rc == 0)
        rc = weft_loop_create_connection(talk->loop, &address, here, make_client, talk,
                                         &talk->future);
    return rc < 0 ? rc : weft_future_add_callback(talk->future, connected, talk);
}

static int begin_tcp(struct talk *talk)
{
    const struct weft_transport_options options = {.accept_failed = no_report};

    return begin_connection(talk, NULL, &options);
}

/** Every option, and an address that the connection comes from. */
static int begin_options(struct talk *talk)
{
    struct weft_address local;
    const struct weft_transport_options here = {.local = &local, .delay = 1, .keepalive = 1};
    const struct weft_transport_options there = {
        .reuse_port = 1, .keepalive = 1, .backlog = 5, .accept_failed = no_report};
    int rc = weft_address_parse("127.0.0.1:0", &local);

    return rc < 0 ? rc : begin_connection(talk, &here, &there);
}

static int client_datagram(void *self, struct weft_transport *transport, const void *data,
                           size_t len, const struct weft_address *from)
{
    (void)from;
    return client_data(self, transport, data, len);
}

static int client_sends(void *self, struct weft_transport *transport)
{
    struct talk *talk = self;

    talk->open++;
    talk->loose[0] = transport;
    return weft_transport_sendto(transport, "hello", 5, NULL);
}

static const struct weft_protocol sender = {.connection_made = client_sends,
                                            .datagram_received = client_datagram,
                                            .connection_lost = client_lost};

static int make_sender(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &sender;
    *ret_self = arg;
    return 0;
}

static int begin_udp(struct talk *talk)
{
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);

    rc = first_of(rc, weft_loop_create_datagram_endpoint(talk->loop, &address, NULL, NULL,
                                                         make_echo, talk, &talk->loose[1]));
    if (rc == 0)
        rc = weft_transport_local_address(talk->loose[1], &address);
    if (rc == 0)
        rc = weft_loop_create_datagram_endpoint(talk->loop, NULL, &address, NULL, make_sender, talk,
                                                &talk->loose[0]);
    return rc;
}

static int begin_udp_options(struct talk *talk)
{
    const struct weft_transport_options options = {.reuse_port = 1, .broadcast = 1};
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);

    rc = first_of(rc, weft_loop_create_datagram_endpoint(talk->loop, &address, NULL, &options,
                                                         make_echo, talk, &talk->loose[1]));
    if (rc == 0)
        rc = weft_transport_local_address(talk->loose[1], &address);
    if (rc == 0)
        rc = weft_loop_create_datagram_endpoint(talk->loop, NULL, &address, NULL, make_sender, talk,
                                                &talk->loose[0]);
    return rc;
}

/* --- More than the kernel takes at once, and an end ------------------------------------------ */

static int flood_made(void *self, struct weft_transport *transport)
{
    static char zeros[250000];
    const struct iovec vectors[2] = {{zeros, 250000}, {zeros, 250000}};
    struct talk *talk = self;

    talk->open++;
    talk->loose[0] = transport;
    int rc = weft_transport_writelines(transport, vectors, 2);
    return rc < 0 ? rc : weft_transport_write_eof(transport);
}

static const struct weft_protocol flood = {.connection_made = flood_made,
                                           .connection_lost = client_lost};

static int make_flood(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &flood;
    *ret_self = arg;
    return 0;
}

/** Takes what comes and closes at its end. */
static const struct weft_protocol drain = {.connection_made = echo_made,
                                           .connection_lost = echo_lost};

static int make_drain(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    *ret_protocol = &drain;
    *ret_self = arg;
    return 0;
}

/** Those of two descriptors that became no transports are still ours. */
static int close_rest(struct talk *talk, const int fds[2], int rc, int taken)
{
    for (int i = taken; i < 2; i++)
        (void)talk->sys->close(talk->sys, fds[i]);
    return rc;
}

static int begin_sockets(struct talk *talk)
{
    int fds[2];
    int rc = talk->sys->socketpair(talk->sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);

    if (rc < 0)
        return rc;
    rc = weft_loop_connect_accepted_socket(talk->loop, fds[0], NULL, make_drain, talk,
                                           &talk->loose[1]);
    if (rc < 0)
        return close_rest(talk, fds, rc, 0);
    rc = weft_loop_connect_accepted_socket(talk->loop, fds[1], NULL, make_flood, talk,
                                           &talk->loose[0]);
    return rc < 0 ? close_rest(talk, fds, rc, 1) : 0;
}

static int begin_pipes(struct talk *talk)
{
    int fds[2];
    int rc = talk->sys->pipe2(talk->sys, fds, O_CLOEXEC);

    if (rc < 0)
        return rc;
    rc = weft_loop_connect_read_pipe(talk->loop, fds[0], make_drain, talk, &talk->loose[1]);
    if (rc < 0)
        return close_rest(talk, fds, rc, 0);
    rc = weft_loop_connect_write_pipe(talk->loop, fds[1], make_flood, talk, &talk->loose[0]);
    return rc < 0 ? close_rest(talk, fds, rc, 1) : 0;
}

/** Runs a conversation to its end. */
static int run_talk(const struct weft_sys *sys, int (*begin)(struct talk *talk))
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct talk talk = {.sys = sys};
    int rc = weft_loop_create(&options, &talk.loop);

    if (rc < 0)
        return rc;
    pass_time(&talk);
    if (!talk.over && (rc = begin(&talk)) < 0)
        end_talk(&talk, rc);
    int ran = weft_loop_run(talk.loop);
    if (ran == 0)
        CHECK_EQ(talk.open, 0);
    weft_future_unref(talk.future);
    weft_protocol_server_unref(talk.server);
    CHECK_EQ(weft_loop_free(talk.loop), 0);
    return first_of(first_of(rc, talk.rc), ran);
}

static int talk_tcp(const struct weft_sys *sys)
{
    return run_talk(sys, begin_tcp);
}

static int talk_udp(const struct weft_sys *sys)
{
    return run_talk(sys, begin_udp);
}

static int talk_options(const struct weft_sys *sys)
{
    return run_talk(sys, begin_options);
}

static int talk_udp_options(const struct weft_sys *sys)
{
    return run_talk(sys, begin_udp_options);
}

static int talk_sockets(const struct weft_sys *sys)
{
    return run_talk(sys, begin_sockets);
}

static int talk_pipes(const struct weft_sys *sys)
{
    return run_talk(sys, begin_pipes);
}

/** The error itself, what it looks like from the other side, or a wait that the limit ended. */
static int documented(int rc, int code)
{
    return rc == 0 || rc == -code || rc == -ETIMEDOUT || rc == -ECONNRESET || rc == -EPIPE ||
           rc == -ECONNREFUSED;
}

static const struct fault_sweep tcp = {"transport_tcp", talk_tcp, documented};
static const struct fault_sweep udp = {"transport_udp", talk_udp, documented};

static void sweep_talk(const struct fault_sweep *sweep)
{
    if (test_engine_is("io_uring") && geteuid() != 0)
        SKIP("rings of an ordinary user run into RLIMIT_MEMLOCK in a sweep");
    test_limit(240);
    fault_floor("allocations", sweep, fault_sweep(sweep, WEFT_TESTING_MEMORY, ENOMEM));
    fault_floor("calls", sweep, fault_sweep_errors(sweep, WEFT_TESTING_ANY & ~WEFT_TESTING_MEMORY));
}

TEST_EACH_ENGINE(a_tcp_conversation_ends_whatever_fails)
{
    sweep_talk(&tcp);
}

TEST_EACH_ENGINE(a_udp_conversation_ends_whatever_fails)
{
    sweep_talk(&udp);
}

/** What only conversations with options, large writes and ends of other kinds call. */
static const weft_testing_set rare =
    WEFT_TESTING_SET(SETSOCKOPT) | WEFT_TESTING_SET(GETSOCKOPT) | WEFT_TESTING_SET(GETPEERNAME) |
    WEFT_TESTING_SET(BIND) | WEFT_TESTING_SET(FSTAT) | WEFT_TESTING_SET(SHUTDOWN) |
    WEFT_TESTING_SET(PIPE2) | WEFT_TESTING_SET(SENDMSG) | WEFT_TESTING_SET(WRITE);

static void sweep_rare(const struct fault_sweep *sweep)
{
    if (test_engine_is("io_uring") && geteuid() != 0)
        SKIP("rings of an ordinary user run into RLIMIT_MEMLOCK in a sweep");
    test_limit(240);
    fault_floor("allocations", sweep, fault_sweep(sweep, WEFT_TESTING_MEMORY, ENOMEM));
    fault_floor("calls", sweep, fault_sweep_errors(sweep, rare));
}

TEST_EACH_ENGINE(a_connection_with_options_ends_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_options", talk_options, documented};
    sweep_rare(&sweep);
}

TEST_EACH_ENGINE(datagrams_with_options_end_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_udp_options", talk_udp_options, documented};
    sweep_rare(&sweep);
}

TEST_EACH_ENGINE(a_large_write_and_an_end_come_to_an_end_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_sockets", talk_sockets, documented};
    sweep_rare(&sweep);
}

TEST_EACH_ENGINE(pipes_end_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_pipes", talk_pipes, documented};
    /* Whoever writes to pipes by callback ignores it. */
    signal(SIGPIPE, SIG_IGN);
    sweep_rare(&sweep);
}

/* --- Streams and processes, by tasks --------------------------------------------------------- */

static int take_nothing(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    static const struct weft_protocol none = {.size = sizeof none};
    *ret_protocol = &none;
    *ret_self = arg;
    return 0;
}

/** A stream over a transport and a transport of a stream talk; then the stream is cut off. */
static int talk_over(struct weft_stream *over, struct weft_stream *of)
{
    struct weft_transport *transport = NULL;
    char bytes[5];
    int rc = weft_stream_write_all(over, "hello", 5);

    rc = rc < 0 ? rc : weft_stream_read_exactly(of, bytes, 5);
    rc = rc < 0 ? rc : weft_transport_from_stream(of, NULL, take_nothing, NULL, &transport);
    if (rc < 0)
        (void)weft_stream_close(of);
    else
        rc = weft_transport_write(transport, "hello", 5);
    rc = rc < 0 ? rc : weft_stream_read_exactly(over, bytes, 5);
    weft_stream_abort(over);
    return first_of(rc, weft_stream_close(over));
}

FAULT_PROGRAM(bridges)
{
    struct weft_transport *transport;
    struct weft_stream *over, *of;
    int fds[2];
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

    if (rc < 0)
        return rc;
    rc = weft_loop_connect_accepted_socket(weft_loop_current(), fds[0], NULL, take_nothing, NULL,
                                           &transport);
    if (rc < 0)
        (void)weft_close(fds[0]);
    else if ((rc = weft_stream_from_transport(transport, NULL, &over)) < 0)
        weft_transport_abort(transport);
    if (rc < 0) {
        (void)weft_close(fds[1]);
        return rc;
    }
    rc = weft_stream_from_fd(fds[1], NULL, &of);
    if (rc == 0)
        return talk_over(over, of);
    (void)weft_close(fds[1]);
    (void)weft_stream_close(over);
    return rc;
}

static int documented_bridge(int rc, int code)
{
    return documented(rc, code) || rc == -ENOTSUP || rc == -WEFT_EINCOMPLETE;
}

TEST_EACH_ENGINE(bridges_end_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_bridges", run_bridges, documented_bridge};
    sweep_rare(&sweep);
}

static const struct weft_transport_options unreported = {.accept_failed = no_report};

/** A connection by name, whose look-up needs none, and its end. */
FAULT_PROGRAM(connection_by_name)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_protocol_server *server;
    struct weft_transport *transport;
    struct weft_address address;
    char port[8];
    int rc = weft_address_parse("127.0.0.1:0", &address);

    if (rc == 0)
        rc = weft_loop_create_server(loop, &address, &unreported, take_nothing, NULL, &server);
    if (rc < 0)
        return rc;
    rc = weft_protocol_server_address(server, &address);
    snprintf(port, sizeof port, "%u", weft_address_port(&address));
    if (rc == 0)
        rc = weft_transport_connect_host("127.0.0.1", port, NULL, NULL, take_nothing, NULL,
                                         &transport);
    if (rc == 0)
        weft_transport_abort(transport);
    weft_protocol_server_close(server);
    weft_protocol_server_abort_clients(server);
    weft_protocol_server_unref(server);
    return rc;
}

TEST_EACH_ENGINE(a_connection_by_name_ends_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_host", run_connection_by_name, documented};
    sweep_rare(&sweep);
}

FAULT_PROGRAM(process_by_callback)
{
    static const char *const arguments[] = {"/bin/true", NULL};
    static const struct weft_subprocess_protocol none = {.size = sizeof none};
    struct weft_subprocess *subprocess;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_subprocess_exec(&scope, arguments, NULL, &none, NULL, &subprocess);
    return weft_scope_exit(&scope, rc);
}

TEST_EACH_ENGINE(a_process_by_callback_ends_whatever_fails)
{
    static const struct fault_sweep sweep = {"transport_process", run_process_by_callback,
                                             documented};
    if (test_engine_is("sim"))
        SKIP("a simulated world has no processes");
    test_limit(120);
    fault_floor("calls", &sweep,
                fault_sweep_errors(&sweep, WEFT_TESTING_SET(SPAWN) | WEFT_TESTING_SET(PIPE2) |
                                               WEFT_TESTING_SET(FSTAT)));
    fault_floor("allocations", &sweep, fault_sweep(&sweep, WEFT_TESTING_SET(REALLOC), ENOMEM));
}
