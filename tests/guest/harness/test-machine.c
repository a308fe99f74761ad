/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-machine.h"

#define QEMU           "qemu-system-x86_64"
#define MIB            (G_GUINT64_CONSTANT(1) << 20)
#define DEFAULT_KERNEL "6.1"
#define DEFAULT_MEMORY (256 * MIB)
#define DEFAULT_MAXMEM (4096 * MIB)
#define DEFAULT_SLOTS  8

/* build-image's status for "not on this machine" (see its usage). */
#define STATUS_UNAVAILABLE 3

/* Appends one argument. */
G_GNUC_PRINTF(2, 3)
static void
add(GStrvBuilder *line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    g_autofree char *argument = g_strdup_vprintf(format, values);
    va_end(values);
    g_strv_builder_add(line, argument);
}

static guint64
or_default(guint64 value, guint64 fallback)
{
    return value != 0 ? value : fallback;
}

static const char *
kernel_line(const char *kernel)
{
    return kernel != NULL ? kernel : DEFAULT_KERNEL;
}

/*
 * Runs the builder, which is quick when the image is there. Its messages go to our
 * standard error, since the first build takes a while.
 */
static char *
build_image(const char *kernel, const char *variant, int *status, GError **error)
{
    const char *builder = g_getenv("MEMPLUG_BUILD_IMAGE");
    const char *const arguments[] = {
        builder != NULL ? builder : TEST_BUILD_IMAGE,
        kernel_line(kernel),
        variant,
        NULL,
    };
    g_autofree char *output = NULL;
    g_autoptr(GSubprocess) process =
        g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, error);
    if (process == NULL ||
        !g_subprocess_communicate_utf8(process, NULL, NULL, &output, NULL, error))
        return NULL;
    *status = g_subprocess_get_if_exited(process) ? g_subprocess_get_exit_status(process) : 1;
    if (*status != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "build-image %s failed with status %d (see above)", kernel_line(kernel),
                    *status);
        return NULL;
    }
    return g_strdup(g_strchomp(output));
}

char *
test_guest_unavailable(const char *kernel)
{
    int status = 0;
    g_autofree char *qemu = g_find_program_in_path(QEMU);
    if (qemu == NULL)
        return g_strdup(QEMU " is not installed");
    g_autofree char *image = build_image(kernel, NULL, &status, NULL);
    if (image == NULL && status == STATUS_UNAVAILABLE)
        return g_strdup_printf("no image of kernel line %s can be had here (see above)",
                               kernel_line(kernel));
    return NULL;
}

char *
test_machine_image(const char *kernel, gboolean udev_rule, GError **error)
{
    int status = 0;
    return build_image(kernel, udev_rule ? NULL : "--no-udev-rule", &status, error);
}

/* Asked once a process: the first asking after the machine's start boots a guest. */
static gpointer
find_accelerator(gpointer data)
{
    const char *const arguments[] = { TEST_FIND_ACCELERATOR, NULL };
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process =
        g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);

    if (process == NULL ||
        !g_subprocess_communicate_utf8(process, NULL, NULL, &output, NULL, &error))
        g_error(TEST_FIND_ACCELERATOR ": %s", error->message);
    if (!g_subprocess_get_successful(process))
        g_error(TEST_FIND_ACCELERATOR " failed (see above)");
    return g_strchomp(g_steal_pointer(&output));
}

gboolean
test_machine_has_kvm(void)
{
    static GOnce once = G_ONCE_INIT;

    return g_str_equal(g_once(&once, find_accelerator, NULL), "kvm");
}

static void
add_accelerator(GStrvBuilder *line)
{
    if (test_machine_has_kvm()) {
        add(line, "-accel");
        add(line, "kvm");
    }
    add(line, "-accel");
    add(line, "tcg");
    add(line, "-cpu");
    add(line, "max");
}

