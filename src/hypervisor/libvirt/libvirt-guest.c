/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The state of a guest is what the following say, the upper hiding the lower:
 *
 *   unreachable  there is no connection, or a command hangs in its monitor
 *   migrating,   as libvirt's job information said at the last observation, act or
 *   busy           job event; while it says so, it is asked again every second
 *   paused       as lifecycle events and the bulk statistics say
 *
 * Every call to libvirt is a request that runs in a thread. A domain has two lines of
 * them: one for looking, which waits for nobody, and one for orders, which take the
 * domain's job and may wait for its QEMU. So a guest is observed while an order is on
 * its way, and at most two threads hang on one domain.
 *
 * Three things are not in a domain's XML and are kept here. DIMMs that the guest has not
 * acknowledged, or is about to let go, are in the DimmBook. A guest whose word (ACPI _OST)
 * cannot be heard is given some time to take a DIMM. And what the balloon was
 * asked to hold is remembered from our own orders, until the balloon moves although
 * it had reached it: then somebody else has asked.
 *
 * Limits are those of the domain's metadata, read when the guest appears and when an
 * event says that they changed. A bad value is told of, and changes nothing.
 */
#include "hypervisor/libvirt/libvirt-guest.h"

#include "hypervisor/dimm-book.h"
#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/libvirt-ost.h"
#include "hypervisor/libvirt/libvirt-request.h"

#define NOBODY_KNOWS G_MAXUINT64

struct _LibvirtGuest {
    Guest parent;

    virDomainPtr domain; /* NULL: there is no connection */
    unsigned id;
    LibvirtWorkers *workers;
    const LibvirtGuestTuning *tuning;
    LibvirtTerms terms;
    char *look_line; /* the keys of its requests */
    char *order_line;
    char *probe_line;
    gboolean closed;

    gboolean hangs;
    gboolean suspect;
    gboolean probing;
    LibvirtJob job;
    guint job_timer;
    gboolean running;

    DimmBook *dimms;
    gboolean acting;
    MemoryStep step;          /* while acting, without its device, ... */
    char *device;             /* ... which is here */
    guint64 balloon_asked;    /* to hold; NOBODY_KNOWS */
    gboolean balloon_reached; /* it has held that since */

    gboolean given_known;
    guint64 given;
};

G_DEFINE_FINAL_TYPE(LibvirtGuest, libvirt_guest, TYPE_GUEST)

/*
 * State
 */

static void
tell_state(LibvirtGuest *self)
{
    GuestState state = !self->domain || self->hangs         ? GUEST_STATE_UNREACHABLE
                       : self->job == LIBVIRT_JOB_MIGRATION ? GUEST_STATE_MIGRATING
                       : self->job == LIBVIRT_JOB_OTHER     ? GUEST_STATE_BUSY
                       : self->running                      ? GUEST_STATE_RUNNING
                                                            : GUEST_STATE_PAUSED;

    guest_take_state(MEMPLUG_GUEST(self), state);
}

static void
emit(LibvirtGuest *self, GuestMemoryEventKind kind, const char *device, const char *reason)
{
    const GuestMemoryEvent event = { kind, device, reason };

    guest_emit_memory_event(MEMPLUG_GUEST(self), &event);
}

/*
 * Requests
 */

/* Returns: (nullable): a request about the domain; NULL, with @task ended, if it cannot
 *   be asked. @order: it would change something. */
static LibvirtRequest *
begin_request(LibvirtGuest *self, GTask *task, gboolean order)
{
    const char *refusal = self->closed                     ? "the guest is gone"
                          : !self->domain                  ? "there is no connection to libvirt"
                          : order && self->terms.read_only ? "libvirt lets memplug only look "
                                                             "(read-only connection)"
                                                           : NULL;
    const GIOErrorEnum code = self->closed    ? G_IO_ERROR_CLOSED
                              : !self->domain ? G_IO_ERROR_NOT_CONNECTED
                                              : G_IO_ERROR_PERMISSION_DENIED;

    if (!refusal)
        return libvirt_request_new(self->domain);
    if (task)
        g_task_return_new_error(task, G_IO_ERROR, code, "%s", refusal);
    return NULL;
}

