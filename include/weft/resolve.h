/* SPDX-License-Identifier: MIT */
/*
 * weft/resolve.h: names of hosts, and connecting by name
 *
 * Names are looked up by getaddrinfo(3), so that /etc/hosts, nsswitch.conf, the search list and
 * whatever else the machine was told count here as they do for every other program. That call
 * blocks, so it is made on a few threads of the loop's resolver, which do nothing else: look-ups
 * never wait behind files or other offloaded work.
 *
 *     rc = weft_within(10 * WEFT_SEC, weft_connect_host("example.org", "443", NULL, &stream));
 *
 *     weft_connect_host ──▶ weft_resolve ──┬─ numeric? ──────────────────────▶ addresses
 *            │                             ├─ in the cache? ─────────────────▶    │
 *            │                             └─ a thread of the resolver ──────▶    │
 *            └──▶ attempts, one after another, 250 ms apart ◀─────────────────────┘
 *                 the first connection wins, the others are closed
 *
 * Waiting for a look-up ends at once when it is cancelled or its deadline passes. One that has not
 * begun is withdrawn. One that runs cannot be stopped, by any means that C libraries have: it is
 * *abandoned*, and keeps its thread until the name servers answer or libc gives up (for glibc two
 * rounds of 5 seconds for each server), while another thread takes its place. Abandoned look-ups
 * are counted (weft_resolver_get_stats) and bounded: while 32 of them run, new look-ups are not
 * begun but fail with -WEFT_EDNS_BUSY, until some have ended. When the loop is freed they are not
 * waited for, and a line on stderr names those that still run.
 *
 * Limits and defaults (struct weft_resolver_options): 8 threads, started when needed; 32 abandoned
 * look-ups; 1,024 look-ups in line for a thread, after which -WEFT_EDNS_BUSY; no cache. A cache,
 * where asked for, keeps answers for a fixed time, 1,024 at most, and never keeps failures. Names
 * longer than 1,024 bytes are refused.
 *
 * In a simulated world (weft/testing.h) no name server is asked: numeric addresses resolve, and
 * names that the test gave the world (weft_testing_name_add); all others are -WEFT_EDNS_NONAME.
 *
 * All calls are for the thread of the loop, and their memory belongs to it: lists are freed before
 * it is.
 */
#ifndef WEFT_RESOLVE_H
#define WEFT_RESOLVE_H

#include <weft/error.h>
#include <weft/net.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_stream;
struct weft_stream_options;

/* From names to addresses. */

/** For listening: no host means every address of this machine, not its loopback. */
#define WEFT_RESOLVE_PASSIVE 1u
/** Nobody is asked: only numeric addresses, and in reverse only numbers. */
#define WEFT_RESOLVE_NUMERIC 2u
/** The list has the canonical name, too. */
#define WEFT_RESOLVE_CANONICAL 4u
/** Only families of which this machine has an address beside loopback (AI_ADDRCONFIG). */
#define WEFT_RESOLVE_CONFIGURED 8u
/** Passes over the cache; the answer goes into it. */
#define WEFT_RESOLVE_FRESH 16u
/** In reverse: a host without a name is -WEFT_EDNS_NONAME, not a number. */
#define WEFT_RESOLVE_REQUIRED 32u
/** In reverse: hosts of the local domain without that domain. */
#define WEFT_RESOLVE_SHORT 64u
/** In reverse: the service is one of datagrams (a few ports have other names there). */
#define WEFT_RESOLVE_DATAGRAM 128u

/** What to look up; NULL, or zero everywhere, is the default. */
struct weft_resolve_options {
    /** sizeof(struct weft_resolve_options), or 0 for that of this header. */
    size_t size;
    /** AF_INET or AF_INET6 alone; 0: both. */
    int family;
    /** SOCK_STREAM, SOCK_DGRAM: which services are meant; 0: SOCK_STREAM. */
    int type;
    /** WEFT_RESOLVE_... */
    unsigned flags;
};

