/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A LibvirtStream as GLib's streams. Both ends are pollable, so that read_async() and
 * write_async() take no thread; closing never blocks.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-stream.h"

#define TYPE_LIBVIRT_CHANNEL (libvirt_channel_get_type())
G_DECLARE_FINAL_TYPE(LibvirtChannel, libvirt_channel, MEMPLUG, LIBVIRT_CHANNEL, GIOStream)

/* It is closed with the channel, whoever else has it. */
GIOStream *libvirt_channel_new(LibvirtStream *stream);
