/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manual page's part on the commands, made from their rows when memplug is
 * built, so that it cannot disagree with what "memplug help" says. It is written
 * for scdoc(5).
 */
#pragma once

#include <glib.h>

/* What a page can ask for. */
typedef enum {
    COMMAND_MANUAL_COMMANDS, /* a subsection for each: usage, description, options, examples */
    COMMAND_MANUAL_OPTIONS,  /* those of every command */
    COMMAND_MANUAL_STATUSES, /* what the program ends with */
} CommandManualPart;

/* Returns: (transfer full): @part, with a line feed at its end. */
char *command_manual_part(CommandManualPart part);

/*
 * command_manual_page:
 * @source: a page for scdoc, with a line "; commands", "; options" and "; statuses"
 *   (comments, to scdoc) where these are to stand
 *
 * Returns: (transfer full): the page with each of these lines replaced; NULL with
 *   @error set (G_IO_ERROR) if one of them is missing or comes twice.
 */
char *command_manual_page(const char *source, GError **error);
