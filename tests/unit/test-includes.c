/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may include whom: reads every #include "..." of the tree and holds it to
 * the table of rooms below. A room is the longest path prefix that fits a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

/* Each room with the rooms or single headers it may include besides its own. */
static const struct {
    const char *room;
    const char *may[16];
} rooms[] = {
    { "qmp/", { NULL } },
    { "policies/", { NULL } },
    { "guest/stats-frame", { NULL } },
    { "guest/", { "guest/stats-frame" } },
    { "src/size/", { NULL } },
    { "src/dbus/", { NULL } },
    { "src/hypervisor/qemu/", { "qmp/", "src/hypervisor/", "src/size/" } },
    { "src/hypervisor/libvirt/", { "src/hypervisor/", "src/size/" } },
    { "src/hypervisor/", { "src/size/" } },
    { "src/monitor/sample", { NULL } },
    { "src/monitor/", { "src/monitor/sample", "guest/stats-frame", "src/hypervisor/" } },
    { "src/predict/", { "src/monitor/sample" } },
    { "src/journal/", { "src/monitor/sample", "src/predict/", "policies/", "src/allocate/" } },
    { "src/allocate/", { "policies/", "src/predict/", "src/monitor/sample" } },
    { "src/hotplug/recipe",
      { "src/hypervisor/guest-memory.h", "src/hypervisor/guest-limits.h",
        "src/hotplug/dimm-ladder", "src/hotplug/node-balance", "src/hotplug/recipe" } },
    { "src/hotplug/dimm-ladder", { "src/hypervisor/guest-memory.h" } },
    { "src/hotplug/node-balance", { "src/hypervisor/guest-memory.h" } },
    { "src/hotplug/",
      { "src/hotplug/recipe", "src/hotplug/node-balance", "src/hypervisor/", "src/size/" } },
    { "src/doctor/",
      { "src/hypervisor/guest-facts.h", "src/hypervisor/guest-memory.h", "src/size/" } },
    { "src/simulate/",
      /* follow and trouble: how long a guest is waited for, and what is worked around; the
       * agent's watch, since what a fast request is worth depends on it. All of them are pure. */
      { "src/monitor/sample", "src/predict/", "policies/", "src/allocate/", "src/hotplug/recipe",
        "src/hotplug/follow.h", "src/hotplug/plug-time.h", "src/hotplug/trouble.h", "guest/watch.h",
        "src/hypervisor/guest-memory.h", "src/hypervisor/guest-limits.h", "src/journal/",
        "src/size/" } },
    { "src/cli/", { "src/dbus/", "src/simulate/", "src/size/" } },
    { "src/daemon/", { "src/", "policies/", "guest/stats-frame" } },
    { "tests/", { "" } },
};

/* What the build makes: seen by those that link it. */
static const char *const generated[] = { "build-config.h", "dbus/memplug-dbus.h" };

static int
room_of(const char *path)
{
    int best = -1;

    for (guint i = 0; i < G_N_ELEMENTS(rooms); i++) {
        if (g_str_has_prefix(path, rooms[i].room) &&
            (best < 0 || strlen(rooms[i].room) > strlen(rooms[best].room)))
            best = (int)i;
    }
    return best;
}

static gboolean
is_allowed(int from, const char *included)
{
    /* QEMU's own language stays behind the hypervisor. */
    if (g_str_has_prefix(included, "qmp/") && from != room_of("qmp/") &&
        from != room_of("src/hypervisor/qemu/") && from != room_of("tests/"))
        return FALSE;
    if (room_of(included) == from)
        return TRUE;
    for (guint i = 0; rooms[from].may[i]; i++) {
        if (g_str_has_prefix(included, rooms[from].may[i]))
            return TRUE;
    }
    return FALSE;
}

/* Includes are written from the root of the tree or from src/. */
static char *
resolve(const char *root, const char *included)
{
    g_autofree char *from_src = g_build_filename("src", included, NULL);
    g_autofree char *in_src = g_build_filename(root, from_src, NULL);
    g_autofree char *in_root = g_build_filename(root, included, NULL);

    if (g_file_test(in_src, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&from_src);
    return g_file_test(in_root, G_FILE_TEST_EXISTS) ? g_strdup(included) : NULL;
}

static guint
check_line(const char *root, const char *path, const char *line)
{
    g_autofree char *included = NULL;
    g_autofree char *resolved = NULL;
    const char *end;
    int room = room_of(path);

    if (!g_str_has_prefix(line, "#include \"") || !(end = strchr(line + 10, '"')))
        return 0;
    included = g_strndup(line + 10, (gsize)(end - line - 10));
    if (g_strv_contains((const char *const[]){ generated[0], generated[1], NULL }, included))
        return 0;
    resolved = resolve(root, included);
    if (room < 0)
        print_error("%s: no room for this file in the table\n", path);
    else if (!resolved)
        print_error("%s: \"%s\" is written neither from the root nor from src/\n", path, included);
    else if (!is_allowed(room, resolved))
        print_error("%s: %s may not include \"%s\"\n", path, rooms[room].room, included);
    else
        return 0;
    return 1;
}

static guint
check_file(const char *root, const char *path, guint *lines)
{
    g_autofree char *full = g_build_filename(root, path, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) split = NULL;
    guint wrong = 0;

    assert_true(g_file_get_contents(full, &text, NULL, NULL));
    split = g_strsplit(text, "\n", -1);
    for (guint i = 0; split[i]; i++) {
        wrong += check_line(root, path, split[i]);
        *lines += g_str_has_prefix(split[i], "#include \"");
    }
    return wrong;
}

static guint
check_folder(const char *root, const char *folder, guint *lines)
{
    g_autofree char *full = g_build_filename(root, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(full, 0, NULL);
    const char *name;
    guint wrong = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *entry = g_build_filename(full, name, NULL);

        if (g_file_test(entry, G_FILE_TEST_IS_DIR))
            wrong += check_folder(root, path, lines);
        else if (g_str_has_suffix(name, ".c") || g_str_has_suffix(name, ".h"))
            wrong += check_file(root, path, lines);
    }
    return wrong;
}

static void
test_every_include_has_an_allowed_direction(void **state)
{
    static const char *const folders[] = { "qmp", "guest", "policies", "src", "tests" };
    const char *root = g_getenv("MEMPLUG_SOURCE_ROOT");
    guint lines = 0;
    guint wrong = 0;

    assert_non_null(root);
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        wrong += check_folder(root, folders[i], &lines);
    assert_true(lines > 100); /* the tree was really read */
    assert_int_equal(wrong, 0);
}

static void
test_the_table_forbids(void **state)
{
    assert_false(is_allowed(room_of("src/predict/x.c"), "src/hypervisor/guest.h"));
    assert_false(is_allowed(room_of("src/daemon/x.c"), "qmp/qmp-client.h"));
    assert_false(is_allowed(room_of("policies/x.c"), "src/size/size.h"));
    assert_false(is_allowed(room_of("src/hotplug/recipe.c"), "src/hypervisor/guest.h"));
    assert_true(is_allowed(room_of("src/hypervisor/qemu/x.c"), "qmp/qmp-client.h"));
    assert_true(is_allowed(room_of("src/predict/x.c"), "src/monitor/sample.h"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_include_has_an_allowed_direction),
        cmocka_unit_test(test_the_table_forbids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
