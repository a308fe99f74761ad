/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A large DIMM is replaced by a smaller one, on guests that exist only as a GuestMemory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hotplug/recipe.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* More steps than any of the worlds below may take. */
#define STEPS_MOST 256

/*
 * The model: carries each step out at once, or has a DIMM stay
 */

typedef struct {
    GuestMemory memory;
    guint64 peak;
    guint plugged;
    GArray *bounds;     /* RecipeBound: DIMMs that were kept */
    const char *stayer; /* (nullable): a DIMM that the guest keeps */
} World;

static MemoryDevice *
world_add(World *world, guint64 size, gboolean ours)
{
    GuestMemory *memory = &world->memory;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    memory->devices[memory->n_devices] = (MemoryDevice){
        .id = g_strdup_printf("memplug-dimm%u", world->plugged++),
        .kind = MEMORY_DEVICE_DIMM,
        .ours = ours,
        .size = size,
        .acknowledged = TRUE,
    };
    return &memory->devices[memory->n_devices++];
}

static void
world_init(World *world, guint64 boot, guint64 max, guint slots)
{
    *world = (World){ .memory = { .boot = boot, .max = max, .slots = slots }, .peak = max };
    world->bounds = g_array_new(FALSE, FALSE, sizeof(RecipeBound));
}

static void
world_clear(World *world)
{
    guest_memory_clear(&world->memory);
    g_array_unref(world->bounds);
}

static void
unplug(World *world, const char *id)
{
    GuestMemory *memory = &world->memory;
    MemoryDevice *device = (MemoryDevice *)guest_memory_find(memory, id);

    assert_non_null(device);
    assert_true(device->ours);
    if (g_strcmp0(world->stayer, id) == 0) {
        const RecipeBound bound = { world->stayer, device->size, device->size };

        g_array_append_val(world->bounds, bound);
        return;
    }
    g_free(device->id);
    *device = memory->devices[--memory->n_devices];
}

static void
carry_out(World *world, const MemoryStep *step)
{
    if (step->kind == MEMORY_STEP_UNPLUG_DIMM) {
        unplug(world, step->device);
        return;
    }
    assert_int_equal(step->kind, MEMORY_STEP_PLUG_DIMM);
    assert_true(guest_memory_free_slots(&world->memory) > 0);
    assert_true(step->size <= guest_memory_headroom(&world->memory));
    assert_true(step->size > 0 && step->size % MEMORY_DIMM_GRAIN == 0);
    world_add(world, step->size, TRUE)->node = step->node;
}

/* Never below the lesser, never above the peak or what there is already. */
static Recipe
follow(World *world, guint64 target, guint *steps)
{
    const guint64 begin = guest_memory_actual(&world->memory);
    const guint64 most = MAX(MAX(world->peak, begin), target + MEMORY_DIMM_GRAIN);

    for (*steps = 0; *steps < STEPS_MOST; (*steps)++) {
        Recipe recipe =
            recipe_swap(&world->memory, target, MECHANISM_DIMM,
                        (const RecipeBound *)world->bounds->data, world->bounds->len, world->peak);

        if (recipe.verdict == RECIPE_DONE)
            return recipe;
        assert_int_equal(recipe.verdict, RECIPE_STEP);
        carry_out(world, &recipe.step);
        assert_true(guest_memory_actual(&world->memory) >= MIN(target, begin));
        assert_true(guest_memory_actual(&world->memory) <= most);
    }
    fail_msg("the recipe does not end");
    return (Recipe){ 0 };
}

/*
 * Single guests
 */

static void
test_reaches_the_size(void **state)
{
    World world;
    guint steps;

    world_init(&world, 256 * MIB, 2048 * MIB, 4);
    world_add(&world, 512 * MIB, TRUE);
    assert_int_equal(follow(&world, 512 * MIB, &steps).reason, RECIPE_AT_TARGET);
    assert_int_equal(steps, 2);
    assert_int_equal(guest_memory_actual(&world.memory), 512 * MIB);
    assert_int_equal(world.memory.n_devices, 1);

    /* What is no multiple of a DIMM ends at the nearest above, not at the swap's expense. */
    assert_int_equal(follow(&world, 500 * MIB, &steps).reason, RECIPE_SHORT_GRAIN);
    assert_int_equal(steps, 0);
    world_clear(&world);
}

/* @peak, slots and maxmem are each enough to forbid it. */
static void
test_within_what_is_allowed(void **state)
{
    static const struct {
        guint64 peak, max;
        guint slots;
        RecipeShort reason;
    } rows[] = {
        { 1024 * MIB, 1024 * MIB, 2, RECIPE_AT_TARGET },
        { 1023 * MIB, 2048 * MIB, 2, RECIPE_SHORT_WHOLE },
        { 0, 2048 * MIB, 2, RECIPE_SHORT_WHOLE },
        { 2048 * MIB, 1023 * MIB, 2, RECIPE_SHORT_WHOLE },
        { 2048 * MIB, 2048 * MIB, 1, RECIPE_SHORT_WHOLE },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        World world;
        guint steps;

        world_init(&world, 256 * MIB, rows[i].max, rows[i].slots);
        world.peak = rows[i].peak;
        world_add(&world, 512 * MIB, TRUE);
        assert_int_equal(follow(&world, 512 * MIB, &steps).reason, rows[i].reason);
        assert_int_equal(steps, rows[i].reason == RECIPE_AT_TARGET ? 2 : 0);
        world_clear(&world);
    }
}

