/* SPDX-License-Identifier: MIT */
/*
 * libev: callbacks and timers, which are what it shares with weft's core.
 *
 * A callback of the next turn is an idle watcher, which is called in each turn until it is stopped
 * (a turn also looks at epoll, here once for a thousand callbacks). A callback from another thread
 * is ev_async_send. Timers are watchers in an array, for the caller owns them.
 */
#include "../../common/bench.h"
#include "../../common/callbacks.h"

/* The header's own functions break the rule that types are not aliased; its manual says so. */
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>

static long calls;

static void count_call(struct ev_loop *loop, ev_idle *watcher, int what)
{
    (void)watcher, (void)what;
    if (++calls % 5000000 == 0)
        ev_break(loop, EVBREAK_ALL);
}

static int bench_soon(struct ev_loop *loop)
{
    static ev_idle watchers[CALLBACKS];
    int64_t begun;

    for (int i = 0; i < CALLBACKS; i++) {
        ev_idle_init(&watchers[i], count_call);
        ev_idle_start(loop, &watchers[i]);
    }
    begun = cpu_ns();
    ev_run(loop, 0);
    report("callbacks", "soon", "per_callback", (double)(cpu_ns() - begun) / (double)calls);
    for (int i = 0; i < CALLBACKS; i++)
        ev_idle_stop(loop, &watchers[i]);
    return 0;
}

static void post(struct poster *poster)
{
    ev_async_send(EV_DEFAULT_UC, poster->arg);
}

static void answer(struct ev_loop *loop, ev_async *watcher, int what)
{
    (void)what;
    if (poster_answer(watcher->data))
        ev_async_stop(loop, watcher);
}

static int bench_thread(struct ev_loop *loop)
{
    ev_async async;
    struct poster poster = {.post = post, .arg = &async, .count = 200000};
    int64_t begun = cpu_ns();

    ev_async_init(&async, answer);
    async.data = &poster;
    ev_async_start(loop, &async);
    if (poster_start(&poster))
        return 1;
    ev_run(loop, 0);
    poster_report(&poster, begun);
    return 0;
}

static int bench_callbacks(const char *param, double seconds)
{
    (void)param, (void)seconds;
    return bench_soon(ev_default_loop(0)) || bench_thread(ev_default_loop(0));
}

static void never(struct ev_loop *loop, ev_timer *timer, int what)
{
    (void)loop, (void)timer, (void)what;
}

static int bench_timers(const char *param, double seconds)
{
    const long count = 1000000;
    struct ev_loop *loop = ev_default_loop(0);
    ev_timer *timers = calloc((size_t)count, sizeof(*timers));
    uint64_t random = 88172645463325252u;
    int64_t begun = cpu_ns(), armed;

    (void)param, (void)seconds;
    for (long i = 0; timers && i < count; i++) {
        ev_timer_init(&timers[i], never, 1000 + (double)(random_next(&random) % 1000000) / 1e3, 0);
        ev_timer_start(loop, &timers[i]);
    }
    armed = cpu_ns();
    for (long i = 0; timers && i < count; i++)
        ev_timer_stop(loop, &timers[i * 611953 % count]);
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
