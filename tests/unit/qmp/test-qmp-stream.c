/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qmp/qmp-error.h"
#include "qmp/qmp-stream.h"

/* What QEMU 7.2 really sent, with pretty=on in part, and a string full of traps. */
static const char session[] =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": "
    "\"\"}, \"capabilities\": [\"oob\"]}}\r\n"
    "{\r\n    \"return\": {\r\n        \"base-memory\": 268435456\r\n    },\r\n    \"id\": 2\r\n"
    "}\r\n"
    "{\"return\": [], \"id\": 3}{\"return\": 18446744073709551615, \"id\": 4}\r\n"
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"a \\\"}{][\\\\\"}, \"id\": 5}\r\n"
    "{\"event\": \"X\", \"data\": {\"s\": \"\\u00e9\\ud83d\\ude00\xc3\xa9\", \"d\": -1.5e+2, "
    "\"n\": null, \"t\": true}}\r\n";
#define N_SESSION 6

static char *
to_text(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    return json_to_string(node, FALSE);
}

/* Pops everything into one string, a message a line, and then the fault, if any. */
static char *
drain(QmpStream *stream)
{
    GString *text = g_string_new(NULL);
    JsonObject *message;
    while ((message = qmp_stream_pop(stream)) != NULL) {
        g_autofree char *line = to_text(message);
        g_string_append_printf(text, "%s\n", line);
        json_object_unref(message);
    }
    g_autoptr(GError) fault = NULL;
    if (!qmp_stream_push(stream, "", 0, &fault))
        g_string_append(text, fault->message);
    return g_string_free(text, FALSE);
}

static char *
read_whole(const char *bytes, gsize size)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    qmp_stream_push(stream, bytes, size, NULL);
    return drain(stream);
}

/* The one message of `text`. */
static JsonObject *
read_one(const char *text)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    g_autoptr(GError) error = NULL;
    if (!qmp_stream_push(stream, text, strlen(text), &error))
        fail_msg("%s: %s", text, error->message);
    JsonObject *message = qmp_stream_pop(stream);
    assert_non_null(message);
    assert_null(qmp_stream_pop(stream));
    return message;
}

static void
assert_refused(const char *bytes, gsize size, const char *reason)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    g_autoptr(GError) error = NULL;
    if (qmp_stream_push(stream, bytes, size, &error))
        fail_msg("accepted: %s", bytes);
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL));
    if (strstr(error->message, reason) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", bytes, error->message, reason);
}

static void
test_session(void **state)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    assert_true(qmp_stream_push(stream, session, strlen(session), NULL));
    assert_false(qmp_stream_is_inside_message(stream));

    static const char *const members[N_SESSION] = { "QMP",    "return", "return",
                                                    "return", "error",  "event" };
    for (guint i = 0; i < N_SESSION; i++) {
        g_autoptr(JsonObject) message = qmp_stream_pop(stream);
        assert_non_null(message);
        assert_true(json_object_has_member(message, members[i]));
    }
    assert_null(qmp_stream_pop(stream));
}

/* Cuts `bytes` at two places; the first and the last of the three pieces may be empty. */
static void
assert_same_when_cut(const char *bytes, gsize first, gsize second, const char *expected)
{
    const gsize size = strlen(bytes);
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    assert_true(qmp_stream_push(stream, bytes, first, NULL));
    assert_true(qmp_stream_push(stream, bytes + first, second - first, NULL));
    assert_true(qmp_stream_push(stream, bytes + second, size - second, NULL));
    g_autofree char *got = drain(stream);
    assert_string_equal(got, expected);
}

static void
test_every_split_in_two(void **state)
{
    const gsize size = strlen(session);
    g_autofree char *expected = read_whole(session, size);
    for (gsize cut = 0; cut <= size; cut++)
        assert_same_when_cut(session, cut, cut, expected);
}

