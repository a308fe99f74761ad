/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-process.h"

#include <string.h>
#include <unistd.h>

/* Characters of the host's boot id: enough to tell one start of it from another. */
#define BOOT_ID_LENGTH 8

static gboolean
is_number(const char *name)
{
    return *name != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* Whether libvirt started the process for the domain: with "-uuid UUID". */
static gboolean
runs(const char *folder, const char *uuid)
{
    g_autofree char *path = g_build_filename(folder, "cmdline", NULL);
    g_autofree char *line = NULL;
    gsize length;
    gboolean follows = FALSE;

    if (!g_file_get_contents(path, &line, &length, NULL))
        return FALSE;
    for (const char *word = line; word < line + length; word += strlen(word) + 1) {
        if (follows && g_ascii_strcasecmp(word, uuid) == 0)
            return TRUE;
        follows = g_str_equal(word, "-uuid");
    }
    return FALSE;
}

/* proc(5), /proc/PID/stat: "PID (COMMAND) STATE ...", the 22nd is its start. COMMAND
 * may hold anything, so what follows is counted from the last parenthesis. */
static guint64
read_start(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "stat", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *rest;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(rest = strrchr(text, ')')))
        return 0;
    fields = g_strsplit(rest, " ", 22);
    return g_strv_length(fields) > 20 ? g_ascii_strtoull(fields[20], NULL, 10) : 0;
}

LibvirtProcess
libvirt_process_find_in(const char *proc, const char *uuid)
{
    g_autoptr(GDir) dir = g_dir_open(proc, 0, NULL);
    LibvirtProcess found = { 0 };
    const char *name;

    while (dir && found.pid == 0 && (name = g_dir_read_name(dir))) {
        g_autofree char *folder = g_build_filename(proc, name, NULL);

        if (is_number(name) && runs(folder, uuid))
            found = (LibvirtProcess){ (GPid)g_ascii_strtoll(name, NULL, 10), read_start(folder) };
    }
    return found;
}

/* A URI with a server in it leads elsewhere, even if that is here in the end. */
static gboolean
is_local(virConnectPtr connection)
{
    char *text = virConnectGetURI(connection);
    g_autoptr(GUri) uri = text ? g_uri_parse(text, G_URI_FLAGS_NONE, NULL) : NULL;
    gboolean local = uri && (!g_uri_get_host(uri) || *g_uri_get_host(uri) == '\0');

    free(text);
    return local;
}

LibvirtProcess
libvirt_process_find(virConnectPtr connection, const char *uuid)
{
    if (!is_local(connection))
        return (LibvirtProcess){ 0 };
    return libvirt_process_find_in("/proc", uuid);
}

char *
libvirt_process_instance(const char *uuid, unsigned id, const LibvirtProcess *process)
{
    g_autofree char *boot = NULL;

    if (process->pid == 0)
        return g_strdup_printf("%s@%u", uuid, id);
    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
        boot = g_strdup("-");
    return g_strdup_printf("%s@%u-%.*s-%" G_GUINT64_FORMAT, uuid, id, BOOT_ID_LENGTH, boot,
                           process->start_ticks);
}
