/* SPDX-License-Identifier: MIT */
/*
 * Boost.Fiber: stackful tasks of C++ with a scheduler, channels and timers.
 *
 * It does what bench/weft/core.c does in the library's own idiom: a task that returns a value is
 * an async() whose future is read, a queue of one place is a buffered channel of two slots (the
 * library counts one slot less than it is given), and stacks come from its pool where tasks are
 * made and dropped. It has no sockets of its own and no timers but a fiber that sleeps.
 */
#include "../../common/bench.h"

#include <boost/fiber/all.hpp>
#include <vector>

namespace fibers = boost::fibers;
namespace this_fiber = boost::this_fiber;

static int bench_switch(const char *, double)
{
    const long count = 5000000;
    bool stop = false;
    fibers::fiber other([&] {
        while (!stop)
            this_fiber::yield();
    });

    this_fiber::yield();
    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++)
        this_fiber::yield();
    report("switch", "", "round_trip", double(cpu_ns() - begun) / double(count));
    stop = true;
    other.join();
    return 0;
}

static int bench_spawn_join(const char *, double)
{
    const long count = 1000000;
    long sum = 0;
    fibers::pooled_fixedsize_stack stacks;
    auto start = [&] {
        return fibers::async(fibers::launch::post, std::allocator_arg, stacks, [] { return 42; });
    };

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++)
        sum += start().get();
    report("spawn_join", "seq", "per_task", double(cpu_ns() - begun) / double(count));
    std::vector<fibers::future<int>> batch(1000);
    begun = cpu_ns();
    for (long i = 0; i < count / 1000; i++) {
        for (auto &task : batch)
            task = start();
        for (auto &task : batch)
            sum += task.get();
    }
    report("spawn_join", "batch1000", "per_task", double(cpu_ns() - begun) / double(count));
    return sum == 2 * 42 * count ? 0 : 1;
}

static int bench_yield_ring(const char *param, double)
{
    const long tasks = atol(param);
    const long rounds = 10000000 / tasks;
    long started = 0, finished = 0;
    bool begin = false;
    int64_t ended = 0;

    for (long i = 0; i < tasks; i++) {
        fibers::fiber([&] {
            started++;
            while (!begin)
                this_fiber::yield();
            for (long j = 0; j < rounds; j++)
                this_fiber::yield();
            if (++finished == tasks)
                ended = cpu_ns();
        }).detach();
    }
    while (started < tasks)
        this_fiber::yield();
    int64_t begun = cpu_ns();
    begin = true;
    while (finished < tasks)
        this_fiber::yield();
    report("yield_ring", param, "per_yield", double(ended - begun) / double(tasks * rounds));
    return 0;
}

static int bench_queue(const char *, double)
{
    const long count = 1000000;
    fibers::buffered_channel<long> there(2), back(2);
    fibers::fiber far([&] {
        for (long value : there)
            back.push(value);
    });

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        there.push(i);
        if (back.value_pop() != i)
            return 1;
    }
    report("queue", "pingpong", "per_message", double(cpu_ns() - begun) / (2.0 * double(count)));
    there.close();
    far.join();
    return 0;
}

static int bench_sleepers(const char *param, double seconds)
{
    struct sleepers s;
    long started = 0;

    sleepers_begin(&s, param, seconds);
    std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(s.deadline)};
    try {
        for (; started < s.count; started++) {
            fibers::fiber([&s, deadline] {
                s.armed++;
                this_fiber::sleep_until(deadline);
                sleepers_wake(&s);
            }).detach();
        }
    } catch (const std::exception &error) {
        return sleepers_stopped(&s, started, error.what());
    }
    while (s.armed < s.count)
        this_fiber::yield();
    sleepers_armed(&s);
    while (s.woken < s.count)
        this_fiber::sleep_for(std::chrono::milliseconds(1));
    return sleepers_report(&s);
}

static const struct bench benches[] = {
    {"switch", bench_switch},         {"spawn_join", bench_spawn_join},
    {"yield_ring", bench_yield_ring}, {"queue", bench_queue},
    {"sleepers", bench_sleepers},
};

/* Without the destructors: a crowd that could not be finished would be waited for. */
int main(int argc, char **argv)
{
    _exit(bench_main(benches, sizeof(benches) / sizeof(benches[0]), argc, argv));
}
