/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder in which scripted monitors come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-hypervisor.h"
#include "tests/fake/await.h"
#include "tests/fake/qmp-machine.h"

#define LONG_MS 600000
#define MIB     (G_GUINT64_CONSTANT(1) << 20)

/* No scan comes by itself: what is seen is seen because the folder told. */
static const QemuTuning watchful = {
    .timeout_ms = LONG_MS,
    .retry_first_ms = 1,
    .retry_most_ms = 20,
    .rescan_ms = LONG_MS,
    .look_ms = 10,
    .removal_us = 600 * G_USEC_PER_SEC,
    .sweep_us = 600 * G_USEC_PER_SEC,
};

/* Gives up soon on what does not answer. */
static const QemuTuning hasty = {
    .timeout_ms = 50,
    .retry_first_ms = 1,
    .retry_most_ms = 20,
    .rescan_ms = LONG_MS,
    .look_ms = 10,
    .removal_us = 600 * G_USEC_PER_SEC,
    .sweep_us = 600 * G_USEC_PER_SEC,
};

typedef struct {
    char *folder;
    GPtrArray *servers; /* FakeQmpServer, all that the test has not ended itself */
    Hypervisor *hypervisor;
    GHashTable *guests; /* NAME → Guest, as announced */
    guint added;
    guint removed;
    guint stats;
    guint limits_changed;
} Fixture;

static void
on_stats(Guest *guest, const BalloonStats *stats, gpointer user_data)
{
    ((Fixture *)user_data)->stats++;
}

static void
on_limits_changed(Guest *guest, gpointer user_data)
{
    ((Fixture *)user_data)->limits_changed++;
}

static void
on_guest_added(Hypervisor *hypervisor, Guest *guest, gpointer user_data)
{
    Fixture *fixture = user_data;

    /* Two of one name never exist at a time. */
    assert_true(
        g_hash_table_insert(fixture->guests, g_strdup(guest_get_name(guest)), g_object_ref(guest)));
    fixture->added++;
    g_signal_connect(guest, "stats", G_CALLBACK(on_stats), fixture);
    g_signal_connect(guest, "limits-changed", G_CALLBACK(on_limits_changed), fixture);
}

static void
on_guest_removed(Hypervisor *hypervisor, Guest *guest, gpointer user_data)
{
    Fixture *fixture = user_data;

    assert_ptr_equal(g_hash_table_lookup(fixture->guests, guest_get_name(guest)), guest);
    g_signal_handlers_disconnect_by_data(guest, fixture);
    g_hash_table_remove(fixture->guests, guest_get_name(guest));
    fixture->removed++;
}

static void
start(Fixture *fixture, const QemuTuning *tuning)
{
    g_autofree char *uri = g_strconcat("qmp:", fixture->folder, NULL);

    fixture->hypervisor = qemu_hypervisor_new_tuned(uri, tuning, NULL);
    assert_string_equal(hypervisor_get_uri(fixture->hypervisor), uri);
    g_signal_connect(fixture->hypervisor, "guest-added", G_CALLBACK(on_guest_added), fixture);
    g_signal_connect(fixture->hypervisor, "guest-removed", G_CALLBACK(on_guest_removed), fixture);
    assert_true(hypervisor_start(fixture->hypervisor, NULL));
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("memplug-XXXXXX", NULL);
    fixture->servers = g_ptr_array_new_with_free_func((GDestroyNotify)fake_qmp_server_free);
    fixture->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    *state = fixture;
    return 0;
}

static void
stop(Fixture *fixture)
{
    GHashTableIter iter;
    gpointer guest;

    g_hash_table_iter_init(&iter, fixture->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest))
        g_signal_handlers_disconnect_by_data(guest, fixture);
    if (fixture->hypervisor)
        g_signal_handlers_disconnect_by_data(fixture->hypervisor, fixture);
    g_hash_table_remove_all(fixture->guests);
    g_clear_object(&fixture->hypervisor);
    await_quiet();
}

static void
empty_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        if (g_unlink(entry) < 0)
            g_rmdir(entry);
    }
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    stop(fixture);
    g_ptr_array_unref(fixture->servers);
    await_quiet();
    empty_folder(fixture->folder);
    g_rmdir(fixture->folder);
    g_hash_table_unref(fixture->guests);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static char *
