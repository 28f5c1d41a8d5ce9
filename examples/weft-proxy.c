/* SPDX-License-Identifier: MIT */
/*
 * weft-proxy.c: forwards TCP and Unix connections to another address
 *
 *     weft-proxy [options] LISTEN BACKEND          e.g.  weft-proxy '*:8080' unix:/run/app.socket
 *
 *       -c ADDRESS   where the next proxy asks for our listeners: unix:/run/proxy.control
 *       -g SECONDS   how long connections may go on when we end (10)
 *       -i SECONDS   connections on which nothing moves for so long are cut (60)
 *       -n COUNT     connections at once (1000); more wait in the backlog
 *
 * LISTEN may be "inherited", too: what systemd passed. SIGUSR1 prints statistics, SIGTERM ends.
 *
 * Hot restart: start a second one with the same -c. It gets the listening sockets of the first, and
 * answers when it accepts from them; only then does the first one stop, and leaves when its
 * connections have ended. No client is refused or cut. Without the answer the first one goes on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

/** How long a backend may take to be connected to, and a proxy to take over. */
#define PATIENCE (5 * WEFT_SEC)
/** Listening sockets at most. */
#define LISTENERS 8

/** The proxy. */
struct proxy {
    /** LISTEN, -g and -n; -c. */
    struct weft_serve_options options, control;
    /** BACKEND. */
    struct weft_address backend;
    /** -i. */
    weft_ns idle;
    /** For clients, and for the next proxy. */
    struct weft_server *server, *control_server;
    /** Bytes to the backend, and from it, of connections that have ended. */
    uint64_t moved[2];
};

/** Ends with -ETIMEDOUT once nothing has moved for the limit. */
static int watch(weft_ns idle, uint64_t *moved)
{
    int rc = 0;
    for (uint64_t before = UINT64_MAX; rc == 0 && before != moved[0] + moved[1];) {
        before = moved[0] + moved[1];
        rc = weft_sleep(idle);
    }
    return rc < 0 ? rc : weft_fail(-ETIMEDOUT, "nothing moved any more");
}
typedef uint64_t *counters;
WEFT_TASK(watch, weft_ns, counters);

static int relay(struct proxy *proxy, struct weft_stream *client, struct weft_stream *backend)
{
    uint64_t moved[2] = {0, 0};
    struct weft_task *watcher;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_spawn(&scope, &watcher, watch, proxy->idle, moved);
    if (rc == 0)
        rc = weft_stream_relay(client, backend, moved);
    if (rc == 0)
        weft_task_cancel(watcher);
    rc = weft_scope_exit(&scope, rc);
    proxy->moved[0] += moved[0];
    proxy->moved[1] += moved[1];
    return rc;
}

static int forward(struct weft_stream *client, void *arg)
{
    struct proxy *proxy = arg;
    struct weft_stream *backend;
    int rc = (int)weft_within(PATIENCE, weft_stream_connect(&proxy->backend, NULL, &backend));
    if (rc == 0) {
        rc = relay(proxy, client, backend);
        (void)weft_stream_close(backend);
    }
    if (rc < 0)
        weft_stream_abort(client); /* a connection that was cut must not look finished */
    return rc;
}

static int print_on_signal(void *arg)
{
    static const int wanted = SIGUSR1;
    const struct proxy *proxy = arg;
    struct weft_server_stats stats;
    struct weft_signals *signals;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_signals_open(&scope, &wanted, 1, &signals);
    weft_ready();
    while (rc >= 0 && (rc = weft_signals_next(signals)) > 0) {
        weft_server_get_stats(proxy->server, &stats);
        fprintf(stderr, "weft-proxy: %lu accepted, %lu active, %lu failed, %lu bytes in, %lu out\n",
                (unsigned long)stats.accepted, (unsigned long)stats.active,
                (unsigned long)stats.failed, (unsigned long)proxy->moved[0],
                (unsigned long)proxy->moved[1]);
    }
    return weft_scope_exit(&scope, rc);
}

