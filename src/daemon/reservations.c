/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * All is done in reservations_claim(), in this order, so that each step sees what the one
 * before it left:
 *
 *   settle   leases end whose time is over, whose process has ended, whose guest is there
 *   look     what is free, what can be had without hurt
 *   promise  to those who wait, in their order; who can never be served is told so at once
 *   grant    what is free, in the budget and on the host
 *   return   donors of those that came to nothing get back what they gave
 *   keep     on disk
 *   tell
 *
 * The proof of return: of what a donor gave, as much counts as missing as its QEMU still has
 * resident beyond what the guest has and what QEMU needs for itself. That need is taken from
 * what QEMU had beyond the guest's memory when the first lease began to gather, or OWN_MOST,
 * whichever is more: a guest that has not touched all of its memory shows less than it will
 * have, and QEMU's own share cannot be told from it.
 */
#include "daemon/reservations.h"

#include "daemon/reservations-words.h"
#include "monitor/host-memory.h"
#include "size/size.h"

/* What QEMU has for itself: 60 MiB were measured for a 7.2 with few devices and without KVM
 * (hypervisor/libvirt/domain-memory.h); TCG's translations and the guest's page tables come on
 * top. More than this is learnt from QEMU itself. */
#define OWN_MOST (128 * SIZE_MIB)

/* How often it is looked whether the processes that leases are held for still live. */
#define LOOK_US G_USEC_PER_SEC

struct _Reservations {
    GObject parent;

    Roster *roster;
    LeaseStore *store;
    char *root;
    Leases *leases;
    guint64 last_id;
    gboolean unkept;   /* something is not on disk yet */
    GHashTable *own;   /* instance -> guint64: what its QEMU had beyond the guest's memory when
                        * gathering began; empty while nobody gathers */
    gint64 looked_us;  /* at the processes */
    gint64 settled_us; /* nothing is promised before */
    Room room;
};

G_DEFINE_TYPE(Reservations, reservations, G_TYPE_OBJECT)
G_DEFINE_QUARK(memplug_reservations_error_quark, reservations_error)

enum { SIGNAL_CHANGED, SIGNAL_WANTED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* The guests of a cycle, as all steps see them. */
typedef struct {
    PlanGuest *plans;
    ManagedGuest *const *guests;
    gsize n;
    guint64 budget;
    guint64 promises;
    gint64 now;
} Scene;

static const char *
instance_of(const Scene *scene, gsize i)
{
    return guest_get_instance(managed_guest_get_guest(scene->guests[i]));
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/*
 * What is kept and told
 */

static void
tell(Reservations *reservations, const Lease *lease)
{
    g_autofree char *message = reservations_words_event(lease);
    const Event event = {
        .kind = EVENT_LEASE,
        .level = lease->state == LEASE_FAILED || lease->state == LEASE_EXPIRED ? G_LOG_LEVEL_WARNING
                                                                               : G_LOG_LEVEL_INFO,
        .guest = lease->guest ? lease->guest : "",
        .message = message,
    };

    roster_tell(reservations->roster, &event);
}

/* Nobody is told of what a crash could take back. */
static void
keep_and_tell(Reservations *reservations)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++)
        reservations->unkept |= ((const Lease *)all->pdata[i])->changed;
    if (!reservations->unkept)
        return;
    lease_store_save(reservations->store, reservations->leases, reservations->last_id);
    reservations->unkept = FALSE;
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (!lease->changed)
            continue;
        lease->changed = FALSE;
        tell(reservations, lease);
        g_signal_emit(reservations, signals[SIGNAL_CHANGED], 0, lease);
    }
}

/*
 * Settle
 */

static gboolean
is_for(const Lease *lease, ManagedGuest *managed)
{
    Guest *guest = managed_guest_get_guest(managed);

    if (lease->process > 0)
        return (guint64)MAX(guest_get_pid(guest), 0) == lease->process;
    return g_strcmp0(lease->guest, guest_get_name(guest)) == 0;
}

