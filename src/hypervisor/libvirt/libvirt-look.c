/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A domain's live XML is what libvirt knows by itself: it asks QEMU nothing for it,
 * so it comes at once, also from a domain whose QEMU hangs or is being migrated.
 * Sizes in it are those that QEMU's events told last. QEMU sends
 * MEMORY_DEVICE_SIZE_CHANGE and BALLOON_CHANGE once a second at most, so a size that
 * moves is up to a second behind; libvirt has no call that would have it read anew,
 * but for those that taint the domain.
 *
 * A driver that knows neither jobs nor monitors (libvirt's test driver) has none.
 *
 * Whether a job runs must be asked with the domain's job in hand, for which a
 * command at work would have to end. virDomainGetControlInfo() needs no job, so it
 * is asked first: a domain with a command in its monitor has no other job.
 */
#include "hypervisor/libvirt/libvirt-look.h"

#include <libvirt/virterror.h>

#include "hypervisor/libvirt/domain-facts.h"
#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/domain-word.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-process.h"
#include "hypervisor/libvirt/libvirt-string.h"
#include "hypervisor/process-limit.h"

/*
 * Arrival
 */

/* Whether a domain in this state goes on where it was saved or left. A snapshot is
 * another past: what was asked for since does not belong to it. */
static gboolean
continues(int state, int reason)
{
    return state == VIR_DOMAIN_RUNNING
               ? reason == VIR_DOMAIN_RUNNING_MIGRATED || reason == VIR_DOMAIN_RUNNING_RESTORED ||
                     reason == VIR_DOMAIN_RUNNING_MIGRATION_CANCELED ||
                     reason == VIR_DOMAIN_RUNNING_SAVE_CANCELED ||
                     reason == VIR_DOMAIN_RUNNING_POSTCOPY
               : state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_MIGRATION;
}

void
libvirt_arrival_free(LibvirtArrival *arrival)
{
    if (!arrival)
        return;
    if (arrival->domain)
        virDomainFree(arrival->domain);
    g_free(arrival->instance);
    g_free(arrival->metadata);
    g_free(arrival->word);
    g_free(arrival);
}

LibvirtArrival *
libvirt_look_arrival(virDomainPtr domain, GError **error)
{
    g_autoptr(LibvirtArrival) arrival = g_new0(LibvirtArrival, 1);
    char uuid[VIR_UUID_STRING_BUFLEN];
    LibvirtProcess process;
    int state, reason;

    virDomainRef(domain);
    arrival->domain = domain;
    if (virDomainGetState(domain, &state, &reason, 0) < 0 ||
        virDomainGetUUIDString(domain, uuid) < 0) {
        libvirt_error_take(NULL, error);
        return NULL;
    }
    if (state == VIR_DOMAIN_SHUTOFF || virDomainGetID(domain) == (unsigned)-1) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "it does not run");
        return NULL;
    }
    if (!libvirt_look_metadata(domain, DOMAIN_METADATA_URI, VIR_DOMAIN_AFFECT_LIVE,
                               &arrival->metadata, error) ||
        !libvirt_look_metadata(domain, DOMAIN_WORD_URI, VIR_DOMAIN_AFFECT_LIVE, &arrival->word,
                               error))
        return NULL;
    arrival->running = state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED;
    arrival->continues = continues(state, reason);
    process = libvirt_process_find(virDomainGetConnect(domain), uuid);
    arrival->pid = process.pid;
    arrival->instance = libvirt_process_instance(uuid, virDomainGetID(domain), &process);
    return g_steal_pointer(&arrival);
}

gboolean
libvirt_look_metadata(virDomainPtr domain, const char *uri, virDomainModificationImpact of,
                      char **metadata, GError **error)
{
    g_autoptr(LibvirtString) xml =
        virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, uri, of);

    if (!xml && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_METADATA)
        return libvirt_error_take(NULL, error);
    *metadata = g_strdup(xml);
    return TRUE;
}

/*
 * Jobs
 */

const char *
libvirt_job_describe(LibvirtJob job)
{
    return job == LIBVIRT_JOB_MIGRATION ? "it is being migrated"
                                        : "it is being saved, dumped or the like";
}

gboolean
libvirt_look_job(virDomainPtr domain, LibvirtJob *job, GError **error)
{
    virTypedParameterPtr params = NULL;
    int n = 0, type, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

    *job = LIBVIRT_JOB_NONE;
    if (virDomainGetJobStats(domain, &type, &params, &n, 0) < 0)
        return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT || libvirt_error_take(NULL, error);
    virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(params, n);
    if (type != VIR_DOMAIN_JOB_BOUNDED && type != VIR_DOMAIN_JOB_UNBOUNDED)
        return TRUE;
    if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT ||
        operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN)
        *job = LIBVIRT_JOB_MIGRATION;
    else
        *job = LIBVIRT_JOB_OTHER;
    return TRUE;
}

gboolean
libvirt_look_occupied(virDomainPtr domain, guint *ms, GError **error)
{
    virDomainControlInfo info;

    *ms = 0;
    if (virDomainGetControlInfo(domain, &info, 0) < 0)
        return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT || libvirt_error_take(NULL, error);
    if (info.state == VIR_DOMAIN_CONTROL_ERROR)
        *ms = G_MAXUINT;
    else if (info.state == VIR_DOMAIN_CONTROL_OCCUPIED)
        *ms = MAX(info.stateTime, 1);
    return TRUE;
}

