/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of libvirt (contrib/libvirt-hook/qemu), run as libvirt does, with a memplug that a
 * test has chosen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

static char *folder;

static char *
path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void
write_file(const char *name, const char *text, int mode)
{
    g_autofree char *path = path_of(name);

    assert_true(g_file_set_contents(path, text, -1, NULL));
    assert_int_equal(g_chmod(path, mode), 0);
}

/* memplug notes how it was called, and what it was given, and then does @script. */
static void
set_up_memplug(const char *conf, const char *script)
{
    g_autofree char *memplug = path_of("memplug");
    g_autofree char *called = path_of("called");
    g_autofree char *text = g_strdup_printf(
        "#!/bin/sh\necho \"$*\" >> %s\n[ \"$1\" = leases ] || %s\n", called, script);
    g_autofree char *settings = g_strdup_printf("memplug=%s\n%s\n", memplug, conf);

    write_file("memplug", text, 0755);
    write_file("conf", settings, 0644);
    g_remove(called);
}

static char *
called(void)
{
    g_autofree char *path = path_of("called");
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* Returns: (transfer full): what it wrote to standard error. */
static char *
run_hook(const char *operation, const char *sub_operation, int status)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *conf = path_of("conf");
    g_autofree char *xml = path_of("xml");
    g_autoptr(GSubprocess) hook = NULL;
    g_autoptr(GError) error = NULL;
    char *out = NULL, *err = NULL;

    /* A file, since not every operation reads it. */
    write_file("xml", "<domain/>", 0644);
    g_subprocess_launcher_set_stdin_file_path(launcher, xml);
    g_subprocess_launcher_setenv(launcher, "MEMPLUG_HOOK_CONF", conf, TRUE);
    hook = g_subprocess_launcher_spawn(launcher, &error, g_getenv("MEMPLUG_HOOK"), "web", operation,
                                       sub_operation, "-", NULL);
    assert_non_null(hook);
    assert_true(g_subprocess_communicate_utf8(hook, NULL, NULL, &out, &err, &error));
    if (!g_subprocess_get_if_exited(hook) || g_subprocess_get_exit_status(hook) != status)
        fail_msg("status %d, not %d: %s", g_subprocess_get_exit_status(hook), status, err);
    /* What it prints would be taken for another definition of the domain. */
    assert_string_equal(out, "");
    g_free(out);
    return err;
}

static int
set_up(void **state)
{
    folder = g_dir_make_tmp("memplug-hook-XXXXXX", NULL);
    return folder ? 0 : -1;
}

static int
tear_down(void **state)
{
    static const char *const names[] = { "memplug", "conf", "called", "given", "xml" };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = path_of(names[i]);

        g_remove(path);
    }
    g_rmdir(folder);
    g_clear_pointer(&folder, g_free);
    return 0;
}

static void
test_room(void **state)
{
    g_autofree char *given = path_of("given");
    g_autofree char *script = g_strdup_printf("cat > %s", given);
    g_autofree char *err = NULL, *calls = NULL, *xml = NULL;

    set_up_memplug("wait=7", script);
    err = run_hook("prepare", "begin", 0);
    calls = called();
    assert_string_equal(err, "");
    assert_string_equal(calls, "leases\nreserve --domain - --wait 7\n");
    assert_true(g_file_get_contents(given, &xml, NULL, NULL));
    assert_string_equal(xml, "<domain/>");
}

static void
test_no_room(void **state)
{
    g_autofree char *refused = NULL, *let_through = NULL;

    set_up_memplug("", "{ echo 'error: no room for 1 GiB: db keeps 2 GiB' >&2; exit 1; }");
    refused = run_hook("prepare", "begin", 1);
    assert_string_equal(refused, "memplug: web: no room for 1 GiB: db keeps 2 GiB\n");
    set_up_memplug("without_room=start", "{ echo 'error: no room' >&2; exit 1; }");
    let_through = run_hook("prepare", "begin", 0);
    assert_string_equal(let_through, "memplug: web: no room\n");
}

static void
test_no_memplugd(void **state)
{
    g_autofree char *let_through = NULL, *refused = NULL, *calls = NULL;

    write_file("conf", "memplug=false\n", 0644);
    let_through = run_hook("prepare", "begin", 0);
    assert_non_null(strstr(let_through, "no memplugd to make room for web"));
    write_file("conf", "memplug=false\nwithout_memplugd=refuse\n", 0644);
    refused = run_hook("prepare", "begin", 1);
    calls = called();
    assert_string_equal(calls, "");
}

static void
test_no_answer(void **state)
{
    g_autofree char *let_through = NULL;

    set_up_memplug("patience=0.2", "exec sleep 1000");
    let_through = run_hook("prepare", "begin", 0);
    assert_non_null(strstr(let_through, "has not answered about web for 0.2 s"));
}

static void
test_other_operations(void **state)
{
    g_autofree char *calls = NULL;

    set_up_memplug("", "exit 1");
    g_free(run_hook("start", "begin", 0));
    g_free(run_hook("started", "begin", 0));
    g_free(run_hook("stopped", "end", 0));
    g_free(run_hook("release", "end", 0));
    calls = called();
    assert_string_equal(calls, "release --for web\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_room),      TEST(test_no_room),          TEST(test_no_memplugd),
        TEST(test_no_answer), TEST(test_other_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
