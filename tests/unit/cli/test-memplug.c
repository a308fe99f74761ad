/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real memplug against a fake daemon on a bus of its own: what each command
 * prints, to whom, and what it ends with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>

#include "build-config.h"
#include "tests/fake/await.h"
#include "tests/fake/bus-daemon.h"
#include "tests/unit/cli/memplug-run.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static GTestDBus *test_bus;
static const char *address;
static BusDaemon *fake;
static BusGuest *web;

static void
assert_runs(const char *line, const char *expected)
{
    g_auto(Run) run = run_line(address, line);

    run_assert_status(&run, 0);
    run_assert_contains(run.out, expected);
    assert_string_equal(run.err, "");
}

static void
assert_fails(const char *line, int status, const char *expected)
{
    g_auto(Run) run = run_line(address, line);

    run_assert_status(&run, status);
    run_assert_contains(run.err, expected);
    assert_null(strstr(run.err, "GDBus"));
}

static JsonNode *
run_json(const char *line, int status)
{
    g_auto(Run) run = run_line(address, line);

    run_assert_status(&run, status);
    return run_parse_json(run.out);
}

/*
 * list, info, stats
 */

static void
test_list(void **state)
{
    g_auto(Run) run = { 0 };

    bus_daemon_add_guest(fake, "vm10");
    bus_guest_set_held(bus_daemon_add_guest(fake, "vm2"), TRUE);
    bus_guest_set_managed(web, FALSE);
    bus_guest_set_phase(web, "short");
    bus_guest_set_reason(web, "no slot\033[2J");
    run = run_line(address, "list");
    run_assert_status(&run, 0);
    assert_string_equal(
        run.out,
        "Name  State     Actual  Requested   Demand    Floor  Ceiling  Weight  Mechanism  Notes\n"
        "vm2   running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto       held\n"
        "vm10  running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto\n"
        "web   running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto       "
        "unmanaged, short: no slot?[2J\n");
}

static void
test_list_json(void **state)
{
    static const char *const members[] = { "name",      "state",   "actual",  "requested",
                                           "demand",    "floor",   "ceiling", "weight",
                                           "mechanism", "managed", "held",    "phase",
                                           "reason",    "used",    "pid",     "decision" };
    g_autoptr(JsonNode) node = run_json("list --json", 0);
    JsonArray *array = json_node_get_array(node);
    JsonObject *object;

    assert_int_equal(json_array_get_length(array), 1);
    object = json_array_get_object_element(array, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        if (!json_object_has_member(object, members[i]))
            fail_msg("no member '%s'", members[i]);
    }
    assert_string_equal(json_object_get_string_member(object, "name"), "web");
    assert_int_equal(json_object_get_int_member(object, "ceiling"), 1024 * MIB);
    assert_true(json_object_get_boolean_member(object, "managed"));
    assert_true(json_object_get_double_member(object, "weight") == 1.5);
}

static void
test_list_of_none(void **state)
{
    bus_daemon_remove_guest(fake, "web");
    assert_runs("list", "Name  State  Actual");
    assert_runs("list --json", "[]");
}

static void
test_info(void **state)
{
    g_auto(Run) run = run_line(address, "info web");

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "Name:         web\nPid:          4242\n");
    run_assert_contains(run.out, "Statistics:   fresh, 0.4 s old\n");
    run_assert_contains(run.out, "Ceiling:      1 GiB\n");
    run_assert_contains(run.out, "Forecast:     used and a third\n");
    run_assert_contains(run.out, "DIMM slots:   16, 15 of them free\n");
    run_assert_contains(
        run.out,
        "Device          Kind           Size  Requested   Most  Block  Node  Notes\n"
        "memplug-vmem    virtio-mem    0 MiB      0 MiB  1 GiB  2 MiB     0  not plugged by "
        "memplug\n"
        "memplug-dimm-1  dimm        128 MiB          -      -      -     1  being unplugged\n");
    /* Nothing is pinned, and nothing is wrong. */
    assert_null(strstr(run.out, "Pinned"));
    assert_null(strstr(run.out, "Reason"));
}

