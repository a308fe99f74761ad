/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-sweep.h"

#include "hypervisor/qemu/qemu-orphans.h"
#include "qmp/qmp-memory-backend.h"

/* Kept by its guest, and by the search that goes on. */
struct QemuSweep {
    QmpClient *client;
    char *name;
    gint64 interval_us;
    gboolean due;
    gboolean plugging;
    gboolean searching;
    gint64 begun_us;
};

static void
sweep_clear(gpointer data)
{
    QemuSweep *sweep = data;

    g_object_unref(sweep->client);
    g_free(sweep->name);
}

void
qemu_sweep_free(QemuSweep *sweep)
{
    if (sweep)
        g_rc_box_release_full(sweep, sweep_clear);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuSweep, qemu_sweep_free)

QemuSweep *
qemu_sweep_new(QmpClient *client, const char *name, gint64 interval_us)
{
    QemuSweep *sweep = g_rc_box_new0(QemuSweep);

    sweep->client = g_object_ref(client);
    sweep->name = g_strdup(name);
    sweep->interval_us = interval_us;
    sweep->due = TRUE;
    return sweep;
}

void
qemu_sweep_ask(QemuSweep *sweep)
{
    sweep->due = TRUE;
}

void
qemu_sweep_set_plugging(QemuSweep *sweep, gboolean plugging)
{
    sweep->plugging = plugging;
}

static void
on_orphan_removed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autofree char *what = user_data;
    g_autoptr(GError) error = NULL;

    if (qmp_client_execute_done(QMP_CLIENT(source), result, &error))
        g_debug("%s: removed, nothing used it", what);
    else
        g_debug("%s: cannot be removed: %s", what, error->message);
}

static void
on_orphans(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(QemuSweep) sweep = user_data;
    g_autoptr(GPtrArray) orphans = qemu_orphans_find_finish(QMP_CLIENT(source), result, NULL);

    sweep->searching = FALSE;
    if (!orphans || sweep->plugging) {
        sweep->due = TRUE;
        return;
    }
    for (guint i = 0; i < orphans->len; i++) {
        const char *id = orphans->pdata[i];

        qmp_memory_backend_del_async(sweep->client, id, NULL, on_orphan_removed,
                                     g_strdup_printf("%s: memory backend %s", sweep->name, id));
    }
}

void
qemu_sweep_begin(QemuSweep *sweep)
{
    gint64 now = g_get_monotonic_time();

    if (sweep->searching || sweep->plugging ||
        (!sweep->due && now - sweep->begun_us < sweep->interval_us))
        return;
    sweep->searching = TRUE;
    sweep->due = FALSE;
    sweep->begun_us = now;
    qemu_orphans_find_async(sweep->client, NULL, on_orphans, g_rc_box_acquire(sweep));
}
