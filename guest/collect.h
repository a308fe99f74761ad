/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Linux guest tells about its memory, from files of /proc and /sys into a
 * StatsSample. Each file has a reader of its own below, collect-FILE.c: one
 * function that takes a line, pure, and is fed from a descriptor that was opened at
 * the start. What a kernel lacks, as whole files or as lines, stays missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/stats-frame.h"

typedef struct {
    StatsBlocks groups[STATS_BLOCKS_MOST];
    size_t count;
    StatsBlockRun runs[STATS_RUNS_MOST];
    size_t run_count;
} CollectedBlocks;

typedef struct {
    /* to be read by others */
    uint64_t page_size;
    uint64_t block_size; /* STATS_MISSING: the kernel cannot plug memory */

    /* private; descriptors, -1: the kernel has no such file */
    int meminfo;
    int vmstat;
    int pressure;
    int zoneinfo;
    int memory; /* folder of the memory blocks */
    CollectedBlocks blocks;
    uint64_t blocks_links; /* of the folder when they were read */
    uint64_t blocks_total; /* MemTotal then */
    int64_t blocks_us;     /* when that was; 0: never */
} Collector;

/*
 * collector_open:
 * @root: "" for the system's /proc and /sys, or a folder that has others
 *
 * Returns: false, and errno is set, if there is no meminfo; without it there is
 *   nothing to tell.
 */
bool collector_open(Collector *collector, const char *root);
void collector_close(Collector *collector);

/* Fills in what a HELLO says of the system: kernel, boot id, page and block size, and
 * those of STATS_CAN_… that depend on the kernel's files. */
void collector_describe(const Collector *collector, const char *root, StatsHello *hello);

/*
 * Fills in meminfo's part of @sample, which is what a look costs.
 *
 * Returns: false if it has no total or no free memory.
 */
bool collector_look(Collector *collector, StatsSample *sample);

/* Fills in the rest. Blocks are read when their number or MemTotal changed since the
 * last time, or after a minute. */
void collector_complete(Collector *collector, StatsSample *sample, int64_t now);

/* Returns: MemAvailable, or what comes near it where the kernel (before 3.14) tells none:
 *   free memory and page cache without shared memory. */
uint64_t collect_available(const StatsSample *sample);

/* One line of each file. Lines that are of no interest or garbled change nothing. Those
 * with a result return false when no line to come is of interest. */

bool collect_meminfo_line(void *sample, char *line);

typedef struct {
    StatsSample *sample;
    uint64_t page_size;
} VmstatParser;

/* @parser: a VmstatParser */
bool collect_vmstat_line(void *parser, char *line);

/* @sample: of /proc/pressure/memory */
bool collect_pressure_line(void *sample, char *line);

typedef struct {
    uint64_t page_size;
    StatsZoneKind kind; /* of the zone whose lines come */
    StatsZone zones[STATS_ZONE_COUNT];
} ZoneinfoParser;

/* @parser: a ZoneinfoParser, at first all 0 but for the page size */
bool collect_zoneinfo_line(void *parser, char *line);

/* Puts the zones that have any memory into @sample. */
void collect_zones(const ZoneinfoParser *parser, StatsSample *sample);

/* Returns: the kind of a zone by its name, as in zoneinfo and valid_zones; OTHER for
 *   any other text. */
StatsZoneKind collect_zone_kind(const char *name);

/* Returns: by the text of a memory block's "state"; STATE_COUNT for any other. */
StatsBlockState collect_block_state(const char *text);

/*
 * collect_blocks:
 * @memory: open folder /sys/devices/system/memory
 * @blocks: (out): what was read; not touched on failure
 *
 * Returns: false if the folder cannot be read.
 */
bool collect_blocks(int memory, uint64_t block_size, CollectedBlocks *blocks);
