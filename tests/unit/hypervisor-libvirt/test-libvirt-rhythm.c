/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a guest is asked: one that renews its statistics, and one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hypervisor/libvirt/libvirt-rhythm.h"

#define CYCLE_US (G_USEC_PER_SEC / 4)
#define CYCLES   400

/* Asks in every cycle that is due. @renews: the guest tells something new each second.
 * Returns: how often it was asked; @latest: the longest that news stayed unseen. */
static guint
live(gboolean renews, gint64 phase_us, gint64 *latest)
{
    LibvirtRhythm rhythm = { 0 };
    gint64 seen_s = -1;
    guint asked = 0;

    *latest = 0;
    for (gint64 now = G_USEC_PER_SEC; now < CYCLES * CYCLE_US; now += CYCLE_US) {
        gint64 told_s = renews ? (now - phase_us) / G_USEC_PER_SEC : 0;

        if (!libvirt_rhythm_is_due(&rhythm, now))
            continue;
        asked++;
        if (told_s != seen_s && seen_s >= 0)
            *latest = MAX(*latest, now - (told_s * G_USEC_PER_SEC + phase_us));
        seen_s = told_s;
        libvirt_rhythm_answered(&rhythm, (guint64)told_s, now);
    }
    return asked;
}

static void
test_news_are_seen_within_a_cycle(void **state)
{
    for (gint64 phase_us = 0; phase_us < G_USEC_PER_SEC; phase_us += 10 * 1000) {
        gint64 latest;
        guint asked = live(TRUE, phase_us, &latest);

        assert_true(latest <= CYCLE_US);
        /* Two questions a second instead of four, at most. */
        assert_true(asked <= CYCLES / 2);
    }
}

static void
test_a_quiet_guest_is_asked_once_a_second(void **state)
{
    gint64 latest;
    guint asked = live(FALSE, 0, &latest);

    assert_in_range(asked, CYCLES / 4 - 4, CYCLES / 4 + 16);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news_are_seen_within_a_cycle),
        cmocka_unit_test(test_a_quiet_guest_is_asked_once_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
