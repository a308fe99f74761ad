/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What does not change while a QEMU runs, read once when it is found.
 */
#pragma once

#include "qmp/qmp-client.h"
#include "qmp/qmp-machine.h"
#include "qmp/qmp-memory-backend.h"

/* x86-64 has 52 bits of physical address; what claims to be larger is no size, and
 * sums of a thousand of these stay within 64 bits. */
#define QEMU_MACHINE_SIZE_MAX (G_GUINT64_CONSTANT(1) << 52)

typedef struct {
    char *instance;          /* as guest_get_instance() wants it */
    QmpMachineMemory memory; /* boot memory, maxmem, slots */
    char *balloon;           /* QOM path; NULL: there is none */
    QmpMemoryBackend *kind;  /* of the boot memory, for new DIMMs; NULL: see @no_kind */
    char *no_kind;           /* why no DIMM can be like the boot memory */
    gboolean running;        /* the vCPUs ran when it was read */
} QemuMachine;

void qemu_machine_free(QemuMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuMachine, qemu_machine_free)

/*
 * qemu_machine_read_async:
 * @socket: the monitor's path
 *
 * Each command has the client's time-out, so all of it ends.
 */
void qemu_machine_read_async(QmpClient *client, const char *socket, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): NULL with @error set if QEMU does not tell. */
QemuMachine *qemu_machine_read_finish(QmpClient *client, GAsyncResult *result, GError **error);
