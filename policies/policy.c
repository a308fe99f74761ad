/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policies/policy.h"

static const Policy *const policies[] = {
    &policy_balance, /* the default */
    &policy_static,  &policy_esx,     &policy_hyperv,   &policy_mom,
    &policy_proxmox, &policy_qmemman, &policy_squeezed, NULL,
};

const Policy *const *
policy_list(void)
{
    return policies;
}

const Policy *
policy_find(const char *name)
{
    for (const Policy *const *policy = policies; *policy; policy++) {
        if (g_str_equal((*policy)->name, name))
            return *policy;
    }
    return NULL;
}