static void
test_every_split_in_three(void **state)
{
    static const char bytes[] =
        "{\"a\": \"\\ud83d\\ude00\\\\\"}\r\n{\"b\":[-1.5e+2,18446744073709551615,"
        "true]}{}{\"c\": {\"\\\"}\xc3\xa9\": null}}";
    const gsize size = strlen(bytes);
    g_autofree char *expected = read_whole(bytes, size);
    for (gsize first = 0; first <= size; first++) {
        for (gsize second = first; second <= size; second++)
            assert_same_when_cut(bytes, first, second, expected);
    }
}

static void
test_byte_by_byte(void **state)
{
    const gsize size = strlen(session);
    g_autofree char *expected = read_whole(session, size);
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    for (gsize i = 0; i < size; i++)
        assert_true(qmp_stream_push(stream, session + i, 1, NULL));
    g_autofree char *got = drain(stream);
    assert_string_equal(got, expected);
}

static void
test_inside_message(void **state)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    assert_false(qmp_stream_is_inside_message(stream));
    assert_true(qmp_stream_push(stream, " \r\n", 3, NULL));
    assert_false(qmp_stream_is_inside_message(stream));
    assert_true(qmp_stream_push(stream, "{\"a\": \"}", 8, NULL));
    assert_true(qmp_stream_is_inside_message(stream));
    assert_null(qmp_stream_pop(stream));
    assert_true(qmp_stream_push(stream, "\"}", 2, NULL));
    assert_false(qmp_stream_is_inside_message(stream));
}

