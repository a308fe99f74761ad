/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "daemon/config.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    char *folder;
    char *file;
    char *drop_ins;
} Bed;

static int
setup(void **state)
{
    Bed *bed = g_new0(Bed, 1);

    bed->folder = g_dir_make_tmp("memplug-test-config-XXXXXX", NULL);
    bed->file = g_build_filename(bed->folder, "memplug.conf", NULL);
    bed->drop_ins = g_strconcat(bed->file, ".d", NULL);
    g_mkdir(bed->drop_ins, 0700);
    *state = bed;
    return 0;
}

static int
teardown(void **state)
{
    Bed *bed = *state;
    g_autoptr(GDir) dir = g_dir_open(bed->drop_ins, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(bed->drop_ins, name, NULL);

        g_unlink(path);
    }
    g_unlink(bed->file);
    g_rmdir(bed->drop_ins);
    g_rmdir(bed->folder);
    g_free(bed->folder);
    g_free(bed->file);
    g_free(bed->drop_ins);
    g_free(bed);
    return 0;
}

static void
write_file(const char *path, const char *text)
{
    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
write_drop_in(const Bed *bed, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(bed->drop_ins, name, NULL);

    write_file(path, text);
}

static void
test_defaults_without_a_file(void **state)
{
    const Bed *bed = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(bed->file, FALSE, &error);

    assert_non_null(config);
    assert_int_equal(config->budget, 0);
    assert_int_equal(config->interval_us, G_USEC_PER_SEC / 4);
    assert_ptr_equal(config->policy, policy_list()[0]);
    assert_null(config_load(bed->file, TRUE, &error));
    assert_non_null(strstr(error->message, bed->file));
}

static void
test_over_commit_and_marks(void **state)
{
    const Bed *bed = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = NULL;
    HostMarks marks;

    write_file(bed->file, "[host]\nbudget=4G\nreserve=1G\novercommit=1.5 0.75\nhard=300M\n");
    config = config_load(bed->file, TRUE, &error);
    assert_null(error);
    assert_int_equal(config_budget(config, 8 * (1024 * MIB)), 6 * (1024 * MIB));
    assert_int_equal(config_promises(config, 8 * (1024 * MIB)), 3 * (1024 * MIB));
    marks = config_marks(config, 8 * (1024 * MIB));
    assert_int_equal(marks.soft, 512 * MIB);
    assert_int_equal(marks.hard, 300 * MIB);
    assert_int_equal(marks.emergency, 150 * MIB);

    g_clear_pointer(&config, config_free);
    write_file(bed->file, "[host]\nsoft=100M\nhard=300M\n");
    config = config_load(bed->file, TRUE, &error);
    assert_int_equal(config_promises(config, 8 * (1024 * MIB)),
                     config_budget(config, 8 * (1024 * MIB)));
    marks = config_marks(config, 8 * (1024 * MIB));
    assert_int_equal(marks.hard, 100 * MIB);
    assert_true(marks.emergency <= marks.hard);
}

static void
test_everything_is_read(void **state)
{
    const Bed *bed = *state;
    const GuestLimits nothing = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = NULL;
    GuestLimits limits;

    write_file(bed->file, "[host]\nbudget = 2GiB\nreserve=1G\ninterval=500ms\n"
                          "[policy]\nname=static\nprobe=always\nsurplus=share\n"
                          "[defaults]\nfloor=128M\nweight=2\npredictor=trend\n"
                          "[guest \"my web\"]\nceiling=1G\nmechanism=virtio-mem\nmanaged=no\n");
    config = config_load(bed->file, TRUE, &error);
    assert_null(error);
    assert_int_equal(config->budget, 2048 * MIB);
    assert_int_equal(config->reserve, 1024 * MIB);
    assert_int_equal(config->interval_us, 500 * 1000);
    assert_string_equal(config->policy->name, "static");
    assert_int_equal(config->probe, PROBE_ALWAYS);
    assert_true(config->journal.enabled);
    assert_int_equal(config->journal.max_size, 1024 * MIB);
    assert_int_equal(config->journal.max_age_us, 14 * G_TIME_SPAN_DAY);

    limits = config_guest_limits(config, "my web", &nothing);
    assert_int_equal(limits.floor, 128 * MIB);
    assert_int_equal(limits.ceiling, 1024 * MIB);
    assert_true(limits.weight == 2.0);
    assert_int_equal(limits.mechanism, MECHANISM_VIRTIO_MEM);
    assert_false(limits.managed);

    limits = config_guest_limits(config, "other", &nothing);
    assert_int_equal(limits.set, GUEST_LIMIT_FLOOR | GUEST_LIMIT_WEIGHT | GUEST_LIMIT_PREDICTOR);
    assert_string_equal(limits.predictor, "trend");
    assert_true(config->share);
}

static void
test_what_the_guest_says_itself_wins(void **state)
{
    const Bed *bed = *state;
    const GuestLimits own = { .set = GUEST_LIMIT_FLOOR, .floor = 64 * MIB };
    g_autoptr(Config) config = NULL;
    GuestLimits limits;

    write_file(bed->file, "[defaults]\nfloor=128M\n[guest \"web\"]\nfloor=256M\nceiling=1G\n");
    config = config_load(bed->file, TRUE, NULL);
    limits = config_guest_limits(config, "web", &own);
    assert_int_equal(limits.floor, 64 * MIB);
    assert_int_equal(limits.ceiling, 1024 * MIB);
}

static void
test_drop_ins_win_in_the_order_of_their_names(void **state)
{
    const Bed *bed = *state;
    const GuestLimits nothing = { 0 };
    g_autoptr(Config) config = NULL;
    GuestLimits limits;

    write_file(bed->file, "[host]\nbudget=1G\n[guest \"web\"]\nfloor=256M\n");
    write_drop_in(bed, "20-late.conf", "[host]\nbudget=3G\n");
    write_drop_in(bed, "10-early.conf", "[host]\nbudget=2G\n[guest \"web\"]\nceiling=1G\n");
    write_drop_in(bed, "30-not-a.config", "[nonsense]\n");
    config = config_load(bed->file, TRUE, NULL);
    assert_int_equal(config->budget, 3072 * MIB);
    limits = config_guest_limits(config, "web", &nothing);
    assert_int_equal(limits.floor, 256 * MIB);
    assert_int_equal(limits.ceiling, 1024 * MIB);
}

/* Each message names the file, the section, the key and the reason. */
static void
test_bad_files_are_refused_with_the_place_and_the_reason(void **state)
{
    static const struct {
        const char *text;
        const char *place;
        const char *reason;
    } cases[] = {
        { "[host]\nbudget=much\n", "[host] budget", "not a size" },
        { "[host]\nbudget=512\n", "[host] budget", "no unit" },
        { "[host]\nbuget=1G\n", "[host] buget", "unknown key" },
        { "[host]\ninterval=0\n", "[host] interval", "not an interval" },
        { "[host]\novercommit=0\n", "[host] overcommit", "is not one ratio from 0.1 to 10" },
        { "[host]\novercommit=1.5x\n", "[host] overcommit", "is not one ratio" },
        { "[host]\novercommit=1 2\n", "[host] overcommit", "no more than the first" },
        { "[host]\novercommit=nan\n", "[host] overcommit", "is not one ratio" },
        { "[host]\nsoft=much\n", "[host] soft", "much" },
        { "[host]\ninterval=nan\n", "[host] interval", "not an interval" },
        { "[policy]\nname=magic\n", "[policy] name",
          "unknown policy 'magic'; known: balance, static, esx, hyperv, mom, proxmox, qmemman, "
          "squeezed" },
        { "[policy]\nsurplus=waste\n", "[policy] surplus", "'waste' is neither keep nor share" },
        { "[policy]\npredictor=oracle\n", "[policy] predictor",
          "unknown predictor 'oracle'; known: composite, headroom, " },
        { "[defaults]\npredictor=oracle\n", "[defaults] predictor",
          "unknown predictor 'oracle'; known: composite, headroom, " },
        { "[guest \"a\"]\npredictor=An oracle\n", "[guest \"a\"] predictor",
          "is not the name of a predictor" },
        { "[policy]\nprobe=maybe\n", "[policy] probe", "neither wanted, always nor never" },
        { "[journal]\nenabled=true\n", "[journal] enabled", "neither yes nor no" },
        { "[journal]\nmax_size=100K\n", "[journal] max_size", "less than 1MiB" },
        { "[journal]\nmax_age=7\n", "[journal] max_age", "hours, days or weeks" },
        { "[journal]\nmax_age=-1d\n", "[journal] max_age", "hours, days or weeks" },
        { "[journal]\nmax_age=99999999999999999999d\n", "[journal] max_age", "hours" },
        { "[defaults]\nweight=0\n", "[defaults] weight", "not a weight" },
        { "[defaults]\nfloor=2G\nceiling=1G\n", "[defaults]", "above the ceiling" },
        { "[guest \"web\"]\nmechanism=magic\n", "[guest \"web\"] mechanism", "not a mechanism" },
        { "[defaults]\nceiling=1G\n[guest \"web\"]\nfloor=2G\n", "[guest \"web\"]", "above" },
        { "[nonsense]\na=b\n", "[nonsense]", "unknown section" },
        { "[guest web]\nfloor=1G\n", "[guest web]", "unknown section" },
        { "budget=1G\n", "", "" },
    };
    const Bed *bed = *state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        write_file(bed->file, cases[i].text);
        assert_null(config_load(bed->file, TRUE, &error));
        assert_non_null(error);
        if (!strstr(error->message, bed->file) || !strstr(error->message, cases[i].place) ||
            !strstr(error->message, cases[i].reason))
            fail_msg("case %u: unexpected message: %s", i, error->message);
    }
}

