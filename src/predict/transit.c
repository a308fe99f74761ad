/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/transit.h"

/* A shrink's last step may still be on its way, and the sample that shows it be late: as in
 * overhead.c. */
#define SETTLE_US (3 * G_USEC_PER_SEC)

/* A guest is left room above its use (USAGE_ROOM_MIN), so what is set aside leaves it more than
 * half of that; whoever has less does use it. From there on so many times what is left can be
 * aside. */
#define LEFT_LEAST  (G_GUINT64_CONSTANT(32) << 20)
#define ASIDE_TIMES 4

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* Whether @latest shows the guest as it has been for a while. Growth is over with the first sample
 * after it, since it sets nothing aside. */
static gboolean
is_quiet(const Transit *transit, const Sample *latest)
{
    if (transit->shrunk_us != 0 && latest->time_us - transit->shrunk_us < SETTLE_US)
        return FALSE;
    return latest->time_us >= transit->changed_us;
}

void
transit_look(Transit *transit, const Sample *latest, guint64 actual, gint64 now)
{
    guint64 lowest = transit->asked > 0 ? MIN(actual, transit->asked) : actual;

    if (transit->actual != 0 && (actual < transit->actual || lowest < transit->lowest))
        transit->shrunk_us = now;
    if (transit->actual != 0 && actual != transit->actual)
        transit->changed_us = now;
    transit->actual = actual;
    transit->lowest = lowest;
    if (!is_quiet(transit, latest)) {
        transit->used = transit_used(transit, latest);
        return;
    }
    transit->quiet_us = latest->time_us;
    transit->quiet_actual = actual;
    transit->quiet_total = latest->total;
    transit->used = sample_used(latest);
}

guint64
transit_used(const Transit *transit, const Sample *sample)
{
    guint64 used = sample_used(sample), taken, aside;

    if (transit->quiet_us == 0 || sample->time_us <= transit->quiet_us)
        return used;
    taken = minus(transit->quiet_actual, transit->lowest);
    aside = minus(taken, minus(transit->quiet_total, sample->total));
    aside = MIN(aside,
                ASIDE_TIMES * minus(MIN(sample->available, G_MAXUINT64 / ASIDE_TIMES), LEFT_LEAST));
    return CLAMP(transit->used, minus(used, aside), used);
}
