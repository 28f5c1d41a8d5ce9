/* SPDX-License-Identifier: MIT */
/*
 * server.c: servers in processes of their own
 *
 * A server is one UDP socket on a port that the kernel chose and some processes that read from it.
 * They are made by fork, before this process has a loop, and they die with it, even when it is
 * killed. At the end of the demo they get SIGTERM and their exit status is looked at, so that a
 * server that failed is not overlooked.
 */
#include "demo.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int bind_somewhere(int type, struct weft_address *ret)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

    *ret = (struct weft_address){.len = sizeof ret->of.in};
    ret->of.in.sin_family = AF_INET;
    ret->of.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -errno;
    if ((type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) ||
        bind(fd, &ret->of.any, ret->len) < 0 || getsockname(fd, &ret->of.any, &ret->len) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

/* A child that is forked while weft_run runs has its handlers until it calls exec. A SIGTERM that
 * came in between would go to a loop that never turns, and be lost: so none comes in between. */
pid_t fork_bound(void)
{
    pid_t parent = getpid(), pid;
    sigset_t all, before;

    fflush(stdout); /* or the child would print it again */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
        _exit(1);
    return pid;
}

int server_start(struct server *server, int count, int (*serve)(int fd, void *arg), void *arg)
{
    int fd = bind_somewhere(SOCK_DGRAM, &server->address);

    if (fd < 0)
        return fd;
    for (server->count = 0; server->count < count; server->count++) {
        pid_t pid = fork_bound();

        if (pid == 0)
            _exit(serve(fd, arg) < 0);
        if (pid < 0) {
            int rc = -errno;

            close(fd);
            return rc;
        }
        server->pids[server->count] = pid;
    }
    return close(fd) < 0 ? -errno : 0;
}

int server_stop(struct server *server)
{
    int rc = 0;

    for (int i = 0; i < server->count; i++) {
        int status = 0;

        if (kill(server->pids[i], SIGTERM) < 0 || waitpid(server->pids[i], &status, 0) < 0)
            rc = -errno;
        else if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGTERM : status != 0)
            rc = -EPROTO;
    }
    server->count = 0;
    return rc;
}
