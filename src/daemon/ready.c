/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/ready.h"

#include "build-config.h"

#if HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
#define sd_notify(unset, state)          ((void)(state))
#define sd_watchdog_enabled(unset, usec) (*(usec) = 0)
#endif

void
ready_tell_ready(void)
{
    sd_notify(0, "READY=1");
}

void
ready_tell_reloading(void)
{
    /* With the time, a manager that knows Type=notify-reload can tell this
     * reload from an earlier one. */
    g_autofree char *state =
        g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());

    sd_notify(0, state);
}

void
ready_tell_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void
ready_tell_status(const char *format, ...)
{
    g_autofree char *status = NULL;
    g_autofree char *state = NULL;
    va_list arguments;

    va_start(arguments, format);
    status = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    state = g_strconcat("STATUS=", status, NULL);
    sd_notify(0, state);
}

static gboolean
on_watchdog(gpointer data)
{
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

guint
ready_start_watchdog(void)
{
    guint64 usec = 0;

    if (sd_watchdog_enabled(0, &usec) <= 0)
        return 0;
    return g_timeout_add((guint)MAX(usec / 2 / 1000, 1), on_watchdog, NULL);
}
