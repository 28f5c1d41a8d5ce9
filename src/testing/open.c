/* SPDX-License-Identifier: MIT */
/*
 * open.c: which descriptors of the process are open
 *
 * Asked of the kernel with poll, which answers for many numbers at once and says of each whether it
 * is open; nothing is read, nothing changes, and no file system is needed. Where a limit forbids to
 * ask about so many at once, they are asked about one at a time. How far to look is the caller's
 * choice, since a look costs the same whether many numbers are in use or few.
 */
#include "testing/internal.h"

#include <fcntl.h>

/** How many numbers one call asks about. */
#define AT_ONCE 64

static const struct weft_sys *const real = &weft_sys_default;

static void look_one_by_one(struct pollfd *fds)
{
    for (int i = 0; i < AT_ONCE; i++)
        fds[i].revents = real->fcntl(real, fds[i].fd, F_GETFD, 0) < 0 ? POLLNVAL : 0;
}

int weft__testing_each_open(int limit, int (*each)(int fd, void *arg), void *arg)
{
    int total = 0;
    for (int first = 0; first < limit; first += AT_ONCE) {
        struct pollfd fds[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            fds[i] = (struct pollfd){.fd = first + i};
        if (real->poll(real, fds, AT_ONCE, 0) < 0)
            look_one_by_one(fds);
        for (int i = 0; i < AT_ONCE; i++)
            if (!(fds[i].revents & POLLNVAL))
                total += each(fds[i].fd, arg);
    }
    return total;
}

static int count(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return 1;
}

int weft__testing_open(const struct weft_sys *sys)
{
    /* A sweep asks thousands of times: it looks at the numbers that a program of ordinary size
     * has. */
    if (sys->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return (int)weft_testing_world_open(sys);
    return weft__testing_each_open(1024, count, NULL);
}
