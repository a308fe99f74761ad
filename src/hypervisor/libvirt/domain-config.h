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
 * With a virtio-mem device, what is above the boot memory and its DIMMs is requested
 * of it, in blocks, rounded up; what is below them, or what a block is too much, is
 * held by the balloon from the start (<currentMemory>).
 *
 * Returns: (transfer full): the changed definition; NULL with @error (DOMAIN_XML_ERROR;
 *   _REFUSED, naming the highest size, if it can hold no @size).
 */
char *domain_config_with_memory(const char *inactive_xml, guint64 size, GError **error);
