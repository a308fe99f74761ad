/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   waiting ──lane and key are free──▶ running ──────────────returned──▶ (freed)
 *      │                                  │ lost_ms                        ▲
 *      │ deadline, cancelled              ▼                                │
 *      ▼                                lost ──written off──▶ off ─────────┤
 *   (freed)                               └────────────────────────────────┘
 *
 * A call that blocks can neither be interrupted nor trusted to end. So a Call and
 * the GTask of its caller part when the caller has been answered: by the deadline,
 * by its cancellable, or by the result. A call that waits is then dropped; one that
 * runs keeps its thread, its key and its lane until it returns.
 *
 * Lanes bound how many calls are out at a time, since whoever serves them has such
 * a bound as well. A call that is out for long is lost, however long its caller means
 * to wait. When too many lanes are taken by lost calls, the owner brings the others to
 * where the lost ones are not in their way and writes those off: they leave their
 * lanes, and count against the second bound, that of the threads that may hang.
 *
 * There is no lock: queues, lanes and keys are touched only in the main context.
 * A thread sees its Call's work and data, writes result and error, and hands the
 * Call over by a source of the main context, in which the two do not meet again.
 * The threads are those of a GThreadPool, which keeps some for the next calls.
 */
#include "hypervisor/libvirt/libvirt-workers.h"

typedef enum {
    CALL_WAITING, /* for its key and a lane */
    CALL_RUNNING, /* in a thread, and in a lane */
    CALL_LOST,    /* the same, for long */
    CALL_OFF,     /* in a thread, and in no lane */
} CallState;

typedef struct {
    LibvirtWorkers *workers; /* a reference */
    char *key;
    const LibvirtWorkKind *kind;
    CallState state;
    GTask *task; /* NULL: the caller has been answered */
    GSource *deadline;
    GSource *cancelled;
    GSource *overdue; /* it will be lost */

    gpointer data;   /* the thread's, while it runs */
    gpointer result; /* the thread's until it has returned, as all below */
    GError *error;
    gint64 spent_us;
} Call;

struct LibvirtWorkers {
    guint references; /* its owner's and one for each call */
    GMainContext *context;
    GThreadPool *pool;
    LibvirtWorkersLimits limits;
    void (*on_lost)(gpointer user_data);
    gpointer user_data;

    gboolean closed;
    GQueue waiting;   /* Calls */
    GHashTable *out;  /* Calls in threads, a set */
    GHashTable *keys; /* of calls in threads, a set of borrowed strings */
    guint in_state[CALL_OFF + 1];
    LibvirtWorkersCount count;
};

static void pump(LibvirtWorkers *workers);

static void
workers_unref(LibvirtWorkers *workers)
{
    if (--workers->references > 0)
        return;
    /* Its threads have nothing more of us: they are done once their calls are. */
    g_thread_pool_free(workers->pool, FALSE, FALSE);
    g_hash_table_unref(workers->out);
    g_hash_table_unref(workers->keys);
    g_main_context_unref(workers->context);
    g_free(workers);
}

static void
enter(Call *call, CallState state)
{
    call->workers->in_state[call->state]--;
    call->state = state;
    call->workers->in_state[state]++;
}

static void
clear_source(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void
call_free(Call *call)
{
    call->workers->in_state[call->state]--;
    clear_source(&call->deadline);
    clear_source(&call->cancelled);
    clear_source(&call->overdue);
    if (call->data && call->kind->free_data)
        call->kind->free_data(call->data);
    if (call->result && call->kind->free_result)
        call->kind->free_result(call->result);
    g_clear_error(&call->error);
    workers_unref(call->workers);
    g_free(call->key);
    g_free(call);
}

/* The caller gets @error, and the call, if it has not begun, is over. */
static void
give_up(Call *call, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&call->task);

    clear_source(&call->deadline);
    clear_source(&call->cancelled);
    if (call->state == CALL_WAITING) {
        g_queue_remove(&call->workers->waiting, call);
        call_free(call);
    }
    if (task)
        g_task_return_error(task, error);
    else
        g_error_free(error);
}

