/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-sender.h"

typedef struct {
    gint64 id;
    GBytes *bytes;
} Item;

struct QmpSender {
    GOutputStream *stream;
    GCancellable *cancellable;
    gsize limit;
    gsize size;       /* of all bytes in `items` */
    GQueue items;     /* of Item; the head is being written while `writing` */
    gboolean writing; /* one write is under way */
    gboolean failed;
    QmpSenderFailed on_failed;
    gpointer user_data;
};

static void write_next(QmpSender *sender);

static void
item_free(Item *item)
{
    g_bytes_unref(item->bytes);
    g_free(item);
}

QmpSender *
qmp_sender_new(GOutputStream *stream, gsize limit, QmpSenderFailed failed, gpointer user_data)
{
    QmpSender *sender = g_new0(QmpSender, 1);
    sender->stream = g_object_ref(stream);
    sender->cancellable = g_cancellable_new();
    sender->limit = limit;
    sender->on_failed = failed;
    sender->user_data = user_data;
    g_queue_init(&sender->items);
    return sender;
}

void
qmp_sender_free(QmpSender *sender)
{
    if (sender == NULL)
        return;
    g_cancellable_cancel(sender->cancellable);
    g_queue_clear_full(&sender->items, (GDestroyNotify)item_free);
    g_object_unref(sender->cancellable);
    g_object_unref(sender->stream);
    g_free(sender);
}

/* Takes `written` bytes off the head. */
static void
advance(QmpSender *sender, gsize written)
{
    Item *head = g_queue_peek_head(&sender->items);
    gsize left = g_bytes_get_size(head->bytes) - written;

    sender->size -= written;
    if (left == 0) {
        item_free(g_queue_pop_head(&sender->items));
        return;
    }
    GBytes *rest = g_bytes_new_from_bytes(head->bytes, written, left);
    g_bytes_unref(head->bytes);
    head->bytes = rest;
}

static void
on_written(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    gssize written = g_output_stream_write_bytes_finish(G_OUTPUT_STREAM(source), result, &error);

    /* Cancelled is the mark of a sender that is gone: `user_data` points nowhere. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;

    QmpSender *sender = user_data;
    sender->writing = FALSE;
    if (written < 0) {
        sender->failed = TRUE;
        sender->on_failed(error, sender->user_data);
        return;
    }
    advance(sender, (gsize)written);
    write_next(sender);
}

static void
write_next(QmpSender *sender)
{
    const Item *head = g_queue_peek_head(&sender->items);
    if (head == NULL || sender->writing || sender->failed)
        return;
    sender->writing = TRUE;
    g_output_stream_write_bytes_async(sender->stream, head->bytes, G_PRIORITY_DEFAULT,
                                      sender->cancellable, on_written, sender);
}

gboolean
qmp_sender_push(QmpSender *sender, gint64 id, GBytes *bytes)
{
    gsize size = g_bytes_get_size(bytes);
    if (size > sender->limit - sender->size)
        return FALSE;

    Item *item = g_new0(Item, 1);
    item->id = id;
    item->bytes = g_bytes_ref(bytes);
    g_queue_push_tail(&sender->items, item);
    sender->size += size;
    write_next(sender);
    return TRUE;
}

void
qmp_sender_withdraw(QmpSender *sender, gint64 id)
{
    /* The head may be half written; what is behind it has not begun. */
    GList *link = g_queue_peek_head_link(&sender->items);
    if (link != NULL && sender->writing)
        link = link->next;
    for (; link != NULL; link = link->next) {
        Item *item = link->data;
        if (item->id != id)
            continue;
        sender->size -= g_bytes_get_size(item->bytes);
        item_free(item);
        g_queue_delete_link(&sender->items, link);
        return;
    }
}
