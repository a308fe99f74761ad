/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes and their proportions: on single cases, and in random worlds on which the
 * whole recipe works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hotplug/node-balance.h"
#include "hotplug/recipe.h"

#define MIB        (G_GUINT64_CONSTANT(1) << 20)
#define BLOCK      (2 * MIB)
#define STEPS_MOST 4096

/* Node 0 has three parts, node 2 one, and node 5 none. */
static const MemoryNode three_nodes[] = { { 0, 768 * MIB }, { 2, 256 * MIB }, { 5, 0 } };

static GuestMemory
guest_of(const MemoryNode *nodes, guint n_nodes)
{
    GuestMemory memory = { .nodes = g_memdup2(nodes, n_nodes * sizeof(*nodes)),
                           .n_nodes = n_nodes };

    for (guint i = 0; i < n_nodes; i++)
        memory.boot += nodes[i].boot;
    memory.max = memory.boot;
    return memory;
}

static MemoryDevice *
add_device(GuestMemory *memory, MemoryDeviceKind kind, guint node, guint64 size)
{
    static guint named;
    MemoryDevice *device;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    device = &memory->devices[memory->n_devices++];
    *device = (MemoryDevice){ .id = g_strdup_printf("memplug-%u", named++),
                              .kind = kind,
                              .ours = TRUE,
                              .node = node,
                              .size = size,
                              .acknowledged = TRUE };
    return device;
}

static void
add_virtio_mem(GuestMemory *memory, guint node, guint64 max)
{
    MemoryDevice *device = add_device(memory, MEMORY_DEVICE_VIRTIO_MEM, node, 0);

    device->max = max;
    device->block = BLOCK;
    memory->max += max;
}

static void
expect_shares(const GuestMemory *memory, const guint64 *now, guint64 total, const guint64 *then)
{
    NodeShare shares[8];

    for (guint i = 0; i < memory->n_devices; i++)
        shares[i] = (NodeShare){ .node = memory->devices[i].node,
                                 .now = now[i],
                                 .most = memory->devices[i].max,
                                 .block = BLOCK };
    node_balance_share(memory, shares, memory->n_devices, total);
    for (guint i = 0; i < memory->n_devices; i++)
        assert_int_equal(shares[i].now, then[i]);
}

static void
test_shares_are_in_proportion(void **state)
{
    GuestMemory memory = guest_of(three_nodes, 3);

    add_virtio_mem(&memory, 0, 1024 * MIB);
    add_virtio_mem(&memory, 2, 1024 * MIB);
    expect_shares(&memory, (guint64[]){ 0, 0 }, 400 * MIB, (guint64[]){ 300 * MIB, 100 * MIB });
    expect_shares(&memory, (guint64[]){ 300 * MIB, 100 * MIB }, 200 * MIB,
                  (guint64[]){ 150 * MIB, 50 * MIB });
    /* One is full: the other takes the rest. */
    expect_shares(&memory, (guint64[]){ 0, 0 }, 1500 * MIB, (guint64[]){ 1024 * MIB, 476 * MIB });
    expect_shares(&memory, (guint64[]){ 0, 0 }, 4096 * MIB, (guint64[]){ 1024 * MIB, 1024 * MIB });
    guest_memory_clear(&memory);
}

static void
test_what_is_off_is_made_good_and_not_shifted(void **state)
{
    GuestMemory memory = guest_of(three_nodes, 2);

    add_virtio_mem(&memory, 0, 1024 * MIB);
    add_virtio_mem(&memory, 2, 1024 * MIB);
    expect_shares(&memory, (guint64[]){ 0, 100 * MIB }, 100 * MIB, (guint64[]){ 0, 100 * MIB });
    expect_shares(&memory, (guint64[]){ 0, 100 * MIB }, 300 * MIB,
                  (guint64[]){ 200 * MIB, 100 * MIB });
    expect_shares(&memory, (guint64[]){ 0, 100 * MIB }, 500 * MIB,
                  (guint64[]){ 376 * MIB, 124 * MIB });
    guest_memory_clear(&memory);
}

