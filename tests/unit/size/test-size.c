/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>

#define UNTOUCHED 4711

static void
assert_parses(const char *text, guint64 default_unit, guint64 expected)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes = UNTOUCHED;

    if (!size_parse(text, default_unit, &bytes, &error))
        fail_msg("'%s': %s", text, error->message);
    assert_null(error);
    assert_int_equal(bytes, expected);
}

static void
assert_refuses(const char *text, guint64 default_unit, SizeError code)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes = UNTOUCHED;

    if (size_parse(text, default_unit, &bytes, &error))
        fail_msg("'%s' was taken as %" G_GUINT64_FORMAT, text, bytes);
    assert_true(g_error_matches(error, SIZE_ERROR, (gint)code));
    assert_non_null(strstr(error->message, text));
    assert_int_equal(bytes, UNTOUCHED);
}

static void
test_suffixes(void **state)
{
    static const struct {
        const char *suffix;
        guint64 bytes;
    } rows[] = {
        { "b", 1 },           { "bytes", 1 },
        { "K", SIZE_KIB },    { "KiB", SIZE_KIB },
        { "KB", 1000 },       { "M", SIZE_MIB },
        { "MiB", SIZE_MIB },  { "MB", 1000000 },
        { "G", SIZE_GIB },    { "GiB", SIZE_GIB },
        { "GB", 1000000000 }, { "T", SIZE_TIB },
        { "TiB", SIZE_TIB },  { "TB", G_GUINT64_CONSTANT(1000000000000) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *plain = g_strconcat("3", rows[i].suffix, NULL);
        g_autofree char *lower = g_ascii_strdown(plain, -1);
        g_autofree char *spaced = g_strconcat(" 3 \t", rows[i].suffix, "\n", NULL);

        assert_parses(plain, 0, 3 * rows[i].bytes);
        assert_parses(lower, 0, 3 * rows[i].bytes);
        assert_parses(spaced, 0, 3 * rows[i].bytes);
    }
}

static void
test_number_alone_takes_the_default_unit(void **state)
{
    assert_parses("524288", SIZE_KIB, 512 * SIZE_MIB);
    assert_parses("1.5", SIZE_MIB, SIZE_MIB + SIZE_MIB / 2);
    assert_parses("0", SIZE_KIB, 0);
    assert_refuses("512", 0, SIZE_ERROR_UNIT_MISSING);
    assert_refuses("0", 0, SIZE_ERROR_UNIT_MISSING);
}

static void
test_fractions(void **state)
{
    assert_parses("1.5G", 0, 1536 * SIZE_MIB);
    assert_parses("0.25 MiB", 0, 256 * SIZE_KIB);
    assert_parses("2.50M", 0, 2560 * SIZE_KIB);
    assert_parses("1.500000000000000G", 0, 1536 * SIZE_MIB);
    assert_parses("0.000000001GB", 0, 1);
    assert_parses("16777215.5T", 0, G_MAXUINT64 - SIZE_TIB / 2 + 1);
    /* Not a whole number of bytes. */
    assert_refuses("0.5b", 0, SIZE_ERROR_RANGE);
    assert_refuses("0.1K", 0, SIZE_ERROR_RANGE);
    assert_refuses("0.0000000001GB", 0, SIZE_ERROR_RANGE);
}

static void
test_ends_of_the_range(void **state)
{
    assert_parses("18446744073709551615b", 0, G_MAXUINT64);
    assert_parses("0T", 0, 0);
    assert_refuses("18446744073709551616b", 0, SIZE_ERROR_RANGE);
    assert_refuses("99999999999999999999999999b", 0, SIZE_ERROR_RANGE);
    assert_refuses("16777216T", 0, SIZE_ERROR_RANGE);
    assert_refuses("18446744073709551616.0b", 0, SIZE_ERROR_RANGE);
}

static void
test_what_is_no_size(void **state)
{
    static const char *const texts[] = {
        "",    " ",     "M",    "-1M", "+1M", "x512M", "512X",    "512MM", "512M 1", "1,5G",  ".5G",
        "5.G", "1.5.5", "0x10", "1e3", "inf", "nan",   "512 M B", "5 12",  "512Mi",  "5KiBs",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_refuses(texts[i], SIZE_KIB, SIZE_ERROR_INVALID);
}

static void
test_messages_help(void **state)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes;

    assert_false(size_parse("512", 0, &bytes, &error));
    assert_string_equal(error->message, "'512' has no unit; write for example 512M or 512GiB");
}

static void
assert_formats(guint64 bytes, const char *exact, const char *rounded)
{
    g_autofree char *is_exact = size_format(bytes);
    g_autofree char *is_rounded = size_format_rounded(bytes);

    assert_string_equal(is_exact, exact);
    assert_string_equal(is_rounded, rounded);
}

static void
test_formats(void **state)
{
    assert_formats(0, "0 MiB", "0 MiB");
    assert_formats(1, "1 byte", "0.0 MiB");
    assert_formats(SIZE_KIB, "1 KiB", "0.0 MiB");
    assert_formats(562 * SIZE_MIB, "562 MiB", "562 MiB");
    assert_formats(179124 * SIZE_KIB, "179124 KiB", "174.9 MiB");
    assert_formats(SIZE_GIB, "1 GiB", "1 GiB");
    assert_formats(1536 * SIZE_MIB, "1536 MiB", "1.5 GiB");
    assert_formats(SIZE_GIB + 1, "1073741825 bytes", "1.0 GiB");
    assert_formats(SIZE_GIB - 1, "1073741823 bytes", "1.0 GiB");
    assert_formats(SIZE_TIB - SIZE_MIB, "1048575 MiB", "1.0 TiB");
    assert_formats(G_MAXUINT64, "18446744073709551615 bytes", "16777216.0 TiB");
}

static void
test_exact_format_reads_back(void **state)
{
    guint64 bytes = 1;

    for (guint i = 0; i < 10000; i++) {
        g_autofree char *text = size_format(bytes);

        assert_parses(text, 0, bytes);
        /* A full-period generator (Knuth, TAOCP 3.3.4), shifted to all magnitudes. */
        bytes = bytes * G_GUINT64_CONSTANT(6364136223846793005) + 1;
        bytes = i % 2 ? bytes : bytes >> (i % 64);
    }
}

/* Tables are for programs to read, too: always a point. */
static void
test_formats_do_not_follow_the_locale(void **state)
{
    static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR" };
    gboolean found = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(locales) && !found; i++)
        found = setlocale(LC_NUMERIC, locales[i]) != NULL;
    if (!found) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    assert_formats(1536 * SIZE_MIB, "1536 MiB", "1.5 GiB");
    assert_parses("1.5G", 0, 1536 * SIZE_MIB);
    setlocale(LC_NUMERIC, "C");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suffixes),
        cmocka_unit_test(test_number_alone_takes_the_default_unit),
        cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_ends_of_the_range),
        cmocka_unit_test(test_what_is_no_size),
        cmocka_unit_test(test_messages_help),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_exact_format_reads_back),
        cmocka_unit_test(test_formats_do_not_follow_the_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