/* @task: (transfer full) */
static void
look(LibvirtGuest *self, const LibvirtWorkKind *kind, LibvirtRequest *request,
     GAsyncReadyCallback callback, GTask *task)
{
    libvirt_workers_run_async(self->workers, self->look_line, self->tuning->look_ms, kind, request,
                              NULL, callback, task);
}

static void
order(LibvirtGuest *self, guint deadline_ms, const LibvirtWorkKind *kind, LibvirtRequest *request,
      GAsyncReadyCallback callback, GTask *task)
{
    libvirt_workers_run_async(self->workers, self->order_line, deadline_ms, kind, request, NULL,
                              callback, task);
}

/* Returns: (transfer full): what the request returned; NULL with @error set. */
static gpointer
end_request(LibvirtGuest *self, GAsyncResult *result, GError **error)
{
    g_autoptr(GError) local = NULL;
    gpointer returned = libvirt_workers_run_finish(result, &local);

    if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
        self->suspect = TRUE;
    if (self->closed && local)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the guest is gone");
    else if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    return returned;
}

/* The end of a request whose result needs no more. */
static void
hand_on(GTask *task, GAsyncResult *result, GDestroyNotify free_result)
{
    GError *error = NULL;
    gpointer returned = end_request(g_task_get_source_object(task), result, &error);

    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, returned, free_result);
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;

    hand_on(task, result, NULL);
}

static gboolean
finish_boolean(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), FALSE);
    return g_task_propagate_pointer(G_TASK(result), error) != NULL;
}

/*
 * Jobs
 */

static void ask_job(LibvirtGuest *self);

static gboolean
on_job_timer(gpointer data)
{
    LibvirtGuest *self = data;

    self->job_timer = 0;
    ask_job(self);
    return G_SOURCE_REMOVE;
}

static void
take_job(LibvirtGuest *self, LibvirtJob job)
{
    gboolean ended = self->job != LIBVIRT_JOB_NONE && job == LIBVIRT_JOB_NONE;

    self->job = job;
    if (job == LIBVIRT_JOB_NONE)
        g_clear_handle_id(&self->job_timer, g_source_remove);
    else if (self->job_timer == 0)
        self->job_timer = g_timeout_add(self->tuning->job_ms, on_job_timer, self);
    tell_state(self);
    if (ended)
        emit(self, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
}

static void
on_job(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    gpointer job = end_request(self, result, NULL);

    if (self->closed)
        return;
    /* Without an answer it is what it was, and asked again. */
    take_job(self, job ? (LibvirtJob)(GPOINTER_TO_INT(job) - 1) : self->job);
}

static void
ask_job(LibvirtGuest *self)
{
    LibvirtRequest *request = begin_request(self, NULL, FALSE);

    if (request)
        libvirt_workers_run_async(self->workers, self->look_line, self->tuning->look_ms,
                                  &libvirt_request_job, request, NULL, on_job, g_object_ref(self));
}

/*
 * Observing
 */

static gboolean
is_acknowledged(LibvirtGuest *self, const char *id, gint64 now)
{
    gint64 since = dimm_book_waits_since(self->dimms, id);

    return since == 0 || (!self->terms.hears_ost && now - since >= self->tuning->acknowledge_us);
}

/* Adds what only we know. */
static void
annotate(LibvirtGuest *self, GuestMemory *memory)
{
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; i < memory->n_devices; i++) {
        MemoryDevice *device = &memory->devices[i];

        if (device->kind != MEMORY_DEVICE_DIMM || !device->id)
            continue;
        device->acknowledged = is_acknowledged(self, device->id, now);
        device->removing = dimm_book_is_removing(self->dimms, device->id, now);
    }

    if (memory->ballooned == self->balloon_asked)
        self->balloon_reached = TRUE;
    else if (self->balloon_reached)
        self->balloon_asked = NOBODY_KNOWS;
    if (self->balloon_asked != NOBODY_KNOWS)
        memory->balloon_requested = self->balloon_asked;

    memory->given = self->given;
    if (self->terms.read_only && !memory->obstacle)
        memory->obstacle = g_strdup("libvirt lets memplug only look (read-only connection)");
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    g_autoptr(LibvirtLook) seen = end_request(self, result, &error);

    if (!seen) {
        g_task_return_error(task, error);
        return;
    }
    if (g_task_get_task_data(task)) { /* the definition was read */
        self->given_known = TRUE;
        self->given = seen->memory->given;
    }
    take_job(self, seen->job);
    annotate(self, seen->memory);
    g_task_return_pointer(task, g_steal_pointer(&seen->memory), (GDestroyNotify)guest_memory_free);
}

