/* SPDX-License-Identifier: MIT */
/*
 * poller_backend.h: what an engine must do (for implementers; users of engines: loop/poller.h)
 *
 * An engine turns operations into completions. The unit is `struct weft__op`: one read, send,
 * accept ... that a task waits for, in place on its stack. There are two kinds of engine behind one
 * interface:
 *
 *   readiness (poll, epoll, sim)    tells when a descriptor is ready; the common part in
 *                                   `poller/readiness.c` then makes the system call
 *   completion (io_uring)           gives the operation to the kernel and reports its result
 *
 *         net ── weft__op_submit ──▶ engine.submit ──┬─ readiness: try; -EAGAIN: queue, arm
 *                                                    └─ completion: queue, SQE for the first
 *         loop ─ engine.wait ──▶ events ──▶ op->done(op)   with op->result set
 *
 * Operations on one descriptor and direction are served first-in first-out: they queue in the
 * descriptor's entry, `struct weft__descriptor`, and only the first is tried (readiness) or in the
 * kernel (completion).
 *
 *       IDLE ──submit──▶ QUEUED ──▶ KERNEL ──▶ DONE     (readiness: QUEUED ──▶ DONE)
 *                          ▲   │      └─cancel─▶ CANCELLING ──▶ DONE   (its own completion decides)
 *                 returned ┘   └─cancel─▶ DONE
 *                 unserved
 *
 * Invariants
 *   1. done() is called exactly once for each submit that returned 0, never inside submit, cancel
 *      or close; it runs inside wait and must not call back into wait.
 *   2. An op is in at most one queue; its descriptor entry cannot vanish while it is.
 *   3. After forget nothing of the old descriptor reaches a new one of that number: entries carry
 *      a generation, and those of descriptors that weft does not own the identity of their file.
 */
#ifndef WEFT_LOOP_POLLER_BACKEND_H
#define WEFT_LOOP_POLLER_BACKEND_H

#include "base/assert.h"
#include "base/list.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <weft/sys.h>

struct weft__poller;
struct weft__op;
struct weft__descriptor;

/** What an operation does. */
enum weft__op_code {
    /** Readiness of `events`; the result is the mask of those that hold. */
    WEFT__OP_POLL,
    /** read(2) at the file's position. */
    WEFT__OP_READ,
    /** write(2) at the file's position. */
    WEFT__OP_WRITE,
    /** recvfrom(2); `address` NULL for recv. */
    WEFT__OP_RECV,
    /** sendto(2); `address` NULL for send. */
    WEFT__OP_SEND,
    /** accept4(2) with `flags`; the result is a descriptor. */
    WEFT__OP_ACCEPT,
    /** connect(2); the result is 0. */
    WEFT__OP_CONNECT,
    /** recvmsg(2); `buf` is the caller's struct msghdr. */
    WEFT__OP_RECVMSG,
    /** sendmsg(2); `buf` is the caller's struct msghdr. */
    WEFT__OP_SENDMSG,
    /** writev(2) at the file's position; `buf` is the vectors and `len` says how many. */
    WEFT__OP_WRITEV,
    /** recvmmsg(2); `buf` is the messages and `len` says how many; the result as well. */
    WEFT__OP_RECVMMSG,
    /** sendmmsg(2); `buf` is the messages and `len` says how many; the result as well. */
    WEFT__OP_SENDMMSG
};

/** Where an operation stands; see the picture above, and WEFT__OP_TRANSITIONS. */
enum weft__op_state {
    /** Not submitted. */
    WEFT__OP_IDLE,
    /** In its descriptor's queue; the kernel does not know it. */
    WEFT__OP_QUEUED,
    /** The kernel has it and its buffer. */
    WEFT__OP_KERNEL,
    /** The kernel was asked to give it back. */
    WEFT__OP_CANCELLING,
    /** Has its result. The end. */
    WEFT__OP_DONE
};