static void
test_info_json(void **state)
{
    g_autoptr(JsonNode) node = run_json("info web --json", 0);
    JsonObject *object = json_node_get_object(node);
    JsonArray *devices = json_object_get_array_member(object, "devices");

    assert_int_equal(json_object_get_int_member(object, "grain"), 2 * MIB);
    assert_int_equal(json_array_get_length(devices), 2);
    assert_string_equal(
        json_object_get_string_member(json_array_get_object_element(devices, 1), "id"),
        "memplug-dimm-1");
    assert_int_equal(
        json_object_get_int_member(json_object_get_object_member(object, "stats"), "major_faults"),
        17);
}

static void
test_guest_with_an_odd_name(void **state)
{
    bus_daemon_add_guest(fake, "dépôt 1/_x");
    {
        const char *const words[] = { "info", "dépôt 1/_x", NULL };
        g_auto(Run) run = run_end(run_begin(address, NULL, words));

        run_assert_status(&run, 0);
        run_assert_contains(run.out, "Name:         dépôt 1/_x\n");
    }
}

static void
test_no_such_guest(void **state)
{
    assert_fails("info wbe", 1, "error: no guest is called 'wbe'; did you mean 'web'?\n");
    assert_fails("setmem nothing 1G", 1, "no guest is called 'nothing'; there are: web\n");
    bus_daemon_remove_guest(fake, "web");
    assert_fails("stats web", 1, "memplugd sees no guest at all");
}

static void
test_stats(void **state)
{
    g_auto(Run) run = run_line(address, "stats web");

    run_assert_status(&run, 0);
    assert_string_equal(run.out, "Guest:        web\n"
                                 "Statistics:   fresh, 0.4 s old\n"
                                 "Total:        248 MiB\n"
                                 "Free:         100 MiB\n"
                                 "Swapped in:   4 KiB\n"
                                 "Major faults: 17\n");
}

static void
test_stats_of_a_silent_guest(void **state)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *object;

    bus_guest_set_stats(web, g_variant_new_parsed("{'state': <'never'>, 'reason': <'no driver'>}"));
    assert_runs("stats web", "Statistics:   never (no driver)\n");
    node = run_json("stats web --json", 0);
    object = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(object, "state"), "never");
    assert_false(json_object_has_member(object, "total"));
}

static void
test_stats_follow(void **state)
{
    g_auto(Run) run = run_line(address, "stats web --follow --interval 0.01 --count 3 --json");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);

    run_assert_status(&run, 0);
    assert_int_equal(g_strv_length(lines), 4);
    for (int i = 0; i < 3; i++) {
        g_autoptr(JsonNode) node = run_parse_json(lines[i]);

        assert_int_equal(json_object_get_int_member(json_node_get_object(node), "total"),
                         248 * MIB);
    }
    assert_runs("stats web --follow --count 1", "  fresh, 0.4 s old\n");
    assert_fails("stats web --count 1", 2, "--interval and --count need --follow");
}

static void
test_stats_follow_ends_with_the_guest(void **state)
{
    const char *const words[] = { "stats", "web", "--follow", "--interval", "0.01", NULL };
    RunPending *pending = run_begin(address, NULL, words);
    g_auto(Run) run = { 0 };

    run_await_output(pending, "fresh");
    bus_daemon_remove_guest(fake, "web");
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, "web: ");
}

static void
test_stats_follow_is_ended_by_the_user(void **state)
{
    const char *const words[] = { "stats", "web", "--follow", "--interval", "1000", NULL };
    RunPending *pending = run_begin(address, NULL, words);
    g_auto(Run) run = { 0 };

    run_await_output(pending, "fresh");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 0);
}

/*
 * setmem
 */