path_of(Fixture *fixture, const char *file)
{
    return g_build_filename(fixture->folder, file, NULL);
}

static FakeQmpServer *
start_qemu(Fixture *fixture, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".qmp", NULL);
    g_autofree char *path = path_of(fixture, file);
    FakeQmpServer *server = fake_qmp_server_new(path);

    fake_qmp_machine_stand(server);
    g_ptr_array_add(fixture->servers, server);
    return server;
}

/* It exits, and takes its socket with it. */
static void
end_qemu(Fixture *fixture, FakeQmpServer *server)
{
    assert_true(g_ptr_array_remove_fast(fixture->servers, server));
}

/* It is killed, and leaves its socket behind. */
static void
kill_qemu(Fixture *fixture, FakeQmpServer *server)
{
    guint index;

    assert_true(g_ptr_array_find(fixture->servers, server, &index));
    fake_qmp_server_kill(g_ptr_array_steal_index_fast(fixture->servers, index));
}

static void
write_file(Fixture *fixture, const char *file, const char *text)
{
    g_autofree char *path = path_of(fixture, file);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

typedef struct {
    Fixture *fixture;
    guint added;
    guint removed;
} Wanted;

static gboolean
is_as_wanted(gpointer data)
{
    const Wanted *wanted = data;

    return wanted->fixture->added == wanted->added && wanted->fixture->removed == wanted->removed;
}

/* Runs until as many guests as given have come and gone since the beginning. */
static void
await_guests(Fixture *fixture, guint added, guint removed)
{
    Wanted wanted = { fixture, added, removed };
    g_autofree char *what = g_strdup_printf("%u guests added and %u removed", added, removed);

    await_condition(is_as_wanted, &wanted, what);
}

static Guest *
find_guest(Fixture *fixture, const char *name)
{
    Guest *guest = g_hash_table_lookup(fixture->guests, name);

    assert_non_null(guest);
    return guest;
}

static void
collect(Fixture *fixture, guint deadline_ms)
{
    g_auto(Await) await = { NULL };

    hypervisor_collect_async(fixture->hypervisor, deadline_ms, NULL, await_callback, &await);
    assert_true(hypervisor_collect_finish(fixture->hypervisor, await_result(&await), NULL));
}

static void
test_uris(void **state)
{
    static const char *const bad[] = { "qmp:", "qmp:relative", "qemu:///system", "", "qmp" };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(qemu_hypervisor_new(bad[i], &error));
        assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
    }
    g_autoptr(Hypervisor) good = qemu_hypervisor_new("qmp:/nonexistent", NULL);

    assert_non_null(good);
}

static void
test_there_at_start(void **state)
{
    Fixture *fixture = *state;

    start_qemu(fixture, "web");
    start_qemu(fixture, "db.1");
    start(fixture, &watchful);
    await_guests(fixture, 2, 0);
    assert_string_equal(guest_get_name(find_guest(fixture, "web")), "web");
    find_guest(fixture, "db.1");
}

static void
test_comes_and_goes(void **state)
{
    Fixture *fixture = *state;

    start(fixture, &watchful);
    await_quiet();
    FakeQmpServer *server = start_qemu(fixture, "a");

    await_guests(fixture, 1, 0);
    g_autofree char *first = g_strdup(guest_get_instance(find_guest(fixture, "a")));

    end_qemu(fixture, server);
    await_guests(fixture, 1, 1);

    /* Another run under the same name is another guest. (File systems count time in ticks of
     * some milliseconds, and give an inode number away again.) */
    await_ms(20);
    start_qemu(fixture, "a");
    await_guests(fixture, 2, 1);
    assert_string_not_equal(guest_get_instance(find_guest(fixture, "a")), first);
}

static void
test_killed_and_started_anew(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");

    start(fixture, &watchful);
    await_guests(fixture, 1, 0);
    kill_qemu(fixture, server);
    await_guests(fixture, 1, 1);

    /* The stale socket is tried again and again, and is never a guest. */
    await_ms(100);
    assert_int_equal(fixture->added, 1);
    start_qemu(fixture, "a");
    await_guests(fixture, 2, 1);
}

