/* SPDX-License-Identifier: MIT */
/*
 * loop.c: the event loop: making it, its turn, running it, ending it
 *
 * A turn is three steps, always in this order:
 *
 *     poll     the engine submits and waits, at most until the first timer; operations that are
 *              over call back and make tasks ready
 *     timers   those that are due call back and make tasks ready
 *     batch    ready entries run first-in first-out: a fixed number with what becomes ready
 *              meanwhile (the default), or exactly those that were ready when it began (SNAPSHOT)
 *
 * The engine is not looked at when something is ready and nothing but the wake-up could come from
 * it: a loop of yielding tasks makes no system call at all. Nothing here knows a task; the layer
 * above hangs on `runtime` and `hooks`.
 *
 * Read first: `loop/internal.h`, then `loop/ready.h`. Tests: tests/unit/loop/.
 */
#include "base/random.h"
#include "loop/internal.h"
#include "loop/poller.h"
#include "loop/ready.h"

#include <string.h>

WEFT__TLS struct weft_loop *weft__loop_current;
unsigned weft__fork_generation;

static void after_fork(void)
{
    weft__fork_generation++;
    weft__loop_current = NULL;
}

/** Installed once in a process, before the first loop; pthread_atfork hooks cannot be removed. */
static int watch_forks(const struct weft_sys *sys)
{
    static atomic_int installed;
    if (atomic_exchange(&installed, 1))
        return 0;
    int rc = sys->atfork(sys, NULL, NULL, after_fork);
    if (rc < 0)
        atomic_store(&installed, 0);
    return rc;
}

static int ready_open(struct weft_loop *loop)
{
    loop->ready.ring = loop->sys->realloc(loop->sys, NULL, 64 * sizeof *loop->ready.ring);
    if (!loop->ready.ring)
        return -ENOMEM;
    loop->ready.mask = 63;
    return 0;
}

static int loop_open(struct weft_loop *loop, const struct weft_loop_options *options)
{
    int rc = weft__backend_open(loop, options);
    if (rc < 0)
        return rc;
    weft__heap_init(&loop->timers, loop->sys);
    weft__slab_init(&loop->handles, loop->sys, weft__handle_size, 0);
    rc = ready_open(loop);
    if (rc == 0)
        rc = weft__wakeup_open(loop);
    if (rc < 0) {
        weft__slab_fini(&loop->handles);
        loop->sys->realloc(loop->sys, loop->ready.ring, 0);
        weft__backend_close(loop);
        return rc;
    }
    weft__loop_clock(loop);
    return 0;
}

int weft_loop_create(const struct weft_loop_options *asked, struct weft_loop **ret)
{
    struct weft_loop_options options;
    weft__options_read(&options, sizeof options, asked);
    const struct weft_sys *sys = options.sys ? options.sys : &weft_sys_default;
    int rc = watch_forks(sys);
    if (rc < 0)
        return rc;
    struct weft_loop *loop = sys->realloc(sys, NULL, sizeof *loop);
    if (!loop)
        return -ENOMEM;
    memset(loop, 0, sizeof *loop);
    loop->sys = loop->creator = sys;
    loop->seed = options.seed;
    loop->random = loop->seed;
    loop->fork_generation = weft__fork_generation;
    weft__list_init(&loop->errands);
    weft__list_init(&loop->quiet);
    weft__list_init(&loop->locals);
    weft__list_init(&loop->reporters);
    rc = loop_open(loop, &options);
    if (rc < 0) {
        sys->realloc(sys, loop, 0);
        return rc;
    }
    *ret = loop;
    return 0;
}

static void drop_errands(struct weft_loop *loop)
{
    /* One may take others with it. */
    struct weft_link *link;
    while ((link = weft__list_first(&loop->errands)) != NULL) {
        struct weft__errand *errand = weft__container(link, struct weft__errand, link);
        errand->drop(errand);
    }
}

static void drop_local(struct weft_loop *loop, struct weft__loop_local *local)
{
    struct weft__loop_local kept = *local;
    weft__list_remove(&local->link);
    loop->sys->realloc(loop->sys, local, 0);
    if (kept.drop)
        kept.drop(kept.value);
}

static struct weft__loop_local *find_local(const struct weft_loop *loop, const void *key)
{
    weft__list_each(link, &loop->locals)
    {
        struct weft__loop_local *local = weft__container(link, struct weft__loop_local, link);
        if (local->key == key)
            return local;
    }
    return NULL;
}

