/* SPDX-License-Identifier: MIT */
/*
 * internal.h: for the files of names
 *
 *     resolve.c       weft_resolve, weft_resolve_name: what is asked, and what comes of it
 *     numeric.c       addresses that are no names
 *     lookup.c        the job of a thread: getaddrinfo, getnameinfo, and what they said
 *     list.c          lists of addresses
 *     cache.c         answers that are kept for a while
 *     resolver.c      what a loop has of all this: pool, cache, counts
 *     order.c         which address is tried when
 *     attempt.c       the first connection to one of several addresses
 *     connect_host.c  all together
 *
 * This folder is built on the public headers: it offloads as any extension does.
 */
#ifndef WEFT_NAMES_INTERNAL_H
#define WEFT_NAMES_INTERNAL_H

#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/net.h>
#include <weft/offload.h>
#include <weft/resolve.h>

/* numeric.c */

/** What a name looks like. */
enum weft__numeric {
    /** Something that has to be looked up. */
    WEFT__NUMERIC_NO,
    /** An address in numbers that only libc can read: its scope is the name of an interface. */
    WEFT__NUMERIC_HOST,
    /** An address in numbers, which was read. */
    WEFT__NUMERIC_YES
};

/** Reads a host; without its port. *ret is written for WEFT__NUMERIC_YES. */
enum weft__numeric weft__numeric_host(const char *host, struct weft_address *ret);
/** Reads a port, NULL as 0, into an address. False: it is a name. */
bool weft__numeric_port(const char *service, struct weft_address *address);

/* list.c */

/** A list with room for `count` addresses, with its canonical name; NULL out of memory. */
struct weft_addresses *weft__addresses_new(struct weft_loop *loop, size_t count,
                                           const char *canonical);
/** The addresses of a list that is being filled. */
struct weft_address *weft__addresses_room(struct weft_addresses *addresses);
/** A copy; NULL out of memory. */
struct weft_addresses *weft__addresses_copy(const struct weft_addresses *addresses);
/** The list of an answer, each address once, with its canonical name if it is to be `named`. 0;
 *  -WEFT_EDNS_NODATA none is IPv4 or IPv6; -ENOMEM. */
int weft__addresses_take(struct weft_loop *loop, const struct addrinfo *answer, bool named,
                         struct weft_addresses **ret);

/* cache.c */

/** What a look-up is about. */
struct weft__question {
    /** The host, or NULL. */
    const char *host;
    /** The service, or NULL. */
    const char *service;
    /** AF_UNSPEC, AF_INET, AF_INET6. */
    int family;
    /** SOCK_STREAM, SOCK_DGRAM. */
    int type;
    /** WEFT_RESOLVE_... that make a difference to the answer. */
    unsigned flags;
};

struct weft__cache;

/** An empty cache. NULL out of memory. */
struct weft__cache *weft__cache_new(struct weft_loop *loop, weft_ns age, size_t size);
/** Frees a cache and its answers. NULL is fine. */
void weft__cache_free(struct weft__cache *cache);
/** Drops all answers. */
void weft__cache_clear(struct weft__cache *cache);
/** How many answers there are. */
size_t weft__cache_count(const struct weft__cache *cache);
/** The answer to a question that is not too old, the cache's; NULL when there is none. */
const struct weft_addresses *weft__cache_find(struct weft__cache *cache,
                                              const struct weft__question *question);
/** Keeps a copy of an answer; when there is no memory for it, it is not kept. */
void weft__cache_keep(struct weft__cache *cache, const struct weft__question *question,
                      const struct weft_addresses *answer);

/* lookup.c */

/**
 * A look-up on its way: question and answer, for the thread and the one who waits. Each of them
 * holds it, and the last one frees it, in any thread, perhaps after the loop is gone.
 */
struct weft__lookup {
    /** How many hold it: at first the one who waits. */
    atomic_uint holders;
    /** A thread has begun with it. */
    atomic_bool begun;
    /** The loop's table; only as long as somebody waits. */
    const struct weft_sys *sys;
    /** Where it runs. */
    struct weft_pool *pool;
    /** So many abandoned ones may run beside it. */
    unsigned most_abandoned;
    /** From an address to a name. */
    bool reverse;
    /** The host, or NULL; lies behind the struct. */
    const char *host;
    /** The service, or NULL; lies behind the host. */
    const char *service;
    /** What getaddrinfo is to look for. */
    struct addrinfo hints;
    /** What it found. */
    struct addrinfo *answer;
    /** What getnameinfo is asked. */
    struct weft_address address;
    /** Its flags. */
    int flags;
    /** The name that it found. */
    char name[NI_MAXHOST];
    /** The name of the port. */
    char port[NI_MAXSERV];
};

/** A look-up of a question. NULL out of memory. */
struct weft__lookup *weft__lookup_new(const struct weft__question *question);
/** Lets go of it. Any thread. */
void weft__lookup_unref(void *lookup);
/** Lets go of it and of its answer, by the one who waited for it. */
void weft__lookup_free(struct weft__lookup *lookup);
/** Asks libc, and waits for its answer as long as it takes: 0, or the negative code. Any thread. */
int weft__lookup_run(void *lookup);

/* resolver.c */

/** What a loop looks names up with. */
struct weft__resolver {
    /** The loop. */
    struct weft_loop *loop;
    /** How; every limit has its value here. */
    struct weft_resolver_options options;
    /** The threads; NULL before the first look-up. */
    struct weft_pool *pool;
    /** Answers; NULL: they are not kept. */
    struct weft__cache *cache;
    /** What was counted here. */
    struct weft_resolver_stats stats;
};

/** The resolver of a loop, which is made when it has none. NULL: out of memory. */
struct weft__resolver *weft__resolver_get(struct weft_loop *loop);
/** Looks up, on a thread of the resolver. Waiting: 0 with *result; else the look-up is not the
 *  caller's any more. */
int weft__resolver_run(struct weft__resolver *resolver, struct weft__lookup *lookup, int *result);

/* order.c */

/** Writes the addresses in the order of RFC 8305, section 4: `first` of the first one's family, 0
 *  as 1, then the two in turns. `ret` has room for all. */
void weft__addresses_interleave(const struct weft_address *addresses, size_t count, uint32_t first,
                                struct weft_address *ret);

#endif
