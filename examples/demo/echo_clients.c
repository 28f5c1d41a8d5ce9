/* SPDX-License-Identifier: MIT */
/*
 * echo_clients.c: the program examples/echo as a process, and those who talk to it
 *
 * Each of our clients is two tasks: one sends, its parent compares every byte that comes back. Then
 * the same server is tried with nc and socat, which know nothing of weft. The server is the program
 * echo that lies in the same folder, started as a user would start it: by its path, with an
 * address. All clients together have twenty seconds.
 */
#include "demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int exec_beside(const char *name, char *const *arguments)
{
    char path[4096], *command[16] = {path};
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    if (len < 0)
        return -errno;
    path[len] = '\0';
    char *slash = strrchr(path, '/') + 1;
    snprintf(slash, sizeof path - (size_t)(slash - path), "%s", name);
    for (int i = 0; arguments[i] && i < 14; i++)
        command[i + 1] = arguments[i];
    execv(path, command);
    fprintf(stderr, "demo: %s: %s\n", path, strerror(errno));
    return -errno;
}

int echo_start(struct server *server)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    int fd = bind_somewhere(SOCK_STREAM, &server->address);

    if (fd < 0)
        return fd;
    (void)weft_address_format(&server->address, text, sizeof text);
    server->pids[0] = fork_bound();
    if (server->pids[0] == 0)
        _exit(exec_beside("echo", (char *[]){text, NULL}) < 0);
    if (server->pids[0] < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    server->count = 1;
    return fd;
}

/* Our clients. */

static unsigned char echo_byte(const struct echo_client *client, size_t at)
{
    return (unsigned char)((at + client->number) * 2654435761u >> 16);
}

static int send_bytes(const struct echo_client *client, int fd)
{
    unsigned char buf[1000]; /* fits no other size, so that pieces are cut differently */
    int rc = 0;

    for (size_t at = 0, len; at < ECHO_BYTES && rc == 0; at += len) {
        len = ECHO_BYTES - at < sizeof buf ? ECHO_BYTES - at : sizeof buf;
        for (size_t i = 0; i < len; i++)
            buf[i] = echo_byte(client, at + i);
        rc = weft_write_all(fd, buf, len);
    }
    return rc < 0 ? rc : weft_shutdown(fd, SHUT_WR);
}
typedef const struct echo_client *echo_client_ref;
WEFT_TASK(send_bytes, echo_client_ref, int);

/** Reads to the end; -EPROTO when it is not what was sent. */
static int compare_bytes(const struct echo_client *client, int fd)
{
    unsigned char buf[4096];
    size_t at = 0;
    ssize_t n;

    while ((n = weft_read(fd, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != echo_byte(client, at++))
                return weft_fail(-EPROTO, "client %u: wrong byte %zu", client->number, at - 1);
    if (n == 0 && at != ECHO_BYTES)
        return weft_fail(-EPROTO, "client %u: %zu bytes came back", client->number, at);
    return (int)n;
}

/** Connects; the server may not listen yet. */
static int connect_patiently(const struct weft_address *to)
{
    int fd = weft_tcp_connect(to), rc = 0;

    while (fd == -ECONNREFUSED && rc == 0) {
        rc = weft_sleep(10 * WEFT_MS);
        fd = rc < 0 ? rc : weft_tcp_connect(to);
    }
    return fd;
}

static int echo_client(struct echo_client *client)
{
    struct weft_scope scope;
    int fd = client->patient ? (int)weft_within(5 * WEFT_SEC, connect_patiently(&client->to))
                             : weft_tcp_connect(&client->to);

    if (fd < 0)
        return fd;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, send_bytes, client, fd);
    int rc = weft_scope_exit(&scope, compare_bytes(client, fd));
    (void)weft_close(fd);
    client->right = rc == 0;
    if (rc == 0)
        row_answer();
    return rc;
}
WEFT_TASK(echo_client, struct echo_client *);

/** All clients. */
struct echo_crowd {
    /** The clients. */
    struct echo_client *clients;
    /** How many. */
    int count;
    /** A task beside them, or NULL. */
    int (*meanwhile)(void *arg);
    /** Its argument. */
    void *arg;
};

static int echo_clients(void *arg)
{
    const struct echo_crowd *crowd = arg;
    struct weft_scope scope;

    weft_scope_enter(&scope, 20 * WEFT_SEC);
    for (int i = 0; i < crowd->count; i++)
        weft_go(&scope, echo_client, &crowd->clients[i]);
    if (crowd->meanwhile)
        weft_go_fn(&scope, crowd->meanwhile, crowd->arg);
    return weft_scope_exit(&scope, 0);
}

int echo_by_weft(struct echo_client *clients, int count, int (*meanwhile)(void *arg), void *arg)
{
    struct echo_crowd crowd = {clients, count, meanwhile, arg};

    return weft_run(echo_clients, &crowd);
}

/* Other people's clients. */

/** Runs a shell command and compares what it prints. 1 right, 0 wrong. */
static int echo_by_command(const char *name, const char *command, unsigned port)
{
    char line[512], got[64] = "", expected[64];

    snprintf(line, sizeof line, command, port, port);
    snprintf(expected, sizeof expected, "hello from %s\n", name);
    row_begin(name, 1);
    FILE *pipe = popen(line, "r");
    size_t len = pipe ? fread(got, 1, sizeof got - 1, pipe) : 0;
    int status = pipe ? pclose(pipe) : -1;

    got[len] = '\0';
    int right = status == 0 && strcmp(got, expected) == 0;
    got[strcspn(got, "\n")] = '\0';
    row_end("\"%s\" came back%s", got, right ? "" : ", which is WRONG");
    return right;
}

static int is_installed(const char *name)
{
    char line[64];

    snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", name);
    return system(line) == 0;
}

int echo_by_others(const struct weft_address *to)
{
    /* -N, -q: two families of nc say "close when the input ends" differently. */
    static const char *const others[][2] = {
        {"nc", "echo hello from nc | { timeout 10 nc -N 127.0.0.1 %u 2>/dev/null || "
               "echo hello from nc | timeout 10 nc -q 1 127.0.0.1 %u; }"},
        {"socat", "echo hello from socat | timeout 10 socat -t 5 - TCP:127.0.0.1:%u"},
    };
    int wrong = 0;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (is_installed(others[i][0]))
            wrong += !echo_by_command(others[i][0], others[i][1], weft_address_port(to));
        else
            printf("  %-12s is not installed\n", others[i][0]);
    }
    return wrong;
}
