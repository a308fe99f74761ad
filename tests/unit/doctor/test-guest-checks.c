/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is found of a guest that is well, and of those that lack one thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/guest-checks.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* A domain of libvirt with which all is well: 1 GiB at boot, a virtio-mem device up to 4 GiB. */
typedef struct {
    MemoryDevice device;
    GuestMemory memory;
    GuestFacts facts;
    HostFacts host;
    GuestCase guest;
} Patient;

static int
setup(void **state)
{
    Patient *patient = g_new0(Patient, 1);

    patient->device = (MemoryDevice){ .id = (char *)"vm0",
                                      .kind = MEMORY_DEVICE_VIRTIO_MEM,
                                      .max = 3 * GIB,
                                      .block = 2 * MIB,
                                      .acknowledged = TRUE };
    patient->memory = (GuestMemory){ .boot = GIB,
                                     .max = 4 * GIB,
                                     .slots = 16,
                                     .has_balloon = TRUE,
                                     .devices = &patient->device,
                                     .n_devices = 1 };
    patient->facts = (GuestFacts){ .kind = GUEST_FACTS_LIBVIRT,
                                   .name = (char *)"web",
                                   .version = (char *)"7.2.22",
                                   .persistent = FACT_YES,
                                   .kvm = FACT_YES,
                                   .vcpus = 2,
                                   .memory = &patient->memory,
                                   .root_ports_free = 1,
                                   .acpi = FACT_YES,
                                   .stats_period_s = 1,
                                   .free_page_reporting = FACT_YES };
    patient->host = (HostFacts){ .memory = 32 * GIB, .vhost_regions = 509 };
    patient->guest = (GuestCase){ .facts = &patient->facts,
                                  .host = &patient->host,
                                  .total = GIB - 40 * MIB,
                                  .ceiling = 4 * GIB };
    *state = patient;
    return 0;
}

static int
teardown(void **state)
{
    g_free(*state);
    return 0;
}

/* Returns: (nullable): what @check found. */
static const Finding *
find(const GPtrArray *findings, const char *check)
{
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (g_str_equal(finding->check, check))
            return finding;
    }
    return NULL;
}

/* @check finds something of @level, with @text in what it says, @fix in how to mend it. */
static void
expect(const Patient *patient, const char *check, FindingLevel level, const char *text,
       const char *fix)
{
    g_autoptr(GPtrArray) findings = guest_checks_run(&patient->guest);
    const Finding *found = find(findings, check);

    if (!found)
        fail_msg("%s found nothing", check);
    if (found->level != level || !strstr(found->text, text) || !strstr(found->fix, fix))
        fail_msg("%s: %s: %s\n%s", check, finding_level_name(found->level), found->text,
                 found->fix);
    if (level > FINDING_OK && *found->reason == '\0')
        fail_msg("%s: no reason", check);
}

static void
expect_nothing(const Patient *patient, const char *check)
{
    g_autoptr(GPtrArray) findings = guest_checks_run(&patient->guest);
    const Finding *found = find(findings, check);

    if (found)
        fail_msg("%s: %s", check, found->text);
}

static void
expect_well(const Patient *patient, guint at_least)
{
    g_autoptr(GPtrArray) findings = guest_checks_run(&patient->guest);

    assert_true(findings->len >= at_least);
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->level != FINDING_OK)
            fail_msg("%s: %s", finding->check, finding->text);
    }
}

static void
test_all_is_well(void **state)
{
    expect_well(*state, 9);
}

static void
test_not_observed(void **state)
{
    Patient *patient = *state;

    patient->facts.memory = NULL;
    expect(patient, "observed", FINDING_PROBLEM, "could not be read", "");
}

static void
test_an_obstacle_is_told(void **state)
{
    Patient *patient = *state;

    patient->memory.obstacle = (char *)"its operating system is not Linux";
    expect(patient, "obstacle", FINDING_PROBLEM, "not Linux", "");
}

static void
test_versions(void **state)
{
    static const struct {
        const char *version;
        gboolean old;
    } rows[] = { { "7.2.0", FALSE }, { "8.0", FALSE }, { "10.1.2", FALSE }, { "7.1.9", TRUE },
                 { "6.2.0", TRUE },  { "4.2", TRUE },  { "strange", FALSE } };
    Patient *patient = *state;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        patient->facts.version = (char *)rows[i].version;
        expect(patient, "qemu", rows[i].old ? FINDING_WARNING : FINDING_OK, rows[i].version,
               rows[i].old ? "newer QEMU" : "");
    }
}

