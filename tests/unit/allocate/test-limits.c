/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each limit on cases worked out by hand. What holds for any world is in
 * test-properties.c.
 */
#include "allocate/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define NOW    (1000 * SECOND)
#define MOST   4

/* A host and its guests; all sizes in MiB. */
typedef struct {
    LimitTuning tuning;
    HostView host;
    GuestView views[MOST];
    LimitGuest guests[MOST];
    guint64 raw[MOST];
    gsize n;
    LimitedTarget limited[MOST];
} Fixture;

/* Dead band 32 MiB, step 128 MiB, cool-down 30 s, and room enough. */
static Fixture
new_fixture(void)
{
    return (Fixture){
        .tuning = { .dead_band_min = 32 * MIB,
                    .shrink_step_min = 128 * MIB,
                    .cool_down_us = 30 * SECOND },
        .host.budget = 64 * 1024 * MIB,
    };
}

/* At rest with 1024 MiB between 256 and 4096, of which 512 are in use; grain 1 MiB. */
static GuestView *
add(Fixture *f, guint64 raw)
{
    gsize i = f->n++;

    g_assert(i < MOST);
    f->views[i] = (GuestView){
        .floor = 256 * MIB,
        .ceiling = 4096 * MIB,
        .actual = 1024 * MIB,
        .requested = 1024 * MIB,
        .used = 512 * MIB,
        .demand = raw * MIB,
        .weight = 1,
    };
    f->guests[i] = (LimitGuest){ .grain = MIB };
    f->raw[i] = raw * MIB;
    return &f->views[i];
}

static void
apply(Fixture *f)
{
    limits_apply(&f->tuning, &f->host, f->views, f->guests, f->n, f->raw, NOW, f->limited);
}

static void
assert_limited(const Fixture *f, gsize i, guint64 target, guint limits)
{
    if (f->limited[i].target != target * MIB || f->limited[i].limits != limits)
        fail_msg("guest %zu: %g MiB by %#x, not %" G_GUINT64_FORMAT " MiB by %#x", i,
                 (double)f->limited[i].target / MIB, f->limited[i].limits, target, limits);
}

/* For one guest alone: applies the limits and looks what came of it. */
static void
assert_becomes(Fixture *f, guint64 target, guint limits)
{
    apply(f);
    assert_limited(f, 0, target, limits);
}

static void
test_nothing_to_limit(void **state)
{
    Fixture f = new_fixture();

    add(&f, 1500);
    add(&f, 1024);
    add(&f, 960);
    apply(&f);
    assert_limited(&f, 0, 1500, 0);
    assert_limited(&f, 1, 1024, 0);
    assert_limited(&f, 2, 960, 0);
}

static void
test_floor_and_ceiling(void **state)
{
    Fixture f = new_fixture();

    f.tuning.shrink_step_min = 4096 * MIB;
    add(&f, 100);
    assert_becomes(&f, 256, LIMIT_FLOOR);
    f.raw[0] = 5000 * MIB;
    assert_becomes(&f, 4096, LIMIT_CEILING);

    /* They hold at once, whatever else damps. */
    f.tuning.shrink_step_min = 0;
    f.guests[0].grown_us = NOW;
    f.views[0].pressed = TRUE;
    f.views[0].ceiling = 700 * MIB;
    assert_becomes(&f, 700, LIMIT_CEILING);
    f.raw[0] = 0;
    f.views[0].ceiling = 4096 * MIB;
    f.views[0].floor = 1030 * MIB;
    assert_becomes(&f, 1030, LIMIT_FLOOR);
}

static void
test_pressed_guest_is_not_shrunk(void **state)
{
    Fixture f = new_fixture();
    GuestView *view = add(&f, 500);

    view->pressed = TRUE;
    assert_becomes(&f, 1024, LIMIT_PRESSED);
    /* A shrink that is going on ends where it is. */
    view->requested = 900 * MIB;
    assert_becomes(&f, 1024, LIMIT_PRESSED);
    /* Growth is not hindered, and not too small to matter. */
    f.raw[0] = 1025 * MIB;
    assert_becomes(&f, 1025, 0);
}

