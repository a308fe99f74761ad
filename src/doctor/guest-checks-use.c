/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a guest's use of its memory is known, and what it does with what it is given. */
#include "doctor/guest-check.h"
#include "size/size.h"

/* One that is known not to be Linux is an obstacle, which is told elsewhere. */
static Finding *
check_system(const GuestCase *guest)
{
    const char *system = guest->facts->system;

    return system && !guest->facts->memory->obstacle ? finding_ok("the guest runs %s", system)
                                                     : NULL;
}

static Finding *
check_balloon(const GuestCase *guest)
{
    if (guest->facts->memory->has_balloon)
        return finding_ok("the guest has a balloon");
    return finding_new(
        FINDING_PROBLEM,
        "the balloon tells how much memory the guest uses; without it the policy leaves the "
        "guest as it is, and only 'memplug setmem' changes it",
        guest_check_fix(guest, FALSE,
                        "<memballoon model='virtio' freePageReporting='on'>\n"
                        "  <stats period='1'/>\n"
                        "</memballoon>",
                        "-device virtio-balloon-pci,id=balloon0,free-page-reporting=on"),
        "the guest has no virtio balloon");
}

static Finding *
check_stats_period(const GuestCase *guest)
{
    guint period = guest->facts->stats_period_s;

    if (!guest->facts->memory->has_balloon)
        return NULL;
    if (period > 0)
        return finding_ok("its statistics are asked for every %u s", period);
    return finding_new(
        FINDING_ADVICE,
        "memplugd asks for them by itself, if it may, once it looks after the guest",
        guest->facts->kind == GUEST_FACTS_LIBVIRT
            ? g_strdup_printf("virsh dommemstat %s --period 1 --live --config", guest->facts->name)
            : NULL,
        "nobody asks for the balloon's statistics");
}

static Finding *
check_statistics(const GuestCase *guest)
{
    if (!guest->facts->memory->has_balloon)
        return NULL;
    if (!guest->trouble)
        return finding_ok("the guest tells how much memory it uses");
    return finding_new(FINDING_WARNING, "the policy leaves a guest alone of which it knows nothing",
                       g_strdup("in the guest: modprobe virtio_balloon"), "%s", guest->trouble);
}

static Finding *
check_free_page_reporting(const GuestCase *guest)
{
    if (!guest->facts->memory->has_balloon || guest->facts->free_page_reporting == FACT_UNKNOWN)
        return NULL;
    if (guest->facts->free_page_reporting == FACT_YES)
        return finding_ok("what the guest frees goes back to the host at once (free page "
                          "reporting)");
    return finding_new(
        FINDING_ADVICE,
        "what a guest has once touched stays the host's loss until the guest is shrunk",
        guest_check_fix(guest, TRUE, "<memballoon model='virtio' freePageReporting='on'>",
                        "-device virtio-balloon-pci,id=balloon0,free-page-reporting=on"),
        "the guest does not report free pages");
}

/* Statistics come by the balloon as well, so that a channel is never missed. */
static Finding *
check_channel(const GuestCase *guest)
{
    if (guest->facts->stats_channel != FACT_YES)
        return NULL;
    return finding_ok(guest->facts->stats_channel_connected == FACT_YES
                          ? "the guest has a stats channel, and opened it"
                          : "the guest has a stats channel that nobody in it has opened; its "
                            "statistics come by the balloon");
}

/* Bytes that devices add. */
static guint64
added(const GuestMemory *memory)
{
    guint64 sum = 0;

    for (guint i = 0; i < memory->n_devices; i++)
        sum += memory->devices[i].size;
    return sum;
}

#define ONLINING_FIX                                                            \
    "in the guest, install memplug's udev rule (80-memplug-online.rules) into " \
    "/etc/udev/rules.d, then:\n"                                                \
    "udevadm control --reload\n"                                                \
    "udevadm trigger --action=add --subsystem-match=module --subsystem-match=memory"

