/* SPDX-License-Identifier: MIT */
/*
 * ring.h: failing single requests of io_uring
 *
 * Transfers over io_uring pass the table by: they lie in memory that is shared with the kernel. But
 * the table sees that memory being mapped, and io_uring_enter(2), which hands it over. So before
 * each call the new requests are looked at, and one that is to fail becomes a NOP: the kernel does
 * nothing of it and gives a result of 0, in which the error is put when the call comes back. The
 * engine meets a request that failed as with a kernel: nothing has moved.
 */
#ifndef WEFT_TESTING_FAULT_RING_H
#define WEFT_TESTING_FAULT_RING_H

#include "loop/poller/io_uring/abi.h"
#include <stdbool.h>
#include <stddef.h>

/** How many requests at a time can be on their way to an error. */
#define WEFT__FAULT_RING_PLANNED 256

/** One request that becomes a NOP. */
struct weft__fault_ring_plan {
    /** Its user_data. */
    uint64_t name;
    /** What its result is to be. */
    int result;
};

/** The ring that was made last through a table. */
struct weft__fault_ring {
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
    struct weft__fault_ring_plan planned[WEFT__FAULT_RING_PLANNED];
    /** How many there are. */
    size_t planned_count;
};

/** No ring. */
void weft__fault_ring_init(struct weft__fault_ring *ring);
/** io_uring_setup made one. */
void weft__fault_ring_made(struct weft__fault_ring *ring, int fd, const void *params);
/** A part of descriptor `fd` was mapped. */
void weft__fault_ring_mapped(struct weft__fault_ring *ring, int fd, int64_t offset, void *p);
/** A descriptor was closed. */
void weft__fault_ring_closed(struct weft__fault_ring *ring, int fd);
/** The next request that was not looked at; NULL: none. */
struct weft__uring_sqe *weft__fault_ring_next(struct weft__fault_ring *ring, int fd);
/** Makes a request fail with a negative code. False: too many are on their way already. */
bool weft__fault_ring_fail(struct weft__fault_ring *ring, struct weft__uring_sqe *request,
                           int code);
/** io_uring_enter came back: puts the errors into the results. */
void weft__fault_ring_answer(struct weft__fault_ring *ring, int fd);

#endif
