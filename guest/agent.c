/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two things go on by the clock: looks, which read /proc/meminfo only and may come
 * every 5 ms, and samples, which read everything, once a period. A sample is a look as
 * well, and it is taken early when a look is due shortly before it, so that a guest
 * with plenty wakes once a second for both.
 *
 * Without a host to hear it, the agent does neither: it looks for the host once a
 * second, and begins anew when it comes.
 *
 * While a shrink is watched, samples come four times as often: from the SHRINK until
 * its end is told, or the time that the host said has passed.
 */
#include "guest/agent.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_MIN_US 100000
#define PERIOD_MAX_US 60000000

#define WATCHED_DIVISOR    4
#define WATCHED_DEFAULT_US 10000000
#define WATCHED_MAX_US     600000000

/* Of a period: so much earlier a sample may come. */
#define EARLY_DIVISOR 8

bool
agent_start(Agent *agent, const AgentOptions *options)
{
    memset(agent, 0, sizeof(*agent));
    agent->options = *options;
    if (!collector_open(&agent->collector, options->root))
        return false;
    watch_start(&agent->watch, options->fastest);
    shrink_history_start(&agent->history);
    channel_start(&agent->channel, options->port);

    stats_frame_clear(&agent->hello, STATS_FRAME_HELLO);
    agent->hello.hello.can = STATS_CAN_ANSWER | (options->no_forecast ? 0 : STATS_CAN_WATCH);
    agent->hello.hello.can |= options->stall_fd >= 0 ? STATS_CAN_STALL : 0;
    agent->hello.hello.fastest = options->fastest;
    strncpy(agent->hello.hello.agent, options->description, STATS_VERSION_ROOM - 1);
    collector_describe(&agent->collector, options->root, &agent->hello.hello);
    return true;
}

void
agent_stop(Agent *agent)
{
    channel_stop(&agent->channel);
    collector_close(&agent->collector);
    if (agent->options.stall_fd >= 0)
        close(agent->options.stall_fd);
    agent->options.stall_fd = -1;
}

static int64_t
hold_within(uint64_t value, int64_t least, int64_t most)
{
    if (value < (uint64_t)least)
        return least;
    return value < (uint64_t)most ? (int64_t)value : most;
}

static int64_t
period(const Agent *agent, int64_t now)
{
    uint64_t told = agent->welcome.period_us;
    int64_t period = hold_within(told == STATS_MISSING ? agent->options.period_us : told,
                                 PERIOD_MIN_US, PERIOD_MAX_US);

    if (now < agent->watched_us)
        period = hold_within((uint64_t)period / WATCHED_DIVISOR, PERIOD_MIN_US, period);
    return period;
}

/* Looking, sampling, asking ----------------------------------------------- */

static void
send_urgent(Agent *agent, StatsUrgentCause cause, const WatchRequest *request, int64_t now)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_URGENT);
    frame.urgent.time_us = (uint64_t)now;
    frame.urgent.available = collect_available(&agent->sample.sample);
    frame.urgent.total = agent->sample.sample.total;
    frame.urgent.size = request->size;
    frame.urgent.cause = cause;
    frame.urgent.fall = request->fall;
    frame.urgent.left_us = request->left_us;
    channel_send(&agent->channel, CHANNEL_URGENT, &frame);
}

static bool
look(Agent *agent, int64_t now)
{
    StatsSample *sample = &agent->sample.sample;
    WatchRequest request;

    agent->looks++;
    if (now >= agent->watched_us)
        watch_expect(&agent->watch, 0);
    stats_frame_clear(&agent->sample, STATS_FRAME_SAMPLE);
    sample->time_us = (uint64_t)now;
    if (!collector_look(&agent->collector, sample))
        return false;
    if (!watch_look(&agent->watch, &(WatchLook){ now, sample->total, collect_available(sample) },
                    &request))
        return true;
    if (agent->options.no_forecast)
        watch_withdraw(&agent->watch);
    else
        send_urgent(agent, STATS_URGENT_FORECAST, &request, now);
    return true;
}

static void
look_and_sample(Agent *agent, int64_t now)
{
    int64_t every = period(agent, now);
    bool is_due = now >= agent->sample_us - every / EARLY_DIVISOR;

    if (look(agent, now) && is_due) {
        collector_complete(&agent->collector, &agent->sample.sample, now);
        shrink_history_add(&agent->history, &agent->sample.sample, now);
        channel_send(&agent->channel, CHANNEL_SAMPLE, &agent->sample);
        agent->samples++;
    }
    if (is_due)
        agent->sample_us = now + every;
    agent->look_us = now + (agent->options.no_forecast ? every : watch_interval(&agent->watch));
}