static void
test_strings(void **state)
{
    static const struct {
        const char *json;
        const char *value;
    } rows[] = {
        { "\"\"", "" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { "\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80" },
        { "\"\\u0001\"", "\x01" },
        { "\"\xf0\x9f\x98\x80\x7f\"", "\xf0\x9f\x98\x80\x7f" },
        { "\"}]{[,:\"", "}]{[,:" },
        { "\"'/*#$ 0x1\"", "'/*#$ 0x1" },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("{\"s\": %s}", rows[i].json);
        g_autoptr(JsonObject) message = read_one(text);
        assert_string_equal(json_object_get_string_member(message, "s"), rows[i].value);
    }
}

static void
test_integers(void **state)
{
    static const struct {
        const char *json;
        gint64 value;
    } rows[] = {
        { "0", 0 },
        { "-0", 0 },
        { "-1", -1 },
        { "9007199254740993", G_GINT64_CONSTANT(9007199254740993) }, /* no double has it */
        { "9223372036854775807", G_MAXINT64 },
        { "-9223372036854775808", G_MININT64 },
        { "9223372036854775808", G_MININT64 },
        { "18446744073709551614", -2 },
        { "18446744073709551615", -1 },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        /* At the end of an object and of an array, before a comma and before space. */
        g_autofree char *text =
            g_strdup_printf("{\"a\": [%s, %s], \"b\": %s ,\"c\":%s}", rows[i].json, rows[i].json,
                            rows[i].json, rows[i].json);
        g_autoptr(JsonObject) message = read_one(text);
        JsonArray *array = json_object_get_array_member(message, "a");
        assert_true(json_array_get_int_element(array, 0) == rows[i].value);
        assert_true(json_array_get_int_element(array, 1) == rows[i].value);
        assert_true(json_object_get_int_member(message, "b") == rows[i].value);
        assert_true(json_object_get_int_member(message, "c") == rows[i].value);
    }
}

static void
test_floats(void **state)
{
    static const struct {
        const char *json;
        double value;
    } rows[] = {
        { "1.5", 1.5 },       { "-0.25", -0.25 }, { "1e3", 1000 }, { "1E3", 1000 },
        { "1.25e+2", 125.0 }, { "125e-2", 1.25 }, { "0.5", 0.5 },  { "0e0", 0 },
        { "-2.5E-1", -0.25 }, { "1e300", 1e300 },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("{\"f\": %s}", rows[i].json);
        g_autoptr(JsonObject) message = read_one(text);
        if (json_object_get_double_member(message, "f") != rows[i].value)
            fail_msg("%s", rows[i].json);
    }
}

static void
test_garbage(void **state)
{
    static const struct {
        const char *bytes;
        const char *reason;
    } rows[] = {
        { "QEMU 7.2.22 monitor", "'Q' where a message should begin" },
        { "[]", "'[' where a message should begin" },
        { "\"a\"", "where a message should begin" },
        { "1", "where a message should begin" },
        { "\xff", "byte 0xff where a message should begin" },
        { "}", "'}' where a message should begin" },
        { "{}}", "'}' where a message should begin" },
        { "{]", "']' closing another kind of bracket" },
        { "{\"a\": [}", "'}' closing another kind of bracket" },
        { "{'a': 1}", "''' between values" },
        { "{\"a\": 1 /* \" */}", "'/' between values" },
        { "{\"a\": #1\n}", "'#' between values" },
        { "{\"a\": $1}", "'$' between values" },
        { "{\"a\": 0x10}", "'0x10' is neither" },
        { "{\"a\": 010}", "'010' is neither" },
        { "{\"a\": +1}", "'+1' is neither" },
        { "{\"a\": .5}", "'.5' is neither" },
        { "{\"a\": 1.}", "'1.' is neither" },
        { "{\"a\": 1e}", "'1e' is neither" },
        { "{\"a\": 1e+}", "'1e+' is neither" },
        { "{\"a\": 1e5.5}", "'1e5.5' is neither" },
        { "{\"a\": -}", "'-' is neither" },
        { "{\"a\": --1}", "'--1' is neither" },
        { "{\"a\": nan}", "'nan' is neither" },
        { "{\"a\": True}", "'True' is neither" },
        { "{\"a\": tru}", "'tru' is neither" },
        { "{a: 1}", "'a' is neither" },
        { "{\"a\": 18446744073709551616}", "does not fit in 64 bits" },
        { "{\"a\": 99999999999999999999999999}", "does not fit in 64 bits" },
        { "{\"a\": -9223372036854775809}", "does not fit in 64 bits" },
        { "{\"a\": \"\n\"}", "0x0a in a string" },
        { "{\"a\": \"\\q\"}", "'q' after a backslash" },
        { "{\"a\": \"\\U0041\"}", "'U' after a backslash" },
        { "{\"a\": \"\\u12\"}", "'\"' in a \\u escape" },
        { "{\"a\": \"\\u00g0\"}", "'g' in a \\u escape" },
        { "{\"a\": \"\\u0000\"}", "U+0000" },
        { "{\"a\": \"\\ud800\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\ud800x\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\ud800\\n\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\ud800\\u0041\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\ud800\\ud800\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\udc00\"}", "half of a surrogate pair" },
        { "{\"a\": \"\\ud800\\udc00\\udc00\"}", "half of a surrogate pair" },
        { "{\"a\": \"\xff\"}", "UTF-8" },
        { "{\"a\": \"\xc0\x80\"}", "UTF-8" },
        { "{\"a\": \"\xed\xa0\x80\"}", "UTF-8" },
        { "{\"a\xc3\": 1}", "UTF-8" },
        { "{\"a\" 1}", "arse error" },
        { "{\"a\": }", "arse error" },
        { "{\"a\": 1,}", "arse error" },
        { "{\"a\": 1 2}", "arse error" },
        { "{\"a\": [1,,2]}", "arse error" },
        { "{1: 2}", "arse error" },
        { "{\"a\"}", "arse error" },
        { "{,}", "arse error" },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_refused(rows[i].bytes, strlen(rows[i].bytes), rows[i].reason);
}

static void
test_nul_bytes(void **state)
{
    static const char in_string[] = "{\"a\": \"\0\"}";
    static const char in_word[] = "{\"a\": 1\0}";
    static const char in_escape[] = "{\"a\": \"\\\0\"}";
    static const char outside[] = "\0{}";
    assert_refused(in_string, sizeof in_string - 1, "0x00 in a string");
    assert_refused(in_word, sizeof in_word - 1, "0x00 between values");
    assert_refused(in_escape, sizeof in_escape - 1, "0x00 after a backslash");
    assert_refused(outside, sizeof outside - 1, "0x00 where a message should begin");
}

static void
test_fault_is_final(void **state)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    g_autoptr(GError) first = NULL;
    g_autoptr(GError) second = NULL;
    const char bytes[] = "{\"a\": 1}{\"b\": 2}!{\"c\": 3}";

    assert_false(qmp_stream_push(stream, bytes, strlen(bytes), &first));
    assert_false(qmp_stream_push(stream, "{\"d\": 4}", 8, &second));
    assert_string_equal(first->message, second->message);

    g_autoptr(JsonObject) a = qmp_stream_pop(stream);
    g_autoptr(JsonObject) b = qmp_stream_pop(stream);
    assert_true(json_object_has_member(a, "a"));
    assert_true(json_object_has_member(b, "b"));
    assert_null(qmp_stream_pop(stream));
}

static char *
nested(guint depth)
{
    GString *text = g_string_new("{\"a\":");
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, '[');
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, ']');
    if (depth == 1)
        g_string_append_c(text, '1');
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