/** Addresses of a host, in the order in which they should be tried. */
struct weft_addresses {
    /** How many; at least 1. */
    size_t count;
    /** They, each once. */
    const struct weft_address *at;
    /** The host's canonical name; "" when it was not asked for. */
    const char *canonical;
    /** The loop that the memory is of; private. */
    struct weft_loop *loop;
};

/**
 * The addresses of a host, a list in *ret that is the caller's. Numeric ones ("127.0.0.1", "::1",
 * "[::1]", "fe80::1%2") never go to a resolver, nor does anything under WEFT_RESOLVE_NUMERIC; a
 * scope may also be a name of an interface ("fe80::1%eth0"). `host` NULL: this machine, see
 * WEFT_RESOLVE_PASSIVE. `service` is a number or a name ("443", "https"); NULL: port 0. `options`
 * NULL: defaults.
 *
 * Waiting: 0, or with *ret untouched
 *   -ECANCELED           cut; a look-up that ran is abandoned, see above
 *   -WEFT_EDNS_NONAME    there is no such name
 *   -WEFT_EDNS_NODATA    the name is there, with no address of the family asked for (where libc
 *                        tells it from the one before)
 *   -WEFT_EDNS_AGAIN     no name server gave an answer; another time one may
 *   -WEFT_EDNS_FAIL      a name server refused
 *   -WEFT_EDNS_SERVICE   there is no such service
 *   -WEFT_EDNS_BUSY      too many look-ups wait in line, or too many abandoned ones run
 *   -EINVAL              an empty or too long name, unknown flags; -EAFNOSUPPORT the family
 *   -ENOMEM, -EMFILE ... what the system lacks
 * The note has the name and the reason.
 */
WEFT_API WEFT_MUST_CHECK int weft_resolve(const char *host, const char *service,
                                          const struct weft_resolve_options *options,
                                          struct weft_addresses **ret);

/** Frees a list. Plain. NULL is fine. */
WEFT_API void weft_addresses_free(struct weft_addresses *addresses);

/**
 * The name of an address and of its port, each cut by nothing: -EOVERFLOW when one has no room.
 * `host` or `service` NULL: not asked for. A host without a name, or whose name server does not
 * answer, gives its number, unless `flags` has WEFT_RESOLVE_REQUIRED. Waiting: 0, or with both
 * untouched as weft_resolve; -EAFNOSUPPORT not an IPv4 or IPv6 address; -EINVAL neither is asked
 * for.
 */
WEFT_API WEFT_MUST_CHECK int weft_resolve_name(const struct weft_address *address, unsigned flags,
                                               char *host, size_t host_size, char *service,
                                               size_t service_size);

/* The resolver of a loop. */

/** How names are looked up in a loop; NULL, or zero everywhere, is the default. */
struct weft_resolver_options {
    /** sizeof(struct weft_resolver_options), or 0 for that of this header. */
    size_t size;
    /** How many look-ups that somebody waits for run at once; 0: 8. */
    unsigned threads;
    /** How many more may wait in line; 0: 1,024. */
    unsigned waiting;
    /** While so many abandoned look-ups run no other is begun; 0: 32. In all there are never more
     *  threads than these and `threads` together. */
    unsigned abandoned;
    /** How long an answer is kept, whatever its name server said of that; 0: no cache. Failures are
     *  never kept. Answers of /etc/hosts are kept like others. */
    weft_ns cache_age;
    /** How many answers are kept; the oldest make room. 0: 1,024. */
    size_t cache_size;
};

/**
 * Sets how the loop looks names up; `options` NULL: the defaults. Plain. The cache can be changed
 * at any time, which empties it; the other limits only before the first look-up (-EBUSY, and
 * nothing changes). -EINVAL a negative age, more than 1,024 threads; -ENOMEM. `loop` NULL: the
 * calling thread's.
 */
WEFT_API int weft_resolver_configure(struct weft_loop *loop,
                                     const struct weft_resolver_options *options);

/** Empties the cache: the network has changed. Plain. `loop` NULL: the calling thread's. */
WEFT_API void weft_resolver_forget(struct weft_loop *loop);

