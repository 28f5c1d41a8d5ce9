/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/faults.h: a table that fails what it is told to
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * Every call of struct weft_sys that a loop makes has a number and a name here, so that the n-th of
 * a set can be made to fail, or some of them at random.
 */
#ifndef WEFT_TESTING_FAULTS_H
#define WEFT_TESTING_FAULTS_H

#include <weft/sys.h>
#include <weft/types.h>

WEFT_BEGIN

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
    /** write; no fault point where it wakes a loop, which the kernel never refuses */
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

WEFT_END

#endif