static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    give_up(data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static void
tell_lost(LibvirtWorkers *workers)
{
    if (workers->on_lost && !workers->closed)
        workers->on_lost(workers->user_data);
}

static gboolean
on_deadline(gpointer data)
{
    give_up(data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                      "libvirt does not answer in time"));
    return G_SOURCE_REMOVE;
}

static GSource *
attach(LibvirtWorkers *workers, GSource *source, GSourceFunc callback, Call *call)
{
    g_source_set_callback(source, callback, call, NULL);
    g_source_attach(source, workers->context);
    return source;
}

/*
 * Running
 */

static gboolean
on_overdue(gpointer data)
{
    Call *call = data;

    clear_source(&call->overdue);
    enter(call, CALL_LOST);
    tell_lost(call->workers);
    return G_SOURCE_REMOVE;
}

static gboolean
on_returned(gpointer data)
{
    Call *call = data;
    LibvirtWorkers *workers = call->workers;
    g_autoptr(GTask) task = g_steal_pointer(&call->task);
    gpointer result = task ? g_steal_pointer(&call->result) : NULL;
    GError *error = task ? g_steal_pointer(&call->error) : NULL;
    GDestroyNotify free_result = call->kind->free_result;
    gboolean was_lost = call->state != CALL_RUNNING;

    workers->count.calls++;
    workers->count.late += task == NULL;
    workers->count.busy_us += call->spent_us;
    workers->count.longest_us = MAX(workers->count.longest_us, call->spent_us);

    workers->references++;
    g_hash_table_remove(workers->keys, call->key);
    g_hash_table_remove(workers->out, call);
    call_free(call);
    pump(workers);
    if (was_lost)
        tell_lost(workers);
    workers_unref(workers);

    if (task && error)
        g_task_return_error(task, error);
    else if (task)
        g_task_return_pointer(task, result, free_result);
    return G_SOURCE_REMOVE;
}

/* In a thread. */
static void
work(gpointer data, gpointer user_data)
{
    Call *call = data;
    g_autoptr(GMainContext) context = g_main_context_ref(user_data);
    gint64 begun = g_get_monotonic_time();
    g_autoptr(GSource) returned = g_idle_source_new();

    call->result = call->kind->run(call->data, &call->error);
    if (call->kind->free_data)
        call->kind->free_data(call->data);
    call->data = NULL;
    call->spent_us = g_get_monotonic_time() - begun;

    g_source_set_priority(returned, G_PRIORITY_DEFAULT);
    g_source_set_callback(returned, on_returned, call, NULL);
    g_source_attach(returned, context);
}

static gboolean
lane_is_free(const LibvirtWorkers *workers)
{
    return workers->in_state[CALL_RUNNING] + workers->in_state[CALL_LOST] < workers->limits.lanes;
}

/* Starts what can be started. */
static void
pump(LibvirtWorkers *workers)
{
    GList *link = workers->waiting.head;

    while (link && lane_is_free(workers)) {
        GList *next = link->next;
        Call *call = link->data;

        if (!g_hash_table_contains(workers->keys, call->key)) {
            g_hash_table_add(workers->keys, call->key);
            g_queue_delete_link(&workers->waiting, link);
            g_hash_table_add(workers->out, call);
            enter(call, CALL_RUNNING);
            call->overdue =
                attach(workers, g_timeout_source_new(workers->limits.lost_ms), on_overdue, call);
            /* Fails only if no thread can be made; then the pool has it run later. */
            g_thread_pool_push(workers->pool, call, NULL);
        }
        link = next;
    }
}

/*
 * The caller's side
 */