static void
test_a_stranger_is_not_swapped(void **state)
{
    World world;
    guint steps;

    world_init(&world, 256 * MIB, 4096 * MIB, 8);
    world_add(&world, 512 * MIB, FALSE);
    assert_int_equal(follow(&world, 512 * MIB, &steps).reason, RECIPE_SHORT_NOT_OURS);
    world_add(&world, 1024 * MIB, TRUE);
    assert_int_equal(follow(&world, 1280 * MIB, &steps).reason, RECIPE_AT_TARGET);
    assert_int_equal(guest_memory_actual(&world.memory), 1280 * MIB);
    world_clear(&world);
}

/* With a balloon the balloon holds what is too much, and nothing is swapped. */
static void
test_a_balloon_needs_no_swap(void **state)
{
    World world;
    Recipe recipe;

    world_init(&world, 256 * MIB, 2048 * MIB, 4);
    world.memory.has_balloon = TRUE;
    world_add(&world, 512 * MIB, TRUE);
    recipe = recipe_swap(&world.memory, 512 * MIB, MECHANISM_AUTO, NULL, 0, world.peak);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_SET_BALLOON);
    world_clear(&world);
}

/* The guest keeps the large one: the small one goes again, and that is the end of it. */
static void
test_undone_if_the_guest_keeps_it(void **state)
{
    World world;
    guint steps;

    world_init(&world, 256 * MIB, 2048 * MIB, 4);
    world_add(&world, 512 * MIB, TRUE);
    world.stayer = "memplug-dimm0";
    assert_int_equal(follow(&world, 512 * MIB, &steps).reason, RECIPE_SHORT_REFUSED);
    assert_int_equal(steps, 3);
    assert_int_equal(guest_memory_actual(&world.memory), 768 * MIB);
    world_clear(&world);
}

/*
 * Random worlds
 */

/* What the environment says of @name, or @otherwise. */
static guint32
number_from(const char *name, guint32 otherwise)
{
    const char *text = g_getenv(name);

    return text ? (guint32)g_ascii_strtoull(text, NULL, 0) : otherwise;
}

static void
world_init_random(World *world, GRand *random)
{
    guint64 boot = (guint64)g_rand_int_range(random, 1, 9) * 128 * MIB;
    guint n_dimms = (guint)g_rand_int_range(random, 0, 6);
    guint64 dimms = 0;

    world_init(world, boot, 0, n_dimms + (guint)g_rand_int_range(random, 0, 3));
    if (g_rand_boolean(random)) {
        world->memory.n_nodes = 2;
        world->memory.nodes = g_new(MemoryNode, 2);
        world->memory.nodes[0] = (MemoryNode){ 0, boot / 4 };
        world->memory.nodes[1] = (MemoryNode){ 1, boot - boot / 4 };
    }
    for (guint i = 0; i < n_dimms; i++) {
        guint64 size = (guint64)g_rand_int_range(random, 1, 17) * MEMORY_DIMM_GRAIN;

        dimms += size;
        world_add(world, size, g_rand_int_range(random, 0, 4) > 0)->node =
            (guint)g_rand_int_range(random, 0, 2);
    }
    world->memory.max = boot + dimms + (guint64)g_rand_int_range(random, 0, 17) * 128 * MIB;
    world->peak = (guint64)g_rand_int_range(random, 0, 64) * 128 * MIB;
}

/* Returns: whether a swap was forbidden by something that a test can see. */
static gboolean
was_forbidden(const World *world)
{
    guint64 actual = guest_memory_actual(&world->memory);
    guint64 room =
        MIN(guest_memory_headroom(&world->memory), world->peak > actual ? world->peak - actual : 0);

    /* No DIMM to swap for is larger than the largest. */
    return guest_memory_free_slots(&world->memory) == 0 || room < 16 * MEMORY_DIMM_GRAIN;
}

/* From anywhere to anywhere, with and without a DIMM that stays: follow() holds that it ends,
 * and within what bounds; here, that it ends as near as it could. */
static void
test_random_worlds(void **state)
{
    guint32 seed = number_from("MEMPLUG_TEST_SEED", g_random_int());
    guint32 worlds = number_from("MEMPLUG_TEST_WORLDS", 200000);
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    guint swaps = 0;

    print_message("MEMPLUG_TEST_SEED=%u\n", seed);
    for (guint i = 0; i < worlds; i++) {
        g_autofree char *stayer = g_strdup_printf("memplug-dimm%d", g_rand_int_range(random, 0, 8));
        World world;
        guint64 begin, target, actual;
        Recipe recipe;
        guint steps, dimms;

        world_init_random(&world, random);
        world.stayer = g_rand_boolean(random) ? stayer : NULL;
        begin = guest_memory_actual(&world.memory);
        dimms = world.plugged;
        target = world.memory.boot +
                 (guint64)g_rand_int_range(random, 0, 1025) * ((begin - world.memory.boot) / 1024);
        recipe = follow(&world, target, &steps);
        actual = guest_memory_actual(&world.memory);
        swaps += world.plugged > dimms && actual < begin;
        assert_true(actual >= target);
        if (recipe.reason == RECIPE_SHORT_WHOLE)
            assert_true(was_forbidden(&world));
        else if (recipe.reason == RECIPE_SHORT_REFUSED)
            assert_true(world.bounds->len > 0);
        else if (recipe.reason != RECIPE_SHORT_NOT_OURS)
            assert_true(actual - target < MEMORY_DIMM_GRAIN);
        world_clear(&world);
    }
    assert_true(swaps > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reaches_the_size),
        cmocka_unit_test(test_within_what_is_allowed),
        cmocka_unit_test(test_a_stranger_is_not_swapped),
        cmocka_unit_test(test_a_balloon_needs_no_swap),
        cmocka_unit_test(test_undone_if_the_guest_keeps_it),
        cmocka_unit_test(test_random_worlds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
