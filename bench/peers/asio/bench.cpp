/* SPDX-License-Identifier: MIT */
/*
 * Asio (the one without Boost): coroutines of C++20, channels, callbacks and timers on one thread.
 *
 * It does what bench/weft/core.c does in the library's own idiom. A yield is a post of the
 * coroutine to its own loop. A task that is joined is awaited by co_spawn itself; a batch of tasks
 * hands its results over a channel, for co_spawn starts only what is awaited at once. The loop is
 * told that one thread runs it, which lets it leave out locks.
 */
#include "../../common/bench.h"
#include "../../common/callbacks.h"

#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <sys/socket.h>
#include <vector>

using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using channel = asio::experimental::channel<void(std::error_code, long)>;

static asio::io_context loop(1);

/* ---- Coroutines that yield in turn. ---- */

/* What the coroutines of a ring share. */
struct ring {
    /* Coroutines. */
    long tasks;
    /* Yields of each. */
    long rounds;
    /* Coroutines that have run for the first time. */
    long started;
    /* CPU time when the last one started, then when the last one finished. */
    int64_t begun, ended;
};

static awaitable<void> yield_in_turn(ring &ring)
{
    if (++ring.started == ring.tasks)
        ring.begun = cpu_ns();
    while (ring.started < ring.tasks)
        co_await asio::post(use_awaitable);
    for (long i = 0; i < ring.rounds; i++)
        co_await asio::post(use_awaitable);
    ring.ended = cpu_ns();
}

static int run_ring(ring &ring)
{
    for (long i = 0; i < ring.tasks; i++)
        asio::co_spawn(loop, yield_in_turn(ring), detached);
    loop.run();
    return 0;
}

static int bench_switch(const char *, double)
{
    ring both = {2, 3000000, 0, 0, 0};

    run_ring(both);
    report("switch", "", "round_trip", double(both.ended - both.begun) / double(both.rounds));
    return 0;
}

static int bench_yield_ring(const char *param, double)
{
    const long tasks = atol(param);
    ring all = {tasks, 5000000 / tasks, 0, 0, 0};

    run_ring(all);
    report("yield_ring", param, "per_yield",
           double(all.ended - all.begun) / double(tasks * all.rounds));
    return 0;
}

/* ---- Coroutines that return a value which somebody waits for. ---- */

static awaitable<long> answer()
{
    co_return 42;
}

static awaitable<void> spawn_join(int &failed)
{
    const long count = 500000;
    channel results(loop, 1000);
    long sum = 0;

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++)
        sum += co_await asio::co_spawn(loop, answer(), use_awaitable);
    report("spawn_join", "seq", "per_task", double(cpu_ns() - begun) / double(count));
    begun = cpu_ns();
    for (long batch = 0; batch < count / 1000; batch++) {
        for (int i = 0; i < 1000; i++)
            asio::co_spawn(loop, answer(), [&](std::exception_ptr, long value) {
                results.try_send(std::error_code{}, value);
            });
        for (int i = 0; i < 1000; i++)
            sum += co_await results.async_receive(use_awaitable);
    }
    report("spawn_join", "batch1000", "per_task", double(cpu_ns() - begun) / double(count));
    failed = sum != 2 * 42 * count;
}

static int bench_spawn_join(const char *, double)
{
    int failed = 1;

    asio::co_spawn(loop, spawn_join(failed), detached);
    loop.run();
    return failed;
}

/* ---- A number to and fro over two channels of one place each. ---- */

static awaitable<void> send_back(channel &there, channel &back)
{
    for (;;) {
        long value = co_await there.async_receive(use_awaitable);
        if (value < 0)
            break;
        co_await back.async_send(std::error_code{}, value, use_awaitable);
    }
}

static awaitable<void> ping_pong(channel &there, channel &back)
{
    const long count = 500000;
    long wrong = 0;

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        co_await there.async_send(std::error_code{}, i, use_awaitable);
        wrong += co_await back.async_receive(use_awaitable) != i;
    }
    if (!wrong)
        report("queue", "pingpong", "per_message", double(cpu_ns() - begun) / (2.0 * count));
    co_await there.async_send(std::error_code{}, -1, use_awaitable);
}

