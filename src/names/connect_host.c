/* SPDX-License-Identifier: MIT */
/*
 * connect_host.c: from a name to a connection
 *
 * One look-up, then the first connection to one of its addresses. What is no name takes its own
 * way: a Unix address has neither port nor look-up. The stream is laid over the descriptor at the
 * end; nothing of it is needed before.
 *
 *     "example.org", "443" ──resolve──▶ addresses ──any──▶ descriptor ──▶ stream
 *     "unix:/path" ───────────────────▶ address ──────────▶
 */
#include "base/options.h"
#include "names/internal.h"

#include <string.h>
#include <weft/stream.h>
#include <weft/wait.h>

static bool is_unix(const char *host)
{
    return strncmp(host, "unix:", 5) == 0;
}

static int connect_unix(const char *host)
{
    struct weft_address address;
    int rc = weft_address_parse(host, &address);
    return rc < 0 ? rc : weft_tcp_connect(&address);
}

int weft_tcp_connect_host(const char *host, const char *port,
                          const struct weft_connect_options *asked)
{
    struct weft_connect_options options;
    struct weft_addresses *addresses;
    weft__options_read(&options, sizeof options, asked);
    if (!host || (!port && !is_unix(host)))
        return weft_fail_at(-EINVAL, "", "connect: a %s is missing", host ? "port" : "host");
    if (is_unix(host))
        return connect_unix(host);
    struct weft_resolve_options how = {.size = sizeof how, .family = options.family};
    int rc = weft_resolve(host, port, &how, &addresses);
    if (rc < 0)
        return rc;
    rc = weft_tcp_connect_any(addresses->at, addresses->count, &options);
    weft_addresses_free(addresses);
    return rc < 0 && rc != -ECANCELED ? weft_fail_while_at(rc, "", "connecting to %.100s", host)
                                      : rc;
}

int weft_connect_host(const char *host, const char *port, const struct weft_connect_options *asked,
                      struct weft_stream **ret)
{
    struct weft_connect_options options;
    weft__options_read(&options, sizeof options, asked);
    int fd = weft_tcp_connect_host(host, port, &options);
    if (fd < 0)
        return fd;
    int rc = weft_stream_from_fd(fd, options.stream, ret);
    if (rc < 0)
        (void)weft_close(fd);
    return rc;
}
