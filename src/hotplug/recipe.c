/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A guest's memory is a coarse part, made of devices, less what the balloon
 * holds of it:
 *
 *      capacity = boot + virtio-mem + DIMMs          actual = capacity - balloon
 *
 * For a target the recipe first says how the devices should stand (`Wanted`),
 * then derives the one step that comes next:
 *
 *      1. let the balloon go     memory at once, at no cost to the guest
 *      2. plug or unplug         one device
 *      3. fill the balloon       the fine rest
 *
 * In this order a guest never has less than both its target and what it has
 * now: what an unplug takes is given by the balloon before, and the balloon
 * takes only what a plug gave too much.
 *
 * The coarse part is virtio-mem where the mechanism allows it and there is a
 * device, else DIMMs. Capacity is rounded up to what the devices can make, so
 * without a balloon a guest ends up to one grain above its target, never below.
 *
 * Where the guest has several NUMA nodes, what comes and goes keeps their proportions
 * (node-balance.h).
 *
 * A device under a bound stays where it is or goes as far as the bound lets it.
 */
#include "hotplug/recipe.h"

#include "hotplug/dimm-ladder.h"
#include "hotplug/node-balance.h"

/* A policy that moves a balloon by less moves noise. */
#define BALLOON_POLICY_GRAIN (G_GUINT64_CONSTANT(1) << 20)

/* Which devices a mechanism uses on a given guest. */
typedef struct {
    gboolean virtio_mem;
    gboolean dimm;
    gboolean balloon;
} Means;

typedef struct {
    const GuestMemory *memory;
    Means means;
    guint64 target;
    const RecipeBound *bounds;
    guint n_bounds;
} Question;

/* How the devices should stand, as far as the next change goes. */
typedef struct {
    gboolean change;  /* there is a coarse change to make: */
    MemoryStep step;  /*   this one, */
    const char *wait; /*   or none until this device is where it was sent */
    guint64 balloon;  /* what the balloon should hold after it */
} Wanted;

static gboolean
has_virtio_mem(const GuestMemory *memory)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].id)
            return TRUE;
    }
    return FALSE;
}

static Means
means_of(const GuestMemory *memory, Mechanism mechanism)
{
    gboolean virtio_mem = has_virtio_mem(memory);

    switch (mechanism) {
    case MECHANISM_DIMM:
        return (Means){ .dimm = memory->slots > 0 };
    case MECHANISM_VIRTIO_MEM:
        return (Means){ .virtio_mem = virtio_mem };
    case MECHANISM_BALLOON:
        return (Means){ .balloon = memory->has_balloon };
    case MECHANISM_AUTO:
        break;
    }
    return (Means){
        .virtio_mem = virtio_mem,
        .dimm = !virtio_mem && memory->slots > 0,
        .balloon = memory->has_balloon,
    };
}

static RecipeBound
bound_of(const Question *question, const char *device)
{
    for (guint i = 0; i < question->n_bounds; i++) {
        if (g_strcmp0(question->bounds[i].device, device) == 0)
            return question->bounds[i];
    }
    return (RecipeBound){ .device = device, .most = G_MAXUINT64 };
}

static gboolean
is_bounded(const Question *question, const char *device)
{
    RecipeBound bound = bound_of(question, device);

    return bound.least > 0 || bound.most < G_MAXUINT64;
}

/* Boot memory and every device as it is now, or as it was last told to be. */
static guint64
capacity_of(const GuestMemory *memory)
{
    guint64 capacity = memory->boot;

    for (guint i = 0; i < memory->n_devices; i++)
        capacity += memory->devices[i].size;
    return capacity;
}

static guint64
virtio_mem_bytes(const GuestMemory *memory)
{
    return capacity_of(memory) - memory->boot - guest_memory_dimms(memory);
}

static guint64
round_down(guint64 value, guint64 grain)
{
    return value - value % grain;
}

static guint64
round_up(guint64 value, guint64 grain)
{
    return round_down(value, grain) + (value % grain ? grain : 0);
}

/* QEMU's balloon holds boot memory and DIMMs, not what virtio-mem has plugged,
 * and some of it must be left for the guest's kernel. */
static guint64
balloon_most(const GuestMemory *memory)
{
    guint64 fillable = memory->boot + guest_memory_dimms(memory);

    return fillable - MIN(fillable, RECIPE_LEAST_LEFT);
}

/* Capacity beyond the target is the balloon's to hold, as far as it may. */
static guint64
balloon_wanted(const Question *question, guint64 capacity)
{
    RecipeBound bound = bound_of(question, RECIPE_BALLOON);
    guint64 beyond = capacity - MIN(capacity, question->target);
    guint64 most = MIN(balloon_most(question->memory), bound.most);

    return CLAMP(round_down(MIN(beyond, most), MEMORY_BALLOON_GRAIN), bound.least,
                 MAX(bound.least, most));
}

