/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *      ┌──── look_ms ────┐      ┌──── retry: doubles ───┐
 *      ▼                 │      ▼                       │
 *    NONE ──────▶ opening ──▶ CLOSED ───▶ opening ──────┤
 *                        └──▶ SILENT ──HELLO──▶ OPEN ───┤ end of stream, error
 *                               └──────┬───────┘        ▼
 *                                 misconduct ────▶ DROPPED ── until it is forgiven ──▶ opening
 *
 * Bytes come and go by a StatsLine, one each time that the channel is open. What comes is
 * judged at once. All that a channel can take of our memory is in the struct below, and the line's.
 *
 * What we say waits in one place for each kind of frame: a newer WELCOME replaces
 * the one before. A guest that never reads costs the one frame that its socket did not take, and
 * those places.
 *
 * Opening has a callback that may come after the channel was stopped: it has a reference.
 */
#include "monitor/stats-channel.h"

#include <string.h>

#include "monitor/stats-line.h"

const StatsChannelTuning stats_channel_tuning_default = {
    /* A QEMU that restarts, or another memplugd that leaves, is there again within a second. */
    .retry_first_ms = 100,
    .retry_most_ms = 5000,
    /* A look costs one stat(). A socket may be made after the monitor's. */
    .look_ms = 1000,
};

/* What waits to be said; the latest of each. In the order in which it goes out. */
typedef enum { SAY_WELCOME, SAY_SHRINK_END, SAY_SHRINK, SAY_COUNT } Say;

struct _StatsChannel {
    GObject parent;

    Guest *guest;
    StatsChannelTuning tuning;
    gboolean running;
    StatsChannelState state;
    char *reason;

    GCancellable *opening; /* while the channel is being opened */
    guint retry;           /* source */
    guint delay_ms;
    StatsLine *line; /* while it is open */

    guint64 most;
    AgentClaims claims;
    AgentConduct conduct;
    StatsFrameStream frames;
    StatsChannelCounts counts; /* without those of @frames */

    StatsWelcome welcome;
    StatsWelcome told; /* as it was said last */
    gboolean asked;    /* for a HELLO, which did not come yet */
    guint32 sequence;
    gboolean waiting[SAY_COUNT];
    StatsFrame say[SAY_COUNT];
};

G_DEFINE_FINAL_TYPE(StatsChannel, stats_channel, G_TYPE_OBJECT)

enum { SIGNAL_HELLO, SIGNAL_SAMPLE, SIGNAL_URGENT, SIGNAL_ANSWER, SIGNAL_STATE, N_SIGNALS };
static guint signals[N_SIGNALS];

static const char *const state_names[] = {
    [STATS_CHANNEL_NONE] = "none",       [STATS_CHANNEL_CLOSED] = "closed",
    [STATS_CHANNEL_SILENT] = "silent",   [STATS_CHANNEL_OPEN] = "open",
    [STATS_CHANNEL_DROPPED] = "dropped",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == STATS_CHANNEL_DROPPED + 1);

const char *
stats_channel_state_name(StatsChannelState state)
{
    return state_names[state];
}

static void
enter(StatsChannel *channel, StatsChannelState state, const char *reason)
{
    gboolean news = channel->state != state;

    channel->state = state;
    if (channel->reason != reason) {
        g_free(channel->reason);
        channel->reason = g_strdup(reason);
    }
    if (news)
        g_signal_emit(channel, signals[SIGNAL_STATE], 0);
}

static void open_now(StatsChannel *channel);

static gboolean
on_retry(gpointer data)
{
    StatsChannel *channel = data;

    channel->retry = 0;
    open_now(channel);
    return G_SOURCE_REMOVE;
}

static void
open_in(StatsChannel *channel, gint64 delay_ms)
{
    g_clear_handle_id(&channel->retry, g_source_remove);
    if (channel->running)
        channel->retry = g_timeout_add((guint)MAX(delay_ms, 0), on_retry, channel);
}

/* Keeps what the stream of frames has counted. */
static void
settle_counts(StatsChannel *channel)
{
    channel->counts = stats_channel_get_counts(channel);
    stats_frame_stream_start(&channel->frames);
}

