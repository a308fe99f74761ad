/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon as a whole: opens what main was told, ties it together, runs the
 * main loop. Everything but main() is a library, so that tests link the same
 * objects.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *config; /* nullable: the default file, which need not exist */
    const char *uri;    /* nullable: qemu:///system */
    const char *bus;    /* nullable: "system" for root, else "session" */
    gboolean dry_run;
} DaemonOptions;

typedef struct _Daemon Daemon;

/* Returns: (transfer full): NULL with @error set. */
Daemon *daemon_new(const DaemonOptions *options, GError **error);
void daemon_free(Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

/* Runs until daemon_quit(). Returns: the exit status given there. */
int daemon_run(Daemon *daemon);
void daemon_quit(Daemon *daemon, int status);

/* Reads the configuration anew. Returns: FALSE with @error set (and logged) if
 * it is refused; the old one stays in force. */
gboolean daemon_reload(Daemon *daemon, GError **error);
