/* SPDX-License-Identifier: MIT */
/*
 * What the bench programs in C and C++ share: clocks, memory figures, result lines, sleepers.
 *
 * A program prints one line for each figure, which bench/run.py collects:
 *     R <TAB> bench <TAB> param <TAB> metric <TAB> value
 * and notes that begin with "# ". The programs in Go and Rust print the same lines from their own
 * helpers. Nothing of weft is used here, so that the peers' programs stay free of it. A peer in C
 * or C++ is a table of benches that bench_main looks up.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* CPU time of this process: on a shared machine it leaves out the time that others took. */
static inline int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void report(const char *bench, const char *param, const char *metric, double value)
{
    printf("R\t%s\t%s\t%s\t%.4f\n", bench, param, metric, value);
    fflush(stdout);
}

/* A figure of /proc/self/status in bytes: "VmRSS" (resident), "VmPTE" (page tables). */
static inline double status_bytes(const char *key)
{
    FILE *file = fopen("/proc/self/status", "r");
    size_t key_len = strlen(key);
    char line[256];
    long kib = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (!strncmp(line, key, key_len) && line[key_len] == ':')
            kib = atol(line + key_len + 1);
    }
    if (file)
        fclose(file);
    return 1024.0 * (double)kib;
}

/* Marsaglia's xorshift64: the timers' benches of all systems draw the same delays from it. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/*
 * The bookkeeping of one sleepers run: N tasks are started, all sleep until one common deadline,
 * all wake. Memory is read when the last one sleeps. Waking is counted from the deadline to the
 * last task, not from the first task: a system that sorts out all its timers first would look
 * quick.
 */
struct sleepers {
    const char *param;  /* N as given on the command line, for the result lines */
    long count;         /* N */
    long armed;         /* tasks that have entered their function and are about to sleep */
    long woken;         /* tasks that have slept */
    int64_t deadline;   /* when all wake, in wall_ns() */
    int64_t wall_begun; /* before the first task was started */
    int64_t wall_armed; /* when the last task slept */
    int64_t wall_woken; /* when the last task woke */
    int64_t cpu_begun;  /* CPU time at wall_begun */
    int64_t cpu_armed;  /* CPU time after the memory figures were read */
    int64_t cpu_woken;  /* CPU time at wall_woken */
    int64_t cpu_start;  /* CPU time that starting them all took */
    double resident;    /* resident bytes: before, then the growth */
    double page_tables; /* page table bytes: before, then the growth */
};

static inline void sleepers_begin(struct sleepers *s, const char *param, double seconds)
{
    memset(s, 0, sizeof(*s));
    s->param = param;
    s->count = atol(param);
    s->resident = status_bytes("VmRSS");
    s->page_tables = status_bytes("VmPTE");
    s->wall_begun = wall_ns();
    s->cpu_begun = cpu_ns();
    s->deadline = s->wall_begun + (int64_t)(seconds * 1e9);
}

static inline void sleepers_armed(struct sleepers *s)
{
    s->wall_armed = wall_ns();
    s->cpu_start = cpu_ns() - s->cpu_begun;
    s->resident = status_bytes("VmRSS") - s->resident;
    s->page_tables = status_bytes("VmPTE") - s->page_tables;
    s->cpu_armed = cpu_ns();
}

static inline void sleepers_wake(struct sleepers *s)
{
    if (++s->woken < s->count)
        return;
    s->wall_woken = wall_ns();
    s->cpu_woken = cpu_ns();
}

/* The system could start no more: says how far it came; returns 0, for that is a result too. */
static inline int sleepers_stopped(const struct sleepers *s, long started, const char *why)
{
    report("sleepers", s->param, "stopped_at", (double)started);
    printf("# sleepers %s stopped at %ld: %s\n", s->param, started, why);
    fflush(stdout);
    return 0;
}

/* Prints the figures; returns 1 when they mean nothing because some task slept after the deadline.
 */
static inline int sleepers_report(const struct sleepers *s)
{
    double count = (double)s->count;

    if (s->wall_armed > s->deadline || s->wall_woken < s->deadline) {
        printf("# sleepers %s: not all asleep at the deadline, or woken early\n", s->param);
        return 1;
    }
    report("sleepers", s->param, "resident", s->resident / count);
    report("sleepers", s->param, "page_tables", s->page_tables / count);
    report("sleepers", s->param, "start", (double)(s->wall_armed - s->wall_begun) / 1e6);
    report("sleepers", s->param, "wake", (double)(s->wall_woken - s->deadline) / 1e6);
    report("sleepers", s->param, "start_cpu", (double)s->cpu_start / count);
    report("sleepers", s->param, "wake_cpu", (double)(s->cpu_woken - s->cpu_armed) / count);
    return 0;
}

/* One bench of a program. */
struct bench {
    /* The first argument of the program. */
    const char *name;
    /* Runs it with the second and third argument; nonzero is the program's exit status. */
    int (*run)(const char *param, double seconds);
};

/* The peers' main: runs the bench that the first argument names; 2 where there is none. */
static inline int bench_main(const struct bench *benches, size_t count, int argc, char **argv)
{
    const char *param = argc > 2 ? argv[2] : "1000";
    double seconds = argc > 3 ? atof(argv[3]) : 1.0;

    for (size_t i = 0; argc > 1 && i < count; i++) {
        if (!strcmp(benches[i].name, argv[1]))
            return benches[i].run(param, seconds);
    }
    return 2;
}

#endif
