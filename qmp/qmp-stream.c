/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Theory of operation
 *
 * QMP is a sequence of JSON objects. QEMU ends each with CR LF, but with pretty=on it also puts
 * line ends inside, so lines are no frames. A frame is what lies between an opening brace and the
 * brace that closes it, brackets inside strings not counted:
 *
 *     bytes ──▶ lexer, one byte at a time ──▶ frame ──▶ json-glib ──▶ queue of JsonObject
 *
 * The lexer must understand strings to find the frame's end, so it goes the small step further and
 * accepts only the words of JSON (RFC 8259): json-glib's scanner alone also takes comments, single
 * quotes, hexadecimal and octal numbers, and integers of any length, which it silently cuts to 64
 * bits. (json-glib 1.6.6: 2^64, 2^65 and -1 all read as -1; a lone "\ud800x" gives a string
 * that is not UTF-8; "\u0000" cuts a string short.) What is left to json-glib is the grammar, the
 * order of commas and colons, and UTF-8. Hence:
 *
 *   - a string holds no control character, no unknown escape, no half of a surrogate pair and no
 *     U+0000, which a C string cannot carry;
 *   - an integer fits in 64 bits, signed or unsigned. JsonNode has only gint64, so the upper half
 *     of the unsigned range is rewritten in the frame as its two's complement before json-glib
 *     sees it. This is our own rule and not an accident of one json-glib's overflow.
 *
 * Bytes come from a process that a guest may have taken over. The frame, its depth and the number
 * of its values are bounded, and each byte costs constant time. After the first fault nothing is
 * believed any more. */

#include "qmp/qmp-stream.h"

#include <string.h>

#include "qmp/qmp-error.h"

typedef enum {
    LEXER_OUTSIDE, /* between messages */
    LEXER_PLAIN,   /* inside a message, between words */
    LEXER_WORD,    /* in a number, true, false or null */
    LEXER_STRING,  /* in a string */
    LEXER_ESCAPE,  /* in a string, after a backslash */
    LEXER_HEX,     /* in a string, in the four digits after \u */
} LexerState;

struct QmpStream {
    QmpStreamLimits limits;
    GQueue messages; /* of JsonObject, whole and not yet popped */
    GError *fault;   /* why nothing is accepted any more */

    LexerState state;
    GString *frame; /* the message so far */
    GString *open;  /* for each open bracket the one that must close it */
    guint values;
    gsize word;        /* where the current word begins in `frame` */
    guint hex_digits;  /* LEXER_HEX: digits seen */
    guint hex_value;   /* LEXER_HEX: their value */
    gboolean low_next; /* a high surrogate was read: its low one must follow at once */
};

QmpStream *
qmp_stream_new(QmpStreamLimits limits)
{
    QmpStream *stream = g_new0(QmpStream, 1);
    stream->limits = limits;
    stream->state = LEXER_OUTSIDE;
    stream->frame = g_string_new(NULL);
    stream->open = g_string_new(NULL);
    g_queue_init(&stream->messages);
    return stream;
}

void
qmp_stream_free(QmpStream *stream)
{
    if (stream == NULL)
        return;
    g_queue_clear_full(&stream->messages, (GDestroyNotify)json_object_unref);
    g_string_free(stream->frame, TRUE);
    g_string_free(stream->open, TRUE);
    g_clear_error(&stream->fault);
    g_free(stream);
}

gboolean
qmp_stream_is_inside_message(const QmpStream *stream)
{
    return stream->state != LEXER_OUTSIDE;
}

JsonObject *
qmp_stream_pop(QmpStream *stream)
{
    return g_queue_pop_head(&stream->messages);
}

G_GNUC_PRINTF(2, 3)
static gboolean
fail(QmpStream *stream, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    stream->fault = g_error_new_valist(QMP_ERROR, QMP_ERROR_PROTOCOL, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean
fail_at(QmpStream *stream, char byte, const char *where)
{
    if (g_ascii_isgraph(byte))
        return fail(stream, "not QMP: unexpected '%c' %s", byte, where);
    return fail(stream, "not QMP: unexpected byte 0x%02x %s", (guchar)byte, where);
}

static gboolean
is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static gboolean
is_word(char byte)
{
    return g_ascii_isalnum(byte) || byte == '+' || byte == '-' || byte == '.';
}

static gsize
span_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Whether `text` is a number as RFC 8259 writes it; `integer` tells whether without fraction and
 * exponent. */
static gboolean
is_number(const char *text, gboolean *integer)
{
    text += *text == '-';
    gsize digits = span_digits(text);
    if (digits == 0 || (digits > 1 && *text == '0'))
        return FALSE;
    text += digits;
    *integer = *text == '\0';

    if (*text == '.') {
        digits = span_digits(text + 1);
        if (digits == 0)
            return FALSE;
        text += 1 + digits;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        digits = span_digits(text);
        if (digits == 0)
            return FALSE;
        text += digits;
    }
    return *text == '\0';
}

/* Checks that an integer fits in 64 bits, and writes one above G_MAXINT64 as gint64. */
static gboolean
end_integer(QmpStream *stream)
{
    const char *text = stream->frame->str + stream->word;
    guint64 number;

    if (*text == '-') {
        if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, NULL, NULL))
            return fail(stream, "not QMP: integer does not fit in 64 bits");
        return TRUE;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
        return fail(stream, "not QMP: integer does not fit in 64 bits");
    if (number > G_MAXINT64) {
        g_string_truncate(stream->frame, stream->word);
        g_string_append_printf(stream->frame, "%" G_GINT64_FORMAT, (gint64)number);
    }
    return TRUE;
}

static gboolean
end_word(QmpStream *stream)
{
    const char *text = stream->frame->str + stream->word;
    gboolean integer;

    stream->state = LEXER_PLAIN;
    if (g_str_equal(text, "true") || g_str_equal(text, "false") || g_str_equal(text, "null"))
        return TRUE;
    if (!is_number(text, &integer))
        return fail(stream, "not QMP: '%.32s' is neither a number nor true, false or null", text);
    return !integer || end_integer(stream);
}

/* Parses the whole frame and queues it. */
static gboolean
end_message(QmpStream *stream)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;

    if (!json_parser_load_from_data(parser, stream->frame->str, (gssize)stream->frame->len, &error))
        return fail(stream, "not QMP: %s", error->message);

    JsonNode *root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return fail(stream, "not QMP: a message is not an object");

    g_queue_push_tail(&stream->messages, json_node_dup_object(root));
    g_string_truncate(stream->frame, 0);
    stream->values = 0;
    stream->state = LEXER_OUTSIDE;
    return TRUE;
}

