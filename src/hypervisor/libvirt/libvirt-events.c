/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's callbacks differ in their arguments, so there is one for each kind of
 * event, each of a line or two, and a table that says which serves what.
 *
 * QEMU's ACPI_DEVICE_OST, by which a guest acknowledges a DIMM, is none of
 * libvirt's events. It is listened to by libvirt-qemu's monitor events, which
 * neither send anything to QEMU nor taint the domain.
 */
#include "hypervisor/libvirt/libvirt-events.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "hypervisor/libvirt/libvirt-ost.h"

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *events);
static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *events);
static void on_balloon(virConnectPtr connection, virDomainPtr domain, unsigned long long actual,
                       void *events);
static void on_size(virConnectPtr connection, virDomainPtr domain, const char *alias,
                    unsigned long long size, void *events);
static void on_added(virConnectPtr connection, virDomainPtr domain, const char *alias,
                     void *events);
static void on_removed(virConnectPtr connection, virDomainPtr domain, const char *alias,
                       void *events);
static void on_kept(virConnectPtr connection, virDomainPtr domain, const char *alias, void *events);
static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason,
                     void *events);
static void on_iteration(virConnectPtr connection, virDomainPtr domain, int iteration,
                         void *events);
static void on_job_completed(virConnectPtr connection, virDomainPtr domain,
                             virTypedParameterPtr params, int n, void *events);
static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *uri,
                        void *events);

static const struct {
    int id;
    virConnectDomainEventGenericCallback callback;
} table[] = {
    { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
    { VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot },
    { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon) },
    { VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_size) },
    { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_added) },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_removed) },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, VIR_DOMAIN_EVENT_CALLBACK(on_kept) },
    { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent) },
    { VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, VIR_DOMAIN_EVENT_CALLBACK(on_iteration) },
    { VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, VIR_DOMAIN_EVENT_CALLBACK(on_job_completed) },
    { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
};

struct LibvirtEvents {
    gatomicrefcount references; /* one for each registration: libvirt ends them in any thread */
    LibvirtEventFunc func;      /* NULL: muted */
    gpointer user_data;
    int ids[G_N_ELEMENTS(table)]; /* of registrations; -1: none */
    int ost_id;
};

static void
tell(LibvirtEvents *events, virDomainPtr domain, LibvirtEventKind kind, const char *text)
{
    const LibvirtEvent event = { .kind = kind, .domain = domain, .text = text };

    if (events->func)
        events->func(&event, events->user_data);
}

static int
on_lifecycle(virConnectPtr connection, virDomainPtr domain, int number, int detail, void *data)
{
    LibvirtEvents *events = data;
    const LibvirtEvent event = { LIBVIRT_EVENT_LIFECYCLE, domain, number, detail, NULL };

    if (events->func)
        events->func(&event, events->user_data);
    return 0;
}

static void
on_reboot(virConnectPtr connection, virDomainPtr domain, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_REBOOT, NULL);
}

static void
on_balloon(virConnectPtr connection, virDomainPtr domain, unsigned long long actual, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_SIZE_CHANGED, NULL);
}

static void
on_size(virConnectPtr connection, virDomainPtr domain, const char *alias, unsigned long long size,
        void *events)
{
    tell(events, domain, LIBVIRT_EVENT_SIZE_CHANGED, alias);
}

static void
on_added(virConnectPtr connection, virDomainPtr domain, const char *alias, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_DEVICE_ADDED, alias);
}

static void
on_removed(virConnectPtr connection, virDomainPtr domain, const char *alias, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_DEVICE_REMOVED, alias);
}

static void
on_kept(virConnectPtr connection, virDomainPtr domain, const char *alias, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_DEVICE_KEPT, alias);
}

static void
on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_AGENT, NULL);
}

static void
on_iteration(virConnectPtr connection, virDomainPtr domain, int iteration, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_JOB_GOES_ON, NULL);
}

static void
on_job_completed(virConnectPtr connection, virDomainPtr domain, virTypedParameterPtr params, int n,
                 void *events)
{
    tell(events, domain, LIBVIRT_EVENT_JOB_ENDED, NULL);
}

static void
on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *uri, void *events)
{
    tell(events, domain, LIBVIRT_EVENT_METADATA, uri);
}

static void
on_ost(virConnectPtr connection, virDomainPtr domain, const char *name, long long seconds,
       unsigned int micros, const char *details, void *data)
{
    LibvirtEvents *events = data;
    g_auto(LibvirtOst) ost = { NULL };
    g_autoptr(GError) error = NULL;
    LibvirtEvent event = { .kind = LIBVIRT_EVENT_OST, .domain = domain };

    if (!details || !libvirt_ost_read(details, &ost, &error))
        g_debug("%s: %s", virDomainGetName(domain), error ? error->message : name);
    if (!ost.device || !events->func)
        return;
    event.number = (int)ost.source;
    event.detail = (int)ost.status;
    event.text = ost.device;
    events->func(&event, events->user_data);
}

/*
 * Registering
 */

static LibvirtEvents *
events_ref(LibvirtEvents *events)
{
    g_atomic_ref_count_inc(&events->references);
    return events;
}

static void
release(void *events)
{
    libvirt_events_unref(events);
}

/* Returns: @id; a failure has the reference dropped that libvirt did not take. */
static int
registered(LibvirtEvents *events, const char *what, int number, int id)
{
    if (id < 0) {
        g_debug("libvirt: no %s %d: %s", what, number, virGetLastErrorMessage());
        libvirt_events_unref(events);
    }
    return id;
}

void
libvirt_events_register(LibvirtEvents *events, virConnectPtr connection)
{
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        events->ids[i] = registered(events, "event", table[i].id,
                                    virConnectDomainEventRegisterAny(connection, NULL, table[i].id,
                                                                     table[i].callback,
                                                                     events_ref(events), release));
    events->ost_id = registered(
        events, "monitor event", 0,
        virConnectDomainQemuMonitorEventRegister(connection, NULL, "ACPI_DEVICE_OST", on_ost,
                                                 events_ref(events), release, 0));
}

void
libvirt_events_deregister(LibvirtEvents *events, virConnectPtr connection)
{
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (events->ids[i] >= 0)
            virConnectDomainEventDeregisterAny(connection, events->ids[i]);
    }
    if (events->ost_id >= 0)
        virConnectDomainQemuMonitorEventDeregister(connection, events->ost_id);
}

gboolean
libvirt_events_hear_ost(const LibvirtEvents *events)
{
    return events->ost_id >= 0;
}

LibvirtEvents *
libvirt_events_new(LibvirtEventFunc func, gpointer user_data)
{
    LibvirtEvents *events = g_new0(LibvirtEvents, 1);

    g_atomic_ref_count_init(&events->references);
    events->func = func;
    events->user_data = user_data;
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        events->ids[i] = -1;
    events->ost_id = -1;
    return events;
}

void
libvirt_events_mute(LibvirtEvents *events)
{
    events->func = NULL;
}

void
libvirt_events_unref(LibvirtEvents *events)
{
    if (g_atomic_ref_count_dec(&events->references))
        g_free(events);
}