/*
 * Memory
 */

char *
libvirt_look_definition(virDomainPtr domain, gboolean secrets, GError **error)
{
    const unsigned flags = VIR_DOMAIN_XML_INACTIVE | (secrets ? VIR_DOMAIN_XML_SECURE : 0);
    g_autoptr(LibvirtString) xml = NULL;
    int persistent = virDomainIsPersistent(domain);

    if (persistent > 0)
        xml = virDomainGetXMLDesc(domain, flags);
    if (persistent < 0 || (persistent > 0 && !xml))
        libvirt_error_take(NULL, error);
    return g_strdup(xml);
}

static void
take_limit(GuestMemory *memory, const char *xml, GPid pid)
{
    guint64 limit = pid ? process_limit_memory(pid) : 0;
    guint64 cap = 0;

    if (limit == 0 || !domain_memory_cap(xml, limit, &cap, NULL) || cap == 0 ||
        (memory->cap > 0 && memory->cap <= cap))
        return;
    memory->cap = cap;
    g_free(memory->cap_reason);
    memory->cap_reason = g_strdup("the memory control group that its QEMU runs in");
}

/*
 * libvirt adds virtio-mem to what the balloon says when that says something, and
 * after a restore or a migration not at all: measured on 9.0, <currentMemory> was
 * then wrong by hundreds of MiB, once below 0. So where there is virtio-mem the
 * balloon itself is asked, which counts boot memory and DIMMs. So it is where libvirt's
 * figure says more than that.
 */
#define BALLOON_MOST_KIB (DOMAIN_XML_SIZE_MAX / 1024)

static gboolean
take_balloon(virDomainPtr domain, GuestMemory *memory, GError **error)
{
    virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
    guint64 fillable = memory->boot + guest_memory_dimms(memory);
    int n;

    if (!memory->has_balloon || (!guest_memory_has_virtio_mem(memory) && memory->beyond == 0))
        return TRUE;
    n = virDomainMemoryStats(domain, stats, G_N_ELEMENTS(stats), 0);
    if (n < 0)
        return libvirt_error_take("cannot ask the balloon", error);
    for (int i = 0; i < n; i++) {
        if (stats[i].tag != VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
            continue;
        memory->ballooned = fillable - MIN(fillable / 1024, stats[i].val) * 1024;
        memory->beyond =
            (MIN(stats[i].val, BALLOON_MOST_KIB) - MIN(fillable / 1024, stats[i].val)) * 1024;
        memory->balloon_requested = memory->ballooned;
    }
    return TRUE;
}

void
libvirt_look_free(LibvirtLook *look)
{
    if (!look)
        return;
    guest_memory_free(look->memory);
    g_free(look);
}

LibvirtLook *
libvirt_look_memory(virDomainPtr domain, GPid pid, gboolean definition, GError **error)
{
    g_autoptr(LibvirtLook) look = g_new0(LibvirtLook, 1);
    g_autofree char *defined = NULL;
    guint occupied_ms;
    g_autoptr(LibvirtString) xml = NULL;

    /* The job before the memory: what moves then is seen after it. */
    if (!libvirt_look_occupied(domain, &occupied_ms, error) ||
        (occupied_ms == 0 && !libvirt_look_job(domain, &look->job, error)))
        return NULL;
    xml = virDomainGetXMLDesc(domain, 0);
    if (!xml) {
        libvirt_error_take(NULL, error);
        return NULL;
    }
    look->memory = domain_memory_read(xml, error);
    if (!look->memory)
        return NULL;
    take_limit(look->memory, xml, pid);
    if (occupied_ms == 0 && !take_balloon(domain, look->memory, error))
        return NULL;
    look->balloon_known = occupied_ms == 0;
    if (definition)
        defined = libvirt_look_definition(domain, FALSE, NULL);
    if (defined)
        domain_memory_read_given(defined, &look->memory->given);
    return g_steal_pointer(&look);
}

/*
 * Facts
 */

/* Returns: (transfer full) (nullable): "7.2.22". */
static char *
version_by(int (*ask)(virConnectPtr connection, unsigned long *version), virConnectPtr connection)
{
    unsigned long version;

    if (ask(connection, &version) < 0)
        return NULL;
    return g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

GuestFacts *
libvirt_look_facts(virDomainPtr domain, GPid pid, GError **error)
{
    g_autofree char *definition = NULL;
    g_autoptr(LibvirtString) xml = virDomainGetXMLDesc(domain, 0);
    g_autoptr(GError) local = NULL;
    g_autoptr(GuestFacts) facts = NULL;
    virConnectPtr connection = virDomainGetConnect(domain);

    if (!xml) {
        libvirt_error_take(NULL, error);
        return NULL;
    }
    definition = libvirt_look_definition(domain, FALSE, &local);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    facts = domain_facts_read(xml, definition, error);
    if (!facts)
        return NULL;
    /* Of the QEMU that is installed; libvirt does not tell which one a domain runs. */
    if (!facts->version)
        facts->version = version_by(virConnectGetVersion, connection);
    facts->libvirt = version_by(virConnectGetLibVersion, connection);
    if (pid)
        facts->cgroup_limit = process_limit_memory(pid);
    return g_steal_pointer(&facts);
}
