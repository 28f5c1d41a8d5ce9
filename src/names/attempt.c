/* SPDX-License-Identifier: MIT */
/*
 * attempt.c: the first connection to one of several addresses
 *
 * RFC 8305, section 5, on weft_stagger: each attempt is a call with a task of its own, which makes
 * a socket, binds it where it is told to, and connects. A call that is cancelled closes its socket
 * itself; one that connected in the same turn as the winner is closed here. So whatever the outcome
 * is, at most one descriptor is open when it is known.
 *
 *     attempt 1  ├──────────────── ✗ cancelled, closed
 *     attempt 2  │  250 ms ├─── ✗ refused
 *     attempt 3  │             ├──── connected: the winner
 *     attempt 4  │             │ not yet 250 ms: never made
 *
 * What each came to stands in the note and, where there is room, in the caller's report.
 */
#include "base/options.h"
#include "names/internal.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/scope.h>
#include <weft/task.h>

/** Since Linux 4.2: the port is chosen by connect, when the other end is known too. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/** RFC 8305, section 8. */
#define DELAY_DEFAULT (250 * WEFT_MS)
#define DELAY_LEAST (10 * WEFT_MS)

/** One address that is tried. */
struct attempt {
    /** The address. */
    struct weft_address address;
    /** How. */
    const struct weft_connect_options *options;
};

/** Attempts, and the calls that make them, in one block of memory. */
struct attempts {
    /** How many. */
    size_t count;
    /** The attempts. */
    struct attempt *each;
    /** Their calls. */
    struct weft_call *calls;
};

/* --- One attempt ------------------------------------------------------------------------------ */

/** Binds to the first local address of the target's family that lets itself be bound. */
static int bind_local(int fd, const struct weft_connect_options *options, sa_family_t family)
{
    int rc = -EADDRNOTAVAIL;
    for (size_t i = 0; i < options->local_count; i++) {
        const struct weft_address *local = &options->local[i];
        if (local->of.any.sa_family != family)
            continue;
        /* Else the port would be taken for all targets. Where it is not known it is not missed. */
        if (weft_address_port(local) == 0)
            (void)weft_set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        rc = weft_bind(fd, local);
        if (rc == 0)
            return 0;
    }
    return rc;
}

static int connect_socket(int fd, const struct attempt *attempt)
{
    const struct weft_connect_options *options = attempt->options;
    sa_family_t family = attempt->address.of.any.sa_family;
    int rc = options->local ? bind_local(fd, options, family) : 0;
    if (rc == 0)
        rc = weft_connect(fd, &attempt->address);
    if (rc == 0 && family != AF_UNIX)
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return rc;
}

/** The function of an attempt's task: a connected descriptor, or why there is none. */
static int run_attempt(void *arg)
{
    const struct attempt *attempt = arg;
    int fd = weft_socket(attempt->address.of.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc = connect_socket(fd, attempt);
    if (rc == 0)
        return fd;
    (void)weft_close(fd);
    return rc;
}

/* --- Several ---------------------------------------------------------------------------------- */

static void prepare(struct attempts *attempts, const struct weft_connect_options *options)
{
    for (size_t i = 0; i < attempts->count; i++) {
        attempts->each[i].options = options;
        attempts->calls[i] = (struct weft_call){
            .fn = run_attempt, .arg = &attempts->each[i], .name = "connect", .result = -ECANCELED};
    }
}

/** Closes what was connected beside the winner. */
static void close_losers(struct attempts *attempts, size_t winner)
{
#ifdef WEFT_MUTANT_loser_stays_open
    return;
#endif
    for (size_t i = 0; i < attempts->count; i++) {
        struct weft_call *call = &attempts->calls[i];
        if (i == winner || call->result < 0)
            continue;
        (void)weft_close(call->result);
        call->result = -ECANCELED;
    }
}

/** Says only that the way to that address does not begin here. */
static bool is_not_from_here(int code)
{
    return code == -ENETUNREACH || code == -EHOSTUNREACH || code == -EADDRNOTAVAIL ||
           code == -EAFNOSUPPORT;
}

/** The failure that stands for all. */
static int most_telling(const struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->count; i++)
        if (!is_not_from_here(attempts->calls[i].result))
            return attempts->calls[i].result;
    return attempts->calls[0].result;
}

