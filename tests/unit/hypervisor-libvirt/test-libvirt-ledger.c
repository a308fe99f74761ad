/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB  (G_GUINT64_CONSTANT(1) << 20)
#define DIMM "ua-memplug-dimm0"

static const LibvirtLedgerTuning tuning = { .removal_us = 1000,
                                            .acknowledge_us = 100,
                                            .lost_us = 50 };

/* A guest with one DIMM and a balloon, as its XML has it. */
typedef struct {
    LibvirtLedger *ledger;
    GuestMemory memory;
    MemoryDevice dimm;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->ledger = libvirt_ledger_new(&tuning);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    libvirt_ledger_free(fixture->ledger);
    g_free(fixture);
    return 0;
}

static char dimm_id[] = DIMM;

/* Returns: what the guest has at @now; the balloon holds @ballooned. */
static const GuestMemory *
look(Fixture *fixture, gboolean hears_ost, guint64 ballooned, gint64 now)
{
    fixture->dimm = (MemoryDevice){ .id = dimm_id, .size = 128 * MIB, .acknowledged = TRUE };
    fixture->memory = (GuestMemory){ .boot = 256 * MIB,
                                     .has_balloon = TRUE,
                                     .ballooned = ballooned,
                                     .balloon_requested = ballooned,
                                     .devices = &fixture->dimm,
                                     .n_devices = 1 };
    libvirt_ledger_complete(fixture->ledger, &fixture->memory, TRUE, hears_ost, now);
    return &fixture->memory;
}

static gboolean
hear(Fixture *fixture, LibvirtEventKind kind, const char *text, int number, int detail,
     GuestMemoryEvent *told)
{
    const LibvirtEvent event = { kind, NULL, number, detail, text };

    return libvirt_ledger_take_event(fixture->ledger, &event, told);
}

static const MemoryStep plug = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
static const MemoryStep unplug = { .kind = MEMORY_STEP_UNPLUG_DIMM, .device = DIMM };
static const MemoryStep inflate = { .kind = MEMORY_STEP_SET_BALLOON, .size = 64 * MIB };

static void
test_a_dimm_is_taken_when_the_guest_says_so(void **state)
{
    Fixture *fixture = *state;
    GuestMemoryEvent told;

    libvirt_ledger_order(fixture->ledger, &plug, 10);
    libvirt_ledger_ordered(fixture->ledger, &plug, DIMM, 10);
    assert_false(look(fixture, TRUE, 0, 5000)->devices[0].acknowledged);
    assert_true(hear(fixture, LIBVIRT_EVENT_OST, DIMM, 1, 0, &told));
    assert_int_equal(told.kind, GUEST_MEMORY_EVENT_CHANGED);
    assert_string_equal(told.device, DIMM);
    assert_true(look(fixture, TRUE, 0, 5000)->devices[0].acknowledged);
}

static void
test_a_word_that_comes_before_the_reply_counts(void **state)
{
    Fixture *fixture = *state;
    GuestMemoryEvent told;

    assert_true(hear(fixture, LIBVIRT_EVENT_OST, DIMM, 1, 0, &told));
    libvirt_ledger_ordered(fixture->ledger, &plug, DIMM, 10);
    assert_true(look(fixture, TRUE, 0, 11)->devices[0].acknowledged);

    /* Of the DIMM that was, not of the next one of that name. */
    assert_true(hear(fixture, LIBVIRT_EVENT_DEVICE_REMOVED, DIMM, 0, 0, &told));
    libvirt_ledger_ordered(fixture->ledger, &plug, DIMM, 20);
    assert_false(look(fixture, TRUE, 0, 21)->devices[0].acknowledged);
}

static void
test_without_the_word_time_counts(void **state)
{
    Fixture *fixture = *state;

    libvirt_ledger_ordered(fixture->ledger, &plug, DIMM, 10);
    assert_false(look(fixture, FALSE, 0, 10 + 99)->devices[0].acknowledged);
    assert_true(look(fixture, FALSE, 0, 10 + 100)->devices[0].acknowledged);
}

