/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The events of libvirt that concern a guest's memory, all of one shape.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef enum {
    LIBVIRT_EVENT_LIFECYCLE,      /* @number: virDomainEventType, @detail: as there */
    LIBVIRT_EVENT_REBOOT,         /* the guest restarts in its QEMU */
    LIBVIRT_EVENT_SIZE_CHANGED,   /* balloon, or the virtio-mem device @text */
    LIBVIRT_EVENT_DEVICE_ADDED,   /* @text: its alias */
    LIBVIRT_EVENT_DEVICE_REMOVED, /* @text: its alias */
    LIBVIRT_EVENT_DEVICE_KEPT,    /* @text: its alias; the guest would not let it go */
    LIBVIRT_EVENT_OST,            /* the guest reports (ACPI _OST) about the DIMM @text;
                                   * @number: the report's source, @detail: its status */
    LIBVIRT_EVENT_AGENT,          /* the QEMU guest agent came or went */
    LIBVIRT_EVENT_JOB_GOES_ON,
    LIBVIRT_EVENT_JOB_ENDED,
    LIBVIRT_EVENT_METADATA, /* @text: the namespace of what has changed, or NULL */
} LibvirtEventKind;

typedef struct {
    LibvirtEventKind kind;
    virDomainPtr domain; /* borrowed */
    int number;
    int detail;
    const char *text;
} LibvirtEvent;

typedef struct LibvirtEvents LibvirtEvents;

typedef void (*LibvirtEventFunc)(const LibvirtEvent *event, gpointer user_data);

/* @func is called in the default main context, once libvirt's event loop is that. */
LibvirtEvents *libvirt_events_new(LibvirtEventFunc func, gpointer user_data);
void libvirt_events_unref(LibvirtEvents *events);

/* @func is not called any more. In the default main context. */
void libvirt_events_mute(LibvirtEvents *events);

/* Blocks, so it is for a thread. What this libvirt does not know is left out. */
void libvirt_events_register(LibvirtEvents *events, virConnectPtr connection);

/* Blocks as well. The connection could not be freed without. */
void libvirt_events_deregister(LibvirtEvents *events, virConnectPtr connection);

/* Returns: whether LIBVIRT_EVENT_OST is among what was registered. */
gboolean libvirt_events_hear_ost(const LibvirtEvents *events);
