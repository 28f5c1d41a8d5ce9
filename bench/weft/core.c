/* SPDX-License-Identifier: MIT */
/*
 * weft's part in the benches of the core: switch, spawn and join, yields, a queue, a pair of
 * sockets, callbacks, timers, sleepers.
 *
 * One bench for each run of the program, named by the first argument, so that no bench finds the
 * caches, the stacks or the heap that another one left:
 *     core switch | spawn_join | yield_ring N | queue | socket | callbacks | timers |
 *     sleepers N SECONDS   [small]
 * `small` gives the tasks of the last two crowds 16 KiB stacks (WEFT_SMALL_STACK). Only the public
 * interface is used, as any program would use it. What is measured lies between two looks at the
 * CPU clock; everything that can fail is checked inside too, for that is part of the price.
 *
 * Where WEFT_BACKEND asks for an engine that is refused here, nothing is measured: a figure of
 * another engine would bear the wrong name. Servers are not measured here: those need a load from
 * outside.
 */
#include "../common/bench.h"
#include "../common/callbacks.h"

#include <weft/queue.h>
#include <weft/sync.h>
#include <weft/weft.h>

/* The arguments of the program. */
struct options {
    /* Name of the bench. */
    const char *bench;
    /* Its parameter, "" for none. */
    const char *param;
    /* Seconds that sleepers sleep. */
    double seconds;
    /* WEFT_SMALL_STACK or 0. */
    unsigned flags;
};

/* ---- Two tasks that yield to each other. ---- */

static int yield_until(const int *stop)
{
    int rc = 0;

    while (!rc && !*stop)
        rc = weft_yield();
    return rc;
}
WEFT_TASK(yield_until, const int *);

static int bench_switch(const struct options *options)
{
    const long count = 10000000;
    struct weft_scope scope;
    int stop = 0, rc = 0;
    int64_t begun;

    (void)options;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, yield_until, &stop);
    begun = cpu_ns();
    for (long i = 0; i < count && !rc; i++)
        rc = weft_yield();
    report("switch", "", "round_trip", (double)(cpu_ns() - begun) / (double)count);
    stop = 1;
    return weft_scope_exit(&scope, rc);
}

/* ---- Tasks that return a value which somebody waits for. ---- */

static int answer(void)
{
    return 42;
}
WEFT_TASK(answer);

static int spawn_sequential(struct weft_scope *scope, long count)
{
    long sum = 0;
    int64_t begun = cpu_ns();

    for (long i = 0; i < count; i++) {
        struct weft_task *task;
        int result = 0;
        int rc = weft_spawn(scope, &task, answer);

        if (!rc)
            rc = weft_join(task, &result);
        if (rc)
            return rc;
        sum += result;
    }
    report("spawn_join", "seq", "per_task", (double)(cpu_ns() - begun) / (double)count);
    return sum == 42 * count ? 0 : -EPROTO;
}

static int join_all(struct weft_task **tasks, int count, long *sum)
{
    int rc = 0;

    for (int i = 0; i < count && !rc; i++) {
        int result = 0;

        rc = weft_join(tasks[i], &result);
        *sum += result;
    }
    return rc;
}

static int spawn_batches(struct weft_scope *scope, long count)
{
    struct weft_task *tasks[1000];
    long sum = 0;
    int rc = 0;
    int64_t begun = cpu_ns();

    for (long batch = 0; batch < count / 1000 && !rc; batch++) {
        for (int i = 0; i < 1000 && !rc; i++)
            rc = weft_spawn(scope, &tasks[i], answer);
        if (!rc)
            rc = join_all(tasks, 1000, &sum);
    }
    report("spawn_join", "batch1000", "per_task", (double)(cpu_ns() - begun) / (double)count);
    return rc || sum == 42 * count ? rc : -EPROTO;
}

static int bench_spawn_join(const struct options *options)
{
    struct weft_scope scope;
    int rc;

    (void)options;
    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = spawn_sequential(&scope, 2000000);
    if (!rc)
        rc = spawn_batches(&scope, 2000000);
    return weft_scope_exit(&scope, rc);
}

/* ---- A ring of tasks that yield in turn. ---- */

/* What the tasks of a ring share. */
struct ring {
    /* Tasks. */
    long tasks;
    /* Yields of each. */
    long rounds;
    /* Tasks that have run for the first time: fresh stacks are not part of a yield's price. */
    long started;
    /* Tasks that have made all their yields. */
    long finished;
    /* Set when all have started. */
    int begin;
    /* CPU time when the last one finished. */
    int64_t ended;
};

static int ring_task(void *arg)
{
    struct ring *ring = arg;
    int rc;

    ring->started++;
    rc = yield_until(&ring->begin);
    for (long i = 0; i < ring->rounds && !rc; i++)
        rc = weft_yield();
    if (++ring->finished == ring->tasks)
        ring->ended = cpu_ns();
    return rc;
}

