/* SPDX-License-Identifier: MIT */
/*
 * weft/testing.h: the test kit
 *
 * What weft's own tests are written with, for programs built on weft. It is part of the library and
 * costs nothing where it is not used; weft.h does not include it.
 *
 *     world        a simulated kernel with a clock of its own, as a table of system calls
 *     clock        jumps when all are blocked, or moves by hand
 *     blocked      wait until nobody can go on
 *     faults       a table that fails what it is told to; sweeps over all calls
 *     seeds        a program under many schedules; the line that replays one
 *     leaks        descriptors, loops, tasks and memory, before and after
 *     sequencer    steps of several tasks in a fixed order
 *     look         was that call a wait point?
 *     streams      does a kind of stream keep the rules?
 *
 *     ┌ program ──── loop ──── faults ──── world ┐     every layer is a struct weft_sys, and each
 *     │  tasks      schedule   n-th call   clock │     can be left out: a fault table may stand
 *     └──────────── by seed ── fails ───── pipes ┘     over the real kernel, too
 *
 * The kit needs no framework: its calls return codes, and what it finds it prints to stderr in one
 * sentence. All calls are for the thread of the loop in question, unless they say otherwise.
 */
#ifndef WEFT_TESTING_H
#define WEFT_TESTING_H

#include <weft/error.h>
#include <weft/stream.h>
#include <weft/sys.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/* Worlds and their clocks. */

/** The clock of this world moves only by weft_testing_clock_advance. */
#define WEFT_TESTING_MANUAL_CLOCK 1u

/** How to make a world; zero everywhere is the default. */
struct weft_testing_options {
    /** sizeof(struct weft_testing_options), also when 0. */
    size_t size;
    /** 0: first come, first served, nothing late. Else: chooses among ready tasks and ready
     *  descriptors, and which connections take their time. */
    uint64_t seed;
    /** WEFT_TESTING_... */
    unsigned flags;
};

/**
 * Makes a world: a table of system calls with pipes, sockets and a clock in memory, to be the `sys`
 * of one loop; the engine is then `sim`. Plain. `options` NULL: defaults. The world goes to *ret
 * and is the caller's; real descriptors pass through it. -ENOMEM. Any thread.
 *
 * The clock starts at an instant that is not zero, and jumps to the next timer when nobody can go
 * on. When there is no timer either, the run ends with -WEFT_EDEADLOCK.
 */
WEFT_API int weft_testing_world_new(const struct weft_testing_options *options,
                                    const struct weft_sys **ret);

/** Frees a world after its loop; closes what is open in it. NULL is fine. Plain. */
WEFT_API void weft_testing_world_free(const struct weft_sys *world);

/** How many simulated descriptors are open in the world below `sys`; 0 without one. Plain. */
WEFT_API size_t weft_testing_world_open(const struct weft_sys *sys);

/**
 * Moves the virtual clock below `sys` (NULL: of the calling thread's loop) on by `duration`. Plain:
 * nothing runs inside; timers that it passed fire in the next turn, all at the new instant, in the
 * order of their deadlines. 0; -EINVAL a negative duration; -ENOTSUP the clock is not virtual. Any
 * thread, as long as the world lives.
 */
WEFT_API int weft_testing_clock_advance(const struct weft_sys *sys, weft_ns duration);

/**
 * Chooses who moves the virtual clock below `sys` (NULL: of the calling thread's loop): 1 the
 * program alone, 0 the engine when nobody can go on. Plain. Where the clock may not jump and nobody
 * waits in weft_testing_wait_all_blocked to move it, a run ends with -WEFT_EDEADLOCK instead of
 * waiting for a timer; a later run goes on. 0; -ENOTSUP the clock is not virtual.
 */
WEFT_API int weft_testing_clock_set_manual(const struct weft_sys *sys, int manual);

/**
 * Gives the world below `sys` (NULL: of the calling thread's loop) one more address of a name, in
 * figures and without a port ("192.0.2.1", "2001:db8::1"): look-ups of the name give all that it
 * has, in the order of these calls and at once (they take no virtual time), and the address leads
 * back to the first name that has it. What
 * was not given here is not known there, except addresses in figures and "localhost". Plain. 0;
 * -EINVAL no address; -ENOMEM; -ENOTSUP there is no world.
 */
