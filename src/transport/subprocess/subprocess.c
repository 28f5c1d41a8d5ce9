/* SPDX-License-Identifier: MIT */
/*
 * subprocess.c: processes by callback
 *
 * A process of weft/process.h whose pipes are transports instead of streams: what it writes comes
 * by callback. Until the owner has begun, whatever fails takes back what was there before it, and
 * the caller is told; from then on the owner has the whole, and every end is its end: close and a
 * failing callback only see to it that pipes and process end soon.
 */
#include "transport/subprocess/subprocess.h"

#include <signal.h>
#include <string.h>
#include <weft/task.h>

/* --- Starting ------------------------------------------------------------------------------ */

static int start_owner(struct weft_subprocess *subprocess, struct weft_scope *scope)
{
    struct weft_task_options options = {
        .size = sizeof options, .name = "subprocess", .flags = WEFT_BACKGROUND};
    return weft_spawn_with(scope, NULL, &options, weft__subprocess_own, subprocess);
}

/** From here on the process runs: whatever fails ends it. */
static int look_after(struct weft_subprocess *subprocess, struct weft_scope *scope,
                      struct weft__plumbing *plumbing)
{
    int rc = weft__subprocess_connect_pipes(subprocess, plumbing);
    if (rc == 0)
        rc = start_owner(subprocess, scope);
    if (rc < 0) {
        weft__subprocess_disconnect_pipes(subprocess);
        weft_process_close(subprocess->process);
        return rc;
    }
    subprocess->made_due = true;
    weft__subprocess_post(subprocess);
    return 0;
}

static int start_subprocess(struct weft_subprocess *subprocess, struct weft_scope *scope,
                            const char *const *arguments, const struct weft_process_options *asked)
{
    struct weft_process_options options;
    struct weft__plumbing plumbing;
    weft__options_read(&options, sizeof options, asked);
    options.size = sizeof options;
    int rc = weft__subprocess_lay_pipes(subprocess, &plumbing, &options);
    if (rc == 0)
        rc = weft_process_spawn(scope, arguments, &options, &subprocess->process);
    weft__subprocess_close_ends(subprocess, plumbing.theirs);
    if (rc == 0) {
        subprocess->pid = weft_process_pid(subprocess->process);
        rc = look_after(subprocess, scope, &plumbing);
    }
    if (rc < 0)
        weft__subprocess_close_ends(subprocess, plumbing.ours);
    return rc;
}

/** The owner has ended before the loop is freed; only a forked child comes here with one left. */
static void drop_subprocess(struct weft__errand *errand)
{
    struct weft_subprocess *subprocess = weft__container(errand, struct weft_subprocess, errand);
    weft__loop_leave(subprocess->loop, errand);
    (void)weft_loop_realloc(subprocess->loop, subprocess, 0);
}

int weft_subprocess_exec(struct weft_scope *scope, const char *const *arguments,
                         const struct weft_process_options *options,
                         const struct weft_subprocess_protocol *protocol, void *self,
                         struct weft_subprocess **ret)
{
    struct weft_loop *loop = weft_loop_current();
    if (!loop)
        return -EPERM;
    struct weft_subprocess *subprocess = weft_loop_realloc(loop, NULL, sizeof *subprocess);
    if (!subprocess)
        return -ENOMEM;
    memset(subprocess, 0, sizeof *subprocess);
    subprocess->loop = loop;
    subprocess->protocol = protocol;
    subprocess->self = self;
    weft_waitq_init(&subprocess->owner);
    int rc = weft__loop_enter(loop, &subprocess->errand, drop_subprocess);
    if (rc == 0) {
        rc = start_subprocess(subprocess, scope, arguments, options);
        if (rc < 0)
            weft__loop_leave(loop, &subprocess->errand);
    }
    if (rc < 0) {
        (void)weft_loop_realloc(loop, subprocess, 0);
        return rc;
    }
    if (ret)
        *ret = subprocess;
    return 0;
}

/* --- While it runs ------------------------------------------------------------------------- */

pid_t weft_subprocess_pid(const struct weft_subprocess *subprocess)
{
    return subprocess->pid;
}

int weft_subprocess_exit(const struct weft_subprocess *subprocess, struct weft_exit *ret)
{
    if (!subprocess->ended)
        return -EAGAIN;
    if (!subprocess->process)
        return -ECHILD;
    *ret = subprocess->exit;
    return 0;
}

struct weft_transport *weft_subprocess_pipe(const struct weft_subprocess *subprocess, int child_fd)
{
    for (size_t i = 0; i < subprocess->pipe_count; i++)
        if (subprocess->pipes[i].child_fd == child_fd)
            return subprocess->pipes[i].transport;
    return NULL;
}

int weft_subprocess_signal(struct weft_subprocess *subprocess, int signal)
{
    if (subprocess->ended || !subprocess->process)
        return -ESRCH;
    return weft_process_signal(subprocess->process, signal);
}

void weft_subprocess_close(struct weft_subprocess *subprocess)
{
    weft__subprocess_abort_pipes(subprocess);
    (void)weft_subprocess_signal(subprocess, SIGKILL);
}