/* The DIMM that is still coming or going, and must be waited for, or NULL. */
static const MemoryDevice *
unsettled_dimm(const Question *question)
{
    for (guint i = 0; i < question->memory->n_devices; i++) {
        const MemoryDevice *device = &question->memory->devices[i];

        if (device->kind == MEMORY_DEVICE_DIMM && (device->removing || !device->acknowledged) &&
            !is_bounded(question, device->id))
            return device;
    }
    return NULL;
}

/*
 * virtio-mem
 */

/* A device without a name cannot be told anything, one without a block is none. */
static gboolean
can_be_asked(const MemoryDevice *device)
{
    return device->kind == MEMORY_DEVICE_VIRTIO_MEM && device->id && device->block > 0;
}

/* Returns: (transfer full): how the devices that can be asked share @total, in their order. */
static NodeShare *
virtio_mem_shares(const Question *question, guint64 total)
{
    const GuestMemory *memory = question->memory;
    NodeShare *shares = g_new(NodeShare, memory->n_devices);
    guint n_shares = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];
        RecipeBound bound = bound_of(question, device->id);
        guint64 most;

        if (!can_be_asked(device))
            continue;
        most = round_down(MIN(device->max, bound.most), device->block);
        shares[n_shares++] = (NodeShare){
            .node = device->node,
            .now = device->requested,
            .least = MIN(round_up(bound.least, device->block), most),
            .most = most,
            .block = device->block,
        };
    }
    node_balance_share(memory, shares, n_shares, total);
    return shares;
}

/* What @device comes to if it is to have @share: an order, waiting, or nothing. */
static void
want_share(const Question *question, const MemoryDevice *device, guint64 share, Wanted *wanted)
{
    if (wanted->change || wanted->wait)
        return;
    if (share != device->requested) {
        wanted->change = TRUE;
        wanted->step = (MemoryStep){ .kind = MEMORY_STEP_RESIZE_VIRTIO_MEM,
                                     .size = share,
                                     .node = device->node,
                                     .device = device->id };
    } else if (device->size != device->requested && !is_bounded(question, device->id)) {
        wanted->wait = device->id;
    }
}

static Wanted
want_virtio_mem(const Question *question)
{
    const GuestMemory *memory = question->memory;
    guint64 fixed = memory->boot + guest_memory_dimms(memory);
    guint64 held = question->means.balloon ? 0 : memory->ballooned;
    guint64 left = question->target + held - MIN(question->target + held, fixed);
    g_autofree NodeShare *shares = virtio_mem_shares(question, left);
    guint64 capacity = fixed;
    const MemoryDevice *unsettled = unsettled_dimm(question);
    Wanted wanted = { .wait = unsettled ? unsettled->id : NULL };

    /* Those that grow first, since what they give may cover what the others lose. */
    for (guint turn = 0; turn < 2; turn++) {
        for (guint i = 0, next = 0; i < memory->n_devices; i++) {
            const MemoryDevice *device = &memory->devices[i];
            guint64 share;

            if (!can_be_asked(device))
                continue;
            share = shares[next++].now;
            if (turn == 0)
                capacity += share;
            if ((turn == 0) == (share > device->size))
                want_share(question, device, share, &wanted);
        }
    }

    /* The balloon is for what virtio-mem cannot take: boot memory. */
    if (question->means.balloon && question->target < fixed)
        wanted.balloon = balloon_wanted(question, capacity);
    return wanted;
}

/*
 * DIMMs
 */

static gboolean
may_go(const Question *question, const MemoryDevice *device)
{
    return device->kind == MEMORY_DEVICE_DIMM && device->ours && !is_bounded(question, device->id);
}

/* Whether @a is to go before @b: from the node that is most above its part, then by size. */
static gboolean
goes_before(const Question *question, const MemoryDevice *a, const MemoryDevice *b)
{
    gint64 of_a = node_balance_surplus(question->memory, a->node, 0);
    gint64 of_b = node_balance_surplus(question->memory, b->node, 0);

    return of_a > of_b || (of_a == of_b && a->size > b->size);
}

/*
 * The DIMM of ours to let go while @spare bytes are too many, or NULL.
 *
 * With a balloon none goes before the largest can: a DIMM that was just plugged
 * larger than the need leaves less than its own size to spare, so it never
 * pushes an older one out; and a guest that shrinks to its boot memory loses
 * all of them all the same.
 */
