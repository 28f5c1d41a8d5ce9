/* SPDX-License-Identifier: MIT */
/*
 * test_switch.c: what survives a change of stacks, and what unwinders and sanitizers see of it
 *
 * Contexts here run on plain mappings, without the pool. Tests that look at registers or single
 * instructions are for the x86-64 switch; with ucontext they have nothing to look at and are
 * absent.
 *
 * The trace at every instruction is taken with the processor's trap flag: a handler of SIGTRAP
 * unwinds from inside the switch, where no breakpoint or profiler would look by chance. Marks of
 * branch tracking exist only in builds with -fcf-protection, and so do their tests.
 */
#define _GNU_SOURCE
#include "test.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "machine/context.h"

#define STACK_SIZE ((size_t)256 << 10)

/** A context with a stack, and the one that drives it. */
struct pair {
    struct weft__context driver;
    struct weft__context body;
    char *stack;
    unsigned valgrind_id;
    /** Whatever the body counts. */
    int count;
};

static void pair_init(struct pair *p, void (*entry)(void *arg))
{
    p->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p->stack != MAP_FAILED);
    p->valgrind_id = weft__valgrind_register(p->stack, p->stack + STACK_SIZE);
    p->count = 0;
    weft__context_adopt(&p->driver);
    weft__context_make(&p->body, p->stack, p->stack + STACK_SIZE, entry, p);
}

static void pair_fini(struct pair *p)
{
    weft__context_free(&p->body);
    weft__valgrind_deregister(p->valgrind_id);
    munmap(p->stack, STACK_SIZE);
}

/** From the driver into the body and back. */
static void drive(struct pair *p)
{
    weft__context_switch(&p->driver, &p->body);
}

/** From the body to the driver. */
static void back(struct pair *p)
{
    weft__context_switch(&p->body, &p->driver);
}

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

#ifdef __x86_64__
/** Rounding modes, upwards and towards zero, in both of the processor's control words. */
#define MXCSR_ROUND_UP 0x4000u
#define X87_ROUND_UP 0x0800u

static void round_up(void *arg)
{
    struct pair *p = arg;
    struct weft__full_state shared;
    struct weft__full_state own;

    weft__full_state_read(&shared);
    own = shared;
    own.mxcsr |= MXCSR_ROUND_UP;
    own.x87 |= X87_ROUND_UP;
    weft__full_state_load(&own);
    (void)weft__context_switch_full(&p->body, &p->driver, &shared, 0);
    weft__full_state_read(&own);
    p->count = (own.mxcsr & MXCSR_ROUND_UP) && (own.x87 & X87_ROUND_UP);
    weft__full_state_load(&shared);
    weft__context_switch_final(&p->body, &p->driver);
}

/** Which way is rounded: 1 upwards, 0 to the nearest. */
static int rounds_up(void)
{
    struct weft__full_state state;

    weft__full_state_read(&state);
    CHECK_EQ(!!(state.mxcsr & MXCSR_ROUND_UP), !!(state.x87 & X87_ROUND_UP));
    return !!(state.x87 & X87_ROUND_UP);
}

static void set_rounds_up(int up)
{
    struct weft__full_state state;

    weft__full_state_read(&state);
    state.mxcsr = up ? state.mxcsr | MXCSR_ROUND_UP : state.mxcsr & ~MXCSR_ROUND_UP;
    state.x87 = (uint16_t)(up ? state.x87 | X87_ROUND_UP : state.x87 & ~X87_ROUND_UP);
    weft__full_state_load(&state);
}

static void turn_rounding_over(void *arg)
{
    struct pair *p = arg;

    for (;;) {
        p->count = rounds_up();
        set_rounds_up(!p->count);
        back(p);
    }
}

TEST(the_plain_switch_leaves_rounding_as_it_is)
{
    struct pair p;

    pair_init(&p, turn_rounding_over);
    set_rounds_up(1); /* after it was made: what counts is what is in force when it runs */
    for (int turn = 0; turn < 3; turn++) {
        drive(&p);
        CHECK_EQ(p.count, 1);
        CHECK_EQ(rounds_up(), 0);
        set_rounds_up(1);
    }
    set_rounds_up(0);
    pair_fini(&p);
}

