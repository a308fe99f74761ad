/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A table of questions, all sent at once, each with the function that takes its answer
 * over into the facts. An answer may lead to further questions (the boot memory's
 * backend, a port's name), which are asked likewise; the whole ends when none is open.
 * A question that QEMU refuses, or answers in another way than it should, leaves its
 * fact unknown.
 */
#include "hypervisor/qemu/qemu-describe.h"

#include <string.h>

#include "hypervisor/process-limit.h"
#include "qmp/qmp-error.h"

/* The port of the guest's agent. */
#define STATS_PORT "org.memplug.stats.0"

/* The slots of a conventional PCI bus, where ACPI can plug devices. */
#define PCI_SLOTS 32

/* Devices beyond that are not looked at one by one. */
#define PORTS_MAX 64

typedef struct {
    QmpClient *client;
    GuestFacts *facts;
    guint waiting; /* questions that have not been answered */
    GError *lost;  /* the connection ended, or nobody wants to know any more */
    char *chardev; /* of the stats port */
} Description;

/* @path: (nullable): of the object that was asked for */
typedef void (*Take)(GTask *task, Description *description, const char *path, JsonNode *answer);

static void
description_free(Description *description)
{
    g_object_unref(description->client);
    guest_facts_free(description->facts);
    g_clear_error(&description->lost);
    g_free(description->chardev);
    g_free(description);
}

/*
 * Asking
 */

typedef struct {
    GTask *task;
    Take take;
    char *path;
} Question;

static void
question_free(Question *question)
{
    g_object_unref(question->task);
    g_free(question->path);
    g_free(question);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Question, question_free)

static void
end(GTask *task)
{
    Description *description = g_task_get_task_data(task);

    if (description->lost)
        g_task_return_error(task, g_steal_pointer(&description->lost));
    else
        g_task_return_pointer(task, g_steal_pointer(&description->facts),
                              (GDestroyNotify)guest_facts_free);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Question) question = data;
    Description *description = g_task_get_task_data(question->task);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = qmp_client_execute_finish(QMP_CLIENT(source), result, &error);

    if (answer)
        question->take(question->task, description, question->path, answer);
    else if (!description->lost && (error->domain != QMP_ERROR || error->code > QMP_ERROR_REPLY))
        description->lost = g_steal_pointer(&error);
    if (--description->waiting == 0)
        end(question->task);
}

static void
ask(GTask *task, const char *command, JsonObject *arguments, const char *path, Take take)
{
    Description *description = g_task_get_task_data(task);
    Question *question = g_new0(Question, 1);

    question->task = g_object_ref(task);
    question->take = take;
    question->path = g_strdup(path);
    description->waiting++;
    qmp_client_execute_async(description->client, command, arguments, 0,
                             g_task_get_cancellable(task), on_answer, question);
}

static void
ask_property(GTask *task, const char *path, const char *property, Take take)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    ask(task, "qom-get", arguments, path, take);
}

/*
 * Reading, without trust
 */

/* Returns: (nullable): member @name of @node, if that is an object and has it. */
static JsonNode *
member_of(JsonNode *node, const char *name)
{
    return node && JSON_NODE_HOLDS_OBJECT(node)
               ? json_object_get_member(json_node_get_object(node), name)
               : NULL;
}

static guint
length_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_array_get_length(json_node_get_array(node))
                                               : 0;
}

static JsonNode *
element_of(JsonNode *node, guint index)
{
    return json_array_get_element(json_node_get_array(node), index);
}

static const char *
text_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

static guint64
number_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64
               ? (guint64)MAX(json_node_get_int(node), 0)
               : 0;
}

static Fact
fact_of(JsonNode *node)
{
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_BOOLEAN)
        return FACT_UNKNOWN;
    return json_node_get_boolean(node) ? FACT_YES : FACT_NO;
}

/*
 * The machine
 */

static void
take_kvm(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->kvm = fact_of(member_of(answer, "enabled"));
}

static void
take_cpus(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->vcpus = length_of(answer);
}

static void
take_machine(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    static const char suffix[] = "-machine";
    const char *type = text_of(answer);

    if (!type)
        return;
    description->facts->machine = g_str_has_suffix(type, suffix)
                                      ? g_strndup(type, strlen(type) - strlen(suffix))
                                      : g_strdup(type);
}

/* "auto" is on wherever the machine can. */
static void
take_acpi(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    const char *acpi = text_of(answer);

    if (acpi)
        description->facts->acpi = g_str_equal(acpi, "off") ? FACT_NO : FACT_YES;
}

static gboolean
is_conventional(const GuestFacts *facts)
{
    return facts->machine && strstr(facts->machine, "i440fx");
}

/* What is behind a bridge is seen only once the guest's firmware has numbered its bus. */
static gboolean
is_free_bridge(JsonNode *bridge)
{
    return number_of(member_of(member_of(bridge, "bus"), "secondary")) > 0 &&
           length_of(member_of(bridge, "devices")) == 0;
}

/* Bridges with nothing behind them take a device each; so does a slot of a bus that is
 * not PCI Express. */