static void
test_cool_down(void **state)
{
    Fixture f = new_fixture();

    add(&f, 960);
    f.guests[0].grown_us = NOW - 30 * SECOND + 1;
    assert_becomes(&f, 1024, LIMIT_COOL_DOWN);
    f.guests[0].grown_us = NOW - 30 * SECOND;
    assert_becomes(&f, 960, 0);
    f.guests[0].grown_us = NOW;
    f.raw[0] = 1500 * MIB;
    assert_becomes(&f, 1500, 0);
}

static void
test_dead_band(void **state)
{
    Fixture f = new_fixture();

    add(&f, 1024 - 31);
    assert_becomes(&f, 1024, LIMIT_DEAD_BAND);
    f.raw[0] = (1024 - 32) * MIB;
    assert_becomes(&f, 1024 - 32, 0);
    f.raw[0] = (1024 + 31) * MIB;
    assert_becomes(&f, 1024, LIMIT_DEAD_BAND);
    f.raw[0] = (1024 + 32) * MIB;
    assert_becomes(&f, 1024 + 32, 0);

    f.tuning.dead_band = 0.0625; /* 64 MiB of 1024 */
    f.raw[0] = (1024 + 63) * MIB;
    assert_becomes(&f, 1024, LIMIT_DEAD_BAND);
}

static void
test_full_guest_gets_even_a_little(void **state)
{
    Fixture f = new_fixture();
    GuestView *view = add(&f, 1025);

    view->used = (1024 - 33) * MIB;
    assert_becomes(&f, 1024, LIMIT_DEAD_BAND);
    view->used = (1024 - 32) * MIB;
    assert_becomes(&f, 1025, 0);
    view->used = 2048 * MIB;
    assert_becomes(&f, 1025, 0);
}

static void
test_largest_step(void **state)
{
    Fixture f = new_fixture();
    GuestView *view = add(&f, 256);

    assert_becomes(&f, 1024 - 128, LIMIT_STEP);
    f.tuning.shrink_step = 0.25;
    assert_becomes(&f, 1024 - 256, LIMIT_STEP);
    f.tuning.shrink_step = 0;

    /* One step is outstanding already: it waits until the guest has done it... */
    view->requested = 896 * MIB;
    assert_becomes(&f, 896, LIMIT_STEP);
    /* ...and goes on as it does. */
    view->actual = 960 * MIB;
    assert_becomes(&f, 960 - 128, LIMIT_STEP);

    /* To take back an order to grow takes nothing from the guest. */
    view->requested = 2048 * MIB;
    view->actual = 512 * MIB;
    f.raw[0] = 512 * MIB;
    assert_becomes(&f, 512, 0);

    /* Growth has no step: it answers bursts. */
    f.raw[0] = 4096 * MIB;
    assert_becomes(&f, 4096, 0);
}

static void
test_grain(void **state)
{
    Fixture f = new_fixture();
    GuestView *view = add(&f, 1100);

    f.guests[0] = (LimitGuest){ .grain = 128 * MIB, .grain_base = 1024 * MIB };
    assert_becomes(&f, 1152, LIMIT_GRAIN);
    /* Never below what the policy gives, while there is room. */
    f.raw[0] = 900 * MIB;
    assert_becomes(&f, 1024, LIMIT_GRAIN);
    f.raw[0] = 896 * MIB;
    assert_becomes(&f, 896, 0);
    f.raw[0] = 850 * MIB;
    assert_becomes(&f, 896, LIMIT_STEP);

    /* Not above the ceiling. */
    view->ceiling = 1100 * MIB;
    f.raw[0] = 2000 * MIB;
    assert_becomes(&f, 1024, LIMIT_CEILING | LIMIT_GRAIN);
    /* Where devices can reach nothing that is allowed, the floor. */
    view->floor = 1060 * MIB;
    assert_becomes(&f, 1060, LIMIT_CEILING | LIMIT_GRAIN);
    f.raw[0] = 0;
    assert_becomes(&f, 1060, LIMIT_FLOOR);
    /* A floor between two reachable sizes is met by the upper one. */
    view->ceiling = 4096 * MIB;
    assert_becomes(&f, 1152, LIMIT_FLOOR | LIMIT_GRAIN);
}

