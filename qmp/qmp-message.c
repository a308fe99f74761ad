/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-message.h"

#include <string.h>

#include "qmp/qmp-error.h"
#include "qmp/qmp-record.h"

typedef struct {
    gint64 seconds;
    gint64 microseconds;
} Timestamp;

typedef struct {
    char *class_name;
    char *description;
} Refusal;

static const QmpField version_fields[] = {
    QMP_FIELD(SIZE, "major", QmpVersion, major),
    QMP_FIELD(SIZE, "minor", QmpVersion, minor),
    QMP_FIELD(SIZE, "micro", QmpVersion, micro),
};
static const QmpRecordType version_type = QMP_RECORD_TYPE(QmpVersion, version_fields);

static const QmpField package_field[] = {
    QMP_FIELD(STRING, "package", QmpVersion, package),
};
static const QmpRecordType package_type = QMP_RECORD_TYPE(QmpVersion, package_field);

static const QmpField timestamp_fields[] = {
    QMP_FIELD(INT, "seconds", Timestamp, seconds),
    QMP_FIELD(INT, "microseconds", Timestamp, microseconds),
};
static const QmpRecordType timestamp_type = QMP_RECORD_TYPE(Timestamp, timestamp_fields);

static const QmpField refusal_fields[] = {
    QMP_FIELD(STRING, "class", Refusal, class_name),
    QMP_FIELD(STRING, "desc", Refusal, description),
};
static const QmpRecordType refusal_type = QMP_RECORD_TYPE(Refusal, refusal_fields);

static const struct {
    const char *member;
    QmpMessageKind kind;
} marks[] = {
    { "QMP", QMP_MESSAGE_GREETING },
    { "event", QMP_MESSAGE_EVENT },
    { "return", QMP_MESSAGE_REPLY },
    { "error", QMP_MESSAGE_REPLY },
};

QmpMessageKind
qmp_message_get_kind(JsonObject *message)
{
    for (guint i = 0; i < G_N_ELEMENTS(marks); i++) {
        if (json_object_has_member(message, marks[i].member))
            return marks[i].kind;
    }
    return QMP_MESSAGE_OTHER;
}

/* {"QMP": {"version": {"qemu": {"major": 7, …}, "package": "…"}, "capabilities": […]}} */
gboolean
qmp_message_read_greeting(JsonObject *message, QmpVersion *version, GError **error)
{
    JsonObject *greeting = qmp_record_get_object(message, "QMP", error);
    JsonObject *versions = greeting ? qmp_record_get_object(greeting, "version", error) : NULL;
    JsonObject *qemu = versions ? qmp_record_get_object(versions, "qemu", error) : NULL;

    return qemu != NULL && qmp_record_read(&version_type, qemu, version, error) &&
           qmp_record_read(&package_type, versions, version, error);
}

/* QEMU sends seconds -1 when its clock failed. */
static gint64
read_time(JsonObject *message)
{
    JsonObject *timestamp = qmp_record_get_object(message, "timestamp", NULL);
    Timestamp time;

    if (timestamp == NULL || !qmp_record_read(&timestamp_type, timestamp, &time, NULL) ||
        time.seconds < 0 || time.seconds >= G_MAXINT64 / G_USEC_PER_SEC || time.microseconds < 0 ||
        time.microseconds >= G_USEC_PER_SEC)
        return -1;
    return time.seconds * G_USEC_PER_SEC + time.microseconds;
}

gboolean
qmp_message_read_event(JsonObject *message, QmpEvent *event, GError **error)
{
    JsonNode *name = json_object_get_member(message, "event");
    JsonNode *data = json_object_get_member(message, "data");

    if (!qmp_record_check(name, "event", QMP_FIELD_STRING, error) ||
        (data != NULL && qmp_record_as_object(data, "data", error) == NULL))
        return FALSE;
    event->name = json_node_get_string(name);
    event->data = data ? json_node_dup_object(data) : json_object_new();
    event->time = read_time(message);
    return TRUE;
}

gboolean
qmp_message_read_id(JsonObject *message, gint64 *id, GError **error)
{
    static const QmpField id_field[] = { { .name = "id", .type = QMP_FIELD_INT, .offset = 0 } };
    static const QmpRecordType id_type = QMP_RECORD_TYPE(gint64, id_field);

    return qmp_record_read(&id_type, message, id, error);
}

JsonNode *
qmp_message_read_result(JsonObject *message, GError **error)
{
    if (!json_object_has_member(message, "error"))
        return json_object_dup_member(message, "return");

    Refusal refusal = { NULL, NULL };
    JsonObject *object = qmp_record_get_object(message, "error", error);
    if (object == NULL || !qmp_record_read(&refusal_type, object, &refusal, error))
        return NULL;
    g_set_error(error, QMP_ERROR, (gint)qmp_error_from_class(refusal.class_name), "%s (%s)",
                refusal.description, refusal.class_name);
    qmp_record_clear(&refusal_type, &refusal);
    return NULL;
}

GBytes *
qmp_message_format_command(const char *command, JsonObject *arguments, gint64 id)
{
    JsonObject *message = json_object_new();
    json_object_set_string_member(message, "execute", command);
    if (arguments != NULL)
        json_object_set_object_member(message, "arguments", json_object_ref(arguments));
    json_object_set_int_member(message, "id", id);

    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, message);
    g_autofree char *text = json_to_string(root, FALSE);
    char *line = g_strconcat(text, "\r\n", NULL);
    return g_bytes_new_take(line, strlen(line));
}
