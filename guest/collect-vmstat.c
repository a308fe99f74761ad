/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of /proc/vmstat that tell of memory being short. Their names changed:
 *
 *   allocstall, pgscan_direct, pgsteal_direct   one counter each, or (allocstall from 4.10 on,
 *                                               the others before 4.8) one for each kind of zone
 *   workingset_refault                          before 5.9 of files only, which is why it counts
 *                                               as _file here; from then on _anon and _file
 *   oom_kill                                    from 4.13 on
 *
 * A family is added up, whichever of its members a kernel has.
 */
#include "guest/collect.h"

#include <string.h>

#include "guest/proc-lines.h"

static const struct {
    const char *name;
    size_t offset;
    bool pages;  /* to be told in bytes */
    bool family; /* with NAME_ZONE as well */
} rows[] = {
    { "pswpin", offsetof(StatsSample, swap_in), .pages = true },
    { "pswpout", offsetof(StatsSample, swap_out), .pages = true },
    { "pgmajfault", offsetof(StatsSample, major_faults) },
    { "workingset_refault_anon", offsetof(StatsSample, refaults_anon) },
    { "workingset_refault_file", offsetof(StatsSample, refaults_file) },
    { "workingset_refault", offsetof(StatsSample, refaults_file) },
    { "pgscan_direct", offsetof(StatsSample, direct_scans), .family = true },
    { "pgsteal_direct", offsetof(StatsSample, direct_steals), .family = true },
    { "allocstall", offsetof(StatsSample, alloc_stalls), .family = true },
    { "oom_kill", offsetof(StatsSample, oom_kills) },
};

/* Not a kind of zone, though it looks like one: how often tasks were made to wait. */
static const char throttle[] = "_throttle";

static bool
is_named(const char *line, size_t length, const char *name, bool family)
{
    size_t name_length = strlen(name);

    if (length < name_length || memcmp(line, name, name_length) != 0)
        return false;
    if (length == name_length)
        return true;
    return family && line[name_length] == '_' &&
           (length - name_length != sizeof(throttle) - 1 ||
            memcmp(line + name_length, throttle, sizeof(throttle) - 1) != 0);
}

static void
add_to(StatsSample *sample, size_t offset, uint64_t value)
{
    uint64_t sum;

    memcpy(&sum, (char *)sample + offset, sizeof(sum));
    sum = sum == STATS_MISSING ? value : sum + value;
    memcpy((char *)sample + offset, &sum, sizeof(sum));
}

bool
collect_vmstat_line(void *data, char *line)
{
    VmstatParser *parser = data;
    size_t length = strcspn(line, " ");
    uint64_t value;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!is_named(line, length, rows[i].name, rows[i].family))
            continue;
        if (proc_lines_number(line + length, &value) && value < STATS_MISSING / parser->page_size)
            add_to(parser->sample, rows[i].offset,
                   rows[i].pages ? value * parser->page_size : value);
        break;
    }
    return true;
}