/* A guest can be between two reachable sizes: its balloon was, or a DIMM is stuck. */
static void
test_odd_size_is_left_or_stepped_off(void **state)
{
    Fixture f = new_fixture();
    GuestView *view = add(&f, 1000);

    f.guests[0] = (LimitGuest){ .grain = 128 * MIB, .grain_base = 256 * MIB };
    view->actual = view->requested = 1000 * MIB;
    assert_becomes(&f, 1000, 0);
    f.raw[0] = 940 * MIB;
    assert_becomes(&f, 1000, LIMIT_GRAIN);
    f.raw[0] = 890 * MIB;
    assert_becomes(&f, 896, LIMIT_GRAIN);
    f.raw[0] = 1040 * MIB;
    assert_becomes(&f, 1152, LIMIT_GRAIN);

    /* What it was asked for is left, too, though it never gets there. */
    view->actual = 1024 * MIB;
    f.raw[0] = 1000 * MIB;
    assert_becomes(&f, 1000, 0);
    f.raw[0] = 1010 * MIB;
    f.tuning.dead_band_min = 0;
    assert_becomes(&f, 1024, LIMIT_GRAIN);
}

static void
test_small_steps_still_pass_a_coarse_grain(void **state)
{
    Fixture f = new_fixture();

    f.tuning.shrink_step_min = 10 * MIB;
    add(&f, 256);
    f.guests[0] = (LimitGuest){ .grain = 128 * MIB, .grain_base = 256 * MIB };
    assert_becomes(&f, 896, LIMIT_STEP);
}

static void
test_growth_shares_what_is_free(void **state)
{
    Fixture f = new_fixture();

    f.host.budget = (3 * 1024 + 600) * MIB;
    add(&f, 4000);
    add(&f, 4000)->weight = 3;
    add(&f, 1124)->weight = 3;
    apply(&f);
    /* By water level: the third is served, the first has more than its share already. */
    assert_limited(&f, 0, 1024, LIMIT_BUDGET);
    assert_limited(&f, 1, 1524, LIMIT_BUDGET);
    assert_limited(&f, 2, 1124, 0);
}

static void
test_growth_waits_for_donors(void **state)
{
    Fixture f = new_fixture();

    f.host.budget = 2 * 1024 * MIB;
    add(&f, 1152);
    add(&f, 896);
    apply(&f);
    assert_limited(&f, 0, 1024, LIMIT_DONORS);
    assert_limited(&f, 1, 896, 0);

    /* The donor was asked, and has given half. */
    f.views[1].requested = 896 * MIB;
    f.views[1].actual = 960 * MIB;
    apply(&f);
    assert_limited(&f, 0, 1024 + 64, LIMIT_DONORS);
    assert_limited(&f, 1, 896, 0);
}

/* A floor is a promise: it does not wait. */
static void
test_floor_does_not_wait_for_donors(void **state)
{
    Fixture f = new_fixture();

    f.host.budget = 2 * 1024 * MIB;
    f.tuning.shrink_step_min = 4096 * MIB;
    add(&f, 1200)->floor = 1100 * MIB;
    add(&f, 800);
    apply(&f);
    assert_limited(&f, 0, 1100, LIMIT_DONORS);
    assert_limited(&f, 1, 800, 0);
}

static void
test_cut_growth_is_rounded_down(void **state)
{
    Fixture f = new_fixture();

    f.host.budget = (2 * 1024 + 300) * MIB;
    add(&f, 1400);
    add(&f, 1400);
    for (gsize i = 0; i < f.n; i++)
        f.guests[i] = (LimitGuest){ .grain = 128 * MIB, .grain_base = 1024 * MIB };
    apply(&f);
    /* 150 each. */
    assert_limited(&f, 0, 1152, LIMIT_GRAIN | LIMIT_BUDGET);
    assert_limited(&f, 1, 1152, LIMIT_GRAIN | LIMIT_BUDGET);
}

/* Every kind of damping gives way to the budget; pressed guests last. */
/* 1024 each and the budget is lent out: who only cools down gives way to who needs,
 * by a step and no more; who needs waits until it has. */
static void
test_cool_down_gives_way_to_need(void **state)
{
    Fixture f = new_fixture();

    add(&f, 500); /* has just grown, and its load has gone */
    f.guests[0].grown_us = NOW;
    add(&f, 1500);
    f.host.budget = 2 * 1024 * MIB;
    apply(&f);
    assert_limited(&f, 0, 896, LIMIT_STEP);
    assert_limited(&f, 1, 1024, LIMIT_BUDGET);

    f.views[0].actual = f.views[0].requested = 896 * MIB;
    apply(&f);
    assert_limited(&f, 0, 768, LIMIT_STEP);
    assert_limited(&f, 1, 1152, LIMIT_BUDGET);

    /* With room for all it is left to cool down. */
    f.host.budget = 64 * 1024 * MIB;
    apply(&f);
    assert_limited(&f, 0, 896, LIMIT_COOL_DOWN);
    assert_limited(&f, 1, 1500, 0);
}

