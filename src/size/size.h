/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory sizes as people write and read them: "512M", "2G", "2GiB", "562 MiB".
 *
 * The suffixes are those of virsh and of libvirt's XML: K, M, G, T and KiB,
 * MiB, GiB, TiB are powers of 1024; KB, MB, GB, TB are powers of 1000; b,
 * byte and bytes are bytes. Case does not matter. A space may stand before the suffix,
 * and a decimal fraction is allowed where the result is a whole number of bytes.
 */
#pragma once

#include <glib.h>

#define SIZE_KIB (G_GUINT64_CONSTANT(1) << 10)
#define SIZE_MIB (G_GUINT64_CONSTANT(1) << 20)
#define SIZE_GIB (G_GUINT64_CONSTANT(1) << 30)
#define SIZE_TIB (G_GUINT64_CONSTANT(1) << 40)

#define SIZE_ERROR size_error_quark()
GQuark size_error_quark(void);

typedef enum {
    SIZE_ERROR_INVALID,      /* not a number, or a suffix nobody knows */
    SIZE_ERROR_UNIT_MISSING, /* a number alone where a unit is demanded */
    SIZE_ERROR_RANGE,        /* does not fit into 64 bits, or not a whole number of bytes */
} SizeError;

/*
 * size_parse:
 * @text: what a person wrote; surrounding white space is allowed
 * @default_unit: bytes that a number without suffix counts (SIZE_KIB on the
 *   command line, as virsh has it), or 0 to refuse such a number
 * @bytes: (out): the size; untouched on failure
 *
 * Returns: FALSE with @error (SIZE_ERROR) set if @text is not a size.
 */
gboolean size_parse(const char *text, guint64 default_unit, guint64 *bytes, GError **error);

/*
 * size_format:
 *
 * Returns: (transfer full): @bytes exactly, in the largest binary unit that
 *   needs no fraction: "562 MiB", "179124 KiB". size_parse() reads it back.
 */
char *size_format(guint64 bytes);

/*
 * size_format_rounded:
 *
 * Returns: (transfer full): @bytes for a table, in MiB or a larger unit with
 *   at most one decimal: "562 MiB", "174.9 MiB", "1.5 GiB".
 */
char *size_format_rounded(guint64 bytes);
