/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests for looking, for orders and probes are in three queues of a domain's own, so
 * that it can be observed while an order is on its way, and probed while either
 * hangs; and so that it occupies three threads at most. Nothing is ordered of a domain
 * whose QEMU hangs: it would only take one more of them.
 */
#include "hypervisor/libvirt/libvirt-line.h"

enum { QUEUE_LOOK, QUEUE_ORDER, QUEUE_PROBE, N_QUEUES };

static const struct {
    gsize queue;
    gsize deadline; /* a member of LibvirtLineTuning */
    gboolean changes;
} uses[] = {
    [LIBVIRT_LINE_LOOK] = { QUEUE_LOOK, G_STRUCT_OFFSET(LibvirtLineTuning, look_ms), FALSE },
    [LIBVIRT_LINE_ORDER] = { QUEUE_ORDER, G_STRUCT_OFFSET(LibvirtLineTuning, act_ms), TRUE },
    [LIBVIRT_LINE_DEFINE] = { QUEUE_ORDER, G_STRUCT_OFFSET(LibvirtLineTuning, define_ms), TRUE },
    [LIBVIRT_LINE_PLAN] = { QUEUE_ORDER, G_STRUCT_OFFSET(LibvirtLineTuning, define_ms), FALSE },
    [LIBVIRT_LINE_OPEN] = { QUEUE_LOOK, G_STRUCT_OFFSET(LibvirtLineTuning, look_ms), TRUE },
};

struct LibvirtLine {
    guint references; /* of the main context */
    LibvirtWorkers *workers;
    const LibvirtLineTuning *tuning;
    void (*on_probed)(gpointer user_data);
    gpointer user_data;
    char *keys[N_QUEUES];

    virDomainPtr domain;
    LibvirtTerms terms;
    gboolean closed;

    gboolean suspect;
    gboolean probing;
    guint occupied_ms;
    gint64 broken_us; /* since when its monitor is broken; 0: it is not */
};

LibvirtRequest *
libvirt_line_begin(LibvirtLine *line, LibvirtLineUse use, GError **error)
{
    if (line->closed) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the guest is gone");
        return NULL;
    }
    if (!line->domain) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
                            "there is no connection to libvirt");
        return NULL;
    }
    if (uses[use].queue == QUEUE_ORDER && libvirt_line_hangs(line)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "its QEMU does not answer");
        return NULL;
    }
    if (uses[use].changes && line->terms.read_only) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, LIBVIRT_READ_ONLY);
        return NULL;
    }
    return libvirt_request_new(line->domain);
}

void
libvirt_line_send(LibvirtLine *line, LibvirtLineUse use, const LibvirtWorkKind *kind,
                  LibvirtRequest *request, GAsyncReadyCallback callback, gpointer user_data)
{
    libvirt_workers_run_async(line->workers, line->keys[uses[use].queue],
                              G_STRUCT_MEMBER(guint, line->tuning, uses[use].deadline), kind,
                              request, NULL, callback, user_data);
}

gpointer
libvirt_line_finish(LibvirtLine *line, GAsyncResult *result, GError **error)
{
    g_autoptr(GError) local = NULL;
    gpointer returned = libvirt_workers_run_finish(result, &local);

    if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
        line->suspect = TRUE;
    if (line->closed && local)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the guest is gone");
    else if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    return returned;
}

/*
 * Probing
 */

/*
 * A monitor is broken for a moment each time that a QEMU ends, before libvirt has told
 * the end: it is like a command in it that began when it was seen so first.
 */
static guint
occupied(LibvirtLine *line, guint ms)
{
    gint64 now = g_get_monotonic_time();

    if (ms != G_MAXUINT) {
        line->broken_us = 0;
        return ms;
    }
    if (line->broken_us == 0)
        line->broken_us = now;
    return (guint)((now - line->broken_us) / 1000) + 1;
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtLine) line = data;
    g_autofree guint *occupied_ms = libvirt_workers_run_finish(result, NULL);

    line->probing = FALSE;
    if (!occupied_ms || line->closed)
        return;
    line->suspect = FALSE;
    line->occupied_ms = occupied(line, *occupied_ms);
    line->on_probed(line->user_data);
}

void
libvirt_line_probe(LibvirtLine *line)
{
    LibvirtRequest *request =
        line->probing ? NULL : libvirt_line_begin(line, LIBVIRT_LINE_LOOK, NULL);

    if (!request)
        return;
    line->probing = TRUE;
    libvirt_workers_run_async(line->workers, line->keys[QUEUE_PROBE], line->tuning->look_ms,
                              &libvirt_request_occupied, request, NULL, on_answer,
                              libvirt_line_ref(line));
}

gboolean
libvirt_line_hangs(const LibvirtLine *line)
{
    return line->occupied_ms >= line->tuning->hang_ms;
}

guint
libvirt_line_occupied_ms(const LibvirtLine *line)
{
    return line->occupied_ms;
}

gboolean
libvirt_line_is_suspect(const LibvirtLine *line)
{
    return line->suspect;
}

/*
 * Life
 */

void
libvirt_line_take_domain(LibvirtLine *line, virDomainPtr domain, const LibvirtTerms *terms)
{
    if (domain)
        virDomainRef(domain);
    if (line->domain)
        virDomainFree(line->domain);
    line->domain = domain;
    line->terms = terms ? *terms : (LibvirtTerms){ FALSE, FALSE };
}

void
libvirt_line_close(LibvirtLine *line)
{
    line->closed = TRUE;
    for (gsize i = 0; i < N_QUEUES; i++)
        libvirt_workers_drop(line->workers, line->keys[i]);
    libvirt_line_take_domain(line, NULL, NULL);
}

gboolean
libvirt_line_is_closed(const LibvirtLine *line)
{
    return line->closed;
}

virDomainPtr
libvirt_line_get_domain(const LibvirtLine *line)
{
    return line->domain;
}

const LibvirtTerms *
libvirt_line_get_terms(const LibvirtLine *line)
{
    return &line->terms;
}

LibvirtLine *
libvirt_line_new(const char *uuid, LibvirtWorkers *workers, const LibvirtLineTuning *tuning,
                 void (*on_probed)(gpointer user_data), gpointer user_data)
{
    static const char *const names[N_QUEUES] = { "look", "order", "probe" };
    LibvirtLine *line = g_new0(LibvirtLine, 1);

    line->references = 1;
    line->workers = workers;
    line->tuning = tuning;
    line->on_probed = on_probed;
    line->user_data = user_data;
    for (gsize i = 0; i < N_QUEUES; i++)
        line->keys[i] = g_strdup_printf("%s %s", uuid, names[i]);
    return line;
}

LibvirtLine *
libvirt_line_ref(LibvirtLine *line)
{
    line->references++;
    return line;
}

void
libvirt_line_unref(LibvirtLine *line)
{
    if (--line->references > 0)
        return;
    libvirt_line_take_domain(line, NULL, NULL);
    for (gsize i = 0; i < N_QUEUES; i++)
        g_free(line->keys[i]);
    g_free(line);
}
