/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplug simulate, which needs no daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tests/unit/cli/memplug-run.h"

#define NO_BUS "unix:path=/nonexistent/bus"
#define MIB    (G_GUINT64_CONSTANT(1) << 20)

static char *folder;

static char *
path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void
write_file(const char *name, const char *text, gssize length)
{
    g_autofree char *path = path_of(name);

    assert_true(g_file_set_contents(path, text, length, NULL));
}

/* Two minutes of a guest of 1 GiB that now and then needs most of it. */
static GString *
make_trace(guint phase)
{
    GString *text = g_string_new("time_s,total_bytes,free_bytes,cached_bytes\n");

    for (guint i = 0; i <= 120; i++) {
        guint64 used = ((i + phase) % 40 < 12 ? 700 : 200) * MIB + i * 4096;
        guint64 cached = 100 * MIB;

        g_string_append_printf(
            text, "%u.5,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "\n", i,
            1024 * MIB, 1024 * MIB - used - cached, cached);
    }
    return text;
}

static int
set_up(void **state)
{
    for (guint i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("web-%u.csv", i);
        g_autoptr(GString) text = make_trace(13 * i);

        write_file(name, text->str, (gssize)text->len);
    }
    return 0;
}

/* Runs with each %s replaced by the folder. */
static Run
simulate(const char *line)
{
    g_auto(GStrv) parts = g_strsplit(line, "%s", -1);
    g_autofree char *whole = g_strjoinv(folder, parts);
    g_autofree char *command = g_strconcat("simulate ", whole, NULL);

    return run_line(NO_BUS, command);
}

static void
assert_refused(const char *line, int status, const char *message)
{
    g_auto(Run) run = simulate(line);

    run_assert_status(&run, status);
    run_assert_contains(run.err, message);
    assert_string_equal(run.out, "");
}

static JsonArray *
policies_of(JsonNode *node)
{
    return json_object_get_array_member(json_node_get_object(node), "policies");
}

static JsonObject *
policy_of(JsonNode *node, const char *name)
{
    JsonArray *policies = policies_of(node);

    for (guint i = 0; i < json_array_get_length(policies); i++) {
        JsonObject *policy = json_array_get_object_element(policies, i);

        if (g_str_equal(json_object_get_string_member(policy, "name"), name))
            return policy;
    }
    fail_msg("no %s", name);
    return NULL;
}

static void
test_table(void **state)
{
    g_auto(Run) run = simulate("%s/web-0.csv %s/web-1.csv --policy balance --compare static,mom");

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "2 guests, 2 min 0 s, budget 1.6 GiB\n\nPolicy ");
    run_assert_contains(run.out, "\nstatic-peak ");
    run_assert_contains(run.out, "\nstatic-mean ");
    run_assert_contains(run.out, "\nbalance ");
    run_assert_contains(run.out, "\nstatic ");
    run_assert_contains(run.out, "\nmom ");
    assert_string_equal(run.err, "");
}

static void
test_json(void **state)
{
    static const char *const keys[] = {
        "lent_mean", "lent_peak", "starved_time_ratio", "starved_byte_seconds", "churn_bytes",
        "steps",     "jain"
    };
    g_auto(Run) run = simulate("%s/web-0.csv --compare all --json");
    g_autoptr(JsonNode) node = NULL;
    JsonArray *policies;
    JsonObject *peak;

    run_assert_status(&run, 0);
    node = run_parse_json(run.out);
    policies = policies_of(node);
    assert_true(json_array_get_length(policies) >= 4);
    for (guint i = 0; i < json_array_get_length(policies); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(keys); k++)
            assert_true(
                json_object_has_member(json_array_get_object_element(policies, i), keys[k]));
    }
    peak = policy_of(node, "static-peak");
    assert_int_equal(json_object_get_int_member(peak, "lent_peak"), 800 * MIB + 120 * 4096);
    assert_true(json_object_get_double_member(peak, "starved_time_ratio") == 0);
    assert_int_equal(json_object_get_int_member(peak, "steps"), 0);
    assert_true(
        json_object_get_double_member(policy_of(node, "static-mean"), "starved_time_ratio") > 0.1);
    assert_true(json_object_get_double_member(policy_of(node, "balance"), "lent_mean") <
                json_object_get_double_member(peak, "lent_mean"));
}

static void
test_the_same_bytes_twice(void **state)
{
    const char *line =
        "%s/web-0.csv %s/web-1.csv %s/web-2.csv --guests 5 --stagger 20% --budget 2G "
        "--compare all --json --seed 3 --series %s/a.csv";
    g_auto(Run) once = simulate(line), twice = { 0 }, other = { 0 };
    g_autofree char *path = path_of("a.csv");
    g_autofree char *before = NULL, *after = NULL;

    run_assert_status(&once, 0);
    assert_true(g_file_get_contents(path, &before, NULL, NULL));
    twice = simulate(line);
    assert_true(g_file_get_contents(path, &after, NULL, NULL));
    assert_string_equal(once.out, twice.out);
    assert_string_equal(before, after);
    other = simulate("%s/web-0.csv %s/web-1.csv %s/web-2.csv --guests 5 --stagger 20% --budget 2G "
                     "--compare all --json --seed 4");
    assert_string_not_equal(once.out, other.out);
}

