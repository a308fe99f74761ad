/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text that libvirt returned, and that is freed as malloc()'s, not as GLib's.
 */
#pragma once

#include <stdlib.h>

#include <glib.h>

typedef char LibvirtString;

static inline void
libvirt_string_free(LibvirtString *string)
{
    free(string);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtString, libvirt_string_free)
