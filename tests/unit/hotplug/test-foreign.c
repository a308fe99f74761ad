/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose hand was it? First single cases, then random worlds: what memplug itself and
 * the guest do is never taken for somebody else's doing, however late and however
 * oddly it comes; and what somebody else does at a quiet moment always is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hotplug/foreign.h"

#define MIB  (G_GUINT64_CONSTANT(1) << 20)
#define REST (3 * G_USEC_PER_SEC)

/*
 * A guest, and what is known of it
 */

typedef struct {
    GuestMemory memory;
    ForeignWatch *watch;
    gint64 now;
} Bed;

static MemoryDevice *
add_device(Bed *bed, MemoryDeviceKind kind, const char *id, guint64 size, gboolean ours)
{
    GuestMemory *memory = &bed->memory;
    MemoryDevice *device;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    device = &memory->devices[memory->n_devices++];
    *device = (MemoryDevice){ .id = g_strdup(id),
                              .kind = kind,
                              .ours = ours,
                              .size = size,
                              .requested = size,
                              .max = 4096 * MIB,
                              .block = 2 * MIB,
                              .acknowledged = TRUE };
    return device;
}

static void
remove_device(Bed *bed, guint index)
{
    g_free(bed->memory.devices[index].id);
    bed->memory.n_devices--;
    for (guint i = index; i < bed->memory.n_devices; i++)
        bed->memory.devices[i] = bed->memory.devices[i + 1];
}

static void
set_balloon(Bed *bed, guint64 size)
{
    bed->memory.ballooned = bed->memory.balloon_requested = size;
}

static Foreign
look(Bed *bed, gint64 later_us)
{
    bed->now += later_us;
    return foreign_watch_judge(bed->watch, &bed->memory, bed->now);
}

static void
expect_kind(Bed *bed, gint64 later_us, ForeignKind kind)
{
    g_auto(Foreign) foreign = look(bed, later_us);

    if (foreign.kind != kind)
        fail_msg("told %d instead of %d: %s", foreign.kind, kind,
                 foreign.what ? foreign.what : "nothing");
}

static void
expect_nothing(Bed *bed)
{
    expect_kind(bed, G_USEC_PER_SEC, FOREIGN_NONE);
}

static void
expect_changed(Bed *bed, const char *what)
{
    g_auto(Foreign) foreign = look(bed, G_USEC_PER_SEC);

    assert_int_equal(foreign.kind, FOREIGN_CHANGED);
    assert_string_equal(foreign.what, what);
}

static void
order(Bed *bed, MemoryStepKind kind, const char *device, guint64 size, gboolean taken)
{
    const MemoryStep step = { kind, size, 0, device };

    foreign_watch_ordered(bed->watch, &step);
    foreign_watch_answered(bed->watch, taken);
}

/* A guest of 1 GiB with a balloon, virtio-mem vm0 at 512 MiB and a DIMM of each origin. */
static int
setup(void **state)
{
    Bed *bed = g_new0(Bed, 1);

    bed->memory =
        (GuestMemory){ .boot = 1024 * MIB, .max = 8192 * MIB, .slots = 8, .has_balloon = TRUE };
    bed->now = G_USEC_PER_SEC;
    bed->watch = foreign_watch_new(REST);
    add_device(bed, MEMORY_DEVICE_VIRTIO_MEM, "vm0", 512 * MIB, FALSE);
    add_device(bed, MEMORY_DEVICE_DIMM, "memplug-dimm0", 128 * MIB, TRUE);
    add_device(bed, MEMORY_DEVICE_DIMM, "dimm1", 256 * MIB, FALSE);
    expect_nothing(bed);
    *state = bed;
    return 0;
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    foreign_watch_free(bed->watch);
    guest_memory_clear(&bed->memory);
    g_free(bed);
    return 0;
}

/*
 * Devices
 */

static void
test_virtio_mem_resized_by_hand(void **state)
{
    Bed *bed = *state;

    bed->memory.devices[0].requested = 256 * MIB;
    expect_changed(bed, "virtio-mem vm0 512 MiB → 256 MiB");
    bed->memory.devices[0].size = 256 * MIB;
    expect_nothing(bed);
}

static void
test_virtio_mem_resized_by_us(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_RESIZE_VIRTIO_MEM, "vm0", 256 * MIB, TRUE);
    bed->memory.devices[0].requested = 256 * MIB;
    expect_nothing(bed);
    /* Its effect was seen, so it does not explain that somebody does the same again. */
    bed->memory.devices[0].requested = 512 * MIB;
    expect_changed(bed, "virtio-mem vm0 256 MiB → 512 MiB");
    bed->memory.devices[0].requested = 256 * MIB;
    expect_changed(bed, "virtio-mem vm0 512 MiB → 256 MiB");
}

