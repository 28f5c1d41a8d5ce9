/* SPDX-License-Identifier: MIT */
/*
 * echo.c: a TCP server that sends back what it gets
 *
 * A task for each connection. A failing one ends alone; when no descriptor is left, new clients
 * wait. Ctrl-C stops listening, gives the connections a second, and ends.
 *
 *     build/release/examples/echo '*:7777' &
 *     echo hello | nc -N 127.0.0.1 7777
 */
#include <weft/weft.h>

static int echo(struct weft_stream *stream, void *arg)
{
    (void)arg;
    int64_t bytes = weft_stream_copy(stream, stream, WEFT_STREAM_ALL); /* lets others run */
    return bytes < 0 ? (int)bytes : 0;
}

static int server(void *address)
{
    return weft_serve(address, echo, NULL); /* until Ctrl-C; a task for each connection */
}

int main(int argc, char **argv)
{
    return weft_main(server, argc > 1 ? argv[1] : "*:7777");
}
