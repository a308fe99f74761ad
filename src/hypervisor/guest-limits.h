/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What its administrator allows a guest: floor, ceiling, weight, mechanism,
 * whether memplug manages it at all, and by which predictor. Each may be unset, since they are
 * stacked from several places: the configuration's [defaults], its [guest "NAME"], and where the
 * hypervisor keeps them (NAME.conf beside a QEMU socket, a libvirt domain's metadata), the later
 * winning over the earlier.
 */
#pragma once

#include <glib.h>

typedef enum {
    MECHANISM_AUTO, /* virtio-mem if there is one, else DIMMs and balloon */
    MECHANISM_DIMM,
    MECHANISM_VIRTIO_MEM,
    MECHANISM_BALLOON,
} Mechanism;

/* Returns: "auto", "dimm", "virtio-mem" or "balloon". */
const char *mechanism_name(Mechanism mechanism);

typedef enum {
    GUEST_LIMIT_FLOOR = 1 << 0,
    GUEST_LIMIT_CEILING = 1 << 1,
    GUEST_LIMIT_WEIGHT = 1 << 2,
    GUEST_LIMIT_MECHANISM = 1 << 3,
    GUEST_LIMIT_MANAGED = 1 << 4,
    GUEST_LIMIT_PREDICTOR = 1 << 5,
} GuestLimitField;

/* The longest name of a predictor, and its end. */
#define GUEST_PREDICTOR_SIZE 32

typedef struct {
    guint set; /* GuestLimitField: which of the members below say something */
    guint64 floor;
    guint64 ceiling;
    double weight; /* more than 0; 1 is usual */
    Mechanism mechanism;
    gboolean managed;
    char predictor[GUEST_PREDICTOR_SIZE]; /* its name: whether there is one of that name is not
                                           * known here */
} GuestLimits;

/* The largest weight: beyond it a ratio of weights means starvation. */
#define GUEST_WEIGHT_MAX 1000.0

#define GUEST_LIMITS_ERROR guest_limits_error_quark()
GQuark guest_limits_error_quark(void);

typedef enum {
    GUEST_LIMITS_ERROR_UNKNOWN, /* no limit of that name */
    GUEST_LIMITS_ERROR_INVALID, /* the value is not one of that limit's */
} GuestLimitsError;

/*
 * guest_limits_set:
 * @limits: changed only on success
 * @key: "floor", "ceiling", "weight", "mechanism", "managed" or "predictor"
 * @value: as written in a configuration file: "512M", "2.5", "virtio-mem", "yes"
 *
 * Returns: FALSE with @error (GUEST_LIMITS_ERROR) naming the reason, not the
 *   place: that is the caller's to add.
 */
gboolean guest_limits_set(GuestLimits *limits, const char *key, const char *value, GError **error);

/*
 * guest_limits_load:
 * @file: any key file
 * @group: the group whose keys are limits
 * @place: how messages name @file
 * @limits: (out): untouched on failure
 *
 * Reads a whole group. Returns: FALSE with @error naming @place, @group, key
 * and reason if a key is unknown, a value bad, or the floor above the ceiling.
 */
gboolean guest_limits_load(GKeyFile *file, const char *group, const char *place,
                           GuestLimits *limits, GError **error);

/* Writes what is set in @limits to @group of @file, and removes what is not. */
void guest_limits_store(const GuestLimits *limits, GKeyFile *file, const char *group);

/* Returns: FALSE with @error set if floor and ceiling are both set and crossed. */
gboolean guest_limits_check(const GuestLimits *limits, GError **error);

/* Returns: @base with every limit that @over sets replaced by it. */
GuestLimits guest_limits_overlay(const GuestLimits *base, const GuestLimits *over);

/* Returns: @base with those limits replaced that @change sets, and without those of
 *   @unset (GuestLimitField). */
GuestLimits guest_limits_change(const GuestLimits *base, const GuestLimits *change, guint unset);

/* Returns: whether both say the same. */
gboolean guest_limits_equal(const GuestLimits *a, const GuestLimits *b);
