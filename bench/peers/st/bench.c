/* SPDX-License-Identifier: MIT */
/*
 * State Threads: the stackful tasks in C that proxies and media servers were built on.
 *
 * It does what bench/weft/core.c does in the library's own idiom. A yield is st_sleep(0), which
 * its reference names for that; the library has no queue, so that a place for one number with a
 * condition is written here, as its users do. It has no timers but a thread that sleeps.
 */
#include "../../common/bench.h"

#include <st.h>
#include <sys/socket.h>

/* ---- Two threads that yield to each other. ---- */

static void *yield_until(void *arg)
{
    const int *stop = arg;

    while (!*stop)
        st_sleep(0);
    return NULL;
}

static int bench_switch(const char *param, double seconds)
{
    const long count = 3000000;
    int stop = 0;
    st_thread_t other = st_thread_create(yield_until, &stop, 1, 0);
    int64_t begun;

    (void)param, (void)seconds;
    st_sleep(0);
    begun = cpu_ns();
    for (long i = 0; i < count; i++)
        st_sleep(0);
    report("switch", "", "round_trip", (double)(cpu_ns() - begun) / (double)count);
    stop = 1;
    return st_thread_join(other, NULL);
}

/* ---- Threads that return a value which somebody waits for. ---- */

static void *answer(void *arg)
{
    return (void *)((intptr_t)arg + 42);
}

static long joined(st_thread_t thread)
{
    void *result = NULL;

    return st_thread_join(thread, &result) ? -1 : (long)(intptr_t)result;
}

static int bench_spawn_join(const char *param, double seconds)
{
    const long count = 1000000;
    st_thread_t threads[1000];
    long sum = 0;
    int64_t begun = cpu_ns();

    (void)param, (void)seconds;
    for (long i = 0; i < count; i++)
        sum += joined(st_thread_create(answer, NULL, 1, 0));
    report("spawn_join", "seq", "per_task", (double)(cpu_ns() - begun) / (double)count);
    begun = cpu_ns();
    for (long batch = 0; batch < count / 1000; batch++) {
        for (int i = 0; i < 1000; i++)
            threads[i] = st_thread_create(answer, NULL, 1, 0);
        for (int i = 0; i < 1000; i++)
            sum += joined(threads[i]);
    }
    report("spawn_join", "batch1000", "per_task", (double)(cpu_ns() - begun) / (double)count);
    return sum == 2 * 42 * count ? 0 : 1;
}

/* ---- A ring of threads that yield in turn. ---- */

/* What the threads of a ring share. */
struct ring {
    /* Threads. */
    long tasks;
    /* Yields of each. */
    long rounds;
    /* Threads that have run for the first time. */
    long started;
    /* Threads that have made all their yields. */
    long finished;
    /* Set when all have started. */
    int begin;
    /* CPU time when the last one finished. */
    int64_t ended;
};

static void *ring_thread(void *arg)
{
    struct ring *ring = arg;

    ring->started++;
    yield_until(&ring->begin);
    for (long i = 0; i < ring->rounds; i++)
        st_sleep(0);
    if (++ring->finished == ring->tasks)
        ring->ended = cpu_ns();
    return NULL;
}

static int bench_yield_ring(const char *param, double seconds)
{
    struct ring ring = {.tasks = atol(param)};
    int64_t begun;

    (void)seconds;
    ring.rounds = 5000000 / ring.tasks;
    for (long i = 0; i < ring.tasks; i++) {
        if (!st_thread_create(ring_thread, &ring, 0, 0))
            return 1;
    }
    while (ring.started < ring.tasks)
        st_sleep(0);
    begun = cpu_ns();
    ring.begin = 1;
    while (ring.finished < ring.tasks)
        st_sleep(0);
    report("yield_ring", param, "per_yield",
           (double)(ring.ended - begun) / (double)(ring.tasks * ring.rounds));
    return 0;
}

/* ---- A number to and fro over two queues of one place each. ---- */

