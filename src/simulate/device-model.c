/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-mem and the balloon move piece by piece: what has come is of use, also where
 * the rest never comes. A DIMM comes and goes whole.
 *
 * Where plugging takes memory that the guest does not have (the page array of new memory,
 * 1/64 of it), it takes seconds.
 */
#include "simulate/device-model.h"

/* Linux onlines and offlines memory by blocks of 128 MiB. */
#define PIECE (G_GUINT64_CONSTANT(128) << 20)
#define GIB   ((double)(1 << 30))

/* 64 bytes of page array for each page of 4 KiB. */
#define PAGE_ARRAY_FRACTION 64

#define BLOCK (G_GUINT64_CONSTANT(2) << 20) /* virtio-mem's usual one */
#define SLOTS 32

#define VIRTIO_MEM_ID "memplug-vm0"

/*
 * Guests of 256 MiB to 4 GiB under TCG on a busy machine with two cores, kernels 6.1 and
 * 6.12; on KVM all of it is faster. From the order to the size seen outside:
 *   virtio-mem   +2 to +128 MiB 4 to 35 ms, +512 MiB 46 ms, +4 GiB 450 ms; -256 to -512 MiB
 *                200 to 1,100 ms
 *   balloon      first memory 18 to 30 ms after a release, +464 MiB in 304 ms, +50 MiB in 60 ms;
 *                filled with 95, 128, 256 and 306 MiB in 0.33, 0.57, 1.5 and 2.8 s
 *   DIMM         acknowledged after 57 to 114 ms; unplugged 80 to 240 ms after the order
 *                (128 MiB), or refused after 76 ms: one of five after a program had run
 *   starved      1.1 to 8 s until new memory came to a guest that already thrashed
 * How often an unplug of virtio-mem stops half way on memory that is online_movable is not
 * known: it never did in some hundred of them. One in a hundred is assumed.
 */
const DeviceTuning device_tuning_default = {
    .grow = { 4000, 35000, 100e3 },
    .shrink = { 10000, 60000, 1600e3 },
    .deflate = { 10000, 30000, 700e3 },
    .inflate = { 10000, 60000, 5000e3 },
    .plug = { 50000, 110000, 20e3 },
    .unplug = { 50000, 150000, 800e3 },
    .starved = { 1.1e6, 8e6, 100e3 },
    .unplug_stuck = 0.01,
    .unplug_refused = 0.2,
};

static guint64
round_up(guint64 bytes, guint64 grain)
{
    return (bytes + grain - 1) / grain * grain;
}

static void
add_virtio_mem(DeviceModel *model, guint64 max, guint64 size)
{
    GuestMemory *memory = &model->memory;

    size = MIN(round_up(size, BLOCK), max);
    memory->devices = g_new0(MemoryDevice, 1);
    memory->n_devices = 1;
    memory->devices[0] = (MemoryDevice){
        .id = g_strdup(VIRTIO_MEM_ID),
        .kind = MEMORY_DEVICE_VIRTIO_MEM,
        .ours = TRUE,
        .size = size,
        .requested = size,
        .max = max,
        .block = BLOCK,
    };
}

static void
add_dimm(DeviceModel *model, guint64 size, gboolean acknowledged)
{
    GuestMemory *memory = &model->memory;

    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    memory->devices[memory->n_devices++] = (MemoryDevice){
        .id = g_strdup_printf("memplug-dimm%u", model->n_plugged++),
        .kind = MEMORY_DEVICE_DIMM,
        .ours = TRUE,
        .size = size,
        .acknowledged = acknowledged,
    };
}

static void
remove_device(GuestMemory *memory, guint i)
{
    g_free(memory->devices[i].id);
    for (; i + 1 < memory->n_devices; i++)
        memory->devices[i] = memory->devices[i + 1];
    memory->n_devices--;
}

