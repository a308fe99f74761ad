/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/event.h"

static const char *const kind_names[] = {
    [EVENT_GUEST_ADDED] = "guest-added",
    [EVENT_GUEST_REMOVED] = "guest-removed",
    [EVENT_STATE] = "state",
    [EVENT_DECISION] = "decision",
    [EVENT_HELD] = "held",
    [EVENT_STEP] = "step",
    [EVENT_SETTLED] = "settled",
    [EVENT_SHORT] = "short",
    [EVENT_ONLINING] = "onlining",
    [EVENT_SHRINK] = "shrink",
    [EVENT_URGENT] = "urgent",
    [EVENT_STATS] = "stats",
    [EVENT_MANAGED] = "managed",
    [EVENT_LIMITS] = "limits",
    [EVENT_BUDGET] = "budget",
    [EVENT_HOST] = "host",
    [EVENT_LEASE] = "lease",
    [EVENT_CONFIG] = "config",
    [EVENT_JOURNAL] = "journal",
};
G_STATIC_ASSERT(G_N_ELEMENTS(kind_names) == EVENT_JOURNAL + 1);

const char *
event_kind_name(EventKind kind)
{
    return kind_names[kind];
}

void
event_log(const Event *event)
{
    const char *name = event_kind_name(event->kind);
    g_autofree char *decision = g_strdup_printf("%" G_GUINT64_FORMAT, event->decision);

    g_log_structured(G_LOG_DOMAIN, event->level, "MEMPLUG_EVENT", name, "MEMPLUG_GUEST",
                     event->guest, "MEMPLUG_DECISION", decision, "MESSAGE", "%s%s%s: %s",
                     event->guest, *event->guest ? " " : "", name, event->message);
}

guint64
event_new_decision(void)
{
    static guint64 last;
    guint64 now = (guint64)g_get_real_time();

    last = MAX(now, last + 1);
    return last;
}
