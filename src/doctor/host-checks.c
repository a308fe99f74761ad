/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/host-checks.h"

#include "size/size.h"

/* Fewer memory regions than this bound what guests with vhost devices can plug: boot
 * memory takes a few, and ACPI has room for 256 DIMMs. 509 is what KVM itself has for
 * its users (Documentation/virt/kvm/api.rst, KVM_CAP_NR_MEMSLOTS) and what oVirt sets. */
#define VHOST_REGIONS_AMPLE 256

static Finding *
check_connection(const HostCase *host)
{
    if (g_str_equal(host->connection, "connected"))
        return finding_ok("memplugd has its guests from %s", host->uri);
    if (g_str_equal(host->connection, "read-only"))
        return finding_new(FINDING_PROBLEM, "memplugd sees the guests, and can change none of them",
                           g_strdup("run memplugd as root or as a member of the group libvirt, or "
                                    "allow its user org.libvirt.unix.manage by a polkit rule"),
                           "the connection to %s is read-only", host->uri);
    if (g_str_equal(host->connection, "connecting"))
        return finding_new(FINDING_WARNING, "guests that run already may not be listed yet",
                           g_strdup("memplug doctor    # in a moment"),
                           "memplugd has just been started, and is still connecting to %s",
                           host->uri);
    return finding_new(FINDING_PROBLEM,
                       "memplugd connects again by itself; until then no guest is changed",
                       g_strdup_printf("virsh -c %s list", host->uri),
                       "there is no connection to %s: %s", host->uri, host->connection);
}

static Finding *
check_budget(const HostCase *host)
{
    const HostFacts *facts = host->facts;
    g_autofree char *budget = size_format_rounded(host->budget);
    g_autofree char *memory = size_format_rounded(facts->memory);
    guint64 room = facts->memory + facts->swap_free;

    if (facts->memory == 0)
        return NULL;
    if (host->budget <= facts->memory)
        return finding_ok("the guests' budget is %s of the host's %s", budget, memory);
    return finding_new(host->budget > room ? FINDING_PROBLEM : FINDING_WARNING,
                       "guests that use what they are given make the host swap, and where that "
                       "ends it kills one of them",
                       g_strdup("in /etc/memplug/memplug.conf:\n"
                                "[host]\n"
                                "budget = ...   # less than the host has"),
                       "the guests' budget, %s, is more than the host's memory, %s", budget,
                       memory);
}

static Finding *
check_kvm(const HostCase *host)
{
    if (host->facts->kvm == FACT_YES)
        return finding_ok("KVM is there");
    return finding_new(FINDING_WARNING, "guests are emulated, and many times slower",
                       g_strdup("switch virtualisation on in the firmware, then: modprobe "
                                "kvm_intel (or kvm_amd)"),
                       "there is no /dev/kvm");
}

static Finding *
check_kernel(const HostCase *host)
{
    return host->facts->kernel ? finding_ok("the host runs Linux %s", host->facts->kernel) : NULL;
}

static Finding *
check_swap(const HostCase *host)
{
    const HostFacts *facts = host->facts;
    g_autofree char *swap = size_format_rounded(facts->swap);
    g_autofree char *zram = size_format_rounded(facts->zram);

    if (facts->memory == 0)
        return NULL;
    if (facts->swap > 0)
        return finding_ok("the host has %s of swap%s%s%s%s", swap,
                          facts->zram > 0 ? ", in compressed memory: " : "",
                          facts->zram > 0 ? zram : "", facts->zswap == FACT_YES ? ", " : "",
                          facts->zswap == FACT_YES ? "compressed by zswap first" : "");
    return finding_new(FINDING_ADVICE,
                       "a host that runs out of memory for a moment kills a process, and guests "
                       "are the largest",
                       g_strdup("fallocate -l 4G /swapfile && chmod 600 /swapfile && mkswap "
                                "/swapfile && swapon /swapfile"),
                       "the host has no swap");
}