static void
take_pci(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    JsonNode *devices = length_of(answer) > 0 ? member_of(element_of(answer, 0), "devices") : NULL;
    guint64 taken = 0;
    guint bridges = 0;

    for (guint i = 0; i < length_of(devices); i++) {
        JsonNode *device = element_of(devices, i);

        taken |= G_GUINT64_CONSTANT(1) << MIN(number_of(member_of(device, "slot")), PCI_SLOTS - 1);
        bridges += is_free_bridge(member_of(device, "pci_bridge"));
    }
    description->facts->root_ports_free = bridges;
    if (is_conventional(description->facts))
        description->facts->root_ports_free += PCI_SLOTS - (guint)__builtin_popcountll(taken);
}

/*
 * The boot memory
 */

static void
take_share(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->shared = fact_of(answer);
}

static void
take_hugepage(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->hugepage = number_of(answer);
}

static void
take_backend_path(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    const char *backend = text_of(answer);

    /* With NUMA there is none that QEMU calls the machine's. */
    if (!backend || *backend == '\0')
        return;
    ask_property(task, backend, "share", take_share);
    ask_property(task, backend, "hugetlbsize", take_hugepage);
}

/*
 * The balloon
 */

static void
take_reporting(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->free_page_reporting = fact_of(answer);
}

static void
take_period(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    description->facts->stats_period_s = (guint)MIN(number_of(answer), G_MAXUINT);
}

/*
 * Devices
 */

static void
take_chardevs(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    for (guint i = 0; i < length_of(answer); i++) {
        JsonNode *chardev = element_of(answer, i);

        if (g_strcmp0(text_of(member_of(chardev, "label")), description->chardev) == 0)
            description->facts->stats_channel_connected =
                fact_of(member_of(chardev, "frontend-open"));
    }
}

static void
take_chardev(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    g_free(description->chardev);
    description->chardev = g_strdup(text_of(answer));
    if (description->chardev)
        ask(task, "query-chardev", NULL, NULL, take_chardevs);
}

static void
take_port_name(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    if (g_strcmp0(text_of(answer), STATS_PORT) != 0)
        return;
    description->facts->stats_channel = FACT_YES;
    ask_property(task, path, "chardev", take_chardev);
}

/* Kinds of devices, by how the names of their types begin. */
static const struct {
    const char *prefix;
    gsize counter; /* a guint of GuestFacts */
} counted[] = {
    { "child<vfio-", G_STRUCT_OFFSET(GuestFacts, vfio) },
    { "child<vhost-", G_STRUCT_OFFSET(GuestFacts, vhost) },
};

static void
take_devices(GTask *task, Description *description, const char *path, JsonNode *answer)
{
    guint ports = 0;

    for (guint i = 0; i < length_of(answer); i++) {
        const char *name = text_of(member_of(element_of(answer, i), "name"));
        const char *type = text_of(member_of(element_of(answer, i), "type"));

        if (!name || !type)
            continue;
        for (gsize j = 0; j < G_N_ELEMENTS(counted); j++) {
            if (g_str_has_prefix(type, counted[j].prefix))
                ++*(guint *)G_STRUCT_MEMBER_P(description->facts, counted[j].counter);
        }
        if (g_str_equal(type, "child<virtserialport>") && ports++ < PORTS_MAX) {
            g_autofree char *port = g_strconcat(path, "/", name, NULL);

            ask_property(task, port, "name", take_port_name);
        }
    }
}

static void
ask_for_devices(GTask *task, const char *container)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", container);
    ask(task, "qom-list", arguments, container, take_devices);
}

/*
 * The whole
 */

static void
ask_all(GTask *task, const QemuMachine *machine)
{
    ask(task, "query-kvm", NULL, NULL, take_kvm);
    ask(task, "query-cpus-fast", NULL, NULL, take_cpus);
    ask_property(task, "/machine", "type", take_machine);
    ask_property(task, "/machine", "acpi", take_acpi);
    ask_property(task, "/machine", "memory-backend", take_backend_path);
    ask(task, "query-pci", NULL, NULL, take_pci); /* after the machine: it matters there */
    ask_for_devices(task, "/machine/peripheral");
    ask_for_devices(task, "/machine/peripheral-anon");
    if (machine->balloon) {
        ask_property(task, machine->balloon, "free-page-reporting", take_reporting);
        ask_property(task, machine->balloon, "guest-stats-polling-interval", take_period);
    }
}

void
qemu_describe_async(QmpClient *client, const QemuMachine *machine, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(client, cancellable, callback, user_data);
    Description *description = g_new0(Description, 1);
    const QmpVersion *version = qmp_client_get_version(client);

    g_task_set_source_tag(task, qemu_describe_async);
    g_task_set_task_data(task, description, (GDestroyNotify)description_free);
    description->client = g_object_ref(client);
    description->facts = g_new0(GuestFacts, 1);
    description->facts->kind = GUEST_FACTS_QEMU;
    description->facts->version =
        g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT,
                        version->major, version->minor, version->micro);
    description->facts->stats_channel = FACT_NO;
    description->facts->cgroup_limit = process_limit_memory(qmp_client_get_peer_pid(client));
    ask_all(task, machine);
}

GuestFacts *
qemu_describe_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
