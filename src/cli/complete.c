/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/complete.h"

#include <string.h>

#include "cli/command-line.h"
#include "cli/guest-view.h"
#include "cli/lease-view.h"

/* Collects what begins as the user has. */
typedef struct {
    GStrvBuilder *found;
    const char *begin;  /* of the candidate */
    const char *prefix; /* put before it: "--floor=", or "" */
} Candidates;

static void
offer(Candidates *candidates, const char *word)
{
    if (g_str_has_prefix(word, candidates->begin)) {
        g_autofree char *whole = g_strconcat(candidates->prefix, word, NULL);

        g_strv_builder_add(candidates->found, whole);
    }
}

static void
offer_options(Candidates *candidates, const CommandOption *options)
{
    for (const CommandOption *option = options; option && option->name; option++) {
        g_autofree char *word = g_strconcat("--", option->name, NULL);

        offer(candidates, word);
    }
}

static void
offer_commands(Candidates *candidates)
{
    for (const Command *const *command = command_all(); *command; command++)
        offer(candidates, (*command)->name);
}

static void
offer_guests(Candidates *candidates, Connection *connection)
{
    g_autoptr(GPtrArray) guests = connection_list_guests(connection, NULL);

    for (guint i = 0; guests && i < guests->len; i++)
        offer(candidates, bus_guest_get_name(guests->pdata[i]));
}

static void
offer_devices(Candidates *candidates, const char *guest_name, Connection *connection)
{
    g_autoptr(BusGuest) guest = connection_get_guest(connection, guest_name, NULL);
    g_auto(GStrv) ids = guest ? guest_view_dimm_ids(guest) : NULL;

    for (char **id = ids; id && *id; id++)
        offer(candidates, *id);
}

static void
offer_leases(Candidates *candidates, Connection *connection)
{
    g_autoptr(GVariant) leases = lease_view_load(connection, NULL);
    g_auto(GStrv) ids = leases ? lease_view_open_ids(leases) : NULL;

    for (char **id = ids; id && *id; id++)
        offer(candidates, *id);
}

static void
offer_values(Candidates *candidates, ValueKind kind, const CommandLine *line,
             Connection *connection)
{
    const char *const *choices = value_choices(kind);

    for (; choices && *choices; choices++)
        offer(candidates, *choices);
    if (kind == VALUE_COMMAND)
        offer_commands(candidates);
    else if ((kind == VALUE_GUEST || kind == VALUE_DEVICE || kind == VALUE_LEASE) &&
             !connection_has_daemon(connection))
        return; /* pressing a key starts no daemon */
    else if (kind == VALUE_GUEST)
        offer_guests(candidates, connection);
    else if (kind == VALUE_LEASE)
        offer_leases(candidates, connection);
    else if (kind == VALUE_DEVICE)
        offer_devices(candidates, command_line_text(line, 0), connection);
}

/* "--floor=2" is the option and the beginning of its value. */
static void
offer_after_equals(Candidates *candidates, const char *last, const CommandLine *line,
                   Connection *connection)
{
    gsize length = (gsize)(strchr(last, '=') - last);
    g_autofree char *prefix = g_strndup(last, length + 1);
    g_autofree char *name = g_strndup(last + 2, length - 2);
    const CommandOption *option = command_find_option(command_line_command(line), name);

    if (!option || !option->metavar)
        return;
    candidates->prefix = prefix;
    candidates->begin = last + length + 1;
    offer_values(candidates, option->kind, line, connection);
}

static void
offer_next(Candidates *candidates, const char *last, const CommandLine *line,
           Connection *connection)
{
    CommandLineNext next = command_line_next(line);
    const Command *command = command_line_command(line);

    if (next.option) {
        offer_values(candidates, next.option->kind, line, connection);
    } else if (next.options && g_str_has_prefix(last, "--") && strchr(last, '=')) {
        offer_after_equals(candidates, last, line, connection);
    } else if (next.options && *last == '-') {
        offer_options(candidates, command ? command->options : NULL);
        offer_options(candidates, command_global_options);
    } else if (next.command) {
        offer_commands(candidates);
    } else if (next.argument) {
        offer_values(candidates, next.argument->kind, line, connection);
    }
}

char **
complete_word(char *const *words, const char *last, Connection *connection)
{
    g_autoptr(CommandLine) line = command_line_new();
    g_autoptr(Connection) own = NULL;
    Candidates candidates = { g_strv_builder_new(), last, "" };
    const Value *bus;
    char **found;

    /* What is wrong in the words before does not forbid to go on. */
    for (; *words; words++)
        command_line_feed(line, *words, NULL);
    bus = command_line_option(line, "bus");
    if (bus || !connection)
        connection = own = connection_new(bus ? bus->text : NULL);

    offer_next(&candidates, last, line, connection);
    found = g_strv_builder_end(candidates.found);
    g_strv_builder_unref(candidates.found);
    return found;
}

char **
complete_split(const char *text, char **last)
{
    /* A mark behind the cursor makes a word of what may be an empty one, and ends
     * an escape; a quote that is still open is closed. */
    static const char *const ends[] = { "|", "|'", "|\"" };

    *last = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *marked = g_strconcat(text, ends[i], NULL);
        char **words = NULL;
        int n = 0;

        if (!g_shell_parse_argv(marked, &n, &words, NULL))
            continue;
        *last = words[n - 1];
        words[n - 1] = NULL;
        if (g_str_has_suffix(*last, "|")) {
            (*last)[strlen(*last) - 1] = '\0';
            return words;
        }
        /* The cursor is within a comment. */
        g_clear_pointer(last, g_free);
        g_strfreev(words);
    }
    return NULL;
}
