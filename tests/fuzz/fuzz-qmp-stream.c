/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as what a QEMU sends: they go through the stream twice, whole and in pieces as long as
 * the first byte says, which must come to the same; every message is then read as an event. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "qmp/qmp-memory-event.h"
#include "qmp/qmp-stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
to_text(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    return json_to_string(node, FALSE);
}

static void
read_as_event(JsonObject *message)
{
    JsonNode *name = json_object_get_member(message, "event");
    JsonNode *data = json_object_get_member(message, "data");
    if (name == NULL || json_node_get_value_type(name) != G_TYPE_STRING || data == NULL ||
        !JSON_NODE_HOLDS_OBJECT(data))
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(QmpMemoryEvent) event =
        qmp_memory_event_read(json_node_get_string(name), json_node_get_object(data), &error);
    g_assert(event == NULL || error == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const QmpStreamLimits limits = { .bytes = 4096, .depth = 16, .values = 256 };
    g_autoptr(QmpStream) whole = qmp_stream_new(limits);
    g_autoptr(QmpStream) pieces = qmp_stream_new(limits);
    g_autoptr(GError) fault = NULL;
    g_autoptr(GError) same_fault = NULL;

    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t left = size - 1;
    size_t piece = (size_t)data[0] + 1;

    qmp_stream_push(whole, bytes, left, &fault);
    for (; left > piece; bytes += piece, left -= piece)
        qmp_stream_push(pieces, bytes, piece, NULL);
    qmp_stream_push(pieces, bytes, left, &same_fault);
    g_assert_cmpstr(fault ? fault->message : NULL, ==, same_fault ? same_fault->message : NULL);

    for (;;) {
        g_autoptr(JsonObject) a = qmp_stream_pop(whole);
        g_autoptr(JsonObject) b = qmp_stream_pop(pieces);
        g_assert((a == NULL) == (b == NULL));
        if (a == NULL)
            return 0;
        g_autofree char *text = to_text(a);
        g_autofree char *same_text = to_text(b);
        g_assert_cmpstr(text, ==, same_text);
        g_assert_true(g_utf8_validate(text, -1, NULL));
        read_as_event(a);
    }
}