/* To nothing is a size as well. */
static void
test_an_order_explains_its_own_size_only(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_RESIZE_VIRTIO_MEM, "vm0", 256 * MIB, TRUE);
    bed->memory.devices[0].requested = 0;
    expect_changed(bed, "virtio-mem vm0 512 MiB → 0 MiB");
}

static void
test_an_order_that_nobody_answered_may_come_late(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_RESIZE_VIRTIO_MEM, "vm0", 256 * MIB, FALSE);
    bed->now += G_TIME_SPAN_HOUR; /* QEMU is stopped, nobody can look */
    expect_nothing(bed);
    bed->memory.devices[0].requested = 256 * MIB;
    expect_nothing(bed);
}

static void
test_but_not_for_ever(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_RESIZE_VIRTIO_MEM, "vm0", 256 * MIB, FALSE);
    expect_nothing(bed);
    bed->now += 2 * G_TIME_SPAN_MINUTE;
    bed->memory.devices[0].requested = 256 * MIB;
    expect_changed(bed, "virtio-mem vm0 512 MiB → 256 MiB");
}

static void
test_what_only_the_guest_moves_is_nobodys_word(void **state)
{
    Bed *bed = *state;

    bed->memory.devices[0].size = 6 * MIB;
    bed->memory.devices[1].acknowledged = FALSE;
    expect_nothing(bed);
}

static void
test_dimms_that_go(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_UNPLUG_DIMM, "memplug-dimm0", 128 * MIB, TRUE);
    bed->memory.devices[1].removing = TRUE;
    expect_nothing(bed);
    bed->memory.devices[1].removing = FALSE; /* refused, and let go all the same, much later */
    bed->now += G_TIME_SPAN_HOUR;
    expect_nothing(bed);
    remove_device(bed, 1);
    expect_nothing(bed);

    add_device(bed, MEMORY_DEVICE_DIMM, "memplug-dimm0", 128 * MIB, TRUE);
    order(bed, MEMORY_STEP_PLUG_DIMM, NULL, 128 * MIB, TRUE);
    expect_nothing(bed);
    remove_device(bed, 2);
    expect_changed(bed, "DIMM memplug-dimm0 of 128 MiB is gone");
    remove_device(bed, 1);
    expect_changed(bed, "DIMM dimm1 of 256 MiB is gone");
}

static void
test_devices_that_come(void **state)
{
    Bed *bed = *state;

    add_device(bed, MEMORY_DEVICE_DIMM, "dimm2", 512 * MIB, FALSE);
    expect_changed(bed, "DIMM dimm2 of 512 MiB is new");
    add_device(bed, MEMORY_DEVICE_VIRTIO_MEM, "vm1", 0, FALSE); /* nothing more for the guest */
    expect_nothing(bed);
    add_device(bed, MEMORY_DEVICE_VIRTIO_MEM, "vm2", 64 * MIB, FALSE);
    expect_changed(bed, "virtio-mem vm2 of 64 MiB is new");
    order(bed, MEMORY_STEP_PLUG_VIRTIO_MEM, NULL, 512 * MIB, TRUE);
    add_device(bed, MEMORY_DEVICE_VIRTIO_MEM, "vm3", 0, TRUE);
    expect_nothing(bed);
}

static void
test_a_dimm_without_a_name(void **state)
{
    Bed *bed = *state;

    add_device(bed, MEMORY_DEVICE_DIMM, NULL, 128 * MIB, FALSE);
    expect_changed(bed, "DIMMs without a name 0 MiB → 128 MiB");
    expect_nothing(bed);
}

static void
test_all_that_is_new_is_told_at_once(void **state)
{
    Bed *bed = *state;

    bed->memory.devices[0].requested = 0;
    remove_device(bed, 2);
    expect_changed(bed, "virtio-mem vm0 512 MiB → 0 MiB, DIMM dimm1 of 256 MiB is gone");
}

static void
test_nothing_is_foreign_over_a_restart(void **state)
{
    Bed *bed = *state;

    foreign_watch_restarted(bed->watch);
    bed->memory.devices[0].requested = 0;
    remove_device(bed, 1);
    expect_nothing(bed);
    bed->memory.devices[0].requested = 2 * MIB;
    expect_changed(bed, "virtio-mem vm0 0 MiB → 2 MiB");
}

