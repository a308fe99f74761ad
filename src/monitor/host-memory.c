/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/host-memory.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

static char *
read_text(const char *root, const char *path)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    char *text = NULL;

    return g_file_get_contents(full, &text, NULL, NULL) ? text : NULL;
}

/* Returns: (nullable): what follows @key and white space where it begins a line of @text. */
static const char *
find_line(const char *text, const char *key)
{
    gsize length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, key, length) == 0)
            return line + length;
    }
    return NULL;
}

/* "MemTotal:       24683720 kB" */
static guint64
meminfo_size(const char *meminfo, const char *key)
{
    const char *value = find_line(meminfo, key);
    guint64 kib = value ? g_ascii_strtoull(value, NULL, 10) : 0;

    return kib <= G_MAXUINT64 / 1024 ? kib * 1024 : 0;
}

/* "size    4    1073741824": name, type, value */
static guint64
arcstats_size(const char *arcstats, const char *key)
{
    const char *value = find_line(arcstats, key);
    char *rest = NULL;

    if (!value || !g_ascii_isspace(*value))
        return 0;
    g_ascii_strtoull(value, &rest, 10);
    return g_ascii_strtoull(rest, NULL, 10);
}

static guint64
read_arc(const char *root)
{
    g_autofree char *arcstats = read_text(root, "/proc/spl/kstat/zfs/arcstats");
    guint64 size = arcstats ? arcstats_size(arcstats, "size") : 0;
    guint64 least = arcstats ? arcstats_size(arcstats, "c_min") : 0;

    return size > least ? size - least : 0;
}

static guint64
read_number(const char *root, const char *folder, const char *name)
{
    g_autofree char *path = g_strdup_printf("/sys/kernel/mm/hugepages/%s/%s", folder, name);
    g_autofree char *text = read_text(root, path);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static void
read_huge(const char *root, HostMemory *memory)
{
    static const char prefix[] = "hugepages-";
    g_autofree char *folder = g_strconcat(root, "/sys/kernel/mm/hugepages", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        guint64 page;

        if (!g_str_has_prefix(name, prefix))
            continue;
        page = g_ascii_strtoull(name + strlen(prefix), NULL, 10) * 1024;
        memory->huge += page * read_number(root, name, "nr_hugepages");
        memory->huge_free += page * read_number(root, name, "free_hugepages");
    }
}

gboolean
host_memory_read(const char *root, HostMemory *memory, GError **error)
{
    g_autofree char *meminfo = read_text(root, "/proc/meminfo");
    HostMemory read = { 0 };

    if (meminfo) {
        read.total = meminfo_size(meminfo, "MemTotal:");
        read.available = meminfo_size(meminfo, "MemAvailable:");
    }
    if (read.total == 0 || read.available == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "%s/proc/meminfo does not tell what memory the host has", root);
        return FALSE;
    }
    read.unused = meminfo_size(meminfo, "MemFree:");
    read.cache = meminfo_size(meminfo, "Cached:") + meminfo_size(meminfo, "Buffers:");
    read.arc = read_arc(root);
    read.available += MIN(read.arc, G_MAXUINT64 - read.available);
    read_huge(root, &read);
    *memory = read;
    return TRUE;
}

/* "full avg10=0.00 avg60=0.00 avg300=0.00 total=12345" */
guint64
host_memory_stalled(const char *root)
{
    g_autofree char *pressure = read_text(root, "/proc/pressure/memory");
    const char *full = pressure ? find_line(pressure, "full ") : NULL;
    const char *total = full ? strstr(full, "total=") : NULL;

    return total ? g_ascii_strtoull(total + strlen("total="), NULL, 10) : 0;
}

/* proc(5): the second number of statm counts resident pages; RssFile of status those of files:
 * of the program and its libraries (some 70 MiB of QEMU's were seen), which the kernel drops as
 * any page cache. */
guint64
host_memory_resident(const char *root, GPid process)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int)process);
    g_autofree char *status_path = g_strdup_printf("/proc/%d/status", (int)process);
    g_autofree char *statm = process > 0 ? read_text(root, path) : NULL;
    g_autofree char *status = statm ? read_text(root, status_path) : NULL;
    const char *second = statm ? strchr(statm, ' ') : NULL;
    guint64 all = second ? g_ascii_strtoull(second, NULL, 10) * (guint64)sysconf(_SC_PAGESIZE) : 0;

    return all - MIN(all, meminfo_size(status, "RssFile:"));
}

/* proc(5): the 22nd field of stat. The second, in brackets, can hold blanks and brackets. */
guint64
host_memory_process_id(const char *root, guint64 process)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GUINT64_FORMAT "/stat", process);
    g_autofree char *stat = process > 0 ? read_text(root, path) : NULL;
    const char *field = stat ? strrchr(stat, ')') : NULL;

    for (guint i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? g_ascii_strtoull(field + 1, NULL, 10) : 0;
}
