/* SPDX-License-Identifier: MIT */
/*
 * owner.c: the task that owns a process by callback
 *
 * It waits for the exit in the background of the process's scope, and ends only when
 * connection_lost has returned, so that no callback comes after the scope. The callbacks themselves
 * run on the loop, never on the owner's stack: it notes what it knows and posts the subprocess to
 * the ready ring, and what is due is told from there in its order.
 */
#include "transport/subprocess/subprocess.h"

#include <stdio.h>

/* --- Telling ------------------------------------------------------------------------------- */

void weft__subprocess_tell_made(struct weft_subprocess *subprocess)
{
    int (*made)(void *, struct weft_subprocess *) =
        weft__subprocess_callback(subprocess, connection_made);
    if (!subprocess->made_due)
        return;
    subprocess->made_due = false;
    int rc = made ? made(subprocess->self, subprocess) : 0;
    if (rc < 0)
        weft__subprocess_fail(subprocess, rc);
}

static void tell_exited(struct weft_subprocess *subprocess)
{
    void (*exited)(void *, struct weft_subprocess *) =
        weft__subprocess_callback(subprocess, process_exited);
    if (!subprocess->exited_due)
        return;
    subprocess->exited_due = false;
    if (exited)
        exited(subprocess->self, subprocess);
}

/** The last callback; the owner frees everything when it runs next. */
static void tell_lost(struct weft_subprocess *subprocess)
{
    void (*lost)(void *, struct weft_subprocess *, int) =
        weft__subprocess_callback(subprocess, connection_lost);
    if (lost)
        lost(subprocess->self, subprocess, subprocess->code);
    subprocess->over = true;
    (void)weft_waitq_wake_all(&subprocess->owner, 0);
    if (subprocess->last)
        (void)weft_wake(subprocess->last, 0);
}

/** From the ready ring. */
static void deliver_subprocess(void *arg)
{
    struct weft_subprocess *subprocess = arg;
    subprocess->posted = false;
    weft__subprocess_tell_made(subprocess);
    tell_exited(subprocess);
    if (subprocess->ended && subprocess->open == 0 && !subprocess->over && !subprocess->posted)
        tell_lost(subprocess);
}

void weft__subprocess_post(struct weft_subprocess *subprocess)
{
    if (subprocess->posted)
        return;
    subprocess->posted = true;
    weft__loop_schedule(subprocess->loop, deliver_subprocess, subprocess);
}

void weft__subprocess_fail(struct weft_subprocess *subprocess, int code)
{
    if (subprocess->code == 0)
        subprocess->code = code;
    weft_subprocess_close(subprocess);
}

/* --- The owner ----------------------------------------------------------------------------- */

static void describe_owner(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_subprocess *subprocess = wait->object;
    snprintf(buf, size, "for the pipes of process %d, %zu are open", (int)subprocess->pid,
             subprocess->open);
}

/** Waits until connection_lost has returned; cut, it sees to it that this comes soon. */
static void wait_until_over(struct weft_subprocess *subprocess)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_owner, subprocess);
    if (!subprocess->over && weft_waitq_park(&subprocess->owner, &wait) < 0 && !subprocess->over) {
        weft__subprocess_abort_pipes(subprocess);
        weft_wait_init(&wait, describe_owner, subprocess);
        subprocess->last = &wait;
        ssize_t woken = weft_park(&wait, NULL);
        weft__assert(woken == 0);
        (void)woken;
    }
}

int weft__subprocess_own(void *arg)
{
    struct weft_subprocess *subprocess = arg;
    int rc = weft_process_wait(subprocess->process, &subprocess->exit);
    struct weft_process *process = subprocess->process;
    if (rc < 0) {
        subprocess->process = NULL;
        weft_process_close(process);
        weft__subprocess_abort_pipes(subprocess);
        if (subprocess->code == 0)
            subprocess->code = rc;
    }
    subprocess->ended = true;
    subprocess->exited_due = rc == 0;
    weft__subprocess_post(subprocess);
    wait_until_over(subprocess);
    if (rc == 0)
        weft_process_close(process);
    weft__loop_leave(subprocess->loop, &subprocess->errand);
    (void)weft_loop_realloc(subprocess->loop, subprocess, 0);
    return 0;
}