/*
 * The balloon
 */

static void
test_balloon_by_hand_is_judged_where_it_rests(void **state)
{
    Bed *bed = *state;

    for (guint i = 1; i <= 5; i++) {
        set_balloon(bed, i * 20 * MIB);
        expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    }
    expect_kind(bed, REST - 1, FOREIGN_UNDER_WAY);
    expect_changed(bed, "balloon 0 MiB → 100 MiB");
    expect_nothing(bed);
}

static void
test_balloon_whose_word_is_known_is_judged_at_once(void **state)
{
    Bed *bed = *state;

    bed->memory.balloon_requested = 100 * MIB;
    expect_changed(bed, "balloon 0 MiB → 100 MiB");
    bed->memory.ballooned = 50 * MIB;
    expect_nothing(bed);
}

static void
test_balloon_by_us_may_stop_on_its_way(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_SET_BALLOON, NULL, 200 * MIB, TRUE);
    set_balloon(bed, 80 * MIB);
    expect_nothing(bed);
    expect_kind(bed, G_TIME_SPAN_HOUR, FOREIGN_NONE);
    set_balloon(bed, 60 * MIB);
    expect_nothing(bed);
    set_balloon(bed, 200 * MIB);
    expect_nothing(bed);
    set_balloon(bed, 80 * MIB); /* but once it was there ... */
    expect_kind(bed, 0, FOREIGN_UNDER_WAY);
    expect_kind(bed, REST, FOREIGN_CHANGED);
}

/* kexec: the driver begins anew without a reset. */
static void
test_balloon_that_empties_and_fills_again(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_SET_BALLOON, NULL, 200 * MIB, TRUE);
    set_balloon(bed, 200 * MIB);
    expect_nothing(bed);
    for (guint64 size = 0; size < 200 * MIB; size += 50 * MIB) {
        set_balloon(bed, size);
        expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    }
    set_balloon(bed, 200 * MIB);
    expect_nothing(bed);
}

static void
test_balloon_after_a_reset_takes_its_time(void **state)
{
    Bed *bed = *state;

    order(bed, MEMORY_STEP_SET_BALLOON, NULL, 200 * MIB, TRUE);
    set_balloon(bed, 200 * MIB);
    expect_nothing(bed);
    foreign_watch_restarted(bed->watch);
    set_balloon(bed, 0);
    expect_nothing(bed);
    expect_kind(bed, 5 * REST, FOREIGN_NONE);
    set_balloon(bed, 200 * MIB);
    expect_nothing(bed);
}

static void
test_balloon_that_follows_the_start(void **state)
{
    Bed *bed = *state;

    bed->memory.given = 768 * MIB;
    set_balloon(bed, 100 * MIB);
    expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    set_balloon(bed, 256 * MIB);
    expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    expect_kind(bed, REST, FOREIGN_BY_START);
    expect_nothing(bed);
}

static void
test_balloon_that_drifts_tells_nothing(void **state)
{
    Bed *bed = *state;

    bed->memory.balloon_drifts = TRUE;
    set_balloon(bed, 100 * MIB);
    expect_nothing(bed);
    expect_kind(bed, 2 * REST, FOREIGN_NONE);
}

static void
test_balloon_that_never_rests_is_judged_in_the_end(void **state)
{
    Bed *bed = *state;
    g_auto(Foreign) foreign = { FOREIGN_NONE, FALSE, NULL };

    for (guint i = 0; i < 1000 && foreign.kind != FOREIGN_CHANGED; i++) {
        set_balloon(bed, (1 + i % 2) * MIB);
        foreign_clear(&foreign);
        foreign = look(bed, G_USEC_PER_SEC);
    }
    assert_int_equal(foreign.kind, FOREIGN_CHANGED);
    assert_true(foreign.movable);
}

static void
test_a_persons_word_ends_the_doubt(void **state)
{
    Bed *bed = *state;

    set_balloon(bed, 100 * MIB);
    expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    foreign_watch_accept(bed->watch);
    expect_kind(bed, 2 * REST, FOREIGN_NONE);
}

static void
test_whether_the_guest_could_have_done_it(void **state)
{
    Bed *bed = *state;
    g_auto(Foreign) balloon = { FOREIGN_NONE, FALSE, NULL };
    g_auto(Foreign) device = { FOREIGN_NONE, FALSE, NULL };

    set_balloon(bed, 100 * MIB);
    expect_kind(bed, G_USEC_PER_SEC, FOREIGN_UNDER_WAY);
    balloon = look(bed, REST);
    assert_true(balloon.movable);
    bed->memory.devices[0].requested = 0;
    device = look(bed, 1);
    assert_false(device.movable);
}

