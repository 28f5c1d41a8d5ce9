/* SPDX-License-Identifier: MIT */
/*
 * proxy.c: the program examples/weft-proxy, restarted while it is in use
 *
 * A first proxy stands before the echo server. While the clients talk through it a second one is
 * started and takes its listening socket over, then a third one; each lets the connections that it
 * has come to their end. No client may notice.
 */
#include "demo.h"
#include <stdio.h>
#include <unistd.h>

/** How many answers have come when a proxy is followed by the next. */
#define RESTART_AFTER 60

/** Starts one more proxy with the same addresses. 0 or -errno. */
static int proxy_follow(struct proxy *proxy)
{
    pid_t pid = fork_bound();

    if (pid == 0)
        _exit(exec_beside("weft-proxy",
                          (char *[]){"-c", proxy->control, proxy->front, proxy->behind, NULL}) < 0);
    if (pid < 0)
        return -errno;
    proxy->server.pids[proxy->server.count++] = pid;
    return 0;
}

int proxy_start(struct proxy *proxy, const struct weft_address *behind)
{
    int fd = bind_somewhere(SOCK_STREAM, &proxy->server.address);

    if (fd < 0)
        return fd;
    (void)weft_address_format(&proxy->server.address, proxy->front, sizeof proxy->front);
    (void)weft_address_format(behind, proxy->behind, sizeof proxy->behind);
    snprintf(proxy->control, sizeof proxy->control, "unix:@weft-demo-%d", (int)getpid());
    int rc = proxy_follow(proxy);
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

int proxy_restart(void *arg)
{
    struct proxy *proxy = arg;
    int rc = 0;

    while (rc == 0 && proxy->server.count < SERVER_PROCESSES) {
        while (rc == 0 && row_answers() < RESTART_AFTER * proxy->server.count)
            rc = weft_sleep(WEFT_MS);
        if (rc == 0)
            rc = proxy_follow(proxy);
    }
    return rc;
}
