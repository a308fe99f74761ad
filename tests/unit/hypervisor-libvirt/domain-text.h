/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML of real domains, and small changes to it.
 */
#pragma once

#include <glib.h>

/* Returns: (transfer full): domains/@name.xml; the test fails if it cannot be read. */
char *domain_text(const char *name);

/* Returns: (transfer full): the same with @old, which stands there once, replaced by @new. */
char *domain_text_with(const char *name, const char *old, const char *new);

/* Returns: (transfer full): @text likewise changed. */
char *domain_text_change(const char *text, const char *old, const char *new);
