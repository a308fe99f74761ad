/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the agent reads, from the files of real kernels (data/linux-6.1 and -6.12, taken from
 * the tests' guests after they had run out of memory), in the form of an old one, and of none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/collect.h"
#include "guest/proc-lines.h"

#define KIB    ((guint64)1024)
#define MIB    (1024 * KIB)
#define MINUTE (60 * (gint64)G_USEC_PER_SEC)

static char *
data_folder(const char *name)
{
    return g_build_filename(g_getenv("MEMPLUG_SOURCE_ROOT"), "tests", "unit", "guest", "data", name,
                            NULL);
}

static void
collect(const char *name, StatsFrame *frame, gboolean usable)
{
    g_autofree char *root = data_folder(name);
    Collector collector;

    stats_frame_clear(frame, STATS_FRAME_SAMPLE);
    assert_true(collector_open(&collector, root));
    collector.page_size = 4096;
    assert_int_equal(collector_look(&collector, &frame->sample), usable);
    collector_complete(&collector, &frame->sample, 1);
    collector_close(&collector);
}

static const StatsZone *
find_zone(const StatsSample *sample, StatsZoneKind kind)
{
    for (gsize i = 0; i < sample->zone_count; i++) {
        if (sample->zones[i].kind == kind)
            return &sample->zones[i];
    }
    return NULL;
}

static const StatsBlocks *
find_blocks(const StatsSample *sample, StatsBlockState state, StatsZoneKind zone)
{
    for (gsize i = 0; i < sample->blocks_count; i++) {
        if (sample->blocks[i].state == state && sample->blocks[i].zone == zone)
            return &sample->blocks[i];
    }
    return NULL;
}

static void
test_linux_6_1(void **state)
{
    StatsFrame frame;
    const StatsSample *sample = &frame.sample;

    collect("linux-6.1", &frame, TRUE);
    assert_int_equal(sample->total, 942748 * KIB);
    assert_int_equal(sample->free, 885708 * KIB);
    assert_int_equal(sample->available, 880492 * KIB);
    assert_int_equal(collect_available(sample), 880492 * KIB);
    assert_int_equal(sample->cached, 15516 * KIB);
    assert_int_equal(sample->dirty, 0);
    assert_int_equal(sample->shmem, 15516 * KIB);
    assert_int_equal(sample->slab_reclaimable, 9468 * KIB);
    assert_int_equal(sample->committed, 16304 * KIB);
    assert_int_equal(sample->swap_total, 131068 * KIB);
    assert_int_equal(sample->swap_free, 130952 * KIB);
    assert_int_equal(sample->swap_in, 32739 * 4096);
    assert_int_equal(sample->swap_out, 32923 * 4096);
    assert_int_equal(sample->refaults_anon, 32739);
    assert_int_equal(sample->refaults_file, 0);
    assert_int_equal(sample->major_faults, 0);
    assert_int_equal(sample->direct_scans, 16137);
    assert_int_equal(sample->direct_steals, 16098);
    assert_int_equal(sample->alloc_stalls, 717);
    assert_int_equal(sample->oom_kills, 2);
    assert_int_equal(sample->stall_some_us, 4029314);
    assert_int_equal(sample->stall_full_us, 3864505);
    /* Normal and Device are empty. */
    assert_int_equal(sample->zone_count, 3);
    assert_int_equal(find_zone(sample, STATS_ZONE_DMA32)->present, 61408 * 4096);
    assert_int_equal(find_zone(sample, STATS_ZONE_DMA32)->managed, 35239 * 4096);
    assert_int_equal(find_zone(sample, STATS_ZONE_DMA32)->free, 21191 * 4096);
    assert_int_equal(find_zone(sample, STATS_ZONE_MOVABLE)->managed, 768 * MIB);
    assert_int_equal(sample->blocks_count, 3);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->count, 6);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->size, 768 * MIB);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_DMA32)->count, 1);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_OTHER)->count, 1);
}

static void
test_linux_6_12(void **state)
{
    StatsFrame frame;
    const StatsSample *sample = &frame.sample;

    collect("linux-6.12", &frame, TRUE);
    assert_int_equal(sample->total, 937488 * KIB);
    assert_int_equal(sample->available, 859440 * KIB);
    assert_int_equal(sample->committed, 16072 * KIB);
    assert_int_equal(sample->refaults_anon, 32759);
    assert_int_equal(sample->direct_scans, 13825);
    assert_int_equal(sample->direct_steals, 13765);
    assert_int_equal(sample->alloc_stalls, 314);
    assert_int_equal(sample->oom_kills, 2);
    assert_int_equal(sample->stall_some_us, 2722589);
    assert_int_equal(sample->stall_full_us, 2577088);
    assert_int_equal(sample->zone_count, 4);
    assert_int_equal(find_zone(sample, STATS_ZONE_NORMAL)->managed, 384 * MIB);
    assert_int_equal(find_zone(sample, STATS_ZONE_NORMAL)->free, 87939 * 4096);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_NORMAL)->count, 3);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->count, 3);
}

