/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setup: changes a guest's definition so that memplug can serve it well.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/difference.h"
#include "cli/output.h"
#include "cli/terminal.h"

/* What came back from memplugd. */
typedef struct {
    const char *before, *after; /* borrowed from the reply, as @done's texts */
    const char **done;          /* owned */
    gboolean restart;
} Plan;

static gboolean
plan_read(GVariant *reply, Plan *plan)
{
    g_autoptr(GVariant) result = g_variant_get_child_value(reply, 0);

    return g_variant_lookup(result, "before", "&s", &plan->before) &&
           g_variant_lookup(result, "after", "&s", &plan->after) &&
           g_variant_lookup(result, "done", "^a&s", &plan->done) &&
           g_variant_lookup(result, "restart", "b", &plan->restart);
}

static gboolean
plan_changes(const Plan *plan)
{
    return !g_str_equal(plan->before, plan->after);
}

static char *
compare(const char *guest, const Plan *plan)
{
    g_autofree char *is = g_strdup_printf("%s, as it is", guest);
    g_autofree char *shall_be = g_strdup_printf("%s, as it should be", guest);

    return difference(plan->before, plan->after, is, shall_be);
}

/*
 * The command
 */

static void
print_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line && (line[1] || **line); line++) {
        g_autofree char *clean = terminal_clean(*line);

        puts(clean);
    }
}

static void
print_applied(const char *guest, const Plan *plan)
{
    for (const char **done = plan->done; *done; done++) {
        g_autofree char *clean = terminal_clean(*done);

        printf("%s: done: %s\n", guest, clean);
    }
    if (plan->restart)
        printf("%s: the rest holds from its next start\n", guest);
    else
        printf("%s: nothing waits for a restart\n", guest);
}

static void
print_text(const char *guest, const Plan *plan, gboolean applied)
{
    if (!plan_changes(plan) && !*plan->done) {
        printf("%s: nothing is to be changed\n", guest);
        return;
    }
    if (plan_changes(plan)) {
        g_autofree char *changes = compare(guest, plan);

        print_lines(changes);
    }
    if (applied)
        print_applied(guest, plan);
    else
        printf("\nNothing has been changed; 'memplug setup %s --apply' does it.\n", guest);
}

static void
print_json(const char *guest, const Plan *plan, gboolean applied)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    output_add_text(json, "guest", guest);
    output_add_flag(json, "changes", plan_changes(plan));
    output_add_flag(json, "applied", applied);
    output_add_text(json, "before", plan->before);
    output_add_text(json, "after", plan->after);
    output_add_variant(json, "done", g_variant_new_strv(plan->done, -1));
    output_add_flag(json, "restart", plan->restart);
    json_builder_end_object(json);
    output_print_json(json);
}

static GVariant *
options_of(const CommandLine *line)
{
    const Value *max = command_line_option(line, "max");
    const Value *virtio_mem = command_line_option(line, "virtio-mem");
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (max)
        g_variant_builder_add(&options, "{sv}", "max", g_variant_new_uint64(max->number));
    if (virtio_mem)
        g_variant_builder_add(&options, "{sv}", "virtio-mem-max",
                              g_variant_new_uint64(virtio_mem->number));
    if (command_line_has(line, "no-virtio-mem"))
        g_variant_builder_add(&options, "{sv}", "virtio-mem", g_variant_new_boolean(FALSE));
    if (command_line_has(line, "apply"))
        g_variant_builder_add(&options, "{sv}", "apply", g_variant_new_boolean(TRUE));
    return g_variant_new("(a{sv})", &options);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    gboolean applied = command_line_has(line, "apply");
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(GVariant) reply = NULL;
    g_autofree const char **done = NULL;
    Plan plan = { 0 };

    if (!guest)
        return FALSE;
    reply = call_method(connection, guest, "Setup", options_of(line), error);
    if (!reply) {
        connection_prefix_error(error, name);
        return FALSE;
    }
    if (!plan_read(reply, &plan)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: memplugd tells no plan", name);
        return FALSE;
    }
    done = plan.done;
    if (command_line_has(line, "json"))
        print_json(name, &plan, applied);
    else
        print_text(name, &plan, applied);
    return TRUE;
}

static const CommandOption options[] = {
    { "max", "SIZE", VALUE_SIZE, "what the guest shall be able to reach" },
    { "virtio-mem", "SIZE", VALUE_SIZE, "no more by virtio-mem; the rest is left to DIMMs" },
    { "no-virtio-mem", NULL, VALUE_TEXT, "without a virtio-mem device: it grows by DIMMs" },
    { "apply", NULL, VALUE_TEXT, "make the changes; else they are only shown" },
    { NULL },
};

const Command command_setup = {
    .name = "setup",
    .summary = "give a guest's definition what memplug needs",
    .description =
        "Shows, as a diff, what a libvirt domain's definition lacks for memplug: room to\n"
        "grow (maxMemory and the NUMA cell that it takes), a virtio-mem device, the\n"
        "balloon's statistics and free page reporting, free PCI slots. Nothing is taken\n"
        "away. The guest has to run: memplugd sees no others. A virtio-mem device takes\n"
        "all the room to grow, unless --virtio-mem leaves some of it for DIMMs. With\n"
        "--apply, the definition is changed, and so is the running guest as far as it\n"
        "can be; the rest holds from its next start.",
    .examples = "memplug setup web\n"
                "memplug setup web --max 8G --apply\n"
                "memplug setup web --max 8G --virtio-mem 4G",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .options = options,
    .run = run,
};
