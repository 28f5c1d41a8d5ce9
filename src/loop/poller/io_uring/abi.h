/* SPDX-License-Identifier: MIT */
/*
 * abi.h: the kernel's side of io_uring, as far as weft uses it
 *
 * The numbers and layouts that io_uring_setup(2), io_uring_enter(2) and io_uring_register(2)
 * document, under names of our own: the headers of stable distributions lack much of what their
 * kernels offer (Debian 12 ships those of 6.1), and an older header must not decide what a newer
 * kernel is asked for. The layouts are part of the kernel's stable interface and the same on every
 * architecture.
 */
#ifndef WEFT_LOOP_POLLER_IO_URING_ABI_H
#define WEFT_LOOP_POLLER_IO_URING_ABI_H

#include <stdint.h>

/** A request: one entry of the submission queue. */
struct weft__uring_sqe {
    /** WEFT__URING_OP_... */
    uint8_t opcode;
    /** WEFT__URING_SQE_ASYNC; links and fixed files are not used here. */
    uint8_t flags;
    /** Priority of disk requests, options of some socket requests; always 0 here. */
    uint16_t ioprio;
    /** The descriptor. */
    int32_t fd;
    /** Offset in the file (all ones: its own position); accept: where the address's size is;
     *  connect: the address's size. */
    uint64_t offset;
    /** Buffer, message, address, or the user_data of the request to cancel. */
    uint64_t address;
    /** Its length. */
    uint32_t len;
    /** MSG_..., SOCK_..., poll mask, by opcode. */
    uint32_t op_flags;
    /** Comes back with the result. */
    uint64_t user_data;
    /** Registered buffers, credentials, extensions; always 0 here. */
    uint64_t unused[3];
};

/** A result: one entry of the completion queue. */
struct weft__uring_cqe {
    /** That of the request. */
    uint64_t user_data;
    /** What the system call would have returned, errors negative. */
    int32_t result;
    /** More to come, which buffer; unused here. */
    uint32_t flags;
};

/** Where the parts of the submission queue are in the mapping. */
struct weft__uring_sq_offsets {
    /** What the kernel has taken. */
    uint32_t head;
    /** What we have put in. */
    uint32_t tail;
    /** Number of entries, minus one. */
    uint32_t ring_mask;
    /** Number of entries. */
    uint32_t ring_entries;
    /** WEFT__URING_SQ_... */
    uint32_t flags;
    /** Invalid entries that were skipped. */
    uint32_t dropped;
    /** The indirection array, absent with NO_SQARRAY. */
    uint32_t array;
    /** Reserved. */
    uint32_t reserved;
    /** For rings in the user's own memory. */
    uint64_t user_address;
};

/** Where the parts of the completion queue are in the mapping. */
struct weft__uring_cq_offsets {
    /** What we have taken. */
    uint32_t head;
    /** What the kernel has put in. */
    uint32_t tail;
    /** Number of entries, minus one. */
    uint32_t ring_mask;
    /** Number of entries. */
    uint32_t ring_entries;
    /** Results that were dropped; stays 0 with NODROP. */
    uint32_t overflow;
    /** The entries. */
    uint32_t cqes;
    /** Notification switches. */
    uint32_t flags;
    /** Reserved. */
    uint32_t reserved;
    /** For rings in the user's own memory. */
    uint64_t user_address;
};

/** The argument of io_uring_setup(2), both ways. */
struct weft__uring_params {
    /** Entries of the submission queue; filled. */
    uint32_t sq_entries;
    /** Entries of the completion queue; given with CQSIZE, filled. */
    uint32_t cq_entries;
    /** WEFT__URING_SETUP_... */
    uint32_t flags;
    /** For a polling kernel thread. */
    uint32_t sq_thread_cpu;
    /** For a polling kernel thread. */
    uint32_t sq_thread_idle;
    /** WEFT__URING_FEATURE_...; filled. */
    uint32_t features;
    /** A ring whose workers are to be shared. */
    uint32_t workers_fd;
    /** Reserved. */
    uint32_t reserved[3];
    /** Filled. */
    struct weft__uring_sq_offsets sq;
    /** Filled. */
    struct weft__uring_cq_offsets cq;
};

/** A duration as the kernel takes it, with two 64-bit members everywhere. */
struct weft__uring_timespec {
    /** Seconds. */
    int64_t seconds;
    /** Nanoseconds. */
    int64_t nanoseconds;
};

/** The extended argument of io_uring_enter(2). */
struct weft__uring_wait {
    /** Address of a signal mask; 0: none. */
    uint64_t signals;
    /** Its size. */
    uint32_t signals_size;
    /** How long to gather results. */
    uint32_t gather_usec;
    /** Address of the timeout; 0: none. */
    uint64_t timeout;
};

