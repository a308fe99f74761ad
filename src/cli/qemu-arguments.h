/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memory a QEMU will take, from its command line. Pure.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 memory;      /* bytes of the guest: -m, and DIMMs that are there from the start */
    guint64 overhead;    /* bytes that QEMU needs for itself, at most, see qemu-arguments.c */
    gboolean daemonizes; /* the guest is run by another process than the one that is started */
} QemuArguments;

/*
 * qemu_arguments_read:
 * @words: (array zero-terminated=1): the program and its arguments
 * @arguments: (out): untouched on failure
 *
 * Returns: FALSE with @error (G_OPTION_ERROR) set if -m says what cannot be.
 */
gboolean qemu_arguments_read(const char *const *words, QemuArguments *arguments, GError **error);
