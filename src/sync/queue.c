/* SPDX-License-Identifier: MIT */
/*
 * queue.c: a queue between tasks
 *
 * Two wait queues around a store. An item goes from a put to a waiting getter without touching the
 * store, and a get that makes room takes in the first waiting putter's item in the same instant. So
 *
 *     getters wait    only while nothing is stored and no other putter waits
 *     putters wait    only while the store is full
 *
 * and a newcomer that finds an item or room has overtaken nobody. Whoever waits is a `struct
 * weft_case`, of a select or of a plain put or get (which uses its wait, item and out alone): one
 * way to wake both. A wake can decide a select and so withdraw other cases, from these very queues;
 * therefore it comes last, and loops begin with the first again.
 */
#include "base/assert.h"
#include "base/options.h"
#include "sync/internal.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/loop.h>
#include <weft/select.h>

/** A queue. */
struct weft_queue {
    /** Its loop. */
    struct weft_loop *loop;
    /** What is stored. */
    struct weft__store store;
    /** How many items may be stored. */
    size_t capacity;
    /** Who waits to put: cases with an item. */
    struct weft_waitq putters;
    /** Who waits to get: cases with a place for one. */
    struct weft_waitq getters;
    /** Who waits until all is done. */
    struct weft_waitq joiners;
    /** Items put and not done. */
    size_t undone;
    /** Lets go of an item. */
    weft_drop_fn *drop;
    /** Name for dumps, or NULL. */
    const char *name;
    /** No more puts. */
    int closed;
};

/* Making one. */

int weft_queue_new(struct weft_loop *loop, const struct weft_queue_options *given,
                   struct weft_queue **ret)
{
    struct weft_queue_options options;
    weft__options_read(&options, sizeof options, given);
    if (options.kind > WEFT_QUEUE_PRIORITY ||
        (options.kind == WEFT_QUEUE_PRIORITY && !options.compare))
        return -EINVAL;
    struct weft_queue *queue = weft_loop_realloc(loop, NULL, sizeof *queue);
    if (!queue)
        return -ENOMEM;
    *queue = (struct weft_queue){
        .loop = loop,
        .store = {.loop = loop, .kind = options.kind, .compare = options.compare},
        .capacity = options.capacity,
        .drop = options.drop,
        .name = options.name,
    };
    int bounded = queue->capacity > 0 && queue->capacity != WEFT_QUEUE_UNBOUNDED;
    int rc = bounded ? weft__store_reserve(&queue->store, queue->capacity) : 0;
    if (rc < 0) {
        (void)weft_loop_realloc(loop, queue, 0);
        return rc;
    }
    weft_waitq_init(&queue->putters);
    weft_waitq_init(&queue->getters);
    weft_waitq_init(&queue->joiners);
    *ret = queue;
    return 0;
}

/** 0; misuse, with -EPERM, by a thread other than the one that runs the queue's loop. */
static int check_thread(const struct weft_queue *queue)
{
    if (weft_loop_current() == queue->loop || !weft_loop_running(queue->loop))
        return 0;
    return weft__misuse(-EPERM, "%s%s was used by a thread that does not run its loop",
                        queue->name ? "queue " : "a queue", queue->name ? queue->name : "");
}

void weft_queue_free(struct weft_queue *queue)
{
    if (!queue || check_thread(queue) < 0)
        return;
    weft_queue_close(queue, WEFT_CLOSE_NOW);
    (void)weft_waitq_wake_all(&queue->joiners, -WEFT_ECLOSED);
    weft__store_fini(&queue->store);
    (void)weft_loop_realloc(queue->loop, queue, 0);
}

/* What happens without waiting. */

/** The case that waits first, taken out; NULL when nobody waits. Its wake must follow. */
static struct weft_case *take_first(struct weft_waitq *queue)
{
    struct weft_wait *first = weft_waitq_first(queue);
    if (!first)
        return NULL;
    weft__list_remove(&first->link);
    return weft__container(first, struct weft_case, wait);
}

/** Puts an item if it can: 1, 0 it would have to wait, or negative. */
static int put_now(struct weft_queue *queue, void *item)
{
    int rc = check_thread(queue);
    if (rc < 0)
        return rc;
    if (queue->closed)
        return -WEFT_ECLOSED;
    struct weft_case *getter = take_first(&queue->getters);
    if (!getter) {
        if (queue->store.count >= queue->capacity)
            return 0;
        rc = weft__store_put(&queue->store, item);
        if (rc < 0)
            return rc;
    }
    queue->undone++;
    if (getter) {
        *getter->out = item;
        (void)weft_wake(&getter->wait, 0);
    }
    return 1;
}

/** Takes over the item of a putter that was taken out. */
static void *accept_item(struct weft_queue *queue, struct weft_case *putter)
{
    void *item = putter->item;
    queue->undone++;
    (void)weft_wake(&putter->wait, 0);
    return item;
}

/** Gets an item if it can: 1, 0 it would have to wait, or -WEFT_ECLOSED. */
static int get_now(struct weft_queue *queue, void **out)
{
    struct weft_case *putter;
    int rc = check_thread(queue);
    if (rc < 0)
        return rc;
    if (queue->store.count == 0) {
        putter = take_first(&queue->putters);
        if (!putter)
            return queue->closed ? -WEFT_ECLOSED : 0;
        *out = accept_item(queue, putter);
        return 1;
    }
    *out = weft__store_get(&queue->store);
    putter = take_first(&queue->putters);
    if (putter) /* Cannot fail: it takes the place that has just become free. */
        (void)weft__store_put(&queue->store, accept_item(queue, putter));
    return 1;
}

