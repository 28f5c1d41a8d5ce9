/* SPDX-License-Identifier: MIT */
/*
 * numeric.c: addresses that are no names
 *
 * What inet_pton can read is an address and is never looked up, not even by the detour through
 * libc, which may open files and sockets for it. IPv6 addresses may stand in brackets and may have
 * a scope, in numbers; a scope that is the name of an interface is read by libc, which is told to
 * read numbers only. Forms that only old programs write ("127.1", "0x7f000001") are names here;
 * libc knows them and asks nobody either.
 */
#include "names/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/** A number up to `most` that fills the text. */
static bool read_number(const char *text, unsigned long most, unsigned long *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    *ret = strtoul(text, &end, 10);
    return *end == '\0' && *ret <= most;
}

static void set_in(struct weft_address *address, const struct in_addr *in)
{
    memset(address, 0, sizeof *address);
    address->len = sizeof address->of.in;
    address->of.in.sin_family = AF_INET;
    address->of.in.sin_addr = *in;
}

static void set_in6(struct weft_address *address, const struct in6_addr *in6, unsigned long scope)
{
    memset(address, 0, sizeof *address);
    address->len = sizeof address->of.in6;
    address->of.in6.sin6_family = AF_INET6;
    address->of.in6.sin6_addr = *in6;
    address->of.in6.sin6_scope_id = (uint32_t)scope;
}

/** Copies a host without its brackets; false: too long for an address. */
static bool copy_bare(const char *host, char *buf, size_t size)
{
    size_t len = strlen(host);
    bool brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    if (brackets) {
        host++;
        len -= 2;
    }
    if (len >= size)
        return false;
    memcpy(buf, host, len);
    buf[len] = '\0';
    /* What stands in brackets is IPv6 or nothing. */
    return !brackets || strchr(buf, ':');
}

enum weft__numeric weft__numeric_host(const char *host, struct weft_address *ret)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    struct in_addr in;
    struct in6_addr in6;
    unsigned long scope = 0;
    if (!copy_bare(host, text, sizeof text))
        return WEFT__NUMERIC_NO;
    if (inet_pton(AF_INET, text, &in) == 1) {
        set_in(ret, &in);
        return WEFT__NUMERIC_YES;
    }
    char *percent = strchr(text, '%');
    if (percent)
        *percent++ = '\0';
    if (inet_pton(AF_INET6, text, &in6) != 1)
        return WEFT__NUMERIC_NO;
    if (percent && !read_number(percent, UINT32_MAX, &scope))
        return WEFT__NUMERIC_HOST;
    set_in6(ret, &in6, scope);
    return WEFT__NUMERIC_YES;
}

bool weft__numeric_port(const char *service, struct weft_address *address)
{
    unsigned long port = 0;
    if (service && !read_number(service, 65535, &port))
        return false;
    if (address->of.any.sa_family == AF_INET)
        address->of.in.sin_port = htons((uint16_t)port);
    else
        address->of.in6.sin6_port = htons((uint16_t)port);
    return true;
}