static const MemoryDevice *
removable_dimm(const Question *question, guint64 spare)
{
    const MemoryDevice *best = NULL;

    for (guint i = 0; i < question->memory->n_devices; i++) {
        const MemoryDevice *device = &question->memory->devices[i];

        if (!may_go(question, device))
            continue;
        if (device->size > spare) {
            if (question->means.balloon)
                return NULL;
            continue;
        }
        if (!best || goes_before(question, device, best))
            best = device;
    }
    return best;
}

static guint64
dimm_size(const Question *question, guint64 need)
{
    const DimmLadder ladder = {
        .actual = guest_memory_actual(question->memory),
        .headroom =
            MIN(guest_memory_headroom(question->memory), bound_of(question, RECIPE_NEW_DIMM).most),
        .free_slots = guest_memory_free_slots(question->memory),
        .slots = question->memory->slots,
        .surplus = question->means.balloon,
    };

    return dimm_ladder_size(&ladder, need);
}

static Wanted
want_dimm(const Question *question)
{
    const GuestMemory *memory = question->memory;
    const MemoryDevice *unsettled = unsettled_dimm(question);
    const MemoryDevice *removable;
    guint64 held = question->means.balloon ? 0 : memory->ballooned;
    guint64 capacity = capacity_of(memory) - MIN(held, capacity_of(memory));
    Wanted wanted = { 0 };

    if (unsettled) {
        wanted.wait = unsettled->id;
        if (unsettled->removing)
            capacity -= unsettled->size;
    } else if (capacity < question->target) {
        guint64 size = dimm_size(question, question->target - capacity);

        wanted.change = size > 0;
        wanted.step = (MemoryStep){ .kind = MEMORY_STEP_PLUG_DIMM,
                                    .size = size,
                                    .node = node_balance_plug(memory, size) };
        capacity += size;
    } else if ((removable = removable_dimm(question, capacity - question->target))) {
        wanted.change = TRUE;
        wanted.step = (MemoryStep){ .kind = MEMORY_STEP_UNPLUG_DIMM,
                                    .size = removable->size,
                                    .node = removable->node,
                                    .device = removable->id };
        capacity -= removable->size;
    }

    if (question->means.balloon)
        wanted.balloon = balloon_wanted(question, capacity);
    return wanted;
}

static Wanted
want_balloon_only(const Question *question)
{
    Wanted wanted = { 0 };

    if (question->means.balloon)
        wanted.balloon = balloon_wanted(question, capacity_of(question->memory));
    return wanted;
}

/*
 * The step
 */

static Recipe
recipe_step(const MemoryStep *step)
{
    return (Recipe){ .verdict = RECIPE_STEP, .step = *step };
}

static Recipe
recipe_wait(const char *device)
{
    return (Recipe){ .verdict = RECIPE_WAIT, .waiting_for = device };
}

static Recipe
recipe_balloon(guint64 size)
{
    return recipe_step(&(MemoryStep){ .kind = MEMORY_STEP_SET_BALLOON, .size = size });
}

static gboolean
has_dimm_of_ours(const GuestMemory *memory)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM && memory->devices[i].ours)
            return TRUE;
    }
    return FALSE;
}

static RecipeShort
why_above(const Question *question, guint64 beyond)
{
    const GuestMemory *memory = question->memory;

    if (question->n_bounds > 0)
        return RECIPE_SHORT_REFUSED;
    if (question->means.virtio_mem) {
        for (guint i = 0; i < memory->n_devices; i++) {
            if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].size > 0)
                return RECIPE_SHORT_GRAIN;
        }
    }
    if (question->means.balloon && beyond < MEMORY_BALLOON_GRAIN)
        return RECIPE_SHORT_GRAIN;
    if (question->means.dimm && guest_memory_dimms(memory) > 0)
        return beyond < MEMORY_DIMM_GRAIN ? RECIPE_SHORT_GRAIN
               : has_dimm_of_ours(memory) ? RECIPE_SHORT_WHOLE
                                          : RECIPE_SHORT_NOT_OURS;
    return question->target < memory->boot ? RECIPE_SHORT_BOOT : RECIPE_SHORT_NOT_OURS;
}

static RecipeShort
why_below(const Question *question)
{
    const Means *means = &question->means;

    if (question->n_bounds > 0)
        return RECIPE_SHORT_REFUSED;
    if (means->virtio_mem)
        return RECIPE_SHORT_MAXIMUM;
    if (means->dimm)
        return guest_memory_free_slots(question->memory) == 0 ? RECIPE_SHORT_SLOTS
                                                              : RECIPE_SHORT_MAXIMUM;
    return means->balloon ? RECIPE_SHORT_MAXIMUM : RECIPE_SHORT_MECHANISM;
}

