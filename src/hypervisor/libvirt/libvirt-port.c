/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-port.h"

#include <libvirt/virterror.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-look.h"
#include "hypervisor/libvirt/libvirt-string.h"

/* Whether nothing else is being done with @domain. */
static gboolean
check_idle(virDomainPtr domain, GError **error)
{
    guint occupied_ms;
    LibvirtJob job;

    if (!libvirt_look_occupied(domain, &occupied_ms, error))
        return FALSE;
    if (occupied_ms > 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_BUSY, "a command is in its monitor");
        return FALSE;
    }
    if (!libvirt_look_job(domain, &job, error))
        return FALSE;
    if (job != LIBVIRT_JOB_NONE)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "%s", libvirt_job_describe(job));
    return job == LIBVIRT_JOB_NONE;
}

static gboolean
check_port(virDomainPtr domain, GError **error)
{
    g_autoptr(LibvirtString) text = virDomainGetXMLDesc(domain, 0);
    g_autoptr(DomainXml) xml = NULL;

    if (!text)
        return libvirt_error_take(NULL, error);
    xml = domain_xml_open(text, "domain", error);
    if (!xml)
        return FALSE;
    if (!domain_xml_find(xml, NULL, DOMAIN_SETUP_CHANNEL_PATH)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, LIBVIRT_PORT_MISSING);
        return FALSE;
    }
    return TRUE;
}

/* The code by which libvirt says that somebody has the port is that of many another failure,
 * but at this point there is hardly one. */
static gboolean
fail(GError **error)
{
    if (virGetLastErrorCode() != VIR_ERR_OPERATION_FAILED)
        return libvirt_error_take("cannot open the stats channel", error);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "cannot open the stats channel: %s",
                virGetLastErrorMessage());
    return FALSE;
}

virStreamPtr
libvirt_port_open(virDomainPtr domain, GError **error)
{
    virStreamPtr stream;

    if (!check_port(domain, error) || !check_idle(domain, error))
        return NULL;
    stream = virStreamNew(virDomainGetConnect(domain), VIR_STREAM_NONBLOCK);
    if (!stream) {
        libvirt_error_take("cannot open the stats channel", error);
        return NULL;
    }
    if (virDomainOpenChannel(domain, DOMAIN_SETUP_CHANNEL_NAME, stream, 0) == 0)
        return stream;
    fail(error);
    virStreamFree(stream);
    return NULL;
}
