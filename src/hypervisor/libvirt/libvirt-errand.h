/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An operation of Guest that is one request to its domain: from the caller's GTask to
 * the thread, and back.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-guest.h"

typedef struct {
    LibvirtLineUse use;
    const LibvirtWorkKind *request;
    /*
     * (nullable): the request has ended.
     * @about: the task's data
     * @returned: (transfer full): by the request; NULL with @error set
     *
     * Returns: (transfer full): what the caller gets; not looked at if @error is set.
     */
    gpointer (*ended)(LibvirtGuest *guest, gpointer about, gpointer returned, const GError *error);
    GDestroyNotify free_result; /* (nullable): if the caller does not want it any more */
} LibvirtErrand;

/*
 * libvirt_errand_begin:
 * @task: of a LibvirtGuest
 *
 * Returns: (transfer full) (nullable): a request to be filled in for
 *   libvirt_errand_send(); if there can be none, @task has ended with the reason.
 */
LibvirtRequest *libvirt_errand_begin(const LibvirtErrand *errand, GTask *task);

/* @request and @task: (transfer full); @errand is static. */
void libvirt_errand_send(const LibvirtErrand *errand, LibvirtRequest *request, GTask *task);

/* The ends of an operation, as Guest's class wants them. Returns: what the errand did. */
gpointer libvirt_errand_finish(Guest *guest, GAsyncResult *result, GError **error);
gboolean libvirt_errand_finish_boolean(Guest *guest, GAsyncResult *result, GError **error);
