/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A collection is one virDomainListGetStats() for the guests whose handles are held.
 * NOWAIT has it skip a domain that something else is being done with, but not one
 * whose QEMU hangs: there it hangs as well, and with it the answers of all others.
 *
 *   bulk {a, b, c} ──answered──▶ statistics
 *        │ deadline: its collection ends
 *        ▼
 *   overdue, measured by how long such calls took lately:
 *        a, b and c are probed ─▶ b hangs: the guest b is unreachable, and the bulk
 *        │                            is blamed on it
 *        ▼
 *   next collection: bulk {a, c}, since {a, b, c} is out for b alone
 *
 * A guest is asked for if its statistics may be new (LibvirtRhythm), it does not hang,
 * and it is in no bulk that is out and not blamed on another. So at most one bulk hangs for each
 * guest that does, and the others are held up for one deadline. A bulk that is overdue for no
 * guest's sake (the host or libvirtd is slow) is waited for; its answer counts when it comes.
 * Guests that hang, and those with something else overdue, are probed with each
 * collection until they do no longer.
 */
#include "hypervisor/libvirt/libvirt-collect.h"

#include "hypervisor/libvirt/domain-stats.h"
#include "hypervisor/libvirt/libvirt-error.h"

/* After which a bulk is given up, and what it was to bring. */
#define BULK_MS 2000

/* A bulk is overdue when it takes so many times what its guests took lately, ... */
#define PATIENCE 3
/* ... but for no longer than a QEMU may keep a command without hanging. */
#define PATIENCE_MOST_US G_USEC_PER_SEC

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON)

typedef struct {
    LibvirtCollector *collector; /* NULL: it has gone */
    GHashTable *guests;          /* UUID → LibvirtGuest, references */
    guint deadline_ms;
    gint64 overdue_us; /* when it will be */
    GTask *task;       /* the collection; NULL: it has ended */
    GSource *deadline;
} Bulk;

struct LibvirtCollector {
    LibvirtWorkers *workers;
    GHashTable *guests;
    GPtrArray *bulks; /* that are out; borrowed */
    guint number;     /* of the next */
    gint64 each_us;   /* what a guest took lately; 0: not known */
    LibvirtCollectorCount count;
};

/*
 * In the thread
 */

typedef struct {
    char uuid[VIR_UUID_STRING_BUFLEN];
    gboolean has_stats;
    BalloonStats stats;
    gboolean has_state;
    int state; /* virDomainState */
} Record;

typedef struct {
    GArray *records;
    gint64 spent_us;
} Harvest;

static void
harvest_free(gpointer data)
{
    Harvest *harvest = data;

    g_array_unref(harvest->records);
    g_free(harvest);
}

static void
domains_free(gpointer data)
{
    virDomainPtr *domains = data;

    for (gsize i = 0; domains[i]; i++)
        virDomainFree(domains[i]);
    g_free(domains);
}

