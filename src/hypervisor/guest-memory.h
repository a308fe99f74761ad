/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memory a guest has, as just observed from outside, and the one step by
 * which it can change. Plain structs without I/O, so that the recipe and the
 * simulator can reason about a guest that does not exist.
 *
 *   boot        what the guest was started with
 *   + DIMMs     plugged whole, in multiples of 128 MiB on x86 Linux
 *   + virtio-mem  plugged in blocks, usually of 2 MiB
 *   - balloon   what the balloon holds of boot memory and DIMMs
 *   = actual
 */
#pragma once

#include <glib.h>

/* Ids of the devices that memplug makes begin with this, so that after a crash
 * it recognises its own. libvirt demands "ua-" before a user's alias. */
#define MEMORY_DEVICE_ID_PREFIX         "memplug-"
#define MEMORY_DEVICE_LIBVIRT_ID_PREFIX "ua-memplug-"

/* Linux on x86-64 adds memory in sections of 128 MiB and refuses other sizes. */
#define MEMORY_DIMM_GRAIN (G_GUINT64_CONSTANT(128) << 20)

/* The balloon counts pages of 4 KiB whatever the guest's own page size is. */
#define MEMORY_BALLOON_GRAIN (G_GUINT64_CONSTANT(4) << 10)

typedef enum {
    MEMORY_DEVICE_DIMM,
    MEMORY_DEVICE_VIRTIO_MEM,
} MemoryDeviceKind;

typedef struct {
    char *id; /* owned; NULL for a device that QEMU cannot name */
    MemoryDeviceKind kind;
    gboolean ours; /* made by memplug: may be removed by it, if it has a name */
    guint node;    /* NUMA node of the guest */
    guint64 size;  /* bytes the guest has from it now */

    /* DIMM only */
    gboolean acknowledged; /* the guest has said that it took the DIMM, or the
                            * DIMM was there before memplug looked */
    gboolean removing;     /* an unplug was asked for and has not ended */

    /* virtio-mem only */
    guint64 requested; /* what the device asks its driver for */
    guint64 max;       /* the most it can provide */
    guint64 block;     /* its grain */
} MemoryDevice;

/* A NUMA node of the guest. */
typedef struct {
    guint id;
    guint64 boot; /* its part of the boot memory */
} MemoryNode;

typedef struct {
    guint64 boot; /* bytes at start, without any memory device */
    guint64 max;  /* the machine's maxmem; equals @boot without hot plug */
    guint slots;  /* the machine's DIMM slots; 0 without hot plug */
    gboolean has_balloon;
    guint64 ballooned;         /* bytes the balloon holds */
    guint64 balloon_requested; /* what it was last asked to hold; equals @ballooned
                                * while nobody knows, since QEMU does not tell */
    gboolean balloon_drifts;   /* the guest may let the balloon go by itself
                                * (deflate-on-oom) */
    MemoryDevice *devices;     /* owned */
    guint n_devices;

    MemoryNode *nodes; /* owned; none: there is only node 0 */
    guint n_nodes;

    /* What the world around the guest says; 0 and NULL: nothing. */
    guint64 given;    /* what it was started with, if its balloon held some of @boot then */
    guint64 cap;      /* with more than this it would be killed, ... */
    char *cap_reason; /* ... by what: "the domain's memtune hard_limit"; owned */
    guint64 beyond;   /* what its balloon counts and none of the above is */
    char *obstacle;   /* why its memory must not be touched at all; owned */
} GuestMemory;

/* Frees what @memory owns and makes it empty. NULL is allowed. */
void guest_memory_clear(GuestMemory *memory);

/* Returns: (transfer full): a deep copy. */
GuestMemory *guest_memory_copy(const GuestMemory *memory);

/* Frees @memory with what it owns. NULL is allowed. */
void guest_memory_free(GuestMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestMemory, guest_memory_free)

/* Returns: whether both say the same of the same devices in the same order. @a may be NULL. */
gboolean guest_memory_equal(const GuestMemory *a, const GuestMemory *b);

/* Returns: the bytes that the guest has now. */
guint64 guest_memory_actual(const GuestMemory *memory);

/* Returns: the bytes that the guest will have once every device has followed what
 *   it was asked: virtio-mem and the balloon as requested, without the DIMMs that
 *   are being removed. */
guint64 guest_memory_requested(const GuestMemory *memory);

/* Returns: the bytes of all DIMMs. */
guint64 guest_memory_dimms(const GuestMemory *memory);

/* Returns: the DIMM slots that are still free. */
guint guest_memory_free_slots(const GuestMemory *memory);

/* Returns: the bytes that maxmem leaves for devices yet to come: a virtio-mem device takes
 *   of it all that it could provide. */
guint64 guest_memory_headroom(const GuestMemory *memory);

/* Returns: whether it has a virtio-mem device, however empty. */
gboolean guest_memory_has_virtio_mem(const GuestMemory *memory);

/* Returns: (nullable): the device called @id. */
const MemoryDevice *guest_memory_find(const GuestMemory *memory, const char *id);

/* The actions. */
typedef enum {
    MEMORY_STEP_PLUG_DIMM,         /* @size: of the new DIMM; @node: where */
    MEMORY_STEP_UNPLUG_DIMM,       /* @device: which */
    MEMORY_STEP_RESIZE_VIRTIO_MEM, /* @device: which; @size: its new requested size */
    MEMORY_STEP_SET_BALLOON,       /* @size: what the balloon shall hold */
    MEMORY_STEP_PLUG_VIRTIO_MEM,   /* @size: the most it can provide, at first nothing;
                                    * @node: where. Only ever by a person's order */
} MemoryStepKind;

typedef struct {
    MemoryStepKind kind;
    guint64 size;
    guint node;
    const char *device; /* borrowed from the GuestMemory that the step came from */
} MemoryStep;

/* Returns: (transfer full): the step in words: "plug a DIMM of 128 MiB", and on which
 *   node if @memory, that of the guest, has several. @memory may be NULL. */
char *memory_step_describe(const MemoryStep *step, const GuestMemory *memory);
