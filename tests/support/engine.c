/* SPDX-License-Identifier: MIT */
/*
 * engine.c: the engines that tests are repeated on
 *
 * A TEST_EACH_ENGINE runs once for each name in `test_engines`, with WEFT_BACKEND set to it in the
 * child, so that every loop the test makes takes that engine. ENGINE in the environment (one name
 * or several with commas) leaves the others out altogether: they are then not part of the plan, and
 * are not counted as skipped. An engine that this machine refuses is skipped with the reason,
 * unless ENGINE asks for it: then its tests fail.
 */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

const char *const test_engines[] = {"epoll", "poll", "io_uring", "sim", NULL};

static const char *selected;
static bool all_use_threads;

bool test_engine_wanted(const char *engine)
{
    const char *wanted = getenv("ENGINE");
    size_t len = strlen(engine);

    if (!wanted || !*wanted)
        return true;
    while (*wanted) {
        size_t word = strcspn(wanted, ", ");

        if (word == len && memcmp(wanted, engine, len) == 0)
            return true;
        wanted += word + (wanted[word] != '\0');
    }
    return false;
}

const char *test_engine_refused(const char *engine)
{
    const char *wanted = getenv("ENGINE");

    if (wanted && *wanted)
        FAIL("ENGINE asks for %s, and the kernel refuses it", engine);
    return "the kernel refuses it";
}

void test_engine_select(const char *engine)
{
    selected = engine;
    if (engine)
        setenv("WEFT_BACKEND", engine, 1);
    else
        unsetenv("WEFT_BACKEND");
    if (all_use_threads)
        test_uses_threads_where_there_are_any();
}

const char *test_engine(void)
{
    return selected;
}

bool test_engine_is(const char *engine)
{
    return selected && strcmp(selected, engine) == 0;
}

void test_all_use_threads(void)
{
    all_use_threads = true;
}

void test_uses_threads_where_there_are_any(void)
{
#ifdef WEFT_VALGRIND
    /* Seen in Valgrind 3.19: it keeps its one lock during that call. */
    if (test_engine_is("io_uring"))
        SKIP("Valgrind lets no other thread run while one is in io_uring_enter");
#endif
}

void test_needs_own_descriptors(void)
{
#ifdef WEFT_VALGRIND
    SKIP("Valgrind keeps descriptors of its own, and the limit is its own, too");
#endif
}

void test_needs_another_thread(void)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world has one thread");
    test_uses_threads_where_there_are_any();
}

void test_takes(unsigned seconds)
{
    const char *slow = getenv("WEFT_SLOW");
    if (!test_engine_is("sim") && !(slow && strcmp(slow, "1") == 0))
        SKIP("takes %u seconds of real time; WEFT_SLOW=1 takes them", seconds);
}