/* What is missing is not more than the dead band holds: that much is given. */
static void
test_gives_way_by_what_is_missing(void **state)
{
    Fixture f = new_fixture();

    add(&f, 1000);
    add(&f, 1064);
    f.host.budget = (2 * 1024 + 30) * MIB;
    apply(&f);
    assert_limited(&f, 0, 1014, LIMIT_DEAD_BAND);
    assert_limited(&f, 1, 1054, LIMIT_DONORS);
}

/* Cycles are more frequent than statistics: one step a look, but growth at once. */
static void
test_one_shrink_a_look(void **state)
{
    Fixture f = new_fixture();

    add(&f, 500);
    f.guests[0].least = 1024 * MIB;
    assert_becomes(&f, 1024, LIMIT_STEP | LIMIT_TRIAL);
    assert_int_equal(f.limited[0].wish, 896 * MIB);
    f.raw[0] = 1500 * MIB;
    assert_becomes(&f, 1500, 0);
    f.raw[0] = 500 * MIB;
    f.guests[0].least = 1000 * MIB;
    assert_becomes(&f, 1000, LIMIT_STEP | LIMIT_TRIAL);
    /* A step that hurt is given back, up to the ceiling. */
    f.guests[0].least = 1100 * MIB;
    assert_becomes(&f, 1100, LIMIT_STEP | LIMIT_TRIAL);
    f.views[0].ceiling = 1050 * MIB;
    assert_becomes(&f, 1050, LIMIT_STEP | LIMIT_TRIAL);
    f.guests[0].least = 0;
    assert_becomes(&f, 896, LIMIT_STEP);
}

/* Another's need is served all the same, and that is told. */
static void
test_need_overrules_a_trial(void **state)
{
    Fixture f = new_fixture();

    add(&f, 1000);
    add(&f, 2048);
    f.guests[0].least = 1024 * MIB;
    f.host.budget = 3072 * MIB;
    apply(&f);
    assert_limited(&f, 0, 1024, LIMIT_DEAD_BAND);
    assert_limited(&f, 1, 2048, 0);
    f.raw[0] = 900 * MIB;
    f.raw[1] = 3000 * MIB;
    apply(&f);
    assert_limited(&f, 0, 900, LIMIT_FORCED);
    assert_limited(&f, 1, 2048, LIMIT_BUDGET);
}

/* Growth ends where the guest's kernel could not bear more; nothing is taken for it. */
static void
test_kernel_zone(void **state)
{
    Fixture f = new_fixture();

    add(&f, 2048);
    f.guests[0].most = 1280 * MIB;
    assert_becomes(&f, 1280, LIMIT_KERNEL_ZONE);
    f.guests[0].most = 512 * MIB;
    assert_becomes(&f, 1024, LIMIT_KERNEL_ZONE);
    f.raw[0] = 960 * MIB;
    assert_becomes(&f, 960, 0);
    f.views[0].floor = 1536 * MIB;
    assert_becomes(&f, 1536, LIMIT_FLOOR);
}

/* Fine steps up to the knee, coarse ones beyond. */
static void
test_knee(void **state)
{
    Fixture f = new_fixture();

    add(&f, 1100);
    f.guests[0].knee = 1152 * MIB;
    f.guests[0].coarse = 128 * MIB;
    assert_becomes(&f, 1100, 0);
    f.raw[0] = 1153 * MIB;
    assert_becomes(&f, 1280, LIMIT_GRAIN);
    f.host.budget = 1279 * MIB;
    assert_becomes(&f, 1152, LIMIT_GRAIN | LIMIT_BUDGET);
}