static void
test_an_old_kernel_tells_what_it_has(void **state)
{
    StatsFrame frame;
    const StatsSample *sample = &frame.sample;

    collect("linux-3.10-form", &frame, TRUE);
    assert_int_equal(sample->total, 500412 * KIB);
    assert_true(sample->available == STATS_MISSING);
    assert_int_equal(collect_available(sample), (211020 + 1024 + 120000 - 20000) * KIB);
    assert_true(sample->swap_total == STATS_MISSING);
    assert_int_equal(sample->swap_in, 11 * 4096);
    assert_int_equal(sample->swap_out, 22 * 4096);
    assert_int_equal(sample->major_faults, 345);
    assert_int_equal(sample->direct_steals, 4321);
    assert_int_equal(sample->direct_scans, 5432);
    assert_int_equal(sample->alloc_stalls, 17);
    assert_int_equal(sample->refaults_file, 77);
    assert_true(sample->refaults_anon == STATS_MISSING);
    assert_true(sample->oom_kills == STATS_MISSING);
    assert_true(sample->stall_some_us == STATS_MISSING);
    assert_int_equal(sample->blocks_count, 0);
    /* Both nodes. */
    assert_int_equal(find_zone(sample, STATS_ZONE_NORMAL)->present, 56000 * 4096);
    assert_int_equal(find_zone(sample, STATS_ZONE_NORMAL)->managed, 54000 * 4096);
    assert_int_equal(find_zone(sample, STATS_ZONE_NORMAL)->free, 21000 * 4096);
}

static void
test_garbage_is_missing(void **state)
{
    StatsFrame frame;
    const StatsSample *sample = &frame.sample;

    collect("garbage", &frame, FALSE);
    assert_true(sample->total == STATS_MISSING);
    assert_true(sample->free == STATS_MISSING);
    assert_true(sample->cached == STATS_MISSING);
    assert_int_equal(sample->swap_total, 7 * KIB);
    assert_true(sample->swap_in == STATS_MISSING);
    assert_true(sample->swap_out == STATS_MISSING);
    assert_true(sample->major_faults == STATS_MISSING);
    assert_int_equal(sample->oom_kills, 3);
    assert_int_equal(sample->alloc_stalls, 4);
    assert_true(sample->stall_some_us == STATS_MISSING);
    /* The lines before any known zone, and those of an unknown one. */
    assert_int_equal(sample->zone_count, 1);
    assert_int_equal(sample->zones[0].kind, STATS_ZONE_OTHER);
    assert_int_equal(sample->zones[0].present, 12 * 4096);
    /* One is in a strange state, one is no block, one may become this or that. */
    assert_int_equal(sample->blocks_count, 1);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_OTHER)->count, 1);
}

static void
test_no_meminfo_is_an_error(void **state)
{
    Collector collector;

    assert_false(collector_open(&collector, "/nonexistent"));
    collector_close(&collector);
}

/* Folders and files that are gone when the test ends. */

typedef struct {
    char *path;
} Folder;

static void
remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        if (g_file_test(entry, G_FILE_TEST_IS_DIR))
            remove_all(entry);
        else
            g_unlink(entry);
    }
    g_rmdir(path);
}

static int
make_folder(void **state)
{
    Folder *folder = g_new0(Folder, 1);

    folder->path = g_dir_make_tmp("memplug-collect-XXXXXX", NULL);
    *state = folder;
    return folder->path ? 0 : -1;
}

static int
drop_folder(void **state)
{
    Folder *folder = *state;

    remove_all(folder->path);
    g_free(folder->path);
    g_free(folder);
    return 0;
}

static void
put_file(const char *root, const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);
    int fd;

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    /* In place: the collector has it open. */
    fd = g_open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void
put_block(const char *root, guint number, const char *block_state, const char *zone)
{
    g_autofree char *folder = g_strdup_printf("sys/devices/system/memory/memory%u/", number);
    g_autofree char *state_path = g_strconcat(folder, "state", NULL);
    g_autofree char *zone_path = g_strconcat(folder, "valid_zones", NULL);

    put_file(root, state_path, block_state);
    put_file(root, zone_path, zone);
}

