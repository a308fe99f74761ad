/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   Guest's calls ──▶ LibvirtErrand ──LibvirtLine──▶ thread: libvirt-look, -act, -define
 *                                                      │
 *   Guest's results ◀── LibvirtLedger adds ◀───────────┘
 *                            ▲ orders, events
 *
 * The state of a guest is what the following say, the upper hiding the lower:
 *
 *   unreachable  there is no connection, or a command has been in its monitor for
 *                too long: told by a probe, which whoever waits in vain asks for
 *   migrating,   as libvirt's job information said at the last observation, act or
 *   busy           job event; while it says so, it is asked again every second
 *   paused       as lifecycle events and the bulk statistics say
 *
 * Limits and changes of the definition are in libvirt-definition.c.
 */
#include "hypervisor/libvirt/libvirt-guest.h"

#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/libvirt-definition.h"
#include "hypervisor/libvirt/libvirt-errand.h"
#include "hypervisor/libvirt/libvirt-opening.h"

struct _LibvirtGuest {
    Guest parent;

    LibvirtLine *line;
    LibvirtLedger *ledger;
    const LibvirtGuestTuning *tuning;
    unsigned id;

    gboolean lost; /* there is no connection */
    LibvirtJob job;
    guint job_timer;
    gboolean running;
    LibvirtRhythm rhythm;
    LibvirtStream *stream; /* (nullable): the stats channel that was opened last */
    gboolean lacks_port;   /* for one; until a device is added, or may have been unnoticed */

    gboolean acting;
    MemoryStep step; /* while acting; its device is ... */
    char *device;    /* ... this */
};

G_DEFINE_FINAL_TYPE(LibvirtGuest, libvirt_guest, TYPE_GUEST)

/*
 * State
 */

static void
tell_state(LibvirtGuest *self)
{
    GuestState state = self->lost || libvirt_line_hangs(self->line) ? GUEST_STATE_UNREACHABLE
                       : self->job == LIBVIRT_JOB_MIGRATION         ? GUEST_STATE_MIGRATING
                       : self->job == LIBVIRT_JOB_OTHER             ? GUEST_STATE_BUSY
                       : self->running                              ? GUEST_STATE_RUNNING
                                                                    : GUEST_STATE_PAUSED;

    guest_take_state(MEMPLUG_GUEST(self), state);
}

static void
on_probed(gpointer data)
{
    tell_state(data);
}

/* Something may have changed that no event told. */
static void
tell_change(LibvirtGuest *self)
{
    static const GuestMemoryEvent event = { .kind = GUEST_MEMORY_EVENT_CHANGED };

    guest_emit_memory_event(MEMPLUG_GUEST(self), &event);
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
        tell_change(self);
}

static void
on_job(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    gpointer job = libvirt_line_finish(self->line, result, NULL);

    if (libvirt_line_is_closed(self->line))
        return;
    /* Without an answer it is what it was, and asked again. */
    take_job(self, job ? (LibvirtJob)(GPOINTER_TO_INT(job) - 1) : self->job);
}

static void
ask_job(LibvirtGuest *self)
{
    LibvirtRequest *request = libvirt_line_begin(self->line, LIBVIRT_LINE_LOOK, NULL);

    if (request)
        libvirt_line_send(self->line, LIBVIRT_LINE_LOOK, &libvirt_request_job, request, on_job,
                          g_object_ref(self));
}

/*
 * Observing
 */

/* Adds what only we know. */
static void
complete(LibvirtGuest *self, GuestMemory *memory, gboolean balloon_known)
{
    const LibvirtTerms *terms = libvirt_line_get_terms(self->line);

    libvirt_ledger_complete(self->ledger, memory, balloon_known, terms->hears_ost,
                            g_get_monotonic_time());
    if (terms->read_only && !memory->obstacle)
        memory->obstacle = g_strdup(LIBVIRT_READ_ONLY);
}

static gpointer
looked(LibvirtGuest *self, gpointer definition, gpointer returned, const GError *error)
{
    g_autoptr(LibvirtLook) look = returned;

    if (error)
        return NULL;
    if (definition) /* it was read as well */
        libvirt_ledger_take_given(self->ledger, look->memory->given);
    self->lacks_port = FALSE; /* the event of its coming may have been lost */
    take_job(self, look->job);
    complete(self, look->memory, look->balloon_known);
    return g_steal_pointer(&look->memory);
}