/*
 * Random worlds
 */

/* A balloon is where it was sent after so long at most. */
#define DAWDLE_US (20 * G_USEC_PER_SEC)

/* An order that the hypervisor carries out when nobody expects it any more. */
typedef struct {
    MemoryStep step;
    char *device;
    gint64 due_us;
} Late;

typedef struct {
    Bed bed;
    GRand *random;
    gboolean word_known; /* the hypervisor tells what the balloon was asked for */
    guint64 word;        /* of the balloon */
    guint64 from;        /* where it stood when that was said, ... */
    gint64 said_us;      /* ... and when */
    gboolean reached;
    GQueue late;      /* Late */
    GQueue unplugged; /* ids: their unplug was ordered once */
    guint named;
} World;

static guint32
number_from(const char *name, guint32 otherwise)
{
    const char *text = g_getenv(name);

    return text ? (guint32)g_ascii_strtoull(text, NULL, 0) : otherwise;
}

static gboolean
chance(World *world, guint in_hundred)
{
    return g_rand_int_range(world->random, 0, 100) < (gint32)in_hundred;
}

static guint64
some_mib(World *world, guint most)
{
    return (guint64)g_rand_int_range(world->random, 0, (gint32)most + 1) * 2 * MIB;
}

static MemoryDevice *
some_device(World *world, MemoryDeviceKind kind)
{
    GuestMemory *memory = &world->bed.memory;
    guint first = (guint)g_rand_int_range(world->random, 0, (gint32)MAX(memory->n_devices, 1));

    for (guint i = 0; i < memory->n_devices; i++) {
        MemoryDevice *device = &memory->devices[(first + i) % memory->n_devices];

        if (device->kind == kind)
            return device;
    }
    return NULL;
}

static void
show_balloon(World *world)
{
    world->bed.memory.balloon_requested =
        world->word_known ? world->word : world->bed.memory.ballooned;
}

/* The hypervisor carries @step out. */
static void
carry_out(World *world, const MemoryStep *step)
{
    GuestMemory *memory = &world->bed.memory;
    MemoryDevice *device =
        step->device ? (MemoryDevice *)guest_memory_find(memory, step->device) : NULL;
    g_autofree char *id = g_strdup_printf("memplug-%u", world->named++);

    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        add_device(&world->bed, MEMORY_DEVICE_DIMM, id, step->size, TRUE);
        break;
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        add_device(&world->bed, MEMORY_DEVICE_VIRTIO_MEM, id, 0, TRUE);
        break;
    case MEMORY_STEP_UNPLUG_DIMM:
        if (device)
            device->removing = TRUE;
        break;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        if (device)
            device->requested = step->size;
        break;
    case MEMORY_STEP_SET_BALLOON:
        world->word = step->size;
        world->from = memory->ballooned;
        world->said_us = world->bed.now;
        world->reached = FALSE;
        break;
    }
}

static gboolean
some_step(World *world, MemoryStep *step)
{
    MemoryDevice *device;

    *step =
        (MemoryStep){ .kind = (MemoryStepKind)g_rand_int_range(world->random, MEMORY_STEP_PLUG_DIMM,
                                                               MEMORY_STEP_PLUG_VIRTIO_MEM + 1),
                      .size = some_mib(world, 300) };
    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        step->size = 128 * MIB * (guint64)g_rand_int_range(world->random, 1, 4);
        return world->bed.memory.n_devices < 12;
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        return world->bed.memory.n_devices < 12;
    case MEMORY_STEP_UNPLUG_DIMM:
        device = some_device(world, MEMORY_DEVICE_DIMM);
        if (device)
            *step = (MemoryStep){ MEMORY_STEP_UNPLUG_DIMM, device->size, 0, device->id };
        return device != NULL;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        device = some_device(world, MEMORY_DEVICE_VIRTIO_MEM);
        step->device = device ? device->id : NULL;
        return device != NULL;
    case MEMORY_STEP_SET_BALLOON:
        return TRUE;
    }
    return FALSE;
}

static void
late_free(gpointer data)
{
    g_free(((Late *)data)->device);
    g_free(data);
}

