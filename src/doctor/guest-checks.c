/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/guest-check.h"

#include <stdio.h>

guint64
guest_check_sensible_max(const GuestCase *guest)
{
    guint64 boot = guest->facts->memory->boot;
    guint64 max = boot * GUEST_CHECK_GROWTH;

    if (guest->host->memory > boot)
        max = MIN(max, guest->host->memory);
    return max - max % MEMORY_DIMM_GRAIN;
}

char *
guest_check_fix(const GuestCase *guest, gboolean setup, const char *xml, const char *options)
{
    const char *name = guest->facts->name;

    if (guest->facts->kind == GUEST_FACTS_QEMU)
        return g_strdup_printf("on QEMU's command line:\n%s", options);
    if (setup)
        return g_strdup_printf("memplug setup %s --apply\n"
                               "or, in virsh edit %s:\n%s",
                               name, name, xml);
    return g_strdup_printf("in virsh edit %s:\n%s", name, xml);
}

gboolean
guest_check_is_version(const char *version, guint major, guint minor)
{
    guint its_major, its_minor;

    if (!version || sscanf(version, "%u.%u", &its_major, &its_minor) != 2)
        return TRUE;
    return its_major > major || (its_major == major && its_minor >= minor);
}

const MemoryDevice *
guest_check_virtio_mem(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM)
            return &memory->devices[i];
    }
    return NULL;
}

static void
run(const GuestCheck *checks, const GuestCase *guest, GPtrArray *findings)
{
    for (; checks->name; checks++) {
        Finding *finding = checks->check(guest);

        if (!finding)
            continue;
        finding->check = checks->name;
        g_ptr_array_add(findings, finding);
    }
}

/* What the checks need before they can say anything. */
static Finding *
check_observed(const GuestCase *guest)
{
    return finding_new(FINDING_PROBLEM, "nothing can be said of it, and nothing done", NULL,
                       "its memory could not be read");
}

static const GuestCheck unobserved[] = {
    { "observed", check_observed },
    { NULL },
};

GPtrArray *
guest_checks_run(const GuestCase *guest)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);

    if (!guest->facts->memory) {
        run(unobserved, guest, findings);
        return findings;
    }
    run(guest_checks_growth, guest, findings);
    run(guest_checks_kernel, guest, findings);
    run(guest_checks_use, guest, findings);
    run(guest_checks_bounds, guest, findings);
    return findings;
}