/**
 * Every step that an operation can take, X(from, to). weft__op_set_state keeps to it; so does the
 * model of operations that spin searches (docs/design/model), which must take each.
 */
#define WEFT__OP_TRANSITIONS(X)                                                                    \
    X(IDLE, QUEUED)       /* submitted, and not over at once */                                    \
    X(IDLE, DONE)         /* tried by an engine of readiness, and over */                          \
    X(QUEUED, KERNEL)     /* its request is made */                                                \
    X(QUEUED, DONE)       /* ready and tried; or withdrawn, or closed, before its request */       \
    X(KERNEL, QUEUED)     /* given back unserved */                                                \
    X(KERNEL, CANCELLING) /* cancelled, or its descriptor closed or another file's */              \
    X(KERNEL, DONE)       /* its result came */                                                    \
    X(CANCELLING, DONE)   /* its result came, whatever it is */

#if WEFT_DEBUG
/** The transitions that operations of this thread have taken, for tests. */
extern WEFT__TLS uint64_t weft__op_transitions_seen;
#endif

/** The two directions of a descriptor. */
enum weft__direction {
    /** Reads, receives, accepts, waits for POLLIN. */
    WEFT__DIRECTION_IN = 0,
    /** Writes, sends, connects, waits for POLLOUT. */
    WEFT__DIRECTION_OUT = 1
};

/** Called once when the operation is over. */
typedef void weft__op_fn(struct weft__op *op);

/** One operation, in place where its owner waits. */
struct weft__op {
    /** Membership in the queue of its descriptor and direction. */
    struct weft_link link;
    /** enum weft__op_code. */
    unsigned char code;
    /** enum weft__op_state; see weft__op_set_state. */
    unsigned char state;
    /** enum weft__direction. */
    unsigned char direction;
    /** The engine's own marks; zero at submit. */
    unsigned char engine_flags;
    /** The descriptor. */
    int fd;
    /** MSG_... of recv and send, SOCK_... of accept. */
    int flags;
    /** POLLIN ... of WEFT__OP_POLL. */
    unsigned events;
    /** The caller's buffer; never written through for writes and sends. */
    void *buf;
    /** Its length in bytes. */
    size_t len;
    /** Peer's address: filled (recv, accept) or given (send, connect); NULL for none. */
    struct sockaddr *address;
    /** Its size; updated by recv and accept. */
    socklen_t *address_len;
    /** The outcome: what the system call gives, negative errors. */
    ssize_t result;
    /** Called when it is over. */
    weft__op_fn *done;
    /** The owner's. */
    void *owner;
    /** The descriptor's entry while queued. */
    struct weft__descriptor *descriptor;
    /** The completion engine's own: which of its slots stands for the op in the kernel. */
    unsigned engine_slot;
    /** Room for the completion engine: recvfrom and sendto go to the ring as messages. */
    struct msghdr message;
    /** The one vector of `message`. */
    struct iovec vector;
};

/** What an operation on a file does. */
enum weft__file_what {
    /** openat(2): `op.buf` is the path, `op.flags` and `mode`. */
    WEFT__FILE_OP_OPEN,
    /** pread(2), or read(2) when `offset` is -1. */
    WEFT__FILE_OP_READ,
    /** pwrite(2), or write(2) when `offset` is -1. */
    WEFT__FILE_OP_WRITE,
    /** fsync(2), or fdatasync(2) when `op.flags` is not 0. */
    WEFT__FILE_OP_SYNC
};

/**
 * An operation on a file, which is never "ready", so that only an engine of completion can do it.
 * It stands in no queue: those on one file run at once, and a close does not touch them.
 */
struct weft__file_op {
    /** The common part; its `code` and `descriptor` mean nothing. */
    struct weft__op op;
    /** What it does. */
    enum weft__file_what what;
    /** Permissions of a file that is made. */
    unsigned mode;
    /** Where in the file; -1: at its own position. */
    int64_t offset;
};

