/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

static GuestFacts *
read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    GuestFacts *facts = domain_facts_read(text, NULL, &error);

    if (!facts)
        fail_msg("%s", error->message);
    return facts;
}

/* With @device added. */
static GuestFacts *
read_with(const char *name, const char *device)
{
    g_autofree char *new = g_strconcat(device, "</devices>", NULL);
    g_autofree char *text = domain_text_with(name, "</devices>", new);

    return read_text(text);
}

static GuestFacts *
read_changed(const char *name, const char *old, const char *new)
{
    g_autofree char *text = domain_text_with(name, old, new);

    return read_text(text);
}

static void
test_a_running_guest(void **state)
{
    g_autofree char *text = domain_text("balloon");
    g_autoptr(GuestFacts) facts = read_text(text);

    assert_int_equal(facts->kind, GUEST_FACTS_LIBVIRT);
    assert_string_equal(facts->name, "C");
    assert_string_equal(facts->machine, "pc-q35-7.2");
    assert_null(facts->version);
    assert_null(facts->system);
    assert_string_equal(facts->command_line, "console=ttyS0 quiet panic=-1");
    assert_int_equal(facts->persistent, FACT_NO);
    assert_int_equal(facts->kvm, FACT_NO);
    assert_int_equal(facts->vcpus, 1);
    assert_int_equal(facts->acpi, FACT_YES);
    assert_int_equal(facts->memory->boot, 256 * SIZE_MIB);
    assert_int_equal(facts->stats_period_s, 1);
    assert_int_equal(facts->free_page_reporting, FACT_NO);
    assert_int_equal(facts->stats_channel, FACT_NO);
    assert_int_equal(facts->stats_channel_connected, FACT_NO);
    assert_int_equal(facts->hugepage, 0);
    assert_int_equal(facts->shared, FACT_NO);
    assert_int_equal(facts->locked, FACT_NO);
    assert_int_equal(facts->vfio, 0);
    assert_int_equal(facts->vhost, 0);
    assert_int_equal(facts->hard_limit, 0);
    assert_int_equal(facts->cgroup_limit, 0);
}

static void
test_a_prepared_guest(void **state)
{
    g_autofree char *definition = domain_text_with(
        "plain-defined", "<currentMemory unit='KiB'>262144", "<currentMemory unit='MiB'>128");
    g_autofree char *live = domain_text_with("plain-defined", "name='org.memplug.stats.0'",
                                             "name='org.memplug.stats.0' state='connected'");
    g_autoptr(GuestFacts) facts = domain_facts_read(live, definition, NULL);
    g_autoptr(GuestFacts) silent = read_changed("plain-defined", "name='org.memplug.stats.0'",
                                                "name='org.memplug.stats.0' state='disconnected'");

    assert_int_equal(facts->persistent, FACT_YES);
    assert_string_equal(facts->system, "http://debian.org/debian/12");
    assert_int_equal(facts->vcpus, 2);
    assert_int_equal(facts->free_page_reporting, FACT_YES);
    assert_int_equal(facts->stats_channel, FACT_YES);
    assert_int_equal(facts->stats_channel_connected, FACT_YES);
    assert_int_equal(facts->memory->given, 128 * SIZE_MIB);
    assert_int_equal(silent->stats_channel, FACT_YES);
    assert_int_equal(silent->stats_channel_connected, FACT_NO);
}

static void
test_ports(void **state)
{
    g_autoptr(GuestFacts) q35 = read_changed("balloon", "<audio id='1' type='none'/>", "");
    g_autoptr(GuestFacts) full =
        read_with("balloon", "<rng model='virtio'><address type='pci' domain='0x0000' bus='0x04' "
                             "slot='0x00' function='0x0'/></rng>");
    g_autoptr(GuestFacts) more =
        read_with("balloon", "<controller type='pci' index='5' model='pcie-root-port'/>");
    g_autoptr(GuestFacts) slots = read_changed("pc", "<audio id='1' type='none'/>", "");

    assert_int_equal(q35->root_ports_free, 1);
    assert_int_equal(full->root_ports_free, 0);
    assert_int_equal(more->root_ports_free, 2);
    /* 32, less host bridge, south bridge with USB. */
    assert_int_equal(slots->root_ports_free, 30);
}

