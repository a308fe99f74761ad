/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole daemon above the hypervisor: roster, managed guests and cycle, with
 * guests that do as they are told. A cycle is run by hand, a second apart in the
 * guests' own time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/await.h"
#include "tests/unit/daemon/daemon-bed.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    DaemonBed daemon;
    guint events[EVENT_JOURNAL + 1];
    char *last_decision;
} Bed;

static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    Bed *bed = data;

    bed->events[event->kind]++;
    event_log(event);
    if (event->kind == EVENT_DECISION) {
        g_free(bed->last_decision);
        bed->last_decision = g_strdup(event->message);
    }
}

static void
bed_start(Bed *bed, guint64 budget, gboolean dry_run)
{
    *bed = (Bed){ 0 };
    daemon_bed_start(&bed->daemon, budget, dry_run, G_CALLBACK(on_event), bed);
}

static void
bed_end(Bed *bed)
{
    daemon_bed_end(&bed->daemon);
    g_free(bed->last_decision);
}

static FakeGuest *
add_guest(Bed *bed, const char *name, guint64 boot, guint64 used)
{
    FakeGuest *guest = fake_guest_new(name, boot, boot, 0, TRUE);

    fake_guest_add_virtio_mem(guest, 4096 * MIB);
    fake_hypervisor_add(bed->daemon.hypervisor, guest, used);
    await_quiet();
    return guest;
}

static ManagedGuest *
managed(Bed *bed, guint number)
{
    return daemon_bed_managed(&bed->daemon, number);
}

static void
live(Bed *bed, guint seconds)
{
    daemon_bed_live(&bed->daemon, seconds);
}

static void
test_a_guest_under_load_is_grown_and_its_reasons_told(void **state)
{
    FakeGuest *guest;
    Bed bed;

    bed_start(&bed, 8192 * MIB, FALSE);
    guest = add_guest(&bed, "web", 256 * MIB, 100 * MIB);
    live(&bed, 2);
    fake_hypervisor_use(bed.daemon.hypervisor, 0, 250 * MIB);
    live(&bed, 5);
    assert_true(guest_memory_actual(&guest->memory) > 256 * MIB);
    assert_true(bed.events[EVENT_DECISION] > 0);
    assert_non_null(strstr(bed.last_decision, "demand"));
    bed_end(&bed);
}

static void
test_held_and_unmanaged_guests_are_left_alone(void **state)
{
    g_autoptr(GError) error = NULL;
    FakeGuest *held, *unmanaged;
    Bed bed;

    bed_start(&bed, 8192 * MIB, FALSE);
    held = add_guest(&bed, "held", 256 * MIB, 100 * MIB);
    unmanaged = add_guest(&bed, "unmanaged", 256 * MIB, 100 * MIB);
    live(&bed, 1);
    assert_true(managed_guest_set_memory(managed(&bed, 0), 512 * MIB, &error) > 0);
    managed_guest_set_managed_async(managed(&bed, 1), FALSE, NULL, NULL);
    assert_false(unmanaged->stored.managed);
    fake_hypervisor_use(bed.daemon.hypervisor, 0, 250 * MIB);
    fake_hypervisor_use(bed.daemon.hypervisor, 1, 250 * MIB);
    live(&bed, 5);
    assert_int_equal(guest_memory_actual(&held->memory), 512 * MIB);
    assert_int_equal(guest_memory_actual(&unmanaged->memory), 256 * MIB);

    managed_guest_set_managed_async(managed(&bed, 1), TRUE, NULL, NULL);
    live(&bed, 5);
    assert_true(guest_memory_actual(&unmanaged->memory) > 256 * MIB);
    bed_end(&bed);
}

static void
test_setmem_outside_of_the_limits_is_refused(void **state)
{
    g_autoptr(GError) error = NULL;
    FakeGuest *guest;
    Bed bed;

    bed_start(&bed, 8192 * MIB, FALSE);
    guest = add_guest(&bed, "web", 256 * MIB, 100 * MIB);
    assert_int_equal(managed_guest_set_memory(managed(&bed, 0), 8192 * MIB, &error), 0);
    assert_non_null(error);
    await_ms(20);
    assert_int_equal(guest->ordered, 0);
    assert_false(managed_guest_get_status(managed(&bed, 0))->held);
    bed_end(&bed);
}

static void
test_dry_run_decides_but_orders_nothing(void **state)
{
    FakeGuest *guest;
    Bed bed;

    bed_start(&bed, 8192 * MIB, TRUE);
    guest = add_guest(&bed, "web", 256 * MIB, 250 * MIB);
    live(&bed, 5);
    assert_int_equal(guest->ordered, 0);
    assert_true(bed.events[EVENT_DECISION] > 0);
    assert_non_null(strstr(bed.last_decision, "would ask"));
    assert_int_equal(managed_guest_set_memory(managed(&bed, 0), 512 * MIB, NULL), 0);
    bed_end(&bed);
}

