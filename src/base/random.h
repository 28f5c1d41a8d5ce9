/* SPDX-License-Identifier: MIT */
/*
 * random.h: numbers that a seed decides
 *
 * splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one
 * word of state, any seed will do, equal seeds give equal numbers on every machine. Nothing for
 * secrets.
 */
#ifndef WEFT_BASE_RANDOM_H
#define WEFT_BASE_RANDOM_H

#include <stdint.h>

/** The next number; `*state` begins as the seed. */
static inline uint64_t weft__random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