static Finding *
check_overcommit(const HostCase *host)
{
    static const char *const meanings[] = {
        [0] = "the kernel promises memory by its own judgement",
        [1] = "the kernel promises as much memory as it is asked for",
    };
    const HostFacts *facts = host->facts;
    g_autofree char *limit = size_format_rounded(facts->commit_limit);
    g_autofree char *committed = size_format_rounded(facts->committed);

    if (facts->overcommit < 0)
        return NULL;
    if (facts->overcommit < 2)
        return finding_ok("%s (vm.overcommit_memory = %d)", meanings[facts->overcommit],
                          facts->overcommit);
    return finding_new(FINDING_WARNING,
                       "a guest cannot be plugged memory beyond that limit, be it free or not, "
                       "and a virtio-mem device counts with all that it may ever provide unless "
                       "its backend has reserve=off",
                       g_strdup("sysctl -w vm.overcommit_memory=0\n"
                                "echo vm.overcommit_memory=0 > /etc/sysctl.d/60-memplug.conf"),
                       "the kernel promises no more memory than %s, of which %s are taken "
                       "(vm.overcommit_memory = 2)",
                       limit, committed);
}

static Finding *
check_hugepages(const HostCase *host)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < host->facts->n_pools; i++) {
        const HugepagePool *pool = &host->facts->pools[i];
        g_autofree char *page = size_format(pool->page);

        if (pool->total > 0)
            g_string_append_printf(
                text,
                "%s%" G_GUINT64_FORMAT " huge pages of %s, %" G_GUINT64_FORMAT " of them free",
                text->len > 0 ? "; " : "the host has ", pool->total, page, pool->free);
    }
    return text->len > 0 ? finding_ok("%s", text->str) : NULL;
}

static Finding *
check_transparent(const HostCase *host)
{
    const char *choice = host->facts->transparent;

    if (!choice)
        return NULL;
    if (!g_str_equal(choice, "never"))
        return finding_ok("transparent huge pages: %s", choice);
    return finding_new(FINDING_ADVICE, "guests run faster on huge pages, and QEMU asks for them",
                       g_strdup("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
                       "transparent huge pages are switched off");
}

static Finding *
check_ksm(const HostCase *host)
{
    if (host->facts->ksm != FACT_YES)
        return NULL;
    return finding_ok("same pages of guests are merged (KSM): they use less of the host than "
                      "memplug counts");
}

static Finding *
check_psi(const HostCase *host)
{
    if (host->facts->psi == FACT_YES)
        return finding_ok("the kernel measures memory pressure (PSI)");
    return finding_new(FINDING_ADVICE, "whether the host itself is short of memory cannot be seen",
                       g_strdup("add psi=1 to the kernel's command line"),
                       "the kernel does not measure memory pressure (PSI)");
}

static Finding *
check_cgroup(const HostCase *host)
{
    if (host->facts->cgroup == 2)
        return finding_ok("control groups are version 2");
    if (host->facts->cgroup == 0)
        return NULL;
    return finding_new(FINDING_ADVICE,
                       "version 1 kills a guest at its memory limit without throttling it first",
                       g_strdup("add systemd.unified_cgroup_hierarchy=1 to the kernel's command "
                                "line"),
                       "control groups are version 1");
}

static Finding *
check_vhost(const HostCase *host)
{
    guint regions = host->facts->vhost_regions;

    if (regions == 0)
        return NULL;
    if (regions >= VHOST_REGIONS_AMPLE)
        return finding_ok("vhost takes %u memory regions", regions);
    return finding_new(FINDING_ADVICE,
                       "each DIMM takes one, and a guest with a vhost device (a network card, as "
                       "a rule) is refused more; virtio-mem needs one for all of its memory",
                       g_strdup("echo options vhost max_mem_regions=509 > "
                                "/etc/modprobe.d/vhost.conf\n"
                                "and load the module anew, or boot"),
                       "vhost takes %u memory regions a guest", regions);
}

static const struct {
    const char *name;
    Finding *(*check)(const HostCase *host);
} checks[] = {
    { "connection", check_connection },
    { "budget", check_budget },
    { "kvm", check_kvm },
    { "kernel", check_kernel },
    { "swap", check_swap },
    { "overcommit", check_overcommit },
    { "hugepages", check_hugepages },
    { "transparent-hugepages", check_transparent },
    { "ksm", check_ksm },
    { "psi", check_psi },
    { "cgroup", check_cgroup },
    { "vhost", check_vhost },
};

GPtrArray *
host_checks_run(const HostCase *host)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);

    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        Finding *finding = checks[i].check(host);

        if (!finding)
            continue;
        finding->check = checks[i].name;
        g_ptr_array_add(findings, finding);
    }
    return findings;
}
