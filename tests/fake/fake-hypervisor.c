/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fake-hypervisor.h"

typedef struct {
    FakeGuest *guest;
    guint64 used;
} Inhabitant;

struct _FakeHypervisor {
    Hypervisor parent;
    GArray *inhabitants;
    guint64 update_s;
};

G_DEFINE_TYPE(FakeHypervisor, fake_hypervisor, TYPE_HYPERVISOR)

static gboolean
fake_hypervisor_start(Hypervisor *base, GError **error)
{
    return TRUE;
}

static void
fake_hypervisor_collect_async(Hypervisor *base, guint deadline_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    FakeHypervisor *hypervisor = MEMPLUG_FAKE_HYPERVISOR(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);

    hypervisor->update_s++;
    for (guint i = 0; i < hypervisor->inhabitants->len; i++) {
        const Inhabitant *one = &g_array_index(hypervisor->inhabitants, Inhabitant, i);

        fake_guest_answer(one->guest, one->used, hypervisor->update_s);
    }
    g_task_return_boolean(task, TRUE);
}

static gboolean
fake_hypervisor_collect_finish(Hypervisor *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

FakeHypervisor *
fake_hypervisor_new(void)
{
    return g_object_new(TYPE_FAKE_HYPERVISOR, "uri", "fake:", NULL);
}

guint
fake_hypervisor_add(FakeHypervisor *hypervisor, FakeGuest *guest, guint64 used)
{
    const Inhabitant one = { guest, used };

    g_array_append_val(hypervisor->inhabitants, one);
    hypervisor_emit_guest_added(MEMPLUG_HYPERVISOR(hypervisor), MEMPLUG_GUEST(guest));
    return hypervisor->inhabitants->len - 1;
}

void
fake_hypervisor_use(FakeHypervisor *hypervisor, guint number, guint64 used)
{
    g_array_index(hypervisor->inhabitants, Inhabitant, number).used = used;
}

void
fake_hypervisor_remove(FakeHypervisor *hypervisor, guint number)
{
    g_autoptr(FakeGuest) guest =
        g_object_ref(g_array_index(hypervisor->inhabitants, Inhabitant, number).guest);

    g_array_remove_index(hypervisor->inhabitants, number);
    hypervisor_emit_guest_removed(MEMPLUG_HYPERVISOR(hypervisor), MEMPLUG_GUEST(guest));
}

static void
clear_inhabitant(gpointer data)
{
    g_object_unref(((Inhabitant *)data)->guest);
}

static void
fake_hypervisor_finalize(GObject *object)
{
    g_array_unref(MEMPLUG_FAKE_HYPERVISOR(object)->inhabitants);
    G_OBJECT_CLASS(fake_hypervisor_parent_class)->finalize(object);
}

static void
fake_hypervisor_class_init(FakeHypervisorClass *class)
{
    HypervisorClass *hypervisor_class = MEMPLUG_HYPERVISOR_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = fake_hypervisor_finalize;
    hypervisor_class->start = fake_hypervisor_start;
    hypervisor_class->collect_async = fake_hypervisor_collect_async;
    hypervisor_class->collect_finish = fake_hypervisor_collect_finish;
}

static void
fake_hypervisor_init(FakeHypervisor *hypervisor)
{
    hypervisor->inhabitants = g_array_new(FALSE, FALSE, sizeof(Inhabitant));
    g_array_set_clear_func(hypervisor->inhabitants, clear_inhabitant);
}
