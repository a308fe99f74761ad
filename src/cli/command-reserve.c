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

/* Returns: (transfer full): what is in the file called @name, or on standard input for "-". */
static char *
read_domain(const char *name, GError **error)
{
    char *text = NULL;
    gsize length;

    if (!g_file_get_contents(g_str_equal(name, "-") ? "/dev/stdin" : name, &text, &length, error))
        return NULL;
    if (g_utf8_validate(text, (gssize)length, NULL))
        return text;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s is no XML: it is not UTF-8", name);
    g_free(text);
    return NULL;
}

/* Whether @line says how much, and only once. */
static gboolean
check_reserve(const CommandLine *line, GError **error)
{
    const Value *size = command_line_argument(line, 0);
    const Value *at_least = command_line_option(line, "at-least");
    const char *wrong = NULL;

    if (!size && !command_line_has(line, "domain"))
        wrong = "SIZE is missing, or --domain FILE";
    else if (size && command_line_has(line, "domain"))
        wrong = "the domain says how much: SIZE does not go with --domain";
    else if (size && at_least && at_least->number > size->number)
        wrong = "--at-least is more than SIZE";
    if (wrong)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, wrong);
    return !wrong;
}

static gboolean
run_reserve(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *size = command_line_argument(line, 0);
    const Value *guest = command_line_option(line, "for");
    const Value *at_least = command_line_option(line, "at-least");
    const Value *domain = command_line_option(line, "domain");
    g_autofree char *xml = NULL;
    ReservationTerms terms = {
        .size = size ? size->number : 0,
        .at_least = at_least ? at_least->number : 0,
        .guest = guest ? guest->text : NULL,
        .purpose = domain ? "libvirt" : "memplug reserve",
        .wait_s = command_line_seconds(line, "wait", 0.0),
        .ttl_s = command_line_seconds(line, "ttl", 0.0),
    };
    Reservation reservation;

    if (!check_reserve(line, error))
        return FALSE;
    if (domain) {
        xml = read_domain(domain->text, error);
        terms.domain = xml;
        if (!xml)
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
    { "domain", "FILE", VALUE_FILE, "so much, and for whom, as a libvirt domain's XML says" },
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
        "the time to live, the lease expires, and those who gave get theirs back.\n"
        "With --domain, how much and for whom is what the XML of a libvirt domain says\n"
        "(- is standard input), and what its QEMU needs for itself.",
    .examples = "memplug reserve 2G --for db\n"
                "memplug reserve 4G --at-least 2G --wait 60 --ttl 300",
    .arguments = { { "SIZE", VALUE_SIZE, .optional = TRUE } },
    .options = reserve_options,
    .run = run_reserve,
};

static gboolean
release_for(const char *guest, Connection *connection, GError **error)
{
    g_autoptr(GVariant) leases = lease_view_load(connection, error);
    guint64 lease = leases ? lease_view_open_for(leases, guest) : 0;

    if (leases && lease == 0)
        return TRUE; /* there is nothing to let go of */
    return leases && reservation_release(connection, lease, error);
}

static gboolean
run_release(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *lease = command_line_argument(line, 0);
    const Value *guest = command_line_option(line, "for");

    if (!lease == !guest) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "give either LEASE or --for NAME");
        return FALSE;
    }
    return guest ? release_for(guest->text, connection, error)
                 : reservation_release(connection, lease->number, error);
}

static const CommandOption release_options[] = {
    { "for", "NAME", VALUE_TEXT, "what is held for this guest, if anything is" },
    { NULL },
};

const Command command_release = {
    .name = "release",
    .summary = "let go of memory that is held for a guest",
    .description =
        "Ends the lease with the number LEASE, as 'memplug leases' lists it, or the one\n"
        "for the guest NAME. Guests that gave memory for it get theirs back.",
    .examples = "memplug release 3\n"
                "memplug release --for db",
    .arguments = { { "LEASE", VALUE_LEASE, .optional = TRUE } },
    .options = release_options,
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
