/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's kernel, as far as it can be seen from outside: its release if an agent tells
 * it, its command line if the host gives it that (a kernel that is booted directly).
 *
 * What of the command line matters is said in Linux, Documentation/admin-guide/mm/
 * memory-hotplug.rst: memhp_default_state= (who brings added memory online, and into which
 * zone) and memory_hotplug.online_policy= with its auto_movable_ratio=.
 */
#include <string.h>

#include "doctor/guest-check.h"

/* As the kernel has it: percent of movable memory to the kernel's own. */
#define RATIO_DEFAULT 301

/* Returns: (transfer full) (nullable): what @line says of @name; the last word counts. */
static char *
option(const char *line, const char *name)
{
    g_auto(GStrv) words = g_strsplit_set(line ? line : "", " \t\n", -1);
    const gsize length = strlen(name);
    const char *value = NULL;

    for (char **word = words; *word; word++) {
        if (g_str_has_prefix(*word, name) && (*word)[length] == '=')
            value = *word + length + 1;
    }
    return g_strdup(value);
}

gboolean
guest_check_keeps_proportions(const GuestCase *guest)
{
    g_autofree char *policy = option(guest->facts->command_line, "memory_hotplug.online_policy");

    return g_strcmp0(policy, "auto-movable") == 0;
}

/* The driver came with 5.8, and lets memory go in blocks of its device with 5.16. */
static Finding *
check_kernel(const GuestCase *guest)
{
    const char *release = guest->release;

    if (!release)
        return NULL;
    if (guest_check_virtio_mem(guest) && !guest_check_is_version(release, 5, 8))
        return finding_new(FINDING_WARNING, "it has no driver for the guest's virtio-mem device",
                           g_strdup("in the guest, install a kernel of 5.8 or newer"),
                           "the guest's kernel is Linux %s", release);
    return finding_ok("the guest's kernel is Linux %s", release);
}

static guint64
ratio_of(const GuestCase *guest)
{
    g_autofree char *text = option(guest->facts->command_line, "memory_hotplug.auto_movable_ratio");
    guint64 ratio;

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &ratio, NULL)
               ? ratio
               : RATIO_DEFAULT;
}

static Finding *
check_online_policy(const GuestCase *guest)
{
    g_autofree char *state = option(guest->facts->command_line, "memhp_default_state");
    guint64 ratio = ratio_of(guest);

    if (guest_check_keeps_proportions(guest))
        return finding_ok("by its command line the guest's kernel takes at most %" G_GUINT64_FORMAT
                          ".%02u times as much movable memory as it has of its own",
                          ratio / 100, (guint)(ratio % 100));
    if (g_strcmp0(state, "online_movable") == 0)
        return finding_ok("by its command line the guest's kernel takes all added memory as "
                          "movable");
    if (g_strcmp0(state, "online") != 0 && g_strcmp0(state, "online_kernel") != 0)
        return NULL;
    return finding_new(FINDING_WARNING,
                       "it brings added memory online by itself, before any rule in the guest is "
                       "asked, where its own allocations keep it from being taken back",
                       guest_check_fix(guest, FALSE,
                                       "<cmdline>... memory_hotplug.online_policy=auto-movable"
                                       "</cmdline>",
                                       "-append '... memory_hotplug.online_policy=auto-movable'"),
                       "the guest's kernel was started with memhp_default_state=%s", state);
}

const GuestCheck guest_checks_kernel[] = {
    { "kernel", check_kernel },
    { "online-policy", check_online_policy },
    { NULL },
};
