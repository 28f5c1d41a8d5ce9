/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c: the common part of all engines: entries, queues, and how an operation ends
 *
 * An engine keeps one entry for each descriptor number that it was ever asked about. Entries lie in
 * chunks of 64 and are found by two array accesses; they never move and are freed with the engine,
 * so that a queue inside one can be linked to from the waiting tasks' stacks. Simulated numbers
 * begin at 1 << 20 and have a table of chunks of their own, so that they cost no room for the
 * million numbers below them.
 *
 *     chunks[0] ─▶ [ 0 ] ─▶ entries 0..63        queue[IN]:   poll, poll, recv, recv
 *                  [ 1 ] ─▶ NULL                              └─ readiness ─┘└ FIFO ┘
 *                  [ 2 ] ─▶ entries 128..191
 *
 * Nothing here makes a system call but fstat(2), and nothing here knows readiness from completion.
 */
#include "base/assert.h"
#include "loop/poller_backend.h"

#include <errno.h>
#include <string.h>

/** Entries in a chunk. */
#define CHUNK 64u

void weft__poller_init(struct weft__poller *poller, const struct weft__poller_ops *ops,
                       const struct weft_sys *sys)
{
    memset(poller, 0, sizeof *poller);
    poller->ops = ops;
    poller->sys = sys;
    weft__list_init(&poller->always);
    weft__list_init(&poller->over);
}

void weft__poller_fini(struct weft__poller *poller)
{
    const struct weft_sys *sys = poller->sys;
    for (int table = 0; table < 2; table++) {
        for (size_t i = 0; i < poller->chunk_count[table]; i++)
            if (poller->chunks[table][i])
                sys->realloc(sys, poller->chunks[table][i], 0);
        if (poller->chunks[table])
            sys->realloc(sys, poller->chunks[table], 0);
    }
}

/** Which table and which place in it a number has. */
static size_t locate(int fd, int *table)
{
    *table = fd >= WEFT__SIM_FD_BASE;
    return (size_t)(*table ? fd - WEFT__SIM_FD_BASE : fd);
}

struct weft__descriptor *weft__descriptor_find(const struct weft__poller *poller, int fd)
{
    int table;
    if (fd < 0)
        return NULL;
    size_t place = locate(fd, &table);
    if (place / CHUNK >= poller->chunk_count[table] || !poller->chunks[table][place / CHUNK])
        return NULL;
    return &poller->chunks[table][place / CHUNK][place % CHUNK];
}

/** Makes room in a table for chunk number `index`. */
static int grow_table(struct weft__poller *poller, int table, size_t index)
{
    size_t count = poller->chunk_count[table] ? poller->chunk_count[table] : 16;
    while (count <= index)
        count *= 2;
    struct weft__descriptor **chunks =
        poller->sys->realloc(poller->sys, poller->chunks[table], count * sizeof *chunks);
    if (!chunks)
        return -ENOMEM;
    size_t before = poller->chunk_count[table];
    memset(chunks + before, 0, (count - before) * sizeof *chunks);
    poller->chunks[table] = chunks;
    poller->chunk_count[table] = count;
    return 0;
}

static struct weft__descriptor *make_chunk(const struct weft_sys *sys, int first)
{
    struct weft__descriptor *chunk = sys->realloc(sys, NULL, CHUNK * sizeof *chunk);
    if (!chunk)
        return NULL;
    memset(chunk, 0, CHUNK * sizeof *chunk);
    for (unsigned i = 0; i < CHUNK; i++) {
        chunk[i].fd = first + (int)i;
        weft__list_init(&chunk[i].queue[WEFT__DIRECTION_IN]);
        weft__list_init(&chunk[i].queue[WEFT__DIRECTION_OUT]);
        weft__list_init(&chunk[i].link);
    }
    return chunk;
}

struct weft__descriptor *weft__descriptor_get(struct weft__poller *poller, int fd)
{
    struct weft__descriptor *found = weft__descriptor_find(poller, fd);
    if (found || fd < 0)
        return found;
    int table;
    size_t place = locate(fd, &table);
    size_t index = place / CHUNK;
    if (index >= poller->chunk_count[table] && grow_table(poller, table, index) < 0)
        return NULL;
    poller->chunks[table][index] = make_chunk(poller->sys, fd - (int)(place % CHUNK));
    return weft__descriptor_find(poller, fd);
}

void weft__poller_mute(struct weft__poller *poller)
{
    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < poller->chunk_count[table] * CHUNK; i++)
            if (poller->chunks[table][i / CHUNK])
                memset(poller->chunks[table][i / CHUNK][i % CHUNK].watch, 0,
                       sizeof poller->chunks[table][0]->watch);
}

/* --- What a descriptor wants --------------------------------------------------------------- */

static struct weft__op *op_of(struct weft_link *link)
{
    return weft__container(link, struct weft__op, link);
}

unsigned weft__direction_events(enum weft__direction direction)
{
    /* POLLNVAL is none of them: a number that is no descriptor fails its waiters by itself. */
    unsigned either = POLLERR | POLLHUP;
    return either | (direction == WEFT__DIRECTION_IN ? POLLIN | POLLPRI : POLLOUT);
}

unsigned weft__descriptor_wants(const struct weft__descriptor *descriptor)
{
    unsigned wants = 0;
    for (int direction = 0; direction < 2; direction++) {
        unsigned ready = direction == WEFT__DIRECTION_IN ? POLLIN : POLLOUT;
        if (descriptor->watch[direction].fn)
            wants |= ready;
        weft__list_each(link, &descriptor->queue[direction])
        {
            const struct weft__op *op = op_of(link);
            wants |= op->code == WEFT__OP_POLL ? op->events : ready;
            if (op->code != WEFT__OP_POLL)
                break;
        }
    }
    return wants;
}