static void
libvirt_guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin_request(self, task, FALSE);

    g_task_set_source_tag(task, libvirt_guest_observe_async);
    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    request->definition = !self->given_known;
    g_task_set_task_data(task, GINT_TO_POINTER(request->definition), NULL);
    look(self, &libvirt_request_look, request, on_looked, g_steal_pointer(&task));
}

static GuestMemory *
libvirt_guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/*
 * Acting
 */

/* libvirt has taken the order; @alias is that of the device that was made. */
static void
note_act(LibvirtGuest *self, const char *alias)
{
    if (self->step.kind == MEMORY_STEP_PLUG_DIMM) {
        dimm_book_plug_ordered(self->dimms, alias, g_get_monotonic_time());
    } else if (self->step.kind == MEMORY_STEP_SET_BALLOON) {
        self->balloon_asked = self->step.size;
        self->balloon_reached = FALSE;
    }
}

static void
on_acted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    g_autofree char *alias = end_request(self, result, &error);

    self->acting = FALSE;
    if (alias) {
        note_act(self, alias);
        g_task_return_pointer(task, GINT_TO_POINTER(TRUE), NULL);
        return;
    }
    if (self->step.kind == MEMORY_STEP_UNPLUG_DIMM)
        dimm_book_unplug_failed(self->dimms, self->device);
    /* Somebody works on the domain: see who, so that it is left alone meanwhile. */
    if (error->code == G_IO_ERROR_BUSY && !self->closed)
        ask_job(self);
    g_task_return_error(task, error);
}

static void
libvirt_guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request;

    g_task_set_source_tag(task, libvirt_guest_act_async);
    /* An order that libvirt has taken is a success, whoever has given up on it. */
    g_task_set_check_cancellable(task, FALSE);
    if (g_task_return_error_if_cancelled(task))
        return;
    if (self->acting) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_PENDING, "another step is in flight");
        return;
    }
    request = begin_request(self, task, TRUE);
    if (!request)
        return;
    self->acting = TRUE;
    self->step = *step;
    g_free(self->device);
    self->device = g_strdup(step->device);
    request->step = *step;
    request->device = g_strdup(step->device);
    /* Before the order leaves, since its outcome may come before its reply. */
    if (step->kind == MEMORY_STEP_UNPLUG_DIMM)
        dimm_book_unplug_ordered(self->dimms, step->device, g_get_monotonic_time());
    order(self, self->tuning->act_ms, &libvirt_request_act, request, on_acted,
          g_steal_pointer(&task));
}

static void
libvirt_guest_set_stats_period(Guest *guest, guint period_s)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    LibvirtRequest *request = begin_request(self, NULL, TRUE);

    if (!request)
        return;
    request->period_s = period_s;
    order(self, self->tuning->act_ms, &libvirt_request_period, request, NULL, NULL);
}

/*
 * Limits
 */

static void
take_metadata(LibvirtGuest *self, const char *metadata)
{
    const char *name = guest_get_name(MEMPLUG_GUEST(self));
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { 0 };

    if (domain_metadata_read(metadata, name, &limits, &error))
        guest_take_limits(MEMPLUG_GUEST(self), &limits);
    else
        g_warning("%s; its limits stay as they were", error->message);
}