void
libvirt_workers_run_async(LibvirtWorkers *workers, const char *key, guint deadline_ms,
                          const LibvirtWorkKind *kind, gpointer data, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
    Call *call = g_new0(Call, 1);

    workers->references++;
    workers->in_state[CALL_WAITING]++;
    call->workers = workers;
    call->key = g_strdup(key);
    call->kind = kind;
    call->data = data;
    call->task = g_task_new(NULL, cancellable, callback, user_data);
    g_task_set_source_tag(call->task, libvirt_workers_run_async);
    /* The cancellable is looked at below; what has been done is told as done. */
    g_task_set_check_cancellable(call->task, FALSE);
    if (deadline_ms != LIBVIRT_WORKERS_PATIENT)
        call->deadline = attach(workers, g_timeout_source_new(deadline_ms), on_deadline, call);
    if (cancellable)
        call->cancelled = attach(workers, g_cancellable_source_new(cancellable),
                                 G_SOURCE_FUNC(on_cancelled), call);
    g_queue_push_tail(&workers->waiting, call);
    pump(workers);
}

gpointer
libvirt_workers_run_finish(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_async_result_is_tagged(result, libvirt_workers_run_async), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

guint
libvirt_workers_out(const LibvirtWorkers *workers)
{
    return g_hash_table_size(workers->out);
}

guint
libvirt_workers_lost(const LibvirtWorkers *workers)
{
    return workers->in_state[CALL_LOST];
}

gboolean
libvirt_workers_may_write_off(const LibvirtWorkers *workers)
{
    return workers->in_state[CALL_LOST] + workers->in_state[CALL_OFF] <= workers->limits.bound;
}

void
libvirt_workers_write_off(LibvirtWorkers *workers)
{
    GHashTableIter iter;
    gpointer call;

    g_hash_table_iter_init(&iter, workers->out);
    while (g_hash_table_iter_next(&iter, &call, NULL)) {
        if (((Call *)call)->state == CALL_LOST)
            enter(call, CALL_OFF);
    }
    pump(workers);
}

LibvirtWorkersCount
libvirt_workers_count(LibvirtWorkers *workers)
{
    LibvirtWorkersCount count = workers->count;

    workers->count = (LibvirtWorkersCount){ 0 };
    return count;
}

/*
 * Life
 */

/* Returns: (nullable): a call that is still waited for, of @key if that is not NULL. */
static Call *
find_wanted(LibvirtWorkers *workers, const char *key)
{
    GHashTableIter iter;
    gpointer out;

    for (GList *link = workers->waiting.head; link; link = link->next) {
        Call *call = link->data;

        if (!key || g_str_equal(call->key, key))
            return call;
    }
    g_hash_table_iter_init(&iter, workers->out);
    while (g_hash_table_iter_next(&iter, &out, NULL)) {
        Call *call = out;

        if (call->task && (!key || g_str_equal(call->key, key)))
            return call;
    }
    return NULL;
}

void
libvirt_workers_drop(LibvirtWorkers *workers, const char *key)
{
    Call *call;

    /* One by one, since a caller that is told may do whatever it likes. */
    while ((call = find_wanted(workers, key)))
        give_up(call, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "not waited for"));
}

LibvirtWorkers *
libvirt_workers_new(const LibvirtWorkersLimits *limits, void (*on_lost)(gpointer user_data),
                    gpointer user_data)
{
    LibvirtWorkers *workers = g_new0(LibvirtWorkers, 1);

    workers->references = 1;
    workers->context = g_main_context_ref_thread_default();
    workers->limits = *limits;
    workers->on_lost = on_lost;
    workers->user_data = user_data;
    g_queue_init(&workers->waiting);
    workers->out = g_hash_table_new(NULL, NULL);
    workers->keys = g_hash_table_new(g_str_hash, g_str_equal);
    /* Not exclusive, so making it cannot fail. */
    workers->pool = g_thread_pool_new(work, workers->context, (gint)(limits->lanes + limits->bound),
                                      FALSE, NULL);
    return workers;
}

void
libvirt_workers_free(LibvirtWorkers *workers)
{
    if (!workers)
        return;
    workers->closed = TRUE;
    libvirt_workers_drop(workers, NULL);
    workers_unref(workers);
}