static void
test_setmem_follows_to_the_end(void **state)
{
    assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
    assert_int_equal(bus_daemon_latest_size(fake), 562 * MIB);
    /* Down again, in virsh's unit: KiB. */
    assert_runs("setmem web 262144", "web: 256 MiB (was 562 MiB) in ");
    assert_int_equal(bus_daemon_count_set_memory(fake), 2);
}

static void
test_setmem_of_what_is_there_at_once(void **state)
{
    bus_daemon_set_reaction(fake, BUS_DAEMON_AT_ONCE);
    assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
}

static void
test_setmem_waits_for_its_own_decision(void **state)
{
    bus_daemon_set_reaction(fake, BUS_DAEMON_EARLIER_DECISION);
    assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
}

static void
test_setmem_json(void **state)
{
    g_autoptr(JsonNode) node = run_json("setmem web 512M --json", 0);
    JsonObject *object = json_node_get_object(node);

    assert_string_equal(json_object_get_string_member(object, "guest"), "web");
    assert_string_equal(json_object_get_string_member(object, "outcome"), "settled");
    assert_int_equal(json_object_get_int_member(object, "requested"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(object, "actual"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(object, "before"), 256 * MIB);
    assert_string_equal(json_object_get_string_member(object, "phase"), "settled");
    assert_string_equal(json_object_get_string_member(object, "reason"), "");
    assert_true(json_object_get_double_member(object, "seconds") > 0.0);
}

static void
test_setmem_rounded(void **state)
{
    bus_daemon_set_reaction(fake, BUS_DAEMON_ROUNDS);
    assert_runs("setmem web 561M", "; not exactly 561 MiB, for its steps are 2 MiB\n");
}

/* Each ends badly, says so in words and in JSON, and has reached the daemon. */
static void
test_setmem_outcomes(void **state)
{
    static const struct {
        BusDaemonReaction reaction;
        const char *outcome;
        const char *words;
    } rows[] = {
        { BUS_DAEMON_FALLS_SHORT, "short", ": the guest keeps it\n" },
        { BUS_DAEMON_FREEZES, "frozen",
          ": it cannot be changed now; that goes on when it can (the guest is paused)\n" },
        { BUS_DAEMON_OVERRULES, "overruled", ": it was asked for another size meanwhile\n" },
        { BUS_DAEMON_STALLS, "timed-out", ": still moving when the time was up; it goes on\n" },
        { BUS_DAEMON_GUEST_GOES, "guest-gone", ": the guest is gone\n" },
        { BUS_DAEMON_GUEST_HAS_GONE, "guest-gone", ": the guest is gone\n" },
        { BUS_DAEMON_LEAVES, "daemon-gone", ": memplugd left the bus; once started again" },
        { BUS_DAEMON_LEAVES_SILENTLY, "daemon-gone", ": memplugd left the bus" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Run) run = { 0 };
        g_autoptr(JsonNode) node = NULL;

        bus_daemon_free(fake);
        fake = bus_daemon_new(address);
        web = bus_daemon_add_guest(fake, "web");
        bus_daemon_set_reaction(fake, rows[i].reaction);
        /* Only what never ends by itself is given a short time. */
        run = run_line(address, rows[i].reaction == BUS_DAEMON_STALLS
                                    ? "setmem web 562M --json --timeout 0.1"
                                    : "setmem web 562M --json");
        run_assert_status(&run, 1);
        node = run_parse_json(run.out);
        assert_string_equal(json_object_get_string_member(json_node_get_object(node), "outcome"),
                            rows[i].outcome);
        run_assert_contains(run.err, "error: web: ");
        run_assert_contains(run.err, ", asked for 562 MiB (was 256 MiB), after ");
        run_assert_contains(run.err, rows[i].words);
        assert_int_equal(bus_daemon_count_set_memory(fake), 1);
    }
}

static void
test_setmem_refused(void **state)
{
    bus_daemon_set_reaction(fake, BUS_DAEMON_REFUSES);
    assert_fails("setmem web 2G", 1, "error: web: the ceiling is 512 MiB\n");
    bus_daemon_set_reaction(fake, BUS_DAEMON_DENIES);
    assert_fails("setmem web 2G", 1, "error: access denied: web: not authorized; ask as root");
}

static void
test_setmem_no_wait(void **state)
{
    bus_daemon_set_reaction(fake, BUS_DAEMON_STALLS);
    assert_runs("setmem web 562M --no-wait", "web: asked for 562 MiB (has 256 MiB)\n");
    assert_int_equal(bus_daemon_latest_size(fake), 562 * MIB);
}

static gboolean
was_asked(gpointer data)
{
    return bus_daemon_count_set_memory(fake) > 0;
}

static void
test_setmem_interrupted(void **state)
{
    const char *const words[] = { "setmem", "web", "562M", NULL };
    RunPending *pending;
    g_auto(Run) run = { 0 };

    bus_daemon_set_reaction(fake, BUS_DAEMON_STALLS);
    pending = run_begin(address, NULL, words);
    await_condition(was_asked, NULL, "SetMemory");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, ": no longer waiting; the change goes on\n");
}

/*
 * limits, manage, plug, unplug
 */

static gboolean
on_set_limits(BusGuest *guest, GDBusMethodInvocation *invocation, GVariant *limits, gpointer data)
{
    guint64 size;
    double weight;
    const char *mechanism;

    if (g_variant_lookup(limits, "floor", "t", &size))
        bus_guest_set_floor(guest, size ? size : 77 * MIB);
    if (g_variant_lookup(limits, "ceiling", "t", &size))
        bus_guest_set_ceiling(guest, size);
    if (g_variant_lookup(limits, "weight", "d", &weight))
        bus_guest_set_weight(guest, weight);
    if (g_variant_lookup(limits, "mechanism", "&s", &mechanism))
        bus_guest_set_mechanism(guest, mechanism);
    bus_guest_complete_set_limits(guest, invocation);
    return TRUE;
}

static void
test_limits(void **state)
{
    g_autoptr(JsonNode) node = NULL;

    g_signal_connect(web, "handle-set-limits", G_CALLBACK(on_set_limits), NULL);
    assert_runs("limits web", "Floor:        128 MiB\n"
                              "Ceiling:      1 GiB\n"
                              "Weight:       1.5\n"
                              "Mechanism:    auto\n");
    assert_runs("limits web --floor 200M --ceiling=3G --weight 0.5 --mechanism dimm",
                "Floor:        200 MiB\n"
                "Ceiling:      3 GiB\n"
                "Weight:       0.5\n"
                "Mechanism:    dimm\n");
    node = run_json("limits web --json --floor default", 0);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "floor"), 77 * MIB);
    assert_fails("limits web --mechanism xen", 2, "--mechanism: 'xen' is not a mechanism");
    assert_fails("limits web --weight 0", 2, "--weight: '0' is not a number above 0");
}

