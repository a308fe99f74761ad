/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of guest checks share; for this room only.
 */
#pragma once

#include "doctor/guest-checks.h"

typedef struct {
    const char *name;
    Finding *(*check)(const GuestCase *guest); /* NULL: nothing to say */
} GuestCheck;

/* Each ends with a NULL name. */
extern const GuestCheck guest_checks_growth[]; /* what it can grow by */
extern const GuestCheck guest_checks_use[];    /* how its use is known, and what it does
                                                * with what it is given */
extern const GuestCheck guest_checks_kernel[]; /* what runs in it */
extern const GuestCheck guest_checks_bounds[]; /* what kills, refuses or cancels growth */

/* How many times its boot memory a guest may have before its kernel runs out of memory
 * for itself, or gives no more of it back: three parts of movable memory for one of the
 * kernel's (Linux, memory_hotplug.auto_movable_ratio = 301). */
#define GUEST_CHECK_GROWTH 4

/* Returns: what the guest should be able to reach, if it can reach nothing now: as much as
 *   it can put to use, in multiples of 128 MiB. */
guint64 guest_check_sensible_max(const GuestCase *guest);

/*
 * guest_check_fix:
 * @xml: what belongs into a libvirt domain's definition; NULL: nothing helps there
 * @options: what belongs onto QEMU's command line
 * @setup: "memplug setup" puts @xml in
 *
 * Returns: (transfer full): where to put the one of the two that fits the guest.
 */
char *guest_check_fix(const GuestCase *guest, gboolean setup, const char *xml, const char *options);

/* Returns: whether @version, as "7.2.22", is at least @major.@minor; also if it cannot be
 *   read, since nothing can be said then. */
gboolean guest_check_is_version(const char *version, guint major, guint minor);

/* Returns: (nullable): the guest's first virtio-mem device. */
const MemoryDevice *guest_check_virtio_mem(const GuestCase *guest);

/* Returns: whether its kernel is known to keep movable memory in proportion to its own. */
gboolean guest_check_keeps_proportions(const GuestCase *guest);

/* Bytes as what is written "%" GUEST_CHECK_MIB " MiB"; a part of one is dropped. */
#define GUEST_CHECK_MIB        G_GUINT64_FORMAT
#define guest_check_mib(bytes) ((bytes) >> 20)
