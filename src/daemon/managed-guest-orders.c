/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator may order of a guest. Each order is checked against what is so now,
 * then kept, then carried out; who ordered is answered once it is kept, or once the
 * guest has followed where only that tells whether it went well.
 */
#include "daemon/managed-guest-private.h"
#include "hotplug/node-balance.h"
#include "size/size.h"

/* No virtio-mem device has smaller blocks (QEMU, hw/virtio/virtio-mem.c). */
#define VIRTIO_MEM_GRAIN (G_GUINT64_CONSTANT(2) << 20)

static gboolean
check_changeable(ManagedGuest *managed, GError **error)
{
    if (managed->dry_run) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "memplugd runs with --dry-run and changes nothing");
        return FALSE;
    }
    if (!managed->status.observed) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED,
                    "%s has not been observed yet; try again in a second",
                    guest_get_name(managed->guest));
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_resizable(ManagedGuest *managed, GError **error)
{
    if (!check_changeable(managed, error))
        return FALSE;
    if (!managed->status.force.obstacle)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "the memory of %s cannot be changed: %s", guest_get_name(managed->guest),
                managed->status.force.obstacle);
    return FALSE;
}

guint64
managed_guest_set_memory(ManagedGuest *managed, guint64 size, GError **error)
{
    g_autofree char *from = size_format(managed->status.requested);
    g_autofree char *to = size_format(size);

    if (!check_changeable(managed, error) ||
        !limits_in_force_admit(&managed->status.force, guest_get_name(managed->guest), size, error))
        return 0;
    managed_guest_intend(managed, size, TRUE, event_new_decision(), g_get_monotonic_time());
    intent_store_flush(managed->intents);
    managed_guest_tell(managed, EVENT_HELD, G_LOG_LEVEL_INFO, "an administrator asked: %s → %s",
                       from, to);
    return managed->status.decision;
}

static void
on_limits_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;

    if (guest_change_limits_finish(MEMPLUG_GUEST(source), result, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
managed_guest_set_limits_async(ManagedGuest *managed, const GuestLimits *change, guint unset,
                               guint scope, GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const GuestLimits own = guest_limits_change(guest_get_limits(managed->guest), change, unset);
    const GuestLimits merged =
        config_guest_limits(managed->config, guest_get_name(managed->guest), &own);
    GError *error = NULL;

    if (!check_changeable(managed, &error) || !guest_limits_check(&merged, &error))
        g_task_return_error(task, error);
    else
        guest_change_limits_async(managed->guest, change, unset, scope, NULL, on_limits_stored,
                                  g_steal_pointer(&task));
}

gboolean
managed_guest_set_limits_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Whether it is managed has been kept: ends a hold. */
static void
take_managed(ManagedGuest *managed, gboolean on)
{
    managed_guest_intend(managed, managed->status.requested, FALSE, managed->status.decision,
                         g_get_monotonic_time());
    intent_store_flush(managed->intents);
    managed_guest_tell(managed, EVENT_MANAGED, G_LOG_LEVEL_INFO, "%s",
                       on ? "given to the policy" : "no longer managed");
}

static void
on_managed_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    ManagedGuest *managed = MEMPLUG_MANAGED_GUEST(source);
    GError *error = NULL;

    if (!managed_guest_set_limits_finish(managed, result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    take_managed(managed, GPOINTER_TO_INT(g_task_get_task_data(task)));
    g_task_return_boolean(task, TRUE);
}

void
managed_guest_set_managed_async(ManagedGuest *managed, gboolean on, GAsyncReadyCallback callback,
                                gpointer user_data)
{
    const GuestLimits change = { .set = GUEST_LIMIT_MANAGED, .managed = on };
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    GError *error = NULL;

    g_task_set_task_data(task, GINT_TO_POINTER(on), NULL);
    if (!check_changeable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (managed->status.force.limits.managed != on) {
        managed_guest_set_limits_async(managed, &change, 0, GUEST_SCOPE_ALL, on_managed_stored,
                                       g_steal_pointer(&task));
    } else {
        take_managed(managed, on);
        g_task_return_boolean(task, TRUE);
    }
}

gboolean
managed_guest_set_managed_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
on_ordered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    ManagedGuest *managed = g_task_get_source_object(task);
    GError *error = NULL;
    gboolean ok = resize_order_finish(MEMPLUG_RESIZE(source), result, &error);

    /* As the order has left it: a refused one counts for nothing. */
    managed_guest_intend(managed, resize_get_target(managed->resize), TRUE,
                         managed->status.decision, g_get_monotonic_time());
    intent_store_flush(managed->intents);
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
order(ManagedGuest *managed, const MemoryStep *step, GTask *task)
{
    guint64 decision = event_new_decision();
    g_autofree char *what = memory_step_describe(step, resize_get_memory(managed->resize));

    /* An unmanaged guest has no target yet from which the order could move it. */
    resize_set_target(managed->resize, managed->status.requested,
                      managed->status.force.limits.mechanism, FALSE);
    resize_order_async(managed->resize, step, on_ordered, g_object_ref(task));
    managed_guest_intend(managed, resize_get_target(managed->resize), TRUE, decision,
                         g_get_monotonic_time());
    managed_guest_tell(managed, EVENT_HELD, G_LOG_LEVEL_INFO,
                       "an administrator ordered by hand: %s", what);
}

void
managed_guest_plug_async(ManagedGuest *managed, guint64 size, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const GuestMemory *memory = resize_get_memory(managed->resize);
    GError *error = NULL;

    if (!check_resizable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (size == 0 || size % MEMORY_DIMM_GRAIN != 0) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                "a DIMM must be a multiple of 128 MiB");
    } else if (guest_memory_free_slots(memory) == 0) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "%s has no free DIMM slot",
                                guest_get_name(managed->guest));
    } else if (!limits_in_force_admit(&managed->status.force, guest_get_name(managed->guest),
                                      managed->status.requested +
                                          MIN(size, G_MAXUINT64 - managed->status.requested),
                                      &error)) {
        g_task_return_error(task, error);
    } else if (guest_memory_headroom(memory) < size) {
        g_autofree char *headroom = size_format(guest_memory_headroom(memory));

        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                                "%s has no room for that DIMM: its maximum memory leaves %s for "
                                "new devices",
                                guest_get_name(managed->guest), headroom);
    } else {
        const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM,
                                  .size = size,
                                  .node = node_balance_plug(memory, size) };

        order(managed, &step, task);
    }
}

