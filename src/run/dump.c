/* SPDX-License-Identifier: MIT */
/*
 * dump.c: what everybody waits for
 *
 * The tree of scopes and tasks as text, one line each, indented by depth. It only reads, takes
 * nothing from the heap, and is written line by line, so that it works in a program that is in
 * trouble: out of memory, at its descriptor limit, deadlocked.
 *
 * The walk needs no recursion: a task's line is followed by its own scopes, outermost first, and
 * those by their children; from a finished child the walk goes on by its links.
 */
#include "loop/poller.h"
#include "task/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/** Deeper levels are indented like this one. */
#define INDENT_MAX 40

/** Where the lines go. */
struct dump {
    /** The loop. */
    struct weft_loop *loop;
    /** The descriptor. */
    int fd;
    /** Levels of indentation. */
    int depth;
};

WEFT_PRINTF(2, 3) static void line(const struct dump *dump, const char *format, ...)
{
    char text[512];
    int indent = dump->depth < INDENT_MAX ? dump->depth * 2 : INDENT_MAX * 2;
    memset(text, ' ', (size_t)indent);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + indent, sizeof text - (size_t)indent - 1, format, args);
    va_end(args);
    size_t len = strlen(text);
    text[len++] = '\n';
    (void)weft_sys_default.write(&weft_sys_default, dump->fd, text, len);
}

static const char *state_name(const struct weft_task *task)
{
    static const char *const names[] = {"starting", "ready", "running", "parked", "ended"};
    return names[task->state];
}

static double seconds(weft_ns ns)
{
    return (double)ns / 1e9;
}

static void dump_task(const struct dump *dump, const struct weft_task *task)
{
    char what[200] = "";
    if (task->state == WEFT__TASK_PARKED) {
        char words[160];
        weft__wait_describe(task->wait, words, sizeof words);
        snprintf(what, sizeof what, " %.3f s: %s", seconds(dump->loop->now - task->since), words);
    }
    line(dump, "task %llu %s  %s%s%s  (spawned at %s)", (unsigned long long)task->id,
         weft__task_name(task), state_name(task), what, task->refuse ? ", cancelled" : "",
         task->site);
}

static void dump_scope_line(const struct dump *dump, const struct weft__scope *scope)
{
    char deadline[48] = "";
    if (scope->deadline != WEFT_FOREVER)
        snprintf(deadline, sizeof deadline, ", deadline in %.3f s",
                 seconds(scope->deadline - dump->loop->now));
    line(dump, "%s (%s)%s%s, %zu child%s", scope->shield ? "shield" : "scope", scope->site,
         deadline, scope->effective ? ", cancelled" : "", scope->alive,
         scope->alive == 1 ? "" : "ren");
}

/** The scope after `scope` in the owner's list; NULL at the end. */
static const struct weft__scope *next_own(const struct weft__scope *scope)
{
    const struct weft_link *link = scope->own.next;
    if (!scope->owner || link == &scope->owner->scopes)
        return NULL;
    return weft__container(link, struct weft__scope, own);
}

static const struct weft__scope *first_own(const struct weft_task *task)
{
    const struct weft_link *link = weft__list_first(&task->scopes);
    return link ? weft__container(link, struct weft__scope, own) : NULL;
}

static const struct weft_task *first_child(const struct weft__scope *scope)
{
    const struct weft_link *link = weft__list_first(&scope->children);
    return link ? weft__container(link, struct weft_task, sibling) : NULL;
}

static const struct weft_task *next_child(const struct weft_task *task)
{
    const struct weft_link *link = task->sibling.next;
    return link == &task->home->children ? NULL : weft__container(link, struct weft_task, sibling);
}

/** From a scope whose children are all written: the next scope or task to write, upwards. */
static bool climb(struct dump *dump, const struct weft__scope **scope,
                  const struct weft_task **task)
{
    const struct weft__scope *at = *scope;
    for (;;) {
        dump->depth--;
        const struct weft__scope *sibling = next_own(at);
        if (sibling) {
            *scope = sibling;
            *task = NULL;
            return true;
        }
        if (!at->owner)
            return false;
        dump->depth--;
        const struct weft_task *next = next_child(at->owner);
        at = at->owner->home;
        if (next) {
            *task = next;
            *scope = at;
            return true;
        }
    }
}

static void dump_tree(struct dump *dump, const struct weft__scope *root)
{
    const struct weft__scope *scope = root;
    const struct weft_task *task = NULL;
    do {
        if (!task) {
            dump_scope_line(dump, scope);
            dump->depth++;
            task = first_child(scope);
        }
        while (task) {
            dump_task(dump, task);
            const struct weft__scope *own = first_own(task);
            if (own) {
                dump->depth++;
                scope = own;
                dump_scope_line(dump, scope);
                dump->depth++;
                task = first_child(scope);
            } else {
                task = next_child(task);
            }
        }
    } while (climb(dump, &scope, &task));
}

/** Tasks wait, and the loop knows of nothing that could wake one. That is no proof of a deadlock:
 *  other threads and signal handlers may wake a loop that has never heard of them. */
static bool nothing_in_sight(const struct weft_loop *loop)
{
    const struct weft__runtime *runtime = loop->runtime;
    return runtime && runtime->alive > 0 && !weft__task_current && weft__ready_count(loop) == 0 &&
           weft__timers_first(loop) == WEFT_FOREVER && loop->poller->pending == 0 &&
           loop->poller->watches == 0 && atomic_load(&loop->incoming) == NULL;
}

/** What other parts of the loop have to say: pools and their jobs. */
static void dump_reports(const struct dump *dump)
{
    weft__list_each(link, &dump->loop->reporters)
    {
        const struct weft__reporter *reporter = weft__container(link, struct weft__reporter, link);
        char text[256];
        for (unsigned i = 0; reporter->line(reporter, i, text, sizeof text); i++)
            line(dump, "%s", text);
    }
}

void weft_dump(struct weft_loop *loop, int fd)
{
    struct dump dump = {.loop = loop, .fd = fd};
    const struct weft__runtime *runtime = loop->runtime;
    weft__loop_clock(loop);
    line(&dump, "weft: %zu tasks, %zu ready, %zu timers, %zu operations, engine %s (%s), turn %llu",
         runtime ? runtime->alive : 0, weft__ready_count(loop), weft__heap_count(&loop->timers),
         loop->poller->pending, weft_loop_backend(loop), loop->reason,
         (unsigned long long)loop->turns);
    if (runtime)
        dump_tree(&dump, runtime->root);
    dump.depth = 0;
    dump_reports(&dump);
    if (nothing_in_sight(loop))
        line(&dump, "no task is ready, and nothing is timed, watched or in flight: only another "
                    "thread or a signal can wake them");
}
