/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-file.h"

#include <string.h>

#include "journal/journal-decoder.h"

#define CHUNK (64 * 1024)

/* A cycle of a hundred thousand guests that all have news is shorter. What is longer is no
 * journal, and shall not fill the reader's memory. */
#define LINE_MOST (64 * 1024 * 1024)

struct _JournalFile {
    char *path;
    GInputStream *stream;
    GByteArray *buffer;
    gsize begin;   /* of the next line, in @buffer */
    gsize scanned; /* there is no line feed between @begin and here */
};

/* gzip's magic number: RFC 1952, section 2.3.1. */
static gboolean
is_compressed(GInputStream *stream, GError **error, gboolean *compressed)
{
    GBufferedInputStream *buffered = G_BUFFERED_INPUT_STREAM(stream);
    const guint8 *magic;
    gsize n;

    while (g_buffered_input_stream_get_available(buffered) < 2) {
        gssize got = g_buffered_input_stream_fill(buffered, CHUNK, NULL, error);

        if (got < 0)
            return FALSE;
        if (got == 0)
            break;
    }
    magic = g_buffered_input_stream_peek_buffer(buffered, &n);
    *compressed = n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    return TRUE;
}

JournalFile *
journal_file_open(const char *path, GError **error)
{
    g_autoptr(GFile) gfile = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) raw = g_file_read(gfile, NULL, error);
    g_autoptr(GInputStream) stream = NULL;
    gboolean compressed = FALSE;
    JournalFile *file;

    if (!raw)
        return NULL;
    stream = g_buffered_input_stream_new_sized(G_INPUT_STREAM(raw), CHUNK);
    if (!is_compressed(stream, error, &compressed)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    file = g_new0(JournalFile, 1);
    file->path = g_strdup(path);
    file->buffer = g_byte_array_new();
    if (compressed) {
        g_autoptr(GZlibDecompressor) gunzip =
            g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);

        file->stream = g_converter_input_stream_new(stream, G_CONVERTER(gunzip));
    } else {
        file->stream = g_steal_pointer(&stream);
    }
    return file;
}

void
journal_file_close(JournalFile *file)
{
    if (!file)
        return;
    g_object_unref(file->stream);
    g_byte_array_unref(file->buffer);
    g_free(file->path);
    g_free(file);
}

/* Returns: FALSE at the end, or with @error set. */
static gboolean
read_more(JournalFile *file, GError **error)
{
    gsize length;
    gssize got;

    if (file->begin > 0) {
        g_byte_array_remove_range(file->buffer, 0, (guint)file->begin);
        file->scanned -= file->begin;
        file->begin = 0;
    }
    length = file->buffer->len;
    if (length > LINE_MOST) {
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_LENGTH, "%s: a line does not end",
                    file->path);
        return FALSE;
    }
    g_byte_array_set_size(file->buffer, (guint)length + CHUNK);
    got = g_input_stream_read(file->stream, file->buffer->data + length, CHUNK, NULL, error);
    g_byte_array_set_size(file->buffer, (guint)(length + (gsize)MAX(got, 0)));
    if (got < 0)
        g_prefix_error(error, "%s: ", file->path);
    return got > 0;
}

const char *
journal_file_next(JournalFile *file, gsize *length, GError **error)
{
    for (;;) {
        guint8 *from = file->buffer->data;
        guint8 *end = file->scanned < file->buffer->len
                          ? memchr(from + file->scanned, '\n', file->buffer->len - file->scanned)
                          : NULL;

        if (end) {
            const char *line = (const char *)from + file->begin;

            *length = (gsize)(end - from) - file->begin;
            file->begin = file->scanned = (gsize)(end - from) + 1;
            return line;
        }
        file->scanned = file->buffer->len;
        if (!read_more(file, error))
            return NULL;
    }
}