static gpointer
run_bulk(gpointer data, GError **error)
{
    gint64 begun = g_get_monotonic_time();
    virDomainStatsRecordPtr *stats = NULL;
    Harvest *harvest;
    int n = virDomainListGetStats(data, STATS, &stats, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

    if (n < 0) {
        libvirt_error_take("statistics", error);
        return NULL;
    }
    harvest = g_new0(Harvest, 1);
    harvest->records = g_array_sized_new(FALSE, TRUE, sizeof(Record), (guint)n);
    for (int i = 0; i < n; i++) {
        Record record = { .has_stats = FALSE };
        int reason;

        virDomainGetUUIDString(stats[i]->dom, record.uuid);
        record.has_stats = domain_stats_read(stats[i]->params, stats[i]->nparams, &record.stats);
        record.has_state =
            domain_stats_state(stats[i]->params, stats[i]->nparams, &record.state, &reason);
        g_array_append_val(harvest->records, record);
    }
    virDomainStatsRecordListFree(stats);
    harvest->spent_us = g_get_monotonic_time() - begun;
    return harvest;
}

static const LibvirtWorkKind bulk_kind = { run_bulk, domains_free, harvest_free };

/*
 * A bulk
 */

static void
end_collection(Bulk *bulk)
{
    g_autoptr(GTask) task = g_steal_pointer(&bulk->task);

    if (bulk->deadline)
        g_source_destroy(bulk->deadline);
    g_clear_pointer(&bulk->deadline, g_source_unref);
    if (task)
        g_task_return_boolean(task, TRUE);
}

static void
bulk_free(Bulk *bulk)
{
    if (bulk->collector)
        g_ptr_array_remove_fast(bulk->collector->bulks, bulk);
    end_collection(bulk);
    g_hash_table_unref(bulk->guests);
    g_free(bulk);
}

static void
take_record(Bulk *bulk, const Record *record)
{
    LibvirtGuest *guest = g_hash_table_lookup(bulk->guests, record->uuid);
    LibvirtRhythm *rhythm;

    /* One that ended meanwhile, or that is another run now, has no more to say. */
    if (!guest || g_hash_table_lookup(bulk->collector->guests, record->uuid) != guest)
        return;
    if (record->has_state)
        libvirt_guest_take_running(guest, record->state == VIR_DOMAIN_RUNNING ||
                                              record->state == VIR_DOMAIN_BLOCKED);
    /* One that was skipped, or has no statistics at all, has told nothing new. */
    rhythm = libvirt_guest_get_rhythm(guest);
    libvirt_rhythm_answered(rhythm,
                            record->has_stats ? record->stats.last_update_s : rhythm->last_update_s,
                            g_get_monotonic_time());
    if (record->has_stats)
        guest_emit_stats(MEMPLUG_GUEST(guest), &record->stats);
}

/* Whether it may be the guest for which a bulk is overdue. Half of the deadline, since
 * the bulk was with others before. */
static gboolean
hangs(LibvirtGuest *guest, guint deadline_ms)
{
    return libvirt_line_occupied_ms(libvirt_guest_get_line(guest)) >= deadline_ms / 2;
}

static gboolean
is_blamed(const Bulk *bulk)
{
    GHashTableIter iter;
    gpointer guest;

    g_hash_table_iter_init(&iter, bulk->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        if (hangs(guest, bulk->deadline_ms))
            return TRUE;
    }
    return FALSE;
}

/* As it is for all of them together: at once when it grows, slowly when it falls. */
static void
note_duration(const Bulk *bulk, gint64 spent_us)
{
    gint64 *each_us = &bulk->collector->each_us;
    gint64 now_us = spent_us / MAX(1, g_hash_table_size(bulk->guests));

    if (!is_blamed(bulk))
        *each_us = MAX(now_us, *each_us - *each_us / 8);
}

static void
on_bulk(GObject *source, GAsyncResult *result, gpointer data)
{
    Bulk *bulk = data;
    LibvirtCollector *collector = bulk->collector;
    g_autoptr(GError) error = NULL;
    Harvest *harvest = libvirt_workers_run_finish(result, &error);

    if (error)
        g_debug("%s", error->message);
    for (guint i = 0; collector && harvest && i < harvest->records->len; i++)
        take_record(bulk, &g_array_index(harvest->records, Record, i));
    if (collector && harvest) {
        collector->count.calls++;
        collector->count.late += bulk->task == NULL;
        collector->count.asked += g_hash_table_size(bulk->guests);
        collector->count.busy_us += harvest->spent_us;
        collector->count.longest_us = MAX(collector->count.longest_us, harvest->spent_us);
        note_duration(bulk, harvest->spent_us);
    }
    g_clear_pointer(&harvest, harvest_free);
    bulk_free(bulk);
}

static void
probe_if_overdue(const Bulk *bulk)
{
    GHashTableIter iter;
    gpointer guest;

    if (g_get_monotonic_time() < bulk->overdue_us)
        return;
    g_hash_table_iter_init(&iter, bulk->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest))
        libvirt_line_probe(libvirt_guest_get_line(guest));
}

static gboolean
on_deadline(gpointer data)
{
    Bulk *bulk = data;

    probe_if_overdue(bulk);
    end_collection(bulk);
    return G_SOURCE_REMOVE;
}

/*
 * A collection
 */

static gboolean
is_to_be_asked(LibvirtCollector *collector, const char *uuid, LibvirtGuest *guest,
               guint deadline_ms)
{
    if (!libvirt_line_get_domain(libvirt_guest_get_line(guest)) || hangs(guest, deadline_ms) ||
        !libvirt_rhythm_is_due(libvirt_guest_get_rhythm(guest), g_get_monotonic_time()))
        return FALSE;
    for (guint i = 0; i < collector->bulks->len; i++) {
        const Bulk *bulk = collector->bulks->pdata[i];

        if (g_hash_table_lookup(bulk->guests, uuid) == guest && !is_blamed(bulk))
            return FALSE;
    }
    return TRUE;
}

