/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/host-pressure.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

struct _HostPressure {
    int fd;
    guint source;
    void (*callback)(gpointer data);
    gpointer data;
};

/* The shorter the window, the sooner it is told. Without CAP_SYS_RESOURCE the kernel grants, from
 * 6.5 on, windows of whole multiples of 2 s only, and before that none at all. */
static const gint64 windows_us[] = { G_USEC_PER_SEC, 2 * G_USEC_PER_SEC };

/* A trigger lives as long as the file is open; it is written with its terminating zero. */
static gboolean
arm(int fd, double part)
{
    for (gsize i = 0; i < G_N_ELEMENTS(windows_us); i++) {
        g_autofree char *trigger =
            g_strdup_printf("full %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                            (gint64)((double)windows_us[i] * CLAMP(part, 0.0, 1.0)), windows_us[i]);

        if (write(fd, trigger, strlen(trigger) + 1) > 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer data)
{
    HostPressure *pressure = data;

    /* The kernel has taken the trigger away: there will be no other word. */
    if (condition & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)) {
        pressure->source = 0;
        return G_SOURCE_REMOVE;
    }
    pressure->callback(pressure->data);
    return G_SOURCE_CONTINUE;
}

HostPressure *
host_pressure_new(const char *root, double part, void (*callback)(gpointer data), gpointer data)
{
    g_autofree char *path = g_strconcat(root, "/proc/pressure/memory", NULL);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    HostPressure *pressure;

    if (fd < 0)
        return NULL;
    if (!arm(fd, part)) {
        close(fd);
        return NULL;
    }
    pressure = g_new0(HostPressure, 1);
    pressure->fd = fd;
    pressure->callback = callback;
    pressure->data = data;
    pressure->source =
        g_unix_fd_add_full(G_PRIORITY_HIGH, fd, G_IO_PRI | G_IO_ERR, on_ready, pressure, NULL);
    return pressure;
}

void
host_pressure_free(HostPressure *pressure)
{
    if (!pressure)
        return;
    g_clear_handle_id(&pressure->source, g_source_remove);
    close(pressure->fd);
    g_free(pressure);
}
