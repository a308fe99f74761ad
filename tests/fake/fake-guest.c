/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/fake-guest.h"

#include <gio/gunixconnection.h>
#include <sys/socket.h>

#define VIRTIO_MEM_BLOCK (G_GUINT64_CONSTANT(2) << 20)

G_DEFINE_TYPE(FakeGuest, fake_guest, TYPE_GUEST)

static MemoryDevice *
add_device(FakeGuest *guest, MemoryDeviceKind kind, const char *id, guint64 size)
{
    GuestMemory *memory = &guest->memory;
    MemoryDevice *device;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    device = &memory->devices[memory->n_devices++];
    *device = (MemoryDevice){
        .id = g_strdup(id), .kind = kind, .ours = TRUE, .size = size, .requested = size
    };
    return device;
}

static void
remove_device(FakeGuest *guest, guint index)
{
    GuestMemory *memory = &guest->memory;
    g_autofree char *id = memory->devices[index].id;
    const GuestMemoryEvent event = { GUEST_MEMORY_EVENT_UNPLUGGED, id, NULL };

    memory->n_devices--;
    for (guint i = index; i < memory->n_devices; i++)
        memory->devices[i] = memory->devices[i + 1];
    guest_emit_memory_event(MEMPLUG_GUEST(guest), &event);
}

void
fake_guest_move(FakeGuest *guest)
{
    GuestMemory *memory = &guest->memory;
    guint64 most = guest->manners.balloon_most;

    memory->ballooned = most > 0 ? MIN(memory->balloon_requested, most) : memory->balloon_requested;
    for (guint i = memory->n_devices; i-- > 0;) {
        MemoryDevice *device = &memory->devices[i];

        device->acknowledged = TRUE;
        if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
            device->size =
                MAX(device->requested, MIN(device->size, guest->manners.virtio_mem_keeps));
        else if (device->removing && !guest->manners.silent_unplug)
            remove_device(guest, i);
    }
}

static void
fake_guest_observe_async(Guest *base, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);

    guest->observed++;
    g_task_return_pointer(task, guest_memory_copy(&guest->memory),
                          (GDestroyNotify)guest_memory_free);
}

static GuestMemory *
fake_guest_observe_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
carry_out(FakeGuest *guest, const MemoryStep *step)
{
    static guint plugged;
    g_autofree char *id = NULL;
    MemoryDevice *device = NULL;

    if (step->device)
        device = (MemoryDevice *)guest_memory_find(&guest->memory, step->device);
    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        id = g_strdup_printf(MEMORY_DEVICE_ID_PREFIX "dimm%u", plugged++);
        add_device(guest, MEMORY_DEVICE_DIMM, id, step->size);
        break;
    case MEMORY_STEP_UNPLUG_DIMM:
        if (guest->manners.refuses_unplug) {
            const GuestMemoryEvent event = { GUEST_MEMORY_EVENT_UNPLUG_REFUSED, step->device,
                                             "the device is in use" };

            guest_emit_memory_event(MEMPLUG_GUEST(guest), &event);
        } else {
            device->removing = TRUE;
        }
        break;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        device->requested = step->size;
        break;
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        fake_guest_add_virtio_mem(guest, step->size);
        break;
    case MEMORY_STEP_SET_BALLOON:
        guest->memory.balloon_requested = step->size;
        break;
    }
    if (!guest->manners.holds_still)
        fake_guest_move(guest);
}

static gboolean
end_order(gpointer data)
{
    g_autoptr(GTask) task = data;
    FakeGuest *guest = g_task_get_source_object(task);

    guest->in_flight--;
    if (guest->manners.fails)
        g_task_return_new_error(task, G_IO_ERROR,
                                guest->manners.fails_with ? guest->manners.fails_with
                                                          : G_IO_ERROR_FAILED,
                                "%s", guest->manners.fails);
    else
        g_task_return_boolean(task, TRUE);
    return G_SOURCE_REMOVE;
}

