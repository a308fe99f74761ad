/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-pool.h"

#include <string.h>

/* Three guests within their dead bands of 16 MiB, and what is too little for a DIMM. */
#define LEFT_OVER (64 * MIB)

void
test_pool_boot(TestPool *pool, const char *kernel)
{
    const TestGuestOptions options[TEST_SCENE_GUESTS] = {
        { .name = "a", .kernel = kernel, .virtio_mem = 1024 * MIB },
        { .name = "b", .kernel = kernel, .virtio_mem = 1024 * MIB },
        { .name = "c", .kernel = kernel },
    };

    test_scene_setup((void **)&pool->scene);
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        TestSceneGuest *guest = &pool->scene->guests[i];

        test_check((guest->guest = test_guest_start(pool->scene->room, pool->scene->folder,
                                                    &options[i], &error)) != NULL);
    }
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++)
        test_check(test_guest_wait_ready(test_pool_guest(pool, i), &error));
    pool->watch = test_watch_new();
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++)
        test_watch_add(pool->watch, test_pool_guest(pool, i));
}

void
test_pool_teardown(TestPool *pool)
{
    test_watch_free(pool->watch);
    test_scene_teardown((void **)&pool->scene);
}

void
test_pool_enter(TestPool *pool)
{
    if (pool->inside)
        fail_msg("an earlier case did not end");
    pool->inside = TRUE;
    pool->scene->passed = FALSE;
    test_scene_await(test_pool_is_full(pool), TEST_POOL_PATIENCE);
}

void
test_pool_leave(TestPool *pool)
{
    TestWatched seen;

    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        if (pool->loaded[i])
            test_pool_unload(pool, i);
    }
    test_check(test_watch_take(pool->watch, &seen, &error));
    print_message("  watched %u times: at most %.0f MiB of %.0f had, %.0f MiB resident\n",
                  seen.looks, (double)seen.most / (double)MIB, (double)TEST_POOL_SIZE / (double)MIB,
                  (double)seen.most_resident / (double)MIB);
    assert_true(seen.most <= TEST_POOL_SIZE);
    pool->inside = FALSE;
    test_scene_passed(pool->scene);
}

gboolean
test_pool_is_full(TestPool *pool)
{
    g_autoptr(JsonNode) list = test_scene_json(pool->scene, "list", "--json", NULL);
    JsonArray *guests = json_node_get_array(list);
    guint64 sum = 0;

    for (guint i = 0; i < json_array_get_length(guests); i++)
        sum += test_scene_size(json_array_get_object_element(guests, i), "actual");
    return sum + LEFT_OVER >= TEST_POOL_SIZE;
}

TestGuest *
test_pool_guest(TestPool *pool, guint i)
{
    return pool->scene->guests[i].guest;
}

guint64
test_pool_actual(TestPool *pool, guint i)
{
    g_autoptr(JsonObject) listed =
        test_scene_listed(pool->scene, test_guest_name(test_pool_guest(pool, i)));

    return test_scene_size(listed, "actual");
}

/* Before it has begun to write there is no output. */
static gboolean
has_grown(TestPool *pool, guint i)
{
    g_autofree char *output =
        test_guest_load_output(test_pool_guest(pool, i), pool->loads[i], NULL);

    return output && strstr(output, "step=grow=") != NULL;
}

void
test_pool_load(TestPool *pool, guint i, const char *steps)
{
    test_check(test_guest_load_start(test_pool_guest(pool, i), steps, &pool->loads[i], &error));
    pool->loaded[i] = TRUE;
    test_scene_await(has_grown(pool, i), TEST_POOL_PATIENCE);
}

void
test_pool_unload(TestPool *pool, guint i)
{
    pool->loaded[i] = FALSE;
    test_check(test_guest_load_stop(test_pool_guest(pool, i), pool->loads[i], &error));
}

TestPoolReport
test_pool_report(TestPool *pool, guint i)
{
    g_autoptr(JsonObject) report = NULL;

    test_check((report = test_guest_report(test_pool_guest(pool, i), &error)) != NULL);
    assert_int_equal(json_object_get_int_member(report, "oom_kills"), 0);
    return (TestPoolReport){
        .available = (guint64)json_object_get_int_member(report, "available"),
        .used = (guint64)(json_object_get_int_member(report, "total") -
                          json_object_get_int_member(report, "available")),
        .stalled_us = json_object_get_int_member(report, "psi_full_us"),
    };
}

guint
test_pool_leases(TestPool *pool, guint64 *claimed)
{
    g_autoptr(JsonNode) leases = test_scene_json(pool->scene, "leases", "--json", NULL);
    g_autoptr(JsonNode) host = test_scene_json(pool->scene, "host", "--json", NULL);
    JsonArray *array = json_node_get_array(leases);
    guint open = 0;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        const char *state = test_scene_text(json_array_get_object_element(array, i), "state");

        open += g_str_equal(state, "asked") || g_str_equal(state, "gathering") ||
                g_str_equal(state, "granted");
    }
    *claimed = test_scene_size(json_node_get_object(host), "claimed");
    return open;
}

gboolean
test_pool_nothing_is_held(TestPool *pool)
{
    guint64 claimed;

    return test_pool_leases(pool, &claimed) == 0 && claimed == 0;
}

char *
test_pool_last_lease(TestPool *pool)
{
    g_autoptr(JsonNode) leases = test_scene_json(pool->scene, "leases", "--json", NULL);
    JsonArray *array = json_node_get_array(leases);
    guint n = json_array_get_length(array);

    return n > 0 ? g_strdup(test_scene_text(json_array_get_object_element(array, n - 1), "state"))
                 : NULL;
}