/** In the old proxy: passes the listeners to the next one, and when that accepts, leaves. */
static int hand_over(struct weft_stream *next, void *arg)
{
    struct proxy *proxy = arg;
    int fds[LISTENERS];
    size_t count = weft_server_fds(proxy->control_server, fds, 1);
    char answer = (char)(count += weft_server_fds(proxy->server, fds + 1, LISTENERS - 1));
    int rc = weft_stream_send_fds(next, fds, count, &answer, 1);
    if (rc == 0)
        rc = (int)weft_within(PATIENCE, weft_stream_read_exactly(next, &answer, 1));
    if (rc < 0)
        return rc;
    weft_server_keep_paths(proxy->control_server);
    weft_server_keep_paths(proxy->server);
    (void)weft_server_close(proxy->control_server);
    return weft_server_drain(proxy->server, proxy->options.grace);
}

/** In the new proxy: connects to the old one, if there is one, and takes what it passes. */
static int take_over(const struct proxy *proxy, struct weft_stream **old, int *fds)
{
    const struct weft_stream_options options = {.flags = WEFT_STREAM_PASS_FDS};
    struct weft_address address;
    char count;
    int rc = weft_address_parse(proxy->control.address, &address);
    if (rc == 0)
        rc = weft_stream_connect(&address, &options, old);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        return 0;
    if (rc == 0)
        rc = weft_stream_read_exactly(*old, &count, 1);
    for (int i = 0; rc >= 0 && i < count && i < LISTENERS; i++)
        rc = fds[i] = weft_stream_recv_fd(*old);
    return rc < 0 ? rc : count;
}

static int open_servers(struct proxy *proxy, struct weft_scope *scope)
{
    struct weft_serve_options options = proxy->options, control = proxy->control;
    struct weft_stream *old = NULL;
    int fds[LISTENERS];
    int count = control.address ? (int)weft_within(PATIENCE, take_over(proxy, &old, fds)) : 0;
    if (count > 0) {
        options.address = control.address = NULL;
        options.fds = fds + 1, options.fd_count = (size_t)count - 1;
        control.fds = fds, control.fd_count = 1;
    }
    int rc = count < 0 ? count : weft_server_open(scope, &options, forward, proxy, &proxy->server);
    if (rc == 0 && proxy->control.address)
        rc = weft_server_open(scope, &control, hand_over, proxy, &proxy->control_server);
    if (rc == 0 && old)
        rc = weft_stream_write_all(old, "A", 1);
    if (rc == 0 && old) {
        weft_server_take_paths(proxy->server);
        weft_server_take_paths(proxy->control_server);
    }
    (void)weft_stream_close(old);
    return rc;
}

static int run(void *arg)
{
    const struct weft_task_options options = {.flags = WEFT_BACKGROUND | WEFT_START_READY};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = open_servers(arg, &scope);
    if (rc == 0)
        rc = weft_spawn_with(&scope, NULL, &options, print_on_signal, arg);
    return weft_scope_exit(&scope, rc);
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.idle = WEFT_MIN, .control = {.max_connections = 1, .unix_mode = 0600}};
    proxy.options = (struct weft_serve_options){.grace = 10 * WEFT_SEC, .max_connections = 1000};
    for (int option; (option = getopt(argc, argv, "c:g:i:n:")) != -1;) {
        if (option == 'c')
            proxy.control.address = optarg;
        else if (option == 'g')
            proxy.options.grace = atoi(optarg) * WEFT_SEC;
        else if (option == 'i')
            proxy.idle = atoi(optarg) * WEFT_SEC;
        else if (option == 'n')
            proxy.options.max_connections = (size_t)atoi(optarg);
    }
    if (argc - optind != 2 || weft_address_parse(argv[optind + 1], &proxy.backend) < 0)
        return fprintf(stderr, "usage: weft-proxy [-c ADDRESS] [-g SECONDS] [-i SECONDS] "
                               "[-n COUNT] LISTEN BACKEND\n") > 0;
    proxy.options.address = argv[optind];
    return weft_main(run, &proxy);
}