/* Returns: (transfer full): the guests to be asked now, UUID → LibvirtGuest. */
static GHashTable *
choose(LibvirtCollector *collector, guint deadline_ms)
{
    GHashTable *chosen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    GHashTableIter iter;
    gpointer uuid, guest;

    g_hash_table_iter_init(&iter, collector->guests);
    while (g_hash_table_iter_next(&iter, &uuid, &guest)) {
        LibvirtLine *line = libvirt_guest_get_line(guest);

        if (libvirt_line_occupied_ms(line) > 0 || libvirt_line_is_suspect(line))
            libvirt_line_probe(line);
        if (is_to_be_asked(collector, uuid, guest, deadline_ms))
            g_hash_table_insert(chosen, g_strdup(uuid), g_object_ref(guest));
    }
    return chosen;
}

/* Bulks that are out for nobody's sake: whoever it is may show by now. */
static void
look_for_culprits(LibvirtCollector *collector)
{
    for (guint i = 0; i < collector->bulks->len; i++) {
        const Bulk *bulk = collector->bulks->pdata[i];

        if (!bulk->task && !is_blamed(bulk))
            probe_if_overdue(bulk);
    }
}

/*
 * On a host that is slow, or has many guests, a call takes long for nobody's sake, and
 * to probe each of them then only makes it slower.
 */
static gint64
patience_us(const Bulk *bulk)
{
    const gint64 deadline_us = (gint64)bulk->deadline_ms * 1000;
    gint64 usual_us = bulk->collector->each_us * (gint64)g_hash_table_size(bulk->guests);

    return CLAMP(PATIENCE * usual_us, deadline_us, MAX(deadline_us, PATIENCE_MOST_US));
}

static virDomainPtr *
domains_of(GHashTable *guests)
{
    virDomainPtr *domains = g_new0(virDomainPtr, g_hash_table_size(guests) + 1);
    GHashTableIter iter;
    gpointer guest;
    gsize n = 0;

    g_hash_table_iter_init(&iter, guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        domains[n] = libvirt_line_get_domain(libvirt_guest_get_line(guest));
        virDomainRef(domains[n++]);
    }
    return domains;
}

void
libvirt_collector_run(LibvirtCollector *collector, guint deadline_ms, GTask *task)
{
    g_autofree char *key = g_strdup_printf("statistics %u", collector->number++);
    Bulk *bulk = g_new0(Bulk, 1);

    look_for_culprits(collector);
    bulk->collector = collector;
    bulk->task = task;
    bulk->deadline_ms = deadline_ms;
    bulk->guests = choose(collector, deadline_ms);
    bulk->overdue_us = g_get_monotonic_time() + patience_us(bulk);
    g_ptr_array_add(collector->bulks, bulk);
    if (g_hash_table_size(bulk->guests) == 0) {
        bulk_free(bulk);
        return;
    }
    bulk->deadline = g_timeout_source_new(deadline_ms);
    g_source_set_callback(bulk->deadline, on_deadline, bulk, NULL);
    g_source_attach(bulk->deadline, g_main_context_get_thread_default());
    libvirt_workers_run_async(collector->workers, key, BULK_MS, &bulk_kind,
                              domains_of(bulk->guests), NULL, on_bulk, bulk);
}

LibvirtCollectorCount
libvirt_collector_count(LibvirtCollector *collector)
{
    LibvirtCollectorCount count = collector->count;

    collector->count = (LibvirtCollectorCount){ 0 };
    return count;
}

LibvirtCollector *
libvirt_collector_new(LibvirtWorkers *workers, GHashTable *guests)
{
    LibvirtCollector *collector = g_new0(LibvirtCollector, 1);

    collector->workers = workers;
    collector->guests = guests;
    collector->bulks = g_ptr_array_new();
    return collector;
}

void
libvirt_collector_free(LibvirtCollector *collector)
{
    if (!collector)
        return;
    for (guint i = 0; i < collector->bulks->len; i++) {
        Bulk *bulk = collector->bulks->pdata[i];

        bulk->collector = NULL;
        end_collection(bulk);
    }
    g_ptr_array_unref(collector->bulks);
    g_free(collector);
}
