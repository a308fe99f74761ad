/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kinds of words that commands take, checked in one place: before a
 * command runs, and where completion offers what may be written.
 */
#pragma once

#include <glib.h>

typedef enum {
    VALUE_TEXT,          /* anything */
    VALUE_BUS,           /* system, session or a D-Bus address */
    VALUE_COMMAND,       /* a command's name */
    VALUE_COUNT,         /* a whole number above 0: @number */
    VALUE_DECISION,      /* a decision's number, which is a time: @number */
    VALUE_DEVICE,        /* a memory device's id */
    VALUE_FILE,          /* a file's name */
    VALUE_GUEST,         /* a guest's name */
    VALUE_LEASE,         /* a lease's number: @number */
    VALUE_LIMIT,         /* a size, or "default", which is 0: @number */
    VALUE_MECHANISM,     /* auto, dimm, virtio-mem or balloon */
    VALUE_ON_OFF,        /* on or off: @number is 1 or 0 */
    VALUE_OWN_PREDICTOR, /* a predictor's name, or "default" */
    VALUE_POLICY,        /* a policy's name */
    VALUE_PREDICTOR,     /* a predictor's name */
    VALUE_SECONDS,       /* a number above 0: @real */
    VALUE_SEED,          /* any whole number: @number */
    VALUE_SIZE,          /* bytes above 0; a bare number counts KiB, as in virsh: @number */
    VALUE_WEIGHT,        /* a number above 0: @real */
} ValueKind;

typedef struct {
    const char *text; /* as written; borrowed from the command line */
    guint64 number;
    double real;
} Value;

/*
 * value_parse:
 * @value: (out): untouched on failure
 *
 * Returns: FALSE with @error set (G_OPTION_ERROR or SIZE_ERROR) if @text is not of @kind.
 */
gboolean value_parse(ValueKind kind, const char *text, Value *value, GError **error);

/* Returns: (array zero-terminated=1) (nullable): what may be written, where @kind
 *   is a fixed choice or has words of its own. */
const char *const *value_choices(ValueKind kind);
