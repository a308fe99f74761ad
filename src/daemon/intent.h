/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplugd wants of each guest, kept on disk so that it is not lost when
 * the daemon is killed: the size requested and whether an administrator holds
 * it there. Nothing else is kept: all other state is observed anew.
 *
 * An intent belongs to one run of a guest (guest_get_instance()). What becomes of it
 * when that run is gone:
 *
 *   - the same run comes back (a lost connection looks like the end of a guest; so
 *     does a restart of memplugd): it finds its intent for INTENT_KEEP_S;
 *   - the guest's lineage goes on in another run (restored from what was saved, or
 *     migrated here): that run inherits it, for INTENT_KEEP_LINEAGE_S;
 *   - the guest is started anew: it begins anew, and the intents of its lineage go.
 *
 * The file lies in the state folder, named after the connect URI; it is
 * replaced whole, so that it is never half written, and a lock beside it keeps
 * two daemons from working on the same guests.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 requested;
    gboolean held;
    guint64 decision; /* which decided it */
} Intent;

typedef struct _IntentStore IntentStore;

#define INTENT_ERROR intent_error_quark()
GQuark intent_error_quark(void);

typedef enum {
    INTENT_ERROR_LOCKED, /* another memplugd works on the same URI */
    INTENT_ERROR_FOLDER, /* the state folder cannot be written */
} IntentError;

/*
 * intent_store_open:
 * @folder: made if it does not exist
 * @uri: the connect URI
 *
 * Returns: (transfer full): NULL with @error set. A file that cannot be read is
 *   warned of and begun anew: guests then keep what they have.
 */
IntentStore *intent_store_open(const char *folder, const char *uri, GError **error);

/* Returns: (transfer full): a store that keeps nothing on disk. */
IntentStore *intent_store_new_volatile(void);

/* Returns: (transfer full): where the state of this user's memplugd lies. */
char *intent_default_folder(void);

/* Writes what is not yet written, and frees. */
void intent_store_free(IntentStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntentStore, intent_store_free)

/* Returns: TRUE with @intent filled in if one is kept for @instance. */
gboolean intent_store_get(IntentStore *store, const char *instance, Intent *intent);

/*
 * intent_store_inherit:
 * @instance: a run that has just begun, or that memplugd has just found
 * @lineage: (nullable): of @instance; those of a lineage are called "LINEAGE@..."
 * @continues: whether @instance goes on where an earlier run of its lineage ended
 * @intent: (out): untouched if there is none
 *
 * Returns: TRUE with @intent filled in if there is one for @instance: its own, or the
 *   latest of its lineage if it continues that. The others of the lineage are forgotten.
 */
gboolean intent_store_inherit(IntentStore *store, const char *instance, const char *lineage,
                              gboolean continues, Intent *intent);

/* Keeps @intent of @instance, of @lineage if it has one; it is on disk before the main loop
 * does anything else. */
void intent_store_put(IntentStore *store, const char *instance, const char *lineage,
                      const Intent *intent);

/* Writes now what is not yet written: before somebody is told that it is kept. */
void intent_store_flush(IntentStore *store);

/* @instance was let go, at @now_s of the wall clock, since this outlives the host's uptime.
 * Its intent is kept all the same, for as long as it may still be asked for. */
void intent_store_release(IntentStore *store, const char *instance, gint64 now_s);

/* A connection that was lost for longer is not lost but gone. */
#define INTENT_KEEP_S (G_GINT64_CONSTANT(10) * 60)

/*
 * A saved guest comes back after a weekend, a holiday, or the repair of its host. Who
 * restores one after longer than a quarter of a year will look at its memory anyway.
 */
#define INTENT_KEEP_LINEAGE_S (G_GINT64_CONSTANT(90) * 24 * 3600)

/* The file is written whole with every change. Where guests come and go by the
 * thousands, those that went first are forgotten first. */
#define INTENT_KEEP_LINEAGES 256
