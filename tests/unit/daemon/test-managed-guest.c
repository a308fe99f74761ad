/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may say what a guest has, and what becomes of it: administrators by memplug and by
 * hand, obstacles and caps, and a guest's earlier runs. The cycle does not run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/managed-guest.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    Config *config;
    IntentStore *intents;
    FakeGuest *guest;
    ManagedGuest *managed;
    char *last_held; /* what the last EVENT_HELD said */
    char *last_state;
} Bed;

static void
keep_message(char **kept, const Event *event)
{
    g_free(*kept);
    *kept = g_strdup(event->message);
}

static void
on_event(ManagedGuest *managed, const Event *event, gpointer data)
{
    Bed *bed = data;

    if (event->kind == EVENT_HELD)
        keep_message(&bed->last_held, event);
    if (event->kind == EVENT_STATE)
        keep_message(&bed->last_state, event);
}

static const GuestStatus *
status(Bed *bed)
{
    return managed_guest_get_status(bed->managed);
}

static gboolean
is_observed(gpointer data)
{
    return status(data)->observed;
}

static void
find_guest(Bed *bed, FakeGuest *guest)
{
    bed->guest = guest;
    bed->managed = managed_guest_new(MEMPLUG_GUEST(guest), bed->config, bed->intents, FALSE);
    g_signal_connect(bed->managed, "event", G_CALLBACK(on_event), bed);
    await_condition(is_observed, bed, "the first observation");
    await_quiet();
}

static void
lose_guest(Bed *bed)
{
    managed_guest_stop(bed->managed);
    await_quiet();
    g_clear_object(&bed->managed);
    g_clear_object(&bed->guest);
}

static int
setup(void **state)
{
    Bed *bed = g_new0(Bed, 1);

    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->intents = intent_store_new_volatile();
    *state = bed;
    return 0;
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    if (bed->managed)
        lose_guest(bed);
    intent_store_free(bed->intents);
    config_free(bed->config);
    g_free(bed->last_held);
    g_free(bed->last_state);
    g_free(bed);
    return 0;
}

/* Of 256 MiB, with an empty virtio-mem device of up to 1 GiB, and a balloon. */
static FakeGuest *
guest_with_virtio_mem(void)
{
    FakeGuest *guest = fake_guest_new("web", 256 * MIB, 256 * MIB, 0, TRUE);

    fake_guest_add_virtio_mem(guest, 1024 * MIB);
    return guest;
}

static gboolean
is_where_it_was_asked_to_be(gpointer data)
{
    Bed *bed = data;

    return status(bed)->actual == status(bed)->requested &&
           resize_get_phase(managed_guest_get_resize(bed->managed)) == RESIZE_SETTLED;
}

static void
await_settled(Bed *bed)
{
    await_condition(is_where_it_was_asked_to_be, bed, "the guest to settle");
}

static void
set_memory(Bed *bed, guint64 size)
{
    g_autoptr(GError) error = NULL;

    if (managed_guest_set_memory(bed->managed, size, &error) == 0)
        fail_msg("%s", error->message);
    await_settled(bed);
}

static void
refuse_memory(Bed *bed, guint64 size, const char *part)
{
    g_autoptr(GError) error = NULL;

    assert_int_equal(managed_guest_set_memory(bed->managed, size, &error), 0);
    if (!strstr(error->message, part))
        fail_msg("unexpected message: %s", error->message);
}

/* As "virsh update-memory-device" does. */
static void
resize_by_hand(Bed *bed, guint64 size)
{
    bed->guest->memory.devices[0].requested = bed->guest->memory.devices[0].size = size;
    resize_refresh(managed_guest_get_resize(bed->managed));
}

static gboolean
is_held(gpointer data)
{
    return status(data)->held;
}

/*
 * Somebody else
 */

