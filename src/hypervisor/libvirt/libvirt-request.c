/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-request.h"

#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/libvirt-act.h"
#include "hypervisor/libvirt/libvirt-define.h"
#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-port.h"
#include "hypervisor/libvirt/libvirt-stream.h"

#define DONE GINT_TO_POINTER(TRUE)

LibvirtRequest *
libvirt_request_new(virDomainPtr domain)
{
    LibvirtRequest *request = g_new0(LibvirtRequest, 1);

    virDomainRef(domain);
    request->domain = domain;
    return request;
}

static void
request_free(gpointer data)
{
    LibvirtRequest *request = data;

    virDomainFree(request->domain);
    g_free(request->device);
    g_free(request);
}

static gpointer
run_arrival(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_look_arrival(request->domain, error);
}

static gpointer
run_look(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_look_memory(request->domain, request->pid, request->definition, error);
}

static gpointer
run_job(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;
    LibvirtJob job;

    return libvirt_look_job(request->domain, &job, error) ? GINT_TO_POINTER(job + 1) : NULL;
}

static gpointer
run_occupied(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;
    guint ms;

    return libvirt_look_occupied(request->domain, &ms, error) ? g_memdup2(&ms, sizeof(ms)) : NULL;
}

static gpointer
run_metadata(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;
    char *metadata;

    if (!libvirt_look_metadata(request->domain, DOMAIN_METADATA_URI, VIR_DOMAIN_AFFECT_LIVE,
                               &metadata, error))
        return NULL;
    return metadata ? metadata : g_strdup("");
}

static gpointer
run_facts(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_look_facts(request->domain, request->pid, error);
}

static gpointer
run_act(gpointer data, GError **error)
{
    LibvirtRequest *request = data;
    char *alias;

    request->step.device = request->device;
    if (!libvirt_act(request->domain, &request->step, request->lost, &alias, error))
        return NULL;
    return alias ? alias : g_strdup("");
}

static gpointer
run_period(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    if (virDomainSetMemoryStatsPeriod(request->domain, (int)request->period_s,
                                      VIR_DOMAIN_AFFECT_LIVE) == 0)
        return DONE;
    libvirt_error_take("cannot set the period of the balloon's statistics", error);
    return NULL;
}

static gpointer
run_limits(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_define_limits(request->domain, &request->limits, &request->change,
                                 request->unset, request->scope, error)
               ? DONE
               : NULL;
}

static gpointer
run_word(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_define_word(request->domain, &request->word, error) ? DONE : NULL;
}

static gpointer
run_memory(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_define_memory(request->domain, request->size, error) ? DONE : NULL;
}

static gpointer
run_setup(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_define_setup(request->domain, &request->setup, request->apply, error);
}

static gpointer
run_channel(gpointer data, GError **error)
{
    const LibvirtRequest *request = data;

    return libvirt_port_open(request->domain, error);
}

const LibvirtWorkKind libvirt_request_arrival = { run_arrival, request_free,
                                                  (GDestroyNotify)libvirt_arrival_free };
const LibvirtWorkKind libvirt_request_look = { run_look, request_free,
                                               (GDestroyNotify)libvirt_look_free };
const LibvirtWorkKind libvirt_request_job = { run_job, request_free, NULL };
const LibvirtWorkKind libvirt_request_occupied = { run_occupied, request_free, g_free };
const LibvirtWorkKind libvirt_request_metadata = { run_metadata, request_free, g_free };
const LibvirtWorkKind libvirt_request_facts = { run_facts, request_free,
                                                (GDestroyNotify)guest_facts_free };
const LibvirtWorkKind libvirt_request_act = { run_act, request_free, g_free };
const LibvirtWorkKind libvirt_request_period = { run_period, request_free, NULL };
const LibvirtWorkKind libvirt_request_limits = { run_limits, request_free, NULL };
const LibvirtWorkKind libvirt_request_word = { run_word, request_free, NULL };
const LibvirtWorkKind libvirt_request_memory = { run_memory, request_free, NULL };
const LibvirtWorkKind libvirt_request_setup = { run_setup, request_free,
                                                (GDestroyNotify)guest_setup_plan_free };
const LibvirtWorkKind libvirt_request_channel = { run_channel, request_free,
                                                  libvirt_stream_discard };
