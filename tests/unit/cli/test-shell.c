/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shell as a script and at a terminal, and completion.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>

#include "build-config.h"
#include "tests/fake/await.h"

static void
test_script(void **state)
{
    static const char input[] = "# a comment\n"
                                "\n"
                                "setmem 'web' 512M\n"
                                "nonsense\n"
                                "list --json\n"
                                "quit\n"
                                "never reached\n";
    const char *const words[] = { NULL };
    g_auto(Run) run = run_end(run_begin(bus_fixture.address, input, words));

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "web: 512 MiB (was 256 MiB)");
    run_assert_contains(run.out, "\"requested\" : 536870912");
    run_assert_contains(run.err, "unknown command 'nonsense'");
    assert_null(strstr(run.err, "never"));
    assert_null(strstr(run.out, "memplug>"));
}

static void
test_script_ends_as_its_last_command(void **state)
{
    static const struct {
        const char *input;
        int status;
    } rows[] = {
        { "info nobody\n", 1 }, { "list\nsetmem\n", 2 },       { "setmem\nlist", 0 },
        { "list 'open", 2 },    { "list --bus session\n", 2 }, { "", 0 },
    };
    const char *const words[] = { NULL };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Run) run = run_end(run_begin(bus_fixture.address, rows[i].input, words));

        run_assert_status(&run, rows[i].status);
    }
}

/* Where the shell keeps its history, for one test. */
static char *state_home;

static int
set_up_state_home(void **state)
{
    state_home = g_dir_make_tmp("memplug-test-XXXXXX", NULL);
    g_setenv("XDG_STATE_HOME", state_home, TRUE);
    return bus_fixture_set_up(state);
}

static char *
history_file(void)
{
    return g_build_filename(state_home, "memplug", "history", NULL);
}

static int
tear_down_state_home(void **state)
{
    g_autofree char *file = history_file();
    g_autofree char *folder = g_path_get_dirname(file);

    g_unlink(file);
    g_rmdir(folder);
    g_rmdir(state_home);
    g_unsetenv("XDG_STATE_HOME");
    g_clear_pointer(&state_home, g_free);
    return bus_fixture_tear_down(state);
}

static void
test_shell_at_a_terminal(void **state)
{
    g_autofree char *history = NULL, *kept = NULL;
    RunPending *pending;
    g_auto(Run) run = { 0 };

    if (!HAVE_READLINE) {
        print_message("skipped: built without readline\n");
        skip();
    }
    history = history_file();
    g_setenv("TERM", "dumb", TRUE);
    pending = run_begin_at_terminal(bus_fixture.address);
    run_await_output(pending, "memplug> ");
    /* Completed: a command, a guest, an option. */
    run_type(pending, "setm\tw\t512M --no-w\t\n");
    run_await_output(pending, "asked for 512 MiB");
    run_await_output(pending, "memplug> ");
    /* Ctrl-C drops the line, not the shell. */
    run_type(pending, "dropped");
    run_await_output(pending, "dropped");
    run_signal(pending, SIGINT);
    run_await_output(pending, "memplug> ");
    run_type(pending, "limits we\t\n");
    run_await_output(pending, "Ceiling:      1 GiB");
    run_await_output(pending, "memplug> ");
    run_type(pending, "nonsense\n");
    run_await_output(pending, "memplug> ");
    run_type(pending, "\004");
    run = run_end(pending);

    run_assert_status(&run, 0);
    run_assert_contains(run.err, "unknown command 'nonsense'");
    assert_null(strstr(run.err, "dropped"));
    assert_true(g_file_get_contents(history, &kept, NULL, NULL));
    assert_string_equal(kept, "setmem web 512M --no-wait \nlimits web \nnonsense\n");
}

static void
assert_completes(const char *line, const char *expected)
{
    const char *const words[] = { "--complete", line, NULL };
    g_auto(Run) run = run_end(run_begin(bus_fixture.address, NULL, words));

    run_assert_status(&run, 0);
    assert_string_equal(run.out, expected);
    assert_string_equal(run.err, "");
}

static void
test_completion_asks_the_daemon(void **state)
{
    bus_daemon_add_guest(bus_fixture.daemon, "mail");
    bus_daemon_add_guest(bus_fixture.daemon, "web 2");
    assert_completes("memplug info ", "mail\nweb\nweb 2\n");
    assert_completes("memplug --json setmem w", "web\nweb 2\n");
    assert_completes("memplug events --guest=m", "--guest=mail\n");
    assert_completes("memplug unplug web ", "memplug-dimm-1\n");
    assert_completes("memplug unplug nobody ", "");
    bus_daemon_leave(bus_fixture.daemon);
    assert_completes("memplug info ", "");
}

static void
test_bash_completion(void **state)
{
    g_autofree char *bash = g_find_program_in_path("bash");
    g_autofree char *script = NULL;
    Await await = { NULL };
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *out = NULL;

    if (!bash) {
        print_message("skipped: there is no bash\n");
        skip();
    }
    bus_daemon_add_guest(bus_fixture.daemon, "web 2");
    bus_daemon_add_guest(bus_fixture.daemon, "a:b");
    script = g_strdup_printf("source %s && MEMPLUG_BUS='%s' && export MEMPLUG_BUS\n"
                             "complete_at() { COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=(); "
                             "_memplug %s; printf '%%s|' \"${COMPREPLY[@]}\"; echo; }\n"
                             "complete_at 'memplug setm'\n"
                             "complete_at 'memplug info w'\n"
                             "complete_at 'memplug info a:'\n"
                             "complete_at 'memplug limits web --mechanism=d'\n",
                             g_getenv("MEMPLUG_COMPLETION"), bus_fixture.address,
                             g_getenv("MEMPLUG_PROGRAM"));
    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, bash, "-c", script, NULL);
    g_subprocess_communicate_utf8_async(process, NULL, NULL, await_callback, &await);
    g_subprocess_communicate_utf8_finish(process, await_result(&await), &out, NULL, NULL);
    await_clear(&await);
    assert_string_equal(out, "setmem|\n"
                             "web|web\\ 2|\n"
                             "b|\n"
                             "dimm|\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_script),
        BUS_FIXTURE_TEST(test_script_ends_as_its_last_command),
        cmocka_unit_test_setup_teardown(test_shell_at_a_terminal, set_up_state_home,
                                        tear_down_state_home),
        BUS_FIXTURE_TEST(test_completion_asks_the_daemon),
        BUS_FIXTURE_TEST(test_bash_completion),
    };

    return BUS_FIXTURE_RUN(tests);
}