static void
fake_guest_act_async(Guest *base, const MemoryStep *step, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    GTask *task = g_task_new(base, cancellable, callback, user_data);

    guest->ordered++;
    guest->in_flight++;
    guest->most_in_flight = MAX(guest->most_in_flight, guest->in_flight);
    if (!guest->manners.fails)
        carry_out(guest, step);
    g_idle_add(end_order, task);
}

static gboolean
fake_guest_act_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
fake_guest_set_stats_period(Guest *base, guint period_s)
{
    MEMPLUG_FAKE_GUEST(base)->period_s = period_s;
}

static void
fake_guest_change_limits_async(Guest *base, const GuestLimits *change, guint unset, guint scope,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);

    guest->stored = guest_limits_change(guest_get_limits(base), change, unset);
    guest->stored_scope = scope;
    guest_take_limits(base, &guest->stored);
    g_task_return_boolean(task, TRUE);
}

static gboolean
fake_guest_change_limits_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
fake_guest_store_memory_async(Guest *base, guint64 size, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);

    MEMPLUG_FAKE_GUEST(base)->stored_memory = size;
    g_task_return_boolean(task, TRUE);
}

static gboolean
fake_guest_store_memory_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Returns: FALSE if @task has ended: nothing keeps the guest's definition. */
static gboolean
has_definition(FakeGuest *guest, GTask *task)
{
    if (!guest->can_be_set_up)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "it has no definition");
    return guest->can_be_set_up;
}

static void
fake_guest_describe_async(Guest *base, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);
    GuestFacts *facts;

    if (!has_definition(guest, task))
        return;
    facts = g_new0(GuestFacts, 1);
    facts->kind = GUEST_FACTS_LIBVIRT;
    facts->name = g_strdup(guest_get_name(base));
    facts->memory = guest_memory_copy(&guest->memory);
    g_task_return_pointer(task, facts, (GDestroyNotify)guest_facts_free);
}

static GuestFacts *
fake_guest_describe_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
fake_guest_setup_async(Guest *base, const GuestSetup *wanted, gboolean apply,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    static const char *const done[] = { "the balloon tells its statistics", NULL };
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);
    GuestSetupPlan *plan;

    if (!has_definition(guest, task))
        return;
    guest->setup = *wanted;
    guest->setups_applied += apply;
    plan = g_new0(GuestSetupPlan, 1);
    plan->before = g_strdup("<domain/>\n");
    plan->after = g_strdup("<domain><maxMemory/></domain>\n");
    plan->done = apply ? g_strdupv((char **)done) : NULL;
    plan->restart = TRUE;
    g_task_return_pointer(task, plan, (GDestroyNotify)guest_setup_plan_free);
}

static GuestSetupPlan *
fake_guest_setup_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
fake_guest_open_channel_async(Guest *base, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
    FakeGuest *guest = MEMPLUG_FAKE_GUEST(base);
    g_autoptr(GTask) task = g_task_new(base, cancellable, callback, user_data);

    guest->channel_tries++;
    if (guest->channel)
        g_task_return_pointer(task, g_steal_pointer(&guest->channel), g_object_unref);
    else
        g_task_return_new_error(task, G_IO_ERROR,
                                guest->channel_error ? guest->channel_error : G_IO_ERROR_NOT_FOUND,
                                "no channel");
}

static GIOStream *
fake_guest_open_channel_finish(Guest *base, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

int
fake_guest_give_channel(FakeGuest *guest)
{
    g_autoptr(GSocket) socket = NULL;
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), ==,
                    0);
    socket = g_socket_new_from_fd(ends[0], NULL);
    g_clear_object(&guest->channel);
    guest->channel = G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
    return ends[1];
}

