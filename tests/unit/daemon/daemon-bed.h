/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon above the hypervisor, without bus and main loop of its own: a test runs the cycles by
 * hand. And a guest's agent, which the test plays.
 */
#pragma once

#include "daemon/cycle.h"
#include "guest/stats-frame.h"
#include "tests/fake/fake-hypervisor.h"

typedef struct {
    FakeHypervisor *hypervisor;
    Config *config; /* the defaults, and the budget */
    IntentStore *intents;
    Roster *roster;
    Cycle *cycle;
} DaemonBed;

/* @on_event: (nullable): a handler of the roster's "event", which is given @data */
void daemon_bed_start(DaemonBed *bed, guint64 budget, gboolean dry_run, GCallback on_event,
                      gpointer data);
void daemon_bed_end(DaemonBed *bed);

/* Returns: (transfer none): the guest found as number @number. */
ManagedGuest *daemon_bed_managed(DaemonBed *bed, guint number);

/* Some seconds of the guests' life: statistics, and a cycle, for each. */
void daemon_bed_live(DaemonBed *bed, guint seconds);

typedef struct {
    int fd; /* its end of the channel */
    guint32 sequence;
} PlayedAgent;

/* @can: STATS_CAN_… */
void played_agent_hello(PlayedAgent *agent, const char *boot_id, guint64 can, guint64 fastest);

void played_agent_say(PlayedAgent *agent, StatsFrame *frame);
