/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/planner.h"

#include "allocate/plan-claims.h"

/* Sums that must not wrap: they are compared with a budget. */
static guint64
add(guint64 a, guint64 b)
{
    return a <= G_MAXUINT64 - b ? a + b : G_MAXUINT64;
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/*
 * What is missing is asked for beyond what the guest has, so the request is met when that
 * has come. It says nothing of what is used: without statistics that is unknown, and
 * taken to be all.
 */
static void
fold_urgent(PlanGuest *guest)
{
    guint64 wanted = add(guest->actual, guest->urgent);
    Forecast *forecast = &guest->forecast;

    if (!guest->asking && guest->urgent == 0)
        return;
    if (!forecast->valid) {
        *forecast = (Forecast){ .valid = TRUE, .used = guest->actual };
        if (guest->pin == PLAN_PIN_NO_SAMPLE)
            guest->pin = PLAN_PIN_NONE;
    }
    forecast->urgent = TRUE;
    forecast->need = MAX(forecast->need, wanted);
    if (forecast->n_parts < FORECAST_PARTS_MAX)
        forecast->parts[forecast->n_parts++] = (ForecastPart){ "urgent request", wanted };
    if (forecast->demand < wanted || !forecast->reason) {
        forecast->reason = "urgent: its agent asks for more";
        forecast->decisive = forecast->n_parts - 1;
    }
    forecast->demand = MAX(forecast->demand, wanted);
}

void
planner_predict(PlanGuest *guests, gsize n_guests, gint64 now)
{
    for (gsize i = 0; i < n_guests; i++) {
        PlanGuest *guest = &guests[i];

        guest->state->burst = guest->burst;
        guest->state->transit.asked = guest->requested;
        guest->forecast = guest->predictor->forecast(guest->state, guest->ring, guest->actual, now);
        fold_urgent(guest);
        if (!guest->forecast.valid && guest->pin == PLAN_PIN_NONE)
            guest->pin = PLAN_PIN_NO_SAMPLE;
    }
}

/* What the guest said of itself, as it said it. */
static void
view_sample(GuestView *view, const Sample *latest)
{
    view->total = latest->total;
    view->free = latest->free;
    view->cached = latest->cached;
    view->committed = latest->fields & SAMPLE_COMMITTED
                          ? latest->committed
                          : minus(minus(latest->total, latest->free), latest->cached);
    if (latest->fields & SAMPLE_SWAP_SIZE)
        view->swapped = minus(latest->swap_total, latest->swap_free);
}

static GuestView
to_view(const PlanGuest *guest)
{
    const Sample *latest = sample_ring_get(guest->ring, 0);
    GuestView view = {
        .floor = guest->floor,
        .ceiling = guest->ceiling,
        .actual = guest->actual,
        .requested = guest->requested,
        .used = guest->forecast.used,
        .need = guest->forecast.need,
        .demand = guest->forecast.demand,
        .weight = guest->weight,
        .pressed = guest->forecast.pressed,
        .urgent = guest->forecast.urgent,
    };

    if (latest)
        view_sample(&view, latest);
    return view;
}

/* Without a trial, one step a look all the same. */
static guint64
least_untried(const PlanGuest *guest)
{
    const Sample *latest = sample_ring_get(guest->ring, 0);

    return latest && latest->time_us <= guest->shrunk_us ? guest->requested : 0;
}

static LimitGuest
to_limit_guest(const PlanGuest *guest)
{
    return (LimitGuest){
        .least = least_untried(guest),
        .most = guest->most,
        .grain = guest->grain,
        .grain_base = guest->grain_base,
        .knee = guest->knee,
        .coarse = guest->coarse,
        .grown_us = guest->grown_us,
    };
}

static gboolean
is_spared(const PlanGuest *guest)
{
    return guest->forecast.pressed || guest->forecast.urgent;
}

static ShrinkView
to_shrink_view(const PlanGuest *guest, guint64 idle)
{
    return (ShrinkView){
        .ring = guest->ring,
        .actual = guest->actual,
        .requested = guest->requested,
        .grain = guest->grain,
        .idle = idle,
        .pressed = is_spared(guest),
        .answers = guest->answers,
    };
}

static ProbeAim
look_by_probe(const PlanSettings *settings, const PlanGuest *guest, gboolean wanting, gint64 now)
{
    const LimitTuning *tuning = &settings->tuning;
    const ProbeView view = {
        .ring = guest->ring,
        .trial = guest->trial,
        .actual = guest->actual,
        .requested = guest->requested,
        .floor = guest->floor,
        .grain = guest->grain,
        .demand = MIN(guest->forecast.demand, guest->ceiling),
        .band = limits_dead_band(tuning, guest->requested),
        .not_before_us = guest->grown_us > 0 ? guest->grown_us + tuning->cool_down_us : 0,
        .pressed = is_spared(guest),
        .allowed = settings->probe == PROBE_ALWAYS || (settings->probe == PROBE_WANTED && wanting),
    };

    return probe_look(guest->probe, &view, now);
}

/* The trial and the probe look at the guest, before the policy does: what may not be asked
 * of it, and what its demand is less what was found that it can do without.
 * Returns: what a trial may take at once. */
static guint64
look(const PlanSettings *settings, PlanGuest *guest, gboolean wanting, gint64 now, GuestView *view,
     LimitGuest *limit)
{
    const ShrinkView shrink = to_shrink_view(guest, 0);
    ProbeAim aim = { .lowest = G_MAXUINT64 };

    guest->found = 0;
    if (!guest->trial)
        return 0;
    /* A policy that has its own pace is not held back, so there is nothing to be tried. */
    if (settings->tuning.undamped || settings->policy->paced) {
        shrink_trial_abandon(guest->trial, now);
        return 0;
    }
    limit->least = shrink_trial_look(guest->trial, &shrink, now);
    if (guest->probe)
        aim = look_by_probe(settings, guest, wanting, now);
    if (aim.discount > 0) {
        view->demand = minus(MIN(view->demand, guest->ceiling), aim.discount);
        view->need = MIN(view->need, view->demand);
        view->used = MIN(view->used, view->demand);
    }
    guest->found = aim.discount;
    limit->probing = aim.probing;
    limit->tight = aim.discount > 0 && aim.lowest > guest->requested;
    return minus(guest->requested, aim.probing ? aim.lowest : view->need);
}

static void
plan_table_add(PlanTable *table, const PlanSettings *settings, PlanGuest *guest, gboolean wanting,
               gint64 now)
{
    gsize k = table->n++;

    table->views[k] = to_view(guest);
    table->guests[k] = to_limit_guest(guest);
    table->stuck[k] = guest->stuck;
    table->idle[k] = look(settings, guest, wanting, now, &table->views[k], &table->guests[k]);
}

static void
take_target(PlanGuest *guest, const PlanTable *table, gsize k, gint64 now)
{
    const LimitedTarget *limited = &table->limited[k];
    const ShrinkView shrink = to_shrink_view(guest, table->idle[k]);

    guest->raw = table->raw[k];
    guest->target = limited->target;
    guest->limits = limited->limits;
    guest->hold = guest->trial ? shrink_trial_hold(guest->trial, now) : SHRINK_HOLD_NONE;
    if (guest->trial && limited->wish > 0)
        shrink_trial_want(guest->trial, &shrink, limited->wish,
                          table->guests[k].probing ? SHRINK_PROBE : SHRINK_PLAIN, now);
}

/* A step whose guest has fallen silent stays on trial until it speaks again; else somebody
 * else has the word about it. */
static void
keep_pinned(PlanGuest *guest, gint64 now)
{
    if (guest->trial && guest->pin != PLAN_PIN_NO_SAMPLE)
        shrink_trial_abandon(guest->trial, now);
    guest->found = 0;
    guest->raw = guest->target = guest->requested;
    guest->limits = 0;
}

static HostView
to_host(const PlanSettings *settings, guint64 pinned, guint64 taken)
{
    guint64 total = MAX(settings->host_total, settings->budget);

    return (HostView){
        .budget = minus(settings->budget, pinned),
        .total = total,
        .free = minus(total, taken),
        .share = settings->share,
    };
}

/* Returns: whether the policy speaks in this plan, which is then noted. */
static gboolean
is_due(const PlanSettings *settings, gint64 now)
{
    gint64 *spoken = settings->spoken_us;

    if (!spoken)
        return TRUE;
    if (*spoken != 0 && now >= *spoken && now - *spoken < settings->policy->interval_us)
        return FALSE;
    *spoken = now;
    return TRUE;
}

/* The policy is silent: its last targets hold, and who is new stays as it is. */
static void
repeat(const PlanGuest *guests, gsize n_guests, PlanTable *table)
{
    for (gsize i = 0, k = 0; i < n_guests; i++) {
        const PlanGuest *guest = &guests[i];

        if (guest->pin == PLAN_PIN_NONE)
            table->raw[k++] =
                CLAMP(guest->raw > 0 ? guest->raw : guest->requested, guest->floor, guest->ceiling);
    }
}

guint64
planner_keep(const PlanGuest *guest)
{
    const GuestView view = to_view(guest);
    const LimitGuest limit = to_limit_guest(guest);

    return plan_claims_keep(&view, &limit);
}

/* Fills in the table's raw targets and what the limits make of them. */
static void
decide(const PlanSettings *settings, const PlanGuest *guests, gsize n_guests, const HostView *host,
       gint64 now, PlanTable *table)
{
    LimitTuning tuning = settings->tuning;

    tuning.undamped |= settings->policy->paced;
    if (is_due(settings, now))
        settings->policy->allocate(host, table->views, table->n, table->raw);
    else
        repeat(guests, n_guests, table);
    if (settings->claimed > 0)
        plan_claims_make_room(host, table);
    limits_apply(&tuning, host, table->views, table->guests, table->n, table->raw, now,
                 table->limited);
}

/* Returns: whether the guests demand more than the budget holds, what probing found left out
 * of account: what it finds must not end it. */
static gboolean
is_wanting(const PlanSettings *settings, const PlanGuest *guests, gsize n_guests)
{
    guint64 demand = 0;

    for (gsize i = 0; i < n_guests; i++) {
        const PlanGuest *guest = &guests[i];

        if (guest->pin != PLAN_PIN_NONE)
            demand = add(demand, MAX(guest->actual, guest->requested));
        else
            demand = add(demand, CLAMP(guest->forecast.demand, guest->floor, guest->ceiling));
    }
    return demand > settings->budget;
}

PlanSummary
planner_allocate(const PlanSettings *settings, PlanGuest *guests, gsize n_guests, gint64 now)
{
    g_auto(PlanTable) table = { 0 };
    gboolean wanting = is_wanting(settings, guests, n_guests);
    guint64 pinned = settings->claimed, floors = 0, taken = 0;
    PlanSummary summary = { 0 };
    HostView host;

    plan_table_init(&table, n_guests);
    for (gsize i = 0; i < n_guests; i++) {
        taken = add(taken, guests[i].actual);
        if (guests[i].pin != PLAN_PIN_NONE) {
            pinned = add(pinned, MAX(guests[i].actual, guests[i].requested));
            continue;
        }
        floors = add(floors, guests[i].floor);
        plan_table_add(&table, settings, &guests[i], wanting, now);
    }

    host = to_host(settings, pinned, taken);
    decide(settings, guests, n_guests, &host, now, &table);

    for (gsize i = 0, k = 0; i < n_guests; i++) {
        if (guests[i].pin != PLAN_PIN_NONE) {
            keep_pinned(&guests[i], now);
        } else {
            take_target(&guests[i], &table, k++, now);
        }
        summary.lent = add(summary.lent, guests[i].target);
        if (guests[i].forecast.valid)
            summary.demand = add(summary.demand, guests[i].forecast.demand);
    }
    summary.shortfall = minus(add(pinned, floors), settings->budget);
    return summary;
}

/* What it may come to have by what it demands, as a size that it can reach. */
static guint64
most_wanted(const PlanGuest *guest)
{
    const GuestView view = to_view(guest);
    const LimitGuest limit = to_limit_guest(guest);
    guint64 wanted =
        limits_round_up(&view, &limit, CLAMP(view.demand, guest->floor, guest->ceiling));

    return MAX(wanted, MAX(guest->actual, guest->requested));
}

gboolean
planner_serve(const PlanSettings *settings, PlanGuest *guest, guint64 others, gint64 now)
{
    PlanSettings alone = *settings;

    if (!settings->policy->separable || settings->share || settings->claimed > 0)
        return FALSE;
    planner_predict(guest, 1, now);
    alone.budget = minus(settings->budget, others);
    if (guest->pin != PLAN_PIN_NONE || most_wanted(guest) > alone.budget)
        return FALSE;
    planner_allocate(&alone, guest, 1, now);
    return TRUE;
}

static const char *const pin_texts[] = {
    [PLAN_PIN_NONE] = "follows the policy",       [PLAN_PIN_UNMANAGED] = "not managed by memplug",
    [PLAN_PIN_HELD] = "held by an administrator", [PLAN_PIN_FROZEN] = "cannot follow now",
    [PLAN_PIN_OBSTACLE] = "cannot be resized",    [PLAN_PIN_NO_SAMPLE] = "no recent statistics",
};

const char *
plan_pin_describe(PlanPin pin)
{
    return pin_texts[pin];
}
