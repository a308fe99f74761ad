/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/uptake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

/* As measured: 256 MiB of boot memory are a MemTotal of 150. */
static const UptakeView booted = { .boot = 256 * MIB, .total = 150 * MIB };

static gboolean
is_stuck_after(Uptake *uptake, const UptakeView *view, gint64 now)
{
    uptake_look(uptake, view, now);
    uptake_look(uptake, view, now + UPTAKE_PATIENCE_US);
    return uptake_is_stuck(uptake, now + UPTAKE_PATIENCE_US);
}

static void
test_by_total(void **state)
{
    UptakeView view = booted;
    Uptake uptake;

    uptake_start(&uptake);
    assert_false(is_stuck_after(&uptake, &view, START));
    view.plugged = 512 * MIB;
    view.total = 660 * MIB;
    assert_false(is_stuck_after(&uptake, &view, START));
    /* It stays offline, or comes online in part. */
    view.total = 150 * MIB;
    assert_true(is_stuck_after(&uptake, &view, START));
    assert_in_range(uptake.missing, 400 * MIB, 512 * MIB);
    view.total = 406 * MIB;
    assert_true(is_stuck_after(&uptake, &view, START));
    /* The balloon holds some. */
    view.ballooned = 256 * MIB;
    assert_false(is_stuck_after(&uptake, &view, START));
    /* One DIMM. */
    view = booted;
    view.plugged = 128 * MIB;
    assert_true(is_stuck_after(&uptake, &view, START));
    view.total = 278 * MIB;
    assert_false(is_stuck_after(&uptake, &view, START));
}

/* A crash kernel is no missing memory where it was seen before anything was plugged. */
static void
test_what_the_kernel_keeps(void **state)
{
    UptakeView view = { .boot = 1024 * MIB, .total = 640 * MIB };
    Uptake uptake;

    uptake_start(&uptake);
    uptake_look(&uptake, &view, START);
    view.plugged = 256 * MIB;
    view.total += 256 * MIB;
    assert_false(is_stuck_after(&uptake, &view, START));
}

static void
test_patience(void **state)
{
    UptakeView view = booted;
    Uptake uptake;

    view.plugged = 512 * MIB;
    uptake_start(&uptake);
    uptake_look(&uptake, &view, START);
    assert_false(uptake_is_stuck(&uptake, START + UPTAKE_PATIENCE_US - 1));
    assert_true(uptake_is_stuck(&uptake, START + UPTAKE_PATIENCE_US));
    /* While memory comes and goes nothing is said. */
    view.moving = TRUE;
    uptake_look(&uptake, &view, START + UPTAKE_PATIENCE_US);
    assert_false(uptake_is_stuck(&uptake, START + 2 * UPTAKE_PATIENCE_US));
}

static void
test_by_agent(void **state)
{
    StatsFrame frame;
    StatsSample *sample = &frame.sample;
    UptakeView view = booted;
    Uptake uptake;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    sample->blocks_count = 3;
    sample->blocks[0] = (StatsBlocks){ STATS_BLOCK_ONLINE, STATS_ZONE_DMA32, 2, 256 * MIB };
    sample->blocks[1] = (StatsBlocks){ STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE, 1, 128 * MIB };
    sample->blocks[2] = (StatsBlocks){ STATS_BLOCK_OFFLINE, STATS_ZONE_OTHER, 1, 128 * MIB };
    sample->zone_count = 3;
    sample->zones[0] = (StatsZone){ STATS_ZONE_DMA, 15 * MIB, 15 * MIB, 5 * MIB };
    sample->zones[1] = (StatsZone){ STATS_ZONE_DMA32, 240 * MIB, 140 * MIB, 20 * MIB };
    sample->zones[2] = (StatsZone){ STATS_ZONE_MOVABLE, 128 * MIB, 128 * MIB, 100 * MIB };
    view.plugged = 256 * MIB;
    view.total = 278 * MIB;
    view.agent = sample;
    uptake_start(&uptake);
    assert_true(is_stuck_after(&uptake, &view, START));
    assert_true(uptake.by_agent);
    assert_int_equal(uptake.missing, 128 * MIB);
    assert_int_equal(uptake.offline, 128 * MIB);
    assert_int_equal(uptake.online_kernel, 256 * MIB);
    assert_int_equal(uptake.online_movable, 128 * MIB);
    assert_int_equal(uptake.kernel, 155 * MIB);
    assert_int_equal(uptake.kernel_free, 25 * MIB);
    assert_int_equal(uptake.movable, 128 * MIB);
    /* Not even a block of it: the driver is dead. By MemTotal that is still seen. */
    sample->blocks_count = 2;
    assert_true(is_stuck_after(&uptake, &view, START));
    assert_int_equal(uptake.offline, 0);
    view.total = 406 * MIB;
    sample->blocks[1].size = 256 * MIB;
    assert_false(is_stuck_after(&uptake, &view, START));
}

static void
test_lies(void **state)
{
    StatsFrame frame;
    StatsSample *sample = &frame.sample;
    UptakeView view = booted;
    Uptake uptake;

    memset(&frame, 0xff, sizeof frame);
    view.plugged = 128 * MIB;
    view.agent = sample;
    uptake_start(&uptake);
    assert_true(is_stuck_after(&uptake, &view, START));
    assert_true(uptake.missing <= view.plugged);
    view = (UptakeView){ G_MAXUINT64 / 2, G_MAXUINT64 / 2, 0, 1, FALSE, sample };
    uptake_look(&uptake, &view, START);
    assert_true(uptake.missing <= view.plugged);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_total), cmocka_unit_test(test_what_the_kernel_keeps),
        cmocka_unit_test(test_patience), cmocka_unit_test(test_by_agent),
        cmocka_unit_test(test_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
