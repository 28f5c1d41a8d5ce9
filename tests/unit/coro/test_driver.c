/* SPDX-License-Identifier: MIT */
/*
 * test_driver.c: what the coro layer promises to the task layer
 *
 * Each test plays the task layer: it makes a driver over a pool of its own, says that it is
 * current, counts scopes, and ends it. The pool's table counts allocations and can refuse one of
 * them.
 */
#include "generator_test.h"

#include "coro/generator.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** A task as far as generators know it. */
static struct {
    /** The table of its loop; first, so that a pointer to it is a pointer to this. */
    struct weft_sys sys;
    /** The stacks and the detached generators of its loop. */
    struct weft__stack_pool stacks;
    struct weft_link detached;
    /** Its own coroutine: the test's stack. */
    struct weft__coro base;
    /** Its driver. */
    struct weft__driver driver;
    /** Allocations and mappings so far; those from number `refuse` on fail, with 0 none. */
    int calls, refuse;
} task;

static bool refused(void)
{
    task.calls++;
    return task.refuse && task.calls >= task.refuse;
}

static void *refusing_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    (void)sys;
    return size && refused() ? NULL : weft_sys_default.realloc(&weft_sys_default, p, size);
}

static int refusing_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                         int64_t offset, void **ret)
{
    (void)sys;
    if (refused())
        return -ENOMEM;
    return weft_sys_default.mmap(&weft_sys_default, len, prot, flags, fd, offset, ret);
}

static void task_begin(void)
{
    task.sys = weft_sys_default;
    task.sys.realloc = refusing_realloc;
    task.sys.mmap = refusing_mmap;
    task.calls = task.refuse = 0;
    weft__stack_pool_init(&task.stacks, &task.sys, WEFT__GUARD_AUTO);
    weft__list_init(&task.detached);
    weft__coro_adopt(&task.base, WEFT_KIND_TASK);
    weft__driver_init(&task.driver, &task.base, &task.stacks, &task.detached, true);
    weft__driver_current = &task.driver;
}

static void task_end(void)
{
    weft__generators_end(&task.driver);
    weft__driver_current = NULL;
    weft__generators_end_detached(&task.detached);
    CHECK_EQ(task.stacks.classes[WEFT__STACK_DEFAULT].reserved, 0);
    weft__stack_pool_fini(&task.stacks);
    weft__context_free(&task.base.ctx);
}

/* --- Scopes -------------------------------------------------------------------------- */

/** Yields 1 inside a scope, which must fail; then 2 outside of it. */
static int yield_in_scope(struct weft_gen *gen, void *arg)
{
    struct weft_gen *inner = arg;
    task.driver.scope_depth++;
    int rc = inner ? weft_gen_delegate(gen, inner) : weft_gen_yield(gen, number(1), NULL);
    CHECK_ERR(rc, -EPROTO);
    task.driver.scope_depth--;
    return weft_gen_yield(gen, number(2), NULL);
}

static void check_yield_in_scope(struct weft_gen *inner)
{
    void *value = NULL;
    struct weft_gen *gen = make(yield_in_scope, inner);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ((intptr_t)value, 2);
    CHECK_OK(weft_gen_close(gen));
}

static void yield_inside_a_scope(void)
{
    task_begin();
    check_yield_in_scope(NULL);
    task_end();
}

TEST(a_yield_inside_a_scope_of_the_body_is_misuse)
{
    misuse(yield_inside_a_scope, "calls weft_gen_yield inside a scope that it has not left");
}

static void delegate_inside_a_scope(void)
{
    task_begin();
    struct weft_gen *inner = make(countdown, number(3));
    check_yield_in_scope(inner);
    CHECK_EQ(weft_gen_state(inner), WEFT_GEN_CREATED);
    CHECK_OK(weft_gen_close(inner));
    task_end();
}

TEST(to_delegate_inside_a_scope_of_the_body_is_misuse)
{
    misuse(delegate_inside_a_scope, "calls weft_gen_delegate inside a scope that it has not left");
}

/** Opens and leaves a scope before each yield. */
static int scopes_between(struct weft_gen *gen, void *arg)
{
    int rc = 0;
    for (intptr_t n = (intptr_t)arg; rc == 0 && n > 0; n--) {
        task.driver.scope_depth += 2;
        task.driver.scope_depth -= 2;
        rc = weft_gen_yield(gen, number(n), NULL);
    }
    return rc;
}

TEST(scopes_left_between_yields_and_scopes_of_the_driver_are_fine)
{
    task_begin();
    struct weft_gen *gen = make(scopes_between, number(5));
    for (unsigned depth = 0; depth < 4; depth++) {
        task.driver.scope_depth = depth * 3 % 4;
        CHECK_EQ(weft_gen_next(gen, NULL), 1);
    }
    CHECK_OK(weft_gen_close(gen));
    task_end();
}

/* --- Drivers ------------------------------------------------------------------------- */

