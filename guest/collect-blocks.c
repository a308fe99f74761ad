/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory blocks of /sys/devices/system/memory: a folder memoryN for each, with its
 * "state" and, once online, its zone in "valid_zones".
 *
 * valid_zones of a block that is just being added is not read, ever: Linux 6.12 follows a NULL
 * pointer there (README.md). A block that is online has been added.
 *
 * The kernel lists the folders in no order, so each block is noted by its number first, and the
 * runs are read off these notes.
 *
 * A guest has some hundred blocks, and each costs two files opened; so it is for the caller to
 * read them seldom.
 */
#include "guest/collect.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/proc-lines.h"

static const char *const states[STATS_BLOCK_STATE_COUNT] = {
    [STATS_BLOCK_OFFLINE] = "offline",
    [STATS_BLOCK_ONLINE] = "online",
    [STATS_BLOCK_GOING_OFFLINE] = "going-offline",
};

/* 2 TiB in blocks of 128 MiB; where there is more, blocks are larger (Linux,
 * arch/x86/mm/init_64.c, probe_memory_block_size()). Those beyond have no part in the runs. */
#define NUMBERS 16384

/* What is known of a block, in a byte; 0: there is none. */
#define NOTE(state, zone) (uint8_t)(1 + (state)*STATS_ZONE_COUNT + (zone))
#define NOTE_STATE(note)  (((note)-1) / STATS_ZONE_COUNT)
#define NOTE_ZONE(note)   (((note)-1) % STATS_ZONE_COUNT)

static uint8_t notes[NUMBERS];

StatsBlockState
collect_block_state(const char *text)
{
    size_t i = 0;

    while (i < STATS_BLOCK_STATE_COUNT && strcmp(text, states[i]) != 0)
        i++;
    return (StatsBlockState)i;
}

static void
add_block(CollectedBlocks *blocks, uint64_t state, uint64_t zone, uint64_t size)
{
    size_t i = 0;

    while (i < blocks->count &&
           (blocks->groups[i].state != state || blocks->groups[i].zone != zone))
        i++;
    if (i == STATS_BLOCKS_MOST)
        return;
    if (i == blocks->count)
        blocks->groups[blocks->count++] = (StatsBlocks){ .state = state, .zone = zone };
    blocks->groups[i].count++;
    blocks->groups[i].size += size;
}

static void
note_block(const char *name, uint64_t state, uint64_t zone)
{
    unsigned long number = strtoul(name + strlen("memory"), NULL, 10);

    if (number < NUMBERS)
        notes[number] = NOTE(state, zone);
}

static void
find_runs(CollectedBlocks *blocks)
{
    StatsBlockRun *run = NULL;

    for (size_t number = 0; number < NUMBERS; number++) {
        uint8_t note = notes[number], before = number > 0 ? notes[number - 1] : 0;

        if (note == 0)
            continue;
        if (run && note == before) {
            run->count++;
            continue;
        }
        if (blocks->run_count == STATS_RUNS_MOST)
            return;
        run = &blocks->runs[blocks->run_count++];
        *run = (StatsBlockRun){ number, 1, NOTE_STATE(note), NOTE_ZONE(note) };
    }
}

static bool
read_attribute(int memory, const char *block, const char *attribute, char *text, size_t room)
{
    char path[64];
    int length = snprintf(path, sizeof(path), "%s/%s", block, attribute);

    return length > 0 && (size_t)length < sizeof(path) &&
           proc_lines_first(memory, path, text, room);
}

/* A block that goes while it is looked at is none. */
static void
read_block(int memory, const char *name, uint64_t block_size, CollectedBlocks *blocks)
{
    StatsZoneKind zone = STATS_ZONE_OTHER;
    StatsBlockState state;
    char text[64];

    if (!read_attribute(memory, name, "state", text, sizeof(text)))
        return;
    state = collect_block_state(text);
    if (state == STATS_BLOCK_STATE_COUNT)
        return;
    if (state == STATS_BLOCK_ONLINE &&
        read_attribute(memory, name, "valid_zones", text, sizeof(text)))
        zone = collect_zone_kind(text);
    add_block(blocks, state, zone, block_size);
    note_block(name, state, zone);
}

static bool
is_block(const char *name)
{
    const char *number = name + 6;

    return strncmp(name, "memory", 6) == 0 && *number &&
           number[strspn(number, "0123456789")] == '\0';
}

bool
collect_blocks(int memory, uint64_t block_size, CollectedBlocks *blocks)
{
    static _Alignas(struct dirent64) char entries[2048];
    CollectedBlocks found = { .count = 0 };
    ssize_t length;

    if (memory < 0 || lseek(memory, 0, SEEK_SET) < 0)
        return false;
    memset(notes, 0, sizeof(notes));
    while ((length = getdents64(memory, entries, sizeof(entries))) > 0) {
        for (ssize_t at = 0; at < length;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);

            if (is_block(entry->d_name))
                read_block(memory, entry->d_name, block_size, &found);
            at += entry->d_reclen;
        }
    }
    if (length < 0)
        return false;
    find_runs(&found);
    *blocks = found;
    return true;
}
