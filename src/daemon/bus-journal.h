/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal on the bus: why something was decided, and what is being decided. */
#pragma once

#include "daemon/journal.h"
#include "daemon/roster.h"
#include "dbus/memplug-dbus.h"

typedef struct _BusJournal BusJournal;

/* @manager, @roster, @journal: outlive it */
BusJournal *bus_journal_new(BusManager *manager, Roster *roster, Journal *journal);
void bus_journal_free(BusJournal *bus);
