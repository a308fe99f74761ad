/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

#define UNTOUCHED 4711

static GuestMemory *
read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    GuestMemory *memory = domain_memory_read(text, &error);

    if (!memory)
        fail_msg("%s", error->message);
    return memory;
}

static GuestMemory *
read_domain(const char *name)
{
    g_autofree char *text = domain_text(name);

    return read_text(text);
}

static GuestMemory *
read_changed(const char *name, const char *old, const char *new)
{
    g_autofree char *text = domain_text_with(name, old, new);

    return read_text(text);
}

static void
assert_refused(const char *name, const char *old, const char *new, const char *reason)
{
    g_autofree char *text = domain_text_with(name, old, new);
    g_autoptr(GError) error = NULL;

    assert_null(domain_memory_read(text, &error));
    assert_true(error->domain == DOMAIN_XML_ERROR);
    if (!strstr(error->message, reason))
        fail_msg("'%s' does not say '%s'", error->message, reason);
}

/* A domain that ran with 256 MiB, 256 MiB by virtio-mem, and 56 MiB in the balloon. */
static void
test_virtio_mem_and_balloon(void **state)
{
    g_autoptr(GuestMemory) memory = read_domain("balloon");
    const MemoryDevice *device = memory->devices;

    assert_int_equal(memory->boot, 256 * SIZE_MIB);
    assert_int_equal(memory->max, 4 * SIZE_GIB);
    assert_int_equal(memory->slots, 8);
    assert_true(memory->has_balloon);
    assert_false(memory->balloon_drifts);
    assert_int_equal(memory->ballooned, 56 * SIZE_MIB);
    assert_int_equal(memory->balloon_requested, 56 * SIZE_MIB);
    assert_int_equal(guest_memory_actual(memory), 456 * SIZE_MIB);
    assert_int_equal(memory->n_nodes, 1);
    assert_int_equal(memory->nodes[0].boot, 256 * SIZE_MIB);
    assert_int_equal(memory->given, 0);
    assert_int_equal(memory->cap, 0);
    assert_null(memory->cap_reason);
    assert_null(memory->obstacle);

    assert_int_equal(memory->n_devices, 1);
    assert_int_equal(device->kind, MEMORY_DEVICE_VIRTIO_MEM);
    assert_string_equal(device->id, "virtiomem0");
    assert_false(device->ours);
    assert_int_equal(device->size, 256 * SIZE_MIB);
    assert_int_equal(device->requested, 256 * SIZE_MIB);
    assert_int_equal(device->max, SIZE_GIB);
    assert_int_equal(device->block, 2 * SIZE_MIB);
}

static void
test_dimm(void **state)
{
    g_autoptr(GuestMemory) memory = read_domain("dimms");
    const MemoryDevice *device = memory->devices;

    assert_int_equal(memory->boot, 256 * SIZE_MIB);
    assert_int_equal(memory->slots, 16);
    assert_int_equal(memory->n_devices, 1);
    assert_int_equal(device->kind, MEMORY_DEVICE_DIMM);
    assert_string_equal(device->id, "ua-memplug-dimm0");
    assert_true(device->ours);
    assert_true(device->acknowledged);
    assert_false(device->removing);
    assert_int_equal(device->size, 128 * SIZE_MIB);
    assert_int_equal(memory->ballooned, 0);
    assert_int_equal(guest_memory_actual(memory), 384 * SIZE_MIB);
}

static void
test_nodes(void **state)
{
    g_autoptr(GuestMemory) memory = read_domain("numa");

    assert_int_equal(memory->boot, 384 * SIZE_MIB);
    assert_int_equal(memory->n_nodes, 2);
    assert_int_equal(memory->nodes[0].id, 0);
    assert_int_equal(memory->nodes[0].boot, 256 * SIZE_MIB);
    assert_int_equal(memory->nodes[1].id, 1);
    assert_int_equal(memory->nodes[1].boot, 128 * SIZE_MIB);
    assert_int_equal(memory->n_devices, 2);
    assert_int_equal(memory->devices[0].node, 0);
    assert_int_equal(memory->devices[1].node, 1);
    assert_true(memory->devices[1].ours);
    assert_true(memory->balloon_drifts);
}

static void
test_without_hot_plug(void **state)
{
    g_autoptr(GuestMemory) memory = read_domain("pc");

    assert_int_equal(memory->boot, 256 * SIZE_MIB);
    assert_int_equal(memory->max, 256 * SIZE_MIB);
    assert_int_equal(memory->slots, 0);
    assert_int_equal(memory->n_nodes, 0);
    assert_int_equal(memory->n_devices, 0);
    assert_false(memory->has_balloon); /* model='none' */
    assert_int_equal(memory->ballooned, 0);
}

