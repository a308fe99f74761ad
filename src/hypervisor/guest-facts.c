/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/guest-facts.h"

void
guest_facts_free(GuestFacts *facts)
{
    if (!facts)
        return;
    g_free(facts->name);
    g_free(facts->machine);
    g_free(facts->version);
    g_free(facts->libvirt);
    g_free(facts->system);
    g_free(facts->command_line);
    guest_memory_free(facts->memory);
    g_free(facts);
}