static void
test_a_node_without_a_part_is_the_last(void **state)
{
    GuestMemory memory = guest_of(three_nodes, 3);

    add_virtio_mem(&memory, 5, 1024 * MIB);
    add_virtio_mem(&memory, 0, 128 * MIB);
    expect_shares(&memory, (guint64[]){ 0, 0 }, 100 * MIB, (guint64[]){ 0, 100 * MIB });
    expect_shares(&memory, (guint64[]){ 0, 0 }, 301 * MIB, (guint64[]){ 174 * MIB, 128 * MIB });
    assert_int_not_equal(node_balance_plug(&memory, 128 * MIB), 5);
    guest_memory_clear(&memory);
}

static void
test_without_nodes_devices_are_filled_in_their_order(void **state)
{
    GuestMemory memory = { .boot = 1024 * MIB };

    add_virtio_mem(&memory, 0, 100 * MIB);
    add_virtio_mem(&memory, 1, 100 * MIB);
    expect_shares(&memory, (guint64[]){ 0, 0 }, 150 * MIB, (guint64[]){ 100 * MIB, 50 * MIB });
    expect_shares(&memory, (guint64[]){ 100 * MIB, 50 * MIB }, 120 * MIB,
                  (guint64[]){ 100 * MIB, 20 * MIB });
    assert_int_equal(node_balance_plug(&memory, 128 * MIB), 0);
    assert_int_equal(node_balance_surplus(&memory, 1, 0), 0);
    guest_memory_clear(&memory);
}

static void
test_dimms_come_and_go_where_they_are_due(void **state)
{
    static const guint due[] = { 0, 0, 2, 0, 0, 0, 2, 0 };
    GuestMemory memory = guest_of(three_nodes, 3);

    for (guint i = 0; i < G_N_ELEMENTS(due); i++) {
        guint node = node_balance_plug(&memory, 128 * MIB);

        assert_int_equal(node, due[i]);
        add_device(&memory, MEMORY_DEVICE_DIMM, node, 128 * MIB);
    }
    assert_int_equal(node_balance_surplus(&memory, 0, 0), 0);
    assert_int_equal(node_balance_surplus(&memory, 2, 0), 0);
    add_device(&memory, MEMORY_DEVICE_DIMM, 2, 128 * MIB);
    assert_int_equal(node_balance_surplus(&memory, 2, 0), 96 * MIB);
    assert_int_equal(node_balance_surplus(&memory, 2, -128 * (gint64)MIB), 128 * MIB);
    guest_memory_clear(&memory);
}

/* An empty device has its node's share of what can come. */
static void
test_virtio_mem_devices_are_spread_by_what_they_can_be(void **state)
{
    static const guint due[] = { 0, 0, 2, 0 };
    GuestMemory memory = guest_of(three_nodes, 3);

    for (guint i = 0; i < G_N_ELEMENTS(due); i++) {
        guint node = node_balance_plug_virtio_mem(&memory, 512 * MIB);

        assert_int_equal(node, due[i]);
        add_virtio_mem(&memory, node, 512 * MIB);
    }
    guest_memory_clear(&memory);
}

/*
 * Random worlds
 */

static guint32
number_from(const char *name, guint32 otherwise)
{
    const char *text = g_getenv(name);

    return text ? (guint32)g_ascii_strtoull(text, NULL, 0) : otherwise;
}

static guint64
some_mib(GRand *random, gint least, gint most)
{
    return (guint64)g_rand_int_range(random, least, most + 1) * 128 * MIB;
}

static GuestMemory
random_guest(GRand *random, gboolean virtio_mem)
{
    MemoryNode nodes[4];
    guint n_nodes = (guint)g_rand_int_range(random, 2, 5);
    GuestMemory memory;

    for (guint i = 0; i < n_nodes; i++)
        nodes[i] = (MemoryNode){ i, some_mib(random, 1, 16) };
    memory = guest_of(nodes, n_nodes);
    if (virtio_mem) {
        for (guint i = 0; i < n_nodes; i++)
            add_virtio_mem(&memory, i, 16384 * MIB);
    } else {
        memory.max += 32768 * MIB;
        memory.slots = 256;
    }
    return memory;
}

