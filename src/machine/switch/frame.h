/* SPDX-License-Identifier: MIT */
/*
 * frame.h: which switch this machine has, and what its saved frame looks like
 *
 * The one place where the compiler is asked what it compiles for. Each assembly file includes this
 * and is empty unless its machine is chosen; a machine that has none here, or an ABI of a known one
 * that saves other registers (x32, ILP32, soft float), gets the C library's swapcontext, as does
 * everybody with -DWEFT_UCONTEXT=1. Shared with the assembler, so there are only numbers here.
 *
 * The numbers are those of the saved frame, in words of 8 bytes from context->sp; each assembly
 * file draws it as a table. A new context is a frame of zeros with three words set.
 */
#ifndef WEFT_MACHINE_SWITCH_FRAME_H
#define WEFT_MACHINE_SWITCH_FRAME_H

#define WEFT__SWITCH_UCONTEXT 0
#define WEFT__SWITCH_X86_64 1
#define WEFT__SWITCH_AARCH64 2
#define WEFT__SWITCH_RISCV64 3

#if defined(WEFT_UCONTEXT) && WEFT_UCONTEXT
#define WEFT__SWITCH WEFT__SWITCH_UCONTEXT
#elif defined(__x86_64__) && defined(__LP64__)
#define WEFT__SWITCH WEFT__SWITCH_X86_64
#elif defined(__aarch64__) && defined(__LP64__)
#define WEFT__SWITCH WEFT__SWITCH_AARCH64
#elif defined(__riscv) && defined(__LP64__) && defined(__riscv_float_abi_double)
#define WEFT__SWITCH WEFT__SWITCH_RISCV64
#else
#define WEFT__SWITCH WEFT__SWITCH_UCONTEXT
#endif

#if WEFT__SWITCH == WEFT__SWITCH_X86_64
#define WEFT__FRAME_WORDS 9
#define WEFT__FRAME_RESUME 6
#define WEFT__FRAME_ENTRY 2
#define WEFT__FRAME_ARG 3
#elif WEFT__SWITCH == WEFT__SWITCH_AARCH64
#define WEFT__FRAME_WORDS 20
#define WEFT__FRAME_RESUME 1
#define WEFT__FRAME_ENTRY 3
#define WEFT__FRAME_ARG 2
#elif WEFT__SWITCH == WEFT__SWITCH_RISCV64
#define WEFT__FRAME_WORDS 26
#define WEFT__FRAME_RESUME 25
#define WEFT__FRAME_ENTRY 22
#define WEFT__FRAME_ARG 23
#endif

#endif
