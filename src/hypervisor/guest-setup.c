/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/guest-setup.h"

void
guest_setup_plan_free(GuestSetupPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->before);
    g_free(plan->after);
    g_strfreev(plan->done);
    g_free(plan);
}