/** The note: each address with its cause. */
static int fail_all(const struct attempts *attempts)
{
    char text[WEFT_NOTE_SIZE], address[WEFT_ADDRESS_TEXT_SIZE];
    size_t used = 0, i = 0;
    text[0] = '\0';
    for (; i < attempts->count && used < sizeof text - 40; i++) {
        int n = snprintf(text + used, sizeof text - used, "%s%s: %s", i ? ", " : "",
                         weft_address_format(&attempts->each[i].address, address, sizeof address),
                         weft_strerror(attempts->calls[i].result));
        used += n > 0 ? (size_t)n : 0;
    }
    if (i < attempts->count)
        return weft_fail_at(most_telling(attempts), "", "connect to %.440s ... and %zu more", text,
                            attempts->count - i);
    return weft_fail_at(most_telling(attempts), "", "connect to %s", text);
}

static void report(const struct attempts *attempts, const struct weft_connect_options *options)
{
    for (size_t i = 0; i < options->attempts_size && options->attempts; i++) {
        struct weft_attempt *attempt = &options->attempts[i];
        *attempt = (struct weft_attempt){.code = -ECANCELED};
        if (i >= attempts->count)
            continue;
        int result = attempts->calls[i].result;
        attempt->address = attempts->each[i].address;
        attempt->code = result < 0 ? result : 0;
    }
}

static weft_ns delay_of(const struct weft_connect_options *options)
{
    if (options->delay == 0)
        return DELAY_DEFAULT;
    return options->delay < DELAY_LEAST ? DELAY_LEAST : options->delay;
}

static int race(struct attempts *attempts, const struct weft_connect_options *options)
{
    size_t winner = attempts->count;
    prepare(attempts, options);
    int rc = weft_stagger(attempts->calls, attempts->count, delay_of(options), &winner);
    close_losers(attempts, winner);
    report(attempts, options);
    if (rc == 0)
        return attempts->calls[winner].result;
    return rc == -ECANCELED ? rc : fail_all(attempts);
}

static void take_in_order(struct attempts *attempts, const struct weft_address *addresses,
                          uint32_t interleave, struct weft_address *scratch)
{
    const struct weft_address *ordered = addresses;
    if (interleave != WEFT_CONNECT_AS_ANSWERED) {
        weft__addresses_interleave(addresses, attempts->count, interleave, scratch);
        ordered = scratch;
    }
    for (size_t i = 0; i < attempts->count; i++)
        attempts->each[i].address = ordered[i];
}

/** The addresses of the family asked for, at most so many as are tried. */
static size_t choose(const struct weft_address *addresses, size_t count, int family,
                     struct weft_address *ret)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count && chosen < WEFT_CONNECT_ADDRESSES; i++)
        if (family == AF_UNSPEC || addresses[i].of.any.sa_family == family)
            ret[chosen++] = addresses[i];
    return chosen;
}

/** What a race needs for `count` addresses at most, in one block. */
struct ground {
    /** The addresses that are tried, as they came. */
    struct weft_address chosen[WEFT_CONNECT_ADDRESSES];
    /** And in their order. */
    struct weft_address ordered[WEFT_CONNECT_ADDRESSES];
    /** The attempts. */
    struct attempt each[WEFT_CONNECT_ADDRESSES];
    /** Their calls. */
    struct weft_call calls[WEFT_CONNECT_ADDRESSES];
};

int weft_tcp_connect_any(const struct weft_address *addresses, size_t count,
                         const struct weft_connect_options *asked)
{
    struct weft_connect_options options;
    weft__options_read(&options, sizeof options, asked);
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct weft_loop *loop = weft_loop_current();
    struct ground *ground = weft_loop_realloc(loop, NULL, sizeof *ground);
    if (!ground)
        return -ENOMEM;
    struct attempts attempts = {.each = ground->each, .calls = ground->calls};
    attempts.count = choose(addresses, count, options.family, ground->chosen);
    take_in_order(&attempts, ground->chosen, options.interleave, ground->ordered);
    rc = attempts.count > 0 ? race(&attempts, &options)
                            : weft_fail_at(-EINVAL, "", "connect: there is no address");
    (void)weft_loop_realloc(loop, ground, 0);
    return rc;
}
