/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One NAME.qmp: connects as soon as somebody listens, and announces the guest
 * behind it.
 */
#pragma once

#include "hypervisor/qemu/qemu-folder.h"
#include "hypervisor/qemu/qemu-guest.h"

typedef struct QemuSocket QemuSocket;

/* @guest begins (@here) or ends. The socket must not be freed from within. */
typedef void (*QemuSocketAnnounce)(QemuGuest *guest, gboolean here, gpointer user_data);

/*
 * qemu_socket_new:
 * @folder: that it is in
 * @name: its file's name without ".qmp"
 */
QemuSocket *qemu_socket_new(const char *folder, const char *name, const QemuTuning *tuning,
                            QemuSocketAnnounce announce, gpointer user_data);

/* Closes the connection, without announcing anything. */
void qemu_socket_free(QemuSocket *socket);

/* A scan has seen @file. If it is another than before, it is tried at once. */
void qemu_socket_seen(QemuSocket *socket, const QemuFolderSocket *file);

/* A scan has not seen the file. A connection that is open stays. */
void qemu_socket_missed(QemuSocket *socket);

/* Returns: (nullable) (transfer none): the guest, while it is announced. */
QemuGuest *qemu_socket_get_guest(QemuSocket *socket);