static gboolean
on_set_managed(BusGuest *guest, GDBusMethodInvocation *invocation, gboolean managed, gpointer data)
{
    bus_guest_set_managed(guest, managed);
    bus_guest_complete_set_managed(guest, invocation);
    return TRUE;
}

static void
test_manage(void **state)
{
    g_signal_connect(web, "handle-set-managed", G_CALLBACK(on_set_managed), NULL);
    assert_runs("manage web off", "web: left as it is\n");
    assert_false(bus_guest_get_managed(web));
    assert_runs("manage web on", "web: the policy decides\n");
    assert_true(bus_guest_get_managed(web));
    assert_runs("manage web off --json", "\"managed\" : false");
    assert_fails("manage web maybe", 2, "on|off: 'maybe' is not 'on' or 'off'");
}

static gboolean
on_plug(BusGuest *guest, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    bus_guest_set_actual(guest, bus_guest_get_actual(guest) + size);
    bus_guest_complete_plug(guest, invocation);
    return TRUE;
}

static gboolean
on_unplug(BusGuest *guest, GDBusMethodInvocation *invocation, const char *device, gpointer data)
{
    g_dbus_method_invocation_return_error(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                          "the guest refused to give %s back", device);
    return TRUE;
}

static void
test_plug_and_unplug(void **state)
{
    g_autoptr(JsonNode) node = NULL;

    g_signal_connect(web, "handle-plug", G_CALLBACK(on_plug), NULL);
    g_signal_connect(web, "handle-unplug", G_CALLBACK(on_unplug), NULL);
    assert_runs("plug web 128M", "web: 384 MiB (was 256 MiB) in ");
    node = run_json("--json plug web 128M", 0);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "actual"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "before"), 384 * MIB);

    assert_fails("unplug web memplug-dimm-1", 1,
                 "error: web: the guest refused to give memplug-dimm-1 back\n");
    assert_fails("unplug web memplug-dimm-2", 1, "did you mean 'memplug-dimm-1'?");
    assert_fails("unplug web x", 1, "web has no DIMM 'x'; it has memplug-dimm-1\n");
}

