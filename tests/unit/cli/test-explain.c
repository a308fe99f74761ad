/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of the bus, in the words of a person who wants to go on.
 */
#include "cli/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
assert_explains(const char *bus, GQuark domain, int code, const char *message, const char *expected)
{
    g_autoptr(Connection) connection = connection_new(bus);
    g_autoptr(GError) error = g_error_new_literal(domain, code, message);
    g_autofree char *text = connection_explain(connection, error);

    assert_string_equal(text, expected);
}

static void
test_a_unit_that_is_not_enabled(void **state)
{
    assert_explains("system", G_IO_ERROR, G_IO_ERROR_DBUS_ERROR,
                    "Error calling StartServiceByName for org.memplug1: "
                    "Unit dbus-org.memplug1.service not found.",
                    "memplugd is not running on the system bus; start it (systemctl start "
                    "memplugd) or name another bus with --bus");
}

static void
test_a_unit_that_fails(void **state)
{
    assert_explains("system", G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT,
                    "Error calling StartServiceByName for org.memplug1: Failed to activate "
                    "service 'org.memplug1': timed out (service_start_timeout=25000ms)",
                    "memplugd could not be started: Failed to activate service 'org.memplug1': "
                    "timed out (service_start_timeout=25000ms); look at: journalctl -u memplugd");
    assert_explains("session", G_IO_ERROR, G_IO_ERROR_DBUS_ERROR,
                    "Error calling StartServiceByName for org.memplug1: Unit "
                    "dbus-org.memplug1.service is masked.",
                    "memplugd could not be started: Unit dbus-org.memplug1.service is masked.; "
                    "look at: journalctl --user -u memplugd");
}

static void
test_a_daemon_that_does_not_answer(void **state)
{
    assert_explains("system", G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY, "it left",
                    "memplugd did not answer: it left");
    assert_explains("system", G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD,
                    "GDBus.Error:org.freedesktop.DBus.Error.UnknownMethod: no such method",
                    "memplugd does not know this (any more): no such method");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unit_that_is_not_enabled),
        cmocka_unit_test(test_a_unit_that_fails),
        cmocka_unit_test(test_a_daemon_that_does_not_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