static void
test_budget_without_a_word_leaves_the_host_a_reserve(void **state)
{
    Config config = { 0 };

    assert_int_equal(config_budget(&config, 32768 * MIB), 32768 * MIB - 32768 * MIB / 10);
    assert_int_equal(config_budget(&config, 2048 * MIB), 1536 * MIB);
    assert_int_equal(config_budget(&config, 512 * MIB), 256 * MIB);
    config.has_reserve = TRUE;
    assert_int_equal(config_budget(&config, 2048 * MIB), 2048 * MIB);
    config.reserve = 4096 * MIB;
    assert_int_equal(config_budget(&config, 2048 * MIB), 0);
    config.budget = 1024 * MIB;
    assert_int_equal(config_budget(&config, 2048 * MIB), 1024 * MIB);
}

static void
test_a_service_manager_says_where_the_file_is(void **state)
{
    g_autofree char *file = NULL;

    g_setenv("CONFIGURATION_DIRECTORY", "/somewhere/memplug", TRUE);
    file = config_default_file();
    g_unsetenv("CONFIGURATION_DIRECTORY");
    assert_string_equal(file, "/somewhere/memplug/memplug.conf");
}

/* Returns: (transfer full): what "known: ..." or "known are ..." lists when @text is refused. */
static GStrv
known_instead_of(const Bed *bed, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) list = g_regex_new("known(?::| are) (.*)", 0, 0, NULL);
    g_autoptr(GRegex) separator = g_regex_new(", | and ", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *names = NULL;

    write_file(bed->file, text);
    assert_null(config_load(bed->file, TRUE, &error));
    assert_true(g_regex_match(list, error->message, 0, &match));
    names = g_match_info_fetch(match, 1);
    return g_regex_split(separator, names, 0);
}

