/* SPDX-License-Identifier: MIT */
/*
 * resolver.c: what a loop looks names up with
 *
 * One small pool of threads for each loop, of its own, made at the first look-up and ended with the
 * loop; a cache, where one is asked for; counts. The pool's queue is the line of those who wait.
 *
 *     in line ──▶ running ──▶ answered
 *        │           └─cut──▶ abandoned ──▶ answered, nobody listens
 *        └─cut──▶ withdrawn
 *
 * The pool may hold more abandoned jobs than the resolver's own bound, by as many as it has
 * threads: a look-up begins only below that bound, so that each one that runs can be abandoned at
 * any time and its waiter never has to stay.
 */
#include "base/options.h"
#include "loop/poller.h"
#include "names/internal.h"

#include <string.h>
#include <weft/loop.h>

#define THREADS_DEFAULT 8
#define THREADS_MOST 1024
#define WAITING_DEFAULT 1024
#define ABANDONED_DEFAULT 32
#define CACHE_SIZE_DEFAULT 1024
/** There is nothing to wait for: an abandoned look-up has no effect but its answer. */
#define LINGER WEFT_MS

/** Under which a loop keeps its resolver. */
static const char resolver_key;

static void resolver_free(void *value)
{
    struct weft__resolver *resolver = value;
    weft_pool_free(resolver->pool);
    weft__cache_free(resolver->cache);
    (void)weft_loop_realloc(resolver->loop, resolver, 0);
}

/** Options with every default in its place. */
static void read_options(const struct weft_resolver_options *asked,
                         struct weft_resolver_options *ret)
{
    weft__options_read(ret, sizeof *ret, asked);
    if (ret->threads == 0)
        ret->threads = THREADS_DEFAULT;
    if (ret->waiting == 0)
        ret->waiting = WAITING_DEFAULT;
    if (ret->abandoned == 0)
        ret->abandoned = ABANDONED_DEFAULT;
    if (ret->cache_size == 0)
        ret->cache_size = CACHE_SIZE_DEFAULT;
}

struct weft__resolver *weft__resolver_get(struct weft_loop *loop)
{
    struct weft__resolver *resolver = weft_loop_get_local(loop, &resolver_key);
    if (resolver)
        return resolver;
    resolver = weft_loop_realloc(loop, NULL, sizeof *resolver);
    if (!resolver)
        return NULL;
    memset(resolver, 0, sizeof *resolver);
    resolver->loop = loop;
    read_options(NULL, &resolver->options);
    if (weft_loop_set_local(loop, &resolver_key, resolver, resolver_free) == 0)
        return resolver;
    (void)weft_loop_realloc(loop, resolver, 0);
    return NULL;
}

/* --- Looking up ------------------------------------------------------------------------------- */

static int make_pool(struct weft__resolver *resolver)
{
    const struct weft_resolver_options *options = &resolver->options;
    struct weft_pool_options limits = {.size = sizeof limits,
                                       .name = "names",
                                       .max_threads = options->threads,
                                       .queue_limit = options->waiting,
                                       .max_abandoned = options->abandoned + options->threads,
                                       .linger = LINGER};
    return resolver->pool ? 0 : weft_pool_new(resolver->loop, &limits, &resolver->pool);
}

/** What an offload that did not happen means here. */
static int refused(struct weft__resolver *resolver, int rc)
{
    struct weft_pool_stats stats;
    weft_pool_get_stats(resolver->pool, &stats);
    /* The line is full; but without any thread it is the system that has none to give. */
    return rc == -EAGAIN && stats.threads > 0 ? -WEFT_EDNS_BUSY : rc;
}

static int run(struct weft__resolver *resolver, struct weft__lookup *lookup, int *result)
{
    struct weft_offload_options options = {.size = sizeof options,
                                           .pool = resolver->pool,
                                           .flags = WEFT_ABANDON | WEFT_OFFLOAD_TRY,
                                           .drop = weft__lookup_unref,
                                           .name = lookup->host ? lookup->host : "an address"};
    lookup->sys = weft__loop_sys(resolver->loop);
    lookup->pool = resolver->pool;
    lookup->most_abandoned = resolver->options.abandoned;
    atomic_store(&lookup->holders, 2);
    resolver->stats.waiting_now++;
    int rc = weft_offload_with(&options, weft__lookup_run, lookup, result);
    resolver->stats.waiting_now--;
    /* One that was withdrawn has been let go of. One that a thread has still holds it, perhaps
     * without having noted yet that it began. */
    bool abandoned = rc < 0 && atomic_load(&lookup->holders) > 1;
    bool begun = abandoned || atomic_load(&lookup->begun);
    resolver->stats.lookups += begun;
    resolver->stats.abandoned += begun && rc < 0;
    return rc;
}

int weft__resolver_run(struct weft__resolver *resolver, struct weft__lookup *lookup, int *result)
{
    int rc = make_pool(resolver);
    if (rc == 0) {
        rc = run(resolver, lookup, result);
        if (rc == 0) {
            atomic_store(&lookup->holders, 1);
            return 0;
        }
        rc = refused(resolver, rc);
    }
    weft__lookup_unref(lookup);
    return rc;
}

/* --- Options and counts ----------------------------------------------------------------------- */

/** The resolver of a loop, or of the calling thread's. */
static struct weft__resolver *find(struct weft_loop *loop)
{
    if (!loop)
        loop = weft_loop_current();
    return loop ? weft_loop_get_local(loop, &resolver_key) : NULL;
}

static bool same_limits(const struct weft_resolver_options *a,
                        const struct weft_resolver_options *b)
{
    return a->threads == b->threads && a->waiting == b->waiting && a->abandoned == b->abandoned;
}

static int check(const struct weft__resolver *resolver, const struct weft_resolver_options *options)
{
    if (options->cache_age < 0 || options->threads > THREADS_MOST ||
        options->abandoned > THREADS_MOST - options->threads)
        return -EINVAL;
    return resolver->pool && !same_limits(&resolver->options, options) ? -EBUSY : 0;
}

int weft_resolver_configure(struct weft_loop *loop, const struct weft_resolver_options *asked)
{
    struct weft_resolver_options options;
    struct weft__cache *cache = NULL;
    if (!loop)
        loop = weft_loop_current();
    if (!loop)
        return -EPERM;
    struct weft__resolver *resolver = weft__resolver_get(loop);
    if (!resolver)
        return -ENOMEM;
    read_options(asked, &options);
    int rc = check(resolver, &options);
    if (rc < 0)
        return rc;
    if (options.cache_age > 0) {
        cache = weft__cache_new(loop, options.cache_age, options.cache_size);
        if (!cache)
            return -ENOMEM;
    }
    weft__cache_free(resolver->cache);
    resolver->cache = cache;
    resolver->options = options;
    return 0;
}

void weft_resolver_forget(struct weft_loop *loop)
{
    struct weft__resolver *resolver = find(loop);
    if (resolver && resolver->cache)
        weft__cache_clear(resolver->cache);
}

void weft_resolver_get_stats(struct weft_loop *loop, struct weft_resolver_stats *ret)
{
    struct weft__resolver *resolver = find(loop);
    struct weft_pool_stats pool = {.threads = 0};
    *ret = (struct weft_resolver_stats){.lookups = 0};
    if (!resolver)
        return;
    if (resolver->pool)
        weft_pool_get_stats(resolver->pool, &pool);
    *ret = resolver->stats;
    ret->abandoned_now = pool.abandoned;
    ret->kept_now = resolver->cache ? weft__cache_count(resolver->cache) : 0;
}
