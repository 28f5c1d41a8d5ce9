/* SPDX-License-Identifier: MIT */
/*
 * rounding.h: the rounding mode, for each machine
 *
 * (fegetround of libm would say one of the two control words of x86-64 only.)
 */
#ifndef TEST_ROUNDING_H
#define TEST_ROUNDING_H

#include "machine/control.h"

/** Ways to round. */
enum rounding { NEAREST, DOWNWARD, UPWARD };

#if defined(__aarch64__)
#define ROUNDING_WORD fpcr
#define ROUNDING_SHIFT 22
#elif defined(__riscv)
#define ROUNDING_WORD fcsr
#define ROUNDING_SHIFT 5
#else
#define ROUNDING_WORD mxcsr
#define ROUNDING_SHIFT 13
#endif

/** The modes in the machine's own numbers. */
#if defined(__aarch64__)
static const unsigned rounding_numbers[] = {0, 2, 1};
#elif defined(__riscv)
static const unsigned rounding_numbers[] = {0, 2, 3};
#else
static const unsigned rounding_numbers[] = {0, 1, 2};
#endif

/** How arithmetic rounds with these words; -1 when a machine has two of them and they differ. */
static inline int rounding_of(const struct weft__control *control)
{
    unsigned number = (unsigned)(control->ROUNDING_WORD >> ROUNDING_SHIFT & 3);

#ifdef __x86_64__
    if ((control->x87 >> 10 & 3u) != number)
        return -1;
#endif
    for (int mode = NEAREST; mode <= UPWARD; mode++)
        if (rounding_numbers[mode] == number)
            return mode;
    return -1;
}

/** Changes how arithmetic rounds once these words are loaded. */
static inline void rounding_set(struct weft__control *control, enum rounding mode)
{
    unsigned number = rounding_numbers[mode];
    __typeof__(control->ROUNDING_WORD) mask = 3;

    control->ROUNDING_WORD &= ~(mask << ROUNDING_SHIFT);
    control->ROUNDING_WORD |= number << ROUNDING_SHIFT;
#ifdef __x86_64__
    control->x87 = (uint16_t)((control->x87 & ~(3u << 10)) | number << 10);
#endif
}

/** How the processor rounds now. */
static inline int rounding(void)
{
    struct weft__control control;

    weft__control_read(&control);
    return rounding_of(&control);
}

/** Has the processor round so from here on. */
static inline void rounding_force(enum rounding mode)
{
    struct weft__control control;

    weft__control_read(&control);
    rounding_set(&control, mode);
    weft__control_load(&control);
}

#endif