WEFT_API int weft_testing_name_add(const struct weft_sys *sys, const char *name,
                                   const char *address);

/** Look-ups of the name fail in the world below `sys` from now on, with `code`: -WEFT_EDNS_NONAME,
 *  -WEFT_EDNS_NODATA, -WEFT_EDNS_AGAIN, -WEFT_EDNS_FAIL, or a negative errno. Plain. 0; -EINVAL
 *  another code; else as weft_testing_name_add. */
WEFT_API int weft_testing_name_fail(const struct weft_sys *sys, const char *name, int code);

/** The world below `sys` knows no name any more. Plain. NULL and no world are fine. */
WEFT_API void weft_testing_names_clear(const struct weft_sys *sys);

/**
 * Runs program(arg) as a task of a new loop over `sys` (NULL: weft_sys_default), frees the loop,
 * and returns the program's code. Touches nothing of the process. `seed` as in struct
 * weft_loop_options. The errors of weft_loop_create and weft_loop_run_task.
 */
WEFT_API int weft_testing_run_on(const struct weft_sys *sys, uint64_t seed,
                                 int (*program)(void *arg), void *arg);

/**
 * weft_testing_run_on in a world of its own, which is freed afterwards. What the program left open
 * or allocated there is printed to stderr and gives -ENOTEMPTY where the code would be 0 or more.
 * Else the program's code, or -ENOMEM.
 */
WEFT_API int weft_testing_run(const struct weft_testing_options *options, int (*program)(void *arg),
                              void *arg);

/**
 * Waits until nobody can go on: no task and no callback of this loop is ready, and the engine has
 * nothing to report. Sleepers and readers count as blocked, and so do others who wait here. Of
 * those, the ones with the smallest cushion are woken first, all together, before the clock jumps.
 *
 * `cushion` is how long the engine must have had nothing to report, for what is on its way through
 * the kernel; on a virtual clock, where nothing is, it only orders those who wait here. Negative
 * counts as 0. 0, or -ECANCELED. The loop must run, not be driven by weft_loop_step.
 */
WEFT_API WEFT_MUST_CHECK int weft_testing_wait_all_blocked(weft_ns cushion);

/* Faults. */

