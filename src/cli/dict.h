/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of what memplugd tells as a{sv}. One that was not told, or that is of another type, has
 * the value that says nothing: who speaks to an older memplugd shows less.
 */
#pragma once

#include <glib.h>

guint64 dict_number(GVariant *dict, const char *key);   /* of type t; else 0 */
gboolean dict_flag(GVariant *dict, const char *key);    /* of type b; else FALSE */
const char *dict_text(GVariant *dict, const char *key); /* of type s; else "" */