static int bench_yield_ring(const struct options *options)
{
    struct weft_task_options how = {.size = sizeof(how), .flags = options->flags};
    struct ring ring = {.tasks = atol(options->param)};
    struct weft_scope scope;
    int64_t begun;
    int rc = 0;

    ring.rounds = 10000000 / ring.tasks;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (long i = 0; i < ring.tasks && !rc; i++)
        rc = weft_spawn_with(&scope, NULL, &how, ring_task, &ring);
    while (!rc && ring.started < ring.tasks)
        rc = weft_yield();
    begun = cpu_ns();
    ring.begin = 1;
    rc = weft_scope_exit(&scope, rc);
    if (!rc)
        report("yield_ring", options->param, "per_yield",
               (double)(ring.ended - begun) / (double)(ring.tasks * ring.rounds));
    return rc;
}

/* ---- A number to and fro over two queues of one place each. ---- */

static int send_back(struct weft_queue *there, struct weft_queue *back)
{
    void *item;
    int rc;

    while (!(rc = weft_queue_get(there, &item))) {
        rc = weft_queue_put(back, item);
        if (rc)
            break;
    }
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(send_back, struct weft_queue *, struct weft_queue *);

static int ping_pong(struct weft_queue *there, struct weft_queue *back, intptr_t count)
{
    int64_t begun = cpu_ns();
    int rc = 0;

    for (intptr_t i = 0; i < count && !rc; i++) {
        void *item = NULL;

        rc = weft_queue_put(there, (void *)i);
        if (!rc)
            rc = weft_queue_get(back, &item);
        if (!rc && (intptr_t)item != i)
            rc = -EPROTO;
    }
    report("queue", "pingpong", "per_message", (double)(cpu_ns() - begun) / (2.0 * (double)count));
    return rc;
}

static int bench_queue(const struct options *options)
{
    struct weft_queue_options one_place = {.size = sizeof(one_place), .capacity = 1};
    struct weft_queue *there = NULL, *back = NULL;
    struct weft_scope scope;
    int rc = weft_queue_new(weft_loop_current(), &one_place, &there);

    (void)options;
    if (!rc)
        rc = weft_queue_new(weft_loop_current(), &one_place, &back);
    weft_scope_enter(&scope, WEFT_FOREVER);
    if (!rc)
        rc = weft_go(&scope, send_back, there, back);
    if (!rc)
        rc = ping_pong(there, back, 2000000);
    if (there)
        weft_queue_close(there, WEFT_CLOSE_NOW);
    rc = weft_scope_exit(&scope, rc);
    weft_queue_free(there);
    weft_queue_free(back);
    return rc;
}

/* ---- A byte to and fro over a pair of sockets: what the engine adds to the system calls. ---- */

static int echo_bytes(int fd)
{
    char byte;
    ssize_t got;

    while ((got = weft_read(fd, &byte, 1)) == 1) {
        ssize_t put = weft_write(fd, &byte, 1);

        if (put < 0)
            return (int)put;
    }
    return (int)got;
}
WEFT_TASK(echo_bytes, int);

static int exchange_bytes(int fd, long count)
{
    int64_t begun = cpu_ns();

    for (long i = 0; i < count; i++) {
        char byte = (char)i;
        ssize_t moved = weft_write(fd, &byte, 1);

        if (moved == 1)
            moved = weft_read(fd, &byte, 1);
        if (moved != 1)
            return moved < 0 ? (int)moved : -EPROTO;
    }
    report("socket", "pingpong", "per_message", (double)(cpu_ns() - begun) / (2.0 * (double)count));
    return 0;
}

static int bench_socket(const struct options *options)
{
    struct weft_scope scope;
    int fds[2];
    int rc = weft_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

    (void)options;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = weft_go(&scope, echo_bytes, fds[1]);
    if (!rc)
        rc = exchange_bytes(fds[0], 200000);
    weft_close(fds[0]);
    rc = weft_scope_exit(&scope, rc);
    weft_close(fds[1]);
    return rc;
}

/* ---- Callbacks: of the next turn, and from another thread. ---- */

/* What the callbacks of a bench share. */
struct turns {
    /* The loop. */
    struct weft_loop *loop;
    /* Set when the last one has run: a task waits for it. */
    struct weft_event done;
    /* Calls still to make. */
    long left;
};

static void again(void *arg)
{
    struct turns *turns = arg;

    if (--turns->left == 0)
        weft_event_set(&turns->done);
    if (turns->left > 0 && weft_loop_call_soon(turns->loop, again, turns, NULL))
        abort();
}

static int callbacks_soon(void)
{
    const long count = 5000000;
    struct turns turns = {.loop = weft_loop_current(),
                          .done = WEFT_EVENT_INIT(turns.done),
                          .left = count + CALLBACKS};
    int64_t begun = cpu_ns();
    int rc = 0;

    for (int i = 0; i < CALLBACKS && !rc; i++)
        rc = weft_loop_call_soon(turns.loop, again, &turns, NULL);
    if (!rc)
        rc = weft_event_wait(&turns.done);
    report("callbacks", "soon", "per_callback", (double)(cpu_ns() - begun) / (double)count);
    return rc;
}

static void answer_poster(void *arg)
{
    struct poster *poster = arg;

    if (poster_answer(poster))
        weft_event_set(poster->done);
}

static void post(struct poster *poster)
{
    if (weft_loop_call_soon_threadsafe(poster->arg, answer_poster, poster))
        abort();
}

static int callbacks_thread(void)
{
    struct weft_event done = WEFT_EVENT_INIT(done);
    struct poster poster = {
        .post = post, .arg = weft_loop_current(), .done = &done, .count = 200000};
    int64_t begun = cpu_ns();
    int rc = poster_start(&poster) ? -EAGAIN : weft_event_wait(&done);

    if (!rc)
        poster_report(&poster, begun);
    return rc;
}

static int bench_callbacks(const struct options *options)
{
    int rc = callbacks_soon();

    (void)options;
    return rc ? rc : callbacks_thread();
}

/* ---- A million timers, armed and cancelled in another order. ---- */

static void never(void *arg)
{
    (void)arg;
}

static int arm_all(struct weft_loop *loop, struct weft_handle **timers, long count)
{
    uint64_t random = 88172645463325252u;
    int rc = 0;

    for (long i = 0; i < count && !rc; i++) {
        weft_ns delay = (weft_ns)(1000000 + random_next(&random) % 1000000) * WEFT_MS;

        rc = weft_loop_call_later(loop, delay, never, NULL, &timers[i]);
    }
    return rc;
}

static int bench_timers(const struct options *options)
{
    const long count = 1000000;
    struct weft_handle **timers = calloc((size_t)count, sizeof(struct weft_handle *));
    int64_t begun = cpu_ns(), armed;
    int rc = timers ? arm_all(weft_loop_current(), timers, count) : -ENOMEM;

    (void)options;
    armed = cpu_ns();
    for (long i = 0; i < count && !rc; i++)
        weft_handle_cancel(timers[i * 611953 % count]);
    if (!rc) {
        report("timers", "", "cancel", (double)(cpu_ns() - armed) / (double)count);
        report("timers", "", "arm", (double)(armed - begun) / (double)count);
    }
    free(timers);
    return rc;
}

/* ---- A crowd that sleeps. ---- */

/* What the sleeping tasks share. */
struct crowd {
    /* The bookkeeping, the same for all systems. */
    struct sleepers sleepers;
    /* The common deadline by the loop's clock, a little after sleepers.deadline. */
    struct weft_time deadline;
};

static int sleeper(void *arg)
{
    struct crowd *crowd = arg;
    int rc;

    crowd->sleepers.armed++;
    rc = weft_sleep_until(crowd->deadline);
    sleepers_wake(&crowd->sleepers);
    return rc;
}

static int bench_sleepers(const struct options *options)
{
    struct weft_task_options how = {.size = sizeof(how), .flags = options->flags};
    struct crowd crowd;
    struct weft_scope scope;
    long started = 0;
    int rc = 0;

    sleepers_begin(&crowd.sleepers, options->param, options->seconds);
    crowd.deadline = weft_after(crowd.sleepers.deadline - wall_ns());
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (; started < crowd.sleepers.count && !rc; started += !rc)
        rc = weft_spawn_with(&scope, NULL, &how, sleeper, &crowd);
    if (rc)
        sleepers_stopped(&crowd.sleepers, started, weft_note());
    while (!rc && crowd.sleepers.armed < crowd.sleepers.count)
        rc = weft_yield();
    sleepers_armed(&crowd.sleepers);
    rc = weft_scope_exit(&scope, rc);
    if (rc == -ENOMEM && started < crowd.sleepers.count)
        return 0;
    return rc || sleepers_report(&crowd.sleepers) ? -EPROTO : 0;
}

/* ---- Which bench, and where. ---- */

static const struct {
    /* The first argument of the program. */
    const char *name;
    /* Runs it as a task. */
    int (*run)(const struct options *options);
} benches[] = {
    {"switch", bench_switch}, {"spawn_join", bench_spawn_join}, {"yield_ring", bench_yield_ring},
    {"queue", bench_queue},   {"socket", bench_socket},         {"callbacks", bench_callbacks},
    {"timers", bench_timers}, {"sleepers", bench_sleepers},
};

/* Says which engine is in force; false: another one than WEFT_BACKEND asks for. */
static int engine_in_force(void)
{
    struct weft_loop *loop = weft_loop_current();
    const char *wanted = getenv("WEFT_BACKEND");

    printf("# engine %s (%s)\n", weft_loop_backend(loop), weft_loop_backend_reason(loop));
    return !wanted || !*wanted || !strcmp(wanted, weft_loop_backend(loop));
}

static int program(void *arg)
{
    const struct options *options = arg;

    if (!engine_in_force())
        return 0;
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        if (!strcmp(benches[i].name, options->bench))
            return benches[i].run(options);
    }
    return weft_fail(-EINVAL, "no bench is called '%s'", options->bench);
}

int main(int argc, char **argv)
{
    int small = argc > 1 && !strcmp(argv[argc - 1], "small");
    struct options options = {
        .bench = argc > 1 ? argv[1] : "",
        .param = argc > 2 ? argv[2] : "1000",
        .seconds = argc > 3 ? atof(argv[3]) : 1.0,
        .flags = small ? WEFT_SMALL_STACK : 0,
    };

    return weft_main(program, &options);
}
