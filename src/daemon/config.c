/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/config.h"

#include <string.h>
#include <unistd.h>

#include "build-config.h"
#include "size/size.h"

G_DEFINE_QUARK(memplug_config_error_quark, config_error)

/* The balloon's statistics come once a second, out of step with the cycle: this
 * is how late they are seen. A guest filling 40 MB/s that was looked at once a
 * second swapped 5 to 10 MB before it was grown, and nothing at this interval. */
#define INTERVAL_DEFAULT_US (G_USEC_PER_SEC / 4)
#define INTERVAL_LEAST_US   (G_USEC_PER_SEC / 10)
#define INTERVAL_MOST_US    G_TIME_SPAN_HOUR

/* What a host needs for itself and for QEMU's own overhead when nobody says:
 * a tenth, and never less than half a GiB unless the host is smaller than that. */
#define RESERVE_PART  10
#define RESERVE_LEAST (512 * SIZE_MIB)

/* A week of a hundred guests, of which a third never rests (tests/bench/journal); what is
 * older than two weeks tells nothing that the weeks since do not. */
#define JOURNAL_SIZE_DEFAULT   SIZE_GIB
#define JOURNAL_SIZE_LEAST     SIZE_MIB
#define JOURNAL_AGE_DEFAULT_US (14 * G_TIME_SPAN_DAY)
#define JOURNAL_AGE_MOST       10000

/* Ten guests' memory for that of one is more than ballooning or swapping can bear. */
#define OVERCOMMIT_LEAST 0.1
#define OVERCOMMIT_MOST  10.0

static gboolean
set_budget(Config *config, const char *value, GError **error)
{
    return size_parse(value, 0, &config->budget, error);
}

static gboolean
set_reserve(Config *config, const char *value, GError **error)
{
    config->has_reserve = size_parse(value, 0, &config->reserve, error);
    return config->has_reserve;
}

static gboolean
set_soft(Config *config, const char *value, GError **error)
{
    return size_parse(value, 0, &config->marks.soft, error);
}

static gboolean
set_hard(Config *config, const char *value, GError **error)
{
    return size_parse(value, 0, &config->marks.hard, error);
}

static gboolean
set_emergency(Config *config, const char *value, GError **error)
{
    return size_parse(value, 0, &config->marks.emergency, error);
}

/* "1.5", or "1.5 0.8": what guests may have, and what may be promised to them. */
static gboolean
set_overcommit(Config *config, const char *value, GError **error)
{
    char *rest = NULL;
    double sizes = g_ascii_strtod(value, &rest), promises = 1.0;
    gboolean well = rest != value;

    if (well && *rest != '\0') {
        const char *second = rest;

        promises = g_ascii_strtod(second, &rest);
        well = g_ascii_isspace(*second) && *rest == '\0';
    }
    if (!well || !(sizes >= OVERCOMMIT_LEAST && sizes <= OVERCOMMIT_MOST) ||
        !(promises >= OVERCOMMIT_LEAST && promises <= sizes)) {
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                    "'%s' is not one ratio from 0.1 to 10, or two of which the second is no more "
                    "than the first; write for example 1.5 or 1.5 0.8",
                    value);
        return FALSE;
    }
    config->overcommit = sizes;
    config->promise = promises;
    return TRUE;
}

static gboolean
set_interval(Config *config, const char *value, GError **error)
{
    char *unit = NULL;
    double number = g_ascii_strtod(value, &unit);
    double us = number * (g_str_equal(unit, "ms") ? 1e3 : 1e6);

    if (unit == value || (*unit != '\0' && !g_str_equal(unit, "s") && !g_str_equal(unit, "ms")) ||
        !(us >= INTERVAL_LEAST_US && us <= INTERVAL_MOST_US)) {
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                    "'%s' is not an interval from 100ms to 3600s; write for example 1s", value);
        return FALSE;
    }
    config->interval_us = (gint64)us;
    return TRUE;
}

