/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A LibvirtGuest's stats channel is opened.
 */
#pragma once

#include "hypervisor/guest.h"

/* That operation of Guest. */
void libvirt_opening_class_init(GuestClass *class);