static gboolean
note_unplug(BusGuest *guest, GDBusMethodInvocation *invocation, const char *device, gpointer data)
{
    /* Never answered: the test interrupts it. */
    *(GDBusMethodInvocation **)data = invocation;
    return TRUE;
}

static gboolean
is_not_null(gpointer data)
{
    return *(gpointer *)data != NULL;
}

static void
test_unplug_interrupted(void **state)
{
    const char *const words[] = { "unplug", "web", "memplug-dimm-1", NULL };
    GDBusMethodInvocation *invocation = NULL;
    RunPending *pending;
    g_auto(Run) run = { 0 };

    g_signal_connect(web, "handle-unplug", G_CALLBACK(note_unplug), &invocation);
    pending = run_begin(address, NULL, words);
    await_condition(is_not_null, &invocation, "Unplug");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, "web: no longer waiting; memplugd goes on with it\n");
    bus_guest_complete_unplug(web, invocation);
}

/*
 * events, version
 */

static gboolean
emit_events(gpointer data)
{
    bus_daemon_emit_event(fake, "db", "step", 3, "plugged");
    bus_daemon_emit_event(fake, "web", "settled", 4, "at 562 MiB\033[2J");
    return G_SOURCE_CONTINUE;
}

static void
test_events(void **state)
{
    guint timer = g_timeout_add(10, emit_events, NULL);
    g_auto(Run) text = run_line(address, "events --guest web --count 2");
    g_auto(Run) json = run_line(address, "events --count 2 --json");
    g_auto(GStrv) text_lines = g_strsplit(text.out, "\n", -1);
    g_auto(GStrv) json_lines = g_strsplit(json.out, "\n", -1);

    g_source_remove(timer);
    run_assert_status(&text, 0);
    assert_int_equal(g_strv_length(text_lines), 3);
    run_assert_contains(text_lines[0], ".250  web              settled        at 562 MiB?[2J");
    assert_string_equal(text_lines[0], text_lines[1]);

    run_assert_status(&json, 0);
    assert_int_equal(g_strv_length(json_lines), 3);
    for (int i = 0; i < 2; i++) {
        g_autoptr(JsonNode) node = run_parse_json(json_lines[i]);
        JsonObject *object = json_node_get_object(node);

        assert_true(json_object_get_int_member(object, "time_us") == 1700000000250000);
        assert_true(json_object_has_member(object, "kind"));
    }
}

static void
test_events_in_time(void **state)
{
    assert_fails("events --count 1 --timeout 0.05", 1, "only 0 of 1 events came\n");
    assert_runs("events --timeout 0.05", "");
}

static gboolean
emit_early(gpointer data)
{
    bus_daemon_emit_event(fake, "web", "step", 1, "early");
    return G_SOURCE_CONTINUE;
}

