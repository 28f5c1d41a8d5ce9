/* SPDX-License-Identifier: MIT */
/*
 * test_stack.c: promises, reuse, guards and memory of the stack pool
 *
 * Failures are injected through a copy of the default table whose entries count and refuse. What
 * the kernel does with pages is asked of the kernel (mincore, /proc/self/maps), not of the pool.
 *
 * Each kind of guard is forced in turn, so that both are tested wherever the kernel has both; what
 * a kernel lacks is skipped and counted. Crowds are smaller in the builds of the sanitizers, whose
 * stacks are four times as large.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/context.h"
#include "machine/stack.h"

#define SMALL WEFT__STACK_SMALL
#define DEFAULT WEFT__STACK_DEFAULT

static const struct weft_sys *real = &weft_sys_default;

/* --- A table that refuses
 * -------------------------------------------------------------------------- */

/** Which calls a table refuses. */
static struct {
    /** Refuse this call and all later ones; counted from 1 over all kinds. 0: none. */
    int from;
    /** Refuse only that one. */
    bool once;
    /** Calls so far. */
    int calls;
    /** Guards by madvise "succeed" and do nothing, as under a user-mode emulator. */
    bool idle_guards;
    /** Guards by madvise are refused, as for memory that mlockall(2) pinned. */
    bool no_guards;
    /** pipe2 fails. */
    bool no_pipes;
} refuse;

static bool refused(void)
{
    refuse.calls++;
    return refuse.from && (refuse.once ? refuse.calls == refuse.from : refuse.calls >= refuse.from);
}

static void *refusing_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    (void)sys;
    return size && refused() ? NULL : real->realloc(real, p, size);
}

static int refusing_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                         int64_t offset, void **ret)
{
    (void)sys;
    return refused() ? -ENOMEM : real->mmap(real, len, prot, flags, fd, offset, ret);
}

static int refusing_mprotect(const struct weft_sys *sys, void *p, size_t len, int prot)
{
    (void)sys;
    return refused() ? -ENOMEM : real->mprotect(real, p, len, prot);
}

static int refusing_madvise(const struct weft_sys *sys, void *p, size_t len, int advice)
{
    (void)sys;
    if (refuse.idle_guards && advice == 102)
        return 0;
    if (refuse.no_guards && advice == 102)
        return -EINVAL;
    return refused() ? -ENOMEM : real->madvise(real, p, len, advice);
}

static int refusing_pipe2(const struct weft_sys *sys, int fds[2], int flags)
{
    (void)sys;
    return refuse.no_pipes ? -EMFILE : real->pipe2(real, fds, flags);
}

/** A table that refuses nothing yet. */
static struct weft_sys refusing_table(void)
{
    struct weft_sys sys = weft_sys_default;

    memset(&refuse, 0, sizeof refuse);
    sys.realloc = refusing_realloc;
    sys.mmap = refusing_mmap;
    sys.mprotect = refusing_mprotect;
    sys.madvise = refusing_madvise;
    sys.pipe2 = refusing_pipe2;
    return sys;
}

/* --- Helpers
 * -------------------------------------------------------------------------------------- */

static struct weft__stack_pool pool;

static void pool_init(enum weft__guard guard)
{
    weft__stack_pool_init(&pool, real, guard);
}

static struct weft__stack *reserve_and_take(unsigned size_class)
{
    CHECK_OK(weft__stack_reserve(&pool, size_class));
    return weft__stack_take(&pool, size_class);
}

static void put_back(struct weft__stack *stack)
{
    weft__stack_put(&pool, stack);
}

/** How many pages between two addresses are in memory. */
static size_t resident(const void *low, const void *high)
{
    size_t page = weft__page_size();
    uintptr_t from = (uintptr_t)low & ~(page - 1);
    size_t pages = ((uintptr_t)high - from + page - 1) / page;
    unsigned char *map = malloc(pages);
    size_t count = 0;

    CHECK_EQ(mincore((void *)from, pages * page, map), 0);
    for (size_t i = 0; i < pages; i++)
        count += map[i] & 1;
    free(map);
    return count;
}

/** Touches all of a stack, as a deep call would. */
static void touch_deep(const struct weft__stack *stack)
{
    memset(stack->low, 1, (size_t)((const char *)stack - (const char *)stack->low));
}

