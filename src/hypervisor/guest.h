/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One running guest, whoever runs it.
 *
 * Guest is an abstract GObject: it has an identity that outlives single calls,
 * signals, and asynchronous operations in flight. Its subclass talks to QEMU or
 * libvirt and knows nothing of policy; its users (monitor, resize) know nothing
 * of QEMU or libvirt.
 *
 * Everything is asynchronous on the thread-default main context of the caller
 * that made the Hypervisor. Every operation ends: with success, an error, or
 * G_IO_ERROR_TIMED_OUT. At most one act() may be in flight for a guest; observe()
 * may be in flight beside it.
 *
 * Success of act() says that the hypervisor has taken the order, not that the
 * guest has followed: that is seen by observe(), and announced by the signal
 * "memory-event". Events may be lost; nothing may depend on one to arrive.
 */
#pragma once

#include <gio/gio.h>

#include "hypervisor/balloon-stats.h"
#include "hypervisor/guest-facts.h"
#include "hypervisor/guest-limits.h"
#include "hypervisor/guest-memory.h"
#include "hypervisor/guest-setup.h"

typedef enum {
    GUEST_STATE_RUNNING,
    GUEST_STATE_PAUSED,      /* vCPUs stopped: it cannot follow */
    GUEST_STATE_MIGRATING,   /* left alone until it has ended */
    GUEST_STATE_BUSY,        /* its hypervisor saves it, dumps it, takes a snapshot, ...: as well */
    GUEST_STATE_UNREACHABLE, /* exists, but its monitor does not answer */
} GuestState;

/* Returns: "running", "paused", "migrating", "busy" or "unreachable". */
const char *guest_state_name(GuestState state);

typedef enum {
    GUEST_MEMORY_EVENT_CHANGED,        /* some size changed: observe again */
    GUEST_MEMORY_EVENT_UNPLUGGED,      /* @device is gone */
    GUEST_MEMORY_EVENT_UNPLUG_REFUSED, /* the guest keeps @device; @reason tells why */
    GUEST_MEMORY_EVENT_RESET,          /* the guest restarts: everything may differ */
} GuestMemoryEventKind;

typedef struct {
    GuestMemoryEventKind kind;
    const char *device; /* nullable */
    const char *reason; /* nullable */
} GuestMemoryEvent;

/* To which definition of a guest a change is made. */
typedef enum {
    GUEST_SCOPE_LIVE = 1 << 0,   /* of the running guest */
    GUEST_SCOPE_CONFIG = 1 << 1, /* what it is started from the next time */
} GuestScope;

/* Nobody said: to all that there are, so that a change outlives memplugd and, where
 * the guest is defined for longer than it runs, the guest's end. */
#define GUEST_SCOPE_ALL 0

/* An administrator's word about a guest's memory, kept where the guest is, so that it goes
 * along when the guest is migrated to another host, or restored there. */
typedef struct {
    guint64 held;     /* bytes that the guest is held at; 0: it is not */
    guint64 decision; /* that made it so; its id tells when; 0: there was none */
} GuestWord;

#define TYPE_GUEST (guest_get_type())
G_DECLARE_DERIVABLE_TYPE(Guest, guest, MEMPLUG, GUEST, GObject)

struct _GuestClass {
    GObjectClass parent_class;

