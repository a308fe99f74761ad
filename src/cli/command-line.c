/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command-line.h"

#include <string.h>

#include "cli/similar.h"

struct _CommandLine {
    const Command *command;        /* NULL until it is named */
    const CommandOption *awaiting; /* the option whose value comes next */
    gboolean literal;              /* "--" was seen: no more options */
    GPtrArray *words;              /* owns all texts that values borrow */
    GHashTable *options;           /* const CommandOption * -> Value, owned */
    GArray *arguments;             /* Value */
};

CommandLine *
command_line_new(void)
{
    CommandLine *line = g_new0(CommandLine, 1);

    line->words = g_ptr_array_new_with_free_func(g_free);
    line->options = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    line->arguments = g_array_new(FALSE, TRUE, sizeof(Value));
    return line;
}

void
command_line_free(CommandLine *line)
{
    if (!line)
        return;
    g_array_unref(line->arguments);
    g_hash_table_unref(line->options);
    g_ptr_array_unref(line->words);
    g_free(line);
}

static const char *
keep(CommandLine *line, const char *word)
{
    char *copy = g_strdup(word);

    g_ptr_array_add(line->words, copy);
    return copy;
}

static gboolean
feed_value(CommandLine *line, const CommandOption *option, const char *text, GError **error)
{
    g_autofree Value *value = g_new0(Value, 1);

    if (!value_parse(option->kind, text, value, error)) {
        g_prefix_error(error, "--%s: ", option->name);
        return FALSE;
    }
    g_hash_table_replace(line->options, (gpointer)option, g_steal_pointer(&value));
    return TRUE;
}

static gboolean
refuse_option(const CommandLine *line, const char *word, GError **error)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func(g_free);
    const CommandOption *tables[] = { line->command ? line->command->options : NULL,
                                      command_global_options };
    g_autofree char *name = g_strndup(word, strcspn(word, "="));
    const char *meant;

    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const CommandOption *option = tables[i]; option && option->name; option++)
            g_ptr_array_add(known, g_strconcat("--", option->name, NULL));
    }
    g_ptr_array_add(known, NULL);
    meant = similar_find(name, (const char *const *)known->pdata);

    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                meant ? "unknown option '%s'; did you mean '%s'?" : "unknown option '%s'", name,
                meant);
    return FALSE;
}

/* @word begins with a dash and is more than that. */
static gboolean
feed_option(CommandLine *line, const char *word, GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *name = NULL;
    const CommandOption *option = NULL;

    if (g_str_equal(word, "-h"))
        name = g_strdup("help");
    else if (g_str_has_prefix(word, "--"))
        name = equals ? g_strndup(word + 2, (gsize)(equals - word - 2)) : g_strdup(word + 2);
    if (name)
        option = command_find_option(line->command, name);
    if (!option)
        return refuse_option(line, word, error);

    if (option->metavar && !equals) {
        line->awaiting = option;
        return TRUE;
    }
    if (option->metavar)
        return feed_value(line, option, keep(line, equals + 1), error);
    if (equals) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s takes no value", name);
        return FALSE;
    }
    g_hash_table_replace(line->options, (gpointer)option, g_new0(Value, 1));
    return TRUE;
}

static gboolean
feed_command(CommandLine *line, const char *word, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *meant;

    line->command = command_find(word);
    if (line->command)
        return TRUE;

    for (const Command *const *row = command_all(); *row; row++)
        g_ptr_array_add(names, (gpointer)(*row)->name);
    g_ptr_array_add(names, NULL);
    meant = similar_find(word, (const char *const *)names->pdata);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                meant ? "unknown command '%s'; did you mean '%s'?" : "unknown command '%s'", word,
                meant);
    return FALSE;
}

/* Returns: what the next argument is; one without a name if no more are taken. */
static const CommandArgument *
next_argument(const CommandLine *line)
{
    const CommandArgument *argument = line->command->arguments;

    for (guint i = 0; i < line->arguments->len && argument->name && !argument->repeated; i++)
        argument++;
    return argument;
}

static gboolean
feed_argument(CommandLine *line, const char *word, GError **error)
{
    const CommandArgument *argument = next_argument(line);
    Value value;

    if (!argument->name) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "'%s' is one word too many",
                    word);
        return FALSE;
    }
    if (!value_parse(argument->kind, word, &value, error)) {
        g_prefix_error(error, "%s: ", argument->name);
        return FALSE;
    }
    g_array_append_val(line->arguments, value);
    return TRUE;
}

gboolean
command_line_feed(CommandLine *line, const char *word, GError **error)
{
    if (line->awaiting) {
        const CommandOption *option = line->awaiting;

        line->awaiting = NULL;
        return feed_value(line, option, keep(line, word), error);
    }
    if (!line->literal && g_str_equal(word, "--")) {
        line->literal = TRUE;
        return TRUE;
    }
    if (!line->literal && word[0] == '-' && word[1] != '\0')
        return feed_option(line, word, error);
    if (!line->command)
        return feed_command(line, word, error);
    return feed_argument(line, keep(line, word), error);
}

gboolean
command_line_feed_all(CommandLine *line, char *const *words, GError **error)
{
    for (; *words; words++) {
        if (!command_line_feed(line, *words, error))
            return FALSE;
    }
    return TRUE;
}

/* Whether the repeated @argument was given once. */
static gboolean
has_repeated(const CommandLine *line, const CommandArgument *argument)
{
    return argument->repeated &&
           line->arguments->len > (gsize)(argument - line->command->arguments);
}

gboolean
command_line_finish(CommandLine *line, GError **error)
{
    const CommandArgument *missing;

    if (line->awaiting) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s needs a value: %s",
                    line->awaiting->name, line->awaiting->metavar);
        return FALSE;
    }
    if (!line->command) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "a command is missing");
        return FALSE;
    }

    missing = next_argument(line);
    if (missing->name && !missing->optional && !has_repeated(line, missing)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s is missing", missing->name);
        return FALSE;
    }
    return TRUE;
}

CommandLineNext
command_line_next(const CommandLine *line)
{
    CommandLineNext next = { .option = line->awaiting };

    if (line->awaiting)
        return next;
    next.options = !line->literal;
    next.command = !line->command;
    if (line->command && next_argument(line)->name)
        next.argument = next_argument(line);
    return next;
}

const Command *
command_line_command(const CommandLine *line)
{
    return line->command;
}

const Value *
command_line_argument(const CommandLine *line, guint index)
{
    return index < line->arguments->len ? &g_array_index(line->arguments, Value, index) : NULL;
}

const Value *
command_line_option(const CommandLine *line, const char *name)
{
    const CommandOption *option = command_find_option(line->command, name);

    /* A handler that asks for an option which its row does not have is wrong. */
    g_assert(option);
    return g_hash_table_lookup(line->options, option);
}

const char *
command_line_text(const CommandLine *line, guint index)
{
    const Value *value = command_line_argument(line, index);

    return value ? value->text : "";
}

gboolean
command_line_has(const CommandLine *line, const char *name)
{
    return command_line_option(line, name) != NULL;
}

double
command_line_seconds(const CommandLine *line, const char *name, double fallback)
{
    const Value *value = command_line_option(line, name);

    return value ? value->real : fallback;
}
