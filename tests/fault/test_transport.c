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
#include <string.h>

/** A conversation. */
struct talk {
    /** The loop. */
    struct weft_loop *loop;
    /** The server, NULL where there is none. */
    struct weft_protocol_server *server;
    /** The client's connection. */
    struct weft_future *future;
    /** Transports that have no server, to be ended with the talk. */
    struct weft_transport *loose[2];
    /** Ends it. */
    struct weft_handle *limit;
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

static void give_up(void *arg)
{
    struct talk *talk = arg;

    talk->limit = NULL;
    end_talk(talk, -ETIMEDOUT);
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

static int begin_tcp(struct talk *talk)
{
    const struct weft_transport_options options = {.accept_failed = no_report};
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);

    rc = first_of(rc, weft_loop_create_server(talk->loop, &address, &options, make_echo, talk,
                                              &talk->server));
    if (rc == 0)
        rc = weft_protocol_server_address(talk->server, &address);
    if (rc == 0)
        rc = weft_loop_create_connection(talk->loop, &address, NULL, make_client, talk,
                                         &talk->future);
    return rc < 0 ? rc : weft_future_add_callback(talk->future, connected, talk);
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

/** Runs a conversation to its end. */
static int run_talk(const struct weft_sys *sys, int (*begin)(struct talk *talk))
{
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct talk talk = {0};
    int rc = weft_loop_create(&options, &talk.loop);

    if (rc < 0)
        return rc;
    rc = weft_loop_call_later(talk.loop, 50 * WEFT_MS * test_slowness(), give_up, &talk,
                              &talk.limit);
    if (rc == 0 && (rc = begin(&talk)) < 0)
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
