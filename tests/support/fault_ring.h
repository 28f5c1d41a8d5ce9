/* SPDX-License-Identifier: MIT */
/*
 * fault_ring.h: failing single requests of io_uring
 *
 * Transfers over io_uring pass the table by: they lie in memory that is shared with the kernel. But
 * the table sees that memory being mapped, and io_uring_enter(2), which hands it over. So before
 * each call the new requests are looked at, and one that is to fail becomes a NOP: the kernel does
 * nothing of it and gives a result of 0, in which the error is put when the call comes back. The
 * engine meets a request that failed as with a kernel: nothing has moved.
 */
#ifndef TEST_SUPPORT_FAULT_RING_H
#define TEST_SUPPORT_FAULT_RING_H

#include "loop/poller/io_uring/abi.h"
#include <stddef.h>

/** How many requests at a time can be on their way to an error. */
#define FAULT_RING_PLANNED 256

/** One request that becomes a NOP. */
struct fault_ring_plan {
    /** Its user_data. */
    uint64_t name;
    /** What its result is to be. */
    int result;
};

/** The ring that was made last through a table. */
struct fault_ring {
    /** Its descriptor; -1: none. */
    int fd;
    /** Where things are in the mappings. */
    struct weft__uring_params params;
    /** Both queues; NULL: not mapped yet. */
    char *queues;
    /** The requests; NULL: not mapped yet. */
    struct weft__uring_sqe *requests;
    /** How many requests were looked at. */
    unsigned requests_seen;
    /** How many results were looked at. */
    unsigned results_seen;
    /** Requests that were failed and whose results are not there yet. */
    struct fault_ring_plan planned[FAULT_RING_PLANNED];
    /** How many there are. */
    size_t planned_count;
};

/** No ring. */
void fault_ring_init(struct fault_ring *ring);
/** io_uring_setup made one. */
void fault_ring_made(struct fault_ring *ring, int fd, const void *params);
/** A part of descriptor `fd` was mapped. */
void fault_ring_mapped(struct fault_ring *ring, int fd, int64_t offset, void *p);
/** A descriptor was closed. */
void fault_ring_closed(struct fault_ring *ring, int fd);
/** The next request that was not looked at; NULL: none. */
struct weft__uring_sqe *fault_ring_next(struct fault_ring *ring, int fd);
/** Makes a request fail with a negative code. */
void fault_ring_fail(struct fault_ring *ring, struct weft__uring_sqe *request, int code);
/** io_uring_enter came back: puts the errors into the results. */
void fault_ring_answer(struct fault_ring *ring, int fd);

#endif
