/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real program on a bus that can start memplugd, or tries to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "tests/unit/cli/memplug-run.h"

static struct {
    GTestDBus *bus;
    char *folder;
    char *service; /* the file that tells the bus how */
    char *trace;   /* a file that is there once the bus has tried */
} fixture;

static int
set_up(void **state)
{
    g_autofree char *text = NULL;

    fixture.folder = g_dir_make_tmp("memplug-test-activation-XXXXXX", NULL);
    fixture.service = g_build_filename(fixture.folder, "org.memplug1.service", NULL);
    fixture.trace = g_build_filename(fixture.folder, "trace", NULL);
    text = g_strdup_printf("[D-BUS Service]\nName=org.memplug1\n"
                           "Exec=/bin/sh -c 'echo tried > %s; exit 3'\n",
                           fixture.trace);
    if (!g_file_set_contents(fixture.service, text, -1, NULL))
        return -1;
    fixture.bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_add_service_dir(fixture.bus, fixture.folder);
    g_test_dbus_up(fixture.bus);
    return 0;
}

static int
tear_down(void **state)
{
    g_test_dbus_stop(fixture.bus);
    g_clear_object(&fixture.bus);
    g_unlink(fixture.trace);
    g_unlink(fixture.service);
    g_rmdir(fixture.folder);
    g_free(fixture.trace);
    g_free(fixture.service);
    g_free(fixture.folder);
    return 0;
}

static void
test_completion_starts_nothing(void **state)
{
    static const char *const lines[] = { "memplug info ", "memplug unplug web ",
                                         "memplug events --guest=" };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        const char *const words[] = { "--complete", lines[i], NULL };
        g_auto(Run) run = run_end(run_begin(g_test_dbus_get_bus_address(fixture.bus), NULL, words));

        run_assert_status(&run, 0);
        assert_string_equal(run.out, "");
        assert_false(g_file_test(fixture.trace, G_FILE_TEST_EXISTS));
    }
}

static void
test_a_daemon_that_does_not_start(void **state)
{
    static const char *const lines[] = { "list", "version", "info web" };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(Run) run = run_line(g_test_dbus_get_bus_address(fixture.bus), lines[i]);

        run_assert_status(&run, 1);
        run_assert_contains(run.err, "error: memplugd could not be started: ");
        run_assert_contains(run.err, "; look at: journalctl --user -u memplugd\n");
        assert_true(g_file_test(fixture.trace, G_FILE_TEST_EXISTS));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_completion_starts_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_daemon_that_does_not_start, set_up, tear_down),
    };
    g_autofree char *program = g_find_program_in_path("dbus-daemon");

    if (!program) {
        print_message("skipped: there is no dbus-daemon\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