static gboolean
set_policy(Config *config, const char *value, GError **error)
{
    const Policy *policy = policy_find(value);

    if (!policy) {
        g_autoptr(GString) known = g_string_new(NULL);

        for (const Policy *const *p = policy_list(); *p; p++)
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", (*p)->name);
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID, "unknown policy '%s'; known: %s",
                    value, known->str);
        return FALSE;
    }
    config->policy = policy;
    return TRUE;
}

static gboolean
set_surplus(Config *config, const char *value, GError **error)
{
    if (!g_str_equal(value, "keep") && !g_str_equal(value, "share")) {
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID, "'%s' is neither keep nor share",
                    value);
        return FALSE;
    }
    config->share = g_str_equal(value, "share");
    return TRUE;
}

/* Returns: (nullable): NULL with @error set. */
static const Predictor *
find_predictor(const char *name, GError **error)
{
    const Predictor *predictor = predictor_find(name);
    g_autoptr(GString) known = g_string_new(NULL);

    if (predictor)
        return predictor;
    for (const Predictor *const *p = predictor_list(); *p; p++)
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", (*p)->name);
    g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID, "unknown predictor '%s'; known: %s",
                name, known->str);
    return NULL;
}

static gboolean
set_predictor(Config *config, const char *value, GError **error)
{
    const Predictor *predictor = find_predictor(value, error);

    if (predictor)
        config->predictor = predictor;
    return predictor != NULL;
}

static gboolean
set_probe(Config *config, const char *value, GError **error)
{
    if (probe_mode_parse(value, &config->probe))
        return TRUE;
    g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                "'%s' is neither wanted, always nor never", value);
    return FALSE;
}

static gboolean
set_journal_enabled(Config *config, const char *value, GError **error)
{
    if (!g_str_equal(value, "yes") && !g_str_equal(value, "no")) {
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID, "'%s' is neither yes nor no", value);
        return FALSE;
    }
    config->journal.enabled = g_str_equal(value, "yes");
    return TRUE;
}

static gboolean
set_journal_size(Config *config, const char *value, GError **error)
{
    guint64 size;

    if (!size_parse(value, 0, &size, error))
        return FALSE;
    if (size < JOURNAL_SIZE_LEAST) {
        g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                    "'%s' is less than 1MiB; to keep no journal, write enabled = no", value);
        return FALSE;
    }
    config->journal.max_size = size;
    return TRUE;
}

static gboolean
set_journal_age(Config *config, const char *value, GError **error)
{
    static const struct {
        char unit;
        gint64 us;
    } units[] = { { 'h', G_TIME_SPAN_HOUR },
                  { 'd', G_TIME_SPAN_DAY },
                  { 'w', 7 * G_TIME_SPAN_DAY } };
    char *end = NULL;
    guint64 number = g_ascii_strtoull(value, &end, 10);

    for (gsize i = 0; g_ascii_isdigit(*value) && i < G_N_ELEMENTS(units); i++) {
        if (end[0] != units[i].unit || end[1] != '\0' || number < 1 || number > JOURNAL_AGE_MOST)
            continue;
        config->journal.max_age_us = (gint64)number * units[i].us;
        return TRUE;
    }
    g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                "'%s' is no number of hours, days or weeks; write for example 12h, 7d or 4w",
                value);
    return FALSE;
}

/* The keys of the sections that are not limits of guests. */
static const struct {
    const char *section;
    const char *key;
    gboolean (*set)(Config *config, const char *value, GError **error);
} settings[] = {
    { "host", "budget", set_budget },
    { "host", "reserve", set_reserve },
    { "host", "soft", set_soft },
    { "host", "hard", set_hard },
    { "host", "emergency", set_emergency },
    { "host", "overcommit", set_overcommit },
    { "host", "interval", set_interval },
    { "policy", "name", set_policy },
    { "policy", "surplus", set_surplus },
    { "policy", "predictor", set_predictor },
    { "policy", "probe", set_probe },
    { "journal", "enabled", set_journal_enabled },
    { "journal", "max_size", set_journal_size },
    { "journal", "max_age", set_journal_age },
};