static void
test_events_outlive_the_daemon(void **state)
{
    const char *const words[] = { "events", NULL };
    RunPending *pending = run_begin(address, NULL, words);
    g_auto(Run) run = { 0 };
    guint timer = g_timeout_add(10, emit_early, NULL);

    run_await_output(pending, "early");
    g_source_remove(timer);
    bus_daemon_leave(fake);
    bus_daemon_come_back(fake);
    bus_daemon_emit_event(fake, "web", "step", 2, "late");
    run_await_output(pending, "late");
    run_await_error(pending, "back");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 0);
    assert_string_equal(run.err, "memplugd left the bus; waiting for it\nmemplugd is back\n");
}

static void
test_version(void **state)
{
    g_autoptr(JsonNode) node = run_json("version --json", 0);
    JsonObject *object = json_node_get_object(node);

    assert_string_equal(json_object_get_string_member(object, "daemon"), "1.2.3");
    assert_string_equal(json_object_get_string_member(object, "uri"), "qmp:/run/guests");
    assert_runs("version", "Daemon:       1.2.3\n");
    assert_runs("--version", "memplug ");
}

/*
 * What is not there
 */

static void
test_without_a_daemon(void **state)
{
    static const char *const lines[] = { "list",          "info web",     "stats web",
                                         "setmem web 1G", "limits web",   "manage web on",
                                         "plug web 128M", "unplug web x", "events",
                                         "version",       "list --json" };

    bus_daemon_leave(fake);
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        assert_fails(lines[i], 1, "error: memplugd is not running on the bus at ");
    {
        g_autoptr(JsonNode) node = run_json("version --json", 1);

        assert_true(json_object_get_null_member(json_node_get_object(node), "daemon"));
    }
}

static void
test_without_a_bus(void **state)
{
    g_auto(Run) run = run_line("unix:path=/nonexistent/bus", "list");

    run_assert_status(&run, 1);
    run_assert_contains(run.err, "error: cannot reach the bus at unix:path=/nonexistent/bus: ");
}

static void
test_bus_option_wins(void **state)
{
    g_autofree char *line = g_strdup_printf("--bus %s list", address);
    g_auto(Run) run = run_line("unix:path=/nonexistent/bus", line);

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "web");
}

static void
test_wrong_usage(void **state)
{
    assert_fails("lits", 2, "error: unknown command 'lits'; did you mean 'list'?\n");
    assert_fails("setmem web", 2, "error: setmem: SIZE is missing\nUsage: memplug setmem GUEST");
    assert_fails("setmem web 0", 2, "SIZE: '0' is not a size above 0");
    assert_fails("list web", 2, "'web' is one word too many");
    assert_fails("list --jsno", 2, "unknown option '--jsno'; did you mean '--json'?");
    assert_fails("--bus", 2, "--bus needs a value");
    assert_fails("help nothing", 2, "unknown command 'nothing'");
    assert_int_equal(bus_daemon_count_set_memory(fake), 0);
}

static void
test_help(void **state)
{
    assert_runs("--help", "\n  setmem ");
    assert_runs("help", "\n  setmem ");
    assert_runs("help setmem", "Usage: memplug setmem GUEST SIZE [--no-wait]");
    /* Also where the rest of the line is not complete. */
    assert_runs("setmem --help", "Usage: memplug setmem GUEST SIZE [--no-wait]");
    assert_runs("setmem -h", "Usage: memplug setmem GUEST SIZE [--no-wait]");
}

/*
 * The shell, and completion
 */

static void
test_script(void **state)
{
    static const char input[] = "# a comment\n"
                                "\n"
                                "setmem 'web' 512M\n"
                                "nonsense\n"
                                "list --json\n"
                                "quit\n"
                                "never reached\n";
    const char *const words[] = { NULL };
    g_auto(Run) run = run_end(run_begin(address, input, words));

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "web: 512 MiB (was 256 MiB)");
    run_assert_contains(run.out, "\"requested\" : 536870912");
    run_assert_contains(run.err, "unknown command 'nonsense'");
    assert_null(strstr(run.err, "never"));
    assert_null(strstr(run.out, "memplug>"));
}