/* Nobody listens yet when the socket is made, as with a stale one. */
static void
test_stale_at_start(void **state)
{
    Fixture *fixture = *state;

    kill_qemu(fixture, start_qemu(fixture, "a"));
    start(fixture, &watchful);
    await_ms(50);
    assert_int_equal(fixture->added, 0);
    start_qemu(fixture, "a");
    await_guests(fixture, 1, 0);
}

/* The connection is the guest, not the file. */
static void
test_file_removed(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");
    g_autofree char *path = path_of(fixture, "a.qmp");

    start(fixture, &watchful);
    await_guests(fixture, 1, 0);
    g_unlink(path);
    write_file(fixture, "wake.qmp.not", ""); /* an event more */
    await_ms(50);
    assert_int_equal(fixture->removed, 0);
    end_qemu(fixture, server);
    await_guests(fixture, 1, 1);
}

static void
test_folder_comes_and_goes(void **state)
{
    Fixture *fixture = *state;

    g_rmdir(fixture->folder);
    start(fixture, &watchful);
    await_ms(50);
    for (guint i = 0; i < 3; i++) {
        assert_int_equal(g_mkdir(fixture->folder, 0700), 0);
        FakeQmpServer *server = start_qemu(fixture, "a");

        await_guests(fixture, i + 1, i);
        end_qemu(fixture, server);
        await_guests(fixture, i + 1, i + 1);
        assert_int_equal(g_rmdir(fixture->folder), 0);
        await_ms(50);
    }
}

static void
test_folder_is_a_file(void **state)
{
    Fixture *fixture = *state;

    g_rmdir(fixture->folder);
    assert_true(g_file_set_contents(fixture->folder, "", 0, NULL));
    start(fixture, &watchful);
    await_ms(50);
    g_unlink(fixture->folder);
    assert_int_equal(g_mkdir(fixture->folder, 0700), 0);
    start_qemu(fixture, "a");
    await_guests(fixture, 1, 0);
}

/* What is no guest's socket is left alone, with one warning. */
static void
test_hostile_names(void **state)
{
    g_autofree char *long_name = g_strnfill(65, 'x');
    const char *const names[] = { "",       ".hidden", "-option", "a b",    "a\nb",
                                  "a$(id)", "\xff",    "a%s%n",   long_name };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        FakeQmpServer *server = start_qemu(fixture, names[i]);

        g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "*left alone: not a name*");
        start(fixture, &watchful);
        await_ms(20);
        write_file(fixture, "wake", ""); /* a second scan says nothing more */
        await_ms(20);
        g_test_assert_expected_messages();
        assert_int_equal(fixture->added, 0);
        stop(fixture);
        end_qemu(fixture, server);
    }
}

static void
test_no_sockets(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *folder = path_of(fixture, "b.qmp");

    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "*'a.qmp' is left alone: not a socket*");
    write_file(fixture, "a.qmp", "");
    start(fixture, &watchful);
    await_ms(20);
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "*'b.qmp' is left alone: not a socket*");
    g_mkdir(folder, 0700);
    await_ms(50);
    g_test_assert_expected_messages();
    write_file(fixture, "c.conf", "[limits]\n");
    write_file(fixture, "qmp", "");
    await_ms(20);
    assert_int_equal(fixture->added, 0);
}

static void
test_longest_name(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *name = g_strnfill(64, 'x');

    start_qemu(fixture, name);
    start(fixture, &watchful);
    await_guests(fixture, 1, 0);
    find_guest(fixture, name);
}

static gboolean
have_limits_changed(gpointer data)
{
    return ((Fixture *)data)->limits_changed > 0;
}

