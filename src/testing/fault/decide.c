/* SPDX-License-Identifier: MIT */
/*
 * decide.c: which call fails, and how
 *
 * Each call that passes through the table is counted here, and here it is decided whether it fails:
 * the plan names the n-th call of a set, a storm takes some at random. The numbers of a storm come
 * from one generator, so that the same calls in the same order meet the same weather; calls of
 * several threads meet it in an order of their own. All state is atomic, because any thread may
 * call.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

static uint64_t random_of(struct weft_testing_faults *fault)
{
    /* An LCG with the constants of Knuth's MMIX; the high bits are good enough here. */
    uint64_t old = __atomic_load_n(&fault->random, __ATOMIC_RELAXED), next;
    do {
        next = old * 6364136223846793005u + 1442695040888963407u;
    } while (!__atomic_compare_exchange_n(&fault->random, &old, next, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return next >> 33;
}

static bool chance(struct weft_testing_faults *fault, unsigned percent)
{
    return percent > 0 && random_of(fault) % 100 < percent;
}

#ifdef WEFT_COVERAGE
/** Notes who called the table; in tests/support/coverage.c. */
void weft__coverage_injected(void);
#else
#define weft__coverage_injected() ((void)0)
#endif

static void count_injected(struct weft_testing_faults *fault)
{
    weft__coverage_injected();
    __atomic_fetch_add(&fault->injected, 1, __ATOMIC_RELAXED);
}

void weft__fault_count(const struct weft_sys *sys, enum weft_testing_call call)
{
    __atomic_fetch_add(&weft__fault_self(sys)->calls[call], 1, __ATOMIC_RELAXED);
}

int weft__fault_planned(const struct weft_sys *sys, enum weft_testing_call call)
{
    struct weft_testing_faults *fault = weft__fault_self(sys);

    weft__fault_count(sys, call);
    if (!(fault->set & (weft_testing_set)1 << call))
        return 0;
    uint64_t point = __atomic_fetch_add(&fault->points, 1, __ATOMIC_RELAXED) + 1;
    bool chosen =
        fault->mode == WEFT_TESTING_ONCE ? point == fault->nth : fault->nth && point >= fault->nth;
    if (!chosen)
        return 0;
    count_injected(fault);
    return -fault->code;
}

/** One of the errors of a call, at random. */
static int any_error(struct weft_testing_faults *fault, enum weft_testing_call call)
{
    const int *errors = weft_testing_call_errors(call);
    size_t count = 0;

    while (errors[count])
        count++;
    return count ? -errors[random_of(fault) % count] : 0;
}

int weft__fault_decide(const struct weft_sys *sys, enum weft_testing_call call)
{
    struct weft_testing_faults *fault = weft__fault_self(sys);
    int rc = weft__fault_planned(sys, call);

    if (rc == 0 && fault->storm.fail_set & (weft_testing_set)1 << call &&
        chance(fault, fault->storm.fail_percent)) {
        count_injected(fault);
        rc = any_error(fault, call);
    }
    return rc;
}

int weft__fault_decide_slow(const struct weft_sys *sys, enum weft_testing_call call)
{
    int rc = weft__fault_decide(sys, call);

    if (rc == 0 && chance(weft__fault_self(sys), weft__fault_self(sys)->storm.interrupt_percent)) {
        count_injected(weft__fault_self(sys));
        rc = -EINTR;
    }
    return rc;
}

int weft__fault_decide_transfer(const struct weft_sys *sys, enum weft_testing_call call)
{
    int rc = weft__fault_decide_slow(sys, call);

    if (rc == 0 && chance(weft__fault_self(sys), weft__fault_self(sys)->storm.again_percent)) {
        count_injected(weft__fault_self(sys));
        rc = -EAGAIN;
    }
    return rc;
}

int weft__fault_socket_type(const struct weft_sys *sys, int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    int rc = sys->inner->getsockopt(sys->inner, fd, SOL_SOCKET, SO_TYPE, &type, &size);

    return rc == 0 ? type : 0;
}

size_t weft__fault_cut(const struct weft_sys *sys, int fd, size_t len)
{
    struct weft_testing_faults *fault = weft__fault_self(sys);

    if (len <= sizeof(uint64_t) || !chance(fault, fault->storm.short_percent))
        return len;
    int type = weft__fault_socket_type(sys, fd);
    if (type != 0 && type != SOCK_STREAM)
        return len;
    count_injected(fault);
    return 1 + (size_t)random_of(fault) % (len - 1);
}

unsigned weft__fault_cut_batch(const struct weft_sys *sys, unsigned count)
{
    struct weft_testing_faults *fault = weft__fault_self(sys);

    if (count <= 1 || !chance(fault, fault->storm.short_percent))
        return count;
    count_injected(fault);
    return 1 + (unsigned)random_of(fault) % (count - 1);
}
