/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reservations above guests that do as they are told, or do not; the host is a folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "daemon/cycle.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-hypervisor.h"
#include "tests/fake/test-folder.h"

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define BUDGET (1024 * MIB)
#define URI    "fake:"

typedef struct {
    char *root; /* the host's /proc, and the state folder */
    FakeHypervisor *hypervisor;
    Config *config;
    IntentStore *intents;
    Roster *roster;
    Reservations *reservations;
    Cycle *cycle;
    FakeGuest *guests[4];
    GString *told; /* each state that a lease entered, a line each */
} Bed;

static void
write_file(const Bed *bed, const char *path, const char *text)
{
    g_autofree char *full = g_strconcat(bed->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
write_meminfo(const Bed *bed, guint64 available)
{
    g_autofree char *text = g_strdup_printf("MemTotal: 4194304 kB\nMemFree: 1000 kB\n"
                                            "MemAvailable: %" G_GUINT64_FORMAT " kB\n",
                                            available / 1024);

    write_file(bed, "/proc/meminfo", text);
}

static void
on_changed(Reservations *reservations, const Lease *lease, gpointer data)
{
    Bed *bed = data;

    g_string_append_printf(bed->told, "%s%s\n", lease_state_name(lease->state),
                           lease->state == LEASE_GRANTED && lease->taken ? " taken" : "");
}

/* For whoever looks into a failure: shown with G_MESSAGES_DEBUG=all. */
static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    event_log(event);
}

/* A daemon begins. */
static void
begin(Bed *bed)
{
    bed->roster = roster_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->config, bed->intents, FALSE);
    g_signal_connect(bed->roster, "event", G_CALLBACK(on_event), NULL);
    bed->cycle = cycle_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->roster, bed->config, BUDGET);
    bed->reservations =
        reservations_new(bed->roster, lease_store_open(bed->root, URI, "boot"), bed->root, 0);
    g_signal_connect(bed->reservations, "changed", G_CALLBACK(on_changed), bed);
    cycle_set_reservations(bed->cycle, bed->reservations);
    cycle_watch_host(bed->cycle, bed->root);
}

static void
stop(Bed *bed)
{
    cycle_free(bed->cycle);
    g_object_unref(bed->reservations);
    g_object_unref(bed->roster);
    await_quiet();
}

static FakeGuest *
add_guest(Bed *bed, const char *name, guint64 used)
{
    FakeGuest *guest = fake_guest_new(name, 256 * MIB, 256 * MIB, 0, TRUE);

    fake_guest_add_virtio_mem(guest, 4096 * MIB);
    fake_hypervisor_add(bed->hypervisor, guest, used);
    await_quiet();
    return guest;
}

/* A host of 1 GiB for guests, full of four that use @used each. */
static void
bed_start(Bed *bed, guint64 used)
{
    static const char *const names[] = { "a", "b", "c", "d" };

    *bed = (Bed){ .hypervisor = fake_hypervisor_new(),
                  .root = test_folder_new("reservations"),
                  .told = g_string_new(NULL) };
    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->config->budget = BUDGET;
    bed->config->marks = (HostMarks){ .soft = 100 * MIB, .hard = 50 * MIB, .emergency = 25 * MIB };
    bed->config->defaults.set |= GUEST_LIMIT_FLOOR;
    bed->config->defaults.floor = 64 * MIB;
    bed->intents = intent_store_new_volatile();
    write_meminfo(bed, 2048 * MIB);
    begin(bed);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        bed->guests[i] = add_guest(bed, names[i], used);
}

static void
bed_end(Bed *bed)
{
    stop(bed);
    g_object_unref(bed->hypervisor);
    intent_store_free(bed->intents);
    config_free(bed->config);
    test_folder_free(bed->root);
    g_string_free(bed->told, TRUE);
}

static guint64
have(const Bed *bed)
{
    guint64 sum = 0;

    for (guint i = 0; i < G_N_ELEMENTS(bed->guests); i++)
        sum += guest_memory_actual(&bed->guests[i]->memory);
    return sum;
}

