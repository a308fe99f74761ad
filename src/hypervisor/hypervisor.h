/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where guests come from.
 *
 * A Hypervisor is a source of guests named by a connect URI. It announces each
 * guest once it is ready to be observed, and lets it go when it is gone, so its
 * users never handle half a guest. Two guests of one name never exist at a time.
 *
 *   hypervisor_start() ──▶ "guest-added" ─▶ (observe, act, stats …) ─▶ "guest-removed"
 *
 * After "guest-removed" every operation on the guest fails, and each that was in
 * flight has ended.
 */
#pragma once

#include "hypervisor/guest.h"

#define TYPE_HYPERVISOR (hypervisor_get_type())
G_DECLARE_DERIVABLE_TYPE(Hypervisor, hypervisor, MEMPLUG, HYPERVISOR, GObject)

struct _HypervisorClass {
    GObjectClass parent_class;

    gboolean (*start)(Hypervisor *hypervisor, GError **error);
    void (*collect_async)(Hypervisor *hypervisor, guint deadline_ms, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
    gboolean (*collect_finish)(Hypervisor *hypervisor, GAsyncResult *result, GError **error);
};

/*
 * Signals:
 *   "guest-added" (Guest *)
 *   "guest-removed" (Guest *)
 */

/* The property "connection": notified when it changes.
 * Returns: (transfer none): "connected", "read-only" (its guests may be looked at
 *   and not touched), or why there is no connection at present. */
const char *hypervisor_get_connection(Hypervisor *hypervisor);

/* Returns: whether guests that run may not have been announced yet, because the first look
 *   at all of them is not over. Without a connection nothing is searched for. */
gboolean hypervisor_is_searching(Hypervisor *hypervisor);

/* Returns: (transfer none): the connect URI it was made for. */
const char *hypervisor_get_uri(Hypervisor *hypervisor);

/*
 * Begins to look for guests. What can fail later (a folder that does not exist
 * yet, a daemon that restarts) is waited for and logged, not an error here.
 * Returns: FALSE with @error set if the URI can never serve.
 */
gboolean hypervisor_start(Hypervisor *hypervisor, GError **error);

/*
 * Reads the balloon statistics of all guests that may have new ones, each told by its
 * Guest::stats.
 * Ends when every guest has answered or @deadline_ms is over, whichever is
 * first: a guest that hangs is left out, and its answer counts when it comes.
 */
void hypervisor_collect_async(Hypervisor *hypervisor, guint deadline_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean hypervisor_collect_finish(Hypervisor *hypervisor, GAsyncResult *result, GError **error);

/* For subclasses: */
void hypervisor_take_connection(Hypervisor *hypervisor, const char *connection);
void hypervisor_take_searching(Hypervisor *hypervisor, gboolean searching);
void hypervisor_emit_guest_added(Hypervisor *hypervisor, Guest *guest);
void hypervisor_emit_guest_removed(Hypervisor *hypervisor, Guest *guest);
