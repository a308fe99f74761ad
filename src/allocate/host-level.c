/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/host-level.h"

static const char *const names[] = {
    [HOST_LEVEL_WELL] = "well",
    [HOST_LEVEL_SOFT] = "soft",
    [HOST_LEVEL_HARD] = "hard",
    [HOST_LEVEL_EMERGENCY] = "emergency",
};

const char *
host_level_name(HostLevel level)
{
    return names[level];
}

static guint64
mark_of(const HostMarks *marks, HostLevel level)
{
    switch (level) {
    case HOST_LEVEL_SOFT:
        return marks->soft;
    case HOST_LEVEL_HARD:
        return marks->hard;
    case HOST_LEVEL_EMERGENCY:
        return marks->emergency;
    case HOST_LEVEL_WELL:
        break;
    }
    return 0;
}

/* Whether others stall, since the last look. */
static gboolean
is_stalling(const HostState *state, const HostLook *look, gint64 now)
{
    gint64 passed = now - state->looked_us;

    if (look->stalling)
        return TRUE;
    return state->looked_us > 0 && passed > 0 && look->stalled_us > state->stalled_us &&
           (double)(look->stalled_us - state->stalled_us) > HOST_LEVEL_STALL * (double)passed;
}

/* The worst level whose mark is not reached. */
static HostLevel
level_of(const HostMarks *marks, guint64 available, gboolean stalling)
{
    HostLevel level = HOST_LEVEL_WELL;

    while (level < HOST_LEVEL_EMERGENCY && available < mark_of(marks, level + 1))
        level++;
    return stalling && level > HOST_LEVEL_WELL && level < HOST_LEVEL_EMERGENCY ? level + 1 : level;
}

/* Whether so much is available that @level may be left, in time. */
static gboolean
is_beyond(const HostMarks *marks, HostLevel level, guint64 available)
{
    guint64 mark = mark_of(marks, level);

    return available >= mark && available - mark >= mark / 4;
}

HostLevel
host_level_look(HostState *state, const HostMarks *marks, const HostLook *look, gint64 now)
{
    HostLevel level = level_of(marks, look->available, is_stalling(state, look, now));

    state->looked_us = now;
    state->stalled_us = look->stalled_us;
    if (level >= state->level || !is_beyond(marks, state->level, look->available)) {
        state->level = MAX(level, state->level);
        state->calm_us = 0;
        return state->level;
    }
    if (state->calm_us == 0)
        state->calm_us = now;
    if (now - state->calm_us >= HOST_LEVEL_CALM_US) {
        state->level--;
        state->calm_us = now;
    }
    return state->level;
}

HostAllowance
host_level_allow(HostLevel level, const HostMarks *marks, const HostLook *look, guint64 budget,
                 guint64 has, guint64 floors)
{
    guint64 lacking = marks->soft > look->available ? marks->soft - look->available : 0;
    guint64 beyond = look->available > marks->soft ? look->available - marks->soft : 0;
    guint64 within = has > lacking ? has - lacking : 0;
    HostAllowance allowance = { .budget = budget };

    if (marks->soft == 0)
        return allowance;
    switch (level) {
    case HOST_LEVEL_WELL:
        allowance.budget = has <= G_MAXUINT64 - beyond ? MIN(budget, has + beyond) : budget;
        break;
    case HOST_LEVEL_SOFT:
        allowance.budget = MIN(budget, has);
        allowance.spare = allowance.budget > within ? allowance.budget - within : 0;
        break;
    case HOST_LEVEL_HARD:
        allowance.budget = MIN(budget, within);
        break;
    case HOST_LEVEL_EMERGENCY:
        allowance.budget = 0;
        break;
    }
    allowance.budget = MAX(allowance.budget, MIN(budget, floors));
    return allowance;
}