static Recipe
recipe_done(const Question *question)
{
    guint64 actual = guest_memory_actual(question->memory);
    RecipeShort reason = RECIPE_AT_TARGET;

    if (actual > question->target)
        reason = why_above(question, actual - question->target);
    else if (actual < question->target)
        reason = why_below(question);
    return (Recipe){ .verdict = RECIPE_DONE, .reason = reason };
}

Recipe
recipe_next_step(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                 const RecipeBound *bounds, guint n_bounds)
{
    const Question question = {
        .memory = memory,
        .means = means_of(memory, mechanism),
        .target = target,
        .bounds = bounds,
        .n_bounds = n_bounds,
    };
    const Wanted wanted = question.means.virtio_mem ? want_virtio_mem(&question)
                          : question.means.dimm     ? want_dimm(&question)
                                                    : want_balloon_only(&question);
    gboolean balloon_moves = question.means.balloon &&
                             memory->ballooned != memory->balloon_requested &&
                             !is_bounded(&question, RECIPE_BALLOON);

    if (question.means.balloon && memory->balloon_requested > wanted.balloon)
        return recipe_balloon(wanted.balloon);
    if (balloon_moves && memory->ballooned > wanted.balloon)
        return recipe_wait(RECIPE_BALLOON);

    if (wanted.wait)
        return recipe_wait(wanted.wait);
    if (wanted.change)
        return recipe_step(&wanted.step);

    if (question.means.balloon && memory->balloon_requested < wanted.balloon)
        return recipe_balloon(wanted.balloon);
    if (balloon_moves)
        return recipe_wait(RECIPE_BALLOON);
    return recipe_done(&question);
}

static guint64
foreign_dimms(const GuestMemory *memory)
{
    guint64 bytes = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM && !memory->devices[i].ours)
            bytes += memory->devices[i].size;
    }
    return bytes;
}

RecipeRange
recipe_range(const GuestMemory *memory, Mechanism mechanism)
{
    const Means means = means_of(memory, mechanism);
    guint64 capacity = capacity_of(memory);
    guint64 held = means.balloon ? 0 : MIN(memory->ballooned, capacity);
    guint64 dimms = guest_memory_dimms(memory);
    /* What stays when the coarse devices are as empty as they can be. */
    guint64 ram = memory->boot + (means.dimm ? foreign_dimms(memory) : dimms);
    guint64 virtio_mem = means.virtio_mem ? 0 : virtio_mem_bytes(memory);
    guint64 kept = means.balloon ? MIN(ram, RECIPE_LEAST_LEFT) : ram - MIN(ram, held);
    RecipeRange range = {
        .lowest = kept + virtio_mem,
        .highest = capacity - held,
        .grain = MEMORY_BALLOON_GRAIN,
        .base = ram - MIN(ram, held) + virtio_mem,
    };

    if (means.virtio_mem) {
        range.highest = memory->boot + dimms - MIN(held, memory->boot + dimms);
        for (guint i = 0; i < memory->n_devices; i++) {
            const MemoryDevice *device = &memory->devices[i];

            if (device->kind != MEMORY_DEVICE_VIRTIO_MEM)
                continue;
            range.highest += device->max;
            range.grain = MAX(range.grain, device->block);
        }
    } else if (means.dimm) {
        if (guest_memory_free_slots(memory) > 0)
            range.highest += round_down(guest_memory_headroom(memory), MEMORY_DIMM_GRAIN);
        range.grain = means.balloon ? BALLOON_POLICY_GRAIN : MEMORY_DIMM_GRAIN;
        range.knee = means.balloon ? capacity : 0;
        range.coarse = means.balloon ? MEMORY_DIMM_GRAIN : 0;
    } else if (means.balloon) {
        range.grain = BALLOON_POLICY_GRAIN;
    }
    return range;
}

const char *
recipe_short_describe(RecipeShort reason)
{
    static const char *const texts[] = {
        [RECIPE_AT_TARGET] = "at its target",
        [RECIPE_SHORT_GRAIN] = "the nearest size above that its devices can make",
        [RECIPE_SHORT_MAXIMUM] = "its maximum memory is plugged",
        [RECIPE_SHORT_SLOTS] = "no DIMM slot is free",
        [RECIPE_SHORT_MECHANISM] = "it has no device for this mechanism",
        [RECIPE_SHORT_BOOT] = "boot memory can only be taken by a balloon",
        [RECIPE_SHORT_NOT_OURS] = "what is left to take is not memplug's to unplug",
        [RECIPE_SHORT_WHOLE] = "a DIMM goes only whole, and each that memplug may unplug is "
                               "larger than what is too much",
        [RECIPE_SHORT_REFUSED] = "the guest does not follow",
    };

    return texts[reason];
}
