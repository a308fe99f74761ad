/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include <unistd.h>

#include "build-config.h"
#include "daemon/bus.h"
#include "daemon/config.h"
#include "daemon/cycle.h"
#include "daemon/intent.h"
#include "daemon/journal.h"
#include "daemon/ready.h"
#include "daemon/reservations.h"
#include "daemon/roster.h"
#include "hypervisor/qemu/qemu-hypervisor.h"
#if HAVE_LIBVIRT
#include "hypervisor/libvirt/libvirt-hypervisor.h"
#endif
#include "size/size.h"

/* Some 10 ms for one guest, 0.5 s for 50 on a slow machine. */
#define SEARCH_MOST_MS 2000

struct _Daemon {
    char *config_file;
    gboolean config_required;
    Config *config;
    IntentStore *intents;
    Hypervisor *hypervisor;
    Roster *roster;
    Reservations *reservations;
    Cycle *cycle;
    Journal *journal;
    Bus *bus;
    GMainLoop *loop;
    int status;
};

/*
 * Where guests come from, by the beginning of the URI; the first that fits.
 */

#if !HAVE_LIBVIRT
static Hypervisor *
refuse_libvirt(const char *uri, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "no way to connect to '%s': this memplugd was built without libvirt and knows "
                "only qmp:DIR, a folder of QEMU sockets",
                uri);
    return NULL;
}
#endif

static const struct {
    const char *prefix;
    Hypervisor *(*open)(const char *uri, GError **error);
} hypervisors[] = {
    { "qmp:", qemu_hypervisor_new },
#if HAVE_LIBVIRT
    { "", libvirt_hypervisor_new },
#else
    { "", refuse_libvirt },
#endif
};

static Hypervisor *
open_hypervisor(const char *uri, GError **error)
{
    gsize i = 0;

    while (!g_str_has_prefix(uri, hypervisors[i].prefix))
        i++;
    return hypervisors[i].open(uri, error);
}

static guint64
host_memory(void)
{
    return (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE);
}

static void
tell_of_config(Daemon *daemon, GLogLevelFlags level, const char *message)
{
    const Event event = { EVENT_CONFIG, level, "", 0, message };

    roster_tell(daemon->roster, &event);
}

gboolean
daemon_reload(Daemon *daemon, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *refusal = NULL;
    Config *config;

    ready_tell_reloading();
    config = config_load(daemon->config_file, daemon->config_required, &local);
    ready_tell_ready();
    if (!config) {
        refusal = g_strdup_printf("refused, the old one stays in force: %s", local->message);
        tell_of_config(daemon, G_LOG_LEVEL_WARNING, refusal);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    cycle_configure(daemon->cycle, config);
    journal_configure(daemon->journal, config);
    roster_configure(daemon->roster, config);
    config_free(daemon->config);
    daemon->config = config;
    tell_of_config(daemon, G_LOG_LEVEL_INFO, "read anew");
    cycle_soon(daemon->cycle);
    return TRUE;
}

static gboolean
reload_for_bus(gpointer data, GError **error)
{
    return daemon_reload(data, error);
}

static void
on_bus_lost(gpointer data, const char *reason)
{
    g_critical("%s; a daemon that nobody can reach is of no use", reason);
    daemon_quit(data, 1);
}

/* As "systemctl status" shows it: how many guests, and why there are none, perhaps. */
static void
tell_status(Daemon *daemon)
{
    const char *uri = hypervisor_get_uri(daemon->hypervisor);
    const char *connection = hypervisor_get_connection(daemon->hypervisor);
    guint n_guests = roster_get_guests(daemon->roster)->len;
    const char *plural = n_guests == 1 ? "" : "s";

    if (g_str_equal(connection, "connected"))
        ready_tell_status("%u guest%s of %s", n_guests, plural, uri);
    else
        ready_tell_status("%u guest%s of %s (%s)", n_guests, plural, uri, connection);
}

static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    event_log(event);
    if (event->kind == EVENT_GUEST_ADDED || event->kind == EVENT_GUEST_REMOVED)
        tell_status(data);
}

