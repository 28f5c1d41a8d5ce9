/* SPDX-License-Identifier: MIT */
/*
 * 06_dump.c: what a program says about itself
 *
 * Three tasks wait for different things, and a fourth one asks for the dump: the tree of scopes and
 * tasks, each with what it waits for, since when, and the line that spawned it. SIGQUIT (Ctrl-\)
 * gives the same of any program that runs under weft_main. The last task then fails on purpose, and
 * the scope cancels the others, so that the program ends at once.
 */
#include <stdio.h>
#include <weft/weft.h>

static int keep(struct weft_mutex *lock)
{
    int rc = weft_mutex_lock(lock);

    if (rc < 0)
        return rc;
    rc = weft_sleep(1 * WEFT_MIN);
    (void)weft_mutex_unlock(lock);
    return rc;
}
WEFT_TASK(keep, struct weft_mutex *);

static int read_pipe(int fd)
{
    char byte;
    ssize_t n = weft_within(5 * WEFT_SEC, weft_read(fd, &byte, 1));

    return n < 0 ? (int)n : 0;
}
WEFT_TASK(read_pipe, int);

static int look(void *loop)
{
    int rc = weft_sleep(800 * WEFT_MS);

    weft_dump(loop, 1);
    return rc < 0 ? rc : weft_fail(-ECANCELED, "seen enough");
}

static int program(void *unused)
{
    struct weft_mutex lock = WEFT_MUTEX_INIT(lock);
    struct weft_scope scope;
    int fds[2], rc = weft_pipe(fds);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, 10 * WEFT_SEC);
    weft_go(&scope, keep, &lock);
    weft_go(&scope, keep, &lock);
    weft_go_fn(&scope, look, weft_loop_current());
    weft_go(&scope, read_pipe, fds[0]);
    rc = weft_scope_exit(&scope, 0);
    (void)weft_close(fds[0]);
    (void)weft_close(fds[1]);
    return rc == -ECANCELED ? 0 : rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
