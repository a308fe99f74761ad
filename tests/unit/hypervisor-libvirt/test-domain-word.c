/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static GuestWord
read_word(const char *xml)
{
    g_autoptr(GError) error = NULL;
    GuestWord word = { 1, 1 };

    if (!domain_word_read(xml, &word, &error))
        fail_msg("%s", error->message);
    return word;
}

static void
test_there_is_none(void **state)
{
    static const char *const texts[] = { NULL, "" };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        GuestWord word = read_word(texts[i]);

        assert_int_equal(word.held, 0);
        assert_int_equal(word.decision, 0);
    }
}

/* As libvirt gives it back, and as a person may have written it. */
static void
test_both_forms(void **state)
{
    GuestWord word = read_word("<memplug-word:held xmlns:memplug-word='" DOMAIN_WORD_URI
                               "' decision='12' unit='bytes'>1048576</memplug-word:held>");

    assert_int_equal(word.held, 1048576);
    assert_int_equal(word.decision, 12);
    word = read_word("<held decision='13'>512</held>");
    assert_int_equal(word.held, 512 * 1024);
    word = read_word("<held decision='14'/>");
    assert_int_equal(word.held, 0);
    assert_int_equal(word.decision, 14);
}

static void
test_what_is_refused(void **state)
{
    static const char *const texts[] = {
        "<held",
        "<held decision='x'>1</held>",
        "<held decision='-1'>1</held>",
        "<held decision='18446744073709551615'>1</held>",
        "<held decision='1'>much</held>",
        "<held decision='1' unit='ells'>1</held>",
        "<held decision='1' unit='bytes'>18446744073709551615</held>",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        GuestWord word = { 7, 8 };

        if (domain_word_read(texts[i], &word, &error))
            fail_msg("taken: %s", texts[i]);
        assert_non_null(error);
        assert_int_equal(word.held, 7);
        assert_int_equal(word.decision, 8);
    }
}

static void
test_round_trip(void **state)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (guint i = 0; i < 2000; i++) {
        const GuestWord word = { g_rand_boolean(rand) ? g_rand_int(rand) : 0,
                                 (guint64)g_rand_int(rand) << 20 };
        g_autofree char *text = domain_word_format(&word);
        GuestWord back = read_word(text);

        assert_int_equal(back.held, word.held);
        assert_int_equal(back.decision, word.decision);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_none),
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