/* The guest's own memory counts in the plan that is about to be made. */
static void
hand_over(Reservations *reservations, const Scene *scene)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        for (gsize k = 0; k < scene->n && lease->state == LEASE_GRANTED; k++) {
            if (!is_for(lease, scene->guests[k]))
                continue;
            if (!lease->guest)
                lease->guest = g_strdup(guest_get_name(managed_guest_get_guest(scene->guests[k])));
            lease_transfer(lease, scene->now);
        }
    }
}

/* A process that has ended leaves its lease to nobody; its guest would be here by now. */
static void
look_at_processes(Reservations *reservations, gint64 now)
{
    GPtrArray *all = leases_all(reservations->leases);

    if (now - reservations->looked_us < LOOK_US)
        return;
    reservations->looked_us = now;
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GRANTED && lease->process > 0 &&
            host_memory_process_id(reservations->root, lease->process) != lease->process_id)
            lease_end(lease, LEASE_RELEASED, "the process that it was held for has ended", now);
    }
}

/*
 * Return
 */

/* Returns: what guest @k lacks of what it had @before; nothing if it is not the policy's. */
static guint64
can_return(const Scene *scene, gsize k, guint64 before)
{
    const PlanGuest *plan = &scene->plans[k];

    return plan->pin == PLAN_PIN_NONE || plan->pin == PLAN_PIN_NO_SAMPLE
               ? minus(MIN(before, plan->ceiling), plan->requested)
               : 0;
}

static gssize
find_instance(const Scene *scene, const char *instance)
{
    for (gsize k = 0; k < scene->n; k++) {
        if (g_str_equal(instance_of(scene, k), instance))
            return (gssize)k;
    }
    return -1;
}

/* What giving @bytes back to guest @k takes of what is free: not what it has not let go yet. */
static double
cost_of(const Scene *scene, gsize k, guint64 bytes)
{
    const PlanGuest *plan = &scene->plans[k];

    return (double)minus(plan->requested + bytes, MAX(plan->actual, plan->requested));
}

/* As far as @free goes, to each in proportion; whole grains, so that it can be reached. */
static void
give_back(const Scene *scene, Lease *lease, guint64 free)
{
    double whole = 0.0;

    for (guint i = 0; i < lease->debts->len; i++) {
        const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);
        gssize k = find_instance(scene, debt->instance);

        if (k >= 0)
            whole += cost_of(scene, (gsize)k, can_return(scene, (gsize)k, debt->before));
    }
    for (guint i = 0; i < lease->debts->len; i++) {
        const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);
        gssize k = find_instance(scene, debt->instance);
        PlanGuest *plan = k >= 0 ? &scene->plans[k] : NULL;
        guint64 bytes = k >= 0 ? can_return(scene, (gsize)k, debt->before) : 0;

        if ((double)free < whole) {
            bytes = (guint64)((double)bytes * ((double)free / whole));
            bytes -= bytes % MAX(MAX(plan ? plan->grain : 1, plan ? plan->coarse : 1), 1);
        }
        if (bytes == 0)
            continue;
        managed_guest_give_back(scene->guests[k], bytes, lease->id, scene->now);
        plan->requested += bytes;
        plan->grown_us = scene->now;
    }
    g_array_set_size(lease->debts, 0);
}

/* While others wait, what was given for a lease that is over is for the next of them. */
static void
settle_debts(Reservations *reservations, const Scene *scene)
{
    GPtrArray *all = leases_all(reservations->leases);
    Lease *next = NULL;

    for (guint i = 0; i < all->len && !next; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GATHERING)
            next = lease;
    }
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease_is_open(lease) || lease->debts->len == 0)
            continue;
        reservations->unkept = TRUE;
        for (guint d = 0; next && d < lease->debts->len; d++) {
            const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, d);

            lease_owe(next, debt->instance, debt->before);
        }
        if (next)
            g_array_set_size(lease->debts, 0);
        else
            give_back(scene, lease,
                      room_look(scene->plans, scene->n, scene->budget,
                                leases_granted(reservations->leases), NULL)
                          .free);
    }
}

