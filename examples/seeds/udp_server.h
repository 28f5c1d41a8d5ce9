/* SPDX-License-Identifier: MIT */
/*
 * udp_server.h: the server of "asyncio" (row 1a): one process for each request
 *
 * Each process takes one request, works for a fixed time and answers. It blocks, as in the
 * tutorial: only the clients are of interest. The socket is bound before the processes start, to a
 * port that the kernel chooses.
 */
#ifndef UDP_SERVER_H
#define UDP_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/** One process of the server: takes a request, works, answers. Its exit status. */
static inline int udp_server_answer(int fd, unsigned work_ms)
{
    static const char prefix[] = "response for ";
    char buf[1024 + sizeof prefix] = "response for ";
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len =
        recvfrom(fd, buf + sizeof prefix - 1, 1024, 0, (struct sockaddr *)&from, &from_len);

    if (len < 0)
        return 1;
    usleep(work_ms * 1000);
    len += (ssize_t)sizeof prefix - 1;
    return sendto(fd, buf, (size_t)len, 0, (struct sockaddr *)&from, from_len) != len;
}

/** Starts `count` processes behind one socket; its address goes to *ret. 0 or -errno. */
static inline int udp_server_start(int count, unsigned work_ms, struct sockaddr_in *ret)
{
    socklen_t len = sizeof *ret;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)ret, len) < 0 ||
        getsockname(fd, (struct sockaddr *)ret, &len) < 0)
        return -errno;
    fflush(stdout); /* or each process would print it again */
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();

        if (pid < 0)
            return -errno;
        if (pid == 0)
            _exit(udp_server_answer(fd, work_ms));
    }
    return close(fd) < 0 ? -errno : 0;
}

/** Waits for the processes. 0, or -EPROTO when one of them failed. */
static inline int udp_server_wait(int count)
{
    int status, rc = 0;

    while (count-- > 0)
        if (wait(&status) < 0 || status != 0)
            rc = -EPROTO;
    return rc;
}

#endif