static void
test_a_dimm_is_being_removed_until_an_outcome(void **state)
{
    static const struct {
        LibvirtEventKind kind;
        int number, detail;
        GuestMemoryEventKind told;
    } outcomes[] = {
        { LIBVIRT_EVENT_DEVICE_REMOVED, 0, 0, GUEST_MEMORY_EVENT_UNPLUGGED },
        { LIBVIRT_EVENT_DEVICE_KEPT, 0, 0, GUEST_MEMORY_EVENT_UNPLUG_REFUSED },
        { LIBVIRT_EVENT_OST, 3, 0x82, GUEST_MEMORY_EVENT_UNPLUG_REFUSED },
        { LIBVIRT_EVENT_REBOOT, 0, 0, GUEST_MEMORY_EVENT_RESET },
    };
    Fixture *fixture = *state;

    for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        GuestMemoryEvent told;

        libvirt_ledger_order(fixture->ledger, &unplug, 10);
        libvirt_ledger_ordered(fixture->ledger, &unplug, "", 10);
        assert_true(look(fixture, TRUE, 0, 11)->devices[0].removing);
        assert_true(
            hear(fixture, outcomes[i].kind, DIMM, outcomes[i].number, outcomes[i].detail, &told));
        assert_int_equal(told.kind, outcomes[i].told);
        assert_false(look(fixture, TRUE, 0, 11)->devices[0].removing);
    }
}

static void
test_a_removal_ends_by_failure_or_time(void **state)
{
    Fixture *fixture = *state;

    libvirt_ledger_order(fixture->ledger, &unplug, 10);
    libvirt_ledger_failed(fixture->ledger, &unplug);
    assert_false(look(fixture, TRUE, 0, 11)->devices[0].removing);

    libvirt_ledger_order(fixture->ledger, &unplug, 10);
    assert_true(look(fixture, TRUE, 0, 10 + 999)->devices[0].removing);
    assert_false(look(fixture, TRUE, 0, 10 + 1000)->devices[0].removing);
}

static void
test_a_report_that_an_eject_goes_on_means_nothing(void **state)
{
    GuestMemoryEvent told;

    assert_false(hear(*state, LIBVIRT_EVENT_OST, DIMM, 3, 0x84, &told));
    assert_false(hear(*state, LIBVIRT_EVENT_OST, DIMM, 0x200, 1, &told));
    assert_false(hear(*state, LIBVIRT_EVENT_LIFECYCLE, NULL, 0, 0, &told));
}

static void
test_what_the_balloon_was_asked_is_kept_until_somebody_else_asks(void **state)
{
    Fixture *fixture = *state;

    libvirt_ledger_ordered(fixture->ledger, &inflate, "", 10);
    assert_int_equal(look(fixture, TRUE, 20 * MIB, 11)->balloon_requested, 64 * MIB);
    assert_int_equal(look(fixture, TRUE, 64 * MIB, 12)->balloon_requested, 64 * MIB);
    assert_int_equal(look(fixture, TRUE, 32 * MIB, 13)->balloon_requested, 32 * MIB);
    assert_int_equal(look(fixture, TRUE, 64 * MIB, 14)->balloon_requested, 64 * MIB);
}

static void
test_a_restarted_guest_fills_its_balloon_anew(void **state)
{
    Fixture *fixture = *state;
    GuestMemoryEvent told;

    libvirt_ledger_ordered(fixture->ledger, &inflate, "", 10);
    look(fixture, TRUE, 64 * MIB, 11);
    assert_true(hear(fixture, LIBVIRT_EVENT_REBOOT, NULL, 0, 0, &told));
    assert_int_equal(look(fixture, TRUE, 0, 12)->balloon_requested, 64 * MIB);
}

