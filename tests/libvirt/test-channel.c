/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stats channel of a domain, through libvirt: a guest's port as a pair of streams. The
 * hypervisor is in the test's own process, without memplugd; at the other end is a shell of
 * the guest. And at last the real agent, and memplugd.
 *
 * Usage: test-channel KERNEL-LINE
 */
#include <string.h>

#include "hypervisor/libvirt/libvirt-hypervisor.h"
#include "tests/fake/await.h"
#include "tests/libvirt/harness/test-stage.h"

#define PORT "/dev/virtio-ports/org.memplug.stats.0"

#define CHANNEL                                         \
    "<channel type='unix'><target type='virtio' name='" \
    "org.memplug.stats.0'/></channel>"

/* Ends the process whose number it left, and which has the port. */
#define LET_GO "kill -9 $(cat /tmp/user); while [ -e /proc/$(cat /tmp/user) ]; do sleep 0.1; done"

#define STATE "string(/domain/devices/channel/target/@state)"

static const char *kernel;
static Hypervisor *hypervisor;
static Guest *guest; /* the domain; NULL while it is not there */

static void
on_added(Hypervisor *source, Guest *added, gpointer data)
{
    g_set_object(&guest, added);
}

static void
on_removed(Hypervisor *source, Guest *removed, gpointer data)
{
    g_clear_object(&guest);
}

static gboolean
is_running(gpointer data)
{
    return guest && guest_get_state(guest) == GUEST_STATE_RUNNING;
}

static gboolean
is_unreachable(gpointer data)
{
    return guest && guest_get_state(guest) == GUEST_STATE_UNREACHABLE;
}

static gboolean
is_gone(gpointer data)
{
    return guest == NULL;
}

static int
setup(void **state)
{
    const TestDomainOptions options = { .name = "vm", .kernel = kernel, .devices = CHANNEL };
    TestStage *stage;

    test_stage_setup(state);
    stage = *state;
    test_stage_boot(stage, &options, 1);
    hypervisor = libvirt_hypervisor_new(test_libvirtd_uri(stage->libvirtd), NULL);
    g_signal_connect(hypervisor, "guest-added", G_CALLBACK(on_added), NULL);
    g_signal_connect(hypervisor, "guest-removed", G_CALLBACK(on_removed), NULL);
    assert_true(hypervisor_start(hypervisor, NULL));
    await_condition(is_running, NULL, "the guest");
    return 0;
}

static int
teardown(void **state)
{
    g_clear_object(&guest);
    g_clear_object(&hypervisor);
    await_ms(50); /* its connection is closed by a thread */
    return test_stage_teardown(state);
}

static GIOStream *
try_open(GError **error)
{
    g_auto(Await) opening = { NULL };

    guest_open_channel_async(guest, NULL, await_callback, &opening);
    return guest_open_channel_finish(guest, await_result(&opening), error);
}

static GIOStream *
open_channel(void)
{
    GIOStream *channel;

    test_check((channel = try_open(&error)) != NULL);
    return channel;
}

static void
shut(GIOStream *channel)
{
    g_autoptr(GIOStream) owned = channel;
    g_auto(Await) closing = { NULL };

    g_io_stream_close_async(owned, G_PRIORITY_DEFAULT, NULL, await_callback, &closing);
    assert_true(g_io_stream_close_finish(owned, await_result(&closing), NULL));
}

static void
in_guest(TestStage *stage, const char *script)
{
    test_check(test_guest_run(stage->domains[0].guest, script, NULL, &error));
}

static gboolean
state_is(TestStage *stage, const char *expected)
{
    g_autofree char *now = NULL;

    test_check((now = test_domain_xpath(stage->domains[0].domain, TEST_DOMAIN_LIVE, STATE,
                                        &error)) != NULL);
    return g_str_equal(now, expected);
}

static gssize
read_some(GIOStream *channel, char *buffer, gsize size, GError **error)
{
    g_auto(Await) reading = { NULL };
    GInputStream *input = g_io_stream_get_input_stream(channel);

    g_input_stream_read_async(input, buffer, size, G_PRIORITY_DEFAULT, NULL, await_callback,
                              &reading);
    return g_input_stream_read_finish(input, await_result(&reading), error);
}

