/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-errand.h"

typedef struct {
    const LibvirtErrand *errand;
    GTask *task;
} Errand;

LibvirtRequest *
libvirt_errand_begin(const LibvirtErrand *errand, GTask *task)
{
    LibvirtGuest *guest = g_task_get_source_object(task);
    GError *error = NULL;
    LibvirtRequest *request =
        libvirt_line_begin(libvirt_guest_get_line(guest), errand->use, &error);

    if (!request)
        g_task_return_error(task, error);
    return request;
}

static void
on_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Errand *sent = data;
    g_autoptr(GTask) task = sent->task;
    const LibvirtErrand *errand = sent->errand;
    LibvirtGuest *guest = g_task_get_source_object(task);
    GError *error = NULL;
    gpointer returned = libvirt_line_finish(libvirt_guest_get_line(guest), result, &error);

    if (errand->ended)
        returned = errand->ended(guest, g_task_get_task_data(task), returned, error);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, returned, errand->free_result);
}

void
libvirt_errand_send(const LibvirtErrand *errand, LibvirtRequest *request, GTask *task)
{
    LibvirtLine *line = libvirt_guest_get_line(g_task_get_source_object(task));
    Errand *sent = g_new(Errand, 1);

    *sent = (Errand){ errand, task };
    libvirt_line_send(line, errand->use, errand->request, request, on_ended, sent);
}

gpointer
libvirt_errand_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

gboolean
libvirt_errand_finish_boolean(Guest *guest, GAsyncResult *result, GError **error)
{
    return libvirt_errand_finish(guest, result, error) != NULL;
}
