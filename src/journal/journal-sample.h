/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One sample in the journal: whole, or as what differs from the sample before.
 * memplug-journal(5) has both forms.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "monitor/sample.h"

/*
 * journal_sample_append:
 * @before: (nullable): the last sample that was written of this guest
 * @now: of the cycle that the sample is written with
 */
void journal_sample_append(GString *line, const Sample *sample, const Sample *before, gint64 now);

/*
 * journal_sample_read:
 * @version: of the journal
 * @before: (nullable): the last sample that was read of this guest
 * @sample: (out): untouched on failure
 *
 * Returns: FALSE if @node is no sample, or differs from one that is not there.
 */
gboolean journal_sample_read(JsonNode *node, guint version, const Sample *before, gint64 now,
                             Sample *sample);