static int kind_inside(struct weft_gen *gen, void *arg)
{
    *(bool *)arg = weft__driver_current->leaf->kind == WEFT_KIND_GENERATOR;
    return weft_gen_yield(gen, number(weft_running_kind()), NULL);
}

TEST(the_leaf_is_whatever_runs)
{
    bool inside = false;
    void *value = NULL;
    task_begin();
    CHECK_EQ(weft_running_kind(), WEFT_KIND_TASK);
    struct weft_gen *gen = make(kind_inside, &inside);
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    CHECK_EQ((intptr_t)value, WEFT_KIND_GENERATOR);
    CHECK(inside && task.driver.leaf == &task.base);
    CHECK_EQ(weft_gen_next(gen, &value), 0);
    CHECK(task.driver.leaf == &task.base);
    CHECK_OK(weft_gen_close(gen));
    task_end();
}

TEST(a_generator_of_the_thread_can_be_driven_by_a_task_and_back)
{
    struct weft_gen *gen = make(countdown, number(5));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    task_begin();
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_EQ(task.calls, 0);
    task_end();
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
}

TEST(the_stack_of_a_generator_names_it)
{
    void *value = NULL;
    task_begin();
    struct weft_gen *gen;
    CHECK_OK(weft_gen_new_at(yield_once, NULL, "name", "file:1", &gen));
    CHECK_EQ(weft_gen_next(gen, &value), 1);
    struct weft__coro *coro = (struct weft__coro *)(void *)gen;
    CHECK(coro->stack->owner == coro);
    CHECK_STR(weft__generator_name(coro), "name");
    CHECK_STR(weft__generator_site(coro), "file:1");
    CHECK_OK(weft_gen_close(gen));
    task_end();
}

/** Makes a generator while allocations fail from number `refuse` on; afterwards it must work. */
static int make_refused(int refuse)
{
    struct weft_gen *gen = NULL;
    task_begin();
    task.refuse = refuse;
    int rc = weft_gen_new(countdown, number(2), &gen);
    task.refuse = 0;
    CHECK((gen != NULL) == (rc == 0));
    if (rc < 0)
        gen = make(countdown, number(2));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_close(gen));
    task_end();
    return rc;
}

TEST(every_allocation_of_new_may_fail)
{
    int refuse = 1;
    for (; make_refused(refuse) < 0; refuse++)
        CHECK_ERR(make_refused(refuse), -ENOMEM);
    /* Four can: the list of free stacks, the slab's record, its mapping, the generator. */
    CHECK_EQ(refuse, 5);
}

TEST(closed_generators_give_their_stacks_back)
{
    task_begin();
    struct weft_gen *open = make(countdown, number(3));
    CHECK_EQ(weft_gen_next(open, NULL), 1);
    int taken = task.calls;
    for (int i = 0; i < 100; i++) {
        struct weft_gen *gen = make(countdown, number(i % 3));
        CHECK_EQ(weft_gen_next(gen, NULL), i % 3 > 0);
        CHECK_OK(weft_gen_close(gen));
    }
    /* One allocation for each generator, and none for stacks. */
    CHECK_EQ(task.calls, taken + 100);
    CHECK_OK(weft_gen_close(open));
    task_end();
}

TEST(once_made_a_generator_cannot_run_out_of_memory)
{
    enum { COUNT = 50 };
    struct weft_gen *gens[COUNT];
    task_begin();
    for (int i = 0; i < COUNT; i++)
        gens[i] = make(countdown, number(2));
    task.refuse = task.calls + 1;
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(weft_gen_next(gens[i], NULL), 1);
    task.refuse = 0;
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(weft_gen_close(gens[i]));
    task_end();
}

/* --- Owners that end ----------------------------------------------------------------- */

/** Everything that `function` writes to standard error. */
static const char *said_by(void (*function)(void))
{
    static char text[4096];
    int fds[2], saved = dup(2);
    CHECK_OK(pipe(fds));
    CHECK_OK(dup2(fds[1], 2));
    CHECK_OK(close(fds[1]));
    function();
    CHECK_OK(dup2(saved, 2));
    CHECK_OK(close(saved));
    ssize_t len = read(fds[0], text, sizeof text - 1);
    CHECK_OK(len);
    text[len] = '\0';
    CHECK_OK(close(fds[0]));
    return text;
}

static int cleaned;

static int clean_up(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(gen, arg, NULL);
    cleaned += rc == -WEFT_ECLOSED;
    return rc;
}

