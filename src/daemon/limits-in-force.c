/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/limits-in-force.h"

#include <gio/gio.h>

#include "size/size.h"

void
limits_in_force_clear(LimitsInForce *force)
{
    g_free(force->cap_reason);
    g_free(force->obstacle);
    *force = (LimitsInForce){ 0 };
}

/* Returns: static text: what is missing for @mechanism to move anything. */
static const char *
what_is_missing(const GuestMemory *memory, Mechanism mechanism)
{
    static const char *const texts[] = {
        [MECHANISM_AUTO] = "it has no balloon, no virtio-mem device and no room for DIMMs above "
                           "its boot memory",
        [MECHANISM_DIMM] = "its mechanism is dimm, but it has no DIMM slots, or no room above its "
                           "boot memory",
        [MECHANISM_VIRTIO_MEM] = "its mechanism is virtio-mem, but it has no virtio-mem device",
        [MECHANISM_BALLOON] = "its mechanism is balloon, but it has none",
    };

    if (guest_memory_dimms(memory) > 0 && guest_memory_free_slots(memory) == 0 &&
        (mechanism == MECHANISM_AUTO || mechanism == MECHANISM_DIMM))
        return "its DIMM slots are taken by DIMMs that are not memplug's, and it has no balloon";
    return texts[mechanism];
}

static char *
obstacle_of(const GuestMemory *memory, Mechanism mechanism, const RecipeRange *range)
{
    if (memory->obstacle)
        return g_strdup(memory->obstacle);
    return range->lowest < range->highest ? NULL : g_strdup(what_is_missing(memory, mechanism));
}

/* Returns: the most of @range that is no more than @cap: a target between two sizes is
 *   rounded up, and the guest would be dead. */
static guint64
within_cap(const RecipeRange *range, guint64 cap)
{
    guint64 beyond;

    if (cap >= range->highest)
        return range->highest;
    if (cap >= range->base)
        beyond = (cap - range->base) % range->grain;
    else
        beyond = (range->grain - (range->base - cap) % range->grain) % range->grain;
    return MAX(cap - MIN(cap, beyond), range->lowest);
}

LimitsInForce
limits_in_force(const Config *config, const char *name, const GuestLimits *own,
                const GuestMemory *memory)
{
    const GuestLimits said = config_guest_limits(config, name, own);
    const GuestLimits unsaid = { .weight = 1, .mechanism = MECHANISM_AUTO, .managed = TRUE };
    LimitsInForce force = { .limits = guest_limits_overlay(&unsaid, &said) };
    GuestLimits *limits = &force.limits;
    const RecipeRange *range = &force.range;
    guint64 most;

    force.range = recipe_range(memory, limits->mechanism);
    force.obstacle = obstacle_of(memory, limits->mechanism, range);
    if (memory->cap > 0) {
        force.cap = within_cap(range, memory->cap);
        force.cap_reason = g_strdup(memory->cap_reason);
    }
    most = force.cap > 0 ? force.cap : range->highest;
    if (!(said.set & GUEST_LIMIT_FLOOR))
        limits->floor = memory->given > 0 ? memory->given : memory->boot;
    if (!(said.set & GUEST_LIMIT_CEILING))
        limits->ceiling = most;
    limits->floor = CLAMP(limits->floor, range->lowest, most);
    limits->ceiling = CLAMP(limits->ceiling, limits->floor, most);
    if (said.set & GUEST_LIMIT_PREDICTOR)
        force.predictor = predictor_find(said.predictor);
    if (!force.predictor)
        force.predictor = config->predictor;
    g_strlcpy(limits->predictor, force.predictor->name, GUEST_PREDICTOR_SIZE);
    limits->set = GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING | GUEST_LIMIT_WEIGHT |
                  GUEST_LIMIT_MECHANISM | GUEST_LIMIT_MANAGED | GUEST_LIMIT_PREDICTOR;
    return force;
}

static void
refuse_beyond_cap(const LimitsInForce *force, const char *name, const char *wanted, GError **error)
{
    g_autofree char *cap = size_format(force->cap);

    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "%s cannot have %s: with more than %s it would be killed by %s", name, wanted, cap,
                force->cap_reason ? force->cap_reason : "its host");
}

gboolean
limits_in_force_admit(const LimitsInForce *force, const char *name, guint64 size, GError **error)
{
    gboolean low = size < force->limits.floor;
    guint64 limit = low ? force->limits.floor : force->limits.ceiling;
    guint64 reach = low ? force->range.lowest : force->range.highest;
    g_autofree char *wanted = size_format(size);
    g_autofree char *bound = size_format(limit);

    if (force->obstacle) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "the memory of %s cannot be changed: %s", name, force->obstacle);
        return FALSE;
    }
    if (size >= force->limits.floor && size <= force->limits.ceiling)
        return TRUE;
    if (limit == reach)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s cannot have %s: its devices reach no %s than %s", name, wanted,
                    low ? "lower" : "higher", bound);
    else if (!low && force->cap > 0 && size > force->cap)
        refuse_beyond_cap(force, name, wanted, error);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s is %s the %s of %s, %s; change that with: memplug limits %s --%s '%s'",
                    wanted, low ? "below" : "above", low ? "floor" : "ceiling", name, bound, name,
                    low ? "floor" : "ceiling", wanted);
    return FALSE;
}
