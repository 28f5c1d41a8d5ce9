/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of the test kit share
 *
 *     world.c       worlds, clocks, programs run in them
 *     blocked.c     waiting until nobody can go on; wait points
 *     run.c         one program over one table
 *     sequencer.c   steps in a fixed order
 *
 * The kit is the topmost layer: it may look into all others, and nothing includes it.
 */
#ifndef WEFT_TESTING_INTERNAL_H
#define WEFT_TESTING_INTERNAL_H

#include <stdbool.h>
#include <weft/testing.h>

#endif
