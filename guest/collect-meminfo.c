/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/collect.h"

#include <string.h>

#include "guest/proc-lines.h"

/* What is told in two rows is their sum: the page cache of block devices stands apart. */
static const struct {
    const char *name;
    size_t offset;
} rows[] = {
    { "MemTotal:", offsetof(StatsSample, total) },
    { "MemFree:", offsetof(StatsSample, free) },
    { "MemAvailable:", offsetof(StatsSample, available) },
    { "Buffers:", offsetof(StatsSample, cached) },
    { "Cached:", offsetof(StatsSample, cached) },
    { "SwapTotal:", offsetof(StatsSample, swap_total) },
    { "SwapFree:", offsetof(StatsSample, swap_free) },
    { "Dirty:", offsetof(StatsSample, dirty) },
    { "Shmem:", offsetof(StatsSample, shmem) },
    { "SReclaimable:", offsetof(StatsSample, slab_reclaimable) },
    { "Committed_AS:", offsetof(StatsSample, committed) },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
add_kib(uint64_t *bytes, uint64_t kib)
{
    uint64_t before = *bytes == STATS_MISSING ? 0 : *bytes;

    if (kib < (STATS_MISSING - before) / 1024)
        *bytes = before + kib * 1024;
}

/* The last row is the last in the file too, in all kernels. */
bool
collect_meminfo_line(void *sample, char *line)
{
    size_t length = strcspn(line, " ");
    uint64_t kib;

    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(rows[i].name) != length || memcmp(rows[i].name, line, length) != 0)
            continue;
        if (proc_lines_number(line + length, &kib))
            add_kib((void *)((char *)sample + rows[i].offset), kib);
        return i + 1 < ROWS;
    }
    return true;
}

uint64_t
collect_available(const StatsSample *sample)
{
    uint64_t cached = sample->cached == STATS_MISSING ? 0 : sample->cached;
    uint64_t shmem = sample->shmem == STATS_MISSING ? 0 : sample->shmem;

    if (sample->available != STATS_MISSING)
        return sample->available;
    return sample->free + (cached > shmem ? cached - shmem : 0);
}
