/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/recording.h"

#include <string.h>

#include "journal/journal-file.h"
#include "simulate/trace-csv.h"

/* A guest as its trace is made. */
typedef struct {
    Trace *trace;
    guint64 kernel; /* what its kernel keeps: the least seen of actual - total */
    gboolean known; /* @kernel is */
} Track;

static void
track_free(gpointer data)
{
    Track *track = data;

    trace_free(track->trace);
    g_free(track);
}

static void
difference_clear(gpointer data)
{
    g_free(((RecordingDifference *)data)->guest);
}

Recording *
recording_new(void)
{
    Recording *recording = g_new0(Recording, 1);

    recording->traces = g_ptr_array_new_with_free_func((GDestroyNotify)trace_free);
    recording->differences = g_array_new(FALSE, FALSE, sizeof(RecordingDifference));
    g_array_set_clear_func(recording->differences, difference_clear);
    recording->decoder = journal_decoder_new();
    recording->tracks = g_ptr_array_new_with_free_func(track_free);
    return recording;
}

void
recording_free(Recording *recording)
{
    if (!recording)
        return;
    g_ptr_array_unref(recording->traces);
    g_ptr_array_unref(recording->tracks);
    g_array_unref(recording->differences);
    journal_decoder_free(recording->decoder);
    g_free(recording->policy);
    g_free(recording);
}

gboolean
recording_is_one(const char *path)
{
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    gsize length;
    const char *line = file ? journal_file_next(file, &length, NULL) : NULL;

    return line && length > 0 && line[0] == '{';
}

static Track *
track_of(Recording *recording, const JournalGuest *guest)
{
    Track *track;

    for (guint i = 0; i < recording->tracks->len; i++) {
        track = recording->tracks->pdata[i];
        if (g_str_equal(track->trace->name, guest->name))
            return track;
    }
    track = g_new0(Track, 1);
    track->trace = trace_new(guest->name);
    g_ptr_array_add(recording->tracks, track);
    return track;
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

static void
add_sample(Recording *recording, Track *track, const JournalGuest *guest, const Sample *sample)
{
    Trace *trace = track->trace;
    const TracePoint *last = trace->points->len > 0
                                 ? &g_array_index(trace->points, TracePoint, trace->points->len - 1)
                                 : NULL;
    guint64 kernel = minus(guest->plan.actual, sample->total);
    guint64 swapped =
        sample->fields & SAMPLE_SWAP_SIZE ? minus(sample->swap_total, sample->swap_free) : 0;
    TracePoint point = {
        .time_us = MAX(0, sample->time_us - recording->begin_us),
        .total = MIN(guest->plan.actual, TRACE_LARGEST),
    };

    if (last && point.time_us <= last->time_us)
        return;
    /* While memory comes and goes actual and total disagree; the least is the kernel's. */
    track->kernel = track->known ? MIN(track->kernel, kernel) : kernel;
    track->known = TRUE;
    point.used = MIN(sample_used(sample), TRACE_LARGEST / 4);
    point.used += MIN(swapped, TRACE_LARGEST / 4) + MIN(track->kernel, TRACE_LARGEST / 4);
    point.cached = MIN(minus(sample->available, sample->free), TRACE_LARGEST / 4);
    g_array_append_val(trace->points, point);
    trace->floor = guest->plan.floor;
    trace->ceiling = guest->plan.ceiling;
    trace->weight = guest->plan.weight;
}

static void
add_guests(Recording *recording)
{
    GPtrArray *guests = recording->decoder->guests;

    for (guint i = 0; i < guests->len; i++) {
        const JournalGuest *guest = guests->pdata[i];
        guint n = MIN(guest->n_new, SAMPLE_RING_SIZE);
        Track *track = n > 0 ? track_of(recording, guest) : NULL;

        while (n-- > 0) {
            const Sample *sample = sample_ring_get(&guest->ring, n);

            if (sample)
                add_sample(recording, track, guest, sample);
        }
    }
}

static void
add_cycle(Recording *recording, JournalReplay *replay)
{
    const JournalSettings *settings = &recording->decoder->settings;

    if (!recording->begun)
        recording->begin_us = recording->decoder->now_us;
    recording->begun = TRUE;
    recording->budget = settings->plan.budget;
    recording->interval_us = settings->interval_us;
    if (settings->policy_name && g_strcmp0(recording->policy, settings->policy_name) != 0) {
        g_free(recording->policy);
        recording->policy = g_strdup(settings->policy_name);
    }
    add_guests(recording);
    journal_replay_cycle(replay, recording->decoder);
}

/* Takes over what came of a file; the replay's names die with its decoder's. */
static void
count(Recording *recording, const JournalReplay *replay)
{
    recording->cycles += replay->cycles;
    recording->decisions += replay->decisions;
    recording->alike += replay->alike;
    recording->n_differences += replay->differences->len;
    for (guint i = 0; i < replay->differences->len; i++) {
        const JournalDifference *from = &g_array_index(replay->differences, JournalDifference, i);
        const RecordingDifference difference = { from->now_us - recording->begin_us,
                                                 g_strdup(from->guest), from->requested, from->live,
                                                 from->replayed };

        if (recording->differences->len == RECORDING_DIFFERENCES) {
            g_free(difference.guest);
            return;
        }
        g_array_append_val(recording->differences, difference);
    }
}

gboolean
recording_read(Recording *recording, const char *path, GError **error)
{
    g_autoptr(JournalFile) file = journal_file_open(path, error);
    g_autoptr(JournalReplay) replay = journal_replay_new();
    g_autoptr(GError) trouble = NULL;
    const char *line = NULL;
    JournalLineKind kind;
    guint number = 0;
    gsize length;

    while (file && (line = journal_file_next(file, &length, &trouble))) {
        number++;
        if (!journal_decoder_feed(recording->decoder, line, (gssize)length, &kind, &trouble))
            break;
        if (kind == JOURNAL_LINE_CYCLE)
            add_cycle(recording, replay);
    }
    if (!file)
        return FALSE;
    if (trouble) {
        g_propagate_prefixed_error(error, g_steal_pointer(&trouble), "%s:%u: ", path, number);
        return FALSE;
    }
    count(recording, replay);
    return TRUE;
}

/* All of them begin and end together. */
static void
pad(Trace *trace, gint64 end_us)
{
    TracePoint first = g_array_index(trace->points, TracePoint, 0);
    TracePoint last = g_array_index(trace->points, TracePoint, trace->points->len - 1);

    if (first.time_us > 0) {
        first.time_us = 0;
        g_array_prepend_val(trace->points, first);
    }
    if (last.time_us < end_us) {
        last.time_us = end_us;
        g_array_append_val(trace->points, last);
    }
}

gboolean
recording_end(Recording *recording, GError **error)
{
    gint64 end_us = 0;

    for (guint i = 0; i < recording->tracks->len; i++) {
        const Trace *trace = ((const Track *)recording->tracks->pdata[i])->trace;

        end_us = MAX(end_us, trace_length(trace));
    }
    for (guint i = 0; i < recording->tracks->len && end_us > 0; i++) {
        Track *track = recording->tracks->pdata[i];

        pad(track->trace, end_us);
        trace_close(track->trace);
        g_ptr_array_add(recording->traces, g_steal_pointer(&track->trace));
    }
    if (recording->traces->len > 0)
        return TRUE;
    g_set_error_literal(error, TRACE_ERROR, TRACE_ERROR_INVALID,
                        "no guest has told anything in this recording");
    return FALSE;
}