static void
test_versions_of_libvirt(void **state)
{
    Patient *patient = *state;

    patient->facts.libvirt = (char *)"9.0.0";
    expect(patient, "libvirt", FINDING_OK, "9.0.0", "");
    patient->facts.libvirt = (char *)"11.3.0";
    expect(patient, "libvirt", FINDING_OK, "11.3.0", "");
    patient->facts.libvirt = (char *)"8.10.0";
    expect(patient, "libvirt", FINDING_WARNING, "8.10.0", "newer libvirt");
}

static void
test_no_room_to_grow(void **state)
{
    Patient *patient = *state;

    patient->memory.n_devices = 0;
    patient->memory.slots = 0;
    patient->memory.max = patient->memory.boot;
    expect(patient, "maxmem", FINDING_WARNING, "no room above the 1 GiB",
           "memplug setup web --apply\n"
           "or, in virsh edit web:\n"
           "<maxMemory slots='16' unit='MiB'>4096</maxMemory>\n");
    expect(patient, "maxmem", FINDING_WARNING, "", "<cell id='0' cpus='0-1' memory='1024'");
    patient->memory.n_nodes = 1;
    patient->memory.has_balloon = FALSE;
    expect(patient, "maxmem", FINDING_PROBLEM, "", "<maxMemory");
    patient->facts.kind = GUEST_FACTS_QEMU;
    expect(patient, "maxmem", FINDING_PROBLEM, "",
           "on QEMU's command line:\n-m 1024M,slots=16,maxmem=4096M");
    expect_nothing(patient, "slots");
}

/* No more than the host has is advised. */
static void
test_a_large_guest_on_a_small_host(void **state)
{
    Patient *patient = *state;

    patient->memory.n_devices = 0;
    patient->memory.max = patient->memory.boot;
    patient->host.memory = 2 * GIB + 5 * MIB;
    expect(patient, "maxmem", FINDING_WARNING, "", ">2048</maxMemory>");
}

static void
test_slots(void **state)
{
    Patient *patient = *state;

    patient->memory.slots = 0;
    expect(patient, "slots", FINDING_OK, "virtio-mem needs none", "");
    patient->memory.n_devices = 0;
    expect(patient, "slots", FINDING_PROBLEM, "0 DIMM slots", "slots='16'");
    patient->device.kind = MEMORY_DEVICE_DIMM;
    patient->memory.n_devices = 1;
    patient->memory.slots = 1;
    expect(patient, "slots", FINDING_WARNING, "all 1 DIMM slots are taken", "<maxMemory");
    patient->facts.acpi = FACT_NO;
    expect(patient, "acpi", FINDING_PROBLEM, "no ACPI", "<acpi/>");
}

static void
test_no_virtio_mem(void **state)
{
    Patient *patient = *state;

    patient->memory.n_devices = 0;
    expect(patient, "virtio-mem", FINDING_ADVICE, "no virtio-mem",
           "memplug plug web --virtio-mem 3072M --config");
    patient->facts.root_ports_free = 0;
    expect(patient, "virtio-mem", FINDING_ADVICE, "no virtio-mem", "<memory model='virtio-mem'>");
    expect(patient, "root-port", FINDING_ADVICE, "no PCI slot is free", "pcie-root-port");
    patient->facts.kind = GUEST_FACTS_QEMU;
    expect(patient, "virtio-mem", FINDING_ADVICE, "no virtio-mem",
           "-object memory-backend-ram,id=vmem0,size=3072M,reserve=off\n"
           "-device virtio-mem-pci,id=vm0,memdev=vmem0");
    expect(patient, "root-port", FINDING_ADVICE, "", "-device pcie-root-port");
}

static void
test_the_balloon(void **state)
{
    Patient *patient = *state;

    patient->facts.stats_period_s = 0;
    expect(patient, "stats-period", FINDING_ADVICE, "nobody asks",
           "virsh dommemstat web --period 1");
    patient->facts.free_page_reporting = FACT_NO;
    expect(patient, "free-page-reporting", FINDING_ADVICE, "does not report",
           "freePageReporting='on'");
    patient->guest.trouble = "the balloon driver has not answered yet";
    expect(patient, "statistics", FINDING_WARNING, "has not answered", "modprobe virtio_balloon");
    patient->memory.has_balloon = FALSE;
    expect(patient, "balloon", FINDING_PROBLEM, "no virtio balloon",
           "<memballoon model='virtio' freePageReporting='on'>\n  <stats period='1'/>");
    expect_nothing(patient, "statistics");
    expect_nothing(patient, "stats-period");
    expect_nothing(patient, "free-page-reporting");
}