static void
test_the_budget_bounds_what_all_have_together(void **state)
{
    const guint64 budget = 1024 * MIB;
    FakeGuest *guests[3];
    Bed bed;

    bed_start(&bed, budget, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(guests); i++) {
        g_autofree char *name = g_strdup_printf("guest%u", i);

        guests[i] = add_guest(&bed, name, 256 * MIB, 240 * MIB);
    }
    for (guint second = 0; second < 10; second++) {
        guint64 sum = 0;

        live(&bed, 1);
        for (guint i = 0; i < G_N_ELEMENTS(guests); i++)
            sum += guest_memory_actual(&guests[i]->memory);
        assert_true(sum <= budget);
    }
    assert_true(guest_memory_actual(&guests[0]->memory) > 256 * MIB);
    bed_end(&bed);
}

static void
test_an_intent_survives_the_daemon(void **state)
{
    g_autoptr(GError) error = NULL;
    FakeGuest *guest;
    Bed bed;

    bed_start(&bed, 8192 * MIB, FALSE);
    guest = add_guest(&bed, "web", 256 * MIB, 100 * MIB);
    guest->manners.holds_still = TRUE;
    assert_true(managed_guest_set_memory(managed(&bed, 0), 562 * MIB, &error) > 0);
    await_ms(20);

    /* The daemon dies; another one finds the guest half way. */
    cycle_free(bed.daemon.cycle);
    g_object_unref(bed.daemon.roster);
    await_quiet();
    guest->manners.holds_still = FALSE;
    bed.daemon.roster = roster_new(MEMPLUG_HYPERVISOR(bed.daemon.hypervisor), bed.daemon.config,
                                   bed.daemon.intents, FALSE);
    bed.daemon.cycle = cycle_new(MEMPLUG_HYPERVISOR(bed.daemon.hypervisor), bed.daemon.roster,
                                 bed.daemon.config, 8192 * MIB);
    hypervisor_emit_guest_added(MEMPLUG_HYPERVISOR(bed.daemon.hypervisor), MEMPLUG_GUEST(guest));
    await_quiet();
    assert_true(managed_guest_get_status(managed(&bed, 0))->held);
    assert_int_equal(managed_guest_get_status(managed(&bed, 0))->requested, 562 * MIB);
    fake_guest_move(guest);
    await_ms(50);
    assert_int_equal(guest_memory_actual(&guest->memory), 562 * MIB);
    bed_end(&bed);
}

static void
test_a_guest_that_goes_is_forgotten(void **state)
{
    Bed bed;

    bed_start(&bed, 8192 * MIB, FALSE);
    add_guest(&bed, "web", 256 * MIB, 100 * MIB);
    add_guest(&bed, "db", 256 * MIB, 100 * MIB);
    live(&bed, 1);
    fake_hypervisor_remove(bed.daemon.hypervisor, 0);
    live(&bed, 1);
    assert_int_equal(roster_get_guests(bed.daemon.roster)->len, 1);
    assert_int_equal(bed.events[EVENT_GUEST_REMOVED], 1);
    assert_int_equal(cycle_get_summary(bed.daemon.cycle)->lent, 256 * MIB);
    bed_end(&bed);
}

/* A DIMM that the balloon holds is taken out of a guest only while the host has room for what the
 * guest has in between. */
static void
test_a_dimm_goes_when_there_is_room(void **state)
{
    FakeGuest *db = fake_guest_new("db", 256 * MIB, 2048 * MIB, 8, TRUE);
    Bed bed;

    bed_start(&bed, 568 * MIB, FALSE);
    fake_guest_add_dimm(db, "memplug-dimm0", 256 * MIB, TRUE);
    db->memory.ballooned = db->memory.balloon_requested = 200 * MIB;
    fake_hypervisor_add(bed.daemon.hypervisor, db, 40 * MIB);
    add_guest(&bed, "web", 256 * MIB, 100 * MIB);
    live(&bed, 6);
    assert_int_equal(guest_memory_actual(&db->memory), 256 * MIB);
    assert_int_equal(db->memory.n_devices, 1);

    bed.daemon.config->budget = 768 * MIB;
    cycle_configure(bed.daemon.cycle, bed.daemon.config);
    live(&bed, 3);
    assert_int_equal(guest_memory_actual(&db->memory), 256 * MIB);
    assert_int_equal(db->memory.ballooned, 0);
    assert_int_equal(db->memory.n_devices, 0);
    bed_end(&bed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_under_load_is_grown_and_its_reasons_told),
        cmocka_unit_test(test_held_and_unmanaged_guests_are_left_alone),
        cmocka_unit_test(test_setmem_outside_of_the_limits_is_refused),
        cmocka_unit_test(test_dry_run_decides_but_orders_nothing),
        cmocka_unit_test(test_the_budget_bounds_what_all_have_together),
        cmocka_unit_test(test_an_intent_survives_the_daemon),
        cmocka_unit_test(test_a_guest_that_goes_is_forgotten),
        cmocka_unit_test(test_a_dimm_goes_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
