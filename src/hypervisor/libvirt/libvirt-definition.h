/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a LibvirtGuest has to do with its domain's definition: the limits in its
 * metadata, the memory it starts with, and what memplug needs in it.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-guest.h"

/* Those operations of Guest that change a definition. */
void libvirt_definition_class_init(GuestClass *class);

/* @metadata: (nullable): what the domain has of ours. A bad value is told of, and changes
 * nothing. */
void libvirt_definition_take_metadata(LibvirtGuest *guest, const char *metadata);

/* The same of the word that it brought. */
void libvirt_definition_take_word(LibvirtGuest *guest, const char *text);

/* Its limits, once libvirt has been asked for it. */
void libvirt_definition_read_metadata(LibvirtGuest *guest);