/** The calls of struct weft_sys that a loop makes. New ones are appended before the last. */
enum weft_testing_call {
    /** clock; no fault point */
    WEFT_TESTING_CALL_CLOCK,
    /** random */
    WEFT_TESTING_CALL_RANDOM,
    /** realloc */
    WEFT_TESTING_CALL_REALLOC,
    /** mmap */
    WEFT_TESTING_CALL_MMAP,
    /** munmap */
    WEFT_TESTING_CALL_MUNMAP,
    /** mprotect */
    WEFT_TESTING_CALL_MPROTECT,
    /** madvise */
    WEFT_TESTING_CALL_MADVISE,
    /** close */
    WEFT_TESTING_CALL_CLOSE,
    /** read */
    WEFT_TESTING_CALL_READ,
    /** write */
    WEFT_TESTING_CALL_WRITE,
    /** read_flags */
    WEFT_TESTING_CALL_READ_FLAGS,
    /** write_flags */
    WEFT_TESTING_CALL_WRITE_FLAGS,
    /** fcntl */
    WEFT_TESTING_CALL_FCNTL,
    /** fstat */
    WEFT_TESTING_CALL_FSTAT,
    /** pipe2 */
    WEFT_TESTING_CALL_PIPE2,
    /** eventfd */
    WEFT_TESTING_CALL_EVENTFD,
    /** socket */
    WEFT_TESTING_CALL_SOCKET,
    /** socketpair */
    WEFT_TESTING_CALL_SOCKETPAIR,
    /** bind */
    WEFT_TESTING_CALL_BIND,
    /** listen */
    WEFT_TESTING_CALL_LISTEN,
    /** accept4 */
    WEFT_TESTING_CALL_ACCEPT4,
    /** connect */
    WEFT_TESTING_CALL_CONNECT,
    /** recvfrom */
    WEFT_TESTING_CALL_RECVFROM,
    /** sendto */
    WEFT_TESTING_CALL_SENDTO,
    /** shutdown */
    WEFT_TESTING_CALL_SHUTDOWN,
    /** getsockname */
    WEFT_TESTING_CALL_GETSOCKNAME,
    /** getpeername */
    WEFT_TESTING_CALL_GETPEERNAME,
    /** getsockopt */
    WEFT_TESTING_CALL_GETSOCKOPT,
    /** setsockopt */
    WEFT_TESTING_CALL_SETSOCKOPT,
    /** poll */
    WEFT_TESTING_CALL_POLL,
    /** epoll_create1 */
    WEFT_TESTING_CALL_EPOLL_CREATE1,
    /** epoll_ctl */
    WEFT_TESTING_CALL_EPOLL_CTL,
    /** epoll_wait */
    WEFT_TESTING_CALL_EPOLL_WAIT,
    /** io_uring_setup */
    WEFT_TESTING_CALL_IO_URING_SETUP,
    /** io_uring_enter */
    WEFT_TESTING_CALL_IO_URING_ENTER,
    /** io_uring_register */
    WEFT_TESTING_CALL_IO_URING_REGISTER,
    /** writev */
    WEFT_TESTING_CALL_WRITEV,
    /** writev_flags */
    WEFT_TESTING_CALL_WRITEV_FLAGS,
    /** recvmsg */
    WEFT_TESTING_CALL_RECVMSG,
    /** sendmsg */
    WEFT_TESTING_CALL_SENDMSG,
    /** recvmmsg */
    WEFT_TESTING_CALL_RECVMMSG,
    /** sendmmsg */
    WEFT_TESTING_CALL_SENDMMSG,
    /** splice */
    WEFT_TESTING_CALL_SPLICE,
    /** sendfile */
    WEFT_TESTING_CALL_SENDFILE,
    /** ioctl */
    WEFT_TESTING_CALL_IOCTL,
    /** tcgetattr */
    WEFT_TESTING_CALL_TCGETATTR,
    /** tcsetattr */
    WEFT_TESTING_CALL_TCSETATTR,
    /** openat */
    WEFT_TESTING_CALL_OPENAT,
    /** fstatat */
    WEFT_TESTING_CALL_FSTATAT,
    /** pread */
    WEFT_TESTING_CALL_PREAD,
    /** pwrite */
    WEFT_TESTING_CALL_PWRITE,
    /** lseek */
    WEFT_TESTING_CALL_LSEEK,
    /** ftruncate */
    WEFT_TESTING_CALL_FTRUNCATE,
    /** fsync */
    WEFT_TESTING_CALL_FSYNC,
    /** getdents64 */
    WEFT_TESTING_CALL_GETDENTS64,
    /** mkdirat */
    WEFT_TESTING_CALL_MKDIRAT,
    /** unlinkat */
    WEFT_TESTING_CALL_UNLINKAT,
    /** renameat2 */
    WEFT_TESTING_CALL_RENAMEAT2,
    /** linkat */
    WEFT_TESTING_CALL_LINKAT,
    /** symlinkat */
    WEFT_TESTING_CALL_SYMLINKAT,
    /** fchmodat */
    WEFT_TESTING_CALL_FCHMODAT,
    /** inotify_init1 */
    WEFT_TESTING_CALL_INOTIFY_INIT1,
    /** inotify_add_watch */
    WEFT_TESTING_CALL_INOTIFY_ADD_WATCH,
    /** inotify_rm_watch */
    WEFT_TESTING_CALL_INOTIFY_RM_WATCH,
    /** thread_create */
    WEFT_TESTING_CALL_THREAD_CREATE,
    /** getaddrinfo */
    WEFT_TESTING_CALL_GETADDRINFO,
    /** getnameinfo */
    WEFT_TESTING_CALL_GETNAMEINFO,
    /** pidfd_open */
    WEFT_TESTING_CALL_PIDFD_OPEN,
    /** pidfd_send_signal */
    WEFT_TESTING_CALL_PIDFD_SEND_SIGNAL,
    /** waitid */
    WEFT_TESTING_CALL_WAITID,
    /** kill */
    WEFT_TESTING_CALL_KILL,
    /** spawn */
    WEFT_TESTING_CALL_SPAWN,
    /** How many there are. */
    WEFT_TESTING_CALLS
};

