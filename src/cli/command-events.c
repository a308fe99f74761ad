/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events: what happens, as it happens.
 *
 * The subscription is for the daemon's well-known name, so it outlives a restart
 * of the daemon; that it is gone and that it is back is told on standard error.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/wait.h"

typedef struct {
    Wait *wait;
    const char *guest; /* (nullable): only this one's */
    gboolean json;
    guint64 wanted; /* 0: no end */
    guint64 seen;
    gboolean there; /* the daemon is on the bus */
} Events;

typedef struct {
    guint64 time_us; /* wall clock, since 1970 */
    const char *guest, *kind;
    guint64 decision;
    const char *message;
} EventRecord;

static void
print_json(const EventRecord *event)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    output_add_size(json, "time_us", event->time_us);
    output_add_text(json, "guest", event->guest);
    output_add_text(json, "kind", event->kind);
    output_add_size(json, "decision", event->decision);
    output_add_text(json, "message", event->message);
    json_builder_end_object(json);
    output_print_json_line(json);
}

/* "2026-03-01 12:00:00.250  web              settled        562 MiB in 0.3 s" */
static void
print_text(const EventRecord *event)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_local((gint64)(event->time_us / G_USEC_PER_SEC));
    g_autofree char *clock = time ? g_date_time_format(time, "%F %T") : g_strdup("-");
    g_autofree char *guest = terminal_clean(*event->guest ? event->guest : "-");
    g_autofree char *message = terminal_clean(event->message);

    printf("%s.%03u  %-16s %-14s %s\n", clock, (guint)(event->time_us % G_USEC_PER_SEC / 1000),
           guest, event->kind, message);
    fflush(stdout);
}

static void
on_event(GDBusConnection *dbus, const char *sender, const char *path, const char *interface,
         const char *signal, GVariant *arguments, gpointer data)
{
    Events *events = data;
    EventRecord event;

    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(tssts)")))
        return;
    g_variant_get(arguments, "(t&s&st&s)", &event.time_us, &event.guest, &event.kind,
                  &event.decision, &event.message);
    if (events->guest && !g_str_equal(events->guest, event.guest))
        return;
    /* More may come in one go than were asked for. */
    if (events->wanted > 0 && events->seen >= events->wanted)
        return;

    events->seen++;
    if (events->json)
        print_json(&event);
    else
        print_text(&event);
    if (events->seen == events->wanted)
        wait_end(events->wait);
}

static void
on_owner(GObject *manager, GParamSpec *property, gpointer data)
{
    g_autofree char *owner = g_dbus_proxy_get_name_owner(G_DBUS_PROXY(manager));
    Events *events = data;

    if (owner && !events->there)
        fputs("memplugd is back\n", stderr);
    else if (!owner && events->there)
        fputs("memplugd left the bus; waiting for it\n", stderr);
    events->there = owner != NULL;
}

static void
on_closed(GDBusConnection *dbus, gboolean vanished, GError *error, gpointer data)
{
    Events *events = data;

    wait_end(events->wait);
}

static gboolean
await_events(Events *events, GDBusConnection *dbus, double timeout_s, GError **error)
{
    WaitEnd ended = wait_run(events->wait, timeout_s);

    if (events->wanted > 0 ? events->seen >= events->wanted : ended != WAIT_DONE)
        return TRUE;
    if (ended == WAIT_DONE)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the bus is gone");
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                    "only %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " events came", events->seen,
                    events->wanted);
    return FALSE;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *guest = command_line_option(line, "guest");
    const Value *count = command_line_option(line, "count");
    GDBusConnection *dbus = connection_get_bus(connection, error);
    g_autoptr(Wait) wait = wait_new();
    g_autoptr(BusManager) manager = NULL;
    Events events = { .wait = wait,
                      .guest = guest ? guest->text : NULL,
                      .json = command_line_has(line, "json"),
                      .wanted = count ? count->number : 0,
                      .there = TRUE };
    guint subscription;
    gboolean success = FALSE;

    if (!dbus)
        return FALSE;
    /* First subscribed, then looked whether the daemon is there: so nothing that
     * happens after the command was seen to work is missed. */
    subscription = g_dbus_connection_signal_subscribe(
        dbus, CONNECTION_BUS_NAME, "org.memplug1.Manager", "Event", CONNECTION_OBJECT_PATH, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_event, &events, NULL);
    g_signal_connect(dbus, "closed", G_CALLBACK(on_closed), &events);
    manager = connection_get_manager(connection, error);
    if (manager) {
        g_signal_connect(manager, "notify::g-name-owner", G_CALLBACK(on_owner), &events);
        success = await_events(&events, dbus, command_line_seconds(line, "timeout", 0.0), error);
        g_signal_handlers_disconnect_by_data(manager, &events);
    }
    g_signal_handlers_disconnect_by_data(dbus, &events);
    g_dbus_connection_signal_unsubscribe(dbus, subscription);
    return success;
}

static const CommandOption options[] = {
    { "guest", "GUEST", VALUE_GUEST, "only events of this guest" },
    { "count", "N", VALUE_COUNT, "stop after so many; status 1 if fewer came in time" },
    { "timeout", "SECONDS", VALUE_SECONDS, "stop after so long" },
    { NULL },
};

const Command command_events = {
    .name = "events",
    .summary = "print what happens, as it happens",
    .description = "Prints each event with its time, guest (- for the host), kind and message,\n"
                   "until Ctrl-C. Kinds are guest-added, guest-removed, state, decision, step,\n"
                   "settled, short, shrink, onlining, urgent, held, managed, limits, stats,\n"
                   "budget, host, lease, config and journal.\n"
                   "With --json each line is one object; time_us counts from 1970.",
    .examples = "memplug events\n"
                "memplug events --guest web --count 1 --timeout 10 --json",
    .options = options,
    .run = run,
};