static gboolean
count_value(QmpStream *stream)
{
    if (++stream->values > stream->limits.values)
        return fail(stream, "a message has more than %u values", stream->limits.values);
    return TRUE;
}

static gboolean
open_bracket(QmpStream *stream, char byte)
{
    if (stream->open->len >= stream->limits.depth)
        return fail(stream, "a message is nested more than %u deep", stream->limits.depth);
    g_string_append_c(stream->open, byte == '{' ? '}' : ']');
    stream->state = LEXER_PLAIN;
    return count_value(stream);
}

static gboolean
close_bracket(QmpStream *stream, char byte)
{
    gsize last = stream->open->len - 1;
    if (stream->open->str[last] != byte)
        return fail_at(stream, byte, "closing another kind of bracket");
    g_string_truncate(stream->open, last);
    return last > 0 || end_message(stream);
}

static gboolean
take_plain(QmpStream *stream, char byte)
{
    switch (byte) {
    case '{':
    case '[':
        return open_bracket(stream, byte);
    case '}':
    case ']':
        return close_bracket(stream, byte);
    case ',':
        return count_value(stream);
    case '"':
        stream->state = LEXER_STRING;
        return TRUE;
    default:
        if (byte == ':' || is_space(byte))
            return TRUE;
        if (!is_word(byte))
            return fail_at(stream, byte, "between values");
        stream->state = LEXER_WORD;
        stream->word = stream->frame->len - 1;
        return TRUE;
    }
}

static gboolean
take_string(QmpStream *stream, char byte)
{
    if (stream->low_next && byte != '\\')
        return fail(stream, "not QMP: half of a surrogate pair in a string");
    if ((guchar)byte < 0x20)
        return fail_at(stream, byte, "in a string");
    if (byte == '"')
        stream->state = LEXER_PLAIN;
    else if (byte == '\\')
        stream->state = LEXER_ESCAPE;
    return TRUE;
}

static gboolean
take_escape(QmpStream *stream, char byte)
{
    if (stream->low_next && byte != 'u')
        return fail(stream, "not QMP: half of a surrogate pair in a string");
    if (byte == 'u') {
        stream->state = LEXER_HEX;
        stream->hex_digits = 0;
        stream->hex_value = 0;
        return TRUE;
    }
    if (byte == '\0' || strchr("\"\\/bfnrt", byte) == NULL)
        return fail_at(stream, byte, "after a backslash");
    stream->state = LEXER_STRING;
    return TRUE;
}

static gboolean
take_hex(QmpStream *stream, char byte)
{
    int digit = g_ascii_xdigit_value(byte);
    if (digit < 0)
        return fail_at(stream, byte, "in a \\u escape");
    stream->hex_value = stream->hex_value << 4 | (guint)digit;
    if (++stream->hex_digits < 4)
        return TRUE;

    gboolean high = stream->hex_value >= 0xd800 && stream->hex_value <= 0xdbff;
    gboolean low = stream->hex_value >= 0xdc00 && stream->hex_value <= 0xdfff;
    if (low != stream->low_next)
        return fail(stream, "not QMP: half of a surrogate pair in a string");
    if (stream->hex_value == 0)
        return fail(stream, "not QMP: U+0000 in a string");
    stream->low_next = high;
    stream->state = LEXER_STRING;
    return TRUE;
}

static gboolean
take_byte(QmpStream *stream, char byte)
{
    if (stream->state == LEXER_OUTSIDE) {
        if (is_space(byte))
            return TRUE;
        if (byte != '{')
            return fail_at(stream, byte, "where a message should begin");
    }
    if (stream->state == LEXER_WORD && !is_word(byte) && !end_word(stream))
        return FALSE;
    if (stream->frame->len >= stream->limits.bytes)
        return fail(stream, "a message is longer than %" G_GSIZE_FORMAT " bytes",
                    stream->limits.bytes);
    g_string_append_c(stream->frame, byte);

    switch (stream->state) {
    case LEXER_OUTSIDE:
    case LEXER_PLAIN:
        return take_plain(stream, byte);
    case LEXER_STRING:
        return take_string(stream, byte);
    case LEXER_ESCAPE:
        return take_escape(stream, byte);
    case LEXER_HEX:
        return take_hex(stream, byte);
    case LEXER_WORD:
        return TRUE;
    }
    g_assert_not_reached();
}

gboolean
qmp_stream_push(QmpStream *stream, const char *data, gsize size, GError **error)
{
    for (gsize i = 0; i < size && stream->fault == NULL; i++)
        take_byte(stream, data[i]);
    if (stream->fault == NULL)
        return TRUE;
    if (error != NULL)
        *error = g_error_copy(stream->fault);
    return FALSE;
}