/** A set of calls: a bit for each, in a type that has room for them. */
__extension__ typedef unsigned __int128 weft_testing_set;

/** The set of one call, named by the end of its enumerator: WEFT_TESTING_SET(READ). Sets are joined
 *  by |. */
#define WEFT_TESTING_SET(CALL) ((weft_testing_set)1 << WEFT_TESTING_CALL_##CALL)
/** What takes memory. */
#define WEFT_TESTING_MEMORY (WEFT_TESTING_SET(REALLOC) | WEFT_TESTING_SET(MMAP))
/** Everything that can fail. */
#define WEFT_TESTING_ANY (((weft_testing_set)1 << WEFT_TESTING_CALLS) - 1 - WEFT_TESTING_SET(CLOCK))

/** The name of a call: "accept4". Plain. Static. Any thread. */
WEFT_API const char *weft_testing_call_name(enum weft_testing_call call);

/** The call of that name, or -ENOENT. Plain. Any thread. */
WEFT_API int weft_testing_call_find(const char *name);

/** The positive errno values that a kernel gives for a call, ended by 0. Plain. Static. Any thread.
 */
WEFT_API const int *weft_testing_call_errors(enum weft_testing_call call);

/** How often the chosen call fails. */
enum weft_testing_mode {
    /** The n-th alone. */
    WEFT_TESTING_ONCE,
    /** The n-th and all after it. */
    WEFT_TESTING_FROM
};

/** Random trouble, in percent of the calls that it concerns; the same again for the same seed. */
struct weft_testing_storm {
    /** sizeof(struct weft_testing_storm), also when 0. */
    size_t size;
    /** The seed. */
    uint64_t seed;
    /** Calls that may be interrupted and are: -EINTR. */
    unsigned interrupt_percent;
    /** Transfers that say -EAGAIN; in simulated worlds only. */
    unsigned again_percent;
    /** Transfers of streams that are cut short. Datagrams never are. */
    unsigned short_percent;
    /** Calls of `fail_set` that fail, with one of weft_testing_call_errors. */
    unsigned fail_percent;
    /** Which; 0: none. */
    weft_testing_set fail_set;
};

/**
 * A table that counts calls, and fails what it is told to, over another one: the kernel's or a
 * world's. Each call that a kernel could fail is a *fault point*. Faults look as they would with a
 * kernel: a close that fails has closed, an unmapping that fails has unmapped, an interrupted
 * connect goes on, taking a descriptor off epoll never fails. A request of io_uring is a fault
 * point of the system call that it stands for; one for a message counts as recvfrom or sendto.
 *
 *     struct weft_testing_faults faults;
 *
 *     weft_testing_faults_init(&faults, world);
 *     weft_testing_faults_fail(&faults, WEFT_TESTING_SET(ACCEPT4), 3, WEFT_TESTING_ONCE, EMFILE);
 *     rc = weft_testing_run_on(&faults.sys, 0, program, NULL);
 *
 * In place, must stay there while a loop uses it, needs no end. Read its counts freely; its other
 * fields are set by the calls below.
 */
struct weft_testing_faults {
    /** The table that is given to a loop; `inner` is the wrapped one. */
    struct weft_sys sys;
    /** Calls so far. */
    uint64_t calls[WEFT_TESTING_CALLS];
    /** Which calls the plan concerns. */
    weft_testing_set set;
    /** The number of the call of the set that fails, from 1; 0: none. */
    uint64_t nth;
    /** Whether it fails alone. */
    enum weft_testing_mode mode;
    /** The positive errno value. */
    int code;
    /** Fault points of the set so far. */
    uint64_t points;
    /** Faults injected so far, by the plan and by storms. */
    uint64_t injected;
    /** Random trouble. */
    struct weft_testing_storm storm;
    /** State of its random numbers. */
    uint64_t random;
    /** Blocks of memory that are allocated. */
    int64_t blocks;
    /** Bytes that are mapped. */
    int64_t mapped;
    /** The ring of a loop on io_uring: private. */
    uint64_t ring[576];
};

