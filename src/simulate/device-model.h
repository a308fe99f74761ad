/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory devices of a guest that does not exist: they take the steps that the recipe
 * orders, and follow them as slowly, and now and then as badly, as those of real guests.
 *
 *   device_model_order(step) ─▶ next_us ─▶ device_model_run() ─▶ next_us … ─▶ G_MAXINT64
 */
#pragma once

#include "hotplug/recipe.h"
#include "simulate/chance.h"

/* How one kind of device follows. All 0: at once. */
typedef struct {
    double least_us;   /* before anything moves, at least */
    double most_us;    /* and at most */
    double us_per_gib; /* then */
} DevicePace;

typedef struct {
    DevicePace grow, shrink;     /* virtio-mem */
    DevicePace deflate, inflate; /* balloon */
    DevicePace plug, unplug;     /* DIMM */
    DevicePace starved;          /* what plugs in a guest that has nothing left for it */
    double unplug_stuck;         /* of the unplugs of virtio-mem, the part that stops half way */
    double unplug_refused;       /* of the unplugs of DIMMs, the part that is refused */
} DeviceTuning;

/* As seen on real guests; the sources are in device-model.c. */
extern const DeviceTuning device_tuning_default;

typedef enum {
    DEVICE_MOVER_VIRTIO_MEM,
    DEVICE_MOVER_BALLOON,
    DEVICE_MOVER_DIMM,
    DEVICE_N_MOVERS,
} DeviceMoverKind;

/* Something on its way. */
typedef struct {
    gint64 next_us;  /* when it moves on; G_MAXINT64: it rests */
    double pace;     /* µs a byte */
    guint64 stop;    /* virtio-mem: it gets stuck at this size; 0: nowhere */
    gboolean refuse; /* DIMM: it will not go */
} DeviceMover;

typedef struct {
    const DeviceTuning *tuning;
    Chance chance;
    GuestMemory memory; /* as somebody who looks would find it */
    DeviceMover movers[DEVICE_N_MOVERS];
    guint n_plugged; /* DIMMs so far, for their names */
} DeviceModel;

/*
 * device_model_init:
 * @floor, @ceiling, @size: the guest's; @size is what it has at first
 * @mechanism: which devices it has, see below
 *
 * auto: a quarter of the ceiling at boot, which a balloon can take down to the floor, and the
 * rest as virtio-mem. virtio-mem: the floor at boot, the rest as virtio-mem. dimm: the floor at
 * boot and 32 slots. balloon: everything at boot.
 */
void device_model_init(DeviceModel *model, const DeviceTuning *tuning, Chance chance,
                       Mechanism mechanism, guint64 floor, guint64 ceiling, guint64 size);
void device_model_clear(DeviceModel *model);

/* Returns: what the guest can use of it now: a DIMM counts once it is online. */
guint64 device_model_actual(const DeviceModel *model);

/* @available: bytes that the guest has left: plugging takes memory */
void device_model_order(DeviceModel *model, const MemoryStep *step, guint64 available, gint64 now);

/* Returns: when something moves next; G_MAXINT64: all rest. */
gint64 device_model_next(const DeviceModel *model);

/* Moves what is due. Returns: (transfer none) (nullable): the id of a DIMM that refused to go. */
const char *device_model_run(DeviceModel *model, gint64 now);
