/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A Hypervisor whose guests are the test's: it reads their statistics when it
 * is told to collect, and ends at once. */
#pragma once

#include "hypervisor/hypervisor.h"
#include "tests/fake/fake-guest.h"

#define TYPE_FAKE_HYPERVISOR (fake_hypervisor_get_type())
G_DECLARE_FINAL_TYPE(FakeHypervisor, fake_hypervisor, MEMPLUG, FAKE_HYPERVISOR, Hypervisor)

FakeHypervisor *fake_hypervisor_new(void);

/* Announces @guest (transfer full), which from now on uses @used bytes. Returns: a number for
 * fake_hypervisor_use() and fake_hypervisor_remove(). */
guint fake_hypervisor_add(FakeHypervisor *hypervisor, FakeGuest *guest, guint64 used);

/* Guest @number uses @used bytes from its next answer on. */
void fake_hypervisor_use(FakeHypervisor *hypervisor, guint number, guint64 used);

/* Lets guest @number go; the numbers of later ones move down. */
void fake_hypervisor_remove(FakeHypervisor *hypervisor, guint number);