static gboolean
load_setting(Config *config, const char *section, const char *key, const char *value,
             GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
        if (!g_str_equal(section, settings[i].section))
            continue;
        if (g_str_equal(key, settings[i].key))
            return settings[i].set(config, value, error);
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", settings[i].key);
    }
    g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID, "unknown key; known: %s", known->str);
    return FALSE;
}

static gboolean
load_settings(Config *config, GKeyFile *file, const char *section, const char *path, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, section, NULL, NULL);

    for (guint i = 0; keys && keys[i]; i++) {
        g_autofree char *value = g_key_file_get_string(file, section, keys[i], error);

        if (!value || !load_setting(config, section, keys[i], g_strstrip(value), error)) {
            g_prefix_error(error, "%s: [%s] %s: ", path, section, keys[i]);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
is_settings_section(const char *section)
{
    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
        if (g_str_equal(section, settings[i].section))
            return TRUE;
    }
    return FALSE;
}

/* Returns: (transfer full) (nullable): NAME, if @section is: guest "NAME". */
static char *
guest_of_section(const char *section)
{
    const char *prefix = "guest \"";
    gsize length = strlen(section);

    if (!g_str_has_prefix(section, prefix) || length < strlen(prefix) + 2 ||
        section[length - 1] != '"')
        return NULL;
    return g_strndup(section + strlen(prefix), length - strlen(prefix) - 1);
}

/* The limits of a section. A configuration is held to more than a guest's own definition:
 * whether there is such a predictor. */
static gboolean
load_limits(GKeyFile *file, const char *section, const char *path, GuestLimits *limits,
            GError **error)
{
    if (!guest_limits_load(file, section, path, limits, error))
        return FALSE;
    if (limits->set & GUEST_LIMIT_PREDICTOR && !find_predictor(limits->predictor, error)) {
        g_prefix_error(error, "%s: [%s] predictor: ", path, section);
        return FALSE;
    }
    return TRUE;
}

static gboolean
load_guest(Config *config, GKeyFile *file, const char *section, const char *name, const char *path,
           GError **error)
{
    GuestLimits limits = { 0 };
    GuestLimits *known = g_hash_table_lookup(config->guests, name);
    GuestLimits merged;

    if (!load_limits(file, section, path, &limits, error))
        return FALSE;
    merged = known ? guest_limits_overlay(known, &limits) : limits;
    g_hash_table_insert(config->guests, g_strdup(name), g_memdup2(&merged, sizeof(merged)));
    return TRUE;
}

static gboolean
load_section(Config *config, GKeyFile *file, const char *section, const char *path, GError **error)
{
    g_autofree char *guest = guest_of_section(section);

    if (guest)
        return load_guest(config, file, section, guest, path, error);
    if (g_str_equal(section, "defaults")) {
        GuestLimits limits = { 0 };

        if (!load_limits(file, section, path, &limits, error))
            return FALSE;
        config->defaults = guest_limits_overlay(&config->defaults, &limits);
        return TRUE;
    }
    if (is_settings_section(section))
        return load_settings(config, file, section, path, error);

    g_set_error(error, CONFIG_ERROR, CONFIG_ERROR_INVALID,
                "%s: [%s]: unknown section; known: [host], [policy], [journal], [defaults], [guest "
                "\"NAME\"]",
                path, section);
    return FALSE;
}

static gboolean
load_file(Config *config, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_auto(GStrv) sections = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error)) {
        g_prefix_error(error, "%s: ", path);
        return FALSE;
    }
    sections = g_key_file_get_groups(file, NULL);
    for (guint i = 0; sections[i]; i++) {
        if (!load_section(config, file, sections[i], path, error))
            return FALSE;
    }
    return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean
