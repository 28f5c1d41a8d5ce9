/* SPDX-License-Identifier: MIT */
/*
 * ring.c: setting up the queues and passing the border
 *
 * The flags of setup are asked for from the newest kernel's set down to none; a kernel that does
 * not know one answers -EINVAL. The set that is wanted runs completions only inside our own enter
 * call (DEFER_TASKRUN), so that nothing interrupts the program in between. A kernel thread that
 * polls the queue (SQPOLL) is never asked for: it burns a processor, and libuv had to take it back.
 *
 * Required are one mapping for both queues, results that are never dropped when the completion
 * queue is full, and a timeout as an argument of enter: Linux 5.11. A forked child does not get the
 * mappings: it could submit in the parent's name.
 */
#include "loop/poller/io_uring/ring.h"

#include "loop/poller_backend.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define REQUIRED                                                                                   \
    (WEFT__URING_FEATURE_SINGLE_MMAP | WEFT__URING_FEATURE_NODROP |                                \
     WEFT__URING_FEATURE_RW_CUR_POS | WEFT__URING_FEATURE_FAST_POLL | WEFT__URING_FEATURE_EXT_ARG)

#define DEFERRED                                                                                   \
    (WEFT__URING_SETUP_SUBMIT_ALL | WEFT__URING_SETUP_TASKRUN_FLAG |                               \
     WEFT__URING_SETUP_SINGLE_ISSUER | WEFT__URING_SETUP_DEFER_TASKRUN)

/** Sets of setup flags, the best first. */
static const unsigned setups[] = {
    DEFERRED | WEFT__URING_SETUP_NO_SQARRAY,
    DEFERRED,
    WEFT__URING_SETUP_SUBMIT_ALL | WEFT__URING_SETUP_TASKRUN_FLAG | WEFT__URING_SETUP_COOP_TASKRUN,
    0,
};

/* --- Set-up ------------------------------------------------------------------------------- */

/** Creates the ring with the best flags that the kernel takes: its descriptor or an error. */
static int set_up(const struct weft_sys *sys, unsigned sq_entries, unsigned cq_entries,
                  struct weft__uring_params *params)
{
    int fd = -EINVAL;
    for (size_t i = 0; i < sizeof setups / sizeof *setups && fd == -EINVAL; i++) {
        memset(params, 0, sizeof *params);
        params->flags = setups[i] | WEFT__URING_SETUP_CQSIZE | WEFT__URING_SETUP_CLAMP;
        params->cq_entries = cq_entries;
        fd = weft__sys_call(sys, io_uring_setup, sq_entries, params);
    }
    return fd;
}

static int map_shared(struct weft__ring *ring, size_t len, int64_t place, void **ret)
{
    const struct weft_sys *sys = ring->sys;
    int rc = weft__sys_call(sys, mmap, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                            ring->fd, place, ret);
    if (rc < 0)
        return rc;
    (void)weft__sys_call(sys, madvise, *ret, len, MADV_DONTFORK);
    return 0;
}

static int map_queues(struct weft__ring *ring, const struct weft__uring_params *params)
{
    size_t sq_len = params->sq.array + params->sq_entries * sizeof(uint32_t);
    size_t cq_len = params->cq.cqes + params->cq_entries * sizeof(struct weft__uring_cqe);
    void *sqes = NULL;
    ring->map_len = sq_len > cq_len ? sq_len : cq_len;
    ring->sqes_len = params->sq_entries * sizeof(struct weft__uring_sqe);
    int rc = map_shared(ring, ring->map_len, WEFT__URING_MAP_RINGS, &ring->map);
    if (rc == 0)
        rc = map_shared(ring, ring->sqes_len, WEFT__URING_MAP_SQES, &sqes);
    ring->sqes = sqes;
    return rc;
}

static void *at(const struct weft__ring *ring, uint32_t offset)
{
    return (char *)ring->map + offset;
}

static void find_parts(struct weft__ring *ring, const struct weft__uring_params *params)
{
    ring->sq_entries = params->sq_entries;
    ring->sq_head = at(ring, params->sq.head);
    ring->sq_tail = at(ring, params->sq.tail);
    ring->sq_flags = at(ring, params->sq.flags);
    ring->cq_head = at(ring, params->cq.head);
    ring->cq_tail = at(ring, params->cq.tail);
    ring->cq_mask = params->cq_entries - 1;
    ring->cqes = at(ring, params->cq.cqes);
    /* Entries are used in their own order, so that the indirection, where there is one, never
     * changes. */
    uint32_t *array = at(ring, params->sq.array);
    if (!(ring->setup & WEFT__URING_SETUP_NO_SQARRAY))
        for (uint32_t i = 0; i < params->sq_entries; i++)
            array[i] = i;
}

