/* SPDX-License-Identifier: MIT */
/*
 * test_sim_kernel.c: the simulated world answers as the kernel does
 *
 * The same calls go to weft_sys_default and to a simulated world, and every result, every byte and
 * every poll mask must be equal. Pipes, event counters and Unix sockets, where the kernel acts at
 * once, are tried with random sequences of calls; TCP and UDP over loopback, where it acts a little
 * later, with written ones, in which each step first waits for what it expects. Full buffers are
 * left out: their sizes are the kernel's own affair.
 */
#define _GNU_SOURCE
#include "loop/poller/sim/world.h"
#include "test.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TABLES = 2, SLOTS = 12, STEPS = 400, QUEUED_MAX = 6, ALL_EVENTS = POLLIN | POLLOUT };

/** A descriptor in both worlds. */
struct slot {
    /** Its numbers; -1: closed. */
    int fd[TABLES];
    /** Its other end, or itself. */
    int other;
    /** Writes towards this end that may not have been read. */
    int queued;
    /** Whether it is an event counter. */
    bool event;
};

static const struct weft_sys *tables[TABLES];
static struct slot slots[SLOTS];
static uint64_t random_state;

static void open_tables(uint64_t seed)
{
    signal(SIGPIPE, SIG_IGN);
    tables[0] = &weft_sys_default;
    CHECK_OK(weft__sim_new(0, &tables[1]));
    random_state = seed;
}

static void close_tables(void)
{
    CHECK_EQ(weft__sim_open(tables[1]), 0);
    weft__sim_free(tables[1]);
}

/** What was done so far in this sequence, a line for each step. */
static struct {
    /** The descriptor's place, and its other end's. */
    int slot, other;
    /** What the call said. */
    char text[200];
} history[STEPS];

/* Prints the steps that concern a descriptor and its other end. */
static void tell_history(int slot, int steps)
{
    for (int i = 0; i <= steps; i++)
        if (history[i].text[0] && (history[i].slot == slot || history[i].other == slot))
            fprintf(stderr, "step %d: slot %d, other end %d: %s\n", i, history[i].slot,
                    history[i].other, history[i].text);
}

static unsigned dice(unsigned sides)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % sides;
}

/* --- Random calls where the kernel acts at once ---------------------------------------------- */

