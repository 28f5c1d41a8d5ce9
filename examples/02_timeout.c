/* SPDX-License-Identifier: MIT */
/*
 * 02_timeout.c: a deadline around one call
 *
 * weft_within is an expression: it gives the value of the call inside, or -ETIMEDOUT when the time
 * was up first. Here nobody ever writes into the pipe, so the read is cancelled after a second. A
 * byte that is there in time wins over the deadline, as the second call shows. The deadline is a
 * scope of its own, so it reaches whatever the call inside calls in its turn.
 */
#include <stdio.h>
#include <weft/weft.h>

static int read_one(int fd)
{
    char byte;
    ssize_t n = weft_within(1 * WEFT_SEC, weft_read(fd, &byte, 1));

    if (n == 1)
        printf("read '%c'\n", byte);
    else if (n == -ETIMEDOUT)
        printf("nothing to read within a second\n");
    return n == -ETIMEDOUT || n == 1 ? 0 : -EPROTO;
}

static int program(void *unused)
{
    int fds[2], rc = weft_pipe(fds);

    (void)unused;
    if (rc < 0)
        return rc;
    rc = read_one(fds[0]);
    if (rc == 0)
        rc = weft_write_all(fds[1], "x", 1);
    if (rc == 0)
        rc = read_one(fds[0]);
    (void)weft_close(fds[0]);
    (void)weft_close(fds[1]);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