static void
complete(Collector *collector, StatsFrame *frame, gint64 now)
{
    stats_frame_clear(frame, STATS_FRAME_SAMPLE);
    assert_true(collector_look(collector, &frame->sample));
    collector_complete(collector, &frame->sample, now);
}

/* sysfs has a link for each folder in a folder; not all that /tmp can be on do. */
static gboolean
counts_folders(const char *root)
{
    struct stat folder;

    assert_int_equal(stat(root, &folder), 0);
    return folder.st_nlink > 2;
}

static void
assert_run(const StatsBlockRun *run, guint64 first, guint64 count, StatsBlockState state,
           StatsZoneKind zone)
{
    assert_int_equal(run->first, first);
    assert_int_equal(run->count, count);
    assert_int_equal(run->state, state);
    assert_int_equal(run->zone, zone);
}

/* A guest may have more runs than a frame has room for, and blocks with any number. */
static void
test_runs_are_bounded(void **state)
{
    const char *root = ((Folder *)*state)->path;
    Collector collector;
    StatsFrame frame;

    put_file(root, "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\n");
    put_file(root, "sys/devices/system/memory/block_size_bytes", "8000000\n");
    put_block(root, 4000000000u, "online\n", "Normal\n");
    for (guint i = 0; i < 2 * STATS_RUNS_MOST; i++)
        put_block(root, i, i % 2 ? "offline\n" : "online\n", "Movable\n");
    assert_true(collector_open(&collector, root));
    complete(&collector, &frame, 1);
    assert_int_equal(frame.sample.run_count, STATS_RUNS_MOST);
    for (guint i = 0; i < STATS_RUNS_MOST; i++)
        assert_int_equal(frame.sample.runs[i].first, i);
    assert_int_equal(find_blocks(&frame.sample, STATS_BLOCK_ONLINE, STATS_ZONE_NORMAL)->count, 1);
    collector_close(&collector);
}

static void
test_blocks_are_grouped_and_read_again_when_something_changed(void **state)
{
    const char *root = ((Folder *)*state)->path;
    Collector collector;
    StatsFrame frame;
    const StatsSample *sample = &frame.sample;

    put_file(root, "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\n");
    put_file(root, "sys/devices/system/memory/block_size_bytes", "8000000\n");
    put_block(root, 0, "online\n", "none\n");
    put_block(root, 1, "online\n", "Normal\n");
    for (guint i = 32; i < 132; i++)
        put_block(root, i, "online\n", "Movable\n");
    /* Its valid_zones is not looked at. */
    put_block(root, 200, "offline\n", "Normal Movable\n");
    put_block(root, 201, "going-offline\n", "Movable\n");

    assert_true(collector_open(&collector, root));
    assert_int_equal(collector.block_size, 128 * MIB);
    complete(&collector, &frame, 1);
    assert_int_equal(sample->blocks_count, 5);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_OTHER)->count, 1);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->count, 100);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->size,
                     12800 * MIB);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_OFFLINE, STATS_ZONE_OTHER)->count, 1);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_GOING_OFFLINE, STATS_ZONE_OTHER)->count, 1);
    assert_int_equal(sample->run_count, 5);
    assert_run(&sample->runs[0], 0, 1, STATS_BLOCK_ONLINE, STATS_ZONE_OTHER);
    assert_run(&sample->runs[1], 1, 1, STATS_BLOCK_ONLINE, STATS_ZONE_NORMAL);
    assert_run(&sample->runs[2], 32, 100, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE);
    assert_run(&sample->runs[3], 200, 1, STATS_BLOCK_OFFLINE, STATS_ZONE_OTHER);
    assert_run(&sample->runs[4], 201, 1, STATS_BLOCK_GOING_OFFLINE, STATS_ZONE_OTHER);

    /* Nothing is seen to have changed for a minute. */
    put_block(root, 200, "online\n", "Movable\n");
    complete(&collector, &frame, MINUTE);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->count, 100);
    complete(&collector, &frame, MINUTE + 1);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_MOVABLE)->count, 101);
    assert_null(find_blocks(sample, STATS_BLOCK_OFFLINE, STATS_ZONE_OTHER));

    put_block(root, 202, "offline\n", "");
    complete(&collector, &frame, MINUTE + 2);
    if (counts_folders(root))
        assert_non_null(find_blocks(sample, STATS_BLOCK_OFFLINE, STATS_ZONE_OTHER));
    put_block(root, 202, "online\n", "Normal\n");
    put_file(root, "proc/meminfo", "MemTotal: 2000 kB\nMemFree: 10 kB\n");
    complete(&collector, &frame, MINUTE + 3);
    assert_int_equal(find_blocks(sample, STATS_BLOCK_ONLINE, STATS_ZONE_NORMAL)->count, 2);
    collector_close(&collector);
}

