/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain is held at, in its live <metadata>, which libvirt takes along when it
 * saves or migrates the domain:
 *
 *   <memplug-word:held xmlns:memplug-word="http://memplug.org/word/1.0"
 *                      decision="1764091843000000" unit="bytes">805306368</memplug-word:held>
 *
 * Without a size the domain was held, and is not any more. It is memplugd's own note;
 * who wants to change it says `memplug setmem` or `memplug manage`.
 */
#pragma once

#include "hypervisor/guest.h"

#define DOMAIN_WORD_URI "http://memplug.org/word/1.0"
#define DOMAIN_WORD_KEY "memplug-word"

/*
 * domain_word_read:
 * @xml: (nullable): what virDomainGetMetadata() returned; NULL or empty: there is no word
 * @word: (out): untouched on failure
 *
 * Returns: FALSE with @error set.
 */
gboolean domain_word_read(const char *xml, GuestWord *word, GError **error);

/* Returns: (transfer full): @word as virDomainSetMetadata() wants it. */
char *domain_word_format(const GuestWord *word);
