/* SPDX-License-Identifier: MIT */
/*
 * row_0f.c: "Build Your Own Async", a step further: one loop for both styles
 *
 * The tutorial names a file, yproducer4.py, without its text: a scheduler on callbacks with sockets
 * and an async/await interface beside. Here an echo server on callbacks (echo_server.h), clients
 * that are tasks, and queues between a producer and the clients run on one loop. An item goes from
 * the producer through a queue to a client, from there over TCP to the server and back, and the
 * echo through a second queue to the producer. Better here: closing a queue ends those who wait; no
 * sentinel is counted.
 *
 *     row_0f [items [clients]]
 */
#include "echo_server.h"

static int producer(struct weft_queue *items, struct weft_queue *echoes, int count)
{
    char item[ECHO_SIZE];
    void *text;
    int rc = 0;

    for (int n = 0; n < count && rc == 0; n++) {
        snprintf(item, ECHO_SIZE, "item %d", n);
        printf("producing %s\n", item);
        rc = weft_queue_put(items, item);
        rc = rc < 0 ? rc : weft_queue_get(echoes, &text);
        if (rc == 0)
            puts(text);
    }
    puts("producer done");
    weft_queue_close(items, WEFT_CLOSE_DRAIN);
    return rc;
}

static int client(int name, const struct weft_address *address, struct weft_queue *items,
                  struct weft_queue *echoes)
{
    char buf[ECHO_SIZE], text[2 * ECHO_SIZE];
    void *item;
    int fd = weft_tcp_connect(address);
    int rc = fd < 0 ? fd : 0;

    weft_ready();
    while (rc == 0 && (rc = weft_queue_get(items, &item)) == 0) {
        rc = weft_write_all(fd, item, strlen(item));
        ssize_t n = rc < 0 ? rc : weft_recv(fd, buf, ECHO_SIZE, 0);
        snprintf(text, sizeof text, "client %d: %.*s", name, (int)(n < 0 ? 0 : n), buf);
        rc = n < 0 ? (int)n : weft_queue_put(echoes, text);
    }
    printf("client %d done\n", name);
    int close_rc = fd < 0 ? 0 : weft_close(fd);
    return rc == -WEFT_ECLOSED ? close_rc : rc;
}
WEFT_TASK(client, int, const struct weft_address *, struct weft_queue *, struct weft_queue *);

static int run_all(struct echo_server *server, struct weft_queue *items, struct weft_queue *echoes,
                   const struct arguments *arguments)
{
    int clients = (int)argument_number(arguments, 2, 2), rc = 0;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int name = 0; name < clients && name < ECHO_CONNECTIONS && rc == 0; name++)
        rc = weft_go_ready(&scope, client, name, &server->address, items, echoes);
    rc = rc < 0 ? rc : producer(items, echoes, (int)argument_number(arguments, 1, 5));
    rc = weft_scope_exit(&scope, rc);
    rc = rc < 0 ? rc : weft_future_wait(server->done, NULL, NULL);
    if (rc == 0)
        puts("server done");
    return rc;
}

static int program(void *arg)
{
    struct weft_queue_options options = {.capacity = WEFT_QUEUE_UNBOUNDED};
    struct weft_queue *items = NULL, *echoes = NULL;
    struct echo_server server;
    int rc = echo_server_start(weft_loop_current(), &server);

    rc = rc < 0 ? rc : weft_queue_new(server.loop, &options, &items);
    rc = rc < 0 ? rc : weft_queue_new(server.loop, &options, &echoes);
    rc = rc < 0 ? rc : run_all(&server, items, echoes, arg);
    weft_queue_free(items);
    weft_queue_free(echoes);
    weft_future_unref(server.done);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
