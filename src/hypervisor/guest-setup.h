/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes to a guest's definition that let memplug serve it well, and what they
 * come to.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 max;            /* what it shall be able to reach; 0: as it is, or a sensible value */
    gboolean no_virtio_mem; /* do without; memplug then plugs DIMMs */
    guint64 virtio_mem;     /* at most so much by virtio-mem, the rest is left to DIMMs; 0: all */
} GuestSetup;

typedef struct {
    char *before;     /* the definition as it is ... */
    char *after;      /* ... and as it should be; the same text if nothing is to be changed */
    GStrv done;       /* with @apply: what has been changed in the running guest already */
    gboolean restart; /* the rest holds from the guest's next start */
} GuestSetupPlan;

/* Frees @plan with what it owns. NULL is allowed. */
void guest_setup_plan_free(GuestSetupPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestSetupPlan, guest_setup_plan_free)