static void
test_backing(void **state)
{
    g_autoptr(GuestFacts) usual = read_changed(
        "balloon", "<resource>", "<memoryBacking><hugepages/><locked/></memoryBacking><resource>");
    g_autoptr(GuestFacts) large =
        read_changed("balloon", "<resource>",
                     "<memoryBacking><hugepages><page size='1' unit='G'/></hugepages>"
                     "<access mode='shared'/></memoryBacking><resource>");
    g_autoptr(GuestFacts) cell =
        read_changed("balloon", "<cell id='0'", "<cell memAccess='shared' id='0'");

    assert_int_equal(usual->hugepage, 2 * SIZE_MIB);
    assert_int_equal(usual->locked, FACT_YES);
    assert_int_equal(usual->shared, FACT_NO);
    assert_int_equal(large->hugepage, SIZE_GIB);
    assert_int_equal(large->shared, FACT_YES);
    assert_int_equal(large->locked, FACT_NO);
    assert_int_equal(cell->shared, FACT_YES);
}

static void
test_vhost(void **state)
{
    static const struct {
        const char *device;
        guint with_kvm;
        guint without;
    } rows[] = {
        { "<interface type='network'><model type='virtio'/></interface>", 1, 0 },
        { "<interface type='bridge'><model type='virtio-non-transitional'/></interface>", 1, 0 },
        { "<interface type='network'><model type='virtio'/><driver name='qemu'/></interface>", 0,
          0 },
        { "<interface type='network'><model type='virtio'/><driver name='vhost'/></interface>", 1,
          1 },
        { "<interface type='network'><model type='virtio'/><driver queues='4'/></interface>", 1,
          0 },
        { "<interface type='user'><model type='virtio'/></interface>", 0, 0 },
        { "<interface type='network'><model type='e1000e'/></interface>", 0, 0 },
        { "<interface type='vhostuser'><model type='virtio'/></interface>", 1, 1 },
        { "<vsock model='virtio'><cid auto='yes'/></vsock>", 1, 1 },
        { "<filesystem type='mount'><driver type='virtiofs'/></filesystem>", 1, 1 },
        { "<filesystem type='mount'><driver type='path'/></filesystem>", 0, 0 },
        { "<disk type='vhostuser'><driver name='qemu'/></disk>", 1, 1 },
        { "<video><driver name='vhostuser'/><model type='virtio'/></video>", 1, 1 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *new = g_strconcat(rows[i].device, "</devices>", NULL);
        g_autofree char *emulated = domain_text_with("balloon", "</devices>", new);
        g_autofree char *accelerated =
            domain_text_change(emulated, "<domain type='qemu'", "<domain type='kvm'");
        g_autoptr(GuestFacts) without = read_text(emulated);
        g_autoptr(GuestFacts) with_kvm = read_text(accelerated);

        assert_int_equal(with_kvm->kvm, FACT_YES);
        if (without->vhost != rows[i].without || with_kvm->vhost != rows[i].with_kvm)
            fail_msg("%s: %u and %u", rows[i].device, without->vhost, with_kvm->vhost);
    }
}

static void
test_vfio(void **state)
{
    g_autoptr(GuestFacts) facts =
        read_with("balloon", "<hostdev mode='subsystem' type='pci' managed='yes'/>"
                             "<hostdev mode='subsystem' type='usb' managed='yes'/>"
                             "<interface type='hostdev' managed='yes'/>");

    assert_int_equal(facts->vfio, 2);
    assert_false(facts->memory->has_balloon);
}

static void
test_hard_limit(void **state)
{
    g_autoptr(GuestFacts) facts =
        read_changed("balloon", "<resource>",
                     "<memtune><hard_limit unit='GiB'>2</hard_limit></memtune><resource>");

    assert_int_equal(facts->hard_limit, 2 * SIZE_GIB);
    assert_true(facts->memory->cap > 0);
}

static void
test_vcpus_now(void **state)
{
    g_autoptr(GuestFacts) facts = read_changed("pc", "<audio id='1' type='none'/>", "");

    assert_int_equal(facts->vcpus, 1); /* of 4 */
    assert_int_equal(facts->free_page_reporting, FACT_NO);
}

static void
test_what_cannot_be(void **state)
{
    static const struct {
        const char *old;
        const char *new;
    } rows[] = {
        { "<vcpu placement='static'>1<", "<vcpu placement='static'>none<" },
        { "<stats period='1'/>", "<stats period='-1'/>" },
        { "memory='262144'", "memory='none'" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = domain_text_with("balloon", rows[i].old, rows[i].new);
        g_autoptr(GError) error = NULL;

        assert_null(domain_facts_read(text, NULL, &error));
        assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_running_guest), cmocka_unit_test(test_a_prepared_guest),
        cmocka_unit_test(test_ports),           cmocka_unit_test(test_backing),
        cmocka_unit_test(test_vhost),           cmocka_unit_test(test_vfio),
        cmocka_unit_test(test_hard_limit),      cmocka_unit_test(test_vcpus_now),
        cmocka_unit_test(test_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
