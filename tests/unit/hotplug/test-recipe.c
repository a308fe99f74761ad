/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recipe on guests that exist only as a GuestMemory: a model carries each
 * step out at once, so what is tested is the way that the recipe takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hotplug/recipe.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* More steps than any of the worlds below may take. */
#define STEPS_MOST 4096

/*
 * The model
 */

static MemoryDevice *
model_add(GuestMemory *memory, MemoryDeviceKind kind, const char *id, guint64 size)
{
    MemoryDevice *device;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    device = &memory->devices[memory->n_devices++];
    *device = (MemoryDevice){ .id = g_strdup(id),
                              .kind = kind,
                              .ours = TRUE,
                              .size = size,
                              .requested = size,
                              .acknowledged = TRUE };
    return device;
}

static void
model_add_virtio_mem(GuestMemory *memory, const char *id, guint64 size, guint64 max)
{
    MemoryDevice *device = model_add(memory, MEMORY_DEVICE_VIRTIO_MEM, id, size);

    device->max = max;
    device->block = 2 * MIB;
    memory->max += max;
}

static void
model_remove(GuestMemory *memory, const char *id)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (g_strcmp0(memory->devices[i].id, id) != 0)
            continue;
        g_free(memory->devices[i].id);
        memory->devices[i] = memory->devices[--memory->n_devices];
        return;
    }
    fail_msg("no device %s to remove", id);
}

/* Carries @step out as a guest would that follows at once. */
static void
model_carry_out(GuestMemory *memory, const MemoryStep *step)
{
    static guint plugged;
    g_autofree char *id = g_strdup_printf("memplug-dimm%u", plugged++);
    MemoryDevice *device;

    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        assert_true(guest_memory_free_slots(memory) > 0);
        assert_true(step->size > 0 && step->size % MEMORY_DIMM_GRAIN == 0);
        model_add(memory, MEMORY_DEVICE_DIMM, id, step->size)->node = step->node;
        break;
    case MEMORY_STEP_UNPLUG_DIMM:
        model_remove(memory, step->device);
        break;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        device = (MemoryDevice *)guest_memory_find(memory, step->device);
        assert_non_null(device);
        assert_true(step->size <= device->max && step->size % device->block == 0);
        device->size = device->requested = step->size;
        break;
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        fail_msg("the recipe never adds a virtio-mem device");
        break;
    case MEMORY_STEP_SET_BALLOON:
        assert_true(memory->has_balloon);
        memory->ballooned = memory->balloon_requested = step->size;
        break;
    }
}

/* Follows the recipe to its end. Returns the last answer, with the steps counted. */
static Recipe
follow(GuestMemory *memory, guint64 target, Mechanism mechanism, guint *steps)
{
    guint64 least = MIN(target, guest_memory_actual(memory));

    for (*steps = 0; *steps < STEPS_MOST; (*steps)++) {
        Recipe recipe = recipe_next_step(memory, target, mechanism, NULL, 0);

        if (recipe.verdict == RECIPE_DONE)
            return recipe;
        assert_int_equal(recipe.verdict, RECIPE_STEP);
        model_carry_out(memory, &recipe.step);
        if (guest_memory_actual(memory) < least)
            fail_msg("step %u took the guest to %" G_GUINT64_FORMAT ", below %" G_GUINT64_FORMAT,
                     *steps, guest_memory_actual(memory), least);
    }
    fail_msg("the recipe does not end");
    return (Recipe){ 0 };
}

static void
expect(GuestMemory *memory, guint64 target, Mechanism mechanism, guint64 actual, RecipeShort reason)
{
    guint steps;
    Recipe recipe = follow(memory, target, mechanism, &steps);

    assert_int_equal(guest_memory_actual(memory), actual);
    assert_int_equal(recipe.reason, reason);
}

static GuestMemory
guest_of(guint64 boot, guint64 max, guint slots, gboolean balloon)
{
    return (GuestMemory){ .boot = boot, .max = max, .slots = slots, .has_balloon = balloon };
}

