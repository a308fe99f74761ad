/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's definition with what memplug needs in it.
 */
#pragma once

#include "hypervisor/guest-setup.h"

/* The port of the guest's agent, and where it is found. */
#define DOMAIN_SETUP_CHANNEL_NAME "org.memplug.stats.0"
#define DOMAIN_SETUP_CHANNEL                                           \
    "<channel type='unix'>\n"                                          \
    "  <target type='virtio' name='" DOMAIN_SETUP_CHANNEL_NAME "'/>\n" \
    "</channel>"
#define DOMAIN_SETUP_CHANNEL_PATH \
    "/domain/devices/channel/target[@type='virtio'][@name='" DOMAIN_SETUP_CHANNEL_NAME "']"

#define DOMAIN_SETUP_BALLOON_PATH "/domain/devices/memballoon[@model and @model!='none']"

/*
 * domain_setup_plan:
 * @inactive_xml: the definition
 * @wanted: its max, where not 0, is what the guest can reach afterwards, if not more
 * @sensible_max: bytes, for a domain that has no larger <maxMemory> and @wanted names none
 *
 * Adds what is missing and takes nothing away: <maxMemory>, a NUMA cell (libvirt
 * demands one with it), a virtio-mem device in each node, the balloon's statistics
 * and free page reporting, the port of the guest's agent, free PCIe ports.
 *
 * Returns: (transfer full): the definition as it should be; the very text of
 *   @inactive_xml if nothing is missing, so also when applied to its own result.
 *   NULL with @error (DOMAIN_XML_ERROR; _REFUSED with the reason if this guest
 *   cannot be served at all).
 */
char *domain_setup_plan(const char *inactive_xml, const GuestSetup *wanted, guint64 sensible_max,
                        GError **error);

typedef enum {
    DOMAIN_CHANGE_STATS_PERIOD,  /* virDomainSetMemoryStatsPeriod() with @period_s */
    DOMAIN_CHANGE_ATTACH_DEVICE, /* virDomainAttachDeviceFlags() with @device */
} DomainChangeKind;

/* What can be changed in a running domain at once. */
typedef struct {
    DomainChangeKind kind;
    guint period_s;
    char *device; /* owned */
    char *words;  /* owned: "attach a virtio-mem device of up to 3 GiB as ua-memplug-vm0" */
} DomainChange;

/*
 * domain_setup_live:
 * @live_xml: of the running domain
 * @planned_xml: as of domain_setup_plan()
 * @rest: (out) (optional): whether something of the plan has to wait for the next start
 *
 * Returns: (transfer full) (element-type DomainChange): what of the plan the running
 *   domain lacks and can take now, in the order to do it; NULL with @error.
 */
GPtrArray *domain_setup_live(const char *live_xml, const char *planned_xml, gboolean *rest,
                             GError **error);