static void
on_metadata(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *metadata = end_request(self, result, &error);

    if (metadata)
        take_metadata(self, metadata);
    else if (!self->closed)
        g_debug("%s: metadata: %s", guest_get_name(MEMPLUG_GUEST(self)), error->message);
}

static void
read_metadata(LibvirtGuest *self)
{
    LibvirtRequest *request = begin_request(self, NULL, FALSE);

    if (request)
        libvirt_workers_run_async(self->workers, self->look_line, self->tuning->look_ms,
                                  &libvirt_request_metadata, request, NULL, on_metadata,
                                  g_object_ref(self));
}

typedef struct {
    GuestLimits limits;
    guint scope;
} Storing;

static void
on_limits_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    const Storing *storing = g_task_get_task_data(task);
    GError *error = NULL;

    if (!end_request(self, result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    if (storing->scope == GUEST_SCOPE_ALL || storing->scope & GUEST_SCOPE_LIVE)
        guest_take_limits(MEMPLUG_GUEST(self), &storing->limits);
    g_task_return_pointer(task, GINT_TO_POINTER(TRUE), NULL);
}

static void
libvirt_guest_store_limits_async(Guest *guest, const GuestLimits *limits, guint scope,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin_request(self, task, TRUE);
    const Storing storing = { *limits, scope };

    g_task_set_source_tag(task, libvirt_guest_store_limits_async);
    if (!request)
        return;
    request->limits = *limits;
    request->scope = scope;
    g_task_set_task_data(task, g_memdup2(&storing, sizeof(storing)), g_free);
    order(self, self->tuning->define_ms, &libvirt_request_limits, request, on_limits_stored,
          g_steal_pointer(&task));
}

/*
 * The definition
 */

static void
libvirt_guest_store_memory_async(Guest *guest, guint64 size, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin_request(self, task, TRUE);

    g_task_set_source_tag(task, libvirt_guest_store_memory_async);
    if (!request)
        return;
    request->size = size;
    order(self, self->tuning->define_ms, &libvirt_request_memory, request, on_done,
          g_steal_pointer(&task));
}

static void
on_described(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    GuestFacts *facts = end_request(self, result, &error);

    if (!facts) {
        g_task_return_error(task, error);
        return;
    }
    if (facts->memory)
        annotate(self, facts->memory);
    g_task_return_pointer(task, facts, (GDestroyNotify)guest_facts_free);
}

static void
libvirt_guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin_request(self, task, FALSE);

    g_task_set_source_tag(task, libvirt_guest_describe_async);
    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    look(self, &libvirt_request_facts, request, on_described, g_steal_pointer(&task));
}

static GuestFacts *
libvirt_guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
on_planned(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;

    hand_on(task, result, (GDestroyNotify)guest_setup_plan_free);
}

static void
libvirt_guest_setup_async(Guest *guest, const GuestSetup *wanted, gboolean apply,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin_request(self, task, apply);

    g_task_set_source_tag(task, libvirt_guest_setup_async);
    if (!request)
        return;
    request->setup = *wanted;
    request->apply = apply;
    order(self, self->tuning->define_ms, &libvirt_request_setup, request, on_planned,
          g_steal_pointer(&task));
}

static GuestSetupPlan *
libvirt_guest_setup_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/*
 * Events
 */

