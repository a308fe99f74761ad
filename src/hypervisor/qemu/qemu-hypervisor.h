/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests of bare QEMU processes, by the sockets in a folder: the connect URI
 * "qmp:DIR".
 *
 *   DIR/NAME.qmp    a QEMU monitor (-qmp unix:DIR/NAME.qmp,server=on,wait=off): guest NAME
 *   DIR/NAME.conf   its limits, optional: a key file with the keys floor, ceiling,
 *                   weight, mechanism, managed, under [limits] or no heading
 *   DIR/NAME.stats  the stats channel, optional: see qemu-channel.h
 *
 * NAME is 1 to 64 letters, digits and "._@:+-", the first a letter or digit. DIR
 * need not exist yet, and may vanish and come back. QEMU serves one client per
 * monitor, so the sockets must be for memplug alone.
 */
#pragma once

#include "hypervisor/hypervisor.h"

#define TYPE_QEMU_HYPERVISOR (qemu_hypervisor_get_type())
G_DECLARE_FINAL_TYPE(QemuHypervisor, qemu_hypervisor, MEMPLUG, QEMU_HYPERVISOR, Hypervisor)

/* How long things are waited for. */
typedef struct {
    guint timeout_ms;     /* for a greeting, and for the reply to a command */
    guint retry_first_ms; /* until a socket that did not answer is tried again; doubles … */
    guint retry_most_ms;  /* … up to this */
    guint rescan_ms;      /* between two looks at the folder if it is watched */
    guint look_ms;        /* between two looks if there is no folder to be watched */
    gint64 removal_us;    /* after which an unplug that got no answer counts as ended */
    gint64 sweep_us;      /* between two searches for orphaned memory backends */
} QemuTuning;

/* Defaults, each with its reason in qemu-hypervisor.c. */
extern const QemuTuning qemu_tuning_default;

/*
 * qemu_hypervisor_new:
 * @uri: "qmp:DIR"
 *
 * Returns: (transfer full): the hypervisor, to be started; NULL with @error set
 *   if @uri names no folder.
 */
Hypervisor *qemu_hypervisor_new(const char *uri, GError **error);

/* The same with @tuning, which must outlive it: for tests. */
Hypervisor *qemu_hypervisor_new_tuned(const char *uri, const QemuTuning *tuning, GError **error);