static void
test_limits(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "a.conf", "[limits]\nfloor=128M\n");
    start_qemu(fixture, "a");
    start_qemu(fixture, "b");
    start(fixture, &watchful);
    await_guests(fixture, 2, 0);
    Guest *guest = find_guest(fixture, "a");

    assert_true(guest_get_limits(guest)->floor == 128 * MIB);
    assert_int_equal(guest_get_limits(find_guest(fixture, "b"))->set, 0);

    write_file(fixture, "a.conf", "[limits]\nfloor=256M\n");
    await_condition(have_limits_changed, fixture, "limits-changed");
    assert_true(guest_get_limits(guest)->floor == 256 * MIB);

    /* Those that were stored are known at once, and tell nobody twice. */
    const GuestLimits wanted = { .set = GUEST_LIMIT_WEIGHT, .weight = 3 };

    fixture->limits_changed = 0;
    guest_change_limits_async(guest, &wanted, GUEST_LIMIT_FLOOR, GUEST_SCOPE_ALL, NULL, NULL, NULL);
    assert_true(guest_limits_equal(guest_get_limits(guest), &wanted));
    await_ms(50);
    assert_int_equal(fixture->limits_changed, 1);
    assert_int_equal(guest_get_limits(find_guest(fixture, "b"))->set, 0);
}

/* Served elsewhere: a warning, and another try. */
static void
test_never_greets(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");

    fake_qmp_server_set_greeting(server, NULL);
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "guest a: no greeting in time*");
    start(fixture, &hasty);
    start_qemu(fixture, "b");
    await_guests(fixture, 1, 0); /* b is not held up */
    await_ms(250);               /* several tries, one warning */
    g_test_assert_expected_messages();

    end_qemu(fixture, server);
    start_qemu(fixture, "a");
    await_guests(fixture, 2, 0);
}

static void
test_hangs_while_read(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");

    fake_qmp_server_set_hung(server, TRUE);
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING,
                          "guest a: query-status: QEMU did not reply in time");
    start(fixture, &hasty);
    await_ms(200);
    g_test_assert_expected_messages();
    assert_int_equal(fixture->added, 0);
    fake_qmp_server_set_hung(server, FALSE);
    await_guests(fixture, 1, 0);
}

static void
test_garbage(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");

    start_qemu(fixture, "b");
    start(fixture, &watchful);
    await_guests(fixture, 2, 0);
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "guest a: not QMP*");
    fake_qmp_server_send_bytes(server, "(qemu) ", 7);
    await_guests(fixture, 3, 1); /* let go, and found again */
    g_test_assert_expected_messages();
    find_guest(fixture, "a");
    find_guest(fixture, "b");
}

/*
 * Collecting
 */

static void
test_collect_nobody(void **state)
{
    Fixture *fixture = *state;

    start(fixture, &watchful);
    collect(fixture, LONG_MS);
    assert_int_equal(fixture->stats, 0);
}

static void
test_collect(void **state)
{
    Fixture *fixture = *state;

    start_qemu(fixture, "a");
    start_qemu(fixture, "b");
    start_qemu(fixture, "c");
    start(fixture, &watchful);
    await_guests(fixture, 3, 0);
    collect(fixture, LONG_MS);
    assert_int_equal(fixture->stats, 3);
}

static gboolean
has_three_stats(gpointer data)
{
    return ((Fixture *)data)->stats == 3;
}

/* One that hangs is left out at the deadline, and its answer counts when it comes. */
static void
test_collect_deadline(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *slow = start_qemu(fixture, "slow");

    start_qemu(fixture, "a");
    start_qemu(fixture, "b");
    start(fixture, &watchful);
    await_guests(fixture, 3, 0);
    fake_qmp_server_expect_held(slow, "query-migrate", NULL, "{}");
    fake_qmp_server_expect_held(slow, "qom-get", NULL, "{'stats': {}, 'last-update': 1700000000}");
    collect(fixture, 30);
    assert_int_equal(fixture->stats, 2);

    fake_qmp_server_release(slow, "qom-get");
    await_condition(has_three_stats, fixture, "the late answer");
    fake_qmp_server_release(slow, "query-migrate");
    await_quiet();
    collect(fixture, LONG_MS);
    assert_int_equal(fixture->stats, 6);
}

static void
test_collect_while_one_goes(void **state)
{
    Fixture *fixture = *state;
    FakeQmpServer *server = start_qemu(fixture, "a");
    g_auto(Await) await = { NULL };

    start(fixture, &watchful);
    await_guests(fixture, 1, 0);
    fake_qmp_server_set_hung(server, TRUE);
    hypervisor_collect_async(fixture->hypervisor, LONG_MS, NULL, await_callback, &await);
    await_quiet();
    kill_qemu(fixture, server);
    assert_true(hypervisor_collect_finish(fixture->hypervisor, await_result(&await), NULL));
}

