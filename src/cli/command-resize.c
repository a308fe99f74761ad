/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setmem, plug, unplug: an administrator changes a guest's memory by hand.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/follow.h"
#include "cli/guest-view.h"
#include "cli/output.h"
#include "cli/similar.h"
#include "size/size.h"

static void
print_change(const Change *change, gboolean as_json)
{
    g_autofree char *text = NULL;

    if (as_json) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        change_to_json(change, json);
        output_print_json(json);
    } else if (change_succeeded(change)) {
        text = change_describe(change);
        puts(text);
    }
}

/* Has the guest start with SIZE as well, if that was asked for. */
static gboolean
store_if_asked(const CommandLine *line, Connection *connection, BusGuest *guest, GError **error)
{
    g_autoptr(GVariant) reply = NULL;

    if (!command_line_has(line, "config"))
        return TRUE;
    reply = call_method(connection, guest, "StoreMemory",
                        g_variant_new("(t)", command_line_argument(line, 1)->number), error);
    return reply != NULL;
}

/* Bytes by which floors, held guests and leases exceed the budget with @guest at @size; 0 where
 * that is not known. */
static guint64
find_missing(Connection *connection, BusGuest *guest, guint64 size, guint64 *budget)
{
    gboolean held = bus_guest_get_held(guest) || !bus_guest_get_managed(guest);
    guint64 most, had = held ? bus_guest_get_requested(guest) : bus_guest_get_floor(guest);
    g_autoptr(BusManager) manager = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) host = NULL;

    if (size <= bus_guest_get_requested(guest))
        return 0;
    manager = connection_get_manager(connection, NULL);
    reply = manager ? call_method(connection, manager, "DescribeHost", NULL, NULL) : NULL;
    host = reply ? g_variant_get_child_value(reply, 0) : NULL;
    if (!host || !g_variant_lookup(host, "most", "t", &most) ||
        !g_variant_lookup(host, "budget", "t", budget) || size <= had || size - had <= most)
        return 0;
    return size - had - most + bus_manager_get_shortfall(manager);
}

/* An administrator's word is not held back by the budget, but he had better know. */
static void
warn_of_budget(const Change *change, guint64 budget, guint64 missing)
{
    g_autofree char *lacks = size_format_rounded(missing);
    g_autofree char *of = size_format_rounded(budget);
    g_autofree char *to = size_format_rounded(change->asked);

    if (missing > 0)
        fprintf(stderr,
                "warning: with %s for %s, floors, held guests and leases exceed the budget of %s "
                "by %s: the other guests cannot give that much\n",
                to, change->guest, of, lacks);
}

static gboolean
run_setmem(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(Change) change = NULL;
    g_autofree char *text = NULL;
    guint64 budget = 0, missing;

    if (!guest)
        return FALSE;
    missing = find_missing(connection, guest, command_line_argument(line, 1)->number, &budget);
    if (store_if_asked(line, connection, guest, error)) {
        change = follow_change(connection, guest, command_line_argument(line, 1)->number,
                               !command_line_has(line, "no-wait"),
                               command_line_seconds(line, "timeout", 0.0), error);
        if (!change && command_line_has(line, "config")) {
            g_dbus_error_strip_remote_error(*error);
            g_prefix_error(error, "kept for the next start, and not done now: ");
        }
    }
    if (!change) {
        connection_prefix_error(error, name);
        return FALSE;
    }

    warn_of_budget(change, budget, missing);
    print_change(change, command_line_has(line, "json"));
    if (change_succeeded(change))
        return TRUE;
    text = change_describe(change);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, text);
    return FALSE;
}

static const CommandOption setmem_options[] = {
    { "no-wait", NULL, VALUE_TEXT, "return once memplugd has taken the order" },
    { "timeout", "SECONDS", VALUE_SECONDS, "wait no longer; as long as it takes if not given" },
    { "config", NULL, VALUE_TEXT, "have the guest start with SIZE, too" },
    { NULL },
};

const Command command_setmem = {
    .name = "setmem",
    .summary = "set a guest's memory and wait until it is so",
    .description =
        "Asks the guest to have SIZE of memory and waits until it has, or until it is\n"
        "clear that it will not: then it prints how far the guest got and why, and\n"
        "ends with status 1. A size that the guest's devices cannot make is rounded to\n"
        "one that they can. Where there is no balloon, a DIMM that is too large may be\n"
        "replaced by a smaller one, which is plugged first, within the ceiling.\n"
        "An end of waiting (--timeout, Ctrl-C) does not end the\n"
        "change.\n"
        "The budget does not hold it back: other guests give what it takes, and where\n"
        "they cannot, what is missing is told.\n"
        "The guest stays at this size (is held) until 'memplug manage GUEST on' gives\n"
        "it back to the policy. With --config its definition is changed first, so that\n"
        "its next start gives it SIZE as well.\n"
        "SIZE is written 512M, 2G or 2GiB; a number alone counts KiB, as in virsh.",
    .examples = "memplug setmem web 562M\n"
                "memplug setmem web 2GiB --timeout 30",
    .arguments = { { "GUEST", VALUE_GUEST }, { "SIZE", VALUE_SIZE } },
    .options = setmem_options,
    .run = run_setmem,
};

