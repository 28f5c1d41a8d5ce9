/* SPDX-License-Identifier: MIT */
/*
 * names_test.h: what the tests of names and of connecting by name share
 *
 * A *hole* is an address that takes connections and never answers: a listener whose queue is full.
 * That is the same on the kernel's loopback and in a simulated world, where any address can be
 * bound.
 */
#ifndef NAMES_TEST_H
#define NAMES_TEST_H

#include "../net/net_test.h"
#include "task_body.h"

#include <weft/resolve.h>

/** A listener, and the connections that fill its queue. */
struct hole {
    /** The listener. */
    int listener;
    /** One that was taken into the queue. */
    int inside;
    /** Its address. */
    struct weft_address address;
};

/** Opens a hole at an address (its port may be 0). */
MAYBE_UNUSED static void hole_open(struct hole *hole, const char *text)
{
    struct weft_address address = address_of(text);
    hole->listener = weft_socket(address.of.any.sa_family, SOCK_STREAM, 0);
    CHECK_OK(hole->listener);
    CHECK_EQ(weft_bind(hole->listener, &address), 0);
    CHECK_EQ(weft_listen(hole->listener, 0), 0);
    hole->address = local_address(hole->listener);
    hole->inside = weft_tcp_connect(&hole->address);
    CHECK_OK(hole->inside);
}

MAYBE_UNUSED static void hole_close(struct hole *hole)
{
    CHECK_EQ(weft_close(hole->inside), 0);
    CHECK_EQ(weft_close(hole->listener), 0);
}

/** A listener at an address. */
MAYBE_UNUSED static int listen_at(const char *text)
{
    struct weft_address address = address_of(text);
    int fd = weft_tcp_listen(&address, 0);
    CHECK_OK(fd);
    return fd;
}

/** An address at which nobody listens. */
MAYBE_UNUSED static struct weft_address refusing(const char *text)
{
    struct weft_address address = address_of(text);
    int fd = weft_tcp_listen(&address, 0);
    CHECK_OK(fd);
    address = local_address(fd);
    CHECK_EQ(weft_close(fd), 0);
    return address;
}

/** Which addresses a name has, as "1.2.3.4:5 [::1]:5", or the name of the error. */
MAYBE_UNUSED static const char *resolved(const char *host, const char *service,
                                         const struct weft_resolve_options *options)
{
    static char text[4096];
    struct weft_addresses *list = NULL;
    int rc = weft_resolve(host, service, options, &list);
    if (rc < 0) {
        CHECK(list == NULL);
        snprintf(text, sizeof text, "%s", weft_strerrorname(rc));
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        size_t used = strlen(text);
        char address[WEFT_ADDRESS_TEXT_SIZE];
        snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
                 weft_address_format(&list->at[i], address, sizeof address));
    }
    weft_addresses_free(list);
    return text;
}

#endif