/* Pushes `text` within `limits`; NULL when it was accepted. */
static char *
refusal_within(QmpStreamLimits limits, const char *text)
{
    g_autoptr(QmpStream) stream = qmp_stream_new(limits);
    g_autoptr(GError) error = NULL;
    if (qmp_stream_push(stream, text, strlen(text), &error))
        return NULL;
    return g_strdup(error->message);
}

static void
test_depth(void **state)
{
    const QmpStreamLimits limits = { .bytes = 1000, .depth = 7, .values = 1000 };
    g_autofree char *most = nested(7);
    g_autofree char *more = nested(8);
    assert_null(refusal_within(limits, most));
    g_autofree char *refusal = refusal_within(limits, more);
    assert_string_equal(refusal, "a message is nested more than 7 deep");

    /* A peer that never closes anything. */
    g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    g_autofree char *open = g_strnfill(1000 * 1000, '[');
    open[0] = '{';
    assert_false(qmp_stream_push(stream, open, 1000 * 1000, NULL));
}

static void
test_bytes(void **state)
{
    const QmpStreamLimits limits = { .bytes = 20, .depth = 10, .values = 1000 };
    assert_null(refusal_within(limits, "{\"a\":\"1234567890ab\"}"));
    /* Only the message itself counts. */
    assert_null(refusal_within(limits, "   {\"a\":\"1234567890ab\"}    {}   \r\n  \r\n    {}"));
    g_autofree char *refusal = refusal_within(limits, "{\"a\":\"1234567890abc\"}");
    assert_string_equal(refusal, "a message is longer than 20 bytes");
}

static void
test_values(void **state)
{
    const QmpStreamLimits limits = { .bytes = 1000, .depth = 10, .values = 5 };
    assert_null(refusal_within(limits, "{\"a\":[1,2,3,4]}{\"a\":[1,2,3,4]}"));
    g_autofree char *refusal = refusal_within(limits, "{\"a\":[1,2,3,4,5]}");
    assert_string_equal(refusal, "a message has more than 5 values");
    g_autofree char *arrays = refusal_within(limits, "{\"a\":[[],[],[],[]]}");
    assert_string_equal(arrays, "a message has more than 5 values");
}

/* ---- Random, with seeds that a failure prints ---- */

static JsonNode *
random_value(GRand *rand, guint depth)
{
    JsonNode *node = json_node_alloc();
    switch (g_rand_int_range(rand, 0, depth > 0 ? 7 : 5)) {
    case 0:
        return json_node_init_null(node);
    case 1:
        return json_node_init_boolean(node, g_rand_boolean(rand));
    case 2: {
        gint64 number = (gint64)((guint64)g_rand_int(rand) << 32 | g_rand_int(rand));
        return json_node_init_int(node, number >> g_rand_int_range(rand, 0, 64));
    }
    case 3:
        return json_node_init_double(node, g_rand_int_range(rand, -1000, 1000) / 8.0);
    case 4: {
        GString *string = g_string_new(NULL);
        for (gint i = g_rand_int_range(rand, 0, 12); i > 0; i--) {
            gunichar c = (gunichar)g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 0x80 : 0x11000);
            /* json-glib 1.6 writes U+001F as it is, which is no JSON. */
            gboolean spoilt = c == 0x1f || (c >= 0xd800 && c < 0xe000);
            g_string_append_unichar(string, spoilt ? '}' : c);
        }
        json_node_init_string(node, string->str);
        g_string_free(string, TRUE);
        return node;
    }
    case 5: {
        JsonArray *array = json_array_new();
        for (gint i = g_rand_int_range(rand, 0, 4); i > 0; i--)
            json_array_add_element(array, random_value(rand, depth - 1));
        return json_node_take_array(json_node_init(node, JSON_NODE_ARRAY), array), node;
    }
    default: {
        JsonObject *object = json_object_new();
        for (gint i = g_rand_int_range(rand, 0, 4); i > 0; i--) {
            g_autofree char *name = g_strdup_printf("m\"%d", i);
            json_object_set_member(object, name, random_value(rand, depth - 1));
        }
        return json_node_take_object(json_node_init(node, JSON_NODE_OBJECT), object), node;
    }
    }
}

