/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The urgent path above the hypervisor: from an agent's frame to more memory, without a tick
 * of the cycle. The agent is played by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest/stats-frame-stream.h"
#include "tests/fake/await.h"
#include "tests/unit/daemon/daemon-bed.h"

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define BUDGET (4096 * MIB)

typedef struct {
    DaemonBed daemon;
    FakeGuest *guest;
    PlayedAgent agent;
    guint events[EVENT_CONFIG + 1];
    char *last_urgent;
} Bed;

static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    Bed *bed = data;

    bed->events[event->kind]++;
    if (event->kind == EVENT_URGENT) {
        g_free(bed->last_urgent);
        bed->last_urgent = g_strdup(event->message);
    }
}

static void
say_hello(Bed *bed, const char *boot_id, guint64 fastest)
{
    played_agent_hello(&bed->agent, boot_id, STATS_CAN_WATCH, fastest);
}

static void
say_sample(Bed *bed, guint64 total, guint64 available)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample.time_us = (guint64)g_get_monotonic_time();
    frame.sample.total = total;
    frame.sample.free = frame.sample.available = available;
    played_agent_say(&bed->agent, &frame);
}

static void
say_falling(Bed *bed, guint64 available, guint64 size, guint64 fall)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_URGENT);
    frame.urgent.time_us = 1;
    frame.urgent.available = available;
    frame.urgent.size = size;
    frame.urgent.fall = fall;
    played_agent_say(&bed->agent, &frame);
}

static void
say_urgent(Bed *bed, guint64 available, guint64 size)
{
    say_falling(bed, available, size, 100 * MIB);
}

/* Of 256 MiB, @ballooned more of which the balloon holds. */
static FakeGuest *
add_guest(Bed *bed, const char *name, guint64 ballooned, guint64 used)
{
    FakeGuest *guest = fake_guest_new(name, 256 * MIB + ballooned, 256 * MIB + ballooned, 0, TRUE);

    guest->memory.ballooned = guest->memory.balloon_requested = ballooned;

    fake_guest_add_virtio_mem(guest, 4096 * MIB);
    if (!bed->guest) {
        bed->guest = guest;
        bed->agent.fd = fake_guest_give_channel(guest);
    }
    fake_hypervisor_add(bed->daemon.hypervisor, guest, used);
    await_quiet();
    return guest;
}

static int
setup_ballooned(void **state, guint64 ballooned)
{
    Bed *bed = g_new0(Bed, 1);

    daemon_bed_start(&bed->daemon, BUDGET, FALSE, G_CALLBACK(on_event), bed);
    add_guest(bed, "web", ballooned, 100 * MIB);
    say_hello(bed, "a", 0);
    await_quiet();
    *state = bed;
    return 0;
}

static int
setup(void **state)
{
    return setup_ballooned(state, 0);
}

static int
setup_with_balloon(void **state)
{
    return setup_ballooned(state, 768 * MIB);
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    daemon_bed_end(&bed->daemon);
    close(bed->agent.fd);
    g_free(bed->last_urgent);
    g_free(bed);
    return 0;
}

static ManagedGuest *
managed(Bed *bed)
{
    return daemon_bed_managed(&bed->daemon, 0);
}

static gboolean
has_all(gpointer data)
{
    return guest_memory_actual(&((Bed *)data)->guest->memory) >= 768 * MIB;
}

/* No statistics have come, and the cycle was never started. */
static void
test_request_is_met_at_once(void **state)
{
    Bed *bed = *state;

    say_urgent(bed, 40 * MIB, 512 * MIB);
    await_condition(has_all, bed, "what was asked for");
    await_quiet();
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 768 * MIB);
    assert_int_equal(managed_guest_get_status(managed(bed))->requested, 768 * MIB);
    assert_int_equal(bed->events[EVENT_URGENT], 2);
    assert_non_null(strstr(bed->last_urgent, "got first memory after"));
    assert_true(managed_guest_get_urgent_first(managed(bed)) > 0);
}

/* A guest with next to nothing left is grown by what it can pay for, then by more. */
static void
test_poor_guest_is_grown_in_steps(void **state)
{
    Bed *bed = *state;

    say_urgent(bed, 2 * MIB, 512 * MIB);
    await_condition(has_all, bed, "what was asked for");
    await_quiet();
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 768 * MIB);
    assert_true(bed->guest->ordered >= 4);
}