/* Reads a whole line, without its end. */
static char *
read_line(GIOStream *channel)
{
    GString *line = g_string_new(NULL);
    char byte = 0;

    while (byte != '\n') {
        g_autoptr(GError) error = NULL;

        if (read_some(channel, &byte, 1, &error) != 1)
            fail_msg("'%s' and no more: %s", line->str, error ? error->message : "the end");
        g_string_append_c(line, byte);
    }
    g_string_truncate(line, line->len - 1);
    return g_string_free(line, FALSE);
}

static void
write_text(GIOStream *channel, const char *text)
{
    g_auto(Await) writing = { NULL };
    GOutputStream *output = g_io_stream_get_output_stream(channel);

    g_output_stream_write_all_async(output, text, strlen(text), G_PRIORITY_DEFAULT, NULL,
                                    await_callback, &writing);
    assert_true(g_output_stream_write_all_finish(output, await_result(&writing), NULL, NULL));
}

/* Reads, and drops, until the channel has ended. */
static void
read_to_the_end(GIOStream *channel)
{
    char buffer[4096];

    while (read_some(channel, buffer, sizeof(buffer), NULL) > 0)
        ;
}

/* libvirt answers on the connection that the channel shares. */
static void
assert_connection_serves(void)
{
    g_auto(Await) observing = { NULL };
    g_autoptr(GuestMemory) memory = NULL;

    guest_observe_async(guest, NULL, await_callback, &observing);
    test_check((memory = guest_observe_finish(guest, await_result(&observing), &error)) != NULL);
}

/*
 * Cases
 */

/* Before anybody in the guest has the port, as well; and libvirt tells that apart. */
static void
test_both_ways(void **state)
{
    TestStage *stage = test_stage_enter(state);
    GIOStream *channel = open_channel();
    g_autofree char *answer = NULL;
    g_autoptr(GError) error = NULL;

    assert_true(state_is(stage, "disconnected"));
    in_guest(stage, "(read -r line; echo \"guest has $line\") <>" PORT " >&0 2>/dev/null &");
    write_text(channel, "a word\n");
    answer = read_line(channel);
    assert_string_equal(answer, "guest has a word");

    assert_null(try_open(&error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY));
    print_message("  opened twice: %s\n", error->message);
    shut(channel);
    shut(open_channel());
    test_stage_leave(stage);
}

/* As much as it can, and nobody reads. */
static void
test_guest_floods(void **state)
{
    TestStage *stage = test_stage_enter(state);
    GIOStream *channel;
    gsize taken = 0;
    gint64 start_us;
    char buffer[4096];
    gssize n;

    channel = open_channel();
    in_guest(stage, "cat /dev/zero >" PORT " 2>/dev/null & echo $! >/tmp/user");
    await_ms(3000); /* nobody reads */
    assert_connection_serves();
    start_us = g_get_monotonic_time();
    while ((n = read_some(channel, buffer, sizeof(buffer), NULL)) > 0)
        taken += (gsize)n;
    print_message("  of what an unread guest sent %zu KiB were kept (%s)\n", taken / 1024,
                  n < 0 ? "an error" : "the end");
    assert_in_range(taken, 1, 256 * 1024);
    assert_int_equal(n, -1);
    shut(channel);

    /* It is read as fast as it comes: that has no end. */
    channel = open_channel();
    for (taken = 0, start_us = g_get_monotonic_time(); taken < 8 * MIB; taken += (gsize)n)
        if ((n = read_some(channel, buffer, sizeof(buffer), NULL)) <= 0)
            fail_msg("it ended after %zu KiB", taken / 1024);
    print_message("  8 MiB came in %.2f s\n",
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    assert_connection_serves();
    shut(channel);
    in_guest(stage, LET_GO);
    test_stage_leave(stage);
}

/* It has the port and does not read: what is written comes back to nobody else. */
static void
test_guest_does_not_read(void **state)
{
    static const guint8 frame[80] = { 0 };
    TestStage *stage = test_stage_enter(state);
    GError *error = NULL;
    guint rounds = 4;

    in_guest(stage, "sleep 60 <" PORT " & echo $! >/tmp/user");
    while (rounds-- > 0) {
        GIOStream *channel = open_channel();
        GOutputStream *output = g_io_stream_get_output_stream(channel);
        guint written = 0;

        while (g_output_stream_write(output, frame, sizeof(frame), NULL, &error) > 0)
            written++;
        print_message("  %u frames were written: %s\n", written, error->message);
        assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE));
        g_clear_error(&error);
        await_ms(100); /* until it is in the guest, or stuck */
        assert_connection_serves();
        shut(channel);
    }
    in_guest(stage, LET_GO);
    test_stage_leave(stage);
}

