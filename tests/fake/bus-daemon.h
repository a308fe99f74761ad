/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A memplugd on the bus without anything behind it: guests are what a test sets,
 * and SetMemory does what the test has chosen. It lives in the test's process, on
 * its default main context.
 */
#pragma once

#include "dbus/memplug-dbus.h"

/* What SetMemory leads to. Where nothing else is said it answers first, with the
 * guest moving, and goes on a little later. */
typedef enum {
    BUS_DAEMON_FOLLOWS,         /* half-way, then there */
    BUS_DAEMON_AT_ONCE,         /* there before the call returns */
    BUS_DAEMON_ROUNDS,          /* one MiB above: the grain is 2 MiB */
    BUS_DAEMON_OVERRULES,       /* a later decision asks for 300 MiB */
    BUS_DAEMON_FALLS_SHORT,     /* one MiB of the way, "the guest keeps it" */
    BUS_DAEMON_FREEZES,         /* "the guest is paused" */
    BUS_DAEMON_STALLS,          /* moving for ever */
    BUS_DAEMON_REFUSES,         /* the call fails */
    BUS_DAEMON_DENIES,          /* the call fails: access denied */
    BUS_DAEMON_GUEST_GOES,      /* its object is removed */
    BUS_DAEMON_GUEST_HAS_GONE,  /* the call fails: no such object */
    BUS_DAEMON_LEAVES,          /* the name is released */
    BUS_DAEMON_LEAVES_SILENTLY, /* before the call returns */
    BUS_DAEMON_EARLIER_DECISION /* first settles by an older decision, then follows */
} BusDaemonReaction;

typedef struct _BusDaemon BusDaemon;

/* Connects to @address and owns the name org.memplug1 on return. */
BusDaemon *bus_daemon_new(const char *address);
void bus_daemon_free(BusDaemon *daemon);

/*
 * Adds a guest of 256 MiB, managed and settled, with a virtio-mem device and a
 * DIMM "memplug-dimm-1". Properties can be set on what is returned (transfer
 * none), signals of methods other than SetMemory connected to it.
 */
BusGuest *bus_daemon_add_guest(BusDaemon *daemon, const char *name);

/* Returns: (transfer none): as for guests. */
BusManager *bus_daemon_get_manager(BusDaemon *daemon);

void bus_daemon_remove_guest(BusDaemon *daemon, const char *name);

/* From now on, for all guests. */
void bus_daemon_set_reaction(BusDaemon *daemon, BusDaemonReaction reaction);

/* Gives up the name, and takes it again. */
void bus_daemon_leave(BusDaemon *daemon);
void bus_daemon_come_back(BusDaemon *daemon);

/* How often SetMemory was called, and the latest size. */
guint bus_daemon_count_set_memory(const BusDaemon *daemon);
guint64 bus_daemon_latest_size(const BusDaemon *daemon);

void bus_daemon_emit_event(BusDaemon *daemon, const char *guest, const char *kind, guint64 decision,
                           const char *message);