/* The hypervisor goes first, at any moment. */
static void
test_dropped_at_any_moment(void **state)
{
    Fixture *fixture = *state;

    for (guint turns = 0; turns < 60; turns++) {
        FakeQmpServer *server = start_qemu(fixture, "a");

        start(fixture, &watchful);
        for (guint i = 0; i < turns; i++)
            g_main_context_iteration(NULL, FALSE);
        stop(fixture);
        end_qemu(fixture, server);
    }
    assert_true(fixture->added > 0); /* the last had their guest already */
}

/*
 * Many
 */

static void
test_many(void **state)
{
    enum { N = 100 };
    Fixture *fixture = *state;
    FakeQmpServer *servers[N];

    start(fixture, &watchful);
    for (guint i = 0; i < N; i++) {
        g_autofree char *name = g_strdup_printf("guest%u", i);

        servers[i] = start_qemu(fixture, name);
    }
    await_guests(fixture, N, 0);
    for (guint i = 0; i < N; i += 2)
        kill_qemu(fixture, servers[i]);
    await_guests(fixture, N, N / 2);
    collect(fixture, LONG_MS);
    assert_int_equal(fixture->stats, N / 2);
}

typedef struct {
    Fixture *fixture;
    FakeQmpServer **servers;
    guint n;
} World;

static gboolean
is_settled(gpointer data)
{
    const World *world = data;
    guint alive = 0;

    for (guint i = 0; i < world->n; i++) {
        if (world->servers[i] && !fake_qmp_server_is_connected(world->servers[i]))
            return FALSE;
        alive += world->servers[i] != NULL;
    }
    return g_hash_table_size(world->fixture->guests) == alive;
}

/* QEMUs start, exit, are killed and replaced at random; in the end the guests are those that run.
 */
static void
churn(Fixture *fixture, guint32 seed)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    FakeQmpServer *servers[G_N_ELEMENTS(names)] = { NULL };
    World world = { fixture, servers, G_N_ELEMENTS(names) };
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    start(fixture, &watchful);
    for (guint step = 0; step < 40; step++) {
        guint i = (guint)g_rand_int_range(rand, 0, G_N_ELEMENTS(names));

        if (!servers[i]) {
            servers[i] = start_qemu(fixture, names[i]);
        } else if (g_rand_boolean(rand)) {
            end_qemu(fixture, g_steal_pointer(&servers[i]));
        } else {
            kill_qemu(fixture, g_steal_pointer(&servers[i]));
            if (g_rand_boolean(rand))
                servers[i] = start_qemu(fixture, names[i]);
        }
        for (gint turns = g_rand_int_range(rand, 0, 30); turns > 0; turns--)
            g_main_context_iteration(NULL, FALSE);
    }
    await_condition(is_settled, &world, "the guests that run, and no others");
}

static void
test_churn(void **state)
{
    for (guint32 seed = 1; seed <= 30; seed++) {
        void *fixture;

        setup(&fixture);
        churn(fixture, seed);
        teardown(&fixture);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),
        TEST(test_there_at_start),
        TEST(test_comes_and_goes),
        TEST(test_killed_and_started_anew),
        TEST(test_stale_at_start),
        TEST(test_file_removed),
        TEST(test_folder_comes_and_goes),
        TEST(test_folder_is_a_file),
        TEST(test_hostile_names),
        TEST(test_no_sockets),
        TEST(test_longest_name),
        TEST(test_limits),
        TEST(test_never_greets),
        TEST(test_hangs_while_read),
        TEST(test_garbage),
        TEST(test_collect_nobody),
        TEST(test_collect),
        TEST(test_collect_deadline),
        TEST(test_collect_while_one_goes),
        TEST(test_dropped_at_any_moment),
        TEST(test_many),
        cmocka_unit_test(test_churn),
    };

    return cmocka_run_group_tests_name("qemu-hypervisor", tests, NULL, NULL);
}
