/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an examination found, as it is told on the bus. */
#pragma once

#include <glib.h>

/*
 * bus_findings_variant:
 * @findings: (element-type Finding)
 *
 * Returns: (transfer floating): the result of the methods called Diagnose.
 */
GVariant *bus_findings_variant(const GPtrArray *findings);