/* 896 MiB for a guest of fine sizes, whose load has gone, and one that is 256 or 384 MiB. */
static Fixture
new_coarse_fixture(void)
{
    Fixture f = new_fixture();

    f.tuning = limit_tuning_default;
    f.host.budget = 896 * MIB;
    add(&f, 516);
    f.views[0].actual = f.views[0].requested = 516 * MIB;
    f.views[0].used = 300 * MIB;
    f.views[0].need = 450 * MIB;
    f.guests[0] = (LimitGuest){ .grain = 2 * MIB, .grain_base = 256 * MIB };
    add(&f, 380);
    f.views[1].actual = f.views[1].requested = 256 * MIB;
    f.views[1].used = 330 * MIB;
    f.views[1].need = 380 * MIB;
    f.views[1].pressed = TRUE;
    f.guests[1] = (LimitGuest){ .grain = MIB, .knee = 256 * MIB, .coarse = 128 * MIB };
    return f;
}

static void
follow(Fixture *f)
{
    for (gsize i = 0; i < f->n; i++)
        f->views[i].actual = f->views[i].requested = f->limited[i].target;
}

/* The raw targets fit, but one of them is no size that the guest can have. */
static void
test_others_give_what_a_size_lacks(void **state)
{
    Fixture f = new_coarse_fixture();

    apply(&f);
    assert_limited(&f, 0, 512, LIMIT_BUDGET);
    assert_limited(&f, 1, 256, LIMIT_GRAIN | LIMIT_DONORS);
    follow(&f);
    for (guint i = 0; i < 3; i++) {
        apply(&f);
        assert_int_equal(f.limited[0].target, 512 * MIB);
        assert_int_equal(f.limited[1].target, 384 * MIB);
        follow(&f);
    }

    /* From where the load left it, step by step, and no step is taken back. */
    f = new_coarse_fixture();
    f.views[0].actual = f.views[0].requested = 640 * MIB;
    for (guint i = 0; i < 8; i++) {
        apply(&f);
        assert_true(f.limited[0].target <= f.views[0].requested);
        assert_true(f.limited[1].target >= f.views[1].requested);
        follow(&f);
    }
    assert_int_equal(f.views[0].actual, 512 * MIB);
    assert_int_equal(f.views[1].actual, 384 * MIB);
}

/* Not what is needed, not under pressure, and not by so large a step that it would be no less
 * idle there: then nobody gives. */
static void
test_nobody_gives_in_vain(void **state)
{
    Fixture f = new_coarse_fixture();

    f.views[0].need = 513 * MIB;
    apply(&f);
    assert_limited(&f, 0, 516, 0);
    f.views[0].need = 512 * MIB;
    apply(&f);
    assert_limited(&f, 0, 512, LIMIT_BUDGET);

    f.views[0].pressed = TRUE;
    apply(&f);
    assert_limited(&f, 0, 516, 0);
    f.views[0].pressed = FALSE;
    f.guests[0].grain = 64 * MIB;
    f.guests[0].grain_base = 516 * MIB;
    apply(&f);
    assert_limited(&f, 0, 516, 0);

    /* Who has what it needs is not served at the cost of others. */
    f = new_coarse_fixture();
    f.views[1].used = f.views[1].need = 250 * MIB;
    apply(&f);
    assert_limited(&f, 0, 516, 0);
}

/* A donor does not take back what it gave before it has served. */
static void
test_growth_goes_to_need_first(void **state)
{
    Fixture f = new_coarse_fixture();

    f.views[0].actual = f.views[0].requested = 460 * MIB;
    apply(&f);
    assert_limited(&f, 0, 512, LIMIT_BUDGET);
    assert_limited(&f, 1, 384, LIMIT_GRAIN);
    f.host.budget = 845 * MIB;
    apply(&f);
    assert_limited(&f, 0, 460, LIMIT_GRAIN | LIMIT_BUDGET);
    assert_limited(&f, 1, 384, LIMIT_GRAIN);
}

