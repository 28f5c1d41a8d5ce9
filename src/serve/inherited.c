/* SPDX-License-Identifier: MIT */
/*
 * inherited.c: sockets that were opened for us
 *
 * The protocol of systemd, which others speak as well: LISTEN_FDS says how many descriptors from 3
 * on are meant, LISTEN_PID for which process, LISTEN_FDNAMES their names with colons between them.
 * The variables stay in the environment; a program that is started from here finds in LISTEN_PID
 * that they are not for it. Being close-on-exec they would not be there either.
 */
#include "serve/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/** The first descriptor that is passed. */
#define FIRST 3
/** More than anybody passes; a larger number is a mistake. */
#define MOST WEFT__INHERITED_MOST

/** A variable as a number: 0 and its value, -ENOENT it is not set, -EINVAL with a note. */
static int number(const char *variable, int *ret)
{
    const struct weft_sys *sys = &weft_sys_default;
    const char *text = sys->getenv(sys, variable);
    char *end;
    if (!text)
        return -ENOENT;
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > INT32_MAX)
        return weft_fail_at(-EINVAL, "", "%s=%.40s is no number", variable, text);
    *ret = (int)value;
    return 0;
}

/** How many were passed to this process, of any name. */
static int passed(void)
{
    const struct weft_sys *sys = &weft_sys_default;
    int pid, count, rc = number("LISTEN_PID", &pid);
    if (rc == 0 && pid != sys->getpid(sys))
        return 0;
    if (rc == 0)
        rc = number("LISTEN_FDS", &count);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    return count <= MOST ? count : weft_fail_at(-EINVAL, "", "LISTEN_FDS=%d is too many", count);
}

/** Whether the first name of the list is this one. */
static bool is_named(const char *names, const char *name)
{
    size_t len = strcspn(names, ":");
    return len == strlen(name) && memcmp(names, name, len) == 0;
}

/** The list without its first name; "" after the last. */
static const char *next_name(const char *names)
{
    names += strcspn(names, ":");
    return *names ? names + 1 : names;
}

int weft_inherited(const char *name, int *fds, size_t count)
{
    const struct weft_sys *sys = weft__sys_current();
    const char *names = weft_sys_default.getenv(&weft_sys_default, "LISTEN_FDNAMES");
    int found = 0, all = passed();
    names = names ? names : "";
    for (int i = 0; i < all; i++, names = next_name(names)) {
        if (name && !is_named(names, name))
            continue;
        int rc = sys->fcntl(sys, FIRST + i, F_SETFD, FD_CLOEXEC);
        if (rc < 0)
            return weft_fail_at(-EINVAL, "", "descriptor %d of LISTEN_FDS: %s", FIRST + i,
                                weft_strerror(rc));
        if ((size_t)found < count)
            fds[found] = FIRST + i;
        found++;
    }
    return all < 0 ? all : found;
}

bool weft__inherited_named(const char *text, const char **ret)
{
    static const char word[] = "inherited";
    size_t len = sizeof word - 1;
    if (strncmp(text, word, len) != 0 || (text[len] && text[len] != ':'))
        return false;
    *ret = text[len] ? text + len + 1 : NULL;
    return true;
}
