/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplugd wants of each guest, kept on disk so that it is not lost when
 * the daemon is killed: the size requested and whether an administrator holds
 * it there. Nothing else is kept: all other state is observed anew.
 *
 * An intent belongs to one run of a guest (guest_get_instance()) and goes some
 * time after it. The file lies in the state folder, named after the connect URI; it is
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

/* Keeps @intent; it is on disk before the main loop does anything else. */
void intent_store_put(IntentStore *store, const char *instance, const Intent *intent);

/* Writes now what is not yet written: before somebody is told that it is kept. */
void intent_store_flush(IntentStore *store);

/*
 * @instance was let go. Its intent is kept for INTENT_KEEP_US all the same: a
 * lost connection looks like the end of a guest, and it may come back.
 */
void intent_store_release(IntentStore *store, const char *instance, gint64 now);

#define INTENT_KEEP_US (G_GINT64_CONSTANT(600) * G_USEC_PER_SEC)
