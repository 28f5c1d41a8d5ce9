/* SPDX-License-Identifier: MIT */
/*
 * load.c: starts an echo server, keeps it busy, and says what that cost
 *
 *     load tcp_echo CONNECTIONS SIZE SERVER...    a message in flight on each connection
 *     load udp_echo SOCKETS SIZE SERVER...        a datagram in flight on each socket
 *     load idle CONNECTIONS SERVER...             one message each, then nothing
 *
 * The server is a command that ends with "tcp_echo" or "udp_echo"; it listens on a free port
 * of 127.0.0.1 and prints "PORT <number>". It keeps the processor that we were given; the load
 * moves to another one, if there is one. What counts is the server's own CPU time for a request, of
 * all its threads, as the kernel's scheduler knows it: it does not depend on how fast the load is.
 * Every answer is compared with what was sent.
 *
 * The load has one idea: an array of connections, each with a buffer that is sent, read back, and
 * sent again, over epoll. It ends the server at the end, by its process id.
 */
#define _GNU_SOURCE
#include "../common/bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
    SAMPLES = 1 << 20,
    BATCH = 256,
};

#define WARM_UP_NS (300 * 1000000LL)
#define MEASURED_NS (1500 * 1000000LL)

/** One connection. */
struct connection {
    /** Its socket. */
    int fd;
    /** How many bytes of the answer have come. */
    size_t got;
    /** Tells messages apart; stands in the first bytes of each. */
    unsigned number;
    /** When the message was sent. */
    int64_t sent_at;
};

/** The whole load. */
struct load {
    /** SOCK_STREAM or SOCK_DGRAM. */
    int type;
    /** Bytes of a message. */
    size_t size;
    /** The connections. */
    struct connection *connections;
    /** How many. */
    int count;
    /** The server's process. */
    pid_t server;
    /** Where it listens. */
    struct sockaddr_in address;
    /** What is sent, and room for what comes. */
    char *message, *answer;
    /** Answers since the measuring began, 0 before; and the first latencies among them, in ns. */
    long answers;
    int32_t *latencies;
    int measuring;
};

static void fail(const struct load *load, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    if (load->server > 0)
        kill(load->server, SIGKILL);
    exit(1);
}

/* --- The server ------------------------------------------------------------------------------ */

/** Moves this process to a processor that the server does not have. */
static void step_aside(void)
{
    cpu_set_t own, other;

    sched_getaffinity(0, sizeof own, &own);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        CPU_ZERO(&other);
        CPU_SET(cpu, &other);
        if (!CPU_ISSET(cpu, &own) && sched_setaffinity(0, sizeof other, &other) == 0)
            return;
    }
}

static void start_server(struct load *load, char **command)
{
    int fds[2], port = 0;
    pid_t parent = getpid();

    if (pipe(fds))
        fail(load, "pipe");
    load->server = fork();
    if (load->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execvp(command[0], command);
        _exit(127);
    }
    close(fds[1]);
    FILE *said = fdopen(fds[0], "r");
    if (load->server < 0 || !said || fscanf(said, "PORT %d", &port) != 1)
        fail(load, command[0]);
    load->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    load->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/** CPU time of all threads of the server, in ns. */
static double server_cpu(const struct load *load)
{
    char path[512];
    double sum = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)load->server);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads));) {
        long long ns = 0;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)load->server, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file && fscanf(file, "%lld", &ns) == 1)
            sum += (double)ns;
        if (file)
            fclose(file);
    }
    if (threads)
        closedir(threads);
    return sum;
}

/** Resident memory of the server in bytes. */
static double server_resident(const struct load *load)
{
    char path[64], line[256];
    long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)load->server);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "VmRSS:", 6))
            kib = atol(line + 6);
    if (file)
        fclose(file);
    return 1024.0 * (double)kib;
}

/* --- Messages -------------------------------------------------------------------------------- */

/** Waits a little for a socket that is not ready. */
static void await(struct load *load, int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};

    if (poll(&ready, 1, 5000) <= 0)
        fail(load, "the server does not answer");
}