/*
 * The series
 */

/* A guest as its latest line tells it, and what was added up. */
typedef struct {
    gboolean has;
    double time, demand, cached;
    guint64 actual, steps;
    double lent, starved_s, lacked;
    guint64 churn;
} Row;

static void
add_line(GHashTable *guests, char **fields)
{
    Row *row = g_hash_table_lookup(guests, fields[1]);
    double time = g_ascii_strtod(fields[0], NULL), demand = g_ascii_strtod(fields[2], NULL);
    guint64 actual = g_ascii_strtoull(fields[4], NULL, 10);

    if (!row) {
        row = g_new0(Row, 1);
        g_hash_table_insert(guests, g_strdup(fields[1]), row);
    }
    if (row->has) {
        /* In a thousand little steps: not the way in which memplug does it. */
        for (guint i = 0; i < 1000; i++) {
            double lacks =
                row->demand + (demand - row->demand) * (i + 0.5) / 1000 - (double)row->actual;

            row->starved_s += lacks > 0 ? (time - row->time) / 1000 : 0;
            row->lacked += lacks > 0 ? lacks * (time - row->time) / 1000 : 0;
        }
        row->lent += (double)row->actual * (time - row->time);
        row->churn += actual > row->actual ? actual - row->actual : row->actual - actual;
    }
    row->has = TRUE;
    row->time = time;
    row->demand = demand;
    row->actual = actual;
    row->steps = g_ascii_strtoull(fields[6], NULL, 10);
}

static void
assert_close(double a, double b, double tolerance)
{
    if (ABS(a - b) > tolerance * MAX(1, ABS(b)))
        fail_msg("%g is not %g", a, b);
}

static void
test_anyone_can_work_out_the_table_again(void **state)
{
    g_auto(Run) run =
        simulate("%s/web-0.csv %s/web-1.csv --policy mom --budget 1G --json --series %s/s.csv");
    g_autoptr(GHashTable) guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *path = path_of("s.csv"), *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(JsonNode) node = NULL;
    JsonObject *mom;
    GHashTableIter iter;
    gpointer value;
    Row sum = { 0 };

    run_assert_status(&run, 0);
    node = run_parse_json(run.out);
    mom = policy_of(node, "mom");
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    assert_string_equal(lines[0], "time,guest,demand,requested,actual,cached,steps,policy");
    for (char **line = lines + 1; **line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, ",", -1);

        assert_int_equal(g_strv_length(fields), 8);
        assert_string_equal(fields[7], "mom");
        add_line(guests, fields);
    }
    assert_int_equal(g_hash_table_size(guests), 2);
    g_hash_table_iter_init(&iter, guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Row *row = value;

        assert_close(row->time, 120, 1e-9);
        sum.lent += row->lent;
        sum.starved_s += row->starved_s;
        sum.lacked += row->lacked;
        sum.churn += row->churn;
        sum.steps += row->steps;
    }
    assert_true(sum.lacked > 0);
    assert_close(sum.lent / 120, json_object_get_double_member(mom, "lent_mean"), 1e-6);
    assert_close(sum.starved_s / 240, json_object_get_double_member(mom, "starved_time_ratio"),
                 1e-3);
    assert_close(sum.lacked, json_object_get_double_member(mom, "starved_byte_seconds"), 1e-3);
    assert_int_equal(sum.churn, json_object_get_int_member(mom, "churn_bytes"));
    assert_int_equal(sum.steps, json_object_get_int_member(mom, "steps"));
}

/* A file's name is text, whatever it says, and nothing is fetched. */
static void
test_report(void **state)
{
    g_autofree char *path = path_of("report.html"), *page = NULL, *again = NULL;
    g_autoptr(GString) trace = make_trace(0);
    const char *line = "%s/<b>&x.csv %s/web-1.csv --compare mom --html %s/report.html";
    g_auto(Run) run = { 0 }, twice = { 0 };

    write_file("<b>&x.csv", trace->str, (gssize)trace->len);
    run = simulate(line);
    run_assert_status(&run, 0);
    assert_true(g_file_get_contents(path, &page, NULL, NULL));
    run_assert_contains(page, "<!DOCTYPE html>");
    run_assert_contains(page, "<h2>balance</h2>");
    run_assert_contains(page, "<h2>mom</h2>");
    run_assert_contains(page, "<td>static-peak</td>");
    run_assert_contains(page, "<h3>&lt;b&gt;&amp;x</h3>");
    run_assert_contains(page, "prefers-color-scheme: dark");
    assert_null(strstr(page, "<b>"));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "src="));
    assert_null(strstr(page, "href"));
    assert_null(strstr(page, "url("));
    twice = simulate(line);
    assert_true(g_file_get_contents(path, &again, NULL, NULL));
    assert_string_equal(page, again);
}

