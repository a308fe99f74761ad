/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Of QEMU's command line (its man page, "qemu-system-x86_64") only a few options matter here:
 *
 *     -m [size=]N[M|G|T][,slots=...,maxmem=...]   MiB without a suffix; 128 without the option
 *     -smp [cpus=]N,...                           each vCPU costs QEMU something
 *     -object memory-backend-*,id=X,size=S        counts if it is plugged at the start:
 *     -device pc-dimm,memdev=X
 *     -daemonize
 *
 * Options may be written with two dashes as well. In a value, a comma is written twice.
 */
#include "cli/qemu-arguments.h"

#include <string.h>

#include "size/size.h"

/* What QEMU needs beside its guest's memory, as hypervisor/libvirt/domain-memory.h has it from
 * KubeVirt's GetMemoryOverhead() and from measurement: a fixed part, so much for each vCPU, and
 * page tables of 1/512 of the memory. */
#define OVERHEAD_FIXED (64 * SIZE_MIB)
#define OVERHEAD_VCPU  (8 * SIZE_MIB)
#define OVERHEAD_PART  512

#define MEMORY_DEFAULT (128 * SIZE_MIB)
#define VCPUS_MOST     4096

/* Returns: (transfer full) (nullable): the value of @key in "first,key=value,...", also where
 * the first stands without its key if @first is set. */
static char *
find_part(const char *text, const char *key, gboolean first)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    gsize length = strlen(key);

    for (guint i = 0; parts[i]; i++) {
        if (strncmp(parts[i], key, length) == 0 && parts[i][length] == '=')
            return g_strdup(parts[i] + length + 1);
        if (i == 0 && first && !strchr(parts[0], '='))
            return g_strdup(parts[0]);
    }
    return NULL;
}

/* QEMU's sizes: a number alone counts @unit bytes. */
static gboolean
read_size(const char *text, guint64 unit, guint64 *bytes, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (size_parse(text, unit, bytes, &local))
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "QEMU's memory: %s",
                local->message);
    return FALSE;
}

static gboolean
read_memory(const char *value, QemuArguments *read, GError **error)
{
    g_autofree char *size = find_part(value, "size", TRUE);

    return !size || read_size(size, SIZE_MIB, &read->memory, error);
}

static guint64
read_vcpus(const char *value)
{
    g_autofree char *cpus = find_part(value, "cpus", TRUE);
    guint64 number = 1;

    if (cpus)
        g_ascii_string_to_unsigned(cpus, 10, 1, VCPUS_MOST, &number, NULL);
    return number;
}

/* Remembers the size of a memory backend by its id. */
static gboolean
read_object(const char *value, GHashTable *backends, GError **error)
{
    g_autofree char *id = find_part(value, "id", FALSE);
    g_autofree char *size = find_part(value, "size", FALSE);
    guint64 bytes;

    if (!g_str_has_prefix(value, "memory-backend-") || !id || !size)
        return TRUE;
    if (!read_size(size, 1, &bytes, error))
        return FALSE;
    g_hash_table_insert(backends, g_steal_pointer(&id), g_memdup2(&bytes, sizeof(bytes)));
    return TRUE;
}

static void
add_dimms(const GPtrArray *devices, GHashTable *backends, QemuArguments *read)
{
    for (guint i = 0; i < devices->len; i++) {
        g_autofree char *memdev = find_part(devices->pdata[i], "memdev", FALSE);
        const guint64 *size = memdev ? g_hash_table_lookup(backends, memdev) : NULL;

        if (size && g_str_has_prefix(devices->pdata[i], "pc-dimm"))
            read->memory += MIN(*size, G_MAXUINT64 - read->memory);
    }
}

/* Returns: (nullable): the name of the option that @word is, without its dashes. */
static const char *
option_name(const char *word)
{
    if (*word != '-')
        return NULL;
    return word[1] == '-' ? word + 2 : word + 1;
}

gboolean
qemu_arguments_read(const char *const *words, QemuArguments *arguments, GError **error)
{
    g_autoptr(GHashTable) backends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    QemuArguments read = { .memory = MEMORY_DEFAULT };
    guint64 vcpus = 1;
    gboolean well = TRUE;

    for (gsize i = 0; well && words[i]; i++) {
        const char *name = option_name(words[i]);
        const char *value = words[i + 1];

        if (!name)
            continue;
        if (g_str_equal(name, "daemonize"))
            read.daemonizes = TRUE;
        else if (!value)
            break;
        else if (g_str_equal(name, "m"))
            well = read_memory(value, &read, error);
        else if (g_str_equal(name, "smp"))
            vcpus = read_vcpus(value);
        else if (g_str_equal(name, "object"))
            well = read_object(value, backends, error);
        else if (g_str_equal(name, "device"))
            g_ptr_array_add(devices, (gpointer)value);
    }
    if (!well)
        return FALSE;
    add_dimms(devices, backends, &read);
    read.overhead = OVERHEAD_FIXED + vcpus * OVERHEAD_VCPU + read.memory / OVERHEAD_PART;
    *arguments = read;
    return TRUE;
}
