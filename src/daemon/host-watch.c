/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/host-watch.h"

#include "monitor/host-memory.h"
#include "monitor/host-pressure.h"
#include "size/size.h"

struct _HostWatch {
    Roster *roster;
    char *root;
    HostMarks marks;
    HostState state;
    HostPressure *pressure; /* nullable */
    gboolean stalling;      /* told by it since the last look */
    void (*on_pressure)(gpointer data);
    gpointer on_pressure_data;
    char *stuck;         /* owned, nullable: who does not follow, as last told */
    gboolean unreadable; /* told that the host cannot be looked at */
};

HostWatch *
host_watch_new(Roster *roster, const char *root)
{
    HostWatch *watch = g_new0(HostWatch, 1);

    watch->roster = roster;
    watch->root = g_strdup(root);
    return watch;
}

void
host_watch_free(HostWatch *watch)
{
    if (!watch)
        return;
    host_pressure_free(watch->pressure);
    g_free(watch->stuck);
    g_free(watch->root);
    g_free(watch);
}

static void
on_pressure(gpointer data)
{
    HostWatch *watch = data;

    watch->stalling = TRUE;
    watch->on_pressure(watch->on_pressure_data);
}

void
host_watch_await_pressure(HostWatch *watch, void (*callback)(gpointer data), gpointer data)
{
    watch->on_pressure = callback;
    watch->on_pressure_data = data;
    watch->pressure = host_pressure_new(watch->root, HOST_LEVEL_STALL, on_pressure, watch);
    if (!watch->pressure)
        g_debug("the kernel grants no trigger on the host's memory pressure; it is looked at once "
                "a cycle");
}

void
host_watch_configure(HostWatch *watch, const HostMarks *marks)
{
    watch->marks = *marks;
}

HostLevel
host_watch_get_level(const HostWatch *watch)
{
    return watch->state.level;
}

const HostMarks *
host_watch_get_marks(const HostWatch *watch)
{
    return &watch->marks;
}

static void
tell(HostWatch *watch, GLogLevelFlags level, const char *message)
{
    const Event event = { .kind = EVENT_HOST, .level = level, .guest = "", .message = message };

    roster_tell(watch->roster, &event);
}

static const char *const consequences[] = {
    [HOST_LEVEL_WELL] = "guests may have their budget again",
    [HOST_LEVEL_SOFT] = "guests give back what they can spare, and do not grow",
    [HOST_LEVEL_HARD] = ("guests give back what they have beyond their floors as far as it takes, "
                         "and do not grow"),
    [HOST_LEVEL_EMERGENCY] = "guests are taken down to their floors at once, and do not grow",
};

static void
tell_level(HostWatch *watch, HostLevel before, guint64 available)
{
    HostLevel level = watch->state.level;
    g_autofree char *size = size_format_rounded(available);
    g_autofree char *message = NULL;

    if (level == before)
        return;
    message =
        g_strdup_printf("%s: %s available; %s", host_level_name(level), size, consequences[level]);
    tell(watch, level > before ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, message);
}

/* Names, once, the guests that do not give what they are asked for while the host needs it. */
static void
tell_stuck(HostWatch *watch, const PlanGuest *plans, ManagedGuest *const *guests, gsize n_guests)
{
    g_autoptr(GString) stuck = g_string_new(NULL);

    for (gsize i = 0; i < n_guests && watch->state.level > HOST_LEVEL_WELL; i++) {
        if (plans[i].stuck)
            g_string_append_printf(stuck, "%s%s", stuck->len > 0 ? ", " : "",
                                   guest_get_name(managed_guest_get_guest(guests[i])));
    }
    if (stuck->len > 0 && g_strcmp0(stuck->str, watch->stuck) != 0) {
        g_autofree char *message = g_strdup_printf(
            "do not give back what is asked of them, and are left out: %s", stuck->str);

        tell(watch, G_LOG_LEVEL_WARNING, message);
    }
    g_free(watch->stuck);
    watch->stuck = stuck->len > 0 ? g_strdup(stuck->str) : NULL;
}

/* What all have, and what they have that nobody will take: floors, and all of what is stuck or
 * pinned. */
static guint64
sum_up(const PlanGuest *plans, gsize n_guests, guint64 *least)
{
    guint64 has = 0;

    *least = 0;
    for (gsize i = 0; i < n_guests; i++) {
        gboolean fixed = plans[i].pin != PLAN_PIN_NONE || plans[i].stuck;
        guint64 keeps = fixed ? plans[i].actual : plans[i].floor;

        has += MIN(plans[i].actual, G_MAXUINT64 - has);
        *least += MIN(keeps, G_MAXUINT64 - *least);
    }
    return has;
}

HostAllowance
host_watch_look(HostWatch *watch, const PlanGuest *plans, ManagedGuest *const *guests,
                gsize n_guests, guint64 budget, gint64 now)
{
    HostLevel before = watch->state.level;
    g_autoptr(GError) error = NULL;
    guint64 has, least;
    HostMemory host;
    HostLook look;

    if (!host_memory_read(watch->root, &host, &error)) {
        if (!watch->unreadable)
            tell(watch, G_LOG_LEVEL_WARNING, error->message);
        watch->unreadable = TRUE;
        return (HostAllowance){ .budget = budget };
    }
    watch->unreadable = FALSE;
    look = (HostLook){ .available = host.available,
                       .stalled_us = host_memory_stalled(watch->root),
                       .stalling = watch->stalling };
    watch->stalling = FALSE;
    host_level_look(&watch->state, &watch->marks, &look, now);
    tell_level(watch, before, host.available);
    tell_stuck(watch, plans, guests, n_guests);
    has = sum_up(plans, n_guests, &least);
    return host_level_allow(watch->state.level, &watch->marks, &look, budget, has, least);
}
