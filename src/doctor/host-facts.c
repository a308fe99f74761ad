/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/host-facts.h"

#include <string.h>

/* Returns: (transfer full): what the file at @path below @root holds, without white
 *   space at its ends; NULL if it cannot be read. */
static char *
read_text(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    char *text = NULL;

    if (!g_file_get_contents(full, &text, NULL, NULL))
        return NULL;
    return g_strstrip(text);
}

static guint64
read_number(const char *root, const char *path, guint64 otherwise)
{
    g_autofree char *text = read_text(root, path);
    guint64 number = otherwise;

    if (text)
        g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL);
    return number;
}

static gboolean
exists(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);

    return g_file_test(full, G_FILE_TEST_EXISTS);
}

/* A switch that reads "Y", "N", "1", "0", ... */
static Fact
read_switch(const char *root, const char *path)
{
    g_autofree char *text = read_text(root, path);

    if (!text || *text == '\0')
        return FACT_UNKNOWN;
    return *text == 'Y' || *text == '1' ? FACT_YES : FACT_NO;
}

/* Bytes of the line "@key:  N kB" in /proc/meminfo; 0 if it is not there. */
static guint64
meminfo_size(const char *meminfo, const char *key)
{
    const char *line = meminfo;
    gsize length = strlen(key);

    while (line) {
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            return g_ascii_strtoull(line + length + 1, NULL, 10) * 1024;
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return 0;
}

static void
read_meminfo(HostFacts *facts, const char *root)
{
    g_autofree char *meminfo = read_text(root, "/proc/meminfo");

    if (!meminfo)
        return;
    facts->memory = meminfo_size(meminfo, "MemTotal");
    facts->swap = meminfo_size(meminfo, "SwapTotal");
    facts->swap_free = meminfo_size(meminfo, "SwapFree");
    facts->commit_limit = meminfo_size(meminfo, "CommitLimit");
    facts->committed = meminfo_size(meminfo, "Committed_AS");
}

static int
compare_pools(gconstpointer a, gconstpointer b)
{
    const HugepagePool *one = a, *other = b;

    return one->page < other->page ? -1 : one->page > other->page;
}

/* @name: "hugepages-2048kB" */
static void
add_pool(GArray *pools, const char *root, const char *name)
{
    static const char prefix[] = "hugepages-";
    g_autofree char *folder = g_strconcat("/sys/kernel/mm/hugepages/", name, NULL);
    g_autofree char *total = g_strconcat(folder, "/nr_hugepages", NULL);
    g_autofree char *unused = g_strconcat(folder, "/free_hugepages", NULL);
    g_autofree char *surplus = g_strconcat(folder, "/nr_overcommit_hugepages", NULL);
    HugepagePool pool = { 0 };

    if (!g_str_has_prefix(name, prefix))
        return;
    pool.page = g_ascii_strtoull(name + strlen(prefix), NULL, 10) * 1024;
    pool.total = read_number(root, total, 0);
    pool.free = read_number(root, unused, 0);
    pool.surplus = read_number(root, surplus, 0);
    g_array_append_val(pools, pool);
}

static void
read_pools(HostFacts *facts, const char *root)
{
    g_autofree char *folder = g_strconcat(root, "/sys/kernel/mm/hugepages", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GArray) pools = g_array_new(FALSE, FALSE, sizeof(HugepagePool));
    const char *name;
    gsize count;

    while (dir && (name = g_dir_read_name(dir)))
        add_pool(pools, root, name);
    g_array_sort(pools, compare_pools);
    facts->pools = g_array_steal(pools, &count);
    facts->n_pools = (guint)count;
}

/* The one in brackets of "always [madvise] never". */
static char *
read_choice(const char *root, const char *path)
{
    g_autofree char *text = read_text(root, path);
    const char *begin = text ? strchr(text, '[') : NULL;
    const char *end = begin ? strchr(begin, ']') : NULL;

    return end ? g_strndup(begin + 1, (gsize)(end - begin - 1)) : NULL;
}

/* Bytes of all compressed block devices in memory. */
static guint64
read_zram(const char *root)
{
    g_autofree char *folder = g_strconcat(root, "/sys/block", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint64 sum = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("/sys/block/%s/disksize", name);

        if (g_str_has_prefix(name, "zram"))
            sum += read_number(root, path, 0);
    }
    return sum;
}

static guint
read_cgroup(const char *root)
{
    if (exists(root, "/sys/fs/cgroup/cgroup.controllers"))
        return 2;
    return exists(root, "/sys/fs/cgroup/memory") ? 1 : 0;
}

HostFacts *
host_facts_read(const char *root)
{
    HostFacts *facts = g_new0(HostFacts, 1);
    guint64 overcommit = read_number(root, "/proc/sys/vm/overcommit_memory", G_MAXUINT64);
    guint64 regions = read_number(root, "/sys/module/vhost/parameters/max_mem_regions", 0);

    read_meminfo(facts, root);
    read_pools(facts, root);
    facts->zswap = read_switch(root, "/sys/module/zswap/parameters/enabled");
    facts->zram = read_zram(root);
    facts->overcommit = overcommit <= 2 ? (int)overcommit : -1;
    facts->transparent = read_choice(root, "/sys/kernel/mm/transparent_hugepage/enabled");
    facts->ksm = read_switch(root, "/sys/kernel/mm/ksm/run");
    /* The file is there also where PSI was switched off on the kernel's command line,
     * and fails to open then. */
    g_autofree char *pressure = read_text(root, "/proc/pressure/memory");

    facts->psi = pressure ? FACT_YES : FACT_NO;
    facts->cgroup = read_cgroup(root);
    facts->kernel = read_text(root, "/proc/sys/kernel/osrelease");
    /* Not /dev/kvm: a sandboxed memplugd has no devices in its /dev. */
    facts->kvm = exists(root, "/sys/class/misc/kvm") ? FACT_YES : FACT_NO;
    facts->vhost_regions = (guint)MIN(regions, G_MAXUINT);
    return facts;
}

void
host_facts_free(HostFacts *facts)
{
    if (!facts)
        return;
    g_free(facts->pools);
    g_free(facts->transparent);
    g_free(facts->kernel);
    g_free(facts);
}

const HugepagePool *
host_facts_find_pool(const HostFacts *facts, guint64 page)
{
    for (guint i = 0; i < facts->n_pools; i++) {
        if (facts->pools[i].page == page)
            return &facts->pools[i];
    }
    return NULL;
}
