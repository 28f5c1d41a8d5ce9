/* SPDX-License-Identifier: MIT */
/*
 * engine.h: what the files of the io_uring engine share
 *
 *     engine.c     the interface: submit, cancel, arm, forget, wait
 *     request.c    queues and watches into requests
 *     result.c     results into completions
 *     file.c       operations on files, both ways
 *     slot.c       the names under which operations are known to the kernel
 *     ring.c       the two queues                          probe.c   whether they work
 */
#ifndef WEFT_LOOP_POLLER_IO_URING_ENGINE_H
#define WEFT_LOOP_POLLER_IO_URING_ENGINE_H

#include "loop/poller/io_uring/ring.h"
#include "loop/poller_backend.h"

/* What engine_data of a descriptor says. */

/** How many of its requests are in the kernel (or on their way there). */
#define WEFT__URING_IN_KERNEL 0xffffffu
/** The watch of a direction has its request in the kernel. */
#define WEFT__URING_WATCH_IN(direction) (1u << (24 + (direction)))
/** And the kernel was asked to give it back. */
#define WEFT__URING_WATCH_CANCELLED(direction) (1u << (26 + (direction)))
/** The watch met an error and is not asked for again before the next arm. */
#define WEFT__URING_WATCH_DEAD(direction) (1u << (28 + (direction)))
/** An owned file: the next one was found out. */
#define WEFT__URING_LOOKED (1u << 30)
/** The file is a socket. */
#define WEFT__URING_SOCKET (1u << 31)

/* What engine_flags of an operation says, beside the bits of a readiness try. */

/** Its request is a POLL_ADD on behalf of a transfer that could not be done at once. */
#define WEFT__URING_POLLING 32u
/** The kernel was asked to give it back. */
#define WEFT__URING_CANCEL_SENT 64u
/** Its file is not the descriptor's any more: it ends with -EBADF unless it had succeeded. */
#define WEFT__URING_EVICTED 128u

/* Kinds of names, in the top byte of user_data. Below it: of an operation its slot's name; of a
 * watch the direction, the descriptor's generation, and its number: 1, 23, 32 bits. */
#define WEFT__URING_KIND_OPERATION ((uint64_t)1 << 56)
#define WEFT__URING_KIND_WATCH ((uint64_t)2 << 56)
#define WEFT__URING_KIND_CANCEL ((uint64_t)3 << 56)
#define WEFT__URING_KIND_CANCEL_WATCH ((uint64_t)4 << 56)
#define WEFT__URING_KIND_FILE ((uint64_t)5 << 56)
#define WEFT__URING_KIND_CANCEL_FILE ((uint64_t)6 << 56)
#define WEFT__URING_KIND_MASK ((uint64_t)0xff << 56)

/** One name for an operation in the kernel. */
struct weft__uring_slot {
    /** The operation; NULL: free. */
    struct weft__op *op;
    /** Changes with each use. */
    uint32_t generation;
    /** The next free slot. */
    uint32_t next_free;
};

/** The engine. */
struct weft__uring {
    /** The common part; the first member. */
    struct weft__poller poller;
    /** The queues shared with the kernel. */
    struct weft__ring ring;
    /** Descriptors with something to tell the kernel, through their `link`. */
    struct weft_link dirty;
    /** Names. */
    struct weft__uring_slot *slots;
    /** How many there are. */
    uint32_t slot_count;
    /** The first free one; slot_count: none. */
    uint32_t free_slot;
    /** What a foreign loop sleeps on; -1: nobody has asked for it. */
    int event_fd;
};

static inline struct weft__uring *weft__uring_of(struct weft__poller *poller)
{
    return (struct weft__uring *)(void *)poller;
}

/* slot.c */

/** No slots yet. */
void weft__uring_slots_init(struct weft__uring *engine);
/** Frees them. */
void weft__uring_slots_fini(struct weft__uring *engine);
/** Makes sure of `count` slots in all: 0 or -ENOMEM. */
int weft__uring_slots_reserve(struct weft__uring *engine, size_t count);
/** Gives an operation a name: what goes into user_data. */
uint64_t weft__uring_slot_take(struct weft__uring *engine, struct weft__op *op);
/** The name that an operation has in the kernel. */
uint64_t weft__uring_slot_name(const struct weft__uring *engine, const struct weft__op *op);
/** The operation of a name, NULL when nobody has it any more. */
struct weft__op *weft__uring_slot_find(const struct weft__uring *engine, uint64_t name);
/** Ends a name. */
void weft__uring_slot_free(struct weft__uring *engine, struct weft__op *op);

/* request.c */

/** Puts a descriptor into the dirty list. */
void weft__uring_mark(struct weft__uring *engine, struct weft__descriptor *descriptor);
/** Takes it out. */
void weft__uring_unmark(struct weft__uring *engine, struct weft__descriptor *descriptor);
/** Finds out what file a descriptor is: 0, or what fstat(2) says. */
int weft__uring_look(struct weft__poller *poller, struct weft__descriptor *descriptor);
/** Why those who wait on a descriptor cannot be served; see weft__descriptor_changed. */
int weft__uring_changed(struct weft__poller *poller, struct weft__descriptor *descriptor);
/** Ends those waits with `code`: from the next settling, or when the kernel gives them back. */
void weft__uring_evict(struct weft__uring *engine, struct weft__descriptor *descriptor, int code);
/** Makes the requests that a descriptor wants: 0, or -EAGAIN when there is no room now. */
int weft__uring_push(struct weft__uring *engine, struct weft__descriptor *descriptor);
/** The name of the request that stands for a watch, without its kind. */
uint64_t weft__uring_watch_name(const struct weft__descriptor *descriptor, int direction);

/* file.c */

/** ops->file of the engine. */
int weft__uring_file(struct weft__poller *poller, struct weft__file_op *file);
/** Asks for an operation on a file back. */
void weft__uring_file_cancel(struct weft__uring *engine, struct weft__op *op);
/** Serves the result of one: 1, or 0 when nobody waits for it. */
int weft__uring_file_result(struct weft__uring *engine, uint64_t name, int result);

/* result.c */

/** Serves one result. Returns how many completed or were called. */
int weft__uring_result(struct weft__uring *engine, const struct weft__uring_cqe *cqe);

#endif
