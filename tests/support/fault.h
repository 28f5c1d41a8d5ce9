/* SPDX-License-Identifier: MIT */
/*
 * fault.h: a table of system calls that counts, and fails what it is told to
 *
 *     struct fault_table fault;
 *
 *     fault_wrap(&fault, &weft_sys_default);
 *     fault_fail(&fault, FAULT_ALLOCATIONS, 7, FAULT_ONCE, ENOMEM);
 *     ... a loop over &fault.sys: its seventh allocation fails ...
 *
 * Each call of an entry is a *fault point* when a kernel could fail it. The table also caps the
 * lengths of reads and writes, interrupts calls at random, and keeps an account of memory, mappings
 * and descriptors that went through it, so that a leak is seen at once and in the run that caused
 * it.
 *
 * A fault looks as it would with a kernel: a close that fails has closed, an unmapping that fails
 * has unmapped (the library could not do more), an interrupted connect goes on, only EPOLL_CTL_ADD
 * and EPOLL_CTL_MOD fail, datagrams are never cut. A request of io_uring is a fault point of the
 * system call that it stands for (fault_ring.h).
 */
#ifndef TEST_SUPPORT_FAULT_H
#define TEST_SUPPORT_FAULT_H

#include "fault_ring.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/sys.h>

/** Every entry that a loop calls, in the order of the table: X(its name in capitals, its name). */
#define FAULT_ENTRIES(X)                                                                           \
    X(CLOCK, clock)                                                                                \
    X(RANDOM, random)                                                                              \
    X(REALLOC, realloc)                                                                            \
    X(MMAP, mmap)                                                                                  \
    X(MUNMAP, munmap)                                                                              \
    X(MPROTECT, mprotect)                                                                          \
    X(MADVISE, madvise)                                                                            \
    X(CLOSE, close)                                                                                \
    X(READ, read)                                                                                  \
    X(WRITE, write)                                                                                \
    X(READ_FLAGS, read_flags)                                                                      \
    X(WRITE_FLAGS, write_flags)                                                                    \
    X(FCNTL, fcntl)                                                                                \
    X(FSTAT, fstat)                                                                                \
    X(PIPE2, pipe2)                                                                                \
    X(EVENTFD, eventfd)                                                                            \
    X(SOCKET, socket)                                                                              \
    X(SOCKETPAIR, socketpair)                                                                      \
    X(BIND, bind)                                                                                  \
    X(LISTEN, listen)                                                                              \
    X(ACCEPT4, accept4)                                                                            \
    X(CONNECT, connect)                                                                            \
    X(RECVFROM, recvfrom)                                                                          \
    X(SENDTO, sendto)                                                                              \
    X(SHUTDOWN, shutdown)                                                                          \
    X(GETSOCKNAME, getsockname)                                                                    \
    X(GETPEERNAME, getpeername)                                                                    \
    X(GETSOCKOPT, getsockopt)                                                                      \
    X(SETSOCKOPT, setsockopt)                                                                      \
    X(POLL, poll)                                                                                  \
    X(EPOLL_CREATE1, epoll_create1)                                                                \
    X(EPOLL_CTL, epoll_ctl)                                                                        \
    X(EPOLL_WAIT, epoll_wait)                                                                      \
    X(IO_URING_SETUP, io_uring_setup)                                                              \
    X(IO_URING_ENTER, io_uring_enter)                                                              \
    X(IO_URING_REGISTER, io_uring_register)

/** The entries. */
enum fault_entry {
#define FAULT_ENUMERATOR(upper, lower) FAULT_##upper,
    FAULT_ENTRIES(FAULT_ENUMERATOR)
#undef FAULT_ENUMERATOR
        FAULT_ENTRY_COUNT
};

/** The set of one entry; sets are joined by |. */
#define FAULT_SET(entry) (UINT64_C(1) << (entry))
/** What takes memory. */
#define FAULT_ALLOCATIONS (FAULT_SET(FAULT_REALLOC) | FAULT_SET(FAULT_MMAP))
/** Everything that can fail. */
#define FAULT_ALL (FAULT_SET(FAULT_ENTRY_COUNT) - 1 - FAULT_SET(FAULT_CLOCK))

