/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/cgroup (cgroups(7)) has a line for each hierarchy, "ID:CONTROLLERS:PATH":
 * version 2's has no controllers, version 1's for memory has "memory" among them.
 * A limit holds for all groups below it, so the ancestors' count as well. The path
 * is as seen from our own control group namespace; what lies above that is hidden.
 */
#include "hypervisor/process-limit.h"

#include <string.h>

static const struct {
    const char *controller; /* "": version 2 */
    const char *mount;
    const char *file;
} hierarchies[] = {
    { "", "sys/fs/cgroup", "memory.max" },
    { "", "sys/fs/cgroup/unified", "memory.max" }, /* systemd's hybrid of both */
    { "memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes" },
};

/* Version 1 says "no limit" by the largest multiple of a page in 63 bits. No host has
 * that much, so what is nearly as much is no limit either. */
#define NO_LIMIT (G_GUINT64_CONSTANT(1) << 60)

/* Returns: bytes, or 0: "max", not there, or not to be read. */
static guint64
read_limit(const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    g_autofree char *text = NULL;
    guint64 limit;

    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        !g_ascii_string_to_unsigned(g_strstrip(text), 10, 0, G_MAXUINT64, &limit, NULL))
        return 0;
    return limit < NO_LIMIT ? limit : 0;
}

static guint64
lesser(guint64 a, guint64 b)
{
    return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

/* The least limit of @group and its ancestors. */
static guint64
least_limit(const char *mount, const char *group, const char *file)
{
    g_autofree char *path = g_strdup(group);
    guint64 least = 0;
    char *slash;

    /* A group outside of our namespace begins with "/..": nothing of it is to be seen. */
    if (strstr(path, "/../") || g_str_has_suffix(path, "/.."))
        return 0;
    do {
        g_autofree char *folder = g_build_filename(mount, path, NULL);

        least = lesser(least, read_limit(folder, file));
        slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return least;
}

static guint64
limit_of_line(const char *root, const char *line)
{
    g_auto(GStrv) fields = g_strsplit(line, ":", 3);
    g_auto(GStrv) controllers = NULL;
    guint64 least = 0;

    if (g_strv_length(fields) != 3)
        return 0;
    controllers = g_strsplit(fields[1], ",", -1);
    for (gsize i = 0; i < G_N_ELEMENTS(hierarchies); i++) {
        g_autofree char *mount = g_build_filename(root, hierarchies[i].mount, NULL);
        gboolean fits =
            *hierarchies[i].controller == '\0'
                ? *fields[1] == '\0'
                : g_strv_contains((const char *const *)controllers, hierarchies[i].controller);

        if (fits)
            least = lesser(least, least_limit(mount, fields[2], hierarchies[i].file));
    }
    return least;
}

guint64
process_limit_memory_in(const char *root, GPid pid)
{
    g_autofree char *number = g_strdup_printf("%d", (int)pid);
    g_autofree char *path = g_build_filename(root, "proc", number, "cgroup", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 least = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        least = lesser(least, limit_of_line(root, lines[i]));
    return least;
}

guint64
process_limit_memory(GPid pid)
{
    return process_limit_memory_in("/", pid);
}
