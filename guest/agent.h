/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplug-guest without its main(): what it does at which time. After
 * agent_start() it allocates nothing.
 *
 *   agent_start()
 *   agent_poll()  ─▶ what to wait for, and until when
 *   agent_run()   after that
 *   agent_stop()
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/channel.h"
#include "guest/collect.h"
#include "guest/shrink-answer.h"
#include "guest/watch.h"

typedef struct {
    const char *port;
    const char *root;        /* "", or a folder with other /proc and /sys */
    uint64_t period_us;      /* of samples, unless the host says otherwise */
    uint64_t fastest;        /* see speed.h */
    bool no_forecast;        /* does not look ahead: only samples, and stalls if it is told */
    int stall_fd;            /* see stall-trigger.h; -1: none; closed by agent_stop() */
    const char *description; /* name and version */
} AgentOptions;

enum { AGENT_POLL_CHANNEL, AGENT_POLL_STALL, AGENT_POLL_COUNT };

typedef struct {
    /* to be read by others */
    uint64_t looks;
    uint64_t samples;
    Channel channel;

    /* private */
    AgentOptions options;
    Collector collector;
    Watch watch;
    ShrinkHistory history;
    StatsFrame hello;
    StatsFrame sample; /* the latest look or sample */
    StatsWelcome welcome;
    int64_t look_us;    /* when to look next */
    int64_t sample_us;  /* when to sample next */
    int64_t watched_us; /* a shrink is watched until then */
} Agent;

/* Returns: false, and errno is set, if there is no meminfo below the root. */
bool agent_start(Agent *agent, const AgentOptions *options);
void agent_stop(Agent *agent);

/*
 * agent_poll:
 * @polls: (out): what to wait for; an entry may have the descriptor -1
 *
 * Returns: when agent_run() is to be called at the latest.
 */
int64_t agent_poll(const Agent *agent, struct pollfd polls[AGENT_POLL_COUNT]);

/* @polls: with what poll() found */
void agent_run(Agent *agent, const struct pollfd polls[AGENT_POLL_COUNT], int64_t now);

/* Returns: by how many µs a wait until @until may be longer: an eighth of it, for which
 * the watch's safety has room. */
int64_t agent_slack_us(int64_t now, int64_t until);
