/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-journal.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "daemon/journal-query.h"
#include "size/size.h"

/* How long the writer's thread is waited for, so that what was just decided is found. */
#define SYNC_US (2 * G_TIME_SPAN_SECOND)

struct _BusJournal {
    BusManager *manager;
    Roster *roster;
    Journal *journal;
};

/*
 * Explain
 */

typedef struct {
    char *folder, *prefix, *guest;
    guint64 decision;
    guint64 since_us, until_us; /* of a history or a report */
    guint most;
    char **guests;   /* of a report */
    char *now;       /* why nothing happens now */
    guint64 current; /* the decision that set what is requested */
    JournalWriter *writer;
} Question;

static void
question_free(gpointer data)
{
    Question *question = data;

    g_free(question->folder);
    g_free(question->prefix);
    g_free(question->guest);
    g_free(question->now);
    g_strfreev(question->guests);
    journal_writer_unref(question->writer);
    g_free(question);
}

static ManagedGuest *
find_guest(BusJournal *bus, const char *name)
{
    GPtrArray *guests = roster_get_guests(bus->roster);

    for (guint i = 0; i < guests->len; i++) {
        if (g_str_equal(guest_get_name(managed_guest_get_guest(guests->pdata[i])), name))
            return guests->pdata[i];
    }
    return NULL;
}

/* Returns: (transfer full): a sentence. */
static char *
describe_now(ManagedGuest *managed)
{
    const GuestStatus *status = managed_guest_get_status(managed);
    Resize *resize = managed_guest_get_resize(managed);
    g_autofree char *actual = size_format_rounded(status->actual);
    g_autofree char *requested = size_format_rounded(status->requested);
    g_autofree char *demand = size_format_rounded(status->forecast.demand);
    g_autofree char *held_back = NULL;

    if (!status->observed)
        return g_strdup("nothing is known of its memory yet");
    if (status->pin == PLAN_PIN_OBSTACLE && status->force.obstacle)
        return g_strdup_printf("it has %s and is left so: %s", actual, status->force.obstacle);
    if (status->pin != PLAN_PIN_NONE)
        return g_strdup_printf("it has %s and the policy leaves it: %s", actual,
                               plan_pin_describe(status->pin));
    if (resize_get_phase(resize) == RESIZE_MOVING)
        return g_strdup_printf("it has %s and is on its way to %s", actual, requested);
    if (resize_get_phase(resize) == RESIZE_SHORT)
        return g_strdup_printf("it has %s of %s: %s", actual, requested, resize_get_reason(resize));
    held_back = managed_guest_describe_held_back(managed, g_get_monotonic_time());
    if (*held_back)
        return g_strdup_printf("it has %s, demands %s (%s), and is left so: %s", actual, demand,
                               status->forecast.reason ? status->forecast.reason : "", held_back);
    return g_strdup_printf("it has %s and demands %s (%s): the policy gives it what it has", actual,
                           demand, status->forecast.reason ? status->forecast.reason : "");
}

static void
answer_question(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Question *question = data;
    g_autoptr(GVariant) found = NULL;
    g_auto(GVariantDict) dict = { 0 };
    GError *error = NULL;

    journal_writer_sync(question->writer, SYNC_US);
    found = journal_query_explain(question->folder, question->prefix, question->guest,
                                  question->decision, &error);
    /* Of a guest that is there, something can be said in any case. */
    if (!found && (!question->now || question->decision != question->current)) {
        g_task_return_error(task, error);
        return;
    }
    g_clear_error(&error);
    g_variant_dict_init(&dict, found);
    g_variant_dict_insert(&dict, "guest", "s", question->guest);
    if (question->now)
        g_variant_dict_insert(&dict, "now", "s", question->now);
    g_task_return_pointer(task, g_variant_ref_sink(g_variant_dict_end(&dict)),
                          (GDestroyNotify)g_variant_unref);
}

static void
on_answered(GObject *source, GAsyncResult *result, gpointer data)
{
    GDBusMethodInvocation *invocation = data;
    GError *error = NULL;
    GVariant *answer = g_task_propagate_pointer(G_TASK(result), &error);

    if (answer)
        g_dbus_method_invocation_return_value(invocation, g_variant_new_tuple(&answer, 1));
    else
        g_dbus_method_invocation_take_error(invocation, error);
    g_clear_pointer(&answer, g_variant_unref);
}

/* Returns: (transfer full) (nullable): NULL if @invocation has been answered. */
static Question *
question_new(BusJournal *bus, GDBusMethodInvocation *invocation, const char *guest)
{
    JournalPlace place = journal_get_place(bus->journal);
    Question *question;

    if (!place.folder) {
        g_dbus_method_invocation_return_error_literal(
            invocation, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
            "no journal is kept: write enabled = yes below [journal] in memplug.conf");
        return NULL;
    }
    question = g_new0(Question, 1);
    question->folder = g_strdup(place.folder);
    question->prefix = g_strdup(place.prefix);
    question->guest = g_strdup(guest);
    question->writer = journal_writer_ref(place.writer);
    return question;
}