/** Makes a table over `inner` (NULL: weft_sys_default) that fails nothing. Plain. */
WEFT_API void weft_testing_faults_init(struct weft_testing_faults *faults,
                                       const struct weft_sys *inner);

/** Plans a failure: the `nth` call of `set` from now on, counted from 1, gives -`code` (realloc:
 *  NULL); `nth` 0: none. Plain. */
WEFT_API void weft_testing_faults_fail(struct weft_testing_faults *faults, weft_testing_set set,
                                       uint64_t nth, enum weft_testing_mode mode, int code);

/** Begins a storm, or ends it (NULL). Plain. */
WEFT_API void weft_testing_faults_storm(struct weft_testing_faults *faults,
                                        const struct weft_testing_storm *storm);

/** Prints to stderr what went through the table and was not given back, of blocks and of mapped
 *  bytes; how many of the two kinds. Plain. */
WEFT_API int weft_testing_faults_report(const struct weft_testing_faults *faults);

/* Sweeps. */

/** A piece of work over a table: 0, or a negative code. It must give back all it takes. */
typedef int weft_testing_scenario_fn(const struct weft_sys *sys, void *arg);

/** The runs of a sweep are over the kernel, not each in a world of its own. */
#define WEFT_TESTING_REAL 2u

/** What to sweep; zero everywhere is the default. */
struct weft_testing_sweep_options {
    /** sizeof(struct weft_testing_sweep_options), also when 0. */
    size_t size;
    /** Its name in what is printed; NULL: "sweep". */
    const char *name;
    /** Which calls fail; 0: WEFT_TESTING_ANY. */
    weft_testing_set set;
    /** With which positive errno value; 0: each call with every one that it can give. */
    int code;
    /** WEFT_TESTING_REAL. */
    unsigned flags;
    /** Nonzero when `rc` is a documented outcome of the scenario if a call gave -code. NULL: 0 and
     *  -code are. */
    int (*documented)(int rc, int code);
};

/** What a sweep did. */
struct weft_testing_sweep_result {
    /** Fault points, each of which has failed. */
    uint64_t points;
    /** Runs of the scenario. */
    uint64_t runs;
};

/**
 * Runs scenario(sys, arg) calmly and counts its N fault points; then N times with the k-th failing
 * alone, and N times with all from the k-th on (but for codes after which a call is repeated, which
 * for ever would hang). After each run the outcome must be a documented one, everything given back,
 * and a calm run must work.
 *
 * 0 with *ret filled (NULL is fine); -EPROTO with a sentence on stderr at the first run that is not
 * so; the code of a calm run that fails; the errors of weft_testing_world_new. Plain: outside
 * tasks. A run that is stopped by SIGABRT, SIGSEGV, SIGBUS, SIGALRM or SIGQUIT is named on stderr
 * first, where that signal has its default action; so alarm(2) shows which run hangs.
 */
WEFT_API int weft_testing_sweep(const struct weft_testing_sweep_options *options,
                                weft_testing_scenario_fn *scenario, void *arg,
                                struct weft_testing_sweep_result *ret);

/* Seeded schedules. */

/** Seeds are run to the last, whether some fail or not. */
#define WEFT_TESTING_ALL_SEEDS 4u
/** No seed has a storm. */
#define WEFT_TESTING_NO_STORMS 8u

/** Which seeds to run; zero everywhere is the default. */
struct weft_testing_seeds_options {
    /** sizeof(struct weft_testing_seeds_options), also when 0. */
    size_t size;
    /** The program's name in what is printed; NULL: "program". */
    const char *name;
    /** The first seed; 0: 1. */
    uint64_t first;
    /** How many; 0: 1,000. */
    uint64_t count;
    /** WEFT_TESTING_... */
    unsigned flags;
    /** The command that makes this call again, for the line that replays a seed; NULL: the name
     *  that the process was started by. */
    const char *command;
};

/** What was seen. */
struct weft_testing_seeds_result {
    /** Seeds that were run. */
    uint64_t seeds;
    /** Different schedules among them, by the loop's trace. */
    uint64_t distinct;
    /** Seeds that were run a second time to see that they make the same schedule. */
    uint64_t replayed;
    /** Seeds that failed. */
    uint64_t failing;
    /** The first one that failed; 0: none. */
    uint64_t seed;
    /** The trace of the last schedule. */
    uint64_t trace;
};