TEST(the_end_of_an_owner_closes_its_generators_with_a_line_for_each)
{
    task_begin();
    struct weft_gen *gen;
    CHECK_OK(weft_gen_new_at(clean_up, NULL, "first", "a.c:1", &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_new_at(clean_up, NULL, "second", "b.c:2", &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_OK(weft_gen_new_at(clean_up, NULL, "third", "c.c:3", &gen));
    cleaned = 0;
    CHECK_STR(said_by(task_end),
              "weft: generator first (made at a.c:1) was left open by the task that made it\n"
              "weft: generator second (made at b.c:2) was left open by the task that made it\n"
              "weft: generator third (made at c.c:3) was left open by the task that made it\n");
    CHECK_EQ(cleaned, 2);
}

static int clean_up_aloud(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(gen, arg, NULL);
    CHECK_EQ(write(2, "cleaning\n", 9), 9);
    return rc;
}

TEST(the_line_comes_before_the_body_cleans_up)
{
    /* Were it to hang there, the line would be all that tells why. */
    task_begin();
    struct weft_gen *gen;
    CHECK_OK(weft_gen_new_at(clean_up_aloud, NULL, "loud", "a.c:1", &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_STR(said_by(task_end),
              "weft: generator loud (made at a.c:1) was left open by the task that made it\n"
              "cleaning\n");
}

TEST(a_finished_generator_that_was_not_closed_is_reported_too)
{
    task_begin();
    struct weft_gen *gen;
    CHECK_OK(weft_gen_new_at(fail_at_once, NULL, "done", "a.c:1", &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 0);
    CHECK_STR(said_by(task_end),
              "weft: generator done (made at a.c:1) was left open by the task that made it\n");
}

TEST(an_owner_that_closed_everything_ends_in_silence)
{
    task_begin();
    CHECK_OK(weft_gen_close(make(countdown, NULL)));
    CHECK_STR(said_by(task_end), "");
}

/** Closed, it drives the generator of `arg` once more and then closes it. */
static int close_other(struct weft_gen *gen, void *arg)
{
    struct weft_gen *other = arg;
    int rc = weft_gen_yield(gen, NULL, NULL);
    CHECK_ERR(rc, -WEFT_ECLOSED);
    rc = weft_gen_next(other, NULL);
    cleaned += rc == 0;
    rc = weft_gen_close(other);
    CHECK_EQ(rc, 0);
    return 0;
}

TEST(a_body_may_still_use_other_generators_while_it_cleans_up)
{
    task_begin();
    cleaned = 0;
    /* Two that close another one: the one is older than the other, the other younger. */
    struct weft_gen *older = make(clean_up, NULL);
    CHECK_EQ(weft_gen_next(older, NULL), 1);
    struct weft_gen *closer = make(close_other, older);
    CHECK_EQ(weft_gen_next(closer, NULL), 1);
    struct weft_gen *younger = make(clean_up, NULL);
    CHECK_EQ(weft_gen_next(younger, NULL), 1);
    (void)said_by(task_end);
    CHECK_EQ(cleaned, 3);
    task_begin();
    struct weft_gen *late = make(clean_up, NULL), *early;
    CHECK_OK(weft_gen_close(late));
    early = make(clean_up, NULL);
    CHECK_EQ(weft_gen_next(early, NULL), 1);
    task_end();
}

/** Makes the generator that it closes while it cleans up, so that this one is the younger. */
static int close_own(struct weft_gen *gen, void *arg)
{
    struct weft_gen *inner;
    int rc = weft_gen_new_at(clean_up, arg, "inner", "in.c:1", &inner);
    CHECK_OK(rc);
    rc = weft_gen_delegate(gen, inner);
    CHECK_OK(weft_gen_close(inner));
    return rc;
}

TEST(what_a_body_closes_while_it_cleans_up_is_not_reported)
{
    task_begin();
    cleaned = 0;
    struct weft_gen *gen;
    CHECK_OK(weft_gen_new_at(close_own, NULL, "outer", "out.c:1", &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    CHECK_STR(said_by(task_end),
              "weft: generator outer (made at out.c:1) was left open by the task that made it\n");
    CHECK_EQ(cleaned, 1);
}

static struct weft_gen *kept;

static void end_driver(void)
{
    weft__generators_end(&task.driver);
}

static void end_pool(void)
{
    weft__driver_current = NULL;
    weft__generators_end_detached(&task.detached);
}

TEST(a_detached_generator_outlives_its_owner)
{
    task_begin();
    kept = make(clean_up, NULL);
    CHECK_EQ(weft_gen_next(kept, NULL), 1);
    weft_gen_detach(kept);
    CHECK_STR(said_by(end_driver), "");
    cleaned = 0;
    CHECK_OK(weft_gen_close(kept));
    CHECK_EQ(cleaned, 1);
    CHECK_STR(said_by(end_pool), "");
    task_end();
}

TEST(a_detached_generator_ends_before_its_stack_goes)
{
    task_begin();
    CHECK_OK(weft_gen_new_at(clean_up, NULL, "orphan", "a.c:1", &kept));
    CHECK_EQ(weft_gen_next(kept, NULL), 1);
    weft_gen_detach(kept);
    cleaned = 0;
    CHECK_STR(said_by(end_driver), "");
    CHECK_EQ(cleaned, 0);
    CHECK_CONTAINS(said_by(end_pool), "weft: generator orphan (made at a.c:1) was detached");
    CHECK_EQ(cleaned, 1);
    task_end();
}
