/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Of each zone in /proc/zoneinfo three lines are wanted:
 *
 *   Node 0, zone   Normal
 *     ...
 *     pages free     21849
 *     ...
 *           present  32768
 *           managed  32768
 *
 * Zones of a kind are added up over the nodes. So are those whose name is not
 * known, as OTHER.
 */
#include "guest/collect.h"

#include <string.h>

#include "guest/proc-lines.h"

static const char *const names[STATS_ZONE_COUNT] = {
    [STATS_ZONE_OTHER] = "",          [STATS_ZONE_DMA] = "DMA",
    [STATS_ZONE_DMA32] = "DMA32",     [STATS_ZONE_NORMAL] = "Normal",
    [STATS_ZONE_HIGHMEM] = "HighMem", [STATS_ZONE_MOVABLE] = "Movable",
    [STATS_ZONE_DEVICE] = "Device",
};

static const struct {
    const char *key;
    size_t offset;
} rows[] = {
    { "pages free ", offsetof(StatsZone, free) },
    { "present ", offsetof(StatsZone, present) },
    { "managed ", offsetof(StatsZone, managed) },
};

StatsZoneKind
collect_zone_kind(const char *name)
{
    for (size_t i = STATS_ZONE_OTHER + 1; i < STATS_ZONE_COUNT; i++) {
        if (strcmp(name, names[i]) == 0)
            return (StatsZoneKind)i;
    }
    return STATS_ZONE_OTHER;
}

static void
add_pages(ZoneinfoParser *parser, size_t offset, const char *text)
{
    char *zone = (char *)&parser->zones[parser->kind];
    uint64_t pages;
    uint64_t sum;

    if (!proc_lines_number(text, &pages) || pages >= STATS_MISSING / parser->page_size)
        return;
    memcpy(&sum, zone + offset, sizeof(sum));
    sum += pages * parser->page_size;
    memcpy(zone + offset, &sum, sizeof(sum));
}

bool
collect_zoneinfo_line(void *data, char *line)
{
    ZoneinfoParser *parser = data;
    const char *text = line + strspn(line, " ");
    const char *zone;

    if (strncmp(line, "Node ", 5) == 0 && (zone = strstr(line, ", zone "))) {
        zone += 7;
        parser->kind = collect_zone_kind(zone + strspn(zone, " "));
        return true;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = strlen(rows[i].key);

        if (strncmp(text, rows[i].key, length) == 0)
            add_pages(parser, rows[i].offset, text + length);
    }
    return true;
}

void
collect_zones(const ZoneinfoParser *parser, StatsSample *sample)
{
    _Static_assert(STATS_ZONE_COUNT <= STATS_ZONES_MOST, "every kind has a row");

    sample->zone_count = 0;
    for (size_t i = 0; i < STATS_ZONE_COUNT; i++) {
        if (parser->zones[i].present == 0)
            continue;
        sample->zones[sample->zone_count] = parser->zones[i];
        sample->zones[sample->zone_count++].kind = i;
    }
}
