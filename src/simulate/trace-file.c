/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/trace-file.h"

#include <string.h>

#include "simulate/trace-csv.h"

/* Uncompressed. A week of seconds in CSV is some 30 MiB. */
#define FILE_LARGEST ((gsize)1 << 30)

#define CHUNK (1 << 16)

static const guint8 gzip_magic[] = { 0x1f, 0x8b };

/* Returns: (transfer full): @file, uncompressed if it is compressed. */
static GInputStream *
open_plain(GInputStream *file, GError **error)
{
    g_autoptr(GInputStream) buffered = g_buffered_input_stream_new(file);
    g_autoptr(GZlibDecompressor) decompressor = NULL;
    guint8 begin[sizeof(gzip_magic)];
    gsize n;

    if (g_buffered_input_stream_fill(G_BUFFERED_INPUT_STREAM(buffered), -1, NULL, error) < 0)
        return NULL;
    n = g_buffered_input_stream_peek(G_BUFFERED_INPUT_STREAM(buffered), begin, 0, sizeof(begin));
    if (n < sizeof(begin) || memcmp(begin, gzip_magic, sizeof(begin)) != 0)
        return g_steal_pointer(&buffered);
    decompressor = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
    return g_converter_input_stream_new(buffered, G_CONVERTER(decompressor));
}

static GByteArray *
read_all(GInputStream *stream, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gssize n;

    do {
        gsize before = bytes->len;

        if (before > FILE_LARGEST) {
            g_set_error_literal(error, TRACE_ERROR, TRACE_ERROR_LARGE,
                                "more than 1 GiB; cut the trace in two");
            return NULL;
        }
        g_byte_array_set_size(bytes, (guint)before + CHUNK);
        n = g_input_stream_read(stream, bytes->data + before, CHUNK, NULL, error);
        g_byte_array_set_size(bytes, (guint)(before + (gsize)MAX(n, 0)));
    } while (n > 0);
    return n < 0 ? NULL : g_steal_pointer(&bytes);
}

static char *
name_of(const char *path)
{
    /* Always UTF-8, whatever the file is called. */
    char *name = g_filename_display_basename(path);
    static const char *const endings[] = { ".gz", ".csv" };

    for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
        if (g_str_has_suffix(name, endings[i]) && strlen(name) > strlen(endings[i]))
            name[strlen(name) - strlen(endings[i])] = '\0';
    }
    return name;
}

static GByteArray *
load(const char *path, GError **error)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) raw = g_file_read(file, NULL, error);
    g_autoptr(GInputStream) plain = raw ? open_plain(G_INPUT_STREAM(raw), error) : NULL;

    return plain ? read_all(plain, error) : NULL;
}

Trace *
trace_file_load(const char *path, GError **error)
{
    g_autofree char *name = name_of(path);
    g_autoptr(GByteArray) bytes = load(path, error);

    if (!bytes) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    return trace_csv_parse((const char *)bytes->data, bytes->len, path, name, error);
}
