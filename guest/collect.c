/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/collect.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/proc-lines.h"

/* How long blocks are believed to be as they were when neither their number nor MemTotal
 * changed. One could go offline while another comes; that is seen a minute later. */
#define BLOCKS_VALID_US (60 * INT64_C(1000000))

#define MEMORY_FOLDER "/sys/devices/system/memory"

static int
open_below(const char *root, const char *path, int flags)
{
    char full[PATH_MAX];

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
        return -1;
    return open(full, O_RDONLY | O_CLOEXEC | flags);
}

static uint64_t
read_block_size(int memory)
{
    char text[32];
    char *end;
    unsigned long long size;

    if (!proc_lines_first(memory, "block_size_bytes", text, sizeof(text)))
        return STATS_MISSING;
    size = strtoull(text, &end, 16);
    return *end == '\0' && size > 0 && size < ULLONG_MAX ? size : STATS_MISSING;
}

bool
collector_open(Collector *collector, const char *root)
{
    *collector = (Collector){
        .page_size = (uint64_t)sysconf(_SC_PAGESIZE),
        .block_size = STATS_MISSING,
        .meminfo = open_below(root, "/proc/meminfo", 0),
        .vmstat = -1,
        .pressure = -1,
        .zoneinfo = -1,
        .memory = -1,
    };
    if (collector->meminfo < 0)
        return false;
    collector->vmstat = open_below(root, "/proc/vmstat", 0);
    collector->pressure = open_below(root, "/proc/pressure/memory", 0);
    collector->zoneinfo = open_below(root, "/proc/zoneinfo", 0);
    collector->memory = open_below(root, MEMORY_FOLDER, O_DIRECTORY);
    if (collector->memory >= 0)
        collector->block_size = read_block_size(collector->memory);
    return true;
}

void
collector_close(Collector *collector)
{
    int *const fds[] = { &collector->meminfo, &collector->vmstat, &collector->pressure,
                         &collector->zoneinfo, &collector->memory };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

void
collector_describe(const Collector *collector, const char *root, StatsHello *hello)
{
    int proc = open_below(root, "/proc", O_DIRECTORY);

    if (!proc_lines_first(proc, "sys/kernel/osrelease", hello->kernel, sizeof(hello->kernel)))
        strcpy(hello->kernel, "unknown");
    proc_lines_first(proc, "sys/kernel/random/boot_id", hello->boot_id, sizeof(hello->boot_id));
    if (proc >= 0)
        close(proc);
    hello->page_size = collector->page_size;
    hello->block_size = collector->block_size;
    hello->can |= collector->pressure >= 0 ? STATS_CAN_PSI : 0;
    hello->can |= collector->zoneinfo >= 0 ? STATS_CAN_ZONES : 0;
    hello->can |= collector->block_size != STATS_MISSING ? STATS_CAN_BLOCKS : 0;
}

bool
collector_look(Collector *collector, StatsSample *sample)
{
    return proc_lines_read(collector->meminfo, collect_meminfo_line, sample) &&
           sample->total != STATS_MISSING && sample->free != STATS_MISSING;
}

/* A folder of sysfs has a link for each folder in it. */
static void
refresh_blocks(Collector *collector, uint64_t total, int64_t now)
{
    struct stat folder;

    if (fstat(collector->memory, &folder) < 0)
        return;
    if (collector->blocks_us != 0 && now - collector->blocks_us < BLOCKS_VALID_US &&
        collector->blocks_links == folder.st_nlink && collector->blocks_total == total)
        return;
    if (!collect_blocks(collector->memory, collector->block_size, &collector->blocks))
        return;
    collector->blocks_links = folder.st_nlink;
    collector->blocks_total = total;
    collector->blocks_us = now;
}

void
collector_complete(Collector *collector, StatsSample *sample, int64_t now)
{
    VmstatParser vmstat = { .sample = sample, .page_size = collector->page_size };
    ZoneinfoParser zoneinfo = { .page_size = collector->page_size };

    proc_lines_read(collector->vmstat, collect_vmstat_line, &vmstat);
    proc_lines_read(collector->pressure, collect_pressure_line, sample);
    if (proc_lines_read(collector->zoneinfo, collect_zoneinfo_line, &zoneinfo))
        collect_zones(&zoneinfo, sample);
    if (collector->block_size == STATS_MISSING)
        return;
    refresh_blocks(collector, sample->total, now);
    sample->blocks_count = collector->blocks.count;
    memcpy(sample->blocks, collector->blocks.groups, sizeof(sample->blocks));
    sample->run_count = collector->blocks.run_count;
    memcpy(sample->runs, collector->blocks.runs, sizeof(sample->runs));
}