static int make(const struct weft_sys *sys, unsigned kind, int fds[2])
{
    switch (kind) {
    case 0:
        return sys->pipe2(sys, fds, O_NONBLOCK | O_CLOEXEC);
    case 1:
        return sys->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
    case 2:
        return sys->socketpair(sys, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds);
    case 3:
        fds[0] = sys->eventfd(sys, 2, EFD_NONBLOCK);
        fds[1] = -1;
        return fds[0] < 0 ? fds[0] : 0;
    default:
        fds[0] = sys->eventfd(sys, 0, EFD_NONBLOCK | EFD_SEMAPHORE);
        fds[1] = sys->socket(sys, AF_UNIX, (dice(2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
        return fds[0] < 0 ? fds[0] : 0;
    }
}

static void open_something(int i)
{
    int other = (i + 1) % SLOTS, fds[TABLES][2];
    unsigned kind = dice(5);
    uint64_t before = random_state;

    if (slots[other].fd[0] >= 0)
        return;
    for (int t = 0; t < TABLES; t++) {
        random_state = before;
        CHECK_OK(make(tables[t], kind, fds[t]));
        slots[i].fd[t] = fds[t][0];
        slots[other].fd[t] = fds[t][1];
    }
    slots[i].other = kind < 3 ? other : i;
    slots[other].other = kind < 3 ? i : other;
    slots[i].queued = slots[other].queued = 0;
    slots[i].event = kind >= 3;
    slots[other].event = false;
}

/** One call on one table; everything it says goes into `say`. */
static void call(const struct weft_sys *sys, int fd, unsigned what, size_t len, char *say,
                 size_t size)
{
    char buf[256] = "abcdefghijklmnopqrstuvwxyz";
    ssize_t rc = 0;
    int value = 0;
    socklen_t value_len = sizeof value;
    struct pollfd entry = {.fd = fd, .events = ALL_EVENTS | POLLRDHUP};
    static const char *const names[] = {"read", "write", "recv",     "peek",     "send",
                                        "poll", "error", "getflags", "shutdown", "truncated"};

    switch (what) {
    case 0:
        rc = sys->read(sys, fd, buf, len);
        break;
    case 1:
        buf[0] = (char)len;
        memset(buf + 1, 0, 7); /* a small number, for event counters */
        rc = sys->write(sys, fd, buf, len);
        break;
    case 2:
        rc = sys->recvfrom(sys, fd, buf, len, MSG_DONTWAIT, NULL, NULL);
        break;
    case 3:
        rc = sys->recvfrom(sys, fd, buf, len, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
        break;
    case 4:
        rc = sys->sendto(sys, fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
        break;
    case 5:
        rc = sys->poll(sys, &entry, 1, 0);
        break;
    case 6:
        rc = sys->getsockopt(sys, fd, SOL_SOCKET, SO_ERROR, &value, &value_len);
        break;
    case 7:
        rc = sys->fcntl(sys, fd, F_GETFL, 0);
        break;
    case 8:
        rc = sys->shutdown(sys, fd, (int)len % 3);
        break;
    default:
        /* A stream throws MSG_TRUNC bytes away, which no one here wants. */
        rc = sys->recvfrom(sys, fd, buf, len, MSG_TRUNC | MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
        break;
    }
    snprintf(say, size, "%s(%zu): %zd, value %d, events %#x, bytes %.2s", names[what], len, rc,
             value, (unsigned)entry.revents, rc > 0 ? buf : "");
}

static void remember(int step, int i, const char *what)
{
    history[step].slot = i;
    history[step].other = slots[i].other;
    snprintf(history[step].text, sizeof history[step].text, "%s", what);
}

static void call_both(int i, int step)
{
    static const size_t lengths[] = {0, 1, 7, 8, 20, 100};
    unsigned what = dice(10);
    size_t len = lengths[dice(6)];
    char says[TABLES][200];
    bool writes = what == 1 || what == 4;

    if (writes && slots[slots[i].other].queued >= QUEUED_MAX)
        return;
    /* Kernels differ: before 6.9 they took the first eight bytes of a longer write. */
    if (writes && slots[i].event && len > 8)
        return;
    if (writes)
        slots[slots[i].other].queued++;
    for (int t = 0; t < TABLES; t++)
        call(tables[t], slots[i].fd[t], what, len, says[t], sizeof says[t]);
    remember(step, i, says[0]);
    if (strcmp(says[0], says[1]) == 0)
        return;
    tell_history(i, step);
    FAIL("world: %s", says[1]);
}

static void close_both(int i)
{
    for (int t = 0; t < TABLES; t++)
        CHECK_OK(tables[t]->close(tables[t], slots[i].fd[t]));
    slots[i].fd[0] = slots[i].fd[1] = -1;
}

TEST(random_calls_on_pipes_events_and_unix_sockets_give_the_kernels_results)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        open_tables(seed);
        for (int i = 0; i < SLOTS; i++)
            slots[i] = (struct slot){{-1, -1}, i, 0, false};
        for (int step = 0; step < STEPS; step++) {
            int i = (int)dice(SLOTS);
            remember(step, i, "");
            if (slots[i].fd[0] < 0) {
                open_something(i);
                remember(step, i, slots[i].fd[0] < 0 ? "" : "open");
            } else if (dice(12) == 0) {
                remember(step, i, "close");
                close_both(i);
            } else
                call_both(i, step);
        }
        for (int i = 0; i < SLOTS; i++)
            if (slots[i].fd[0] >= 0)
                close_both(i);
        close_tables();
    }
}

/* --- Written sequences where the kernel acts a little later ---------------------------------- */

/** What a sequence saw, in words. */
struct record {
    /** The table that it runs on. */
    const struct weft_sys *sys;
    /** The words. */
    char text[4096];
    /** How many bytes of them. */
    size_t len;
};

static void note(struct record *record, const char *what, ssize_t rc)
{
    record->len += (size_t)snprintf(record->text + record->len, sizeof record->text - record->len,
                                    "%s %zd\n", what, rc);
}

/* Lets the kernel act; a simulated world has acted already. The mask that holds then is noted. */
static void await(struct record *record, int fd, int events)
{
    struct pollfd entry = {.fd = fd, .events = (short)events};
    bool real = record->sys == &weft_sys_default;

    record->sys->poll(record->sys, &entry, 1, real ? 5 * WEFT_SEC : 0);
    note(record, "poll", entry.revents);
}

static int listener_of(struct record *record, struct sockaddr_in *ret)
{
    const struct weft_sys *sys = record->sys;
    socklen_t len = sizeof *ret;
    int fd = sys->socket(sys, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_OK(sys->bind(sys, fd, (struct sockaddr *)ret, sizeof *ret));
    CHECK_OK(sys->listen(sys, fd, 8));
    CHECK_OK(sys->getsockname(sys, fd, (struct sockaddr *)ret, &len));
    return fd;
}

static void tcp_pair(struct record *record, int fds[2])
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name;
    int listener = listener_of(record, &name);

    fds[0] = sys->socket(sys, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int rc = sys->connect(sys, fds[0], (struct sockaddr *)&name, sizeof name);
    CHECK(rc == 0 || rc == -EINPROGRESS);
    await(record, fds[0], POLLOUT);
    await(record, listener, POLLIN);
    fds[1] = sys->accept4(sys, listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK_OK(fds[1]);
    CHECK_OK(sys->close(sys, listener));
}

static void noted_read(struct record *record, int fd)
{
    char buf[16];

    note(record, "read", record->sys->read(record->sys, fd, buf, sizeof buf));
}

static void noted_write(struct record *record, int fd)
{
    const struct weft_sys *sys = record->sys;

    note(record, "write", sys->sendto(sys, fd, "12345", 5, MSG_NOSIGNAL, NULL, 0));
}

static void clean_close(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    int fds[2];

    tcp_pair(record, fds);
    noted_write(record, fds[0]);
    CHECK_OK(sys->close(sys, fds[0]));
    await(record, fds[1], POLLIN | POLLRDHUP);
    noted_read(record, fds[1]);
    await(record, fds[1], POLLRDHUP);
    noted_read(record, fds[1]);
    noted_write(record, fds[1]);
    await(record, fds[1], POLLERR | POLLHUP);
    noted_write(record, fds[1]);
    noted_read(record, fds[1]);
    CHECK_OK(sys->close(sys, fds[1]));
}

static void close_with_unread(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    int fds[2];

    tcp_pair(record, fds);
    noted_write(record, fds[0]);
    noted_write(record, fds[1]);
    await(record, fds[1], POLLIN);
    await(record, fds[0], POLLIN);
    CHECK_OK(sys->close(sys, fds[1]));
    await(record, fds[0], POLLHUP);
    noted_read(record, fds[0]);
    noted_read(record, fds[0]);
    noted_read(record, fds[0]);
    noted_write(record, fds[0]);
    CHECK_OK(sys->close(sys, fds[0]));
}

static void half_close(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    int fds[2];

    tcp_pair(record, fds);
    note(record, "shutdown", sys->shutdown(sys, fds[0], SHUT_WR));
    noted_write(record, fds[0]);
    await(record, fds[1], POLLIN | POLLRDHUP | POLLOUT);
    noted_read(record, fds[1]);
    noted_write(record, fds[1]);
    await(record, fds[0], POLLIN | POLLRDHUP);
    noted_read(record, fds[0]);
    note(record, "shutdown", sys->shutdown(sys, fds[1], SHUT_WR));
    await(record, fds[0], POLLHUP);
    noted_read(record, fds[0]);
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
}

static void refused_and_misused(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name;
    int listener = listener_of(record, &name), value = 0;
    socklen_t len = sizeof value;
    int fd = sys->socket(sys, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    note(record, "accept none", sys->accept4(sys, listener, NULL, NULL, 0));
    note(record, "listener read", sys->read(sys, listener, &value, 1));
    CHECK_OK(sys->close(sys, listener));
    note(record, "unconnected peer", sys->getpeername(sys, fd, (struct sockaddr *)&name, &len));
    noted_read(record, fd);
    noted_write(record, fd);
    note(record, "accept on it", sys->accept4(sys, fd, NULL, NULL, 0));
    note(record, "shutdown it", sys->shutdown(sys, fd, SHUT_WR));
    await(record, fd, ALL_EVENTS);
    int rc = sys->connect(sys, fd, (struct sockaddr *)&name, sizeof name);
    if (rc == -EINPROGRESS) {
        struct pollfd entry = {.fd = fd, .events = POLLOUT};
        sys->poll(sys, &entry, 1, 5 * WEFT_SEC);
        len = sizeof value;
        CHECK_OK(sys->getsockopt(sys, fd, SOL_SOCKET, SO_ERROR, &value, &len));
        rc = -value;
    }
    note(record, "connect to nobody", rc);
    note(record, "bind short", sys->bind(sys, fd, (struct sockaddr *)&name, 3));
    CHECK_OK(sys->close(sys, fd));
    note(record, "odd family", sys->socket(sys, 9999, SOCK_STREAM, 0));
    note(record, "odd type", sys->socket(sys, AF_INET, 77, 0));
    note(record, "odd protocol", sys->socket(sys, AF_INET, SOCK_STREAM, IPPROTO_UDP));
    note(record, "inet pair", sys->socketpair(sys, AF_INET, SOCK_STREAM, 0, (int[2]){0, 0}));
}

static void datagrams(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof name;
    char buf[8];
    int to = sys->socket(sys, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int from = sys->socket(sys, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    note(record, "nowhere", sys->sendto(sys, from, "x", 1, 0, NULL, 0));
    note(record, "listen", sys->listen(sys, from, 1));
    note(record, "shutdown", sys->shutdown(sys, from, SHUT_RD));
    CHECK_OK(sys->bind(sys, to, (struct sockaddr *)&name, sizeof name));
    CHECK_OK(sys->getsockname(sys, to, (struct sockaddr *)&name, &len));
    note(record, "send",
         sys->sendto(sys, from, "0123456789", 10, 0, (struct sockaddr *)&name, len));
    await(record, to, ALL_EVENTS);
    note(record, "cut", sys->recvfrom(sys, to, buf, sizeof buf, MSG_TRUNC, NULL, NULL));
    note(record, "empty", sys->sendto(sys, from, NULL, 0, 0, (struct sockaddr *)&name, len));
    await(record, to, POLLIN);
    note(record, "read 0", sys->read(sys, to, buf, 0));
    note(record, "recv", sys->recvfrom(sys, to, buf, sizeof buf, 0, NULL, NULL));
    note(record, "recv", sys->recvfrom(sys, to, buf, sizeof buf, 0, NULL, NULL));
    note(record, "connect", sys->connect(sys, from, (struct sockaddr *)&name, len));
    CHECK_OK(sys->close(sys, to));
    note(record, "to nobody", sys->sendto(sys, from, "x", 1, 0, NULL, 0));
    await(record, from, POLLERR);
    note(record, "error", sys->recvfrom(sys, from, buf, sizeof buf, 0, NULL, NULL));
    note(record, "again", sys->recvfrom(sys, from, buf, sizeof buf, 0, NULL, NULL));
    note(record, "dissolve", sys->connect(sys, from, &none, sizeof none));
    note(record, "nowhere", sys->sendto(sys, from, "x", 1, 0, NULL, 0));
    note(record, "no port", sys->sendto(sys, from, "x", 1, 0, (struct sockaddr *)&name, 4));
    CHECK_OK(sys->close(sys, from));
}

static void unix_names(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_un name = {.sun_family = AF_UNIX}, back;
    socklen_t len = sizeof back;
    int listener = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int client = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    note(record, "unnamed", sys->getsockname(sys, client, (struct sockaddr *)&back, &len));
    note(record, "its length", (ssize_t)len);
    note(record, "nameless listener", sys->listen(sys, listener, 0));
    note(record, "autobind",
         sys->bind(sys, listener, (struct sockaddr *)&name, sizeof(sa_family_t)));
    len = sizeof back;
    CHECK_OK(sys->getsockname(sys, listener, (struct sockaddr *)&back, &len));
    note(record, "its length", (ssize_t)len);
    note(record, "not listening", sys->connect(sys, client, (struct sockaddr *)&back, len));
    CHECK_OK(sys->listen(sys, listener, 1));
    note(record, "connect", sys->connect(sys, client, (struct sockaddr *)&back, len));
    note(record, "again", sys->connect(sys, client, (struct sockaddr *)&back, len));
    int second = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int third = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    note(record, "room for two", sys->connect(sys, second, (struct sockaddr *)&back, len));
    note(record, "backlog full", sys->connect(sys, third, (struct sockaddr *)&back, len));
    note(record, "addressed",
         sys->sendto(sys, client, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&back, len));
    int datagram = sys->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    note(record, "wrong kind", sys->connect(sys, datagram, (struct sockaddr *)&back, len));
    CHECK_OK(sys->close(sys, listener));
    noted_read(record, client);
    noted_read(record, client);
    CHECK_OK(sys->close(sys, client));
    CHECK_OK(sys->close(sys, second));
    CHECK_OK(sys->close(sys, third));
    CHECK_OK(sys->close(sys, datagram));
}

/* What options say that follow from what the socket is, and which values are too short. */
static void options(struct record *record)
{
    static const int domains[] = {AF_INET, AF_INET, AF_UNIX, AF_UNIX};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM, SOCK_DGRAM};
    static const int asked[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN};
    const struct weft_sys *sys = record->sys;
    struct linger linger = {.l_onoff = 0, .l_linger = 5};

    for (int i = 0; i < 4; i++) {
        int fd = sys->socket(sys, domains[i], types[i], 0), one = 1;
        CHECK_OK(fd);
        for (int j = 0; j < 4; j++) {
            int value = -1;
            socklen_t len = sizeof value;
            CHECK_OK(sys->getsockopt(sys, fd, SOL_SOCKET, asked[j], &value, &len));
            note(record, "option", value);
        }
        note(record, "short value", sys->setsockopt(sys, fd, SOL_SOCKET, SO_KEEPALIVE, &one, 2));
        note(record, "short linger", sys->setsockopt(sys, fd, SOL_SOCKET, SO_LINGER, &linger, 4));
        CHECK_OK(sys->close(sys, fd));
    }
}

/* Whether a close with this linger is a reset, though nothing is unread. */
static void close_with_linger(struct record *record, int on, int seconds)
{
    const struct weft_sys *sys = record->sys;
    struct linger linger = {.l_onoff = on, .l_linger = seconds};
    int fds[2];

    tcp_pair(record, fds);
    note(record, "linger",
         sys->setsockopt(sys, fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    CHECK_OK(sys->close(sys, fds[0]));
    await(record, fds[1], POLLIN | POLLRDHUP);
    noted_read(record, fds[1]);
    CHECK_OK(sys->close(sys, fds[1]));
}

static void lingers(struct record *record)
{
    close_with_linger(record, 0, 0);
    close_with_linger(record, 1, 3);
    close_with_linger(record, 1, 0);
}

static void listeners(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name;
    struct sockaddr_un family = {.sun_family = AF_UNIX}, back;
    socklen_t len = sizeof back;
    int fds[2], listener = listener_of(record, &name);
    int of_unix = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    note(record, "listen again", sys->listen(sys, listener, -1));
    note(record, "connect it", sys->connect(sys, listener, (struct sockaddr *)&name, sizeof name));
    CHECK_OK(sys->close(sys, listener));
    tcp_pair(record, fds);
    note(record, "listen on a connection", sys->listen(sys, fds[0], 1));
    note(record, "odd shutdown", sys->shutdown(sys, fds[0], 77));
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
    CHECK_OK(sys->bind(sys, of_unix, (struct sockaddr *)&family, sizeof(sa_family_t)));
    CHECK_OK(sys->getsockname(sys, of_unix, (struct sockaddr *)&back, &len));
    CHECK_OK(sys->listen(sys, of_unix, 4));
    note(record, "connect to itself", sys->connect(sys, of_unix, (struct sockaddr *)&back, len));
    CHECK_OK(sys->close(sys, of_unix));
    int named = sys->socket(sys, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    note(record, "a protocol by its name", named >= 0);
    note(record, "too long an address",
         sys->bind(sys, named, (struct sockaddr *)&(char[200]){AF_INET}, 200));
    CHECK_OK(sys->close(sys, named));
    int datagram = sys->socket(sys, AF_INET, SOCK_DGRAM, 0);
    note(record, "accept a datagram", sys->accept4(sys, datagram, NULL, NULL, 0));
    note(record, "no family", sys->connect(sys, datagram, (struct sockaddr *)&name, 1));
    CHECK_OK(sys->close(sys, datagram));
}

/* Socket calls on a pipe, and calls on its descriptor. */
static void no_sockets(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name = {.sin_family = AF_INET};
    struct sockaddr *any = (struct sockaddr *)&name;
    socklen_t len = sizeof name;
    struct pollfd nobody = {.fd = -1, .events = ALL_EVENTS, .revents = 77};
    int fds[2], value = 0;

    CHECK_OK(sys->pipe2(sys, fds, O_CLOEXEC));
    note(record, "bind", sys->bind(sys, fds[0], any, sizeof name));
    note(record, "listen", sys->listen(sys, fds[0], 1));
    note(record, "accept", sys->accept4(sys, fds[0], NULL, NULL, 0));
    note(record, "connect", sys->connect(sys, fds[0], any, sizeof name));
    note(record, "its name", sys->getsockname(sys, fds[0], any, &len));
    note(record, "its peer", sys->getpeername(sys, fds[0], any, &len));
    note(record, "set", sys->setsockopt(sys, fds[0], SOL_SOCKET, SO_KEEPALIVE, &value, 4));
    note(record, "kept over exec", sys->fcntl(sys, fds[0], F_SETFD, 0));
    note(record, "flags", sys->fcntl(sys, fds[0], F_GETFD, 0));
    note(record, "closed at exec", sys->fcntl(sys, fds[0], F_SETFD, FD_CLOEXEC));
    note(record, "flags", sys->fcntl(sys, fds[0], F_GETFD, 0));
    note(record, "odd command", sys->fcntl(sys, fds[0], 9999, 0));
    note(record, "poll nobody", sys->poll(sys, &nobody, 1, 0));
    note(record, "nobody's events", nobody.revents);
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
}

static void full_counter(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    int fd = sys->eventfd(sys, 0, EFD_NONBLOCK);
    uint64_t value = UINT64_MAX;

    note(record, "no number", sys->write(sys, fd, &value, sizeof value));
    value = UINT64_MAX - 1;
    note(record, "the largest", sys->write(sys, fd, &value, sizeof value));
    await(record, fd, POLLIN);
    note(record, "as much again", sys->write(sys, fd, &value, sizeof value));
    note(record, "one more", sys->write(sys, fd, &(uint64_t){1}, sizeof value));
    note(record, "nothing more", sys->write(sys, fd, &(uint64_t){0}, sizeof value));
    note(record, "read", sys->read(sys, fd, &value, sizeof value));
    note(record, "all of it", value == UINT64_MAX - 1);
    await(record, fd, POLLOUT);
    CHECK_OK(sys->close(sys, fd));
}

static void unix_datagrams(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/nobody/is/here"};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0weft-nobody"};
    struct sockaddr_un back, *none[] = {&path, &abstract};
    socklen_t len = sizeof back;
    char byte = 'x';
    int pair[2], fd = sys->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int stream = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    for (int i = 0; i < 2; i++) {
        struct sockaddr *to = (struct sockaddr *)none[i];
        note(record, "connect to nobody", sys->connect(sys, fd, to, sizeof path));
        note(record, "send to nobody", sys->sendto(sys, fd, &byte, 1, 0, to, sizeof path));
        note(record, "stream to nobody", sys->connect(sys, stream, to, sizeof path));
    }
    note(record, "send without a name",
         sys->sendto(sys, fd, &byte, 1, 0, (struct sockaddr *)&path, sizeof(sa_family_t)));
    note(record, "address on a stream",
         sys->sendto(sys, stream, &byte, 1, MSG_NOSIGNAL, (struct sockaddr *)&path, sizeof path));
    CHECK_OK(sys->close(sys, stream));
    CHECK_OK(sys->socketpair(sys, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
    CHECK_OK(sys->sendto(sys, pair[1], &byte, 1, 0, NULL, 0));
    note(record, "from an unnamed one",
         sys->recvfrom(sys, pair[0], &byte, 1, 0, (struct sockaddr *)&back, &len));
    note(record, "has no address", (ssize_t)len);
    note(record, "urgent send", sys->sendto(sys, pair[0], &byte, 1, MSG_OOB, NULL, 0));
    note(record, "urgent read", sys->recvfrom(sys, pair[0], &byte, 1, MSG_OOB, NULL, NULL));
    CHECK_OK(sys->bind(sys, pair[0], (struct sockaddr *)&path, sizeof(sa_family_t)));
    len = sizeof back;
    CHECK_OK(sys->getsockname(sys, pair[0], (struct sockaddr *)&back, &len));
    note(record, "to one that hears its peer alone",
         sys->sendto(sys, fd, &byte, 1, 0, (struct sockaddr *)&back, len));
    CHECK_OK(sys->close(sys, pair[0]));
    CHECK_OK(sys->close(sys, pair[1]));
    CHECK_OK(sys->close(sys, fd));
}

/* What a connection tells of who sent: nothing. And an error that waits meets a sender, too. */
static void senders(struct record *record)
{
    const struct weft_sys *sys = record->sys;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    char buf[8];
    int fds[2], to = sys->socket(sys, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int from = sys->socket(sys, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    CHECK_OK(sys->bind(sys, to, (struct sockaddr *)&name, sizeof name));
    CHECK_OK(sys->getsockname(sys, to, (struct sockaddr *)&name, &len));
    CHECK_OK(sys->connect(sys, from, (struct sockaddr *)&name, len));
    CHECK_OK(sys->close(sys, to));
    note(record, "to nobody", sys->sendto(sys, from, "x", 1, 0, NULL, 0));
    await(record, from, POLLERR);
    note(record, "and again", sys->sendto(sys, from, "x", 1, 0, NULL, 0));
    CHECK_OK(sys->close(sys, from));
    tcp_pair(record, fds);
    noted_write(record, fds[1]);
    await(record, fds[0], POLLIN);
    len = sizeof name;
    note(record, "read with address",
         sys->recvfrom(sys, fds[0], buf, sizeof buf, 0, (struct sockaddr *)&name, &len));
    note(record, "no address", (ssize_t)len);
    CHECK_OK(sys->close(sys, fds[0]));
    CHECK_OK(sys->close(sys, fds[1]));
}

/* Runs a sequence on both tables and compares what it saw. */
static void compare(void (*sequence)(struct record *record))
{
    static struct record records[TABLES];

    open_tables(1);
    for (int t = 0; t < TABLES; t++) {
        records[t] = (struct record){.sys = tables[t]};
        sequence(&records[t]);
    }
    if (strcmp(records[0].text, records[1].text) != 0)
        FAIL("kernel:\n%sworld:\n%s", records[0].text, records[1].text);
    close_tables();
}

TEST(a_clean_close_looks_as_it_does_with_the_kernel)
{
    compare(clean_close);
}

TEST(a_close_with_unread_bytes_looks_as_it_does_with_the_kernel)
{
    compare(close_with_unread);
}

TEST(closing_one_direction_looks_as_it_does_with_the_kernel)
{
    compare(half_close);
}

TEST(refusals_and_misuse_have_the_kernels_errors)
{
    compare(refused_and_misused);
}

TEST(datagrams_look_as_they_do_with_the_kernel)
{
    compare(datagrams);
}

TEST(unix_names_look_as_they_do_with_the_kernel)
{
    compare(unix_names);
}

TEST(what_a_socket_is_and_short_values_of_options_are_answered_as_the_kernel_does)
{
    compare(options);
}

TEST(only_a_linger_of_no_time_makes_a_close_a_reset_as_with_the_kernel)
{
    compare(lingers);
}

TEST(listening_or_connecting_where_it_makes_no_sense_has_the_kernels_errors)
{
    compare(listeners);
}

TEST(socket_calls_on_a_pipe_and_its_descriptors_flags_look_as_they_do_with_the_kernel)
{
    compare(no_sockets);
}

TEST(a_full_event_counter_takes_as_little_as_the_kernels)
{
    compare(full_counter);
}

TEST(unix_datagrams_for_nobody_or_from_a_stranger_have_the_kernels_errors)
{
    compare(unix_datagrams);
}

TEST(an_address_or_an_error_is_told_to_a_receiver_or_sender_as_by_the_kernel)
{
    compare(senders);
}
