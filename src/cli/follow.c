/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The proxy subscribed to the guest's properties when it was made, so before
 * SetMemory is sent: no change can be missed, and none is polled for. SetMemory
 * returns the decision it made; the change is over once a state of the guest
 * arrives that belongs to this decision (or a later one) and stands still. Reply
 * and signals may come in any order, so the state is judged anew after each.
 *
 * Two more things end it: the guest's object is removed, or the daemon (or all of
 * the bus) is gone. The clock and Ctrl-C only end the waiting.
 */
#include "cli/follow.h"

#include "cli/call.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "size/size.h"

/* How often the line of progress shows the time that passes. */
#define TICK_MS 200

typedef struct {
    BusGuest *guest;
    Change *change;
    Wait *wait;
    gboolean waiting;  /* for the end of the change, not just for the reply */
    gboolean ended;    /* the outcome stands */
    gboolean returned; /* the call did, somehow */
    gboolean answered; /* by a decision */
    guint64 decision;  /* which is this */
    GError *refusal;   /* by an error */
    gint64 started_us;
} Follow;

/* The first end counts; what the main context still had in store does not. */
static void
end(Follow *follow, ChangeOutcome outcome)
{
    if (follow->ended)
        return;
    follow->ended = TRUE;
    follow->change->outcome = outcome;
    wait_end(follow->wait);
}

static double
elapsed(const Follow *follow)
{
    return (double)(g_get_monotonic_time() - follow->started_us) / G_USEC_PER_SEC;
}

/* Not before the order is taken: somebody may be typing a password on that line. */
static void
show(const Follow *follow)
{
    g_autofree char *actual = size_format_rounded(follow->change->actual);
    g_autofree char *asked = size_format_rounded(follow->change->asked);
    g_autofree char *text = g_strdup_printf("%s: %s of %s, %.1f s", follow->change->guest, actual,
                                            asked, elapsed(follow));

    if (follow->answered)
        terminal_progress(text);
}

static void
judge(Follow *follow)
{
    if (follow->ended)
        return;
    change_update(follow->change, follow->guest, follow->answered ? follow->decision : G_MAXUINT64);
    if (follow->change->outcome != CHANGE_MOVING)
        end(follow, follow->change->outcome);
    else if (follow->waiting)
        show(follow);
}

static void
on_properties(GDBusProxy *guest, GVariant *changed, char **invalidated, gpointer data)
{
    judge(data);
}

static void
on_owner(GObject *guest, GParamSpec *property, gpointer data)
{
    end(data, CHANGE_DAEMON_GONE);
}

static void
on_closed(GDBusConnection *dbus, gboolean vanished, GError *error, gpointer data)
{
    end(data, CHANGE_DAEMON_GONE);
}

static void
on_removed(GDBusConnection *dbus, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *arguments, gpointer data)
{
    Follow *follow = data;
    const char *object;

    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)")))
        return;
    g_variant_get(arguments, "(&oas)", &object, NULL);
    if (g_strcmp0(object, g_dbus_proxy_get_object_path(G_DBUS_PROXY(follow->guest))) == 0)
        end(follow, CHANGE_GUEST_GONE);
}

static gboolean
on_tick(gpointer data)
{
    show(data);
    return G_SOURCE_CONTINUE;
}

/* What the bus says instead of the daemon when there is nobody left to answer;
 * the signals that tell the same may come later. */
static const struct {
    GDBusError code;
    ChangeOutcome outcome;
} last_words[] = {
    { G_DBUS_ERROR_NO_REPLY, CHANGE_DAEMON_GONE },
    { G_DBUS_ERROR_NAME_HAS_NO_OWNER, CHANGE_DAEMON_GONE },
    { G_DBUS_ERROR_UNKNOWN_OBJECT, CHANGE_GUEST_GONE },
    { G_DBUS_ERROR_UNKNOWN_INTERFACE, CHANGE_GUEST_GONE },
    { G_DBUS_ERROR_UNKNOWN_METHOD, CHANGE_GUEST_GONE },
};

static void
take_refusal(Follow *follow, GError *refusal)
{
    for (gsize i = 0; i < G_N_ELEMENTS(last_words); i++) {
        if (g_error_matches(refusal, G_DBUS_ERROR, last_words[i].code))
            end(follow, last_words[i].outcome);
    }
    if (follow->ended) {
        g_error_free(refusal);
        return;
    }
    follow->refusal = refusal;
    end(follow, CHANGE_MOVING);
}

static void
on_answer(GObject *guest, GAsyncResult *result, gpointer data)
{
    Follow *follow = data;
    GError *error = NULL;
    g_autoptr(GVariant) reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(guest), result, &error);

    follow->returned = TRUE;
    if (!reply) {
        take_refusal(follow, error);
        return;
    }
    g_variant_get(reply, "(t)", &follow->decision);
    follow->answered = TRUE;
    if (follow->waiting)
        judge(follow);
    else
        end(follow, CHANGE_ASKED);
}

/* Until the end, which is @follow's outcome then. */
static void
await_end(Follow *follow, double timeout_s)
{
    guint ticker = follow->waiting ? g_timeout_add(TICK_MS, on_tick, follow) : 0;
    WaitEnd ended = wait_run(follow->wait, timeout_s);

    if (ended == WAIT_TIMED_OUT)
        follow->change->outcome = CHANGE_TIMED_OUT;
    else if (ended == WAIT_INTERRUPTED)
        follow->change->outcome = CHANGE_INTERRUPTED;
    follow->ended = TRUE;
    follow->change->seconds = elapsed(follow);
    g_clear_handle_id(&ticker, g_source_remove);
    terminal_progress_end();
}

Change *
follow_change(Connection *connection, BusGuest *guest, guint64 size, gboolean wait,
              double timeout_s, GError **error)
{
    g_autoptr(Change) change = change_new(guest, size);
    g_autoptr(Wait) waiter = wait_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    GDBusConnection *dbus = g_dbus_proxy_get_connection(G_DBUS_PROXY(guest));
    Follow follow = { .guest = guest, .change = change, .wait = waiter, .waiting = wait };
    guint removals = g_dbus_connection_signal_subscribe(
        dbus, CONNECTION_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
        CONNECTION_OBJECT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_removed, &follow, NULL);

    g_signal_connect(guest, "g-properties-changed", G_CALLBACK(on_properties), &follow);
    g_signal_connect(guest, "notify::g-name-owner", G_CALLBACK(on_owner), &follow);
    g_signal_connect(dbus, "closed", G_CALLBACK(on_closed), &follow);
    follow.started_us = g_get_monotonic_time();
    connection_prepare_password(connection);
    g_dbus_proxy_call(G_DBUS_PROXY(guest), "SetMemory", g_variant_new("(t)", size), CALL_FLAGS,
                      CALL_TIMEOUT, cancellable, on_answer, &follow);
    await_end(&follow, timeout_s);

    /* The call must not return into a frame that is gone. */
    g_cancellable_cancel(cancellable);
    while (!follow.returned)
        g_main_context_iteration(NULL, TRUE);
    g_dbus_connection_signal_unsubscribe(dbus, removals);
    g_signal_handlers_disconnect_by_data(dbus, &follow);
    g_signal_handlers_disconnect_by_data(guest, &follow);
    if (follow.refusal) {
        g_propagate_error(error, follow.refusal);
        return NULL;
    }
    return g_steal_pointer(&change);
}
