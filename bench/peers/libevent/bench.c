/* SPDX-License-Identifier: MIT */
/*
 * libevent: callbacks and timers, which are what it shares with weft's core.
 *
 * A callback of the next turn is an event without a descriptor that its own callback makes active
 * again. A callback from another thread is the same call with locks switched on, which only that
 * bench pays for. Timers are made by evtimer_new and armed by evtimer_add; both count, for a timer
 * that is set needs both.
 */
#include "../../common/bench.h"
#include "../../common/callbacks.h"

#include <event2/event.h>
#include <event2/thread.h>

/* What the callbacks of bench_soon share. */
struct turns {
    /* The loop. */
    struct event_base *base;
    /* Calls until now. */
    long calls;
    /* The events; each call finds its own by `next`, for they run in turn. */
    struct event *events[CALLBACKS];
    /* Index of the event whose turn it is. */
    int next;
};

static void again(evutil_socket_t fd, short what, void *arg)
{
    struct turns *turns = arg;
    struct event *self = turns->events[turns->next];

    (void)fd, (void)what;
    turns->next = turns->next + 1 < CALLBACKS ? turns->next + 1 : 0;
    if (++turns->calls == 5000000)
        event_base_loopbreak(turns->base);
    event_active(self, EV_TIMEOUT, 0);
}

static int bench_soon(void)
{
    static struct turns turns;
    int64_t begun;

    turns.base = event_base_new();
    for (int i = 0; i < CALLBACKS; i++) {
        turns.events[i] = event_new(turns.base, -1, EV_PERSIST, again, &turns);
        event_active(turns.events[i], EV_TIMEOUT, 0);
    }
    begun = cpu_ns();
    event_base_loop(turns.base, 0);
    report("callbacks", "soon", "per_callback", (double)(cpu_ns() - begun) / (double)turns.calls);
    return 0;
}

static void post(struct poster *poster)
{
    event_active(poster->arg, EV_TIMEOUT, 0);
}

static void answer(evutil_socket_t fd, short what, void *arg)
{
    struct poster *poster = arg;

    (void)fd, (void)what;
    if (poster_answer(poster))
        event_base_loopbreak(event_get_base(poster->arg));
}

static int bench_thread(void)
{
    struct poster poster = {.post = post, .count = 200000};
    struct event_base *base;
    int64_t begun = cpu_ns();

    evthread_use_pthreads();
    base = event_base_new();
    poster.arg = event_new(base, -1, EV_PERSIST, answer, &poster);
    if (poster_start(&poster))
        return 1;
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    poster_report(&poster, begun);
    return 0;
}

static int bench_callbacks(const char *param, double seconds)
{
    (void)param, (void)seconds;
    return bench_soon() || bench_thread();
}

static void never(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static int bench_timers(const char *param, double seconds)
{
    const long count = 1000000;
    struct event_base *base = event_base_new();
    struct event **timers = calloc((size_t)count, sizeof(*timers));
    uint64_t random = 88172645463325252u;
    int64_t begun = cpu_ns(), armed;

    (void)param, (void)seconds;
    for (long i = 0; timers && i < count; i++) {
        long delay_ms = (long)(1000000 + random_next(&random) % 1000000);
        struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};

        timers[i] = evtimer_new(base, never, NULL);
        evtimer_add(timers[i], &delay);
    }
    armed = cpu_ns();
    for (long i = 0; timers && i < count; i++)
        event_free(timers[i * 611953 % count]);
    report("timers", "", "cancel", (double)(cpu_ns() - armed) / (double)count);
    report("timers", "", "arm", (double)(armed - begun) / (double)count);
    return !timers;
}

static const struct bench benches[] = {
    {"callbacks", bench_callbacks},
    {"timers", bench_timers},
};

int main(int argc, char **argv)
{
    return bench_main(benches, sizeof(benches) / sizeof(benches[0]), argc, argv);
}
