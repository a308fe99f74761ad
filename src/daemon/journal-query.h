/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal's files have to say, for people who ask. These read files, in threads. */
#pragma once

#include <gio/gio.h>

/*
 * journal_query_explain:
 * @folder, @prefix: where the files are, see journal-writer.h
 * @guest: its name
 * @decision: as Event.decision; 0: the latest of this guest that can be found
 *
 * Returns: (transfer full): a{sv}, as Explain on the bus tells it; NULL with @error set.
 */
GVariant *journal_query_explain(const char *folder, const char *prefix, const char *guest,
                                guint64 decision, GError **error);

/*
 * journal_query_history:
 * @since_us, @until_us: since 1970
 * @most: points; of each of so many parts of the time, the last one is told
 *
 * Returns: (transfer full): a(ttttt): time (since 1970), actual, requested, demand, used: in
 *   the order of time. Parts in which nothing was written of the guest have no point.
 */
GVariant *journal_query_history(const char *folder, const char *prefix, const char *guest,
                                gint64 since_us, gint64 until_us, guint most);

/*
 * journal_query_report:
 * @guests: (nullable): names; all if there are none
 * @since_us, @until_us: since 1970
 *
 * Returns: (transfer full): aa{sv}, as Report on the bus tells it: of those guests of which
 *   anything is known in the span.
 */
GVariant *journal_query_report(const char *folder, const char *prefix, const char *const *guests,
                               gint64 since_us, gint64 until_us);