static const LibvirtErrand look = { LIBVIRT_LINE_LOOK, &libvirt_request_look, looked,
                                    (GDestroyNotify)guest_memory_free };

static void
libvirt_guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = libvirt_errand_begin(&look, task);

    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    request->definition = libvirt_ledger_wants_given(MEMPLUG_LIBVIRT_GUEST(guest)->ledger);
    g_task_set_task_data(task, GINT_TO_POINTER(request->definition), NULL);
    libvirt_errand_send(&look, request, g_steal_pointer(&task));
}

static GuestMemory *
libvirt_guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return libvirt_errand_finish(guest, result, error);
}

static gpointer
described(LibvirtGuest *self, gpointer unused, gpointer returned, const GError *error)
{
    GuestFacts *facts = returned;

    if (facts && facts->memory)
        complete(self, facts->memory, FALSE);
    return facts;
}

static const LibvirtErrand describe = { LIBVIRT_LINE_LOOK, &libvirt_request_facts, described,
                                        (GDestroyNotify)guest_facts_free };

static void
libvirt_guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = libvirt_errand_begin(&describe, task);

    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    libvirt_errand_send(&describe, request, g_steal_pointer(&task));
}

static GuestFacts *
libvirt_guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return libvirt_errand_finish(guest, result, error);
}

/*
 * Acting
 */

static gpointer
acted(LibvirtGuest *self, gpointer unused, gpointer returned, const GError *error)
{
    g_autofree char *alias = returned;

    self->acting = FALSE;
    if (!error) {
        libvirt_ledger_ordered(self->ledger, &self->step, alias, g_get_monotonic_time());
        return GINT_TO_POINTER(TRUE);
    }
    libvirt_ledger_failed(self->ledger, &self->step);
    /* Somebody works on the domain: see what, so that it is left alone meanwhile. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY))
        ask_job(self);
    return NULL;
}

static const LibvirtErrand act = { LIBVIRT_LINE_ORDER, &libvirt_request_act, acted, NULL };

static void
keep_step(LibvirtGuest *self, const MemoryStep *step)
{
    self->acting = TRUE;
    g_free(self->device);
    self->device = g_strdup(step->device);
    self->step = *step;
    self->step.device = self->device;
}

static void
libvirt_guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request;

    /* An order that libvirt has taken is a success, whoever has given up on it. */
    g_task_set_check_cancellable(task, FALSE);
    if (g_task_return_error_if_cancelled(task))
        return;
    if (self->acting) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_PENDING, "another step is in flight");
        return;
    }
    request = libvirt_errand_begin(&act, task);
    if (!request)
        return;
    request->step = *step;
    request->device = g_strdup(step->device);
    request->lost = libvirt_ledger_get_lost(self->ledger);
    keep_step(self, step);
    libvirt_ledger_order(self->ledger, step, g_get_monotonic_time());
    libvirt_errand_send(&act, request, g_steal_pointer(&task));
}

static void
libvirt_guest_set_stats_period(Guest *guest, guint period_s)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    LibvirtRequest *request = NULL;

    /* It is asked for again as long as no statistics come, which they cannot of a guest
     * that stands still. */
    if (self->running && libvirt_line_occupied_ms(self->line) == 0)
        request = libvirt_line_begin(self->line, LIBVIRT_LINE_ORDER, NULL);
    if (!request)
        return;
    request->period_s = period_s;
    libvirt_line_send(self->line, LIBVIRT_LINE_ORDER, &libvirt_request_period, request, NULL, NULL);
}

/*
 * The stats channel
 */

static void
take_stream(LibvirtGuest *self, LibvirtStream *stream)
{
    if (self->stream)
        libvirt_stream_end(self->stream, NULL);
    g_clear_pointer(&self->stream, libvirt_stream_unref);
    self->stream = stream;
}

void
libvirt_guest_take_stream(LibvirtGuest *self, LibvirtStream *stream)
{
    take_stream(self, libvirt_stream_ref(stream));
}

void
libvirt_guest_miss_port(LibvirtGuest *self)
{
    self->lacks_port = TRUE;
}

gboolean
libvirt_guest_lacks_port(LibvirtGuest *self)
{
    return self->lacks_port;
}

LibvirtJob
libvirt_guest_get_job(LibvirtGuest *self)
{
    return self->job;
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
        libvirt_ledger_forget_given(self->ledger);
        tell_change(self);
        break;
    case VIR_DOMAIN_EVENT_UNDEFINED:
    case VIR_DOMAIN_EVENT_STARTED:
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_SHUTDOWN:
    default: /* of a libvirt to come */
        break;
    }
}