/*
 * The patent's first test: 256 MiB to 512, to 562, and back.
 */

static void
test_dimm_and_balloon(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 8, TRUE);

    expect(&memory, 512 * MIB, MECHANISM_AUTO, 512 * MIB, RECIPE_AT_TARGET);
    assert_int_equal(memory.ballooned, 0);
    expect(&memory, 562 * MIB, MECHANISM_AUTO, 562 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 256 * MIB, MECHANISM_AUTO, 256 * MIB, RECIPE_AT_TARGET);
    assert_int_equal(memory.n_devices, 0);
    assert_int_equal(memory.ballooned, 0);
    guest_memory_clear(&memory);
}

static void
test_dimm_alone_ends_above(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 8, TRUE);

    expect(&memory, 512 * MIB, MECHANISM_DIMM, 512 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 562 * MIB, MECHANISM_DIMM, 640 * MIB, RECIPE_SHORT_GRAIN);
    expect(&memory, 256 * MIB, MECHANISM_DIMM, 256 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 200 * MIB, MECHANISM_DIMM, 256 * MIB, RECIPE_SHORT_BOOT);
    guest_memory_clear(&memory);
}

static void
test_virtio_mem(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 256 * MIB, 0, FALSE);

    model_add_virtio_mem(&memory, "vm0", 0, 1024 * MIB);
    expect(&memory, 512 * MIB, MECHANISM_AUTO, 512 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 562 * MIB, MECHANISM_AUTO, 562 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 563 * MIB, MECHANISM_VIRTIO_MEM, 564 * MIB, RECIPE_SHORT_GRAIN);
    expect(&memory, 256 * MIB, MECHANISM_AUTO, 256 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 4096 * MIB, MECHANISM_AUTO, 1280 * MIB, RECIPE_SHORT_MAXIMUM);
    guest_memory_clear(&memory);
}

static void
test_balloon(void **state)
{
    GuestMemory memory = guest_of(1024 * MIB, 1024 * MIB, 0, TRUE);

    expect(&memory, 562 * MIB, MECHANISM_BALLOON, 562 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 1024 * MIB, MECHANISM_AUTO, 1024 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 1025 * MIB, MECHANISM_BALLOON, 1024 * MIB, RECIPE_SHORT_MAXIMUM);
    guest_memory_clear(&memory);
}

/* A guest that was to have all of it, and on the way is to have less of it. */
static void
test_a_balloon_that_lets_too_much_go_is_stopped(void **state)
{
    GuestMemory memory = guest_of(512 * MIB, 512 * MIB, 0, TRUE);
    Recipe recipe;

    memory.ballooned = 256 * MIB;
    memory.balloon_requested = 0;
    recipe = recipe_next_step(&memory, 384 * MIB, MECHANISM_AUTO, NULL, 0);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_SET_BALLOON);
    assert_int_equal(recipe.step.size, 128 * MIB);

    memory.balloon_requested = 128 * MIB;
    recipe = recipe_next_step(&memory, 384 * MIB, MECHANISM_AUTO, NULL, 0);
    assert_int_equal(recipe.verdict, RECIPE_WAIT);
}

static void
test_virtio_mem_with_balloon_below_boot(void **state)
{
    GuestMemory memory = guest_of(512 * MIB, 512 * MIB, 0, TRUE);

    model_add_virtio_mem(&memory, "vm0", 100 * MIB, 1024 * MIB);
    expect(&memory, 300 * MIB, MECHANISM_AUTO, 300 * MIB, RECIPE_AT_TARGET);
    assert_int_equal(memory.devices[0].size, 0);
    assert_int_equal(memory.ballooned, 212 * MIB);
    expect(&memory, 600 * MIB, MECHANISM_AUTO, 600 * MIB, RECIPE_AT_TARGET);
    assert_int_equal(memory.ballooned, 0);
    guest_memory_clear(&memory);
}

