/* SPDX-License-Identifier: MIT */
/*
 * test_loop_local.c: values that a loop keeps for others
 *
 * Each test states one sentence of weft_loop_set_local. Letters in `trail` say which value was let
 * go of when.
 */
#include "test.h"

#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

static char trail[64];
static struct weft_loop *loop;
static const char key_a, key_b, key_c;
static char a[] = "a", b[] = "b", c[] = "c";

static void note(void *letter)
{
    strcat(trail, letter);
}

static void open_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    CHECK_OK(weft_loop_create(&options, &loop));
}

TEST_EACH_ENGINE(a_loop_keeps_a_value_for_each_key)
{
    struct weft_loop *first, *second;
    open_loop();
    first = loop;
    open_loop();
    second = loop;
    CHECK(weft_loop_get_local(first, &key_a) == NULL);
    CHECK_OK(weft_loop_set_local(first, &key_a, a, NULL));
    CHECK_OK(weft_loop_set_local(first, &key_b, b, NULL));
    CHECK_OK(weft_loop_set_local(second, &key_a, c, NULL));
    CHECK_STR(weft_loop_get_local(first, &key_a), "a");
    CHECK_STR(weft_loop_get_local(first, &key_b), "b");
    CHECK_STR(weft_loop_get_local(second, &key_a), "c");
    CHECK(weft_loop_get_local(second, &key_b) == NULL);
    CHECK_OK(weft_loop_free(first));
    CHECK_OK(weft_loop_free(second));
}

TEST_EACH_ENGINE(a_value_is_dropped_when_it_is_replaced_or_taken_away)
{
    open_loop();
    CHECK_OK(weft_loop_set_local(loop, &key_a, a, note));
    CHECK_OK(weft_loop_set_local(loop, &key_a, b, note));
    CHECK_STR(trail, "a");
    CHECK_STR(weft_loop_get_local(loop, &key_a), "b");
    CHECK_OK(weft_loop_set_local(loop, &key_a, NULL, NULL));
    CHECK_STR(trail, "ab");
    CHECK(weft_loop_get_local(loop, &key_a) == NULL);
    CHECK_OK(weft_loop_set_local(loop, &key_a, NULL, NULL));
    CHECK_OK(weft_loop_free(loop));
    CHECK_STR(trail, "ab");
}

TEST_EACH_ENGINE(values_are_dropped_with_the_loop_the_last_first)
{
    open_loop();
    CHECK_OK(weft_loop_set_local(loop, &key_a, a, note));
    CHECK_OK(weft_loop_set_local(loop, &key_b, b, note));
    CHECK_OK(weft_loop_set_local(loop, &key_c, c, note));
    CHECK_OK(weft_loop_free(loop));
    CHECK_STR(trail, "cba");
}

static int leave_late(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    note(b);
    return 0;
}

static int start_one(void *arg)
{
    (void)arg;
    return weft_go_fn(weft_root(loop), leave_late, NULL);
}

static void use_the_loop(void *letter)
{
    void *memory = weft_loop_realloc(loop, NULL, 16);
    CHECK(memory != NULL);
    (void)weft_loop_realloc(loop, memory, 0);
    CHECK(weft_loop_get_local(loop, &key_a) == a);
    note(letter);
}

TEST_EACH_ENGINE(values_outlive_the_tasks_of_the_loop)
{
    open_loop();
    CHECK_OK(weft_loop_set_local(loop, &key_a, a, note));
    CHECK_OK(weft_loop_set_local(loop, &key_c, c, use_the_loop));
    CHECK_OK(weft_loop_run_task(loop, start_one, NULL));
    CHECK_STR(trail, "");
    CHECK_OK(weft_loop_free(loop));
    CHECK_STR(trail, "bca");
}

TEST(out_of_memory_changes_nothing)
{
    struct weft_testing_faults faults;
    weft_testing_faults_init(&faults, NULL);
    struct weft_loop_options options = {.size = sizeof options, .sys = &faults.sys};
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_loop_set_local(loop, &key_a, a, note));
    weft_testing_faults_fail(&faults, WEFT_TESTING_SET(REALLOC), 1, WEFT_TESTING_FROM, ENOMEM);
    CHECK_ERR(weft_loop_set_local(loop, &key_a, b, note), -ENOMEM);
    CHECK_STR(weft_loop_get_local(loop, &key_a), "a");
    CHECK_STR(trail, "");
    CHECK_OK(weft_loop_set_local(loop, &key_a, NULL, NULL));
    weft_testing_faults_fail(&faults, 0, 0, WEFT_TESTING_ONCE, 0);
    CHECK_OK(weft_loop_free(loop));
}
