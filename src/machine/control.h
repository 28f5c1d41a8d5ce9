/* SPDX-License-Identifier: MIT */
/*
 * control.h: how floating-point arithmetic rounds and traps, machine by machine
 *
 * The words that a program sets with fesetround(3) and its kin, together with the flags that
 * arithmetic leaves in the same registers. A plain switch leaves them alone. Machines that are not
 * named here have an empty set.
 */
#ifndef WEFT_MACHINE_CONTROL_H
#define WEFT_MACHINE_CONTROL_H

#include <stdint.h>

/** The words. */
struct weft__control {
#if defined(__x86_64__)
    /** SSE control and status. */
    uint32_t mxcsr;
    /** x87 control word. */
    uint16_t x87;
#elif defined(__aarch64__)
    /** Control. */
    uint64_t fpcr;
    /** Status. */
    uint64_t fpsr;
#elif defined(__riscv_flen)
    /** Control and status. */
    unsigned long fcsr;
#else
    /** Nothing is known. */
    char none;
#endif
};

/** Reads the words in force. */
static inline void weft__control_read(struct weft__control *ret)
{
#if defined(__x86_64__)
    __asm__ volatile("stmxcsr %0" : "=m"(ret->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(ret->x87));
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(ret->fpcr));
    __asm__ volatile("mrs %0, fpsr" : "=r"(ret->fpsr));
#elif defined(__riscv_flen)
    __asm__ volatile("frcsr %0" : "=r"(ret->fcsr));
#else
    ret->none = 0;
#endif
}

/** Puts words in force. */
static inline void weft__control_load(const struct weft__control *control)
{
#if defined(__x86_64__)
    __asm__ volatile("ldmxcsr %0" : : "m"(control->mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(control->x87));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(control->fpcr));
    __asm__ volatile("msr fpsr, %0" : : "r"(control->fpsr));
#elif defined(__riscv_flen)
    __asm__ volatile("fscsr %0" : : "r"(control->fcsr));
#else
    (void)control;
#endif
}

#endif
