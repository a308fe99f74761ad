/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can go wrong on a monitor, as one GError domain.
 *
 * The first five codes are the error classes of QEMU (qapi/error.json): QEMU understood the
 * command and refused it; the connection lives on. The message then reads
 * "COMMAND: QEMU's description (QEMU's class)". The others are found on this side of the socket.
 * A cancelled command ends with G_IO_ERROR_CANCELLED instead. */

#include <glib.h>

#define QMP_ERROR (qmp_error_quark())

typedef enum {
    QMP_ERROR_GENERIC,           /* class GenericError, or a class unknown to us */
    QMP_ERROR_COMMAND_NOT_FOUND, /* class CommandNotFound: this QEMU has no such command */
    QMP_ERROR_DEVICE_NOT_ACTIVE, /* class DeviceNotActive, for instance: there is no balloon */
    QMP_ERROR_DEVICE_NOT_FOUND,  /* class DeviceNotFound: no such id or QOM path */
    QMP_ERROR_KVM_MISSING_CAP,   /* class KVMMissingCap */
    QMP_ERROR_PROTOCOL,          /* not QMP, or beyond its bounds; the connection is closed */
    QMP_ERROR_REPLY,             /* good QMP, but a member is missing, mistyped or out of range */
    QMP_ERROR_TIMED_OUT,         /* no greeting or no reply in time */
    QMP_ERROR_CLOSED,            /* the connection ended, from either side */
    QMP_ERROR_BUSY,              /* too many wait for QEMU already; nothing was sent */
} QmpError;

GQuark qmp_error_quark(void);

/* The code that stands for QEMU's error class `class_name`. */
QmpError qmp_error_from_class(const char *class_name);
