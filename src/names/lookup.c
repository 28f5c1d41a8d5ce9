/* SPDX-License-Identifier: MIT */
/*
 * lookup.c: the job of a thread
 *
 * One call of libc, and its answer put into weft's codes. Question and answer lie together on the
 * heap, so that who waits may leave while a thread is still at it.
 *
 *     waiter ──holds──▶ look-up ◀──holds── job
 *
 * One that was abandoned may end when its loop and the loop's table are gone. So the memory is not
 * the loop's, and what the last holder of such a one frees, it frees by libc's own means.
 */
#include "names/internal.h"

#include <string.h>
#include <weft/sys.h>

/* Not in POSIX; both libraries answer with them all the same. */
#ifndef EAI_NODATA
#define EAI_NODATA -5
#endif
#ifndef EAI_ADDRFAMILY
#define EAI_ADDRFAMILY -9
#endif

/** The code for what a look-up entry of the table gave: a positive number is one of libc's EAI_...
 *  with its sign changed. */
static int code_of(int rc)
{
    switch (-rc) {
    case EAI_NONAME:
        return -WEFT_EDNS_NONAME;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -WEFT_EDNS_NODATA;
    case EAI_AGAIN:
        return -WEFT_EDNS_AGAIN;
    case EAI_SERVICE:
        return -WEFT_EDNS_SERVICE;
    case EAI_FAMILY:
        return -EAFNOSUPPORT;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_OVERFLOW:
        return -EOVERFLOW;
    case EAI_BADFLAGS:
    case EAI_SOCKTYPE:
        return -EINVAL;
    default:
        return -WEFT_EDNS_FAIL;
    }
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static int hint_flags(unsigned flags)
{
    return (flags & WEFT_RESOLVE_PASSIVE ? AI_PASSIVE : 0) |
           (flags & WEFT_RESOLVE_NUMERIC ? AI_NUMERICHOST : 0) |
           (flags & WEFT_RESOLVE_CANONICAL ? AI_CANONNAME : 0) |
           (flags & WEFT_RESOLVE_CONFIGURED ? AI_ADDRCONFIG : 0);
}

struct weft__lookup *weft__lookup_new(const struct weft__question *question)
{
    const struct weft_sys *sys = &weft_sys_default;
    size_t host = text_size(question->host), service = text_size(question->service);
    struct weft__lookup *lookup = sys->realloc(sys, NULL, sizeof *lookup + host + service);
    if (!lookup)
        return NULL;
    memset(lookup, 0, sizeof *lookup);
    atomic_init(&lookup->holders, 1);
    atomic_init(&lookup->begun, false);
    char *text = (char *)(lookup + 1);
    if (question->host)
        lookup->host = memcpy(text, question->host, host);
    if (question->service)
        lookup->service = memcpy(text + host, question->service, service);
    lookup->hints = (struct addrinfo){.ai_family = question->family,
                                      .ai_socktype = question->type,
                                      .ai_flags = hint_flags(question->flags)};
    return lookup;
}

void weft__lookup_unref(void *arg)
{
    const struct weft_sys *sys = &weft_sys_default;
    struct weft__lookup *lookup = arg;
    if (atomic_fetch_sub(&lookup->holders, 1) != 1)
        return;
    if (lookup->answer)
        sys->freeaddrinfo(sys, lookup->answer);
    (void)sys->realloc(sys, lookup, 0);
}

void weft__lookup_free(struct weft__lookup *lookup)
{
    if (lookup->answer)
        lookup->sys->freeaddrinfo(lookup->sys, lookup->answer);
    lookup->answer = NULL;
    weft__lookup_unref(lookup);
}

static int ask_for_name(struct weft__lookup *lookup, int flags)
{
    return lookup->sys->getnameinfo(lookup->sys, &lookup->address.of.any, lookup->address.len,
                                    lookup->name, sizeof lookup->name, lookup->port,
                                    sizeof lookup->port, flags);
}

/** What has no name has its number, also when that is so because no server said anything: libc
 *  makes a failure of that. */
static int look_up_address(struct weft__lookup *lookup)
{
    int rc = ask_for_name(lookup, lookup->flags);
    return rc > 0 && !(lookup->flags & NI_NAMEREQD)
               ? ask_for_name(lookup, lookup->flags | NI_NUMERICHOST)
               : rc;
}

static int look_up_name(struct weft__lookup *lookup)
{
    return lookup->sys->getaddrinfo(lookup->sys, lookup->host, lookup->service, &lookup->hints,
                                    &lookup->answer);
}

/** Whether so many abandoned ones run that this one might become one too many. As each looks when
 *  it begins, and no more begin than there are threads, whoever waits can always go at once. */
static bool is_too_many(struct weft__lookup *lookup)
{
    struct weft_pool_stats stats;
    weft_pool_get_stats(lookup->pool, &stats);
    return stats.abandoned >= lookup->most_abandoned;
}

int weft__lookup_run(void *arg)
{
    struct weft__lookup *lookup = arg;
    if (is_too_many(lookup))
        return -WEFT_EDNS_BUSY;
    atomic_store(&lookup->begun, true);
    int rc = lookup->reverse ? look_up_address(lookup) : look_up_name(lookup);
    return rc > 0 ? code_of(rc) : rc;
}