/**
 * Runs program(arg) as a task of a new loop in a new world, once for each seed, and stops at the
 * first that fails. The seed chooses the order among ready tasks and ready descriptors, which
 * connections take their time, what weft_testing_dice gives, and for every fourth seed a storm of
 * interrupted, delayed and short calls. The program must make its whole state anew; what else it
 * depends on, the seed cannot replay. One seed in sixteen is run twice to see that it does.
 *
 * A seed fails when the program gives another code than 0, when an expectation did not hold, when
 * something was left in its world, or when its schedule differs the second time. What went wrong is
 * printed to stderr, with a line that runs this one seed again; also when the seed is stopped by a
 * signal (see weft_testing_sweep):
 *
 *     weft: transfer: seed 17: bank.c:40: expected: total == 100
 *     replay: WEFT_SEED=17 ./bank_test
 *
 * The environment chooses other seeds than `options` (NULL: defaults): WEFT_SEED one alone,
 * WEFT_SEED_FIRST and WEFT_SEEDS the first and how many.
 *
 * 0; the negative code of the program under the first seed that failed, -EPROTO where there was
 * none; -ENOMEM. *ret is filled in every case but the last; NULL is fine. Plain: outside tasks.
 */
WEFT_API int weft_testing_seeds(const struct weft_testing_seeds_options *options,
                                int (*program)(void *arg), void *arg,
                                struct weft_testing_seeds_result *ret);

/** The seed that runs in this thread; 0 outside weft_testing_seeds. Plain. Any thread. */
WEFT_API uint64_t weft_testing_seed(void);

/** The table of the seed that runs in this thread, storm included; NULL outside. Plain. Any thread.
 */
WEFT_API const struct weft_sys *weft_testing_seed_sys(void);

/** A number from 0 to sides - 1, chosen by the seed that runs; 0 outside. Plain. Any thread. */
WEFT_API unsigned weft_testing_dice(unsigned sides);

/** Notes that the seed that runs has failed unless the expression is true, and goes on. Outside
 *  weft_testing_seeds a false one ends the process, as assert(3) does. Plain. */
