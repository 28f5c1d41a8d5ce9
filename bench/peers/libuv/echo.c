/* SPDX-License-Identifier: MIT */
/*
 * libuv's echo servers: "tcp_echo" or "udp_echo"; see bench/load/load.c.
 *
 * As its documentation writes one: the buffer that was read is handed to the write, which tries to
 * send at once, and is kept for the next read when all of it was sent.
 */
#include "../../common/bench.h"

#include <uv.h>

enum { BUFFER = 65536 };

static char spare[BUFFER];

static void say_port(const struct sockaddr_storage *address)
{
    printf("PORT %d\n", ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port));
    fflush(stdout);
}

static void give_spare(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(spare, BUFFER);
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

/** A write that could not be done at once, with a copy of the rest. */
struct rest {
    /** libuv's own. */
    uv_write_t request;
    /** The bytes. */
    char bytes[];
};

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    if (count < 0) {
        uv_close((uv_handle_t *)stream, closed);
        return;
    }
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)count);
    int done = uv_try_write(stream, &out, 1);
    if (done < 0)
        done = 0;
    if (done == count)
        return;
    struct rest *rest = malloc(sizeof *rest + (size_t)(count - done));
    memcpy(rest->bytes, buf->base + done, (size_t)(count - done));
    out = uv_buf_init(rest->bytes, (unsigned)(count - done));
    uv_write(&rest->request, stream, &out, 1, written);
}

static void connected(uv_stream_t *server, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);
    if (status < 0 || !client)
        abort();
    uv_tcp_init(server->loop, client);
    if (uv_accept(server, (uv_stream_t *)client))
        abort();
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, give_spare, echo);
}

static void answer(uv_udp_t *handle, ssize_t count, const uv_buf_t *buf,
                   const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    if (count < 0 || !from)
        return;
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)count);
    uv_udp_try_send(handle, &out, 1, from);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address;
    struct sockaddr_storage name;
    int len = sizeof name;
    static uv_tcp_t tcp;
    static uv_udp_t udp;

    uv_ip4_addr("127.0.0.1", 0, &address);
    if (argc > 1 && !strcmp(argv[1], "udp_echo")) {
        uv_udp_init(loop, &udp);
        uv_udp_bind(&udp, (struct sockaddr *)&address, 0);
        uv_udp_getsockname(&udp, (struct sockaddr *)&name, &len);
        uv_udp_recv_start(&udp, give_spare, answer);
    } else {
        uv_tcp_init(loop, &tcp);
        uv_tcp_bind(&tcp, (struct sockaddr *)&address, 0);
        if (uv_listen((uv_stream_t *)&tcp, 1024, connected))
            return 1;
        uv_tcp_getsockname(&tcp, (struct sockaddr *)&name, &len);
    }
    say_port(&name);
    return uv_run(loop, UV_RUN_DEFAULT);
}
