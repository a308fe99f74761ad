/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command-manual.h"

#include <string.h>

#include "cli/command.h"

/* What scdoc takes for markup, anywhere or at the beginning of a line. */
#define MARKUP      "\\*_`+"
#define LINE_MARKUP "#-.|[];"

static void
append_plain(GString *page, const char *text)
{
    gboolean line_begins = TRUE;

    for (const char *c = text; *c; c++) {
        if (strchr(MARKUP, *c) || (line_begins && strchr(LINE_MARKUP, *c)))
            g_string_append_c(page, '\\');
        g_string_append_c(page, *c);
        line_begins = *c == '\n';
    }
}

/* @mark: "*" for what is written as it stands, "_" for what stands for something. */
static void
append_marked(GString *page, const char *mark, const char *text)
{
    g_string_append(page, mark);
    append_plain(page, text);
    g_string_append(page, mark);
}

static void
append_option(GString *page, const CommandOption *option)
{
    g_autofree char *name = g_strconcat("--", option->name, NULL);

    append_marked(page, "*", name);
    if (option->metavar) {
        g_string_append_c(page, ' ');
        append_marked(page, "_", option->metavar);
    }
}

static void
append_usage(GString *page, const Command *command)
{
    append_marked(page, "*", "memplug");
    g_string_append_c(page, ' ');
    append_marked(page, "*", command->name);
    for (const CommandArgument *argument = command->arguments; argument->name; argument++) {
        g_string_append(page, argument->optional ? " [" : " ");
        append_marked(page, "_", argument->name);
        g_string_append(page, argument->repeated ? "..." : "");
        g_string_append(page, argument->optional ? "]" : "");
    }
    for (const CommandOption *option = command->options; option && option->name; option++) {
        g_string_append(page, " [");
        append_option(page, option);
        g_string_append_c(page, ']');
    }
    g_string_append(page, "\n\n");
}

static void
append_options(GString *page, const CommandOption *options)
{
    for (const CommandOption *option = options; option && option->name; option++) {
        append_option(page, option);
        g_string_append(page, "\n\t");
        append_plain(page, option->summary);
        g_string_append(page, "\n\n");
    }
}

static void
append_examples(GString *page, const char *examples)
{
    g_auto(GStrv) parts = g_strsplit(examples, "\\", -1);
    g_autofree char *text = g_strjoinv("\\\\", parts);

    g_string_append_printf(page, "```\n%s\n```\n\n", text);
}

static void
append_commands(GString *page)
{
    for (const Command *const *command = command_all(); *command; command++) {
        g_string_append_printf(page, "## %s\n\n", (*command)->name);
        append_usage(page, *command);
        append_plain(page, (*command)->description);
        g_string_append(page, "\n\n");
        append_options(page, (*command)->options);
        append_examples(page, (*command)->examples);
    }
}

static void
append_global_options(GString *page)
{
    append_options(page, command_global_options);
}

static void
append_statuses(GString *page)
{
    for (CommandStatus status = COMMAND_DONE; status <= COMMAND_WRONG_USAGE; status++)
        g_string_append_printf(page, "*%d*\n\t%s\n\n", status, command_status_meaning(status));
}

static const struct {
    const char *line;
    void (*append)(GString *page);
} parts[] = {
    [COMMAND_MANUAL_COMMANDS] = { "; commands", append_commands },
    [COMMAND_MANUAL_OPTIONS] = { "; options", append_global_options },
    [COMMAND_MANUAL_STATUSES] = { "; statuses", append_statuses },
};

char *
command_manual_part(CommandManualPart part)
{
    GString *text = g_string_new(NULL);

    parts[part].append(text);
    /* Each ends with the empty line that parts it from the next. */
    g_string_truncate(text, text->len - 1);
    return g_string_free(text, FALSE);
}

/* Returns: whether @line asks for a part, which is then appended and counted. */
static gboolean
append_part(GString *page, const char *line, guint *seen)
{
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (g_str_equal(line, parts[i].line)) {
            g_autofree char *text = command_manual_part(i);

            g_string_append(page, text);
            seen[i]++;
            return TRUE;
        }
    }
    return FALSE;
}

char *
command_manual_page(const char *source, GError **error)
{
    g_autoptr(GString) page = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(source, "\n", -1);
    guint seen[G_N_ELEMENTS(parts)] = { 0 };

    for (char **line = lines; *line; line++) {
        if (!append_part(page, *line, seen) && (line[1] || **line))
            g_string_append_printf(page, "%s\n", *line);
    }
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (seen[i] != 1) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        "the line '%s' is there %u times", parts[i].line, seen[i]);
            return NULL;
        }
    }
    return g_string_free(g_steal_pointer(&page), FALSE);
}
