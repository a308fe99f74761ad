/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fifty domains, or as many as the machine holds: all are listed, and a cycle of
 * memplugd costs libvirtd one call, however many there are. The calls are counted, and
 * timed, by the log of memplugd's libvirt library, which names every message of its
 * protocol.
 *
 * The domains are tiny, have nothing to boot and never run.
 *
 * Usage: test-many
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

/* memplugd's deadline for a collection, and how far beyond what is usual a call may be. */
#define LATE_MS  250
#define PATIENCE 3
#define HANGS_MS 1000 /* so long, and a QEMU is taken to hang, whatever is usual */

#define MOST     50
#define EACH     (96 * MIB) /* that a QEMU with a tiny guest takes of the host, and more */
#define CONFIG   "[host]\ninterval=250ms\n[policy]\nname=static\n"
#define INTERVAL (G_USEC_PER_SEC / 4)
#define WATCH    (10 * G_USEC_PER_SEC)

/*
 * "2026-11-23 07:41:57.519+0000: 95: info : ... : RPC_CLIENT_MSG_TX_QUEUE: ... prog=536903814
 * ... proc=344 type=0 ... serial=8" when a call is sent, RPC_CLIENT_MSG_RX and type=1 with the
 * same serial when it is answered. The program is libvirt's, not its keep-alive's; procedures
 * have the numbers of its remote_protocol.x.
 */
#define LOG_FILTER "2:rpc.netclient"
#define SENT       "RPC_CLIENT_MSG_TX_QUEUE"
#define ANSWERED   "RPC_CLIENT_MSG_RX"
#define PROGRAM    "prog=536903814 "
#define BULK_CALL  344 /* REMOTE_PROC_CONNECT_GET_ALL_DOMAIN_STATS */
#define XML_CALL   14  /* REMOTE_PROC_DOMAIN_GET_XML_DESC */
#define PROCEDURES 512

/* What was called of one procedure. */
typedef struct {
    guint calls;
    guint answers;
    double total_ms;
    double most_ms;
} Calls;

typedef struct {
    TestDomain *domains[MOST];
    guint n;
    char *calls_path; /* the log of memplugd's libvirt library */
} Crowd;

static Crowd crowd;

static guint64
available_memory(void)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
        return 0;
    line = strstr(text, "MemAvailable:");
    return line ? g_ascii_strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
}