static void
test_memory_that_is_not_brought_online(void **state)
{
    Patient *patient = *state;

    patient->device.size = 0;
    expect_nothing(patient, "onlining");
    patient->device.size = GIB;
    expect(patient, "onlining", FINDING_OK, "uses what it was plugged", "");
    patient->guest.missing = 512 * MIB;
    expect(patient, "onlining", FINDING_WARNING,
           "plugged 1 GiB, and about 512 MiB of it are not in use; it says that it has 984 MiB",
           "80-memplug-online.rules");
    /* Its agent knows better. */
    patient->guest.by_blocks = TRUE;
    expect(patient, "onlining", FINDING_WARNING, "512 MiB of it are offline",
           "80-memplug-online.rules");
    patient->guest.missing = 0;
    patient->guest.movable = 768 * MIB;
    expect(patient, "onlining", FINDING_OK, "768 MiB of its memory are movable", "");
    patient->guest.total = 0;
    expect_nothing(patient, "onlining");
}

static void
test_kernel_zone(void **state)
{
    Patient *patient = *state;

    expect_nothing(patient, "kernel-zone");
    patient->guest.by_blocks = TRUE;
    expect_nothing(patient, "kernel-zone");
    patient->guest.kernel = GIB;
    patient->guest.movable = 3 * GIB;
    expect(patient, "kernel-zone", FINDING_OK, "3 GiB of movable memory beside 1 GiB", "");
    patient->guest.spent = TRUE;
    expect(patient, "kernel-zone", FINDING_WARNING, "next to nothing is free", "auto-movable");
    patient->guest.spent = FALSE;
    patient->guest.movable = 4 * GIB;
    expect(patient, "kernel-zone", FINDING_WARNING, "4 GiB of movable memory, and 1 GiB",
           "auto-movable");
}

static void
test_a_dimm_that_is_not_taken(void **state)
{
    Patient *patient = *state;

    patient->device.kind = MEMORY_DEVICE_DIMM;
    patient->device.acknowledged = FALSE;
    expect(patient, "acknowledgement", FINDING_WARNING, "not taken the DIMM vm0", "HOTPLUG_MEMORY");
}

static void
test_grown_too_far(void **state)
{
    Patient *patient = *state;

    expect_nothing(patient, "movable");
    patient->guest.ceiling = 5 * GIB;
    expect(patient, "movable", FINDING_ADVICE, "may reach 5 GiB and booted with 1 GiB",
           "auto-movable");
    patient->device.size = 4 * GIB;
    expect(patient, "movable", FINDING_WARNING, "has 5 GiB and booted with 1 GiB", "auto-movable");
}

static void
test_the_kernel(void **state)
{
    Patient *patient = *state;

    expect_nothing(patient, "kernel");
    patient->guest.release = "6.1.0-56-cloud-amd64";
    expect(patient, "kernel", FINDING_OK, "Linux 6.1.0-56", "");
    patient->guest.release = "5.4.0-1";
    expect(patient, "kernel", FINDING_WARNING, "Linux 5.4.0-1", "5.8");
    patient->memory.n_devices = 0;
    expect(patient, "kernel", FINDING_OK, "Linux 5.4.0-1", "");
}

static void
test_its_command_line(void **state)
{
    Patient *patient = *state;
    const struct {
        const char *line;
        FindingLevel level;
        const char *text;
        const char *fix;
    } cases[] = {
        { "quiet memory_hotplug.online_policy=auto-movable", FINDING_OK, "3.01 times", "" },
        { "memory_hotplug.online_policy=auto-movable\nmemory_hotplug.auto_movable_ratio=405 quiet",
          FINDING_OK, "4.05 times", "" },
        { "memhp_default_state=online memory_hotplug.online_policy=auto-movable", FINDING_OK,
          "3.01 times", "" },
        { "memhp_default_state=online_movable", FINDING_OK, "as movable", "" },
        { "memhp_default_state=offline memhp_default_state=online", FINDING_WARNING,
          "memhp_default_state=online", "<cmdline>" },
        { "memhp_default_state=online_kernel", FINDING_WARNING, "=online_kernel", "auto-movable" },
    };
    const char *const silent[] = { NULL,
                                   "",
                                   "quiet",
                                   "memhp_default_state=offline",
                                   "memory_hotplug.online_policy=contig-zones",
                                   "xmemhp_default_state=online memhp_default_statex=online" };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        patient->facts.command_line = (char *)cases[i].line;
        expect(patient, "online-policy", cases[i].level, cases[i].text, cases[i].fix);
    }
    for (guint i = 0; i < G_N_ELEMENTS(silent); i++) {
        patient->facts.command_line = (char *)silent[i];
        expect_nothing(patient, "online-policy");
    }
    /* Then nobody need be told to have it keep proportions. */
    patient->guest.ceiling = 5 * GIB;
    expect(patient, "movable", FINDING_ADVICE, "may reach 5 GiB", "auto-movable");
    patient->facts.command_line = (char *)cases[0].line;
    expect_nothing(patient, "movable");
}