/** What the kernel tells of one opcode. */
struct weft__uring_probe_op {
    /** The opcode. */
    uint8_t opcode;
    /** Reserved. */
    uint8_t reserved;
    /** WEFT__URING_PROBE_SUPPORTED. */
    uint16_t flags;
    /** Reserved. */
    uint32_t reserved_too;
};

/** Opcodes asked about. */
#define WEFT__URING_PROBE_OPS 64

/** What the kernel tells of all. */
struct weft__uring_probe {
    /** The last opcode it knows. */
    uint8_t last_opcode;
    /** How many of `ops` it filled. */
    uint8_t count;
    /** Reserved. */
    uint16_t reserved;
    /** Reserved. */
    uint32_t reserved_too[3];
    /** By opcode. */
    struct weft__uring_probe_op ops[WEFT__URING_PROBE_OPS];
};

_Static_assert(sizeof(struct weft__uring_sqe) == 64, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_cqe) == 16, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_sq_offsets) == 40, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_cq_offsets) == 40, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_params) == 120, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_timespec) == 16, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_wait) == 24, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_probe_op) == 8, "the kernel's layout");
_Static_assert(sizeof(struct weft__uring_probe) == 16 + 8 * WEFT__URING_PROBE_OPS,
               "the kernel's layout");

/** Requests. */
enum weft__uring_opcode {
    WEFT__URING_OP_NOP = 0,
    WEFT__URING_OP_WRITEV = 2,
    WEFT__URING_OP_FSYNC = 3,
    WEFT__URING_OP_POLL_ADD = 6,
    WEFT__URING_OP_SENDMSG = 9,
    WEFT__URING_OP_RECVMSG = 10,
    WEFT__URING_OP_ACCEPT = 13,
    WEFT__URING_OP_ASYNC_CANCEL = 14,
    WEFT__URING_OP_CONNECT = 16,
    WEFT__URING_OP_OPENAT = 18,
    WEFT__URING_OP_READ = 22,
    WEFT__URING_OP_WRITE = 23,
    WEFT__URING_OP_SEND = 26,
    WEFT__URING_OP_RECV = 27
};

/** A flag of a request: a worker does it from the start. */
#define WEFT__URING_SQE_ASYNC (1u << 4) /* 5.6 */

/* Flags of setup, with the kernel that brought them. */
#define WEFT__URING_SETUP_CQSIZE (1u << 3)         /* 5.5 */
#define WEFT__URING_SETUP_CLAMP (1u << 4)          /* 5.6 */
#define WEFT__URING_SETUP_SUBMIT_ALL (1u << 7)     /* 5.18 */
#define WEFT__URING_SETUP_COOP_TASKRUN (1u << 8)   /* 5.19 */
#define WEFT__URING_SETUP_TASKRUN_FLAG (1u << 9)   /* 5.19 */
#define WEFT__URING_SETUP_SINGLE_ISSUER (1u << 12) /* 6.0 */
#define WEFT__URING_SETUP_DEFER_TASKRUN (1u << 13) /* 6.1 */
#define WEFT__URING_SETUP_NO_SQARRAY (1u << 16)    /* 6.6 */

/* Features. */
#define WEFT__URING_FEATURE_SINGLE_MMAP (1u << 0) /* 5.4 */
#define WEFT__URING_FEATURE_NODROP (1u << 1)      /* 5.5 */
#define WEFT__URING_FEATURE_RW_CUR_POS (1u << 3)  /* 5.6 */
#define WEFT__URING_FEATURE_FAST_POLL (1u << 5)   /* 5.7 */
#define WEFT__URING_FEATURE_EXT_ARG (1u << 8)     /* 5.11 */
#define WEFT__URING_FEATURE_NO_IOWAIT (1u << 17)  /* 6.15 */

/* Flags of enter. */
#define WEFT__URING_ENTER_GETEVENTS (1u << 0)
#define WEFT__URING_ENTER_EXT_ARG (1u << 3)
#define WEFT__URING_ENTER_NO_IOWAIT (1u << 7)

/* Flags of the submission queue, set by the kernel. */
#define WEFT__URING_SQ_CQ_OVERFLOW (1u << 1)
#define WEFT__URING_SQ_TASKRUN (1u << 2)

/* Opcodes of register. */
#define WEFT__URING_REGISTER_EVENTFD 4u
#define WEFT__URING_REGISTER_PROBE 8u
#define WEFT__URING_REGISTER_MAX_WORKERS 19u /* 5.15 */

/** An opcode that the kernel has. */
#define WEFT__URING_PROBE_SUPPORTED 1u

/* Places of the mappings in the ring's descriptor. */
#define WEFT__URING_MAP_RINGS 0
#define WEFT__URING_MAP_SQES 0x10000000

#endif