void *weft_loop_get_local(const struct weft_loop *loop, const void *key)
{
    const struct weft__loop_local *local = find_local(loop, key);
    return local ? local->value : NULL;
}

int weft_loop_set_local(struct weft_loop *loop, const void *key, void *value, weft_drop_fn *drop)
{
    struct weft__loop_local *local = NULL, *older = find_local(loop, key);
    int rc = weft__loop_check(loop);
    if (rc < 0)
        return rc;
    if (value) {
        local = loop->sys->realloc(loop->sys, NULL, sizeof *local);
        if (!local)
            return -ENOMEM;
        *local = (struct weft__loop_local){.key = key, .value = value, .drop = drop};
        weft__list_append(&loop->locals, &local->link);
    }
    if (older)
        drop_local(loop, older);
    return 0;
}

void weft__reporter_add(struct weft_loop *loop, struct weft__reporter *reporter)
{
    weft__list_append(&loop->reporters, &reporter->link);
}

const struct weft_sys *weft__loop_sys(const struct weft_loop *loop)
{
    return loop->sys;
}

int weft__loop_inert(const struct weft_loop *loop)
{
    return weft__loop_check_fork(loop);
}

int weft__loop_check_thread(const struct weft_loop *loop)
{
    return weft__loop_check(loop);
}

static void loop_close(struct weft_loop *loop)
{
    /* Those who wait for an answer from this loop learn first that none will come. */
    weft__wakeup_drop(loop);
    for (struct weft_link *last; (last = weft__list_last(&loop->locals)) != NULL;)
        drop_local(loop, weft__container(last, struct weft__loop_local, link));
    weft__signals_close(loop);
    weft__wakeup_close(loop);
    weft__watches_close(loop);
    drop_errands(loop);
    weft__heap_fini(&loop->timers); /* before the handles, whose timers it marks */
    weft__slab_fini(&loop->handles);
    loop->sys->realloc(loop->sys, loop->ready.ring, 0);
    if (loop->scratch)
        loop->sys->realloc(loop->sys, loop->scratch, 0);
    weft__backend_close(loop);
    loop->sys->realloc(loop->sys, loop, 0);
}

int weft_loop_free(struct weft_loop *loop)
{
    if (!loop)
        return 0;
    if (loop->running && weft__loop_check_fork(loop) == 0)
        return weft__misuse(-EBUSY, "weft_loop_free of a loop that is running");
    if (loop->hooks) {
        int rc = loop->hooks->free(loop);
        if (rc < 0)
            return rc;
    }
    loop_close(loop);
    return 0;
}

int weft__loop_misused(void)
{
    return weft__misuse(-EPERM, "a loop, or a task, scope, future or callback of it, was used by a "
                                "thread that does not run its loop "
                                "(weft_loop_call_soon_threadsafe is for that)");
}

struct weft_loop *weft_loop_current(void)
{
    return weft__loop_current;
}

int weft__ready_reserve(struct weft_loop *loop)
{
    struct weft__ready *ready = &loop->ready;
    if (ready->reserved <= ready->mask) {
        ready->reserved++;
        return 0;
    }
    uint64_t slots = (ready->mask + 1) * 2;
    struct weft__ready_entry *ring =
        loop->sys->realloc(loop->sys, NULL, slots * sizeof *ready->ring);
    if (!ring)
        return -ENOMEM;
    for (uint64_t i = ready->head; i != ready->tail; i++)
        ring[i & (slots - 1)] = ready->ring[i & ready->mask];
    loop->sys->realloc(loop->sys, ready->ring, 0);
    ready->ring = ring;
    ready->mask = slots - 1;
    ready->reserved++;
    return 0;
}

void weft__ready_shuffle(struct weft_loop *loop)
{
    struct weft__ready *ready = &loop->ready;
    struct weft__ready_entry *first = &ready->ring[ready->head & ready->mask];
    uint64_t choice = weft_loop_random(loop) % (ready->tail - ready->head);
    struct weft__ready_entry *other = &ready->ring[(ready->head + choice) & ready->mask];
    /* Callbacks keep their order: that is their contract. Tasks promise none. */
    if (!loop->hooks || first->fn != loop->hooks->run || other->fn != loop->hooks->run)
        return;
    struct weft__ready_entry kept = *first;
    *first = *other;
    *other = kept;
}

