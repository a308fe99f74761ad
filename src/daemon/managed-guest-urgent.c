/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The urgent path: what the agent asks for before its guest is hurt.
 *
 *   frame ─▶ managed_guest_urgent_take() ─▶ signal "urgent" ─▶ a cycle at once ─▶ Resize
 *                                                 ▲                                │
 *                                                 └── what was given is there ◀────┘
 *
 * The request is kept (UrgentRequest) for as long as it is valid; the cycle sees of it what is to
 * be given now. How much that comes to is said by the policy and the limits, as ever.
 */
#include "daemon/managed-guest-private.h"
#include "size/size.h"

static guint64
told_or_0(guint64 value)
{
    return value == STATS_MISSING ? 0 : value;
}

guint64
managed_guest_urgent_balloon(const ManagedGuest *managed)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    Mechanism mechanism = managed->status.force.limits.mechanism;

    if (!memory || (mechanism != MECHANISM_AUTO && mechanism != MECHANISM_BALLOON))
        return 0;
    return memory->ballooned;
}

/* "asks for 256 MiB; 64 MiB left, falls by 160 MiB/s"; aloud only the first while one is
 * borne in mind: the guest says how often it asks. */
static void
tell_request(ManagedGuest *managed, const StatsUrgent *urgent, gint64 valid_us, gint64 now)
{
    gboolean again = managed->urgent_told_us != 0 && now - managed->urgent_told_us < valid_us;
    g_autofree char *size = size_format_rounded(urgent->size);
    g_autofree char *left = size_format_rounded(urgent->available);
    g_autofree char *fall = size_format_rounded(told_or_0(urgent->fall));

    if (!again)
        managed->urgent_told_us = now;
    managed_guest_tell(managed, EVENT_URGENT, again ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_INFO,
                       "asks for %s; %s left, falls by %s/s%s", size, left, fall,
                       urgent->cause == STATS_URGENT_STALL ? "; tasks wait for memory" : "");
}

void
managed_guest_urgent_take(ManagedGuest *managed, const StatsUrgent *urgent, gint64 valid_us,
                          gint64 now)
{
    const GuestStatus *status = &managed->status;
    gboolean falls = told_or_0(urgent->fall) > 0 || urgent->cause == STATS_URGENT_STALL;
    const UrgentTerms terms = {
        .size = urgent->size,
        .available = urgent->available,
        .fall = told_or_0(urgent->fall),
        .plug_us = plug_time_expect(&managed->plug_time),
        .actual = status->actual,
        .ballooned = falls ? managed_guest_urgent_balloon(managed) : 0,
        .ceiling = status->force.limits.ceiling,
        .grain = status->force.range.grain,
        .valid_us = valid_us,
    };

    if (!status->observed)
        return;
    tell_request(managed, urgent, valid_us, now);
    urgent_ask(&managed->urgent, &terms, now);
    if (managed->urgent_from_us == 0 && status->actual < managed->urgent.goal) {
        managed->urgent_from_us = now;
        managed->urgent_from = status->actual;
    }
    managed_guest_emit_urgent(managed);
}

void
managed_guest_urgent_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now)
{
    const AgentClaims *claims = stats_channel_get_claims(managed->channel);
    guint64 fastest = MAX(told_or_0(claims->greeted ? claims->hello.fastest : 0), claims->fastest);
    double plug_s = (double)plug_time_expect(&managed->plug_time) / G_USEC_PER_SEC;

    urgent_look(&managed->urgent, &managed->monitor.ring, now);
    plan->asking = urgent_is_valid(&managed->urgent, now);
    plan->urgent = urgent_missing(&managed->urgent, plan->actual, now);
    /* More than it can have is no burst. */
    if (guest_monitor_has_agent(&managed->monitor, now))
        plan->burst = (guint64)MIN((double)fastest * plug_s, (double)plan->ceiling);
    if (!plan->asking)
        managed->urgent_from_us = 0;
}

void
managed_guest_urgent_follow(ManagedGuest *managed)
{
    gint64 now = g_get_monotonic_time();

    if (!urgent_is_valid(&managed->urgent, now))
        return;
    if (managed->urgent_from_us != 0 && managed->status.actual > managed->urgent_from) {
        managed->urgent_first_us = now - managed->urgent_from_us;
        managed->urgent_from_us = 0;
        managed_guest_tell(managed, EVENT_URGENT, G_LOG_LEVEL_INFO,
                           "got first memory after %.0f ms",
                           (double)managed->urgent_first_us / 1000);
    }
    /* The next part, if the last one is there and there is more to give. */
    if (managed->status.actual >= managed->status.requested &&
        urgent_missing(&managed->urgent, managed->status.actual, now) > 0)
        managed_guest_emit_urgent(managed);
}
