/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a test guest's QEMU.
 */
#pragma once

#include "tests/guest/harness/test-guest.h"

/* Addresses of the guest's sockets and files. */
typedef struct {
    const char *monitor; /* QEMU serves it */
    const char *stats;   /* QEMU serves it: the stats channel */
    const char *witness; /* QEMU connects to it: a monitor */
    const char *control; /* QEMU connects to it: the second serial port */
    const char *console; /* a file: the first serial port */
} TestMachinePaths;

/* The kernel's command line, without what a test adds. A panic resets the machine. On KVM
 * Linux by itself does not check whether timer interrupts come in time; emulated, on a busy machine,
 * they do not always, and it would panic. */
#define TEST_MACHINE_APPEND "console=ttyS0 quiet panic=-1 no_timer_check"

/* Whether guests can run on KVM (a guest has been seen to, by find-accelerator); else on TCG. */
gboolean test_machine_has_kvm(void);

/*
 * test_machine_image:
 * @kernel: (nullable): line
 *
 * Builds the image if the cache has it not.
 *
 * Returns: (transfer full): the folder that holds vmlinuz and initrd.
 */
char *test_machine_image(const char *kernel, gboolean udev_rule, GError **error);

/*
 * test_machine_arguments:
 *
 * Builds the guest's image if the cache has it not.
 *
 * Returns: (transfer full): program and arguments; NULL with @error set if there is
 *   no image.
 */
char **test_machine_arguments(const TestGuestOptions *options, const TestMachinePaths *paths,
                              GError **error);