void
libvirt_guest_take_event(LibvirtGuest *self, const LibvirtEvent *event)
{
    GuestMemoryEvent told;

    if (event->kind == LIBVIRT_EVENT_DEVICE_ADDED)
        self->lacks_port = FALSE;
    if (event->kind == LIBVIRT_EVENT_LIFECYCLE)
        take_lifecycle(self, event);
    else if (event->kind == LIBVIRT_EVENT_JOB_GOES_ON || event->kind == LIBVIRT_EVENT_JOB_ENDED)
        ask_job(self);
    else if (event->kind == LIBVIRT_EVENT_METADATA &&
             (!event->text || g_str_equal(event->text, DOMAIN_METADATA_URI)))
        libvirt_definition_read_metadata(self);
    else if (libvirt_ledger_take_event(self->ledger, event, &told))
        guest_emit_memory_event(MEMPLUG_GUEST(self), &told);
}

void
libvirt_guest_take_running(LibvirtGuest *self, gboolean running)
{
    self->running = running;
    tell_state(self);
}

/*
 * Life
 */

LibvirtLine *
libvirt_guest_get_line(LibvirtGuest *self)
{
    return self->line;
}

LibvirtRhythm *
libvirt_guest_get_rhythm(LibvirtGuest *self)
{
    return &self->rhythm;
}

unsigned
libvirt_guest_get_id(LibvirtGuest *self)
{
    return self->id;
}

static void
take_arrival(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    libvirt_line_take_domain(self->line, arrival->domain, terms);
    libvirt_ledger_forget_given(self->ledger);
    self->lost = FALSE;
    self->lacks_port = FALSE;
    self->running = arrival->running;
    libvirt_definition_take_metadata(self, arrival->metadata);
    libvirt_definition_take_word(self, arrival->word);
    tell_state(self);
}

void
libvirt_guest_revive(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    if (self->lost)
        libvirt_ledger_missed_events(self->ledger);
    take_arrival(self, arrival, terms);
    tell_change(self); /* what happened meanwhile was told to nobody */
}

void
libvirt_guest_release(LibvirtGuest *self)
{
    take_stream(self, NULL);
    libvirt_line_take_domain(self->line, NULL, NULL);
}

void
libvirt_guest_lose(LibvirtGuest *self)
{
    libvirt_guest_release(self);
    self->lost = TRUE;
    tell_state(self);
}

void
libvirt_guest_close(LibvirtGuest *self)
{
    g_clear_handle_id(&self->job_timer, g_source_remove);
    take_stream(self, NULL);
    libvirt_line_close(self->line);
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
    self->tuning = tuning;
    self->id = virDomainGetID(arrival->domain);
    self->line = libvirt_line_new(uuid, workers, &tuning->line, on_probed, self);
    self->ledger = libvirt_ledger_new(&tuning->ledger);
    take_arrival(self, arrival, terms);
    return self;
}

static void
libvirt_guest_init(LibvirtGuest *self)
{
}

static void
libvirt_guest_dispose(GObject *object)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(object);

    /* A probe may be on its way, which would tell us. */
    if (!libvirt_line_is_closed(self->line))
        libvirt_guest_close(self);
    G_OBJECT_CLASS(libvirt_guest_parent_class)->dispose(object);
}

static void
libvirt_guest_finalize(GObject *object)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(object);

    libvirt_line_unref(self->line);
    libvirt_ledger_free(self->ledger);
    g_free(self->device);
    G_OBJECT_CLASS(libvirt_guest_parent_class)->finalize(object);
}

static void
libvirt_guest_class_init(LibvirtGuestClass *class)
{
    GuestClass *guest_class = MEMPLUG_GUEST_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = libvirt_guest_dispose;
    G_OBJECT_CLASS(class)->finalize = libvirt_guest_finalize;
    guest_class->observe_async = libvirt_guest_observe_async;
    guest_class->observe_finish = libvirt_guest_observe_finish;
    guest_class->act_async = libvirt_guest_act_async;
    guest_class->act_finish = libvirt_errand_finish_boolean;
    guest_class->set_stats_period = libvirt_guest_set_stats_period;
    guest_class->describe_async = libvirt_guest_describe_async;
    guest_class->describe_finish = libvirt_guest_describe_finish;
    libvirt_opening_class_init(guest_class);
    libvirt_definition_class_init(guest_class);
}
