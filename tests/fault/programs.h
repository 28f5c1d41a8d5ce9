/* SPDX-License-Identifier: MIT */
/*
 * programs.h: programs that sweeps run, as scenarios over a table
 *
 *     FAULT_PROGRAM(echo)
 *     {
 *         ... a task; returns 0 or the code of what failed ...
 *     }
 *     static const struct fault_sweep sweep = {"echo", run_echo, NULL};
 *
 * A program must come to its end whichever call fails: it looks at every result, closes what it
 * opened, and lets its scope's fail-fast policy end the others. It never checks a result with
 * CHECK.
 */
#ifndef FAULT_PROGRAMS_H
#define FAULT_PROGRAMS_H

#include "fault.h"
#include "test.h"

#include <unistd.h>
#include <weft/weft.h>

/** The program that runs, and how far it came. */
struct fault_program {
    /** The program. */
    int (*program)(void *arg);
    /** It was entered. */
    bool begun;
    /** It has returned. */
    bool ended;
};

static inline int fault_run_program(void *arg)
{
    struct fault_program *run = arg;

    run->begun = true;
    int rc = run->program(NULL);
    run->ended = true;
    return rc;
}

/** Runs a program as a task of a new loop over `sys`, on the engine of the running test. Whatever
 *  fails, what was begun has ended when the run returns: it may use the caller's frame. */
static inline int fault_on_loop(const struct weft_sys *sys, int (*program)(void *arg))
{
    /* The kernel takes a ring down some time after its close, and until then the ring counts
     * against RLIMIT_MEMLOCK of all processes of an ordinary user: the hundreds of loops of a sweep
     * run into it. The superuser is not counted. */
    if (test_engine_is("io_uring") && geteuid() != 0)
        SKIP("rings of an ordinary user run into RLIMIT_MEMLOCK in a sweep");
    struct fault_program run = {program, false, false};
    const struct weft_loop_options options = {.size = sizeof options, .sys = sys};
    struct weft_loop *loop;
    int rc = weft_loop_create(&options, &loop);

    if (rc < 0)
        return rc;
    rc = weft_loop_run_task(loop, fault_run_program, &run);
    CHECK_EQ(run.begun, run.ended);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

/** Defines the program `name` and the scenario run_<name>. */
#define FAULT_PROGRAM(name)                                                                        \
    static int name(void *arg);                                                                    \
    static int run_##name(const struct weft_sys *sys)                                              \
    {                                                                                              \
        return fault_on_loop(sys, name);                                                           \
    }                                                                                              \
    static int name(void *arg __attribute__((unused)))

/** The first failure of two codes. */
static inline int first_of(int before, int after)
{
    return before < 0 ? before : after;
}

/** A server's part and a client's. */
struct fault_visit {
    /** Takes one connection, and does with it what it must. */
    int (*serve)(int listener);
    /** Connects, and does the same. */
    int (*visit)(const struct weft_address *server);
    /** Where the server listens. */
    int listener;
};

static inline int fault_serve(void *arg)
{
    const struct fault_visit *parts = arg;

    return parts->serve(parts->listener);
}

/** Listens on a port of 127.0.0.1, serves in a task, visits, and closes. */
static inline int fault_visit(int (*serve)(int listener),
                              int (*visit)(const struct weft_address *server))
{
    struct weft_scope scope;
    struct weft_address address;

    CHECK_EQ(weft_address_parse("127.0.0.1:0", &address), 0);
    struct fault_visit parts = {serve, visit, weft_tcp_listen(&address, 4)};
    if (parts.listener < 0)
        return parts.listener;
    weft_scope_enter(&scope, WEFT_HOUR);
    int rc = weft_local_address(parts.listener, &address);
    if (rc == 0)
        rc = weft_go_fn(&scope, fault_serve, &parts);
    if (rc == 0)
        rc = visit(&address);
    rc = weft_scope_exit(&scope, rc);
    return first_of(rc, weft_close(parts.listener));
}

#endif