static void
start_domains(TestStage *stage)
{
    gint64 start_us = g_get_monotonic_time();

    crowd.n = (guint)CLAMP(available_memory() / EACH, 2, MOST);
    for (guint i = 0; i < crowd.n; i++) {
        g_autofree char *name = g_strdup_printf("tiny%02u", i);
        const TestDomainOptions options = {
            .name = name, .memory = 16 * MIB, .max_memory = 1024 * MIB, .no_kernel = TRUE
        };

        test_check((crowd.domains[i] = test_domain_define(stage->libvirtd, &options, &error)) !=
                   NULL);
        test_check(test_domain_start(crowd.domains[i], TRUE, &error));
    }
    print_message("  %u domains were started in %.1f s\n", crowd.n,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
}

/* The environment is memplugd's; virsh would write there, too. */
static void
start_daemon_with_log(TestStage *stage)
{
    g_autofree char *output = NULL;

    crowd.calls_path = test_room_path(stage->scene->room, "calls.log");
    output = g_strconcat("1:file:", crowd.calls_path, NULL);
    g_setenv("LIBVIRT_LOG_OUTPUTS", output, TRUE);
    g_setenv("LIBVIRT_LOG_FILTERS", LOG_FILTER, TRUE);
    test_stage_start_daemon(stage, CONFIG);
    g_unsetenv("LIBVIRT_LOG_OUTPUTS");
    g_unsetenv("LIBVIRT_LOG_FILTERS");
}

static int
setup(void **state)
{
    test_stage_setup(state);
    start_domains(*state);
    start_daemon_with_log(*state);
    return 0;
}

static int
teardown(void **state)
{
    for (guint i = 0; i < crowd.n; i++)
        test_domain_free(crowd.domains[i]);
    g_free(crowd.calls_path);
    return test_stage_teardown(state);
}

static guint
count_listed(TestStage *stage)
{
    g_autoptr(JsonNode) list = test_scene_json(stage->scene, "list", "--json", NULL);

    return json_array_get_length(json_node_get_array(list));
}

static void
test_all_are_listed(void **state)
{
    TestStage *stage = test_stage_enter(state);
    gint64 start_us = g_get_monotonic_time();

    test_scene_await(count_listed(stage) == crowd.n, TEST_SCENE_PATIENCE);
    print_message("  all were listed %.1f s after memplugd had its name\n",
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    for (guint i = 0; i < crowd.n; i++) {
        const char *name = test_domain_name(crowd.domains[i]);

        test_scene_await(test_stage_says(stage, name, "state", "paused"), TEST_SCENE_PATIENCE);
    }
    test_stage_leave(stage);
}

/* The number behind @label in a line of the log, or -1. */
static int
field(const char *line, const char *label)
{
    const char *at = strstr(line, label);

    return at ? atoi(at + strlen(label)) : -1;
}

/* The time of day at which a line of the log was written, in ms. */
static double
line_ms(const char *line)
{
    int hours = 0, minutes = 0;
    double seconds = 0;

    assert_int_equal(sscanf(line, "%*d-%*d-%*d %d:%d:%lf", &hours, &minutes, &seconds), 3);
    return ((hours * 60 + minutes) * 60 + seconds) * 1e3;
}

static void
note_answer(Calls *calls, double sent_ms, double answered_ms)
{
    double took_ms = answered_ms - sent_ms;

    if (took_ms < 0) /* over midnight */
        took_ms += 24 * 3600 * 1e3;
    calls->answers++;
    calls->total_ms += took_ms;
    calls->most_ms = MAX(calls->most_ms, took_ms);
}

/* Counts the calls in the part of the log from @offset. */
static void
count_calls(gsize offset, Calls all[PROCEDURES])
{
    g_autoptr(GHashTable) sent = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_autofree char *log = NULL;
    g_auto(GStrv) lines = NULL;
    gsize length;

    assert_true(g_file_get_contents(crowd.calls_path, &log, &length, NULL));
    lines = g_strsplit(log + MIN(offset, length), "\n", -1);
    for (char **line = lines; *line; line++) {
        int procedure = field(*line, " proc=");
        gpointer serial = GINT_TO_POINTER(field(*line, " serial="));
        double *at = g_hash_table_lookup(sent, serial);

        if (!strstr(*line, PROGRAM) || procedure < 0 || procedure >= PROCEDURES)
            continue;
        if (strstr(*line, SENT)) {
            double now = line_ms(*line);

            all[procedure].calls++;
            g_hash_table_replace(sent, serial, g_memdup2(&now, sizeof(now)));
        } else if (strstr(*line, ANSWERED) && field(*line, " type=") == 1 && at) {
            note_answer(&all[procedure], *at, line_ms(*line));
        }
    }
}

static gsize
log_length(void)
{
    g_autofree char *log = NULL;
    gsize length = 0;

    assert_true(g_file_get_contents(crowd.calls_path, &log, &length, NULL));
    return length;
}

static void
test_one_call_a_cycle(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree Calls *all = g_new0(Calls, PROCEDURES);
    guint others = 0;
    double usual_ms;
    gint64 start_us;
    double cycles;
    gsize offset;

    /* Whatever it has to learn of so many domains it knows by now. */
    g_usleep(2 * G_USEC_PER_SEC);
    offset = log_length();
    start_us = g_get_monotonic_time();
    g_usleep(WATCH);
    cycles = (double)(g_get_monotonic_time() - start_us) / INTERVAL;
    count_calls(offset, all);

    for (guint i = 0; i < PROCEDURES; i++) {
        if (all[i].calls == 0)
            continue;
        print_message("  procedure %3u%s: %u calls in %.1f cycles, %.1f ms each, %.0f ms at most\n",
                      i, i == BULK_CALL ? " (all statistics)" : "", all[i].calls, cycles,
                      all[i].total_ms / MAX(all[i].answers, 1), all[i].most_ms);
        others += i == BULK_CALL ? 0 : all[i].calls;
    }
    /* On a machine that is busy a cycle may be left out, since the one before still waits. */
    assert_in_range(all[BULK_CALL].calls, 2, (guint)cycles + 2);
    /* On any machine: their XML is read for a reason, not with the clock. */
    assert_in_range(all[XML_CALL].calls, 0, crowd.n);
    /* Whatever else is asked, it is not asked of each domain, and not in each cycle; but
     * a call that takes far longer than others did has each of its domains asked what
     * hinders it. */
    usual_ms = all[BULK_CALL].total_ms / MAX(all[BULK_CALL].answers, 1);
    if (all[BULK_CALL].most_ms < MIN(HANGS_MS, MAX(LATE_MS, PATIENCE * usual_ms)))
        assert_true(others < crowd.n && others < cycles);
    else
        print_message("  the machine was busy: a call was late\n");
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_listed),
        cmocka_unit_test(test_one_call_a_cycle),
    };

    if (argc != 1) {
        g_printerr("usage: test-many\n");
        return 2;
    }
    return test_stage_can_run(NULL) ? cmocka_run_group_tests_name("many", tests, setup, teardown)
                                    : 77;
}
