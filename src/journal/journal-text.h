/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing and reading the pieces that a line of the journal is made of.
 *
 * Lines are written as text at once: a cycle of ten thousand guests is written on
 * the way of the data, and a tree of nodes for each would cost more than the plan
 * itself. They are read by json-glib, since what is read may be anybody's.
 */
#pragma once

#include <json-glib/json-glib.h>

/* Appends @text as a JSON string; what is no UTF-8 in it is replaced. */
void journal_text_append_string(GString *line, const char *text);

/* Append "key":value with a comma before it unless an object or array has just been
 * opened. @key is written as it is. */
void journal_text_append_key(GString *line, const char *key);
void journal_text_add_string(GString *line, const char *key, const char *value);
void journal_text_add_unsigned(GString *line, const char *key, guint64 value);
void journal_text_add_signed(GString *line, const char *key, gint64 value);
void journal_text_add_flag(GString *line, const char *key, gboolean value);

/* What is larger, either way, and not whole loses its fraction: no double holds it. */
#define JOURNAL_TEXT_FRACTION_MOST (G_GINT64_CONSTANT(1) << 52)

/*
 * Append @value as a number of @unit, exactly: what is not whole has a decimal fraction.
 * @unit: of which some power of ten is a multiple, up to the sixteenth: 1, 1000, 1024, 65536.
 */
void journal_text_append_scaled(GString *line, gint64 value, guint unit);
void journal_text_add_scaled(GString *line, const char *key, gint64 value, guint unit);

/* So that it is read back to the same bits; what is no number becomes null. */
void journal_text_add_real(GString *line, const char *key, double value);

/* Bytes as they are in memory, for a reader that was built alike: in base64. With
 * @before, only the runs of them that differ from that: [offset,"base64",...]. */
void journal_text_add_bytes(GString *line, const char *key, gconstpointer bytes,
                            gconstpointer before, gsize size);

/* What no signed number holds is cut to the largest: see memplug-journal(5). */
gint64 journal_text_bounded(guint64 value);

/*
 * Read the member @key of @object.
 *
 * Returns: FALSE if it is there and of another type, or negative where it must not
 *   be. @value is untouched if it is not there, too.
 */
gboolean journal_text_get_unsigned(JsonObject *object, const char *key, guint64 *value);
gboolean journal_text_get_signed(JsonObject *object, const char *key, gint64 *value);
gboolean journal_text_get_real(JsonObject *object, const char *key, double *value);
gboolean journal_text_get_flag(JsonObject *object, const char *key, gboolean *value);

/* Returns: (nullable) (transfer none): NULL if there is no such text. */
const char *journal_text_get_string(JsonObject *object, const char *key);

/* Returns: FALSE if the member is not there, or is not of exactly @size bytes, or has runs that
 *   are not within them; @bytes is then untouched. */
gboolean journal_text_get_bytes(JsonObject *object, const char *key, gpointer bytes, gsize size);

/* Return: (nullable) (transfer none): NULL if there is none of that type. */
JsonObject *journal_text_get_object(JsonObject *object, const char *key);
JsonArray *journal_text_get_array(JsonObject *object, const char *key);

/* Returns: FALSE if element @index of @array is missing or not a whole number. */
gboolean journal_text_element(JsonArray *array, guint index, gint64 *value);

/* As these, of what journal_text_append_scaled() wrote. */
gboolean journal_text_get_scaled(JsonObject *object, const char *key, guint unit, gint64 *value);
gboolean journal_text_element_scaled(JsonArray *array, guint index, guint unit, gint64 *value);