TEST(full_state_keeps_rounding_apart)
{
    struct weft__full_state before;
    struct weft__full_state after;
    struct pair p;

    pair_init(&p, round_up);
    weft__full_state_read(&before);
    for (int turn = 0; turn < 2; turn++) {
        drive(&p);
        weft__full_state_read(&after);
        CHECK_EQ(after.mxcsr, before.mxcsr);
        CHECK_EQ(after.x87, before.x87);
    }
    CHECK(p.count);
    pair_fini(&p);
}
#endif

/* --- What unwinders see
 * --------------------------------------------------------------------------- */

/** Program counters, innermost first. */
struct trace {
    void *pcs[64];
    int count;
};
static struct trace trace;

static void take_trace(void *arg)
{
    struct pair *p = arg;

    trace.count = backtrace(trace.pcs, 64);
    weft__context_switch_final(&p->body, &p->driver);
}

/** Where the function begins that a return address belongs to; the call is right before it. */
static void *function_of(void *return_address)
{
    return _Unwind_FindEnclosingFunction(return_address);
}

TEST(a_backtrace_ends_with_the_context)
{
    struct pair p;

    pair_init(&p, take_trace);
    drive(&p);
    CHECK(trace.count >= 2 && trace.count < 10);
    for (int i = 0; i < trace.count; i++)
        CHECK(function_of(trace.pcs[i]) != (void *)(uintptr_t)drive);
    pair_fini(&p);
}