/** How often the chosen call fails. */
enum fault_mode {
    /** The n-th alone. */
    FAULT_ONCE,
    /** The n-th and all after it. */
    FAULT_FROM
};

/** The table and its state. */
struct fault_table {
    /** The table that is given to a loop; `inner` is the wrapped one. */
    struct weft_sys sys;
    /** Calls so far, by entry. */
    _Atomic uint64_t calls[FAULT_ENTRY_COUNT];
    /** Which entries the plan concerns. */
    uint64_t set;
    /** The number of the call of the set that fails, from 1; 0: none. */
    uint64_t nth;
    /** Whether it fails alone. */
    enum fault_mode mode;
    /** The positive errno value. */
    int code;
    /** Fault points of the set so far. */
    _Atomic uint64_t points;
    /** Faults injected so far, by the plan and by storms. */
    _Atomic uint64_t injected;
    /** How many of a hundred calls that may be interrupted are. */
    unsigned interrupt_percent;
    /** How many of a hundred transfers say -EAGAIN; for simulated worlds only. */
    unsigned again_percent;
    /** How many of a hundred stream transfers are cut short. */
    unsigned short_percent;
    /** State of the random numbers behind the percentages. */
    uint64_t random;
    /** Blocks of memory that are allocated. */
    int64_t blocks;
    /** Bytes that are mapped. */
    int64_t mapped;
    /** The ring of a loop on io_uring. */
    struct fault_ring ring;
};

/** Makes a table over `inner` that fails nothing. */
void fault_wrap(struct fault_table *fault, const struct weft_sys *inner);

/** Plans a failure: the n-th call of `set` from now on gives -code (realloc: NULL). */
void fault_fail(struct fault_table *fault, uint64_t set, uint64_t nth, enum fault_mode mode,
                int code);

/** Sets the percentages, in the order of the struct, and the seed behind them. */
void fault_storm(struct fault_table *fault, uint64_t seed, unsigned interrupt_percent,
                 unsigned again_percent, unsigned short_percent);

/** Prints what is not given back of memory and mappings; how many kinds. */
int fault_report_leaks(const struct fault_table *fault);

/** The name of an entry. */
const char *fault_entry_name(enum fault_entry entry);

/** The errno values that a kernel gives for an entry, ended by 0. */
const int *fault_errors(enum fault_entry entry);

/* --- Sweeps ---------------------------------------------------------------------------------- */

/** A piece of work over a table: 0 or a negative code. It must give back all it takes, and must not
 *  check what a fault may change. */
typedef int fault_scenario_fn(const struct weft_sys *sys);

/** A scenario and what may become of it. */
struct fault_sweep {
    /** Its name in floors.txt and in what is printed. */
    const char *name;
    /** The work. */
    fault_scenario_fn *run;
    /** Whether a code is a documented outcome of it when a call gave -code; NULL: 0 and -code. */
    bool (*documented)(int rc, int code);
};

/**
 * Runs the scenario once calmly and counts its N fault points of `set`; then N times with the k-th
 * failing alone, and N times with all from the k-th on. After each: the outcome is documented,
 * nothing leaked, and a calm run works. On the engine `sim` each run has a new world. Returns N.
 */
uint64_t fault_sweep(const struct fault_sweep *sweep, uint64_t set, int code);

/** fault_sweep for every entry that the scenario reaches and every errno value of it, in `set`. */
uint64_t fault_sweep_errors(const struct fault_sweep *sweep, uint64_t set);

/** Prints how many fault points a sweep reached and compares it with tests/fault/floors.txt, under
 *  the name "kind/name", or "kind/name/engine" in tests that run on each. */
void fault_floor(const char *kind, const struct fault_sweep *sweep, uint64_t points);

#endif
