/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/intent.h"
#include "tests/fake/await.h"
#include "tests/fake/test-folder.h"

static const Intent intent = { 562 << 20, TRUE, 7 };

static int
setup(void **state)
{
    *state = test_folder_new("intent");
    return 0;
}

static void
each_file(const char *folder, void (*act)(const char *path))
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        act(path);
    }
}

static int
teardown(void **state)
{
    test_folder_free(*state);
    return 0;
}

static void
must_tell_of_web(const char *path)
{
    g_autofree char *text = NULL;

    if (!g_str_has_suffix(path, ".intents"))
        return;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_non_null(strstr(text, "[web@1-1]"));
}

static void
test_is_on_disk_after_one_turn_of_the_loop(void **state)
{
    g_autoptr(IntentStore) store = intent_store_open(*state, "qmp:/a", NULL);
    Intent kept;

    assert_false(intent_store_get(store, "web@1-1", &kept));
    intent_store_put(store, "web@1-1", NULL, &intent);
    await_quiet();
    each_file(*state, must_tell_of_web);

    g_clear_pointer(&store, intent_store_free);
    store = intent_store_open(*state, "qmp:/a", NULL);
    assert_true(intent_store_get(store, "web@1-1", &kept));
    assert_int_equal(kept.requested, intent.requested);
    assert_true(kept.held);
    assert_int_equal(kept.decision, intent.decision);
}

/* In another process, since a lock is no obstacle to its own. */
static gboolean
second_is_refused(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(IntentStore) second = intent_store_open(folder, "qmp:/a", &error);
    g_autoptr(IntentStore) other = intent_store_open(folder, "qmp:/b", NULL);

    return !second && g_error_matches(error, INTENT_ERROR, INTENT_ERROR_LOCKED) && other;
}

