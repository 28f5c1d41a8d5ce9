/* SPDX-License-Identifier: MIT */
/*
 * overflow.c: the sentence about a stack overflow
 *
 * It is written in the SIGSEGV handler, on the alternate stack, while the coroutine's own stack is
 * full: nothing but write(2) and reading memory that cannot move. The stack's owner is its
 * coroutine, whose kind says where a name is to be found. What happens to the process afterwards is
 * decided in machine/overflow.c.
 */
#include "coro/overflow.h"

#include "coro/generator.h"

#include <stdatomic.h>
#include <string.h>

/** Names coroutines of the layer above; every thread that runs tasks sets it to the same. */
static weft__coro_name_fn *_Atomic task_name;

static void write_text(int fd, const char *text)
{
    (void)weft_sys_default.write(&weft_sys_default, fd, text, strlen(text));
}

static void write_number(int fd, size_t number)
{
    char digits[24], *p = digits + sizeof digits;
    do
        *--p = (char)('0' + number % 10);
    while (number /= 10);
    (void)weft_sys_default.write(&weft_sys_default, fd, p, (size_t)(digits + sizeof digits - p));
}

static void describe(const struct weft__stack_hit *hit, int fd)
{
    const struct weft__coro *coro = hit->owner;
    const char *kind = "", *name = "a coroutine", *site = "?";
    if (coro && coro->kind == WEFT_KIND_TASK) {
        kind = "task ";
        atomic_load (&task_name)(coro, &name, &site);
    } else if (coro && coro->kind == WEFT_KIND_GENERATOR) {
        kind = "generator ";
        name = weft__generator_name(coro);
        site = weft__generator_site(coro);
    }
    write_text(fd, "weft: stack overflow in ");
    write_text(fd, kind);
    write_text(fd, name);
    write_text(fd, " (started at ");
    write_text(fd, site);
    write_text(fd, "): its stack has ");
    write_number(fd, (hit->size + 1023) / 1024);
    write_text(fd, " KiB\n");
}

int weft__overflow_begin(const struct weft_sys *sys, weft__coro_name_fn *name,
                         struct weft__overflow_thread *ret)
{
    int rc = weft__overflow_thread_enter(sys, ret);
    if (rc < 0)
        return rc;
    atomic_store(&task_name, name);
    rc = weft__overflow_install(sys, describe);
    if (rc < 0)
        weft__overflow_thread_leave(ret);
    return rc;
}

void weft__overflow_end(struct weft__overflow_thread *thread)
{
    weft__overflow_restore(thread->sys);
    weft__overflow_thread_leave(thread);
}