static JsonNode *
random_message(GRand *rand)
{
    g_autoptr(JsonNode) node = NULL;
    do {
        g_clear_pointer(&node, json_node_unref);
        node = random_value(rand, 5);
    } while (!JSON_NODE_HOLDS_OBJECT(node));
    return g_steal_pointer(&node);
}

static void
push_in_pieces(QmpStream *stream, GRand *rand, const char *bytes, gsize size)
{
    gsize done = 0;
    while (done < size) {
        gsize piece = (gsize)g_rand_int_range(rand, 1, 20);
        piece = MIN(piece, size - done);
        qmp_stream_push(stream, bytes + done, piece, NULL);
        done += piece;
    }
}

/* What json-glib writes is read back the same, plain or pretty, in any pieces. */
static void
test_random_round_trip(void **state)
{
    for (guint32 seed = 1; seed <= 5000; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        g_autoptr(JsonNode) sent = random_message(rand);
        g_autofree char *text = json_to_string(sent, g_rand_boolean(rand));
        g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);

        push_in_pieces(stream, rand, text, strlen(text));
        g_autoptr(JsonObject) got = qmp_stream_pop(stream);
        if (got == NULL) {
            g_autofree char *fault = drain(stream);
            fail_msg("seed %u: %s: %s", seed, text, fault);
        }
        g_autofree char *expected = json_to_string(sent, FALSE);
        g_autofree char *back = to_text(got);
        if (!g_str_equal(back, expected))
            fail_msg("seed %u: %s came back as %s", seed, expected, back);
    }
}

/* Damaged bytes neither crash nor depend on how they are split, and every string that gets through
 * is UTF-8. */
static void
test_random_damage(void **state)
{
    static const char alphabet[] = "{}[]\",:\\ud8c0-+.eE0918truefalsn\x00\xff\xc3\xa9\n '/*x";
    guint refused = 0;

    for (guint32 seed = 1; seed <= 10000; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        gsize size = strlen(session);
        g_autofree char *bytes = g_strdup(session);
        for (gint i = g_rand_int_range(rand, 0, 4); i > 0; i--)
            bytes[g_rand_int_range(rand, 0, (gint)size)] =
                alphabet[g_rand_int_range(rand, 0, sizeof alphabet - 1)];

        g_autofree char *whole = read_whole(bytes, size);
        g_autoptr(QmpStream) stream = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
        push_in_pieces(stream, rand, bytes, size);
        g_autofree char *pieces = drain(stream);
        if (!g_str_equal(whole, pieces))
            fail_msg("seed %u: whole: %s pieces: %s", seed, whole, pieces);
        if (!g_utf8_validate(whole, -1, NULL))
            fail_msg("seed %u: not UTF-8: %s", seed, whole);
        refused += !g_str_has_suffix(whole, "\n");
    }
    assert_true(refused > 2000 && refused < 10000); /* the damage was neither nothing nor all */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_every_split_in_two),
        cmocka_unit_test(test_every_split_in_three),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_inside_message),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_fault_is_final),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_random_round_trip),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests_name("qmp-stream", tests, NULL, NULL);
}
