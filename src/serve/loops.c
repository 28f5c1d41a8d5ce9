/* SPDX-License-Identifier: MIT */
/*
 * loops.c: one server on several loops
 *
 * All sockets are opened before there is a loop, on the calling thread: so an address that is taken
 * is known before anything is served, and the port that the first socket was given is known to the
 * others. They are held in the listeners of servers that never run, a *stencil* for each loop,
 * whose descriptors the server of that loop is given.
 *
 * Each loop has its own limits and statistics. Nothing is shared, so nothing is locked.
 */
#include "serve/internal.h"

#include "base/options.h"

#include <string.h>
#include <weft/thread.h>

/** A server on several loops. */
struct many {
    /** What was asked for. */
    struct weft_serve_options options;
    /** The handler. */
    weft_serve_fn *fn;
    /** Its argument. */
    void *arg;
    /** Who asked. */
    const char *site;
    /** How many loops. */
    unsigned count;
    /** The sockets of each loop; a stencil without listeners has given them away. */
    struct weft_server *stencils[];
};

static int serve(struct weft_scope *scope, const struct many *many, struct weft_server *stencil)
{
    struct weft_serve_options options = many->options;
    struct weft_server *server;
    int *fds = weft_scope_alloc(scope, stencil->listener_count * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    for (size_t i = 0; i < stencil->listener_count; i++)
        fds[i] = stencil->listeners[i].fd;
    options.address = NULL;
    options.address_count = 0;
    options.fds = fds;
    options.fd_count = stencil->listener_count;
    int rc = weft_server_open_at(scope, &options, many->fn, many->arg, &server, many->site);
    if (rc < 0)
        return rc;
    /* The path goes with the first loop's server; all of them close at the same time. */
    for (size_t i = 0; i < stencil->listener_count; i++)
        server->listeners[i].path = stencil->listeners[i].path;
    stencil->listener_count = 0;
    weft_ready();
    return 0;
}

static int run_one(unsigned index, void *arg)
{
    const struct many *many = arg;
    struct weft_scope scope;
    weft_scope_enter_at(&scope, WEFT_FOREVER, WEFT_FAIL_FAST, many->site);
    return weft_scope_exit(&scope, serve(&scope, many, many->stencils[index]));
}

/** Opens the sockets of all loops. */
static int open_all(struct many *many, size_t size)
{
    const struct weft_sys *sys = &weft_sys_default;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < many->count; i++) {
        struct weft_server *stencil = sys->realloc(sys, NULL, size);
        if (!stencil)
            return -ENOMEM;
        weft__server_init(stencil, size, &many->options);
        many->stencils[i] = stencil;
        rc = i == 0 ? weft__listeners_open(stencil, &many->options)
                    : weft__listeners_open_beside(stencil, many->stencils[0]);
    }
    return rc;
}

/** Closes what no loop has taken. */
static void free_all(struct many *many)
{
    const struct weft_sys *sys = &weft_sys_default;
    for (unsigned i = 0; i < many->count; i++) {
        if (many->stencils[i])
            weft__listeners_give_back(many->stencils[i]);
        sys->realloc(sys, many->stencils[i], 0);
    }
    sys->realloc(sys, many, 0);
}

int weft_serve_loops_at(unsigned count, const struct weft_run_options *run,
                        const struct weft_serve_options *given, weft_serve_fn *fn, void *arg,
                        const char *site)
{
    const struct weft_sys *sys = &weft_sys_default;
    struct weft_serve_options options;
    weft__options_read(&options, sizeof options, given);
    if (weft_loop_current())
        return -EDEADLK;
    ssize_t listeners = weft__listeners_count(&options);
    if (listeners <= 0 || count == 0)
        return listeners < 0 ? (int)listeners : -EINVAL;
    size_t size = sizeof(struct many) + count * sizeof(struct weft_server *);
    struct many *many = sys->realloc(sys, NULL, size);
    if (!many)
        return -ENOMEM;
    memset(many, 0, size);
    *many = (struct many){.options = options, .fn = fn, .arg = arg, .site = site, .count = count};
    if (count > 1)
        many->options.flags |= WEFT_SERVE_REUSE_PORT;
    int rc = open_all(many, weft__server_size((size_t)listeners));
    if (rc == 0)
        rc = weft_run_loops(count, run, run_one, many);
    free_all(many);
    return rc;
}
