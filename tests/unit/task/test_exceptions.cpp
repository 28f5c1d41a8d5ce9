/* SPDX-License-Identifier: MIT */
/*
 * test_exceptions.cpp: C++ exceptions inside tasks
 *
 * An exception may be thrown and caught within one task. The C++ runtime keeps what is caught, and
 * how many are in flight, once for each thread; a task that waits inside a catch block therefore
 * needs WEFT_FULL_STATE, with which it has them for itself. Nothing may be thrown past the function
 * of a task: that ends the program, as it does for a thread.
 */
extern "C" {
#include "test.h"
}
#include <exception>
#include <stdexcept>
#include <string>
#include <weft/weft.h>

namespace
{

/** Counts how many of its kind are alive. */
struct counted {
    explicit counted(int *where) : count(where)
    {
        ++*count;
    }
    counted(const counted &) = delete;
    ~counted()
    {
        --*count;
    }
    /** Where. */
    int *count;
};

/** One task: what it throws, and what it saw. */
struct thrower {
    /** Which one. */
    int number;
    /** From how far down it throws. */
    int depth;
    /** Frames that have not been left. */
    int alive;
    /** It caught what it threw, and nothing else. */
    bool right;
};

[[noreturn]] void sink_and_throw(thrower *t, int depth)
{
    counted frame(&t->alive);
    if (depth > 0)
        sink_and_throw(t, depth - 1);
    throw std::runtime_error("error " + std::to_string(t->number));
}

int yield_often(int times)
{
    int rc = 0;
    for (int i = 0; i < times && rc == 0; i++)
        rc = weft_yield();
    return rc;
}

bool is_own(const thrower *t, const std::exception &e)
{
    return e.what() == "error " + std::to_string(t->number);
}

/** Waits in the catch block, throws and catches another one there, and throws the first on. */
int throw_and_wait(thrower *t)
{
    int rc = 0;
    try {
        try {
            sink_and_throw(t, t->depth);
        } catch (const std::runtime_error &) {
            rc = yield_often(t->number);
            try {
                throw t->number;
            } catch (int number) {
                rc |= yield_often(3) | (number != t->number);
            }
            throw;
        }
    } catch (const std::exception &e) {
        rc |= yield_often(5);
        t->right = rc == 0 && t->alive == 0 && is_own(t, e) && std::uncaught_exceptions() == 0;
    }
    return std::current_exception() ? -EPROTO : 0;
}

int run_throw_and_wait(void *arg)
{
    return throw_and_wait(static_cast<thrower *>(arg));
}

/** Waits while a destructor runs because of an exception. */
struct slow_to_leave {
    explicit slow_to_leave(bool *where) : seen(where)
    {
    }
    slow_to_leave(const slow_to_leave &) = delete;
    ~slow_to_leave()
    {
        int rc = yield_often(4);
        *seen = rc == 0 && std::uncaught_exceptions() == 1;
    }
    /** Set when it saw one exception in flight all the time. */
    bool *seen;
};

int wait_while_unwinding(void *arg)
{
    try {
        slow_to_leave local(static_cast<bool *>(arg));
        throw 7;
    } catch (int number) {
        return number;
    }
}

int run_on_engine(int (*program)(void *))
{
    struct weft_loop_options options = {};
    struct weft_loop *loop = nullptr;
    options.size = sizeof options;
    options.backend = test_engine();
    CHECK_OK(weft_loop_create(&options, &loop));
    int rc = weft_loop_run_task(loop, program, nullptr);
    CHECK_EQ(weft_loop_free(loop), 0);
    return rc;
}

weft_task_options full_state()
{
    struct weft_task_options options = {};
    options.size = sizeof options;
    options.flags = WEFT_FULL_STATE;
    return options;
}

int many_throwers(void *)
{
    static thrower throwers[20];
    struct weft_task_options options = full_state();
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 20; i++) {
        throwers[i] = {i, 10 * i, 0, false};
        CHECK_OK(weft_spawn_with(&scope, nullptr, &options, run_throw_and_wait, &throwers[i]));
    }
    CHECK_OK(weft_scope_exit(&scope, 0));
    for (const thrower &t : throwers)
        CHECK(t.right);
    return 0;
}

int two_unwinders(void *)
{
    bool seen[2] = {false, false};
    struct weft_task_options options = full_state();
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (bool &one : seen)
        CHECK_OK(weft_spawn_with(&scope, nullptr, &options, wait_while_unwinding, &one));
    CHECK_OK(weft_scope_exit(&scope, 0));
    CHECK(seen[0] && seen[1]);
    return 0;
}

int catch_without_waiting(void *arg)
{
    thrower *t = static_cast<thrower *>(arg);
    try {
        sink_and_throw(t, 50);
    } catch (const std::exception &e) {
        t->right = is_own(t, e) && t->alive == 0;
    }
    return weft_yield();
}

int plain_throwers(void *)
{
    thrower throwers[3] = {{1, 0, 0, false}, {2, 0, 0, false}, {3, 0, 0, false}};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (thrower &t : throwers)
        CHECK_OK(weft_go_fn(&scope, catch_without_waiting, &t));
    CHECK_OK(weft_scope_exit(&scope, 0));
    for (const thrower &t : throwers)
        CHECK(t.right);
    return 0;
}

} // namespace

TEST_EACH_ENGINE(an_exception_is_thrown_and_caught_within_a_task)
{
    CHECK_EQ(run_on_engine(plain_throwers), 0);
}

TEST_EACH_ENGINE(tasks_that_wait_in_catch_blocks_have_their_own_exceptions)
{
    CHECK_EQ(run_on_engine(many_throwers), 0);
}

TEST_EACH_ENGINE(tasks_that_wait_while_they_unwind_have_their_own_count_of_exceptions)
{
    CHECK_EQ(run_on_engine(two_unwinders), 0);
}
