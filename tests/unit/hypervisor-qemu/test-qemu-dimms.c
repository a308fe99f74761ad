/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hypervisor/qemu/qemu-dimms.h"

#define REMOVAL_US 1000

static int
setup(void **state)
{
    *state = dimm_book_new(REMOVAL_US);
    return 0;
}

static int
teardown(void **state)
{
    dimm_book_free(*state);
    return 0;
}

static gboolean
take_ost(DimmBook *dimms, const char *device, gint64 source, gint64 status, GuestMemoryEvent *told)
{
    const QmpMemoryEvent event = {
        .kind = QMP_MEMORY_EVENT_ACPI_DEVICE_OST,
        .device = (char *)device,
        .slot = (char *)"0",
        .slot_type = (char *)"DIMM",
        .source = source,
        .status = status,
    };

    return qemu_dimms_take_event(dimms, &event, told);
}

static gboolean
take(DimmBook *dimms, QmpMemoryEventKind kind, const char *device, GuestMemoryEvent *told)
{
    const QmpMemoryEvent event = { .kind = kind, .device = (char *)device };

    return qemu_dimms_take_event(dimms, &event, told);
}

static void
test_unknown_is_settled(void **state)
{
    assert_int_equal(dimm_book_waits_since(*state, "d"), 0);
    assert_false(dimm_book_is_removing(*state, "d", 0));
}

static void
test_acknowledged(void **state)
{
    GuestMemoryEvent told;

    dimm_book_plug_ordered(*state, "d", 1);
    assert_int_not_equal(dimm_book_waits_since(*state, "d"), 0);
    assert_true(take_ost(*state, "other", 1, 0, &told));
    assert_int_not_equal(dimm_book_waits_since(*state, "d"), 0);
    assert_true(take_ost(*state, "d", 1, 0, &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_CHANGED);
    assert_string_equal(told.device, "d");
    assert_int_equal(dimm_book_waits_since(*state, "d"), 0);
}

static void
test_not_taken(void **state)
{
    GuestMemoryEvent told;

    dimm_book_plug_ordered(*state, "d", 1);
    assert_true(take_ost(*state, "d", 1, 1, &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_CHANGED);
    assert_non_null(told.reason);
    assert_int_not_equal(dimm_book_waits_since(*state, "d"), 0);
    dimm_book_plug_failed(*state, "d");
    assert_int_equal(dimm_book_waits_since(*state, "d"), 0);
}

/* Linux says "ejection in progress" first; only what comes after is an answer. */
static void
test_refusals(void **state)
{
    static const gint64 statuses[] = { 0x01, 0x02, 0x80, 0x81, 0x82, 0x83, 0x7777 };
    GuestMemoryEvent told;

    for (guint i = 0; i < G_N_ELEMENTS(statuses); i++) {
        dimm_book_unplug_ordered(*state, "d", 0);
        assert_false(take_ost(*state, "d", 3, 0x84, &told));
        assert_true(dimm_book_is_removing(*state, "d", 1));
        assert_true(take_ost(*state, "d", i % 2 ? 3 : 0x103, statuses[i], &told));
        assert_int_equal(told.kind, GUEST_MEMORY_EVENT_UNPLUG_REFUSED);
        assert_string_equal(told.device, "d");
        assert_non_null(told.reason);
        assert_false(dimm_book_is_removing(*state, "d", 1));
    }

    static const QmpMemoryEventKind kinds[] = { QMP_MEMORY_EVENT_DEVICE_UNPLUG_GUEST_ERROR,
                                                QMP_MEMORY_EVENT_MEM_UNPLUG_ERROR };
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        dimm_book_unplug_ordered(*state, "d", 0);
        assert_true(take(*state, kinds[i], "d", &told));
        assert_int_equal(told.kind, GUEST_MEMORY_EVENT_UNPLUG_REFUSED);
        assert_false(dimm_book_is_removing(*state, "d", 1));
    }
}

static void
test_unplugged(void **state)
{
    GuestMemoryEvent told;

    dimm_book_plug_ordered(*state, "d", 1);
    dimm_book_unplug_ordered(*state, "d", 0);
    assert_true(take(*state, QMP_MEMORY_EVENT_DEVICE_DELETED, "d", &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_UNPLUGGED);
    assert_string_equal(told.device, "d");
    assert_false(dimm_book_is_removing(*state, "d", 1));
    assert_int_equal(dimm_book_waits_since(*state, "d"), 0);
    assert_true(take(*state, QMP_MEMORY_EVENT_DEVICE_DELETED, NULL, &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_CHANGED);
}

static void
test_silence_ends(void **state)
{
    dimm_book_unplug_ordered(*state, "d", 5);
    assert_true(dimm_book_is_removing(*state, "d", 5 + REMOVAL_US - 1));
    assert_false(dimm_book_is_removing(*state, "d", 5 + REMOVAL_US));
    dimm_book_unplug_ordered(*state, "d", 5 + REMOVAL_US);
    assert_true(dimm_book_is_removing(*state, "d", 5 + REMOVAL_US));
    dimm_book_unplug_failed(*state, "d");
    assert_false(dimm_book_is_removing(*state, "d", 5 + REMOVAL_US));
}

static void
test_reset_forgets(void **state)
{
    GuestMemoryEvent told;

    dimm_book_plug_ordered(*state, "a", 1);
    dimm_book_unplug_ordered(*state, "b", 0);
    assert_true(take(*state, QMP_MEMORY_EVENT_RESET, NULL, &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_RESET);
    assert_int_equal(dimm_book_waits_since(*state, "a"), 0);
    assert_false(dimm_book_is_removing(*state, "b", 1));
}

static void
test_others_mean_nothing(void **state)
{
    QmpMemoryEvent cpu = { .kind = QMP_MEMORY_EVENT_ACPI_DEVICE_OST,
                           .device = (char *)"d",
                           .slot = (char *)"0",
                           .slot_type = (char *)"CPU",
                           .source = 3,
                           .status = 1 };
    GuestMemoryEvent told;

    assert_false(qemu_dimms_take_event(*state, &cpu, &told));
    assert_false(take_ost(*state, NULL, 3, 1, &told));
    assert_false(take_ost(*state, "d", 0, 0, &told));
    assert_false(take_ost(*state, "d", 3, 0, &told));
    assert_false(take(*state, QMP_MEMORY_EVENT_STOP, NULL, &told));
    assert_false(take(*state, QMP_MEMORY_EVENT_RESUME, NULL, &told));
    assert_false(take(*state, QMP_MEMORY_EVENT_SHUTDOWN, NULL, &told));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_is_settled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unplugged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others_mean_nothing, setup, teardown),
    };

    return cmocka_run_group_tests_name("qemu-dimms", tests, NULL, NULL);
}