/*
 * Promise
 */

/* Tells those who wait why they do, and those who need not wait that they wait in vain. */
static void
explain(Reservations *reservations, const Scene *scene, const RoomDonor *donors, gboolean closed)
{
    GPtrArray *all = leases_all(reservations->leases);
    guint64 most = room_look(scene->plans, scene->n, scene->promises, 0, NULL).most;
    guint64 claimed = leases_claimed(reservations->leases);
    Room room = reservations->room;

    /* What others are promised already is not to be had. */
    room.obtainable =
        minus(room.obtainable, claimed - MIN(leases_granted(reservations->leases), claimed));
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];
        gboolean never = lease->at_least > most;
        g_autofree char *why = NULL;

        if (lease->state != LEASE_ASKED)
            continue;
        why = reservations_words_refusal(lease, &room, scene->plans, scene->guests, donors,
                                         scene->n, scene->budget, claimed, never, closed);
        if (never || !lease->patient)
            lease_end(lease, LEASE_FAILED, why, scene->now);
        else
            lease_explain(lease, why);
    }
}

/*
 * Grant
 */

/* Returns: what guest @k's QEMU still has of the host's beyond what it may. */
static guint64
not_returned(Reservations *reservations, const Scene *scene, gsize k)
{
    const PlanGuest *plan = &scene->plans[k];
    const char *instance = instance_of(scene, k);
    GPid process = guest_get_pid(managed_guest_get_guest(scene->guests[k]));
    guint64 resident = host_memory_resident(reservations->root, process);
    guint64 beyond = minus(resident, MAX(plan->actual, plan->requested));
    guint64 *own = g_hash_table_lookup(reservations->own, instance);

    if (!own) {
        own = g_memdup2(&beyond, sizeof(beyond));
        g_hash_table_insert(reservations->own, g_strdup(instance), own);
    }
    return minus(beyond, MAX(*own, OWN_MOST));
}

/* Says, to those who gather, what the host holds back. */
static void
explain_host(Reservations *reservations, const char *why)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GATHERING)
            lease_explain(lease, why);
    }
}

/* Returns: what is free of the budget and of the host as well. */
static guint64
free_for_real(Reservations *reservations, const Scene *scene)
{
    guint64 held = 0, free, available;
    g_autoptr(GString) why = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    HostMemory host;

    for (gsize k = 0; k < scene->n; k++) {
        guint64 part = not_returned(reservations, scene, k);

        held += part;
        if (part > 0)
            reservations_words_add_held(why, scene->guests[k], part);
    }
    free = minus(reservations->room.free, held);
    if (!host_memory_read(reservations->root, &host, &error)) {
        explain_host(reservations, error->message);
        return 0;
    }
    /* What is granted is not in use yet, and so counts as available. */
    available = minus(host.available, leases_granted(reservations->leases));
    if (available < free)
        reservations_words_add_host(why, host.available);
    explain_host(reservations, why->len > 0 ? why->str : NULL);
    return MIN(free, available);
}

/* While not all is known, nobody is refused either. */
static void
wait_for_guests(Reservations *reservations, gint64 now)
{
    GPtrArray *all = leases_all(reservations->leases);

    leases_promise(reservations->leases, 0, now);
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_ASKED)
            lease_explain(lease, "what the guests have is still being looked at");
    }
}

/* Returns: what can be promised without hurting anybody, nor promising too much in all. */
static guint64
promisable(Reservations *reservations, const Scene *scene)
{
    guint64 most = room_look(scene->plans, scene->n, scene->promises,
                             leases_granted(reservations->leases), NULL)
                       .most;

    return MIN(reservations->room.obtainable, most);
}