/* What was lost until @when is found, in the order in which it was sent. */
static void
late_orders_come(World *world, gint64 when)
{
    Late *late;

    while ((late = g_queue_peek_head(&world->late)) && late->due_us <= when) {
        carry_out(world, &late->step);
        late_free(g_queue_pop_head(&world->late));
    }
}

/* An order of ours: taken, refused, or lost, in which case it may come late. */
static void
we_order(World *world)
{
    g_autofree char *device = NULL;
    MemoryStep step;
    guint luck = (guint)g_rand_int_range(world->random, 0, 100);

    if (!some_step(world, &step))
        return;
    step.device = device = g_strdup(step.device);
    foreign_watch_ordered(world->bed.watch, &step);
    if (step.kind == MEMORY_STEP_UNPLUG_DIMM)
        g_queue_push_tail(&world->unplugged, g_strdup(device));
    if (luck < 70) {
        late_orders_come(world, G_MAXINT64); /* one monitor, one queue */
        carry_out(world, &step);
    } else if (luck < 85) {
        Late *late = g_new(Late, 1);

        *late = (Late){ step, g_strdup(device),
                        world->bed.now + g_rand_int_range(world->random, 0, 20 * G_USEC_PER_SEC) };
        late->step.device = late->device;
        g_queue_push_tail(&world->late, late);
    }
    foreign_watch_answered(world->bed.watch, luck < 70);
}

static gboolean
was_unplugged(World *world, const char *id)
{
    return g_queue_find_custom(&world->unplugged, id, (GCompareFunc)g_strcmp0) != NULL;
}

static void
guest_moves(World *world)
{
    GuestMemory *memory = &world->bed.memory;
    guint64 low = MIN(world->from, world->word);
    guint64 high = MAX(world->from, world->word);

    for (guint i = memory->n_devices; i-- > 0;) {
        MemoryDevice *device = &memory->devices[i];

        if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
            device->size = chance(world, 30) ? some_mib(world, 300) : device->requested;
        else if (was_unplugged(world, device->id) && chance(world, device->removing ? 40 : 3))
            remove_device(&world->bed, i);
        else if (device->removing && chance(world, 20))
            device->removing = FALSE; /* refused */
    }
    /* On its way it may go to and fro, or stop; once there it stays. */
    if (!world->reached && (chance(world, 60) || world->bed.now - world->said_us > DAWDLE_US))
        memory->ballooned =
            chance(world, 50)
                ? world->word
                : low + (high - low) / 100 * (guint64)g_rand_int_range(world->random, 0, 101);
    world->reached |= memory->ballooned == world->word;
}

static void
guest_restarts(World *world)
{
    GuestMemory *memory = &world->bed.memory;

    foreign_watch_restarted(world->bed.watch);
    for (guint i = memory->n_devices; i-- > 0;) {
        memory->devices[i].size =
            memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM ? 0 : memory->devices[i].size;
        if (memory->devices[i].removing)
            remove_device(&world->bed, i);
    }
    world->from = memory->ballooned = 0;
    world->said_us = world->bed.now;
    world->reached = world->word == 0;
}

static void
must_see_nothing(World *world, guint number)
{
    g_auto(Foreign) foreign = { FOREIGN_NONE, FALSE, NULL };

    show_balloon(world);
    foreign = look(&world->bed, g_rand_int_range(world->random, 1, 2 * G_USEC_PER_SEC));
    if (foreign.kind != FOREIGN_NONE)
        fail_msg("world %u: taken for somebody else's doing (%d): %s", number, foreign.kind,
                 foreign.what ? foreign.what : "the balloon");
}

/* Nothing is in flight any more, and the guest has done what it ever will. */
static void
come_to_rest(World *world, guint number)
{
    for (guint i = 0; i < 100; i++) {
        late_orders_come(world, world->bed.now);
        guest_moves(world);
        must_see_nothing(world, number);
    }
    assert_true(world->reached);
    must_see_nothing(world, number);
    world->bed.now += 2 * G_TIME_SPAN_MINUTE;
    must_see_nothing(world, number);
    must_see_nothing(world, number);
}