/*
 * Single decisions
 */

static void
test_no_means(void **state)
{
    GuestMemory memory = guest_of(512 * MIB, 512 * MIB, 0, FALSE);

    for (Mechanism m = MECHANISM_AUTO; m <= MECHANISM_BALLOON; m++)
        expect(&memory, 600 * MIB, m, 512 * MIB, RECIPE_SHORT_MECHANISM);
    expect(&memory, 400 * MIB, MECHANISM_AUTO, 512 * MIB, RECIPE_SHORT_BOOT);
}

static void
test_foreign_dimm_stays(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, FALSE);

    model_add(&memory, MEMORY_DEVICE_DIMM, "admin", 256 * MIB)->ours = FALSE;
    expect(&memory, 256 * MIB, MECHANISM_DIMM, 512 * MIB, RECIPE_SHORT_NOT_OURS);
    guest_memory_clear(&memory);
}

/* It counts, and takes a slot, but nobody can name it to have it go. */
static void
test_dimm_without_a_name_stays(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 2, FALSE);
    MemoryDevice *lost = model_add(&memory, MEMORY_DEVICE_DIMM, "", 256 * MIB);

    g_clear_pointer(&lost->id, g_free);
    expect(&memory, 256 * MIB, MECHANISM_DIMM, 512 * MIB, RECIPE_SHORT_NOT_OURS);
    expect(&memory, 640 * MIB, MECHANISM_DIMM, 640 * MIB, RECIPE_AT_TARGET);
    expect(&memory, 768 * MIB, MECHANISM_DIMM, 640 * MIB, RECIPE_SHORT_SLOTS);
    guest_memory_clear(&memory);
}

static void
test_unacknowledged_dimm_is_waited_for(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, TRUE);
    RecipeBound bound = { "memplug-dimm0", 128 * MIB, 128 * MIB };
    Recipe recipe;

    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-dimm0", 128 * MIB)->acknowledged = FALSE;
    recipe = recipe_next_step(&memory, 512 * MIB, MECHANISM_AUTO, NULL, 0);
    assert_int_equal(recipe.verdict, RECIPE_WAIT);
    assert_string_equal(recipe.waiting_for, "memplug-dimm0");

    recipe = recipe_next_step(&memory, 512 * MIB, MECHANISM_AUTO, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_PLUG_DIMM);
    guest_memory_clear(&memory);
}

static void
test_moving_virtio_mem_is_waited_for_or_redirected(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 256 * MIB, 0, FALSE);
    Recipe recipe;

    model_add_virtio_mem(&memory, "vm0", 100 * MIB, 1024 * MIB);
    memory.devices[0].requested = 256 * MIB;
    recipe = recipe_next_step(&memory, 512 * MIB, MECHANISM_AUTO, NULL, 0);
    assert_int_equal(recipe.verdict, RECIPE_WAIT);
    recipe = recipe_next_step(&memory, 514 * MIB, MECHANISM_AUTO, NULL, 0);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.size, 258 * MIB);
    guest_memory_clear(&memory);
}

/* Of virtio-mem, what cannot be unplugged stays; ask for what can be reached. */
static void
test_stuck_virtio_mem_goes_to_its_bound(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 256 * MIB, 0, FALSE);
    RecipeBound bound = { "vm0", 6 * MIB, G_MAXUINT64 };
    Recipe recipe;

    model_add_virtio_mem(&memory, "vm0", 6 * MIB, 1024 * MIB);
    memory.devices[0].requested = 0;
    recipe = recipe_next_step(&memory, 256 * MIB, MECHANISM_AUTO, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.size, 6 * MIB);
    memory.devices[0].requested = 6 * MIB;
    recipe = recipe_next_step(&memory, 256 * MIB, MECHANISM_AUTO, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_DONE);
    assert_int_equal(recipe.reason, RECIPE_SHORT_REFUSED);
    guest_memory_clear(&memory);
}