static void
test_a_second_daemon_on_the_same_guests_is_refused(void **state)
{
    g_autoptr(IntentStore) store = intent_store_open(*state, "qmp:/a", NULL);
    pid_t child = fork();
    int status;

    if (child == 0) {
        status = second_is_refused(*state) ? 0 : 1;
        g_clear_pointer(&store, intent_store_free);
        _exit(status);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
spoil(const char *path)
{
    if (g_str_has_suffix(path, ".intents"))
        assert_true(g_file_set_contents(path, "\x01 no key file", -1, NULL));
}

static void
test_a_spoilt_file_is_begun_anew(void **state)
{
    g_autoptr(IntentStore) store = intent_store_open(*state, "qmp:/a", NULL);
    Intent kept;

    intent_store_put(store, "web@1-1", NULL, &intent);
    g_clear_pointer(&store, intent_store_free);
    each_file(*state, spoil);
    store = intent_store_open(*state, "qmp:/a", NULL);
    assert_non_null(store);
    assert_false(intent_store_get(store, "web@1-1", &kept));
}

static void
test_a_guest_that_is_gone_is_forgotten_in_time(void **state)
{
    g_autoptr(IntentStore) store = intent_store_open(*state, "qmp:/a", NULL);
    gint64 now = 1000;
    Intent kept;

    intent_store_put(store, "web@1-1", NULL, &intent);
    intent_store_release(store, "web@1-1", now);
    assert_true(intent_store_get(store, "web@1-1", &kept)); /* and it is back */
    intent_store_release(store, "other", now + 2 * INTENT_KEEP_S);
    assert_true(intent_store_get(store, "web@1-1", &kept));
    intent_store_release(store, "web@1-1", now);
    intent_store_release(store, "other", now + INTENT_KEEP_S + 1);
    assert_false(intent_store_get(store, "web@1-1", &kept));
}

/*
 * Lineages
 */

#define DAY_S (G_GINT64_CONSTANT(24) * 3600)

static gint64
now_s(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static void
test_a_run_that_continues_inherits(void **state)
{
    g_autoptr(IntentStore) store = intent_store_open(*state, "qmp:/a", NULL);
    Intent kept = { 0 };

    assert_false(intent_store_inherit(store, "uuid@1", "uuid", FALSE, &kept));
    intent_store_put(store, "uuid@1", "uuid", &intent);
    intent_store_put(store, "uuid2@1", "uuid2", &intent);
    intent_store_release(store, "uuid@1", now_s() - 30 * DAY_S);

    /* Days later, after a restart of the daemon. */
    g_clear_pointer(&store, intent_store_free);
    store = intent_store_open(*state, "qmp:/a", NULL);
    intent_store_release(store, "another", now_s());
    assert_true(intent_store_inherit(store, "uuid@2", "uuid", TRUE, &kept));
    assert_int_equal(kept.requested, intent.requested);
    assert_true(kept.held);
    assert_true(intent_store_get(store, "uuid@2", &kept));
    assert_false(intent_store_get(store, "uuid@1", &kept));
    assert_true(intent_store_get(store, "uuid2@1", &kept)); /* another lineage */
}

static void
test_the_latest_of_a_lineage_counts(void **state)
{
    g_autoptr(IntentStore) store = intent_store_new_volatile();
    const Intent later = { 128 << 20, FALSE, 8 };
    Intent kept = { 0 };

    intent_store_put(store, "uuid@1", "uuid", &intent);
    intent_store_put(store, "uuid@2", "uuid", &later);
    assert_true(intent_store_inherit(store, "uuid@3", "uuid", TRUE, &kept));
    assert_int_equal(kept.requested, later.requested);
    assert_false(kept.held);
}

static void
test_a_run_that_begins_anew_inherits_nothing(void **state)
{
    g_autoptr(IntentStore) store = intent_store_new_volatile();
    Intent kept;

    intent_store_put(store, "uuid@1", "uuid", &intent);
    assert_false(intent_store_inherit(store, "uuid@2", "uuid", FALSE, &kept));
    assert_false(intent_store_inherit(store, "uuid@3", "uuid", TRUE, &kept)); /* it is dropped */
    assert_false(intent_store_inherit(store, "web@1-1", NULL, TRUE, &kept));
    intent_store_put(store, "uuid@3", "uuid", &intent);
    assert_true(intent_store_inherit(store, "uuid@3", "uuid", FALSE, &kept)); /* the same run */
}

static void
test_a_lineage_is_forgotten_in_time(void **state)
{
    g_autoptr(IntentStore) store = intent_store_new_volatile();
    Intent kept;

    intent_store_put(store, "uuid@1", "uuid", &intent);
    intent_store_release(store, "uuid@1", 1000);
    intent_store_release(store, "another", 1000 + INTENT_KEEP_LINEAGE_S + 1);
    assert_false(intent_store_inherit(store, "uuid@2", "uuid", TRUE, &kept));
}

static void
test_only_so_many_lineages_are_kept(void **state)
{
    g_autoptr(IntentStore) store = intent_store_new_volatile();
    Intent kept;

    for (guint i = 0; i <= INTENT_KEEP_LINEAGES; i++) {
        g_autofree char *lineage = g_strdup_printf("uuid%u", i);
        g_autofree char *instance = g_strdup_printf("%s@1", lineage);

        intent_store_put(store, instance, lineage, &intent);
        intent_store_release(store, instance, 1000 + i);
    }
    assert_false(intent_store_inherit(store, "uuid0@2", "uuid0", TRUE, &kept));
    assert_true(intent_store_inherit(store, "uuid1@2", "uuid1", TRUE, &kept));
}

static void
test_a_folder_that_cannot_be_made_is_an_error(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(intent_store_open("/proc/memplug", "qmp:/a", &error));
    assert_true(g_error_matches(error, INTENT_ERROR, INTENT_ERROR_FOLDER));
    assert_non_null(strstr(error->message, "/proc/memplug"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_on_disk_after_one_turn_of_the_loop, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_second_daemon_on_the_same_guests_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_spoilt_file_is_begun_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_guest_that_is_gone_is_forgotten_in_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_run_that_continues_inherits, setup, teardown),
        cmocka_unit_test(test_the_latest_of_a_lineage_counts),
        cmocka_unit_test(test_a_run_that_begins_anew_inherits_nothing),
        cmocka_unit_test(test_a_lineage_is_forgotten_in_time),
        cmocka_unit_test(test_only_so_many_lineages_are_kept),
        cmocka_unit_test(test_a_folder_that_cannot_be_made_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