/** Whether writing a page to a pipe is refused. */
static bool page_is_refused(const void *page)
{
    ssize_t n;
    int fds[2];

    CHECK_EQ(pipe2(fds, O_NONBLOCK), 0);
    n = write(fds[1], page, 1);
    close(fds[0]);
    close(fds[1]);
    return n < 0;
}

/** Whether MADV_GUARD_INSTALL works, asked of the kernel and not of the code under test. */
static bool kernel_has_guards(void)
{
    size_t size = weft__page_size();
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has = madvise(page, size, 102) == 0 && page_is_refused(page);

    munmap(page, size);
    return has;
}

/* --- Sizes
 * ---------------------------------------------------------------------------------------- */

TEST(a_size_is_rounded_up_to_a_class)
{
    CHECK_EQ(weft__stack_class(0), DEFAULT);
    CHECK_EQ(weft__stack_class(1), SMALL);
    CHECK_EQ(weft__stack_class(256 << 10), DEFAULT);
    CHECK_EQ(weft__stack_class((256 << 10) + 1), DEFAULT + 1);
    CHECK_ERR(weft__stack_class(SIZE_MAX), -EINVAL);
    CHECK_ERR(weft__stack_class(SIZE_MAX / 2), -EINVAL);
}

TEST(a_stack_is_as_large_as_was_asked)
{
    static const size_t sizes[] = {1 << 14, 1 << 16, 1 << 18, 3 << 18, 1 << 23};

    pool_init(WEFT__GUARD_AUTO);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct weft__stack *stack = reserve_and_take((unsigned)weft__stack_class(sizes[i]));

        CHECK((size_t)((char *)stack - (char *)stack->low) >= sizes[i] - 1024);
        touch_deep(stack);
        put_back(stack);
    }
    weft__stack_pool_fini(&pool);
}

TEST(stacks_are_an_odd_number_of_pages_apart)
{
    for (unsigned size_class = 0; size_class < WEFT__STACK_CLASSES; size_class++)
        CHECK_EQ(weft__slot_size(weft__stack_size(size_class)) / weft__page_size() % 2, 1);
}

/* --- Reuse
 * ---------------------------------------------------------------------------------------- */

TEST(the_stack_put_back_last_is_taken_first)
{
    struct weft__stack *stacks[20];

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < 20; i++)
        stacks[i] = reserve_and_take(DEFAULT);
    for (int i = 0; i < 20; i++)
        put_back(stacks[i]);
    for (int i = 20; i-- > 0;)
        CHECK(reserve_and_take(DEFAULT) == stacks[i]);
    weft__stack_pool_fini(&pool);
}

TEST(tasks_one_after_the_other_share_one_stack)
{
    struct weft__stack *first;

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(weft__stack_reserve(&pool, DEFAULT));
    first = weft__stack_take(&pool, DEFAULT);
    put_back(first);
    for (int i = 1; i < 1000; i++) {
        struct weft__stack *next = weft__stack_take(&pool, DEFAULT);

        CHECK(next == first);
        put_back(next);
    }
    weft__stack_pool_fini(&pool);
}

TEST(a_stack_put_back_has_no_owner)
{
    struct weft__stack *stack;

    pool_init(WEFT__GUARD_AUTO);
    stack = reserve_and_take(DEFAULT);
    stack->owner = &pool;
    put_back(stack);
    CHECK(stack->owner == NULL);
    weft__stack_pool_fini(&pool);
}

TEST(no_two_takers_share_a_byte)
{
    enum { COUNT = 100 };
    struct weft__stack *stacks[COUNT];

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = reserve_and_take(SMALL);
        memset(stacks[i]->low, i, (size_t)((char *)stacks[i] - (char *)stacks[i]->low));
    }
    for (int i = 0; i < COUNT; i++)
        for (const char *p = stacks[i]->low; p < (const char *)stacks[i]; p += 512)
            CHECK_EQ(*p, i);
    weft__stack_pool_fini(&pool);
}

/* --- Promises
 * ------------------------------------------------------------------------------------- */

