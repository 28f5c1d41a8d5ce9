/* SPDX-License-Identifier: MIT */
/*
 * demo.c: the story of asynchronous I/O, over real sockets
 *
 * A server needs one second for a request. Who asks twice in a row waits two seconds; threads or
 * weft make it one. Then a thousand requests at once, to a server that is itself one thread with
 * weft; a TCP echo server that our clients, nc and socat talk to; and a proxy before it that is
 * restarted twice while they do. Every answer is compared, and the program fails if one is missing
 * or wrong.
 *
 *     demo [--lose N] [--deadline S] [story] [crowd] [echo]     all three parts unless named
 *
 * --lose N: the crowd's server leaves the first N requests unread, so that they are sent again.
 * --deadline S: each request of a weft client may take S seconds with all its attempts, not 3.
 * The parts are in demo/, and demo/demo.h says which is which.
 */
#include "demo/demo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/** Requests at once. */
#define CROWD 1000
/** Clients of the echo server at once. */
#define ECHO_CLIENTS 300

/** What was asked for, and what it needs. */
struct demo {
    /** Which parts run. */
    int story, crowd, echo;
    /** How many requests the weft server is to lose. */
    int lose;
    /** How long a request of a weft client may take with all its attempts. */
    weft_ns deadline;
    /** The server of two processes. */
    struct server blocking;
    /** The weft server of one process. */
    struct server waiting;
    /** What that server counts. */
    struct tally *tally;
};

/** Two requests to the server of two processes; how many answers were wrong, or an error. */
static int ask_twice(const struct demo *demo, const char *name, int (*client)(struct call *, int))
{
    struct call calls[] = {call_make(&demo->blocking, 0, demo->deadline),
                           call_make(&demo->blocking, 1, demo->deadline)};

    row_begin(name, 2);
    int rc = client(calls, 2);
    row_end("%s, %s", calls[0].answer, calls[1].answer);
    return rc < 0 ? rc : !call_is_right(&calls[0]) + !call_is_right(&calls[1]);
}

static int story(struct demo *demo)
{
    static const struct {
        /** The first column. */
        const char *name;
        /** The client. */
        int (*client)(struct call *calls, int count);
    } clients[] = {
        {"sequential", client_sequential},
        {"threads", client_threads},
        {"weft", client_weft},
    };
    int wrong = 0, rc = 0;

    printf("Two requests to a UDP server of two processes, one second of work for each\n");
    for (size_t i = 0; i < sizeof clients / sizeof clients[0] && rc >= 0; i++) {
        rc = ask_twice(demo, clients[i].name, clients[i].client);
        wrong += rc;
    }
    return rc < 0 ? rc : wrong;
}

static int crowd(struct demo *demo)
{
    struct call *calls = calloc(CROWD, sizeof *calls);
    int wrong = 0, sent = 0;

    if (!calls)
        return -ENOMEM;
    for (int i = 0; i < CROWD; i++)
        calls[i] = call_make(&demo->waiting, i, demo->deadline);
    printf("%d requests at once to a weft server of one process, a second's sleep for each\n",
           CROWD);
    row_begin("weft", CROWD);
    int rc = client_weft(calls, CROWD);
    int stop_rc = server_stop(&demo->waiting);
    for (int i = 0; i < CROWD; i++)
        sent += calls[i].sent;
    row_end("%d answers, %d lost, %d sent again", row_answers(), sent - demo->tally->received,
            sent - CROWD);
    for (int i = 0; i < CROWD; i++)
        wrong += !call_is_right(&calls[i]);
    free(calls);
    return rc < 0 ? rc : stop_rc < 0 ? stop_rc : wrong;
}

/** Fills in the clients, and waits until somebody listens. 0, or an error. */
static int make_clients(struct echo_client *clients, const struct weft_address *to)
{
    struct echo_client first = {.to = *to, .patient = 1};

    for (unsigned i = 0; i < ECHO_CLIENTS; i++)
        clients[i] = (struct echo_client){.to = *to, .number = i};
    return echo_by_weft(&first, 1, NULL, NULL);
}

/** Many clients at once; how many were not served well, or an error. */
static int echo_together(const char *name, const struct weft_address *to,
                         int (*meanwhile)(void *arg), void *arg)
{
    struct echo_client *clients = calloc(ECHO_CLIENTS, sizeof *clients);
    int wrong = 0;

    if (!clients)
        return -ENOMEM;
    int rc = make_clients(clients, to);
    row_begin(name, ECHO_CLIENTS);
    if (rc == 0)
        rc = echo_by_weft(clients, ECHO_CLIENTS, meanwhile, arg);
    row_end("%d clients at once, %d kB each, came back%s", row_answers(), ECHO_BYTES >> 10,
            meanwhile ? ", 2 restarts" : "");
    for (int i = 0; i < ECHO_CLIENTS; i++)
        wrong += !clients[i].right;
    if (wrong > 0)
        fprintf(stderr, "demo: %d clients did not get back what they sent\n", wrong);
    free(clients);
    return rc < 0 ? rc : wrong;
}