    void (*observe_async)(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
    GuestMemory *(*observe_finish)(Guest *guest, GAsyncResult *result, GError **error);

    void (*act_async)(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data);
    gboolean (*act_finish)(Guest *guest, GAsyncResult *result, GError **error);

    void (*set_stats_period)(Guest *guest, guint period_s);

    void (*change_limits_async)(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
    gboolean (*change_limits_finish)(Guest *guest, GAsyncResult *result, GError **error);

    /* The following may be left out: where they cannot be done they fail. */
    void (*store_memory_async)(Guest *guest, guint64 size, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
    gboolean (*store_memory_finish)(Guest *guest, GAsyncResult *result, GError **error);

    void (*describe_async)(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data);
    GuestFacts *(*describe_finish)(Guest *guest, GAsyncResult *result, GError **error);

    void (*setup_async)(Guest *guest, const GuestSetup *wanted, gboolean apply,
                        GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);
    GuestSetupPlan *(*setup_finish)(Guest *guest, GAsyncResult *result, GError **error);

    void (*open_channel_async)(Guest *guest, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
    GIOStream *(*open_channel_finish)(Guest *guest, GAsyncResult *result, GError **error);

    /* May be left out: nothing goes with the guest then. */
    void (*keep_word)(Guest *guest, const GuestWord *word);
};

/*
 * Signals:
 *   "stats" (const BalloonStats *): statistics were read; emitted for each read,
 *     also when the guest has not answered anew (last_update_s is the same)
 *   "memory-event" (const GuestMemoryEvent *): detailed by nothing, may be lost
 *   "notify::state"
 *   "limits-changed": guest_get_limits() has something new to say
 */

/* Returns: (transfer none): its name, unique among the guests of a hypervisor at a time. */
const char *guest_get_name(Guest *guest);

/*
 * Returns: (transfer none): tells this run of the guest from every other: a
 *   guest that was stopped and started again under its name has another one.
 *   Kept intents are bound to it. It survives a restart of memplugd, and has no
 *   other characters than letters, digits and "._@:-".
 */
const char *guest_get_instance(Guest *guest);

/*
 * Returns: (transfer none) (nullable): what stays the same from one run of the
 *   guest to the next (a libvirt domain's UUID); NULL if nothing does.
 */
const char *guest_get_lineage(Guest *guest);

/* Returns: whether this run goes on where an earlier one of its lineage ended: it
 *   was restored from what was saved, or came by a migration. It inherits the intent. */
gboolean guest_continues(Guest *guest);

GuestState guest_get_state(Guest *guest);

/* Returns: the process that runs the guest, or 0 if not known. */
GPid guest_get_pid(Guest *guest);

/* Returns: (transfer none): the limits kept where the guest is defined; those
 *   in force before, if what is kept there now is bad. */
const GuestLimits *guest_get_limits(Guest *guest);

/* Returns: (transfer none): the word that the guest brought, or that was kept since. */
const GuestWord *guest_get_word(Guest *guest);

/* Asks that @word be kept with the running guest. A failure is not reported: guest_get_word()
 * stays as it was. */
void guest_keep_word(Guest *guest, const GuestWord *word);

/* Reads all of the guest's memory anew. */
void guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data);

/* Returns: (transfer full): what was observed, or NULL with @error set. */
GuestMemory *guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error);

/* Orders one step. @step is copied as far as it is needed after the call. */
void guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data);

/* Returns: whether the hypervisor took the order; @error is set if not. */
gboolean guest_act_finish(Guest *guest, GAsyncResult *result, GError **error);

/* Asks that the guest's balloon statistics be renewed every @period_s seconds.
 * A failure is not reported: it shows as statistics that grow stale. */
void guest_set_stats_period(Guest *guest, guint period_s);

/*
 * guest_change_limits_async:
 * @change: copied: those that it sets are changed
 * @unset: GuestLimitField: those that are taken back
 * @scope: GuestScope, or GUEST_SCOPE_ALL
 *
 * Changes the limits that are kept where the guest is defined, in each definition
 * of @scope those that it has. Once it has ended well and @scope has the running
 * guest in it, guest_get_limits() says them.
 */
void guest_change_limits_async(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
gboolean guest_change_limits_finish(Guest *guest, GAsyncResult *result, GError **error);

/* Has the guest start with @size bytes the next time; the running one stays as it is. */
void guest_store_memory_async(Guest *guest, guint64 size, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean guest_store_memory_finish(Guest *guest, GAsyncResult *result, GError **error);

/* Reads what may help or hinder memplug with this guest. */
void guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);

/* Returns: (transfer full): NULL with @error set. */
GuestFacts *guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error);

/*
 * guest_setup_async:
 * @wanted: copied
 * @apply: make the changes, else only plan them
 *
 * Changes the guest's definition so that memplug can serve it well.
 */
void guest_setup_async(Guest *guest, const GuestSetup *wanted, gboolean apply,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): what is changed, or would be; NULL with @error set. */
GuestSetupPlan *guest_setup_finish(Guest *guest, GAsyncResult *result, GError **error);

/*
 * Opens the host's end of the guest's port org.memplug.stats.0. It ends at once and need not
 * have anybody at its other end: a guest without an agent has a port that nobody reads.
 */
void guest_open_channel_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);

/*
 * guest_open_channel_finish:
 *
 * Reading from the stream ends (0 bytes) or fails when the guest or its port goes. Closing
 * it lets others have the port.
 *
 * Returns: (transfer full): the stream, both ways, its operations on the caller's
 *   thread-default main context; NULL with @error set:
 *     G_IO_ERROR_NOT_SUPPORTED  guests of this hypervisor never have a channel
 *     G_IO_ERROR_NOT_FOUND      this guest has none at present; one may be added
 *     any other                 it has one that cannot be opened now
 */
GIOStream *guest_open_channel_finish(Guest *guest, GAsyncResult *result, GError **error);

/* For subclasses: */
void guest_take_state(Guest *guest, GuestState state);
void guest_take_limits(Guest *guest, const GuestLimits *limits);
void guest_take_word(Guest *guest, const GuestWord *word);
void guest_emit_stats(Guest *guest, const BalloonStats *stats);
void guest_emit_memory_event(Guest *guest, const GuestMemoryEvent *event);