#define weft_testing_expect(expression)                                                            \
    ((expression) ? (void)0 : weft_testing_fail_at(WEFT_SITE, "expected: %s", #expression))

/** Notes a failure at a place with a sentence, as weft_testing_expect; `format` is printf's. Plain.
 */
WEFT_API void weft_testing_fail_at(const char *site, const char *format, ...) WEFT_PRINTF(2, 3);

/* Leaks. */

/** What a process had at an instant. */
struct weft_testing_leaks;

/**
 * Notes which descriptors below 65,536 are open, how many loops there are, and, in a program that
 * counts memory (WEFT_TESTING_COUNT_MEMORY), which blocks are allocated and how much is mapped.
 * Plain. The notes go to *ret and are ended by weft_testing_leaks_end. -ENOMEM.
 */
WEFT_API int weft_testing_leaks_begin(struct weft_testing_leaks **ret);

/**
 * Prints to stderr what there is more than at weft_testing_leaks_begin, each thing by name: the
 * descriptor and what it is, the loop with a dump of its living tasks, the block with its size and
 * number, the mapped bytes; ends the notes. Plain. How many of these four kinds leaked.
 *
 *     weft: leak: descriptor 7 (socket:[51243]) is still open
 *     weft: leak: memory block 312 of 64 bytes is not freed
 *
 * WEFT_LEAK_BREAK=312 in the environment stops the process (SIGTRAP) where that block is allocated,
 * for a debugger.
 */
WEFT_API int weft_testing_leaks_end(struct weft_testing_leaks *leaks);

/**
 * Written once at the top level of one C file of a program, it makes leaks of memory visible: the
 * program's own, and those of every library that is linked statically. That file includes
 * <sys/mman.h>, and the program is linked with
 *
 *     -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=mmap,--wrap=munmap
 *
 * Blocks that libc allocates by itself (strdup, getaddrinfo) are not counted.
 */
#define WEFT_TESTING_COUNT_MEMORY                                                                  \
    void *__real_malloc(size_t size);                                                              \
    void *__real_calloc(size_t count, size_t size);                                                \
    void *__real_realloc(void *p, size_t size);                                                    \
    void __real_free(void *p);                                                                     \
    void *__real_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset);             \
    int __real_munmap(void *p, size_t len);                                                        \
    void *__wrap_malloc(size_t size);                                                              \
    void *__wrap_calloc(size_t count, size_t size);                                                \
    void *__wrap_realloc(void *p, size_t size);                                                    \
    void __wrap_free(void *p);                                                                     \
    void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset);             \
    int __wrap_munmap(void *p, size_t len);                                                        \
    void *__wrap_malloc(size_t size)                                                               \
    {                                                                                              \
        void *p = weft_testing_memory_refused() ? NULL : __real_malloc(size);                      \
        weft_testing_note_block(p, size);                                                          \
        return p;                                                                                  \
    }                                                                                              \
    void *__wrap_calloc(size_t count, size_t size)                                                 \
    {                                                                                              \
        void *p = weft_testing_memory_refused() ? NULL : __real_calloc(count, size);               \
        weft_testing_note_block(p, count *size);                                                   \
        return p;                                                                                  \
    }                                                                                              \
    void *__wrap_realloc(void *p, size_t size)                                                     \
    {                                                                                              \
        if (size > 0 && weft_testing_memory_refused())                                             \
            return NULL;                                                                           \
        size_t old_size = 0;                                                                       \
        int known = weft_testing_forget_block(p, &old_size);                                       \
        void *moved = __real_realloc(p, size);                                                     \
        if (moved)                                                                                 \
            weft_testing_note_block(moved, size);                                                  \
        else if (known && size > 0)                                                                \
            weft_testing_note_block(p, old_size);                                                  \
        return moved;                                                                              \
    }                                                                                              \
    void __wrap_free(void *p)                                                                      \
    {                                                                                              \
        size_t size;                                                                               \
        (void)weft_testing_forget_block(p, &size);                                                 \
        __real_free(p);                                                                            \
    }                                                                                              \
    void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset)              \
    {                                                                                              \
        void *mapped = __real_mmap(p, len, prot, flags, fd, offset);                               \
        if (mapped != MAP_FAILED && !(flags & MAP_FIXED))                                          \
            weft_testing_note_mapped(len, 1);                                                      \
        return mapped;                                                                             \
    }                                                                                              \
    int __wrap_munmap(void *p, size_t len)                                                         \
    {                                                                                              \
        int rc = __real_munmap(p, len);                                                            \
        if (rc == 0)                                                                               \
            weft_testing_note_mapped(len, -1);                                                     \
        return rc;                                                                                 \
    }                                                                                              \
    struct weft_testing_leaks

/** Notes a block of memory; NULL is fine. Called by the wrapped calls, or an allocator of your own.
 *  Plain. Any thread. */
WEFT_API void weft_testing_note_block(const void *p, size_t size);

/** Forgets a block before it is freed or moved; its size goes to *ret. 1, or 0 when it was never
 *  noted. Plain. Any thread. */
WEFT_API int weft_testing_forget_block(const void *p, size_t *ret);

/** From now on (1) the calling thread gets no memory from a counted malloc, calloc or realloc; 0
 *  ends that. For what takes memory before there is a table that could refuse it. Plain. Any
 *  thread. */
WEFT_API void weft_testing_refuse_memory(int refuse);

/** Nonzero while the calling thread is refused memory. For the wrapped calls. Plain. Any thread. */
WEFT_API int weft_testing_memory_refused(void);

/** Notes that `len` bytes, in whole pages, were mapped (`sign` 1) or unmapped (-1). Plain. Any
 *  thread. */
WEFT_API void weft_testing_note_mapped(size_t len, int sign);

/* Sequencer. */

/**
 * Steps 0, 1, 2 ... that tasks of one loop take in this order, whatever order they come in.
 *
 *     struct weft_testing_sequencer order = WEFT_TESTING_SEQUENCER_INIT(order);
 *
 *     rc = weft_testing_sequencer_begin(&order, 2);
 *     ... runs after step 1 has ended, and step 3 will not begin before ...
 *     weft_testing_sequencer_end(&order, 2);
 *
 * In place, needs no end. Its fields are private.
 */
