/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a test guest's QEMU.
 */
#pragma once

#include "tests/guest/harness/test-guest.h"

/* Addresses of the guest's sockets and files. */
typedef struct {
    const char *monitor; /* QEMU serves it */
    const char *witness; /* QEMU connects to it: a monitor */
    const char *control; /* QEMU connects to it: the second serial port */
    const char *console; /* a file: the first serial port */
} TestMachinePaths;

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
