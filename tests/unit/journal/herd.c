/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/journal/herd.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* SplitMix64, as in tests/unit/allocate/world.c. */
guint64
herd_random(Herd *herd, guint64 end)
{
    guint64 z = herd->random += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % end;
}

static gboolean
one_in(Herd *herd, guint64 n)
{
    return herd_random(herd, n) == 0;
}

static void
start_predictor(Herd *herd, HerdGuest *guest)
{
    guest->plan.predictor->start(&guest->state);
    shrink_trial_start(&guest->trial);
    probe_start(&guest->probe);
}

static void
boot(Herd *herd, HerdGuest *guest)
{
    sample_ring_clear(&guest->ring);
    memset(&guest->sample, 0, sizeof guest->sample);
    guest->kernel = 40 * MIB;
    guest->used = 40 * MIB + herd_random(herd, 200) * MIB;
    guest->cached = 16 * MIB + herd_random(herd, 64) * MIB;
    guest->next_us = herd->now + (gint64)herd_random(herd, G_USEC_PER_SEC);
    start_predictor(herd, guest);
}

static void
come(Herd *herd, HerdGuest *guest, guint index)
{
    guint64 boot_size = (256 + 128 * herd_random(herd, 4)) * MIB;

    guest->there = TRUE;
    g_snprintf(guest->name, sizeof guest->name, "guest%u", index);
    g_snprintf(guest->instance, sizeof guest->instance, "%u@%" G_GUINT64_FORMAT, index,
               herd->lives++);
    guest->plan = (PlanGuest){
        .ring = &guest->ring,
        .state = &guest->state,
        .trial = &guest->trial,
        .probe = &guest->probe,
        .predictor = predictor_list()[0],
        .actual = boot_size,
        .requested = boot_size,
        .floor = boot_size / 2,
        .ceiling = boot_size + GIB / 2,
        .weight = 1 + (double)herd_random(herd, 3) / 3,
        .grain = 2 * MIB,
        .grain_base = boot_size,
    };
    boot(herd, guest);
}

Herd *
herd_new(HerdKind kind, guint n_guests, guint64 seed)
{
    Herd *herd = g_new0(Herd, 1);

    herd->kind = kind;
    herd->random = seed;
    herd->now = 1000 * (gint64)G_USEC_PER_SEC + (kind == HERD_WILD ? 17 : 0);
    herd->n_guests = n_guests;
    herd->settings = (JournalSettings){
        .plan = { .policy = policy_list()[0],
                  .tuning = limit_tuning_default,
                  .budget = n_guests * (kind == HERD_WILD ? GIB / 2 : GIB),
                  .host_total = n_guests * GIB,
                  .spoken_us = &herd->spoken_us },
        .interval_us = G_USEC_PER_SEC / 4,
    };
    for (guint i = 0; i < n_guests; i++)
        come(herd, &herd->guests[i], i);
    return herd;
}

JournalHeader
herd_header(const Herd *herd)
{
    return (JournalHeader){
        .program = "1.2.3",
        .uri = "qmp:/run/a \"folder\"",
        .wall_us = G_GINT64_CONSTANT(1764087506123456) + herd->now,
        .now_us = herd->now,
        .host_memory = 16 * GIB,
    };
}

/*
 * Samples
 */

/* Half a minute of work, and two minutes of rest, by chance. */
#define WORK_S 30
#define REST_S 120

static void
change_mind(Herd *herd, HerdGuest *guest)
{
    if (herd->kind == HERD_ORDINARY && one_in(herd, guest->busy ? WORK_S : REST_S))
        guest->busy = !guest->busy;
    else if (herd->kind != HERD_ORDINARY)
        guest->busy = herd->kind != HERD_IDLE;
}

/* How far a figure walks in a second, in pages: a guest that does nothing still has its
 * kernel's threads, timers and logs. */
static guint64
stride(const Herd *herd, const HerdGuest *guest)
{
    return !guest->busy ? 12 : herd->kind == HERD_WILD ? 20000 : 6000;
}

