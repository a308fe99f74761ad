/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the service manager is told, heard where it listens.
 */
#include "daemon/ready.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "build-config.h"

typedef struct {
    char *folder;
    char *path;
    GSocket *socket;
} Manager;

static int
manager_begin(void **state)
{
    Manager *manager = g_new0(Manager, 1);
    g_autoptr(GSocketAddress) address = NULL;

    manager->folder = g_dir_make_tmp("memplug-test-ready-XXXXXX", NULL);
    manager->path = g_build_filename(manager->folder, "notify", NULL);
    manager->socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, 0, NULL);
    address = g_unix_socket_address_new(manager->path);
    if (!g_socket_bind(manager->socket, address, FALSE, NULL))
        return -1;
    g_socket_set_blocking(manager->socket, FALSE);
    g_setenv("NOTIFY_SOCKET", manager->path, TRUE);
    *state = manager;
    return 0;
}

static int
manager_end(void **state)
{
    Manager *manager = *state;

    g_unsetenv("NOTIFY_SOCKET");
    g_unsetenv("WATCHDOG_USEC");
    g_unsetenv("WATCHDOG_PID");
    g_unlink(manager->path);
    g_rmdir(manager->folder);
    g_object_unref(manager->socket);
    g_free(manager->path);
    g_free(manager->folder);
    g_free(manager);
    return 0;
}

/* Returns: (transfer full) (nullable): what was told next, if anything was. */
static char *
manager_hear(Manager *manager)
{
    char told[256];
    gssize length = g_socket_receive(manager->socket, told, sizeof(told), NULL, NULL);

    return length < 0 ? NULL : g_strndup(told, (gsize)length);
}

static void
assert_heard(Manager *manager, const char *expected)
{
    g_autofree char *told = manager_hear(manager);

    assert_non_null(told);
    assert_string_equal(told, expected);
}

static void
test_ready_and_stopping(void **state)
{
    ready_tell_ready();
    assert_heard(*state, "READY=1");
    ready_tell_stopping();
    assert_heard(*state, "STOPPING=1");
    assert_null(manager_hear(*state));
}

static void
test_a_reload_has_its_time(void **state)
{
    gint64 before = g_get_monotonic_time();
    g_autofree char *told = NULL;
    const char *time;

    ready_tell_reloading();
    told = manager_hear(*state);
    assert_non_null(told);
    assert_true(g_str_has_prefix(told, "RELOADING=1\n"));
    time = strstr(told, "\nMONOTONIC_USEC=");
    assert_non_null(time);
    assert_in_range(g_ascii_strtoll(time + strlen("\nMONOTONIC_USEC="), NULL, 10), before,
                    g_get_monotonic_time());
}

static void
test_status(void **state)
{
    ready_tell_status("%u guests of %s", 2, "qemu:///system");
    assert_heard(*state, "STATUS=2 guests of qemu:///system");
}

static void
set_watchdog(guint64 usec, gint64 pid)
{
    g_autofree char *usec_text = g_strdup_printf("%" G_GUINT64_FORMAT, usec);
    g_autofree char *pid_text = g_strdup_printf("%" G_GINT64_FORMAT, pid);

    g_setenv("WATCHDOG_USEC", usec_text, TRUE);
    g_setenv("WATCHDOG_PID", pid_text, TRUE);
}

static void
test_watchdog_is_fed_by_the_main_loop(void **state)
{
    guint source;

    set_watchdog(20 * 1000, getpid());
    source = ready_start_watchdog();
    assert_int_not_equal(source, 0);
    /* Only a main loop that turns feeds it. */
    g_usleep(25 * 1000);
    assert_null(manager_hear(*state));
    for (guint i = 0; i < 3; i++) {
        g_main_context_iteration(NULL, TRUE);
        assert_heard(*state, "WATCHDOG=1");
    }
    assert_true(g_source_remove(source));
}

static void
test_a_watchdog_of_somebody_else(void **state)
{
    set_watchdog(20 * 1000, getpid() + 1);
    assert_int_equal(ready_start_watchdog(), 0);
    g_unsetenv("WATCHDOG_USEC");
    assert_int_equal(ready_start_watchdog(), 0);
}

static void
test_nobody_listens(void **state)
{
    g_unsetenv("NOTIFY_SOCKET");
    ready_tell_ready();
    ready_tell_reloading();
    ready_tell_status("nobody %s", "listens");
    ready_tell_stopping();
    assert_null(manager_hear(*state));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready_and_stopping, manager_begin, manager_end),
        cmocka_unit_test_setup_teardown(test_a_reload_has_its_time, manager_begin, manager_end),
        cmocka_unit_test_setup_teardown(test_status, manager_begin, manager_end),
        cmocka_unit_test_setup_teardown(test_watchdog_is_fed_by_the_main_loop, manager_begin,
                                        manager_end),
        cmocka_unit_test_setup_teardown(test_a_watchdog_of_somebody_else, manager_begin,
                                        manager_end),
        cmocka_unit_test_setup_teardown(test_nobody_listens, manager_begin, manager_end),
    };

    if (!HAVE_SYSTEMD) {
        print_message("built without libsystemd: the service manager is told nothing\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
