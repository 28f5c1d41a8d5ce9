/* SPDX-License-Identifier: MIT */
/*
 * ring.c: failing single requests of io_uring
 *
 * The table sees the rings being mapped, and io_uring_enter(2), which hands requests over. So
 * before each call the new ones are looked at, and one that is to fail becomes a NOP.
 *
 * A NOP is over within the call that hands it over, on every kernel, so that its result is in the
 * queue, or kept back for want of room, when the call returns; nobody but us has looked at the
 * queue meanwhile. The engine uses requests in their own order, so that the indirection array does
 * not matter.
 */
#include "testing/fault/ring.h"

#include <string.h>

void weft__fault_ring_init(struct weft__fault_ring *ring)
{
    memset(ring, 0, sizeof *ring);
    ring->fd = -1;
}

void weft__fault_ring_made(struct weft__fault_ring *ring, int fd, const void *params)
{
    weft__fault_ring_init(ring);
    ring->fd = fd;
    memcpy(&ring->params, params, sizeof ring->params);
}

void weft__fault_ring_mapped(struct weft__fault_ring *ring, int fd, int64_t offset, void *p)
{
    if (fd < 0 || fd != ring->fd)
        return;
    if (offset == WEFT__URING_MAP_SQES)
        ring->requests = p;
    else
        ring->queues = p;
}

void weft__fault_ring_closed(struct weft__fault_ring *ring, int fd)
{
    if (fd == ring->fd)
        weft__fault_ring_init(ring);
}

static unsigned *word(const struct weft__fault_ring *ring, uint32_t offset)
{
    return (unsigned *)(void *)(ring->queues + offset);
}

static bool is_complete(const struct weft__fault_ring *ring, int fd)
{
    return fd >= 0 && fd == ring->fd && ring->queues && ring->requests;
}

struct weft__uring_sqe *weft__fault_ring_next(struct weft__fault_ring *ring, int fd)
{
    if (!is_complete(ring, fd))
        return NULL;
    if (ring->requests_seen == __atomic_load_n(word(ring, ring->params.sq.tail), __ATOMIC_ACQUIRE))
        return NULL;
    return &ring->requests[ring->requests_seen++ & (ring->params.sq_entries - 1)];
}

bool weft__fault_ring_fail(struct weft__fault_ring *ring, struct weft__uring_sqe *request, int code)
{
    if (ring->planned_count == WEFT__FAULT_RING_PLANNED)
        return false;
    ring->planned[ring->planned_count++] = (struct weft__fault_ring_plan){request->user_data, code};
    *request = (struct weft__uring_sqe){
        .opcode = WEFT__URING_OP_NOP, .fd = -1, .user_data = request->user_data};
    return true;
}

static void answer(struct weft__fault_ring *ring, struct weft__uring_cqe *result)
{
    for (size_t i = 0; i < ring->planned_count; i++)
        if (ring->planned[i].name == result->user_data) {
            result->result = ring->planned[i].result;
            ring->planned[i] = ring->planned[--ring->planned_count];
            return;
        }
}

void weft__fault_ring_answer(struct weft__fault_ring *ring, int fd)
{
    if (!is_complete(ring, fd))
        return;
    struct weft__uring_cqe *results = (void *)(ring->queues + ring->params.cq.cqes);
    unsigned tail = __atomic_load_n(word(ring, ring->params.cq.tail), __ATOMIC_ACQUIRE);
    for (; ring->results_seen != tail; ring->results_seen++)
        answer(ring, &results[ring->results_seen & (ring->params.cq_entries - 1)]);
}
