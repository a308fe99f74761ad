/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policies: by which rules memory can be shared. They are those that this program simulates with,
 * and memplugd is built from the same.
 */
#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/table.h"
#include "simulate/simulation.h"

static void
print_json(void)
{
    const Policy *const *policies = policy_list();
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_array(json);
    for (const Policy *const *policy = policies; *policy; policy++) {
        json_builder_begin_object(json);
        output_add_text(json, "name", (*policy)->name);
        output_add_text(json, "summary", (*policy)->summary);
        output_add_flag(json, "default", policy == policies);
        output_add_real(json, "interval_s", (double)(*policy)->interval_us / G_USEC_PER_SEC);
        output_add_flag(json, "paced", (*policy)->paced);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    output_print_json(json);
}

static char *
describe_interval(const Policy *policy)
{
    if (policy->interval_us == 0)
        return g_strdup("every cycle");
    return g_strdup_printf("%g s", (double)policy->interval_us / G_USEC_PER_SEC);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    static const TableColumn columns[] = { { "Name", FALSE },
                                           { "Decides", TRUE },
                                           { "Summary", FALSE } };
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));

    if (command_line_has(line, "json")) {
        print_json();
        return TRUE;
    }
    for (const Policy *const *policy = policy_list(); *policy; policy++) {
        table_add(table, (*policy)->name);
        table_add_take(table, describe_interval(*policy));
        table_add(table, (*policy)->summary);
    }
    table_print(table);
    return TRUE;
}

const Command command_policies = {
    .name = "policies",
    .summary = "list the rules by which memory can be shared",
    .description =
        "Lists the policies that [policy] name= of memplug.conf(5) and 'memplug\n"
        "simulate' know; the first is the default. Those of other systems (oVirt's MOM,\n"
        "Proxmox VE, xapi's squeezed, Qubes' qmemman, Hyper-V, VMware ESX) decide as\n"
        "seldom as they do there and are not damped by memplug (in JSON: paced). Which\n"
        "one is in force, 'memplug version' tells. No daemon is needed.",
    .examples = "memplug policies\n"
                "memplug policies --json",
    .run = run,
};
