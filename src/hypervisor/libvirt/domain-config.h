/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With how much memory a domain starts the next time.
 */
#pragma once

#include <glib.h>

/*
 * domain_config_with_memory:
 * @inactive_xml: the definition
 * @size: bytes that the guest shall have once it has started
 *
 * What is above boot memory and DIMMs is requested of the virtio-mem devices, in whole
 * blocks, of each by its share; what is below them is held by the balloon from the start.
 *
 * Returns: (transfer full): the changed definition; NULL with @error (DOMAIN_XML_ERROR;
 *   _REFUSED, naming the highest size, if it can hold no @size).
 */
char *domain_config_with_memory(const char *inactive_xml, guint64 size, GError **error);
