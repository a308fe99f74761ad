/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/log.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *
level_name(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return "error: ";
    return level & G_LOG_LEVEL_WARNING ? "warning: " : "";
}

/* What a guest says of itself may be in a message: no control character of it
 * reaches a terminal. */
static char *
printable(const char *message, gssize length)
{
    char *text = g_utf8_make_valid(message, length);

    for (char *c = text; *c; c++) {
        if (g_ascii_iscntrl(*c) && *c != '\n' && *c != '\t')
            *c = '?';
    }
    return text;
}

/* Returns: (nullable): whose message it is. */
static const char *
domain_of(const GLogField *fields, gsize n_fields)
{
    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, "GLIB_DOMAIN"))
            return fields[i].value;
    }
    return NULL;
}

/* GLib leaves out what is only informative; of memplugd that is what an
 * administrator looks for: what was decided, and what the guests did. */
static gboolean
is_left_out(GLogLevelFlags level, const char *domain)
{
    if ((level & G_LOG_LEVEL_INFO) && g_strcmp0(domain, G_LOG_DOMAIN) == 0)
        return FALSE;
    return g_log_writer_default_would_drop(level, domain);
}

static GLogWriterOutput
write_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    g_autoptr(GDateTime) now = NULL;
    g_autofree char *time = NULL;

    if (is_left_out(level, domain_of(fields, n_fields)))
        return G_LOG_WRITER_HANDLED;
    if (g_log_writer_is_journald(STDERR_FILENO) &&
        g_log_writer_journald(level, fields, n_fields, data) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;

    now = g_date_time_new_now_local();
    time = g_date_time_format(now, "%F %T");
    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE")) {
            g_autofree char *text = printable(fields[i].value, fields[i].length);

            fprintf(stderr, "%s.%03d memplugd: %s%s\n", time,
                    g_date_time_get_microsecond(now) / 1000, level_name(level), text);
        }
    }
    return G_LOG_WRITER_HANDLED;
}

void
log_start(void)
{
    g_log_set_writer_func(write_line, NULL, NULL);
}
