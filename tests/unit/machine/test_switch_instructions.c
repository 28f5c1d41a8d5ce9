/* SPDX-License-Identifier: MIT */
/*
 * test_switch_instructions.c: the switches in assembly, register by register and step by step
 *
 * What no C code shows by itself: that each register which a call must keep survives, that the
 * switch works where branches are tracked (-fcf-protection, -mbranch-protection), and that the
 * unwind tables are right at every instruction. For the last a handler of SIGTRAP unwinds from
 * inside the switch, where no profiler would look by chance. On x86-64 the processor's trap flag
 * stops at each instruction; elsewhere a breakpoint replaces one instruction after the other. With
 * ucontext there is nothing to look at, and the tests are absent.
 */
#define _GNU_SOURCE
#include "switch_test.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if WEFT__SWITCH != WEFT__SWITCH_UCONTEXT

/* --- Registers --------------------------------------------------------------------------------
 */

/**
 * Fills the registers that a call must keep with seed, seed + 1, ..., switches, and stores what it
 * finds in them then: the integer registers first, then the floating-point ones.
 */
void test_switch_with_registers(void **from, void *const *to, uint64_t seed, uint64_t *found);

#if WEFT__SWITCH == WEFT__SWITCH_X86_64

enum { REGISTERS = 6 };
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

#elif WEFT__SWITCH == WEFT__SWITCH_AARCH64

enum { REGISTERS = 19 };
/* x19 to x29, d8 to d15. Hint 34 is `bti c`. */
__asm__(".text\n"
        "test_switch_with_registers:\n"
        "hint #34\n"
        "sub sp, sp, #176\nstr x30, [sp]\nstr x3, [sp, #8]\n"
        ".irp i,19,20,21,22,23,24,25,26,27,28,29\n"
        "str x\\i, [sp, #(16 + 8 * (\\i - 19))]\nadd x\\i, x2, #(\\i - 19)\n.endr\n"
        ".irp i,8,9,10,11,12,13,14,15\n"
        "str d\\i, [sp, #(104 + 8 * (\\i - 8))]\nadd x4, x2, #(\\i + 3)\nfmov d\\i, x4\n.endr\n"
        "bl weft__switch\n"
        "ldr x3, [sp, #8]\n"
        ".irp i,19,20,21,22,23,24,25,26,27,28,29\n"
        "str x\\i, [x3, #(8 * (\\i - 19))]\nldr x\\i, [sp, #(16 + 8 * (\\i - 19))]\n.endr\n"
        ".irp i,8,9,10,11,12,13,14,15\n"
        "str d\\i, [x3, #(8 * (\\i + 3))]\nldr d\\i, [sp, #(104 + 8 * (\\i - 8))]\n.endr\n"
        "ldr x30, [sp]\nadd sp, sp, #176\n"
        "ret\n");

#elif WEFT__SWITCH == WEFT__SWITCH_RISCV64

enum { REGISTERS = 24 };
/* s0 to s11, fs0 to fs11. */
__asm__(".text\n"
        "test_switch_with_registers:\n"
        "addi sp, sp, -208\nsd ra, 200(sp)\nsd a3, 192(sp)\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11\n"
        "sd s\\i, 8 * \\i(sp)\naddi s\\i, a2, \\i\n"
        "fsd fs\\i, 96 + 8 * \\i(sp)\naddi t0, a2, 12 + \\i\nfmv.d.x fs\\i, t0\n.endr\n"
        "call weft__switch\n"
        "ld a3, 192(sp)\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11\n"
        "sd s\\i, 8 * \\i(a3)\nld s\\i, 8 * \\i(sp)\n"
        "fsd fs\\i, 96 + 8 * \\i(a3)\nfld fs\\i, 96 + 8 * \\i(sp)\n.endr\n"
        "ld ra, 200(sp)\naddi sp, sp, 208\n"
        "ret\n");

#endif

static void check_registers(const uint64_t *found, uint64_t seed)
{
    for (uint64_t i = 0; i < REGISTERS; i++)
        CHECK_EQ(found[i], seed + i);
}

static void switch_with_registers(void *arg)
{
    struct pair *p = arg;
    uint64_t found[REGISTERS];

    for (uint64_t seed = 1000;; seed += 100) {
        test_switch_with_registers(&p->body.sp, &p->driver.sp, seed, found);
        check_registers(found, seed);
        p->count++;
    }
}

TEST(registers_survive_on_both_sides)
{
    uint64_t found[REGISTERS];
    struct pair p;

    pair_init(&p, switch_with_registers);
    /* Without annotations, so also without the entry function that reports an arrival. */
    weft__context_prepare(&p.body, p.stack, p.stack + STACK_SIZE, switch_with_registers, &p);
    for (uint64_t seed = 5; seed < 1000; seed += 100) {
        test_switch_with_registers(&p.driver.sp, &p.body.sp, seed, found);
        check_registers(found, seed);
    }
    CHECK_EQ(p.count, 9);
    weft__valgrind_deregister(p.valgrind_id);
    munmap(p.stack, STACK_SIZE);
}

/* --- Marks for branch tracking ------------------------------------------------------------------
 */

#if defined(__CET__) || defined(__ARM_FEATURE_BTI_DEFAULT)

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