/** A persistent, level-triggered watch on one direction (weft_loop_add_reader, the wake-up). */
struct weft__watch {
    /** Called in each wait that finds the direction ready; NULL: no watch. */
    void (*fn)(void *arg);
    /** Its argument. */
    void *arg;
};

/** weft made the descriptor or was given it: registered until closed. */
#define WEFT__DESCRIPTOR_OWNED 1u
/** A close is in progress: new operations are refused with -EBADF. */
#define WEFT__DESCRIPTOR_CLOSING 2u
/** The engine cannot poll it (a regular file): always ready. */
#define WEFT__DESCRIPTOR_ALWAYS 4u
/** A watch that keeps no run alive (the loop's own wake-up). */
#define WEFT__DESCRIPTOR_QUIET 8u
/** One user has it for itself (a transport): watches and operations of others give -EBUSY. */
#define WEFT__DESCRIPTOR_HELD 16u
/** The engine tells once of whatever comes, from now on, whether somebody waits or not. */
#define WEFT__DESCRIPTOR_TOLD 32u
/** It has told of more than bytes: an end, an error, urgent data. */
#define WEFT__DESCRIPTOR_ALARMED 64u
/** All that had come was read, so that the engine will tell of more: a try would be in vain. */
#define WEFT__DESCRIPTOR_DRY 128u
/** A TCP socket, or surely none; neither: nobody has asked yet. */
#define WEFT__DESCRIPTOR_TCP 256u
#define WEFT__DESCRIPTOR_NOT_TCP 512u
/** From this bit on: what was found out about an owned descriptor's file; see op->engine_flags. */
#define WEFT__DESCRIPTOR_KIND_SHIFT 16

/** What the engine keeps for one descriptor number. Entries never move while their poller lives. */
struct weft__descriptor {
    /** Operations waiting, first-in first-out, by direction. */
    struct weft_link queue[2];
    /** Watches, by direction. */
    struct weft__watch watch[2];
    /** The number. */
    int fd;
    /** Changes with each close: events of an older life are dropped. */
    uint32_t generation;
    /** WEFT__DESCRIPTOR_... */
    unsigned flags;
    /** Poll mask that the engine is told to watch now; the engine's own account. */
    unsigned armed;
    /** The engine's own: whether the kernel has an entry (epoll), ops in flight (io_uring). */
    unsigned engine_data;
    /** Membership in the poller's list of always-ready descriptors, or in the engine's own. */
    struct weft_link link;
    /** Called when a close has let go of everything; NULL when no close is in progress. */
    void (*closed)(struct weft__descriptor *descriptor, void *arg);
    /** Its argument. */
    void *closed_arg;
    /** Device and inode of the file that the first waiter of a descriptor that is not owned met. */
    uint64_t identity[2];
};

/** An engine: properties first, then functions in the order of a life. */
struct weft__poller_ops {
    /** "epoll", ... */
    const char *name;

    /**
     * Makes the engine over `sys`, into *ret, with its `ops` and `sys` set (weft__poller_init).
     * Errors mean that it cannot work here; nothing is left behind.
     */
    int (*open)(const struct weft_sys *sys, struct weft__poller **ret);

    /** Frees it. No operation is in flight. */
    void (*close)(struct weft__poller *poller);

    /**
     * Starts an operation. 1: over at once, op->result is set and done() will not be called. 0:
     * done() will be called. Negative: not started (-EBADF, -EBUSY a watch is there, -ENOMEM).
     */
    int (*submit)(struct weft__poller *poller, struct weft__op *op);

    /**
     * Takes an operation back. 1: withdrawn, done() will not be called. 0: the kernel has it;
     * done() comes with what really happened (-ECANCELED if nothing did).
     */
    int (*cancel)(struct weft__poller *poller, struct weft__op *op);

