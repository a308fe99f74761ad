/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Guest without QEMU: a GuestMemory that follows what it is told, at once or
 * when the test lets it, and that can be made to refuse, to stop half way, to
 * fall silent or to fail, which real guests do too rarely.
 */
#pragma once

#include "hypervisor/guest.h"

#define TYPE_FAKE_GUEST (fake_guest_get_type())
G_DECLARE_FINAL_TYPE(FakeGuest, fake_guest, MEMPLUG, FAKE_GUEST, Guest)

/* What a fake guest does with an order. */
typedef struct {
    gboolean holds_still;     /* takes orders and does not move until fake_guest_move() */
    gboolean refuses_unplug;  /* says no to every unplug, by an event */
    gboolean silent_unplug;   /* takes an unplug and never does anything */
    guint64 virtio_mem_keeps; /* bytes of a virtio-mem device that cannot be unplugged */
    guint64 balloon_most;     /* the balloon fills no further; 0: no such bound */
    const char *fails;        /* nullable: every order fails with this message ... */
    int fails_with;           /* ... and this GIOErrorEnum; 0: G_IO_ERROR_FAILED */
} FakeManners;

struct _FakeGuest {
    Guest parent;

    GuestMemory memory; /* for the test to look at and to change */
    FakeManners manners;
    guint observed;     /* how often */
    guint ordered;      /* how many orders it got */
    GuestLimits stored; /* by guest_change_limits_async() */
    guint stored_scope;
    guint64 stored_memory;  /* by guest_store_memory_async() */
    gboolean can_be_set_up; /* else it tells no facts either, as a guest without definition */
    GuestSetup setup;       /* by guest_setup_async() */
    guint setups_applied;
    guint period_s;     /* by guest_set_stats_period() */
    GIOStream *channel; /* for the next guest_open_channel_async() */
    int channel_error;  /* GIOErrorEnum that it ends with if there is no @channel */
    guint channel_tries;
    gboolean keeps_no_word; /* of guest_keep_word() */
    guint words_asked;      /* by it */
    guint in_flight;        /* orders that have not ended */
    guint most_in_flight;
};

/* @boot bytes, maxmem @max with @slots slots. */
FakeGuest *fake_guest_new(const char *name, guint64 boot, guint64 max, guint slots,
                          gboolean balloon);

/* The same, of a lineage: its instance is LINEAGE@RUN. */
FakeGuest *fake_guest_new_of_lineage(const char *name, const char *lineage, guint run,
                                     gboolean continues, guint64 boot);

/* Adds a virtio-mem device "vm0" of at most @max bytes, empty. */
void fake_guest_add_virtio_mem(FakeGuest *guest, guint64 max);

/* Adds a DIMM that was there before. */
void fake_guest_add_dimm(FakeGuest *guest, const char *id, guint64 size, gboolean ours);

/* Lets every device go where it was sent, if its manners allow. */
void fake_guest_move(FakeGuest *guest);

/*
 * Has the next guest_open_channel_async() succeed.
 * Returns: the guest's end, a non-blocking socket that is the caller's to close.
 */
int fake_guest_give_channel(FakeGuest *guest);

/* Answers with statistics as a guest that uses @used bytes would. */
void fake_guest_answer(FakeGuest *guest, guint64 used, guint64 update_s);
