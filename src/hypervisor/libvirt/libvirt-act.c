/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   what else is done? ─▶ live XML ─▶ an element of it, changed or new ─▶ one call
 *
 * What a step needs to know is read right before it, not taken from an earlier
 * observation. New devices are called ua-memplug-dimmN and ua-memplug-vmN.
 *
 * The calls end when QEMU has taken the order, not when the guest has followed:
 * detaching by alias does not wait for the guest, as detaching by XML would for 5 s.
 */
#include "hypervisor/libvirt/libvirt-act.h"

#include <string.h>

#include "hypervisor/libvirt/domain-device.h"
#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-look.h"
#include "hypervisor/libvirt/libvirt-string.h"

/* What Linux's driver works in on x86-64, whatever the backend's pages, so long as
 * those are not larger. */
#define VIRTIO_MEM_BLOCK (G_GUINT64_CONSTANT(2) << 20)

/* More than that are not left behind. */
#define TRIES 8

typedef struct {
    virDomainPtr domain;
    const MemoryStep *step;
    LibvirtString *xml; /* live */
    GuestMemory *memory;
    guint64 lost;
    char *alias; /* of a device that is made */
    gint slot;   /* of a DIMM that is made; -1: libvirt chooses */
} Action;

/* The node as the device's XML has it: a domain without nodes has none. */
static gint
node_of(const Action *action)
{
    return action->memory->n_nodes > 0 ? (gint)action->step->node : -1;
}

static gboolean
attach(Action *action, const char *element, const char *what, GError **error)
{
    return virDomainAttachDeviceFlags(action->domain, element, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           libvirt_error_take(what, error);
}

/* QEMU's word is "slot 1 is busy", libvirt's "memory device slot '1' is already being used by
 * another memory device". Returns: whether it is one of them, and there is a next slot. */
static gboolean
take_next_slot(Action *action, const GError *refusal)
{
    const char *at = strstr(refusal->message, "slot ");
    guint64 taken;

    if (!at || !(strstr(at, "is busy") || strstr(at, "already being used")))
        return FALSE;
    at += strlen("slot ");
    taken = g_ascii_strtoull(at + (*at == '\''), NULL, 10);
    if (taken + 1 >= action->memory->slots)
        return FALSE;
    action->slot = (gint)taken + 1;
    return TRUE;
}

/*
 * Attaches a device of @kind under the first alias, and in the first slot, that are
 * free. A libvirtd that was killed while it attached one leaves its backend, or all of
 * it, behind in QEMU, where nothing but the end of QEMU can remove it, and knows
 * nothing of it: then that name, or that slot, is not free although no device has it,
 * and the next one is.
 */
static gboolean
attach_new(Action *action, const char *kind, char *(*element_of)(Action *action), GError **error)
{
    guint number = 0;

    for (guint i = 0; i < TRIES; i++, number++) {
        g_autofree char *element = NULL;
        g_autoptr(GError) local = NULL;

        g_free(action->alias);
        action->alias = domain_device_new_alias(action->xml, kind, &number);
        element = element_of(action);
        if (attach(action, element, NULL, &local))
            return TRUE;
        if (i + 1 == TRIES ||
            !(strstr(local->message, "duplicate property") || take_next_slot(action, local))) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    g_return_val_if_reached(FALSE);
}

static char *
dimm_of(Action *action)
{
    return domain_device_dimm(action->step->size, node_of(action), action->slot, action->alias);
}

static gboolean
plug_dimm(Action *action, GError **error)
{
    if (attach_new(action, DOMAIN_DEVICE_DIMM, dimm_of, error))
        return TRUE;
    g_prefix_error(error, "cannot attach a DIMM: ");
    return FALSE;
}

static gboolean
unplug_dimm(Action *action, GError **error)
{
    return virDomainDetachDeviceAlias(action->domain, action->step->device,
                                      VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           libvirt_error_take("cannot detach the DIMM", error);
}

static gboolean
resize_virtio_mem(Action *action, GError **error)
{
    g_autofree char *element =
        domain_device_with_requested(action->xml, action->step->device, action->step->size, error);

    if (!element)
        return FALSE;
    return virDomainUpdateDeviceFlags(action->domain, element, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           libvirt_error_take("cannot resize the virtio-mem device", error);
}

/* libvirt hands the size to QEMU's balloon as it is, which counts boot memory and DIMMs. */
static gboolean
set_balloon(Action *action, GError **error)
{
    guint64 fillable = action->memory->boot + guest_memory_dimms(action->memory) + action->lost;

    if (action->step->size >= fillable) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "the balloon cannot hold all of the guest's memory");
        return FALSE;
    }
    return virDomainSetMemoryFlags(action->domain, (fillable - action->step->size) / 1024,
                                   VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           libvirt_error_take("cannot set the balloon", error);
}

static char *
virtio_mem_of(Action *action)
{
    return domain_device_virtio_mem(action->step->size, VIRTIO_MEM_BLOCK, node_of(action),
                                    action->alias);
}

static gboolean
plug_virtio_mem(Action *action, GError **error)
{
    if (attach_new(action, DOMAIN_DEVICE_VIRTIO_MEM, virtio_mem_of, error))
        return TRUE;
    if (error && strstr((*error)->message, "PCI"))
        g_prefix_error(error,
                       "cannot attach a virtio-mem device: no PCIe root port is free ('memplug "
                       "setup' adds some): ");
    else
        g_prefix_error(error, "cannot attach a virtio-mem device: ");
    return FALSE;
}

static gboolean (*const actions[])(Action *action, GError **error) = {
    [MEMORY_STEP_PLUG_DIMM] = plug_dimm,
    [MEMORY_STEP_UNPLUG_DIMM] = unplug_dimm,
    [MEMORY_STEP_RESIZE_VIRTIO_MEM] = resize_virtio_mem,
    [MEMORY_STEP_SET_BALLOON] = set_balloon,
    [MEMORY_STEP_PLUG_VIRTIO_MEM] = plug_virtio_mem,
};

static void
action_clear(Action *action)
{
    g_clear_pointer(&action->xml, libvirt_string_free);
    g_clear_pointer(&action->memory, guest_memory_free);
    g_clear_pointer(&action->alias, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Action, action_clear)

gboolean
libvirt_act(virDomainPtr domain, const MemoryStep *step, guint64 lost, char **alias, GError **error)
{
    g_auto(Action) action = { .domain = domain, .step = step, .lost = lost, .slot = -1 };
    LibvirtJob job;

    if (!libvirt_look_job(domain, &job, error))
        return FALSE;
    if (job != LIBVIRT_JOB_NONE) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "%s", libvirt_job_describe(job));
        return FALSE;
    }
    action.xml = virDomainGetXMLDesc(domain, 0);
    if (!action.xml)
        return libvirt_error_take(NULL, error);
    action.memory = domain_memory_read(action.xml, error);
    if (!action.memory || !actions[step->kind](&action, error))
        return FALSE;
    *alias = g_steal_pointer(&action.alias);
    return TRUE;
}
