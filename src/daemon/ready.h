/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplugd tells the service manager that started it: that it is ready,
 * reads its configuration anew, is about to end, how it is (as "systemctl status"
 * shows it), and that its main loop still turns. See sd_notify(3).
 *
 * Where no manager asked for it ($NOTIFY_SOCKET is not set), and in a build
 * without libsystemd, nothing is told and nothing fails.
 */
#pragma once

#include <glib.h>

/* Guests are looked after from now on; also: the configuration has been read. */
void ready_tell_ready(void);

/* The configuration is being read; ready_tell_ready() must follow. */
void ready_tell_reloading(void);

void ready_tell_stopping(void);

/* @format: as printf()'s, making one line. */
void ready_tell_status(const char *format, ...) G_GNUC_PRINTF(1, 2);

/*
 * ready_start_watchdog:
 *
 * If the manager set a watchdog (WatchdogSec=), tells it that the default main
 * context still turns, twice in the time it allows: as sd_watchdog_enabled(3) advises.
 *
 * Returns: the id of the source that does so, to be removed by its owner; 0 if
 *   there is no watchdog.
 */
guint ready_start_watchdog(void);