static void
test_other_devices_are_no_memory_of_ours(void **state)
{
    g_autofree char *text = domain_text_with("dimms", "model='dimm'", "model='nvdimm'");
    g_autofree char *without = domain_text_change(text, "<numa>", "<other>");
    g_autofree char *cells = domain_text_change(without, "</numa>", "</other>");
    g_autoptr(GuestMemory) memory = read_text(text);
    g_autoptr(GuestMemory) by_total = read_text(cells);

    assert_int_equal(memory->n_devices, 0);
    assert_int_equal(memory->boot, 256 * SIZE_MIB);
    /* <memory> counts them all the same. */
    assert_int_equal(by_total->n_nodes, 0);
    assert_int_equal(by_total->boot, 256 * SIZE_MIB);
}

static void
test_what_pins_memory_leaves_no_balloon(void **state)
{
    static const char *const rows[] = {
        "<hostdev mode='subsystem' type='pci' managed='yes'/>",
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'/>",
        "<interface type='hostdev' managed='yes'/>",
    };
    g_autoptr(GuestMemory) sev = read_changed(
        "balloon", "</devices>", "</devices><launchSecurity type='sev'><policy/></launchSecurity>");
    g_autoptr(GuestMemory) usb =
        read_changed("balloon", "</devices>", "<hostdev mode='subsystem' type='usb'/></devices>");

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *new = g_strconcat(rows[i], "</devices>", NULL);
        g_autoptr(GuestMemory) memory = read_changed("balloon", "</devices>", new);

        assert_false(memory->has_balloon);
        assert_int_equal(memory->ballooned, 0);
        assert_int_equal(guest_memory_actual(memory), 512 * SIZE_MIB);
    }
    assert_false(sev->has_balloon);
    assert_true(usb->has_balloon);
}

/* While a device follows, libvirt may count more than there is. */
static void
test_balloon_is_not_less_than_empty(void **state)
{
    g_autoptr(GuestMemory) memory =
        read_changed("balloon", "<currentMemory unit='KiB'>466944", "<currentMemory unit='GiB'>9");

    assert_true(memory->has_balloon);
    assert_int_equal(memory->ballooned, 0);
}

static void
test_hard_limit(void **state)
{
    g_autoptr(GuestMemory) limited =
        read_changed("balloon", "<resource>",
                     "<memtune><hard_limit unit='GiB'>2</hard_limit></memtune><resource>");
    g_autoptr(GuestMemory) small =
        read_changed("balloon", "<resource>",
                     "<memtune><hard_limit unit='MiB'>16</hard_limit></memtune><resource>");
    g_autoptr(GuestMemory) unlimited =
        read_changed("balloon", "<resource>",
                     "<memtune><hard_limit unit='KiB'>9007199254740991</hard_limit></memtune>"
                     "<resource>");
    g_autoptr(GuestMemory) huge =
        read_changed("balloon", "<resource>",
                     "<memtune><hard_limit unit='GiB'>2</hard_limit></memtune>"
                     "<memoryBacking><hugepages/></memoryBacking><resource>");
    const guint64 left = 2 * SIZE_GIB - (64 + 8) * SIZE_MIB; /* QEMU, and one vCPU */

    /* What is left has room for the memory and its page tables, and not for a MiB more. */
    assert_int_equal(limited->cap % SIZE_MIB, 0);
    assert_true(limited->cap + limited->cap / 512 <= left);
    assert_true(limited->cap + limited->cap / 512 + SIZE_MIB + 4 * SIZE_KIB > left);
    assert_string_equal(limited->cap_reason, "the domain's memtune hard_limit");
    assert_int_equal(small->cap, 7 * SIZE_MIB);
    assert_int_equal(unlimited->cap, 0);
    assert_int_equal(huge->cap, 0);
    assert_null(huge->cap_reason);
}

static void
test_overhead_counts_vcpus_and_video(void **state)
{
    g_autofree char *plain = domain_text("balloon");
    g_autofree char *vcpus =
        domain_text_with("balloon", "<vcpu placement='static'>1<", "<vcpu placement='static'>3<");
    g_autofree char *video =
        domain_text_with("balloon", "</devices>",
                         "<video><model type='qxl' ram='65536' vram='16384'/></video></devices>");
    g_autoptr(GError) error = NULL;
    guint64 base;
    guint64 with_vcpus;
    guint64 with_video;

    assert_true(domain_memory_cap(plain, SIZE_GIB, &base, NULL));
    assert_true(domain_memory_cap(vcpus, SIZE_GIB, &with_vcpus, NULL));
    assert_true(domain_memory_cap(video, SIZE_GIB, &with_video, NULL));
    assert_int_equal(base - with_vcpus, 16 * SIZE_MIB);
    assert_int_equal(base - with_video, 80 * SIZE_MIB);
    assert_false(domain_memory_cap("<network/>", SIZE_GIB, &base, &error));
    assert_non_null(error);
}

static GuestMemory *
read_system(const char *id)
{
    g_autofree char *text = domain_text_with("plain", "http://debian.org/debian/12", id);

    return read_text(text);
}

