/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What room.h, leases.h and the planner promise together, held against random worlds in which
 * guests grow, shrink, lag behind, come for their leases or do not:
 *
 *   - what guests have, what is granted and what is gathered never sum above the budget;
 *   - nothing is promised twice: what is claimed is obtainable;
 *   - nobody pays with what he needs, and nobody under pressure pays at all;
 *   - donors that are equal in all give equally, and a guest that can spare more gives more;
 *   - when all leases have ended, nothing is claimed.
 *
 * MEMPLUG_TEST_SEED and MEMPLUG_TEST_WORLDS are as in test-properties.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocate/leases.h"
#include "allocate/proportion.h"
#include "allocate/room.h"
#include "tests/unit/allocate/world.h"

#define MIB         (G_GUINT64_CONSTANT(1) << 20)
#define MOST_GUESTS 24
#define STEPS       40

static guint64 seed;
static guint64 worlds;
static SampleRing no_samples;
static World dice;

typedef struct {
    PlanGuest guests[MOST_GUESTS];
    gsize n_guests;
    PlanSettings settings;
    Leases *leases;
    guint64 next_id;
    gint64 now;
} Host;

static guint64
roll(guint64 end)
{
    return world_random(&dice, end);
}

#define check(host, condition)                                                              \
    G_STMT_START                                                                            \
    {                                                                                       \
        if (!(condition)) {                                                                 \
            print_host(host);                                                               \
            fail_msg("MEMPLUG_TEST_SEED=%" G_GUINT64_FORMAT ": %s", dice.seed, #condition); \
        }                                                                                   \
    }                                                                                       \
    G_STMT_END

static void
print_host(const Host *host)
{
    g_printerr("budget %" G_GUINT64_FORMAT " claimed %" G_GUINT64_FORMAT "\n",
               host->settings.budget, leases_claimed(host->leases));
    for (gsize i = 0; i < host->n_guests; i++) {
        const PlanGuest *guest = &host->guests[i];

        g_printerr("  floor %" G_GUINT64_FORMAT " ceiling %" G_GUINT64_FORMAT
                   " actual %" G_GUINT64_FORMAT " requested %" G_GUINT64_FORMAT
                   " need %" G_GUINT64_FORMAT " keep %" G_GUINT64_FORMAT " raw %" G_GUINT64_FORMAT
                   " target %" G_GUINT64_FORMAT "%s pin %d limits %#x\n",
                   guest->floor, guest->ceiling, guest->actual, guest->requested,
                   guest->forecast.need, planner_keep(guest), guest->raw, guest->target,
                   guest->forecast.pressed ? " pressed" : "", (int)guest->pin, guest->limits);
    }
}

static void
change_use(PlanGuest *guest)
{
    guint64 need = roll(guest->ceiling + 64 * MIB);

    guest->forecast = (Forecast){ .valid = TRUE,
                                  .used = need / 2,
                                  .need = need,
                                  .demand = need + roll(256) * MIB,
                                  .pressed = roll(6) == 0,
                                  .reason = "test" };
    if (roll(8) == 0)
        guest->pin = roll(2) ? PLAN_PIN_HELD : PLAN_PIN_NONE;
}

/* A guest that has @size. */
static void
add_guest(Host *host, guint64 size)
{
    static const guint64 grains[] = { 4096, 2 * MIB, 128 * MIB };
    PlanGuest *guest = &host->guests[host->n_guests++];

    *guest = (PlanGuest){ .ring = &no_samples,
                          .actual = size,
                          .requested = size,
                          .floor = size / (1 + roll(4)),
                          .ceiling = size + roll(16) * 64 * MIB,
                          .weight = 1 + (double)roll(3),
                          .grain = grains[roll(3)],
                          .grain_base = size };
    change_use(guest);
}

static void
make_host(Host *host, guint64 world_seed)
{
    guint64 sum = 0;
    gsize n = 1 + (dice.seed = dice.random = world_seed, roll(8));

    *host = (Host){ .leases = leases_new(), .next_id = 1, .now = 3600 * (gint64)G_USEC_PER_SEC };
    dice.scale = G_GUINT64_CONSTANT(8) << 30;
    for (gsize i = 0; i < n; i++)
        add_guest(host, (1 + roll(32)) * 32 * MIB);
    for (gsize i = 0; i < n; i++)
        sum += host->guests[i].actual;
    host->settings = (PlanSettings){ .policy = policy_list()[0],
                                     .tuning = limit_tuning_default,
                                     .budget = sum + (roll(2) ? 0 : roll(512) * MIB) };
    for (const Policy *const *policy = policy_list(); *policy; policy++)
        if (roll(4) == 0)
            host->settings.policy = *policy;
}

static guint64
taken_by_guests(const Host *host)
{
    guint64 sum = 0;

    for (gsize i = 0; i < host->n_guests; i++)
        sum += MAX(host->guests[i].actual, host->guests[i].requested);
    return sum;
}

/* Somebody asks, lets go, or comes. */
static void
happen(Host *host)
{
    const LeaseTerms terms = { .asked = (1 + roll(16)) * 32 * MIB,
                               .at_least = roll(2) ? 0 : 32 * MIB,
                               .wait_us = (gint64)(1 + roll(20)) * G_USEC_PER_SEC,
                               .ttl_us = (gint64)(1 + roll(20)) * G_USEC_PER_SEC };
    GPtrArray *all = leases_all(host->leases);
    Lease *lease = all->len > 0 ? all->pdata[roll(all->len)] : NULL;

    if (roll(4) == 0)
        leases_ask(host->leases, host->next_id++, &terms, host->now);
    if (!lease || !lease_is_open(lease))
        return;
    if (roll(8) == 0) {
        lease_end(lease, LEASE_RELEASED, NULL, host->now);
    } else if (lease->state == LEASE_GRANTED && roll(3) == 0 && host->n_guests < MOST_GUESTS) {
        add_guest(host, lease->granted);
        lease_transfer(lease, host->now);
    }
}

/* Guests follow, some of them not at all, and use another part of what they have. */
static void
follow(Host *host)
{
    for (gsize i = 0; i < host->n_guests; i++) {
        PlanGuest *guest = &host->guests[i];

        if (guest->pin == PLAN_PIN_NONE)
            guest->requested = guest->target;
        if (guest->actual > guest->requested && roll(3))
            guest->actual -= roll(guest->actual - guest->requested + 1);
        else if (guest->actual < guest->requested && roll(3))
            guest->actual += roll(guest->requested - guest->actual + 1);
        if (roll(3) == 0)
            guest->actual = guest->requested;
        if (roll(6) == 0)
            change_use(guest);
    }
}

/* What the host's guests have, and what they keep. */
static void
sum_up(const Host *host, guint64 *has, guint64 *keep)
{
    RoomDonor donors[MOST_GUESTS];

    room_look(host->guests, host->n_guests, host->settings.budget, 0, donors);
    *has = *keep = 0;
    for (gsize i = 0; i < host->n_guests; i++) {
        *keep += donors[i].keeps;
        *has += host->guests[i].pin != PLAN_PIN_NONE
                    ? donors[i].has
                    : MAX(host->guests[i].actual, host->guests[i].floor);
    }
}

/* Where room had to be made for claims, and could be, nobody paid with what he needs. */
static void
check_donors(const Host *host)
{
    guint64 has, keep;

    sum_up(host, &has, &keep);
    if (has + host->settings.claimed <= host->settings.budget ||
        keep + host->settings.claimed > host->settings.budget)
        return;
    for (gsize i = 0; i < host->n_guests; i++) {
        const PlanGuest *guest = &host->guests[i];

        if (guest->pin != PLAN_PIN_NONE)
            continue;
        if (guest->forecast.pressed)
            check(host, guest->target >= MIN(guest->actual, guest->ceiling));
        else
            check(host,
                  guest->target >= MIN(planner_keep(guest), MIN(guest->actual, guest->requested)));
    }
}

static void
step(Host *host)
{
    guint64 gathered = 0;
    Room room;

    leases_expire(host->leases, host->now);
    room = room_look(host->guests, host->n_guests, host->settings.budget,
                     leases_granted(host->leases), NULL);
    check(host, room.free <= room.most && room.obtainable <= room.most);
    leases_promise(host->leases, room.obtainable, host->now);
    check(host, leases_claimed(host->leases) <= room.obtainable + leases_granted(host->leases));
    leases_grant(host->leases, room.free, host->now);
    for (guint i = 0; i < leases_all(host->leases)->len; i++)
        gathered += ((Lease *)leases_all(host->leases)->pdata[i])->gathered;
    check(host,
          taken_by_guests(host) + leases_granted(host->leases) + gathered <= host->settings.budget);

    host->settings.claimed = leases_claimed(host->leases);
    planner_allocate(&host->settings, host->guests, host->n_guests, host->now);
    check_donors(host);
}

static void
test_worlds(void **state)
{
    for (guint64 k = 0; k < worlds; k++) {
        Host host;

        make_host(&host, seed + k);
        for (guint i = 0; i < STEPS; i++) {
            happen(&host);
            step(&host);
            for (guint j = 0; j < leases_all(host.leases)->len; j++)
                ((Lease *)leases_all(host.leases)->pdata[j])->changed = FALSE;
            follow(&host);
            check(&host,
                  taken_by_guests(&host) + leases_granted(host.leases) <= host.settings.budget);
            host.now += (gint64)roll(2 * G_USEC_PER_SEC);
        }
        /* Nobody comes any more. */
        host.now += 100 * G_USEC_PER_SEC;
        leases_expire(host.leases, host.now);
        check(&host, leases_claimed(host.leases) == 0);
        leases_free(host.leases);
    }
}

/* --- proportion ----------------------------------------------------------- */

static void
test_proportion(void **state)
{
    dice.random = seed;
    for (guint64 k = 0; k < worlds; k++) {
        guint64 spare[8], gives[8], others[8];
        unsigned __int128 all = 0, sum = 0, missing;
        gsize n = 1 + roll(8), one = roll(n);
        guint64 scale = roll(3) ? 100 : G_MAXUINT64;

        for (gsize i = 0; i < n; i++) {
            spare[i] = i > 0 && roll(4) == 0 ? spare[i - 1] : roll(scale);
            all += spare[i];
        }
        missing = all / 100 * roll(120) + roll(3);
        proportion_give(spare, n, missing, gives);
        for (gsize i = 0; i < n; i++) {
            assert_true(gives[i] <= spare[i]);
            sum += gives[i];
            for (gsize j = 0; j < n; j++)
                assert_true(spare[i] > spare[j] || gives[i] <= gives[j]);
        }
        assert_true(sum >= MIN(missing, all));
        assert_true(sum < missing + n || missing == 0);

        if (spare[one] > 0) {
            spare[one]--;
            proportion_give(spare, n, missing, others);
            for (gsize i = 0; i < n; i++)
                assert_true(i == one ? others[i] <= gives[i] : others[i] >= gives[i]);
            spare[one]++;
        }
        if (spare[one] < G_MAXUINT64) {
            spare[one]++;
            proportion_give(spare, n, missing + 1, others);
            assert_true(others[one] <= gives[one] + 1);
            for (gsize i = 0; i < n; i++)
                assert_true(i == one || others[i] >= gives[i]);
        }
    }
}

/* --- by hand -------------------------------------------------------------- */

static PlanGuest
plain(guint64 size, guint64 need)
{
    return (PlanGuest){
        .ring = &no_samples,
        .actual = size,
        .requested = size,
        .floor = 64 * MIB,
        .ceiling = 1024 * MIB,
        .weight = 1,
        .grain = 4096,
        .forecast = { .valid = TRUE, .used = need, .need = need, .demand = need, .reason = "test" }
    };
}

static void
test_who_gives_what(void **state)
{
    PlanGuest guests[] = { plain(256 * MIB, 100 * MIB), plain(256 * MIB, 10 * MIB),
                           plain(256 * MIB, 100 * MIB), plain(256 * MIB, 0) };
    RoomDonor donors[4];
    Room room;

    guests[2].forecast.pressed = TRUE;
    guests[3].pin = PLAN_PIN_HELD;
    room = room_look(guests, 4, 1100 * MIB, 20 * MIB, donors);
    assert_int_equal(room.free, (1100 - 1024 - 20) * MIB);
    assert_int_equal(room.obtainable, (56 + 156 + 192) * MIB);
    assert_int_equal(room.most, (56 + 3 * 192) * MIB);
    assert_int_equal(donors[0].refusal, ROOM_NEEDED);
    assert_int_equal(donors[1].refusal, ROOM_GIVES_ALL);
    assert_int_equal(donors[2].refusal, ROOM_PRESSED);
    assert_int_equal(donors[3].refusal, ROOM_PINNED);
    assert_int_equal(donors[2].keeps, 256 * MIB);
}

/* A pool of 1 GiB full of guests, and one of 256 MiB to come: each gives the same part of what
 * it has idle, in one go, the busy one nothing. */
static void
test_donors_give_in_proportion(void **state)
{
    PlanGuest guests[] = { plain(256 * MIB, 56 * MIB), plain(256 * MIB, 156 * MIB),
                           plain(256 * MIB, 176 * MIB), plain(256 * MIB, 256 * MIB) };
    PlanSettings settings = { .policy = &policy_balance,
                              .tuning = limit_tuning_default,
                              .budget = 1024 * MIB,
                              .claimed = 256 * MIB };

    /* Idle: 192 (its floor is 64), 100, 80, 0; of these 372 MiB 256 are wanted. */
    planner_allocate(&settings, guests, 4, 3600 * (gint64)G_USEC_PER_SEC);
    for (gsize i = 0; i < 3; i++) {
        static const guint64 idle[] = { 192, 100, 80 };
        guint64 given = guests[i].requested - guests[i].target;

        assert_true(given >= idle[i] * MIB / 372 * 256);
        assert_true(given <= idle[i] * MIB / 372 * 256 + 2 * 4096);
        assert_true(guests[i].limits & LIMIT_BUDGET);
    }
    assert_int_equal(guests[3].target, 256 * MIB);
}

/* What DIMMs cannot give in part is not given beyond what the guest keeps. */
static void
test_coarse_guests_keep_what_they_need(void **state)
{
    PlanGuest guests[] = { plain(512 * MIB, 290 * MIB), plain(512 * MIB, 64 * MIB) };
    PlanSettings settings = { .policy = &policy_balance,
                              .tuning = limit_tuning_default,
                              .budget = 1024 * MIB,
                              .claimed = 300 * MIB };
    Room room;

    guests[0].grain = guests[1].grain = 128 * MIB;
    guests[0].floor = guests[1].floor = 128 * MIB;
    room = room_look(guests, 2, settings.budget, 0, NULL);
    assert_int_equal(room.obtainable, (128 + 384) * MIB);
    planner_allocate(&settings, guests, 2, 3600 * (gint64)G_USEC_PER_SEC);
    assert_true(guests[0].target >= 384 * MIB);
    assert_true(guests[0].target + guests[1].target + settings.claimed <= settings.budget);
}

int
main(void)
{
    const char *of_environment = g_getenv("MEMPLUG_TEST_SEED");
    const char *many = g_getenv("MEMPLUG_TEST_WORLDS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gives_what),
        cmocka_unit_test(test_donors_give_in_proportion),
        cmocka_unit_test(test_coarse_guests_keep_what_they_need),
        cmocka_unit_test(test_proportion),
        cmocka_unit_test(test_worlds),
    };

    seed = of_environment ? g_ascii_strtoull(of_environment, NULL, 10) : (guint64)g_get_real_time();
    worlds = MAX((many ? g_ascii_strtoull(many, NULL, 10) : 1000000) / 20, 1);
    g_print("MEMPLUG_TEST_SEED=%" G_GUINT64_FORMAT "\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
