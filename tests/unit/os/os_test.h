/* SPDX-License-Identifier: MIT */
/*
 * os_test.h: what the tests of os share
 *
 *     OS_TEST(a_child_says_hello)
 *     {
 *         ... runs as a task of a loop with the engine of this run
 *     }
 */
#ifndef OS_TEST_H
#define OS_TEST_H

#include "task_body.h"

#define OS_TEST(name) ENGINE_TASK_TEST(name)

#endif