uint64_t weft_loop_random(struct weft_loop *loop)
{
    if (loop->seed == 0) {
        uint64_t value = 0;
        if (loop->sys->random(loop->sys, &value, sizeof value) == 0)
            return value;
    }
    return weft__random_next(&loop->random);
}

void *weft_loop_realloc(struct weft_loop *loop, void *p, size_t size)
{
    return loop->sys->realloc(loop->sys, p, size);
}

static bool engine_can_bring_something(const struct weft_loop *loop)
{
    return loop->poller->pending > 0 || loop->poller->watches > 0;
}

/** How long the engine may wait, at most `limit`. */
static weft_ns wait_time(struct weft_loop *loop, weft_ns limit)
{
    if (weft__ready_count(loop) > 0 || loop->stopping || atomic_load(&loop->wake))
        return 0;
    weft_ns first = weft__timers_first(loop);
    if (first == WEFT_FOREVER)
        return limit;
    weft_ns now = weft__loop_clock(loop);
    weft_ns wait = first > now ? first - now : 0;
    return wait < limit ? wait : limit;
}

static int poll_engine(struct weft_loop *loop, weft_ns wait)
{
    if (loop->before_poll) {
        loop->before_poll(loop->poll_arg);
        /* It may have scheduled something. */
        wait = wait_time(loop, wait);
    }
    int rc = loop->poller->ops->wait(loop->poller, wait);
    loop->polls++;
    if (loop->after_poll)
        loop->after_poll(loop->poll_arg);
    return rc < 0 ? rc : 0;
}

void weft__quiet_add(struct weft_loop *loop, struct weft__quiet *quiet)
{
    struct weft_link *place = loop->quiet.next;
    while (place != &loop->quiet &&
           weft__container(place, struct weft__quiet, link)->cushion <= quiet->cushion)
        place = place->next;
    weft__list_insert(place, &quiet->link);
}

/** Nothing can go on: tells those whose cushion is the smallest. */
static void tell_quiet(struct weft_loop *loop, weft_ns cushion)
{
    weft__list_each(link, &loop->quiet)
    {
        struct weft__quiet *quiet = weft__container(link, struct weft__quiet, link);
        if (quiet->cushion > cushion)
            return;
        weft__list_remove(link);
        quiet->fn(quiet);
    }
}

/** As look_at_engine where somebody waits until nothing can go on: the engine gets as long as that
 *  one asks to bring something. A virtual clock stands still meanwhile. */
static int look_while_quiet(struct weft_loop *loop, weft_ns wait)
{
    weft_ns asked = weft__container(loop->quiet.next, struct weft__quiet, link)->cushion;
    weft_ns cushion = loop->sys->flags & WEFT_SYS_VIRTUAL_CLOCK ? 0 : asked;
    weft_ns start = weft__loop_clock(loop);
    int rc = poll_engine(loop, wait < cushion ? wait : cushion);
    if (rc == 0 && wait_time(loop, WEFT_FOREVER) > 0 && weft__loop_clock(loop) - start >= cushion)
        tell_quiet(loop, asked);
    return rc;
}

static int look_at_engine(struct weft_loop *loop, weft_ns limit)
{
    weft_ns wait = wait_time(loop, limit);
    bool idle = !engine_can_bring_something(loop) && loop->poller->due == 0;
    if (wait == 0 && idle && !atomic_load(&loop->wake))
        return 0;
    if (wait > 0 && !weft__list_empty(&loop->quiet))
        return look_while_quiet(loop, wait);
    if (wait > 0 && loop->hooks)
        loop->hooks->idle(loop);
    return poll_engine(loop, wait);
}

static void run_batch(struct weft_loop *loop)
{
    struct weft__ready *ready = &loop->ready;
    ready->limit = loop->batch == WEFT_BATCH_SNAPSHOT ? ready->tail : ready->head + WEFT__BATCH;
    while (ready->head != ready->tail && ready->head != ready->limit) {
        if (weft__unlikely(loop->seed != 0))
            weft__ready_shuffle(loop);
        struct weft__ready_entry entry = ready->ring[ready->head & ready->mask];
        ready->head++;
        entry.fn(entry.arg);
    }
}

