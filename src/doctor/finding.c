/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/finding.h"

static const char *const level_names[] = {
    [FINDING_OK] = "ok",
    [FINDING_ADVICE] = "advice",
    [FINDING_WARNING] = "warning",
    [FINDING_PROBLEM] = "problem",
};

const char *
finding_level_name(FindingLevel level)
{
    return level_names[level];
}

Finding *
finding_new(FindingLevel level, const char *reason, char *fix, const char *format, ...)
{
    Finding *finding = g_new0(Finding, 1);
    va_list args;

    va_start(args, format);
    finding->text = g_strdup_vprintf(format, args);
    va_end(args);
    finding->level = level;
    finding->reason = g_strdup(reason ? reason : "");
    finding->fix = fix ? fix : g_strdup("");
    return finding;
}

Finding *
finding_ok(const char *format, ...)
{
    Finding *finding = finding_new(FINDING_OK, NULL, NULL, "%s", "");
    va_list args;

    va_start(args, format);
    g_free(finding->text);
    finding->text = g_strdup_vprintf(format, args);
    va_end(args);
    return finding;
}

void
finding_free(Finding *finding)
{
    if (!finding)
        return;
    g_free(finding->text);
    g_free(finding->reason);
    g_free(finding->fix);
    g_free(finding);
}