static void walk_frame_pointers(void *arg)
{
    struct pair *p = arg;
    char **frame = __builtin_frame_address(0);

    for (p->count = 0; frame && p->count < 10; p->count++) {
        CHECK((char *)frame >= p->stack && (char *)frame < p->stack + STACK_SIZE);
        frame = (char **)(void *)*frame;
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

#if !WEFT_UCONTEXT
TEST(a_backtrace_ends_whatever_lies_above)
{
    struct pair p;

    pair_init(&p, take_trace);
    ((uintptr_t *)p.body.sp)[7] = (uintptr_t)drive + 2; /* what would be a return address */
    drive(&p);
    CHECK(trace.count >= 2 && trace.count < 10);
    for (int i = 0; i < trace.count; i++)
        CHECK(function_of(trace.pcs[i]) != (void *)(uintptr_t)drive);
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

/* --- The instructions of the x86-64 switch -----------------------------------------------------
 */

#if !WEFT_UCONTEXT

/** Fills the callee-saved registers from seed on, switches, and stores what it finds then. */
void test_switch_with_registers(void **from, void *const *to, uint64_t seed, uint64_t found[6]);
__asm__(".text\n"
        "test_switch_with_registers:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\npushq %rcx\n"
        "leaq 0(%rdx),%rbp\nleaq 1(%rdx),%rbx\nleaq 2(%rdx),%r12\n"
        "leaq 3(%rdx),%r13\nleaq 4(%rdx),%r14\nleaq 5(%rdx),%r15\n"
        "callq weft__switch\n"
        "popq %rcx\n"
        "movq %rbp,0(%rcx)\nmovq %rbx,8(%rcx)\nmovq %r12,16(%rcx)\n"
        "movq %r13,24(%rcx)\nmovq %r14,32(%rcx)\nmovq %r15,40(%rcx)\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\n"
        "retq\n");

static void check_registers(const uint64_t found[6], uint64_t seed)
{
    for (uint64_t i = 0; i < 6; i++)
        CHECK_EQ(found[i], seed + i);
}

static void switch_with_registers(void *arg)
{
    struct pair *p = arg;
    uint64_t found[6];

    for (uint64_t seed = 1000;; seed += 10) {
        test_switch_with_registers(&p->body.sp, &p->driver.sp, seed, found);
        check_registers(found, seed);
        p->count++;
    }
}

TEST(registers_survive_on_both_sides)
{
    uint64_t found[6];
    struct pair p;

    pair_init(&p, switch_with_registers);
    /* Without annotations, so also without the entry function that reports an arrival. */
    weft__context_prepare(&p.body, p.stack, p.stack + STACK_SIZE, switch_with_registers, &p);
    for (uint64_t seed = 5; seed < 100; seed += 10) {
        test_switch_with_registers(&p.driver.sp, &p.body.sp, seed, found);
        check_registers(found, seed);
    }
    CHECK_EQ(p.count, 9);
    weft__valgrind_deregister(p.valgrind_id);
    munmap(p.stack, STACK_SIZE);
}

#ifdef __CET__
static bool resumes_at_a_mark(const struct pair *p)
{
    static const unsigned char endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};

    return memcmp(((void **)p->body.sp)[6], endbr64, 4) == 0;
}

__attribute__((noinline)) static ssize_t switch_as_the_last_act(struct pair *p)
{
    return weft__context_switch_with(&p->body, &p->driver, 0);
}

__attribute__((noinline)) static int switch_int_as_the_last_act(struct pair *p)
{
    return weft__context_switch_int(&p->body, &p->driver, 0);
}

static void switch_in_each_way(void *arg)
{
    struct pair *p = arg;

    back(p);
    p->count += (int)switch_as_the_last_act(p);
    p->count += switch_int_as_the_last_act(p);
    weft__context_switch_final(&p->body, &p->driver);
}

TEST(every_way_back_is_marked_for_branch_tracking)
{
    struct pair p;

    pair_init(&p, switch_in_each_way);
    for (int way = 0; way < 3; way++) {
        drive(&p);
        CHECK(resumes_at_a_mark(&p));
    }
    drive(&p);
    CHECK(p.body.sp == NULL);
    pair_fini(&p);
}
#endif

#if !WEFT__SANITIZED && !WEFT__VALGRIND

/** The instructions of the switch that were looked at, and the context's stack. */
static struct {
    int looked_at;
    int in_body;
    char *low;
} steps;

__attribute__((noinline)) static void step_driver(struct pair *p)
{
    weft__context_switch(&p->driver, &p->body);
    __asm__ volatile("");
}

__attribute__((noinline)) static void step_body(void *arg)
{
    struct pair *p = arg;

    back(p);
    back(p);
    weft__context_switch_final(&p->body, &p->driver);
}

static bool in_trace(const struct trace *t, void (*function)(void))
{
    for (int i = 0; i < t->count; i++)
        if (function_of(t->pcs[i]) == (void *)(uintptr_t)function)
            return true;
    return false;
}

/** At each instruction: whose frames are seen depends on whose stack it is, and on nothing else. */
static void on_step(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    char *pc = (char *)at->uc_mcontext.gregs[REG_RIP];
    char *sp = (char *)at->uc_mcontext.gregs[REG_RSP];
    void *function = function_of(pc + 1);
    struct trace t;

    (void)signal;
    (void)info;
    if (function != (void *)(uintptr_t)weft__switch &&
        function != (void *)(uintptr_t)weft__switch_final)
        return;
    t.count = backtrace(t.pcs, 64);
    steps.looked_at++;
    if (sp >= steps.low && sp <= steps.low + STACK_SIZE) {
        steps.in_body++;
        CHECK(t.count < 12);
        CHECK(!in_trace(&t, (void (*)(void))(uintptr_t)step_driver));
    } else {
        CHECK(in_trace(&t, (void (*)(void))(uintptr_t)step_driver));
    }
}

/** Sets or clears the flag that traps after each instruction. */
static void single_step(bool on)
{
    if (on)
        __asm__ volatile("pushfq\norq $0x100,(%%rsp)\npopfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq\nandq $~0x100,(%%rsp)\npopfq" ::: "memory", "cc");
}

TEST(unwinding_is_right_at_every_instruction_of_a_switch)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct pair p;

    pair_init(&p, step_body);
    steps.low = p.stack;
    backtrace(trace.pcs, 1); /* loads libgcc now and not in the handler */
    sigaction(SIGTRAP, &action, NULL);
    single_step(true);
    step_driver(&p);
    step_driver(&p);
    step_driver(&p);
    single_step(false);
    CHECK(steps.looked_at > 80);
    CHECK(steps.in_body > 30);
    CHECK(p.body.sp == NULL);
    pair_fini(&p);
}

#endif
#endif
