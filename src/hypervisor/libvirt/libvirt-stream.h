/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's end of a guest's port, as bytes in and out of a stream of libvirt: never blocks,
 * holds a bounded number of bytes, and ends by itself.
 *
 * All functions are for the default main context, in which libvirt's events come.
 */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

typedef struct LibvirtStream LibvirtStream;

/* @stream: (transfer full): non-blocking, and open */
LibvirtStream *libvirt_stream_new(virStreamPtr stream);
LibvirtStream *libvirt_stream_ref(LibvirtStream *stream);
void libvirt_stream_unref(LibvirtStream *stream); /* with the last one it is closed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtStream, libvirt_stream_unref)

/* Lets go of a stream that nobody wants. @stream: (transfer full): a virStreamPtr */
void libvirt_stream_discard(gpointer stream);

/*
 * libvirt_stream_end:
 * @why: (nullable): what reading fails with, once all that came has been read; NULL: it ends
 *   as a file does
 *
 * Others can open the port from now on. Does nothing if it has ended.
 */
void libvirt_stream_end(LibvirtStream *stream, const GError *why);
gboolean libvirt_stream_has_ended(const LibvirtStream *stream);

/* Returns: whether libvirt_stream_read() has something to say. */
gboolean libvirt_stream_is_readable(const LibvirtStream *stream);

/* Returns: how many bytes were read into @buffer; 0: it has ended; -1 with @error set
 *   (G_IO_ERROR_WOULD_BLOCK, or why it ended). */
gssize libvirt_stream_read(LibvirtStream *stream, void *buffer, gsize size, GError **error);

/* Returns: how many bytes libvirt took; -1 with @error set. */
gssize libvirt_stream_write(LibvirtStream *stream, const void *buffer, gsize size, GError **error);