TEST(a_promise_is_kept_when_nothing_works_any_more)
{
    struct weft_sys sys = refusing_table();

    weft__stack_pool_init(&pool, &sys, WEFT__GUARD_AUTO);
    for (int i = 0; i < 100; i++)
        CHECK_OK(weft__stack_reserve(&pool, DEFAULT));
    refuse.from = 1;
    for (int i = 0; i < 100; i++)
        touch_deep(weft__stack_take(&pool, DEFAULT));
    refuse.from = 0;
    weft__stack_pool_fini(&pool);
}

TEST(a_promise_given_back_is_free_for_another)
{
    struct weft_sys sys = refusing_table();
    int promised = 0;

    weft__stack_pool_init(&pool, &sys, WEFT__GUARD_AUTO);
    CHECK_OK(weft__stack_reserve(&pool, DEFAULT));
    refuse.from = 1;
    for (promised = 1; weft__stack_reserve(&pool, DEFAULT) == 0; promised++)
        CHECK(promised < 100000);
    weft__stack_unreserve(&pool, DEFAULT);
    CHECK_OK(weft__stack_reserve(&pool, DEFAULT));
    CHECK_ERR(weft__stack_reserve(&pool, DEFAULT), -ENOMEM);
    refuse.from = 0;
    weft__stack_pool_fini(&pool);
}

TEST(a_stack_put_back_serves_a_promise)
{
    struct weft_sys sys = refusing_table();
    struct weft__stack *stack;

    weft__stack_pool_init(&pool, &sys, WEFT__GUARD_AUTO);
    stack = reserve_and_take(DEFAULT);
    refuse.from = 1;
    while (weft__stack_reserve(&pool, DEFAULT) == 0)
        weft__stack_take(&pool, DEFAULT);
    put_back(stack);
    CHECK(reserve_and_take(DEFAULT) == stack);
    refuse.from = 0;
    weft__stack_pool_fini(&pool);
}

/** Reserves and takes 40 stacks; -ENOMEM if any reserve failed. */
static int take_forty(const struct weft_sys *sys, enum weft__guard guard)
{
    int rc = 0;

    weft__stack_pool_init(&pool, sys, guard);
    for (int i = 0; i < 40 && rc == 0; i++) {
        rc = weft__stack_reserve(&pool, SMALL);
        if (rc == 0)
            touch_deep(weft__stack_take(&pool, SMALL));
    }
    if (rc < 0) {
        CHECK(pool.note != NULL);
        refuse.from = 0;
        CHECK_OK(weft__stack_reserve(&pool, SMALL)); /* a failure leaves the pool in order */
        touch_deep(weft__stack_take(&pool, SMALL));
    }
    weft__stack_pool_fini(&pool);
    return rc;
}

TEST(every_call_may_fail_and_only_reserve_reports_it)
{
    static const enum weft__guard guards[] = {WEFT__GUARD_MADVISE, WEFT__GUARD_MPROTECT};

    for (size_t g = 0; g < 2; g++) {
        struct weft_sys sys = refusing_table();
        int total, failures = 0;

        CHECK_OK(take_forty(&sys, guards[g]));
        total = refuse.calls;
        CHECK(total > 40);
        for (int call = 1; call <= 2 * total; call++) {
            memset(&refuse, 0, sizeof refuse);
            refuse.from = (call + 1) / 2;
            refuse.once = call % 2;
            failures += take_forty(&sys, guards[g]) < 0;
        }
        CHECK(failures > total / 2);
    }
}

/* --- Guards
 * --------------------------------------------------------------------------------------- */

/** The last byte of the page below a stack. */
static char *guard_of(const struct weft__stack *stack)
{
    return (char *)stack->low - 1;
}

/** The kernel refuses the guard, and takes the first byte above it. */
static void check_guarded(const struct weft_sys *sys, enum weft__guard guard)
{
    int fds[2];

    CHECK_EQ(pipe2(fds, O_NONBLOCK), 0);
    weft__stack_pool_init(&pool, sys, guard);
    for (int i = 0; i < 50; i++) {
        const struct weft__stack *stack = reserve_and_take(SMALL);

        CHECK_EQ(write(fds[1], guard_of(stack), 1), -1);
        CHECK_EQ(errno, EFAULT);
        CHECK_EQ(write(fds[1], stack->low, 1), 1);
    }
    weft__stack_pool_fini(&pool);
    close(fds[0]);
    close(fds[1]);
}