/* Seconds of the guests' life. What they have and what is granted never exceeds the budget. */
static void
live(Bed *bed, guint seconds)
{
    for (guint i = 0; i < seconds; i++) {
        g_auto(Await) await = { NULL };

        hypervisor_collect_async(MEMPLUG_HYPERVISOR(bed->hypervisor), 100, NULL, await_callback,
                                 &await);
        assert_true(hypervisor_collect_finish(MEMPLUG_HYPERVISOR(bed->hypervisor),
                                              await_result(&await), NULL));
        cycle_run(bed->cycle, g_get_monotonic_time());
        await_ms(8);
        assert_true(have(bed) + leases_granted(reservations_get_leases(bed->reservations)) <=
                    BUDGET);
    }
}

static const Lease *
ask(Bed *bed, const char *guest, guint64 size)
{
    const LeaseTerms terms = { .asked = size, .guest = guest, .purpose = "test" };
    g_autoptr(GError) error = NULL;
    const Lease *lease = reservations_ask(bed->reservations, &terms, &error);

    assert_null(error);
    return lease;
}

static void
test_a_full_pool_makes_room(void **state)
{
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    lease = ask(&bed, "new", 256 * MIB);
    live(&bed, 4);
    assert_int_equal(lease->state, LEASE_GRANTED);
    assert_int_equal(lease->granted, 256 * MIB);
    assert_true(have(&bed) <= BUDGET - 256 * MIB);
    for (guint i = 0; i < 4; i++)
        assert_true(guest_memory_actual(&bed.guests[i]->memory) >= 104 * MIB);
    assert_true(reservations_hold(bed.reservations, lease->id, 0, NULL));
    assert_string_equal(bed.told->str, "asked\ngathering\ngranted\ngranted taken\n");

    /* It comes: what was held is its own now. */
    add_guest(&bed, "new", 40 * MIB);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_TRANSFERRED);
    assert_int_equal(cycle_get_settings(bed.cycle)->claimed, 0);
    bed_end(&bed);
}

static void
test_nobody_busy_pays(void **state)
{
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 240 * MIB);
    live(&bed, 1);
    lease = ask(&bed, "new", 256 * MIB);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_FAILED);
    for (guint i = 0; i < 4; i++) {
        g_autofree char *part = g_strdup_printf("; %c keeps 256 MiB of 256 MiB (in use)", 'a' + i);

        assert_non_null(strstr(lease->reason, part));
        assert_int_equal(guest_memory_actual(&bed.guests[i]->memory), 256 * MIB);
    }
    bed_end(&bed);
}

static void
test_what_can_never_be_is_told_so(void **state)
{
    const LeaseTerms terms = { .asked = 900 * MIB, .patient = TRUE, .wait_us = G_USEC_PER_SEC };
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    lease = reservations_ask(bed.reservations, &terms, NULL);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_FAILED);
    assert_non_null(strstr(lease->reason, "768 MiB of the budget of 1 GiB can be had, were all "
                                          "guests at their floors"));
    bed_end(&bed);
}

static void
test_senseless_terms_are_refused(void **state)
{
    const LeaseTerms runs = { .asked = MIB, .guest = "a" };
    const LeaseTerms twice = { .asked = MIB, .guest = "new" };
    const LeaseTerms crossed = { .asked = MIB, .at_least = 2 * MIB };
    const LeaseTerms none = { .asked = 0 };
    g_autoptr(GError) error = NULL;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    assert_null(reservations_ask(bed.reservations, &runs, &error));
    assert_non_null(strstr(error->message, "'a' runs already"));
    assert_non_null(reservations_ask(bed.reservations, &twice, NULL));
    assert_null(reservations_ask(bed.reservations, &twice, NULL));
    assert_null(reservations_ask(bed.reservations, &crossed, NULL));
    assert_null(reservations_ask(bed.reservations, &none, NULL));
    assert_false(reservations_release(bed.reservations, 77, NULL));
    bed_end(&bed);
}