static void
close_line(StatsChannel *channel)
{
    if (!channel->line)
        return;
    settle_counts(channel);
    memset(channel->waiting, 0, sizeof channel->waiting);
    stats_line_close(g_steal_pointer(&channel->line));
}

/* The channel failed, or ended. */
static void
lose(StatsChannel *channel, StatsChannelState state, const char *reason)
{
    gboolean greeted = channel->state == STATS_CHANNEL_OPEN;

    close_line(channel);
    agent_claims_reopen(&channel->claims, g_get_monotonic_time());
    if (greeted)
        channel->delay_ms = channel->tuning.retry_first_ms;
    open_in(channel, channel->delay_ms);
    channel->delay_ms = MIN(2 * channel->delay_ms, channel->tuning.retry_most_ms);
    enter(channel, state, reason);
}

/*
 * Saying
 */

static void
write_next(StatsChannel *channel)
{
    gsize room, next = 0;
    guint8 *at;

    while (next < SAY_COUNT && !channel->waiting[next])
        next++;
    if (!channel->line || next == SAY_COUNT)
        return;
    at = stats_line_get_room(channel->line, &room);
    if (!at)
        return;
    channel->waiting[next] = FALSE;
    channel->say[next].sequence = channel->sequence++;
    stats_line_write(channel->line, stats_frame_encode(&channel->say[next], at, room));
}

static StatsFrame *
say(StatsChannel *channel, Say what, StatsFrameType type)
{
    stats_frame_clear(&channel->say[what], type);
    channel->waiting[what] = TRUE;
    return &channel->say[what];
}

static void
say_welcome(StatsChannel *channel, gboolean ask)
{
    StatsFrame *frame = say(channel, SAY_WELCOME, STATS_FRAME_WELCOME);

    channel->asked = ask;
    channel->told = channel->welcome;
    frame->welcome = channel->welcome;
    frame->welcome.flags = ask ? STATS_WELCOME_SAY_HELLO : 0;
    write_next(channel);
}

void
stats_channel_set_welcome(StatsChannel *channel, const StatsWelcome *welcome)
{
    channel->welcome = *welcome;
    channel->welcome.flags = 0;
    if (channel->state == STATS_CHANNEL_OPEN &&
        memcmp(&channel->welcome, &channel->told, sizeof channel->told) != 0)
        say_welcome(channel, FALSE);
}

gboolean
stats_channel_send_shrink(StatsChannel *channel, const StatsShrink *shrink)
{
    if (channel->state != STATS_CHANNEL_OPEN)
        return FALSE;
    say(channel, SAY_SHRINK, STATS_FRAME_SHRINK)->shrink = *shrink;
    write_next(channel);
    return TRUE;
}

gboolean
stats_channel_send_shrink_end(StatsChannel *channel, const StatsShrinkEnd *end)
{
    if (channel->state != STATS_CHANNEL_OPEN)
        return FALSE;
    say(channel, SAY_SHRINK_END, STATS_FRAME_SHRINK_END)->shrink_end = *end;
    write_next(channel);
    return TRUE;
}

/*
 * Hearing
 */

static void
greet(StatsChannel *channel, const StatsHello *hello, gboolean booted)
{
    /* One that was not asked for: an agent was started, which knows nothing yet. */
    if (!channel->asked)
        say_welcome(channel, FALSE);
    channel->asked = FALSE;
    channel->delay_ms = channel->tuning.retry_first_ms;
    g_signal_emit(channel, signals[SIGNAL_HELLO], 0, hello, booted);
    enter(channel, STATS_CHANNEL_OPEN, "");
}