TEST(the_kernel_refuses_a_guard_by_madvise)
{
    if (!kernel_has_guards())
        SKIP("MADV_GUARD_INSTALL does not work here");
    check_guarded(real, WEFT__GUARD_MADVISE);
}

TEST(the_kernel_refuses_a_guard_by_mprotect)
{
    check_guarded(real, WEFT__GUARD_MPROTECT);
}

TEST(the_kernel_refuses_a_guard_chosen_for_us)
{
    check_guarded(real, WEFT__GUARD_AUTO);
}

TEST(a_guard_survives_trimming_and_reuse)
{
    struct weft__stack *stacks[64];

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < 64; i++)
        stacks[i] = reserve_and_take(DEFAULT);
    for (int i = 0; i < 64; i++)
        put_back(stacks[i]);
    weft__stack_trim(&pool, 64);
    for (int i = 0; i < 64; i++)
        CHECK(page_is_refused(guard_of(stacks[i])));
    weft__stack_pool_fini(&pool);
}

TEST(the_best_guard_is_chosen)
{
    CHECK_EQ(weft__guard_of_process(),
             kernel_has_guards() ? WEFT__GUARD_MADVISE : WEFT__GUARD_MPROTECT);
}

TEST(a_guard_that_guards_nothing_is_found_out)
{
    struct weft_sys sys = refusing_table();

    refuse.idle_guards = true;
    CHECK_EQ(weft__guard_probe(&sys), WEFT__GUARD_MPROTECT);
}

TEST(a_kernel_without_guards_is_found_out)
{
    struct weft_sys sys = refusing_table();

    refuse.from = 2; /* the mapping succeeds, the advice does not */
    CHECK_EQ(weft__guard_probe(&sys), WEFT__GUARD_MPROTECT);
}

TEST(without_descriptors_the_guard_stays_undecided)
{
    struct weft_sys sys = refusing_table();

    if (!kernel_has_guards())
        SKIP("MADV_GUARD_INSTALL does not work here");
    refuse.no_pipes = true;
    CHECK_EQ(weft__guard_probe(&sys), WEFT__GUARD_AUTO);
}

TEST(where_the_advice_is_refused_mprotect_guards)
{
    struct weft_sys sys = refusing_table();

    refuse.no_guards = true;
    check_guarded(&sys, WEFT__GUARD_MADVISE);
}

TEST(the_environment_names_a_guard)
{
    static const struct {
        const char *name;
        enum weft__guard guard;
    } names[] = {{"madvise", WEFT__GUARD_MADVISE},
                 {"mprotect", WEFT__GUARD_MPROTECT},
                 {"none", WEFT__GUARD_NONE},
                 {"nonsense", WEFT__GUARD_AUTO}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("WEFT_GUARD", names[i].name, 1);
        pool_init(WEFT__GUARD_AUTO);
        CHECK_EQ(pool.guard, names[i].guard);
        pool_init(WEFT__GUARD_MPROTECT);
        CHECK_EQ(pool.guard, WEFT__GUARD_MPROTECT);
    }
    unsetenv("WEFT_GUARD");
}

/* --- Limits and memory
 * ----------------------------------------------------------------------------- */

static long number_in(const char *path)
{
    FILE *file = fopen(path, "r");
    long number = -1;

    if (!file)
        return -1;
    CHECK_EQ(fscanf(file, "%ld", &number), 1);
    fclose(file);
    return number;
}