    /** Brings the engine's interest in line with the descriptor's queues and watches. Negative: it
     *  cannot be watched; -EPERM means a file that is always ready (its watches are served all the
     *  same), -ENOENT that the number belongs to another file than the one that was armed. */
    int (*arm)(struct weft__poller *poller, struct weft__descriptor *descriptor);

    /**
     * Ends the engine's interest in a descriptor that is about to be closed: after 1, nothing of it
     * is in the kernel. 0: operations are still in the kernel; each is on its way back (with -EBADF
     * if nothing happened and the entry is CLOSING), and descriptor->closed, if set, is called
     * after the last of them. What only queues is the caller's to complete.
     */
    int (*forget)(struct weft__poller *poller, struct weft__descriptor *descriptor);

    /**
     * Submits what is collected, waits until something happened or the timeout passed, and calls
     * done() and watches. Returns how many, or negative (-WEFT_EDEADLOCK: nothing can ever happen;
     * only engines that know everything). Interrupted: 0. May return early.
     */
    int (*wait)(struct weft__poller *poller, weft_ns timeout);

    /** A descriptor that is readable when wait would find something and `due` is 0; -ENOTSUP. */
    int (*fd)(struct weft__poller *poller);

    /**
     * Starts an operation on a file. 0: the kernel has it, and its descriptor, already; done()
     * will be called, and cancel asks for it back. Negative: not started, and another way is to be
     * taken. Optional: an engine without it refuses with -EOPNOTSUPP (weft__loop_file).
     */
    int (*file)(struct weft__poller *poller, struct weft__file_op *file);

    /** The parent's engine in a forked child: closes descriptors, touches nothing that is shared.
     *  Close follows. Optional. */
    void (*abandon)(struct weft__poller *poller);
};

/** The part of an engine that is common to all; the first member of each engine's own struct. */
struct weft__poller {
    /** The engine. */
    const struct weft__poller_ops *ops;
    /** The world. */
    const struct weft_sys *sys;
    /** Descriptor entries of real numbers, [0], and of simulated ones from 1 << 20, [1]: chunks. */
    struct weft__descriptor **chunks[2];
    /** How many chunks each has room for. */
    size_t chunk_count[2];
    /** Operations submitted and not over. */
    size_t pending;
    /** Watches that keep a run alive. */
    size_t watches;
    /** Descriptors that are always ready and watched. */
    struct weft_link always;
    /** Operations that are over outside of wait; their done() is called first thing in the next. */
    struct weft_link over;
    /** How many things only the next wait does: members of `over`, requests not yet submitted. A
     *  foreign loop must not sleep on fd() while it is not 0. */
    size_t due;
    /** System calls of the engine, for statistics. */
    uint64_t calls;
};

/** Calls an entry of a table that takes many words to name. */
#define weft__sys_call(sys, entry, ...) ((sys)->entry((sys), __VA_ARGS__))

/** Simulated descriptors start here, so that one that leaks into libc gives EBADF. */
#define WEFT__SIM_FD_BASE (1 << 20)

/* The common part: src/loop/descriptor.c. */

/** Sets up the common part. */
void weft__poller_init(struct weft__poller *poller, const struct weft__poller_ops *ops,
                       const struct weft_sys *sys);
/** Frees the descriptor entries. */
void weft__poller_fini(struct weft__poller *poller);
/** Forgets all watches, so that their callbacks run no more; the engine is about to be closed. */
void weft__poller_mute(struct weft__poller *poller);
/** The entry of a number, made when it is not there; NULL out of memory or fd < 0. */
struct weft__descriptor *weft__descriptor_get(struct weft__poller *poller, int fd);
/** The entry of a number if there is one. */
struct weft__descriptor *weft__descriptor_find(const struct weft__poller *poller, int fd);
/** The poll mask that queues and watches want: POLLIN, POLLOUT, what WEFT__OP_POLL asked for. */
unsigned weft__descriptor_wants(const struct weft__descriptor *descriptor);
/** Nonzero poll bits of a direction: those that let its operations go on. */
unsigned weft__direction_events(enum weft__direction direction);
/** Why an op may not join the queue: -EBADF closing, -EBUSY held or a watch; else 0. */
int weft__descriptor_refusal(const struct weft__descriptor *descriptor, const struct weft__op *op);
/** Whether any op queues, in either direction. */
int weft__descriptor_busy(const struct weft__descriptor *descriptor);
/** Remembers which file a descriptor is; see weft__descriptor_changed. Returns its mode, or what
 *  fstat(2) says. */
