/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What policy.h and limits.h promise, held against random worlds: the targets never
 * sum above the budget, never leave [floor, ceiling], more demand never gets less,
 * and so on.
 *
 * World number k is made from seed + k. A failure prints the seed of its world:
 * with MEMPLUG_TEST_SEED set to it the same world is the first. By default the seed
 * is the time, so that each run sees other worlds. MEMPLUG_TEST_WORLDS says how many
 * (a run under valgrind does with fewer).
 */
#include "tests/unit/allocate/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS_DEFAULT G_GUINT64_CONSTANT(300000)

typedef unsigned __int128 Wide;

static guint64 seed;
static guint64 worlds;

/* Not on the stack: a failing test leaves by longjmp(). */
static World world_now, world_turned;

/* Targets of one world: as the policy has them, and after the limits. */
typedef struct {
    guint64 raw[WORLD_MOST_GUESTS];
    LimitedTarget limited[WORLD_MOST_GUESTS];
} Targets;

/* Fails the running test with all that is needed to see why. */
#define check(world, targets, condition)                                                        \
    G_STMT_START                                                                                \
    {                                                                                           \
        if (!(condition)) {                                                                     \
            world_print((world), (targets)->raw, (targets)->limited);                           \
            fail_msg("MEMPLUG_TEST_SEED=%" G_GUINT64_FORMAT ": %s", (world)->seed, #condition); \
        }                                                                                       \
    }                                                                                           \
    G_STMT_END

static void
run_policy(const World *world, const Policy *policy, Targets *targets)
{
    policy->allocate(&world->host, world->views, world->n_guests, targets->raw);
}

static void
run_limits(const World *world, Targets *targets)
{
    limits_apply(&world->tuning, &world->host, world->views, world->guests, world->n_guests,
                 targets->raw, world->now, targets->limited);
}

static void
run_both(const World *world, const Policy *policy, Targets *targets)
{
    run_policy(world, policy, targets);
    run_limits(world, targets);
}

/* A policy gone mad: the limits must hold it too. */
static void
random_raw(World *world, Targets *targets)
{
    for (gsize i = 0; i < world->n_guests; i++)
        targets->raw[i] = world_random_size(world);
}

/* Calls @property on one in @one_in worlds with every policy and, if @without, once
 * with NULL instead. */
static void
for_all_worlds(guint64 one_in, gboolean without,
               void (*property)(World *world, const Policy *policy))
{
    for (guint64 k = 0; k < MAX(worlds / one_in, 1); k++) {
        for (const Policy *const *policy = policy_list(); *policy; policy++) {
            world_make(&world_now, seed + k);
            world_now.tuning.undamped |= (*policy)->paced;
            property(&world_now, *policy);
        }
        if (without) {
            world_make(&world_now, seed + k);
            property(&world_now, NULL);
        }
    }
}

/* --- policies alone ------------------------------------------------------- */

static void
policy_keeps_its_contract(World *world, const Policy *policy)
{
    Targets targets = { 0 };
    Wide sum = 0;

    run_policy(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++) {
        check(world, &targets, targets.raw[i] >= world->views[i].floor);
        check(world, &targets, targets.raw[i] <= world->views[i].ceiling);
        sum += targets.raw[i];
    }
    check(world, &targets, sum <= world->host.budget || !world_floors_fit(world));
}

static void
test_policies_keep_their_contract(void **state)
{
    for_all_worlds(1, FALSE, policy_keeps_its_contract);
}

/* balance wastes nothing: what it leaves free, nobody demands, or can take, but for the bytes that
 * cannot be shared evenly. */
static void
balance_wastes_nothing(World *world, const Policy *policy)
{
    Targets targets = { 0 };
    Wide sum = 0, asked = 0;

    if (policy != &policy_balance || !world_floors_fit(world))
        return;
    run_policy(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];

        sum += targets.raw[i];
        asked +=
            world->host.share ? view->ceiling : CLAMP(view->demand, view->floor, view->ceiling);
    }
    check(world, &targets, sum == asked || sum + world->n_guests > world->host.budget);
}

static void
test_balance_wastes_nothing(void **state)
{
    for_all_worlds(2, FALSE, balance_wastes_nothing);
}

/* While memory is left over a separable policy gives each guest what it would give it alone. */
static void
separable_is_separable(World *world, const Policy *policy)
{
    Targets targets = { 0 };
    Wide sum = 0;

    if (!policy->separable || world->host.share)
        return;
    run_policy(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++)
        sum += targets.raw[i];
    if (sum + world->n_guests > world->host.budget)
        return;
    for (gsize i = 0; i < world->n_guests; i++) {
        HostView left = world->host;
        guint64 alone;

        left.budget -= (guint64)sum - targets.raw[i];
        policy->allocate(&left, &world->views[i], 1, &alone);
        check(world, &targets, alone == targets.raw[i]);
    }
}

