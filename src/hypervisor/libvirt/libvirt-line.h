/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to one domain: its handle, as long as there is a connection, and the
 * requests about it, each in a thread.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-request.h"

/* How long things are waited for. */
typedef struct {
    guint look_ms;   /* for what libvirt knows by itself */
    guint act_ms;    /* for an order to be taken */
    guint define_ms; /* for changes of a definition */
    guint hang_ms;   /* for a command in its monitor, until its QEMU counts as hanging */
} LibvirtLineTuning;

/* What the connection is like at present. */
typedef struct {
    gboolean read_only;
    gboolean hears_ost; /* LIBVIRT_EVENT_OST comes */
} LibvirtTerms;

#define LIBVIRT_READ_ONLY "libvirt lets memplug only look (read-only connection)"

typedef struct LibvirtLine LibvirtLine;

/*
 * libvirt_line_new:
 * @workers: outlive the line's being open
 * @tuning: outlives the line
 * @on_probed: an answer of libvirt_line_probe() has come
 */
LibvirtLine *libvirt_line_new(const char *uuid, LibvirtWorkers *workers,
                              const LibvirtLineTuning *tuning,
                              void (*on_probed)(gpointer user_data), gpointer user_data);
LibvirtLine *libvirt_line_ref(LibvirtLine *line);
void libvirt_line_unref(LibvirtLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtLine, libvirt_line_unref)

/* @domain is its handle from now on; NULL: there is no connection. */
void libvirt_line_take_domain(LibvirtLine *line, virDomainPtr domain, const LibvirtTerms *terms);

/* For good; all that is in flight ends with G_IO_ERROR_CLOSED. */
void libvirt_line_close(LibvirtLine *line);
gboolean libvirt_line_is_closed(const LibvirtLine *line);

/* Returns: (transfer none) (nullable): the handle. */
virDomainPtr libvirt_line_get_domain(const LibvirtLine *line);
const LibvirtTerms *libvirt_line_get_terms(const LibvirtLine *line);

typedef enum {
    LIBVIRT_LINE_LOOK,   /* waits for nobody */
    LIBVIRT_LINE_ORDER,  /* may wait for the domain's QEMU */
    LIBVIRT_LINE_DEFINE, /* the same */
    LIBVIRT_LINE_PLAN,   /* the same, and changes nothing */
    LIBVIRT_LINE_OPEN,   /* waits for nobody, but is not for who may only look */
} LibvirtLineUse;

/*
 * libvirt_line_begin:
 * @error: (nullable): G_IO_ERROR_CLOSED, _NOT_CONNECTED; _TIMED_OUT if @use may wait for
 *   a QEMU that hangs, _PERMISSION_DENIED if it would change something and libvirt lets
 *   memplug only look
 *
 * Returns: (transfer full): a request to be filled in for libvirt_line_send(); NULL
 *   with @error set.
 */
LibvirtRequest *libvirt_line_begin(LibvirtLine *line, LibvirtLineUse use, GError **error);

/* Requests of one use run one after the other. @callback may be NULL. */
void libvirt_line_send(LibvirtLine *line, LibvirtLineUse use, const LibvirtWorkKind *kind,
                       LibvirtRequest *request, GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): what the request returned; NULL with @error set. */
gpointer libvirt_line_finish(LibvirtLine *line, GAsyncResult *result, GError **error);

/* Finds out, by a call that waits for nobody, whether the domain's monitor answers. */
void libvirt_line_probe(LibvirtLine *line);

/* Returns: whether its QEMU hangs, as far as was probed. */
gboolean libvirt_line_hangs(const LibvirtLine *line);

/* Returns: for how long a command had been in the domain's monitor, or that had been
 *   broken, when it was probed last; 0: neither. */
guint libvirt_line_occupied_ms(const LibvirtLine *line);

/* Returns: whether a request did not end in time, and the domain was not probed since. */
gboolean libvirt_line_is_suspect(const LibvirtLine *line);