load_drop_ins(Config *config, const char *file, GError **error)
{
    g_autofree char *folder = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_build_filename(folder, name, NULL));
    }
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        if (!load_file(config, names->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* A floor from one file may cross a ceiling from another. */
static gboolean
check_merged(const Config *config, const char *file, GError **error)
{
    const GuestLimits nothing = { 0 };
    GHashTableIter iter;
    gpointer name;

    if (!guest_limits_check(&config->defaults, error)) {
        g_prefix_error(error, "%s: [defaults]: ", file);
        return FALSE;
    }
    g_hash_table_iter_init(&iter, config->guests);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        GuestLimits merged = config_guest_limits(config, name, &nothing);

        if (!guest_limits_check(&merged, error)) {
            g_prefix_error(error, "%s: [guest \"%s\"] with [defaults]: ", file, (char *)name);
            return FALSE;
        }
    }
    return TRUE;
}

Config *
config_load(const char *file, gboolean required, GError **error)
{
    g_autoptr(Config) config = g_new0(Config, 1);

    config->interval_us = INTERVAL_DEFAULT_US;
    config->policy = policy_list()[0];
    config->predictor = predictor_list()[0];
    config->journal.enabled = TRUE;
    config->journal.max_size = JOURNAL_SIZE_DEFAULT;
    config->journal.max_age_us = JOURNAL_AGE_DEFAULT_US;
    config->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if ((required || g_file_test(file, G_FILE_TEST_EXISTS)) && !load_file(config, file, error))
        return NULL;
    if (!load_drop_ins(config, file, error) || !check_merged(config, file, error))
        return NULL;
    return g_steal_pointer(&config);
}

char *
config_default_file(void)
{
    const char *systemd = g_getenv("CONFIGURATION_DIRECTORY");

    if (systemd && *systemd)
        return g_build_filename(systemd, "memplug.conf", NULL);
    if (geteuid() == 0)
        return g_build_filename(MEMPLUG_SYSCONFDIR, "memplug", "memplug.conf", NULL);
    return g_build_filename(g_get_user_config_dir(), "memplug", "memplug.conf", NULL);
}

void
config_free(Config *config)
{
    if (!config)
        return;
    g_hash_table_unref(config->guests);
    g_free(config);
}

static guint64
reserve_of(const Config *config, guint64 host_memory)
{
    if (config->has_reserve)
        return MIN(config->reserve, host_memory);
    return MIN(MAX(host_memory / RESERVE_PART, RESERVE_LEAST), host_memory / 2);
}

/* Over-commit left out. */
static guint64
plain_budget(const Config *config, guint64 host_memory)
{
    return config->budget > 0 ? config->budget : host_memory - reserve_of(config, host_memory);
}

guint64
config_reserve(const Config *config, guint64 host_memory)
{
    return host_memory - MIN(plain_budget(config, host_memory), host_memory);
}

/* Returns: what guests may have, or be promised, of a budget that is not over-committed. */
static guint64
times(const Config *config, guint64 host_memory, double ratio)
{
    guint64 budget = plain_budget(config, host_memory);
    double bytes = (double)budget * ratio;

    if (ratio <= 0.0)
        return budget;
    return bytes < (double)G_MAXUINT64 ? (guint64)bytes : G_MAXUINT64;
}

guint64
config_budget(const Config *config, guint64 host_memory)
{
    return times(config, host_memory, config->overcommit);
}

guint64
config_promises(const Config *config, guint64 host_memory)
{
    return MIN(times(config, host_memory, config->promise), config_budget(config, host_memory));
}

HostMarks
config_marks(const Config *config, guint64 host_memory)
{
    guint64 reserve = reserve_of(config, host_memory);
    HostMarks marks = config->marks;

    if (marks.soft == 0)
        marks.soft = reserve / 2;
    if (marks.hard == 0)
        marks.hard = marks.soft / 2;
    if (marks.emergency == 0)
        marks.emergency = marks.hard / 2;
    marks.hard = MIN(marks.hard, marks.soft);
    marks.emergency = MIN(marks.emergency, marks.hard);
    return marks;
}

GuestLimits
config_guest_limits(const Config *config, const char *name, const GuestLimits *own)
{
    const GuestLimits *configured = g_hash_table_lookup(config->guests, name);
    GuestLimits merged = config->defaults;

    if (configured)
        merged = guest_limits_overlay(&merged, configured);
    return guest_limits_overlay(&merged, own);
}