static void
test_a_guest_resized_by_hand_is_held_there(void **state)
{
    Bed *bed = *state;
    Intent kept;

    find_guest(bed, guest_with_virtio_mem());
    resize_by_hand(bed, 64 * MIB);
    await_condition(is_held, bed, "the hand to be respected");
    assert_int_equal(status(bed)->requested, 320 * MIB);
    assert_non_null(strstr(bed->last_held, "virtio-mem vm0 0 MiB → 64 MiB"));
    assert_non_null(strstr(bed->last_held, "'memplug manage web on'"));
    assert_true(status(bed)->decision > 0);
    await_quiet();
    assert_int_equal(bed->guest->ordered, 0);
    assert_true(intent_store_get(bed->intents, "web@1-1", &kept));
    assert_true(kept.held);
    assert_int_equal(kept.requested, 320 * MIB);
}

static gboolean
has_newer_word(gpointer data)
{
    return status(data)->requested == 288 * MIB;
}

static void
test_the_newer_word_holds(void **state)
{
    Bed *bed = *state;

    find_guest(bed, guest_with_virtio_mem());
    set_memory(bed, 512 * MIB);
    resize_by_hand(bed, 32 * MIB);
    await_condition(has_newer_word, bed, "the newer word");
    assert_true(status(bed)->held);
    set_memory(bed, 768 * MIB);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 768 * MIB);
}

static gboolean
follows(gpointer data)
{
    return status(data)->requested == 320 * MIB;
}

static void
test_an_unmanaged_guest_is_just_followed(void **state)
{
    Bed *bed = *state;
    FakeGuest *guest = guest_with_virtio_mem();
    const GuestLimits own = { .set = GUEST_LIMIT_MANAGED, .managed = FALSE };

    guest_take_limits(MEMPLUG_GUEST(guest), &own);
    find_guest(bed, guest);
    resize_by_hand(bed, 64 * MIB);
    await_condition(follows, bed, "the change");
    assert_false(status(bed)->held);
    assert_null(bed->last_held);
    assert_int_equal(guest->ordered, 0);
}

/*
 * Obstacles and caps
 */

static gboolean
can_be_resized(gpointer data)
{
    return status(data)->force.obstacle == NULL;
}

static void
test_an_obstacle_is_told_and_respected(void **state)
{
    Bed *bed = *state;
    FakeGuest *guest = guest_with_virtio_mem();
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    PlanGuest plan;

    guest->memory.obstacle = g_strdup("a physical device holds all of its memory");
    find_guest(bed, guest);
    assert_string_equal(status(bed)->force.obstacle, guest->memory.obstacle);
    assert_non_null(strstr(bed->last_state, "a physical device"));
    refuse_memory(bed, 512 * MIB, "a physical device");
    managed_guest_plug_virtio_mem_async(bed->managed, 64 * MIB, await_callback, &await);
    assert_false(managed_guest_order_finish(bed->managed, await_result(&await), &error));
    assert_non_null(strstr(error->message, "a physical device"));
    assert_true(managed_guest_collect(bed->managed, &plan, g_get_monotonic_time()));
    assert_int_equal(plan.pin, PLAN_PIN_OBSTACLE);
    assert_int_equal(resize_get_target(managed_guest_get_resize(bed->managed)), 0);
    assert_int_equal(guest->ordered, 0);

    g_clear_pointer(&guest->memory.obstacle, g_free);
    resize_refresh(managed_guest_get_resize(bed->managed));
    await_condition(can_be_resized, bed, "the end of the obstacle");
    set_memory(bed, 512 * MIB);
}

static void
test_a_guest_without_means_says_what_is_missing(void **state)
{
    Bed *bed = *state;

    find_guest(bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE));
    assert_non_null(strstr(status(bed)->force.obstacle, "no balloon"));
    refuse_memory(bed, 512 * MIB, "no balloon");
}

static void
test_even_a_held_guest_is_kept_from_being_killed(void **state)
{
    Bed *bed = *state;

    find_guest(bed, guest_with_virtio_mem());
    set_memory(bed, 1024 * MIB);
    bed->guest->memory.cap = 768 * MIB;
    bed->guest->memory.cap_reason = g_strdup("the domain's memtune hard_limit");
    resize_refresh(managed_guest_get_resize(bed->managed));
    while (guest_memory_actual(&bed->guest->memory) != 768 * MIB)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(status(bed)->requested, 1024 * MIB); /* for when it is over */
    refuse_memory(bed, 769 * MIB, "killed by the domain's memtune hard_limit");
    bed->guest->memory.cap = 0;
    resize_refresh(managed_guest_get_resize(bed->managed));
    await_settled(bed);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 1024 * MIB);
}