static void
add_memory(GStrvBuilder *line, const TestGuestOptions *options)
{
    add(line, "-m");
    add(line,
        "size=%" G_GUINT64_FORMAT "M,slots=%" G_GUINT64_FORMAT ",maxmem=%" G_GUINT64_FORMAT "M",
        or_default(options->memory, DEFAULT_MEMORY) / MIB,
        or_default(options->slots, DEFAULT_SLOTS),
        or_default(options->max_memory, DEFAULT_MAXMEM) / MIB);
}

/* Sockets that the test listens on: QEMU connects while it starts. */
static void
add_channels(GStrvBuilder *line, const TestMachinePaths *paths)
{
    add(line, "-serial");
    add(line, "file:%s", paths->console);
    add(line, "-chardev");
    add(line, "socket,id=control,path=%s", paths->control);
    add(line, "-serial");
    add(line, "chardev:control");
    add(line, "-chardev");
    add(line, "socket,id=witness,path=%s", paths->witness);
    add(line, "-mon");
    add(line, "chardev=witness,mode=control");
    add(line, "-qmp");
    add(line, "unix:%s,server=on,wait=off", paths->monitor);
}

static void
add_devices(GStrvBuilder *line, const TestGuestOptions *options, const TestMachinePaths *paths,
            gboolean pcie)
{
    if (!options->no_balloon) {
        add(line, "-device");
        add(line, "virtio-balloon-pci,id=balloon0%s",
            options->free_page_reporting ? ",free-page-reporting=on" : "");
    }
    if (options->stats_port) {
        add(line, "-device");
        add(line, "virtio-serial-pci");
        add(line, "-chardev");
        add(line, "socket,id=stats,path=%s,server=on,wait=off", paths->stats);
        add(line, "-device");
        add(line, "virtserialport,chardev=stats,name=org.memplug.stats.0");
    }
    if (options->virtio_mem != 0) {
        if (pcie) {
            add(line, "-device");
            add(line, "pcie-root-port,id=port0,chassis=1");
        }
        add(line, "-object");
        add(line, "memory-backend-ram,id=mem-" TEST_GUEST_VIRTIO_MEM_ID ",size=%" G_GUINT64_FORMAT,
            options->virtio_mem);
        add(line, "-device");
        add(line,
            "virtio-mem-pci,id=" TEST_GUEST_VIRTIO_MEM_ID ",memdev=mem-" TEST_GUEST_VIRTIO_MEM_ID
            ",requested-size=%" G_GUINT64_FORMAT "%s",
            options->virtio_mem_at_boot, pcie ? ",bus=port0" : "");
    }
}

static void
add_kernel(GStrvBuilder *line, const TestGuestOptions *options, const char *image)
{
    add(line, "-kernel");
    add(line, "%s/vmlinuz", image);
    add(line, "-initrd");
    add(line, "%s/initrd", image);
    add(line, "-append");
    /* A reset ends QEMU unless the options say otherwise. */
    add(line, TEST_MACHINE_APPEND "%s%s", options->append != NULL ? " " : "",
        options->append != NULL ? options->append : "");
    if (!options->reboots)
        add(line, "-no-reboot");
}

char **
test_machine_arguments(const TestGuestOptions *options, const TestMachinePaths *paths,
                       GError **error)
{
    const char *machine = options->machine != NULL ? options->machine : "q35";
    int status = 0;
    g_autofree char *image = build_image(options->kernel,
                                         options->loads          ? "--loads"
                                         : options->no_udev_rule ? "--no-udev-rule"
                                                                 : NULL,
                                         &status, error);
    if (image == NULL)
        return NULL;
    g_autoptr(GStrvBuilder) line = g_strv_builder_new();
    add(line, QEMU);
    add(line, "-nodefaults");
    add(line, "-no-user-config");
    add(line, "-display");
    add(line, "none");
    add(line, "-machine");
    add(line, "%s", machine);
    add_accelerator(line);
    add_memory(line, options);
    add_channels(line, paths);
    add_devices(line, options, paths, g_str_has_prefix(machine, "q35"));
    add_kernel(line, options, image);
    if (options->extra != NULL)
        g_strv_builder_addv(line, (const char **)options->extra);
    return g_strv_builder_end(line);
}