static void
test_what_was_given_is_asked_for_once(void **state)
{
    Fixture *fixture = *state;

    assert_true(libvirt_ledger_wants_given(fixture->ledger));
    libvirt_ledger_take_given(fixture->ledger, 200 * MIB);
    assert_false(libvirt_ledger_wants_given(fixture->ledger));
    assert_int_equal(look(fixture, TRUE, 0, 1)->given, 200 * MIB);
    libvirt_ledger_forget_given(fixture->ledger);
    assert_true(libvirt_ledger_wants_given(fixture->ledger));
    assert_int_equal(look(fixture, TRUE, 0, 1)->given, 200 * MIB);
}

/* As look(), of a guest whose balloon counts @beyond more than libvirt knows. */
static GuestMemory *
look_beyond(Fixture *fixture, guint64 beyond, guint64 ballooned, gint64 now)
{
    GuestMemory *memory = g_new0(GuestMemory, 1);

    memory->boot = 256 * MIB;
    memory->has_balloon = TRUE;
    memory->ballooned = memory->balloon_requested = ballooned;
    memory->beyond = beyond;
    libvirt_ledger_complete(fixture->ledger, memory, TRUE, TRUE, now);
    return memory;
}

static void
assert_lost(Fixture *fixture, guint64 beyond, guint64 ballooned, gint64 now, guint64 lost,
            guint64 actual)
{
    g_autoptr(GuestMemory) memory = look_beyond(fixture, beyond, ballooned, now);

    assert_int_equal(libvirt_ledger_get_lost(fixture->ledger), lost);
    assert_int_equal(guest_memory_dimms(memory), lost);
    assert_int_equal(guest_memory_actual(memory), actual);
}

static void
test_what_stays_beyond_is_a_lost_dimm(void **state)
{
    Fixture *fixture = *state;

    assert_lost(fixture, 256 * MIB, 0, 1, 0, 256 * MIB);
    assert_lost(fixture, 256 * MIB, 0, 50, 0, 256 * MIB);
    assert_lost(fixture, 256 * MIB, 0, 51, 256 * MIB, 512 * MIB);
    /* The balloon holds some of it, all of it, and more: its figure is still the truth. */
    assert_lost(fixture, 156 * MIB, 0, 52, 256 * MIB, 412 * MIB);
    assert_lost(fixture, 0, 0, 53, 256 * MIB, 256 * MIB);
    assert_lost(fixture, 0, 56 * MIB, 54, 256 * MIB, 200 * MIB);
    assert_lost(fixture, 256 * MIB, 0, 55, 256 * MIB, 512 * MIB);
    /* Another one. */
    assert_lost(fixture, 384 * MIB, 0, 60, 256 * MIB, 512 * MIB);
    assert_lost(fixture, 384 * MIB, 0, 110, 384 * MIB, 640 * MIB);
}

/* While libvirt attaches and detaches, and what no DIMM can be. */
static void
test_what_passes_is_no_lost_dimm(void **state)
{
    Fixture *fixture = *state;

    assert_lost(fixture, 256 * MIB, 0, 1, 0, 256 * MIB);
    assert_lost(fixture, 0, 0, 40, 0, 256 * MIB);
    assert_lost(fixture, 256 * MIB, 0, 60, 0, 256 * MIB);
    assert_lost(fixture, 128 * MIB, 0, 100, 0, 256 * MIB);
    assert_lost(fixture, 100 * MIB, 0, 120, 0, 256 * MIB);
    assert_lost(fixture, 100 * MIB, 0, 900, 0, 256 * MIB);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_dimm_is_taken_when_the_guest_says_so),
        CASE(test_a_word_that_comes_before_the_reply_counts),
        CASE(test_without_the_word_time_counts),
        CASE(test_a_dimm_is_being_removed_until_an_outcome),
        CASE(test_a_removal_ends_by_failure_or_time),
        CASE(test_a_report_that_an_eject_goes_on_means_nothing),
        CASE(test_what_the_balloon_was_asked_is_kept_until_somebody_else_asks),
        CASE(test_a_restarted_guest_fills_its_balloon_anew),
        CASE(test_what_was_given_is_asked_for_once),
        CASE(test_what_stays_beyond_is_a_lost_dimm),
        CASE(test_what_passes_is_no_lost_dimm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