static gboolean
on_patience_over(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/*
 * Who has the bus start memplugd asks for the guests that run, not for those found so far:
 * so the bus is given an answer once all have been looked for. Not for longer than a
 * person notices, for one that is being started holds up the look at all others.
 */
static void
search(Hypervisor *hypervisor)
{
    gboolean over = FALSE;
    guint timer = g_timeout_add(SEARCH_MOST_MS, on_patience_over, &over);

    while (hypervisor_is_searching(hypervisor) && !over)
        g_main_context_iteration(NULL, TRUE);
    if (!over)
        g_source_remove(timer);
}

static gboolean
open_intents(Daemon *daemon, const DaemonOptions *options, const char *uri, GError **error)
{
    g_autofree char *folder = intent_default_folder();

    if (options->dry_run)
        daemon->intents = intent_store_new_volatile();
    else
        daemon->intents = intent_store_open(folder, uri, error);
    return daemon->intents != NULL;
}

static Reservations *
open_reservations(Daemon *daemon, const DaemonOptions *options, const char *uri)
{
    g_autofree char *folder = intent_default_folder();

    return reservations_new(daemon->roster,
                            lease_store_open(options->dry_run ? NULL : folder, uri, NULL), "",
                            RESERVATIONS_SETTLE_US);
}

static void
open_journal(Daemon *daemon, const DaemonOptions *options, const char *uri)
{
    g_autofree char *folder = journal_default_folder();

    daemon->journal = journal_new(daemon->roster, folder, uri, host_memory(), options->dry_run);
    journal_configure(daemon->journal, daemon->config);
    cycle_set_journal(daemon->cycle, daemon->journal);
}

static gboolean
build(Daemon *daemon, const DaemonOptions *options, GError **error)
{
    const char *uri = options->uri ? options->uri : "qemu:///system";
    const char *bus = options->bus ? options->bus : geteuid() == 0 ? "system" : "session";
    BusManagerDuties duties = { NULL, options->dry_run, reload_for_bus, daemon, NULL };

    daemon->config_required = options->config != NULL;
    daemon->config_file = options->config ? g_strdup(options->config) : config_default_file();
    daemon->config = config_load(daemon->config_file, daemon->config_required, error);
    if (!daemon->config)
        return FALSE;
    daemon->hypervisor = open_hypervisor(uri, error);
    if (!daemon->hypervisor || !open_intents(daemon, options, uri, error))
        return FALSE;
    daemon->roster =
        roster_new(daemon->hypervisor, daemon->config, daemon->intents, options->dry_run);
    g_signal_connect(daemon->roster, "event", G_CALLBACK(on_event), daemon);
    duties.hypervisor = daemon->hypervisor;
    daemon->cycle = cycle_new(daemon->hypervisor, daemon->roster, daemon->config, host_memory());
    daemon->reservations = open_reservations(daemon, options, uri);
    cycle_set_reservations(daemon->cycle, daemon->reservations);
    cycle_watch_host(daemon->cycle, "");
    duties.reservations = daemon->reservations;
    open_journal(daemon, options, uri);
    duties.journal = daemon->journal;
    if (!hypervisor_start(daemon->hypervisor, error))
        return FALSE;
    search(daemon->hypervisor);
    daemon->bus = bus_new(bus, daemon->roster, daemon->cycle, &duties, on_bus_lost, error);
    if (!daemon->bus)
        g_prefix_error(error, "bus '%s': ", bus);
    return daemon->bus != NULL;
}

Daemon *
daemon_new(const DaemonOptions *options, GError **error)
{
    g_autoptr(Daemon) daemon = g_new0(Daemon, 1);

    daemon->loop = g_main_loop_new(NULL, FALSE);
    if (!build(daemon, options, error))
        return NULL;
    return g_steal_pointer(&daemon);
}

int
daemon_run(Daemon *daemon)
{
    g_autofree char *budget =
        g_format_size_full(cycle_get_settings(daemon->cycle)->budget, G_FORMAT_SIZE_IEC_UNITS);
    guint watchdog;

    cycle_start(daemon->cycle);
    g_message("memplugd %s: guests of %s, budget %s, policy %s", MEMPLUG_VERSION,
              hypervisor_get_uri(daemon->hypervisor), budget,
              cycle_get_settings(daemon->cycle)->policy->name);
    watchdog = ready_start_watchdog();
    g_signal_connect_swapped(daemon->hypervisor, "notify::connection", G_CALLBACK(tell_status),
                             daemon);
    tell_status(daemon);
    ready_tell_ready();
    g_main_loop_run(daemon->loop);
    ready_tell_stopping();
    g_signal_handlers_disconnect_by_func(daemon->hypervisor, tell_status, daemon);
    g_clear_handle_id(&watchdog, g_source_remove);
    return daemon->status;
}

void
daemon_quit(Daemon *daemon, int status)
{
    daemon->status = MAX(daemon->status, status);
    g_main_loop_quit(daemon->loop);
}

void
daemon_free(Daemon *daemon)
{
    if (!daemon)
        return;
    g_clear_pointer(&daemon->bus, bus_free);
    g_clear_pointer(&daemon->cycle, cycle_free);
    g_clear_pointer(&daemon->journal, journal_free);
    g_clear_object(&daemon->reservations);
    g_clear_object(&daemon->roster);
    g_clear_object(&daemon->hypervisor);
    g_clear_pointer(&daemon->intents, intent_store_free);
    g_clear_pointer(&daemon->config, config_free);
    g_clear_pointer(&daemon->loop, g_main_loop_unref);
    g_free(daemon->config_file);
    g_free(daemon);
}