int weft__ring_open(struct weft__ring *ring, const struct weft_sys *sys, unsigned sq_entries,
                    unsigned cq_entries)
{
    struct weft__uring_params params;
    memset(ring, 0, sizeof *ring);
    ring->sys = sys;
    ring->fd = set_up(sys, sq_entries, cq_entries, &params);
    if (ring->fd < 0)
        return ring->fd;
    ring->setup = params.flags;
    ring->features = params.features;
    int rc = (params.features & REQUIRED) == REQUIRED ? map_queues(ring, &params) : -ENOSYS;
    if (rc < 0) {
        weft__ring_close(ring);
        return rc;
    }
    find_parts(ring, &params);
    return 0;
}

void weft__ring_close(struct weft__ring *ring)
{
    const struct weft_sys *sys = ring->sys;
    if (ring->sqes)
        (void)weft__sys_call(sys, munmap, ring->sqes, ring->sqes_len);
    if (ring->map)
        (void)weft__sys_call(sys, munmap, ring->map, ring->map_len);
    weft__ring_abandon(ring);
}

void weft__ring_abandon(struct weft__ring *ring)
{
    if (ring->fd >= 0)
        (void)weft__sys_call(ring->sys, close, ring->fd);
    ring->fd = -1;
    ring->map = NULL;
    ring->sqes = NULL;
}

/* --- Requests ------------------------------------------------------------------------------ */

unsigned weft__ring_unsubmitted(const struct weft__ring *ring)
{
    return ring->sq_local_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
}

/** One call of io_uring_enter(2) with everything that was put in, or with nothing of it. */
static int enter(struct weft__ring *ring, unsigned to_submit, unsigned wait_for, unsigned flags,
                 const struct weft__uring_wait *wait)
{
    if (wait)
        flags |= WEFT__URING_ENTER_EXT_ARG;
    /* Otherwise an idle program counts as waiting for a disk in every monitor. */
    if (ring->features & WEFT__URING_FEATURE_NO_IOWAIT)
        flags |= WEFT__URING_ENTER_NO_IOWAIT;
    __atomic_store_n(ring->sq_tail, ring->sq_local_tail, __ATOMIC_RELEASE);
    ring->calls++;
    int rc = weft__sys_call(ring->sys, io_uring_enter, ring->fd, to_submit, wait_for, flags, wait,
                            wait ? sizeof *wait : 0);
    return rc < 0 ? rc : 0;
}

struct weft__uring_sqe *weft__ring_next(struct weft__ring *ring)
{
    unsigned unsubmitted = weft__ring_unsubmitted(ring);
    if (unsubmitted == ring->sq_entries) {
        (void)enter(ring, unsubmitted, 0, 0, NULL);
        if (weft__ring_unsubmitted(ring) == ring->sq_entries)
            return NULL;
    }
    struct weft__uring_sqe *sqe = &ring->sqes[ring->sq_local_tail++ & (ring->sq_entries - 1)];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

int weft__ring_enter(struct weft__ring *ring, unsigned wait_for, weft_ns timeout)
{
    struct weft__uring_timespec limit = {timeout / WEFT_SEC, timeout % WEFT_SEC};
    struct weft__uring_wait wait = {.timeout = (uint64_t)(uintptr_t)&limit};
    int limited = wait_for > 0 && timeout != WEFT_FOREVER;
    return enter(ring, weft__ring_unsubmitted(ring), wait_for, WEFT__URING_ENTER_GETEVENTS,
                 limited ? &wait : NULL);
}

int weft__ring_flush(struct weft__ring *ring)
{
    return enter(ring, 0, 0, WEFT__URING_ENTER_GETEVENTS, NULL);
}

/* --- Results ------------------------------------------------------------------------------- */

unsigned weft__ring_flags(const struct weft__ring *ring)
{
    return __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED);
}

unsigned weft__ring_ready(const struct weft__ring *ring)
{
    return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - *ring->cq_head;
}

int weft__ring_take(struct weft__ring *ring, struct weft__uring_cqe *ret)
{
    unsigned head = *ring->cq_head;
    if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
        return 0;
    *ret = ring->cqes[head & ring->cq_mask];
    __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
    return 1;
}