/** The same through a proxy that is restarted meanwhile. */
static int echo_through_proxy(const struct weft_address *behind)
{
    struct proxy proxy = {.server = {.count = 0}};
    int reserved = proxy_start(&proxy, behind);

    if (reserved < 0)
        return reserved;
    int wrong = echo_together("weft-proxy", &proxy.server.address, proxy_restart, &proxy);
    int rc = server_stop(&proxy.server);
    close(reserved);
    return rc < 0 ? rc : wrong;
}

static int echo(void)
{
    struct server server = {.count = 0};
    int reserved = echo_start(&server);

    if (reserved < 0)
        return reserved;
    printf("A TCP echo server, examples/echo.c, in a process of its own\n");
    int wrong = echo_together("weft", &server.address, NULL, NULL);
    if (wrong >= 0)
        wrong += echo_by_others(&server.address);
    int more = wrong >= 0 ? echo_through_proxy(&server.address) : 0;
    int rc = server_stop(&server);
    close(reserved);
    return rc < 0 ? rc : more < 0 ? more : wrong + more;
}

/** A thousand sockets at once: needs more than the usual soft limit, and the low numbers free. */
static void make_room(void)
{
    struct rlimit limit;

    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            perror("demo: cannot raise the limit of open files");
    }
}

/** The servers are forked here, before this process has had a loop. */
static int start_servers(struct demo *demo)
{
    demo->tally =
        mmap(NULL, sizeof *demo->tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (demo->tally == MAP_FAILED)
        return -errno;
    demo->tally->lose = demo->lose;
    int rc = demo->story ? server_start(&demo->blocking, 2, serve_blocking, NULL) : 0;
    if (rc == 0 && demo->crowd)
        rc = server_start(&demo->waiting, 1, serve_crowd, demo->tally);
    return rc;
}

/** Says which engine the loops of this process will have. */
static int print_engine(void)
{
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return rc;
    printf("weft %d.%d.%d, engine %s (%s)\n", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
           WEFT_VERSION_PATCH, weft_loop_backend(loop), weft_loop_backend_reason(loop));
    return weft_loop_free(loop);
}

static int run_parts(struct demo *demo)
{
    int wrong = demo->story ? story(demo) : 0;
    int rc = wrong < 0 || !demo->crowd ? 0 : crowd(demo);

    wrong = wrong < 0 ? wrong : rc < 0 ? rc : wrong + rc;
    rc = wrong < 0 || !demo->echo ? 0 : echo();
    return wrong < 0 ? wrong : rc < 0 ? rc : wrong + rc;
}

/** Reads the command line; 0 or -EINVAL. */
static int read_arguments(struct demo *demo, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--lose") == 0 && i + 1 < argc)
            demo->lose = atoi(argv[++i]);
        else if (strcmp(argv[i], "--deadline") == 0 && i + 1 < argc)
            demo->deadline = atoi(argv[++i]) * WEFT_SEC;
        else if (strcmp(argv[i], "story") == 0)
            demo->story = 1;
        else if (strcmp(argv[i], "crowd") == 0)
            demo->crowd = 1;
        else if (strcmp(argv[i], "echo") == 0)
            demo->echo = 1;
        else
            return -EINVAL;
    }
    if (!demo->story && !demo->crowd && !demo->echo)
        demo->story = demo->crowd = demo->echo = 1;
    return 0;
}

int main(int argc, char **argv)
{
    struct demo demo = {.deadline = 3 * WEFT_SEC};
    weft_ns start = clock_now();
    int rc = read_arguments(&demo, argc, argv);

    if (rc < 0) {
        fprintf(stderr, "usage: demo [--lose N] [--deadline S] [story] [crowd] [echo]\n");
        return 2;
    }
    make_room();
    rc = start_servers(&demo);
    rc = rc < 0 ? rc : print_engine();
    rc = rc < 0 ? rc : run_parts(&demo);
    int stop_rc = server_stop(&demo.blocking);
    rc = rc < 0 || stop_rc == 0 ? rc : stop_rc;
    if (rc < 0)
        fprintf(stderr, "demo: %s\n", weft_strerror(rc));
    else if (rc > 0)
        fprintf(stderr, "demo: %d answers are missing or wrong\n", rc);
    else
        printf("All answers are right, %.1f s\n", seconds_since(start));
    return rc != 0;
}