static bool
keep_line(void *into, char *line)
{
    g_ptr_array_add(into, g_strdup(line));
    return strcmp(line, "enough") != 0;
}

static GPtrArray *
lines_of(const char *root, const char *text)
{
    g_autofree char *path = g_build_filename(root, "lines", NULL);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    int fd;

    put_file(root, "lines", text);
    fd = g_open(path, O_RDONLY | O_CLOEXEC);
    /* Always from the beginning. */
    assert_int_equal(proc_lines_read(fd, keep_line, lines), *text != '\0');
    g_ptr_array_set_size(lines, 0);
    assert_int_equal(proc_lines_read(fd, keep_line, lines), *text != '\0');
    close(fd);
    return lines;
}

static void
test_lines_of_any_number_and_length_are_read(void **state)
{
    const char *root = ((Folder *)*state)->path;

    for (gsize length = 0; length < 20000; length += 1 + length / 7) {
        g_autofree char *long_line = g_strnfill(length, 'x');
        g_autofree char *text = g_strdup_printf("one\n%s\nthree\n\nfive", long_line);
        g_autoptr(GPtrArray) lines = lines_of(root, text);

        assert_int_equal(lines->len, 5);
        assert_string_equal(lines->pdata[0], "one");
        assert_int_equal(strlen(lines->pdata[1]), MIN(length, strlen(lines->pdata[1])));
        assert_true(length > 4000 || strlen(lines->pdata[1]) == length);
        assert_string_equal(lines->pdata[2], "three");
        assert_string_equal(lines->pdata[3], "");
        assert_string_equal(lines->pdata[4], "five");
    }
}

static void
test_reading_ends_with_enough_and_with_nothing(void **state)
{
    const char *root = ((Folder *)*state)->path;
    g_autoptr(GPtrArray) lines = lines_of(root, "a\nenough\nb\n");
    g_autoptr(GPtrArray) none = lines_of(root, "");

    assert_int_equal(lines->len, 2);
    assert_int_equal(none->len, 0);
    assert_false(proc_lines_read(-1, keep_line, none));
}

static void
test_numbers_are_whole_and_in_bounds(void **state)
{
    guint64 number = 4;

    assert_false(proc_lines_number("", &number));
    assert_false(proc_lines_number("  x1", &number));
    assert_false(proc_lines_number("-1", &number));
    assert_false(proc_lines_number("18446744073709551615", &number));
    assert_false(proc_lines_number("99999999999999999999999", &number));
    assert_int_equal(number, 4);
    assert_true(proc_lines_number("\t 18446744073709551614 kB", &number));
    assert_true(number == G_MAXUINT64 - 1);
}

static void
test_describes_the_system(void **state)
{
    g_autofree char *root = data_folder("linux-6.12");
    Collector collector;
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_HELLO);
    frame.hello.can = 0;
    assert_true(collector_open(&collector, root));
    collector_describe(&collector, root, &frame.hello);
    collector_close(&collector);
    assert_string_equal(frame.hello.kernel, "6.12.117+deb12-cloud-amd64");
    assert_int_equal(strlen(frame.hello.boot_id), 36);
    assert_int_equal(frame.hello.block_size, 128 * MIB);
    assert_int_equal(frame.hello.can, STATS_CAN_PSI | STATS_CAN_ZONES | STATS_CAN_BLOCKS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linux_6_1),
        cmocka_unit_test(test_linux_6_12),
        cmocka_unit_test(test_an_old_kernel_tells_what_it_has),
        cmocka_unit_test(test_garbage_is_missing),
        cmocka_unit_test(test_no_meminfo_is_an_error),
        cmocka_unit_test_setup_teardown(test_runs_are_bounded, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(
            test_blocks_are_grouped_and_read_again_when_something_changed, make_folder,
            drop_folder),
        cmocka_unit_test_setup_teardown(test_lines_of_any_number_and_length_are_read, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_reading_ends_with_enough_and_with_nothing, make_folder,
                                        drop_folder),
        cmocka_unit_test(test_numbers_are_whole_and_in_bounds),
        cmocka_unit_test(test_describes_the_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