static Finding *
check_onlining(const GuestCase *guest)
{
    guint64 more = added(guest->facts->memory);
    g_autofree char *plugged = size_format_rounded(more);
    g_autofree char *missing = size_format_rounded(guest->missing);
    g_autofree char *total = size_format_rounded(guest->total);
    g_autofree char *movable = size_format_rounded(guest->movable);

    if (guest->total == 0 || more == 0)
        return NULL;
    if (guest->missing == 0 && guest->by_blocks)
        return finding_ok("the guest uses what it was plugged; %s of its memory are movable",
                          movable);
    if (guest->missing == 0)
        return finding_ok("the guest uses what it was plugged");
    return finding_new(FINDING_WARNING, "the guest has the memory and does not bring it online",
                       g_strdup(ONLINING_FIX),
                       guest->by_blocks
                           ? "the guest was plugged %s, and %s of it are offline; it says that "
                             "it has %s"
                           : "the guest was plugged %s, and about %s of it are not in use; it "
                             "says that it has %s",
                       plugged, missing, total);
}

static Finding *
check_kernel_zone(const GuestCase *guest)
{
    g_autofree char *movable = size_format_rounded(guest->movable);
    g_autofree char *kernel = size_format_rounded(guest->kernel);
    gboolean lopsided = guest->kernel > 0 && guest->movable / GUEST_CHECK_GROWTH >= guest->kernel;

    if (!guest->by_blocks || guest->kernel == 0)
        return NULL;
    if (!lopsided && !guest->spent)
        return finding_ok("the guest has %s of movable memory beside %s that serve its kernel",
                          movable, kernel);
    return finding_new(FINDING_WARNING,
                       "memplugd does not grow it further: movable memory serves no allocation of "
                       "the guest's kernel, which would run out of what does",
                       g_strdup("in the guest, on the kernel's command line: "
                                "memory_hotplug.online_policy=auto-movable\n"
                                "or boot the guest with more: a quarter of its ceiling is enough"),
                       guest->spent ? "the guest has %s of movable memory, and of the %s that "
                                      "serve its kernel next to nothing is free"
                                    : "the guest has %s of movable memory, and %s that serve its "
                                      "kernel",
                       movable, kernel);
}

static Finding *
check_acknowledgement(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        if (device->kind == MEMORY_DEVICE_DIMM && !device->acknowledged)
            return finding_new(
                FINDING_WARNING, "a guest whose kernel lacks ACPI memory hot plug never does",
                g_strdup("in the guest: grep HOTPLUG_MEMORY /boot/config-$(uname "
                         "-r)"),
                "the guest has not taken the DIMM %s", device->id ? device->id : "without an id");
    }
    return NULL;
}

static Finding *
check_movable(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;
    guint64 safe = memory->boot * GUEST_CHECK_GROWTH;
    guint64 actual = guest_memory_actual(memory);
    g_autofree char *boot = size_format_rounded(memory->boot);
    g_autofree char *now = size_format_rounded(actual);
    g_autofree char *reach = size_format_rounded(guest->ceiling);
    g_autofree char *fix = NULL;

    if (memory->boot == 0 || (actual <= safe && guest->ceiling <= safe) ||
        guest_check_keeps_proportions(guest))
        return NULL;
    fix = g_strdup("in the guest, on the kernel's command line: "
                   "memory_hotplug.online_policy=auto-movable\n"
                   "or boot the guest with more: a quarter of its ceiling is enough");
    if (actual > safe)
        return finding_new(FINDING_WARNING,
                           "added memory that can be taken back serves no allocation of the "
                           "guest's kernel, which runs out of what does; what is above three "
                           "times the boot memory may not come back otherwise",
                           g_steal_pointer(&fix), "the guest has %s and booted with %s", now, boot);
    return finding_new(FINDING_ADVICE,
                       "of what is above four times the boot memory, either the guest's kernel "
                       "cannot use it, or the host may not get it back",
                       g_steal_pointer(&fix), "the guest may reach %s and booted with %s", reach,
                       boot);
}

const GuestCheck guest_checks_use[] = {
    { "system", check_system },
    { "balloon", check_balloon },
    { "stats-period", check_stats_period },
    { "statistics", check_statistics },
    { "free-page-reporting", check_free_page_reporting },
    { "channel", check_channel },
    { "acknowledgement", check_acknowledgement },
    { "onlining", check_onlining },
    { "kernel-zone", check_kernel_zone },
    { "movable", check_movable },
    { NULL },
};