/* Tells what the guest has after an order, which it had @before. */
static gboolean
print_order(const CommandLine *line, Connection *connection, guint64 before, gint64 started_us,
            GError **error)
{
    double seconds = (double)(g_get_monotonic_time() - started_us) / G_USEC_PER_SEC;
    const char *name = command_line_text(line, 0);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autofree char *now = NULL, *then = NULL;

    if (!guest)
        return FALSE;
    if (command_line_has(line, "json")) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        json_builder_begin_object(json);
        output_add_text(json, "guest", name);
        output_add_size(json, "actual", bus_guest_get_actual(guest));
        output_add_size(json, "before", before);
        output_add_real(json, "seconds", seconds);
        json_builder_end_object(json);
        output_print_json(json);
        return TRUE;
    }
    now = size_format(bus_guest_get_actual(guest));
    then = size_format(before);
    printf("%s: %s (was %s) in %.2f s\n", name, now, then, seconds);
    return TRUE;
}

/* Gives @guest an order and tells what it came to. @arguments: as for call_method() */
static gboolean
run_order(const CommandLine *line, Connection *connection, BusGuest *guest, const char *method,
          GVariant *arguments, GError **error)
{
    gint64 started_us = g_get_monotonic_time();
    guint64 before = bus_guest_get_actual(guest);
    g_autoptr(GVariant) reply = call_method(connection, guest, method, arguments, error);

    if (reply)
        return print_order(line, connection, before, started_us, error);
    connection_prefix_error(error, command_line_text(line, 0));
    return FALSE;
}

/* Whether @line says either a DIMM or a virtio-mem device. */
static gboolean
check_plug(const CommandLine *line, GError **error)
{
    gboolean dimm = command_line_argument(line, 1) != NULL;
    gboolean virtio_mem = command_line_has(line, "virtio-mem");
    const char *wrong = NULL;

    if (dimm && virtio_mem)
        wrong = "SIZE is of a DIMM, --virtio-mem of another device: give one of them";
    else if (!dimm && !virtio_mem)
        wrong = "SIZE is missing, or --virtio-mem MAX";
    else if (dimm && command_line_has(line, "config"))
        wrong = "--config goes with --virtio-mem; a DIMM is plugged into the running guest only";
    if (wrong)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, wrong);
    return !wrong;
}

static gboolean
run_plug(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *max = command_line_option(line, "virtio-mem");
    g_autoptr(BusGuest) guest = NULL;

    if (!check_plug(line, error))
        return FALSE;
    guest = connection_get_guest(connection, command_line_text(line, 0), error);
    if (!guest)
        return FALSE;
    if (max)
        return run_order(line, connection, guest, "PlugVirtioMem",
                         g_variant_new("(tb)", max->number, command_line_has(line, "config")),
                         error);
    return run_order(line, connection, guest, "Plug",
                     g_variant_new("(t)", command_line_argument(line, 1)->number), error);
}

static const CommandOption plug_options[] = {
    { "virtio-mem", "MAX", VALUE_SIZE, "plug a virtio-mem device of up to MAX instead" },
    { "config", NULL, VALUE_TEXT, "with --virtio-mem: into the definition, too" },
    { NULL },
};

const Command command_plug = {
    .name = "plug",
    .summary = "plug a DIMM or a virtio-mem device by hand",
    .description =
        "Plugs one DIMM of SIZE (on x86 Linux guests a multiple of 128 MiB) and waits\n"
        "until the guest has taken it. The guest is then held at what it has.\n"
        "With --virtio-mem, plugs a virtio-mem device that can provide up to MAX and\n"
        "provides nothing at first; memplug then grows the guest by it in small steps.\n"
        "It needs a free PCI slot and room below the guest's maxMemory, and stays until\n"
        "the guest ends. With --config, the guest's definition gets what it lacks for\n"
        "memplug, too, as 'memplug setup GUEST --apply' does.",
    .examples = "memplug plug web 512M\n"
                "memplug plug web --virtio-mem 4G --config",
    .arguments = { { "GUEST", VALUE_GUEST }, { "SIZE", VALUE_SIZE, .optional = TRUE } },
    .options = plug_options,
    .run = run_plug,
};

/* Spares the daemon, and serves the user, where @device is no DIMM of @guest. */
static gboolean
check_device(BusGuest *guest, const char *device, GError **error)
{
    g_auto(GStrv) ids = guest_view_dimm_ids(guest);
    const char *meant = similar_find(device, (const char *const *)ids);
    g_autofree char *known = NULL;

    if (g_strv_contains((const char *const *)ids, device))
        return TRUE;
    known = g_strjoinv(", ", ids);
    if (meant)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "%s has no DIMM '%s'; did you mean '%s'?", bus_guest_get_name(guest), device,
                    meant);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s has no DIMM '%s'; it has %s",
                    bus_guest_get_name(guest), device, *known ? known : "none");
    return FALSE;
}

static gboolean
run_unplug(const CommandLine *line, Connection *connection, GError **error)
{
    const char *device = command_line_text(line, 1);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, command_line_text(line, 0), error);

    return guest && check_device(guest, device, error) &&
           run_order(line, connection, guest, "Unplug", g_variant_new("(s)", device), error);
}

const Command command_unplug = {
    .name = "unplug",
    .summary = "unplug one DIMM by hand",
    .description = "Unplugs the DIMM with the id DEVICE and waits until the guest has let it go;\n"
                   "if it does not, prints why. The guest is then held at what it has.\n"
                   "'memplug info GUEST' lists the devices.",
    .examples = "memplug unplug web memplug-dimm-1",
    .arguments = { { "GUEST", VALUE_GUEST }, { "DEVICE", VALUE_DEVICE } },
    .run = run_unplug,
};
