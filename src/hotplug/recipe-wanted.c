/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The coarse part of a guest's memory: virtio-mem devices or DIMMs, and which of them is
 * to change next.
 */
#include "hotplug/recipe-wanted.h"

#include "hotplug/dimm-ladder.h"
#include "hotplug/node-balance.h"

/* The DIMM that is still coming or going, and must be waited for, or NULL. */
static const MemoryDevice *
unsettled_dimm(const RecipeQuestion *question)
{
    for (guint i = 0; i < question->memory->n_devices; i++) {
        const MemoryDevice *device = &question->memory->devices[i];

        if (device->kind == MEMORY_DEVICE_DIMM && (device->removing || !device->acknowledged) &&
            !recipe_question_is_bounded(question, device->id))
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
virtio_mem_shares(const RecipeQuestion *question, guint64 total)
{
    const GuestMemory *memory = question->memory;
    NodeShare *shares = g_new(NodeShare, memory->n_devices);
    guint n_shares = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];
        RecipeBound bound = recipe_question_bound(question, device->id);
        guint64 most;

        if (!can_be_asked(device))
            continue;
        most = recipe_round_down(MIN(device->max, bound.most), device->block);
        shares[n_shares++] = (NodeShare){
            .node = device->node,
            .now = device->requested,
            .least = MIN(recipe_round_up(bound.least, device->block), most),
            .most = most,
            .block = device->block,
        };
    }
    node_balance_share(memory, shares, n_shares, total);
    return shares;
}

/* What @device comes to if it is to have @share: an order, waiting, or nothing. */
static void
want_share(const RecipeQuestion *question, const MemoryDevice *device, guint64 share,
           RecipeWanted *wanted)
{
    if (wanted->change || wanted->wait)
        return;
    if (share != device->requested) {
        wanted->change = TRUE;
        wanted->step = (MemoryStep){ .kind = MEMORY_STEP_RESIZE_VIRTIO_MEM,
                                     .size = share,
                                     .node = device->node,
                                     .device = device->id };
    } else if (device->size != device->requested &&
               !recipe_question_is_bounded(question, device->id)) {
        wanted->wait = device->id;
    }
}

static RecipeWanted
want_virtio_mem(const RecipeQuestion *question)
{
    const GuestMemory *memory = question->memory;
    guint64 fixed = memory->boot + guest_memory_dimms(memory);
    guint64 held = question->means.balloon ? 0 : memory->ballooned;
    guint64 left = question->target + held - MIN(question->target + held, fixed);
    g_autofree NodeShare *shares = virtio_mem_shares(question, left);
    guint64 capacity = fixed;
    const MemoryDevice *unsettled = unsettled_dimm(question);
    RecipeWanted wanted = { .wait = unsettled ? unsettled->id : NULL };

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
        wanted.balloon = recipe_question_balloon(question, capacity);
    return wanted;
}

/*
 * DIMMs
 */

gboolean
recipe_wanted_goes_before(const RecipeQuestion *question, const MemoryDevice *a,
                          const MemoryDevice *b)
{
    gint64 of_a = node_balance_surplus(question->memory, a->node, 0);
    gint64 of_b = node_balance_surplus(question->memory, b->node, 0);
    gboolean refused_a = recipe_question_bound(question, a->id).lapsed;
    gboolean refused_b = recipe_question_bound(question, b->id).lapsed;

    /* What refused lies in a zone of the guest's kernel, mostly, and does so again. */
    if (refused_a != refused_b)
        return refused_b;
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
removable_dimm(const RecipeQuestion *question, guint64 spare)
{
    const MemoryDevice *best = NULL;

    for (guint i = 0; i < question->memory->n_devices; i++) {
        const MemoryDevice *device = &question->memory->devices[i];

        if (!recipe_question_may_go(question, device))
            continue;
        if (device->size > spare) {
            if (question->means.balloon)
                return NULL;
            continue;
        }
        if (!best || recipe_wanted_goes_before(question, device, best))
            best = device;
    }
    return best;
}

/*
 * What the guest has in the moment before @device goes: what is beyond its target without the
 * device is all that the balloon may still hold then.
 */
static guint64
passing(const RecipeQuestion *question, const MemoryDevice *device)
{
    const GuestMemory *memory = question->memory;
    guint64 capacity = recipe_question_capacity(memory);
    guint64 held = recipe_question_balloon(question, capacity - device->size);

    return capacity - MIN(question->means.balloon ? MIN(memory->ballooned, held) : 0, capacity);
}

/* Whether there is room for that; who has as much now has it already. */
static gboolean
may_pass(const RecipeQuestion *question, const MemoryDevice *device)
{
    const guint64 has = guest_memory_actual(question->memory);

    return !question->means.balloon || passing(question, device) <= MAX(question->most, has);
}

static guint64
dimm_size(const RecipeQuestion *question, guint64 need)
{
    const DimmLadder ladder = {
        .actual = guest_memory_actual(question->memory),
        .headroom = MIN(guest_memory_headroom(question->memory),
                        recipe_question_bound(question, RECIPE_NEW_DIMM).most),
        .free_slots = guest_memory_free_slots(question->memory),
        .slots = question->memory->slots,
        .surplus = question->means.balloon,
    };

    return dimm_ladder_size(&ladder, need);
}

static RecipeWanted
want_dimm(const RecipeQuestion *question)
{
    const GuestMemory *memory = question->memory;
    const MemoryDevice *unsettled = unsettled_dimm(question);
    const MemoryDevice *removable = NULL;
    guint64 held = question->means.balloon ? 0 : memory->ballooned;
    guint64 capacity =
        recipe_question_capacity(memory) - MIN(held, recipe_question_capacity(memory));
    RecipeWanted wanted = { 0 };

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
    } else if ((removable = removable_dimm(question, capacity - question->target)) &&
               passing(question, removable) > guest_memory_actual(memory)) {
        /* Told while it is used, too: else the room would be given to somebody else. */
        wanted.passing = passing(question, removable);
    }
    if (removable && may_pass(question, removable)) {
        wanted.change = TRUE;
        wanted.step = (MemoryStep){ .kind = MEMORY_STEP_UNPLUG_DIMM,
                                    .size = removable->size,
                                    .node = removable->node,
                                    .device = removable->id };
        capacity -= removable->size;
    }

    if (question->means.balloon)
        wanted.balloon = recipe_question_balloon(question, capacity);
    return wanted;
}

static RecipeWanted
want_balloon_only(const RecipeQuestion *question)
{
    RecipeWanted wanted = { 0 };

    if (question->means.balloon)
        wanted.balloon =
            recipe_question_balloon(question, recipe_question_capacity(question->memory));
    return wanted;
}

RecipeWanted
recipe_wanted(const RecipeQuestion *question)
{
    return question->means.virtio_mem ? want_virtio_mem(question)
           : question->means.dimm     ? want_dimm(question)
                                      : want_balloon_only(question);
}
