/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/timeline.h"

Timeline *
timeline_new(guint n_guests, gint64 duration_us)
{
    Timeline *timeline = g_new0(Timeline, 1);

    timeline->duration_us = duration_us;
    timeline->n_guests = n_guests;
    timeline->n_tracks = MIN(n_guests, TIMELINE_GUESTS);
    timeline->tracks = g_new0(TimelineTrack, timeline->n_tracks);
    timeline->last = g_new0(WorldRow, n_guests);
    for (guint i = 0; i < n_guests; i++)
        timeline->last[i].guest = G_MAXUINT;
    return timeline;
}

void
timeline_free(Timeline *timeline)
{
    if (!timeline)
        return;
    g_free(timeline->tracks);
    g_free(timeline->last);
    g_free(timeline);
}

static void
add_stretch(TimelineTrack *track, guint slot, const GuestStretch *stretch)
{
    GuestAccount account = { 0 };

    guest_account_add(&account, stretch);
    track->demand[slot] += account.demand_area;
    track->actual[slot] += account.lent_area;
    track->starved[slot] += account.starved_us;
}

/* The time at which @slot begins. */
static gint64
slot_begin(const Timeline *timeline, guint slot)
{
    return (gint64)((double)timeline->duration_us * slot / TIMELINE_SLOTS);
}

static guint
slot_of(const Timeline *timeline, gint64 time_us)
{
    guint slot = (guint)((double)time_us * TIMELINE_SLOTS / (double)timeline->duration_us);

    slot = MIN(slot, TIMELINE_SLOTS - 1);
    /* Not a digit too early or late. */
    while (slot > 0 && slot_begin(timeline, slot) > time_us)
        slot--;
    while (slot + 1 < TIMELINE_SLOTS && slot_begin(timeline, slot + 1) <= time_us)
        slot++;
    return slot;
}

static void
add_between(Timeline *timeline, const WorldRow *from, const WorldRow *to)
{
    double rate = (to->demand - from->demand) / (double)(to->time_us - from->time_us);
    gint64 at = from->time_us;

    while (at < to->time_us) {
        guint slot = slot_of(timeline, at);
        gint64 end = slot + 1 < TIMELINE_SLOTS ? MIN(slot_begin(timeline, slot + 1), to->time_us)
                                               : to->time_us;
        const GuestStretch stretch = {
            .us = (double)(end - at),
            .actual = (double)from->actual,
            .used = from->demand + rate * (double)(at - from->time_us),
            .used_end = from->demand + rate * (double)(end - from->time_us),
        };

        add_stretch(&timeline->sum, slot, &stretch);
        if (from->guest < timeline->n_tracks)
            add_stretch(&timeline->tracks[from->guest], slot, &stretch);
        at = end;
    }
}

void
timeline_add(Timeline *timeline, const WorldRow *rows, gsize n_rows)
{
    for (gsize i = 0; i < n_rows; i++) {
        WorldRow *last = &timeline->last[rows[i].guest];

        if (last->guest != G_MAXUINT && rows[i].time_us > last->time_us)
            add_between(timeline, last, &rows[i]);
        *last = rows[i];
    }
}

static void
take_means(const Timeline *timeline, TimelineTrack *track, double n_guests)
{
    for (guint slot = 0; slot < TIMELINE_SLOTS; slot++) {
        gint64 end =
            slot + 1 < TIMELINE_SLOTS ? slot_begin(timeline, slot + 1) : timeline->duration_us;
        double us = (double)MAX(1, end - slot_begin(timeline, slot));

        track->demand[slot] /= us;
        track->actual[slot] /= us;
        track->starved[slot] /= us * n_guests;
    }
}

void
timeline_end(Timeline *timeline)
{
    take_means(timeline, &timeline->sum, timeline->n_guests);
    for (guint i = 0; i < timeline->n_tracks; i++)
        take_means(timeline, &timeline->tracks[i], 1);
}
