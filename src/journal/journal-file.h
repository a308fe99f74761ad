/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a journal's file line by line, compressed or not. */
#pragma once

#include <gio/gio.h>

typedef struct _JournalFile JournalFile;

/* Returns: (transfer full): NULL with @error set. */
JournalFile *journal_file_open(const char *path, GError **error);
void journal_file_close(JournalFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalFile, journal_file_close)

/*
 * journal_file_next:
 * @length: (out): of the line, without its line feed
 *
 * Returns: (transfer none) (nullable): the next line, up to the next call; NULL at the end,
 *   where a torn last line is passed over, or with @error set.
 */
const char *journal_file_next(JournalFile *file, gsize *length, GError **error);