static void
test_libvirtd_goes(void **state)
{
    TestStage *stage = test_stage_enter(state);
    GIOStream *channel = open_channel();
    g_autofree char *answer = NULL;

    test_libvirtd_kill(stage->libvirtd);
    read_to_the_end(channel);
    await_condition(is_unreachable, NULL, "the guest to be unreachable");
    shut(channel);
    test_check(test_libvirtd_restart(stage->libvirtd, &error));
    await_condition(is_running, NULL, "the guest to be back");
    channel = open_channel();
    in_guest(stage, "echo again >" PORT);
    answer = read_line(channel);
    assert_string_equal(answer, "again");
    shut(channel);
    test_stage_leave(stage);
}

static gboolean
is_told_by_agent(TestStage *stage)
{
    g_autoptr(JsonNode) node = test_scene_json(stage->scene, "stats", "vm", "--json", NULL);
    JsonObject *stats = json_node_get_object(node);

    return g_strcmp0(json_object_get_string_member_with_default(stats, "source", NULL), "agent") ==
           0;
}

/* The real agent and memplugd; and once more after the guest was saved, with the channel open. */
static void
test_the_agent_is_heard(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = &stage->domains[0];
    g_autofree char *told = NULL;
    GIOStream *channel;

    /* By the rule the port is the agent's user's; the agent here is root without privileges. */
    in_guest(stage, "chown root $(readlink -f " PORT ")");
    test_check(test_guest_agent_start(domain->guest, "", &error));
    test_stage_start_daemon(stage, "[policy]\nname=static\n");
    test_scene_await(is_told_by_agent(stage), TEST_SCENE_PATIENCE);
    /* QEMU tells that a port was opened at most once a second. */
    test_scene_await(state_is(stage, "connected"), TEST_SCENE_PATIENCE);
    told = test_scene_memplug(stage->scene, 0, "stats", "vm", NULL);
    print_message("%s", told);

    test_check(test_domain_save(domain->domain, &error));
    test_scene_await(test_scene_listed(stage->scene, "vm") == NULL, TEST_SCENE_PATIENCE);
    await_condition(is_gone, NULL, "the end of the guest");
    test_check(test_domain_restore(domain->domain, &error));
    test_scene_await(test_scene_listed(stage->scene, "vm") != NULL, TEST_SCENE_PATIENCE);
    test_scene_await(is_told_by_agent(stage), TEST_SCENE_PATIENCE);
    await_condition(is_running, NULL, "the guest to be back");

    test_daemon_kill(stage->scene->daemon);
    test_scene_await((channel = try_open(NULL)) != NULL, TEST_SCENE_PATIENCE);
    shut(channel);
    test_stage_leave(stage);
}

static void
test_domain_ends(void **state)
{
    TestStage *stage = test_stage_enter(state);
    GIOStream *channel = open_channel();

    test_check(test_domain_virsh(stage->domains[0].domain, NULL, &error, "destroy", NULL));
    read_to_the_end(channel);
    await_condition(is_gone, NULL, "the end of the guest");
    shut(channel);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),           cmocka_unit_test(test_guest_floods),
        cmocka_unit_test(test_guest_does_not_read), cmocka_unit_test(test_libvirtd_goes),
        cmocka_unit_test(test_the_agent_is_heard),  cmocka_unit_test(test_domain_ends),
    };

    if (argc != 2) {
        g_printerr("usage: test-channel KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_stage_can_run(kernel)
               ? cmocka_run_group_tests_name("channel", tests, setup, teardown)
               : 77;
}
