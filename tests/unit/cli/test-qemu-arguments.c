/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/qemu-arguments.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* @line: words parted by blanks */
static QemuArguments
read_line(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;
    QemuArguments read = { 0 };

    if (!qemu_arguments_read((const char *const *)words, &read, &error))
        fail_msg("%s: %s", line, error->message);
    return read;
}

static void
assert_memory(const char *line, guint64 mib)
{
    guint64 memory = read_line(line).memory;

    if (memory != mib * MIB)
        fail_msg("%s: %" G_GUINT64_FORMAT " bytes", line, memory);
}

static void
test_memory(void **state)
{
    assert_memory("qemu", 128);
    assert_memory("qemu -m 256", 256);
    assert_memory("qemu -m 2G", 2048);
    assert_memory("qemu --m 512M -nographic", 512);
    assert_memory("qemu -m size=1G,slots=8,maxmem=4G", 1024);
    assert_memory("qemu -m 256,maxmem=4G,slots=8", 256);
    assert_memory("qemu -m slots=8,maxmem=4G", 128);
    assert_memory("qemu -m 1 -m 3G", 3072);
    assert_memory("qemu -drive file=-m -m", 128);
}

static void
test_memory_that_is_plugged_at_the_start(void **state)
{
    assert_memory("qemu -m 256,slots=4,maxmem=4G -object memory-backend-ram,id=d0,size=512M "
                  "-device pc-dimm,id=dimm0,memdev=d0",
                  768);
    /* The guest's own memory, and what is empty at first. */
    assert_memory("qemu -m 256 -object memory-backend-memfd,id=ram,size=256M,share=on "
                  "-machine q35,memory-backend=ram -object memory-backend-ram,id=v,size=4G "
                  "-device virtio-mem-pci,memdev=v",
                  256);
}

static void
test_overhead(void **state)
{
    assert_int_equal(read_line("qemu -m 512").overhead, (64 + 8 + 1) * MIB);
    assert_int_equal(read_line("qemu -smp 4 -m 512").overhead, (64 + 32 + 1) * MIB);
    assert_int_equal(read_line("qemu -smp cpus=2,maxcpus=8 -m 512").overhead, (64 + 16 + 1) * MIB);
    assert_int_equal(read_line("qemu -smp x -m 512").overhead, (64 + 8 + 1) * MIB);
}

static void
test_who_runs_it(void **state)
{
    assert_false(read_line("qemu -m 1").daemonizes);
    assert_true(read_line("qemu -m 1 -daemonize").daemonizes);
    assert_true(read_line("qemu --daemonize -m 1").daemonizes);
}

static void
test_nonsense_is_refused(void **state)
{
    static const char *const lines[] = { "qemu -m much", "qemu -m 1X", "qemu -m size=",
                                         "qemu -object memory-backend-ram,id=d,size=-1" };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
        g_autoptr(GError) error = NULL;
        QemuArguments read = { .memory = 7 };

        assert_false(qemu_arguments_read((const char *const *)words, &read, &error));
        assert_true(error->domain == G_OPTION_ERROR);
        assert_int_equal(read.memory, 7);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_that_is_plugged_at_the_start),
        cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_who_runs_it),
        cmocka_unit_test(test_nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