/** Counts of a resolver. */
struct weft_resolver_stats {
    /** Look-ups that went to a thread, since the loop began. */
    uint64_t lookups;
    /** Answers that came out of the cache. */
    uint64_t cached;
    /** Look-ups that were abandoned, since the loop began. */
    uint64_t abandoned;
    /** Of those, how many hold a thread now. */
    uint64_t abandoned_now;
    /** Look-ups that somebody waits for now, running or in line. */
    uint64_t waiting_now;
    /** Answers that are kept now; those that are too old are dropped when next looked at. */
    uint64_t kept_now;
};

/** Fills *ret. Plain. `loop` NULL: the calling thread's. */
WEFT_API void weft_resolver_get_stats(struct weft_loop *loop, struct weft_resolver_stats *ret);

/* Connecting by name. */

/** In struct weft_connect_options: the addresses stay in the order of the answer. */
#define WEFT_CONNECT_AS_ANSWERED UINT32_MAX
/** How many addresses are tried at most. */
#define WEFT_CONNECT_ADDRESSES 64

/** What became of one address. */
struct weft_attempt {
    /** The address. */
    struct weft_address address;
    /** 0: this is the connection; -ECANCELED: it lost, or was never tried; else why it failed. */
    int code;
};

/** How to connect; NULL, or zero everywhere, is the default, that of RFC 8305, sections 4 and 5. */
struct weft_connect_options {
    /** sizeof(struct weft_connect_options), or 0 for that of this header. */
    size_t size;
    /** AF_INET or AF_INET6 alone; 0: both. */
    int family;
    /** How many addresses of the first family come before the first of the other; from there on the
     *  two alternate. 0: 1. WEFT_CONNECT_AS_ANSWERED: the order of the answer. */
    uint32_t interleave;
    /** How long after an attempt the next one begins, when none has failed before. 0: 250 ms; less
     *  than 10 ms counts as 10 ms; WEFT_FOREVER: each when the one before it has failed. */
    weft_ns delay;
    /** Addresses to connect from: the first of the target's family that can be bound; when there is
     *  none the attempt fails with -EADDRNOTAVAIL. NULL: the system chooses. */
    const struct weft_address *local;
    /** How many. */
    size_t local_count;
    /** Room for a report, in the order of trying; NULL: none. All of it is filled: what was not
     *  needed has an address of length 0 and -ECANCELED. */
    struct weft_attempt *attempts;
    /** How much room. */
    size_t attempts_size;
    /** For weft_connect_host: how the stream is made; NULL: defaults. Must fit
     *  struct weft_stream_options. */
    const struct weft_stream_options *stream;
};

/**
 * Connects to one of several addresses, in turns of `delay`: the first connection is the result, an
 * owned descriptor (TCP_NODELAY), and all others are cancelled and closed before the call returns.
 * Addresses beyond WEFT_CONNECT_ADDRESSES are not tried. Waiting: the descriptor; -ECANCELED,
 * nothing stays open; -EINVAL there is no address. When all have failed: the first code, in their
 * order, that is more than "not from here" (-ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL,
 * -EAFNOSUPPORT), else the first; the note names each address with its cause, as far as it has
 * room, and the report all of them.
 */
WEFT_API WEFT_MUST_CHECK int weft_tcp_connect_any(const struct weft_address *addresses,
                                                  size_t count,
                                                  const struct weft_connect_options *options);

/**
 * Looks `host` up, once, and connects to one of its addresses; see weft_resolve for host and port,
 * and weft_tcp_connect_any for the rest. "unix:/path" and "unix:@name" are connected to as they
 * are; `port` is then unused, else it must be there. Waiting: the descriptor, or the error of
 * either.
 */
WEFT_API WEFT_MUST_CHECK int weft_tcp_connect_host(const char *host, const char *port,
                                                   const struct weft_connect_options *options);

/** As weft_tcp_connect_host, with a stream over the connection in *ret. Waiting: 0, or with *ret
 *  untouched the error. */
WEFT_API WEFT_MUST_CHECK int weft_connect_host(const char *host, const char *port,
                                               const struct weft_connect_options *options,
                                               struct weft_stream **ret);

WEFT_END

#endif
