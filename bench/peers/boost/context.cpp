/* SPDX-License-Identifier: MIT */
/*
 * Boost.Context: the bare switch, creation, and a ring.
 *
 * Boost.Context is a switch without a scheduler: nothing is queued, nothing can wait, a finished
 * context has no result. Its figures are therefore a mark to come near to, not a like-for-like
 * comparison, and it takes part only in the benches that make sense without a scheduler. Stacks
 * come from its pool where contexts are made and dropped, as its manual advises.
 */
#include "../../common/bench.h"

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <vector>

namespace context = boost::context;

/* A context that gives back at once, for ever. */
static context::fiber bounce(context::fiber &&caller)
{
    for (;;)
        caller = std::move(caller).resume();
}

static int bench_switch(const char *, double)
{
    const long count = 20000000;
    context::fiber other{bounce};

    other = std::move(other).resume();
    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++)
        other = std::move(other).resume();
    report("switch", "", "round_trip", double(cpu_ns() - begun) / double(count));
    return 0;
}

static int bench_spawn_join(const char *, double)
{
    const long count = 2000000;
    long sum = 0;
    context::pooled_fixedsize_stack stacks;

    int64_t begun = cpu_ns();
    for (long i = 0; i < count; i++) {
        context::fiber child{std::allocator_arg, stacks, [&sum](context::fiber &&caller) {
                                 sum += 42;
                                 return std::move(caller);
                             }};
        child = std::move(child).resume();
    }
    report("spawn_join", "seq", "per_task", double(cpu_ns() - begun) / double(count));
    return sum == 42 * count ? 0 : 1;
}

static int bench_yield_ring(const char *param, double)
{
    const long tasks = atol(param);
    const long rounds = 10000000 / tasks;
    std::vector<context::fiber> ring;

    for (long i = 0; i < tasks; i++)
        ring.emplace_back(bounce);
    for (auto &task : ring)
        task = std::move(task).resume();
    int64_t begun = cpu_ns();
    for (long round = 0; round < rounds; round++) {
        for (auto &task : ring)
            task = std::move(task).resume();
    }
    report("yield_ring", param, "per_yield", double(cpu_ns() - begun) / double(tasks * rounds));
    return 0;
}

static const struct bench benches[] = {
    {"switch", bench_switch},
    {"spawn_join", bench_spawn_join},
    {"yield_ring", bench_yield_ring},
};

int main(int argc, char **argv)
{
    return bench_main(benches, sizeof(benches) / sizeof(benches[0]), argc, argv);
}
