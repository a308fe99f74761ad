/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bounded queue of commands on their way to QEMU. A QEMU that does not read costs at most
 * `limit` bytes, and never a blocking write. For qmp-client only. */

#include <gio/gio.h>

typedef struct QmpSender QmpSender;

/* Called once, when a write failed; nothing is sent after. */
typedef void (*QmpSenderFailed)(const GError *error, gpointer user_data);

/* `limit` is in bytes. `failed` may free the sender. */
QmpSender *qmp_sender_new(GOutputStream *stream, gsize limit, QmpSenderFailed failed,
                          gpointer user_data);

/* Forgets what was not sent. */
void qmp_sender_free(QmpSender *sender);

/* Queues `bytes` under `id`. Returns FALSE if they would exceed the limit. */
gboolean qmp_sender_push(QmpSender *sender, gint64 id, GBytes *bytes);

/* Takes `id` out of the queue if none of its bytes has been given to the kernel yet. */
void qmp_sender_withdraw(QmpSender *sender, gint64 id);