static void
carry_out(GuestMemory *memory, const MemoryStep *step)
{
    MemoryDevice *device;

    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        add_device(memory, MEMORY_DEVICE_DIMM, step->node, step->size);
        break;
    case MEMORY_STEP_UNPLUG_DIMM:
        for (guint i = 0; i < memory->n_devices; i++) {
            if (!g_str_equal(memory->devices[i].id, step->device))
                continue;
            g_free(memory->devices[i].id);
            memory->devices[i] = memory->devices[--memory->n_devices];
            break;
        }
        break;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        device = (MemoryDevice *)guest_memory_find(memory, step->device);
        assert_int_equal(step->node, device->node);
        device->size = device->requested = step->size;
        break;
    case MEMORY_STEP_SET_BALLOON:
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        fail_msg("step %d is none of these guests'", step->kind);
    }
}

/* Returns: the size of the largest step. */
static guint64
bring_to(GuestMemory *memory, guint64 target)
{
    guint64 least = MIN(target, guest_memory_actual(memory));
    guint64 largest = 0;

    for (guint steps = 0; steps < STEPS_MOST; steps++) {
        Recipe recipe = recipe_next_step(memory, target, MECHANISM_AUTO, NULL, 0);

        if (recipe.verdict == RECIPE_DONE)
            return largest;
        assert_int_equal(recipe.verdict, RECIPE_STEP);
        if (recipe.step.kind != MEMORY_STEP_RESIZE_VIRTIO_MEM)
            largest = MAX(largest, recipe.step.size);
        carry_out(memory, &recipe.step);
        assert_true(guest_memory_actual(memory) >= least);
    }
    fail_msg("the recipe does not end");
    return 0;
}

/*
 * Up and down and up again, devices without bounds: no node ends two grains off its part. Of
 * DIMMs the grain is the largest that was ever moved, and what one node is above its
 * part the others are below theirs together.
 */
static void
keep_proportions(gboolean virtio_mem)
{
    guint32 seed = number_from("MEMPLUG_TEST_SEED", g_random_int());
    /* Each resizes a guest five times, step by step: far fewer worlds than of other tests. */
    guint32 worlds = number_from("MEMPLUG_TEST_WORLDS", 200000) / 40;
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);

    print_message("MEMPLUG_TEST_SEED=%u\n", seed);
    for (guint world = 0; world < worlds; world++) {
        GuestMemory memory = random_guest(random, virtio_mem);
        guint64 grain = virtio_mem ? BLOCK : 0;

        for (guint turn = 0; turn < 5; turn++) {
            guint64 target = memory.boot + some_mib(random, 0, 64);

            guint64 largest = bring_to(&memory, target);

            grain = MAX(grain, largest);
            assert_true(guest_memory_actual(&memory) >= target);
            assert_true(!virtio_mem || guest_memory_actual(&memory) < target + BLOCK);
            for (guint i = 0; i < memory.n_nodes; i++) {
                gint64 surplus = node_balance_surplus(&memory, memory.nodes[i].id, 0);
                gint64 above = 2 * (gint64)grain;
                gint64 below = above * (virtio_mem ? 1 : (gint64)memory.n_nodes - 1);

                if (surplus > above || surplus < -below)
                    fail_msg("world %u: node %u is %" G_GINT64_FORMAT " bytes off", world, i,
                             surplus);
            }
        }
        guest_memory_clear(&memory);
    }
}

static void
test_random_virtio_mem_keeps_the_proportions(void **state)
{
    keep_proportions(TRUE);
}

static void
test_random_dimms_keep_the_proportions(void **state)
{
    keep_proportions(FALSE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_in_proportion),
        cmocka_unit_test(test_what_is_off_is_made_good_and_not_shifted),
        cmocka_unit_test(test_a_node_without_a_part_is_the_last),
        cmocka_unit_test(test_without_nodes_devices_are_filled_in_their_order),
        cmocka_unit_test(test_dimms_come_and_go_where_they_are_due),
        cmocka_unit_test(test_virtio_mem_devices_are_spread_by_what_they_can_be),
        cmocka_unit_test(test_random_virtio_mem_keeps_the_proportions),
        cmocka_unit_test(test_random_dimms_keep_the_proportions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