/* Somebody else does something. Returns: what it must be called. */
static const char *
a_hand(World *world)
{
    MemoryDevice *device;

    switch (g_rand_int_range(world->random, 0, 4)) {
    case 0:
        device = some_device(world, MEMORY_DEVICE_VIRTIO_MEM);
        if (device) {
            device->requested = device->requested == 2 * MIB ? 0 : 2 * MIB;
            return "virtio-mem";
        }
        break;
    case 1:
        for (guint i = 0; i < world->bed.memory.n_devices; i++) {
            device = &world->bed.memory.devices[i];
            if (device->kind == MEMORY_DEVICE_DIMM && !was_unplugged(world, device->id)) {
                remove_device(&world->bed, i);
                return "is gone";
            }
        }
        break;
    case 2:
        add_device(&world->bed, MEMORY_DEVICE_DIMM, "a-hand", 128 * MIB, FALSE);
        return "is new";
    default:
        break;
    }
    world->word += 2 * MIB;
    world->from = world->bed.memory.ballooned = world->word;
    return "balloon";
}

static void
must_see_the_hand(World *world, guint number, const char *what)
{
    for (guint i = 0; i < 100; i++) {
        g_auto(Foreign) foreign = { FOREIGN_NONE, FALSE, NULL };

        show_balloon(world);
        foreign = look(&world->bed, G_USEC_PER_SEC / 2);
        if (foreign.kind == FOREIGN_UNDER_WAY)
            continue;
        if (foreign.kind != FOREIGN_CHANGED || !strstr(foreign.what, what))
            fail_msg("world %u: a hand at a %s was taken for %d: %s", number, what, foreign.kind,
                     foreign.what ? foreign.what : "nothing");
        return;
    }
    fail_msg("world %u: a hand at a %s was never judged", number, what);
}

static void
world_end(World *world)
{
    g_queue_clear_full(&world->late, late_free);
    g_queue_clear_full(&world->unplugged, g_free);
    foreign_watch_free(world->bed.watch);
    guest_memory_clear(&world->bed.memory);
}

static void
test_random_worlds(void **state)
{
    guint32 seed = number_from("MEMPLUG_TEST_SEED", g_random_int());
    /* Each lives long: a tenth of the worlds of other tests. */
    guint32 worlds = number_from("MEMPLUG_TEST_WORLDS", 200000) / 10;
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);

    print_message("MEMPLUG_TEST_SEED=%u\n", seed);
    for (guint number = 0; number < worlds; number++) {
        World world = { .random = random, .bed.watch = foreign_watch_new(REST), .bed.now = 1 };

        world.word_known = chance(&world, 30);
        world.reached = TRUE;
        world.bed.memory = (GuestMemory){ .boot = 1024 * MIB, .has_balloon = TRUE };
        add_device(&world.bed, MEMORY_DEVICE_VIRTIO_MEM, "vm0", some_mib(&world, 300), FALSE);
        add_device(&world.bed, MEMORY_DEVICE_DIMM, "dimm0", 128 * MIB, FALSE);
        for (guint turn = 0; turn < 30; turn++) {
            must_see_nothing(&world, number);
            late_orders_come(&world, world.bed.now);
            if (chance(&world, 50))
                we_order(&world);
            if (chance(&world, 3))
                guest_restarts(&world);
            guest_moves(&world);
        }
        come_to_rest(&world, number);
        must_see_the_hand(&world, number, a_hand(&world));
        must_see_nothing(&world, number);
        world_end(&world);
    }
}

#define ON_A_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_BED(test_virtio_mem_resized_by_hand),
        ON_A_BED(test_virtio_mem_resized_by_us),
        ON_A_BED(test_an_order_explains_its_own_size_only),
        ON_A_BED(test_an_order_that_nobody_answered_may_come_late),
        ON_A_BED(test_but_not_for_ever),
        ON_A_BED(test_what_only_the_guest_moves_is_nobodys_word),
        ON_A_BED(test_dimms_that_go),
        ON_A_BED(test_devices_that_come),
        ON_A_BED(test_a_dimm_without_a_name),
        ON_A_BED(test_all_that_is_new_is_told_at_once),
        ON_A_BED(test_nothing_is_foreign_over_a_restart),
        ON_A_BED(test_balloon_by_hand_is_judged_where_it_rests),
        ON_A_BED(test_balloon_whose_word_is_known_is_judged_at_once),
        ON_A_BED(test_balloon_by_us_may_stop_on_its_way),
        ON_A_BED(test_balloon_that_empties_and_fills_again),
        ON_A_BED(test_balloon_after_a_reset_takes_its_time),
        ON_A_BED(test_balloon_that_follows_the_start),
        ON_A_BED(test_balloon_that_drifts_tells_nothing),
        ON_A_BED(test_balloon_that_never_rests_is_judged_in_the_end),
        ON_A_BED(test_a_persons_word_ends_the_doubt),
        ON_A_BED(test_whether_the_guest_could_have_done_it),
        cmocka_unit_test(test_random_worlds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