static void
promise_and_grant(Reservations *reservations, const Scene *scene, ReservationsGate gate)
{
    gboolean closed = gate == RESERVATIONS_SHORT;
    g_autofree RoomDonor *donors = g_new(RoomDonor, MAX(scene->n, 1));
    guint64 granted = leases_granted(reservations->leases);

    reservations->room = room_look(scene->plans, scene->n, scene->budget, granted, donors);
    if (!leases_wait(reservations->leases)) {
        g_hash_table_remove_all(reservations->own);
        return;
    }
    if (gate == RESERVATIONS_UNSEEN) {
        wait_for_guests(reservations, scene->now);
        return;
    }
    leases_promise(reservations->leases, closed ? 0 : promisable(reservations, scene), scene->now);
    explain(reservations, scene, donors, closed);
    leases_grant(reservations->leases, free_for_real(reservations, scene), scene->now);
}

guint64
reservations_claim(Reservations *reservations, PlanGuest *plans, ManagedGuest *const *guests,
                   gsize n_guests, guint64 budget, guint64 promises, ReservationsGate gate,
                   gint64 now)
{
    const Scene scene = { .plans = plans,
                          .guests = guests,
                          .n = n_guests,
                          .budget = budget,
                          .promises = promises,
                          .now = now };

    hand_over(reservations, &scene);
    look_at_processes(reservations, now);
    leases_expire(reservations->leases, now);
    if (now < reservations->settled_us)
        gate = RESERVATIONS_UNSEEN;
    promise_and_grant(reservations, &scene, gate);
    if (gate != RESERVATIONS_UNSEEN)
        settle_debts(reservations, &scene);
    keep_and_tell(reservations);
    return leases_claimed(reservations->leases);
}

void
reservations_note(Reservations *reservations, const PlanGuest *plans, ManagedGuest *const *guests,
                  gsize n_guests)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state != LEASE_GATHERING)
            continue;
        for (gsize k = 0; k < n_guests; k++) {
            const PlanGuest *plan = &plans[k];

            if (plan->pin != PLAN_PIN_NONE || plan->target >= plan->requested)
                continue;
            lease_owe(lease, guest_get_instance(managed_guest_get_guest(guests[k])),
                      plan->requested);
            reservations->unkept = TRUE;
        }
        break; /* the first of those who gather */
    }
    keep_and_tell(reservations);
}

/*
 * Orders
 */

static gint64
time_or(gint64 span, gint64 otherwise)
{
    return span > 0 ? MIN(span, RESERVATIONS_MOST_US) : otherwise;
}

static gboolean
check_terms(Reservations *reservations, const LeaseTerms *terms, GError **error)
{
    GPtrArray *guests = roster_get_guests(reservations->roster);
    const Lease *same = terms->guest ? leases_find_for(reservations->leases, terms->guest) : NULL;
    gboolean runs = FALSE;

    for (guint i = 0; i < guests->len && terms->guest; i++)
        runs |=
            g_str_equal(guest_get_name(managed_guest_get_guest(guests->pdata[i])), terms->guest);
    if (terms->asked == 0 || terms->at_least > terms->asked)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "a lease is of more than nothing, and of no less than what it is to be at "
                    "least");
    else if (runs)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "'%s' runs already: memory is reserved for guests to come", terms->guest);
    else if (same)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "lease %" G_GUINT64_FORMAT " is for '%s' already; 'memplug release "
                    "%" G_GUINT64_FORMAT "' ends it",
                    same->id, terms->guest, same->id);
    else
        return TRUE;
    return FALSE;
}

const Lease *
reservations_ask(Reservations *reservations, const LeaseTerms *terms, GError **error)
{
    LeaseTerms filled = *terms;
    Lease *lease;

    if (!check_terms(reservations, terms, error))
        return NULL;
    filled.wait_us = time_or(terms->wait_us, RESERVATIONS_WAIT_US);
    filled.ttl_us = time_or(terms->ttl_us, RESERVATIONS_TTL_US);
    lease = leases_ask(reservations->leases, reservations->last_id + 1, &filled,
                       g_get_monotonic_time());
    if (!lease) {
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "%d leases are open, and no more can be", LEASES_MOST_OPEN);
        return NULL;
    }
    reservations->last_id = lease->id;
    keep_and_tell(reservations);
    g_signal_emit(reservations, signals[SIGNAL_WANTED], 0);
    return lease;
}

