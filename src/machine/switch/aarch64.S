/* SPDX-License-Identifier: MIT */
/*
 * aarch64.S: changing stacks on 64-bit Arm (AAPCS64)
 *
 * The procedure call standard has a call keep x19 to x28, the frame pointer x29, the stack pointer
 * and the low halves d8 to d15 of eight vector registers ("Procedure Call Standard for the Arm
 * 64-bit Architecture", sections 6.1.1 and 6.1.2); x30 has the return address. Nothing else belongs
 * to a suspended context. x18, the platform's register, is a thread's and stays untouched; the
 * floating-point control register is the affair of weft__context_switch_full. Functions that keep
 * more (the vector call standard, SVE arguments) are another kind, and ours are not of it.
 *
 * The saved frame, at context->sp of every context that is not running:
 *
 *     offset     content            a new context has
 *     --------   ----------------   ------------------------------------
 *     +96..152   d8 to d15          0
 *     +32..88    x21 to x28         0
 *      +24       x20                the entry function
 *      +16       x19                the argument of the entry function
 *       +8       resume address     weft__context_enter
 *       +0       x29                0 (ends every walk)         <- context->sp
 *
 * The two lowest words are a frame record as the standard describes it, so that a debugger can walk
 * a suspended stack from context->sp as from any frame pointer.
 *
 * The switch leaves by `br` and not by `ret`, since the processor's stack of return addresses is
 * that of the context we leave (see x86_64.S). Branch target identification would ask for a mark
 * behind the call then, and gcc sets one only behind calls that it does not inline
 * (returns_twice). So where that is compiled in the switch does leave by `ret`, which needs no mark
 * and is mispredicted, and this file may claim BTI. The saved address is not signed (PAC), so that
 * is not claimed. Neither is the guarded control stack (GCS), which would still hold the other
 * stack's addresses: a program with this file in it runs without, and weft__context_check says so
 * where someone forces it on.
 *
 * The unwind tables (.cfi) are right at every instruction: from the load of sp on they describe the
 * new stack, whose frame has the same shape. The marks are written as hints, which assemblers and
 * processors of any age take.
 */
#include "machine/switch/frame.h"

#if WEFT__SWITCH == WEFT__SWITCH_AARCH64

    .text

/* Where the registers of a frame lie, for whoever walks out of it; the CFA is the frame's end. */
    .macro  frame_described
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    .cfi_offset x19, -144
    .cfi_offset x20, -136
    .cfi_offset x21, -128
    .cfi_offset x22, -120
    .cfi_offset x23, -112
    .cfi_offset x24, -104
    .cfi_offset x25, -96
    .cfi_offset x26, -88
    .cfi_offset x27, -80
    .cfi_offset x28, -72
    .cfi_offset d8, -64
    .cfi_offset d9, -56
    .cfi_offset d10, -48
    .cfi_offset d11, -40
    .cfi_offset d12, -32
    .cfi_offset d13, -24
    .cfi_offset d14, -16
    .cfi_offset d15, -8
    .endm

/*
 * ssize_t weft__switch(void **from_sp, void *const *to_sp, ssize_t value)
 *
 * Returns, on the other stack, the value: whoever resumes a context decides what its own call
 * gives. weft__switch_int is the same, for callers that return an int.
 */
    .globl  weft__switch, weft__switch_int
    .hidden weft__switch, weft__switch_int
    .type   weft__switch, %function
    .type   weft__switch_int, %function
    .p2align 5
weft__switch_int:
weft__switch:
    .cfi_startproc
    hint    #34                     /* bti c */
    ldr     x3, [x1]                /* first: behind the stores below this load would wait */
    sub     sp, sp, #160
    .cfi_def_cfa_offset 160
    stp     x29, x30, [sp]
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    frame_described                 /* until here every register had its value still */
    mov     x4, sp
    ldr     x16, [x3, #8]           /* early, so that a wrong guess of the jump is seen early */
    str     x4, [x0]
    mov     sp, x3
.Lresume:                           /* x16: where to go, x2: the value */
    ldp     d14, d15, [sp, #144]
    ldp     d12, d13, [sp, #128]
    ldp     d10, d11, [sp, #112]
    ldp     d8, d9, [sp, #96]
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldr     x29, [sp]
    mov     x0, x2
    add     sp, sp, #160
    .cfi_def_cfa_offset 0
    .cfi_register x30, x16
    .cfi_restore x29
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
#ifdef __ARM_FEATURE_BTI_DEFAULT
    ret     x16
#else
    br      x16
#endif
    .cfi_endproc
    .size   weft__switch, . - weft__switch

/* void weft__switch_final(void *const *to_sp, ssize_t value): as above, with nothing saved. */
    .globl  weft__switch_final
    .hidden weft__switch_final
    .type   weft__switch_final, %function
    .p2align 4
weft__switch_final:
    .cfi_startproc
    hint    #34                     /* bti c */
    mov     x2, x1
    ldr     x3, [x0]
    ldr     x16, [x3, #8]
    mov     sp, x3
    frame_described                 /* now in the frame that weft__switch saved */
    b       .Lresume
    .cfi_endproc
    .size   weft__switch_final, . - weft__switch_final

/*
 * Where a new context begins. It has no caller: the undefined return address ends the walk of every
 * unwinder that reads the tables, x29 = 0 that of those that follow frame records.
 */
    .globl  weft__context_enter
    .hidden weft__context_enter
    .type   weft__context_enter, %function
    .p2align 4
weft__context_enter:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x19
    blr     x20
    brk     #1000                   /* an entry function never returns */
    .cfi_endproc
    .size   weft__context_enter, . - weft__context_enter

/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI (bit 0); not PAC (bit 1), not GCS (bit 2). */
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long   4                       /* size of the name */
    .long   16                      /* size of the description */
    .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000000
    .long   4
    .long   1
    .long   0

#endif

    .section .note.GNU-stack, "", %progbits