static void
test_huge_pages_run_out(void **state)
{
    Patient *patient = *state;
    HugepagePool pool = { .page = 2 * MIB, .total = 600, .free = 100 };

    patient->facts.hugepage = 2 * MIB;
    patient->host.pools = &pool;
    patient->host.n_pools = 1;
    /* It may grow by 3 GiB, which are 1536 pages, so 1436 more than there are. */
    expect(patient, "hugepages", FINDING_WARNING, "200 MiB of them are left",
           "echo 2036 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    pool.free = 1536;
    expect(patient, "hugepages", FINDING_OK, "enough", "");
    pool.free = 0;
    pool.surplus = 1536;
    expect(patient, "hugepages", FINDING_OK, "enough", "");
}

static void
test_bounds(void **state)
{
    Patient *patient = *state;

    patient->facts.locked = FACT_YES;
    expect(patient, "locked", FINDING_WARNING, "locked", "<locked/>");
    patient->facts.shared = FACT_YES;
    expect(patient, "shared", FINDING_OK, "shared", "");
    patient->facts.vhost = 1;
    expect(patient, "vhost", FINDING_OK, "1 vhost device", "");
    patient->host.vhost_regions = 8;
    expect(patient, "vhost", FINDING_WARNING, "16 DIMM slots, and its vhost device takes 8",
           "max_mem_regions=509");
    patient->facts.cgroup_limit = 3 * GIB;
    expect(patient, "cgroup-limit", FINDING_WARNING, "allow 3 GiB", "MemoryMax");
    patient->facts.cgroup_limit = 8 * GIB;
    expect(patient, "cgroup-limit", FINDING_OK, "allow 8 GiB", "");
}

static void
test_hard_limit(void **state)
{
    Patient *patient = *state;

    patient->facts.hard_limit = 3 * GIB;
    patient->memory.cap = 2 * GIB;
    expect(patient, "hard-limit", FINDING_WARNING, "3 GiB, keeps the guest at 2 GiB",
           "virsh memtune web --hard-limit 5632M --live --config");
    patient->memory.cap = 4 * GIB;
    expect(patient, "hard-limit", FINDING_OK, "leaves room", "");
}

static void
test_physical_devices(void **state)
{
    Patient *patient = *state;

    patient->facts.vfio = 1;
    expect(patient, "vfio", FINDING_OK, "virtio-mem works beside it", "");
    patient->memory.n_devices = 0;
    expect(patient, "vfio", FINDING_WARNING, "1 physical device", "memplug setup web --apply");
}

static void
test_unknown_facts_are_not_judged(void **state)
{
    Patient *patient = *state;
    GuestMemory *memory = &patient->memory;

    patient->facts = (GuestFacts){ .name = (char *)"web", .memory = memory, .stats_period_s = 1 };
    patient->guest.total = 0;
    expect_well(patient, 5);
}

#define OF_A_PATIENT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        OF_A_PATIENT(test_all_is_well),
        OF_A_PATIENT(test_not_observed),
        OF_A_PATIENT(test_an_obstacle_is_told),
        OF_A_PATIENT(test_versions),
        OF_A_PATIENT(test_versions_of_libvirt),
        OF_A_PATIENT(test_no_room_to_grow),
        OF_A_PATIENT(test_a_large_guest_on_a_small_host),
        OF_A_PATIENT(test_slots),
        OF_A_PATIENT(test_no_virtio_mem),
        OF_A_PATIENT(test_the_balloon),
        OF_A_PATIENT(test_memory_that_is_not_brought_online),
        OF_A_PATIENT(test_kernel_zone),
        OF_A_PATIENT(test_a_dimm_that_is_not_taken),
        OF_A_PATIENT(test_grown_too_far),
        OF_A_PATIENT(test_the_kernel),
        OF_A_PATIENT(test_its_command_line),
        OF_A_PATIENT(test_huge_pages_run_out),
        OF_A_PATIENT(test_bounds),
        OF_A_PATIENT(test_hard_limit),
        OF_A_PATIENT(test_physical_devices),
        OF_A_PATIENT(test_unknown_facts_are_not_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