static void
test_other_systems_are_an_obstacle(void **state)
{
    static const char *const others[] = {
        "http://microsoft.com/win/10",
        "http://freebsd.org/freebsd/13.1",
        "http://oracle.com/solaris/11",
        "http://apple.com/macosx/10.7",
    };
    static const char *const taken[] = {
        "http://debian.org/debian/12",  "http://oracle.com/ol/9.1", "http://guix.gnu.org/guix/1.4",
        "http://libosinfo.org/unknown", "http://example.org/mine",
    };

    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GuestMemory) memory = read_system(others[i]);

        assert_non_null(memory->obstacle);
        assert_non_null(strstr(memory->obstacle, "not Linux"));
        assert_non_null(strstr(memory->obstacle, others[i]));
    }
    for (guint i = 0; i < G_N_ELEMENTS(taken); i++) {
        g_autoptr(GuestMemory) memory = read_system(taken[i]);

        assert_null(memory->obstacle);
    }
}

static void
test_what_cannot_be(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_refused("balloon", "memory='262144'", "memory='0'", "without memory");
    assert_refused("balloon", "memory='262144'", "memory='much'", "<cell>: ");
    assert_refused("balloon", "<maxMemory slots='8' unit='KiB'>4194304",
                   "<maxMemory slots='8' unit='KiB'>1", "<maxMemory> is less");
    assert_refused("balloon", "slots='8'", "slots='-8'", "<maxMemory>: slots");
    assert_refused("balloon", "<current unit='KiB'>262144", "<current unit='TiB'>1", "virtio-mem");
    assert_refused("balloon", "<requested unit='KiB'>262144", "<requested unit='TiB'>1",
                   "virtio-mem");
    assert_refused("balloon", "<block unit='KiB'>2048</block>", "", "virtio-mem");
    assert_refused("balloon", "<node>0</node>", "<node>70000</node>", "<node>");
    assert_null(domain_memory_read("<domain/>", &error));
    assert_non_null(error);
}

static void
test_slots_are_bounded(void **state)
{
    g_autoptr(GuestMemory) memory = read_changed("balloon", "slots='8'", "slots='4000000000'");

    assert_int_equal(memory->slots, 256);
}

static gboolean
read_given(const char *old, const char *new, guint64 *given)
{
    g_autofree char *text = domain_text_with("plain-defined", old, new);

    return domain_memory_read_given(text, given);
}

static void
test_given(void **state)
{
    static const char current[] = "<currentMemory unit='KiB'>262144<";
    guint64 given = UNTOUCHED;

    assert_false(read_given(current, current, &given));
    assert_false(read_given(current, "<currentMemory unit='GiB'>1<", &given));
    assert_false(read_given(current, "<currentMemory unit='GiB'>0<", &given));
    assert_false(read_given("</domain>", "", &given));
    assert_int_equal(given, UNTOUCHED);
    assert_true(read_given(current, "<currentMemory unit='MiB'>200<", &given));
    assert_int_equal(given, 200 * SIZE_MIB);
}

/* What a domain that is about to start says it will take. */
static void
test_need(void **state)
{
    static const char text[] =
        "<domain type='kvm'><name>web</name><memory unit='MiB'>2816</memory>"
        "<maxMemory slots='4' unit='GiB'>8</maxMemory>"
        "<currentMemory unit='MiB'>128</currentMemory><vcpu>2</vcpu>"
        "<cpu><numa><cell id='0' cpus='0-1' memory='256' unit='MiB'/></numa></cpu>"
        "<devices><memory model='dimm'><target><size unit='MiB'>512</size><node>0</node></target>"
        "</memory><memory model='virtio-mem'><target><size unit='GiB'>2</size><node>0</node>"
        "<block unit='MiB'>2</block><requested unit='MiB'>100</requested></target></memory>"
        "</devices></domain>";
    g_autoptr(GError) error = NULL;
    DomainNeed need = { 0 };

    assert_true(domain_memory_need(text, &need, &error));
    assert_string_equal(need.name, "web");
    assert_int_equal(need.memory, (256 + 512 + 100) * SIZE_MIB);
    assert_int_equal(need.overhead, (64 + 16) * SIZE_MIB + need.memory / 512);
    g_free(need.name);

    assert_false(domain_memory_need("<domain><memory>1024</memory></domain>", &need, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MISSING));
    assert_false(domain_memory_need("<domain><name>x</name></domain>", &need, NULL));
    assert_false(domain_memory_need("nothing", &need, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_mem_and_balloon),
        cmocka_unit_test(test_dimm),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_without_hot_plug),
        cmocka_unit_test(test_other_devices_are_no_memory_of_ours),
        cmocka_unit_test(test_what_pins_memory_leaves_no_balloon),
        cmocka_unit_test(test_balloon_is_not_less_than_empty),
        cmocka_unit_test(test_hard_limit),
        cmocka_unit_test(test_overhead_counts_vcpus_and_video),
        cmocka_unit_test(test_other_systems_are_an_obstacle),
        cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_slots_are_bounded),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
