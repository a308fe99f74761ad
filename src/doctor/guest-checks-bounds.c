/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What around a guest kills it, refuses it memory, or keeps the host from getting any back. */
#include "doctor/guest-check.h"
#include "size/size.h"

static Finding *
check_hugepages(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;
    guint64 page = guest->facts->hugepage;
    const HugepagePool *pool = page > 0 ? host_facts_find_pool(guest->host, page) : NULL;
    guint64 available = pool ? (pool->free + pool->surplus) * page : 0;
    guint64 actual = guest_memory_actual(memory);
    guint64 wanted = guest->ceiling - MIN(guest->ceiling, actual);
    g_autofree char *size = size_format(page);
    g_autofree char *there = size_format_rounded(available);
    g_autofree char *room = size_format_rounded(wanted);

    if (page == 0)
        return NULL;
    if (available >= wanted)
        return finding_ok("its memory is huge pages of %s, and there are enough for all of it",
                          size);
    return finding_new(
        FINDING_WARNING,
        "new memory comes from the same pool, and plugging fails where it is empty",
        g_strdup_printf(
            "echo %" G_GUINT64_FORMAT " > /sys/kernel/mm/hugepages/hugepages-%" G_GUINT64_FORMAT
            "kB/nr_hugepages",
            (pool ? pool->total : 0) + (wanted - available + page - 1) / page, page / 1024),
        "its memory is huge pages of %s; %s of them are left, and it may grow by %s", size, there,
        room);
}

static Finding *
check_shared(const GuestCase *guest)
{
    if (guest->facts->shared != FACT_YES)
        return NULL;
    return finding_ok("its memory is shared with other processes (virtiofs, vhost-user); new "
                      "memory is as well");
}

static Finding *
check_locked(const GuestCase *guest)
{
    if (guest->facts->locked != FACT_YES)
        return NULL;
    return finding_new(FINDING_WARNING,
                       "the host must have all of it at every moment, and gets back only what is "
                       "unplugged",
                       guest_check_fix(guest, FALSE, "<memoryBacking>  <!-- without: <locked/> -->",
                                       "without: -overcommit mem-lock=on"),
                       "its memory is locked");
}

/* Each DIMM is a region of its own for vhost, beside about four for boot memory. */
static Finding *
check_vhost(const GuestCase *guest)
{
    const guint boot_regions = 4;
    guint slots = guest->facts->memory->slots;
    guint regions = guest->host->vhost_regions;

    if (guest->facts->vhost == 0)
        return NULL;
    if (regions == 0 || slots + boot_regions <= regions)
        return finding_ok("it has %u vhost device%s, which %s room for its DIMMs",
                          guest->facts->vhost, guest->facts->vhost == 1 ? "" : "s",
                          guest->facts->vhost == 1 ? "has" : "have");
    return finding_new(FINDING_WARNING, "a DIMM beyond that is refused",
                       g_strdup("echo options vhost max_mem_regions=509 > "
                                "/etc/modprobe.d/vhost.conf\n"
                                "and load the module anew, or boot the host"),
                       "it has %u DIMM slots, and its vhost device%s %u memory regions", slots,
                       guest->facts->vhost == 1 ? " takes" : "s take", regions);
}

static Finding *
check_hard_limit(const GuestCase *guest)
{
    const GuestFacts *facts = guest->facts;
    g_autofree char *limit = size_format_rounded(facts->hard_limit);
    g_autofree char *max = size_format_rounded(facts->memory->max);
    g_autofree char *cap = size_format_rounded(facts->memory->cap);
    /* What memplug's own cap leaves to QEMU, and as much again. */
    guint64 enough = facts->memory->max + facts->memory->max / 8 + SIZE_GIB;

    if (facts->hard_limit == 0)
        return NULL;
    if (facts->memory->cap == 0 || facts->memory->cap >= facts->memory->max)
        return finding_ok("memtune's hard_limit, %s, leaves room for all of its memory", limit);
    return finding_new(
        FINDING_WARNING, "a guest that reaches its hard_limit is killed, so memplug stays below it",
        g_strdup_printf("virsh memtune %s --hard-limit %" GUEST_CHECK_MIB "M --live --config",
                        facts->name, guest_check_mib(enough)),
        "memtune's hard_limit, %s, keeps the guest at %s, of the %s that it could "
        "reach",
        limit, cap, max);
}

static Finding *
check_cgroup_limit(const GuestCase *guest)
{
    const GuestFacts *facts = guest->facts;
    g_autofree char *limit = size_format_rounded(facts->cgroup_limit);
    g_autofree char *max = size_format_rounded(facts->memory->max);

    if (facts->cgroup_limit == 0 || facts->cgroup_limit == facts->hard_limit)
        return NULL;
    if (facts->cgroup_limit > facts->memory->max)
        return finding_ok("the control groups around it allow %s", limit);
    return finding_new(FINDING_WARNING,
                       "a guest that reaches the limit of a control group is killed, so memplug "
                       "stays below it",
                       g_strdup("raise MemoryMax= of the slice or the service that QEMU runs in: "
                                "systemctl set-property machine.slice MemoryMax=..."),
                       "the control groups around it allow %s, and it could reach %s", limit, max);
}

static Finding *
check_vfio(const GuestCase *guest)
{
    guint devices = guest->facts->vfio;

    if (devices == 0)
        return NULL;
    if (guest_check_virtio_mem(guest))
        return finding_ok("it has %u physical device%s; virtio-mem works beside %s", devices,
                          devices == 1 ? "" : "s", devices == 1 ? "it" : "them");
    return finding_new(
        FINDING_WARNING,
        "its memory is pinned for the device: QEMU ignores what the balloon gives back, and "
        "the guest shrinks only by letting DIMMs go",
        guest->facts->kind == GUEST_FACTS_LIBVIRT
            ? g_strdup_printf("memplug setup %s --apply  # adds a virtio-mem device",
                              guest->facts->name)
            : g_strdup("add a virtio-mem device"),
        "it has %u physical device%s (VFIO)", devices, devices == 1 ? "" : "s");
}

const GuestCheck guest_checks_bounds[] = {
    { "hugepages", check_hugepages },
    { "shared", check_shared },
    { "locked", check_locked },
    { "vhost", check_vhost },
    { "hard-limit", check_hard_limit },
    { "cgroup-limit", check_cgroup_limit },
    { "vfio", check_vfio },
    { NULL },
};