/* A donor does not follow: those that did get back what they gave. */
static void
test_donors_get_back_what_they_gave(void **state)
{
    const LeaseTerms terms = { .asked = 400 * MIB, .wait_us = 3600 * (gint64)G_USEC_PER_SEC };
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    bed.guests[3]->manners.holds_still = TRUE;
    lease = reservations_ask(bed.reservations, &terms, NULL);
    live(&bed, 3);
    assert_int_equal(lease->state, LEASE_GATHERING);
    assert_true(guest_memory_actual(&bed.guests[0]->memory) < 200 * MIB);
    leases_find(reservations_get_leases(bed.reservations), lease->id)->deadline_us = 1;
    live(&bed, 3);
    assert_int_equal(lease->state, LEASE_FAILED);
    /* Each guest is named, with what it keeps and why, and what it has not given. */
    assert_true(g_str_has_prefix(lease->reason, "too little came free in time: "));
    assert_non_null(
        strstr(lease->reason, "300 MiB of 400 MiB; a keeps 104 MiB of 156 MiB (in use); "));
    assert_non_null(strstr(lease->reason,
                           "; d keeps 104 MiB of 256 MiB (in use, and has yet to give "
                           "100 MiB)"));
    for (guint i = 0; i < 3; i++)
        assert_int_equal(guest_memory_actual(&bed.guests[i]->memory), 256 * MIB);
    assert_int_equal(managed_guest_get_status(roster_get_guests(bed.roster)->pdata[3])->requested,
                     256 * MIB);
    bed_end(&bed);
}

/* Who waits until others need less, and they do not, is told at the end what they need. */
static void
test_patience_ends_with_reasons(void **state)
{
    const LeaseTerms terms = { .asked = 300 * MIB,
                               .patient = TRUE,
                               .wait_us = 3600 * (gint64)G_USEC_PER_SEC };
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 240 * MIB);
    live(&bed, 1);
    lease = reservations_ask(bed.reservations, &terms, NULL);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_ASKED);
    leases_find(reservations_get_leases(bed.reservations), lease->id)->deadline_us = 1;
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_FAILED);
    assert_true(
        g_str_has_prefix(lease->reason, "too little came free in time: no room for 300 MiB"));
    assert_non_null(strstr(lease->reason, "; c keeps 256 MiB of 256 MiB (in use)"));
    bed_end(&bed);
}

static void
test_the_host_must_have_it(void **state)
{
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    write_meminfo(&bed, 200 * MIB);
    live(&bed, 1);
    lease = ask(&bed, NULL, 256 * MIB);
    live(&bed, 4);
    assert_int_equal(lease->state, LEASE_GATHERING);
    assert_string_equal(lease->reason, "the host has no more than 200 MiB available");
    write_meminfo(&bed, 256 * MIB);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_GRANTED);
    bed_end(&bed);
}

/* All fake guests are run by process 1. */
static void
test_the_memory_must_come_back(void **state)
{
    g_autofree char *before = g_strdup_printf("9999 %" G_GUINT64_FORMAT " 0 0 0 0 0\n",
                                              300 * MIB / (guint64)sysconf(_SC_PAGESIZE));
    g_autofree char *after = g_strdup_printf("9999 %" G_GUINT64_FORMAT " 0 0 0 0 0\n",
                                             200 * MIB / (guint64)sysconf(_SC_PAGESIZE));
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    write_file(&bed, "/proc/1/statm", before);
    live(&bed, 1);
    lease = ask(&bed, NULL, 512 * MIB);
    live(&bed, 4);
    /* They have 128 each now, and 128 are QEMU's: 44 are still missing of each. */
    assert_int_equal(lease->state, LEASE_GATHERING);
    assert_non_null(strstr(lease->reason, "the QEMU of a has not given back 44 MiB"));
    write_file(&bed, "/proc/1/statm", after);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_GRANTED);
    bed_end(&bed);
}

/* An emulator that takes more for itself holds nobody up who gave nothing. */
static void
test_who_gave_nothing_owes_nothing(void **state)
{
    g_autofree char *before = g_strdup_printf("9999 %" G_GUINT64_FORMAT " 0 0 0 0 0\n",
                                              200 * MIB / (guint64)sysconf(_SC_PAGESIZE));
    g_autofree char *after = g_strdup_printf("9999 %" G_GUINT64_FORMAT " 0 0 0 0 0\n",
                                             900 * MIB / (guint64)sysconf(_SC_PAGESIZE));
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    bed.config->budget = 2 * BUDGET;
    cycle_configure(bed.cycle, bed.config);
    write_file(&bed, "/proc/1/statm", before);
    write_meminfo(&bed, 150 * MIB);
    live(&bed, 1);
    lease = ask(&bed, NULL, 256 * MIB);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_GATHERING);
    write_file(&bed, "/proc/1/statm", after);
    write_meminfo(&bed, 300 * MIB);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_GRANTED);
    bed_end(&bed);
}

