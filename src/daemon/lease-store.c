/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/lease-store.h"

#include <string.h>

#define GROUP_STORE "leases"
#define PREFIX      "lease "
#define KEY_BOOT    "boot"
#define KEY_LAST    "last"

struct _LeaseStore {
    char *path; /* NULL: nothing is written */
    char *boot;
};

/* The numbers of a lease, by key. */
typedef struct {
    const char *key;
    gsize offset;
} Member;

#define MEMBER(name)                        \
    {                                       \
#name, G_STRUCT_OFFSET(Lease, name) \
    }

static const Member sizes[] = {
    MEMBER(asked), MEMBER(at_least), MEMBER(granted), MEMBER(process), MEMBER(process_id),
};
static const Member times[] = {
    MEMBER(wait_us), MEMBER(ttl_us), MEMBER(asked_us), MEMBER(changed_us), MEMBER(deadline_us),
};
static const Member texts[] = { MEMBER(guest), MEMBER(purpose) };

static char *
read_boot(void)
{
    char *boot = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
        return g_strdup("");
    return g_strstrip(boot);
}

LeaseStore *
lease_store_open(const char *folder, const char *uri, const char *boot)
{
    LeaseStore *store = g_new0(LeaseStore, 1);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, uri, -1);

    if (folder)
        store->path = g_strdup_printf("%s/%.16s.leases", folder, digest);
    store->boot = boot ? g_strdup(boot) : read_boot();
    return store;
}

void
lease_store_free(LeaseStore *store)
{
    if (!store)
        return;
    g_free(store->path);
    g_free(store->boot);
    g_free(store);
}

/* Debts stand as keys "owes INSTANCE"; an instance has no other characters than a key may. */
#define DEBT "owes-"

static void
load_debts(GKeyFile *file, const char *group, Lease *lease)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);

    for (guint i = 0; keys && keys[i]; i++) {
        if (g_str_has_prefix(keys[i], DEBT))
            lease_owe(lease, keys[i] + strlen(DEBT),
                      g_key_file_get_uint64(file, group, keys[i], NULL));
    }
}

/* Returns: (transfer full) (nullable): NULL if @group makes no sense as a lease. */
static Lease *
load_lease(GKeyFile *file, const char *group)
{
    g_autoptr(Lease) lease = lease_new();
    g_autofree char *state = g_key_file_get_string(file, group, "state", NULL);

    lease->id = g_ascii_strtoull(group + strlen(PREFIX), NULL, 10);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        G_STRUCT_MEMBER(guint64, lease, sizes[i].offset) =
            g_key_file_get_uint64(file, group, sizes[i].key, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(times); i++)
        G_STRUCT_MEMBER(gint64, lease, times[i].offset) =
            g_key_file_get_int64(file, group, times[i].key, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        G_STRUCT_MEMBER(char *, lease, texts[i].offset) =
            g_key_file_get_string(file, group, texts[i].key, NULL);
    lease->taken = g_key_file_get_boolean(file, group, "taken", NULL);
    lease->patient = g_key_file_get_boolean(file, group, "patient", NULL);
    load_debts(file, group, lease);
    if (!lease->purpose)
        lease->purpose = g_strdup("");
    if (lease->id == 0 || !state || !lease_state_find(state, &lease->state) ||
        (!lease_is_open(lease) && lease->debts->len == 0) || lease->at_least == 0 ||
        lease->at_least > lease->asked || lease->granted > lease->asked)
        return NULL;
    return g_steal_pointer(&lease);
}

guint64
lease_store_load(LeaseStore *store, Leases *leases, gint64 now)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *boot = NULL;
    g_auto(GStrv) groups = NULL;
    guint64 last;

    if (!store->path)
        return 0;
    if (!g_key_file_load_from_file(file, store->path, G_KEY_FILE_NONE, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_warning("%s: %s; no lease is taken over", store->path, error->message);
        return 0;
    }
    last = g_key_file_get_uint64(file, GROUP_STORE, KEY_LAST, NULL);
    boot = g_key_file_get_string(file, GROUP_STORE, KEY_BOOT, NULL);
    if (g_strcmp0(boot, store->boot) != 0)
        return last;
    groups = g_key_file_get_groups(file, NULL);
    for (guint i = 0; groups[i]; i++) {
        Lease *lease = g_str_has_prefix(groups[i], PREFIX) ? load_lease(file, groups[i]) : NULL;

        if (lease) {
            last = MAX(last, lease->id);
            leases_restore(leases, lease, now);
        } else if (!g_str_equal(groups[i], GROUP_STORE)) {
            g_warning("%s: [%s] is no lease; left out", store->path, groups[i]);
        }
    }
    return last;
}

static void
save_lease(GKeyFile *file, const Lease *lease)
{
    g_autofree char *group = g_strdup_printf(PREFIX "%" G_GUINT64_FORMAT, lease->id);

    g_key_file_set_string(file, group, "state", lease_state_name(lease->state));
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        g_key_file_set_uint64(file, group, sizes[i].key,
                              G_STRUCT_MEMBER(guint64, lease, sizes[i].offset));
    for (gsize i = 0; i < G_N_ELEMENTS(times); i++)
        g_key_file_set_int64(file, group, times[i].key,
                             G_STRUCT_MEMBER(gint64, lease, times[i].offset));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = G_STRUCT_MEMBER(char *, lease, texts[i].offset);

        if (text)
            g_key_file_set_string(file, group, texts[i].key, text);
    }
    g_key_file_set_boolean(file, group, "taken", lease->taken);
    g_key_file_set_boolean(file, group, "patient", lease->patient);
    for (guint i = 0; i < lease->debts->len; i++) {
        const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);
        g_autofree char *key = g_strconcat(DEBT, debt->instance, NULL);

        g_key_file_set_uint64(file, group, key, debt->before);
    }
}

void
lease_store_save(LeaseStore *store, const Leases *leases, guint64 last_id)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    GPtrArray *all = leases_all(leases);
    gsize length;

    if (!store->path)
        return;
    g_key_file_set_string(file, GROUP_STORE, KEY_BOOT, store->boot);
    g_key_file_set_uint64(file, GROUP_STORE, KEY_LAST, last_id);
    for (guint i = 0; i < all->len; i++) {
        const Lease *lease = all->pdata[i];

        if (lease_is_open(lease) || lease->debts->len > 0)
            save_lease(file, all->pdata[i]);
    }
    text = g_key_file_to_data(file, &length, NULL);
    if (!g_file_set_contents_full(store->path, text, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT,
                                  0600, &error))
        g_warning("leases cannot be kept: %s", error->message);
}
