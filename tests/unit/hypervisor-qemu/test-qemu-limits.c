/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-limits.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    char *folder;
    char *path;
    QemuLimits *limits;
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("memplug-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "a.conf", NULL);
    fixture->limits = qemu_limits_new(fixture->path);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    g_chmod(fixture->folder, 0700);
    g_unlink(fixture->path);
    g_rmdir(fixture->path);
    g_rmdir(fixture->folder);
    qemu_limits_free(fixture->limits);
    g_free(fixture->path);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

/* Replaces the file by another one, as a careful editor does. */
static void
write_file(Fixture *fixture, const char *text)
{
    assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
}

static void
expect_warning(const char *pattern)
{
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, pattern);
}

static void
test_no_file(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    write_file(fixture, "");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    write_file(fixture, "# nothing yet\n");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
}

static void
test_read_and_change(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "[limits]\nfloor=128M\nweight=2\n");
    const GuestLimits *limits = qemu_limits_refresh(fixture->limits);

    assert_int_equal(limits->set, GUEST_LIMIT_FLOOR | GUEST_LIMIT_WEIGHT);
    assert_true(limits->floor == 128 * MIB);

    write_file(fixture, "[limits]\nmechanism=balloon\n");
    limits = qemu_limits_refresh(fixture->limits);
    assert_int_equal(limits->set, GUEST_LIMIT_MECHANISM);
    assert_int_equal(limits->mechanism, MECHANISM_BALLOON);

    write_file(fixture, "# without a heading\n\nfloor=192M\n");
    limits = qemu_limits_refresh(fixture->limits);
    assert_int_equal(limits->set, GUEST_LIMIT_FLOOR);
    assert_true(limits->floor == 192 * MIB);

    g_unlink(fixture->path);
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
}

/* A bad file is told of once, and what was in force stays. */
static void
test_bad_files(void **state)
{
    static const struct {
        const char *text;
        const char *warning;
    } rows[] = {
        { "[limits]\nfloor=many\n", "*a.conf: *floor*the limits before stay in force" },
        { "[limits]\nflor=1G\n", "*a.conf: *flor*unknown*" },
        { "[limits]\nfloor=2G\nceiling=1G\n", "*a.conf: *floor*ceiling*" },
        { "[limit]\nfloor=1G\n", "*a.conf: *limit*unknown group*" },
        { "1G\n", "*a.conf: *" },
        { "[limits]\nfloor=1G\n\xff\xfe", "*a.conf: *" },
    };
    Fixture *fixture = *state;

    write_file(fixture, "[limits]\nfloor=128M\n");
    qemu_limits_refresh(fixture->limits);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        write_file(fixture, rows[i].text);
        expect_warning(rows[i].warning);
        for (guint again = 0; again < 3; again++)
            assert_true(qemu_limits_refresh(fixture->limits)->floor == 128 * MIB);
        g_test_assert_expected_messages();
    }
}

/* None of these is waited for or read for ever. */
static void
test_no_regular_file(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    expect_warning("*a.conf: not a regular file*");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    g_unlink(fixture->path);

    assert_int_equal(symlink("/dev/zero", fixture->path), 0);
    expect_warning("*a.conf: not a regular file*");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    g_unlink(fixture->path);

    assert_int_equal(g_mkdir(fixture->path, 0700), 0);
    expect_warning("*a.conf: not a regular file*");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    g_rmdir(fixture->path);

    g_autofree char *large = g_strnfill(70000, '#');

    write_file(fixture, large);
    expect_warning("*a.conf: not a regular file of at most 65536 bytes*");
    assert_int_equal(qemu_limits_refresh(fixture->limits)->set, 0);
    g_test_assert_expected_messages();
}

static void
test_store(void **state)
{
    const GuestLimits wanted = { .set = GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING,
                                 .floor = 256 * MIB,
                                 .ceiling = 1024 * MIB };
    Fixture *fixture = *state;

    write_file(fixture, "# The web server\n[limits]\nfloor=128M\nweight=2\n");
    assert_true(qemu_limits_store(fixture->limits, &wanted, NULL));
    assert_true(guest_limits_equal(qemu_limits_refresh(fixture->limits), &wanted));

    g_autoptr(QemuLimits) other = qemu_limits_new(fixture->path);
    g_autofree char *text = NULL;

    assert_true(guest_limits_equal(qemu_limits_refresh(other), &wanted));
    assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    assert_non_null(strstr(text, "# The web server"));
}

static void
test_store_anew(void **state)
{
    const GuestLimits wanted = { .set = GUEST_LIMIT_MANAGED, .managed = FALSE };
    Fixture *fixture = *state;

    assert_true(qemu_limits_store(fixture->limits, &wanted, NULL));
    g_autoptr(QemuLimits) other = qemu_limits_new(fixture->path);

    assert_true(guest_limits_equal(qemu_limits_refresh(other), &wanted));
}

static void
test_store_fails(void **state)
{
    const GuestLimits wanted = { .set = GUEST_LIMIT_MANAGED, .managed = FALSE };
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    write_file(fixture, "what is this");
    assert_false(qemu_limits_store(fixture->limits, &wanted, &error));
    assert_non_null(strstr(error->message, fixture->path));

    g_autofree char *text = NULL;

    assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    assert_string_equal(text, "what is this");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_and_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_regular_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
    };

    return cmocka_run_group_tests_name("qemu-limits", tests, NULL, NULL);
}
