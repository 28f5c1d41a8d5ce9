/* SPDX-License-Identifier: MIT */
/*
 * test_slab.c: objects of one size
 *
 * The world is a table that counts and, on request, refuses allocations. The property test holds
 * many objects at once, each full of its own pattern, and finds any overlap by the damage.
 */
#include "test.h"

#include "base/slab.h"

#include <string.h>

/** The table under test: a copy of the default one with its own realloc. */
static struct {
    /** The table; first, so that a pointer to it is a pointer to this. */
    struct weft_sys table;
    /** How many more allocations succeed. */
    long allowed;
    /** Allocations so far, and blocks given back. */
    long allocated, freed;
} world;

static void *counting_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    (void)sys;
    if (size == 0) {
        world.freed++;
    } else {
        if (world.allowed == 0)
            return NULL;
        world.allowed--;
        world.allocated++;
    }
    return weft_sys_default.realloc(&weft_sys_default, p, size);
}

static const struct weft_sys *new_world(void)
{
    world.table = weft_sys_default;
    world.table.realloc = counting_realloc;
    world.allowed = 1000000;
    world.allocated = world.freed = 0;
    return &world.table;
}

TEST(nothing_is_allocated_before_the_first_object)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 24, 8);
    weft__slab_fini(&slab);
    CHECK_EQ(world.allocated, 0);
}

TEST(objects_of_whole_cache_lines_are_not_split_over_one_more)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 128, 8);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ((uintptr_t)weft__slab_alloc(&slab) % 64, 0);
    weft__slab_fini(&slab);
}

TEST(the_object_freed_last_is_given_out_first)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 40, 0);
    void *a = weft__slab_alloc(&slab), *b = weft__slab_alloc(&slab), *c = weft__slab_alloc(&slab);
    weft__slab_free(&slab, b);
    weft__slab_free(&slab, a);
    weft__slab_free(&slab, c);
    CHECK(weft__slab_alloc(&slab) == c);
    CHECK(weft__slab_alloc(&slab) == a);
    CHECK(weft__slab_alloc(&slab) == b);
    weft__slab_fini(&slab);
}

TEST(kept_bytes_are_zero_at_first_and_outlive_the_object)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 64, sizeof(uint64_t) + 3);
    for (int i = 0; i < 1000; i++) {
        unsigned char *object = weft__slab_alloc(&slab);
        for (int k = 0; k < 11; k++)
            CHECK_EQ(object[k], 0);
        memset(object, 0xff, 64);
    }
    unsigned char *object = weft__slab_alloc(&slab);
    memcpy(object, "generation7", 11);
    weft__slab_free(&slab, object);
    CHECK_MEM(object, "generation7", 11);
    CHECK(weft__slab_alloc(&slab) == object);
    CHECK_MEM(object, "generation7", 11);
    weft__slab_fini(&slab);
}

TEST(memory_goes_back_only_at_the_end)
{
    enum { COUNT = 5000 };
    static void *objects[COUNT];
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 100, 8);
    for (int i = 0; i < COUNT; i++)
        objects[i] = weft__slab_alloc(&slab);
    for (int i = 0; i < COUNT; i++)
        weft__slab_free(&slab, objects[i]);
    CHECK_EQ(world.freed, 0);
    long chunks = world.allocated;
    for (int i = 0; i < COUNT; i++)
        CHECK(weft__slab_alloc(&slab) != NULL);
    CHECK_EQ(world.allocated, chunks);
    weft__slab_fini(&slab);
    CHECK_EQ(world.freed, chunks);
}

TEST(chunks_are_few)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 64, 8);
    for (int i = 0; i < 100000; i++)
        CHECK(weft__slab_alloc(&slab) != NULL);
    CHECK(world.allocated < 110);
    weft__slab_fini(&slab);
}

TEST(outstanding_counts_what_is_in_use)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 16, 0);
    CHECK_EQ(weft__slab_outstanding(&slab), 0);
    void *a = weft__slab_alloc(&slab);
    void *b = weft__slab_alloc(&slab);
    CHECK_EQ(weft__slab_outstanding(&slab), 2);
    weft__slab_free(&slab, a);
    CHECK_EQ(weft__slab_outstanding(&slab), 1);
    a = weft__slab_alloc(&slab);
    CHECK_EQ(weft__slab_outstanding(&slab), 2);
    weft__slab_free(&slab, b);
    weft__slab_free(&slab, a);
    CHECK_EQ(weft__slab_outstanding(&slab), 0);
    weft__slab_fini(&slab);
}