/*
 * A virtio-mem device by hand
 */

static void
test_a_virtio_mem_device_can_be_plugged(void **state)
{
    Bed *bed = *state;
    g_auto(Await) await = { NULL };

    find_guest(bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 0, TRUE));
    managed_guest_plug_virtio_mem_async(bed->managed, 1024 * MIB, await_callback, &await);
    assert_true(managed_guest_order_finish(bed->managed, await_result(&await), NULL));
    assert_int_equal(bed->guest->memory.n_devices, 1);
    assert_false(status(bed)->held);
    assert_int_equal(status(bed)->requested, 256 * MIB);
    await_quiet();
    set_memory(bed, 1000 * MIB);
}

static void
test_a_virtio_mem_device_must_fit(void **state)
{
    static const struct {
        guint64 max;
        const char *part;
    } cases[] = {
        { 0, "multiple of 2 MiB" },
        { 3 * MIB, "multiple of 2 MiB" },
        { 2048 * MIB, "leaves 1792 MiB for new devices" },
    };
    Bed *bed = *state;

    find_guest(bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 0, TRUE));
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Await) await = { NULL };
        g_autoptr(GError) error = NULL;

        managed_guest_plug_virtio_mem_async(bed->managed, cases[i].max, await_callback, &await);
        assert_false(managed_guest_order_finish(bed->managed, await_result(&await), &error));
        if (!strstr(error->message, cases[i].part))
            fail_msg("unexpected message: %s", error->message);
    }
    assert_int_equal(bed->guest->ordered, 0);
}

/*
 * Runs of a lineage
 */

/* Run @run of the guest "web", which may have less than it was started with. */
static FakeGuest *
run_of_web(guint run, gboolean continues)
{
    const GuestLimits own = { .set = GUEST_LIMIT_FLOOR, .floor = 256 * MIB };
    FakeGuest *guest = fake_guest_new_of_lineage("web", "uuid", run, continues, 1024 * MIB);

    guest_take_limits(MEMPLUG_GUEST(guest), &own);
    return guest;
}

static void
test_a_restored_guest_goes_on_to_its_requested_size(void **state)
{
    Bed *bed = *state;

    find_guest(bed, run_of_web(1, FALSE));
    bed->guest->manners.holds_still = TRUE;
    assert_true(managed_guest_set_memory(bed->managed, 512 * MIB, NULL) > 0);
    await_quiet();
    lose_guest(bed); /* saved, half way */

    find_guest(bed, run_of_web(2, TRUE));
    assert_true(status(bed)->held);
    await_settled(bed);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 512 * MIB);
}

static void
test_a_guest_that_is_started_anew_begins_anew(void **state)
{
    Bed *bed = *state;

    find_guest(bed, run_of_web(1, FALSE));
    set_memory(bed, 512 * MIB);
    lose_guest(bed);

    find_guest(bed, run_of_web(2, FALSE));
    assert_false(status(bed)->held);
    assert_int_equal(status(bed)->requested, 1024 * MIB);
}

/*
 * An administrator's word goes with the guest
 */

/* Run @run of "web", from elsewhere: it has brought @word. */
static void
find_guest_with_word(Bed *bed, guint run, gboolean continues, guint64 held, guint64 decision)
{
    const GuestWord word = { held, decision };
    FakeGuest *guest = run_of_web(run, continues);

    guest_take_word(MEMPLUG_GUEST(guest), &word);
    find_guest(bed, guest);
}

static guint64
kept_word(Bed *bed)
{
    return guest_get_word(MEMPLUG_GUEST(bed->guest))->held;
}

