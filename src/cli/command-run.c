/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run: starts a QEMU once there is room for its guest.
 *
 * The lease is taken for memplug's own process, which then becomes QEMU: so signals, terminal
 * and exit status are QEMU's own, nobody has to look after it, and memplugd knows whose the
 * memory is before QEMU can have taken any. If QEMU ends before its guest is found, its lease
 * ends as well.
 */
#include <errno.h>
#include <unistd.h>

#include "cli/command-line.h"
#include "cli/qemu-arguments.h"
#include "cli/reservation.h"

/* Returns: (transfer container): the words of COMMAND, ended by NULL. */
static GPtrArray *
words_of(const CommandLine *line)
{
    GPtrArray *words = g_ptr_array_new();
    const Value *word;

    for (guint i = 0; (word = command_line_argument(line, i)); i++)
        g_ptr_array_add(words, (gpointer)word->text);
    g_ptr_array_add(words, NULL);
    return words;
}

static gboolean
check(const CommandLine *line, const QemuArguments *arguments, GError **error)
{
    if (!arguments->daemonizes || command_line_has(line, "for"))
        return TRUE;
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                        "with -daemonize the guest is run by another process, which memplugd "
                        "cannot know: give --for NAME, by which it will know the guest");
    return FALSE;
}

/* Becomes the command. Returns: only if that fails. */
static gboolean
become(Connection *connection, GPtrArray *words, guint64 lease, GError **error)
{
    int failure;

    execvp(words->pdata[0], (char *const *)words->pdata);
    failure = errno;
    reservation_release(connection, lease, NULL);
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(failure), "cannot run %s: %s",
                (const char *)words->pdata[0], g_strerror(failure));
    return FALSE;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(GPtrArray) words = words_of(line);
    const Value *reserve = command_line_option(line, "reserve");
    const Value *guest = command_line_option(line, "for");
    ReservationTerms terms = {
        .guest = guest ? guest->text : NULL,
        .purpose = "memplug run",
        .wait_s = command_line_seconds(line, "wait", 0.0),
    };
    QemuArguments arguments;
    Reservation reservation;
    guint process;

    if (!qemu_arguments_read((const char *const *)words->pdata, &arguments, error) ||
        !check(line, &arguments, error))
        return FALSE;
    terms.size = reserve ? reserve->number : arguments.memory + arguments.overhead;
    /* By its name alone where another process runs it. */
    process = arguments.daemonizes ? 0 : (guint)getpid();
    if (!reservation_make(connection, &terms, &reservation, error) ||
        !reservation_hold(connection, reservation.lease, process, error))
        return FALSE;
    return become(connection, words, reservation.lease, error);
}

static const CommandOption options[] = {
    { "reserve", "SIZE", VALUE_SIZE, "so much, instead of what -m says and QEMU needs" },
    { "for", "NAME", VALUE_TEXT, "the name by which memplugd will know the guest" },
    { "wait", "SECONDS", VALUE_SECONDS, "wait so long for others to need less" },
    { NULL },
};

const Command command_start = {
    .name = "run",
    .summary = "start a QEMU once there is room for its guest",
    .description =
        "Reserves the memory that the guest's -m says, and what QEMU needs for itself,\n"
        "as 'memplug reserve' does; then runs COMMAND in memplug's place, so that its\n"
        "exit status is that of COMMAND. If there is no room, COMMAND is not run, and\n"
        "why is told. The memory is held until memplugd finds the guest, whose own it is\n"
        "then, or until the process ends.\n"
        "Write -- before COMMAND, so that its options are its own.",
    .examples = "memplug run -- qemu-system-x86_64 -m 2G -qmp unix:/run/memplug/guests/db.qmp\n"
                "memplug run --wait 60 -- qemu-system-x86_64 -m 2G",
    .arguments = { { "COMMAND", VALUE_TEXT, .repeated = TRUE } },
    .options = options,
    .run = run,
};
