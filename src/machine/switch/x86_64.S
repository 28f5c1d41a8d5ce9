/* SPDX-License-Identifier: MIT */
/*
 * x86_64.S: changing stacks on x86-64 (System V ABI)
 *
 * A switch is a function call that returns on another stack. The compiler expects of any call that
 * the callee-saved registers survive, and nothing else, so those six, the return address and the
 * stack pointer are all that a suspended context consists of. A signal mask is not part of it, nor
 * are the floating-point control words (see context.h, weft__context_switch_full).
 *
 * The saved frame, at context->sp of every context that is not running:
 *
 *     offset   content            a new context has
 *     ------   ----------------   ------------------------------------
 *      +56     caller's frame     0 (what a naive walker takes for an end)
 *      +48     resume address     weft__context_enter
 *      +40     rbp                0 (ends every frame-pointer walk)
 *      +32     rbx                0
 *      +24     r12                the argument of the entry function
 *      +16     r13                the entry function
 *       +8     r14                0
 *       +0     r15                0             <- context->sp
 *
 * rbp lies just below the resume address, as in any frame with a frame pointer, so that a debugger
 * can walk a suspended stack from two words.
 *
 * Leaving by `jmp` and not by `ret` is what makes it fast: the processor predicts a `ret` from the
 * calls it has seen, and those were made on the other stack, so that each one would be
 * mispredicted (16.8 ns against 4 for a round trip on a Zen 4). The price: to the processor the
 * return is an indirect branch. Under indirect-branch tracking (IBT) the place behind the call
 * must therefore be marked by `endbr64`, which the compiler does where it is told so
 * (WEFT__INDIRECT_RETURN), and so this file may claim IBT. It must never claim shadow stacks
 * (SHSTK): they would still hold the old stack's return addresses. Since the linker only claims
 * for a program what all of its parts claim, a program with this file in it runs without them;
 * weft__context_check says so where someone forces them on, and the ucontext build is the way out.
 *
 * The unwind tables (.cfi) are right at every instruction: from the load of rsp on they describe
 * the new stack, whose frame has the same shape, so a profiler's signal may arrive anywhere.
 */

#include "machine/switch/frame.h"

#if WEFT__SWITCH == WEFT__SWITCH_X86_64

    .text

/*
 * ssize_t weft__switch(void **from_sp, void *const *to_sp, ssize_t value)
 *
 * Returns, on the other stack, the value: whoever resumes a context decides what its own call
 * gives. A caller that has nothing to do afterwards can thus leave by a jump to here, and comes
 * back straight to its own caller without a `ret` that would be mispredicted.
 */
    .globl  weft__switch, weft__switch_int
    .hidden weft__switch, weft__switch_int
    .type   weft__switch, @function
    .type   weft__switch_int, @function
    .p2align 5
weft__switch_int:                       /* the same, for callers that return an int */
weft__switch:
    .cfi_startproc
    movq    %rdx, %r8
    movq    (%rsi), %rax            /* first: behind the stores below this load would wait */
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq    %rsp, (%rdi)
    movq    48(%rax), %rdx          /* early, so that a wrong guess of the jump is seen early */
    movq    %rax, %rsp
.Lresume:
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdx
    movq    %r8, %rax
    jmpq    *%rdx
    .cfi_endproc
    .size   weft__switch, . - weft__switch

/* void weft__switch_final(void *const *to_sp, ssize_t value): as above, with nothing saved. */
    .globl  weft__switch_final
    .hidden weft__switch_final
    .type   weft__switch_final, @function
    .p2align 4
weft__switch_final:
    .cfi_startproc
    movq    %rsi, %r8
    movq    (%rdi), %rax
    movq    48(%rax), %rdx
    movq    %rax, %rsp
    /* Now in the frame that weft__switch saved, which the tables at .Lresume describe. */
    .cfi_def_cfa_offset 56
    .cfi_offset %rip, -8
    .cfi_offset %rbp, -16
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    jmp     .Lresume
    .cfi_endproc
    .size   weft__switch_final, . - weft__switch_final

/*
 * Where a new context begins. It has no caller: the undefined return address ends the walk of every
 * unwinder that reads the tables, rbp = 0 that of those that follow frame pointers.
 */
    .globl  weft__context_enter
    .hidden weft__context_enter
    .type   weft__context_enter, @function
    .p2align 4
weft__context_enter:
    .cfi_startproc
    .cfi_undefined %rip
    endbr64
    movq    %r12, %rdi
    callq   *%r13
    ud2                             /* an entry function never returns */
    .cfi_endproc
    .size   weft__context_enter, . - weft__context_enter

/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT (bit 0) and not SHSTK (bit 1), as explained above. */
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long   4                       /* size of the name */
    .long   16                      /* size of the description */
    .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000002
    .long   4
    .long   1
    .long   0

#endif

    .section .note.GNU-stack, "", %progbits