#ifdef __CET__
static bool resumes_at_a_mark(const struct pair *p)
{
    static const unsigned char endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};

    return memcmp(((void **)p->body.sp)[WEFT__FRAME_RESUME], endbr64, 4) == 0;
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

#ifdef __ARM_FEATURE_BTI_DEFAULT
/* From the linker: where this program's own code lies. */
extern char __executable_start[];
extern char etext[];

#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif

TEST(a_switch_makes_no_jump_that_a_processor_which_tracks_branches_refuses)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)etext + page - 1) & ~(page - 1);
    struct pair p;

    /* The C library and its start files are not marked, so that nothing turned tracking on. */
    CHECK_EQ(mprotect(__executable_start, end - (uintptr_t)__executable_start,
                      PROT_READ | PROT_EXEC | PROT_BTI),
             0);
    pair_init(&p, switch_in_each_way);
    for (int way = 0; way < 4; way++)
        drive(&p);
    CHECK(p.body.sp == NULL);
    pair_fini(&p);
}
#endif

#endif

/* --- Unwinding at every instruction -------------------------------------------------------------
 */

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

/** Whose frames are seen depends on whose stack it is, and on nothing else. */
static void look(const char *sp)
{
    struct trace t;

    trace_take(&t);
    steps.looked_at++;
    if (sp >= steps.low && sp <= steps.low + STACK_SIZE) {
        steps.in_body++;
        CHECK(t.count < 12);
        CHECK(!in_trace(&t, (void (*)(void))(uintptr_t)step_driver));
    } else {
        CHECK(in_trace(&t, (void (*)(void))(uintptr_t)step_driver));
    }
}

#if WEFT__SWITCH == WEFT__SWITCH_X86_64

__attribute__((noinline)) static void step_body(void *arg)
{
    struct pair *p = arg;

    back(p);
    back(p);
    weft__context_switch_final(&p->body, &p->driver);
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    char *pc = (char *)at->uc_mcontext.gregs[REG_RIP];
    void *function = function_of(pc + 1);

    (void)signal;
    (void)info;
    if (function == (void *)(uintptr_t)weft__switch ||
        function == (void *)(uintptr_t)weft__switch_final)
        look((char *)at->uc_mcontext.gregs[REG_RSP]);
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

#else

#ifdef __aarch64__
#define BREAKPOINT 0xd4200000u /* brk #0 */
#define PC(context) ((context)->uc_mcontext.pc)
#define SP(context) ((context)->uc_mcontext.sp)
#else
#define BREAKPOINT 0x00100073u   /* ebreak */
#define SHORT_BREAKPOINT 0x9002u /* c.ebreak, in place of an instruction of two bytes */
#define PC(context) ((context)->uc_mcontext.__gregs[0])
#define SP(context) ((context)->uc_mcontext.__gregs[2])
#endif

/** The breakpoint: where it goes, and what belongs there. */
static struct {
    char *at;
    uint32_t instruction;
    size_t size;
} stop;

static size_t instruction_size(const char *at)
{
#ifdef __riscv
    if ((*at & 3) != 3)
        return 2;
#endif
    (void)at;
    return 4;
}

static void write_instruction(uint32_t instruction)
{
    memcpy(stop.at, &instruction, stop.size);
    __builtin___clear_cache(stop.at, stop.at + stop.size);
}

static void set_stop(void)
{
#ifdef __riscv
    write_instruction(stop.size == 2 ? SHORT_BREAKPOINT : BREAKPOINT);
#else
    write_instruction(BREAKPOINT);
#endif
}

/** Takes the breakpoint out, so that the instruction is executed next. */
static void on_stop(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;

    (void)signal;
    (void)info;
    CHECK((char *)(uintptr_t)PC(at) == stop.at);
    look((const char *)(uintptr_t)SP(at));
    write_instruction(stop.instruction);
}

__attribute__((noinline)) static void step_body(void *arg)
{
    struct pair *p = arg;

    set_stop();
    back(p);
    set_stop();
    weft__context_switch_final(&p->body, &p->driver);
}

/** Stops at one instruction, on the way in, on the way back and at the end. */
static void stop_at(char *pc)
{
    struct pair p;

    stop.at = pc;
    stop.size = instruction_size(pc);
    memcpy(&stop.instruction, pc, stop.size);
    pair_init(&p, step_body);
    steps.low = p.stack;
    set_stop();
    step_driver(&p);
    set_stop();
    step_driver(&p);
    write_instruction(stop.instruction);
    CHECK(p.body.sp == NULL);
    pair_fini(&p);
}

/** Stops at each instruction of a function; returns how many it has. */
static int stop_in(char *function)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)function & ~(page - 1);
    int count = 0;

    CHECK_EQ(mprotect((void *)first, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
    for (char *pc = function; function_of(pc + 1) == function; pc += instruction_size(pc), count++)
        stop_at(pc);
    return count;
}

TEST(unwinding_is_right_at_every_instruction_of_a_switch)
{
    struct sigaction action = {.sa_sigaction = on_stop, .sa_flags = SA_SIGINFO};

    sigaction(SIGTRAP, &action, NULL);
    CHECK(stop_in((char *)(uintptr_t)weft__switch) > 20);
    CHECK(stop_in((char *)(uintptr_t)weft__switch_final) > 3);
    CHECK(steps.looked_at > 80);
    CHECK(steps.in_body > 30);
}

#endif
#endif
#endif
