/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's event ACPI_DEVICE_OST, as libvirt passes it on.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *device; /* (nullable): owned; the DIMM's id. NULL: it is about something else */
    gint64 source;
    gint64 status;
} LibvirtOst;

/* @ost: (out): untouched on failure. Returns: FALSE with @error set. */
gboolean libvirt_ost_read(const char *json, LibvirtOst *ost, GError **error);
void libvirt_ost_clear(LibvirtOst *ost);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtOst, libvirt_ost_clear)