int weft__descriptor_busy(const struct weft__descriptor *descriptor)
{
    return !weft__list_empty(&descriptor->queue[WEFT__DIRECTION_IN]) ||
           !weft__list_empty(&descriptor->queue[WEFT__DIRECTION_OUT]);
}

int weft__descriptor_identify(struct weft__poller *poller, struct weft__descriptor *descriptor)
{
    struct stat file;
    int rc = weft__sys_call(poller->sys, fstat, descriptor->fd, &file);
    descriptor->identity[0] = rc < 0 ? 0 : (uint64_t)file.st_dev;
    descriptor->identity[1] = rc < 0 ? 0 : (uint64_t)file.st_ino;
    return rc < 0 ? rc : (int)file.st_mode;
}

int weft__descriptor_changed(struct weft__poller *poller, const struct weft__descriptor *descriptor)
{
    struct stat file;
    int rc = weft__sys_call(poller->sys, fstat, descriptor->fd, &file);
    if (rc < 0)
        return rc;
    return (uint64_t)file.st_dev == descriptor->identity[0] &&
                   (uint64_t)file.st_ino == descriptor->identity[1]
               ? 0
               : -EBADF;
}

/* --- Queues -------------------------------------------------------------------------------- */

int weft__descriptor_refusal(const struct weft__descriptor *descriptor, const struct weft__op *op)
{
    if (descriptor->flags & WEFT__DESCRIPTOR_CLOSING)
        return -EBADF;
    if (descriptor->flags & WEFT__DESCRIPTOR_HELD)
        return -EBUSY;
    int both = op->code == WEFT__OP_POLL;
    for (int direction = 0; direction < 2; direction++) {
        unsigned ready = direction == WEFT__DIRECTION_IN ? POLLIN : POLLOUT;
        if (both ? (op->events & ready) != 0 : op->direction == direction)
            if (descriptor->watch[direction].fn)
                return -EBUSY;
    }
    return 0;
}

/** Readiness takes nothing from anybody, so that its waiters stand before all transfers and are
 * served together; each kind keeps its own order. */
static struct weft_link *place_in_queue(struct weft_link *queue, const struct weft__op *op)
{
    struct weft_link *place = queue;
    if (op->code == WEFT__OP_POLL)
        while (place->prev != queue && op_of(place->prev)->code != WEFT__OP_POLL)
            place = place->prev;
    return place;
}

int weft__descriptor_enqueue(struct weft__poller *poller, struct weft__op *op)
{
    struct weft__descriptor *descriptor = weft__descriptor_get(poller, op->fd);
    if (!descriptor)
        return op->fd < 0 ? -EBADF : -ENOMEM;
    int rc = weft__descriptor_refusal(descriptor, op);
    if (rc < 0)
        return rc;
    struct weft_link *queue = &descriptor->queue[op->direction];
#ifdef WEFT_MUTANT_last_come_first_served
    queue = queue->next;
#endif
    weft__list_insert(place_in_queue(queue, op), &op->link);
    weft__op_set_state(op, WEFT__OP_QUEUED);
    op->descriptor = descriptor;
    poller->pending++;
    return 0;
}

void weft__descriptor_dequeue(struct weft__poller *poller, struct weft__op *op)
{
    weft__assert(op->descriptor && poller->pending > 0);
    weft__list_remove(&op->link);
    op->descriptor = NULL;
    poller->pending--;
}

/* --- How an operation ends ----------------------------------------------------------------- */

#if WEFT_DEBUG
WEFT__TLS uint64_t weft__op_transitions_seen;
#endif

#define OP_TRANSITION(from, to) | WEFT__TRANSITION(WEFT__OP_##from, WEFT__OP_##to)

void weft__op_set_state(struct weft__op *op, enum weft__op_state state)
{
    weft__assert_transition(0 WEFT__OP_TRANSITIONS(OP_TRANSITION), weft__op_transitions_seen,
                            op->state, state);
    op->state = (unsigned char)state;
}

void weft__op_complete(struct weft__poller *poller, struct weft__op *op, ssize_t result)
{
    weft__descriptor_dequeue(poller, op);
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = result;
    op->done(op);
}

void weft__op_complete_later(struct weft__poller *poller, struct weft__op *op, ssize_t result)
{
    weft__descriptor_dequeue(poller, op);
    weft__op_set_state(op, WEFT__OP_DONE);
    op->result = result;
    weft__list_append(&poller->over, &op->link);
    poller->pending++;
    poller->due++;
}

int weft__poller_settle(struct weft__poller *poller)
{
    int count = 0;
    struct weft_link *link;
    while ((link = weft__list_take(&poller->over)) != NULL) {
        struct weft__op *op = op_of(link);
        poller->pending--;
        poller->due--;
        op->done(op);
        count++;
    }
    return count;
}

int weft__descriptor_notify(struct weft__poller *poller, struct weft__descriptor *descriptor,
                            unsigned ready)
{
    int count = 0;
    uint32_t generation = descriptor->generation;
    (void)poller;
    for (int direction = 0; direction < 2; direction++) {
        /* The first callback may remove the second, or close the descriptor. */
        struct weft__watch watch = descriptor->watch[direction];
        if (!watch.fn || !(ready & weft__direction_events(direction)) ||
            descriptor->generation != generation)
            continue;
        watch.fn(watch.arg);
        count++;
    }
    return count;
}
