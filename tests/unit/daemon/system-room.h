/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A system of the test's own, as far as permissions go: a system bus with memplugd's
 * bus policy, and polkitd with memplug's actions and the rules that the test wants. It
 * stands in a mount namespace, where nothing of the machine's is seen or touched.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#define SYSTEM_ROOM_NOBODY ((uid_t)65534)

typedef struct {
    char *folder;
    char *address; /* of the bus */
    uid_t service; /* the user memplug */
    GSubprocess *bus;
    GSubprocess *polkitd; /* NULL: it does not run */
} SystemRoom;

/* To be called before anything else in main(): a thread would stay outside.
 * Returns: (nullable): why there can be no room. */
const char *system_room_obstacle(void);

/* Enters the namespace and starts the bus, which is the system bus of this process
 * from then on. */
SystemRoom *system_room_new(void);
void system_room_free(SystemRoom *room);

/* Starts polkitd and waits for it. @rules: (nullable): JavaScript */
void system_room_start_polkitd(SystemRoom *room, const char *rules);
void system_room_stop_polkitd(SystemRoom *room);

/* Returns: (transfer full): a connection to the room's bus of the user @uid. */
GDBusConnection *system_room_connect(SystemRoom *room, uid_t uid);
