/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reserve, release, leases: memory held free for guests to come.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/lease-view.h"
#include "cli/reservation.h"
#include "size/size.h"

static void
print_reservation(const CommandLine *line, const Reservation *reservation)
{
    const Value *guest = command_line_option(line, "for");
    g_autofree char *size = size_format(reservation->granted);
    g_autoptr(JsonBuilder) json = NULL;

    if (!command_line_has(line, "json")) {
        printf("lease %" G_GUINT64_FORMAT ": %s%s%s in %.2f s\n", reservation->lease, size,
               guest ? " for " : "", guest ? guest->text : "", reservation->seconds);
        return;
    }
    json = json_builder_new();
    json_builder_begin_object(json);
    output_add_size(json, "lease", reservation->lease);
    output_add_size(json, "granted", reservation->granted);
    output_add_text(json, "guest", guest ? guest->text : "");
    output_add_real(json, "seconds", reservation->seconds);
    json_builder_end_object(json);
    output_print_json(json);
}

static gboolean
run_reserve(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *guest = command_line_option(line, "for");
    const Value *at_least = command_line_option(line, "at-least");
    const ReservationTerms terms = {
        .size = command_line_argument(line, 0)->number,
        .at_least = at_least ? at_least->number : 0,
        .guest = guest ? guest->text : NULL,
        .purpose = "memplug reserve",
        .wait_s = command_line_seconds(line, "wait", 0.0),
        .ttl_s = command_line_seconds(line, "ttl", 0.0),
    };
    Reservation reservation;

    if (terms.at_least > terms.size) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "--at-least is more than SIZE");
        return FALSE;
    }
    if (!reservation_make(connection, &terms, &reservation, error) ||
        !reservation_hold(connection, reservation.lease, 0, error))
        return FALSE;
    print_reservation(line, &reservation);
    return TRUE;
}

static const CommandOption reserve_options[] = {
    { "for", "NAME", VALUE_TEXT, "the guest that is to come" },
    { "at-least", "SIZE", VALUE_SIZE, "take less if need be, down to this" },
    { "wait", "SECONDS", VALUE_SECONDS, "wait so long for others to need less" },
    { "ttl", "SECONDS", VALUE_SECONDS, "hold it so long for the guest; 60 if not given" },
    { NULL },
};

const Command command_reserve = {
    .name = "reserve",
    .summary = "hold memory free for a guest to come",
    .description =
        "Asks that SIZE of the budget be held free for a guest that is to be started,\n"
        "and waits until the host has it. Guests that have memory idle give it up, side\n"
        "by side and in proportion; none goes below its floor, and none that is under\n"
        "pressure gives anything. If it cannot be had so, it is refused at once, with\n"
        "what each guest keeps and why; with --wait, it is waited for.\n"
        "When the guest NAME appears, the memory is its own. If it does not come within\n"
        "the time to live, the lease expires, and those who gave get theirs back.",
    .examples = "memplug reserve 2G --for db\n"
                "memplug reserve 4G --at-least 2G --wait 60 --ttl 300",
    .arguments = { { "SIZE", VALUE_SIZE } },
    .options = reserve_options,
    .run = run_reserve,
};

static gboolean
run_release(const CommandLine *line, Connection *connection, GError **error)
{
    return reservation_release(connection, command_line_argument(line, 0)->number, error);
}

const Command command_release = {
    .name = "release",
    .summary = "let go of memory that is held for a guest",
    .description = "Ends the lease with the number LEASE, as 'memplug leases' lists it. Guests\n"
                   "that gave memory for it get theirs back.",
    .examples = "memplug release 3",
    .arguments = { { "LEASE", VALUE_LEASE } },
    .run = run_release,
};

static gboolean
run_leases(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(GVariant) leases = lease_view_load(connection, error);

    if (!leases)
        return FALSE;
    if (command_line_has(line, "json")) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        lease_view_add_json(json, leases);
        output_print_json(json);
    } else {
        lease_view_print(leases);
    }
    return TRUE;
}

const Command command_leases = {
    .name = "leases",
    .summary = "list what is held for guests to come",
    .description = "Lists the leases, and for a minute those that have ended: asked (waits),\n"
                   "gathering (guests give), granted (held free), transferred (its guest has it),\n"
                   "released, expired or failed. Left is the time until it fails or expires.",
    .examples = "memplug leases\n"
                "memplug leases --json",
    .run = run_leases,
};