void
managed_guest_unplug_async(ManagedGuest *managed, const char *device, GAsyncReadyCallback callback,
                           gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const MemoryDevice *found = NULL;
    GError *error = NULL;

    if (managed->status.observed)
        found = guest_memory_find(resize_get_memory(managed->resize), device);
    if (!check_resizable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (!found || found->kind != MEMORY_DEVICE_DIMM) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                "%s has no DIMM called '%s'; memplug info %s lists its devices",
                                guest_get_name(managed->guest), device,
                                guest_get_name(managed->guest));
    } else {
        const MemoryStep step = { MEMORY_STEP_UNPLUG_DIMM, found->size, found->node, found->id };

        order(managed, &step, task);
    }
}

/* Whether a virtio-mem device of at most @max bytes fits into the guest. */
static gboolean
check_virtio_mem(ManagedGuest *managed, guint64 max, GError **error)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    const char *name = guest_get_name(managed->guest);
    g_autofree char *wanted = size_format(max);

    if (!check_changeable(managed, error))
        return FALSE;
    if (memory->obstacle) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "the memory of %s cannot be changed: %s", name, memory->obstacle);
        return FALSE;
    }
    if (max == 0 || max % VIRTIO_MEM_GRAIN != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "a virtio-mem device must be a multiple of 2 MiB");
        return FALSE;
    }
    if (max > guest_memory_headroom(memory)) {
        g_autofree char *headroom = size_format(guest_memory_headroom(memory));

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "%s has no room for a virtio-mem device of up to %s: its maximum memory leaves "
                    "%s for new devices",
                    name, wanted, headroom);
        return FALSE;
    }
    return TRUE;
}

static void
on_virtio_mem_plugged(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;

    if (resize_order_finish(MEMPLUG_RESIZE(source), result, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
managed_guest_plug_virtio_mem_async(ManagedGuest *managed, guint64 max,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const GuestMemory *memory = resize_get_memory(managed->resize);
    GError *error = NULL;
    g_autofree char *what = NULL;
    MemoryStep step;

    if (!check_virtio_mem(managed, max, &error)) {
        g_task_return_error(task, error);
        return;
    }
    step = (MemoryStep){ .kind = MEMORY_STEP_PLUG_VIRTIO_MEM,
                         .size = max,
                         .node = node_balance_plug_virtio_mem(memory, max) };
    what = memory_step_describe(&step, memory);
    managed_guest_tell(managed, EVENT_STEP, G_LOG_LEVEL_INFO, "an administrator ordered: %s", what);
    resize_order_async(managed->resize, &step, on_virtio_mem_plugged, g_steal_pointer(&task));
}

gboolean
managed_guest_order_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