static int count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    int lines = 0;
    int c;

    CHECK(file != NULL);
    while ((c = fgetc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

TEST(the_limit_of_mappings_is_an_error_that_names_it)
{
    long limit = number_in("/proc/sys/vm/max_map_count");
    long promised = 0;
    int rc;

    if (limit < 0 || limit > 200000)
        SKIP("vm.max_map_count is %ld", limit);
    if (test_slowness() > 1)
        SKIP("the tools of this build need mappings themselves");
    pool_init(WEFT__GUARD_MPROTECT);
    while ((rc = weft__stack_reserve(&pool, SMALL)) == 0)
        promised++;
    CHECK_ERR(rc, -ENOMEM);
    CHECK(promised > limit / 3 && promised < limit);
    CHECK_CONTAINS(pool.note, "vm.max_map_count");
    weft__stack_pool_fini(&pool);
}

TEST(a_crowd_needs_few_mappings)
{
    unsigned crowd = WEFT__SANITIZED ? 2000 : 100000;
    int before = count_mappings();

    if (!kernel_has_guards())
        SKIP("MADV_GUARD_INSTALL does not work here");
    pool_init(WEFT__GUARD_AUTO);
    for (unsigned i = 0; i < crowd; i++)
        CHECK_OK(weft__stack_reserve(&pool, DEFAULT));
    CHECK(count_mappings() - before < 400);
    weft__stack_pool_fini(&pool);
}

TEST(a_small_program_maps_little)
{
    pool_init(WEFT__GUARD_AUTO);
    reserve_and_take(DEFAULT);
    CHECK(pool.classes[DEFAULT].slots <= 8);
    weft__stack_pool_fini(&pool);
}

/** A crowd in which everybody has switched away once. */
#define CROWD 1000
static struct weft__context crowd_driver;
static struct weft__context crowd[CROWD];

/** Parks with as much on its stack as a task's record and a few frames. */
static void park(void *arg)
{
    volatile char frames[1536];

    frames[0] = 0;
    frames[sizeof frames - 1] = 0;
    weft__context_switch(arg, &crowd_driver);
    abort();
}

TEST(a_parked_context_has_touched_one_page)
{
    struct weft__stack *stacks[CROWD];

    if (WEFT__SANITIZED || WEFT__SWITCH == WEFT__SWITCH_UCONTEXT)
        SKIP("frames are larger in this build");
    pool_init(WEFT__GUARD_AUTO);
    weft__context_adopt(&crowd_driver);
    for (int i = 0; i < CROWD; i++) {
        stacks[i] = reserve_and_take(i % 2 ? SMALL : DEFAULT);
        weft__context_make(&crowd[i], stacks[i]->low, stacks[i], park, &crowd[i]);
        weft__context_switch(&crowd_driver, &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(resident(stacks[i]->low, stacks[i] + 1), 1);
    weft__stack_pool_fini(&pool);
}

TEST(trimming_gives_back_what_deep_calls_touched)
{
    struct weft__stack *stacks[64];

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < 64; i++) {
        stacks[i] = reserve_and_take(SMALL);
        touch_deep(stacks[i]);
    }
    for (int i = 0; i < 64; i++)
        put_back(stacks[i]);
    CHECK(resident(stacks[0]->low, stacks[0]) >= 4);
    CHECK(weft__stack_trim(&pool, 10) == 10);
    CHECK_EQ(resident(stacks[0]->low, stacks[0]), 1);
    CHECK_EQ(resident(stacks[9]->low, stacks[9]), 1);
    CHECK(resident(stacks[10]->low, stacks[10]) >= 4);
    weft__stack_pool_fini(&pool);
}

TEST(trimming_ends_and_spares_the_warm)
{
    struct weft__stack *stacks[64];

    pool_init(WEFT__GUARD_AUTO);
    for (int i = 0; i < 64; i++) {
        stacks[i] = reserve_and_take(SMALL);
        touch_deep(stacks[i]);
    }
    for (int i = 0; i < 64; i++)
        put_back(stacks[i]);
    CHECK(weft__stack_trim(&pool, 1000) < 64);
    CHECK_EQ(weft__stack_trim(&pool, 1000), 0);
    CHECK(resident(stacks[63]->low, stacks[63]) >= 4);
    weft__stack_pool_fini(&pool);
}

TEST(a_stack_touched_again_is_trimmed_again)
{
    struct weft__stack *stacks[64];

    pool_init(WEFT__GUARD_AUTO);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 64; i++) {
            stacks[i] = reserve_and_take(SMALL);
            touch_deep(stacks[i]);
        }
        for (int i = 0; i < 64; i++)
            put_back(stacks[i]);
        weft__stack_trim(&pool, 1000);
        CHECK_EQ(resident(stacks[0]->low, stacks[0]), 1);
    }
    weft__stack_pool_fini(&pool);
}
