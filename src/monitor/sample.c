/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/sample.h"

const char *
sample_source_name(SampleSource source)
{
    return source == SAMPLE_SOURCE_AGENT ? "agent" : "balloon";
}

#define GRANULE_LEAST (G_GUINT64_CONSTANT(64) << 10)
#define GRANULE_MOST  (G_GUINT64_CONSTANT(1) << 20)
#define GRANULES      4096 /* of a guest between the two */

void
sample_round(Sample *sample)
{
    guint64 *const sizes[] = {
        &sample->free,  &sample->available, &sample->cached,           &sample->shmem,
        &sample->dirty, &sample->committed, &sample->slab_reclaimable, &sample->swap_free
    };
    guint64 granule = GRANULE_LEAST;

    while (granule < GRANULE_MOST && granule * 2 <= sample->total / GRANULES)
        granule *= 2;
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        *sizes[i] -= *sizes[i] % granule;
    sample->time_us -= sample->time_us % 1000;
}

void
sample_ring_clear(SampleRing *ring)
{
    ring->next = 0;
    ring->count = 0;
}

void
sample_ring_push(SampleRing *ring, const Sample *sample)
{
    const Sample *latest = sample_ring_get(ring, 0);

    if (latest && sample->time_us <= latest->time_us)
        return;
    ring->samples[ring->next] = *sample;
    ring->next = (ring->next + 1) % SAMPLE_RING_SIZE;
    ring->count = MIN(ring->count + 1, SAMPLE_RING_SIZE);
}

void
sample_ring_amend(SampleRing *ring, const Sample *sample)
{
    if (ring->count == 0) {
        sample_ring_push(ring, sample);
        return;
    }
    ring->samples[(ring->next + SAMPLE_RING_SIZE - 1) % SAMPLE_RING_SIZE] = *sample;
}

const Sample *
sample_ring_get(const SampleRing *ring, guint age)
{
    if (age >= ring->count)
        return NULL;
    return &ring->samples[(ring->next + SAMPLE_RING_SIZE - 1 - age) % SAMPLE_RING_SIZE];
}

guint64
sample_used(const Sample *sample)
{
    return sample->total > sample->available ? sample->total - sample->available : 0;
}
