/* SPDX-License-Identifier: MIT */
/*
 * row_1g.c: "asyncio", its table of thread concepts beside task concepts, one line each
 *
 *     concept                          threads            weft
 *     create and start                 pthread_create     weft_go, weft_spawn
 *     block on the end of a child      pthread_join       weft_join, or the scope's exit
 *     block self until a message came  poll, recv         weft_poll, weft_recv
 *     scheduling                       by the kernel      by the loop, first-in first-out
 *
 * Better here: tasks have no races between two waits, so the counter below needs no lock, and the
 * order of the steps is certain.
 *
 *     row_1g [message [steps]]
 */
#include "seed.h"
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define SIZE 256

static const char *message;
static long steps;

static void *thread_says(void *arg)
{
    (void)arg;
    puts("start: a thread runs");
    return NULL;
}

static void *thread_sends(void *arg)
{
    const int *fd = arg;

    return as_value(send(*fd, message, strlen(message), MSG_NOSIGNAL));
}

static void *thread_steps(void *arg)
{
    long *done = arg;

    for (long i = 0; i < steps; i++)
        ++*done;
    return NULL;
}

static void threads_receive(void)
{
    char buf[SIZE];
    int fds[2];
    pthread_t sender;

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0);
    check(-pthread_create(&sender, NULL, thread_sends, &fds[1]));
    struct pollfd here = {.fd = fds[0], .events = POLLIN};
    ssize_t n = poll(&here, 1, -1) < 0 ? -1 : recv(fds[0], buf, SIZE, 0);
    check(-pthread_join(sender, NULL));
    printf("message: the thread received %.*s\n", (int)(n < 0 ? 0 : n), buf);
    check(close(fds[0]) < 0 || close(fds[1]) < 0 ? -errno : 0);
}

static void with_threads(void)
{
    pthread_t threads[2];
    long done[2] = {0, 0};

    check(-pthread_create(&threads[0], NULL, thread_says, NULL));
    check(-pthread_join(threads[0], NULL));
    puts("join: the thread has ended");
    threads_receive();
    for (int i = 0; i < 2; i++)
        check(-pthread_create(&threads[i], NULL, thread_steps, &done[i]));
    for (int i = 0; i < 2; i++)
        check(-pthread_join(threads[i], NULL));
    printf("scheduling: the threads took %ld steps, in an order of the kernel\n",
           done[0] + done[1]);
}

static int task_says(void)
{
    puts("start: a task runs");
    return 0;
}
WEFT_TASK(task_says);

static int task_sends(int fd)
{
    return weft_write_all(fd, message, strlen(message));
}
WEFT_TASK(task_sends, int);

static int task_steps(const char *name)
{
    int rc = 0;

    for (long i = 0; i < steps && rc == 0; i++) {
        printf("scheduling: task %s step %ld\n", name, i);
        rc = weft_yield();
    }
    return rc;
}
WEFT_TASK(task_steps, const char *);

static int tasks_receive(void)
{
    char buf[SIZE];
    int fds[2];
    struct weft_scope scope;
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, task_sends, fds[1]);
    ssize_t n = weft_recv(fds[0], buf, SIZE, 0);
    rc = weft_scope_exit(&scope, n < 0 ? (int)n : 0);
    if (rc == 0)
        printf("message: the task received %.*s\n", (int)n, buf);
    int close_rc = weft_close(fds[0]);
    int other_rc = weft_close(fds[1]);
    return rc < 0 ? rc : close_rc < 0 ? close_rc : other_rc;
}

static int with_tasks(void *arg)
{
    struct weft_scope scope;
    struct weft_task *task;

    (void)arg;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_spawn(&scope, &task, task_says);
    rc = rc < 0 ? rc : weft_join(task, NULL);
    if (rc == 0)
        puts("join: the task has ended");
    rc = rc < 0 ? rc : tasks_receive();
    weft_go(&scope, task_steps, "a");
    weft_go(&scope, task_steps, "b");
    return weft_scope_exit(&scope, rc);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    message = argument_text(&arguments, 1, "hello");
    steps = argument_number(&arguments, 2, 3);
    with_threads();
    return weft_main(with_tasks, NULL);
}
