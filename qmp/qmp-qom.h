/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's object tree: what each object is, and its properties one by one. */

#include "qmp/qmp-client.h"

/* A property of an object; a child object is one too, of type "child<TYPE>". */
typedef struct {
    char *name;
    char *type;
} QmpQomProperty;

/* The QOM path of the device or backend called `id` (newly allocated). An id that is a path itself
 * is given back as it is: QEMU's device_del takes either. */
char *qmp_qom_device_path(const char *id);
char *qmp_qom_object_path(const char *id);

/* qom-list. Ends with a list of QmpQomProperty (transfer full), or NULL. */
void qmp_qom_list_async(QmpClient *client, const char *path, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *qmp_qom_list_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* qom-get. Ends with the property's value (transfer full), or NULL ... */
void qmp_qom_get_async(QmpClient *client, const char *path, const char *property,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
JsonNode *qmp_qom_get_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* ... or, for one that is a string (newly allocated), ... */
char *qmp_qom_get_string_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* ... or, for one that is a size, in `size`. */
gboolean qmp_qom_get_size_finish(QmpClient *client, GAsyncResult *result, guint64 *size,
                                 GError **error);

/* qom-set of a number. Ends with qmp_client_execute_done(). */
void qmp_qom_set_size_async(QmpClient *client, const char *path, const char *property,
                            guint64 value, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);

/* Looks among the devices, with and without an id, for those whose type begins with `type`:
 * "virtio-balloon" finds virtio-balloon-pci, -ccw and -device. Ends with their QOM paths (transfer
 * full; an array of char *, empty when there are none), or NULL. Finds no devices that the board
 * makes by itself and none inside others. */
void qmp_qom_find_devices_async(QmpClient *client, const char *type, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *qmp_qom_find_devices_finish(QmpClient *client, GAsyncResult *result, GError **error);
