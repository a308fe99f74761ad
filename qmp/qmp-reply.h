/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ends a command and reads its "return" in one go. Each returns QEMU's or our error, or
 * QMP_ERROR_REPLY when the value is not what `command` promises; `command` is for its message. */

#include "qmp/qmp-client.h"
#include "qmp/qmp-record.h"

/* An object, into `record`, a zeroed struct of `type`. */
gboolean qmp_reply_read(QmpClient *client, GAsyncResult *result, const char *command,
                        const QmpRecordType *type, gpointer record, GError **error);

/* An array of objects, into an array (transfer full) of structs of `type`, each freed by `free`. */
GPtrArray *qmp_reply_read_list(QmpClient *client, GAsyncResult *result, const char *command,
                               const QmpRecordType *type, GDestroyNotify free, GError **error);

/* An object's member `name`, a string (newly allocated). When it is absent, a copy of `absent`, or
 * an error if that is NULL. */
char *qmp_reply_read_string(QmpClient *client, GAsyncResult *result, const char *command,
                            const char *name, const char *absent, GError **error);
