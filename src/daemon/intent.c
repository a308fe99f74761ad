/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

G_DEFINE_QUARK(memplug_intent_error_quark, intent_error)

#define KEY_REQUESTED "requested"
#define KEY_HELD      "held"
#define KEY_DECISION  "decision"
#define KEY_GONE      "gone"    /* only of a run that is */
#define KEY_LINEAGE   "lineage" /* only of a run that has one */

typedef struct {
    Intent intent;
    gint64 gone_s;    /* wall clock: when the guest was let go; 0: it is there */
    gboolean lineage; /* another run may inherit it */
} Entry;

struct _IntentStore {
    char *path; /* NULL: nothing is written */
    int lock_fd;
    GHashTable *entries; /* instance -> Entry */
    guint flush_source;
};

static IntentStore *
store_new(void)
{
    IntentStore *store = g_new0(IntentStore, 1);

    store->lock_fd = -1;
    store->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return store;
}

IntentStore *
intent_store_new_volatile(void)
{
    return store_new();
}

char *
intent_default_folder(void)
{
    const char *systemd = g_getenv("STATE_DIRECTORY");

    if (systemd && *systemd)
        return g_strdup(systemd);
    if (geteuid() == 0)
        return g_strdup("/var/lib/memplug");
    return g_build_filename(g_get_user_state_dir(), "memplug", NULL);
}

static gboolean
take_lock(IntentStore *store, const char *path, const char *uri, GError **error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    store->lock_fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        g_set_error(error, INTENT_ERROR, INTENT_ERROR_FOLDER, "cannot open %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    if (fcntl(store->lock_fd, F_SETLK, &lock) == 0)
        return TRUE;

    if (fcntl(store->lock_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        g_set_error(error, INTENT_ERROR, INTENT_ERROR_LOCKED,
                    "another memplugd (process %d) already manages the guests of %s",
                    (int)lock.l_pid, uri);
    else
        g_set_error(error, INTENT_ERROR, INTENT_ERROR_LOCKED, "cannot lock %s: %s", path,
                    g_strerror(errno));
    return FALSE;
}

static void
load(IntentStore *store)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) instances = NULL;
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;

    if (!g_key_file_load_from_file(file, store->path, G_KEY_FILE_NONE, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_warning("%s: %s; guests keep what they have", store->path, error->message);
        return;
    }
    instances = g_key_file_get_groups(file, NULL);
    for (guint i = 0; instances[i]; i++) {
        gint64 gone_s = g_key_file_get_int64(file, instances[i], KEY_GONE, NULL);
        Entry entry = {
            .intent.requested = g_key_file_get_uint64(file, instances[i], KEY_REQUESTED, NULL),
            .intent.held = g_key_file_get_boolean(file, instances[i], KEY_HELD, NULL),
            .intent.decision = g_key_file_get_uint64(file, instances[i], KEY_DECISION, NULL),
            .lineage = g_key_file_get_boolean(file, instances[i], KEY_LINEAGE, NULL),
            /* It was there when the last daemon went, and is so until it shows again. */
            .gone_s = gone_s > 0 ? MIN(gone_s, now_s) : now_s,
        };

        if (entry.intent.requested > 0)
            g_hash_table_insert(store->entries, g_strdup(instances[i]),
                                g_memdup2(&entry, sizeof(entry)));
    }
}

IntentStore *
intent_store_open(const char *folder, const char *uri, GError **error)
{
    g_autoptr(IntentStore) store = store_new();
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, uri, -1);
    g_autofree char *lock_path = g_strdup_printf("%s/%.16s.lock", folder, digest);

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        g_set_error(error, INTENT_ERROR, INTENT_ERROR_FOLDER, "cannot make the folder %s: %s",
                    folder, g_strerror(errno));
        return NULL;
    }
    if (!take_lock(store, lock_path, uri, error))
        return NULL;
    store->path = g_strdup_printf("%s/%.16s.intents", folder, digest);
    load(store);
    return g_steal_pointer(&store);
}

static void
flush(IntentStore *store)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    GHashTableIter iter;
    gpointer instance, value;
    gsize length;

    g_hash_table_iter_init(&iter, store->entries);
    while (g_hash_table_iter_next(&iter, &instance, &value)) {
        const Entry *entry = value;
        const Intent *intent = &entry->intent;

        g_key_file_set_uint64(file, instance, KEY_REQUESTED, intent->requested);
        g_key_file_set_boolean(file, instance, KEY_HELD, intent->held);
        g_key_file_set_uint64(file, instance, KEY_DECISION, intent->decision);
        if (entry->gone_s > 0)
            g_key_file_set_int64(file, instance, KEY_GONE, entry->gone_s);
        if (entry->lineage)
            g_key_file_set_boolean(file, instance, KEY_LINEAGE, TRUE);
    }
    text = g_key_file_to_data(file, &length, NULL);
    if (!g_file_set_contents_full(store->path, text, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT,
                                  0600, &error))
        g_warning("what guests are asked for cannot be kept: %s", error->message);
}

