/* SPDX-License-Identifier: MIT */
/*
 * row_3h.c: "An introduction to Asyncio", readiness of files, sockets and pipes
 *
 * Each kind of channel is asked at once, for a fixed time, and, when a byte is there, without
 * limit. A regular file is always ready, on every engine: epoll alone would refuse it. The limit
 * is put around the wait from outside, by weft_within, as around any other call. Real time and
 * real descriptors.
 *
 *     row_3h [fixed time in ms [message]]
 */
#include "seed.h"
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int ask(const char *name, int fd, const char *how, weft_ns timeout)
{
    ssize_t events = weft_within(timeout, weft_poll(fd, POLLIN));

    if (events < 0 && events != -ETIMEDOUT)
        return (int)events;
    printf("%s: %s %s\n", name, events > 0 ? "ready" : "not ready", how);
    return 0;
}

static int use(const char *name, int reader, int writer, const struct arguments *arguments)
{
    const char *message = argument_text(arguments, 2, "hello");
    long wait_ms = argument_number(arguments, 1, 50);
    char within[32], buf[1024];

    snprintf(within, sizeof within, "within %ld ms", wait_ms);
    int rc = ask(name, reader, "at once", WEFT_MS); /* a limit of 0 is over before it looks */
    rc = rc < 0 ? rc : ask(name, reader, within, wait_ms * WEFT_MS);
    rc = rc < 0 ? rc : weft_write_all(writer, message, strlen(message));
    rc = rc < 0 ? rc : ask(name, reader, "at last", WEFT_FOREVER);
    ssize_t n = rc < 0 ? rc : weft_read(reader, buf, sizeof buf);
    if (n >= 0)
        printf("%s: %.*s\n", name, (int)n, buf);
    rc = weft_close(reader);
    int close_rc = weft_close(writer);
    return n < 0 ? (int)n : rc < 0 ? rc : close_rc;
}

static int use_file(const struct arguments *arguments)
{
    char path[] = "/tmp/row_3h.XXXXXX";
    int writer = mkstemp(path);
    int reader = writer < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (reader < 0 || unlink(path) < 0)
        return -errno;
    return use("file", reader, writer, arguments);
}

static int program(void *arg)
{
    int fds[2];
    int rc = use_file(arg);

    rc = rc < 0 ? rc : weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    rc = rc < 0 ? rc : use("socket", fds[0], fds[1], arg);
    rc = rc < 0 ? rc : weft_pipe(fds);
    return rc < 0 ? rc : use("pipe", fds[0], fds[1], arg);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