static void
test_compressed_traces(void **state)
{
    g_autofree char *plain = path_of("web-0.csv"), *packed = path_of("packed.csv.gz");
    g_autoptr(GFile) from = g_file_new_for_path(plain), to = g_file_new_for_path(packed);
    g_autoptr(GFileInputStream) in = g_file_read(from, NULL, NULL);
    g_autoptr(GFileOutputStream) out = g_file_replace(to, NULL, FALSE, 0, NULL, NULL);
    g_autoptr(GZlibCompressor) gzip = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
    g_autoptr(GOutputStream) converter =
        g_converter_output_stream_new(G_OUTPUT_STREAM(out), G_CONVERTER(gzip));
    g_auto(Run) a = { 0 }, b = { 0 };

    assert_true(g_output_stream_splice(converter, G_INPUT_STREAM(in),
                                       G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, NULL) > 0);
    a = simulate("%s/web-0.csv");
    b = simulate("%s/packed.csv.gz");
    run_assert_status(&b, 0);
    assert_string_equal(a.out, b.out);
}

static void
test_what_is_wrong_is_told(void **state)
{
    write_file("bad.csv", "0,8,4,2\n1,8,four,2\n", -1);
    write_file("torn.csv.gz", "\x1f\x8b\x08\x00 torn", -1);
    assert_refused("", 2, "simulate: TRACE: '' is not a name: it is empty");
    assert_refused("%s/web-0.csv --policy best", 2,
                   "--policy: unknown policy 'best'; known: balance");
    assert_refused("%s/web-0.csv --compare mom,best", 2, "--compare: unknown policy 'best'");
    assert_refused("%s/web-0.csv --predictor best", 2, "--predictor: unknown predictor 'best'");
    assert_refused("%s/web-0.csv --guests 0", 2, "--guests: '0' is not a whole number above 0");
    assert_refused("%s/web-0.csv --budget much", 2, "--budget: ");
    assert_refused("%s/web-0.csv --stagger half", 2, "--stagger: 'half' is not seconds or a part");
    assert_refused("%s/web-0.csv --stagger -1", 2, "--stagger: '-1' is not");
    assert_refused("%s/web-0.csv --weights 1,x", 2, "--weights: ");
    assert_refused("%s/web-0.csv --interval 9999", 2,
                   "--interval: '9999' is not from 0.001 to 3600");
    assert_refused("%s/web-0.csv --floor 2G", 2,
                   "the floor of 2 GiB is above the ceiling of web-0, 1 GiB");
    assert_refused("%s/web-0.csv --guests 4 --floor 512M --budget 1G", 2,
                   "the guests' floors, 2 GiB, exceed the budget of 1 GiB");
    assert_refused("%s/missing.csv", 1, "/missing.csv: ");
    assert_refused("%s/bad.csv", 1, "/bad.csv:2: not of the form time_s,");
    assert_refused("%s/torn.csv.gz", 1, "/torn.csv.gz: ");
    assert_refused("%s", 1, "Is a directory");
    assert_refused("%s/web-0.csv --series %s/no/where.csv", 1, "cannot write ");
    assert_refused("%s/web-0.csv --html %s/no/where.html", 1, "/no/where.html");
}

static void
test_options_matter(void **state)
{
    static const char *const options[] = {
        "",
        " --weights 1,7",
        " --floor 300M",
        " --ceiling 600M",
        " --mechanism dimm",
        " --interval 5",
        " --no-agent",
        " --stagger 30",
    };
    char *outputs[G_N_ELEMENTS(options)];

    for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *line =
            g_strdup_printf("%%s/web-0.csv --guests 3 --budget 1200M --json%s", options[i]);
        g_auto(Run) run = simulate(line);

        run_assert_status(&run, 0);
        outputs[i] = g_steal_pointer(&run.out);
        if (i > 0)
            assert_string_not_equal(outputs[i], outputs[0]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
        g_free(outputs[i]);
}

static int
make_folder(void **state)
{
    folder = g_dir_make_tmp("memplug-simulate-XXXXXX", NULL);
    assert_non_null(folder);
    return set_up(state);
}

static int
remove_folder(void **state)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = path_of(name);

        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_the_same_bytes_twice),
        cmocka_unit_test(test_anyone_can_work_out_the_table_again),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_compressed_traces),
        cmocka_unit_test(test_what_is_wrong_is_told),
        cmocka_unit_test(test_options_matter),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
