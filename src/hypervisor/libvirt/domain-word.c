/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-word.h"

#include "hypervisor/libvirt/domain-xml.h"

gboolean
domain_word_read(const char *xml, GuestWord *word, GError **error)
{
    g_autoptr(DomainXml) document = NULL;
    g_autofree char *size = NULL;
    GuestWord read = { 0 };

    if (xml && *xml != '\0') {
        document = domain_xml_open(xml, NULL, error);
        if (!document ||
            !domain_xml_number(document, NULL, "/*/@decision", G_MAXINT64, &read.decision, error))
            return FALSE;
        size = domain_xml_text(document, NULL, "/*");
        if (size && !domain_xml_size(document, NULL, "/*", &read.held, error))
            return FALSE;
    }
    *word = read;
    return TRUE;
}

/* What is requested need not be a whole number of KiB. */
char *
domain_word_format(const GuestWord *word)
{
    if (word->held == 0)
        return g_strdup_printf("<held decision='%" G_GUINT64_FORMAT "'/>", word->decision);
    return g_strdup_printf("<held decision='%" G_GUINT64_FORMAT "' unit='bytes'>%" G_GUINT64_FORMAT
                           "</held>",
                           word->decision, word->held);
}
