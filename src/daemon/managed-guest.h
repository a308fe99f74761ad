/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest as the daemon knows it: what comes from the hypervisor (Guest), what
 * is known of its use (GuestMonitor, predictor), what is wanted of it (Intent)
 * and what brings it there (Resize), held together by the limits in force.
 */
#pragma once

#include "allocate/kernel-zone.h"
#include "allocate/planner.h"
#include "daemon/config.h"
#include "daemon/event.h"
#include "daemon/intent.h"
#include "daemon/limits-in-force.h"
#include "hotplug/resize.h"
#include "hypervisor/guest.h"
#include "monitor/guest-monitor.h"
#include "monitor/stats-channel.h"
#include "monitor/uptake.h"

/* Everything that is to be told of a guest. Sizes are 0 before it was observed. */
typedef struct {
    gboolean observed;
    guint64 actual;
    guint64 requested;
    gboolean held;
    guint64 decision; /* which set @requested */
    LimitsInForce force;
    Forecast forecast; /* of the latest cycle */
    PlanPin pin;       /* of the latest cycle */
    guint limits;      /* of the latest cycle: Limit */
    guint64 found;     /* of the latest cycle: what probing took off the demand */
} GuestStatus;

#define TYPE_MANAGED_GUEST (managed_guest_get_type())
G_DECLARE_FINAL_TYPE(ManagedGuest, managed_guest, MEMPLUG, MANAGED_GUEST, GObject)

/*
 * Signals:
 *   "changed": something of the status, the memory or the resize is new
 *   "event" (const Event *)
 *   "urgent": a cycle is wanted at once, for this guest asks for memory
 */

/*
 * managed_guest_new:
 * @config, @intents: (transfer none): outlive the object, or until
 *   managed_guest_configure() gives another @config
 * @dry_run: decide and tell, but change nothing
 */
ManagedGuest *managed_guest_new(Guest *guest, const Config *config, IntentStore *intents,
                                gboolean dry_run);

/* Another configuration is in force. */
void managed_guest_configure(ManagedGuest *managed, const Config *config);

/* The guest is gone: ends all that is in flight and lets go of its intent. */
void managed_guest_stop(ManagedGuest *managed);

Guest *managed_guest_get_guest(ManagedGuest *managed);
Resize *managed_guest_get_resize(ManagedGuest *managed);
const GuestMonitor *managed_guest_get_monitor(ManagedGuest *managed);
const GuestStatus *managed_guest_get_status(ManagedGuest *managed);

/* Returns: (transfer none): what became of what it was plugged; its kinds of zones; the most
 * that they bear (0: not known); and how much of what it was plugged is not in use for longer than
 * it takes, 0 if all is well. */
const Uptake *managed_guest_get_uptake(ManagedGuest *managed);
KernelZone managed_guest_get_zone(ManagedGuest *managed);
guint64 managed_guest_get_growth_most(ManagedGuest *managed);
guint64 managed_guest_get_missing(ManagedGuest *managed, gint64 now);

/* Returns: (transfer none) (nullable): the release of its kernel, if its agent is there. */
const char *managed_guest_get_kernel(ManagedGuest *managed);

/* Returns: (transfer none): the channel to its agent, whether or not there is one. */
StatsChannel *managed_guest_get_channel(ManagedGuest *managed);

/* Returns: µs from the latest urgent request that was met to its first memory; 0: none was. */
gint64 managed_guest_get_urgent_first(ManagedGuest *managed);

/* Returns: (transfer none): how it is shrunk. */
const ShrinkTrial *managed_guest_get_trial(ManagedGuest *managed);

/* Returns: (transfer full): for people: what the limits made of the policy's target in the
 *   latest cycle, "not shrunk: backing off after a shrink that hurt, for 24 s"; "" if nothing. */
char *managed_guest_describe_held_back(ManagedGuest *managed, gint64 now);

/*
 * For the cycle: tends the statistics and fills in what the planner must know.
 * Returns: FALSE if nothing is known of the guest's memory yet.
 */
gboolean managed_guest_collect(ManagedGuest *managed, PlanGuest *plan, gint64 now);

/* For the cycle: takes what was planned and asks the guest for it. Returns: the id of the
 * decision; 0 if the guest is left as it is, or, in a dry run, would be. */
guint64 managed_guest_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now);

/* For the cycle: the guest gets back @bytes of what it gave for @lease, which came to nothing. */
void managed_guest_give_back(ManagedGuest *managed, guint64 bytes, guint64 lease, gint64 now);

/*
 * An administrator's word: asks the guest to have @size and holds it there.
 * Returns: the decision's id, or 0 with @error set if @size is outside of the
 *   limits or cannot be reached.
 */
guint64 managed_guest_set_memory(ManagedGuest *managed, guint64 size, GError **error);

/* TRUE gives the guest to the policy and ends a hold; FALSE opts it out. Kept where
 * the guest is defined. */
void managed_guest_set_managed_async(ManagedGuest *managed, gboolean on,
                                     GAsyncReadyCallback callback, gpointer user_data);
gboolean managed_guest_set_managed_finish(ManagedGuest *managed, GAsyncResult *result,
                                          GError **error);

/*
 * managed_guest_set_limits_async:
 * @change: those that it sets are changed
 * @unset: GuestLimitField: those that are taken back
 * @scope: GuestScope: of which definition of the guest, or GUEST_SCOPE_ALL
 */
void managed_guest_set_limits_async(ManagedGuest *managed, const GuestLimits *change, guint unset,
                                    guint scope, GAsyncReadyCallback callback, gpointer user_data);
gboolean managed_guest_set_limits_finish(ManagedGuest *managed, GAsyncResult *result,
                                         GError **error);

/* Plugs one DIMM of @size, or unplugs @device, by hand; ends once the guest has
 * followed or refused. The guest is held at what it then has. */
void managed_guest_plug_async(ManagedGuest *managed, guint64 size, GAsyncReadyCallback callback,
                              gpointer user_data);
void managed_guest_unplug_async(ManagedGuest *managed, const char *device,
                                GAsyncReadyCallback callback, gpointer user_data);

/* Plugs a virtio-mem device that is empty at first and can provide up to @max: the guest
 * has no more memory then, but the policy another way to give it some. Not held for it. */
void managed_guest_plug_virtio_mem_async(ManagedGuest *managed, guint64 max,
                                         GAsyncReadyCallback callback, gpointer user_data);

/* Ends any of the three. */
gboolean managed_guest_order_finish(ManagedGuest *managed, GAsyncResult *result, GError **error);