TEST(out_of_memory_is_null_and_passes)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 48, 8);
    world.allowed = 0;
    CHECK(weft__slab_alloc(&slab) == NULL);
    CHECK_EQ(weft__slab_outstanding(&slab), 0);
    world.allowed = 1;
    void *last = NULL, *object;
    size_t count = 0;
    while ((object = weft__slab_alloc(&slab))) {
        last = object;
        count++;
    }
    CHECK(count > 3);
    CHECK_EQ(weft__slab_outstanding(&slab), count);
    weft__slab_free(&slab, last);
    CHECK(weft__slab_alloc(&slab) == last);
    CHECK(weft__slab_alloc(&slab) == NULL);
    world.allowed = 1;
    CHECK(weft__slab_alloc(&slab) != NULL);
    weft__slab_fini(&slab);
}

TEST(a_slab_can_be_used_again_after_its_end)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 48, 8);
    CHECK(weft__slab_alloc(&slab) != NULL);
    weft__slab_fini(&slab);
    CHECK_EQ(weft__slab_outstanding(&slab), 0);
    CHECK(weft__slab_alloc(&slab) != NULL);
    weft__slab_fini(&slab);
    CHECK_EQ(world.allocated, world.freed);
}

/** xorshift64: the same numbers everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/** Random allocations and frees; every object keeps its own pattern as long as it lives. */
static void check_no_overlap(size_t size, size_t kept, uint64_t seed)
{
    enum { COUNT = 500 };
    static unsigned char *objects[COUNT];
    static unsigned char patterns[COUNT];
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), size, kept);
    memset(objects, 0, sizeof objects);
    for (int step = 0; step < 20000; step++) {
        size_t i = next_random(&seed) % COUNT;
        if (objects[i]) {
            for (size_t k = 0; k < size; k++)
                CHECK_EQ(objects[i][k], patterns[i]);
            weft__slab_free(&slab, objects[i]);
            objects[i] = NULL;
        } else {
            objects[i] = weft__slab_alloc(&slab);
            CHECK(objects[i] != NULL && (uintptr_t)objects[i] % 16 == 0);
            patterns[i] = (unsigned char)next_random(&seed);
            memset(objects[i], patterns[i], size);
        }
    }
    weft__slab_fini(&slab);
}

TEST(objects_of_any_size_never_overlap)
{
    static const size_t sizes[] = {1, 8, 9, 16, 24, 31, 64, 200, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_no_overlap(sizes[i], 0, 7 + i);
        check_no_overlap(sizes[i], sizes[i], 70 + i);
        check_no_overlap(sizes[i], sizes[i] / 2, 700 + i);
    }
}

TEST(objects_larger_than_a_chunk_are_served)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 300000, 16);
    char *objects[9];
    for (int i = 0; i < 9; i++) {
        objects[i] = weft__slab_alloc(&slab);
        CHECK(objects[i] != NULL);
        memset(objects[i], i, 300000);
    }
    for (int i = 0; i < 9; i++)
        CHECK(objects[i][0] == i && objects[i][299999] == i);
    weft__slab_fini(&slab);
}

#if WEFT__POISON_ASAN
TEST(a_free_object_is_poisoned_but_for_its_kept_bytes)
{
    struct weft__slab slab;
    weft__slab_init(&slab, new_world(), 64, 12);
    char *object = weft__slab_alloc(&slab);
    for (int k = 0; k < 64; k++)
        CHECK(!__asan_address_is_poisoned(object + k));
    weft__slab_free(&slab, object);
    for (int k = 0; k < 64; k++)
        CHECK_EQ(__asan_address_is_poisoned(object + k), k >= 12);
    CHECK(weft__slab_alloc(&slab) == object);
    for (int k = 0; k < 64; k++)
        CHECK(!__asan_address_is_poisoned(object + k));
    weft__slab_fini(&slab);
}
#endif