static void send_message(struct load *load, struct connection *connection)
{
    size_t done = 0;

    connection->number++;
    connection->got = 0;
    connection->sent_at = wall_ns();
    memcpy(load->message, &connection->number, sizeof connection->number);
    while (done < load->size) {
        ssize_t n = send(connection->fd, load->message + done, load->size - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            fail(load, "send");
        if (n < 0)
            await(load, connection->fd, POLLOUT);
        else
            done += (size_t)n;
    }
}

/** Takes what has come; 1 when the answer is complete. */
static int take_answer(struct load *load, struct connection *connection)
{
    ssize_t n = recv(connection->fd, load->answer, load->size, 0);
    size_t known = sizeof connection->number;

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        fail(load, "the server closed a connection");
    if (connection->got == 0 && (size_t)n >= known &&
        memcmp(load->answer, &connection->number, known))
        fail(load, "the answer is not what was sent");
    connection->got += (size_t)n;
    return connection->got == load->size;
}

static void count_answer(struct load *load, const struct connection *connection)
{
    if (!load->measuring)
        return;
    if (load->answers < SAMPLES)
        load->latencies[load->answers] = (int32_t)(wall_ns() - connection->sent_at);
    load->answers++;
}

/* --- Connections ----------------------------------------------------------------------------- */

static void connect_one(struct load *load, struct connection *connection)
{
    int one = 1;

    connection->fd = socket(AF_INET, load->type, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&load->address, sizeof load->address))
        fail(load, "connect");
    if (load->type == SOCK_STREAM)
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
}

static void connect_all(struct load *load)
{
    load->connections = calloc((size_t)load->count, sizeof *load->connections);
    load->message = calloc(1, load->size + sizeof(unsigned));
    load->answer = calloc(1, load->size + sizeof(unsigned));
    load->latencies = calloc(SAMPLES, sizeof *load->latencies);
    if (!load->connections || !load->message || !load->answer || !load->latencies)
        fail(load, "calloc");
    for (int i = 0; i < load->count; i++)
        connect_one(load, &load->connections[i]);
}

static int watch_all(struct load *load)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < load->count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, load->connections[i].fd, &event))
            fail(load, "epoll_ctl");
    }
    return epoll_fd;
}

/** Answers and new messages until the instant `end`. */
static void exchange(struct load *load, int epoll_fd, int64_t end)
{
    struct epoll_event events[BATCH];

    while (wall_ns() < end) {
        int count = epoll_wait(epoll_fd, events, BATCH, 5000);
        if (count <= 0)
            fail(load, "the server does not answer");
        for (int i = 0; i < count; i++) {
            struct connection *connection = &load->connections[events[i].data.u32];
            if (!take_answer(load, connection))
                continue;
            count_answer(load, connection);
            send_message(load, connection);
        }
    }
}

/* --- What is measured ------------------------------------------------------------------------ */

static int by_value(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static void run_echo(struct load *load, const char *bench)
{
    char param[64];

    connect_all(load);
    int epoll_fd = watch_all(load);
    for (int i = 0; i < load->count; i++)
        send_message(load, &load->connections[i]);
    exchange(load, epoll_fd, wall_ns() + WARM_UP_NS);
    load->measuring = 1;
    double cpu = server_cpu(load);
    int64_t begun = wall_ns();
    exchange(load, epoll_fd, begun + MEASURED_NS);
    double passed = (double)(wall_ns() - begun), answers = (double)load->answers;
    cpu = server_cpu(load) - cpu;
    size_t known = load->answers < SAMPLES ? (size_t)load->answers : SAMPLES;
    qsort(load->latencies, known, sizeof *load->latencies, by_value);
    snprintf(param, sizeof param, "%d/%zu", load->count, load->size);
    report(bench, param, "server_cpu", cpu / answers);
    report(bench, param, "per_request", passed / answers);
    report(bench, param, "p99", (double)load->latencies[known * 99 / 100] / 1e3);
}

static void run_idle(struct load *load)
{
    char param[64];
    double before = server_resident(load);

    connect_all(load);
    for (int i = 0; i < load->count; i++) {
        struct connection *connection = &load->connections[i];
        send_message(load, connection);
        do
            await(load, connection->fd, POLLIN);
        while (!take_answer(load, connection));
    }
    usleep(300 * 1000);
    snprintf(param, sizeof param, "%d", load->count);
    report("idle", param, "per_connection", (server_resident(load) - before) / load->count);
}

static void allow_descriptors(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct load load = {.type = SOCK_STREAM, .size = 64};
    const char *bench = argc > 1 ? argv[1] : "";
    int idle = !strcmp(bench, "idle"), first = idle ? 3 : 4;

    if (argc <= first || (!idle && strcmp(bench, "tcp_echo") && strcmp(bench, "udp_echo"))) {
        fprintf(stderr, "usage: load tcp_echo|udp_echo COUNT SIZE SERVER... | idle COUNT SERVER\n");
        return 2;
    }
    load.count = atoi(argv[2]);
    if (!idle)
        load.size = (size_t)atol(argv[3]);
    if (!strcmp(bench, "udp_echo"))
        load.type = SOCK_DGRAM;
    allow_descriptors();
    start_server(&load, argv + first);
    step_aside();
    if (idle)
        run_idle(&load);
    else
        run_echo(&load, bench);
    kill(load.server, SIGKILL);
    waitpid(load.server, NULL, 0);
    return 0;
}