struct weft_testing_sequencer {
    /** Who waits for a later step. */
    struct weft_waitq waiting;
    /** The step that runs, or may begin. */
    unsigned next;
    /** Nonzero: it runs. */
    unsigned running;
    /** Where that one was begun. */
    const char *site;
    /** Why it is broken; NULL: it is not. */
    const char *broken;
    /** The step that broke it. */
    unsigned broken_step;
    /** Zero; room to grow. */
    unsigned spare;
};

/** A sequencer whose first step is 0, also by assignment. */
#define WEFT_TESTING_SEQUENCER_INIT(sequencer)                                                     \
    {                                                                                              \
        WEFT_WAITQ_INIT((sequencer).waiting), 0, 0, NULL, NULL, 0, 0                               \
    }
/** Prepares a sequencer's memory before first use. Plain. */
WEFT_API void weft_testing_sequencer_init(struct weft_testing_sequencer *sequencer);

/**
 * Waits until all steps before `step` have ended, and begins it. 0: it is the caller's until
 * weft_testing_sequencer_end. -ECANCELED: refused or cut; since the step will never come, the
 * sequencer is broken. -WEFT_EBROKEN: it is broken: a step was taken twice (by this very call,
 * perhaps), or its task was cancelled while it waited; the task's note says which. A broken
 * sequencer stays so: those who wait, and all who come, get -WEFT_EBROKEN.
 */
#define weft_testing_sequencer_begin(sequencer, step)                                              \
    weft_testing_sequencer_begin_at((sequencer), (step), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int
weft_testing_sequencer_begin_at(struct weft_testing_sequencer *sequencer, unsigned step,
                                const char *site);

/** Ends a step that the caller has begun; the next one may begin. Releasing, and never waits.
 *  Ending another one than runs is misuse (abort in debug builds; else nothing happens). */
WEFT_API void weft_testing_sequencer_end(struct weft_testing_sequencer *sequencer, unsigned step);

/* Wait points. */

/**
 * What the calling task has done since weft_testing_look_begin: for tests that a call is a wait
 * point, or is none. Its fields are private.
 *
 *     struct weft_testing_look look;
 *     weft_testing_look_begin(&look);
 *     rc = weft_event_wait(&event);
 *     assert(weft_testing_looked(&look));
 */
struct weft_testing_look {
    /** The task; NULL: none. */
    const struct weft_task *task;
    /** How much had run in the loop. */
    uint64_t runs;
    /** What was left of the task's share of the turn. */
    uint64_t share;
};

/** Begins to watch the calling task. Plain. */
WEFT_API void weft_testing_look_begin(struct weft_testing_look *look);

/** Nonzero when the task has since been at a wait point: it looked for cancellation, or let others
 *  run. The call's own result says nothing about that: one that could complete at once is a wait
 * point, too. Plain. */
WEFT_API int weft_testing_looked(const struct weft_testing_look *look);

/* Streams. */

/**
 * Makes two new streams of a kind: what is written to one is read from the other, both ways. They
 * are the caller's. 0, or negative with both untouched. May wait.
 */
typedef int weft_testing_pair_fn(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b);

/**
 * Runs a kind of stream through the rules of weft/stream.h, with a fresh pair for each: bytes come
 * whole and in order, alone and both ways at once, in vectors and one at a time; a read waits, and
 * what is cut loses nothing; a write waits when nobody reads; ends, half-closes, closes and resets
 * are told to the other side and to those who wait; every call looks for cancellation.
 *
 * Each rule that is broken is printed to stderr in one line:
 *
 *     weft: stream kind "xor": a cut read loses nothing: line 210 of conformance.c: n == 3
 *
 * Waiting: in a task, on any engine. A second or two of real time, where the clock is real, and up
 * to 20 for a rule that is broken. SIGPIPE must be ignored, as weft_run does, for kinds that may
 * raise it. How many rules are broken; what `make` gives when it fails; -ECANCELED.
 */
WEFT_API WEFT_MUST_CHECK int weft_testing_stream_conformance(weft_testing_pair_fn *make, void *arg);

WEFT_END

#endif