static guint64
walk(Herd *herd, const HerdGuest *guest, guint64 from, guint64 least, guint64 most)
{
    guint64 by = herd_random(herd, stride(herd, guest)) * 4096;
    guint64 to = one_in(herd, 2) ? from + by : from > by ? from - by : 0;

    /* Half of the seconds of an idle guest are like the one before. */
    if (!guest->busy && one_in(herd, 2))
        return from;
    return CLAMP(to, least, MAX(most, least));
}

static void
count(Herd *herd, const HerdGuest *guest, guint64 *counter, guint64 most)
{
    if (guest->busy && one_in(herd, 3))
        *counter += herd_random(herd, most);
}

static void
tell_as_agent(Herd *herd, HerdGuest *guest, Sample *sample)
{
    sample->source = SAMPLE_SOURCE_AGENT;
    sample->fields |= SAMPLE_COMMITTED | SAMPLE_REFAULTS | SAMPLE_PRESSURE | SAMPLE_SCANS |
                      SAMPLE_SHMEM | SAMPLE_DIRTY | SAMPLE_SLAB | SAMPLE_SWAP_SIZE;
    sample->committed = guest->used * 2;
    sample->slab_reclaimable = 8 * MIB + guest->cached / 64 / 4096 * 4096;
    sample->dirty = herd_random(herd, guest->busy ? 300 : 4) * 4096;
    sample->swap_total = 256 * MIB;
    sample->swap_free = 200 * MIB;
    count(herd, guest, &guest->refaults, 200);
    count(herd, guest, &guest->stalls_us, 9000);
    count(herd, guest, &guest->scans, 100);
    sample->refaults_file = guest->refaults;
    sample->stall_some_us = guest->stalls_us;
    sample->direct_scans = guest->scans;
}

static void
take_sample(Herd *herd, HerdGuest *guest)
{
    guint64 total = guest->plan.actual - guest->kernel;
    Sample *sample = &guest->sample;
    Sample told;

    change_mind(herd, guest);
    guest->used = walk(herd, guest, guest->used, 24 * MIB, total - 8 * MIB);
    guest->cached = walk(herd, guest, guest->cached, 8 * MIB, (total - guest->used) / 8192 * 4096);
    sample->time_us = herd->now - 1 - (gint64)herd_random(herd, 900);
    /* The daemon's clocks: an agent's frames come a little late, one more, one less. */
    if (herd->kind != HERD_WILD)
        sample->time_us = MIN(guest->next_us + (gint64)herd_random(herd, 3) * 1000, herd->now);
    sample->fields = SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_FAULTS;
    sample->source = SAMPLE_SOURCE_BALLOON;
    sample->total = total;
    sample->free = total - guest->used - guest->cached;
    sample->available = total - guest->used - guest->cached / 16384 * 4096;
    sample->cached = guest->cached;
    count(herd, guest, &sample->major_faults, 40);
    sample->swap_out += guest->busy && one_in(herd, 3) ? 12 * 4096 : 0;
    told = *sample;
    if (herd->kind != HERD_WILD || one_in(herd, 2))
        tell_as_agent(herd, guest, &told);
    if (herd->kind == HERD_WILD && one_in(herd, 20))
        told.free ^= herd_random(herd, 4096);
    if (herd->kind != HERD_WILD)
        sample_round(&told);
    if (herd->kind == HERD_WILD && one_in(herd, 10))
        sample_ring_amend(&guest->ring, &told);
    else
        sample_ring_push(&guest->ring, &told);
}

/*
 * What else happens
 */

