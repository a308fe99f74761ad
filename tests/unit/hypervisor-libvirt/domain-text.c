/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/hypervisor-libvirt/domain-text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

char *
domain_text(const char *name)
{
    g_autofree char *file = g_strconcat(DOMAINS "/", name, ".xml", NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(file, &text, NULL, &error))
        fail_msg("%s", error->message);
    return text;
}

char *
domain_text_change(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);

    if (!at || strstr(at + 1, old))
        fail_msg("'%s' does not stand there once", old);
    return g_strdup_printf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

char *
domain_text_with(const char *name, const char *old, const char *new)
{
    g_autofree char *text = domain_text(name);

    return domain_text_change(text, old, new);
}