/* A DIMM that the guest keeps is covered by the balloon: the size is reached all the same. */
static void
test_balloon_stands_in_for_a_kept_dimm(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, TRUE);
    RecipeBound bound = { "memplug-dimm0", 128 * MIB, 128 * MIB };
    Recipe recipe;

    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-dimm0", 128 * MIB);
    recipe = recipe_next_step(&memory, 256 * MIB, MECHANISM_AUTO, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_SET_BALLOON);
    assert_int_equal(recipe.step.size, 128 * MIB);
    guest_memory_clear(&memory);
}

/* To take a DIMM out that the balloon holds, the balloon lets it go first; where the host has no
 * room for that, it stays, and it is told what it takes. */
static void
test_a_dimm_goes_only_where_there_is_room(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, TRUE);
    Recipe recipe;

    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-dimm0", 256 * MIB);
    memory.ballooned = memory.balloon_requested = 200 * MIB;

    /* 312 now, 256 wanted: without room the balloon takes it all, ... */
    recipe = recipe_next_step_within(&memory, 256 * MIB, MECHANISM_AUTO, NULL, 0, 511 * MIB);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_SET_BALLOON);
    assert_int_equal(recipe.step.size, 256 * MIB);
    assert_int_equal(recipe.passing, 512 * MIB);
    model_carry_out(&memory, &recipe.step);
    recipe = recipe_next_step_within(&memory, 256 * MIB, MECHANISM_AUTO, NULL, 0, 0);
    assert_int_equal(recipe.verdict, RECIPE_DONE);
    assert_int_equal(recipe.reason, RECIPE_AT_TARGET);
    assert_int_equal(recipe.passing, 512 * MIB);

    /* ... with room it lets go, and from then on has what it takes. */
    recipe = recipe_next_step_within(&memory, 256 * MIB, MECHANISM_AUTO, NULL, 0, 512 * MIB);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_SET_BALLOON);
    assert_int_equal(recipe.step.size, 0);
    /* While it lets go the room is still needed, so that nobody takes it back half-way. */
    assert_int_equal(recipe.passing, 512 * MIB);
    memory.balloon_requested = 0;
    memory.ballooned = 100 * MIB;
    recipe = recipe_next_step_within(&memory, 256 * MIB, MECHANISM_AUTO, NULL, 0, 512 * MIB);
    assert_int_equal(recipe.verdict, RECIPE_WAIT);
    assert_int_equal(recipe.passing, 512 * MIB);
    memory.ballooned = 0;
    recipe = recipe_next_step_within(&memory, 256 * MIB, MECHANISM_AUTO, NULL, 0, 0);
    assert_int_equal(recipe.step.kind, MEMORY_STEP_UNPLUG_DIMM);
    assert_int_equal(recipe.passing, 0);
    guest_memory_clear(&memory);
}

/* Whatever the way, within so much a guest comes to the same size, and never beyond. */
static void
test_never_more_than_allowed(void **state)
{
    for (guint64 target = 128 * MIB; target <= 900 * MIB; target += 44 * MIB) {
        GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, TRUE);
        guint64 most;

        model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-dimm0", 256 * MIB);
        model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-dimm1", 384 * MIB);
        memory.ballooned = memory.balloon_requested = (target * 7) % (800 * MIB) / MIB * MIB;
        most = guest_memory_actual(&memory);
        if (target > most) {
            guest_memory_clear(&memory);
            continue;
        }
        for (guint steps = 0; steps < 20; steps++) {
            Recipe recipe = recipe_next_step_within(&memory, target, MECHANISM_AUTO, NULL, 0, most);

            if (recipe.verdict == RECIPE_DONE)
                break;
            model_carry_out(&memory, &recipe.step);
            assert_true(guest_memory_actual(&memory) <= most);
        }
        assert_int_equal(guest_memory_actual(&memory), target);
        guest_memory_clear(&memory);
    }
}