static void
tell_stall(Agent *agent, int64_t now)
{
    WatchRequest request;

    shrink_history_stall(&agent->history, now);
    if (agent->channel.state == CHANNEL_OPEN && look(agent, now) &&
        watch_stall(&agent->watch, agent->sample.sample.free, now, &request))
        send_urgent(agent, STATS_URGENT_STALL, &request, now);
}

/* What the host says ------------------------------------------------------- */

static void
take_welcome(Agent *agent, const StatsFrame *frame, int64_t now)
{
    const StatsWelcome *welcome = &frame->welcome;

    agent->welcome = *welcome;
    watch_tell(&agent->watch, welcome->plug_us, welcome->valid_us, welcome->growth);
    agent->sample_us = now;
    if (welcome->flags != STATS_MISSING && welcome->flags & STATS_WELCOME_SAY_HELLO)
        channel_send(&agent->channel, CHANNEL_HELLO, &agent->hello);
}

static void
take_shrink(Agent *agent, const StatsFrame *frame, int64_t now)
{
    const StatsShrink *shrink = &frame->shrink;
    int64_t start =
        hold_within(shrink->start_us == STATS_MISSING ? 0 : shrink->start_us, 0, WATCHED_MAX_US);
    int64_t watch =
        hold_within(shrink->watch_us == STATS_MISSING ? WATCHED_DEFAULT_US : shrink->watch_us, 0,
                    WATCHED_MAX_US);
    uint64_t available = STATS_MISSING;
    StatsFrame answer;

    if (look(agent, now))
        available = collect_available(&agent->sample.sample);
    stats_frame_clear(&answer, STATS_FRAME_ANSWER);
    shrink_answer(&agent->history, &agent->watch, available, agent->welcome.reserve, shrink, now,
                  &answer.answer);
    channel_send(&agent->channel, CHANNEL_ANSWER, &answer);
    agent->watched_us = now + start + watch;
    agent->sample_us = now;
    watch_expect(&agent->watch, answer.answer.verdict == STATS_ANSWER_BEARS ? shrink->size : 0);
}

static void
take_shrink_end(Agent *agent, const StatsFrame *frame, int64_t now)
{
    agent->watched_us = now;
    agent->sample_us = now;
}

/* What only a guest says is not for us. */
static const struct {
    StatsFrameType type;
    void (*take)(Agent *agent, const StatsFrame *frame, int64_t now);
} receivers[] = {
    { STATS_FRAME_WELCOME, take_welcome },
    { STATS_FRAME_SHRINK, take_shrink },
    { STATS_FRAME_SHRINK_END, take_shrink_end },
};

static void
receive(Agent *agent, int64_t now)
{
    StatsFrame frame;

    while (channel_pop(&agent->channel, &frame)) {
        for (size_t i = 0; i < sizeof(receivers) / sizeof(receivers[0]); i++) {
            if (receivers[i].type == frame.type)
                receivers[i].take(agent, &frame, now);
        }
    }
}

/* The loop's turn --------------------------------------------------------- */

/* What an earlier host said holds no more. */
static void
greet(Agent *agent, int64_t now)
{
    StatsFrame nothing;

    stats_frame_clear(&nothing, STATS_FRAME_WELCOME);
    agent->welcome = nothing.welcome;
    watch_forget(&agent->watch);
    watch_tell(&agent->watch, STATS_MISSING, STATS_MISSING, STATS_MISSING);
    agent->watched_us = now;
    agent->look_us = agent->sample_us = now;
    channel_send(&agent->channel, CHANNEL_HELLO, &agent->hello);
}

static int64_t
next_turn(const Agent *agent)
{
    if (agent->channel.state != CHANNEL_OPEN)
        return channel_retry_us(&agent->channel);
    return agent->look_us < agent->sample_us ? agent->look_us : agent->sample_us;
}

int64_t
agent_poll(const Agent *agent, struct pollfd polls[AGENT_POLL_COUNT])
{
    channel_poll(&agent->channel, &polls[AGENT_POLL_CHANNEL]);
    polls[AGENT_POLL_STALL] = (struct pollfd){ .fd = agent->options.stall_fd, .events = POLLPRI };
    return next_turn(agent);
}

void
agent_run(Agent *agent, const struct pollfd polls[AGENT_POLL_COUNT], int64_t now)
{
    short stall = polls[AGENT_POLL_STALL].revents;

    if (channel_run(&agent->channel, polls[AGENT_POLL_CHANNEL].revents, now))
        greet(agent, now);
    receive(agent, now);
    if (stall & (POLLERR | POLLNVAL)) {
        close(agent->options.stall_fd);
        agent->options.stall_fd = -1;
    } else if (stall & POLLPRI) {
        tell_stall(agent, now);
    }
    if (agent->channel.state == CHANNEL_OPEN && now >= next_turn(agent))
        look_and_sample(agent, now);
}

int64_t
agent_slack_us(int64_t now, int64_t until)
{
    return until > now ? (until - now) / EARLY_DIVISOR : 0;
}
