/* SPDX-License-Identifier: MIT */
/*
 * test_switch.c: what survives a change of stacks, and what unwinders and sanitizers see of it
 *
 * Each property is that of any two contexts on any machine, with and without a switch of ours.
 * Registers and single instructions have a file of their own, test_switch_instructions.c.
 */
#include "switch_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounding.h"

static void count_forever(void *arg)
{
    struct pair *p = arg;

    for (;;) {
        p->count++;
        back(p);
    }
}

TEST(nothing_runs_before_the_first_switch)
{
    struct pair p;

    pair_init(&p, count_forever);
    CHECK_EQ(p.count, 0);
    drive(&p);
    CHECK_EQ(p.count, 1);
    pair_fini(&p);
}

TEST(a_context_goes_on_where_it_left)
{
    struct pair p;

    pair_init(&p, count_forever);
    for (int i = 1; i <= 1000; i++) {
        drive(&p);
        CHECK_EQ(p.count, i);
    }
    pair_fini(&p);
}

static void answer_twice_as_much(void *arg)
{
    struct pair *p = arg;
    ssize_t asked = 0;

    for (;;) {
        asked = weft__context_switch_with(&p->body, &p->driver, 2 * asked);
        if (asked < 0)
            weft__context_switch_final_with(&p->body, &p->driver, asked);
    }
}

TEST(a_switch_hands_a_value_over)
{
    const ssize_t large = (ssize_t)1 << 40;
    struct pair p;

    pair_init(&p, answer_twice_as_much);
    CHECK_EQ(weft__context_switch_with(&p.driver, &p.body, 5), 0); /* nobody to give it to yet */
    CHECK_EQ(weft__context_switch_with(&p.driver, &p.body, 21), 42);
    CHECK_EQ(weft__context_switch_with(&p.driver, &p.body, large), 2 * large);
    CHECK_EQ(weft__context_switch_int(&p.driver, &p.body, 4), 8);
    CHECK_EQ(weft__context_switch_with(&p.driver, &p.body, -7), -7);
    CHECK(p.body.sp == NULL);
    pair_fini(&p);
}

static void end_at_once(void *arg)
{
    struct pair *p = arg;

    p->count++;
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(a_stack_serves_one_context_after_the_other)
{
    struct pair p;

    pair_init(&p, end_at_once);
    drive(&p);
    CHECK(p.body.sp == NULL);
    for (int i = 2; i < 100; i++) {
        weft__context_make(&p.body, p.stack, p.stack + STACK_SIZE, end_at_once, &p);
        drive(&p);
        CHECK_EQ(p.count, i);
    }
    pair_fini(&p);
}

/** Ends `depth` frames down, each with an array that sanitizers fence. */
__attribute__((noinline)) static int end_in_the_depth(struct pair *p, int depth)
{
    char fenced[100];

    memset(fenced, depth, sizeof fenced);
    if (depth > 0)
        end_in_the_depth(p, depth - 1);
    else if (p->count == 0)
        weft__context_switch_final(&p->body, &p->driver);
    return fenced[depth];
}

static void end_below(void *arg)
{
    end_in_the_depth(arg, 50);
    abort();
}

TEST(a_stack_left_in_the_depth_is_clean_for_the_next)
{
    struct pair p;

    pair_init(&p, end_below);
    drive(&p);
    memset(p.stack, 0, STACK_SIZE); /* AddressSanitizer objects to fences left behind */
    pair_fini(&p);
}

__attribute__((noinline)) static int park_in_the_depth(struct pair *p, int depth)
{
    char fenced[100];

    memset(fenced, depth, sizeof fenced);
    if (depth == 0)
        back(p);
    else
        park_in_the_depth(p, depth - 1);
    return fenced[depth];
}

static void park_below(void *arg)
{
    park_in_the_depth(arg, 50);
    abort();
}

TEST(a_context_given_up_while_suspended_leaves_its_stack_clean)
{
    struct pair p;

    pair_init(&p, park_below);
    drive(&p);
    weft__context_free(&p.body);
    memset(p.stack, 0, STACK_SIZE);
    pair_fini(&p);
}

__attribute__((noinline)) static int recurse(struct pair *p, int depth)
{
    volatile char frame[1024];

    frame[0] = (char)depth;
    frame[1023] = (char)depth;
    if (depth == 0) {
        back(p);
        return 0;
    }
    int sum = recurse(p, depth - 1) + 1;
    return frame[0] == frame[1023] && frame[0] == (char)depth ? sum : -1000000;
}

/** Sanitizers swell frames; there the same stack holds fewer. */
#define DEPTH (WEFT__SANITIZED ? 100 : 200)

static void recurse_once(void *arg)
{
    struct pair *p = arg;

    p->count = recurse(p, DEPTH);
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(frames_of_a_deep_call_survive_a_switch)
{
    struct pair p;

    pair_init(&p, recurse_once);
    drive(&p);
    drive(&p);
    CHECK_EQ(p.count, DEPTH);
    pair_fini(&p);
}

/** Many contexts that hand over to each other in a ring. */
#define RING 200
static struct weft__context ring[RING + 1];
static int ring_turns[RING];

static void ring_member(void *arg)
{
    long self = (long)arg;

    for (;;) {
        ring_turns[self]++;
        weft__context_switch(&ring[self], &ring[self + 1]);
    }
}

TEST(contexts_hand_over_to_each_other)
{
    unsigned ids[RING];
    char *stacks = mmap(NULL, RING * STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    weft__context_adopt(&ring[RING]);
    for (long i = 0; i < RING; i++) {
        char *low = stacks + i * (long)STACK_SIZE;

        ids[i] = weft__valgrind_register(low, low + STACK_SIZE);
        weft__context_make(&ring[i], low, low + STACK_SIZE, ring_member, (void *)i);
    }
    for (int turn = 0; turn < 10; turn++)
        weft__context_switch(&ring[RING], &ring[0]);
    for (int i = 0; i < RING; i++) {
        CHECK_EQ(ring_turns[i], 10);
        weft__context_free(&ring[i]);
        weft__valgrind_deregister(ids[i]);
    }
    munmap(stacks, RING * STACK_SIZE);
}

static void *drive_in_a_thread(void *arg)
{
    struct pair p;

    (void)arg;
    pair_init(&p, count_forever);
    for (int i = 0; i < 1000; i++)
        drive(&p);
    intptr_t count = p.count;
    pair_fini(&p);
    return (void *)count;
}

TEST(each_thread_switches_its_own)
{
    pthread_t threads[4];
    void *count;

    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, drive_in_a_thread, NULL), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &count);
        CHECK_EQ((intptr_t)count, 1000);
    }
}

