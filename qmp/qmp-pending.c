/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-pending.h"

#include "qmp/qmp-error.h"

struct QmpPending {
    GMainContext *context;
    QmpPendingGivenUp given_up;
    gpointer user_data;
    GQueue
        commands; /* of Command, oldest first: QEMU replies in that order, so a search is short */
};

typedef struct {
    QmpPending *pending;
    gint64 id;
    char *name;
    GTask *task;
    GSource *timeout;
    GSource *cancel;
} Command;

static void
drop_source(GSource *source)
{
    if (source == NULL)
        return;
    g_source_destroy(source);
    g_source_unref(source);
}

/* Takes the command out and ends its task, with `value` or `error` (both transfer full). */
static void
end(Command *command, JsonNode *value, GError *error)
{
    g_queue_remove(&command->pending->commands, command);
    drop_source(command->timeout);
    drop_source(command->cancel);

    /* Last, since it may call back into everything. */
    if (value != NULL) {
        g_task_return_pointer(command->task, value, (GDestroyNotify)json_node_unref);
    } else {
        g_prefix_error(&error, "%s: ", command->name);
        g_task_return_error(command->task, error);
    }
    g_object_unref(command->task);
    g_free(command->name);
    g_free(command);
}

static void
give_up(Command *command, GError *error)
{
    command->pending->given_up(command->id, command->pending->user_data);
    end(command, NULL, error);
}

static gboolean
on_timeout(gpointer user_data)
{
    give_up(user_data,
            g_error_new_literal(QMP_ERROR, QMP_ERROR_TIMED_OUT, "QEMU did not reply in time"));
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(G_GNUC_UNUSED GCancellable *cancellable, gpointer user_data)
{
    give_up(user_data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static GSource *
attach(GSource *source, GSourceFunc callback, Command *command)
{
    g_source_set_callback(source, callback, command, NULL);
    g_source_attach(source, command->pending->context);
    return source;
}

QmpPending *
qmp_pending_new(GMainContext *context, QmpPendingGivenUp given_up, gpointer user_data)
{
    QmpPending *pending = g_new0(QmpPending, 1);
    pending->context = g_main_context_ref(context);
    pending->given_up = given_up;
    pending->user_data = user_data;
    g_queue_init(&pending->commands);
    return pending;
}

void
qmp_pending_free(QmpPending *pending)
{
    if (pending == NULL)
        return;
    g_assert(g_queue_is_empty(&pending->commands));
    g_main_context_unref(pending->context);
    g_free(pending);
}

guint
qmp_pending_get_size(const QmpPending *pending)
{
    return pending->commands.length;
}

void
qmp_pending_add(QmpPending *pending, gint64 id, const char *name, GTask *task, guint timeout_ms)
{
    GCancellable *cancellable = g_task_get_cancellable(task);
    Command *command = g_new0(Command, 1);

    command->pending = pending;
    command->id = id;
    command->name = g_strdup(name);
    command->task = g_object_ref(task);
    command->timeout = attach(g_timeout_source_new(timeout_ms), on_timeout, command);
    if (cancellable != NULL)
        command->cancel =
            attach(g_cancellable_source_new(cancellable), G_SOURCE_FUNC(on_cancelled), command);
    g_queue_push_tail(&pending->commands, command);
}

void
qmp_pending_end(QmpPending *pending, gint64 id, JsonNode *value, GError *error)
{
    for (GList *link = pending->commands.head; link != NULL; link = link->next) {
        Command *command = link->data;
        if (command->id == id) {
            end(command, value, error);
            return;
        }
    }
    g_clear_pointer(&value, json_node_unref);
    g_clear_error(&error);
}

void
qmp_pending_end_all(QmpPending *pending, const char *reason)
{
    Command *command;
    while ((command = g_queue_peek_head(&pending->commands)) != NULL)
        end(command, NULL, g_error_new_literal(QMP_ERROR, QMP_ERROR_CLOSED, reason));
}