int weft__descriptor_identify(struct weft__poller *poller, struct weft__descriptor *descriptor);
/** Why those who wait for that file cannot be served: -EBADF it is another one, as far as device
 *  and inode tell, or what fstat(2) says when it tells nothing; else 0. */
int weft__descriptor_changed(struct weft__poller *poller,
                             const struct weft__descriptor *descriptor);
/** Puts an op into its descriptor's queue, readiness before transfers: 0, -EBADF closing, -EBUSY
 *  a watch, -ENOMEM. */
int weft__descriptor_enqueue(struct weft__poller *poller, struct weft__op *op);
/** Takes it out of the queue. */
void weft__descriptor_dequeue(struct weft__poller *poller, struct weft__op *op);
/** The one way to change op->state. */
void weft__op_set_state(struct weft__op *op, enum weft__op_state state);
/** Sets the result, dequeues, and calls done(). */
void weft__op_complete(struct weft__poller *poller, struct weft__op *op, ssize_t result);
/** As weft__op_complete, with done() put off to the next wait. */
void weft__op_complete_later(struct weft__poller *poller, struct weft__op *op, ssize_t result);
/** Calls the done() that were put off. First in each wait, which then must not sleep. How many. */
int weft__poller_settle(struct weft__poller *poller);
/** Calls the watch of each ready direction; `ready` is a poll mask. Returns how many. */
int weft__descriptor_notify(struct weft__poller *poller, struct weft__descriptor *descriptor,
                            unsigned ready);

/* The common part of readiness engines: src/loop/poller/readiness.c. */

/** ops->submit of a readiness engine. */
int weft__readiness_submit(struct weft__poller *poller, struct weft__op *op);
/** ops->cancel of a readiness engine. */
int weft__readiness_cancel(struct weft__poller *poller, struct weft__op *op);
/** Tries the system call of an op without blocking: 1 over, op->result is set; 0 not ready. */
int weft__readiness_try(struct weft__poller *poller, struct weft__op *op);
/** Nonzero when a try would be in vain for certain: the engine will tell. `descriptor` may be NULL.
 */
int weft__readiness_dry(const struct weft__descriptor *descriptor, const struct weft__op *op);
/** A descriptor is ready as `events` (a poll mask) says: serves its queues, then its watches, then
 *  arms it again as far as wanted. Returns how many completed or were called. */
int weft__readiness_event(struct weft__poller *poller, struct weft__descriptor *descriptor,
                          unsigned events);
/** Serves the watches of always-ready descriptors. Returns how many. */
int weft__readiness_always(struct weft__poller *poller);

/** The engines. */
extern const struct weft__poller_ops weft__poller_poll;
extern const struct weft__poller_ops weft__poller_epoll;
extern const struct weft__poller_ops weft__poller_io_uring;
extern const struct weft__poller_ops weft__poller_sim;

/** The table of a new simulated world with its own clock, into *ret; freed by weft__sim_free. */
int weft__sim_new(uint64_t seed, const struct weft_sys **ret);
/** Frees a world. Its descriptors must be closed (leaks: see weft__sim_open). */
void weft__sim_free(const struct weft_sys *sys);
/** How many simulated descriptors are open. */
size_t weft__sim_open(const struct weft_sys *sys);

#endif
