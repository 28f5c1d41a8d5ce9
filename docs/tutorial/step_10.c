/* SPDX-License-Identifier: MIT */
/*
 * step_10.c: a chat over streams
 *
 * A server gives each connection a task, and the task a stream: lines come in, lines go out. What a
 * guest says goes into a queue for each guest, and a second task of each connection sends what is
 * in its queue. So somebody who reads slowly misses lines, and nobody waits for him. Two guests
 * come, say one thing each, and leave.
 */
#define _GNU_SOURCE /* asprintf */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

enum { PLACES = 8, LINES = 16 };

/** The room: for each guest the lines that are not sent yet, or NULL. */
struct room {
    /** One for each guest. */
    struct weft_queue *places[PLACES];
};

static void tell_all(struct room *room, const char *name, const char *what)
{
    for (int i = 0; i < PLACES; i++) {
        char *line;
        if (room->places[i] && asprintf(&line, "%s %s", name, what) >= 0 &&
            weft_queue_try_put(room->places[i], line) < 0)
            free(line); /* full: this guest misses it */
    }
}

/** Reads what a guest says until the guest says no more; the first line is a name. */
static int hear(struct weft_stream *stream, struct room *room)
{
    char name[32] = "", *line;
    ssize_t n;

    while ((n = weft_stream_read_line(stream, &line)) > 0) {
        if (*name)
            tell_all(room, name, line);
        else if (sscanf(line, "%31s", name) == 1)
            tell_all(room, name, "is here\n");
    }
    if (*name)
        tell_all(room, name, "is gone\n");
    return (int)n;
}

/** Sends what is said until the queue is closed and empty. */
static int tell(struct weft_stream *stream, struct weft_queue *lines)
{
    void *line;
    int rc;

    while ((rc = weft_queue_get(lines, &line)) == 0) {
        rc = weft_stream_write_all(stream, line, strlen(line));
        free(line);
        if (rc < 0)
            return rc;
    }
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
typedef struct weft_stream *stream_ref;
typedef struct weft_queue *queue_ref;
WEFT_TASK(tell, stream_ref, queue_ref);

/** One connection: a task that hears and a task that tells. */
static int serve_guest(struct weft_stream *stream, void *arg)
{
    struct weft_queue_options options = {.capacity = LINES, .drop = free};
    struct room *room = arg;
    struct weft_queue *lines;
    struct weft_scope scope;
    int rc, place = 0;

    while (place < PLACES && room->places[place])
        place++;
    if (place == PLACES)
        return weft_fail(-EBUSY, "all %d places are taken", PLACES);
    rc = weft_queue_new(weft_loop_current(), &options, &lines);
    if (rc < 0)
        return rc;
    room->places[place] = lines;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, tell, stream, lines);
    rc = hear(stream, room);
    room->places[place] = NULL;
    weft_queue_close(lines, WEFT_CLOSE_DRAIN);
    rc = weft_scope_exit(&scope, rc);
    weft_queue_free(lines);
    return rc;
}

/** Prints what a guest is told. */
static int listen_to(struct weft_stream *stream, const char *name)
{
    char *line;
    ssize_t n;

    while ((n = weft_stream_read_line(stream, &line)) > 0)
        printf("%s reads: %s", name, line);
    return (int)n;
}
WEFT_TASK(listen_to, stream_ref, const char *);

static int say(struct weft_stream *stream, const char *what)
{
    int rc = weft_stream_printf(stream, "%s\n", what);

    return rc < 0 ? rc : weft_stream_flush(stream);
}

static int talk(struct weft_stream *stream, const char *name, const char *what)
{
    int rc = say(stream, name);

    if (rc == 0)
        rc = weft_sleep(2 * WEFT_SEC);
    if (rc == 0)
        rc = say(stream, what);
    if (rc == 0)
        rc = weft_sleep(2 * WEFT_SEC);
    return rc < 0 ? rc : weft_stream_shutdown(stream);
}

/** A client: talks and listens at once. */
static int visit(struct weft_address address, const char *name, const char *what)
{
    struct weft_stream *stream;
    struct weft_scope scope;
    int rc = weft_stream_connect(&address, NULL, &stream);

    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, 10 * WEFT_SEC);
    weft_go(&scope, listen_to, stream, name);
    rc = weft_scope_exit(&scope, talk(stream, name, what));
    (void)weft_stream_close(stream);
    return rc;
}
WEFT_TASK(visit, struct weft_address, const char *, const char *);

static int program(void *unused)
{
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    struct room room = {.places = {NULL}};
    struct weft_scope servers, clients;
    struct weft_server *server;
    struct weft_address address;
    int rc;

    (void)unused;
    weft_scope_enter(&servers, WEFT_FOREVER);
    rc = weft_server_open(&servers, &options, serve_guest, &room, &server);
    if (rc < 0)
        return weft_scope_exit(&servers, rc);
    (void)weft_server_addresses(server, &address, 1);
    weft_scope_enter(&clients, WEFT_FOREVER);
    weft_go(&clients, visit, address, "ann", "says hello");
    rc = weft_sleep(1 * WEFT_SEC);
    if (rc == 0)
        weft_go(&clients, visit, address, "bob", "says hello to ann");
    rc = weft_scope_exit(&clients, rc);
    (void)weft_server_drain(server, 1 * WEFT_SEC);
    return weft_scope_exit(&servers, rc);
}

int main(void)
{
    return weft_main(program, NULL);
}
