/* SPDX-License-Identifier: MIT */
/*
 * echo.c: a TCP server that sends back what it gets
 *
 * One task for each connection, on plain descriptors. A failing read or write ends its own
 * connection and no other. Ctrl-C cancels the accept and every read, and all is closed on the way
 * out. When no descriptor is left, accept fails and the server ends with that error.
 *
 *     build/release/examples/echo 127.0.0.1:7777 &
 *     echo hello | nc -N 127.0.0.1 7777
 */
#include <weft/weft.h>

static int echo(int fd)
{
    char buf[4096];

    for (ssize_t n; (n = weft_read(fd, buf, sizeof buf)) > 0 && weft_write_all(fd, buf, n) == 0;)
        continue;
    return weft_close(fd);
}
WEFT_TASK(echo, int);

static int server(void *text)
{
    struct weft_address address;
    int fd, listener = weft_address_parse(text, &address);

    if (listener < 0 || (listener = weft_tcp_listen(&address, 0)) < 0)
        return listener;
    while ((fd = weft_accept(listener, NULL)) >= 0)
        if (weft_go(weft_root(NULL), echo, fd) < 0)
            (void)weft_close(fd);
    (void)weft_close(listener);
    return fd;
}

int main(int argc, char **argv)
{
    return weft_main(server, argc > 1 ? argv[1] : "127.0.0.1:7777");
}