void
device_model_init(DeviceModel *model, const DeviceTuning *tuning, Chance chance,
                  Mechanism mechanism, guint64 floor, guint64 ceiling, guint64 size)
{
    GuestMemory *memory = &model->memory;
    guint64 boot = mechanism == MECHANISM_BALLOON ? ceiling
                   : mechanism == MECHANISM_AUTO  ? MAX(floor, ceiling / 4)
                                                  : floor;

    *model = (DeviceModel){ .tuning = tuning, .chance = chance };
    for (guint i = 0; i < DEVICE_N_MOVERS; i++)
        model->movers[i].next_us = G_MAXINT64;
    memory->boot = MIN(round_up(boot, BLOCK), round_up(ceiling, BLOCK));
    memory->max = round_up(MAX(ceiling, memory->boot), BLOCK);
    memory->has_balloon = mechanism == MECHANISM_AUTO || mechanism == MECHANISM_BALLOON;
    if (mechanism == MECHANISM_AUTO || mechanism == MECHANISM_VIRTIO_MEM) {
        add_virtio_mem(model, memory->max - memory->boot, size - MIN(size, memory->boot));
    } else if (mechanism == MECHANISM_DIMM) {
        memory->max = memory->boot + round_up(memory->max - memory->boot, MEMORY_DIMM_GRAIN);
        memory->slots = SLOTS;
        if (size > memory->boot)
            add_dimm(model, round_up(size - memory->boot, MEMORY_DIMM_GRAIN), TRUE);
    }
    if (memory->has_balloon) {
        memory->ballooned = memory->boot - MIN(memory->boot, size);
        memory->ballooned -= memory->ballooned % MEMORY_BALLOON_GRAIN;
        memory->balloon_requested = memory->ballooned;
    }
}

void
device_model_clear(DeviceModel *model)
{
    guest_memory_clear(&model->memory);
}

guint64
device_model_actual(const DeviceModel *model)
{
    const GuestMemory *memory = &model->memory;
    guint64 actual = guest_memory_actual(memory);

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        if (device->kind == MEMORY_DEVICE_DIMM && !device->acknowledged)
            actual -= device->size;
    }
    return actual;
}

static MemoryDevice *
find(DeviceModel *model, const char *id)
{
    return (MemoryDevice *)guest_memory_find(&model->memory, id);
}

static guint64
distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

/* Sets @mover off with a first piece out of @left bytes. */
static void
set_off(DeviceModel *model, DeviceMover *mover, const DevicePace *pace, guint64 left, gint64 now)
{
    double jitter = chance_between(&model->chance, 0.75, 1.25);
    double begins = chance_between(&model->chance, pace->least_us, pace->most_us);

    mover->stop = 0;
    mover->refuse = FALSE;
    mover->pace = pace->us_per_gib * jitter / GIB;
    mover->next_us = now + (gint64)(begins + mover->pace * (double)MIN(left, PIECE));
}

static const DevicePace *
plug_pace(const DeviceModel *model, const DevicePace *pace, guint64 size, guint64 available)
{
    return available < size / PAGE_ARRAY_FRACTION ? &model->tuning->starved : pace;
}

static void
order_virtio_mem(DeviceModel *model, const MemoryStep *step, guint64 available, gint64 now)
{
    MemoryDevice *device = find(model, step->device);
    DeviceMover *mover = &model->movers[DEVICE_MOVER_VIRTIO_MEM];
    guint64 left = distance(step->size, device->size);
    gboolean goes_on = device->requested != device->size && step->size != device->size &&
                       (device->requested > device->size) == (step->size > device->size);
    gint64 due = mover->next_us;

    device->requested = step->size;
    mover->next_us = G_MAXINT64;
    if (step->size > device->size) {
        set_off(model, mover, plug_pace(model, &model->tuning->grow, left, available), left, now);
    } else if (step->size < device->size) {
        set_off(model, mover, &model->tuning->shrink, left, now);
        if (chance_real(&model->chance) < model->tuning->unplug_stuck) {
            guint64 part = (guint64)((double)left * chance_real(&model->chance));

            mover->stop = MAX(round_up(step->size + part, device->block), device->block);
        }
    }
    /* The driver goes on with the block in its hands, however far it is to go. */
    if (goes_on)
        mover->next_us = MIN(mover->next_us, due);
}