/* Returns: how many frames were refused, 0 or 1. */
static guint
take(StatsChannel *channel, const StatsFrame *frame, gint64 now)
{
    Sample sample;
    AgentVerdict verdict = agent_claims_take(&channel->claims, frame, channel->most, now, &sample);

    switch (verdict) {
    case AGENT_VERDICT_HELLO:
    case AGENT_VERDICT_BOOTED:
        greet(channel, &channel->claims.hello, verdict == AGENT_VERDICT_BOOTED);
        break;
    case AGENT_VERDICT_SAMPLE:
        g_signal_emit(channel, signals[SIGNAL_SAMPLE], 0, &sample);
        break;
    case AGENT_VERDICT_URGENT:
        g_signal_emit(channel, signals[SIGNAL_URGENT], 0, &frame->urgent);
        break;
    case AGENT_VERDICT_ANSWER:
        g_signal_emit(channel, signals[SIGNAL_ANSWER], 0, &frame->answer);
        break;
    case AGENT_VERDICT_IGNORED:
        break;
    case AGENT_VERDICT_REFUSED:
        return 1;
    }
    return 0;
}

static void
drop(StatsChannel *channel, gint64 now)
{
    close_line(channel);
    agent_claims_reopen(&channel->claims, now);
    open_in(channel, (channel->conduct.until_us - now) / 1000 + 1);
    enter(channel, STATS_CHANNEL_DROPPED, channel->conduct.reason);
}

/* Takes what was read. The channel may be closed after it. */
static void
hear(StatsChannel *channel, const guint8 *bytes, gsize length)
{
    StatsFrameStream *frames = &channel->frames;
    const StatsFrameStream before = { .frames = frames->frames,
                                      .noise = frames->noise,
                                      .malformed = frames->malformed };
    gint64 now = g_get_monotonic_time();
    AgentCharge charge = { .bytes = length };
    StatsLine *line = channel->line;
    StatsFrame frame;

    while (length > 0) {
        gsize taken = stats_frame_stream_push(frames, bytes, length);

        bytes += taken;
        length -= taken;
        while (channel->line == line && stats_frame_stream_pop(frames, &frame)) {
            /* Nothing can be judged before the guest's size is known. */
            if (channel->most > 0 || frame.type == STATS_FRAME_HELLO)
                charge.refusals += take(channel, &frame, now);
        }
        if (channel->line != line)
            return;
    }
    charge.frames = frames->frames - before.frames;
    charge.noise = frames->noise - before.noise;
    charge.refusals += frames->malformed - before.malformed;
    if (!agent_conduct_charge(&channel->conduct, &charge, now))
        drop(channel, now);
}

static void
on_heard(gpointer owner, const guint8 *bytes, gsize length)
{
    g_autoptr(StatsChannel) channel = g_object_ref(owner);

    hear(channel, bytes, length);
}

static void
on_written(gpointer owner)
{
    write_next(owner);
}

static void
on_lost(gpointer owner, const char *reason)
{
    g_autoptr(StatsChannel) channel = g_object_ref(owner);

    lose(channel, STATS_CHANNEL_CLOSED, reason);
}

/*
 * Opening
 */

static void
begin_line(StatsChannel *channel, GIOStream *stream)
{
    static const StatsLineHandlers handlers = { on_heard, on_written, on_lost };

    channel->line = stats_line_new(stream, &handlers, channel);
    channel->counts.opened++;
    agent_claims_reopen(&channel->claims, g_get_monotonic_time());
    enter(channel, STATS_CHANNEL_SILENT, "no agent has greeted");
    say_welcome(channel, TRUE);
    if (channel->line) /* who was told has not stopped it */
        stats_line_listen(channel->line);
}

static void
on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(StatsChannel) channel = data;
    g_autoptr(GError) error = NULL;
    GIOStream *stream = guest_open_channel_finish(MEMPLUG_GUEST(source), result, &error);

    if (!channel->running) {
        if (stream) {
            g_io_stream_close_async(stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
            g_object_unref(stream);
        }
        return;
    }
    g_clear_object(&channel->opening);
    if (stream) {
        begin_line(channel, stream);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED)) {
        enter(channel, STATS_CHANNEL_NONE, error->message);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        enter(channel, STATS_CHANNEL_NONE, "the guest has no stats channel");
        open_in(channel, channel->tuning.look_ms);
    } else {
        lose(channel, STATS_CHANNEL_CLOSED, error->message);
    }
}

static void
open_now(StatsChannel *channel)
{
    if (channel->opening || channel->line)
        return;
    channel->opening = g_cancellable_new();
    guest_open_channel_async(channel->guest, channel->opening, on_opened, g_object_ref(channel));
}

