/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of a host: below a folder that looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "doctor/host-facts.h"

#define KIB G_GUINT64_CONSTANT(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

/* A folder that looks like a host. */
static int
setup(void **state)
{
    *state = g_dir_make_tmp("memplug-host-XXXXXX", NULL);
    return *state ? 0 : -1;
}

static void
remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *below = g_build_filename(path, name, NULL);

        remove_all(below);
    }
    g_remove(path);
}

static int
teardown(void **state)
{
    remove_all(*state);
    g_free(*state);
    return 0;
}

static void
put(const char *root, const char *path, const char *text)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
test_nothing_is_known_of_nothing(void **state)
{
    g_autoptr(HostFacts) facts = host_facts_read(*state);

    assert_int_equal(facts->memory, 0);
    assert_int_equal(facts->overcommit, -1);
    assert_int_equal(facts->n_pools, 0);
    assert_null(facts->transparent);
    assert_null(facts->kernel);
    assert_int_equal(facts->ksm, FACT_UNKNOWN);
    assert_int_equal(facts->zswap, FACT_UNKNOWN);
    assert_int_equal(facts->psi, FACT_NO);
    assert_int_equal(facts->cgroup, 0);
    assert_int_equal(facts->vhost_regions, 0);
}

static void
test_memory_and_swap(void **state)
{
    g_autoptr(HostFacts) facts = NULL;

    put(*state, "/proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree:         1000 kB\nSwapTotal:       2097152 kB\n"
        "SwapFree:        1048576 kB\nCommitLimit:     9 kB\nCommitted_AS:    8 kB\n");
    put(*state, "/proc/sys/vm/overcommit_memory", "2\n");
    put(*state, "/sys/module/zswap/parameters/enabled", "Y\n");
    put(*state, "/sys/block/zram0/disksize", "1073741824\n");
    put(*state, "/sys/block/zram1/disksize", "1073741824\n");
    put(*state, "/sys/block/sda/size", "99\n");
    facts = host_facts_read(*state);
    assert_int_equal(facts->memory, 16384000 * KIB);
    assert_int_equal(facts->swap, 2 * GIB);
    assert_int_equal(facts->swap_free, GIB);
    assert_int_equal(facts->commit_limit, 9 * KIB);
    assert_int_equal(facts->committed, 8 * KIB);
    assert_int_equal(facts->overcommit, 2);
    assert_int_equal(facts->zswap, FACT_YES);
    assert_int_equal(facts->zram, 2 * GIB);
}

static void
test_huge_pages(void **state)
{
    g_autoptr(HostFacts) facts = NULL;
    const HugepagePool *pool;

    put(*state, "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
    put(*state, "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "3\n");
    put(*state, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    put(*state, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
    put(*state, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "7\n");
    put(*state, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    facts = host_facts_read(*state);
    assert_int_equal(facts->n_pools, 2);
    assert_int_equal(facts->pools[0].page, 2 * MIB);
    pool = host_facts_find_pool(facts, GIB);
    assert_non_null(pool);
    assert_int_equal(pool->total, 4);
    assert_int_equal(pool->free, 3);
    assert_int_equal(pool->surplus, 0);
    assert_int_equal(host_facts_find_pool(facts, 2 * MIB)->surplus, 7);
    assert_null(host_facts_find_pool(facts, 64 * KIB));
    assert_string_equal(facts->transparent, "madvise");
}

static void
test_kernel(void **state)
{
    g_autoptr(HostFacts) facts = NULL;

    put(*state, "/proc/sys/kernel/osrelease", "6.1.0-42-amd64\n");
    put(*state, "/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    put(*state, "/sys/fs/cgroup/cgroup.controllers", "memory\n");
    put(*state, "/sys/module/vhost/parameters/max_mem_regions", "64\n");
    put(*state, "/sys/kernel/mm/ksm/run", "0\n");
    put(*state, "/sys/class/misc/kvm/dev", "10:232\n");
    facts = host_facts_read(*state);
    assert_string_equal(facts->kernel, "6.1.0-42-amd64");
    assert_int_equal(facts->psi, FACT_YES);
    assert_int_equal(facts->cgroup, 2);
    assert_int_equal(facts->vhost_regions, 64);
    assert_int_equal(facts->ksm, FACT_NO);
    assert_int_equal(facts->kvm, FACT_YES);
}

static void
test_garbage_is_unknown(void **state)
{
    g_autoptr(HostFacts) facts = NULL;

    put(*state, "/proc/meminfo", "MemTotalX: 5 kB\nMemTotal");
    put(*state, "/proc/sys/vm/overcommit_memory", "7\n");
    put(*state, "/sys/kernel/mm/transparent_hugepage/enabled", "always ]madvise[ never\n");
    put(*state, "/sys/kernel/mm/hugepages/other/nr_hugepages", "4\n");
    put(*state, "/sys/module/vhost/parameters/max_mem_regions", "many\n");
    facts = host_facts_read(*state);
    assert_int_equal(facts->memory, 0);
    assert_int_equal(facts->overcommit, -1);
    assert_null(facts->transparent);
    assert_int_equal(facts->n_pools, 0);
    assert_int_equal(facts->vhost_regions, 0);
}

static void
test_this_host(void **state)
{
    g_autoptr(HostFacts) facts = host_facts_read("");

    assert_true(facts->memory > 0);
    assert_non_null(facts->kernel);
    assert_true(facts->overcommit >= 0);
}

#define BELOW_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BELOW_A_FOLDER(test_nothing_is_known_of_nothing),
        BELOW_A_FOLDER(test_memory_and_swap),
        BELOW_A_FOLDER(test_huge_pages),
        BELOW_A_FOLDER(test_kernel),
        BELOW_A_FOLDER(test_garbage_is_unknown),
        cmocka_unit_test(test_this_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
