/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lets a cmocka case call the harness in one line.
 */
#pragma once

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * test_check:
 * @call: an expression that is false on failure and has "&error" as its last argument
 *
 * Fails the running case with the error's message if @call is false:
 *
 *     test_check(test_guest_run(guest, "modprobe zram", NULL, &error));
 */
#define test_check(call)                                                                \
    do {                                                                                \
        g_autoptr(GError) error = NULL;                                                 \
        if (!(call)) {                                                                  \
            print_error("%s\n", error != NULL ? error->message : "(no error was set)"); \
            fail_msg("%s", #call);                                                      \
        }                                                                               \
    } while (0)
