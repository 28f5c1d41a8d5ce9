/* SPDX-License-Identifier: MIT */
/*
 * ring.h: the two queues that are shared with the kernel
 *
 *         weft__ring_next ──▶ [ sqe sqe sqe ] ── weft__ring_enter ──▶ kernel
 *         weft__ring_take ◀── [ cqe cqe ]     ◀──────────────────────
 *
 * Nothing here knows what a request is for; that is engine.c. A ring belongs to the thread that
 * opened it: another one gets -EEXIST from enter where the kernel checks (6.0 and newer).
 */
#ifndef WEFT_LOOP_POLLER_IO_URING_RING_H
#define WEFT_LOOP_POLLER_IO_URING_RING_H

#include "loop/poller/io_uring/abi.h"

#include <weft/sys.h>

/** A ring. */
struct weft__ring {
    /** The world. */
    const struct weft_sys *sys;
    /** Its descriptor; -1 closed or abandoned. */
    int fd;
    /** WEFT__URING_SETUP_... that the kernel took. */
    unsigned setup;
    /** WEFT__URING_FEATURE_... */
    unsigned features;
    /** The mapping with both queues; NULL for none. */
    void *map;
    /** Its size. */
    size_t map_len;
    /** The entries of the submission queue, a mapping of their own; NULL for none. */
    struct weft__uring_sqe *sqes;
    /** Its size. */
    size_t sqes_len;
    /** How many entries there are. */
    unsigned sq_entries;
    /** What the kernel has taken; shared. */
    unsigned *sq_head;
    /** What we have put in, as the kernel sees it; shared. */
    unsigned *sq_tail;
    /** WEFT__URING_SQ_...; shared. */
    unsigned *sq_flags;
    /** What we have put in; published by enter. */
    unsigned sq_local_tail;
    /** What we have taken; shared. */
    unsigned *cq_head;
    /** What the kernel has put in; shared. */
    unsigned *cq_tail;
    /** Number of results that fit, minus one. */
    unsigned cq_mask;
    /** The results; shared. */
    struct weft__uring_cqe *cqes;
    /** Calls of enter so far. */
    uint64_t calls;
};

/** Makes a ring: 0, the error of io_uring_setup(2), or -ENOSYS when it lacks what we need. */
int weft__ring_open(struct weft__ring *ring, const struct weft_sys *sys, unsigned sq_entries,
                    unsigned cq_entries);

/** Asks for the opcodes and tries some: 0; -ENOSYS when anything is not as it should be; -EMFILE...
 */
int weft__ring_probe(struct weft__ring *ring);

/** Unmaps and closes it. Twice is harmless. */
void weft__ring_close(struct weft__ring *ring);

/** In a forked child: closes the descriptor; the mappings were not inherited. */
void weft__ring_abandon(struct weft__ring *ring);

/** Room for a request, zeroed; a full queue is handed to the kernel first. NULL: it takes none now.
 */
struct weft__uring_sqe *weft__ring_next(struct weft__ring *ring);

/** How many requests the kernel has not taken. */
unsigned weft__ring_unsubmitted(const struct weft__ring *ring);

/**
 * Hands over the requests and waits until `wait_for` results are there or the timeout has passed.
 * 0; -ETIME; -EINTR; -EBUSY, -EAGAIN the kernel takes no more requests now; -EEXIST wrong thread.
 */
int weft__ring_enter(struct weft__ring *ring, unsigned wait_for, weft_ns timeout);

/** Lets the kernel put the results that had no room into the queue, where room was made. */
int weft__ring_flush(struct weft__ring *ring);

/** WEFT__URING_SQ_... as they stand. */
unsigned weft__ring_flags(const struct weft__ring *ring);

/** How many results are there. */
unsigned weft__ring_ready(const struct weft__ring *ring);

/** Takes the oldest result: 1, or 0 when there is none. */
int weft__ring_take(struct weft__ring *ring, struct weft__uring_cqe *ret);

#endif