int weft__loop_turn(struct weft_loop *loop, weft_ns timeout)
{
    loop->turns++;
    int rc = look_at_engine(loop, timeout);
    if (atomic_load(&loop->wake))
        weft__wakeup_collect(loop);
    if (atomic_load(&loop->signals))
        weft__signals_deliver(loop);
    if (weft__timers_first(loop) != WEFT_FOREVER) {
        weft__loop_clock(loop);
        weft__timers_expire(loop);
    }
    run_batch(loop);
    return rc;
}

bool weft__loop_alive(const struct weft_loop *loop)
{
    return weft__ready_count(loop) > 0 || weft__timers_first(loop) != WEFT_FOREVER ||
           engine_can_bring_something(loop) || atomic_load(&loop->incoming) != NULL ||
           (loop->hooks && loop->hooks->alive(loop) > 0);
}

int weft__loop_begin(struct weft_loop *loop)
{
    int rc = weft__loop_check_fork(loop);
    if (rc < 0)
        return rc;
    if (loop->running || weft__loop_current)
        return -EBUSY;
    loop->running = true;
    weft__loop_current = loop;
    return 0;
}

void weft__loop_end(struct weft_loop *loop)
{
    loop->running = false;
    loop->stopping = false;
    weft__loop_current = NULL;
}

int weft_loop_run_forever(struct weft_loop *loop)
{
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    do {
        rc = weft__loop_turn(loop, WEFT_FOREVER);
    } while (rc == 0 && !loop->stopping);
    weft__loop_end(loop);
    return rc;
}

int weft_loop_run(struct weft_loop *loop)
{
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    while (rc == 0 && (weft__loop_alive(loop) || loop->stopping)) {
        bool last = loop->stopping;
        rc = weft__loop_turn(loop, WEFT_FOREVER);
        if (last || loop->stopping)
            break;
    }
    weft__loop_end(loop);
    return rc;
}

int weft_loop_step(struct weft_loop *loop, weft_ns timeout)
{
    int rc = weft__loop_begin(loop);
    if (rc < 0)
        return rc;
    rc = weft__loop_turn(loop, timeout < 0 ? 0 : timeout);
    weft__loop_end(loop);
    return rc < 0 ? rc : weft__loop_alive(loop);
}

void weft_loop_stop(struct weft_loop *loop)
{
    (void)weft__loop_check(loop);
    loop->stopping = true;
}

int weft_loop_running(const struct weft_loop *loop)
{
    return loop->running && weft__loop_check_fork(loop) == 0;
}

int weft_loop_fd(const struct weft_loop *loop)
{
    return loop->poller->ops->fd(loop->poller);
}

weft_ns weft_loop_timeout(struct weft_loop *loop)
{
    /* Requests that the engine only submits when it waits must not rest in a foreign loop. */
    if (loop->poller->due > 0)
        return 0;
    return wait_time(loop, WEFT_FOREVER);
}

void weft_loop_set_poll_hooks(struct weft_loop *loop, weft_callback_fn *before,
                              weft_callback_fn *after, void *arg)
{
    loop->before_poll = before;
    loop->after_poll = after;
    loop->poll_arg = arg;
}

void weft_loop_set_batch(struct weft_loop *loop, enum weft_batch batch)
{
    loop->batch = batch;
}

struct weft_time weft_loop_now(const struct weft_loop *loop)
{
    return (struct weft_time){loop->now};
}

struct weft_time weft_loop_now_fresh(struct weft_loop *loop)
{
    return (struct weft_time){weft__loop_clock(loop)};
}

weft_ns weft_clock(void)
{
    struct weft_loop *loop = weft__loop_current;
    return loop ? weft__loop_clock(loop) : weft_sys_default.clock(&weft_sys_default);
}

struct weft_time weft_after(weft_ns delay)
{
    return (struct weft_time){weft__deadline_after(weft_clock(), delay)};
}

void weft_loop_get_stats(const struct weft_loop *loop, struct weft_loop_stats *ret)
{
    *ret = (struct weft_loop_stats){
        .turns = loop->turns,
        .runs = loop->ready.head,
        .polls = loop->polls,
        .engine_calls = loop->poller->calls,
        .tasks = loop->hooks ? loop->hooks->alive(loop) : 0,
        .timers = weft__heap_count(&loop->timers),
        .operations = loop->poller->pending,
        .trace = loop->trace,
    };
}