static gboolean
on_flush(gpointer data)
{
    IntentStore *store = data;

    store->flush_source = 0;
    flush(store);
    return G_SOURCE_REMOVE;
}

/* Many changes of one cycle make one write. The priority is above that of I/O:
 * no order leaves for a hypervisor before the intent behind it is kept. */
static void
flush_soon(IntentStore *store)
{
    if (store->path && store->flush_source == 0)
        store->flush_source = g_idle_add_full(G_PRIORITY_HIGH, on_flush, store, NULL);
}

void
intent_store_flush(IntentStore *store)
{
    if (store->flush_source == 0)
        return;
    g_clear_handle_id(&store->flush_source, g_source_remove);
    flush(store);
}

void
intent_store_free(IntentStore *store)
{
    if (!store)
        return;
    intent_store_flush(store);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    g_hash_table_unref(store->entries);
    g_free(store->path);
    g_free(store);
}

gboolean
intent_store_get(IntentStore *store, const char *instance, Intent *intent)
{
    Entry *entry = g_hash_table_lookup(store->entries, instance);

    if (!entry)
        return FALSE;
    if (entry->gone_s > 0)
        flush_soon(store);
    entry->gone_s = 0;
    *intent = entry->intent;
    return TRUE;
}

static gboolean
is_of_lineage(const char *instance, const char *lineage)
{
    gsize length = strlen(lineage);

    return strncmp(instance, lineage, length) == 0 && instance[length] == '@';
}

/* Forgets all runs of @lineage. Returns: TRUE with what was wanted of the latest, if any. */
static gboolean
take_lineage(IntentStore *store, const char *lineage, Intent *latest)
{
    gboolean found = FALSE;
    GHashTableIter iter;
    gpointer instance, value;

    g_hash_table_iter_init(&iter, store->entries);
    while (g_hash_table_iter_next(&iter, &instance, &value)) {
        const Entry *entry = value;

        if (!is_of_lineage(instance, lineage))
            continue;
        /* A decision's id tells when it was made. */
        if (!found || entry->intent.decision > latest->decision)
            *latest = entry->intent;
        found = TRUE;
        g_hash_table_iter_remove(&iter);
    }
    if (found)
        flush_soon(store);
    return found;
}

gboolean
intent_store_inherit(IntentStore *store, const char *instance, const char *lineage,
                     gboolean continues, Intent *intent)
{
    Intent latest;

    if (intent_store_get(store, instance, intent))
        return TRUE;
    if (!lineage || !take_lineage(store, lineage, &latest) || !continues)
        return FALSE;
    intent_store_put(store, instance, lineage, &latest);
    *intent = latest;
    return TRUE;
}

void
intent_store_put(IntentStore *store, const char *instance, const char *lineage,
                 const Intent *intent)
{
    Entry *entry = g_hash_table_lookup(store->entries, instance);

    if (!entry) {
        entry = g_new0(Entry, 1);
        g_hash_table_insert(store->entries, g_strdup(instance), entry);
    }
    entry->gone_s = 0;
    entry->lineage = lineage != NULL;
    entry->intent = *intent;
    flush_soon(store);
}

static gboolean
is_long_gone(gpointer instance, gpointer value, gpointer now_s)
{
    const Entry *entry = value;
    gint64 keep_s = entry->lineage ? INTENT_KEEP_LINEAGE_S : INTENT_KEEP_S;

    return entry->gone_s > 0 && *(const gint64 *)now_s - entry->gone_s > keep_s;
}

/* Returns: (nullable): the run whose lineage has been gone for longest, if there are more
 *   of those than are kept. */
static const char *
one_too_many(IntentStore *store)
{
    const char *first = NULL;
    gint64 first_s = G_MAXINT64;
    guint gone = 0;
    GHashTableIter iter;
    gpointer instance, value;

    g_hash_table_iter_init(&iter, store->entries);
    while (g_hash_table_iter_next(&iter, &instance, &value)) {
        const Entry *entry = value;

        if (!entry->lineage || entry->gone_s == 0)
            continue;
        gone++;
        if (entry->gone_s < first_s) {
            first = instance;
            first_s = entry->gone_s;
        }
    }
    return gone > INTENT_KEEP_LINEAGES ? first : NULL;
}

void
intent_store_release(IntentStore *store, const char *instance, gint64 now_s)
{
    Entry *entry = g_hash_table_lookup(store->entries, instance);
    const char *superfluous;

    if (entry) {
        entry->gone_s = now_s;
        flush_soon(store);
    }
    if (g_hash_table_foreach_remove(store->entries, is_long_gone, &now_s) > 0)
        flush_soon(store);
    while ((superfluous = one_too_many(store)))
        g_hash_table_remove(store->entries, superfluous);
}