static void
order_balloon(DeviceModel *model, const MemoryStep *step, gint64 now)
{
    GuestMemory *memory = &model->memory;
    DeviceMover *mover = &model->movers[DEVICE_MOVER_BALLOON];
    const DevicePace *pace =
        step->size < memory->ballooned ? &model->tuning->deflate : &model->tuning->inflate;

    memory->balloon_requested = step->size;
    mover->next_us = G_MAXINT64;
    if (step->size != memory->ballooned)
        set_off(model, mover, pace, distance(step->size, memory->ballooned), now);
}

static void
order_unplug(DeviceModel *model, const MemoryStep *step, gint64 now)
{
    DeviceMover *mover = &model->movers[DEVICE_MOVER_DIMM];

    find(model, step->device)->removing = TRUE;
    set_off(model, mover, &model->tuning->unplug, step->size, now);
    mover->refuse = chance_real(&model->chance) < model->tuning->unplug_refused;
}

void
device_model_order(DeviceModel *model, const MemoryStep *step, guint64 available, gint64 now)
{
    switch (step->kind) {
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        order_virtio_mem(model, step, available, now);
        break;
    case MEMORY_STEP_SET_BALLOON:
        order_balloon(model, step, now);
        break;
    case MEMORY_STEP_PLUG_DIMM:
        add_dimm(model, step->size, FALSE);
        set_off(model, &model->movers[DEVICE_MOVER_DIMM],
                plug_pace(model, &model->tuning->plug, step->size, available), step->size, now);
        break;
    case MEMORY_STEP_UNPLUG_DIMM:
        order_unplug(model, step, now);
        break;
    case MEMORY_STEP_PLUG_VIRTIO_MEM: /* only ever by a person's order */
        break;
    }
}

gint64
device_model_next(const DeviceModel *model)
{
    gint64 next = G_MAXINT64;

    for (guint i = 0; i < DEVICE_N_MOVERS; i++)
        next = MIN(next, model->movers[i].next_us);
    return next;
}

/* Moves @size by a piece towards @to, and arranges for the next. */
static void
move_piece(DeviceMover *mover, guint64 *size, guint64 to, gint64 now)
{
    guint64 piece = MIN(distance(*size, to), PIECE), left;

    *size = *size < to ? *size + piece : *size - piece;
    left = distance(*size, to);
    mover->next_us = left > 0 ? now + (gint64)(mover->pace * (double)MIN(left, PIECE)) : G_MAXINT64;
}

static const char *
end_dimm(DeviceModel *model)
{
    GuestMemory *memory = &model->memory;
    DeviceMover *mover = &model->movers[DEVICE_MOVER_DIMM];

    mover->next_us = G_MAXINT64;
    for (guint i = 0; i < memory->n_devices; i++) {
        MemoryDevice *device = &memory->devices[i];

        if (device->kind != MEMORY_DEVICE_DIMM)
            continue;
        device->acknowledged = TRUE;
        if (!device->removing)
            continue;
        device->removing = FALSE;
        if (mover->refuse)
            return device->id;
        remove_device(memory, i);
        return NULL;
    }
    return NULL;
}

const char *
device_model_run(DeviceModel *model, gint64 now)
{
    DeviceMover *virtio_mem = &model->movers[DEVICE_MOVER_VIRTIO_MEM];
    DeviceMover *balloon = &model->movers[DEVICE_MOVER_BALLOON];
    GuestMemory *memory = &model->memory;

    if (virtio_mem->next_us <= now) {
        MemoryDevice *device = find(model, VIRTIO_MEM_ID);

        move_piece(virtio_mem, &device->size, MAX(device->requested, virtio_mem->stop), now);
    }
    if (balloon->next_us <= now)
        move_piece(balloon, &memory->ballooned, memory->balloon_requested, now);
    if (model->movers[DEVICE_MOVER_DIMM].next_us <= now)
        return end_dimm(model);
    return NULL;
}
