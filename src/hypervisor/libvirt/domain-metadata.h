/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's limits in its domain's <metadata>:
 *
 *   <memplug:domain xmlns:memplug="http://memplug.org/domain/1.0">
 *     <memplug:floor unit="MiB">256</memplug:floor>
 *     <memplug:ceiling>2GiB</memplug:ceiling>
 *     <memplug:weight>2</memplug:weight>
 *     <memplug:mechanism>auto</memplug:mechanism>
 *     <memplug:managed>yes</memplug:managed>
 *   </memplug:domain>
 *
 * Each may be left out. Sizes are written as everywhere in memplug ("512M", "2GiB"),
 * or as everywhere in libvirt's XML: a number, with the attribute "unit", KiB
 * without one. `virsh metadata DOMAIN http://memplug.org/domain/1.0` shows it.
 */
#pragma once

#include "hypervisor/guest-limits.h"

#define DOMAIN_METADATA_URI "http://memplug.org/domain/1.0"
#define DOMAIN_METADATA_KEY "memplug"

/*
 * domain_metadata_read:
 * @xml: (nullable): what virDomainGetMetadata() returned; NULL or empty: no limit is set
 * @place: how messages name the domain
 * @limits: (out): untouched on failure
 *
 * Returns: FALSE with @error naming @place, the element and the reason, if an
 *   element is unknown or said twice, a value bad, or the floor above the ceiling.
 */
gboolean domain_metadata_read(const char *xml, const char *place, GuestLimits *limits,
                              GError **error);

/*
 * domain_metadata_format:
 *
 * Returns: (transfer full) (nullable): @limits as virDomainSetMetadata() wants them,
 *   to which libvirt gives the prefix DOMAIN_METADATA_KEY; NULL if none is set: the
 *   element is then to be removed.
 */
char *domain_metadata_format(const GuestLimits *limits);
