/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain's XML tells for a diagnosis.
 */
#pragma once

#include "hypervisor/guest-facts.h"

/*
 * domain_facts_read:
 * @live_xml: of the running domain
 * @inactive_xml: (nullable): of its definition; NULL: it is not persistent
 *
 * What XML does not tell is left to the caller: @version and @cgroup_limit.
 * Returns: (transfer full): NULL with @error (DOMAIN_XML_ERROR) set.
 */
GuestFacts *domain_facts_read(const char *live_xml, const char *inactive_xml, GError **error);
