/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recipe: which single step brings a guest's memory nearer to its target.
 *
 * Pure, and asked anew after every observation: it remembers no plan, so a lost
 * event, a restart or somebody else's change needs no case of its own.
 */
#pragma once

#include "hypervisor/guest-limits.h"
#include "hypervisor/guest-memory.h"

/* No Linux guest lives on less, whatever its balloon could take. */
#define RECIPE_LEAST_LEFT (G_GUINT64_CONSTANT(64) << 20)

/*
 * A device that would not follow, and how far it can go until it is tried
 * again. For a DIMM that cannot be unplugged, @least is its size.
 */
typedef struct {
    const char *device; /* RECIPE_BALLOON or RECIPE_NEW_DIMM, or a device's id */
    guint64 least;
    guint64 most;
    gboolean lapsed; /* the time is over, and it bounds nothing; but of several devices one that did
                      * not refuse is the better choice */
} RecipeBound;

#define RECIPE_BALLOON  "balloon"  /* bounds what the balloon holds */
#define RECIPE_NEW_DIMM "new DIMM" /* bounds the size of a DIMM yet to be plugged */

typedef enum {
    RECIPE_DONE, /* nothing more can be done for now */
    RECIPE_WAIT, /* the device @waiting_for is still on its way to where it should be */
    RECIPE_STEP, /* order @step */
} RecipeVerdict;

/* Why the guest ends elsewhere than at its target. */
typedef enum {
    RECIPE_AT_TARGET,
    RECIPE_SHORT_GRAIN,     /* the nearest size that the devices can make, from above */
    RECIPE_SHORT_MAXIMUM,   /* maxmem, or the virtio-mem device's size, is used up */
    RECIPE_SHORT_SLOTS,     /* no DIMM slot is free */
    RECIPE_SHORT_MECHANISM, /* the mechanism's device is not there */
    RECIPE_SHORT_BOOT,      /* boot memory can only be taken by a balloon */
    RECIPE_SHORT_NOT_OURS,  /* what is left to take is not memplug's to unplug */
    RECIPE_SHORT_WHOLE,     /* each DIMM that is memplug's to unplug is more than may go */
    RECIPE_SHORT_REFUSED,   /* a device is bounded: see the bounds */
} RecipeShort;

typedef struct {
    RecipeVerdict verdict;
    RecipeShort reason;      /* of RECIPE_DONE */
    MemoryStep step;         /* of RECIPE_STEP; borrows from @memory */
    const char *waiting_for; /* of RECIPE_WAIT: an id of @memory, or RECIPE_BALLOON */
    guint64 passing;         /* what the guest would have to have for a moment, for a DIMM to go
                              * that a balloon now holds all of, and until it has let go; 0: there
                              * is none */
} Recipe;

/*
 * recipe_next_step:
 * @memory: as just observed
 * @target: what the guest shall have in all
 * @mechanism: by which devices
 * @bounds: (array length=n_bounds): devices that would not follow lately
 *
 * Carrying out the steps one after the other, each once the one before has
 * ended, reaches RECIPE_DONE in a bounded number of steps. No step takes a
 * guest below the lesser of @target and what it has.
 */
Recipe recipe_next_step(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                        const RecipeBound *bounds, guint n_bounds);

/*
 * recipe_next_step_within:
 * @most: what the guest may have for a moment
 *
 * As recipe_next_step(), which is free to let the balloon go before it unplugs a DIMM: here that is
 * done only where the guest has no more than @most, or than it has now, in between. Else the DIMM
 * stays, the balloon holds it, and Recipe.passing tells what would be needed.
 */
Recipe recipe_next_step_within(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                               const RecipeBound *bounds, guint n_bounds, guint64 most);

/*
 * recipe_swap:
 * @peak: what the guest may have for a moment
 *
 * As recipe_next_step(), for a guest that a person wants at @target exactly: where that would
 * be done with RECIPE_SHORT_WHOLE, and DIMM slots, maxmem and @peak allow it, a DIMM is
 * plugged by which a larger one becomes too much. The larger then goes in the step after.
 */
Recipe recipe_swap(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                   const RecipeBound *bounds, guint n_bounds, guint64 peak);

/* What sizes a guest can be brought to. */
typedef struct {
    guint64 lowest;
    guint64 highest;
    guint64 grain; /* reachable are base ± k * grain, within lowest and highest, ... */
    guint64 base;
    guint64 knee;   /* ... but a policy had better go beyond this size by coarse steps, ... */
    guint64 coarse; /* ... unless this is 0: a DIMM is plugged whole, and what the
                     * balloon takes of it again the guest has had in between */
} RecipeRange;

RecipeRange recipe_range(const GuestMemory *memory, Mechanism mechanism);

/* Returns: static text for people: "no DIMM slot is free". */
const char *recipe_short_describe(RecipeShort reason);
