/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-report.h"

/* A cycle comes each interval, an hour at most, but usually each second or less. */
#define GAP_MOST_US (60 * (gint64)G_USEC_PER_SEC)

/* A forecast is written when it has moved by this part (memplug-journal(5)). */
#define DEMAND_GRAIN 32

static void
account_free(gpointer data)
{
    JournalAccount *account = data;

    g_free(account->name);
    g_free(account->instance);
    g_free(account);
}

JournalReport *
journal_report_new(gint64 since_us, gint64 until_us)
{
    JournalReport *report = g_new0(JournalReport, 1);

    report->accounts = g_ptr_array_new_with_free_func(account_free);
    report->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    report->since_us = since_us;
    report->until_us = until_us;
    return report;
}

void
journal_report_free(JournalReport *report)
{
    if (!report)
        return;
    g_hash_table_unref(report->by_name);
    g_ptr_array_unref(report->accounts);
    g_free(report);
}

static JournalAccount *
account_of(JournalReport *report, const char *name)
{
    JournalAccount *account = g_hash_table_lookup(report->by_name, name);

    if (account)
        return account;
    account = g_new0(JournalAccount, 1);
    account->name = g_strdup(name);
    account->actual_least = G_MAXUINT64;
    g_ptr_array_add(report->accounts, account);
    g_hash_table_insert(report->by_name, account->name, account);
    return account;
}

static gboolean
is_within(const JournalReport *report, gint64 time_us)
{
    return time_us >= report->since_us && time_us < report->until_us;
}

static guint64
counted(guint64 before, guint64 now)
{
    return now > before ? now - before : 0;
}

/*
 * What it had, up to now
 */

static void
add_forecast(JournalAccount *account, gint64 us)
{
    guint64 demand = account->last_demand;

    if (demand == 0)
        return;
    account->forecast_us += us;
    account->demand += (double)demand * (double)us;
    account->used += (double)account->last_used * (double)us;
    account->demand_peak = MAX(account->demand_peak, demand);
    account->used_peak = MAX(account->used_peak, account->last_used);
    if (demand - demand / DEMAND_GRAIN > account->last_actual) {
        account->short_us += us;
        account->lacked += (double)(demand - account->last_actual) * (double)us;
    }
}

/* From the latest cycle up to @now, as far as that lies within the span. */
static void
live(const JournalReport *report, JournalAccount *account, gint64 now)
{
    gint64 from = MAX(account->last_us, report->since_us), to = MIN(now, report->until_us);

    if (account->last_us == 0 || to <= from || now - account->last_us > GAP_MOST_US)
        return;
    account->known_us += to - from;
    account->actual += (double)account->last_actual * (double)(to - from);
    account->requested += (double)account->last_requested * (double)(to - from);
    account->actual_peak = MAX(account->actual_peak, account->last_actual);
    account->actual_least = MIN(account->actual_least, account->last_actual);
    add_forecast(account, to - from);
}

/*
 * What it told
 */

static void
add_sample(JournalAccount *account, const Sample *before, const Sample *sample)
{
    guint both = before->fields & sample->fields;

    if (both & SAMPLE_SWAP) {
        account->swap_in += counted(before->swap_in, sample->swap_in);
        account->swap_out += counted(before->swap_out, sample->swap_out);
    }
    if (both & SAMPLE_PRESSURE) {
        account->stall_some_us += counted(before->stall_some_us, sample->stall_some_us);
        account->stall_full_us += counted(before->stall_full_us, sample->stall_full_us);
    }
    account->oom_kills += counted(before->oom_kills, sample->oom_kills);
}

/* A file begins with samples that the one before had as well: counters that have not moved add
 * nothing, and none is gone back to. */
static void
add_samples(const JournalReport *report, JournalAccount *account, const JournalDecoder *decoder,
            const JournalGuest *guest)
{
    for (guint age = MIN(guest->n_new, SAMPLE_RING_SIZE); age-- > 0;) {
        const Sample *sample = sample_ring_get(&guest->ring, age);
        gint64 time_us = sample ? journal_decoder_wall(decoder, sample->time_us) : 0;

        if (!sample || time_us <= account->sample_us)
            continue;
        if (account->sample_us != 0 && is_within(report, time_us))
            add_sample(account, &account->sample, sample);
        account->sample = *sample;
        account->sample_us = time_us;
    }
}

/*
 * A cycle
 */

/* What holds from this cycle on. */
static void
take_over(JournalAccount *account, const JournalGuest *guest, gint64 now)
{
    if (guest->decided || guest->told) {
        const Forecast *forecast = guest->decided ? &guest->decision.forecast : &guest->forecast;

        account->last_demand = forecast->demand;
        account->last_used = forecast->used;
    }
    if (g_strcmp0(account->instance, guest->instance) != 0) {
        g_free(account->instance);
        account->instance = g_strdup(guest->instance);
    }
    account->last_us = now;
    account->last_actual = guest->plan.actual;
    account->last_requested = guest->decided ? guest->decision.target : guest->plan.requested;
    account->last_asking = guest->plan.asking;
}

static void
add_cycle_of(JournalReport *report, const JournalDecoder *decoder, const JournalGuest *guest,
             gint64 now)
{
    JournalAccount *account = account_of(report, guest->name);
    gboolean same = g_strcmp0(account->instance, guest->instance) == 0;

    live(report, account, now);
    if (!same) {
        account->last_demand = account->last_used = 0;
        account->sample_us = 0;
    }
    if (is_within(report, now)) {
        if (same && account->last_us > 0)
            account->churn += counted(account->last_actual, guest->plan.actual) +
                              counted(guest->plan.actual, account->last_actual);
        account->urgents += guest->plan.asking && !(same && account->last_asking);
        account->decisions += guest->decided;
    }
    add_samples(report, account, decoder, guest);
    take_over(account, guest, now);
}

static void
add_cycle(JournalReport *report, const JournalDecoder *decoder)
{
    gint64 now = journal_decoder_wall(decoder, decoder->now_us);

    for (guint i = 0; i < decoder->guests->len; i++)
        add_cycle_of(report, decoder, decoder->guests->pdata[i], now);
    /* Who has no part any more had what it had up to now, and nothing from now on. That it is
     * gone is told only in the file in which it was. */
    for (guint i = 0; i < report->accounts->len; i++) {
        JournalAccount *account = report->accounts->pdata[i];

        if (account->last_us == now)
            continue;
        live(report, account, now);
        account->last_us = 0;
    }
}

static void
add_event(JournalReport *report, const JournalDecoder *decoder)
{
    const JournalEvent *event = &decoder->event;
    JournalAccount *account;

    if (*event->guest == '\0' || !is_within(report, journal_decoder_wall(decoder, event->now_us)))
        return;
    account = account_of(report, event->guest);
    /* A step is told when it has ended; the first version told that it was ordered, too. */
    account->steps +=
        g_str_equal(event->kind, "step") && !g_str_has_suffix(event->message, "ordered");
    account->shorts += g_str_equal(event->kind, "short");
}

void
journal_report_line(JournalReport *report, const JournalDecoder *decoder, JournalLineKind kind)
{
    if (kind == JOURNAL_LINE_CYCLE)
        add_cycle(report, decoder);
    else if (kind == JOURNAL_LINE_EVENT)
        add_event(report, decoder);
}