static void
upset(Herd *herd, HerdGuest *guest, guint index)
{
    PlanGuest *plan = &guest->plan;

    switch (herd_random(herd, 14)) {
    case 0:
        boot(herd, guest);
        return;
    case 1:
        guest->there = FALSE;
        return;
    case 2:
        start_predictor(herd, guest);
        return;
    case 3:
        plan->pin = (PlanPin)herd_random(herd, PLAN_PIN_NO_SAMPLE);
        return;
    case 4:
        plan->weight = (double)(1 + herd_random(herd, 9)) / 7;
        return;
    case 5:
        plan->ceiling = plan->floor + herd_random(herd, 600) * MIB;
        return;
    case 6:
        plan->asking = !plan->asking;
        plan->urgent = plan->asking ? herd_random(herd, 100) * MIB : 0;
        return;
    case 7:
        plan->burst = herd_random(herd, 64) * MIB;
        return;
    case 8:
        herd->settings.plan.budget = herd->n_guests * (300 + herd_random(herd, 400)) * MIB;
        return;
    case 9:
        herd->settings.plan.share = !herd->settings.plan.share;
        herd->settings.plan.claimed = herd_random(herd, 300) * MIB;
        herd->settings.plan.probe = (ProbeMode)herd_random(herd, PROBE_NEVER + 1);
        return;
    case 10:
        plan->answers = !plan->answers;
        return;
    case 11:
        shrink_trial_answer(&guest->trial, 1 + herd_random(herd, 3), one_in(herd, 2), "busy",
                            herd->now);
        return;
    default:
        /* Somebody else's hand. */
        plan->requested = plan->actual = plan->floor + herd_random(herd, 300) * 2 * MIB;
        return;
    }
}

static void
pass_time(Herd *herd, HerdGuest *guest, guint index)
{
    if (!guest->there) {
        if (one_in(herd, 20))
            come(herd, guest, index);
        return;
    }
    guest->plan.actual = guest->plan.requested; /* a second's work at most */
    if (herd->now >= guest->next_us) {
        take_sample(herd, guest);
        guest->next_us += G_USEC_PER_SEC;
    }
    if (herd->kind == HERD_WILD && one_in(herd, 40))
        upset(herd, guest, index);
}

void
herd_begin_cycle(Herd *herd)
{
    herd->now += herd->kind == HERD_WILD ? 249500 + (gint64)herd_random(herd, 1000)
                                         : 250000 + (gint64)herd_random(herd, 3) * 1000;
    herd->n = 0;
    for (guint i = 0; i < herd->n_guests; i++) {
        HerdGuest *guest = &herd->guests[i];

        pass_time(herd, guest, i);
        if (!guest->there)
            continue;
        herd->which[herd->n] = guest;
        herd->plan[herd->n] = guest->plan;
        herd->subjects[herd->n] = (JournalSubject){ .name = guest->name,
                                                    .instance = guest->instance,
                                                    .plan = &herd->plan[herd->n] };
        herd->n++;
    }
}

void
herd_plan(Herd *herd)
{
    planner_predict(herd->plan, herd->n, herd->now);
    planner_allocate(&herd->settings.plan, herd->plan, herd->n, herd->now);
    for (guint i = 0; i < herd->n; i++) {
        const PlanGuest *plan = &herd->plan[i];
        PlanGuest *kept = &herd->which[i]->plan;

        kept->raw = plan->raw;
        if (plan->pin != PLAN_PIN_NONE || plan->target == plan->requested)
            continue;
        herd->subjects[i].decided = TRUE;
        herd->subjects[i].decision =
            (guint64)herd_header(herd).wall_us + 200 + herd_random(herd, 300);
        herd->subjects[i].requested = plan->requested;
        if (plan->target > plan->requested)
            kept->grown_us = herd->now;
        else
            kept->shrunk_us = herd->now;
        kept->requested = plan->target;
    }
}

void
herd_cycle(Herd *herd, JournalEncoder *encoder, GString *out)
{
    herd_begin_cycle(herd);
    journal_encoder_inputs(encoder, herd->subjects, herd->n, herd->now);
    journal_encoder_settings(encoder, &herd->settings);
    herd_plan(herd);
    journal_encoder_outcome(encoder, herd->subjects, herd->n, out);
}
