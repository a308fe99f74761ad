/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes away memory backends of memplug's that nothing uses (qemu-orphans.h): what is left where
 * plugging failed half way, where memplugd was killed then, or where a DIMM has gone.
 *
 * There may be some at the beginning, when a DIMM of ours has gone, when plugging failed, when
 * the guest restarted, and after a long time in any case. Nothing is taken away while a DIMM is
 * being plugged, whose backend is in use only a moment later.
 */
#pragma once

#include "qmp/qmp-client.h"

typedef struct QemuSweep QemuSweep;

/* @name: of the guest, for messages. @interval_us: after so long a sweep is due in any case */
QemuSweep *qemu_sweep_new(QmpClient *client, const char *name, gint64 interval_us);

/* What is in flight ends by itself. @sweep: (transfer full) */
void qemu_sweep_free(QemuSweep *sweep);

/* There may be something to be taken away. */
void qemu_sweep_ask(QemuSweep *sweep);

/* A DIMM is being plugged, or no longer. */
void qemu_sweep_set_plugging(QemuSweep *sweep, gboolean plugging);

/* Begins a sweep if one is due and none goes on. */
void qemu_sweep_begin(QemuSweep *sweep);