static int bench_queue(const char *, double)
{
    channel there(loop, 1), back(loop, 1);

    asio::co_spawn(loop, send_back(there, back), detached);
    asio::co_spawn(loop, ping_pong(there, back), detached);
    loop.run();
    return 0;
}

/* ---- A byte to and fro over a pair of sockets. ---- */

using pair_end = asio::local::stream_protocol::socket;

static awaitable<void> echo_bytes(pair_end &end)
{
    char byte;

    try {
        for (;;) {
            co_await end.async_read_some(asio::buffer(&byte, 1), use_awaitable);
            co_await end.async_write_some(asio::buffer(&byte, 1), use_awaitable);
        }
    } catch (const std::system_error &) {
        /* The other end was closed. */
    }
}

static awaitable<void> exchange_bytes(pair_end &end)
{
    const long count = 200000;
    char byte = 0;

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        co_await end.async_write_some(asio::buffer(&byte, 1), use_awaitable);
        co_await end.async_read_some(asio::buffer(&byte, 1), use_awaitable);
    }
    report("socket", "pingpong", "per_message", double(cpu_ns() - begun) / (2.0 * count));
    end.close();
}

static int bench_socket(const char *, double)
{
    pair_end near(loop), far(loop);

    asio::local::connect_pair(near, far);
    asio::co_spawn(loop, echo_bytes(far), detached);
    asio::co_spawn(loop, exchange_bytes(near), detached);
    loop.run();
    return 0;
}

/* ---- Callbacks. ---- */

static long calls;

static void again()
{
    if (++calls < 5000000)
        asio::post(loop, again);
}

static void post(struct poster *poster)
{
    asio::post(loop, [poster] {
        if (poster_answer(poster))
            loop.stop();
    });
}

static int bench_callbacks(const char *, double)
{
    for (int i = 0; i < CALLBACKS; i++)
        asio::post(loop, again);
    int64_t begun = cpu_ns();
    loop.run();
    report("callbacks", "soon", "per_callback", double(cpu_ns() - begun) / double(calls));

    auto work = asio::make_work_guard(loop);
    struct poster poster = {};
    poster.post = post;
    poster.count = 200000;
    loop.restart();
    begun = cpu_ns();
    if (poster_start(&poster))
        return 1;
    loop.run();
    poster_report(&poster, begun);
    return 0;
}

/* ---- A million timers. ---- */

static int bench_timers(const char *, double)
{
    const long count = 1000000;
    std::vector<asio::steady_timer> timers;
    uint64_t random = 88172645463325252u;

    timers.reserve(count);
    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        std::chrono::milliseconds delay(1000000 + random_next(&random) % 1000000);
        timers.emplace_back(loop, delay);
        timers.back().async_wait([](std::error_code) {});
    }
    int64_t armed = cpu_ns();
    for (long i = 0; i < count; i++)
        timers[i * 611953 % count].cancel();
    loop.run(); /* a cancelled timer's callback still runs, with an error */
    report("timers", "", "cancel", double(cpu_ns() - armed) / double(count));
    report("timers", "", "arm", double(armed - begun) / double(count));
    return 0;
}

/* ---- A crowd that sleeps. ---- */

static awaitable<void> sleeper(sleepers &s, std::chrono::steady_clock::time_point deadline)
{
    s.armed++;
    asio::steady_timer timer(loop, deadline);
    co_await timer.async_wait(use_awaitable);
    sleepers_wake(&s);
}

static int bench_sleepers(const char *param, double seconds)
{
    struct sleepers s;

    sleepers_begin(&s, param, seconds);
    std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(s.deadline)};
    for (long i = 0; i < s.count; i++)
        asio::co_spawn(loop, sleeper(s, deadline), detached);
    while (s.armed < s.count)
        loop.poll();
    sleepers_armed(&s);
    loop.run();
    return sleepers_report(&s);
}

static const struct bench benches[] = {
    {"switch", bench_switch},         {"spawn_join", bench_spawn_join},
    {"yield_ring", bench_yield_ring}, {"queue", bench_queue},
    {"socket", bench_socket},         {"callbacks", bench_callbacks},
    {"timers", bench_timers},         {"sleepers", bench_sleepers},
};

int main(int argc, char **argv)
{
    return bench_main(benches, sizeof(benches) / sizeof(benches[0]), argc, argv);
}
