/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setmem, plug, unplug: an administrator changes a guest's memory by hand.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/follow.h"
#include "cli/guest-view.h"
#include "cli/output.h"
#include "cli/similar.h"
#include "cli/wait.h"
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

static gboolean
run_setmem(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(Change) change = NULL;
    g_autofree char *text = NULL;

    if (!guest)
        return FALSE;
    change = follow_change(guest, command_line_argument(line, 1)->number,
                           !command_line_has(line, "no-wait"),
                           command_line_seconds(line, "timeout", 0.0), error);
    if (!change) {
        connection_prefix_error(error, name);
        return FALSE;
    }

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
    { NULL },
};

const Command command_setmem = {
    .name = "setmem",
    .summary = "set a guest's memory and wait until it is so",
    .description = "Asks the guest to have SIZE of memory and waits until it has, or until it is\n"
                   "clear that it will not: then it prints how far the guest got and why, and\n"
                   "ends with status 1. A size that the guest's devices cannot make is rounded to\n"
                   "one that they can. An end of waiting (--timeout, Ctrl-C) does not end the\n"
                   "change.\n"
                   "The guest stays at this size (is held) until 'memplug manage GUEST on' gives\n"
                   "it back to the policy.\n"
                   "SIZE is written 512M, 2G or 2GiB; a number alone counts KiB, as in virsh.",
    .examples = "memplug setmem web 562M\n"
                "memplug setmem web 2GiB --timeout 30",
    .arguments = { { "GUEST", VALUE_GUEST }, { "SIZE", VALUE_SIZE } },
    .options = setmem_options,
    .run = run_setmem,
};

/* A call that returns nothing and may take long. */
typedef struct {
    gboolean (*finish)(BusGuest *guest, GAsyncResult *result, GError **error);
    GCancellable *cancellable;
    Wait *wait;
    GError *error;
    gboolean returned;
} Order;

static void
on_returned(GObject *guest, GAsyncResult *result, gpointer data)
{
    Order *order = data;

    order->finish(BUS_GUEST(guest), result, &order->error);
    order->returned = TRUE;
    wait_end(order->wait);
}

/* memplugd bounds how long its work takes, so the call itself is not bounded. */
static void
prepare_order(BusGuest *guest)
{
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(guest), G_MAXINT);
}

static gboolean
await_order(Order *order, const char *guest, GError **error)
{
    if (wait_run(order->wait, 0.0) == WAIT_INTERRUPTED) {
        g_cancellable_cancel(order->cancellable);
        while (!order->returned)
            g_main_context_iteration(NULL, TRUE);
        g_clear_error(&order->error);
        order->error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                           "no longer waiting; memplugd goes on with it");
    }
    if (!order->error)
        return TRUE;
    g_propagate_error(error, order->error);
    connection_prefix_error(error, guest);
    return FALSE;
}

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

static gboolean
run_plug(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(Wait) wait = wait_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Order order = { bus_guest_call_plug_finish, cancellable, wait };
    gint64 started_us = g_get_monotonic_time();
    guint64 before;

    if (!guest)
        return FALSE;
    before = bus_guest_get_actual(guest);
    prepare_order(guest);
    bus_guest_call_plug(guest, command_line_argument(line, 1)->number, cancellable, on_returned,
                        &order);
    if (!await_order(&order, name, error))
        return FALSE;
    return print_order(line, connection, before, started_us, error);
}

const Command command_plug = {
    .name = "plug",
    .summary = "plug one DIMM by hand",
    .description = "Plugs one DIMM of SIZE (on x86 Linux guests a multiple of 128 MiB) and waits\n"
                   "until the guest has taken it. The guest is then held at what it has.",
    .examples = "memplug plug web 512M",
    .arguments = { { "GUEST", VALUE_GUEST }, { "SIZE", VALUE_SIZE } },
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
    const char *name = command_line_text(line, 0), *device = command_line_text(line, 1);
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(Wait) wait = wait_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Order order = { bus_guest_call_unplug_finish, cancellable, wait };
    gint64 started_us = g_get_monotonic_time();
    guint64 before;

    if (!guest || !check_device(guest, device, error))
        return FALSE;
    before = bus_guest_get_actual(guest);
    prepare_order(guest);
    bus_guest_call_unplug(guest, device, cancellable, on_returned, &order);
    if (!await_order(&order, name, error))
        return FALSE;
    return print_order(line, connection, before, started_us, error);
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
