/* SPDX-License-Identifier: MIT */
/*
 * riscv64.S: changing stacks on 64-bit RISC-V with double floats in registers (psABI, lp64d)
 *
 * The calling convention has a call keep s0 to s11, the stack pointer and fs0 to fs11 ("RISC-V
 * Calling Conventions", register convention, in the psABI document); ra has the return address. gp
 * and tp never change, vector registers are the caller's to save, and the rounding mode in fcsr is
 * the affair of weft__context_switch_full.
 *
 * The saved frame, at context->sp of every context that is not running:
 *
 *     offset     content            a new context has
 *     --------   ----------------   ------------------------------------
 *     +200       resume address     weft__context_enter
 *     +192       s0                 0 (ends every frame-pointer walk)
 *     +184       s1                 the argument of the entry function
 *     +176       s2                 the entry function
 *     +104..168  s3 to s11          0 (s11 lowest)
 *      +8..96    fs0 to fs11        0 (fs11 lowest)
 *      +0        nothing, so that the stack stays a multiple of 16      <- context->sp
 *
 * The two highest words lie where the psABI has every frame with a frame pointer keep them, so that
 * a debugger can walk a suspended stack from context->sp + 208 as from a value of s0.
 *
 * The switch leaves by `jr t2`. The manual has processors take a jump by ra or t0 for a return and
 * predict it from the calls they have seen, which were made on the other stack (see x86_64.S); t2
 * is not one of these. It is also the register whose jumps need no landing pad where those are
 * enforced (Zicfilp counts them as guarded by software), so no mark is needed behind the call. The
 * files of this library do not claim shadow stacks (Zicfiss), so that programs run without them.
 *
 * The unwind tables (.cfi) are right at every instruction: from the load of sp on they describe the
 * new stack, whose frame has the same shape.
 */
#include "machine/switch/frame.h"

#if WEFT__SWITCH == WEFT__SWITCH_RISCV64

    .text

/* Where the registers of a frame lie, for whoever walks out of it; the CFA is the frame's end. */
    .macro  frame_described
    .cfi_def_cfa_offset 208
    .cfi_offset ra, -8
    .cfi_offset s0, -16
    .cfi_offset s1, -24
    .cfi_offset s2, -32
    .cfi_offset s3, -40
    .cfi_offset s4, -48
    .cfi_offset s5, -56
    .cfi_offset s6, -64
    .cfi_offset s7, -72
    .cfi_offset s8, -80
    .cfi_offset s9, -88
    .cfi_offset s10, -96
    .cfi_offset s11, -104
    .cfi_offset fs0, -112
    .cfi_offset fs1, -120
    .cfi_offset fs2, -128
    .cfi_offset fs3, -136
    .cfi_offset fs4, -144
    .cfi_offset fs5, -152
    .cfi_offset fs6, -160
    .cfi_offset fs7, -168
    .cfi_offset fs8, -176
    .cfi_offset fs9, -184
    .cfi_offset fs10, -192
    .cfi_offset fs11, -200
    .endm

/* Loads (ld, fld) or stores (sd, fsd) all that a frame keeps besides the resume address. */
    .macro  frame_moved integers, floats
    \integers s0, 192(sp)
    \integers s1, 184(sp)
    \integers s2, 176(sp)
    \integers s3, 168(sp)
    \integers s4, 160(sp)
    \integers s5, 152(sp)
    \integers s6, 144(sp)
    \integers s7, 136(sp)
    \integers s8, 128(sp)
    \integers s9, 120(sp)
    \integers s10, 112(sp)
    \integers s11, 104(sp)
    \floats fs0, 96(sp)
    \floats fs1, 88(sp)
    \floats fs2, 80(sp)
    \floats fs3, 72(sp)
    \floats fs4, 64(sp)
    \floats fs5, 56(sp)
    \floats fs6, 48(sp)
    \floats fs7, 40(sp)
    \floats fs8, 32(sp)
    \floats fs9, 24(sp)
    \floats fs10, 16(sp)
    \floats fs11, 8(sp)
    .endm

/*
 * ssize_t weft__switch(void **from_sp, void *const *to_sp, ssize_t value)
 *
 * Returns, on the other stack, the value: whoever resumes a context decides what its own call
 * gives. weft__switch_int is the same, for callers that return an int.
 */
    .globl  weft__switch, weft__switch_int
    .hidden weft__switch, weft__switch_int
    .type   weft__switch, @function
    .type   weft__switch_int, @function
    .p2align 5
weft__switch_int:
weft__switch:
    .cfi_startproc
    ld      t0, 0(a1)               /* first: behind the stores below this load would wait */
    addi    sp, sp, -208
    .cfi_def_cfa_offset 208
    sd      ra, 200(sp)
    frame_moved sd, fsd
    frame_described                 /* until here every register had its value still */
    ld      t2, 200(t0)             /* early, so that a wrong guess of the jump is seen early */
    sd      sp, 0(a0)
    mv      sp, t0
.Lresume:                           /* t2: where to go, a2: the value */
    frame_moved ld, fld
    mv      a0, a2
    addi    sp, sp, 208
    .cfi_def_cfa_offset 0
    .cfi_register ra, t2
    .cfi_restore s0
    .cfi_restore s1
    .cfi_restore s2
    .cfi_restore s3
    .cfi_restore s4
    .cfi_restore s5
    .cfi_restore s6
    .cfi_restore s7
    .cfi_restore s8
    .cfi_restore s9
    .cfi_restore s10
    .cfi_restore s11
    .cfi_restore fs0
    .cfi_restore fs1
    .cfi_restore fs2
    .cfi_restore fs3
    .cfi_restore fs4
    .cfi_restore fs5
    .cfi_restore fs6
    .cfi_restore fs7
    .cfi_restore fs8
    .cfi_restore fs9
    .cfi_restore fs10
    .cfi_restore fs11
    jr      t2
    .cfi_endproc
    .size   weft__switch, . - weft__switch

/* void weft__switch_final(void *const *to_sp, ssize_t value): as above, with nothing saved. */
    .globl  weft__switch_final
    .hidden weft__switch_final
    .type   weft__switch_final, @function
    .p2align 2
weft__switch_final:
    .cfi_startproc
    mv      a2, a1
    ld      t0, 0(a0)
    ld      t2, 200(t0)
    mv      sp, t0
    frame_described                 /* now in the frame that weft__switch saved */
    j       .Lresume
    .cfi_endproc
    .size   weft__switch_final, . - weft__switch_final

/*
 * Where a new context begins. It has no caller: the undefined return address ends the walk of every
 * unwinder that reads the tables, s0 = 0 that of those that follow frame pointers.
 */
    .globl  weft__context_enter
    .hidden weft__context_enter
    .type   weft__context_enter, @function
    .p2align 2
weft__context_enter:
    .cfi_startproc
    .cfi_undefined ra
    mv      a0, s1
    jalr    s2
    ebreak                          /* an entry function never returns */
    .cfi_endproc
    .size   weft__context_enter, . - weft__context_enter

#endif

    .section .note.GNU-stack, "", %progbits