void
stats_channel_start(StatsChannel *channel)
{
    if (channel->running)
        return;
    channel->running = TRUE;
    open_now(channel);
}

void
stats_channel_stop(StatsChannel *channel)
{
    channel->running = FALSE;
    g_clear_handle_id(&channel->retry, g_source_remove);
    if (channel->opening)
        g_cancellable_cancel(channel->opening);
    g_clear_object(&channel->opening);
    close_line(channel);
}

/*
 * The object
 */

StatsChannel *
stats_channel_new(Guest *guest, const StatsChannelTuning *tuning)
{
    StatsChannel *channel = g_object_new(TYPE_STATS_CHANNEL, NULL);

    channel->guest = g_object_ref(guest);
    channel->tuning = tuning ? *tuning : stats_channel_tuning_default;
    channel->delay_ms = channel->tuning.retry_first_ms;
    return channel;
}

void
stats_channel_set_most(StatsChannel *channel, guint64 most)
{
    channel->most = most;
}

StatsChannelState
stats_channel_get_state(StatsChannel *channel)
{
    return channel->state;
}

const char *
stats_channel_get_reason(StatsChannel *channel)
{
    return channel->reason;
}

const AgentClaims *
stats_channel_get_claims(StatsChannel *channel)
{
    return &channel->claims;
}

const AgentConduct *
stats_channel_get_conduct(StatsChannel *channel)
{
    return &channel->conduct;
}

StatsChannelCounts
stats_channel_get_counts(StatsChannel *channel)
{
    const StatsFrameStream *frames = &channel->frames;
    StatsChannelCounts counts = channel->counts;

    counts.frames += frames->frames;
    counts.lost += frames->lost;
    counts.damaged += frames->damaged;
    counts.malformed += frames->malformed;
    counts.foreign += frames->foreign;
    counts.noise += frames->noise;
    return counts;
}

static void
stats_channel_dispose(GObject *object)
{
    StatsChannel *channel = MEMPLUG_STATS_CHANNEL(object);

    stats_channel_stop(channel);
    g_clear_object(&channel->guest);
    G_OBJECT_CLASS(stats_channel_parent_class)->dispose(object);
}

static void
stats_channel_finalize(GObject *object)
{
    g_free(MEMPLUG_STATS_CHANNEL(object)->reason);
    G_OBJECT_CLASS(stats_channel_parent_class)->finalize(object);
}

static guint
new_signal(const char *name, guint n_params, GType first, GType second)
{
    return g_signal_new(name, TYPE_STATS_CHANNEL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                        G_TYPE_NONE, n_params, first, second);
}

static void
stats_channel_class_init(StatsChannelClass *class)
{
    G_OBJECT_CLASS(class)->dispose = stats_channel_dispose;
    G_OBJECT_CLASS(class)->finalize = stats_channel_finalize;

    signals[SIGNAL_HELLO] = new_signal("hello", 2, G_TYPE_POINTER, G_TYPE_BOOLEAN);
    signals[SIGNAL_SAMPLE] = new_signal("sample", 1, G_TYPE_POINTER, G_TYPE_NONE);
    signals[SIGNAL_URGENT] = new_signal("urgent", 1, G_TYPE_POINTER, G_TYPE_NONE);
    signals[SIGNAL_ANSWER] = new_signal("answer", 1, G_TYPE_POINTER, G_TYPE_NONE);
    signals[SIGNAL_STATE] = new_signal("state", 0, G_TYPE_NONE, G_TYPE_NONE);
}

static void
stats_channel_init(StatsChannel *channel)
{
    gint64 now = g_get_monotonic_time();
    StatsFrame nothing;

    channel->reason = g_strdup("not opened yet");
    agent_claims_start(&channel->claims, now);
    agent_conduct_start(&channel->conduct, now);
    stats_frame_stream_start(&channel->frames);
    stats_frame_clear(&nothing, STATS_FRAME_WELCOME);
    channel->welcome = channel->told = nothing.welcome;
    channel->welcome.flags = channel->told.flags = 0;
}
