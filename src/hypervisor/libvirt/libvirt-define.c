/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-define.h"

#include "hypervisor/libvirt/domain-config.h"
#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/domain-setup.h"
#include "hypervisor/libvirt/domain-word.h"
#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-look.h"
#include "hypervisor/libvirt/libvirt-string.h"

/*
 * A domain that is to grow past this multiple of its memory would have too little of
 * it in ZONE_NORMAL: three or four parts of movable memory to one of the kernel's are
 * well (Linux, Documentation/admin-guide/mm/memory-hotplug.rst, "ZONE_MOVABLE").
 */
#define SENSIBLE_GROWTH 4

static gboolean
keep_limits(virDomainPtr domain, const GuestLimits *limits, unsigned flags, GError **error)
{
    g_autofree char *xml = domain_metadata_format(limits);

    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, xml, DOMAIN_METADATA_KEY,
                                DOMAIN_METADATA_URI, flags) == 0 ||
           libvirt_error_take("cannot keep the limits in the domain's metadata", error);
}

/* What the next start has of its own stays, also where the running domain has other
 * limits. */
static gboolean
change_config_limits(virDomainPtr domain, const GuestLimits *change, guint unset, GError **error)
{
    g_autofree char *place = g_strdup_printf("%s, at its next start", virDomainGetName(domain));
    g_autofree char *xml = NULL;
    GuestLimits limits = { 0 };

    if (!libvirt_look_metadata(domain, DOMAIN_METADATA_URI, VIR_DOMAIN_AFFECT_CONFIG, &xml,
                               error) ||
        !domain_metadata_read(xml, place, &limits, error))
        return FALSE;
    limits = guest_limits_change(&limits, change, unset);
    return guest_limits_check(&limits, error) &&
           keep_limits(domain, &limits, VIR_DOMAIN_AFFECT_CONFIG, error);
}

gboolean
libvirt_define_limits(virDomainPtr domain, const GuestLimits *live, const GuestLimits *change,
                      guint unset, guint scope, GError **error)
{
    if (scope == GUEST_SCOPE_ALL) {
        int persistent = virDomainIsPersistent(domain);

        if (persistent < 0)
            return libvirt_error_take("cannot keep the limits", error);
        scope = persistent ? GUEST_SCOPE_LIVE | GUEST_SCOPE_CONFIG : GUEST_SCOPE_LIVE;
    }
    if (scope & GUEST_SCOPE_CONFIG && !change_config_limits(domain, change, unset, error))
        return FALSE;
    return !(scope & GUEST_SCOPE_LIVE) || keep_limits(domain, live, VIR_DOMAIN_AFFECT_LIVE, error);
}

gboolean
libvirt_define_word(virDomainPtr domain, const GuestWord *word, GError **error)
{
    g_autofree char *xml = domain_word_format(word);

    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, xml, DOMAIN_WORD_KEY,
                                DOMAIN_WORD_URI, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           libvirt_error_take("cannot note in the domain's metadata what it is held at", error);
}

static gboolean
define(virDomainPtr domain, const char *xml, GError **error)
{
    virDomainPtr defined =
        virDomainDefineXMLFlags(virDomainGetConnect(domain), xml, VIR_DOMAIN_DEFINE_VALIDATE);

    if (!defined)
        return libvirt_error_take("libvirt refuses the changed definition", error);
    virDomainFree(defined);
    return TRUE;
}

/* As libvirt_look_definition(), but there must be one. */
static char *
definition_of(virDomainPtr domain, gboolean secrets, GError **error)
{
    g_autoptr(GError) local = NULL;
    char *definition = libvirt_look_definition(domain, secrets, &local);

    if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    else if (!definition)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "the domain is transient: nothing keeps what it is started from; "
                            "'virsh define' makes it persistent");
    return definition;
}

gboolean
libvirt_define_memory(virDomainPtr domain, guint64 size, GError **error)
{
    g_autofree char *before = definition_of(domain, TRUE, error);
    g_autofree char *after = before ? domain_config_with_memory(before, size, error) : NULL;

    return after && define(domain, after, error);
}

/*
 * Setup
 */

static guint64
sensible_max(virDomainPtr domain)
{
    guint64 memory = (guint64)virDomainGetMaxMemory(domain) * 1024; /* 0 on failure */
    virNodeInfo host;

    if (virNodeGetInfo(virDomainGetConnect(domain), &host) < 0)
        return memory * SENSIBLE_GROWTH;
    return MAX(memory, MIN(memory * SENSIBLE_GROWTH, (guint64)host.memory * 1024));
}

static gboolean
change(virDomainPtr domain, const DomainChange *change, GError **error)
{
    int result = -1;

    switch (change->kind) {
    case DOMAIN_CHANGE_STATS_PERIOD:
        result =
            virDomainSetMemoryStatsPeriod(domain, (int)change->period_s, VIR_DOMAIN_AFFECT_LIVE);
        break;
    case DOMAIN_CHANGE_ATTACH_DEVICE:
        result = virDomainAttachDeviceFlags(domain, change->device, VIR_DOMAIN_AFFECT_LIVE);
        break;
    }
    return result == 0 || libvirt_error_take(change->words, error);
}

/* Does what can be done now. What cannot is left to the next start, and said. */
static gboolean
apply_live(virDomainPtr domain, GuestSetupPlan *plan, GError **error)
{
    g_autoptr(LibvirtString) xml = virDomainGetXMLDesc(domain, 0);
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GStrvBuilder) done = g_strv_builder_new();

    if (!xml)
        return libvirt_error_take(NULL, error);
    changes = domain_setup_live(xml, plan->after, &plan->restart, error);
    if (!changes)
        return FALSE;
    for (guint i = 0; i < changes->len; i++) {
        const DomainChange *wanted = changes->pdata[i];
        g_autoptr(GError) local = NULL;

        if (change(domain, wanted, &local)) {
            g_strv_builder_add(done, wanted->words);
        } else {
            g_message("%s: not in the running domain: %s", virDomainGetName(domain),
                      local->message);
            plan->restart = TRUE;
        }
    }
    plan->done = g_strv_builder_end(done);
    return TRUE;
}

/* The plan is for people to read, what is defined keeps the secrets as well. */
static gboolean
apply_config(virDomainPtr domain, const GuestSetup *wanted, guint64 most, GError **error)
{
    g_autofree char *before = definition_of(domain, TRUE, error);
    g_autofree char *after = before ? domain_setup_plan(before, wanted, most, error) : NULL;

    return after && (g_str_equal(before, after) || define(domain, after, error));
}

GuestSetupPlan *
libvirt_define_setup(virDomainPtr domain, const GuestSetup *wanted, gboolean apply, GError **error)
{
    const guint64 most = sensible_max(domain);
    g_autoptr(GuestSetupPlan) plan = g_new0(GuestSetupPlan, 1);

    plan->before = definition_of(domain, FALSE, error);
    if (!plan->before)
        return NULL;
    plan->after = domain_setup_plan(plan->before, wanted, most, error);
    if (!plan->after)
        return NULL;
    plan->restart = !g_str_equal(plan->before, plan->after);
    if (apply && (!apply_config(domain, wanted, most, error) || !apply_live(domain, plan, error)))
        return NULL;
    return g_steal_pointer(&plan);
}