/* The largest goes first, but not one that refused once: it lies where the guest's kernel is. */
static void
test_dimm_that_refused_goes_last(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, FALSE);
    RecipeBound bound = { "memplug-a", 0, G_MAXUINT64, TRUE };
    Recipe recipe;

    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-a", 256 * MIB);
    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-b", 256 * MIB);
    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-c", 128 * MIB);
    recipe = recipe_next_step(&memory, 256 * MIB, MECHANISM_DIMM, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_string_equal(recipe.step.device, "memplug-b");
    /* Where nothing else serves, it is tried all the same. */
    bound.device = "memplug-c";
    recipe = recipe_next_step(&memory, 768 * MIB, MECHANISM_DIMM, &bound, 1);
    assert_int_equal(recipe.verdict, RECIPE_STEP);
    assert_string_equal(recipe.step.device, "memplug-c");
    /* What bounds nothing any more is no reason to stop short. */
    recipe = recipe_next_step(&memory, 850 * MIB, MECHANISM_DIMM, &bound, 1);
    assert_int_equal(recipe.reason, RECIPE_SHORT_GRAIN);
    guest_memory_clear(&memory);
}

static void
test_whole_dimms_never_undershoot(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, FALSE);

    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-a", 512 * MIB);
    model_add(&memory, MEMORY_DEVICE_DIMM, "memplug-b", 128 * MIB);
    expect(&memory, 500 * MIB, MECHANISM_DIMM, 768 * MIB, RECIPE_SHORT_WHOLE);
    assert_int_equal(memory.n_devices, 1);
    guest_memory_clear(&memory);
}

/* The ladder: a guest that grows in small steps with few slots still reaches maxmem. */
static void
test_slots_last(void **state)
{
    static const guint slot_counts[] = { 8, 16, 32, 256 };

    for (guint i = 0; i < G_N_ELEMENTS(slot_counts); i++) {
        GuestMemory memory = guest_of(256 * MIB, 8192 * MIB, slot_counts[i], TRUE);
        guint steps;

        for (guint64 target = 256 * MIB; target <= memory.max; target += 64 * MIB) {
            follow(&memory, target, MECHANISM_AUTO, &steps);
            assert_int_equal(guest_memory_actual(&memory), target);
        }
        guest_memory_clear(&memory);
    }
}

