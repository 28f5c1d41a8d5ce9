/* SPDX-License-Identifier: MIT */
/*
 * libuv: callbacks and timers, which are what it shares with weft's core.
 *
 * A callback of the next turn is an idle handle, which is called in each turn until it is stopped
 * (a turn also looks at epoll, here once for a thousand callbacks). A callback from another thread
 * is uv_async_send. Timers are uv_timer_t in an array, for the caller owns them.
 */
#include "../../common/bench.h"
#include "../../common/callbacks.h"

#include <uv.h>

static long calls;

static void count_call(uv_idle_t *handle)
{
    if (++calls % 5000000 == 0)
        uv_stop(handle->loop);
}

static int bench_soon(uv_loop_t *loop)
{
    static uv_idle_t handles[CALLBACKS];
    int64_t begun;

    for (int i = 0; i < CALLBACKS; i++) {
        uv_idle_init(loop, &handles[i]);
        uv_idle_start(&handles[i], count_call);
    }
    begun = cpu_ns();
    uv_run(loop, UV_RUN_DEFAULT);
    report("callbacks", "soon", "per_callback", (double)(cpu_ns() - begun) / (double)calls);
    for (int i = 0; i < CALLBACKS; i++)
        uv_idle_stop(&handles[i]);
    return 0;
}

static void post(struct poster *poster)
{
    uv_async_send(poster->arg);
}

static void answer(uv_async_t *handle)
{
    if (poster_answer(handle->data))
        uv_close((uv_handle_t *)handle, NULL);
}

static int bench_thread(uv_loop_t *loop)
{
    uv_async_t async;
    struct poster poster = {.post = post, .arg = &async, .count = 200000};
    int64_t begun = cpu_ns();

    uv_async_init(loop, &async, answer);
    async.data = &poster;
    if (poster_start(&poster))
        return 1;
    uv_run(loop, UV_RUN_DEFAULT);
    poster_report(&poster, begun);
    return 0;
}

static int bench_callbacks(const char *param, double seconds)
{
    (void)param, (void)seconds;
    return bench_soon(uv_default_loop()) || bench_thread(uv_default_loop());
}

static void never(uv_timer_t *timer)
{
    (void)timer;
}

static int bench_timers(const char *param, double seconds)
{
    const long count = 1000000;
    uv_timer_t *timers = calloc((size_t)count, sizeof(*timers));
    uint64_t random = 88172645463325252u;
    int64_t begun = cpu_ns(), armed;

    (void)param, (void)seconds;
    for (long i = 0; timers && i < count; i++) {
        uv_timer_init(uv_default_loop(), &timers[i]);
        uv_timer_start(&timers[i], never, 1000000 + random_next(&random) % 1000000, 0);
    }
    armed = cpu_ns();
    for (long i = 0; timers && i < count; i++)
        uv_timer_stop(&timers[i * 611953 % count]);
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