/* Returns: (transfer full): the page's section with that heading. */
static char *
section_of_page(const char *page, const char *section)
{
    g_autofree char *heading = g_strdup_printf("\n# %s\n", section);
    const char *begin = strstr(page, heading);
    const char *end;

    if (!begin)
        fail_msg("the page has no section %s", section);
    begin += strlen(heading);
    end = strstr(begin, "\n# ");
    return g_strndup(begin, end ? (gsize)(end - begin) : strlen(begin));
}

static void
test_the_manual_page_has_every_key(void **state)
{
    const Bed *bed = *state;
    g_autofree char *page = NULL;
    g_auto(GStrv) sections = known_instead_of(bed, "[nonsense]\n");

    assert_true(g_file_get_contents(g_getenv("MEMPLUG_CONF_PAGE"), &page, NULL, NULL));
    assert_true(g_strv_length(sections) >= 4);
    for (char **section = sections; *section; section++) {
        g_autofree char *text = section_of_page(page, *section);
        g_autofree char *wrong = g_strdup_printf("%s\nnonsense = 1\n", *section);
        g_auto(GStrv) keys = known_instead_of(bed, wrong);

        assert_true(g_strv_length(keys) >= 2);
        for (char **key = keys; *key; key++) {
            g_autofree char *entry = g_strdup_printf("\n*%s* = ", *key);

            if (!strstr(text, entry) && !strstr(text, "The same keys"))
                fail_msg("the page does not tell of %s in %s", *key, *section);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults_without_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_over_commit_and_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_the_guest_says_itself_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_ins_win_in_the_order_of_their_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bad_files_are_refused_with_the_place_and_the_reason,
                                        setup, teardown),
        cmocka_unit_test(test_a_service_manager_says_where_the_file_is),
        cmocka_unit_test_setup_teardown(test_the_manual_page_has_every_key, setup, teardown),
        cmocka_unit_test(test_budget_without_a_word_leaves_the_host_a_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