static void
test_ten_at_once(void **state)
{
    const Lease *leases[10];
    guint granted = 0;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    for (guint i = 0; i < G_N_ELEMENTS(leases); i++) {
        g_autofree char *name = g_strdup_printf("new%u", i);

        leases[i] = ask(&bed, name, 128 * MIB);
    }
    live(&bed, 6);
    /* 608 MiB are idle. Who came first is served; the others are told at once. */
    for (guint i = 0; i < G_N_ELEMENTS(leases); i++) {
        granted += leases[i]->state == LEASE_GRANTED;
        assert_true(leases[i]->state == (i < 4 ? LEASE_GRANTED : LEASE_FAILED));
    }
    assert_int_equal(granted, 4);
    bed_end(&bed);
}

static void
test_who_has_gone_leaves_nothing(void **state)
{
    const Lease *lease, *taken;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    lease = ask(&bed, NULL, 128 * MIB);
    taken = ask(&bed, NULL, 128 * MIB);
    live(&bed, 4);
    assert_true(reservations_hold(bed.reservations, taken->id, 0, NULL));
    reservations_abandon(bed.reservations, lease->id);
    reservations_abandon(bed.reservations, taken->id);
    assert_int_equal(lease->state, LEASE_FAILED);
    assert_int_equal(taken->state, LEASE_GRANTED);
    assert_true(reservations_release(bed.reservations, taken->id, NULL));
    live(&bed, 2);
    assert_int_equal(have(&bed), BUDGET);
    bed_end(&bed);
}

static void
test_a_process_is_looked_after(void **state)
{
    g_autofree char *self = g_strdup_printf("/proc/%d/stat", 4711);
    g_autoptr(GError) error = NULL;
    const Lease *lease;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    live(&bed, 1);
    lease = ask(&bed, NULL, 128 * MIB);
    live(&bed, 4);
    assert_false(reservations_hold(bed.reservations, lease->id, 4711, &error));
    write_file(&bed, self, "4711 (qemu) x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20");
    assert_true(reservations_hold(bed.reservations, lease->id, 4711, NULL));
    assert_int_equal(lease->process_id, 777);
    await_ms(1010);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_GRANTED);
    /* Another process of that number. */
    write_file(&bed, self, "4711 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 778 20");
    await_ms(1010);
    live(&bed, 1);
    assert_int_equal(lease->state, LEASE_RELEASED);
    bed_end(&bed);
}

/* Killed at each stage: nothing is held for nobody after, nothing is promised twice. */
static void
test_restart_at_each_stage(void **state)
{
    for (LeaseState stage = LEASE_ASKED; stage <= LEASE_GRANTED + 1; stage++) {
        const LeaseTerms patient = { .asked = 700 * MIB, .patient = TRUE };
        gboolean taken = stage == LEASE_GRANTED + 1;
        const Lease *lease;
        guint64 id;
        Bed bed;

        bed_start(&bed, 40 * MIB);
        live(&bed, 1);
        if (stage == LEASE_GATHERING)
            bed.guests[3]->manners.holds_still = TRUE;
        lease = stage == LEASE_ASKED ? reservations_ask(bed.reservations, &patient, NULL)
                                     : ask(&bed, "new", 256 * MIB);
        id = lease->id;
        live(&bed, 4);
        if (taken)
            assert_true(reservations_hold(bed.reservations, id, 0, NULL));
        assert_int_equal(lease->state, taken ? LEASE_GRANTED : stage);
        stop(&bed);

        bed.guests[3]->manners.holds_still = FALSE;
        begin(&bed);
        for (guint i = 0; i < 4; i++)
            hypervisor_emit_guest_added(MEMPLUG_HYPERVISOR(bed.hypervisor),
                                        MEMPLUG_GUEST(bed.guests[i]));
        await_quiet();
        lease = reservations_find(bed.reservations, id);
        assert_int_equal(lease->state, taken ? LEASE_GRANTED : LEASE_FAILED);
        live(&bed, 4);
        assert_int_equal(cycle_get_settings(bed.cycle)->claimed, taken ? 256 * MIB : 0);
        /* Those who gave got it back. */
        if (stage == LEASE_GATHERING || stage == LEASE_GRANTED)
            assert_int_equal(have(&bed), BUDGET);
        assert_true(ask(&bed, "other", MIB)->id > id);
        bed_end(&bed);
    }
}

