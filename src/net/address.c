/* SPDX-License-Identifier: MIT */
/*
 * address.c: addresses as text and back
 *
 * The text forms are those of weft_address_parse: a program prints what it can read again.
 *
 * Numeric addresses only; names are a resolver's business. The numbers themselves are read and
 * written by inet_pton and inet_ntop; the forms around them ("[...]:port", "unix:", "*") are read
 * here. What is wrong with a text is said in the task's note. Nothing here waits or allocates.
 */
#include "base/assert.h"
#include "net/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *text, const char *what)
{
    return weft_fail_at(-EINVAL, "", "address \"%.60s\": %s", text, what);
}

static int parse_port(const char *text, const char *digits, in_port_t *ret)
{
    char *end;
    if (*digits < '0' || *digits > '9')
        return fail(text, "a port must follow the colon");
    unsigned long port = strtoul(digits, &end, 10);
    if (*end || port > 65535)
        return fail(text, "the port must be a number from 0 to 65535");
    *ret = htons((uint16_t)port);
    return 0;
}

static int parse_unix(const char *text, const char *path, struct weft_address *ret)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    size_t len = strlen(path);
    if (len == 0)
        return fail(text, "a path or @name must follow \"unix:\"");
    bool abstract = path[0] == '@';
    if (len + !abstract > sizeof address.of.un.sun_path)
        return fail(text, "the path is too long for a Unix socket");
    address.of.un.sun_family = AF_UNIX;
    memcpy(address.of.un.sun_path, path, len);
    if (abstract)
        address.of.un.sun_path[0] = '\0';
    address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
    *ret = address;
    return 0;
}

static int parse_scope(const char *text, char *host, uint32_t *ret)
{
    char *percent = strchr(host, '%');
    char *end;
    if (!percent)
        return 0;
    *percent++ = '\0';
    unsigned long scope = strtoul(percent, &end, 10);
    if (*percent < '0' || *percent > '9' || *end || scope > UINT32_MAX)
        return fail(text, "the scope after % must be a number");
    *ret = (uint32_t)scope;
    return 0;
}

static int parse_inet6(const char *text, struct weft_address *ret)
{
    char host[WEFT_ADDRESS_TEXT_SIZE];
    struct weft_address address;
    const char *close = strchr(text, ']');
    memset(&address, 0, sizeof address);
    if (!close || close[1] != ':')
        return fail(text, "\"]:port\" must follow the IPv6 address");
    if ((size_t)(close - text) >= sizeof host)
        return fail(text, "not an IPv6 address");
    snprintf(host, sizeof host, "%.*s", (int)(close - text - 1), text + 1);
    int rc = parse_scope(text, host, &address.of.in6.sin6_scope_id);
    if (rc < 0)
        return rc;
    address.of.in6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host, &address.of.in6.sin6_addr) != 1)
        return fail(text, "not an IPv6 address");
    rc = parse_port(text, close + 2, &address.of.in6.sin6_port);
    if (rc < 0)
        return rc;
    address.len = sizeof address.of.in6;
    *ret = address;
    return 0;
}

/** Says why `len` bytes before the port are no IPv4 address. */
static int fail_inet(const char *text, size_t len)
{
    /* Of all that people write there, names alone have letters and no colon. */
    bool colon = memchr(text, ':', len) != NULL;
    bool letters = strspn(text, "0123456789. ") < len;
    return fail(text, !colon && letters
                          ? "a name, not a number; a resolver must look it up (weft_resolve)"
                          : "not an IPv4 address (IPv6 goes in brackets)");
}

static int parse_inet(const char *text, struct weft_address *ret)
{
    char host[INET_ADDRSTRLEN];
    struct weft_address address;
    const char *colon = strrchr(text, ':');
    memset(&address, 0, sizeof address);
    if (!colon)
        return fail(text, "a port is missing");
    size_t len = (size_t)(colon - text);
    if (len >= sizeof host)
        return fail_inet(text, len);
    snprintf(host, sizeof host, "%.*s", (int)len, text);
    address.of.in.sin_family = AF_INET;
    if (strcmp(host, "*") != 0 && inet_pton(AF_INET, host, &address.of.in.sin_addr) != 1)
        return fail_inet(text, len);
    int rc = parse_port(text, colon + 1, &address.of.in.sin_port);
    if (rc < 0)
        return rc;
    address.len = sizeof address.of.in;
    *ret = address;
    return 0;
}

int weft_address_parse(const char *text, struct weft_address *ret)
{
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text, text + 5, ret);
    return text[0] == '[' ? parse_inet6(text, ret) : parse_inet(text, ret);
}

static void format_unix(const struct weft_address *address, char *buf, size_t size)
{
    const struct sockaddr_un *un = &address->of.un;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    int len = address->len > head ? (int)(address->len - head) : 0;
    if (len == 0)
        snprintf(buf, size, "unix:");
    else if (un->sun_path[0] == '\0')
        snprintf(buf, size, "unix:@%.*s", len - 1, un->sun_path + 1);
    else
        snprintf(buf, size, "unix:%.*s", len, un->sun_path);
}

static void format_inet6(const struct weft_address *address, char *buf, size_t size)
{
    const struct sockaddr_in6 *in6 = &address->of.in6;
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    if (in6->sin6_scope_id)
        snprintf(buf, size, "[%s%%%u]:%u", host, in6->sin6_scope_id, ntohs(in6->sin6_port));
    else
        snprintf(buf, size, "[%s]:%u", host, ntohs(in6->sin6_port));
}

const char *weft_address_format(const struct weft_address *address, char *buf, size_t size)
{
    char host[INET_ADDRSTRLEN] = "";
    switch (address->of.any.sa_family) {
    case AF_UNIX:
        format_unix(address, buf, size);
        break;
    case AF_INET6:
        format_inet6(address, buf, size);
        break;
    case AF_INET:
        inet_ntop(AF_INET, &address->of.in.sin_addr, host, sizeof host);
        snprintf(buf, size, "%s:%u", host, ntohs(address->of.in.sin_port));
        break;
    default:
        snprintf(buf, size, "(family %d)", address->of.any.sa_family);
    }
    return buf;
}

unsigned weft_address_port(const struct weft_address *address)
{
    if (address->of.any.sa_family == AF_INET)
        return ntohs(address->of.in.sin_port);
    return address->of.any.sa_family == AF_INET6 ? ntohs(address->of.in6.sin6_port) : 0;
}

int weft_address_equal(const struct weft_address *a, const struct weft_address *b)
{
    if (a->of.any.sa_family != b->of.any.sa_family)
        return 0;
    switch (a->of.any.sa_family) {
    case AF_INET:
        return a->of.in.sin_port == b->of.in.sin_port &&
               a->of.in.sin_addr.s_addr == b->of.in.sin_addr.s_addr;
    case AF_INET6:
        return a->of.in6.sin6_port == b->of.in6.sin6_port &&
               a->of.in6.sin6_scope_id == b->of.in6.sin6_scope_id &&
               memcmp(&a->of.in6.sin6_addr, &b->of.in6.sin6_addr, sizeof a->of.in6.sin6_addr) == 0;
    default:
        return a->len == b->len && memcmp(&a->of, &b->of, a->len) == 0;
    }
}
