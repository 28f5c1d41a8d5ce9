/* SPDX-License-Identifier: MIT */
/*
 * row_3j.c: "An introduction to Asyncio", protocols
 *
 * create_connection and create_server take a protocol factory; the protocol interprets what comes
 * and asks its transport to send. An echo server, and a client for each message: both note what
 * they are told, and print it when their connection is lost. No task in here: when a server's side
 * is lost, the next client starts.
 *
 *     row_3j [message...]
 */
#include "seed.h"
#include <string.h>

/** What all connections share. */
struct program {
    /** The loop. */
    struct weft_loop *loop;
    /** The command line. */
    const struct arguments *arguments;
    /** The server. */
    struct weft_protocol_server *server;
    /** Where it listens. */
    struct weft_address address;
    /** How many clients were started. */
    int started;
    /** How many connections the server has had. */
    int count;
    /** A failure that ended it. */
    int rc;
};

/** A protocol that notes its callbacks. */
struct noted {
    /** The program. */
    struct program *program;
    /** Which connection, from 0. */
    int number;
    /** The notes, and how long they are. */
    char notes[512];
    /** Length of the notes. */
    size_t len;
};

static void note(struct noted *noted, const char *what, const void *data, size_t len)
{
    size_t room = sizeof noted->notes - noted->len;
    int n = snprintf(noted->notes + noted->len, room, "%s%s%.*s", noted->len ? ", " : "", what,
                     (int)len, (const char *)data);

    noted->len += (size_t)n < room ? (size_t)n : room - 1;
}

static struct noted *new_noted(struct program *program, int number)
{
    struct noted *noted = calloc(1, sizeof *noted);

    if (noted) {
        noted->program = program;
        noted->number = number;
    }
    return noted;
}

static int end_noted(void *self, struct weft_transport *transport)
{
    (void)transport;
    note(self, "end", "", 0);
    return 0;
}

static void print_notes(struct noted *noted, const char *side, int code)
{
    check(code);
    note(noted, "lost", "", 0);
    printf("%s %d: %s\n", side, noted->number, noted->notes);
    free(noted);
}

/* The client: sends a message and closes when it has an answer. */

static int message_count(const struct program *program)
{
    return program->arguments->count > 1 ? program->arguments->count - 1 : 2;
}

static int client_made(void *self, struct weft_transport *transport)
{
    struct noted *noted = self;
    const char *message = argument_text(noted->program->arguments, noted->number + 1,
                                        noted->number == 0 ? "hello" : "goodbye");

    note(noted, "made", "", 0);
    return weft_transport_write(transport, message, strlen(message));
}

static int client_received(void *self, struct weft_transport *transport, const void *data,
                           size_t len)
{
    note(self, "received ", data, len);
    weft_transport_close(transport);
    return 0;
}

static void client_lost(void *self, struct weft_transport *transport, int code)
{
    (void)transport;
    print_notes(self, "client", code);
}

static const struct weft_protocol client = {
    .connection_made = client_made,
    .data_received = client_received,
    .eof_received = end_noted,
    .connection_lost = client_lost,
};

static int make_client(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    struct program *program = arg;

    *ret_protocol = &client;
    *ret_self = new_noted(program, program->started - 1);
    return *ret_self ? 0 : -ENOMEM;
}

/** An attempt to connect is over: a failure ends the program. */
static void connected(struct weft_future *future, void *arg)
{
    struct program *program = arg;

    if (weft_future_code(future) < 0) {
        program->rc = weft_future_code(future);
        weft_loop_stop(program->loop);
    }
    weft_future_unref(future);
}

static void next_client(struct program *program)
{
    struct weft_future *future;

    program->started++;
    check(weft_loop_create_connection(program->loop, &program->address, NULL, make_client, program,
                                      &future));
    check(weft_future_add_callback(future, connected, program));
}

/* The server's side: sends back what it gets. */

static int echo_made(void *self, struct weft_transport *transport)
{
    (void)transport;
    note(self, "made", "", 0);
    return 0;
}

static int echo_received(void *self, struct weft_transport *transport, const void *data, size_t len)
{
    char text[1024];

    note(self, "received ", data, len);
    int n = snprintf(text, sizeof text, "echo of %.*s", (int)len, (const char *)data);
    return weft_transport_write(transport, text, (size_t)n);
}

static void echo_lost(void *self, struct weft_transport *transport, int code)
{
    struct noted *noted = self;
    struct program *program = noted->program;

    (void)transport;
    print_notes(noted, "server", code);
    if (program->started < message_count(program))
        next_client(program);
    else
        weft_protocol_server_close(program->server);
}

static const struct weft_protocol echo = {
    .connection_made = echo_made,
    .data_received = echo_received,
    .eof_received = end_noted,
    .connection_lost = echo_lost,
};

static int make_echo(void *arg, const struct weft_protocol **ret_protocol, void **ret_self)
{
    struct program *program = arg;

    *ret_protocol = &echo;
    *ret_self = new_noted(program, program->count);
    program->count += *ret_self != NULL;
    return *ret_self ? 0 : -ENOMEM;
}

static int run(struct program *program)
{
    int rc = weft_address_parse("127.0.0.1:0", &program->address);

    rc = rc < 0 ? rc
                : weft_loop_create_server(program->loop, &program->address, NULL, make_echo,
                                          program, &program->server);
    if (rc < 0)
        return rc;
    rc = weft_protocol_server_address(program->server, &program->address);
    check(rc);
    next_client(program);
    rc = weft_loop_run_until(program->loop, weft_protocol_server_wait_closed(program->server));
    weft_protocol_server_unref(program->server);
    if (rc == 0)
        printf("server closed after %d connections\n", program->count);
    return program->rc < 0 ? program->rc : rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct program program = {.arguments = &arguments};

    int rc = weft_loop_create(NULL, &program.loop);
    rc = rc < 0 ? rc : run(&program);
    int free_rc = weft_loop_free(program.loop);
    return exit_status(rc < 0 ? rc : free_rc);
}
