/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may call which method.
 *
 * On the system bus, which lets in everybody, polkit decides by the action that
 * belongs to the method (org.memplug1.policy has them), and may ask the user for a
 * password first. Where polkit is not to be reached, root alone may do anything.
 * Any other bus is one user's own: he and root may do everything there, and others,
 * should the bus let them in, may look.
 *
 * Properties and signals are open to all whom the bus lets in, as those of other
 * system services are: they tell sizes and names, and no secret.
 */
#pragma once

#include <gio/gio.h>

typedef struct _BusAuthority BusAuthority;

/* @asks_polkit: the bus is the system bus */
BusAuthority *bus_authority_new(GDBusConnection *connection, gboolean asks_polkit);

/* Calls that still wait for a decision end with an error. NULL is allowed. */
void bus_authority_free(BusAuthority *authority);

/* To be called in the class_init of a direct subclass of a generated skeleton ... */
void bus_authority_guard_class(GDBusInterfaceSkeletonClass *class);

/* ... and for each instance of it before it is exported: a handler of @skeleton's is
 * called only once the caller has been found to be allowed, be that minutes later. */
void bus_authority_guard(BusAuthority *authority, GDBusInterfaceSkeleton *skeleton);

/*
 * bus_authority_action:
 * @parameters: (nullable): of the call
 *
 * Returns: (transfer none): the polkit action that calling @method takes; that of
 *   a method which nobody has thought of is the strictest.
 */
const char *bus_authority_action(const char *method, GVariant *parameters);
