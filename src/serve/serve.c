/* SPDX-License-Identifier: MIT */
/*
 * serve.c: a server in one call
 *
 * A scope, a server in it, and the exit that waits for both of its tasks. A cancellation comes out
 * of the exit as -ECANCELED, because the acceptors were refused for it; by then the server has been
 * drained. An acceptor that fails for good is a failing child, and its code comes out. Who wants to
 * do something beside a server opens it into a scope of his own, and has the calls of server.c.
 */
#include "serve/internal.h"

int weft_serve_with_at(const struct weft_serve_options *options, weft_serve_fn *fn, void *arg,
                       const char *site)
{
    struct weft_scope scope;
    struct weft_server *server;
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft_scope_enter_at(&scope, WEFT_FOREVER, WEFT_FAIL_FAST, site);
    rc = weft_server_open_at(&scope, options, fn, arg, &server, site);
    if (rc == 0)
        weft_ready();
    return weft_scope_exit(&scope, rc);
}

int weft_serve_at(const char *address, weft_serve_fn *fn, void *arg, const char *site)
{
    struct weft_serve_options options = {.address = address};
    return weft_serve_with_at(&options, fn, arg, site);
}