/* A queue of one place. */
struct place {
    /* Whether a number is in it. */
    int full;
    /* The number. */
    long value;
    /* Signalled at each change. */
    st_cond_t changed;
};

static void put(struct place *place, long value)
{
    while (place->full)
        st_cond_wait(place->changed);
    place->value = value;
    place->full = 1;
    st_cond_signal(place->changed);
}

static long get(struct place *place)
{
    while (!place->full)
        st_cond_wait(place->changed);
    place->full = 0;
    st_cond_signal(place->changed);
    return place->value;
}

static void *send_back(void *arg)
{
    struct place *places = arg;

    for (long value = get(&places[0]); value >= 0; value = get(&places[0]))
        put(&places[1], value);
    return NULL;
}

static int bench_queue(const char *param, double seconds)
{
    const long count = 2000000;
    struct place places[2] = {{.changed = st_cond_new()}, {.changed = st_cond_new()}};
    st_thread_t far = st_thread_create(send_back, places, 1, 0);
    int64_t begun = cpu_ns();

    (void)param, (void)seconds;
    for (long i = 0; i < count; i++) {
        put(&places[0], i);
        if (get(&places[1]) != i)
            return 1;
    }
    report("queue", "pingpong", "per_message", (double)(cpu_ns() - begun) / (2.0 * (double)count));
    put(&places[0], -1);
    return st_thread_join(far, NULL);
}

/* ---- A byte to and fro over a pair of sockets. ---- */

static void *echo_bytes(void *arg)
{
    char byte;

    while (st_read(arg, &byte, 1, ST_UTIME_NO_TIMEOUT) == 1) {
        if (st_write(arg, &byte, 1, ST_UTIME_NO_TIMEOUT) != 1)
            break;
    }
    return NULL;
}

static int bench_socket(const char *param, double seconds)
{
    const long count = 200000;
    int fds[2];
    st_netfd_t near, far;
    int64_t begun;

    (void)param, (void)seconds;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return 1;
    near = st_netfd_open_socket(fds[0]);
    far = st_netfd_open_socket(fds[1]);
    st_thread_create(echo_bytes, far, 0, 0);
    begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        char byte = (char)i;

        if (st_write(near, &byte, 1, ST_UTIME_NO_TIMEOUT) != 1 ||
            st_read(near, &byte, 1, ST_UTIME_NO_TIMEOUT) != 1)
            return 1;
    }
    report("socket", "pingpong", "per_message", (double)(cpu_ns() - begun) / (2.0 * (double)count));
    return 0;
}

/* ---- A crowd that sleeps. ---- */

/* The library counts a sleep from its last look at its clock, which is made ours. */
static st_utime_t wall_us(void)
{
    return (st_utime_t)(wall_ns() / 1000);
}

static void *sleeper(void *arg)
{
    struct sleepers *s = arg;

    s->armed++;
    st_usleep((st_utime_t)(s->deadline / 1000 + 1) - st_utime_last_clock());
    sleepers_wake(s);
    return NULL;
}

static int bench_sleepers(const char *param, double seconds)
{
    struct sleepers s;

    sleepers_begin(&s, param, seconds);
    for (long started = 0; started < s.count; started++) {
        if (!st_thread_create(sleeper, &s, 0, 0))
            return sleepers_stopped(&s, started, "st_thread_create gave no thread");
    }
    while (s.armed < s.count)
        st_sleep(0);
    sleepers_armed(&s);
    while (s.woken < s.count)
        st_usleep(1000);
    return sleepers_report(&s);
}

static const struct bench benches[] = {
    {"switch", bench_switch}, {"spawn_join", bench_spawn_join}, {"yield_ring", bench_yield_ring},
    {"queue", bench_queue},   {"socket", bench_socket},         {"sleepers", bench_sleepers},
};

int main(int argc, char **argv)
{
    if (st_set_eventsys(ST_EVENTSYS_ALT) < 0 || st_set_utime_function(wall_us) < 0 || st_init() < 0)
        return 1;
    return bench_main(benches, sizeof(benches) / sizeof(benches[0]), argc, argv);
}
