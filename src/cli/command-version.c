/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * version: of the program and of the daemon.
 */
#include <stdio.h>

#include "build-config.h"
#include "cli/command-line.h"
#include "cli/output.h"

static const Field fields[] = {
    { "Version", "daemon", "Daemon", FIELD_TEXT },
    { "Uri", "uri", "Guests from", FIELD_TEXT },
    { "Connection", "connection", "Connection", FIELD_TEXT },
    { "Policy", "policy", "Policy", FIELD_TEXT },
    { "DryRun", "dry_run", "Dry run", FIELD_FLAG },
    { NULL },
};

static void
print_json(BusManager *manager)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    output_add_text(json, "client", MEMPLUG_VERSION);
    if (manager) {
        output_add_fields(json, G_DBUS_PROXY(manager), fields);
    } else {
        json_builder_set_member_name(json, "daemon");
        json_builder_add_null_value(json);
    }
    json_builder_end_object(json);
    output_print_json(json);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);

    if (command_line_has(line, "json")) {
        print_json(manager);
    } else {
        output_print_field("Client", MEMPLUG_VERSION);
        if (manager)
            output_print_fields(G_DBUS_PROXY(manager), fields);
    }
    return manager != NULL;
}

const Command command_version = {
    .name = "version",
    .summary = "show the version of memplug and of memplugd",
    .description =
        "Shows the version of this program and of the daemon, where the daemon's guests\n"
        "come from, and its policy. Ends with status 1 if the daemon does not run;\n"
        "'memplug --version' asks no daemon.",
    .examples = "memplug version",
    .run = run,
};
