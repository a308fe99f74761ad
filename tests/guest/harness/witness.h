/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QMP monitor that only the test reads, behind memplugd's back.
 *
 * It is a blocking client of its own, not qmp/: a witness that shared the client
 * with the accused would share its errors. Arguments are GVariant text, checked
 * by the compiler's eye only, so keep the types right: <%s> string, <%t> guint64,
 * <%b> gboolean.
 *
 * Events that come while a command waits are kept in their order of arrival until
 * witness_wait_event() takes them.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct Witness Witness;

/*
 * witness_new:
 * @connection: to the monitor; a reference is taken
 *
 * Reads QEMU's greeting and leaves the negotiation mode.
 */
Witness *witness_new(GSocketConnection *connection, GError **error);
void witness_free(Witness *witness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Witness, witness_free)

/*
 * witness_execute:
 * @arguments: (nullable): a GVariant dictionary in text form with placeholders, as
 *   g_variant_new_parsed() takes it: "{'id': <%s>, 'size': <%t>}"
 *
 * Returns: (transfer full): what QEMU returned; NULL with @error set (G_IO_ERROR,
 *   with QEMU's class and description) if it refused or the monitor closed.
 */
JsonNode *witness_execute(Witness *witness, GError **error, const char *command,
                          const char *arguments, ...);

/*
 * witness_wait_event:
 * @name: of the event; earlier events of other names are kept
 *
 * Returns: (transfer full): the event's data, empty if it has none; NULL with
 *   @error G_IO_ERROR_TIMED_OUT if it did not come.
 */
JsonObject *witness_wait_event(Witness *witness, const char *name, gint64 timeout_us,
                               GError **error);

/* Forgets the events that came so far. */
void witness_drop_events(Witness *witness);

/* Memory, as QMP has it. Sizes in bytes; on error FALSE, with @error set. */

/* query-memory-size-summary: boot memory + what is plugged. The balloon does not count. */
gboolean witness_total(Witness *witness, guint64 *boot, guint64 *plugged, GError **error);

/*
 * witness_actual:
 * @actual: (out): what the guest has: boot memory and what is plugged, less @ballooned
 * @ballooned: (out): what the balloon holds; 0 without a balloon
 *
 * QEMU's query-balloon tells boot memory and DIMMs less what the balloon holds;
 * virtio-mem is no part of it.
 */
gboolean witness_actual(Witness *witness, guint64 *actual, guint64 *ballooned, GError **error);

/* qom-get of a number. */
gboolean witness_get_number(Witness *witness, const char *path, const char *property,
                            guint64 *number, GError **error);

/* object-add of a memory-backend-ram "mem-ID" and device_add of a pc-dimm "ID". */
gboolean witness_plug_dimm(Witness *witness, const char *id, guint64 size, GError **error);

/*
 * witness_unplug_dimm:
 *
 * device_del of "ID", then object-del of "mem-ID" once the device is gone.
 *
 * Returns: FALSE with G_IO_ERROR_TIMED_OUT if it is still there after
 *   @timeout_us, with G_IO_ERROR_BUSY if the guest refused.
 */
gboolean witness_unplug_dimm(Witness *witness, const char *id, gint64 timeout_us, GError **error);

/* Whether query-memory-devices lists a device of this id. */
gboolean witness_has_memory_device(Witness *witness, const char *id, gboolean *present,
                                   GError **error);

/* The number of memory devices, an empty virtio-mem included. */
gboolean witness_count_memory_devices(Witness *witness, guint *count, GError **error);

/* The number of objects below /objects: memory backends, for the most part. */
gboolean witness_count_objects(Witness *witness, guint *count, GError **error);

/* The number of children of @path ("/objects", "/machine/peripheral") named @prefix.... */
gboolean witness_count_prefix(Witness *witness, const char *path, const char *prefix, guint *count,
                              GError **error);