static void
test_budget_beats_damping(void **state)
{
    Fixture f = new_fixture();

    add(&f, 400);  /* the step would leave it 896 */
    add(&f, 1000); /* within the dead band */
    add(&f, 600);  /* pressed */
    f.views[2].pressed = TRUE;
    add(&f, 500); /* has just grown */
    f.guests[3].grown_us = NOW;

    f.host.budget = 3 * 1024 * MIB;
    apply(&f);
    /* 1024 is kept by the pressed one; the others go down to a common level of 682.7
     * MiB, but not below their raw targets: 1000 there, so 524 for each of two. */
    assert_limited(&f, 0, 524, LIMIT_STEP | LIMIT_BUDGET);
    assert_limited(&f, 1, 1000, LIMIT_DEAD_BAND | LIMIT_BUDGET);
    assert_limited(&f, 2, 1024, LIMIT_PRESSED);
    assert_limited(&f, 3, 524, LIMIT_COOL_DOWN | LIMIT_BUDGET);

    /* Less: the others are at their raw targets, so the pressed one gives, too. */
    f.host.budget = (400 + 1000 + 700 + 500) * MIB;
    apply(&f);
    assert_limited(&f, 0, 400, LIMIT_STEP | LIMIT_BUDGET);
    assert_limited(&f, 1, 1000, LIMIT_DEAD_BAND | LIMIT_BUDGET);
    assert_limited(&f, 2, 700, LIMIT_PRESSED | LIMIT_BUDGET);
    assert_limited(&f, 3, 500, LIMIT_COOL_DOWN | LIMIT_BUDGET);
}

/* A policy that gives more than there is. */
static void
test_budget_beats_the_policy(void **state)
{
    Fixture f = new_fixture();

    f.host.budget = 1536 * MIB;
    add(&f, 4096);
    add(&f, 4096)->pressed = TRUE;
    apply(&f);
    assert_limited(&f, 0, 512, LIMIT_BUDGET);
    assert_limited(&f, 1, 1024, LIMIT_BUDGET);

    f.host.budget = 1000 * MIB;
    apply(&f);
    assert_limited(&f, 0, 256, LIMIT_BUDGET);
    assert_limited(&f, 1, 744, LIMIT_BUDGET);

    /* Not even the floors fit. */
    f.host.budget = 511 * MIB;
    apply(&f);
    assert_limited(&f, 0, 256, LIMIT_BUDGET);
    assert_limited(&f, 1, 256, LIMIT_BUDGET);
}

static void
test_no_guests(void **state)
{
    Fixture f = new_fixture();

    apply(&f);
}

static void
test_default_tuning_is_consistent(void **state)
{
    const LimitTuning *tuning = &limit_tuning_default;

    assert_true(tuning->dead_band < tuning->shrink_step);
    assert_true(tuning->dead_band_min < tuning->shrink_step_min);
    assert_true(tuning->cool_down_us > 0);
}

static void
test_every_limit_has_its_text(void **state)
{
    for (guint i = 0; i < 10; i++) {
        assert_string_not_equal(limit_describe((Limit)(1 << i)), limit_describe((Limit)0));
        for (guint j = 0; j < i; j++)
            assert_string_not_equal(limit_describe((Limit)(1 << i)),
                                    limit_describe((Limit)(1 << j)));
    }
    assert_string_equal(limit_describe(LIMIT_FLOOR), "raised to its floor");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_limit),
        cmocka_unit_test(test_floor_and_ceiling),
        cmocka_unit_test(test_pressed_guest_is_not_shrunk),
        cmocka_unit_test(test_cool_down),
        cmocka_unit_test(test_dead_band),
        cmocka_unit_test(test_full_guest_gets_even_a_little),
        cmocka_unit_test(test_largest_step),
        cmocka_unit_test(test_grain),
        cmocka_unit_test(test_odd_size_is_left_or_stepped_off),
        cmocka_unit_test(test_small_steps_still_pass_a_coarse_grain),
        cmocka_unit_test(test_growth_shares_what_is_free),
        cmocka_unit_test(test_growth_waits_for_donors),
        cmocka_unit_test(test_floor_does_not_wait_for_donors),
        cmocka_unit_test(test_cut_growth_is_rounded_down),
        cmocka_unit_test(test_cool_down_gives_way_to_need),
        cmocka_unit_test(test_gives_way_by_what_is_missing),
        cmocka_unit_test(test_one_shrink_a_look),
        cmocka_unit_test(test_need_overrules_a_trial),
        cmocka_unit_test(test_kernel_zone),
        cmocka_unit_test(test_knee),
        cmocka_unit_test(test_others_give_what_a_size_lacks),
        cmocka_unit_test(test_nobody_gives_in_vain),
        cmocka_unit_test(test_growth_goes_to_need_first),
        cmocka_unit_test(test_budget_beats_damping),
        cmocka_unit_test(test_budget_beats_the_policy),
        cmocka_unit_test(test_no_guests),
        cmocka_unit_test(test_default_tuning_is_consistent),
        cmocka_unit_test(test_every_limit_has_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
