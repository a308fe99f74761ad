/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits are those of the domain's metadata, read when the guest appears and when an
 * event says that they changed. When memplug changes them itself it does not wait for
 * that event: once libvirt has taken them they are in force.
 */
#include "hypervisor/libvirt/libvirt-definition.h"

#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/domain-word.h"
#include "hypervisor/libvirt/libvirt-errand.h"

/*
 * Limits
 */

void
libvirt_definition_take_metadata(LibvirtGuest *guest, const char *metadata)
{
    const char *name = guest_get_name(MEMPLUG_GUEST(guest));
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { 0 };

    if (domain_metadata_read(metadata, name, &limits, &error))
        guest_take_limits(MEMPLUG_GUEST(guest), &limits);
    else
        g_warning("%s; its limits stay as they were", error->message);
}

static void
on_metadata(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) guest = data;
    LibvirtLine *line = libvirt_guest_get_line(guest);
    g_autoptr(GError) error = NULL;
    g_autofree char *metadata = libvirt_line_finish(line, result, &error);

    if (metadata)
        libvirt_definition_take_metadata(guest, metadata);
    else if (!libvirt_line_is_closed(line))
        g_warning("%s: its limits cannot be read: %s", guest_get_name(MEMPLUG_GUEST(guest)),
                  error->message);
}

void
libvirt_definition_read_metadata(LibvirtGuest *guest)
{
    LibvirtLine *line = libvirt_guest_get_line(guest);
    LibvirtRequest *request = libvirt_line_begin(line, LIBVIRT_LINE_LOOK, NULL);

    if (request)
        libvirt_line_send(line, LIBVIRT_LINE_LOOK, &libvirt_request_metadata, request, on_metadata,
                          g_object_ref(guest));
}

/*
 * What it is held at: written to the running domain only, where a migration or a restore
 * takes it along. It is read only when the domain appears, since nobody else writes it.
 */

void
libvirt_definition_take_word(LibvirtGuest *guest, const char *text)
{
    g_autoptr(GError) error = NULL;
    GuestWord word = { 0 };

    if (domain_word_read(text, &word, &error))
        guest_take_word(MEMPLUG_GUEST(guest), &word);
    else
        g_warning("%s: metadata " DOMAIN_WORD_URI ": %s; not regarded",
                  guest_get_name(MEMPLUG_GUEST(guest)), error->message);
}

typedef struct {
    LibvirtGuest *guest;
    GuestWord word;
} Keeping;

static void
on_word_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Keeping *keeping = data;
    g_autoptr(LibvirtGuest) guest = keeping->guest;
    LibvirtLine *line = libvirt_guest_get_line(guest);
    g_autoptr(GError) error = NULL;

    if (libvirt_line_finish(line, result, &error))
        guest_take_word(MEMPLUG_GUEST(guest), &keeping->word);
    else if (!libvirt_line_is_closed(line))
        g_message("%s: %s", guest_get_name(MEMPLUG_GUEST(guest)), error->message);
}

static void
keep_word(Guest *guest, const GuestWord *word)
{
    LibvirtLine *line = libvirt_guest_get_line(MEMPLUG_LIBVIRT_GUEST(guest));
    LibvirtRequest *request = libvirt_line_begin(line, LIBVIRT_LINE_DEFINE, NULL);
    Keeping *keeping;

    if (!request)
        return;
    request->word = *word;
    keeping = g_new(Keeping, 1);
    *keeping = (Keeping){ MEMPLUG_LIBVIRT_GUEST(g_object_ref(guest)), *word };
    libvirt_line_send(line, LIBVIRT_LINE_DEFINE, &libvirt_request_word, request, on_word_kept,
                      keeping);
}

/*
 * Changes of the limits
 */

static gpointer
limits_stored(LibvirtGuest *guest, gpointer live, gpointer returned, const GError *error)
{
    if (!error && live)
        guest_take_limits(MEMPLUG_GUEST(guest), live);
    return returned;
}

static const LibvirtErrand store_limits = { LIBVIRT_LINE_DEFINE, &libvirt_request_limits,
                                            limits_stored, NULL };

static void
change_limits_async(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    const GuestLimits limits = guest_limits_change(guest_get_limits(guest), change, unset);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = libvirt_errand_begin(&store_limits, task);

    if (!request)
        return;
    request->limits = limits;
    request->change = *change;
    request->unset = unset;
    request->scope = scope;
    if (scope == GUEST_SCOPE_ALL || scope & GUEST_SCOPE_LIVE)
        g_task_set_task_data(task, g_memdup2(&limits, sizeof(limits)), g_free);
    libvirt_errand_send(&store_limits, request, g_steal_pointer(&task));
}

/*
 * Memory and what memplug needs
 */

static const LibvirtErrand store_memory = { LIBVIRT_LINE_DEFINE, &libvirt_request_memory, NULL,
                                            NULL };

static void
store_memory_async(Guest *guest, guint64 size, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = libvirt_errand_begin(&store_memory, task);

    if (!request)
        return;
    request->size = size;
    libvirt_errand_send(&store_memory, request, g_steal_pointer(&task));
}

static const LibvirtErrand plan = { LIBVIRT_LINE_PLAN, &libvirt_request_setup, NULL,
                                    (GDestroyNotify)guest_setup_plan_free };
static const LibvirtErrand set_up = { LIBVIRT_LINE_DEFINE, &libvirt_request_setup, NULL,
                                      (GDestroyNotify)guest_setup_plan_free };

static void
setup_async(Guest *guest, const GuestSetup *wanted, gboolean apply, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
    const LibvirtErrand *errand = apply ? &set_up : &plan;
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = libvirt_errand_begin(errand, task);

    if (!request)
        return;
    request->setup = *wanted;
    request->apply = apply;
    libvirt_errand_send(errand, request, g_steal_pointer(&task));
}

static GuestSetupPlan *
setup_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return libvirt_errand_finish(guest, result, error);
}

void
libvirt_definition_class_init(GuestClass *class)
{
    class->change_limits_async = change_limits_async;
    class->change_limits_finish = libvirt_errand_finish_boolean;
    class->keep_word = keep_word;
    class->store_memory_async = store_memory_async;
    class->store_memory_finish = libvirt_errand_finish_boolean;
    class->setup_async = setup_async;
    class->setup_finish = setup_finish;
}
