/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-stats.h"

#include <string.h>

#define KIB 1024

/* The names of libvirt (src/libvirt-domain.c, VIR_DOMAIN_STATS_BALLOON) for the
 * statistics that it takes from the guest, and the bytes that one of them counts. */
static const struct {
    const char *field;
    BalloonStat stat;
    guint64 unit;
} rows[] = {
    { "balloon.swap_in", BALLOON_STAT_SWAP_IN, KIB },
    { "balloon.swap_out", BALLOON_STAT_SWAP_OUT, KIB },
    { "balloon.major_fault", BALLOON_STAT_MAJOR_FAULTS, 1 },
    { "balloon.minor_fault", BALLOON_STAT_MINOR_FAULTS, 1 },
    { "balloon.unused", BALLOON_STAT_FREE, KIB },
    { "balloon.available", BALLOON_STAT_TOTAL, KIB },
    { "balloon.usable", BALLOON_STAT_AVAILABLE, KIB },
    { "balloon.disk_caches", BALLOON_STAT_DISK_CACHES, KIB },
    { "balloon.hugetlb_pgalloc", BALLOON_STAT_HTLB_PGALLOC, 1 },
    { "balloon.hugetlb_pgfail", BALLOON_STAT_HTLB_PGFAIL, 1 },
};

static gboolean
take(const virTypedParameter *param, BalloonStats *stats)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint64 value = param->value.ul;

        if (strcmp(param->field, rows[i].field) != 0)
            continue;
        /* The guest's claim: what does not fit is as good as not said. */
        if (value > G_MAXUINT64 / rows[i].unit)
            return FALSE;
        stats->values[rows[i].stat] = value * rows[i].unit;
        return TRUE;
    }
    return FALSE;
}

gboolean
domain_stats_read(const virTypedParameter *params, int n, BalloonStats *stats)
{
    BalloonStats read = { 0 };
    gboolean any = FALSE;

    for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
        read.values[i] = BALLOON_STAT_MISSING;
    for (int i = 0; i < n; i++) {
        if (params[i].type != VIR_TYPED_PARAM_ULLONG)
            continue;
        if (strcmp(params[i].field, "balloon.last-update") == 0)
            read.last_update_s = params[i].value.ul;
        else
            any = take(&params[i], &read) || any;
    }
    if (any)
        *stats = read;
    return any;
}

gboolean
domain_stats_state(const virTypedParameter *params, int n, int *state, int *reason)
{
    gboolean told = FALSE;
    int why = 0;

    for (int i = 0; i < n; i++) {
        if (params[i].type != VIR_TYPED_PARAM_INT)
            continue;
        if (strcmp(params[i].field, "state.state") == 0) {
            *state = params[i].value.i;
            told = TRUE;
        } else if (strcmp(params[i].field, "state.reason") == 0) {
            why = params[i].value.i;
        }
    }
    if (told)
        *reason = why;
    return told;
}