static void
question_run(Question *question, GDBusMethodInvocation *invocation, GTaskThreadFunc answer)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_answered, invocation);

    g_task_set_task_data(task, question, question_free);
    g_task_run_in_thread(task, answer);
}

static gboolean
on_explain(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest,
           guint64 decision, gpointer data)
{
    BusJournal *bus = data;
    ManagedGuest *managed = find_guest(bus, guest);
    Question *question = question_new(bus, invocation, guest);

    if (!question)
        return TRUE;
    question->decision = decision;
    if (managed) {
        question->now = describe_now(managed);
        question->current = managed_guest_get_status(managed)->decision;
        if (decision == 0)
            question->decision = question->current;
    }
    question_run(question, invocation, answer_question);
    return TRUE;
}

/*
 * History
 */

#define HISTORY_MOST 10000

static void
answer_history(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Question *question = data;

    journal_writer_sync(question->writer, SYNC_US);
    g_task_return_pointer(task,
                          journal_query_history(question->folder, question->prefix, question->guest,
                                                (gint64)question->since_us,
                                                (gint64)question->until_us, question->most),
                          (GDestroyNotify)g_variant_unref);
}

static gboolean
on_history(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, guint64 since,
           guint64 until, guint most, gpointer data)
{
    BusJournal *bus = data;
    Question *question;

    if (most == 0 || most > HISTORY_MOST || since >= until || until > G_MAXINT64) {
        g_dbus_method_invocation_return_error(
            invocation, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
            "a history has from 1 to %d points, and ends after its beginning", HISTORY_MOST);
        return TRUE;
    }
    question = question_new(bus, invocation, guest);
    if (!question)
        return TRUE;
    question->since_us = since;
    question->until_us = until;
    question->most = most;
    question_run(question, invocation, answer_history);
    return TRUE;
}

/*
 * Report
 */

static void
answer_report(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Question *question = data;

    journal_writer_sync(question->writer, SYNC_US);
    g_task_return_pointer(task,
                          journal_query_report(question->folder, question->prefix,
                                               (const char *const *)question->guests,
                                               (gint64)question->since_us,
                                               (gint64)question->until_us),
                          (GDestroyNotify)g_variant_unref);
}

static gboolean
on_report(BusManager *manager, GDBusMethodInvocation *invocation, const char *const *guests,
          guint64 since, guint64 until, gpointer data)
{
    BusJournal *bus = data;
    Question *question;

    if (since >= until || until > G_MAXINT64) {
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR,
                                                      G_IO_ERROR_INVALID_ARGUMENT,
                                                      "a report ends after its beginning");
        return TRUE;
    }
    question = question_new(bus, invocation, "");
    if (!question)
        return TRUE;
    question->guests = g_strdupv((char **)guests);
    question->since_us = since;
    question->until_us = until;
    question_run(question, invocation, answer_report);
    return TRUE;
}

/*
 * Record
 */

static gboolean
on_record(BusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *none,
          const char *const *guests, gpointer data)
{
    BusJournal *bus = data;
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    GError *error = NULL;
    int fd;

    for (const char *const *guest = guests; *guest; guest++) {
        if (find_guest(bus, *guest))
            continue;
        g_dbus_method_invocation_return_error(invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                              "there is no guest '%s'", *guest);
        return TRUE;
    }
    fd = journal_listen(bus->journal, *guests ? guests : NULL, &error);
    if (fd < 0 || g_unix_fd_list_append(list, fd, &error) < 0)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        bus_manager_complete_record(manager, invocation, list, g_variant_new_handle(0));
    if (fd >= 0)
        close(fd);
    return TRUE;
}

BusJournal *
bus_journal_new(BusManager *manager, Roster *roster, Journal *journal)
{
    BusJournal *bus = g_new0(BusJournal, 1);

    bus->manager = manager;
    bus->roster = roster;
    bus->journal = journal;
    g_signal_connect(manager, "handle-explain", G_CALLBACK(on_explain), bus);
    g_signal_connect(manager, "handle-history", G_CALLBACK(on_history), bus);
    g_signal_connect(manager, "handle-report", G_CALLBACK(on_report), bus);
    g_signal_connect(manager, "handle-record", G_CALLBACK(on_record), bus);
    return bus;
}

void
bus_journal_free(BusJournal *bus)
{
    if (!bus)
        return;
    g_signal_handlers_disconnect_by_data(bus->manager, bus);
    g_free(bus);
}
