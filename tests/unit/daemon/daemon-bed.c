/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/daemon/daemon-bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fake/await.h"

void
daemon_bed_start(DaemonBed *bed, guint64 budget, gboolean dry_run, GCallback on_event,
                 gpointer data)
{
    bed->hypervisor = fake_hypervisor_new();
    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->config->budget = budget;
    bed->intents = intent_store_new_volatile();
    bed->roster =
        roster_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->config, bed->intents, dry_run);
    if (on_event)
        g_signal_connect(bed->roster, "event", on_event, data);
    bed->cycle = cycle_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->roster, bed->config, budget);
}

void
daemon_bed_end(DaemonBed *bed)
{
    cycle_free(bed->cycle);
    g_object_unref(bed->roster);
    await_quiet();
    g_object_unref(bed->hypervisor);
    intent_store_free(bed->intents);
    config_free(bed->config);
}

ManagedGuest *
daemon_bed_managed(DaemonBed *bed, guint number)
{
    return roster_get_guests(bed->roster)->pdata[number];
}

void
daemon_bed_live(DaemonBed *bed, guint seconds)
{
    for (guint i = 0; i < seconds; i++) {
        g_auto(Await) await = { NULL };

        hypervisor_collect_async(MEMPLUG_HYPERVISOR(bed->hypervisor), 100, NULL, await_callback,
                                 &await);
        assert_true(hypervisor_collect_finish(MEMPLUG_HYPERVISOR(bed->hypervisor),
                                              await_result(&await), NULL));
        cycle_run(bed->cycle, g_get_monotonic_time());
        await_ms(8);
    }
}

void
played_agent_say(PlayedAgent *agent, StatsFrame *frame)
{
    guint8 bytes[STATS_FRAME_MOST];
    gsize length;

    frame->sequence = agent->sequence++;
    length = stats_frame_encode(frame, bytes, sizeof bytes);
    assert_int_equal(write(agent->fd, bytes, length), length);
}

void
played_agent_hello(PlayedAgent *agent, const char *boot_id, guint64 can, guint64 fastest)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_HELLO);
    strcpy(frame.hello.agent, "test 1");
    strcpy(frame.hello.kernel, "6.12.0");
    g_strlcpy(frame.hello.boot_id, boot_id, sizeof frame.hello.boot_id);
    frame.hello.can = can;
    frame.hello.fastest = fastest;
    played_agent_say(agent, &frame);
}
