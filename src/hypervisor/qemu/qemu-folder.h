/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of sockets: tells which are there, at once when something changes
 * and every now and then in any case.
 */
#pragma once

#include <gio/gio.h>

/* A socket's file. Two that are alike are the same one. */
typedef struct {
    guint64 inode;
    gint64 changed_ns; /* st_ctim, so that a reused inode number is noticed */
} QemuFolderSocket;

typedef struct QemuFolder QemuFolder;

/* @sockets: NAME → QemuFolderSocket, all that are there now; never NULL. */
typedef void (*QemuFolderChanged)(GHashTable *sockets, gpointer user_data);

/*
 * qemu_folder_new:
 * @rescan_ms: between two scans while the folder is watched
 * @look_ms: between two scans while it is not there
 * @changed: called after every scan, the first time from the main loop. It must
 *   not free the folder.
 */
QemuFolder *qemu_folder_new(const char *path, guint rescan_ms, guint look_ms,
                            QemuFolderChanged changed, gpointer user_data);

void qemu_folder_free(QemuFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuFolder, qemu_folder_free)

/* Whether a guest may be called @name. */
gboolean qemu_folder_is_name(const char *name);
