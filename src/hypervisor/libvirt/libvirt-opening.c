/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-opening.h"

#include "hypervisor/libvirt/libvirt-channel.h"
#include "hypervisor/libvirt/libvirt-errand.h"
#include "hypervisor/libvirt/libvirt-port.h"

static gpointer
opened(LibvirtGuest *guest, gpointer unused, gpointer returned, const GError *error)
{
    g_autoptr(LibvirtStream) stream = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        libvirt_guest_miss_port(guest);
    if (error)
        return NULL;
    stream = libvirt_stream_new(returned);
    libvirt_guest_take_stream(guest, stream);
    return libvirt_channel_new(stream);
}

static const LibvirtErrand open_channel = { LIBVIRT_LINE_OPEN, &libvirt_request_channel, opened,
                                            g_object_unref };

static void
open_channel_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                   gpointer user_data)
{
    LibvirtJob job = libvirt_guest_get_job(MEMPLUG_LIBVIRT_GUEST(guest));
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request;

    if (job != LIBVIRT_JOB_NONE) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_BUSY, "%s", libvirt_job_describe(job));
        return;
    }
    if (libvirt_guest_lacks_port(MEMPLUG_LIBVIRT_GUEST(guest))) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, LIBVIRT_PORT_MISSING);
        return;
    }
    request = libvirt_errand_begin(&open_channel, task);
    if (request)
        libvirt_errand_send(&open_channel, request, g_steal_pointer(&task));
}

static GIOStream *
open_channel_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return libvirt_errand_finish(guest, result, error);
}

void
libvirt_opening_class_init(GuestClass *class)
{
    class->open_channel_async = open_channel_async;
    class->open_channel_finish = open_channel_finish;
}