static void
take_lifecycle(LibvirtGuest *self, const LibvirtEvent *event)
{
    switch ((virDomainEventType)event->number) {
    case VIR_DOMAIN_EVENT_SUSPENDED:
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
    case VIR_DOMAIN_EVENT_CRASHED:
        libvirt_guest_take_running(self, FALSE);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        libvirt_guest_take_running(self, TRUE);
        break;
    case VIR_DOMAIN_EVENT_DEFINED:
        self->given_known = FALSE;
        emit(self, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
        break;
    case VIR_DOMAIN_EVENT_UNDEFINED:
    case VIR_DOMAIN_EVENT_STARTED:
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_SHUTDOWN:
    default: /* of a libvirt to come */
        break;
    }
}

static void
take_reboot(LibvirtGuest *self, const LibvirtEvent *event)
{
    dimm_book_clear(self->dimms);
    self->balloon_reached = FALSE; /* QEMU remembers what was asked, the guest begins anew */
    emit(self, GUEST_MEMORY_EVENT_RESET, NULL, NULL);
}

static void
take_change(LibvirtGuest *self, const LibvirtEvent *event)
{
    emit(self, GUEST_MEMORY_EVENT_CHANGED, event->text, NULL);
}

static void
take_removed(LibvirtGuest *self, const LibvirtEvent *event)
{
    dimm_book_gone(self->dimms, event->text);
    emit(self, GUEST_MEMORY_EVENT_UNPLUGGED, event->text, NULL);
}

static void
take_kept(LibvirtGuest *self, const LibvirtEvent *event)
{
    dimm_book_kept(self->dimms, event->text);
    emit(self, GUEST_MEMORY_EVENT_UNPLUG_REFUSED, event->text, "the guest keeps it");
}

static void
take_ost(LibvirtGuest *self, const LibvirtEvent *event)
{
    g_autoptr(GError) error = NULL;
    g_auto(LibvirtOst) ost = { NULL };
    GuestMemoryEvent told;

    if (!libvirt_ost_read(event->text, &ost, &error))
        g_debug("%s: %s", guest_get_name(MEMPLUG_GUEST(self)), error->message);
    else if (ost.device &&
             dimm_book_take_ost(self->dimms, ost.device, ost.source, ost.status, &told))
        guest_emit_memory_event(MEMPLUG_GUEST(self), &told);
}

static void
take_job_event(LibvirtGuest *self, const LibvirtEvent *event)
{
    ask_job(self);
}

static void
take_metadata_event(LibvirtGuest *self, const LibvirtEvent *event)
{
    if (!event->text || g_str_equal(event->text, DOMAIN_METADATA_URI))
        read_metadata(self);
}

static void (*const takers[])(LibvirtGuest *self, const LibvirtEvent *event) = {
    [LIBVIRT_EVENT_LIFECYCLE] = take_lifecycle,
    [LIBVIRT_EVENT_REBOOT] = take_reboot,
    [LIBVIRT_EVENT_SIZE_CHANGED] = take_change,
    [LIBVIRT_EVENT_DEVICE_ADDED] = take_change,
    [LIBVIRT_EVENT_DEVICE_REMOVED] = take_removed,
    [LIBVIRT_EVENT_DEVICE_KEPT] = take_kept,
    [LIBVIRT_EVENT_OST] = take_ost,
    [LIBVIRT_EVENT_AGENT] = take_change, /* a guest that has come up may do what it refused */
    [LIBVIRT_EVENT_JOB_GOES_ON] = take_job_event,
    [LIBVIRT_EVENT_JOB_ENDED] = take_job_event,
    [LIBVIRT_EVENT_METADATA] = take_metadata_event,
};
G_STATIC_ASSERT(G_N_ELEMENTS(takers) == LIBVIRT_EVENT_METADATA + 1);

void
libvirt_guest_take_event(LibvirtGuest *self, const LibvirtEvent *event)
{
    takers[event->kind](self, event);
}

void
libvirt_guest_take_running(LibvirtGuest *self, gboolean running)
{
    self->running = running;
    tell_state(self);
}

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    gpointer answer = libvirt_workers_run_finish(result, NULL);

    self->probing = FALSE;
    if (!answer || self->closed)
        return;
    self->suspect = FALSE;
    self->hangs = answer == LIBVIRT_REQUEST_YES;
    tell_state(self);
}

void
libvirt_guest_probe(LibvirtGuest *self, guint ms)
{
    LibvirtRequest *request = self->probing ? NULL : begin_request(self, NULL, FALSE);

    if (!request)
        return;
    self->probing = TRUE;
    request->period_ms = ms;
    libvirt_workers_run_async(self->workers, self->probe_line, self->tuning->look_ms,
                              &libvirt_request_hangs, request, NULL, on_probed, g_object_ref(self));
}

gboolean
libvirt_guest_hangs(LibvirtGuest *self)
{
    return self->hangs;
}