static void
test_range(void **state)
{
    GuestMemory memory = guest_of(256 * MIB, 2048 * MIB, 4, FALSE);
    RecipeRange range = recipe_range(&memory, MECHANISM_AUTO);

    assert_int_equal(range.lowest, 256 * MIB);
    assert_int_equal(range.highest, 2048 * MIB);
    assert_int_equal(range.grain, 128 * MIB);

    memory.has_balloon = TRUE;
    range = recipe_range(&memory, MECHANISM_AUTO);
    assert_int_equal(range.lowest, RECIPE_LEAST_LEFT);
    assert_int_equal(range.grain, MIB);

    model_add_virtio_mem(&memory, "vm0", 0, 1024 * MIB);
    range = recipe_range(&memory, MECHANISM_VIRTIO_MEM);
    assert_int_equal(range.lowest, 256 * MIB);
    assert_int_equal(range.highest, 1280 * MIB);
    assert_int_equal(range.grain, 2 * MIB);
    guest_memory_clear(&memory);
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

static GuestMemory
random_guest(GRand *random)
{
    guint64 boot = (guint64)g_rand_int_range(random, 1, 32) * 64 * MIB;
    gboolean slots = g_rand_boolean(random);
    GuestMemory memory =
        guest_of(boot, slots ? boot + (guint64)g_rand_int_range(random, 1, 64) * 128 * MIB : boot,
                 slots ? (guint)g_rand_int_range(random, 1, 32) : 0, g_rand_boolean(random));

    for (gint n = g_rand_int_range(random, 0, 3); n > 0; n--) {
        g_autofree char *id = g_strdup_printf("vm%d", n);
        guint64 max = (guint64)g_rand_int_range(random, 1, 1024) * 2 * MIB;

        model_add_virtio_mem(
            &memory, id,
            (guint64)g_rand_int_range(random, 0, (gint32)(max / (2 * MIB)) + 1) * 2 * MIB, max);
        memory.devices[memory.n_devices - 1].node = (guint)g_rand_int_range(random, 0, 3);
    }
    if (g_rand_boolean(random)) {
        memory.n_nodes = 3;
        memory.nodes = g_new(MemoryNode, memory.n_nodes);
        memory.nodes[0] = (MemoryNode){ 0, boot / 2 };
        memory.nodes[1] = (MemoryNode){ 1, boot - boot / 2 };
        memory.nodes[2] = (MemoryNode){ 2, 0 };
    }
    return memory;
}

/* From anywhere to anywhere within its range, in a bounded number of steps: exact
 * with a balloon, else less than a grain above. follow() holds the rest. */
static void
test_random_worlds_reach_their_targets(void **state)
{
    guint32 seed = number_from("MEMPLUG_TEST_SEED", g_random_int());
    guint32 worlds = number_from("MEMPLUG_TEST_WORLDS", 200000);
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);

    print_message("MEMPLUG_TEST_SEED=%u\n", seed);
    for (guint world = 0; world < worlds; world++) {
        GuestMemory memory = random_guest(random);

        for (guint turn = 0; turn < 4; turn++) {
            Mechanism mechanism = (Mechanism)g_rand_int_range(random, 0, MECHANISM_BALLOON + 1);
            RecipeRange range = recipe_range(&memory, mechanism);
            guint64 span = (range.highest - range.lowest) / (4096);
            guint64 target = range.lowest + span * (guint64)g_rand_int_range(random, 0, 4097);
            guint64 actual;
            guint steps;
            Recipe recipe;

            target -= target % MEMORY_BALLOON_GRAIN;
            target = CLAMP(target, range.lowest, range.highest);
            recipe = follow(&memory, target, mechanism, &steps);
            actual = guest_memory_actual(&memory);
            if (recipe.reason == RECIPE_SHORT_SLOTS || recipe.reason == RECIPE_SHORT_NOT_OURS ||
                recipe.reason == RECIPE_SHORT_WHOLE)
                continue;
            if (actual < target || actual - target >= MAX(range.grain, 1))
                fail_msg("world %u: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                         " reached by mechanism %s: %s",
                         world, actual, target, mechanism_name(mechanism),
                         recipe_short_describe(recipe.reason));
        }
        guest_memory_clear(&memory);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dimm_and_balloon),
        cmocka_unit_test(test_dimm_alone_ends_above),
        cmocka_unit_test(test_virtio_mem),
        cmocka_unit_test(test_balloon),
        cmocka_unit_test(test_a_balloon_that_lets_too_much_go_is_stopped),
        cmocka_unit_test(test_virtio_mem_with_balloon_below_boot),
        cmocka_unit_test(test_no_means),
        cmocka_unit_test(test_foreign_dimm_stays),
        cmocka_unit_test(test_dimm_without_a_name_stays),
        cmocka_unit_test(test_unacknowledged_dimm_is_waited_for),
        cmocka_unit_test(test_moving_virtio_mem_is_waited_for_or_redirected),
        cmocka_unit_test(test_stuck_virtio_mem_goes_to_its_bound),
        cmocka_unit_test(test_balloon_stands_in_for_a_kept_dimm),
        cmocka_unit_test(test_a_dimm_goes_only_where_there_is_room),
        cmocka_unit_test(test_never_more_than_allowed),
        cmocka_unit_test(test_dimm_that_refused_goes_last),
        cmocka_unit_test(test_whole_dimms_never_undershoot),
        cmocka_unit_test(test_slots_last),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_random_worlds_reach_their_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