/* --- State that a context may keep to itself -----------------------------------------------------
 */

/** Stands in for the C++ runtime's record, so that this needs no C++. */
static struct {
    void *caught;
    unsigned uncaught;
} cxa_globals;

void *__cxa_get_globals(void);
void *__cxa_get_globals(void)
{
    return &cxa_globals;
}

static void handle_exceptions(void *arg)
{
    struct pair *p = arg;
    struct weft__full_state shared;

    weft__full_state_read(&shared);
    CHECK_EQ(cxa_globals.uncaught, 7);
    cxa_globals.caught = p;
    cxa_globals.uncaught = 1;
    (void)weft__context_switch_full(&p->body, &p->driver, &shared, 0);
    p->count = cxa_globals.caught == p && cxa_globals.uncaught == 1;
    weft__full_state_load(&shared);
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(full_state_keeps_exceptions_in_flight_apart)
{
    struct pair p;

    pair_init(&p, handle_exceptions);
    cxa_globals.uncaught = 7;
    drive(&p);
    CHECK(cxa_globals.caught == NULL);
    CHECK_EQ(cxa_globals.uncaught, 7);
    cxa_globals.uncaught = 8; /* the others moved on meanwhile */
    drive(&p);
    CHECK(p.count);
    CHECK_EQ(cxa_globals.uncaught, 8);
    pair_fini(&p);
}

static void round_up(void *arg)
{
    struct pair *p = arg;
    struct weft__full_state shared;
    struct weft__full_state own;

    weft__full_state_read(&shared);
    own = shared;
    rounding_set(&own.control, UPWARD);
    weft__full_state_load(&own);
    (void)weft__context_switch_full(&p->body, &p->driver, &shared, 0);
    p->count = rounding() == UPWARD;
    weft__full_state_load(&shared);
    weft__context_switch_final(&p->body, &p->driver);
}

static void turn_rounding_over(void *arg)
{
    struct pair *p = arg;

    for (;;) {
        p->count = rounding();
        rounding_force(p->count == UPWARD ? NEAREST : UPWARD);
        back(p);
    }
}

TEST(the_plain_switch_leaves_rounding_as_it_is)
{
    struct pair p;

    pair_init(&p, turn_rounding_over);
    rounding_force(UPWARD); /* after it was made: what counts is what is in force when it runs */
    for (int turn = 0; turn < 3; turn++) {
        drive(&p);
        CHECK_EQ(p.count, UPWARD);
        CHECK_EQ(rounding(), NEAREST);
        rounding_force(UPWARD);
    }
    rounding_force(NEAREST);
    pair_fini(&p);
}

TEST(full_state_keeps_rounding_apart)
{
    struct pair p;

    pair_init(&p, round_up);
    for (int turn = 0; turn < 2; turn++) {
        CHECK_EQ(rounding(), NEAREST);
        drive(&p);
    }
    CHECK_EQ(rounding(), NEAREST);
    CHECK(p.count);
    pair_fini(&p);
}

/* --- What unwinders see
 * --------------------------------------------------------------------------- */

static struct trace trace;

static void take_trace(void *arg)
{
    struct pair *p = arg;

    trace_take(&trace);
    weft__context_switch_final(&p->body, &p->driver);
}

__attribute__((noinline)) static void drive_traced(struct pair *p)
{
    drive(p);
    __asm__ volatile("");
}

TEST(a_backtrace_ends_with_the_context)
{
    struct pair p;

    pair_init(&p, take_trace);
    drive_traced(&p);
    CHECK(trace.count >= 2 && trace.count < 10);
    CHECK(!in_trace(&trace, (void (*)(void))(uintptr_t)drive_traced));
    pair_fini(&p);
}

/** Where a frame keeps its caller's: at the place that the pointer names, on RISC-V below it. */
#ifdef __riscv
#define FRAME_LINK (-2)
#else
#define FRAME_LINK 0
#endif

static void walk_frame_pointers(void *arg)
{
    struct pair *p = arg;
    char **frame = __builtin_frame_address(0);

    for (p->count = 0; frame && p->count < 10; p->count++) {
        char *link = (char *)(frame + FRAME_LINK);

        CHECK(link >= p->stack && link < p->stack + STACK_SIZE);
        frame = (char **)(void *)frame[FRAME_LINK];
    }
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(a_walk_of_frame_pointers_ends_with_the_context)
{
    struct pair p;

    pair_init(&p, walk_frame_pointers);
    drive(&p);
    CHECK(p.count > 0 && p.count < 10);
    pair_fini(&p);
}

#if WEFT__SWITCH == WEFT__SWITCH_X86_64
TEST(a_backtrace_ends_whatever_lies_above)
{
    struct pair p;

    pair_init(&p, take_trace);
    ((uintptr_t *)p.body.sp)[7] = (uintptr_t)drive_traced + 2; /* what would be a return address */
    drive_traced(&p);
    CHECK(trace.count >= 2 && trace.count < 10);
    CHECK(!in_trace(&trace, (void (*)(void))(uintptr_t)drive_traced));
    pair_fini(&p);
}
#endif

#if WEFT__TSAN
static void note_fiber(void *arg)
{
    struct pair *p = arg;

    p->count = __tsan_get_current_fiber() == p->body.sanitizer.fiber;
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(each_context_is_a_fiber_of_its_own)
{
    struct pair p;
    void *fiber = __tsan_get_current_fiber();

    pair_init(&p, note_fiber);
    drive(&p);
    CHECK(p.count);
    CHECK(p.driver.sanitizer.fiber == fiber);
    CHECK(__tsan_get_current_fiber() == fiber);
    pair_fini(&p);
}
#endif

/** Through which the child below says that it is there. */
static int ready[2];

/** A child that waits on a context's stack to be looked at; never returns. */
static void wait_for_debugger(void *arg)
{
    (void)arg;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    CHECK_EQ(write(ready[1], "", 1), 1);
    for (;;)
        pause();
}

/** Starts that child and waits until it is on its stack. */
static pid_t fork_for_debugger(void)
{
    struct pair p;
    char byte;
    pid_t pid;

    CHECK_EQ(pipe(ready), 0);
    pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        pair_init(&p, wait_for_debugger);
        drive(&p);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/** What gdb says of the process; its text goes to `text`. */
static void ask_gdb(pid_t pid, char *text, size_t size)
{
    char command[128];
    size_t len;
    FILE *gdb;

    snprintf(command, sizeof command, "gdb -nx -batch -p %d -ex bt 2>&1 </dev/null", (int)pid);
    gdb = popen(command, "r");
    CHECK(gdb != NULL);
    len = fread(text, 1, size - 1, gdb);
    text[len] = '\0';
    pclose(gdb);
}

TEST(gdb_sees_where_the_stack_ends)
{
    static char text[32768];
    pid_t pid;

    test_need_program("gdb");
#if WEFT__VALGRIND
    if (RUNNING_ON_VALGRIND)
        SKIP("a debugger sees Valgrind here, not us");
#endif
    pid = fork_for_debugger();
    ask_gdb(pid, text, sizeof text);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (strstr(text, "ptrace: Operation not permitted"))
        SKIP("this machine lets no debugger attach");
    CHECK_CONTAINS(text, "wait_for_debugger");
    CHECK(!strstr(text, "corrupt stack"));
    CHECK(!strstr(text, "Backtrace stopped"));
    CHECK(!strstr(text, "fork_for_debugger"));
}
