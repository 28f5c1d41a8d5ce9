/* SPDX-License-Identifier: MIT */
/*
 * resolve.c: what is asked, and what comes of it
 *
 *     weft_resolve ──▶ in numbers? ──▶ in the cache? ──▶ a look-up on a thread ──▶ a list
 *
 * Each step answers or leaves it to the next. The look-up belongs to this file until it is handed
 * to the resolver, and again when that says that it is over; when the wait is cut meanwhile it
 * belongs to the thread that has it (resolver.c). What failed is said in the note with the name
 * that it was about.
 */
#include "base/options.h"
#include "names/internal.h"

#include <stdio.h>
#include <string.h>
#include <weft/loop.h>
#include <weft/wait.h>

/** Names cannot be longer anywhere; DNS ends at 253. */
#define NAME_MOST 1024
/** What a caller may ask for, forward and in reverse. */
#define FLAGS_FORWARD                                                                              \
    (WEFT_RESOLVE_PASSIVE | WEFT_RESOLVE_NUMERIC | WEFT_RESOLVE_CANONICAL |                        \
     WEFT_RESOLVE_CONFIGURED | WEFT_RESOLVE_FRESH)
#define FLAGS_REVERSE                                                                              \
    (WEFT_RESOLVE_NUMERIC | WEFT_RESOLVE_REQUIRED | WEFT_RESOLVE_SHORT | WEFT_RESOLVE_DATAGRAM)

static int fail(int code, const char *host, const char *service)
{
    if (code == -ECANCELED)
        return code;
    if (code == -WEFT_EDNS_SERVICE || !host)
        return weft_fail_at(code, "", "look up service \"%.60s\": %s", service ? service : "",
                            weft_strerror(code));
    return weft_fail_at(code, "", "look up \"%.260s\": %s", host, weft_strerror(code));
}

/* --- From names to addresses ------------------------------------------------------------------ */

static int check(const struct weft__question *question)
{
    const char *host = question->host, *service = question->service;
    if (question->flags & ~FLAGS_FORWARD)
        return weft_fail_at(-EINVAL, "", "look up: unknown flags %#x", question->flags);
    if (question->family != AF_UNSPEC && question->family != AF_INET &&
        question->family != AF_INET6)
        return weft_fail_at(-EAFNOSUPPORT, "", "look up: family %d has no names", question->family);
    if ((host && strnlen(host, NAME_MOST + 1) > NAME_MOST) ||
        (service && strnlen(service, NAME_MOST + 1) > NAME_MOST))
        return weft_fail_at(-EINVAL, "", "look up \"%.40s...\": longer than any name",
                            host ? host : service);
    if (host && !*host)
        return weft_fail_at(-EINVAL, "", "look up: the name is empty");
    return 0;
}

static int give_one(struct weft_loop *loop, const struct weft_address *address, const char *name,
                    struct weft_addresses **ret)
{
    struct weft_addresses *list = weft__addresses_new(loop, 1, name);
    if (!list)
        return -ENOMEM;
    *weft__addresses_room(list) = *address;
    *ret = list;
    return 0;
}

/** Answers what is an address already: 1; 0 it has to be looked up, and `question` says how. */
static int try_numeric(struct weft_loop *loop, struct weft__question *question,
                       struct weft_addresses **ret)
{
    struct weft_address address;
    enum weft__numeric numeric =
        question->host ? weft__numeric_host(question->host, &address) : WEFT__NUMERIC_NO;
    if (numeric == WEFT__NUMERIC_NO)
        return question->host && question->flags & WEFT_RESOLVE_NUMERIC ? -WEFT_EDNS_NONAME : 0;
    question->flags |= WEFT_RESOLVE_NUMERIC;
    if (numeric == WEFT__NUMERIC_HOST)
        return 0;
    if (question->family != AF_UNSPEC && question->family != address.of.any.sa_family)
        return -WEFT_EDNS_NODATA;
    if (!weft__numeric_port(question->service, &address))
        return 0;
    bool named = question->flags & WEFT_RESOLVE_CANONICAL;
    int rc = give_one(loop, &address, named ? question->host : "", ret);
    return rc < 0 ? rc : 1;
}

static int look_up(struct weft__resolver *resolver, const struct weft__question *question,
                   struct weft_addresses **ret)
{
    struct weft__lookup *lookup = weft__lookup_new(question);
    int result = 0;
    if (!lookup)
        return -ENOMEM;
    int rc = weft__resolver_run(resolver, lookup, &result);
    if (rc < 0)
        return rc;
    if (result == 0)
        result = weft__addresses_take(resolver->loop, lookup->answer,
                                      question->flags & WEFT_RESOLVE_CANONICAL, ret);
    weft__lookup_free(lookup);
    return result;
}

