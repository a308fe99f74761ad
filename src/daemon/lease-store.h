/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases kept on disk, so that memory which somebody was granted is neither forgotten nor held
 * for nobody when memplugd is killed.
 *
 * The file lies beside that of the intents (intent.h), whose lock guards it too, and is
 * replaced whole. It is bound to one boot of the host: after another no guest of then lives.
 */
#pragma once

#include "allocate/leases.h"

typedef struct _LeaseStore LeaseStore;

/*
 * lease_store_open:
 * @folder: the state folder; NULL: nothing is kept on disk
 * @uri: the connect URI
 * @boot: (nullable): tells this boot of the host from others; NULL: as the kernel says
 */
LeaseStore *lease_store_open(const char *folder, const char *uri, const char *boot);
void lease_store_free(LeaseStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeaseStore, lease_store_free)

/*
 * Takes what is kept into @leases, by leases_restore(). What cannot be read is warned of
 * and left out.
 * Returns: the greatest id that was ever given to a lease.
 */
guint64 lease_store_load(LeaseStore *store, Leases *leases, gint64 now);

/* Keeps the leases of @leases that are open or owe something, and @last_id. Returns once it is on
 * disk; a failure is warned of. */
void lease_store_save(LeaseStore *store, const Leases *leases, guint64 last_id);