static void
test_separable_policies_are_separable(void **state)
{
    for_all_worlds(2, FALSE, separable_is_separable);
}

/* --- more never gets less ------------------------------------------------- */

static void
more_demand(World *world, const Policy *policy)
{
    gsize i = world_random(world, world->n_guests);
    guint64 other = world_random_size(world);
    Targets before = { 0 }, after = { 0 };

    run_both(world, policy, &before);
    world->views[i].demand = MAX(world->views[i].demand, other);
    run_both(world, policy, &after);
    check(world, &before, after.raw[i] >= before.raw[i]);
    check(world, &before, after.limited[i].target >= before.limited[i].target);
}

static void
test_more_demand_never_gets_less(void **state)
{
    for_all_worlds(1, FALSE, more_demand);
}

/* What a guest is left at need not be a size that its devices can reach: then what it gets by
 * asking for more may be the next one below. */
static guint64
left_reachable(const LimitGuest *guest, const LimitedTarget *limited)
{
    guint64 step = MAX(guest->grain, guest->coarse);

    if (!(limited->limits & LIMIT_DEAD_BAND) || limited->target < step)
        return limited->target;
    return limited->target - step + 1;
}

static void
more_raw(World *world)
{
    gsize i = world_random(world, world->n_guests);
    guint64 other = world_random_size(world);
    Targets before = { 0 }, after = { 0 };

    random_raw(world, &before);
    memcpy(after.raw, before.raw, sizeof after.raw);
    after.raw[i] = MAX(after.raw[i], other);
    run_limits(world, &before);
    run_limits(world, &after);
    for (gsize j = 0; j < world->n_guests; j++) {
        if (j == i)
            check(world, &before,
                  after.limited[j].target >= left_reachable(&world->guests[j], &before.limited[j]));
        else
            check(world, &before, after.limited[j].target <= before.limited[j].target);
    }
}

static void
test_more_raw_never_gets_less(void **state)
{
    for (guint64 k = 0; k < worlds; k++) {
        world_make(&world_now, seed + k);
        more_raw(&world_now);
    }
}

/* --- the limits ----------------------------------------------------------- */

/* No growth beyond what the guest's kernel bears; what it has already stays, and its floor
 * is reached, rounded up. */
static gboolean
bears(const World *world, gsize i, guint64 target)
{
    const GuestView *view = &world->views[i];
    const LimitGuest *guest = &world->guests[i];

    return guest->most == 0 || target <= MAX(guest->most, MAX(view->actual, view->requested)) ||
           target <= view->floor || target - view->floor < MAX(guest->grain, guest->coarse);
}

/* Less than its trial allows only where that is told, or the ceiling says so. */
static gboolean
trial_is_respected(const World *world, gsize i, const LimitedTarget *limited)
{
    guint64 stay = CLAMP(world->views[i].requested, world->views[i].floor, world->views[i].ceiling);
    guint64 least = MIN(world->guests[i].least, stay);

    return (limited->target < least) == ((limited->limits & LIMIT_FORCED) != 0);
}

static void
limits_hold(World *world, const Policy *policy)
{
    Targets targets = { 0 };
    Wide sum = 0, taken = 0, based = 0;

    if (policy)
        run_policy(world, policy, &targets);
    else
        random_raw(world, &targets);
    run_limits(world, &targets);

    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];
        const LimitedTarget *limited = &targets.limited[i];

        check(world, &targets, limited->target >= view->floor);
        check(world, &targets, limited->target <= view->ceiling);
        check(world, &targets, bears(world, i, limited->target));
        check(world, &targets, world->tuning.undamped || trial_is_respected(world, i, limited));
        check(world, &targets, limited->limits != 0 || limited->target == targets.raw[i]);
        sum += limited->target;
        taken += MAX(view->actual, limited->target);
        based += MAX(view->actual, view->floor);
    }
    check(world, &targets, sum <= world->host.budget || !world_floors_fit(world));
    check(world, &targets, taken <= MAX((Wide)world->host.budget, based));
}

static void
test_limits_hold(void **state)
{
    for_all_worlds(1, TRUE, limits_hold);
}

/* While what guests have fits the budget, none under pressure or that asks urgently loses
 * any of it; else only if all others are down to what the policy gives them. */
static void
pressed_are_spared(World *world, const Policy *policy)
{
    gboolean others_above_raw = FALSE, lost = FALSE;
    Targets targets = { 0 };
    Wide based = 0;

    if (world->tuning.undamped)
        return;
    run_both(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];
        guint64 target = targets.limited[i].target;

        based += MAX(view->actual, view->floor);
        if (!view->pressed && !view->urgent && target > targets.raw[i])
            others_above_raw = TRUE;
        if ((view->pressed || view->urgent) && view->actual <= view->ceiling &&
            target < view->actual)
            lost = TRUE;
    }
    check(world, &targets, !lost || (based > world->host.budget && !others_above_raw));
}

