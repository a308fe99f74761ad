/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration: memplug.conf and the drop-ins of memplug.conf.d, key files
 * with the sections [host], [policy], [journal], [defaults] and [guest "NAME"].
 * memplug.conf(5) in contrib describes them for people.
 *
 * A configuration is loaded whole or not at all: what is unknown or bad is
 * refused with file, section, key and reason, and the caller keeps the old one.
 */
#pragma once

#include "allocate/host-level.h"
#include "allocate/probe.h"
#include "hypervisor/guest-limits.h"
#include "policies/policy.h"
#include "predict/predictor.h"

typedef struct {
    guint64 budget;       /* bytes to lend; 0: the host's memory less the reserve */
    guint64 reserve;      /* bytes that the host keeps when no budget is given */
    gboolean has_reserve; /* else a tenth of the host, see config_budget() */
    HostMarks marks;      /* of the host; 0 where nobody says, see config_marks() */
    double overcommit;    /* what guests may have together, to the budget; 0: not said, 1 */
    double promise;       /* what may be promised to them (floors, leases), likewise */
    gint64 interval_us;   /* between two cycles */
    const Policy *policy;
    gboolean share; /* what nobody demands is handed out to the guests, not kept */
    const Predictor *predictor;
    ProbeMode probe;
    GuestLimits defaults;
    struct {
        gboolean enabled;
        guint64 max_size;  /* bytes of all its files */
        gint64 max_age_us; /* of a file */
    } journal;
    GHashTable *guests; /* owned: name -> GuestLimits */
} Config;

#define CONFIG_ERROR config_error_quark()
GQuark config_error_quark(void);

typedef enum {
    CONFIG_ERROR_INVALID,
} ConfigError;

/*
 * config_load:
 * @file: path of memplug.conf; its drop-ins are FILE.d/ *.conf, in the order of
 *   their names, later ones winning
 * @required: whether it is an error if @file does not exist
 *
 * Returns: (transfer full): NULL with @error set.
 */
Config *config_load(const char *file, gboolean required, GError **error);

/* Returns: (transfer full): the file to load when nobody names one: in the folder
 *   that a service manager gave ($CONFIGURATION_DIRECTORY), else the system's for
 *   root and the user's own for everybody else. */
char *config_default_file(void);

void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* Returns: what of @host_memory no guest may have, over-commit left out. */
guint64 config_reserve(const Config *config, guint64 host_memory);

/* Returns: what may be lent to the guests of a host of @host_memory bytes, over-commit
 *   included. */
guint64 config_budget(const Config *config, guint64 host_memory);

/* Returns: what may be promised to them: floors and leases. */
guint64 config_promises(const Config *config, guint64 host_memory);

/* Returns: where the host counts as short of memory: half, a quarter and an eighth of what it
 *   keeps for itself, where nobody says. */
HostMarks config_marks(const Config *config, guint64 host_memory);

/* Returns: the limits that apply to the guest called @name, most of them
 *   perhaps unset; @own are those kept where the guest is defined, and win. */
GuestLimits config_guest_limits(const Config *config, const char *name, const GuestLimits *own);
