/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memplugd: parses its options, builds the daemon, runs it. */
#include <glib-unix.h>
#include <locale.h>

#include "build-config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"

static gboolean
on_quit(gpointer data)
{
    daemon_quit(data, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup(gpointer data)
{
    daemon_reload(data, NULL);
    return G_SOURCE_CONTINUE;
}

int
main(int argc, char **argv)
{
    g_autofree char *config = NULL;
    g_autofree char *uri = NULL;
    g_autofree char *bus = NULL;
    gboolean dry_run = FALSE;
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        { "config", 'f', 0, G_OPTION_ARG_FILENAME, &config, "Read FILE and FILE.d/*.conf", "FILE" },
        { "connect", 'c', 0, G_OPTION_ARG_STRING, &uri,
          "Where the guests are: a libvirt URI, or qmp:DIR, a folder of QEMU sockets", "URI" },
        { "bus", 0, 0, G_OPTION_ARG_STRING, &bus,
          "Be found on the system bus, the session bus or the bus at an address",
          "system|session|ADDRESS" },
        { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "Decide and tell, but change nothing",
          NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &version, "Print the version and end", NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Daemon) daemon = NULL;

    setlocale(LC_ALL, "");
    g_option_context_set_summary(context,
                                 "Resizes the memory of running QEMU/KVM guests by itself.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_printerr("memplugd: %s%s\nSee memplugd --help.\n",
                   error ? error->message : "unexpected argument: ", error ? "" : argv[1]);
        return 2;
    }
    if (version) {
        g_print("memplugd %s\n", MEMPLUG_VERSION);
        return 0;
    }

    log_start();
    daemon = daemon_new(&(DaemonOptions){ config, uri, bus, dry_run }, &error);
    if (!daemon) {
        g_critical("%s", error->message);
        return 1;
    }
    g_unix_signal_add(SIGTERM, on_quit, daemon);
    g_unix_signal_add(SIGINT, on_quit, daemon);
    g_unix_signal_add(SIGHUP, on_hangup, daemon);
    return daemon_run(daemon);
}