/* Returns: (nullable): the open lease @id; NULL with @error set. */
static Lease *
find_open(Reservations *reservations, guint64 id, GError **error)
{
    Lease *lease = leases_find(reservations->leases, id);

    if (!lease)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_UNKNOWN,
                    "there is no lease %" G_GUINT64_FORMAT "; 'memplug leases' lists them", id);
    else if (!lease_is_open(lease))
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_ENDED,
                    "lease %" G_GUINT64_FORMAT " is over: %s%s%s", id,
                    lease_state_name(lease->state), lease->reason ? ", " : "",
                    lease->reason ? lease->reason : "");
    else
        return lease;
    return NULL;
}

gboolean
reservations_hold(Reservations *reservations, guint64 id, guint64 process, GError **error)
{
    Lease *lease = find_open(reservations, id, error);
    guint64 process_id = 0;

    if (!lease)
        return FALSE;
    if (lease->state != LEASE_GRANTED) {
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "lease %" G_GUINT64_FORMAT " is not granted yet", id);
        return FALSE;
    }
    if (process > 0) {
        process_id = host_memory_process_id(reservations->root, process);
        if (process_id == 0) {
            g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                        "there is no process %" G_GUINT64_FORMAT, process);
            return FALSE;
        }
    }
    lease_hold(lease, process, process_id);
    lease->changed = TRUE;
    keep_and_tell(reservations);
    return TRUE;
}

static void
end(Reservations *reservations, Lease *lease, LeaseState how, const char *why)
{
    lease_end(lease, how, why, g_get_monotonic_time());
    keep_and_tell(reservations);
    g_signal_emit(reservations, signals[SIGNAL_WANTED], 0);
}

gboolean
reservations_release(Reservations *reservations, guint64 id, GError **error)
{
    Lease *lease = find_open(reservations, id, error);

    if (lease)
        end(reservations, lease, LEASE_RELEASED, NULL);
    return lease != NULL;
}

void
reservations_abandon(Reservations *reservations, guint64 id)
{
    Lease *lease = leases_find(reservations->leases, id);

    if (lease && lease_is_open(lease) && !lease->taken)
        end(reservations, lease, LEASE_FAILED, "whoever asked for it has gone");
}

const Lease *
reservations_find(Reservations *reservations, guint64 id)
{
    return leases_find(reservations->leases, id);
}

const Leases *
reservations_get_leases(Reservations *reservations)
{
    return reservations->leases;
}

const Room *
reservations_get_room(Reservations *reservations)
{
    return &reservations->room;
}

gboolean
reservations_wait(Reservations *reservations)
{
    return leases_wait(reservations->leases);
}

/*
 * Life
 */

Reservations *
reservations_new(Roster *roster, LeaseStore *store, const char *root, gint64 settle_us)
{
    Reservations *reservations = g_object_new(TYPE_RESERVATIONS, NULL);

    reservations->roster = roster;
    reservations->store = store;
    reservations->root = g_strdup(root);
    reservations->settled_us = g_get_monotonic_time() + settle_us;
    reservations->last_id = lease_store_load(store, reservations->leases, g_get_monotonic_time());
    return reservations;
}

static void
reservations_finalize(GObject *object)
{
    Reservations *reservations = MEMPLUG_RESERVATIONS(object);

    if (reservations->unkept)
        lease_store_save(reservations->store, reservations->leases, reservations->last_id);
    leases_free(reservations->leases);
    lease_store_free(reservations->store);
    g_hash_table_unref(reservations->own);
    g_free(reservations->root);
    G_OBJECT_CLASS(reservations_parent_class)->finalize(object);
}

static void
reservations_class_init(ReservationsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = reservations_finalize;

    signals[SIGNAL_CHANGED] = g_signal_new("changed", TYPE_RESERVATIONS, G_SIGNAL_RUN_LAST, 0, NULL,
                                           NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_WANTED] = g_signal_new("wanted", TYPE_RESERVATIONS, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
}

static void
reservations_init(Reservations *reservations)
{
    reservations->leases = leases_new();
    reservations->own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}
