/* SPDX-License-Identifier: MIT */
/*
 * failure.c: notes of tasks, failures of scopes
 *
 * A note is a sentence that a failing task leaves for people; it lives in the task and is made only
 * when something fails. When the task's code reaches its scope as a failure, the note moves along
 * into the scope's first failure, and from there into the note of the task that leaves the scope,
 * so that the sentence reaches weft_main. No memory for a note or a failure loses the text, never
 * the code.
 */
#include "task/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct weft__note *note_get(struct weft_task *task)
{
    const struct weft_sys *sys = task->runtime->loop->sys;
    if (task->note)
        return task->note;
    task->note = sys->realloc(sys, NULL, sizeof *task->note);
    if (task->note)
        task->note->text[0] = '\0';
    return task->note;
}

static int note_write(int code, const char *site, const char *format, va_list args)
{
    struct weft_task *task = weft__task_current;
    struct weft__note *note = task ? note_get(task) : NULL;
    if (!note)
        return code;
    note->code = code;
    note->site = site;
    (void)vsnprintf(note->text, sizeof note->text, format, args);
    return code;
}

int weft_fail_at(int code, const char *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    code = note_write(code, site, format, args);
    va_end(args);
    return code;
}

/** Where the next "; while ..." goes; starts a note when there is none for this code. */
static char *note_end(struct weft_task *task, int code, const char *site, size_t *ret_room)
{
    struct weft__note *note = note_get(task);
    if (!note)
        return NULL;
    if (!note->text[0] || note->code != code) {
        note->code = code;
        note->site = site;
        (void)snprintf(note->text, sizeof note->text, "%s", weft_strerror(code));
    }
    size_t used = strlen(note->text);
    *ret_room = sizeof note->text - used;
    return note->text + used;
}

int weft_fail_while_at(int code, const char *site, const char *format, ...)
{
    struct weft_task *task = weft__task_current;
    size_t room = 0;
    char *end = task ? note_end(task, code, site, &room) : NULL;
    if (!end)
        return code;
    int used = snprintf(end, room, "; while ");
    if (used < 0 || (size_t)used >= room)
        return code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(end + used, room - (size_t)used, format, args);
    va_end(args);
    return code;
}

const char *weft_note(void)
{
    const struct weft_task *task = weft__task_current;
    return task && task->note ? task->note->text : "";
}

/** Writes what failed; `task` NULL: a start. */
static void describe(struct weft__failure *failure, int code, const struct weft_task *task,
                     const char *site)
{
    const struct weft__note *note = task ? task->note : NULL;
    if (!task && weft__task_current)
        note = weft__task_current->note;
    if (note && note->code != code)
        note = NULL;
    snprintf(failure->text, sizeof failure->text, "%s", note ? note->text : "");
    snprintf(failure->task, sizeof failure->task, "%s",
             task ? weft__task_name(task) : "(not started)");
    failure->public = (struct weft_failure){
        .code = code,
        .text = failure->text,
        .task = failure->task,
        .spawned_at = site,
        .failed_at = note ? note->site : "",
    };
}

static struct weft__failure *failure_new(struct weft__runtime *runtime, int code,
                                         const struct weft_task *task, const char *site)
{
    const struct weft_sys *sys = runtime->loop->sys;
    struct weft__failure *failure = sys->realloc(sys, NULL, sizeof *failure);
    if (failure)
        describe(failure, code, task, site);
    return failure;
}

void weft__failure_note(struct weft_task *task, const struct weft__failure *failure)
{
    const struct weft_failure *seen = &failure->public;
    struct weft__note *note = seen->text[0] ? note_get(task) : NULL;
    if (!note || seen->text == note->text)
        return;
    note->code = seen->code;
    note->site = seen->failed_at;
    (void)snprintf(note->text, sizeof note->text, "%s", seen->text);
}

void weft__failure_free(struct weft__runtime *runtime, struct weft__failure *failure)
{
    if (failure)
        runtime->loop->sys->realloc(runtime->loop->sys, failure, 0);
}

/** A child of a supervising scope failed: tells the handler, by default stderr. */
static void tell(struct weft__runtime *runtime, int code, const struct weft_task *task,
                 const char *site)
{
    struct weft__failure failure;
    describe(&failure, code, task, site);
    if (runtime->failure_fn) {
        runtime->failure_fn(&failure.public, runtime->failure_arg);
        return;
    }
    weft__report("task %s (spawned at %s) failed: %s%s%s", failure.task, site, weft_strerror(code),
                 failure.text[0] ? ": " : "", failure.text);
}

static bool gives_way(const struct weft__scope *scope)
{
    return scope->cause == WEFT__CAUSE_NONE || scope->cause == WEFT__CAUSE_OUTER ||
           (scope->cause == WEFT__CAUSE_CANCEL && scope->code == 0);
}

void weft__scope_fail(struct weft__scope *scope, int code, const struct weft_task *task, bool body,
                      const char *site)
{
    if (scope->policy == WEFT_SUPERVISE && !body) {
        tell(scope->runtime, code, task, site);
        return;
    }
    if (gives_way(scope)) {
        scope->cause = WEFT__CAUSE_FAILURE;
        scope->code = code;
        scope->failure = failure_new(scope->runtime, code, task, site);
    } else if (scope->failure) {
        scope->failure->public.more++;
    }
    if (scope->policy != WEFT_COLLECT)
        weft__scope_cancel(scope, WEFT__CAUSE_FAILURE, code);
}

const struct weft_failure *weft_scope_failure(const struct weft_scope *token)
{
    const struct weft__scope *scope = weft__scope_of(token);
    const struct weft_task *task = weft__task_current;
    if (scope)
        return scope->failure ? &scope->failure->public : NULL;
    if (task && task->last_failure && task->last_failure_generation == token->generation)
        return &task->last_failure->public;
    return NULL;
}

void weft_loop_set_failure_handler(struct weft_loop *loop, weft_failure_fn *fn, void *arg)
{
    struct weft__runtime *runtime = weft__runtime_get(loop);
    if (!runtime)
        return;
    runtime->failure_fn = fn;
    runtime->failure_arg = arg;
}