/* Plain calls. */

int weft_queue_try_put(struct weft_queue *queue, void *item)
{
    int rc = put_now(queue, item);
    return rc > 0 ? 0 : rc < 0 ? rc : -EAGAIN;
}

int weft_queue_try_get(struct weft_queue *queue, void **item)
{
    int rc = get_now(queue, item);
    return rc > 0 ? 0 : rc < 0 ? rc : -EAGAIN;
}

int weft_queue_closed(const struct weft_queue *queue)
{
    return queue->closed;
}

size_t weft_queue_count(const struct weft_queue *queue)
{
    return queue->store.count;
}

size_t weft_queue_capacity(const struct weft_queue *queue)
{
    return queue->capacity;
}

/** Counts items as done, and tells those who wait for that. */
static void count_done(struct weft_queue *queue, size_t count)
{
    queue->undone -= count;
    if (queue->undone == 0)
        (void)weft_waitq_wake_all(&queue->joiners, 0);
}

int weft_queue_done(struct weft_queue *queue)
{
    int rc = check_thread(queue);
    if (rc < 0)
        return rc;
    if (queue->undone == 0)
        return weft_fail(-EINVAL, "more items of a queue are done than were put");
    count_done(queue, 1);
    return 0;
}

void weft_queue_close(struct weft_queue *queue, enum weft_close_how how)
{
    if (check_thread(queue) < 0)
        return;
    queue->closed = 1;
    (void)weft_waitq_wake_all(&queue->putters, -WEFT_ECLOSED);
    while (how == WEFT_CLOSE_NOW && queue->store.count > 0) {
        void *item = weft__store_get(&queue->store);
        count_done(queue, 1);
        if (queue->drop)
            queue->drop(item);
    }
    /* Getters wait only while nothing is stored, so no item is withheld from them. */
    (void)weft_waitq_wake_all(&queue->getters, -WEFT_ECLOSED);
}

/* Waiting calls. */

static void describe(const struct weft_queue *queue, const char *what, char *buf, size_t size)
{
    snprintf(buf, size, "%s %s%s", what, queue->name ? "queue " : "a queue",
             queue->name ? queue->name : "");
}

static void describe_put(const struct weft_wait *wait, char *buf, size_t size)
{
    describe(wait->object, "to put into", buf, size);
}

static void describe_get(const struct weft_wait *wait, char *buf, size_t size)
{
    describe(wait->object, "to get from", buf, size);
}

static void describe_join(const struct weft_wait *wait, char *buf, size_t size)
{
    describe(wait->object, "for all items to be done of", buf, size);
}

int weft_queue_put(struct weft_queue *queue, void *item)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    rc = put_now(queue, item);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    struct weft_case putter;
    putter.item = item;
    weft_wait_init(&putter.wait, describe_put, queue);
    return (int)weft_waitq_park(&queue->putters, &putter.wait);
}

int weft_queue_get(struct weft_queue *queue, void **item)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    rc = get_now(queue, item);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    struct weft_case getter;
    getter.out = item;
    weft_wait_init(&getter.wait, describe_get, queue);
    return (int)weft_waitq_park(&queue->getters, &getter.wait);
}

int weft_queue_join(struct weft_queue *queue)
{
    int rc = weft_wait_begin();
    if (rc == 0)
        rc = check_thread(queue);
    if (rc < 0 || queue->undone == 0)
        return rc;
    struct weft_wait wait;
    weft_wait_init(&wait, describe_join, queue);
    return (int)weft_waitq_park(&queue->joiners, &wait);
}

/* Cases of a select. */

/** What an attempt came to, as weft_case_ops wants it. */
static int attempted(struct weft_case *c, int rc)
{
    c->result = rc < 0 ? rc : 0;
    return rc != 0;
}

static int attempt_put(struct weft_case *c)
{
    return attempted(c, put_now(c->object, c->item));
}

static int attempt_get(struct weft_case *c)
{
    return attempted(c, get_now(c->object, c->out));
}

static int enlist_put(struct weft_case *c)
{
    struct weft_queue *queue = c->object;
    weft__sync_enlist(&queue->putters, &c->wait);
    return 0;
}

static int enlist_get(struct weft_case *c)
{
    struct weft_queue *queue = c->object;
    weft__sync_enlist(&queue->getters, &c->wait);
    return 0;
}

static void withdraw(struct weft_case *c)
{
    weft__list_remove(&c->wait.link);
}

static const struct weft_case_ops put_ops = {"to put into a queue", attempt_put, enlist_put,
                                             withdraw};
static const struct weft_case_ops get_ops = {"to get from a queue", attempt_get, enlist_get,
                                             withdraw};

struct weft_case weft_case_put(struct weft_queue *queue, void *item)
{
    return (struct weft_case){.ops = &put_ops, .object = queue, .item = item};
}

struct weft_case weft_case_get(struct weft_queue *queue, void **item)
{
    return (struct weft_case){.ops = &get_ops, .object = queue, .out = item};
}