gboolean
libvirt_guest_is_suspect(LibvirtGuest *self)
{
    return self->suspect;
}

virDomainPtr
libvirt_guest_get_domain(LibvirtGuest *self)
{
    return self->domain;
}

unsigned
libvirt_guest_get_id(LibvirtGuest *self)
{
    return self->id;
}

/*
 * Life
 */

static void
take_domain(LibvirtGuest *self, virDomainPtr domain)
{
    if (domain)
        virDomainRef(domain);
    if (self->domain)
        virDomainFree(self->domain);
    self->domain = domain;
}

static void
take_arrival(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    take_domain(self, arrival->domain);
    self->id = virDomainGetID(arrival->domain);
    self->terms = *terms;
    self->running = arrival->running;
    self->hangs = FALSE;
    self->given_known = FALSE;
    take_metadata(self, arrival->metadata);
    tell_state(self);
}

void
libvirt_guest_revive(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    take_arrival(self, arrival, terms);
    /* What happened meanwhile was told to nobody. */
    emit(self, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
}

void
libvirt_guest_lose(LibvirtGuest *self)
{
    take_domain(self, NULL);
    tell_state(self);
}

void
libvirt_guest_close(LibvirtGuest *self)
{
    self->closed = TRUE;
    g_clear_handle_id(&self->job_timer, g_source_remove);
    libvirt_workers_drop(self->workers, self->look_line);
    libvirt_workers_drop(self->workers, self->order_line);
    libvirt_workers_drop(self->workers, self->probe_line);
    take_domain(self, NULL);
}

LibvirtGuest *
libvirt_guest_new(const LibvirtArrival *arrival, LibvirtWorkers *workers,
                  const LibvirtGuestTuning *tuning, const LibvirtTerms *terms)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    LibvirtGuest *self;

    virDomainGetUUIDString(arrival->domain, uuid);
    self = g_object_new(TYPE_LIBVIRT_GUEST, "name", virDomainGetName(arrival->domain), "instance",
                        arrival->instance, "lineage", uuid, "continues", arrival->continues, "pid",
                        arrival->pid, NULL);
    self->workers = workers;
    self->tuning = tuning;
    self->look_line = g_strconcat(uuid, " look", NULL);
    self->order_line = g_strconcat(uuid, " order", NULL);
    self->probe_line = g_strconcat(uuid, " probe", NULL);
    self->dimms = dimm_book_new(tuning->removal_us);
    take_arrival(self, arrival, terms);
    return self;
}

static void
libvirt_guest_init(LibvirtGuest *self)
{
    self->balloon_asked = NOBODY_KNOWS;
}

static void
libvirt_guest_finalize(GObject *object)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(object);

    take_domain(self, NULL);
    g_clear_handle_id(&self->job_timer, g_source_remove);
    dimm_book_free(self->dimms);
    g_free(self->device);
    g_free(self->look_line);
    g_free(self->order_line);
    g_free(self->probe_line);
    G_OBJECT_CLASS(libvirt_guest_parent_class)->finalize(object);
}

static void
libvirt_guest_class_init(LibvirtGuestClass *class)
{
    GuestClass *guest_class = MEMPLUG_GUEST_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = libvirt_guest_finalize;
    guest_class->observe_async = libvirt_guest_observe_async;
    guest_class->observe_finish = libvirt_guest_observe_finish;
    guest_class->act_async = libvirt_guest_act_async;
    guest_class->act_finish = finish_boolean;
    guest_class->set_stats_period = libvirt_guest_set_stats_period;
    guest_class->store_limits_async = libvirt_guest_store_limits_async;
    guest_class->store_limits_finish = finish_boolean;
    guest_class->store_memory_async = libvirt_guest_store_memory_async;
    guest_class->store_memory_finish = finish_boolean;
    guest_class->describe_async = libvirt_guest_describe_async;
    guest_class->describe_finish = libvirt_guest_describe_finish;
    guest_class->setup_async = libvirt_guest_setup_async;
    guest_class->setup_finish = libvirt_guest_setup_finish;
}
