/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/roster.h"

struct _Roster {
    GObject parent;
    const Config *config;
    IntentStore *intents;
    gboolean dry_run;
    GPtrArray *guests; /* ManagedGuest */
};

G_DEFINE_TYPE(Roster, roster, G_TYPE_OBJECT)

enum { SIGNAL_ADDED, SIGNAL_REMOVED, SIGNAL_EVENT, SIGNAL_URGENT, N_SIGNALS };
static guint signals[N_SIGNALS];

static void
tell_of_guest(Roster *roster, EventKind kind, Guest *guest, const char *message)
{
    const Event event = {
        .kind = kind, .level = G_LOG_LEVEL_INFO, .guest = guest_get_name(guest), .message = message
    };

    roster_tell(roster, &event);
}

static void
on_urgent(Roster *roster)
{
    g_signal_emit(roster, signals[SIGNAL_URGENT], 0);
}

static void
on_guest_added(Roster *roster, Guest *guest)
{
    ManagedGuest *managed =
        managed_guest_new(guest, roster->config, roster->intents, roster->dry_run);

    g_ptr_array_add(roster->guests, managed);
    g_signal_connect_object(managed, "event", G_CALLBACK(roster_tell), roster, G_CONNECT_SWAPPED);
    g_signal_connect_object(managed, "urgent", G_CALLBACK(on_urgent), roster, G_CONNECT_SWAPPED);
    tell_of_guest(roster, EVENT_GUEST_ADDED, guest, "found");
    g_signal_emit(roster, signals[SIGNAL_ADDED], 0, managed);
}

static void
on_guest_removed(Roster *roster, Guest *guest)
{
    for (guint i = 0; i < roster->guests->len; i++) {
        g_autoptr(ManagedGuest) managed = g_object_ref(roster->guests->pdata[i]);

        if (managed_guest_get_guest(managed) != guest)
            continue;
        managed_guest_stop(managed);
        g_ptr_array_remove_index(roster->guests, i);
        tell_of_guest(roster, EVENT_GUEST_REMOVED, guest, "gone");
        g_signal_emit(roster, signals[SIGNAL_REMOVED], 0, managed);
        return;
    }
}

Roster *
roster_new(Hypervisor *hypervisor, const Config *config, IntentStore *intents, gboolean dry_run)
{
    Roster *roster = g_object_new(TYPE_ROSTER, NULL);

    roster->config = config;
    roster->intents = intents;
    roster->dry_run = dry_run;
    g_signal_connect_object(hypervisor, "guest-added", G_CALLBACK(on_guest_added), roster,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(hypervisor, "guest-removed", G_CALLBACK(on_guest_removed), roster,
                            G_CONNECT_SWAPPED);
    return roster;
}

void
roster_configure(Roster *roster, const Config *config)
{
    roster->config = config;
    for (guint i = 0; i < roster->guests->len; i++)
        managed_guest_configure(roster->guests->pdata[i], config);
}

void
roster_tell(Roster *roster, const Event *event)
{
    g_signal_emit(roster, signals[SIGNAL_EVENT], 0, event);
}

GPtrArray *
roster_get_guests(Roster *roster)
{
    return roster->guests;
}

static void
roster_finalize(GObject *object)
{
    g_ptr_array_unref(MEMPLUG_ROSTER(object)->guests);
    G_OBJECT_CLASS(roster_parent_class)->finalize(object);
}

static void
roster_class_init(RosterClass *class)
{
    G_OBJECT_CLASS(class)->finalize = roster_finalize;

    signals[SIGNAL_ADDED] = g_signal_new("added", TYPE_ROSTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, TYPE_MANAGED_GUEST);
    signals[SIGNAL_REMOVED] = g_signal_new("removed", TYPE_ROSTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                           NULL, G_TYPE_NONE, 1, TYPE_MANAGED_GUEST);
    signals[SIGNAL_EVENT] = g_signal_new("event", TYPE_ROSTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_URGENT] =
        g_signal_new("urgent", TYPE_ROSTER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
roster_init(Roster *roster)
{
    roster->guests = g_ptr_array_new_with_free_func(g_object_unref);
}