/* What was kept under another boot is of no use, and what is spoilt is left out. */
static void
test_what_is_kept_is_looked_at(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    char *root = test_folder_new("leases");
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, URI, -1);
    g_autofree char *path = g_strdup_printf("%s/%.16s.leases", root, digest);
    LeaseStore *store = lease_store_open(root, URI, "one");
    const LeaseTerms terms = { .asked = 5, .guest = "web", .purpose = "[x]\n=", .ttl_us = 7 };
    Lease *lease = leases_ask(leases, 9, &terms, 3);

    leases_promise(leases, 5, 3);
    leases_grant(leases, 5, 3);
    lease_hold(lease, 4711, 8);
    lease_owe(lease, "a@1-1", 3);
    lease_store_save(store, leases, 9);
    lease_store_free(store);

    g_clear_pointer(&leases, leases_free);
    leases = leases_new();
    store = lease_store_open(root, URI, "two");
    assert_int_equal(lease_store_load(store, leases, 4), 9);
    assert_int_equal(leases_all(leases)->len, 0);
    lease_store_free(store);

    store = lease_store_open(root, URI, "one");
    assert_int_equal(lease_store_load(store, leases, 4), 9);
    lease = leases_find(leases, 9);
    assert_int_equal(lease->granted, 5);
    assert_int_equal(lease->process, 4711);
    assert_int_equal(lease->process_id, 8);
    assert_string_equal(lease->purpose, "[x]\n=");
    assert_string_equal(g_array_index(lease->debts, LeaseDebt, 0).instance, "a@1-1");
    lease_store_free(store);

    g_clear_pointer(&leases, leases_free);
    leases = leases_new();
    assert_true(g_file_set_contents(path,
                                    "[leases]\nboot=one\nlast=12\n[lease 3]\nstate=granted\n"
                                    "asked=5\nat_least=9\n[lease x]\n[web]\n",
                                    -1, NULL));
    store = lease_store_open(root, URI, "one");
    assert_int_equal(lease_store_load(store, leases, 4), 12);
    assert_int_equal(leases_all(leases)->len, 0);
    lease_store_free(store);
    test_folder_free(root);
}

/* Something outside of all guests takes the host's memory: those that can spare some give way
 * first, nobody goes below his floor, and all returns after. */
static void
test_others_push_and_go(void **state)
{
    guint64 soft, hard;
    Bed bed;

    bed_start(&bed, 40 * MIB);
    fake_hypervisor_use(bed.hypervisor, 0, 200 * MIB);
    live(&bed, 2);
    /* 300 MiB are missing at the soft mark: of three guests' 456 to spare. */
    write_meminfo(&bed, 80 * MIB);
    live(&bed, 2);
    soft = have(&bed);
    assert_true(soft < BUDGET - 15 * MIB);
    assert_true(guest_memory_actual(&bed.guests[0]->memory) >= 256 * MIB);
    /* Nobody is promised anything meanwhile, nor lent. */
    assert_int_equal(ask(&bed, NULL, MIB)->state, LEASE_ASKED);
    live(&bed, 1);
    assert_string_equal(
        ((const Lease *)leases_all(reservations_get_leases(bed.reservations))->pdata[0])->reason,
        "no room for 1 MiB: the host itself is short of memory");

    write_meminfo(&bed, 40 * MIB);
    live(&bed, 12);
    hard = have(&bed);
    assert_true(hard < soft);
    write_meminfo(&bed, 10 * MIB);
    live(&bed, 3);
    for (guint i = 0; i < 4; i++)
        assert_int_equal(guest_memory_actual(&bed.guests[i]->memory), 64 * MIB);
    bed_end(&bed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pool_makes_room),
        cmocka_unit_test(test_nobody_busy_pays),
        cmocka_unit_test(test_what_can_never_be_is_told_so),
        cmocka_unit_test(test_senseless_terms_are_refused),
        cmocka_unit_test(test_donors_get_back_what_they_gave),
        cmocka_unit_test(test_patience_ends_with_reasons),
        cmocka_unit_test(test_the_host_must_have_it),
        cmocka_unit_test(test_the_memory_must_come_back),
        cmocka_unit_test(test_who_gave_nothing_owes_nothing),
        cmocka_unit_test(test_ten_at_once),
        cmocka_unit_test(test_who_has_gone_leaves_nothing),
        cmocka_unit_test(test_a_process_is_looked_after),
        cmocka_unit_test(test_restart_at_each_stage),
        cmocka_unit_test(test_what_is_kept_is_looked_at),
        cmocka_unit_test(test_others_push_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
