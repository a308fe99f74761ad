/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/burst-stage.h"

#include <stdio.h>

#define MIB      (G_GUINT64_CONSTANT(1) << 20)
#define ALL      (1024 * MIB)
#define PATIENCE (30 * G_USEC_PER_SEC)

/* Until the agent has looked often enough to know that nothing goes on, and the daemon has
 * samples. */
#define REST_US (2 * G_USEC_PER_SEC)

struct BurstStage {
    TestRoom *room;
    BurstMechanism mechanism;
    BurstService service;
    char *folder;
    char *uri;
    TestGuest *guest;
    TestDaemon *daemon;
    gboolean agent;
};

static const char *const names[] = { "virtio-mem", "DIMM", "balloon" };
static const char *const words[] = { "virtio-mem", "dimm", "balloon" };
G_STATIC_ASSERT(G_N_ELEMENTS(names) == BURST_N_MECHANISMS);
G_STATIC_ASSERT(G_N_ELEMENTS(words) == BURST_N_MECHANISMS);

const char *
burst_mechanism_name(BurstMechanism mechanism)
{
    return names[mechanism];
}

BurstStage *
burst_stage_new(TestRoom *room, const char *kernel, BurstMechanism mechanism, GError **error)
{
    const TestGuestOptions options = {
        .kernel = kernel,
        .memory = mechanism == BURST_BALLOON ? ALL : BURST_STAGE_BASE,
        .virtio_mem = mechanism == BURST_VIRTIO_MEM ? ALL : 0,
        .stats_port = TRUE,
    };
    g_autoptr(BurstStage) stage = g_new0(BurstStage, 1);

    stage->room = room;
    stage->mechanism = mechanism;
    stage->folder = test_room_path(room, "q");
    stage->uri = g_strconcat("qmp:", stage->folder, NULL);
    if (g_mkdir_with_parents(stage->folder, 0700) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", stage->folder,
                    g_strerror(errno));
        return NULL;
    }
    stage->guest = test_guest_boot(room, stage->folder, &options, error);
    if (!stage->guest || !test_guest_swap_on(stage->guest, 1024 * MIB, error))
        return NULL;
    return g_steal_pointer(&stage);
}

void
burst_stage_free(BurstStage *stage)
{
    if (!stage)
        return;
    test_daemon_free(stage->daemon);
    test_guest_free(stage->guest);
    g_free(stage->folder);
    g_free(stage->uri);
    g_free(stage);
}

TestGuest *
burst_stage_guest(BurstStage *stage)
{
    return stage->guest;
}

TestDaemon *
burst_stage_daemon(BurstStage *stage)
{
    return stage->daemon;
}

static char *
make_config(const BurstStage *stage)
{
    g_autofree char *interval = stage->service.interval
                                    ? g_strdup_printf("interval=%s\n", stage->service.interval)
                                    : g_strdup("");

    return g_strdup_printf("[host]\nbudget=4G\n%s[defaults]\nfloor=%" G_GUINT64_FORMAT
                           "M\nceiling=1G\nmechanism=%s\n",
                           interval, BURST_STAGE_BASE / MIB, words[stage->mechanism]);
}

static gboolean
memplug(BurstStage *stage, GError **error, const char *verb, const char *argument)
{
    g_auto(TestCommand) command = { 0 };

    if (!test_daemon_run(stage->daemon, &command, error, verb, "guest", argument, NULL))
        return FALSE;
    if (command.status == 0)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplug %s guest %s: %s%s", verb, argument,
                command.output, command.messages);
    return FALSE;
}

static gboolean
await_log(BurstStage *stage, const char *text, guint times, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE;

    do {
        g_autofree char *log = test_daemon_log(stage->daemon);
        const char *at = log;
        guint found = 0;

        while ((at = strstr(at, text)) != NULL) {
            at += strlen(text);
            found++;
        }
        if (found >= times)
            return TRUE;
        g_usleep(20000);
    } while (g_get_monotonic_time() < deadline);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "memplugd never said '%s'", text);
    return FALSE;
}

/* A fresh memplugd; what the guest was held at stays its word. */
static gboolean
renew_daemon(BurstStage *stage, GError **error)
{
    g_autofree char *config = make_config(stage);

    if (!stage->daemon) {
        stage->daemon = test_daemon_start(stage->room, stage->uri, config, NULL, error);
        return stage->daemon && await_log(stage, "guest-added", 1, error);
    }
    test_daemon_kill(stage->daemon);
    return test_daemon_configure(stage->daemon, config, error) &&
           test_daemon_restart(stage->daemon, error);
}

gboolean
burst_stage_serve(BurstStage *stage, const BurstService *service, GError **error)
{
    stage->service = *service;
    if (stage->agent && !test_guest_agent_stop(stage->guest, error))
        return FALSE;
    stage->agent = service->agent != NULL;
    return !stage->agent || test_guest_agent_start(stage->guest, service->agent, error);
}

/* Again and again: the guest may not be known yet, or still be busy with what was. */
static gboolean
insist(BurstStage *stage, const char *verb, const char *argument, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gint64 deadline = g_get_monotonic_time() + PATIENCE;

    while (!memplug(stage, &failure, verb, argument)) {
        if (g_get_monotonic_time() > deadline) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        g_clear_error(&failure);
        g_usleep(200000);
    }
    return TRUE;
}

static gboolean
set_memory(BurstStage *stage, guint64 bytes, GError **error)
{
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT "M", bytes / MIB);

    return insist(stage, "setmem", size, error);
}

static gboolean
parse(const char *text, BurstResult *result, GError **error)
{
    if (sscanf(text,
               "first_ms=%" G_GINT64_FORMAT " done_ms=%" G_GINT64_FORMAT
               " some_us=%" G_GINT64_FORMAT " full_us=%" G_GINT64_FORMAT
               " oom_kills=%" G_GINT64_FORMAT " swapped=%" G_GINT64_FORMAT,
               &result->first_ms, &result->done_ms, &result->some_us, &result->full_us,
               &result->oom_kills, &result->swapped) == 6)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "burst said: %s", text);
    return FALSE;
}

static gboolean
burst(BurstStage *stage, guint megabytes, BurstResult *result, GError **error)
{
    /* What the one before left in swap and cache is not this one's. */
    g_autofree char *script = g_strdup_printf("burst %uM", megabytes);
    g_autofree char *output = NULL;

    g_usleep(REST_US);
    return test_guest_run(stage->guest, script, &output, error) && parse(output, result, error);
}

gboolean
burst_stage_run(BurstStage *stage, guint megabytes, BurstResult *result, GError **error)
{
    return (stage->daemon || renew_daemon(stage, error)) &&
           set_memory(stage, BURST_STAGE_BASE, error) && renew_daemon(stage, error) &&
           insist(stage, "manage", "on", error) &&
           await_log(stage, "statistics come in", 1, error) &&
           burst(stage, megabytes, result, error);
}

/* Memory that was given back has no page on the host until it is used again. */
static gboolean
forget_pages(BurstStage *stage, GError **error)
{
    return set_memory(stage, BURST_STAGE_BASE, error);
}

gboolean
burst_stage_run_with_all(BurstStage *stage, gboolean touched, guint megabytes, BurstResult *result,
                         GError **error)
{
    return (stage->daemon || renew_daemon(stage, error)) &&
           (touched || forget_pages(stage, error)) && set_memory(stage, ALL, error) &&
           burst(stage, megabytes, result, error);
}
