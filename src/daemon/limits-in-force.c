/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/limits-in-force.h"

#include <gio/gio.h>

#include "size/size.h"

LimitsInForce
limits_in_force(const Config *config, const char *name, const GuestLimits *own,
                const GuestMemory *memory)
{
    const GuestLimits said = config_guest_limits(config, name, own);
    const GuestLimits unsaid = { .weight = 1, .mechanism = MECHANISM_AUTO, .managed = TRUE };
    LimitsInForce force = { .limits = guest_limits_overlay(&unsaid, &said) };
    GuestLimits *limits = &force.limits;
    const RecipeRange *range = &force.range;

    force.range = recipe_range(memory, limits->mechanism);
    if (!(said.set & GUEST_LIMIT_FLOOR))
        limits->floor = memory->boot;
    if (!(said.set & GUEST_LIMIT_CEILING))
        limits->ceiling = range->highest;
    limits->floor = CLAMP(limits->floor, range->lowest, range->highest);
    limits->ceiling = CLAMP(limits->ceiling, limits->floor, range->highest);
    limits->set = GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING | GUEST_LIMIT_WEIGHT |
                  GUEST_LIMIT_MECHANISM | GUEST_LIMIT_MANAGED;
    return force;
}

gboolean
limits_in_force_admit(const LimitsInForce *force, const char *name, guint64 size, GError **error)
{
    gboolean low = size < force->limits.floor;
    guint64 limit = low ? force->limits.floor : force->limits.ceiling;
    guint64 reach = low ? force->range.lowest : force->range.highest;
    g_autofree char *wanted = NULL;
    g_autofree char *bound = NULL;

    if (size >= force->limits.floor && size <= force->limits.ceiling)
        return TRUE;
    wanted = size_format(size);
    bound = size_format(limit);
    if (limit == reach)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s cannot have %s: its devices reach no %s than %s", name, wanted,
                    low ? "lower" : "higher", bound);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s is %s the %s of %s, %s; change that with: memplug limits %s --%s '%s'",
                    wanted, low ? "below" : "above", low ? "floor" : "ceiling", name, bound, name,
                    low ? "floor" : "ceiling", wanted);
    return FALSE;
}