static void
test_pressed_guests_are_spared(void **state)
{
    for_all_worlds(2, FALSE, pressed_are_spared);
}

/* While an urgent guest is cut, nobody else grows beyond what it has. */
static void
urgent_are_first(World *world, const Policy *policy)
{
    gboolean cut = FALSE, others_grow = FALSE;
    Targets targets = { 0 };

    run_both(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];
        guint64 target = targets.limited[i].target;

        /* By more than rounding: what a grain would exceed may serve another. */
        if (view->urgent && targets.limited[i].limits & (LIMIT_BUDGET | LIMIT_DONORS) &&
            !(targets.limited[i].limits & LIMIT_GRAIN))
            cut = TRUE;
        if (!view->urgent && target > MAX(view->actual, view->floor))
            others_grow = TRUE;
    }
    check(world, &targets, !cut || !others_grow);
}

static void
test_urgent_guests_are_first(void **state)
{
    for_all_worlds(2, FALSE, urgent_are_first);
}

/* Asking urgently never gets a guest less. */
static void
asking_never_hurts(World *world, const Policy *policy)
{
    gsize i = world_random(world, world->n_guests);
    Targets before = { 0 }, after = { 0 };

    world->views[i].urgent = FALSE;
    run_both(world, policy, &before);
    world->views[i].urgent = TRUE;
    run_both(world, policy, &after);
    check(world, &before, after.limited[i].target >= before.limited[i].target);
}

static void
test_asking_never_hurts(void **state)
{
    for_all_worlds(2, FALSE, asking_never_hurts);
}

/* A target is reachable, or the floor where nothing is. */
static void
targets_are_reachable(World *world, const Policy *policy)
{
    Targets targets = { 0 };

    run_both(world, policy, &targets);
    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];
        const LimitGuest *guest = &world->guests[i];
        guint64 target = targets.limited[i].target;
        gboolean coarse = guest->coarse > 0 && target >= guest->knee;
        guint64 base = coarse ? guest->knee : guest->grain_base;
        guint64 grain = coarse ? guest->coarse : guest->grain;
        guint64 apart = target > base ? target - base : base - target;

        check(world, &targets,
              apart % grain == 0 || target == view->actual || target == view->requested ||
                  target == world->guests[i].least || target == view->floor);
    }
}

static void
test_targets_are_reachable(void **state)
{
    for_all_worlds(2, FALSE, targets_are_reachable);
}

/* --- equal treatment ------------------------------------------------------ */

static void
turn(World *turned, const World *world, gsize by)
{
    *turned = *world;
    for (gsize i = 0; i < world->n_guests; i++) {
        turned->views[i] = world->views[(i + by) % world->n_guests];
        turned->guests[i] = world->guests[(i + by) % world->n_guests];
    }
}

/* Guests keep their targets when their places are turned; and twins, wherever they
 * stand, have equal ones. */
static void
place_is_nothing(World *world, const Policy *policy)
{
    gsize by = world_random(world, world->n_guests);
    Targets here = { 0 }, there = { 0 };

    run_both(world, policy, &here);
    turn(&world_turned, world, by);
    run_both(&world_turned, policy, &there);
    for (gsize i = 0; i < world->n_guests; i++) {
        gsize j = (i + by) % world->n_guests;
        gboolean twins = memcmp(&world->views[i], &world->views[j], sizeof(GuestView)) == 0;

        check(world, &here, there.raw[i] == here.raw[j]);
        check(world, &here, there.limited[i].target == here.limited[j].target);
        check(world, &here, there.limited[i].limits == here.limited[j].limits);
        check(world, &here, !twins || here.raw[i] == here.raw[j]);
    }
}

static void
test_place_is_nothing(void **state)
{
    for_all_worlds(4, FALSE, place_is_nothing);
}

/* --- coming to rest ------------------------------------------------------- */

#define CYCLES_MOST 1000

/* Their rules hunt by themselves: MOM grows all guests until the host is short and shrinks all
 * when it is; Proxmox and qmemman count what they have not moved yet anew in each round. */
static const Policy *const restless[] = { &policy_mom, &policy_proxmox, &policy_qmemman };

/* Lets the guests follow. Returns: whether any was asked for another size. */
static gboolean
follow(World *world, const Targets *targets)
{
    gboolean moved = FALSE;
    Wide lent = 0;

    world->now += 120 * (gint64)G_USEC_PER_SEC;
    for (gsize i = 0; i < world->n_guests; i++) {
        GuestView *view = &world->views[i];
        guint64 target = targets->limited[i].target;

        moved |= target != view->requested || target != view->actual;
        if (target > view->requested)
            world->guests[i].grown_us = world->now;
        world->guests[i].least = 0;
        world->guests[i].most = 0;
        world->guests[i].probing = FALSE;
        world->guests[i].tight = FALSE;
        view->requested = view->actual = target;
        lent += target;
    }
    world->host.free = lent < world->host.total ? world->host.total - (guint64)lent : 0;
    return moved;
}