static void
test_script_ends_as_its_last_command(void **state)
{
    static const struct {
        const char *input;
        int status;
    } rows[] = {
        { "info nobody\n", 1 }, { "list\nsetmem\n", 2 },       { "setmem\nlist", 0 },
        { "list 'open", 2 },    { "list --bus session\n", 2 }, { "", 0 },
    };
    const char *const words[] = { NULL };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Run) run = run_end(run_begin(address, rows[i].input, words));

        run_assert_status(&run, rows[i].status);
    }
}

/* With a history of its own, which goes with the test. */
static void
test_shell_at_a_terminal(void **state)
{
    g_autofree char *home = NULL, *folder = NULL, *history = NULL, *kept = NULL;
    RunPending *pending;
    g_auto(Run) run = { 0 };

    if (!HAVE_READLINE) {
        print_message("skipped: built without readline\n");
        skip();
    }
    home = g_dir_make_tmp("memplug-test-XXXXXX", NULL);
    folder = g_build_filename(home, "memplug", NULL);
    history = g_build_filename(folder, "history", NULL);
    g_setenv("XDG_STATE_HOME", home, TRUE);
    g_setenv("TERM", "dumb", TRUE);
    pending = run_begin_at_terminal(address);
    run_await_output(pending, "memplug> ");
    /* Completed: a command, a guest, an option. */
    run_type(pending, "setm\tw\t512M --no-w\t\n");
    run_await_output(pending, "asked for 512 MiB");
    run_await_output(pending, "memplug> ");
    /* Ctrl-C drops the line, not the shell. */
    run_type(pending, "dropped");
    run_await_output(pending, "dropped");
    run_signal(pending, SIGINT);
    run_await_output(pending, "memplug> ");
    run_type(pending, "limits we\t\n");
    run_await_output(pending, "Ceiling:      1 GiB");
    run_await_output(pending, "memplug> ");
    run_type(pending, "nonsense\n");
    run_await_output(pending, "memplug> ");
    run_type(pending, "\004");
    run = run_end(pending);

    run_assert_status(&run, 0);
    run_assert_contains(run.err, "unknown command 'nonsense'");
    assert_null(strstr(run.err, "dropped"));
    assert_true(g_file_get_contents(history, &kept, NULL, NULL));
    assert_string_equal(kept, "setmem web 512M --no-wait \nlimits web \nnonsense\n");
    g_unlink(history);
    g_rmdir(folder);
    g_rmdir(home);
    g_unsetenv("XDG_STATE_HOME");
}

static void
assert_completes(const char *line, const char *expected)
{
    const char *const words[] = { "--complete", line, NULL };
    g_auto(Run) run = run_end(run_begin(address, NULL, words));

    run_assert_status(&run, 0);
    assert_string_equal(run.out, expected);
    assert_string_equal(run.err, "");
}

static void
test_completion_asks_the_daemon(void **state)
{
    bus_daemon_add_guest(fake, "mail");
    bus_daemon_add_guest(fake, "web 2");
    assert_completes("memplug info ", "mail\nweb\nweb 2\n");
    assert_completes("memplug --json setmem w", "web\nweb 2\n");
    assert_completes("memplug events --guest=m", "--guest=mail\n");
    assert_completes("memplug unplug web ", "memplug-dimm-1\n");
    assert_completes("memplug unplug nobody ", "");
    bus_daemon_leave(fake);
    assert_completes("memplug info ", "");
}

