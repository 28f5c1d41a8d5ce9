/* SPDX-License-Identifier: MIT */
/*
 * handle.c: callbacks scheduled by call_soon, call_later and call_at
 *
 * A handle lives from the scheduling until its callback starts or is cancelled. A place in the
 * ready ring is reserved with it, so that a timer that comes due cannot fail. Cancelling one that
 * already stands in the ring leaves an entry that does nothing: the ring is not searched. Handles
 * own nothing, so that those which are left when the loop is freed go with its slab.
 *
 *       TIMED ──due──▶ READY ──its turn──▶ (gone, callback runs)
 *         └──cancel──▶ (gone)   └──cancel──▶ VOID ──its turn──▶ (gone)
 */
#include "loop/internal.h"
#include "loop/ready.h"

/** Where a handle stands. */
enum handle_state {
    /** Its timer is armed. Next: READY. */
    HANDLE_TIMED,
    /** In the ready ring. Next: VOID. */
    HANDLE_READY,
    /** Cancelled while in the ready ring. The end. */
    HANDLE_VOID
};

/** One cache line (64 bytes), which the slab does not split. */
struct weft_handle {
    /** The loop. */
    struct weft_loop *loop;
    /** What to call. */
    weft_callback_fn *fn;
    /** Its argument. */
    void *arg;
    /** The timer of a timed one. */
    struct weft__timer timer;
    /** When it is due; 0 for call_soon. */
    weft_ns when;
    /** enum handle_state. */
    enum handle_state state;
};

_Static_assert(sizeof(struct weft_handle) <= 64, "a handle is one cache line");

const size_t weft__handle_size = sizeof(struct weft_handle);

static void handle_set_state(struct weft_handle *handle, enum handle_state state)
{
    weft__assert(state > handle->state || state == HANDLE_TIMED);
    handle->state = state;
}

static void handle_free(struct weft_handle *handle)
{
    struct weft_loop *loop = handle->loop;
    weft__timer_clear(loop, &handle->timer);
    weft__ready_unreserve(loop);
    weft__slab_free(&loop->handles, handle);
}

static void handle_run(void *arg)
{
    struct weft_handle *handle = arg;
    weft_callback_fn *fn = handle->state == HANDLE_VOID ? NULL : handle->fn;
    void *fn_arg = handle->arg;
    handle_free(handle);
    if (fn)
        fn(fn_arg);
}

static void handle_due(void *arg)
{
    struct weft_handle *handle = arg;
    handle_set_state(handle, HANDLE_READY);
    weft__ready_push(handle->loop, handle_run, handle);
}

/** A handle that is neither armed nor ready yet; 0, -ENOMEM or -EOWNERDEAD. */
static int handle_new(struct weft_loop *loop, weft_callback_fn *fn, void *arg,
                      struct weft_handle **ret)
{
    int rc = weft__loop_check(loop);
    if (rc == 0)
        rc = weft__ready_reserve(loop);
    if (rc < 0)
        return rc;
    struct weft_handle *handle = weft__slab_alloc(&loop->handles);
    if (!handle) {
        weft__ready_unreserve(loop);
        return -ENOMEM;
    }
    handle->loop = loop;
    handle->fn = fn;
    handle->arg = arg;
    handle->when = 0;
    handle->state = HANDLE_TIMED;
    weft__timer_init(&handle->timer, handle_due, handle);
    *ret = handle;
    return 0;
}

int weft_loop_call_soon(struct weft_loop *loop, weft_callback_fn *fn, void *arg,
                        struct weft_handle **ret)
{
    struct weft_handle *handle;
    int rc = handle_new(loop, fn, arg, &handle);
    if (rc < 0)
        return rc;
    handle_due(handle);
    if (ret)
        *ret = handle;
    return 0;
}

static int call_at(struct weft_loop *loop, weft_ns when, weft_callback_fn *fn, void *arg,
                   struct weft_handle **ret)
{
    struct weft_handle *handle;
    int rc = handle_new(loop, fn, arg, &handle);
    if (rc < 0)
        return rc;
    handle->when = when;
    if (weft__timer_set(loop, &handle->timer, when) < 0) {
        handle_free(handle);
        return -ENOMEM;
    }
    if (ret)
        *ret = handle;
    return 0;
}

int weft_loop_call_later(struct weft_loop *loop, weft_ns delay, weft_callback_fn *fn, void *arg,
                         struct weft_handle **ret)
{
    return call_at(loop, weft__deadline_after(weft__loop_clock(loop), delay), fn, arg, ret);
}

int weft_loop_call_at(struct weft_loop *loop, struct weft_time instant, weft_callback_fn *fn,
                      void *arg, struct weft_handle **ret)
{
    return call_at(loop, instant.ns, fn, arg, ret);
}

void weft_handle_cancel(struct weft_handle *handle)
{
    if (!handle || weft__loop_check(handle->loop) == -EPERM)
        return;
    if (handle->state == HANDLE_READY)
        handle_set_state(handle, HANDLE_VOID);
    else if (handle->state == HANDLE_TIMED)
        handle_free(handle);
}

struct weft_time weft_handle_when(const struct weft_handle *handle)
{
    return (struct weft_time){handle->when};
}