static void
test_a_word_is_kept_with_the_guest(void **state)
{
    Bed *bed = *state;
    g_auto(Await) await = { NULL };

    find_guest(bed, run_of_web(1, FALSE));
    assert_int_equal(bed->guest->words_asked, 0);
    set_memory(bed, 512 * MIB);
    assert_int_equal(kept_word(bed), 512 * MIB);
    set_memory(bed, 640 * MIB);
    assert_int_equal(kept_word(bed), 640 * MIB);
    managed_guest_set_managed_async(bed->managed, TRUE, await_callback, &await);
    assert_true(managed_guest_order_finish(bed->managed, await_result(&await), NULL));
    assert_int_equal(kept_word(bed), 0);
    assert_int_equal(bed->guest->words_asked, 3);
}

/* A hypervisor that does not keep it is not asked with every cycle. */
static void
test_a_word_that_is_not_kept_is_tried_again_later(void **state)
{
    Bed *bed = *state;
    gint64 now = g_get_monotonic_time();
    PlanGuest plan;

    find_guest(bed, run_of_web(1, FALSE));
    bed->guest->keeps_no_word = TRUE;
    set_memory(bed, 512 * MIB);
    for (guint i = 0; i < 10; i++)
        managed_guest_collect(bed->managed, &plan, now + i * G_USEC_PER_SEC);
    assert_int_equal(bed->guest->words_asked, 1);
    bed->guest->keeps_no_word = FALSE;
    managed_guest_collect(bed->managed, &plan, now + G_TIME_SPAN_HOUR);
    assert_int_equal(kept_word(bed), 512 * MIB);
}

static void
test_a_guest_from_elsewhere_is_held_as_it_was_there(void **state)
{
    Bed *bed = *state;

    find_guest_with_word(bed, 7, TRUE, 512 * MIB, 1000);
    assert_true(status(bed)->held);
    assert_int_equal(status(bed)->decision, 1000);
    await_settled(bed);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 512 * MIB);
}

/* Its metadata may have been copied with its definition. */
static void
test_a_guest_that_is_started_here_brings_no_word(void **state)
{
    Bed *bed = *state;
    PlanGuest plan;

    find_guest_with_word(bed, 7, FALSE, 512 * MIB, 1000);
    assert_false(status(bed)->held);
    assert_int_equal(status(bed)->requested, 1024 * MIB);
    managed_guest_collect(bed->managed, &plan, g_get_monotonic_time());
    assert_int_equal(kept_word(bed), 0);
}

/* It was held here, went away, and comes back: what was last said holds, wherever. */
static void
test_the_newer_of_two_words_holds(void **state)
{
    Bed *bed = *state;

    find_guest(bed, run_of_web(1, FALSE));
    set_memory(bed, 512 * MIB);
    lose_guest(bed);
    find_guest_with_word(bed, 2, TRUE, 768 * MIB, G_MAXINT64);
    assert_int_equal(status(bed)->requested, 768 * MIB);
    lose_guest(bed);
    find_guest_with_word(bed, 3, TRUE, 640 * MIB, 1000);
    assert_int_equal(status(bed)->requested, 768 * MIB);
    lose_guest(bed);
    find_guest_with_word(bed, 4, TRUE, 0, G_MAXINT64);
    assert_false(status(bed)->held);
}

#define ON_A_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_BED(test_a_guest_resized_by_hand_is_held_there),
        ON_A_BED(test_the_newer_word_holds),
        ON_A_BED(test_an_unmanaged_guest_is_just_followed),
        ON_A_BED(test_an_obstacle_is_told_and_respected),
        ON_A_BED(test_a_guest_without_means_says_what_is_missing),
        ON_A_BED(test_even_a_held_guest_is_kept_from_being_killed),
        ON_A_BED(test_a_virtio_mem_device_can_be_plugged),
        ON_A_BED(test_a_virtio_mem_device_must_fit),
        ON_A_BED(test_a_restored_guest_goes_on_to_its_requested_size),
        ON_A_BED(test_a_guest_that_is_started_anew_begins_anew),
        ON_A_BED(test_a_word_is_kept_with_the_guest),
        ON_A_BED(test_a_word_that_is_not_kept_is_tried_again_later),
        ON_A_BED(test_a_guest_from_elsewhere_is_held_as_it_was_there),
        ON_A_BED(test_a_guest_that_is_started_here_brings_no_word),
        ON_A_BED(test_the_newer_of_two_words_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
