/* SPDX-License-Identifier: MIT */
/*
 * floors.h: figures that tests print, and the least they may be
 *
 * A test that counts what it reached (fault points, distinct schedules) is worth nothing on the day
 * when it silently reaches less. So each such figure is printed, also when the test passes, and
 * compared with a floor that stands in a committed file:
 *
 *     # name                     floor
 *     allocations/spawn          40
 *
 * A figure without a floor fails too, so that no new test is forgotten. Floors are raised by hand,
 * to what the figure was when somebody looked.
 */
#ifndef TEST_SUPPORT_FLOORS_H
#define TEST_SUPPORT_FLOORS_H

#include <stdint.h>

/** Prints a line that the runner shows even when the test passes. */
void test_figure(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Fails the test unless `value` is at least the floor of `name` in `path` (from the tree's root).
 */
void test_floor(const char *path, const char *name, uint64_t value);

#endif
