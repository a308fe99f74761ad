/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplugd on the bus: the name org.memplug1, the manager at /org/memplug1 and
 * a guest object for each guest of the roster, under one ObjectManager. Who may
 * call their methods is told in bus-authority.h.
 */
#pragma once

#include "daemon/cycle.h"
#include "daemon/roster.h"

typedef struct _Bus Bus;

/* What the manager object tells and does. */
typedef struct {
    Hypervisor *hypervisor; /* outlives the bus */
    gboolean dry_run;
    gboolean (*reload)(gpointer data, GError **error);
    gpointer data;
    Reservations *reservations; /* outlives the bus */
    Journal *journal;           /* nullable; outlives the bus */
} BusManagerDuties;

/*
 * bus_new:
 * @address: "system", "session", or the address of a bus
 * @on_lost: called when the bus or the name is lost; the daemon is then deaf
 *
 * Connects, exports and takes the name. Returns: (transfer full): NULL with
 * @error set if the bus cannot be reached or the name is taken.
 */
Bus *bus_new(const char *address, Roster *roster, Cycle *cycle, const BusManagerDuties *duties,
             void (*on_lost)(gpointer data, const char *reason), GError **error);
void bus_free(Bus *bus);