static int copy_kept(const struct weft_addresses *kept, struct weft_addresses **ret)
{
    struct weft_addresses *copy = weft__addresses_copy(kept);
    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

/** By the cache, or by a look-up whose answer goes there. Numbers are not kept. */
static int look_up_or_remember(struct weft_loop *loop, struct weft__question *question,
                               struct weft_addresses **ret)
{
    struct weft__resolver *resolver = weft__resolver_get(loop);
    if (!resolver)
        return -ENOMEM;
    bool fresh = question->flags & WEFT_RESOLVE_FRESH;
    bool numeric = !question->host || question->flags & WEFT_RESOLVE_NUMERIC;
    question->flags &= ~WEFT_RESOLVE_FRESH;
    struct weft__cache *cache = numeric ? NULL : resolver->cache;
    const struct weft_addresses *kept = cache && !fresh ? weft__cache_find(cache, question) : NULL;
    if (kept) {
        resolver->stats.cached++;
        return copy_kept(kept, ret);
    }
    struct weft_addresses *list;
    int rc = look_up(resolver, question, &list);
    if (rc < 0)
        return rc;
    /* It may have been configured anew meanwhile. */
    cache = numeric ? NULL : resolver->cache;
    if (cache)
        weft__cache_keep(cache, question, list);
    *ret = list;
    return 0;
}

int weft_resolve(const char *host, const char *service, const struct weft_resolve_options *asked,
                 struct weft_addresses **ret)
{
    struct weft_resolve_options options;
    weft__options_read(&options, sizeof options, asked);
    struct weft__question question = {.host = host,
                                      .service = service,
                                      .family = options.family,
                                      .type = options.type ? options.type : SOCK_STREAM,
                                      .flags = options.flags};
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    rc = check(&question);
    if (rc < 0)
        return rc;
    struct weft_loop *loop = weft_loop_current();
    rc = try_numeric(loop, &question, ret);
    if (rc == 0)
        rc = look_up_or_remember(loop, &question, ret);
    return rc < 0 ? fail(rc, host, service) : 0;
}

/* --- From addresses to names ------------------------------------------------------------------ */

static int name_flags(unsigned flags)
{
    return (flags & WEFT_RESOLVE_NUMERIC ? NI_NUMERICHOST | NI_NUMERICSERV : 0) |
           (flags & WEFT_RESOLVE_REQUIRED ? NI_NAMEREQD : 0) |
           (flags & WEFT_RESOLVE_SHORT ? NI_NOFQDN : 0) |
           (flags & WEFT_RESOLVE_DATAGRAM ? NI_DGRAM : 0);
}

static bool fits(const char *text, const char *buf, size_t size)
{
    return !buf || strlen(text) < size;
}

static void copy_out(const char *text, char *buf, size_t size)
{
    if (buf)
        snprintf(buf, size, "%s", text);
}

static int check_address(const struct weft_address *address, unsigned flags, bool asked)
{
    sa_family_t family = address->of.any.sa_family;
    if (flags & ~FLAGS_REVERSE)
        return weft_fail_at(-EINVAL, "", "look up an address: unknown flags %#x", flags);
    if (!asked)
        return weft_fail_at(-EINVAL, "", "look up an address: neither host nor service is asked");
    if (family != AF_INET && family != AF_INET6)
        return weft_fail_at(-EAFNOSUPPORT, "", "look up an address: family %d has no names",
                            family);
    return 0;
}

/** A look-up of both, whatever of it is asked for. */
static int look_up_address(const struct weft_address *address, unsigned flags,
                           struct weft__lookup **ret)
{
    struct weft__resolver *resolver = weft__resolver_get(weft_loop_current());
    static const struct weft__question nothing;
    struct weft__lookup *lookup = resolver ? weft__lookup_new(&nothing) : NULL;
    int result = 0;
    if (!lookup)
        return -ENOMEM;
    lookup->reverse = true;
    lookup->address = *address;
    lookup->flags = name_flags(flags);
    int rc = weft__resolver_run(resolver, lookup, &result);
    if (rc < 0)
        return rc;
    if (result == 0)
        *ret = lookup;
    else
        weft__lookup_free(lookup);
    return result;
}

int weft_resolve_name(const struct weft_address *address, unsigned flags, char *host,
                      size_t host_size, char *service, size_t service_size)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    struct weft__lookup *lookup = NULL;
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    rc = check_address(address, flags, host || service);
    if (rc < 0)
        return rc;
    rc = look_up_address(address, host ? flags : flags & ~WEFT_RESOLVE_REQUIRED, &lookup);
    if (rc < 0)
        return fail(rc, weft_address_format(address, text, sizeof text), NULL);
    if (fits(lookup->name, host, host_size) && fits(lookup->port, service, service_size)) {
        copy_out(lookup->name, host, host_size);
        copy_out(lookup->port, service, service_size);
    } else {
        rc = -EOVERFLOW;
    }
    weft__lookup_free(lookup);
    return rc;
}