FakeGuest *
fake_guest_new(const char *name, guint64 boot, guint64 max, guint slots, gboolean balloon)
{
    g_autofree char *instance = g_strdup_printf("%s@1-1", name);
    FakeGuest *guest =
        g_object_new(TYPE_FAKE_GUEST, "name", name, "instance", instance, "pid", 1, NULL);

    guest->memory =
        (GuestMemory){ .boot = boot, .max = max, .slots = slots, .has_balloon = balloon };
    return guest;
}

FakeGuest *
fake_guest_new_of_lineage(const char *name, const char *lineage, guint run, gboolean continues,
                          guint64 boot)
{
    g_autofree char *instance = g_strdup_printf("%s@%u", lineage, run);
    FakeGuest *guest = g_object_new(TYPE_FAKE_GUEST, "name", name, "instance", instance, "lineage",
                                    lineage, "continues", continues, "pid", 1, NULL);

    guest->memory = (GuestMemory){ .boot = boot, .max = boot, .has_balloon = TRUE };
    return guest;
}

void
fake_guest_add_virtio_mem(FakeGuest *guest, guint64 max)
{
    MemoryDevice *device = add_device(guest, MEMORY_DEVICE_VIRTIO_MEM, "vm0", 0);

    device->max = max;
    device->block = VIRTIO_MEM_BLOCK;
    guest->memory.max = MAX(guest->memory.max, guest->memory.boot + max);
}

void
fake_guest_add_dimm(FakeGuest *guest, const char *id, guint64 size, gboolean ours)
{
    MemoryDevice *device = add_device(guest, MEMORY_DEVICE_DIMM, id, size);

    device->acknowledged = TRUE;
    device->ours = ours;
}

void
fake_guest_answer(FakeGuest *guest, guint64 used, guint64 update_s)
{
    guint64 actual = guest_memory_actual(&guest->memory);
    BalloonStats stats = { .last_update_s = update_s };

    for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
        stats.values[i] = BALLOON_STAT_MISSING;
    stats.values[BALLOON_STAT_TOTAL] = actual;
    stats.values[BALLOON_STAT_AVAILABLE] = actual - MIN(actual, used);
    stats.values[BALLOON_STAT_FREE] = actual - MIN(actual, used);
    guest_emit_stats(MEMPLUG_GUEST(guest), &stats);
}

static void
fake_guest_finalize(GObject *object)
{
    guest_memory_clear(&MEMPLUG_FAKE_GUEST(object)->memory);
    g_clear_object(&MEMPLUG_FAKE_GUEST(object)->channel);
    G_OBJECT_CLASS(fake_guest_parent_class)->finalize(object);
}

static void
fake_guest_keep_word(Guest *guest, const GuestWord *word)
{
    FakeGuest *fake = MEMPLUG_FAKE_GUEST(guest);

    fake->words_asked++;
    if (!fake->keeps_no_word)
        guest_take_word(guest, word);
}

static void
fake_guest_class_init(FakeGuestClass *class)
{
    GuestClass *guest_class = MEMPLUG_GUEST_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = fake_guest_finalize;
    guest_class->observe_async = fake_guest_observe_async;
    guest_class->observe_finish = fake_guest_observe_finish;
    guest_class->act_async = fake_guest_act_async;
    guest_class->act_finish = fake_guest_act_finish;
    guest_class->set_stats_period = fake_guest_set_stats_period;
    guest_class->change_limits_async = fake_guest_change_limits_async;
    guest_class->change_limits_finish = fake_guest_change_limits_finish;
    guest_class->store_memory_async = fake_guest_store_memory_async;
    guest_class->store_memory_finish = fake_guest_store_memory_finish;
    guest_class->describe_async = fake_guest_describe_async;
    guest_class->describe_finish = fake_guest_describe_finish;
    guest_class->setup_async = fake_guest_setup_async;
    guest_class->setup_finish = fake_guest_setup_finish;
    guest_class->open_channel_async = fake_guest_open_channel_async;
    guest_class->open_channel_finish = fake_guest_open_channel_finish;
    guest_class->keep_word = fake_guest_keep_word;
}

static void
fake_guest_init(FakeGuest *guest)
{
}