static void
test_bash_completion(void **state)
{
    g_autofree char *bash = g_find_program_in_path("bash");
    g_autofree char *script = NULL;
    g_autofree char *command = NULL;
    Await await = { NULL };
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *out = NULL;

    if (!bash) {
        print_message("skipped: there is no bash\n");
        skip();
    }
    bus_daemon_add_guest(fake, "web 2");
    bus_daemon_add_guest(fake, "a:b");
    script = g_strdup_printf("source %s && MEMPLUG_BUS='%s' && export MEMPLUG_BUS\n"
                             "complete_at() { COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=(); "
                             "_memplug %s; printf '%%s|' \"${COMPREPLY[@]}\"; echo; }\n"
                             "complete_at 'memplug se'\n"
                             "complete_at 'memplug info w'\n"
                             "complete_at 'memplug info a:'\n"
                             "complete_at 'memplug limits web --mechanism=d'\n",
                             g_getenv("MEMPLUG_COMPLETION"), address, g_getenv("MEMPLUG_PROGRAM"));
    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, bash, "-c", script, NULL);
    g_subprocess_communicate_utf8_async(process, NULL, NULL, await_callback, &await);
    g_subprocess_communicate_utf8_finish(process, await_result(&await), &out, NULL, NULL);
    await_clear(&await);
    assert_string_equal(out, "setmem|\n"
                             "web|web\\ 2|\n"
                             "b|\n"
                             "dimm|\n");
}

static int
set_up(void **state)
{
    fake = bus_daemon_new(address);
    web = bus_daemon_add_guest(fake, "web");
    return 0;
}

static int
tear_down(void **state)
{
    g_clear_pointer(&fake, bus_daemon_free);
    return 0;
}

static int
set_up_bus(void **state)
{
    test_bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(test_bus);
    address = g_test_dbus_get_bus_address(test_bus);
    return address ? 0 : -1;
}

static int
tear_down_bus(void **state)
{
    g_test_dbus_stop(test_bus);
    g_clear_object(&test_bus);
    return 0;
}

#define MEMPLUG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        MEMPLUG_TEST(test_list),
        MEMPLUG_TEST(test_list_json),
        MEMPLUG_TEST(test_list_of_none),
        MEMPLUG_TEST(test_info),
        MEMPLUG_TEST(test_info_json),
        MEMPLUG_TEST(test_guest_with_an_odd_name),
        MEMPLUG_TEST(test_no_such_guest),
        MEMPLUG_TEST(test_stats),
        MEMPLUG_TEST(test_stats_of_a_silent_guest),
        MEMPLUG_TEST(test_stats_follow),
        MEMPLUG_TEST(test_stats_follow_ends_with_the_guest),
        MEMPLUG_TEST(test_stats_follow_is_ended_by_the_user),
        MEMPLUG_TEST(test_setmem_follows_to_the_end),
        MEMPLUG_TEST(test_setmem_of_what_is_there_at_once),
        MEMPLUG_TEST(test_setmem_waits_for_its_own_decision),
        MEMPLUG_TEST(test_setmem_json),
        MEMPLUG_TEST(test_setmem_rounded),
        MEMPLUG_TEST(test_setmem_outcomes),
        MEMPLUG_TEST(test_setmem_refused),
        MEMPLUG_TEST(test_setmem_no_wait),
        MEMPLUG_TEST(test_setmem_interrupted),
        MEMPLUG_TEST(test_limits),
        MEMPLUG_TEST(test_manage),
        MEMPLUG_TEST(test_plug_and_unplug),
        MEMPLUG_TEST(test_unplug_interrupted),
        MEMPLUG_TEST(test_events),
        MEMPLUG_TEST(test_events_in_time),
        MEMPLUG_TEST(test_events_outlive_the_daemon),
        MEMPLUG_TEST(test_version),
        MEMPLUG_TEST(test_without_a_daemon),
        MEMPLUG_TEST(test_without_a_bus),
        MEMPLUG_TEST(test_bus_option_wins),
        MEMPLUG_TEST(test_wrong_usage),
        MEMPLUG_TEST(test_help),
        MEMPLUG_TEST(test_script),
        MEMPLUG_TEST(test_script_ends_as_its_last_command),
        MEMPLUG_TEST(test_shell_at_a_terminal),
        MEMPLUG_TEST(test_completion_asks_the_daemon),
        MEMPLUG_TEST(test_bash_completion),
    };
    g_autofree char *bus = g_find_program_in_path("dbus-daemon");

    if (!bus) {
        print_message("skipped: there is no dbus-daemon\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up_bus, tear_down_bus);
}