/* Returns: the size that the use of guest @i, which is at rest, calls for. */
static guint64
need_of(const World *world, gsize i)
{
    const GuestView *view = &world->views[i];

    return limits_round_up(view, &world->guests[i],
                           CLAMP(MAX(view->used, view->need), view->floor, view->ceiling));
}

/* Returns: whether guest @i can be asked to give below its raw target. */
static gboolean
may_give(const World *world, gsize i)
{
    const GuestView *view = &world->views[i];
    const LimitGuest *guest = &world->guests[i];
    gboolean coarse = guest->coarse > 0 && view->actual > guest->knee;

    return !view->pressed && (coarse ? guest->coarse : guest->grain) <= world->tuning.dead_band_min;
}

/* At rest, no need that the policy grants is left a size short while all needs fit. */
static void
needs_are_met(const World *world, const Targets *targets)
{
    Wide sum = 0;

    for (gsize i = 0; i < world->n_guests; i++) {
        guint64 need = need_of(world, i);

        if (world->views[i].urgent)
            return;
        sum += may_give(world, i) ? need : MAX(need, world->views[i].actual);
    }
    if (world->tuning.undamped || sum > world->host.budget)
        return;
    for (gsize i = 0; i < world->n_guests; i++) {
        guint64 has = world->views[i].actual, need = MIN(need_of(world, i), targets->raw[i]);

        check(world, targets, has >= need || need - has < limits_dead_band(&world->tuning, has));
    }
}

/* Returns: what those that give for another's need may give too much: a grain each, and what
 * those who get it leave, since all that they still lack lies within their dead band. */
static guint64
given_in_vain(const World *world)
{
    guint64 sum = 0;

    for (gsize i = 0; i < world->n_guests; i++) {
        sum += may_give(world, i) ? MAX(world->guests[i].grain, world->guests[i].coarse) : 0;
        sum += limits_dead_band(&world->tuning, world->views[i].actual);
    }
    return sum;
}

/* With demands that do not change and guests that follow, the targets come to rest,
 * and once the budget is met no guest turns round on the way, but for the little that was
 * given in vain. */
static void
targets_come_to_rest(World *world, const Policy *policy)
{
    gint8 direction[WORLD_MOST_GUESTS] = { 0 };
    Targets targets = { 0 };

    for (gsize i = 0; i < G_N_ELEMENTS(restless); i++) {
        if (policy == restless[i])
            return;
    }
    run_both(world, policy, &targets);
    follow(world, &targets);
    for (guint cycle = 0; cycle < CYCLES_MOST; cycle++) {
        run_both(world, policy, &targets);
        for (gsize i = 0; i < world->n_guests; i++) {
            guint64 from = world->views[i].requested, to = targets.limited[i].target;

            check(world, &targets, to >= from || direction[i] <= 0);
            check(world, &targets,
                  to <= from || direction[i] >= 0 || to - from <= given_in_vain(world));
            if (to != from)
                direction[i] = to > from ? 1 : -1;
        }
        if (!follow(world, &targets)) {
            needs_are_met(world, &targets);
            return;
        }
    }
    check(world, &targets, !"at rest");
}

static void
test_targets_come_to_rest(void **state)
{
    for_all_worlds(20, FALSE, targets_come_to_rest);
}

static guint64
from_environment(const char *name, guint64 otherwise)
{
    const char *text = g_getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_keep_their_contract),
        cmocka_unit_test(test_balance_wastes_nothing),
        cmocka_unit_test(test_separable_policies_are_separable),
        cmocka_unit_test(test_more_demand_never_gets_less),
        cmocka_unit_test(test_more_raw_never_gets_less),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_pressed_guests_are_spared),
        cmocka_unit_test(test_urgent_guests_are_first),
        cmocka_unit_test(test_asking_never_hurts),
        cmocka_unit_test(test_targets_are_reachable),
        cmocka_unit_test(test_place_is_nothing),
        cmocka_unit_test(test_targets_come_to_rest),
    };

    seed = from_environment("MEMPLUG_TEST_SEED", (guint64)g_get_real_time());
    worlds = MAX(from_environment("MEMPLUG_TEST_WORLDS", WORLDS_DEFAULT), 1);
    print_message("MEMPLUG_TEST_SEED=%" G_GUINT64_FORMAT " MEMPLUG_TEST_WORLDS=%" G_GUINT64_FORMAT
                  "\n",
                  seed, worlds);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