static void
test_balloon_is_let_go_whole(void **state)
{
    Bed *bed = *state;

    say_urgent(bed, 2 * MIB, 16 * MIB);
    await_condition(has_all, bed, "the balloon");
    await_quiet();
    assert_int_equal(bed->guest->memory.ballooned, 0);
}

static gboolean
has_little_more(gpointer data)
{
    return guest_memory_actual(&((Bed *)data)->guest->memory) >= 288 * MIB;
}

static void
test_guest_at_rest_gets_what_it_asks_for(void **state)
{
    Bed *bed = *state;
    GuestLimits limits = { .set = GUEST_LIMIT_FLOOR | GUEST_LIMIT_MECHANISM,
                           .floor = 256 * MIB,
                           .mechanism = MECHANISM_BALLOON };

    guest_take_limits(MEMPLUG_GUEST(bed->guest), &limits);
    await_quiet();
    say_falling(bed, 0, 32 * MIB, 0);
    await_condition(has_little_more, bed, "what was asked for");
    await_ms(50);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 288 * MIB);
}

static gboolean
has_ceiling(gpointer data)
{
    return guest_memory_actual(&((Bed *)data)->guest->memory) >= 320 * MIB;
}

static void
test_ceiling_holds(void **state)
{
    Bed *bed = *state;
    GuestLimits limits = { .set = GUEST_LIMIT_CEILING, .ceiling = 320 * MIB };

    guest_take_limits(MEMPLUG_GUEST(bed->guest), &limits);
    await_quiet();
    say_urgent(bed, 100 * MIB, G_MAXUINT64 - 1);
    await_condition(has_ceiling, bed, "all up to the ceiling");
    await_ms(50);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 320 * MIB);
}

static gboolean
has_rest(gpointer data)
{
    return guest_memory_actual(&((Bed *)data)->guest->memory) >= 384 * MIB;
}

/* What a neighbour has is its own: a request is met by what is free. */
static void
test_neighbour_keeps_what_it_uses(void **state)
{
    Bed *bed = *state;
    FakeGuest *neighbour = add_guest(bed, "db", 0, 200 * MIB);

    bed->daemon.config->budget = 640 * MIB;
    cycle_configure(bed->daemon.cycle, bed->daemon.config);
    fake_guest_answer(neighbour, 200 * MIB, 1);
    fake_guest_answer(neighbour, 200 * MIB, 2);
    say_urgent(bed, 100 * MIB, G_MAXUINT64 - 1);
    await_condition(has_rest, bed, "what is free");
    await_quiet();
    assert_int_equal(guest_memory_actual(&neighbour->memory), 256 * MIB);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 384 * MIB);
}

static void
test_held_guest_stays(void **state)
{
    Bed *bed = *state;

    assert_true(managed_guest_set_memory(managed(bed), 300 * MIB, NULL) > 0);
    await_quiet();
    say_urgent(bed, 40 * MIB, 512 * MIB);
    await_ms(50);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 300 * MIB);
}

/* Another boot: its counters begin at 0, and nothing of before is true any more. */
static void
test_reboot_forgets(void **state)
{
    Bed *bed = *state;

    say_sample(bed, 256 * MIB, 100 * MIB);
    await_ms(10);
    assert_true(
        guest_monitor_has_agent(managed_guest_get_monitor(managed(bed)), g_get_monotonic_time()));
    say_hello(bed, "b", 0);
    await_ms(10);
    assert_false(
        guest_monitor_has_agent(managed_guest_get_monitor(managed(bed)), g_get_monotonic_time()));
}

/* Room for the fastest burst is kept where the budget has some. */
static void
test_room_for_a_burst(void **state)
{
    Bed *bed = *state;

    say_hello(bed, "a", 10240 * MIB); /* a second; memory comes within 100 ms */
    say_sample(bed, 256 * MIB, 156 * MIB);
    await_ms(10);
    cycle_run(bed->daemon.cycle, g_get_monotonic_time());
    assert_int_equal(managed_guest_get_status(managed(bed))->forecast.demand, 1124 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_is_met_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poor_guest_is_grown_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_balloon_is_let_go_whole, setup_with_balloon, teardown),
        cmocka_unit_test_setup_teardown(test_guest_at_rest_gets_what_it_asks_for,
                                        setup_with_balloon, teardown),
        cmocka_unit_test_setup_teardown(test_ceiling_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neighbour_keeps_what_it_uses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_held_guest_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reboot_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_for_a_burst, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
