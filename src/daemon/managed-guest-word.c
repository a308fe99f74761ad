/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator holds a guest at goes with the guest. The intent on disk is this
 * host's; a guest that is migrated, or saved and restored elsewhere, finds another memplugd
 * that has never heard of it. So a word is kept with the guest as well, where the
 * hypervisor can do that, and a memplugd to which such a guest comes takes it for its own.
 *
 * What the policy asked for is not taken along: the other host has another budget, other
 * neighbours, and a policy of its own.
 *
 * Level-triggered like all else: each cycle compares what is kept with what should be.
 */
#include "daemon/managed-guest-private.h"
#include "size/size.h"

/* Time until a hypervisor that would not keep a word is asked again. */
#define RETRY_US (30 * G_USEC_PER_SEC)

/* While a job runs on it nothing can be written; what the job takes along was read before. */
static gboolean
can_keep(ManagedGuest *managed)
{
    GuestState state = guest_get_state(managed->guest);

    return !managed->dry_run && managed->status.observed &&
           (state == GUEST_STATE_RUNNING || state == GUEST_STATE_PAUSED);
}

void
managed_guest_word_tend(ManagedGuest *managed, gint64 now)
{
    const GuestStatus *status = &managed->status;
    const GuestWord wanted = { status->held ? status->requested : 0, status->decision };

    if (wanted.held == guest_get_word(managed->guest)->held || !can_keep(managed))
        return;
    if (managed->word_us != 0 && managed->word == wanted.held && now < managed->word_us + RETRY_US)
        return;
    managed->word = wanted.held;
    managed->word_us = now;
    guest_keep_word(managed->guest, &wanted);
}

gboolean
managed_guest_word_take(ManagedGuest *managed, gboolean found, Intent *intent)
{
    const GuestWord *word = guest_get_word(managed->guest);
    g_autofree char *size = size_format(word->held);

    /* An intent of its lineage that is left here may be from before it went away. */
    if (!guest_continues(managed->guest) || word->decision == 0 ||
        (found && intent->decision > word->decision))
        return found;
    if (word->held == 0)
        return found && !intent->held;
    *intent = (Intent){ word->held, TRUE, word->decision };
    if (!found)
        managed_guest_tell(managed, EVENT_HELD, G_LOG_LEVEL_INFO,
                           "came here with an administrator's word: held at %s", size);
    return TRUE;
}
